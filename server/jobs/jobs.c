/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of the ticks: checkpoint, epoch, summary, recovery. Rewrap and rekey, which may be
 * long, have one of their own. They decide nothing; what they ask for is decided and audited like
 * any request. */
#include "server/jobs/jobs.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "server/jobs/destruction.h"
#include "server/jobs/endings.h"
#include "server/jobs/follow.h"
#include "server/jobs/internal.h"
#include "server/jobs/pager.h"
#include "server/jobs/recovery.h"
#include "server/jobs/reviews.h"
#include "server/jobs/rotation.h"
#include "server/jobs/shared.h"
#include "server/limits.h"
#include "server/op/stored_checkpoints.h"
#include "server/op/system.h"
#include "server/work/budget.h"

#define TICK_MS 100
#define THROTTLED_TICKS 10
#define SUMMARY_TICKS 100
#define PURGE_TICKS 50
#define RECOVER_TICKS 300
#define ATTEST_TICKS 36000
#define BEAT_TICKS 100
#define SIGHTINGS_TICKS 100
#define REVIEWS_TICKS 50
#define SHARED_AT_ONCE 8
#define SMALL_ARENA (1u << 20)

struct ward_jobs {
    struct ward_jobs_config config;
    pthread_t ticker;
    bool ticking;
    struct ward_follower *follower;
    struct ward_pager *pager;
    struct ward_destroyer *destroyer;
    struct ward_store_reader *reader;
    atomic_bool stopping;
    uint64_t signed_size;
    size_t log_keys; /* of the state that a tick last saw */
    unsigned long long overloaded_told;
    struct ward_throttled throttled[WARD_THROTTLED_TOLD_MAX];
    uint64_t told_epoch;
    struct ward_rotation_memory rotation;
    struct ward_reviews reviews;
    struct ward_sighting sightings[WARD_SIGHTINGS_MAX];
    bool counts_reviews; /* a count is under way */
    struct ward_endings_told endings_told;
    unsigned told_tick;
    int64_t started_wall_us; /* no intent of ours that is still under way is older */
};

static void pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL); /* an early end only makes a tick shorter */
}

static void tell_failure(const char *what, ward_status status)
{
    ward_log_status(WARD_LOG_WARN, what, status);
}

/* ---- checkpoint ---- */

/* A size that is there already is left alone, whatever its note. */
static ward_status look_at_stored(struct ward_jobs *jobs, uint64_t size)
{
    struct ward_state *state = ward_state_slot_get(jobs->config.pipeline->states);
    bool in_the_way = false;
    ward_status status = ward_stored_in_the_way(state, jobs->reader, size, &in_the_way);
    ward_state_unref(state);
    if (in_the_way) {
        ward_log_number(WARD_LOG_WARN,
                        "database: the row of this size in ward.checkpoint is no checkpoint of "
                        "this log, and the true one could not be stored; find out who writes to "
                        "the database and, as its owner, delete the row",
                        "size", (long long)size);
    }
    return status;
}

static void sign_checkpoint(struct ward_jobs *jobs)
{
    struct ward_merkle tree;
    ward_committer_tree(jobs->config.committer, &tree);
    if (tree.size == jobs->signed_size || tree.size == 0) {
        return;
    }
    struct ward_request *request;
    ward_status status = ward_internal_new(
        &ward_op_sign_checkpoint, sizeof(struct ward_sign_checkpoint), SMALL_ARENA, &request);
    if (!ward_ok(status)) {
        tell_failure("no memory for a checkpoint", status);
        return;
    }
    ((struct ward_sign_checkpoint *)request->in)->tree = tree;
    status = ward_internal_run(jobs->config.pipeline, request);
    if (ward_ok(status)) {
        status = look_at_stored(jobs, tree.size);
    }
    if (ward_ok(status)) {
        jobs->signed_size = tree.size;
    } else {
        tell_failure("signing a checkpoint failed; it is tried again in a second", status);
    }
    ward_request_free(request);
}

/* Whoever asks after a change of the log's key shall find what the new one has signed. */
static bool log_key_changed(struct ward_jobs *jobs)
{
    struct ward_state *state = ward_state_slot_get(jobs->config.pipeline->states);
    bool changed = state->n_log_keys != jobs->log_keys;
    jobs->log_keys = state->n_log_keys;
    ward_state_unref(state);
    return changed;
}

/* ---- summary ---- */

static void summarise(struct ward_jobs *jobs)
{
    struct ward_summary counts = {0};
    unsigned long long overloaded = jobs->config.pipeline->overloaded;
    counts.overloaded = overloaded - jobs->overloaded_told;
    jobs->config.unidentified(jobs->config.context, &counts.handshakes_failed,
                              &counts.requests_refused);
    if (counts.handshakes_failed + counts.requests_refused + counts.overloaded == 0) {
        return;
    }
    struct ward_request *request;
    if (!ward_ok(ward_internal_new(&ward_op_summary, sizeof(counts), SMALL_ARENA, &request))) {
        return;
    }
    *(struct ward_summary *)request->in = counts;
    if (ward_ok(ward_internal_run(jobs->config.pipeline, request))) {
        jobs->overloaded_told = overloaded;
    }
    ward_request_free(request);
}

/* One entry for each identity that was held back since the last time, a second ago. */
static void tell_throttled(struct ward_jobs *jobs)
{
    struct ward_throttled *counted = jobs->throttled;
    size_t n = jobs->config.pipeline->throttle == NULL
                   ? 0
                   : ward_throttle_counted(jobs->config.pipeline->throttle, counted,
                                           WARD_THROTTLED_TOLD_MAX);
    for (size_t i = 0; i < n; i++) {
        struct ward_request *request = NULL;
        ward_status status =
            ward_internal_new(&ward_op_summary, sizeof(struct ward_summary), SMALL_ARENA, &request);
        if (ward_ok(status)) {
            *(struct ward_summary *)request->in =
                (struct ward_summary){.identity = counted[i].identity,
                                      .requests_throttled = counted[i].requests,
                                      .items_throttled = counted[i].items};
            status = ward_internal_run(jobs->config.pipeline, request);
        }
        ward_throttle_told(jobs->config.pipeline->throttle, &counted[i], ward_ok(status));
        ward_request_free(request);
    }
}

/* ---- kept answers ---- */

/* As many at a time as one transaction may delete; more go the next time. */
static void purge(struct ward_jobs *jobs)
{
    struct ward_request *request;
    if (!ward_ok(ward_internal_new(&ward_op_purge, 1, SMALL_ARENA, &request))) {
        return;
    }
    ward_status status = ward_internal_run(jobs->config.pipeline, request);
    if (!ward_ok(status)) {
        tell_failure("old answers could not be deleted; it is tried again", status);
    }
    ward_request_free(request);
}

/* ---- attestation ---- */

static void attest(struct ward_jobs *jobs)
{
    struct ward_request *request;
    if (!ward_ok(ward_internal_new(&ward_op_attest, sizeof(struct ward_attest), SMALL_ARENA,
                                   &request))) {
        return;
    }
    ((struct ward_attest *)request->in)->attestation = jobs->config.pipeline->attestation;
    ward_status status = ward_internal_run(jobs->config.pipeline, request);
    if (!ward_ok(status)) {
        tell_failure("the hourly look at the keys in the HSM failed", status);
    }
    ward_request_free(request);
}

/* ---- heartbeat ---- */

/* What the other daemons wait for before a key is destroyed: that this one has let go of it. */
static void beat(struct ward_jobs *jobs, unsigned tick)
{
    struct ward_pipeline *pipeline = jobs->config.pipeline;
    uint64_t epoch = jobs->config.settled_epoch(jobs->config.context);
    if (epoch < ward_state_slot_epoch(pipeline->states)) {
        ward_queue_kick(&pipeline->work); /* idle workers have not looked */
    }
    if (epoch == 0 || (epoch == jobs->told_epoch && tick - jobs->told_tick < BEAT_TICKS)) {
        return;
    }
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    if (!ward_ok(ward_arena_new(SMALL_ARENA, &arena))) {
        return;
    }
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    struct ward_read told = {.kind = WARD_READ_HEARTBEAT, .arena = arena}, *reads[] = {&told};
    told.heartbeat.node = state->node;
    told.heartbeat.epoch = epoch;
    if (ward_ok(ward_store_read(jobs->reader, reads, 1)) && ward_ok(told.status)) {
        jobs->told_epoch = epoch;
        jobs->told_tick = tick;
    }
    ward_state_unref(state);
}

/* ---- certificates ---- */

static void look_at_endings(struct ward_jobs *jobs)
{
    struct ward_endings endings;
    if (jobs->config.endings != NULL) {
        jobs->config.endings(jobs->config.context, &endings);
        ward_endings_tick(jobs->config.pipeline, &endings, &jobs->endings_told);
    }
}

static void look_for_shared(struct ward_jobs *jobs)
{
    struct ward_shared shared[SHARED_AT_ONCE];
    size_t n = jobs->config.shared_untold == NULL
                   ? 0
                   : jobs->config.shared_untold(jobs->config.context, shared, SHARED_AT_ONCE);
    for (size_t i = 0; i < n && ward_shared_tell(jobs->config.pipeline, &shared[i]); i++) {
        jobs->config.shared_told(jobs->config.context, shared[i].certificate);
    }
}

static void tell_sightings(struct ward_jobs *jobs)
{
    if (jobs->config.heard != NULL) {
        size_t n = jobs->config.heard(jobs->config.context, jobs->sightings);
        ward_shared_exchange(&jobs->config, jobs->reader, jobs->sightings, n);
    }
}

static bool wraps_reached(const struct ward_jobs *jobs)
{
    struct ward_budget *budget = jobs->config.pipeline->budget;
    return budget != NULL && ward_budget_reached(budget);
}

static void *tick(void *argument)
{
    struct ward_jobs *jobs = argument;
    sign_checkpoint(jobs); /* so that whoever asks first finds one */
    ward_recovery_tick(jobs->config.pipeline, jobs->reader, &jobs->started_wall_us);
    look_at_endings(jobs);
    for (unsigned n = 1; !jobs->stopping; n++) {
        pause_ms(TICK_MS);
        bool second = n % (WARD_CHECKPOINT_MS / TICK_MS) == 0;
        if (log_key_changed(jobs) || second) {
            sign_checkpoint(jobs);
        }
        if (second || wraps_reached(jobs) ||
            ward_rotation_news(jobs->config.pipeline, &jobs->rotation)) {
            ward_rotation_tick(jobs->config.pipeline, jobs->reader, &jobs->rotation);
        }
        if (second) {
            beat(jobs, n);
            look_at_endings(jobs);
            look_for_shared(jobs);
        }
        if (n % SIGHTINGS_TICKS == 0) {
            tell_sightings(jobs);
        }
        if (n % PURGE_TICKS == 0) {
            purge(jobs);
        }
        if (n % THROTTLED_TICKS == 0) {
            tell_throttled(jobs);
        }
        if (n % SUMMARY_TICKS == 0) {
            summarise(jobs);
        }
        if (n % REVIEWS_TICKS == 0 || jobs->counts_reviews) {
            jobs->counts_reviews =
                ward_reviews_tick(jobs->config.pipeline, jobs->reader, &jobs->reviews);
        }
        if (n % RECOVER_TICKS == 0) {
            ward_recovery_tick(jobs->config.pipeline, jobs->reader, NULL);
        }
        if (n % ATTEST_TICKS == 0) {
            attest(jobs);
        }
    }
    tell_throttled(jobs);
    summarise(jobs);
    sign_checkpoint(jobs);
    return NULL;
}

static ward_status start_threads(struct ward_jobs *jobs)
{
    WARD_TRY(ward_store_reader_open(jobs->config.store, &jobs->reader));
    WARD_TRY(ward_follower_start(&jobs->config, &jobs->follower));
    jobs->ticking = pthread_create(&jobs->ticker, NULL, tick, jobs) == 0;
    WARD_ENSURE(jobs->ticking, WARD_E_UNAVAILABLE);
    WARD_TRY(ward_pager_start(&jobs->config, &jobs->pager));
    WARD_TRY(ward_destroyer_start(&jobs->config, &jobs->destroyer));
    return WARD_OK;
}

ward_status ward_jobs_start(const struct ward_jobs_config *config, struct ward_jobs **ret)
{
    struct ward_jobs *jobs = calloc(1, sizeof(*jobs));
    WARD_ENSURE(jobs != NULL, WARD_E_EXHAUSTED);
    jobs->config = *config;
    jobs->started_wall_us = ward_wall_us(config->pipeline->clock);
    ward_status status = start_threads(jobs);
    if (!ward_ok(status)) {
        ward_jobs_stop(jobs);
        return status;
    }
    *ret = jobs;
    return WARD_OK;
}

void ward_jobs_stop(struct ward_jobs *jobs)
{
    if (jobs == NULL) {
        return;
    }
    jobs->stopping = true;
    ward_pager_stop(jobs->pager);
    ward_destroyer_stop(jobs->destroyer);
    if (jobs->ticking) {
        (void)pthread_join(jobs->ticker, NULL);
    }
    ward_follower_stop(jobs->follower);
    ward_store_reader_close(jobs->reader);
    free(jobs);
}

uint64_t ward_jobs_unreviewed(const struct ward_jobs *jobs)
{
    return jobs == NULL ? 0 : atomic_load(&jobs->reviews.unreviewed);
}

void ward_jobs_stats(const struct ward_jobs *jobs, uint8_t kind, struct ward_job_stats *ret)
{
    ward_pager_stats(jobs->pager, kind, ret);
}
