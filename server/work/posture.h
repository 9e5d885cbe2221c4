/* SPDX-License-Identifier: Apache-2.0 */
/* What a diagnosis looks at beyond the state: how this daemon was set up. Constant after the start
 * but for what its functions fetch. */
#ifndef WARD_SERVER_WORK_POSTURE_H
#define WARD_SERVER_WORK_POSTURE_H

#include "backends/store.h"
#include "server/net/shared.h"

struct ward_posture {
    void *context;
    ward_status (*snapshot)(void *context, struct ward_arena *arena,
                            struct ward_store_snapshot *ret); /* the database, as it is now */
    int64_t (*certificate_end_us)(void *context); /* of the daemon's own; 0: not known */
    /* Client certificates that were in use in two places at once within the last day. NULL: not
     * looked for. */
    size_t (*shared_lately)(void *context, struct ward_shared *out, size_t max);
    bool development_module;                   /* the HSM is software on this host */
    bool memory_locked;                        /* all of it, not only the pool of keys */
    uint64_t wrap_soft_limit, wrap_hard_limit; /* 0: not counted */
};

#endif
