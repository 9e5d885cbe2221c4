/* SPDX-License-Identifier: Apache-2.0 */
/* Long work that the daemons of a deployment share by jobs (backends/store_jobs.h): each takes
 * parts, and has a few pages under way at once, so that database and HSM overlap. While
 * applications call, pages are small and one at a time, and take a share of the time. What a page
 * is, and which jobs there shall be, each kind of job says in a file of its own. */
#ifndef WARD_SERVER_JOBS_PAGER_H
#define WARD_SERVER_JOBS_PAGER_H

#include "server/jobs/jobs.h"
#include "server/op/jobs.h"

struct ward_pager;

ward_status ward_pager_start(const struct ward_jobs_config *config, struct ward_pager **ret);
void ward_pager_stop(struct ward_pager *pager); /* joins; NULL is fine */
/* As it was seen last; any thread. NULL: all zero. */
void ward_pager_stats(struct ward_pager *pager, uint8_t kind, struct ward_job_stats *ret);

/* ---- for a kind of job; all of it on the pager's own thread ---- */

struct ward_paged_kind {
    uint8_t kind;                     /* enum ward_job_kind */
    const struct ward_op *page, *end; /* their inputs are a ward_job_page and a ward_job_end */
    size_t arena;                     /* of a page, in bytes */
    uint32_t rows, rows_beside;       /* of a page; beside applications' calls */
    /* May its rows be moved under this key as it is now? */
    bool (*ready)(const struct ward_key *key, const struct ward_store_job *job);
    /* Opens jobs that shall be there and are not, and those again that have been stuck for long
     * enough. Called at every turn, at least ten times a second; jobs: that run or are stuck, of
     * all kinds. `work` is the kind's own, NULL at first. */
    void (*survey)(struct ward_pager *pager, void **work, const struct ward_state *state,
                   const struct ward_store_job *jobs, size_t n);
    void (*forget)(void *work); /* NULL is fine */
    /* For the log. */
    const char *taken_over, *page_failed;
    void (*tell_end)(const struct ward_job_end *end);
};

#define WARD_PAGED_KINDS 2
extern const struct ward_paged_kind ward_paged_rewrap, ward_paged_rekey;

/* One read with the pager's own connection; its status. */
ward_status ward_pager_ask(struct ward_pager *pager, struct ward_read *read,
                           struct ward_arena *arena);
/* Runs op, whose input is a ward_job_open, and looks at the jobs anew. */
ward_status ward_pager_open(struct ward_pager *pager, const struct ward_op *op,
                            const struct ward_key *key, bool again);
const struct ward_clock *ward_pager_clock(const struct ward_pager *pager);
bool ward_pager_stopping(const struct ward_pager *pager);

#endif
