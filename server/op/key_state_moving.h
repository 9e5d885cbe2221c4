/* SPDX-License-Identifier: Apache-2.0 */
/* A command on a key or on one version of it, all but rotation and creation: what it would do now,
 * in numbers, and its rows. Nothing of it touches the HSM: a version that is to be destroyed waits,
 * and the daemon destroys it when its day has come. */
#ifndef WARD_SERVER_OP_KEY_STATE_MOVING_H
#define WARD_SERVER_OP_KEY_STATE_MOVING_H

#include "server/op/drafting.h"
#include "server/op/execution.h"

struct ward_key_moving {
    enum ward_key_command command;
    const struct ward_key *key;             /* of the request's state; so with the version */
    const struct ward_key_version *version; /* NULL: the key as a whole */
    enum ward_key_state to;                 /* of the version */
    uint32_t rotation_period_days;          /* of change */
    uint32_t waiting_days;                  /* of schedule-destroy */
    int64_t now_us;
    /* Of the version, or of all of them: what was read. */
    uint64_t rows, issued, opened;
    int64_t last_opened_us; /* 0: never */
};

/* From the keyring. NOT_FOUND, or STATE with what forbids it. */
ward_status ward_key_moving_make(const struct ward_state *state, enum ward_key_command command,
                                 const struct ward_key_state_change *in,
                                 struct ward_key_moving *ret);

/* The reads that the numbers come from, and the numbers. */
ward_status ward_key_moving_read(struct ward_request *request, const struct ward_id *kek);
ward_status ward_key_moving_count(const struct ward_request *request,
                                  struct ward_key_moving *moving);

/* STATE while anything needs the version that is to be destroyed; the caller is told the numbers.
 * OK for every other command. */
ward_status ward_key_moving_check_need(struct ward_request *request,
                                       const struct ward_key_moving *moving);

/* What is compared with the world again when it runs, and what officers read. */
ward_status ward_key_moving_describe(struct ward_request *request,
                                     const struct ward_key_moving *moving,
                                     struct ward_draft *draft);

#endif
