/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory: the same contract as over PostgreSQL, for tests. One mutex guards all; the
 * head's lock is a writer's name under it, waited for as long as the database would wait. */
#include "backends/memory/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "backends/memory/state.h"

#define LOCK_TIMEOUT_MS 1500
#define ROWS_BUDGET ((size_t)1 << 40)

struct memory {
    struct ward_store base;
    pthread_mutex_t mutex;
    pthread_cond_t unlocked;
    struct ward_memory_state state;
    struct ward_arena *rows;
    const struct ward_store_writer *locked_by;
    const struct ward_clock *clock;
    bool down;
    uint64_t commits;
    ward_memory_fault *fault;
    void *fault_arg;
};

struct writer {
    struct ward_store_writer base;
    bool fence_known; /* fence is what the next commit names */
    uint64_t fence;
};

static struct memory *lock(struct ward_store *base)
{
    struct memory *memory = (struct memory *)base;
    (void)pthread_mutex_lock(&memory->mutex); /* fails for misuse only */
    return memory;
}

static void unlock(struct memory *memory)
{
    (void)pthread_mutex_unlock(&memory->mutex);
}

static void unlockp(struct memory **memory)
{
    unlock(*memory);
}

static void release_head(struct memory *memory, const struct ward_store_writer *writer)
{
    if (memory->locked_by == writer) {
        memory->locked_by = NULL;
        (void)pthread_cond_broadcast(&memory->unlocked);
    }
}

/* Waits until no other writer holds the head; false when that takes too long. */
static bool wait_for_head(struct memory *memory, const struct ward_store_writer *writer)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOCK_TIMEOUT_MS / 1000;
    until.tv_nsec += (LOCK_TIMEOUT_MS % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (memory->locked_by != NULL && memory->locked_by != writer) {
        if (pthread_cond_timedwait(&memory->unlocked, &memory->mutex, &until) != 0) {
            return false;
        }
    }
    return true;
}

static void close_store(struct ward_store *base)
{
    struct memory *memory = (struct memory *)base;
    ward_memory_state_fini(&memory->state);
    ward_arena_free(memory->rows);
    (void)pthread_cond_destroy(&memory->unlocked);
    (void)pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

static ward_status open_reader(struct ward_store *base, struct ward_store_reader **ret)
{
    struct ward_store_reader *reader = calloc(1, sizeof(*reader));
    WARD_ENSURE(reader != NULL, WARD_E_EXHAUSTED);
    reader->store = base;
    *ret = reader;
    return WARD_OK;
}

static void close_reader(struct ward_store_reader *reader)
{
    free(reader);
}

static ward_status open_writer(struct ward_store *base, struct ward_store_writer **ret)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    WARD_ENSURE(writer != NULL, WARD_E_EXHAUSTED);
    writer->base.store = base;
    *ret = &writer->base;
    return WARD_OK;
}

static void unlock_head(struct ward_store_writer *writer)
{
    ward_auto(unlockp) struct memory *memory = lock(writer->store);
    release_head(memory, writer);
}

static void close_writer(struct ward_store_writer *base)
{
    struct writer *writer = (struct writer *)base;
    unlock_head(base);
    free(writer);
}

static ward_status snapshot(struct ward_store_reader *reader, struct ward_arena *arena,
                            struct ward_store_snapshot *ret)
{
    ward_auto(unlockp) struct memory *memory = lock(reader->store);
    WARD_ENSURE(!memory->down, WARD_E_UNAVAILABLE);
    return ward_memory_snapshot(&memory->state, arena, ret);
}

static ward_status epoch(struct ward_store_reader *reader, uint64_t *ret)
{
    ward_auto(unlockp) struct memory *memory = lock(reader->store);
    WARD_ENSURE(!memory->down, WARD_E_UNAVAILABLE);
    *ret = memory->state.head.epoch;
    return WARD_OK;
}

static ward_status read_all(struct ward_store_reader *reader, struct ward_read **reads, size_t n)
{
    ward_auto(unlockp) struct memory *memory = lock(reader->store);
    WARD_ENSURE(!memory->down, WARD_E_UNAVAILABLE);
    for (size_t i = 0; i < n; i++) {
        memory->state.now_us = ward_wall_us(memory->clock);
        ward_memory_answer(&memory->state, reads[i]);
    }
    return WARD_OK;
}

static ward_status head(struct ward_store_writer *base, bool take, struct ward_head *ret)
{
    struct writer *writer = (struct writer *)base;
    ward_auto(unlockp) struct memory *memory = lock(base->store);
    WARD_ENSURE(!memory->down, WARD_E_UNAVAILABLE);
    release_head(memory, base);
    if (take) {
        WARD_ENSURE(wait_for_head(memory, base), WARD_E_CONFLICT);
        memory->locked_by = base;
    }
    *ret = memory->state.head;
    writer->fence = memory->state.fence;
    writer->fence_known = true;
    return WARD_OK;
}

static enum ward_commit_outcome apply(struct memory *memory, struct writer *writer,
                                      const struct ward_commit *commit, ward_status *ret_status)
{
    if (!writer->fence_known) {
        writer->fence = memory->state.fence;
        writer->fence_known = true;
    }
    struct ward_memory_state next;
    uint32_t rewrapped = 0;
    *ret_status = ward_memory_state_copy(&memory->state, &next);
    if (!ward_ok(*ret_status)) {
        return WARD_COMMIT_FAILED;
    }
    next.now_us = ward_wall_us(memory->clock);
    enum ward_commit_outcome outcome = WARD_COMMIT_FAILED;
    *ret_status = ward_memory_apply(&next, commit, writer->fence, &rewrapped, &outcome);
    if (!ward_ok(*ret_status)) {
        writer->fence_known = outcome != WARD_COMMIT_HEAD_MOVED && outcome != WARD_COMMIT_STALE;
        ward_memory_state_fini(&next);
        return outcome == WARD_COMMITTED ? WARD_COMMIT_FAILED : outcome;
    }
    writer->fence += next.fence - memory->state.fence; /* moved by itself alone */
    ward_memory_state_fini(&memory->state);
    memory->state = next;
    memory->commits++;
    if (commit->ret_rewrapped != NULL) {
        *commit->ret_rewrapped = rewrapped;
    }
    return WARD_COMMITTED;
}

static ward_status status_of(enum ward_commit_outcome outcome)
{
    switch (outcome) {
    case WARD_COMMITTED:
        return WARD_OK;
    case WARD_COMMIT_STALE:
        return WARD_STATUS(WARD_E_STALE);
    case WARD_COMMIT_HEAD_MOVED:
    case WARD_COMMIT_CONFLICT:
    case WARD_COMMIT_RETRY:
        return WARD_STATUS(WARD_E_CONFLICT);
    case WARD_COMMIT_UNKNOWN:
        return WARD_STATUS(WARD_E_UNKNOWN_COMMIT);
    case WARD_COMMIT_UNAVAILABLE:
        return WARD_STATUS(WARD_E_UNAVAILABLE);
    case WARD_COMMIT_FAILED:
        return WARD_STATUS(WARD_E_INTERNAL);
    }
    return WARD_STATUS(WARD_E_INTERNAL);
}

static enum ward_commit_outcome commit_all(struct ward_store_writer *writer,
                                           const struct ward_commit *commit,
                                           ward_status *ret_status)
{
    ward_auto(unlockp) struct memory *memory = lock(writer->store);
    enum ward_commit_outcome injected = WARD_COMMITTED;
    bool happens = false;
    if (memory->down) {
        injected = WARD_COMMIT_UNAVAILABLE;
    } else if (!wait_for_head(memory, writer)) {
        injected = WARD_COMMIT_RETRY;
    } else if (memory->fault != NULL) {
        injected = memory->fault(memory->fault_arg, commit, &happens);
    }
    release_head(memory, writer);
    if (injected == WARD_COMMITTED) {
        return apply(memory, (struct writer *)writer, commit, ret_status);
    }
    if (injected == WARD_COMMIT_UNKNOWN && happens) {
        enum ward_commit_outcome outcome =
            apply(memory, (struct writer *)writer, commit, ret_status);
        if (outcome != WARD_COMMITTED) {
            return outcome;
        }
        if (commit->ret_rewrapped != NULL) {
            *commit->ret_rewrapped = 0; /* nobody was told */
        }
    }
    *ret_status = status_of(injected);
    return injected;
}

static ward_status resolve(struct ward_store_writer *writer, const struct ward_commit *commit,
                           bool *ret_committed)
{
    ward_auto(unlockp) struct memory *memory = lock(writer->store);
    WARD_ENSURE(!memory->down && wait_for_head(memory, writer), WARD_E_UNAVAILABLE);
    release_head(memory, writer);
    struct ward_memory_audit key = {.first = commit->first_seq};
    const struct ward_memory_audit *row = ward_memory_get(&memory->state, WARD_TABLE_AUDIT, &key);
    *ret_committed = row != NULL && commit->n_leaves > 0 && row->count == commit->n_leaves &&
                     ward_bytes_eq(row->leaves, commit->leaves);
    return WARD_OK;
}

static const struct ward_store_ops ops = {
    .name = "memory",
    .close = close_store,
    .reader_open = open_reader,
    .reader_close = close_reader,
    .writer_open = open_writer,
    .writer_close = close_writer,
    .snapshot = snapshot,
    .epoch = epoch,
    .read = read_all,
    .head = head,
    .unlock = unlock_head,
    .commit = commit_all,
    .resolve = resolve,
};

ward_status ward_store_memory_open(struct ward_store **ret)
{
    struct memory *memory = calloc(1, sizeof(*memory));
    WARD_ENSURE(memory != NULL, WARD_E_EXHAUSTED);
    ward_status status = ward_arena_new(ROWS_BUDGET, &memory->rows);
    if (!ward_ok(status)) {
        free(memory);
        return status;
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(
        &attributes); /* these fail for want of memory only, never in glibc */
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&memory->unlocked, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&memory->mutex, NULL);
    memory->base.ops = &ops;
    memory->state.rows = memory->rows;
    memory->clock = &ward_clock_system;
    *ret = &memory->base;
    return WARD_OK;
}

void ward_store_memory_set_fault(struct ward_store *store, ward_memory_fault *fault, void *arg)
{
    ward_auto(unlockp) struct memory *memory = lock(store);
    memory->fault = fault;
    memory->fault_arg = arg;
}

void ward_store_memory_set_clock(struct ward_store *store, const struct ward_clock *clock)
{
    ward_auto(unlockp) struct memory *memory = lock(store);
    memory->clock = clock;
}

void ward_store_memory_set_down(struct ward_store *store, bool down)
{
    ward_auto(unlockp) struct memory *memory = lock(store);
    memory->down = down;
    release_head(memory, memory->locked_by);
}

uint64_t ward_store_memory_commits(struct ward_store *store)
{
    ward_auto(unlockp) struct memory *memory = lock(store);
    return memory->commits;
}

bool ward_store_memory_set_subject_state(struct ward_store *store, const struct ward_id *id,
                                         uint8_t state)
{
    ward_auto(unlockp) struct memory *memory = lock(store);
    struct ward_memory_subject_key key = {.key.id = *id};
    const struct ward_memory_subject_key *old =
        ward_memory_get(&memory->state, WARD_TABLE_SUBJECT_KEY, &key);
    struct ward_memory_subject_key *moved =
        old == NULL ? NULL : ward_arena_alloc(memory->rows, sizeof(*moved));
    if (moved == NULL) {
        return false;
    }
    *moved = *old;
    moved->state = state;
    return ward_ok(ward_memory_replace(&memory->state, WARD_TABLE_SUBJECT_KEY, moved)) &&
           ward_ok(ward_memory_replace(&memory->state, WARD_TABLE_SUBJECT_HASH, moved));
}
