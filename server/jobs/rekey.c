/* SPDX-License-Identifier: Apache-2.0 */
/* The rekey as a job. Officers open its runs; the daemon begins only those anew that are stuck. */
#include "base/log.h"
#include "server/jobs/pager.h"
#include "server/limits.h"

/* The records of a page three times: as they were, opened, and as they will be. One alone may be as
 * large as a message. */
#define PAGE_ARENA (64u << 20)

static bool ready(const struct ward_key *key, const struct ward_store_job *job)
{
    (void)job;
    return key->purpose == WARD_PURPOSE_RECORDS && key->enabled && key->active != NULL;
}

static void survey(struct ward_pager *pager, void **work, const struct ward_state *state,
                   const struct ward_store_job *jobs, size_t n)
{
    (void)work;
    int64_t now = ward_wall_us(ward_pager_clock(pager));
    for (size_t i = 0; i < n; i++) {
        const struct ward_store_job *job = &jobs[i];
        const struct ward_key *key = ward_state_key_by_id(state, &job->kek);
        if (job->kind != WARD_JOB_REKEY || job->state != WARD_JOB_STUCK || key == NULL ||
            !ready(key, job) || now - job->ended_us <= WARD_JOB_RETRY_US) {
            continue;
        }
        ward_status status = ward_pager_open(pager, &ward_op_rekey_open, key, true);
        if (!ward_ok(status)) {
            ward_log_status(WARD_LOG_WARN, "a rekey that is stuck could not be begun anew", status);
        }
        return; /* the jobs are looked at before the next one */
    }
}

static void forget(void *work)
{
    (void)work;
}

static void tell_end(const struct ward_job_end *end)
{
    if (end->state == WARD_JOB_STUCK) {
        ward_log_number(WARD_LOG_ERROR,
                        "some records cannot be rekeyed; they stay under old subject keys",
                        "records", (long long)end->left);
    } else if (end->state == WARD_JOB_DONE) {
        ward_log_number(WARD_LOG_INFO, "no record of a key is left under an old generation", "run",
                        end->job.version);
    }
}

const struct ward_paged_kind ward_paged_rekey = {
    .kind = WARD_JOB_REKEY,
    .page = &ward_op_rekey,
    .end = &ward_op_rekey_end,
    .arena = PAGE_ARENA,
    .rows = WARD_REKEY_PAGE,
    .rows_beside = WARD_REKEY_PAGE_BESIDE,
    .ready = ready,
    .survey = survey,
    .forget = forget,
    .taken_over = "a part of the rekey was taken over",
    .page_failed = "a page of the rekey failed; it is tried again",
    .tell_end = tell_end,
};
