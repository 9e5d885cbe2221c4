/* SPDX-License-Identifier: Apache-2.0 */
/* The thin layer before every store: clears outputs and checks once what an implementation may then
 * take for granted. A commit that breaks a rule here is our own bug: it is FAILED, nothing is sent.
 */
#include "backends/store.h"

#define ROWS_MAX 65536u
#define BYTES_MAX (64u * 1024 * 1024)
#define PAGE_MAX 65536u
#define NODE_MAX 256u

bool ward_store_other_schema(ward_status status)
{
    const char *refusal = ward_status_refusal(status);
    return refusal != NULL && strcmp(refusal, WARD_STORE_OTHER_SCHEMA) == 0;
}

void ward_store_close(struct ward_store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

ward_status ward_store_reader_open(struct ward_store *store, struct ward_store_reader **ret)
{
    *ret = NULL;
    return store->ops->reader_open(store, ret);
}

void ward_store_reader_close(struct ward_store_reader *reader)
{
    if (reader != NULL) {
        reader->store->ops->reader_close(reader);
    }
}

ward_status ward_store_writer_open(struct ward_store *store, struct ward_store_writer **ret)
{
    *ret = NULL;
    return store->ops->writer_open(store, ret);
}

void ward_store_writer_close(struct ward_store_writer *writer)
{
    if (writer != NULL) {
        writer->store->ops->writer_close(writer);
    }
}

ward_status ward_store_snapshot(struct ward_store_reader *reader, struct ward_arena *arena,
                                struct ward_store_snapshot *ret)
{
    *ret = (struct ward_store_snapshot){0};
    return reader->store->ops->snapshot(reader, arena, ret);
}

ward_status ward_store_epoch(struct ward_store_reader *reader, uint64_t *ret)
{
    *ret = 0;
    return reader->store->ops->epoch(reader, ret);
}

static bool node_is_sound(struct ward_bytes node)
{
    return node.size > 0 && node.size <= NODE_MAX;
}

static bool sightings_are_sound(struct ward_read *r)
{
    r->sightings.elsewhere = NULL;
    r->sightings.n_elsewhere = 0;
    for (size_t i = 0; i < r->sightings.n && i < WARD_STORE_SIGHTINGS_MAX; i++) {
        const struct ward_store_sighting *sighting = &r->sightings.sightings[i];
        if (sighting->heard_us < 0 || sighting->heard_us > sighting->since_us) {
            return false;
        }
    }
    return node_is_sound(r->sightings.node) && r->sightings.n <= WARD_STORE_SIGHTINGS_MAX &&
           r->sightings.life_us > 0 && r->sightings.apart_us >= 0;
}

/* Clears what the read will write; false when what it asks cannot be. */
static bool prepare_read(struct ward_read *r)
{
    r->status = WARD_STATUS(WARD_E_UNAVAILABLE);
    if (r->arena == NULL) {
        return false;
    }
    switch (r->kind) {
    case WARD_READ_SUBJECT_KEY:
        r->subject_key.key = (struct ward_store_subject_key){0};
        return true;
    case WARD_READ_RECORD_VERSION:
        r->record_version.version = 0;
        return true;
    case WARD_READ_RECORD:
        r->record.schema_version = 0;
        r->record.sealed = (struct ward_bytes){0};
        r->record.key = (struct ward_store_subject_key){0};
        return r->record.version <= INT32_MAX;
    case WARD_READ_REWRAP_PAGE:
        r->rewrap.keys = NULL;
        r->rewrap.subject_hashes = NULL;
        r->rewrap.places = NULL;
        r->rewrap.n = 0;
        if (ward_id_eq(&r->rewrap.until, &(struct ward_id){0})) {
            memset(&r->rewrap.until, 0xff, sizeof(r->rewrap.until));
        }
        return r->rewrap.limit > 0 && r->rewrap.limit <= PAGE_MAX && r->rewrap.below <= INT32_MAX;
    case WARD_READ_ROWS:
        r->rows.versions = NULL;
        r->rows.counts = NULL;
        r->rows.n = 0;
        return true;
    case WARD_READ_HELD:
        r->held.held = NULL;
        r->held.n = 0;
        return r->held.limit > 0 && r->held.limit <= WARD_HELD_MAX;
    case WARD_READ_REKEY_PAGE:
        r->rekey.keys = NULL;
        r->rekey.records = NULL;
        r->rekey.n = r->rekey.n_records = 0;
        r->rekey.more = false;
        if (ward_id_eq(&r->rekey.until, &(struct ward_id){0})) {
            memset(&r->rekey.until, 0xff, sizeof(r->rekey.until));
        }
        return r->rekey.limit > 0 && r->rekey.limit <= PAGE_MAX && r->rekey.run <= INT32_MAX &&
               r->rekey.max_bytes > 0 && r->rekey.max_bytes <= BYTES_MAX;
    case WARD_READ_REKEY_LEFT:
        r->rekey_left.keys = r->rekey_left.records = 0;
        return r->rekey_left.run <= INT32_MAX;
    case WARD_READ_PROPOSAL:
        r->proposal.proposal = (struct ward_store_proposal){0};
        return true;
    case WARD_READ_PROPOSALS:
        r->proposals.proposals = NULL;
        r->proposals.n = 0;
        return r->proposals.limit > 0 && r->proposals.limit <= PAGE_MAX;
    case WARD_READ_AUDIT:
        r->audit.leaves = NULL;
        r->audit.n = 0;
        return r->audit.start < r->audit.end && r->audit.end <= INT64_MAX && r->audit.max_bytes > 0;
    case WARD_READ_CHECKPOINTS:
        r->checkpoints.rows = NULL;
        r->checkpoints.n = 0;
        return r->checkpoints.limit > 0 && r->checkpoints.limit <= WARD_CHECKPOINTS_PAGE_MAX &&
               r->checkpoints.from <= INT64_MAX && r->checkpoints.below <= INT64_MAX &&
               r->checkpoints.max_note <= INT32_MAX;
    case WARD_READ_HANDOVERS:
        r->handovers.handovers = NULL;
        r->handovers.n = 0;
        return r->handovers.max_note <= INT32_MAX;
    case WARD_READ_REPLAY:
        r->replay.found = false;
        r->replay.response = (struct ward_bytes){0};
        r->replay.created_us = 0;
        return r->replay.identity.size > 0 && r->replay.request_id.size > 0;
    case WARD_READ_POLICY:
        r->policy.policy = (struct ward_store_policy){0};
        return r->policy.version <= INT32_MAX;
    case WARD_READ_POLICIES:
        r->policies.policies = NULL;
        r->policies.n = 0;
        return true;
    case WARD_READ_KEY_USE:
        r->key_use.uses = NULL;
        r->key_use.n = 0;
        return true;
    case WARD_READ_EMERGENCIES:
        r->emergencies.rows = NULL;
        r->emergencies.n = 0;
        return r->emergencies.limit > 0 && r->emergencies.limit <= PAGE_MAX;
    case WARD_READ_NODES:
        r->nodes.nodes = NULL;
        r->nodes.n = 0;
        return true;
    case WARD_READ_HEARTBEAT:
        return node_is_sound(r->heartbeat.node) && r->heartbeat.epoch <= INT64_MAX;
    case WARD_READ_SIGHTINGS:
        return sightings_are_sound(r);
    case WARD_READ_JOBS:
        r->jobs.jobs = NULL;
        r->jobs.n = 0;
        return true;
    case WARD_READ_JOB_CLAIM:
        r->claim.found = false;
        r->claim.place = (struct ward_job_place){0};
        r->claim.parts = r->claim.round = 0;
        return r->claim.node.size > 0 && r->claim.lease_us > 0 &&
               r->claim.n_held <= WARD_JOB_PARTS_MAX + 1;
    case WARD_READ_RESERVE:
        r->reserve.granted = 0;
        r->reserve.total = 0;
        return r->reserve.version > 0 && r->reserve.version <= INT32_MAX && r->reserve.block > 0 &&
               r->reserve.block <= INT64_MAX && r->reserve.limit <= INT64_MAX;
    }
    return false;
}

ward_status ward_store_read(struct ward_store_reader *reader, struct ward_read **reads, size_t n)
{
    bool valid = true;
    for (size_t i = 0; i < n; i++) {
        valid = prepare_read(reads[i]) && valid;
    }
    WARD_ENSURE(valid, WARD_E_INTERNAL);
    if (n == 0) {
        return WARD_OK;
    }
    return reader->store->ops->read(reader, reads, n);
}

ward_status ward_store_head(struct ward_store_writer *writer, bool lock, struct ward_head *ret)
{
    *ret = (struct ward_head){0};
    return writer->store->ops->head(writer, lock, ret);
}

void ward_store_unlock(struct ward_store_writer *writer)
{
    writer->store->ops->unlock(writer);
}

/* n leaves, each with its size before it, and nothing else. */
static bool leaves_add_up(struct ward_bytes leaves, uint32_t n)
{
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (leaves.size - at < 2) {
            return false;
        }
        size_t size = ward_get_u16(leaves.data + at);
        at += 2;
        if (leaves.size - at < size) {
            return false;
        }
        at += size;
    }
    return at == leaves.size;
}

static bool audit_is_sound(const struct ward_commit *c)
{
    if (c->n_leaves == 0) {
        return c->leaves.size == 0 && !c->bump_epoch;
    }
    return c->first_seq <= INT64_MAX && c->epoch < INT64_MAX && c->n_leaves <= INT32_MAX &&
           c->tree != NULL && c->tree->size == c->first_seq + c->n_leaves &&
           c->leaves.size <= BYTES_MAX && leaves_add_up(c->leaves, c->n_leaves);
}

/* Counts are part of what a commit did, so they come with its entries and never without. */
static bool uses_are_sound(const struct ward_commit *c)
{
    bool sound =
        c->n_uses == 0 || (c->n_uses <= ROWS_MAX && c->n_leaves > 0 && node_is_sound(c->node));
    for (size_t i = 0; sound && i < c->n_uses; i++) {
        const struct ward_new_use *u = &c->uses[i];
        sound = u->version > 0 && u->version <= INT32_MAX && u->issued <= INT32_MAX &&
                u->opened <= INT32_MAX && u->last_opened_us >= 0;
    }
    return sound;
}

static bool rekeyed_are_sound(const struct ward_commit *c)
{
    bool sound = c->n_rekeyed_keys <= ROWS_MAX && c->n_rekeyed_records <= ROWS_MAX;
    const struct ward_id none = {0};
    for (size_t i = 0; sound && i < c->n_rekeyed_keys; i++) {
        const struct ward_rekeyed_key *k = &c->rekeyed_keys[i];
        sound = !ward_id_eq(&k->from, &none) && !ward_id_eq(&k->from, &k->to);
    }
    for (size_t i = 0; sound && i < c->n_rekeyed_records; i++) {
        const struct ward_rekeyed_record *r = &c->rekeyed_records[i];
        sound = r->key < c->n_rekeyed_keys && !ward_id_eq(&c->rekeyed_keys[r->key].to, &none) &&
                r->version > 0 && r->version <= INT32_MAX && r->sealed.size > 0;
    }
    return sound;
}

static bool rows_are_sound(const struct ward_commit *c)
{
    bool sound = c->n_subject_keys <= ROWS_MAX && c->n_records <= ROWS_MAX &&
                 c->n_rewrapped <= ROWS_MAX && c->n_effects <= ROWS_MAX &&
                 c->n_replays <= ROWS_MAX && uses_are_sound(c) && rekeyed_are_sound(c);
    for (size_t i = 0; sound && i < c->n_subject_keys; i++) {
        const struct ward_new_subject_key *k = &c->subject_keys[i];
        sound = k->generation > 0 && k->generation <= INT32_MAX && k->kek_version > 0 &&
                k->kek_version <= INT32_MAX && k->collection.size > 0 && k->wrapped.size > 0;
    }
    for (size_t i = 0; sound && i < c->n_records; i++) {
        const struct ward_new_record *r = &c->records[i];
        sound = r->version > 0 && r->version <= INT32_MAX && r->schema_version > 0 &&
                r->schema_version <= INT32_MAX && r->created_us > 0 && r->sealed.size > 0;
    }
    for (size_t i = 0; sound && i < c->n_rewrapped; i++) {
        const struct ward_rewrapped *r = &c->rewrapped[i];
        sound = r->kek_version > 0 && r->kek_version <= INT32_MAX && r->old_wrapped.size > 0 &&
                r->new_wrapped.size > 0;
    }
    for (size_t i = 0; sound && i < c->n_replays; i++) {
        const struct ward_new_replay *r = &c->replays[i];
        sound = r->identity.size > 0 && r->request_id.size > 0 && r->created_us > 0 &&
                r->response.size <= WARD_REPLAY_RESPONSE_MAX;
    }
    return sound;
}

enum ward_commit_outcome ward_store_commit(struct ward_store_writer *writer,
                                           const struct ward_commit *commit,
                                           ward_status *ret_status)
{
    *ret_status = WARD_OK;
    if (commit->ret_rewrapped != NULL) {
        *commit->ret_rewrapped = 0;
    }
    if (!audit_is_sound(commit) || !rows_are_sound(commit)) {
        writer->store->ops->unlock(writer);
        *ret_status = WARD_STATUS(WARD_E_INTERNAL);
        return WARD_COMMIT_FAILED;
    }
    return writer->store->ops->commit(writer, commit, ret_status);
}

ward_status ward_store_resolve(struct ward_store_writer *writer, const struct ward_commit *commit,
                               bool *ret_committed)
{
    *ret_committed = false;
    return writer->store->ops->resolve(writer, commit, ret_committed);
}
