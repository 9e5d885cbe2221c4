/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It does not know what it waits for. */
#include "server/patience.h"

#include <signal.h>
#include <time.h>

#include "base/log.h"

bool ward_asked_to_end(void)
{
    sigset_t waiting;
    return sigpending(&waiting) == 0 &&
           (sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1);
}

bool ward_patience_again(struct ward_patience *patience, ward_status status)
{
    if (status.code != WARD_E_UNAVAILABLE || ward_asked_to_end() ||
        ward_monotonic_us(patience->clock) >= patience->until_us) {
        return false;
    }
    if (!patience->told) {
        ward_log_status(WARD_LOG_WARN, "database or HSM does not answer yet; it is tried again",
                        status);
        patience->told = true;
    }
    struct timespec pause = {.tv_sec = patience->pause_ms / 1000,
                             .tv_nsec = (long)(patience->pause_ms % 1000) * 1000000};
    (void)nanosleep(&pause, NULL); /* an early end only asks again sooner */
    return true;
}
