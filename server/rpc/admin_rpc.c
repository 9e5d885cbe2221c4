/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Admin: who is no longer let in, and whether all is well. An identity comes as its text, a
 * certificate as the digest of its DER; the operations know both as texts. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "ward/v1/admin.pb-c.h"

#define SHA256_SIZE 32

/* ---- revoke, unrevoke ---- */

static ward_status decode_whom(struct ward_request *request, struct ward_bytes identity,
                               struct ward_bytes certificate)
{
    WARD_REQUIRE(request->reason.size > 0, "reason: empty");
    WARD_REQUIRE(identity.size > 0 || certificate.size > 0,
                 "identity: neither it nor certificate_sha256 is given");
    WARD_REQUIRE(identity.size == 0 || certificate.size == 0,
                 "identity: both it and certificate_sha256 are given");
    WARD_REQUIRE(identity.size < WARD_IDENTITY_MAX, "identity: longer than 511 bytes");
    struct ward_identity_change *in = WARD_ARENA_NEW(request->arena, struct ward_identity_change);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->kind = WARD_REVOKED_IDENTITY;
    in->value = identity;
    if (certificate.size > 0) {
        WARD_REQUIRE(certificate.size == SHA256_SIZE, "certificate_sha256: not 32 bytes");
        char *hex = ward_arena_alloc(request->arena, 2 * SHA256_SIZE + 1);
        WARD_ENSURE(hex != NULL, WARD_E_EXHAUSTED);
        ward_hex_encode(certificate, hex);
        in->kind = WARD_REVOKED_CERTIFICATE;
        in->value = ward_bytes_str(hex);
    }
    request->in = in;
    return WARD_OK;
}

ward_status ward_identity_revoke_decode(struct ward_request *request,
                                        const ProtobufCMessage *message)
{
    const Ward__V1__RevokeIdentityRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    WARD_TRY(decode_whom(request, ward_bytes_str(from->identity),
                         ward_fields_bytes(&from->certificate_sha256)));
    ((struct ward_identity_change *)request->in)->force = from->force != 0;
    return WARD_OK;
}

ward_status ward_identity_revoke_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_identity_change *in = request->in;
    Ward__V1__RevokeIdentityResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RevokeIdentityResponse);
    WARD_ENSURE(response != NULL && in->proposal != NULL, WARD_E_EXHAUSTED);
    ward__v1__revoke_identity_response__init(response);
    *ret = &response->base;
    return ward_fields_proposal(request->arena, in->proposal, &response->proposal);
}

ward_status ward_identity_unrevoke_decode(struct ward_request *request,
                                          const ProtobufCMessage *message)
{
    const Ward__V1__UnrevokeIdentityRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    return decode_whom(request, ward_bytes_str(from->identity),
                       ward_fields_bytes(&from->certificate_sha256));
}

ward_status ward_identity_unrevoke_encode(struct ward_request *request,
                                          const ProtobufCMessage **ret)
{
    const struct ward_identity_change *in = request->in;
    Ward__V1__UnrevokeIdentityResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__UnrevokeIdentityResponse);
    WARD_ENSURE(response != NULL && in->proposal != NULL, WARD_E_EXHAUSTED);
    ward__v1__unrevoke_identity_response__init(response);
    *ret = &response->base;
    return ward_fields_proposal(request->arena, in->proposal, &response->proposal);
}

/* ---- list ---- */

ward_status ward_revocation_list_decode(struct ward_request *request,
                                        const ProtobufCMessage *message)
{
    const Ward__V1__ListRevocationsRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_revocation_list *in = WARD_ARENA_NEW(request->arena, struct ward_revocation_list);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    WARD_REQUIRE(from->page_size <= WARD_PAGE_SIZE_MAX, "page_size: more than 1000");
    in->page_size = from->page_size == 0 ? WARD_PAGE_SIZE_DEFAULT : from->page_size;
    in->page_token = ward_bytes_str(from->page_token);
    request->in = in;
    return WARD_OK;
}

static ward_status fill(struct ward_arena *arena, const struct ward_store_revocation *from,
                        Ward__V1__Revocation *out)
{
    ward__v1__revocation__init(out);
    if (from->kind == WARD_REVOKED_IDENTITY) {
        WARD_TRY(ward_fields_text(arena, from->value, &out->identity));
    } else {
        uint8_t *hash = ward_arena_alloc(arena, SHA256_SIZE);
        WARD_ENSURE(hash != NULL, WARD_E_EXHAUSTED);
        bool hex =
            from->value.size == 2 * SHA256_SIZE &&
            ward_hex_decode((const char *)from->value.data, from->value.size, hash, SHA256_SIZE);
        WARD_ENSURE(hex, WARD_E_INTERNAL);
        ward_fields_put(&out->certificate_sha256, WARD_BYTES(hash, SHA256_SIZE));
    }
    WARD_TRY(ward_fields_id(arena, &from->proposal, &out->proposal));
    return ward_fields_time(arena, from->created_us, &out->created);
}

ward_status ward_revocation_list_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_revocation_list *in = request->in;
    Ward__V1__ListRevocationsResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ListRevocationsResponse);
    Ward__V1__Revocation *items = WARD_ARENA_ARRAY(request->arena, Ward__V1__Revocation, in->n);
    Ward__V1__Revocation **pointers =
        WARD_ARENA_ARRAY(request->arena, Ward__V1__Revocation *, in->n);
    WARD_ENSURE(response != NULL && items != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__list_revocations_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(fill(request->arena, &in->revocations[i], &items[i]));
        pointers[i] = &items[i];
    }
    response->revocations = pointers;
    response->n_revocations = in->n;
    *ret = &response->base;
    return ward_fields_text(request->arena, in->next_page_token, &response->next_page_token);
}

/* ---- diagnose ---- */

ward_status ward_diagnose_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__DiagnoseRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    request->in = WARD_ARENA_NEW(request->arena, struct ward_diagnose);
    WARD_ENSURE(request->in != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static ward_status fill_finding(struct ward_arena *arena, const struct ward_finding *from,
                                Ward__V1__Finding *out)
{
    static const char *const levels[] = {
        [WARD_FINDING_OK] = "ok", [WARD_FINDING_WARNING] = "warning", [WARD_FINDING_GAP] = "gap"};
    ward__v1__finding__init(out);
    WARD_TRY(ward_fields_text(arena, from->check, &out->check));
    WARD_TRY(ward_fields_text(arena, ward_bytes_str(levels[from->level]), &out->level));
    WARD_TRY(ward_fields_text(arena, from->text, &out->text));
    return ward_fields_text(arena, from->advice, &out->advice);
}

ward_status ward_diagnose_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_diagnose *in = request->in;
    Ward__V1__DiagnoseResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__DiagnoseResponse);
    Ward__V1__Finding *items = WARD_ARENA_ARRAY(request->arena, Ward__V1__Finding, in->n);
    Ward__V1__Finding **pointers = WARD_ARENA_ARRAY(request->arena, Ward__V1__Finding *, in->n);
    WARD_ENSURE(response != NULL && items != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__diagnose_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(fill_finding(request->arena, &in->findings[i], &items[i]));
        pointers[i] = &items[i];
    }
    response->findings = pointers;
    response->n_findings = in->n;
    response->left_out = (uint32_t)in->left_out;
    *ret = &response->base;
    return WARD_OK;
}
