/* SPDX-License-Identifier: Apache-2.0 */
/* Making a KEK version: the one change of the HSM. HSM and database share no transaction, so it
 * goes in three steps: an intent row, the key object, the outcome; server/op/recover.c finishes or
 * undoes what a crash left between them. */
#ifndef WARD_SERVER_OP_KEY_MAKING_H
#define WARD_SERVER_OP_KEY_MAKING_H

#include "server/op/execution.h"
#include "server/op/intent.h"
#include "server/op/messages.h"

struct ward_key_making {
    bool rotate;       /* else: create */
    bool before_stays; /* the version before does not wrap as it is, and stays what it is */
    struct ward_kek_ref ref;
    struct ward_bytes name;
    uint8_t purpose;
    uint32_t rotation_period_days, from_version;
    struct ward_store_intent intent; /* its row */
    struct ward_id proposal;         /* all zero when there is none */
    int64_t created_us;
    struct ward_effect
        old; /* of a rotation: what becomes of from_version; the time is its outcome's */
};

/* From the keyring: what creating or rotating would do now. */
ward_status ward_key_making_create(const struct ward_state *state, struct ward_bytes name,
                                   uint8_t purpose, uint32_t rotation_period_days,
                                   struct ward_key_making *ret);
ward_status ward_key_making_rotate(const struct ward_state *state, struct ward_bytes name,
                                   struct ward_key_making *ret);
/* From a proposal that is to be executed: STATE when the key has moved on since. */
ward_status ward_key_making_of_proposal(const struct ward_state *state,
                                        const struct ward_proposal *proposal,
                                        struct ward_key_making *ret);

/* The making is its own from now_us on. */
void ward_key_making_begin(struct ward_key_making *making, const struct ward_state *state,
                           int64_t now_us);
ward_status ward_key_making_intent(const struct ward_key_making *making, struct ward_batch *batch);
/* Creates the object (or finds it, when recovering), reads its attributes back, proves that it
 * wraps. */
ward_status ward_key_making_effect(const struct ward_key_making *making,
                                   struct ward_worker *worker);
/* The version becomes active, the one before deactivated; the intent ends; the epoch moves. */
ward_status ward_key_making_outcome(const struct ward_key_making *making, struct ward_batch *batch);
/* key, key_id, from_version, to_version into the audit entry. */
ward_status ward_key_making_tell(const struct ward_key_making *making,
                                 struct ward_request *request);

/* The key as callers see it; rows unknown (0). */
ward_status ward_key_view_of(struct ward_arena *arena, const struct ward_key *key,
                             struct ward_key_view *ret);
/* The key as it will be after the outcome. */
ward_status ward_key_view_made(struct ward_arena *arena, const struct ward_state *state,
                               const struct ward_key_making *making, struct ward_key_view *ret);

#endif
