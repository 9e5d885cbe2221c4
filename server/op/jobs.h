/* SPDX-License-Identifier: Apache-2.0 */
/* What operations on jobs share, whatever a job moves: how one is seen, opened and ended, and how
 * the place of its part moves with the rows of a page. */
#ifndef WARD_SERVER_OP_JOBS_H
#define WARD_SERVER_OP_JOBS_H

#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/op/system.h"
#include "server/state.h"

/* "running", "done", "stuck", "superseded"; "none" for what is no state. */
const char *ward_job_state_name(unsigned state);
/* The newest job of that kind among those read; NULL when there is none. */
const struct ward_store_job *ward_job_newest(const struct ward_read *read, uint8_t kind);
/* The same as callers see it; state "none" when there is none. */
void ward_job_view_of(const struct ward_read *read, uint8_t kind, int64_t now_us,
                      struct ward_job_view *ret);
/* How many versions are compromised: a job is begun anew when there are more than it knew of. */
uint32_t ward_rewrap_urgent(const struct ward_key *key);

/* Into how many parts a job of so many rows is cut. */
uint32_t ward_job_parts(uint64_t rows);
/* The key, which must be one for records; the caller has asked policy. NOT_FOUND, STATE. */
ward_status ward_job_find_key(const struct ward_request *request, struct ward_bytes name,
                              const struct ward_key **ret);
/* Adds the read of all jobs of the key. */
ward_status ward_job_read(struct ward_request *request, const struct ward_key *key);
ward_status ward_job_commit_open(const struct ward_store_job *job, bool again,
                                 struct ward_batch *batch);

/* ---- a page: the operation's input is a ward_job_page ---- */

/* The key and its active version. CONFLICT when the page was prepared once already: its part was
 * taken over by another daemon. */
ward_status ward_job_page_decide(struct ward_request *request, const struct ward_key **ret_key,
                                 uint32_t *ret_version);
/* The part's new place, compared with the old one; with how many rows moved and did not. */
ward_status ward_job_page_commit(const struct ward_request *request, struct ward_batch *batch);
/* The rows of a page: that many wait when a page waits. */
uint32_t ward_job_page_cost(const struct ward_request *request);

/* ---- the count at the end: the operation's input is a ward_job_end ---- */

ward_status ward_job_end_decide(struct ward_request *request);
/* What `left` rows mean for the job. Tells round and state. */
void ward_job_end_judge(struct ward_request *request, uint64_t left);
ward_status ward_job_end_commit(struct ward_request *request, struct ward_batch *batch);

/* ---- progress: the operation's input is a ward_key_job ---- */

ward_status ward_job_progress_decide(struct ward_request *request);
ward_status ward_job_progress_read(struct ward_request *request, struct ward_digest *digest);
ward_status ward_job_progress_finish(struct ward_request *request, uint8_t kind);

#endif
