/* SPDX-License-Identifier: Apache-2.0 */
/* A key whose first version no row needs, and what officers and the job do about that version. Time
 * is turned by hand. */
#ifndef WARD_TESTS_UNIT_SERVER_CORE_DESTRUCTION_H
#define WARD_TESTS_UNIT_SERVER_CORE_DESTRUCTION_H

#include "server/jobs/destruction.h"
#include "server/op/destroying.h"
#include "tests/unit/server/core_daemon.h"

#define DAY_US (24LL * 3600 * 1000000)
#define ENTRY ",\"outcome\":\"allowed\"}"

extern struct core_destruction {
    struct core_world world;
    struct core_node node;
    struct ward_destruction_memory memory;
    struct ward_kek_ref old; /* phi/records version 1, which no row needs */
    struct ward_id agreed;   /* the proposal */
} fx;

int destruction_start(void **state);
int destruction_stop(void **state);

int64_t destruction_now_us(void);
void destruction_pass_days(int64_t days);
const struct ward_key_version *destruction_version_of(struct ward_state *state);
uint8_t destruction_state(void);
void destruction_write(const struct ward_effect *effects, size_t n);

/* What officers agreed to, as rows. */
struct destruction_agreement {
    const char *object;
    uint32_t version;
    int64_t days, created_us;
    uint8_t state;
    const struct core_person *proposer, *approver; /* NULL: nobody */
    bool forged;                                   /* the approval is of other bytes */
};
struct destruction_agreement destruction_good(void);
void destruction_agree(const struct destruction_agreement *agreement);
struct ward_effect destruction_to_pending(int64_t due_us);
void destruction_schedule(const struct destruction_agreement *agreement);
/* As a daemon asks for it that has not heard of what was begun meanwhile. */
ward_status destruction_cancel(void);

/* One look of the job, and what came of it. */
void destruction_tick(void);
bool destruction_is_there(void);
void destruction_stays(void);
void destruction_goes(void);

#endif
