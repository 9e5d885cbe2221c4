/* SPDX-License-Identifier: Apache-2.0 */
/* What a commit does to the tables, in the order in which the database does it: effects, bulk
 * effects, head. The first that does not fit ends it. */
#include "backends/memory/state.h"

/* A copy of a row in the store's arena, its views still borrowed. */
static void *copy_row(struct ward_memory_state *state, const void *row, size_t size)
{
    void *copy = ward_arena_alloc(state->rows, size);
    if (copy != NULL) {
        memcpy(copy, row, size);
    }
    return copy;
}

/* Makes a view the store's own. */
static ward_status own(struct ward_memory_state *state, struct ward_bytes *bytes)
{
    return ward_arena_copy(state->rows, *bytes, bytes);
}

static ward_status insert_kek(struct ward_memory_state *state, const struct ward_store_kek *from)
{
    struct ward_store_kek *kek = copy_row(state, from, sizeof(*kek));
    WARD_ENSURE(kek != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &kek->name));
    WARD_TRY(own(state, &kek->backend));
    WARD_TRY(ward_memory_insert(state, WARD_TABLE_KEK_NAME, kek));
    return ward_memory_insert(state, WARD_TABLE_KEK, kek);
}

static ward_status insert_kek_version(struct ward_memory_state *state,
                                      const struct ward_store_kek_version *from)
{
    struct ward_store_kek kek = {.id = from->kek};
    WARD_ENSURE(ward_memory_get(state, WARD_TABLE_KEK, &kek) != NULL, WARD_E_CONFLICT);
    const void *version = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(version != NULL, WARD_E_EXHAUSTED);
    return ward_memory_insert(state, WARD_TABLE_KEK_VERSION, version);
}

static ward_status move_kek_version(struct ward_memory_state *state,
                                    const struct ward_effect *effect)
{
    struct ward_store_kek_version key = {.kek = effect->kek_state.kek,
                                         .version = effect->kek_state.version};
    const struct ward_store_kek_version *old = ward_memory_get(state, WARD_TABLE_KEK_VERSION, &key);
    WARD_ENSURE(old != NULL && old->state == effect->kek_state.from &&
                    old->prior == effect->kek_state.from_prior &&
                    old->due_us == effect->kek_state.from_due_us &&
                    old->changed_us == effect->kek_state.from_changed_us,
                WARD_E_CONFLICT);
    struct ward_store_kek_version *moved = copy_row(state, old, sizeof(*old));
    WARD_ENSURE(moved != NULL, WARD_E_EXHAUSTED);
    moved->state = effect->kek_state.to;
    moved->prior = effect->kek_state.prior;
    moved->due_us = effect->kek_state.due_us;
    moved->changed_us = effect->kek_state.changed_us;
    return ward_memory_replace(state, WARD_TABLE_KEK_VERSION, moved);
}

/* Puts `next` in the place of the KEK of its id, under both of its keys. */
static ward_status replace_kek(struct ward_memory_state *state, const struct ward_store_kek *next)
{
    const struct ward_store_kek *kek = copy_row(state, next, sizeof(*next));
    WARD_ENSURE(kek != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_memory_replace(state, WARD_TABLE_KEK_NAME, kek));
    return ward_memory_replace(state, WARD_TABLE_KEK, kek);
}

static ward_status set_kek_enabled(struct ward_memory_state *state,
                                   const struct ward_effect *effect)
{
    struct ward_store_kek key = {.id = effect->kek_enabled.kek};
    const struct ward_store_kek *old = ward_memory_get(state, WARD_TABLE_KEK, &key);
    WARD_ENSURE(old != NULL && old->enabled == effect->kek_enabled.from, WARD_E_CONFLICT);
    struct ward_store_kek next = *old;
    next.enabled = effect->kek_enabled.to;
    return replace_kek(state, &next);
}

static ward_status set_kek_period(struct ward_memory_state *state, const struct ward_effect *effect)
{
    struct ward_store_kek key = {.id = effect->kek_period.kek};
    const struct ward_store_kek *old = ward_memory_get(state, WARD_TABLE_KEK, &key);
    WARD_ENSURE(old != NULL && old->rotation_period_days == effect->kek_period.from,
                WARD_E_CONFLICT);
    struct ward_store_kek next = *old;
    next.rotation_period_days = effect->kek_period.to;
    return replace_kek(state, &next);
}

static ward_status insert_intent(struct ward_memory_state *state,
                                 const struct ward_store_intent *from)
{
    struct ward_store_intent *intent = copy_row(state, from, sizeof(*intent));
    WARD_ENSURE(intent != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &intent->node));
    WARD_TRY(ward_memory_insert(state, WARD_TABLE_INTENT_OBJECT, intent));
    return ward_memory_insert(state, WARD_TABLE_INTENT, intent);
}

static ward_status remove_intent(struct ward_memory_state *state, const struct ward_id *id)
{
    struct ward_store_intent key = {.id = *id};
    const struct ward_store_intent *intent = ward_memory_get(state, WARD_TABLE_INTENT, &key);
    WARD_ENSURE(intent != NULL, WARD_E_CONFLICT);
    WARD_TRY(ward_memory_remove(state, WARD_TABLE_INTENT_OBJECT, intent));
    return ward_memory_remove(state, WARD_TABLE_INTENT, intent);
}

static ward_status insert_proposal(struct ward_memory_state *state,
                                   const struct ward_store_proposal *from)
{
    struct ward_store_proposal *proposal = copy_row(state, from, sizeof(*proposal));
    WARD_ENSURE(proposal != NULL, WARD_E_EXHAUSTED);
    proposal->votes = NULL;
    proposal->n_votes = 0;
    WARD_TRY(own(state, &proposal->payload));
    WARD_TRY(own(state, &proposal->proposer));
    WARD_TRY(own(state, &proposal->attachment));
    return ward_memory_insert(state, WARD_TABLE_PROPOSAL, proposal);
}

static ward_status move_proposal(struct ward_memory_state *state, const struct ward_effect *effect)
{
    struct ward_store_proposal key = {.id = effect->proposal_state.id};
    const struct ward_store_proposal *old = ward_memory_get(state, WARD_TABLE_PROPOSAL, &key);
    WARD_ENSURE(old != NULL && old->state == effect->proposal_state.from, WARD_E_CONFLICT);
    struct ward_store_proposal *moved = copy_row(state, old, sizeof(*old));
    WARD_ENSURE(moved != NULL, WARD_E_EXHAUSTED);
    moved->state = effect->proposal_state.to;
    return ward_memory_replace(state, WARD_TABLE_PROPOSAL, moved);
}

static ward_status insert_vote(struct ward_memory_state *state, const struct ward_effect *effect)
{
    struct ward_store_proposal key = {.id = effect->vote.proposal};
    WARD_ENSURE(ward_memory_get(state, WARD_TABLE_PROPOSAL, &key) != NULL, WARD_E_CONFLICT);
    struct ward_memory_vote from = {.proposal = effect->vote.proposal, .vote = effect->vote.vote};
    struct ward_memory_vote *vote = copy_row(state, &from, sizeof(from));
    WARD_ENSURE(vote != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &vote->vote.identity));
    WARD_TRY(own(state, &vote->vote.signature));
    WARD_TRY(own(state, &vote->vote.certificate));
    WARD_TRY(own(state, &vote->vote.reason));
    return ward_memory_insert(state, WARD_TABLE_VOTE, vote);
}

static ward_status insert_checkpoint(struct ward_memory_state *state,
                                     const struct ward_effect *effect)
{
    struct ward_memory_checkpoint from = {.size = effect->checkpoint.size,
                                          .note = effect->checkpoint.note,
                                          .created_us = effect->checkpoint.created_us};
    if (ward_memory_get(state, WARD_TABLE_CHECKPOINT, &from) != NULL) {
        return WARD_OK;
    }
    struct ward_memory_checkpoint *checkpoint = copy_row(state, &from, sizeof(from));
    WARD_ENSURE(checkpoint != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &checkpoint->note));
    return ward_memory_insert(state, WARD_TABLE_CHECKPOINT, checkpoint);
}

static ward_status insert_deployment(struct ward_memory_state *state,
                                     const struct ward_store_deployment *from)
{
    struct ward_store_deployment *deployment = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(deployment != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &deployment->origin));
    WARD_TRY(own(state, &deployment->log_public_key));
    return ward_memory_insert(state, WARD_TABLE_DEPLOYMENT, deployment);
}

/* The version before must be the one in force, and ceases as the next one comes. */
static ward_status cease_policy(struct ward_memory_state *state, const struct ward_effect *effect)
{
    struct ward_store_policy key = {.version = effect->policy.version - 1};
    const struct ward_store_policy *old = ward_memory_get(state, WARD_TABLE_POLICY, &key);
    WARD_ENSURE(old != NULL && old->ceased_us == 0, WARD_E_CONFLICT);
    struct ward_store_policy *ceased = copy_row(state, old, sizeof(*old));
    WARD_ENSURE(ceased != NULL, WARD_E_EXHAUSTED);
    ceased->ceased_us = effect->policy.created_us;
    return ward_memory_replace(state, WARD_TABLE_POLICY, ceased);
}

static ward_status insert_policy(struct ward_memory_state *state, const struct ward_effect *effect)
{
    if (effect->policy.follows) {
        WARD_TRY(cease_policy(state, effect));
    }
    struct ward_store_policy from = {.version = effect->policy.version,
                                     .text = effect->policy.text,
                                     .proposal = effect->policy.proposal,
                                     .created_us = effect->policy.created_us};
    memcpy(from.hash, effect->policy.hash, WARD_HASH_SIZE);
    struct ward_store_policy *policy = copy_row(state, &from, sizeof(from));
    WARD_ENSURE(policy != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &policy->text));
    return ward_memory_insert(state, WARD_TABLE_POLICY, policy);
}

static ward_status insert_index_key(struct ward_memory_state *state,
                                    const struct ward_store_index_key *from)
{
    struct ward_store_index_key *key = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(key != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &key->name));
    WARD_TRY(own(state, &key->wrapped));
    return ward_memory_insert(state, WARD_TABLE_INDEX_KEY, key);
}

/* The one before must be the newest. */
static ward_status insert_log_key(struct ward_memory_state *state,
                                  const struct ward_store_log_key *from)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_LOG_KEY];
    WARD_ENSURE(from->version == rows->n + 2, WARD_E_CONFLICT);
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_store_log_key *other = rows->rows[i];
        WARD_ENSURE(other->leaf != from->leaf && !ward_id_eq(&other->proposal, &from->proposal),
                    WARD_E_CONFLICT);
    }
    struct ward_store_log_key *key = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(key != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &key->public_key));
    return ward_memory_insert(state, WARD_TABLE_LOG_KEY, key);
}

static ward_status insert_revocation(struct ward_memory_state *state,
                                     const struct ward_store_revocation *from)
{
    struct ward_store_revocation *revocation = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(revocation != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &revocation->value));
    return ward_memory_insert(state, WARD_TABLE_REVOCATION, revocation);
}

static ward_status insert_emergency(struct ward_memory_state *state,
                                    const struct ward_store_emergency *from)
{
    struct ward_store_proposal key = {.id = from->id};
    WARD_ENSURE(ward_memory_get(state, WARD_TABLE_PROPOSAL, &key) != NULL, WARD_E_CONFLICT);
    struct ward_store_emergency *emergency = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(emergency != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &emergency->identity));
    WARD_TRY(own(state, &emergency->collection));
    return ward_memory_insert(state, WARD_TABLE_EMERGENCY, emergency);
}

static ward_status close_emergency(struct ward_memory_state *state,
                                   const struct ward_effect *effect)
{
    struct ward_store_emergency key = {.id = effect->emergency_closed.id};
    const struct ward_store_emergency *old = ward_memory_get(state, WARD_TABLE_EMERGENCY, &key);
    WARD_ENSURE(old != NULL && old->closed_us == 0, WARD_E_CONFLICT);
    struct ward_store_emergency *closed = copy_row(state, old, sizeof(*old));
    WARD_ENSURE(closed != NULL, WARD_E_EXHAUSTED);
    closed->closed_us = effect->emergency_closed.closed_us;
    return ward_memory_replace(state, WARD_TABLE_EMERGENCY, closed);
}

static void purge_replays(struct ward_memory_state *state, int64_t before_us)
{
    struct ward_memory_rows *rows = &state->tables[WARD_TABLE_REPLAY];
    size_t kept = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_new_replay *replay = rows->rows[i];
        if (replay->created_us >= before_us || i - kept >= WARD_PURGE_MAX) {
            rows->rows[kept++] = replay;
        }
    }
    rows->n = kept;
}

static ward_status apply_effect(struct ward_memory_state *state, const struct ward_effect *effect)
{
    switch (effect->kind) {
    case WARD_EFFECT_KEK:
        return insert_kek(state, &effect->kek);
    case WARD_EFFECT_KEK_VERSION:
        return insert_kek_version(state, &effect->kek_version);
    case WARD_EFFECT_KEK_STATE:
        return move_kek_version(state, effect);
    case WARD_EFFECT_KEK_ENABLED:
        return set_kek_enabled(state, effect);
    case WARD_EFFECT_KEK_PERIOD:
        return set_kek_period(state, effect);
    case WARD_EFFECT_INTENT:
        return insert_intent(state, &effect->intent);
    case WARD_EFFECT_INTENT_DONE:
        return remove_intent(state, &effect->intent_done.id);
    case WARD_EFFECT_PROPOSAL:
        return insert_proposal(state, &effect->proposal);
    case WARD_EFFECT_PROPOSAL_STATE:
        return move_proposal(state, effect);
    case WARD_EFFECT_VOTE:
        return insert_vote(state, effect);
    case WARD_EFFECT_CHECKPOINT:
        return insert_checkpoint(state, effect);
    case WARD_EFFECT_DEPLOYMENT:
        return insert_deployment(state, &effect->deployment);
    case WARD_EFFECT_POLICY:
        return insert_policy(state, effect);
    case WARD_EFFECT_INDEX_KEY:
        return insert_index_key(state, &effect->index_key);
    case WARD_EFFECT_LOG_KEY:
        return insert_log_key(state, &effect->log_key);
    case WARD_EFFECT_REVOCATION:
        return insert_revocation(state, &effect->revocation);
    case WARD_EFFECT_UNREVOCATION: {
        struct ward_store_revocation key = {.kind = effect->unrevocation.kind,
                                            .value = effect->unrevocation.value};
        const struct ward_store_revocation *old =
            ward_memory_get(state, WARD_TABLE_REVOCATION, &key);
        WARD_ENSURE(old != NULL && ward_id_eq(&old->proposal, &effect->unrevocation.proposal) &&
                        old->created_us == effect->unrevocation.created_us,
                    WARD_E_CONFLICT);
        return ward_memory_remove(state, WARD_TABLE_REVOCATION, &key);
    }
    case WARD_EFFECT_EMERGENCY:
        return insert_emergency(state, &effect->emergency);
    case WARD_EFFECT_EMERGENCY_CLOSED:
        return close_emergency(state, effect);
    case WARD_EFFECT_JOB_OPEN:
    case WARD_EFFECT_JOB_MOVE:
    case WARD_EFFECT_JOB_END:
        return ward_memory_apply_job(state, effect);
    case WARD_EFFECT_PURGE_REPLAYS:
        purge_replays(state, effect->purge_replays.before_us);
        return WARD_OK;
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

static ward_status insert_subject_key(struct ward_memory_state *state,
                                      const struct ward_new_subject_key *from)
{
    struct ward_store_kek kek = {.id = from->kek};
    WARD_ENSURE(ward_memory_get(state, WARD_TABLE_KEK, &kek) != NULL, WARD_E_CONFLICT);
    struct ward_memory_subject_key row = {
        .key = *from, .state = 1, .run = ward_memory_last_run(state, &from->kek)};
    struct ward_memory_subject_key *key = copy_row(state, &row, sizeof(row));
    WARD_ENSURE(key != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &key->key.collection));
    WARD_TRY(own(state, &key->key.wrapped));
    WARD_TRY(ward_memory_insert(state, WARD_TABLE_SUBJECT_HASH, key));
    return ward_memory_insert(state, WARD_TABLE_SUBJECT_KEY, key);
}

static ward_status insert_record(struct ward_memory_state *state,
                                 const struct ward_new_record *from)
{
    struct ward_memory_subject_key subject = {.key.id = from->subject_key};
    const struct ward_memory_subject_key *key =
        ward_memory_get(state, WARD_TABLE_SUBJECT_KEY, &subject);
    WARD_ENSURE(key != NULL && key->state == 1, WARD_E_CONFLICT);
    struct ward_new_record *record = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(record != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &record->sealed));
    return ward_memory_insert(state, WARD_TABLE_RECORD, record);
}

static ward_status rewrap(struct ward_memory_state *state, const struct ward_rewrapped *r,
                          uint32_t *count)
{
    struct ward_memory_subject_key key = {.key.id = r->id};
    const struct ward_memory_subject_key *old =
        ward_memory_get(state, WARD_TABLE_SUBJECT_KEY, &key);
    if (old == NULL || !ward_bytes_eq(old->key.wrapped, r->old_wrapped)) {
        return WARD_OK; /* it moved meanwhile */
    }
    struct ward_memory_subject_key *moved = copy_row(state, old, sizeof(*old));
    WARD_ENSURE(moved != NULL, WARD_E_EXHAUSTED);
    moved->key.wrapped = r->new_wrapped;
    moved->key.kek_version = r->kek_version;
    WARD_TRY(own(state, &moved->key.wrapped));
    WARD_TRY(ward_memory_replace(state, WARD_TABLE_SUBJECT_HASH, moved));
    (*count)++;
    return ward_memory_replace(state, WARD_TABLE_SUBJECT_KEY, moved);
}

static ward_status insert_replay(struct ward_memory_state *state,
                                 const struct ward_new_replay *from)
{
    struct ward_new_replay *replay = copy_row(state, from, sizeof(*from));
    WARD_ENSURE(replay != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &replay->identity));
    WARD_TRY(own(state, &replay->request_id));
    WARD_TRY(own(state, &replay->response));
    return ward_memory_insert(state, WARD_TABLE_REPLAY, replay);
}

static ward_status add_use(struct ward_memory_state *state, const struct ward_new_use *use,
                           struct ward_bytes node)
{
    struct ward_memory_key_use from = {.use = *use, .node = node};
    struct ward_memory_key_use *row = copy_row(state, &from, sizeof(from));
    WARD_ENSURE(row != NULL, WARD_E_EXHAUSTED);
    const struct ward_memory_key_use *old = ward_memory_get(state, WARD_TABLE_KEY_USE, row);
    if (old == NULL) {
        WARD_TRY(own(state, &row->node));
        return ward_memory_insert(state, WARD_TABLE_KEY_USE, row);
    }
    row->node = old->node;
    row->use.issued += old->use.issued;
    row->use.opened += old->use.opened;
    if (row->use.last_opened_us < old->use.last_opened_us) {
        row->use.last_opened_us = old->use.last_opened_us;
    }
    return ward_memory_replace(state, WARD_TABLE_KEY_USE, row);
}

static ward_status apply_rows(struct ward_memory_state *state, const struct ward_commit *commit,
                              uint32_t *ret_rewrapped)
{
    for (size_t i = 0; i < commit->n_effects; i++) {
        WARD_TRY(apply_effect(state, &commit->effects[i]));
    }
    for (size_t i = 0; i < commit->n_subject_keys; i++) {
        WARD_TRY(insert_subject_key(state, &commit->subject_keys[i]));
    }
    for (size_t i = 0; i < commit->n_records; i++) {
        WARD_TRY(insert_record(state, &commit->records[i]));
    }
    for (size_t i = 0; i < commit->n_rewrapped; i++) {
        for (size_t j = 0; j < i; j++) {
            WARD_ENSURE(!ward_id_eq(&commit->rewrapped[i].id, &commit->rewrapped[j].id),
                        WARD_E_INTERNAL);
        }
        WARD_TRY(rewrap(state, &commit->rewrapped[i], ret_rewrapped));
    }
    WARD_TRY(ward_memory_apply_rekeyed(state, commit));
    for (size_t i = 0; i < commit->n_replays; i++) {
        WARD_TRY(insert_replay(state, &commit->replays[i]));
    }
    for (size_t i = 0; i < commit->n_uses; i++) {
        WARD_TRY(add_use(state, &commit->uses[i], commit->node));
    }
    return WARD_OK;
}

static ward_status append(struct ward_memory_state *state, const struct ward_commit *commit)
{
    struct ward_memory_audit from = {
        .first = commit->first_seq, .count = commit->n_leaves, .leaves = commit->leaves};
    struct ward_memory_audit *row = copy_row(state, &from, sizeof(from));
    WARD_ENSURE(row != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(own(state, &row->leaves));
    state->head.tree = *commit->tree;
    state->head.epoch += commit->bump_epoch ? 1 : 0;
    state->head.seal = commit->seal == NULL ? (struct ward_seal){0} : *commit->seal;
    return ward_memory_insert(state, WARD_TABLE_AUDIT, row);
}

ward_status ward_memory_apply(struct ward_memory_state *state, const struct ward_commit *commit,
                              uint64_t fence, uint32_t *ret_rewrapped,
                              enum ward_commit_outcome *ret_outcome)
{
    if (state->head.epoch != commit->epoch) {
        *ret_outcome = WARD_COMMIT_STALE;
        WARD_FAIL(WARD_E_STALE);
    }
    if ((commit->n_leaves > 0 || commit->seal != NULL) &&
        (state->head.tree.size != commit->first_seq || state->fence != fence)) {
        *ret_outcome = WARD_COMMIT_HEAD_MOVED;
        WARD_FAIL(WARD_E_CONFLICT);
    }
    ward_status status = commit->n_leaves > 0 ? append(state, commit) : WARD_OK;
    if (commit->n_leaves == 0 && commit->seal != NULL) {
        state->head.seal = *commit->seal;
        state->fence++;
    }
    if (ward_ok(status)) {
        status = apply_rows(state, commit, ret_rewrapped);
    }
    *ret_outcome = ward_ok(status) ? WARD_COMMITTED
                                   : (status.code == WARD_E_CONFLICT ? WARD_COMMIT_CONFLICT
                                                                     : WARD_COMMIT_FAILED);
    return status;
}
