/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash left of a destruction. It is finished when all that allowed it still holds, or when
 * the key object is gone anyway; else the version waits on as before. An intent by itself, which
 * anybody who can write into the database can make, destroys nothing. */
#include "server/op/destroying.h"
#include "server/op/system.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct recover_notes {
    struct ward_destroying destroying;
    struct ward_store_intent hold;
    bool begun, finishes;
};

enum { READ_ROWS, READ_PROPOSAL, READ_NODES };

static ward_status decide(struct ward_request *request)
{
    const struct ward_recover_destroying *in = request->in;
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&in->intent.kek, id);
    char *object = ward_arena_printf(request->arena, "key-id:%s#%u", id, in->intent.version);
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct recover_notes);
    }
    WARD_ENSURE(object != NULL && request->work != NULL, WARD_E_EXHAUSTED);
    request->object = ward_bytes_str(object);
    struct recover_notes *notes = request->work;
    return request->step > 0 ? WARD_OK : ward_intent_hold(request, &in->intent, &notes->hold);
}

static ward_status commit_hold(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_recover_destroying *in = request->in;
    const struct recover_notes *notes = request->work;
    return ward_intent_take_over(&in->intent, &notes->hold, batch);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_recover_destroying *in = request->in;
    struct ward_read *rows, *proposal, *nodes;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &rows));
    rows->rows.kek = in->intent.kek;
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &proposal));
    proposal->proposal.id = in->intent.proposal;
    return ward_request_add_read(request, WARD_READ_NODES, &nodes);
}

static ward_status still_allowed(struct ward_request *request, struct ward_worker *worker,
                                 struct ward_destroying *destroying)
{
    const struct ward_read *proposal = request->reads[READ_PROPOSAL];
    /* The clock of whoever began it may have been ahead, and so may this one. */
    WARD_TRY(ward_destroying_check_clocks(request->reads[READ_NODES],
                                          ward_wall_us(worker->pipeline->clock), destroying));
    WARD_TRY(proposal->status);
    WARD_TRY(ward_destroying_check_rows(request->reads[READ_ROWS], destroying));
    return ward_destroying_check_votes(request, worker, &proposal->proposal.proposal, destroying);
}

static ward_status is_gone(struct ward_worker *worker, const struct ward_kek_ref *ref, bool *ret)
{
    struct ward_kek_attest attest;
    ward_status status = ward_kek_attest(worker->session, ref, &attest);
    *ret = status.code == WARD_E_NOT_FOUND || !attest.present;
    return status.code == WARD_E_NOT_FOUND ? WARD_OK : status;
}

/* A device or a database that is away may come back: then it is tried again. */
static bool is_passing(ward_status status)
{
    return status.code == WARD_E_UNAVAILABLE || status.code == WARD_E_INTERNAL ||
           status.code == WARD_E_EXHAUSTED;
}

static ward_status finish_begun(struct ward_request *request, struct ward_worker *worker,
                                struct recover_notes *notes)
{
    ward_status allowed = still_allowed(request, worker, &notes->destroying);
    if (is_passing(allowed)) {
        return allowed;
    }
    bool gone = false;
    WARD_TRY(is_gone(worker, &notes->destroying.ref, &gone));
    notes->finishes = gone || ward_ok(allowed);
    if (!notes->finishes) {
        return WARD_OK;
    }
    WARD_TRY(ward_destroying_effect(&notes->destroying, worker));
    return ward_destroying_tell(&notes->destroying, request);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_recover_destroying *in = request->in;
    struct recover_notes *notes = request->work;
    const struct ward_kek_ref ref = {in->intent.kek, in->intent.version};
    notes->finishes = notes->begun = false;
    ward_status status = ward_destroying_begin(
        request->state, &ref, ward_wall_us(worker->pipeline->clock), &notes->destroying);
    notes->destroying.intent = notes->hold;
    notes->destroying.prior = WARD_INTENT_PRIOR(in->intent.effect);
    if (ward_ok(status) && in->begun) {
        notes->begun = true;
        WARD_TRY(finish_begun(request, worker, notes));
    }
    ward_request_detail_text(request, "recovered",
                             notes->finishes ? WARD_BYTES_LITERAL("finished")
                                             : WARD_BYTES_LITERAL("undone"));
    return WARD_OK;
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct recover_notes *notes = request->work;
    if (notes->finishes) {
        return ward_destroying_outcome(&notes->destroying, batch);
    }
    if (notes->begun) {
        return ward_destroying_undo(&notes->destroying, batch);
    }
    return ward_intent_end(&notes->hold, batch);
}

/* The first step, as in recover.c, keeps away whoever wrote the intent. */
const struct ward_op ward_op_recover_destroying = {
    .action = WARD_ACTION_SYSTEM_RECOVER,
    .alone = true,
    .decide = decide,
    .steps = {{.commit = commit_hold}, {.read = read, .finish = finish, .commit = commit}},
    .n_steps = 2,
};
