/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. One thread: it looks which jobs run, takes parts of them, the most urgent first,
 * and keeps pages under way. What a page does is an operation, decided and audited like any
 * request.
 *
 *   slot: free --claim--> a part is held --submit--> page under way --ended--> held, or free */
#include "server/jobs/pager.h"

#include <stdlib.h>
#include <time.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/limits.h"
#include "server/op/system.h"

#define TICK_MS 100
#define LOOK_US (1000 * 1000LL)    /* at the jobs that run, which other daemons open too */
#define PAUSE_US (1000 * 1000LL)   /* after a page that failed */
#define TRAFFIC_US (1000 * 1000LL) /* a call of an application is remembered for so long */
#define SMALL_ARENA (1u << 20)
#define JOBS_ARENA (64u << 20)

static const struct ward_paged_kind *const kinds[WARD_PAGED_KINDS] = {&ward_paged_rewrap,
                                                                      &ward_paged_rekey};

struct slot {
    struct ward_pager *owner;
    bool held;
    const struct ward_paged_kind *kind;
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_bytes key;        /* its name, in `state` */
    struct ward_state *state;     /* while it is held */
    struct ward_request *request; /* under way */
    int64_t began_us;
    bool ended; /* guarded by the lock */
};

struct ward_pager {
    struct ward_jobs_config config;
    struct ward_store_reader *reader;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t page_ended;
    struct slot slots[WARD_JOB_PAGES_AT_ONCE];
    size_t turn;                       /* the slot that goes first */
    struct ward_arena *arena;          /* of `open` */
    const struct ward_store_job *open; /* those that run or are stuck */
    size_t n_open;
    void *work[WARD_PAGED_KINDS]; /* of each kind */
    int64_t looked_us, not_before_us, traffic_us, claim_us;
    unsigned long long callers;
    struct ward_job_stats stats[WARD_PAGED_KINDS]; /* guarded by the lock */
};

static int64_t now_us(const struct ward_pager *r)
{
    return ward_monotonic_us(r->config.pipeline->clock);
}

static struct ward_job_stats *stats_of(struct ward_pager *r, uint8_t kind)
{
    for (size_t k = 0; k < WARD_PAGED_KINDS; k++) {
        if (kinds[k]->kind == kind) {
            return &r->stats[k];
        }
    }
    return NULL; /* a job of a later program */
}

/* ---- which jobs there are ---- */

ward_status ward_pager_ask(struct ward_pager *r, struct ward_read *read, struct ward_arena *arena)
{
    read->arena = arena;
    WARD_TRY(ward_store_read(r->reader, &read, 1));
    return read->status;
}

ward_status ward_pager_open(struct ward_pager *r, const struct ward_op *op,
                            const struct ward_key *key, bool again)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(op, sizeof(struct ward_job_open), SMALL_ARENA, &request));
    *(struct ward_job_open *)request->in = (struct ward_job_open){.key = key->name, .again = again};
    ward_status status = ward_internal_run(r->config.pipeline, request);
    ward_request_free(request);
    r->looked_us = 0;
    WARD_TRY(status);
    return ward_failpoint("job.opened");
}

const struct ward_clock *ward_pager_clock(const struct ward_pager *r)
{
    return r->config.pipeline->clock;
}

bool ward_pager_stopping(const struct ward_pager *r)
{
    return r->stopping;
}

static void count(struct ward_pager *r)
{
    (void)pthread_mutex_lock(&r->lock);
    for (size_t k = 0; k < WARD_PAGED_KINDS; k++) {
        r->stats[k] = (struct ward_job_stats){.moved = r->stats[k].moved};
    }
    for (size_t i = 0; i < r->n_open; i++) {
        const struct ward_store_job *job = &r->open[i];
        struct ward_job_stats *stats = stats_of(r, job->kind);
        if (stats != NULL && job->state == WARD_JOB_STUCK) {
            stats->stuck++;
        } else if (stats != NULL) {
            stats->running++;
            stats->left += job->total > job->done ? job->total - job->done : 0;
            stats->failed += job->failed;
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
}

static ward_status look(struct ward_pager *r)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(JOBS_ARENA, &arena));
    struct ward_read read = {.kind = WARD_READ_JOBS, .jobs.open = true};
    WARD_TRY(ward_pager_ask(r, &read, arena));
    ward_arena_free(r->arena);
    r->arena = WARD_TAKE(arena);
    r->open = read.jobs.jobs;
    r->n_open = read.jobs.n;
    r->looked_us = now_us(r);
    count(r);
    return WARD_OK;
}

/* ---- slots ---- */

static void let_go(struct slot *slot)
{
    ward_state_unref(slot->state);
    slot->state = NULL;
    slot->held = false;
    slot->owner->claim_us = 0; /* the count may be free now */
}

static size_t held_of(const struct ward_pager *r, const struct ward_id *job,
                      uint32_t parts[static WARD_JOB_PAGES_AT_ONCE])
{
    size_t n = 0;
    for (size_t i = 0; i < WARD_JOB_PAGES_AT_ONCE; i++) {
        const struct slot *slot = &r->slots[i];
        if (slot->held && ward_id_eq(&slot->place.job, job)) {
            parts[n++] = slot->place.part;
        }
    }
    return n;
}

static const struct ward_paged_kind *kind_of(const struct ward_store_job *job)
{
    for (size_t k = 0; k < WARD_PAGED_KINDS; k++) {
        if (kinds[k]->kind == job->kind) {
            return kinds[k];
        }
    }
    return NULL;
}

/* A part of this job, if one is free. */
static bool claim_of(struct ward_pager *r, struct slot *slot, struct ward_state *state,
                     const struct ward_store_job *job)
{
    const struct ward_key *key = ward_state_key_by_id(state, &job->kek);
    const struct ward_paged_kind *kind = kind_of(job);
    if (job->state != WARD_JOB_RUNNING || kind == NULL || key == NULL || !kind->ready(key, job)) {
        return false; /* not now, or this state is older than the job */
    }
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    if (!ward_ok(ward_arena_new(SMALL_ARENA, &arena))) {
        return false;
    }
    uint32_t held[WARD_JOB_PAGES_AT_ONCE];
    struct ward_read read = {.kind = WARD_READ_JOB_CLAIM};
    read.claim.job = job->id;
    read.claim.node = state->node;
    read.claim.lease_us = WARD_JOB_LEASE_US;
    read.claim.held = held;
    read.claim.n_held = held_of(r, &job->id, held);
    if (!ward_ok(ward_pager_ask(r, &read, arena)) || !read.claim.found) {
        return false;
    }
    *slot = (struct slot){.owner = r,
                          .held = true,
                          .kind = kind,
                          .job = *job,
                          .place = read.claim.place,
                          .key = key->name,
                          .state = ward_state_ref(state)};
    /* Since we looked at the jobs, another daemon may have begun this one anew. */
    slot->job.parts = read.claim.parts;
    slot->job.round = read.claim.round;
    return true;
}

/* Jobs with rows of compromised versions first, then the oldest. */
static bool claim(struct ward_pager *r, struct slot *slot)
{
    struct ward_state *state = ward_state_slot_get(r->config.pipeline->states);
    bool found = false;
    for (int urgent = 1; urgent >= 0 && !found; urgent--) {
        for (size_t i = 0; i < r->n_open && !found; i++) {
            found =
                (r->open[i].urgent > 0) == (urgent > 0) && claim_of(r, slot, state, &r->open[i]);
        }
    }
    ward_state_unref(state);
    return found;
}

static void page_ended(struct ward_request *request, void *context)
{
    struct slot *slot = context;
    (void)request;
    (void)pthread_mutex_lock(&slot->owner->lock);
    slot->ended = true;
    (void)pthread_cond_signal(&slot->owner->page_ended);
    (void)pthread_mutex_unlock(&slot->owner->lock);
}

static bool is_count(const struct slot *slot)
{
    return slot->place.part == slot->job.parts;
}

static ward_status submit(struct ward_pager *r, struct slot *slot, bool beside)
{
    struct ward_request *request;
    const struct ward_paged_kind *kind = slot->kind;
    if (is_count(slot)) {
        WARD_TRY(ward_internal_new(kind->end, sizeof(struct ward_job_end), SMALL_ARENA, &request));
        *(struct ward_job_end *)request->in =
            (struct ward_job_end){.key = slot->key, .job = slot->job};
    } else {
        WARD_TRY(
            ward_internal_new(kind->page, sizeof(struct ward_job_page), kind->arena, &request));
        *(struct ward_job_page *)request->in =
            (struct ward_job_page){.key = slot->key,
                                   .job = slot->job,
                                   .place = slot->place,
                                   .limit = beside ? kind->rows_beside : kind->rows};
    }
    request->done = page_ended;
    request->done_context = slot;
    slot->request = request;
    slot->began_us = now_us(r);
    struct ward_list one = {0};
    ward_list_push(&one, &request->link);
    ward_pipeline_submit(r->config.pipeline, &one);
    return WARD_OK;
}

/* Its page, or the count, has ended. */
static void collect(struct ward_pager *r, struct slot *slot)
{
    struct ward_request *request = slot->request;
    ward_status status = request->status;
    int64_t took = now_us(r) - slot->began_us;
    slot->request = NULL;
    slot->ended = false;
    if (!ward_ok(status)) {
        bool lost = status.code == WARD_E_CONFLICT;
        ward_log_status(lost ? WARD_LOG_INFO : WARD_LOG_WARN,
                        lost ? slot->kind->taken_over : slot->kind->page_failed, status);
        r->not_before_us = lost ? r->not_before_us : now_us(r) + PAUSE_US;
        r->looked_us = 0;
        if (status.code != WARD_E_UNAVAILABLE) {
            let_go(slot); /* else it is still ours, and goes on where it was */
        }
    } else if (is_count(slot)) {
        (void)ward_failpoint("job.ended"); /* here and below only a kill means anything */
        slot->kind->tell_end(request->in);
        r->looked_us = 0;
        let_go(slot);
    } else {
        const struct ward_job_page *page = request->in;
        (void)ward_failpoint("job.page-moved");
        (void)pthread_mutex_lock(&r->lock);
        stats_of(r, slot->job.kind)->moved += page->rows;
        (void)pthread_mutex_unlock(&r->lock);
        slot->place = page->next;
        if (page->finished) {
            let_go(slot);
        }
        unsigned share = r->config.rewrap_share;
        if (page->limit == slot->kind->rows_beside) {
            r->not_before_us = now_us(r) + took * (100 - share) / share;
        }
    }
    ward_request_free(request);
}

static size_t under_way(const struct ward_pager *r)
{
    size_t n = 0;
    for (size_t i = 0; i < WARD_JOB_PAGES_AT_ONCE; i++) {
        n += r->slots[i].request != NULL;
    }
    return n;
}

/* Has an application asked the HSM for something lately? */
static bool traffic(struct ward_pager *r)
{
    unsigned long long callers = r->config.pipeline->callers;
    if (callers != r->callers) {
        r->callers = callers;
        r->traffic_us = now_us(r);
    }
    return r->config.rewrap_share < 100 && r->traffic_us != 0 &&
           now_us(r) - r->traffic_us < TRAFFIC_US;
}

/* Starts what may be started, each slot in its turn, so that no lease runs out unnoticed. */
static void start_pages(struct ward_pager *r)
{
    bool beside = traffic(r);
    size_t most = beside ? 1 : WARD_JOB_PAGES_AT_ONCE;
    bool none = now_us(r) < r->claim_us; /* asked a moment ago */
    for (size_t i = 0; i < WARD_JOB_PAGES_AT_ONCE && under_way(r) < most; i++) {
        struct slot *slot = &r->slots[r->turn++ % WARD_JOB_PAGES_AT_ONCE];
        if (now_us(r) < r->not_before_us) {
            return;
        }
        if (slot->request != NULL || (!slot->held && none)) {
            continue;
        }
        if (!slot->held && !claim(r, slot)) {
            r->claim_us = now_us(r) + TICK_MS * 1000LL;
            none = true;
            continue;
        }
        if (!ward_ok(submit(r, slot, beside))) {
            let_go(slot);
            return;
        }
    }
}

/* Until a page ends, at most until `until_us`. */
static void wait_for_pages(struct ward_pager *r, int64_t until_us)
{
    int64_t pause = until_us - now_us(r);
    pause = pause < 100 ? 100 : (pause > TICK_MS * 1000 ? TICK_MS * 1000 : pause);
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += pause * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    struct slot *ended[WARD_JOB_PAGES_AT_ONCE];
    size_t n = 0;
    (void)pthread_mutex_lock(&r->lock);
    for (bool late = false; n == 0 && !late;) {
        for (size_t i = 0; i < WARD_JOB_PAGES_AT_ONCE; i++) {
            if (r->slots[i].ended) {
                ended[n++] = &r->slots[i];
            }
        }
        late = n == 0 && pthread_cond_timedwait(&r->page_ended, &r->lock, &until) != 0;
    }
    (void)pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < n; i++) {
        collect(r, ended[i]);
    }
}

/* ---- the thread ---- */

static void turn(struct ward_pager *r)
{
    struct ward_state *state = ward_state_slot_get(r->config.pipeline->states);
    int64_t now = now_us(r);
    for (size_t k = 0; k < WARD_PAGED_KINDS; k++) {
        kinds[k]->survey(r, &r->work[k], state, r->open, r->n_open);
    }
    ward_state_unref(state);
    if (r->looked_us == 0 || now - r->looked_us > LOOK_US) {
        ward_status status = look(r);
        if (!ward_ok(status)) {
            r->n_open = 0;
            r->looked_us = now - LOOK_US + TICK_MS * 1000;
        }
    }
    start_pages(r);
    bool waits = r->not_before_us > now_us(r) && under_way(r) == 0;
    wait_for_pages(r, waits ? r->not_before_us : now_us(r) + TICK_MS * 1000LL);
}

static void *run(void *argument)
{
    struct ward_pager *r = argument;
    while (!r->stopping) {
        turn(r);
    }
    while (under_way(r) > 0) {
        wait_for_pages(r, now_us(r) + TICK_MS * 1000LL);
    }
    for (size_t i = 0; i < WARD_JOB_PAGES_AT_ONCE; i++) {
        let_go(&r->slots[i]);
    }
    return NULL;
}

static void pager_free(struct ward_pager *r)
{
    (void)pthread_cond_destroy(&r->page_ended);
    (void)pthread_mutex_destroy(&r->lock);
    ward_store_reader_close(r->reader);
    ward_arena_free(r->arena);
    for (size_t k = 0; k < WARD_PAGED_KINDS; k++) {
        kinds[k]->forget(r->work[k]);
    }
    free(r);
}

ward_status ward_pager_start(const struct ward_jobs_config *config, struct ward_pager **ret)
{
    struct ward_pager *r = calloc(1, sizeof(*r));
    WARD_ENSURE(r != NULL, WARD_E_EXHAUSTED);
    r->config = *config;
    r->config.rewrap_share = config->rewrap_share == 0 ? 100 : config->rewrap_share;
    (void)pthread_mutex_init(&r->lock, NULL); /* neither can fail with these attributes on Linux */
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->page_ended, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    for (size_t i = 0; i < WARD_JOB_PAGES_AT_ONCE; i++) {
        r->slots[i].owner = r;
    }
    ward_status status = ward_store_reader_open(config->store, &r->reader);
    if (ward_ok(status) && pthread_create(&r->thread, NULL, run, r) != 0) {
        status = WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    if (!ward_ok(status)) {
        pager_free(r);
        return status;
    }
    *ret = r;
    return WARD_OK;
}

void ward_pager_stop(struct ward_pager *pager)
{
    if (pager == NULL) {
        return;
    }
    pager->stopping = true;
    (void)pthread_join(pager->thread, NULL);
    pager_free(pager);
}

void ward_pager_stats(struct ward_pager *pager, uint8_t kind, struct ward_job_stats *ret)
{
    *ret = (struct ward_job_stats){0};
    if (pager == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pager->lock);
    *ret = *stats_of(pager, kind);
    (void)pthread_mutex_unlock(&pager->lock);
}
