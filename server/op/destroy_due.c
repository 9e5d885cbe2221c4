/* SPDX-License-Identifier: Apache-2.0 */
/* A version whose waiting is over is destroyed by the daemon itself, on the word of the officers
 * who agreed to it. Before it is asked for, a process of its own has opened every row of the key;
 * all else is looked at here, last thing before the intent. Whichever daemon writes that first does
 * it. */
#include "server/op/data_key.h"
#include "server/op/destroying.h"
#include "server/op/system.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

#define DAY_US (24LL * 3600 * 1000000)

enum { READ_ROWS, READ_USE, READ_NODES, READ_PROPOSAL };

static ward_status decide(struct ward_request *request)
{
    const struct ward_destroy_due *in = request->in;
    const struct ward_key *key = ward_state_key_by_id(request->state, &in->ref.id);
    WARD_ENSURE(key != NULL, WARD_E_NOT_FOUND);
    WARD_TRY(ward_op_key_object(request->arena, key->name, in->ref.version, &request->object));
    if (request->step > 0) {
        return WARD_OK; /* decided again after the effect: what is gone stays gone */
    }
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct ward_destroying);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    WARD_TRY(
        ward_destroying_begin(request->state, &in->ref, request->received_wall_us, request->work));
    return ward_destroying_check_due(request->work);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_destroy_due *in = request->in;
    struct ward_read *rows, *use, *nodes, *proposal;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &rows));
    rows->rows.kek = in->ref.id;
    WARD_TRY(ward_request_add_read(request, WARD_READ_KEY_USE, &use));
    use->key_use.kek = in->ref.id;
    WARD_TRY(ward_request_add_read(request, WARD_READ_NODES, &nodes));
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &proposal));
    proposal->proposal.id = in->proposal;
    return WARD_OK;
}

static ward_status check_use(const struct ward_request *request, struct ward_destroying *destroying)
{
    const struct ward_read *use = request->reads[READ_USE];
    WARD_TRY(use->status);
    int64_t unused_days = ward_policy_settings(request->state->policy)->unused_days;
    for (size_t i = 0; i < use->key_use.n; i++) {
        const struct ward_store_key_use *row = &use->key_use.uses[i];
        if (row->version != destroying->ref.version) {
            continue;
        }
        destroying->issued = row->issued;
        if (row->last_opened_us > destroying->now_us - unused_days * DAY_US) {
            return WARD_REFUSAL(WARD_E_STATE,
                                "key: keys of this version were unwrapped too short a time ago");
        }
    }
    return WARD_OK;
}

static ward_status check_nodes(const struct ward_request *request)
{
    const struct ward_destroy_due *in = request->in;
    if (!ward_destroying_all_let_go(request->reads[READ_NODES], in->epoch)) {
        return WARD_REFUSAL(WARD_E_STATE, "key: a daemon may still hold a copy of the version");
    }
    return WARD_OK;
}

static ward_status finish_checks(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_destroying *destroying = request->work;
    const struct ward_read *proposal = request->reads[READ_PROPOSAL];
    WARD_TRY(ward_destroying_check_clocks(request->reads[READ_NODES],
                                          ward_wall_us(worker->pipeline->clock), destroying));
    if (proposal->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_STATE, "proposal: no officer agreed to it");
    }
    WARD_TRY(proposal->status);
    WARD_TRY(ward_destroying_check_rows(request->reads[READ_ROWS], destroying));
    WARD_TRY(check_use(request, destroying));
    WARD_TRY(check_nodes(request));
    return ward_destroying_check_votes(request, worker, &proposal->proposal.proposal, destroying);
}

static ward_status commit_intent(struct ward_request *request, struct ward_batch *batch)
{
    return ward_destroying_intent(request->work, batch);
}

static ward_status finish_effect(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_destroy_due *in = request->in;
    struct ward_destroying *destroying = request->work;
    WARD_TRY(ward_destroying_effect(destroying, worker));
    WARD_TRY(ward_destroying_tell(destroying, request));
    ward_request_detail(request, "rows_opened", (int64_t)in->rows_opened);
    ward_request_detail(request, "rows_of_version", 0);
    return WARD_OK;
}

static ward_status commit_outcome(struct ward_request *request, struct ward_batch *batch)
{
    return ward_destroying_outcome(request->work, batch);
}

const struct ward_op ward_op_destroy_due = {
    .action = WARD_ACTION_SYSTEM_DESTROY,
    .alone = true,
    .decide = decide,
    .steps = {{.read = read, .finish = finish_checks, .commit = commit_intent},
              {.finish = finish_effect, .commit = commit_outcome}},
    .n_steps = 2,
};
