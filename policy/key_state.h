/* SPDX-License-Identifier: Apache-2.0 */
/* States of a KEK version, in SP 800-57 part 1 words, the one table of their transitions, and the
 * commands that bring them about. */
#ifndef WARD_POLICY_KEY_STATE_H
#define WARD_POLICY_KEY_STATE_H

#include "base/bytes.h"
#include "base/status.h"
#include "policy/action.h"

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

enum ward_key_verb { WARD_KEY_WRAP, WARD_KEY_UNWRAP, WARD_KEY_REWRAP };
/* OK, or STATE with the state's name in the refusal's text. */
ward_status ward_key_state_check(enum ward_key_state state, enum ward_key_verb verb);

/* ---- commands ---- */

/* X(ENUM, "name", action, the states of a version that it starts from, those that it may end in,
 * what it does in the HSM, why it refuses all other states). States are the first letters of
 * Pre-active, Active, Suspended, Deactivated, Compromised, Waiting for destruction and eXtinct; a
 * command on the key as a whole has none. Whether it runs at once on one officer's signature or
 * waits for others is the action's own column, in policy/action.h. */
#define WARD_KEY_COMMANDS(X)                                                                     \
    X(CREATE, "create", KEY_CREATE, "", "A", MAKES, "")                                          \
    X(ROTATE, "rotate", KEY_ROTATE, "A", "D", MAKES, "")                                         \
    X(CHANGE, "change", KEY_CHANGE, "", "", NOTHING, "")                                         \
    X(DISABLE, "disable", KEY_DISABLE, "", "", NOTHING, "")                                      \
    X(ENABLE, "enable", KEY_ENABLE, "", "", NOTHING, "")                                         \
    X(SUSPEND, "suspend", KEY_SUSPEND, "A", "S", NOTHING, "only an active one can be suspended") \
    X(RESUME, "resume", KEY_RESUME, "S", "AD", NOTHING, "only a suspended one can be resumed")   \
    X(DEACTIVATE, "deactivate", KEY_DEACTIVATE, "AS", "D", NOTHING,                              \
      "only an active or suspended one can be deactivated")                                      \
    X(COMPROMISE, "compromise", KEY_COMPROMISE, "PASDW", "C", NOTHING,                           \
      "it cannot become compromised")                                                            \
    X(SCHEDULE_DESTROY, "schedule-destroy", KEY_DESTROY, "PDC", "W", NOTHING,                    \
      "only a pre-active, deactivated or compromised one can be scheduled for destruction")      \
    X(CANCEL_DESTROY, "cancel-destroy", KEY_CANCEL_DESTROY, "W", "PDC", NOTHING,                 \
      "there is no destruction to cancel")                                                       \
    X(DESTROY, "destroy", SYSTEM_DESTROY, "W", "X", DESTROYS,                                    \
      "only one whose destruction was scheduled is destroyed")

enum ward_key_command {
#define WARD_KEY_COMMAND_ENUM(e, name, action, from, to, hsm, why) WARD_KEY_COMMAND_##e,
    WARD_KEY_COMMANDS(WARD_KEY_COMMAND_ENUM)
#undef WARD_KEY_COMMAND_ENUM
        WARD_KEY_COMMAND_COUNT,
};

enum ward_key_hsm { WARD_KEY_HSM_NOTHING, WARD_KEY_HSM_MAKES, WARD_KEY_HSM_DESTROYS };

const char *ward_key_command_name(enum ward_key_command command);
enum ward_action ward_key_command_action(enum ward_key_command command);
enum ward_key_hsm ward_key_command_hsm(enum ward_key_command command);
bool ward_key_command_find(enum ward_action action, enum ward_key_command *ret);
/* Does it move a version that its caller names? Else it concerns the key as a whole. */
bool ward_key_command_on_version(enum ward_key_command command);

struct ward_key_move_from {
    enum ward_key_state state;
    /* What it was before pending-destruction; else 0, and so too once the destruction has begun,
     * from which there is no way but on. */
    enum ward_key_state prior;
    bool newest; /* no version of the key comes after it */
};
/* Where the command leads a version: to the one state of its row, but resuming a version that has a
 * newer one leaves it deactivated, since two would be active, and cancelling goes back to the state
 * before. STATE with the state and the rule in its text. */
ward_status ward_key_command_leads(enum ward_key_command command,
                                   const struct ward_key_move_from *from,
                                   enum ward_key_state *ret_to);

#endif
