/* SPDX-License-Identifier: Apache-2.0 */
/* RekeyKey. Guarded, it ends in a proposal and changes nothing; unguarded, it opens the run at
 * once. One that is under way is left to run. */
#include "server/op/drafting.h"
#include "server/op/rekeying.h"
#include "server/work/worker.h"

struct rekey_notes {
    struct ward_rekeying rekeying;
    struct ward_draft draft;
};

static ward_status decide(struct ward_request *request)
{
    const struct ward_key_rekey *in = request->in;
    WARD_TRY(ward_drafting_ask_key(request, in->name, 0));
    if (request->work == NULL) {
        request->work = WARD_ARENA_NEW(request->arena, struct rekey_notes);
        WARD_ENSURE(request->work != NULL, WARD_E_EXHAUSTED);
    }
    struct rekey_notes *notes = request->work;
    WARD_TRY(ward_drafting_guard(request, in->name, &notes->draft));
    return ward_rekeying_make(request, in->name, &notes->rekeying);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct rekey_notes *notes = request->work;
    return ward_rekeying_read(request, &notes->rekeying);
}

static ward_status read_more(struct ward_request *request)
{
    struct rekey_notes *notes = request->work;
    return ward_rekeying_read_more(request, &notes->rekeying);
}

static ward_status propose(struct ward_request *request, struct ward_worker *worker,
                           struct rekey_notes *notes)
{
    struct ward_key_rekey *in = request->in;
    struct ward_draft *draft = &notes->draft;
    const struct ward_rekeying *rekeying = &notes->rekeying;
    if (rekeying->runs) {
        return WARD_REFUSAL(WARD_E_STATE, "key: a rekey of it is under way");
    }
    ward_drafting_begin(request, rekeying->key->name, draft);
    ward_drafting_number(draft, "run", rekeying->job.version);
    WARD_TRY(ward_drafting_id(draft, "key_id", &rekeying->key->id, request->arena));
    ward_drafting_consequence(draft, "subject_keys_to_replace", rekeying->keys);
    ward_drafting_consequence(draft, "records_to_encrypt_anew", rekeying->records);
    ward_drafting_consequence(draft, "under_version", rekeying->version);
    return ward_drafting_make(request, worker, draft, &in->proposal);
}

/* What it answers is the job as it is, or as it will be when this is committed. */
static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_key_rekey *in = request->in;
    struct rekey_notes *notes = request->work;
    struct ward_rekeying *rekeying = &notes->rekeying;
    WARD_TRY(ward_rekeying_count(request, rekeying));
    if (notes->draft.guard.approvals > 0) {
        return propose(request, worker, notes);
    }
    ward_job_view_of(request->reads[0], WARD_JOB_REKEY, request->received_wall_us, &in->job);
    if (!rekeying->runs) {
        in->job = (struct ward_job_view){.state = ward_job_state_name(WARD_JOB_RUNNING),
                                         .version = rekeying->job.version,
                                         .total = rekeying->records,
                                         .created_us = rekeying->job.created_us};
    }
    return ward_execution_rekey.tell(rekeying, request);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct rekey_notes *notes = request->work;
    if (notes->draft.guard.approvals > 0) {
        return ward_drafting_commit(&notes->draft, batch);
    }
    return notes->rekeying.runs ? WARD_OK
                                : ward_job_commit_open(&notes->rekeying.job, false, batch);
}

const struct ward_op ward_op_key_rekey = {
    .action = WARD_ACTION_KEY_REKEY,
    .alone = true,
    .decide = decide,
    .steps = {{.read = read, .read_more = read_more, .finish = finish, .commit = commit}},
    .n_steps = 1,
};
