/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It reads one number and, when that has moved, the state; it sends no request and
 * decides nothing. */
#include "server/jobs/follow.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"

#define TICK_MS 100
#define EPOCH_TICKS 3
#define LOOK_TICKS 50

struct ward_follower {
    struct ward_jobs_config config;
    pthread_t thread;
    struct ward_store_reader *reader;
    atomic_bool stopping;
};

static void follow_epoch(struct ward_follower *follower)
{
    const struct ward_jobs_config *config = &follower->config;
    uint64_t epoch;
    struct ward_state *state = ward_state_slot_get(config->pipeline->states);
    ward_status status = ward_store_epoch(follower->reader, &epoch);
    bool moved = ward_ok(status) && epoch != state->epoch;
    ward_state_unref(state);
    if (ward_store_other_schema(status) && config->migrated != NULL) {
        config->migrated(config->context);
    }
    status = moved ? config->refresh(config->context, follower->reader) : WARD_OK;
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_WARN, "reading the new policy and keys failed", status);
    }
}

static void *run(void *argument)
{
    struct ward_follower *follower = argument;
    for (unsigned n = 1; !follower->stopping; n++) {
        const struct timespec pause = {.tv_nsec = TICK_MS * 1000000L};
        (void)nanosleep(&pause, NULL); /* an early end only makes a tick shorter */
        if (n % EPOCH_TICKS == 0) {
            follow_epoch(follower);
        }
        if (n % LOOK_TICKS == 0 && follower->config.look != NULL) {
            follower->config.look(follower->config.context, follower->reader);
        }
        if (follower->config.in_force != NULL) {
            follower->config.in_force(follower->config.context);
        }
    }
    return NULL;
}

ward_status ward_follower_start(const struct ward_jobs_config *config, struct ward_follower **ret)
{
    struct ward_follower *follower = calloc(1, sizeof(*follower));
    WARD_ENSURE(follower != NULL, WARD_E_EXHAUSTED);
    follower->config = *config;
    ward_status status = ward_store_reader_open(config->store, &follower->reader);
    if (ward_ok(status) && pthread_create(&follower->thread, NULL, run, follower) != 0) {
        ward_store_reader_close(follower->reader);
        status = WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    if (!ward_ok(status)) {
        free(follower);
        return status;
    }
    *ret = follower;
    return WARD_OK;
}

void ward_follower_stop(struct ward_follower *follower)
{
    if (follower == NULL) {
        return;
    }
    follower->stopping = true;
    (void)pthread_join(follower->thread, NULL);
    ward_store_reader_close(follower->reader);
    free(follower);
}
