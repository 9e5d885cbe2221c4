/* SPDX-License-Identifier: Apache-2.0 */
/* Brings every subject key up to its KEK's active version. The work is shared between the daemons
 * of a deployment by jobs (backends/store_jobs.h): each takes parts, and has a few pages under way
 * at once, so that database and HSM overlap. While applications call, pages are small and one at a
 * time, and take a share of the time. */
#ifndef WARD_SERVER_JOBS_REWRAP_H
#define WARD_SERVER_JOBS_REWRAP_H

#include "server/jobs/jobs.h"

struct ward_rewrapper;

ward_status ward_rewrapper_start(const struct ward_jobs_config *config,
                                 struct ward_rewrapper **ret);
void ward_rewrapper_stop(struct ward_rewrapper *rewrapper); /* joins; NULL is fine */
/* As it was seen last; any thread. NULL: all zero. */
void ward_rewrapper_stats(struct ward_rewrapper *rewrapper, struct ward_rewrap_stats *ret);

#endif
