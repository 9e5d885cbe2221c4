/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. One thread: it looks which keys have rows below their active version, opens jobs
 * for them, takes parts of those that run, the most urgent first, and keeps pages under way. What a
 * page does is an operation, decided and audited like any request.
 *
 *   slot: free --claim--> a part is held --submit--> page under way --ended--> held, or free */
#include "server/jobs/rewrap.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/limits.h"
#include "server/op/jobs.h"
#include "server/op/system.h"

#define TICK_MS 100
#define LOOK_US (1000 * 1000LL)        /* at the jobs that run, which other daemons open too */
#define SURVEY_US (60 * 1000 * 1000LL) /* of all keys, besides when the epoch has moved */
#define PAUSE_US (1000 * 1000LL)       /* after a page that failed */
#define TRAFFIC_US (1000 * 1000LL)     /* a call of an application is remembered for so long */
#define PAGE_ARENA (16u << 20)
#define SMALL_ARENA (1u << 20)
#define JOBS_ARENA (64u << 20)

struct slot {
    struct ward_rewrapper *owner;
    bool held;
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_bytes key;        /* its name, in `state` */
    struct ward_state *state;     /* while it is held */
    struct ward_request *request; /* under way */
    int64_t began_us;
    bool ended; /* guarded by the lock */
};

/* What was found of a key's job, so that it need not be looked up each time. */
struct seen {
    struct ward_id kek;
    uint32_t version, urgent;
    uint8_t state; /* enum ward_job_state */
    int64_t ended_us;
};

struct ward_rewrapper {
    struct ward_jobs_config config;
    struct ward_store_reader *reader;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t page_ended;
    struct slot slots[WARD_REWRAP_AT_ONCE];
    size_t turn;              /* the slot that goes first */
    struct ward_arena *arena; /* of `running` */
    const struct ward_store_job *running;
    size_t n_running;
    struct seen *seen; /* sorted by kek */
    size_t n_seen;
    uint64_t surveyed_epoch;
    int64_t looked_us, surveyed_us, not_before_us, traffic_us, claim_us;
    unsigned long long callers;
    int64_t started_us;             /* by the wall */
    struct ward_rewrap_stats stats; /* guarded by the lock */
};

static int64_t now_us(const struct ward_rewrapper *r)
{
    return ward_monotonic_us(r->config.pipeline->clock);
}

static ward_status ask(struct ward_rewrapper *r, struct ward_read *read, struct ward_arena *arena)
{
    read->arena = arena;
    WARD_TRY(ward_store_read(r->reader, &read, 1));
    return read->status;
}

/* ---- which jobs there are ---- */

static ward_status look(struct ward_rewrapper *r)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(JOBS_ARENA, &arena));
    struct ward_read read = {.kind = WARD_READ_JOBS, .jobs.open = true};
    WARD_TRY(ask(r, &read, arena));
    ward_arena_free(r->arena);
    r->arena = WARD_TAKE(arena);
    if (read.jobs.n < r->n_running) {
        r->surveyed_us = 0; /* one has ended, perhaps at another daemon: well, or stuck? */
    }
    r->running = read.jobs.jobs;
    r->n_running = read.jobs.n;
    r->looked_us = now_us(r);
    uint64_t left = 0, failed = 0;
    for (size_t i = 0; i < r->n_running; i++) {
        const struct ward_store_job *job = &r->running[i];
        left += job->total > job->done ? job->total - job->done : 0;
        failed += job->failed;
    }
    (void)pthread_mutex_lock(&r->lock);
    r->stats.running = r->n_running;
    r->stats.left = left;
    r->stats.failed = failed;
    (void)pthread_mutex_unlock(&r->lock);
    return WARD_OK;
}

static bool candidate(const struct ward_key *key)
{
    return key->purpose == WARD_PURPOSE_RECORDS && key->n_versions > 1 && key->enabled &&
           key->active != NULL;
}

static int compare_seen(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return memcmp(x->kek.bytes, y->kek.bytes, sizeof(x->kek.bytes));
}

/* The key's own job, the one of its active version. */
static ward_status look_up(struct ward_rewrapper *r, const struct ward_key *key, struct seen *ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(SMALL_ARENA, &arena));
    struct ward_read read = {.kind = WARD_READ_JOBS, .jobs.kek = key->id};
    WARD_TRY(ask(r, &read, arena));
    *ret = (struct seen){.kek = key->id};
    for (size_t i = 0; i < read.jobs.n; i++) {
        const struct ward_store_job *job = &read.jobs.jobs[i];
        if (job->kind == WARD_JOB_REWRAP && job->version == key->active->version) {
            *ret = (struct seen){key->id, job->version, job->urgent, job->state, job->ended_us};
        }
    }
    return WARD_OK;
}

static bool wants_job(const struct ward_rewrapper *r, const struct ward_key *key,
                      const struct seen *seen)
{
    int64_t age = ward_wall_us(r->config.pipeline->clock) - seen->ended_us;
    return seen->version != key->active->version || seen->urgent < ward_rewrap_urgent(key) ||
           (seen->state == WARD_JOB_STUCK && age > WARD_JOB_RETRY_US);
}

static ward_status open_job(struct ward_rewrapper *r, const struct ward_key *key, bool again)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_rewrap_open, sizeof(struct ward_rewrap_open), SMALL_ARENA,
                               &request));
    *(struct ward_rewrap_open *)request->in =
        (struct ward_rewrap_open){.key = key->name, .again = again};
    ward_status status = ward_internal_run(r->config.pipeline, request);
    ward_request_free(request);
    return status;
}

/* Looks at one key; what was seen of it before, unless that may have changed. */
static ward_status survey_key(struct ward_rewrapper *r, const struct ward_key *key,
                              struct seen *ret)
{
    const struct seen wanted = {.kek = key->id};
    const struct seen *before =
        r->n_seen == 0 ? NULL : bsearch(&wanted, r->seen, r->n_seen, sizeof(wanted), compare_seen);
    if (before != NULL && before->state == WARD_JOB_DONE && !wants_job(r, key, before)) {
        *ret = *before;
        return WARD_OK;
    }
    WARD_TRY(look_up(r, key, ret));
    if (wants_job(r, key, ret)) {
        WARD_TRY(open_job(r, key, ret->state == WARD_JOB_STUCK));
        r->looked_us = 0;
        *ret = (struct seen){key->id, key->active->version, ward_rewrap_urgent(key),
                             WARD_JOB_RUNNING, 0};
    }
    return WARD_OK;
}

static void keep_seen(struct ward_rewrapper *r, struct seen *take_seen, size_t n)
{
    size_t stuck = 0;
    for (size_t i = 0; i < n; i++) {
        stuck += take_seen[i].state == WARD_JOB_STUCK;
    }
    free(r->seen);
    r->seen = take_seen;
    r->n_seen = n;
    if (n > 0) {
        qsort(r->seen, n, sizeof(*r->seen), compare_seen);
    }
    (void)pthread_mutex_lock(&r->lock);
    r->stats.stuck = stuck;
    (void)pthread_mutex_unlock(&r->lock);
}

/* Every key that has more than one version has had a job for its active one, or gets it. */
static void survey(struct ward_rewrapper *r, const struct ward_state *state)
{
    struct seen *seen = calloc(state->n_keys + 1, sizeof(*seen));
    ward_status status = seen == NULL ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
    size_t n = 0;
    for (size_t i = 0; i < state->n_keys && ward_ok(status) && !r->stopping; i++) {
        if (candidate(&state->keys[i])) {
            status = survey_key(r, &state->keys[i], &seen[n]);
            n += ward_ok(status);
        }
    }
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_WARN, "no rewrap could be begun; it is tried again", status);
        r->surveyed_us = now_us(r) - SURVEY_US + PAUSE_US;
        free(seen);
        return;
    }
    keep_seen(r, seen, n);
    r->surveyed_epoch = state->epoch;
    r->surveyed_us = now_us(r);
}

/* ---- slots ---- */

static void let_go(struct slot *slot)
{
    ward_state_unref(slot->state);
    slot->state = NULL;
    slot->held = false;
    slot->owner->claim_us = 0; /* the count may be free now */
}

static bool held_already(const struct ward_rewrapper *r, const struct ward_job_place *place)
{
    for (size_t i = 0; i < WARD_REWRAP_AT_ONCE; i++) {
        const struct slot *slot = &r->slots[i];
        if (slot->held && slot->place.part == place->part &&
            ward_id_eq(&slot->place.job, &place->job)) {
            return true;
        }
    }
    return false;
}

/* A part of this job, if one is free. */
static bool claim_of(struct ward_rewrapper *r, struct slot *slot, struct ward_state *state,
                     const struct ward_store_job *job)
{
    const struct ward_key *key = ward_state_key_by_id(state, &job->kek);
    if (job->kind != WARD_JOB_REWRAP || key == NULL || !candidate(key) ||
        key->active->version < job->version) {
        return false; /* not now, or this state is older than the job */
    }
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    if (!ward_ok(ward_arena_new(SMALL_ARENA, &arena))) {
        return false;
    }
    struct ward_read read = {.kind = WARD_READ_JOB_CLAIM};
    read.claim.job = job->id;
    read.claim.node = state->node;
    read.claim.now_us = ward_wall_us(r->config.pipeline->clock);
    read.claim.lease_us = WARD_JOB_LEASE_US;
    read.claim.own_us = r->started_us + WARD_JOB_LEASE_US;
    if (!ward_ok(ask(r, &read, arena)) || !read.claim.found || held_already(r, &read.claim.place)) {
        return false;
    }
    *slot = (struct slot){.owner = r,
                          .held = true,
                          .job = *job,
                          .place = read.claim.place,
                          .key = key->name,
                          .state = ward_state_ref(state)};
    return true;
}

/* Jobs with rows of compromised versions first, then the oldest. */
static bool claim(struct ward_rewrapper *r, struct slot *slot)
{
    struct ward_state *state = ward_state_slot_get(r->config.pipeline->states);
    bool found = false;
    for (int urgent = 1; urgent >= 0 && !found; urgent--) {
        for (size_t i = 0; i < r->n_running && !found; i++) {
            found = (r->running[i].urgent > 0) == (urgent > 0) &&
                    claim_of(r, slot, state, &r->running[i]);
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

static ward_status submit(struct ward_rewrapper *r, struct slot *slot, bool beside)
{
    struct ward_request *request;
    if (is_count(slot)) {
        WARD_TRY(ward_internal_new(&ward_op_rewrap_end, sizeof(struct ward_rewrap_end), SMALL_ARENA,
                                   &request));
        *(struct ward_rewrap_end *)request->in =
            (struct ward_rewrap_end){.key = slot->key, .job = slot->job};
    } else {
        WARD_TRY(
            ward_internal_new(&ward_op_rewrap, sizeof(struct ward_rewrap), PAGE_ARENA, &request));
        *(struct ward_rewrap *)request->in =
            (struct ward_rewrap){.key = slot->key,
                                 .parts = slot->job.parts,
                                 .place = slot->place,
                                 .limit = beside ? WARD_REWRAP_PAGE_BESIDE : WARD_REWRAP_PAGE};
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

static void tell_end(const struct slot *slot, const struct ward_rewrap_end *end)
{
    if (end->state == WARD_JOB_STUCK) {
        ward_log_number(WARD_LOG_ERROR,
                        "some subject keys cannot be rewrapped; their old key versions stay needed",
                        "rows", (long long)end->left);
    } else if (end->state == WARD_JOB_DONE) {
        ward_log_number(WARD_LOG_INFO, "every subject key of a key is under its active version",
                        "version", slot->job.version);
    }
}

/* Its page, or the count, has ended. */
static void collect(struct ward_rewrapper *r, struct slot *slot)
{
    struct ward_request *request = slot->request;
    ward_status status = request->status;
    int64_t took = now_us(r) - slot->began_us;
    slot->request = NULL;
    slot->ended = false;
    if (!ward_ok(status)) {
        bool lost = status.code == WARD_E_CONFLICT;
        ward_log_status(lost ? WARD_LOG_INFO : WARD_LOG_WARN,
                        lost ? "a part of the rewrap was taken over"
                             : "a page of the rewrap failed; it is tried again",
                        status);
        r->not_before_us = lost ? r->not_before_us : now_us(r) + PAUSE_US;
        r->looked_us = 0;
        if (status.code != WARD_E_UNAVAILABLE) {
            let_go(slot); /* else it is still ours, and goes on where it was */
        }
    } else if (is_count(slot)) {
        tell_end(slot, request->in);
        r->looked_us = r->surveyed_us = 0;
        let_go(slot);
    } else {
        const struct ward_rewrap *page = request->in;
        (void)pthread_mutex_lock(&r->lock);
        r->stats.rewrapped += page->rows;
        (void)pthread_mutex_unlock(&r->lock);
        slot->place = page->next;
        if (page->finished) {
            let_go(slot);
        }
        unsigned share = r->config.rewrap_share;
        if (page->limit == WARD_REWRAP_PAGE_BESIDE) {
            r->not_before_us = now_us(r) + took * (100 - share) / share;
        }
    }
    ward_request_free(request);
}

static size_t under_way(const struct ward_rewrapper *r)
{
    size_t n = 0;
    for (size_t i = 0; i < WARD_REWRAP_AT_ONCE; i++) {
        n += r->slots[i].request != NULL;
    }
    return n;
}

/* Has an application asked the HSM for something lately? */
static bool traffic(struct ward_rewrapper *r)
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
static void start_pages(struct ward_rewrapper *r)
{
    bool beside = traffic(r);
    size_t most = beside ? 1 : WARD_REWRAP_AT_ONCE;
    bool none = now_us(r) < r->claim_us; /* asked a moment ago */
    for (size_t i = 0; i < WARD_REWRAP_AT_ONCE && under_way(r) < most; i++) {
        struct slot *slot = &r->slots[r->turn++ % WARD_REWRAP_AT_ONCE];
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
static void wait_for_pages(struct ward_rewrapper *r, int64_t until_us)
{
    int64_t pause = until_us - now_us(r);
    pause = pause < 100 ? 100 : (pause > TICK_MS * 1000 ? TICK_MS * 1000 : pause);
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += pause * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    struct slot *ended[WARD_REWRAP_AT_ONCE];
    size_t n = 0;
    (void)pthread_mutex_lock(&r->lock);
    for (bool late = false; n == 0 && !late;) {
        for (size_t i = 0; i < WARD_REWRAP_AT_ONCE; i++) {
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

static void turn(struct ward_rewrapper *r)
{
    struct ward_state *state = ward_state_slot_get(r->config.pipeline->states);
    int64_t now = now_us(r);
    if (state->epoch != r->surveyed_epoch || r->surveyed_us == 0 ||
        now - r->surveyed_us > SURVEY_US) {
        survey(r, state);
    }
    ward_state_unref(state);
    if (r->looked_us == 0 || now - r->looked_us > LOOK_US) {
        ward_status status = look(r);
        if (!ward_ok(status)) {
            r->n_running = 0;
            r->looked_us = now - LOOK_US + TICK_MS * 1000;
        }
    }
    start_pages(r);
    bool waits = r->not_before_us > now_us(r) && under_way(r) == 0;
    wait_for_pages(r, waits ? r->not_before_us : now_us(r) + TICK_MS * 1000LL);
}

static void *run(void *argument)
{
    struct ward_rewrapper *r = argument;
    while (!r->stopping) {
        turn(r);
    }
    while (under_way(r) > 0) {
        wait_for_pages(r, now_us(r) + TICK_MS * 1000LL);
    }
    for (size_t i = 0; i < WARD_REWRAP_AT_ONCE; i++) {
        let_go(&r->slots[i]);
    }
    return NULL;
}

static void rewrapper_free(struct ward_rewrapper *r)
{
    (void)pthread_cond_destroy(&r->page_ended);
    (void)pthread_mutex_destroy(&r->lock);
    ward_store_reader_close(r->reader);
    ward_arena_free(r->arena);
    free(r->seen);
    free(r);
}

ward_status ward_rewrapper_start(const struct ward_jobs_config *config, struct ward_rewrapper **ret)
{
    struct ward_rewrapper *r = calloc(1, sizeof(*r));
    WARD_ENSURE(r != NULL, WARD_E_EXHAUSTED);
    r->config = *config;
    r->config.rewrap_share = config->rewrap_share == 0 ? 100 : config->rewrap_share;
    (void)pthread_mutex_init(&r->lock, NULL); /* neither can fail with these attributes on Linux */
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->page_ended, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    r->started_us = ward_wall_us(config->pipeline->clock);
    for (size_t i = 0; i < WARD_REWRAP_AT_ONCE; i++) {
        r->slots[i].owner = r;
    }
    ward_status status = ward_store_reader_open(config->store, &r->reader);
    if (ward_ok(status) && pthread_create(&r->thread, NULL, run, r) != 0) {
        status = WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    if (!ward_ok(status)) {
        rewrapper_free(r);
        return status;
    }
    *ret = r;
    return WARD_OK;
}

void ward_rewrapper_stop(struct ward_rewrapper *rewrapper)
{
    if (rewrapper == NULL) {
        return;
    }
    rewrapper->stopping = true;
    (void)pthread_join(rewrapper->thread, NULL);
    rewrapper_free(rewrapper);
}

void ward_rewrapper_stats(struct ward_rewrapper *rewrapper, struct ward_rewrap_stats *ret)
{
    *ret = (struct ward_rewrap_stats){0};
    if (rewrapper == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&rewrapper->lock);
    *ret = rewrapper->stats;
    (void)pthread_mutex_unlock(&rewrapper->lock);
}
