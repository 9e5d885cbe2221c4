/* SPDX-License-Identifier: Apache-2.0 */
/* The Admin service. Revoking and unrevoking give back a draft: it is the caller who reads and
 * signs it, with ward_submit_proposal. Nothing here signs. */
#include <string.h>

#include "client/client.h"
#include "client/proposal_view.h"
#include "ward/v1/admin.pb-c.h"

#define SHA256_SIZE 32

struct revocations {
    ward_revocations view; /* first: what the caller holds */
    struct ward_arena *arena;
};

void ward_revocations_free(ward_revocations *revocations)
{
    if (revocations != NULL) {
        ward_arena_free(((struct revocations *)revocations)->arena); /* it lies in it */
    }
}

/* ---- revoke, unrevoke ---- */

/* Both requests begin alike; force is Revoke's own. */
static ward_rc check_whom(const char *identity, const char *certificate_sha256,
                          uint8_t hash[static SHA256_SIZE], ward_error *error)
{
    if ((identity != NULL) == (certificate_sha256 != NULL)) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "identity: give it or certificate_sha256, and not both");
    }
    bool hex = certificate_sha256 == NULL ||
               (strlen(certificate_sha256) == 2 * SHA256_SIZE &&
                ward_hex_decode(certificate_sha256, 2 * SHA256_SIZE, hash, SHA256_SIZE));
    return hex ? WARD_RC_OK
               : ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                                "certificate_sha256: not 64 hex digits");
}

static ward_rc propose(ward_client *client, const ward_call *call, const struct ward_method *method,
                       ProtobufCMessage *request, const ProtobufCMessageDescriptor *type,
                       struct ward_arena **take_arena, ward_proposals **ret, ward_error *error)
{
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(
        ward_client_call(client, method, call, request, type, *take_arena, &message, error));
    /* The two answers have the same one field. */
    Ward__V1__Proposal *proposal = ((const Ward__V1__RevokeIdentityResponse *)message)->proposal;
    return ward_proposals_of(WARD_TAKE(*take_arena), proposal, ret, error);
}
_Static_assert(sizeof(Ward__V1__RevokeIdentityResponse) ==
                   sizeof(Ward__V1__UnrevokeIdentityResponse),
               "answers are alike");

ward_rc ward_revoke_identity(ward_client *client, const ward_call *call, const char *identity,
                             const char *certificate_sha256, int force, ward_proposals **ret,
                             ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/RevokeIdentity", false};
    uint8_t hash[SHA256_SIZE];
    WARD_CLIENT_TRY(check_whom(identity, certificate_sha256, hash, error));
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__RevokeIdentityRequest request = WARD__V1__REVOKE_IDENTITY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.identity = ward_message_text(identity);
    if (certificate_sha256 != NULL) {
        request.certificate_sha256 = (ProtobufCBinaryData){SHA256_SIZE, hash};
    }
    request.force = force != 0;
    return propose(client, call, &method, &request.base,
                   &ward__v1__revoke_identity_response__descriptor, &arena, ret, error);
}

ward_rc ward_unrevoke_identity(ward_client *client, const ward_call *call, const char *identity,
                               const char *certificate_sha256, ward_proposals **ret,
                               ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/UnrevokeIdentity", false};
    uint8_t hash[SHA256_SIZE];
    WARD_CLIENT_TRY(check_whom(identity, certificate_sha256, hash, error));
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__UnrevokeIdentityRequest request = WARD__V1__UNREVOKE_IDENTITY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.identity = ward_message_text(identity);
    if (certificate_sha256 != NULL) {
        request.certificate_sha256 = (ProtobufCBinaryData){SHA256_SIZE, hash};
    }
    return propose(client, call, &method, &request.base,
                   &ward__v1__unrevoke_identity_response__descriptor, &arena, ret, error);
}

/* ---- list ---- */

static bool view_of(struct ward_arena *arena, const Ward__V1__Revocation *from,
                    ward_revocation_info *ret)
{
    char *hex = ward_arena_alloc(arena, 2 * SHA256_SIZE + 1);
    if (hex == NULL) {
        return false;
    }
    hex[0] = 0;
    if (from->certificate_sha256.len == SHA256_SIZE) {
        ward_hex_encode(WARD_BYTES(from->certificate_sha256.data, SHA256_SIZE), hex);
    }
    *ret = (ward_revocation_info){.identity = from->identity,
                                  .certificate_sha256 = hex,
                                  .proposal = from->proposal,
                                  .created = from->created};
    return true;
}

static ward_rc take(const Ward__V1__ListRevocationsResponse *answer, struct ward_arena *arena,
                    ward_revocations *ret, ward_error *error)
{
    size_t n = answer->n_revocations;
    ward_revocation_info *items = WARD_ARENA_ARRAY(arena, ward_revocation_info, n);
    const ward_revocation_info **pointers =
        WARD_ARENA_ARRAY(arena, const ward_revocation_info *, n);
    bool good = items != NULL && pointers != NULL;
    for (size_t i = 0; i < n && good; i++) {
        good = view_of(arena, answer->revocations[i], &items[i]);
        pointers[i] = &items[i];
    }
    ret->items = pointers;
    ret->n = n;
    ret->next_page = answer->next_page_token;
    return good ? WARD_RC_OK : ward_error_memory(error);
}

ward_rc ward_list_revocations(ward_client *client, const ward_call *call, uint32_t page_size,
                              const char *page, ward_revocations **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/ListRevocations", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    struct revocations *revocations = WARD_ARENA_NEW(arena, struct revocations);
    if (revocations == NULL) {
        return ward_error_memory(error);
    }
    Ward__V1__ListRevocationsRequest request = WARD__V1__LIST_REVOCATIONS_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.page_size = page_size;
    request.page_token = ward_message_text(page);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__list_revocations_response__descriptor, arena,
                                     &message, error));
    WARD_CLIENT_TRY(
        take((const Ward__V1__ListRevocationsResponse *)message, arena, &revocations->view, error));
    revocations->arena = WARD_TAKE(arena);
    *ret = &revocations->view;
    return WARD_RC_OK;
}
