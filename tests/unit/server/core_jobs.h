/* SPDX-License-Identifier: Apache-2.0 */
/* A node's own long work: rotation, rewrap, rekey, destruction. It sends no heartbeat. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_JOBS_H
#define WARD_TESTS_UNIT_SERVER_CORE_JOBS_H

#include "server/jobs/jobs.h"
#include "tests/unit/server/core_daemon.h"

/* share: of the time, in percent, beside applications' calls. ward_jobs_stop ends it. */
struct ward_jobs *core_jobs_start(struct core_node *of, unsigned share);

#endif
