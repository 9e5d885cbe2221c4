/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/core_jobs.h"

static void nobody(void *context, unsigned *ret_handshakes, unsigned *ret_requests)
{
    (void)context;
    *ret_handshakes = *ret_requests = 0;
}

static uint64_t no_epoch(void *context)
{
    (void)context;
    return 0; /* no heartbeat */
}

struct ward_jobs *core_jobs_start(struct core_node *of, unsigned share)
{
    struct ward_jobs *jobs = NULL;
    const struct ward_jobs_config config = {.pipeline = &of->pipeline,
                                            .committer = of->committer,
                                            .store = of->world->store,
                                            .settled_epoch = no_epoch,
                                            .refresh = core_node_refresh,
                                            .context = of,
                                            .unidentified = nobody,
                                            .rewrap_share = share};
    assert_ok(ward_jobs_start(&config, &jobs));
    return jobs;
}
