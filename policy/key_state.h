/* SPDX-License-Identifier: Apache-2.0 */
/* States of a KEK version, in SP 800-57 part 1 words, and the one table of their transitions. */
#ifndef WARD_POLICY_KEY_STATE_H
#define WARD_POLICY_KEY_STATE_H

#include "base/bytes.h"

enum ward_key_state {
    WARD_KEY_PRE_ACTIVE = 1,
    WARD_KEY_ACTIVE = 2,
    WARD_KEY_SUSPENDED = 3,
    WARD_KEY_DEACTIVATED = 4, /* no new wraps; unwraps go on */
    WARD_KEY_COMPROMISED = 5,
    WARD_KEY_PENDING_DESTRUCTION = 6,
    WARD_KEY_DESTROYED = 7,
};

const char *ward_key_state_name(enum ward_key_state state); /* "pre-active" ... */
bool ward_key_state_valid(unsigned state);
bool ward_key_state_may_move(enum ward_key_state from, enum ward_key_state to);
bool ward_key_state_may_wrap(enum ward_key_state state);
bool ward_key_state_may_unwrap(enum ward_key_state state); /* for applications */
bool ward_key_state_may_rewrap(enum ward_key_state state); /* as the source */

#endif
