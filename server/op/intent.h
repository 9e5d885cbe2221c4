/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon is about to do in the HSM, as a row. The HSM asks nobody, so time has to keep two
 * daemons apart: who wrote the row touches the HSM for a short while, and not after that, however
 * long it slept in between; others leave the row alone for longer than clocks are apart, and it
 * itself, which has but one clock, until the last call must have ended. And what it would still
 * commit meets no row of its id any more, since who takes an intent up puts a row of its own in its
 * place first. */
#ifndef WARD_SERVER_OP_INTENT_H
#define WARD_SERVER_OP_INTENT_H

#include "server/op/op.h"

/* Low half: create or destroy. High half, of destroy: the state before pending-destruction. */
#define WARD_INTENT_CREATE 1u
#define WARD_INTENT_DESTROY 2u
#define WARD_INTENT_WHAT(effect) ((effect)&15u)
#define WARD_INTENT_PRIOR(effect) ((uint8_t)((effect) >> 4))

/* UNAVAILABLE: it was written so long ago that another daemon may be at it. Asked before each call
 * that changes the HSM; a call that is late ends its HSM process. */
ward_status ward_intent_check_held(const struct ward_worker *worker, int64_t since_us);

/* For the decisions of those that take an intent up: the row that is put in its place. CONFLICT:
 * somebody else has. What it points to is old's and the state's. */
ward_status ward_intent_hold(const struct ward_request *request,
                             const struct ward_store_intent *old, struct ward_store_intent *ret);
/* The rows of the first step. */
ward_status ward_intent_take_over(const struct ward_store_intent *old,
                                  const struct ward_store_intent *hold, struct ward_batch *batch);
ward_status ward_intent_end(const struct ward_store_intent *intent, struct ward_batch *batch);

#endif
