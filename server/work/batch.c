/* SPDX-License-Identifier: Apache-2.0 */
/* Growing arrays that are kept from one transaction to the next, and the set of objects touched. It
 * knows no SQL and no request. */
#include "server/work/batch.h"

#include <stdlib.h>

#define KEPT UINT32_MAX /* the slot of an addition to a row that was there */

static ward_status grow(void **array, size_t *max, size_t n, size_t item)
{
    if (n < *max) {
        return WARD_OK;
    }
    size_t more = *max == 0 ? 64 : *max * 2;
    void *larger = reallocarray(*array, more, item);
    WARD_ENSURE(larger != NULL, WARD_E_EXHAUSTED);
    *array = larger;
    *max = more;
    return WARD_OK;
}

void ward_batch_fini(struct ward_batch *batch)
{
    free(batch->subject_keys);
    free(batch->records);
    free(batch->rewrapped);
    free(batch->rekeyed_keys);
    free(batch->rekeyed_records);
    free(batch->replays);
    free(batch->uses);
    free(batch->use_slots);
    free(batch->added);
    free(batch->effects);
    free(batch->touched);
    free(batch->log);
    *batch = (struct ward_batch){0};
}

struct ward_batch_mark ward_batch_mark(const struct ward_batch *batch)
{
    return (struct ward_batch_mark){.n_subject_keys = batch->n_subject_keys,
                                    .n_records = batch->n_records,
                                    .n_rewrapped = batch->n_rewrapped,
                                    .n_rekeyed_keys = batch->n_rekeyed_keys,
                                    .n_rekeyed_records = batch->n_rekeyed_records,
                                    .n_replays = batch->n_replays,
                                    .n_effects = batch->n_effects,
                                    .n_log = batch->n_log,
                                    .n_added = batch->n_added,
                                    .bump_epoch = batch->bump_epoch};
}

/* Undoing the newest entries first keeps every probe chain whole. */
static void untouch(struct ward_batch *batch, size_t down_to)
{
    while (batch->n_log > down_to) {
        batch->touched[batch->log[--batch->n_log]].used = false;
    }
}

/* Newest first, as above: a row goes with the addition that made it. */
static void unuse(struct ward_batch *batch, size_t down_to)
{
    while (batch->n_added > down_to) {
        const struct ward_batch_added *added = &batch->added[--batch->n_added];
        struct ward_new_use *use = &batch->uses[added->use];
        use->issued -= added->issued;
        use->opened -= added->opened;
        use->last_opened_us = added->last_opened_us;
        if (added->slot != KEPT) {
            batch->use_slots[added->slot] = 0;
            batch->n_uses--;
        }
    }
}

void ward_batch_back_out(struct ward_batch *batch, const struct ward_batch_mark *mark)
{
    batch->n_subject_keys = mark->n_subject_keys;
    batch->n_records = mark->n_records;
    batch->n_rewrapped = mark->n_rewrapped;
    batch->n_rekeyed_keys = mark->n_rekeyed_keys;
    batch->n_rekeyed_records = mark->n_rekeyed_records;
    batch->n_replays = mark->n_replays;
    batch->n_effects = mark->n_effects;
    batch->bump_epoch = mark->bump_epoch;
    untouch(batch, mark->n_log);
    unuse(batch, mark->n_added);
}

void ward_batch_reset(struct ward_batch *batch)
{
    struct ward_batch_mark empty = {0};
    ward_batch_back_out(batch, &empty);
    batch->rewrapped_done = 0;
}

static size_t slot_of(const struct ward_batch *batch, const uint8_t *hash)
{
    return (size_t)ward_get_u64(hash) & (batch->touched_size - 1);
}

static ward_status rehash(struct ward_batch *batch)
{
    size_t size = batch->touched_size == 0 ? 4096 : batch->touched_size * 2;
    struct ward_batch_touch *larger = calloc(size, sizeof(*larger));
    uint32_t *log = calloc(size, sizeof(*log));
    if (larger == NULL || log == NULL) {
        free(larger);
        free(log);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    struct ward_batch old = *batch;
    batch->touched = larger;
    batch->touched_size = size;
    for (size_t i = 0; i < old.n_log; i++) {
        const uint8_t *hash = old.touched[old.log[i]].hash;
        size_t slot = slot_of(batch, hash);
        while (larger[slot].used) {
            slot = (slot + 1) & (size - 1);
        }
        memcpy(larger[slot].hash, hash, WARD_BATCH_TOUCH_SIZE);
        larger[slot].used = true;
        log[i] = (uint32_t)slot;
    }
    batch->log = log;
    batch->max_log = size;
    free(old.touched);
    free(old.log);
    return WARD_OK;
}

static ward_status touch(struct ward_batch *batch, const uint8_t hash[static WARD_BATCH_TOUCH_SIZE])
{
    if (batch->n_log * 2 >= batch->touched_size) {
        WARD_TRY(rehash(batch));
    }
    size_t slot = slot_of(batch, hash);
    while (batch->touched[slot].used) {
        WARD_ENSURE(memcmp(batch->touched[slot].hash, hash, WARD_BATCH_TOUCH_SIZE) != 0,
                    WARD_E_CONFLICT);
        slot = (slot + 1) & (batch->touched_size - 1);
    }
    memcpy(batch->touched[slot].hash, hash, WARD_BATCH_TOUCH_SIZE);
    batch->touched[slot].used = true;
    batch->log[batch->n_log++] = (uint32_t)slot;
    return WARD_OK;
}

ward_status ward_batch_subject_key(struct ward_batch *batch, const struct ward_new_subject_key *row)
{
    WARD_TRY(touch(batch, row->subject_hash));
    WARD_TRY(grow((void **)&batch->subject_keys, &batch->max_subject_keys, batch->n_subject_keys,
                  sizeof(*row)));
    batch->subject_keys[batch->n_subject_keys++] = *row;
    return WARD_OK;
}

ward_status ward_batch_record(struct ward_batch *batch, const struct ward_new_record *row)
{
    WARD_TRY(touch(batch, row->id_hash));
    WARD_TRY(grow((void **)&batch->records, &batch->max_records, batch->n_records, sizeof(*row)));
    batch->records[batch->n_records++] = *row;
    return WARD_OK;
}

/* Its end is random and comes first, where a hash begins. */
static void hash_of_id(const struct ward_id *id, uint8_t ret[static WARD_BATCH_TOUCH_SIZE])
{
    memset(ret, 0, WARD_BATCH_TOUCH_SIZE);
    memcpy(ret, id->bytes + 8, 8);
    memcpy(ret + 8, id->bytes, 8);
}

ward_status ward_batch_rewrapped(struct ward_batch *batch, const struct ward_rewrapped *row)
{
    uint8_t hash[WARD_BATCH_TOUCH_SIZE];
    hash_of_id(&row->id, hash);
    WARD_TRY(touch(batch, hash));
    WARD_TRY(
        grow((void **)&batch->rewrapped, &batch->max_rewrapped, batch->n_rewrapped, sizeof(*row)));
    batch->rewrapped[batch->n_rewrapped++] = *row;
    return WARD_OK;
}

/* Not the object that a rewrap touches: both may be in one transaction, where the rewrap comes
 * first. */
ward_status ward_batch_rekeyed(struct ward_batch *batch, const struct ward_rekeyed_key *key,
                               const struct ward_rekeyed_record *records, size_t n)
{
    uint8_t hash[WARD_BATCH_TOUCH_SIZE];
    hash_of_id(&key->from, hash);
    hash[sizeof(hash) - 1] = 1;
    WARD_TRY(touch(batch, hash));
    WARD_TRY(grow((void **)&batch->rekeyed_keys, &batch->max_rekeyed_keys, batch->n_rekeyed_keys,
                  sizeof(*key)));
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(grow((void **)&batch->rekeyed_records, &batch->max_rekeyed_records,
                      batch->n_rekeyed_records, sizeof(*records)));
        struct ward_rekeyed_record *record = &batch->rekeyed_records[batch->n_rekeyed_records++];
        *record = records[i];
        record->key = batch->n_rekeyed_keys;
    }
    batch->rekeyed_keys[batch->n_rekeyed_keys++] = *key;
    return WARD_OK;
}

ward_status ward_batch_replay(struct ward_batch *batch, struct ward_digest *digest,
                              const struct ward_new_replay *row)
{
    uint8_t size[2], hash[WARD_BATCH_TOUCH_SIZE];
    ward_put_u16(size, (uint16_t)row->identity.size); /* so that the two cannot run together */
    const struct ward_bytes parts[] = {WARD_BYTES_ARRAY(size), row->identity, row->request_id};
    WARD_TRY(ward_sha256(digest, parts, 3, hash));
    WARD_TRY(touch(batch, hash));
    WARD_TRY(grow((void **)&batch->replays, &batch->max_replays, batch->n_replays, sizeof(*row)));
    batch->replays[batch->n_replays++] = *row;
    return WARD_OK;
}

/* The slot of the version's use, or the free one where it shall be. */
static size_t use_slot(const struct ward_batch *batch, const struct ward_id *kek, uint32_t version)
{
    size_t mask = batch->use_slots_size - 1;
    size_t slot = ((size_t)ward_get_u64(kek->bytes) + version) & mask; /* random ids: no hash */
    for (;; slot = (slot + 1) & mask) {
        uint32_t at = batch->use_slots[slot];
        if (at == 0 ||
            (batch->uses[at - 1].version == version && ward_id_eq(&batch->uses[at - 1].kek, kek))) {
            return slot;
        }
    }
}

/* Additions remember the slots of the rows that they made, so these are told anew. */
static ward_status grow_use_slots(struct ward_batch *batch)
{
    size_t size = batch->use_slots_size == 0 ? 1024 : batch->use_slots_size * 2;
    uint32_t *larger = calloc(size, sizeof(*larger));
    WARD_ENSURE(larger != NULL, WARD_E_EXHAUSTED);
    free(batch->use_slots);
    batch->use_slots = larger;
    batch->use_slots_size = size;
    for (size_t i = 0; i < batch->n_added; i++) {
        struct ward_batch_added *added = &batch->added[i];
        if (added->slot != KEPT) {
            const struct ward_new_use *use = &batch->uses[added->use];
            added->slot = (uint32_t)use_slot(batch, &use->kek, use->version);
            larger[added->slot] = added->use + 1;
        }
    }
    return WARD_OK;
}

ward_status ward_batch_use(struct ward_batch *batch, const struct ward_id *kek, uint32_t version,
                           uint64_t issued, uint64_t opened, int64_t now_us)
{
    if (issued == 0 && opened == 0) {
        return WARD_OK;
    }
    if (batch->n_uses * 2 >= batch->use_slots_size) {
        WARD_TRY(grow_use_slots(batch));
    }
    WARD_TRY(grow((void **)&batch->uses, &batch->max_uses, batch->n_uses, sizeof(*batch->uses)));
    WARD_TRY(
        grow((void **)&batch->added, &batch->max_added, batch->n_added, sizeof(*batch->added)));
    size_t slot = use_slot(batch, kek, version);
    bool fresh = batch->use_slots[slot] == 0;
    if (fresh) {
        batch->uses[batch->n_uses] = (struct ward_new_use){.kek = *kek, .version = version};
        batch->use_slots[slot] = (uint32_t)++batch->n_uses;
    }
    uint32_t at = batch->use_slots[slot] - 1;
    struct ward_new_use *use = &batch->uses[at];
    batch->added[batch->n_added++] = (struct ward_batch_added){
        .use = at,
        .slot = fresh ? (uint32_t)slot : KEPT,
        .issued = issued,
        .opened = opened,
        .last_opened_us = use->last_opened_us,
    };
    use->issued += issued;
    use->opened += opened;
    if (opened > 0 && now_us > use->last_opened_us) {
        use->last_opened_us = now_us;
    }
    return WARD_OK;
}

ward_status ward_batch_effect(struct ward_batch *batch, const struct ward_effect *effect)
{
    WARD_TRY(
        grow((void **)&batch->effects, &batch->max_effects, batch->n_effects, sizeof(*effect)));
    batch->effects[batch->n_effects++] = *effect;
    return WARD_OK;
}
