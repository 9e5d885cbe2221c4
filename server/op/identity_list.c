/* SPDX-License-Identifier: Apache-2.0 */
/* ListRevocations: who is not let in, as of the state that the request is decided under. */
#include "server/op/messages.h"
#include "server/op/revoking.h"

/* The first one after the token's. */
static ward_status find_start(const struct ward_state *state, struct ward_bytes token, size_t *ret)
{
    uint8_t kind;
    struct ward_bytes value;
    *ret = 0;
    if (token.size == 0) {
        return WARD_OK;
    }
    WARD_REQUIRE(ward_revoked_parse(token, &kind, &value),
                 "page_token: not one that ListRevocations gave");
    while (*ret < state->n_revocations) {
        const struct ward_store_revocation *at = &state->revocations[*ret];
        if (at->kind > kind || (at->kind == kind && ward_bytes_cmp(at->value, value) > 0)) {
            break;
        }
        (*ret)++;
    }
    return WARD_OK;
}

static ward_status decide(struct ward_request *request)
{
    struct ward_revocation_list *in = request->in;
    const struct ward_state *state = request->state;
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_IDENTITY_LIST, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    WARD_TRY(decision.status);
    size_t start;
    WARD_TRY(find_start(state, in->page_token, &start));
    size_t left = state->n_revocations - start;
    in->revocations = state->revocations + start; /* the request holds the state */
    in->n = left < in->page_size ? left : in->page_size;
    in->next_page_token = (struct ward_bytes){0};
    if (in->n < left) {
        const struct ward_store_revocation *last = &in->revocations[in->n - 1];
        WARD_TRY(
            ward_revoked_object(request->arena, last->kind, last->value, &in->next_page_token));
    }
    ward_request_detail(request, "revocations", (int64_t)in->n);
    return WARD_OK;
}

const struct ward_op ward_op_revocation_list = {.action = WARD_ACTION_IDENTITY_LIST,
                                                .decide = decide};
