/* SPDX-License-Identifier: Apache-2.0 */
/* What one transaction will write, collected from its requests. An object that is in it already is
 * refused with CONFLICT: its request waits for the next transaction, since an upsert with
 * duplicates aborts and an UPDATE ... FROM unnest applies one of them silently. */
#ifndef WARD_SERVER_WORK_BATCH_H
#define WARD_SERVER_WORK_BATCH_H

#include "backends/store.h"
#include "base/digest.h"

#define WARD_BATCH_TOUCH_SIZE 32

struct ward_batch {
    struct ward_new_subject_key *subject_keys;
    size_t n_subject_keys, max_subject_keys;
    struct ward_new_record *records;
    size_t n_records, max_records;
    struct ward_rewrapped *rewrapped;
    size_t n_rewrapped, max_rewrapped;
    struct ward_rekeyed_key *rekeyed_keys;
    size_t n_rekeyed_keys, max_rekeyed_keys;
    struct ward_rekeyed_record *rekeyed_records;
    size_t n_rekeyed_records, max_rekeyed_records;
    struct ward_new_replay *replays;
    size_t n_replays, max_replays;
    struct ward_new_use *uses; /* a version once */
    size_t n_uses, max_uses;
    struct ward_effect *effects;
    size_t n_effects, max_effects;
    bool bump_epoch;
    uint64_t leaf;           /* the number that the first entry of the request at hand will have */
    uint32_t rewrapped_done; /* written by the commit */
    /* The objects touched: open addressing, undone from the log when a request backs out. */
    struct ward_batch_touch {
        uint8_t hash[WARD_BATCH_TOUCH_SIZE];
        bool used;
    } * touched;
    size_t touched_size; /* a power of two */
    uint32_t *log;
    size_t n_log, max_log;
    /* Where each version's use stands: open addressing, its index plus one; and what was added to
     * it, in order. */
    uint32_t *use_slots;
    size_t use_slots_size; /* a power of two */
    struct ward_batch_added {
        uint32_t use, slot;
        uint64_t issued, opened;
        int64_t last_opened_us; /* as it was before */
    } * added;
    size_t n_added, max_added;
};

/* Where the batch stood, so that a request can back out of it. */
struct ward_batch_mark {
    size_t n_subject_keys, n_records, n_rewrapped, n_rekeyed_keys, n_rekeyed_records, n_replays,
        n_effects, n_log, n_added;
    bool bump_epoch;
};

void ward_batch_fini(struct ward_batch *batch);
void ward_batch_reset(struct ward_batch *batch);
struct ward_batch_mark ward_batch_mark(const struct ward_batch *batch);
void ward_batch_back_out(struct ward_batch *batch, const struct ward_batch_mark *mark);

/* CONFLICT: the object is in the batch already. EXHAUSTED: no memory. */
ward_status ward_batch_subject_key(struct ward_batch *batch,
                                   const struct ward_new_subject_key *row);
ward_status ward_batch_record(struct ward_batch *batch, const struct ward_new_record *row);
ward_status ward_batch_rewrapped(struct ward_batch *batch, const struct ward_rewrapped *row);
/* A subject key with those of its records that go on to another; `key` of these is set here. */
ward_status ward_batch_rekeyed(struct ward_batch *batch, const struct ward_rekeyed_key *key,
                               const struct ward_rekeyed_record *records, size_t n);
/* The same request id of the same identity twice: the second one waits, and then finds the answer.
 */
ward_status ward_batch_replay(struct ward_batch *batch, struct ward_digest *digest,
                              const struct ward_new_replay *row);
/* Counts what a version was used for; issued and opened may both be 0. now_us counts as when it
 * opened something, if it did. Never a conflict. */
ward_status ward_batch_use(struct ward_batch *batch, const struct ward_id *kek, uint32_t version,
                           uint64_t issued, uint64_t opened, int64_t now_us);
ward_status ward_batch_effect(struct ward_batch *batch, const struct ward_effect *effect);

#endif
