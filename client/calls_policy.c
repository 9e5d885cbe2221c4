/* SPDX-License-Identifier: Apache-2.0 */
/* The Admin service's policy: its versions and the draft of another. A text's hash is computed
 * here: what the daemon says it is, is not looked at. */
#include "base/digest.h"
#include "client/client.h"
#include "client/proposal_view.h"
#include "ward/v1/admin.pb-c.h"

#define SHA256_SIZE 32

struct policies {
    ward_policies view; /* first: what the caller holds */
    struct ward_arena *arena;
};

void ward_policies_free(ward_policies *policies)
{
    if (policies != NULL) {
        ward_arena_free(((struct policies *)policies)->arena); /* it lies in it */
    }
}

/* Of the text, or, where none came, as the daemon says. */
static bool hash_of(struct ward_arena *arena, const Ward__V1__PolicyVersion *from, char **ret_hex)
{
    uint8_t hash[SHA256_SIZE];
    char *hex = ward_arena_alloc(arena, 2 * SHA256_SIZE + 1);
    bool good = hex != NULL;
    if (good && from->text.len > 0) {
        struct ward_digest *digest = NULL;
        struct ward_bytes text = {from->text.data, from->text.len};
        good = ward_ok(ward_digest_new(&digest)) && ward_ok(ward_sha256(digest, &text, 1, hash));
        ward_digest_free(digest);
        ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    } else if (good && from->sha256.len == SHA256_SIZE) {
        ward_hex_encode(WARD_BYTES(from->sha256.data, SHA256_SIZE), hex);
    }
    *ret_hex = hex;
    return good;
}

static ward_rc take(Ward__V1__PolicyVersion **from, size_t n, struct ward_arena *arena,
                    ward_policies *ret, ward_error *error)
{
    ward_policy_info *items = WARD_ARENA_ARRAY(arena, ward_policy_info, n);
    const ward_policy_info **pointers = WARD_ARENA_ARRAY(arena, const ward_policy_info *, n);
    bool good = items != NULL && pointers != NULL;
    for (size_t i = 0; i < n && good; i++) {
        char *hex = NULL;
        good = hash_of(arena, from[i], &hex);
        items[i] = (ward_policy_info){.version = from[i]->version,
                                      .text = from[i]->text.data,
                                      .text_size = from[i]->text.len,
                                      .sha256 = hex,
                                      .created = from[i]->created,
                                      .ceased = from[i]->ceased,
                                      .proposal = from[i]->proposal};
        pointers[i] = &items[i];
    }
    ret->items = pointers;
    ret->n = n;
    ret->next_page = "";
    return good ? WARD_RC_OK : ward_error_memory(error);
}

static ward_rc begin(struct ward_arena **arena, struct policies **ret, ward_error *error)
{
    WARD_CLIENT_TRY(ward_message_arena(arena, error));
    *ret = WARD_ARENA_NEW(*arena, struct policies);
    return *ret == NULL ? ward_error_memory(error) : WARD_RC_OK;
}

ward_rc ward_show_policy(ward_client *client, const ward_call *call, uint32_t version,
                         const char *proposal, ward_policies **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/ShowPolicy", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct policies *policies = NULL;
    WARD_CLIENT_TRY(begin(&arena, &policies, error));
    Ward__V1__ShowPolicyRequest request = WARD__V1__SHOW_POLICY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.version = version;
    request.proposal = ward_message_text(proposal);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__show_policy_response__descriptor, arena, &message,
                                     error));
    Ward__V1__PolicyVersion *policy = ((const Ward__V1__ShowPolicyResponse *)message)->policy;
    if (policy == NULL || policy->text.len == 0) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon's answer holds no policy");
    }
    WARD_CLIENT_TRY(take(&policy, 1, arena, &policies->view, error));
    policies->arena = WARD_TAKE(arena);
    *ret = &policies->view;
    return WARD_RC_OK;
}

ward_rc ward_list_policies(ward_client *client, const ward_call *call, uint32_t page_size,
                           const char *page, ward_policies **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/ListPolicies", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct policies *policies = NULL;
    WARD_CLIENT_TRY(begin(&arena, &policies, error));
    Ward__V1__ListPoliciesRequest request = WARD__V1__LIST_POLICIES_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.page_size = page_size;
    request.page_token = ward_message_text(page);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__list_policies_response__descriptor, arena, &message,
                                     error));
    const Ward__V1__ListPoliciesResponse *answer = (const void *)message;
    WARD_CLIENT_TRY(take(answer->policies, answer->n_policies, arena, &policies->view, error));
    policies->view.next_page = answer->next_page_token;
    policies->arena = WARD_TAKE(arena);
    *ret = &policies->view;
    return WARD_RC_OK;
}

ward_rc ward_apply_policy(ward_client *client, const ward_call *call, const void *text, size_t size,
                          uint32_t base_version, ward_proposals **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/ApplyPolicy", false};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__ApplyPolicyRequest request = WARD__V1__APPLY_POLICY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.text = (ProtobufCBinaryData){size, (uint8_t *)text}; /* only read */
    request.base_version = base_version;
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__apply_policy_response__descriptor, arena, &message,
                                     error));
    Ward__V1__Proposal *proposal = ((const Ward__V1__ApplyPolicyResponse *)message)->proposal;
    return ward_proposals_of(WARD_TAKE(arena), proposal, ret, error);
}
