/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeKey and ListKeys: what the keyring says, and for one key how many rows each version
 * holds. */
#include "policy/name.h"
#include "proto/wire_limits.h"
#include "server/op/data_key.h"
#include "server/op/jobs.h"
#include "server/op/key_making.h"
#include "server/op/rekeying.h"
#include "server/work/worker.h"

static ward_status decide_describe(struct ward_request *request)
{
    struct ward_key_describe *in = request->in;
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_KEY_DESCRIBE, in->name, NULL);
    request->rule = decision.rule;
    if (ward_name_valid(in->name)) {
        WARD_TRY(ward_op_key_object(request->arena, in->name, 0, &request->object));
    }
    WARD_TRY(decision.status);
    const struct ward_key *key = ward_state_key(request->state, in->name);
    if (key == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "key: no such key");
    }
    return ward_key_view_of(request->arena, key, &in->key);
}

static ward_status read_rows(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_key_describe *in = request->in;
    struct ward_read *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &read));
    read->rows.kek = in->key.id;
    WARD_TRY(ward_request_add_read(request, WARD_READ_JOBS, &read));
    read->jobs.kek = in->key.id;
    return WARD_OK;
}

static ward_status finish_describe(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_key_describe *in = request->in;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(read->status);
    WARD_TRY(request->reads[1]->status);
    ward_job_view_of(request->reads[1], WARD_JOB_REWRAP, request->received_wall_us, &in->rewrap);
    ward_job_view_of(request->reads[1], WARD_JOB_REKEY, request->received_wall_us, &in->rekey);
    const struct ward_key *key = ward_state_key_by_id(request->state, &in->key.id);
    if (key != NULL) {
        in->rekey.owed_for = ward_rekey_owed(key, request->reads[1], read);
    }
    for (size_t v = 0; v < in->key.n_versions; v++) {
        for (size_t r = 0; r < read->rows.n; r++) {
            if (read->rows.versions[r] == in->key.versions[v].version) {
                in->key.versions[v].rows = read->rows.counts[r];
            }
        }
    }
    return WARD_OK;
}

const struct ward_op ward_op_key_describe = {
    .action = WARD_ACTION_KEY_DESCRIBE,
    .decide = decide_describe,
    .steps = {{.read = read_rows, .finish = finish_describe}},
    .n_steps = 1,
};

/* The first key after the token's name; the keyring is sorted. */
static size_t first_after(const struct ward_state *state, struct ward_bytes name)
{
    size_t low = 0, high = state->n_keys;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ward_bytes_cmp(state->keys[middle].name, name) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static ward_status decide_list(struct ward_request *request)
{
    struct ward_key_list *in = request->in;
    const struct ward_state *state = request->state;
    struct ward_decision decision =
        ward_request_ask(request, WARD_ACTION_KEY_LIST, (struct ward_bytes){0}, NULL);
    request->rule = decision.rule;
    WARD_TRY(decision.status);
    WARD_REQUIRE(in->page_token.size == 0 || ward_name_valid(in->page_token),
                 "page_token: not one that ListKeys gave");
    in->keys = WARD_ARENA_ARRAY(request->arena, struct ward_key_view, in->page_size);
    WARD_ENSURE(in->keys != NULL, WARD_E_EXHAUSTED);
    in->n = 0;
    in->next_page_token = (struct ward_bytes){0};
    for (size_t i = first_after(state, in->page_token); i < state->n_keys; i++) {
        if (!ward_request_ask(request, WARD_ACTION_KEY_DESCRIBE, state->keys[i].name, NULL)
                 .allowed) {
            continue;
        }
        if (in->n == in->page_size) {
            in->next_page_token = in->keys[in->n - 1].name;
            break;
        }
        WARD_TRY(ward_key_view_of(request->arena, &state->keys[i], &in->keys[in->n++]));
    }
    ward_request_detail(request, "keys", (int64_t)in->n);
    return WARD_OK;
}

const struct ward_op ward_op_key_list = {.action = WARD_ACTION_KEY_LIST, .decide = decide_list};
