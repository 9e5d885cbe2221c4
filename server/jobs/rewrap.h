/* SPDX-License-Identifier: Apache-2.0 */
/* Brings every subject key up to its KEK's active version, in a thread of its own: it may be long.
 */
#ifndef WARD_SERVER_JOBS_REWRAP_H
#define WARD_SERVER_JOBS_REWRAP_H

#include "server/jobs/jobs.h"

struct ward_rewrapper;

ward_status ward_rewrapper_start(const struct ward_jobs_config *config,
                                 struct ward_rewrapper **ret);
void ward_rewrapper_stop(struct ward_rewrapper *rewrapper); /* joins; NULL is fine */
/* Subject keys that it has rewrapped since the start. */
uint64_t ward_rewrapper_rows(const struct ward_rewrapper *rewrapper);

#endif
