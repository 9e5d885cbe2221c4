/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Admin, policy: its versions, and the draft of another. The text passes here untouched,
 * since it is its hash that officers sign. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "ward/v1/admin.pb-c.h"

_Static_assert(WARD_POLICY_TEXT_MAX == 1044480, "a refusal text names this number");

static ward_status fill(struct ward_arena *arena, const struct ward_store_policy *from,
                        Ward__V1__PolicyVersion *out)
{
    static const struct ward_id none;
    ward__v1__policy_version__init(out);
    out->version = from->version;
    ward_fields_put(&out->text, from->text);
    ward_fields_put(&out->sha256, WARD_BYTES_ARRAY(from->hash));
    WARD_TRY(ward_fields_time(arena, from->created_us, &out->created));
    if (from->ceased_us != 0) {
        WARD_TRY(ward_fields_time(arena, from->ceased_us, &out->ceased));
    }
    return ward_id_eq(&from->proposal, &none)
               ? WARD_OK
               : ward_fields_id(arena, &from->proposal, &out->proposal);
}

/* ---- show ---- */

ward_status ward_policy_show_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ShowPolicyRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_policy_show *in = WARD_ARENA_NEW(request->arena, struct ward_policy_show);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->version = from->version;
    in->of_proposal = from->proposal[0] != 0;
    WARD_REQUIRE(in->version <= INT32_MAX, "version: more than 2147483647");
    WARD_REQUIRE(!in->of_proposal || in->version == 0, "version: both it and proposal are given");
    WARD_REQUIRE(!in->of_proposal || ward_id_parse(ward_bytes_str(from->proposal), &in->proposal),
                 "proposal: not a UUID in lower case");
    request->in = in;
    return WARD_OK;
}

ward_status ward_policy_show_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_policy_show *in = request->in;
    Ward__V1__ShowPolicyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ShowPolicyResponse);
    Ward__V1__PolicyVersion *policy = WARD_ARENA_NEW(request->arena, Ward__V1__PolicyVersion);
    WARD_ENSURE(response != NULL && policy != NULL, WARD_E_EXHAUSTED);
    ward__v1__show_policy_response__init(response);
    response->policy = policy;
    *ret = &response->base;
    return fill(request->arena, &in->policy, policy);
}

/* ---- list ---- */

/* "<version, decimal>": where the page before ended. */
static ward_status decode_token(const char *text, uint32_t *ret)
{
    uint64_t version = 0;
    size_t size = strlen(text);
    bool good = size <= 10;
    for (size_t i = 0; i < size && good; i++) {
        good = text[i] >= '0' && text[i] <= '9';
        version = version * 10 + (uint64_t)(text[i] - '0');
    }
    good = good && version <= INT32_MAX && (size == 0 || (version > 0 && text[0] != '0'));
    WARD_REQUIRE(good, "page_token: not one that ListPolicies gave");
    *ret = (uint32_t)version;
    return WARD_OK;
}

ward_status ward_policy_list_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ListPoliciesRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_policy_list *in = WARD_ARENA_NEW(request->arena, struct ward_policy_list);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    struct ward_bytes token;
    request->in = in;
    WARD_TRY(ward_fields_page(from->page_size, from->page_token, &in->page_size, &token));
    return decode_token(from->page_token, &in->before);
}

ward_status ward_policy_list_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_policy_list *in = request->in;
    Ward__V1__ListPoliciesResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ListPoliciesResponse);
    Ward__V1__PolicyVersion *items =
        WARD_ARENA_ARRAY(request->arena, Ward__V1__PolicyVersion, in->n);
    Ward__V1__PolicyVersion **pointers =
        WARD_ARENA_ARRAY(request->arena, Ward__V1__PolicyVersion *, in->n);
    WARD_ENSURE(response != NULL && items != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__list_policies_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(fill(request->arena, &in->policies[i], &items[i]));
        pointers[i] = &items[i];
    }
    response->policies = pointers;
    response->n_policies = in->n;
    if (in->next_before > 0) {
        response->next_page_token = ward_arena_printf(request->arena, "%u", in->next_before);
        WARD_ENSURE(response->next_page_token != NULL, WARD_E_EXHAUSTED);
    }
    *ret = &response->base;
    return WARD_OK;
}

/* ---- apply ---- */

ward_status ward_policy_apply_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__ApplyPolicyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    WARD_REQUIRE(request->reason.size > 0, "reason: empty");
    struct ward_policy_apply *in = WARD_ARENA_NEW(request->arena, struct ward_policy_apply);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->text = ward_fields_bytes(&from->text);
    in->base_version = from->base_version;
    WARD_REQUIRE_TEXT(in->text, "text", 1044480);
    WARD_REQUIRE(ward_utf8_valid(in->text), "text: not UTF-8, or a NUL byte");
    WARD_REQUIRE(in->base_version > 0, "base_version: missing");
    WARD_REQUIRE(in->base_version < INT32_MAX, "base_version: more than 2147483646");
    request->in = in;
    return WARD_OK;
}

ward_status ward_policy_apply_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_policy_apply *in = request->in;
    Ward__V1__ApplyPolicyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ApplyPolicyResponse);
    WARD_ENSURE(response != NULL && in->proposal != NULL, WARD_E_EXHAUSTED);
    ward__v1__apply_policy_response__init(response);
    *ret = &response->base;
    return ward_fields_proposal(request->arena, in->proposal, &response->proposal);
}
