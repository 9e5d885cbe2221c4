/* SPDX-License-Identifier: Apache-2.0 */
/* Between generated messages and the operations' plain structs. It checks shape, never meaning:
 * names' grammar, rights and existence are for those who decide. */
#include "server/rpc/fields.h"

#include "base/clock.h"
#include "policy/key_state.h"
#include "proto/grpc.h"
#include "proto/proposal.h"
#include "server/rpc/details.h"

#define NAMED_MAX 64 /* of a field's name in an error */

_Static_assert(sizeof(struct ward_map_entry) == sizeof(ProtobufCMessage) + 2 * sizeof(char *),
               "map entries");

/* ---- in ---- */

static bool request_id_valid(struct ward_bytes id)
{
    for (size_t i = 0; i < id.size; i++) {
        uint8_t c = id.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-')) {
            return false;
        }
    }
    return true;
}

ward_status ward_fields_header(struct ward_request *request, const Ward__V1__RequestHeader *header)
{
    if (header == NULL) {
        return WARD_OK;
    }
    struct ward_bytes id = ward_bytes_str(header->request_id),
                      user = ward_bytes_str(header->on_behalf_of),
                      reason = ward_bytes_str(header->reason);
    WARD_REQUIRE(id.size <= WARD_REQUEST_ID_MAX, "request_id: longer than 64 bytes");
    WARD_REQUIRE(request_id_valid(id), "request_id: a character outside A-Z a-z 0-9 . _ -");
    request->request_id = id;
    WARD_REQUIRE(user.size <= WARD_ON_BEHALF_OF_MAX, "on_behalf_of: longer than 128 bytes");
    request->on_behalf_of = user;
    WARD_REQUIRE(reason.size <= WARD_REASON_MAX, "reason: longer than 256 bytes");
    request->reason = reason;
    return WARD_OK;
}

ward_status ward_fields_context(struct ward_arena *arena,
                                const struct ward_map_entry *const *entries, size_t n,
                                struct ward_context *ret)
{
    WARD_REQUIRE(n <= WARD_CONTEXT_PAIRS_MAX, "context: more than 32 pairs");
    /* Not on the stack: room for the most would be cleared for every item. */
    struct ward_context_pair *pairs = WARD_ARENA_ARRAY(arena, struct ward_context_pair, n);
    WARD_ENSURE(pairs != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        pairs[i] = (struct ward_context_pair){ward_bytes_str(entries[i]->key),
                                              ward_bytes_str(entries[i]->value)};
    }
    return ward_context_build(arena, pairs, n, ret);
}

ward_status ward_fields_page(uint32_t page_size, const char *token, uint32_t *ret_size,
                             struct ward_bytes *ret_token)
{
    WARD_REQUIRE(page_size <= WARD_PAGE_SIZE_MAX, "page_size: more than 1000");
    struct ward_bytes bytes = ward_bytes_str(token);
    WARD_REQUIRE(bytes.size <= WARD_NAME_MAX, "page_token: longer than 128 bytes");
    *ret_size = page_size == 0 ? WARD_PAGE_SIZE_DEFAULT : page_size;
    *ret_token = bytes;
    return WARD_OK;
}

ward_status ward_fields_items(size_t n)
{
    WARD_REQUIRE(n > 0, "items: none");
    WARD_REQUIRE(n <= WARD_BATCH_ITEMS_MAX, "items: more than 1000");
    return WARD_OK;
}

/* ---- out ---- */

ward_status ward_fields_text(struct ward_arena *arena, struct ward_bytes bytes, char **ret)
{
    struct ward_bytes copy;
    WARD_TRY(ward_arena_copy(arena, bytes, &copy));
    *ret = (char *)copy.data;
    return WARD_OK;
}

/* A refused field is named, as the caller named it, unless it would not do in a text. */
static bool may_be_shown(struct ward_bytes name)
{
    bool shown = name.size > 0 && name.size <= NAMED_MAX && ward_utf8_valid(name);
    for (size_t i = 0; shown && i < name.size; i++) {
        shown = name.data[i] >= 0x20 && name.data[i] != 0x7f;
    }
    return shown;
}

/* " (action A, rule R)", or nothing: what has no rule of policy behind it has one constant text. */
static ward_status print_rule(const struct ward_request *request, size_t i, ward_status status,
                              const char **ret)
{
    struct ward_leaf_pair pairs[2];
    const struct ward_leaf_item *item = i < request->n_leaf_items ? &request->leaf_items[i] : NULL;
    *ret = "";
    if (item == NULL ||
        ward_details_rule(status, request->item_actions[i], item->rule, pairs) == 0) {
        return WARD_OK;
    }
    *ret = ward_arena_printf(request->arena, " (%s %s, %s %s)", pairs[0].name, pairs[0].text.data,
                             pairs[1].name, pairs[1].text.data);
    WARD_ENSURE(*ret != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status ward_fields_item_error(const struct ward_request *request, size_t i, ward_status status,
                                   struct ward_bytes refused, Ward__V1__ItemError **ret)
{
    *ret = NULL;
    if (ward_ok(status)) {
        return WARD_OK;
    }
    const char *rule;
    WARD_TRY(print_rule(request, i, status, &rule));
    Ward__V1__ItemError *error = WARD_ARENA_NEW(request->arena, Ward__V1__ItemError);
    WARD_ENSURE(error != NULL, WARD_E_EXHAUSTED);
    ward__v1__item_error__init(error);
    error->code = ward_grpc_code_of(status);
    error->message = (char *)ward_grpc_message_of(status); /* constant, and only read */
    bool named = may_be_shown(refused);
    if (named || *rule != 0) {
        error->message =
            ward_arena_printf(request->arena, "%s%s%.*s%s", error->message, named ? ": " : "",
                              named ? (int)refused.size : 0, (const char *)refused.data, rule);
        WARD_ENSURE(error->message != NULL, WARD_E_EXHAUSTED);
    }
    *ret = error;
    return WARD_OK;
}

ward_status ward_fields_time(struct ward_arena *arena, int64_t wall_us, char **ret)
{
    char text[WARD_TIME_TEXT_SIZE];
    ward_time_print(wall_us, text);
    return ward_fields_text(arena, ward_bytes_str(text), ret);
}

ward_status ward_fields_id(struct ward_arena *arena, const struct ward_id *id, char **ret)
{
    char text[WARD_ID_TEXT_SIZE];
    ward_id_print(id, text);
    return ward_fields_text(arena, ward_bytes_str(text), ret);
}

static ward_status fill_version(struct ward_arena *arena, const struct ward_key_version_view *view,
                                Ward__V1__KeyVersion *out)
{
    ward__v1__key_version__init(out);
    out->version = view->version;
    out->state = (char *)ward_key_state_name((enum ward_key_state)view->state);
    out->rows = view->rows;
    if (view->due_us > 0) {
        out->prior = (char *)ward_key_state_name((enum ward_key_state)view->prior);
        WARD_TRY(ward_fields_time(arena, view->due_us, &out->due));
    }
    WARD_TRY(ward_fields_time(arena, view->changed_us, &out->changed));
    return ward_fields_time(arena, view->created_us, &out->created);
}

ward_status ward_fields_key(struct ward_arena *arena, const struct ward_key_view *view,
                            Ward__V1__Key **ret)
{
    Ward__V1__Key *key = WARD_ARENA_NEW(arena, Ward__V1__Key);
    Ward__V1__KeyVersion *versions =
        WARD_ARENA_ARRAY(arena, Ward__V1__KeyVersion, view->n_versions);
    Ward__V1__KeyVersion **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__KeyVersion *, view->n_versions);
    WARD_ENSURE(key != NULL && versions != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__key__init(key);
    WARD_TRY(ward_fields_text(arena, view->name, &key->name));
    WARD_TRY(ward_fields_text(arena, view->backend, &key->backend));
    WARD_TRY(ward_fields_id(arena, &view->id, &key->id));
    WARD_TRY(ward_fields_time(arena, view->created_us, &key->created));
    key->purpose = (Ward__V1__KeyPurpose)view->purpose;
    key->enabled = view->enabled;
    key->rotation_period_days = view->rotation_period_days;
    for (size_t i = 0; i < view->n_versions; i++) {
        WARD_TRY(fill_version(arena, &view->versions[i], &versions[i]));
        pointers[i] = &versions[i];
    }
    key->versions = pointers;
    key->n_versions = view->n_versions;
    *ret = key;
    return WARD_OK;
}

static ward_status fill_vote(struct ward_arena *arena, const struct ward_vote_view *view,
                             Ward__V1__Approval *out)
{
    ward__v1__approval__init(out);
    WARD_TRY(ward_fields_text(arena, view->identity, &out->identity));
    out->decision = (char *)ward_decision_kind_name((enum ward_decision_kind)view->decision);
    ward_fields_put(&out->signature, view->signature);
    ward_fields_put(&out->certificate, view->certificate);
    WARD_TRY(ward_fields_text(arena, view->reason, &out->reason));
    return ward_fields_time(arena, view->created_us, &out->time);
}

static ward_status fill_standing(struct ward_arena *arena,
                                 const struct ward_proposal_standing *view, Ward__V1__Proposal *out)
{
    Ward__V1__MissingApprovals *missing =
        WARD_ARENA_ARRAY(arena, Ward__V1__MissingApprovals, view->n_missing_of);
    out->missing = WARD_ARENA_ARRAY(arena, Ward__V1__MissingApprovals *, view->n_missing_of);
    out->may_approve = WARD_ARENA_ARRAY(arena, char *, view->n_may_approve);
    WARD_ENSURE(missing != NULL && out->missing != NULL && out->may_approve != NULL,
                WARD_E_EXHAUSTED);
    for (size_t i = 0; i < view->n_missing_of; i++) {
        ward__v1__missing_approvals__init(&missing[i]);
        WARD_TRY(ward_fields_text(arena, view->missing_of[i].role, &missing[i].role));
        missing[i].approvals = view->missing_of[i].approvals;
        out->missing[i] = &missing[i];
    }
    for (size_t i = 0; i < view->n_may_approve; i++) {
        WARD_TRY(ward_fields_text(arena, view->may_approve[i], &out->may_approve[i]));
    }
    out->n_missing = view->n_missing_of;
    out->n_may_approve = view->n_may_approve;
    out->approvals_missing = view->missing;
    out->review = (char *)(view->review == NULL ? "" : view->review);
    out->waits_for_you = (char *)(view->waits_for_you == NULL ? "" : view->waits_for_you);
    out->cannot_run = (char *)(view->cannot_run == NULL ? "" : view->cannot_run);
    return WARD_OK;
}

ward_status ward_fields_proposal(struct ward_arena *arena, const struct ward_proposal_view *view,
                                 Ward__V1__Proposal **ret)
{
    Ward__V1__Proposal *proposal = WARD_ARENA_NEW(arena, Ward__V1__Proposal);
    Ward__V1__Approval *votes = WARD_ARENA_ARRAY(arena, Ward__V1__Approval, view->n_votes);
    Ward__V1__Approval **pointers = WARD_ARENA_ARRAY(arena, Ward__V1__Approval *, view->n_votes);
    WARD_ENSURE(proposal != NULL && votes != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__proposal__init(proposal);
    WARD_TRY(ward_fields_id(arena, &view->id, &proposal->id));
    WARD_TRY(ward_fields_text(arena, view->proposer, &proposal->proposer));
    ward_fields_put(&proposal->payload, view->payload);
    proposal->state = (char *)(view->state == NULL ? "" : view->state);
    proposal->approvals_needed = view->approvals_needed;
    for (size_t i = 0; i < view->n_votes; i++) {
        WARD_TRY(fill_vote(arena, &view->votes[i], &votes[i]));
        pointers[i] = &votes[i];
    }
    proposal->approvals = pointers;
    proposal->n_approvals = view->n_votes;
    *ret = proposal;
    return fill_standing(arena, &view->standing, proposal);
}
