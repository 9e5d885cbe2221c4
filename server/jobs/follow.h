/* SPDX-License-Identifier: Apache-2.0 */
/* Follows the epoch that other daemons move, in a thread of its own: a revocation must not wait for
 * an HSM that hangs, as the other timers may. */
#ifndef WARD_SERVER_JOBS_FOLLOW_H
#define WARD_SERVER_JOBS_FOLLOW_H

#include "server/jobs/jobs.h"

struct ward_follower;

ward_status ward_follower_start(const struct ward_jobs_config *config, struct ward_follower **ret);
void ward_follower_stop(struct ward_follower *follower); /* joins; NULL is fine */

#endif
