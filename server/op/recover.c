/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash left between an intent and its outcome. An approved proposal is finished: officers
 * agreed to it, which their signatures say and no row by itself. What cannot be finished is undone,
 * and so is a bare creation: its caller was told that it failed, or nothing. */
#include "base/failpoint.h"
#include "policy/key_state.h"
#include "server/op/key_making.h"
#include "server/op/log_key_changing.h"
#include "server/op/votes.h"
#include "server/op/system.h"
#include "server/work/batch.h"
#include "server/work/worker.h"

struct recover_notes {
    bool finishes, executing; /* executing: there is a proposal, and it stands in that state */
    struct ward_proposal proposal;
    struct ward_key_making making;
    struct ward_log_key_changing changing; /* of the log's key, in place of a making */
    struct ward_store_intent hold;
    struct ward_bytes approvers;
    struct ward_votes_digests votes;
};

static ward_status decide(struct ward_request *request)
{
    const struct ward_recover *in = request->in;
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
    const struct ward_recover *in = request->in;
    const struct recover_notes *notes = request->work;
    return ward_intent_take_over(&in->intent, &notes->hold, batch);
}

static bool has_proposal(const struct ward_recover *in)
{
    static const struct ward_id none;
    return !ward_id_eq(&in->intent.proposal, &none);
}

static ward_status read(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_recover *in = request->in;
    struct ward_read *rows, *read;
    WARD_TRY(ward_request_add_read(request, WARD_READ_ROWS, &rows));
    rows->rows.kek = in->intent.kek;
    if (!has_proposal(in)) {
        return WARD_OK;
    }
    WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &read));
    read->proposal.id = in->intent.proposal;
    return WARD_OK;
}

/* Of the key that signs the log? Its id is no KEK's. */
static bool is_of_log(const struct ward_request *request)
{
    const struct ward_recover *in = request->in;
    return ward_id_eq(&in->intent.kek, &request->state->log_keys[0].ref.id);
}

static ward_status name_votes(struct ward_request *request, struct ward_worker *worker,
                              struct recover_notes *notes, const struct ward_votes *votes)
{
    const struct ward_policy *policy = request->state->policy;
    WARD_TRY(ward_votes_name(policy, votes, request->arena, &notes->approvers));
    return ward_votes_digest(policy, votes, worker->crypto.digest, request->arena, &notes->votes);
}

/* Was it really approved? Nothing but the signatures is believed. Policy was looked at when the
 * last of them was given. What has expired is not finished: when the last one came only a row can
 * say, and the entry has to stand for itself. */
static ward_status check_votes(struct ward_request *request, struct ward_worker *worker,
                               struct recover_notes *notes,
                               const struct ward_store_proposal *stored)
{
    const struct ward_policy *policy = request->state->policy;
    bool ours = ward_id_eq(&notes->proposal.deployment, &request->state->deployment) &&
                ward_id_eq(&notes->proposal.id, &stored->id);
    bool current = notes->proposal.expires_us > ward_wall_us(worker->pipeline->clock);
    WARD_ENSURE(ours && current && stored->state == WARD_PROPOSAL_EXECUTING, WARD_E_STATE);
    struct ward_votes votes;
    bool enough = false;
    ward_status status = ward_votes_load(request->state, request->arena, worker->pipeline->trust,
                                         stored, &notes->proposal, &votes);
    if (ward_ok(status)) {
        status = ward_votes_weigh(policy, &votes, &notes->proposal, &enough);
    }
    if (ward_ok(status)) {
        status = enough ? name_votes(request, worker, notes, &votes) : WARD_STATUS(WARD_E_DENIED);
    }
    ward_votes_release(&votes);
    return status;
}

/* The entries of the votes themselves need not be there: the last one's never is. So this one
 * names all that an auditor needs to check them. */
static ward_status tell_finished(struct ward_request *request, const struct recover_notes *notes,
                                 struct ward_bytes payload)
{
    char id[WARD_ID_TEXT_SIZE], hex[2 * WARD_SHA256_SIZE + 1];
    uint8_t hash[WARD_SHA256_SIZE];
    struct ward_bytes id_text, digest_text;
    ward_id_print(&notes->proposal.id, id);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(id), &id_text));
    WARD_TRY(ward_proposal_digest(payload, hash));
    ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    WARD_TRY(ward_arena_copy(request->arena, ward_bytes_str(hex), &digest_text));
    ward_request_detail_text(request, "executed", notes->proposal.action);
    WARD_TRY(is_of_log(request) ? ward_log_key_changing_tell(&notes->changing, request)
                                : ward_key_making_tell(&notes->making, request));
    ward_request_detail_text(request, "proposal", id_text);
    ward_request_detail_text(request, "proposal_digest", digest_text);
    ward_request_detail_text(request, "proposer", notes->proposal.proposer);
    ward_request_detail_text(request, "approvers", notes->approvers);
    ward_request_detail_text(request, "vote_digests", notes->votes.signatures);
    ward_request_detail_text(request, "vote_certificates", notes->votes.certificates);
    if (notes->votes.executor.size > 0) {
        ward_request_detail_text(request, "executor", notes->votes.executor);
    }
    ward_request_detail_text(request, "recovered", WARD_BYTES_LITERAL("finished"));
    return WARD_OK;
}

static ward_status finish_making(struct ward_request *request, struct ward_worker *worker,
                                 struct recover_notes *notes)
{
    const struct ward_recover *in = request->in;
    WARD_TRY(ward_key_making_of_proposal(request->state, &notes->proposal, &notes->making));
    const struct ward_kek_ref begun = {in->intent.kek, in->intent.version};
    bool same =
        ward_id_eq(&notes->making.ref.id, &begun.id) && notes->making.ref.version == begun.version;
    WARD_ENSURE(same || !notes->making.rotate, WARD_E_STATE);
    notes->making.ref = begun;
    notes->making.intent = notes->hold;
    notes->making.created_us = ward_wall_us(worker->pipeline->clock);
    return ward_key_making_effect(&notes->making, worker);
}

/* The public key of the crash's own key pair is not known, so that another takes its place. */
static ward_status finish_changing(struct ward_request *request, struct ward_worker *worker,
                                   struct recover_notes *notes)
{
    const struct ward_recover *in = request->in;
    struct ward_log_key_changing *changing = &notes->changing;
    WARD_TRY(ward_log_key_changing_of_proposal(request->state, &notes->proposal, changing));
    WARD_ENSURE(changing->ref.version == in->intent.version, WARD_E_STATE);
    struct ward_log_key *before = WARD_ARENA_NEW(request->arena, struct ward_log_key);
    WARD_ENSURE(before != NULL, WARD_E_EXHAUSTED);
    *before = *changing->before; /* the state may be replaced before the outcome */
    changing->before = before;
    changing->intent = notes->hold;
    changing->created_us = ward_wall_us(worker->pipeline->clock);
    return ward_log_key_changing_effect(changing, worker);
}

static ward_status finish_proposal(struct ward_request *request, struct ward_worker *worker,
                                   struct recover_notes *notes)
{
    const struct ward_store_proposal *stored = &request->reads[1]->proposal.proposal;
    WARD_TRY(request->reads[1]->status);
    notes->executing = stored->state == WARD_PROPOSAL_EXECUTING;
    WARD_TRY(ward_proposal_parse(stored->payload, request->arena, &notes->proposal));
    WARD_TRY(check_votes(request, worker, notes, stored));
    WARD_TRY(is_of_log(request) ? finish_changing(request, worker, notes)
                                : finish_making(request, worker, notes));
    notes->finishes = true;
    return tell_finished(request, notes, stored->payload);
}

/* The outcome of a making removes its intent in the same commit: what the keyring or a row names
 * was never left half-made, whatever an intent says, and nor was the log's own key. */
static ward_status check_unused(const struct ward_request *request, const struct ward_kek_ref *ref)
{
    const struct ward_read *rows = request->reads[0];
    WARD_TRY(rows->status);
    const struct ward_key *key = ward_state_key_by_id(request->state, &ref->id);
    bool used = (key != NULL && ward_key_version_find(key, ref->version) != NULL) ||
                ward_state_is_log_key(request->state, ref);
    for (size_t i = 0; i < rows->rows.n; i++) {
        used |= rows->rows.versions[i] == ref->version && rows->rows.counts[i] > 0;
    }
    WARD_ENSURE(!used, WARD_E_STATE);
    return WARD_OK;
}

/* A refusal will not turn into anything else; a device or a database that is away may come back. */
static bool is_final(ward_status status)
{
    return status.code == WARD_E_STATE || status.code == WARD_E_DENIED ||
           status.code == WARD_E_INVALID || status.code == WARD_E_NOT_FOUND ||
           status.code == WARD_E_EXISTS;
}

static ward_status undo(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_recover *in = request->in;
    struct ward_kek_ref ref = {in->intent.kek, in->intent.version};
    const struct recover_notes *notes = request->work;
    WARD_TRY(check_unused(request, &ref));
    WARD_TRY(ward_intent_check_held(worker, notes->hold.created_us));
    ward_status status = ward_kek_destroy(worker->session, &ref);
    if (!ward_ok(status) && status.code != WARD_E_NOT_FOUND) {
        return status;
    }
    WARD_TRY(ward_failpoint("recover.object-undone"));
    ward_request_detail_text(request, "recovered", WARD_BYTES_LITERAL("undone"));
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct recover_notes *notes = request->work;
    notes->finishes = notes->executing = false;
    if (has_proposal(request->in)) {
        ward_status status = finish_proposal(request, worker, notes);
        if (!is_final(status)) {
            return status;
        }
    }
    return undo(request, worker);
}

static ward_status commit(struct ward_request *request, struct ward_batch *batch)
{
    const struct ward_recover *in = request->in;
    const struct recover_notes *notes = request->work;
    if (notes->executing) {
        struct ward_effect state = {.kind = WARD_EFFECT_PROPOSAL_STATE};
        state.proposal_state.id = in->intent.proposal;
        state.proposal_state.from = WARD_PROPOSAL_EXECUTING;
        state.proposal_state.to = notes->finishes ? WARD_PROPOSAL_EXECUTED : WARD_PROPOSAL_REJECTED;
        WARD_TRY(ward_batch_effect(batch, &state));
    }
    if (notes->finishes) {
        return is_of_log(request) ? ward_log_key_changing_outcome(&notes->changing, batch)
                                  : ward_key_making_outcome(&notes->making, batch);
    }
    return ward_intent_end(&notes->hold, batch);
}

/* The first step's commit waits for the head, and so for an outcome whose commit was still under
 * way when the daemon that sent it died: if there was one, its intent is gone, and nothing is
 * touched. An outcome that comes later finds its intent taken over, and is not committed. */
const struct ward_op ward_op_recover = {
    .action = WARD_ACTION_SYSTEM_RECOVER,
    .alone = true,
    .decide = decide,
    .steps = {{.commit = commit_hold}, {.read = read, .finish = finish, .commit = commit}},
    .n_steps = 2,
};
