/* SPDX-License-Identifier: Apache-2.0 */
/* Birth and death of a request. All that it owns is its memory and two references. */
#include "server/request.h"

#include <assert.h>

#include "policy/name.h"
#include "proto/wire_limits.h"
#include "server/op/op.h"
#include "server/state.h"

_Static_assert(sizeof(struct ward_decide_pair) == sizeof(struct ward_context_pair) &&
                   offsetof(struct ward_decide_pair, value) ==
                       offsetof(struct ward_context_pair, value),
               "what policy looks at is laid out as the context is");

#define NAME_RULE "[a-z0-9][a-z0-9._-]* parts joined by /, at most 128 bytes"

ward_status ward_request_new(size_t budget, struct ward_request **ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(budget, &arena));
    struct ward_request *request = WARD_ARENA_NEW(arena, struct ward_request);
    WARD_ENSURE(request != NULL, WARD_E_EXHAUSTED);
    request->action = WARD_ACTION_NONE;
    request->arena = WARD_TAKE(arena);
    *ret = request;
    return WARD_OK;
}

void ward_request_free(struct ward_request *request)
{
    if (request == NULL) {
        return;
    }
    ward_peer_unref(request->peer);
    ward_state_unref(request->state);
    ward_arena_free(request->spare);
    ward_arena_free(request->arena); /* the request itself lies in it */
}

ward_status ward_request_add_read(struct ward_request *request, enum ward_read_kind kind,
                                  struct ward_read **ret)
{
    if (request->n_reads == request->max_reads) {
        size_t more = request->max_reads == 0 ? 4 : request->max_reads * 2;
        struct ward_read **reads = WARD_ARENA_ARRAY(request->arena, struct ward_read *, more);
        WARD_ENSURE(reads != NULL, WARD_E_EXHAUSTED);
        if (request->n_reads > 0) {
            memcpy(reads, request->reads, request->n_reads * sizeof(*reads));
        }
        request->reads = reads;
        request->max_reads = more;
    }
    struct ward_read *read = WARD_ARENA_NEW(request->arena, struct ward_read);
    WARD_ENSURE(read != NULL, WARD_E_EXHAUSTED);
    read->kind = kind;
    request->reads[request->n_reads++] = read;
    *ret = read;
    return WARD_OK;
}

ward_status ward_request_find_read(const struct ward_request *request, enum ward_read_kind kind,
                                   const struct ward_read **ret)
{
    for (size_t i = 0; i < request->n_reads; i++) {
        if (request->reads[i]->kind == kind) {
            *ret = request->reads[i];
            return (*ret)->status;
        }
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

static struct ward_leaf_pair *next_detail(struct ward_request *request, const char *name)
{
    assert(request->n_detail < sizeof(request->detail) / sizeof(request->detail[0]));
    struct ward_leaf_pair *pair = &request->detail[request->n_detail++];
    *pair = (struct ward_leaf_pair){.name = name};
    return pair;
}

void ward_request_detail(struct ward_request *request, const char *name, int64_t number)
{
    next_detail(request, name)->number = number;
}

void ward_request_detail_text(struct ward_request *request, const char *name,
                              struct ward_bytes text)
{
    next_detail(request, name)->text = text;
}

/* "127.0.0.1:40312" or "[::1]:40312" without the port; what has another form is not known. */
static struct ward_bytes address_of(const struct ward_peer *peer)
{
    const char *text = peer->address, *colon = strrchr(text, ':');
    if (colon == NULL) {
        return (struct ward_bytes){0};
    }
    size_t size = (size_t)(colon - text);
    if (text[0] != '[') {
        return WARD_BYTES(text, size);
    }
    return size > 2 && colon[-1] == ']' ? WARD_BYTES(text + 1, size - 2) : (struct ward_bytes){0};
}

struct ward_decision ward_request_ask_fields(const struct ward_request *request,
                                             enum ward_action action, struct ward_bytes object,
                                             const struct ward_context *context,
                                             const struct ward_asked_fields *fields)
{
    enum ward_object_kind kind = ward_action_object(action);
    if (kind != WARD_OBJECT_NONE && !ward_name_valid(object)) {
        return (struct ward_decision){
            .status = kind == WARD_OBJECT_KEY
                          ? WARD_REFUSAL(WARD_E_INVALID, "key: not a name: " NAME_RULE)
                          : WARD_REFUSAL(WARD_E_INVALID, "collection: not a name: " NAME_RULE)};
    }
    struct ward_decide_in in = {.action = action,
                                .object = object,
                                .fields = fields->names,
                                .n_fields = fields->n,
                                .whole = fields->whole,
                                .emergency = fields->emergency,
                                .now_us = request->received_wall_us,
                                .address = address_of(request->peer)};
    in.subject =
        ward_policy_subject(request->state->policy, ward_bytes_str(request->peer->identity));
    if (context != NULL) { /* asked for every item: not copied */
        in.context = (const struct ward_decide_pair *)(const void *)context->pairs;
        in.n_context = context->n;
    }
    return ward_decide(request->state->policy, &in);
}

struct ward_decision ward_request_ask(const struct ward_request *request, enum ward_action action,
                                      struct ward_bytes object, const struct ward_context *context)
{
    return ward_request_ask_fields(request, action, object, context,
                                   &(struct ward_asked_fields){0});
}
