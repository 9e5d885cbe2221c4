/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Keys always lie in the locked pool of base/secret; here the rest of memory,
 * through which answers and PHI pass, is locked too where the limit allows, and must be where swap
 * is on. */
#include "server/hardening.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/secret.h"

#define SECRET_POOL_BYTES                                                  \
    (2u << 20) /* within the default limit of 8 MiB, ring buffers included \
                */

static bool swap_is_on(void)
{
    FILE *swaps = fopen("/proc/swaps", "re");
    if (swaps == NULL) {
        return true; /* not known: taken for yes */
    }
    char line[256];
    unsigned lines = 0;
    while (fgets(line, sizeof(line), swaps) != NULL) {
        lines++;
    }
    (void)fclose(swaps); /* read only */
    return lines > 1;    /* the first is the heading */
}

static bool lock_all(void)
{
    struct rlimit limit;
    bool unlimited = getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
    /* With a finite limit MCL_FUTURE would make later allocations fail instead of this call. */
    return unlimited && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

/* Of the process, like what it tells of. */
static bool all_locked;

bool ward_hardening_locked_all(void)
{
    return all_locked;
}

ward_status ward_harden(void)
{
    const struct rlimit none = {0, 0};
    WARD_ENSURE(setrlimit(RLIMIT_CORE, &none) == 0, WARD_E_STATE);
    WARD_ENSURE(prctl(PR_SET_DUMPABLE, 0) == 0, WARD_E_STATE);
    WARD_ENSURE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, WARD_E_STATE);
    WARD_TRY(ward_secret_pool_init(SECRET_POOL_BYTES));
    all_locked = lock_all();
    if (all_locked) {
        return WARD_OK;
    }
    if (swap_is_on()) {
        return WARD_REFUSAL(
            WARD_E_STATE,
            "memory: swap is on and memory cannot be locked; raise the memlock limit to "
            "unlimited (LimitMEMLOCK=infinity) or turn swap off");
    }
    ward_log(WARD_LOG_INFO, "only the pool of keys is locked in memory: the memlock limit is "
                            "finite, and no swap is on");
    return WARD_OK;
}
