/* SPDX-License-Identifier: Apache-2.0 */
/* The rewrap as a job: every key that has more than one version has had one for its active version,
 * or gets it. Nobody has to ask for it. */
#include <stdlib.h>

#include "base/log.h"
#include "server/jobs/pager.h"
#include "server/limits.h"

#define SURVEY_US (60 * 1000 * 1000LL) /* of all keys, besides when the epoch has moved */
#define PAUSE_US (1000 * 1000LL)       /* after a survey that failed */
#define PAGE_ARENA (16u << 20)
#define SMALL_ARENA (1u << 20)

/* What was found of a key's job, so that it need not be looked up each time. */
struct seen {
    struct ward_id kek;
    uint32_t version, urgent;
    uint8_t state; /* enum ward_job_state */
    int64_t ended_us;
};

struct survey {
    struct seen *seen; /* sorted by kek */
    size_t n_seen;
    uint64_t epoch;
    int64_t surveyed_us;
    size_t running; /* as they were at the last turn */
};

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
static ward_status look_up(struct ward_pager *r, const struct ward_key *key, struct seen *ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(SMALL_ARENA, &arena));
    struct ward_read read = {.kind = WARD_READ_JOBS, .jobs.kek = key->id};
    WARD_TRY(ward_pager_ask(r, &read, arena));
    *ret = (struct seen){.kek = key->id};
    for (size_t i = 0; i < read.jobs.n; i++) {
        const struct ward_store_job *job = &read.jobs.jobs[i];
        if (job->kind == WARD_JOB_REWRAP && job->version == key->active->version) {
            *ret = (struct seen){key->id, job->version, job->urgent, job->state, job->ended_us};
        }
    }
    return WARD_OK;
}

static bool wants_job(const struct ward_pager *r, const struct ward_key *key,
                      const struct seen *seen)
{
    int64_t age = ward_wall_us(ward_pager_clock(r)) - seen->ended_us;
    return seen->version != key->active->version || seen->urgent < ward_rewrap_urgent(key) ||
           (seen->state == WARD_JOB_STUCK && age > WARD_JOB_RETRY_US);
}

/* Looks at one key; what was seen of it before, unless that may have changed. */
static ward_status survey_key(struct ward_pager *r, const struct survey *survey,
                              const struct ward_key *key, struct seen *ret)
{
    const struct seen wanted = {.kek = key->id};
    const struct seen *before = survey->n_seen == 0 ? NULL
                                                    : bsearch(&wanted, survey->seen, survey->n_seen,
                                                              sizeof(wanted), compare_seen);
    if (before != NULL && before->state == WARD_JOB_DONE && !wants_job(r, key, before)) {
        *ret = *before;
        return WARD_OK;
    }
    WARD_TRY(look_up(r, key, ret));
    if (wants_job(r, key, ret)) {
        WARD_TRY(ward_pager_open(r, &ward_op_rewrap_open, key, ret->state == WARD_JOB_STUCK));
        *ret = (struct seen){key->id, key->active->version, ward_rewrap_urgent(key),
                             WARD_JOB_RUNNING, 0};
    }
    return WARD_OK;
}

static void keep_seen(struct survey *survey, struct seen *take_seen, size_t n)
{
    free(survey->seen);
    survey->seen = take_seen;
    survey->n_seen = n;
    if (n > 0) {
        qsort(survey->seen, n, sizeof(*survey->seen), compare_seen);
    }
}

static void survey_all(struct ward_pager *r, struct survey *survey, const struct ward_state *state)
{
    struct seen *seen = calloc(state->n_keys + 1, sizeof(*seen));
    ward_status status = seen == NULL ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
    size_t n = 0;
    for (size_t i = 0; i < state->n_keys && ward_ok(status) && !ward_pager_stopping(r); i++) {
        if (candidate(&state->keys[i])) {
            status = survey_key(r, survey, &state->keys[i], &seen[n]);
            n += ward_ok(status);
        }
    }
    int64_t now = ward_monotonic_us(ward_pager_clock(r));
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_WARN, "no rewrap could be begun; it is tried again", status);
        survey->surveyed_us = now - SURVEY_US + PAUSE_US;
        free(seen);
        return;
    }
    keep_seen(survey, seen, n);
    survey->epoch = state->epoch;
    survey->surveyed_us = now;
}

/* One that has ended, perhaps at another daemon, has ended well or is stuck. */
static bool one_has_ended(struct survey *survey, const struct ward_store_job *jobs, size_t n)
{
    size_t running = 0;
    for (size_t i = 0; i < n; i++) {
        running += jobs[i].kind == WARD_JOB_REWRAP && jobs[i].state == WARD_JOB_RUNNING;
    }
    bool fewer = running < survey->running;
    survey->running = running;
    return fewer;
}

static void survey_keys(struct ward_pager *r, void **work, const struct ward_state *state,
                        const struct ward_store_job *jobs, size_t n)
{
    struct survey *survey = *work;
    if (survey == NULL) {
        survey = *work = calloc(1, sizeof(*survey));
    }
    if (survey == NULL) {
        return; /* at the next turn, perhaps */
    }
    int64_t now = ward_monotonic_us(ward_pager_clock(r));
    if (one_has_ended(survey, jobs, n) || state->epoch != survey->epoch ||
        survey->surveyed_us == 0 || now - survey->surveyed_us > SURVEY_US) {
        survey_all(r, survey, state);
    }
}

static void forget(void *work)
{
    if (work != NULL) {
        free(((struct survey *)work)->seen);
    }
    free(work);
}

/* The keyring may be older than the job. */
static bool ready(const struct ward_key *key, const struct ward_store_job *job)
{
    return candidate(key) && key->active->version >= job->version;
}

static void tell_end(const struct ward_job_end *end)
{
    if (end->state == WARD_JOB_STUCK) {
        ward_log_number(WARD_LOG_ERROR,
                        "some subject keys cannot be rewrapped; their old key versions stay needed",
                        "rows", (long long)end->left);
    } else if (end->state == WARD_JOB_DONE) {
        ward_log_number(WARD_LOG_INFO, "every subject key of a key is under its active version",
                        "version", end->job.version);
    }
}

const struct ward_paged_kind ward_paged_rewrap = {
    .kind = WARD_JOB_REWRAP,
    .page = &ward_op_rewrap,
    .end = &ward_op_rewrap_end,
    .arena = PAGE_ARENA,
    .rows = WARD_REWRAP_PAGE,
    .rows_beside = WARD_REWRAP_PAGE_BESIDE,
    .ready = ready,
    .survey = survey_keys,
    .forget = forget,
    .taken_over = "a part of the rewrap was taken over",
    .page_failed = "a page of the rewrap failed; it is tried again",
    .tell_end = tell_end,
};
