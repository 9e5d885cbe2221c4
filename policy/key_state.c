/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a key version. It says what may follow what and what each state is good for; who may
 * ask for a move, and what must be true besides, is for policy and the operations.
 *
 *        +------------+      +--------+  <------  +-----------+
 *        | pre-active | ---> | active |  ------>  | suspended |
 *        +------------+      +--------+           +-----------+
 *           |     \               |   \             /   |
 *           |      \              v    \           /    |
 *           |       \      +-------------+ <------+-----+      a compromise may strike every state
 *           |        \     | deactivated |      \ |            but destroyed
 *           |         \    +-------------+       \v
 *           |          \         ^  |   \   +-------------+
 *           |           \        |  |    -> | compromised |
 *           |            \       |  |       +-------------+
 *           v             v      |  v          ^   |
 *        +------------------------------------------------+    cancelling goes back to the state
 * before, |              pending-destruction               |    which the version's row remembers
 *        +------------------------------------------------+
 *                                |
 *                                v
 *                          +-----------+
 *                          | destroyed |
 *                          +-----------+
 *
 * This is figure 3 of SP 800-57 part 1, with three choices of ours. Destruction waits in a state of
 * its own. Nothing is suspended before it is active: a version that is not wanted is not used. And
 * a suspended version does nothing at all until somebody has looked: it opens nothing and lets
 * nothing be rewrapped from it, for the reason to suspend may be that opening is what must stop.
 * Data that has to leave it in the meantime waits for a resume or a deactivation, by quorum, or
 * for the word that it is compromised, which lets rewrapping go on at once.
 */
#include "policy/key_state.h"

#include <string.h>

#define TO(state) (1u << WARD_KEY_##state)

/* One row for each state: its name, the states that may follow, and what it is good for. */
static const struct {
    const char *name;
    unsigned next;
    bool wrap, unwrap, rewrap;
} states[] = {
    [WARD_KEY_PRE_ACTIVE] = {"pre-active", TO(ACTIVE) | TO(COMPROMISED) | TO(PENDING_DESTRUCTION)},
    [WARD_KEY_ACTIVE] = {"active", TO(SUSPENDED) | TO(DEACTIVATED) | TO(COMPROMISED), .wrap = true,
                         .unwrap = true, .rewrap = true},
    [WARD_KEY_SUSPENDED] = {"suspended", TO(ACTIVE) | TO(DEACTIVATED) | TO(COMPROMISED)},
    [WARD_KEY_DEACTIVATED] = {"deactivated", TO(COMPROMISED) | TO(PENDING_DESTRUCTION),
                              .unwrap = true, .rewrap = true},
    /* Data must be able to leave a compromised key, so reading and rewrapping go on. */
    [WARD_KEY_COMPROMISED] = {"compromised", TO(PENDING_DESTRUCTION), .unwrap = true,
                              .rewrap = true},
    [WARD_KEY_PENDING_DESTRUCTION] = {"pending-destruction", TO(PRE_ACTIVE) | TO(DEACTIVATED) |
                                                                 TO(COMPROMISED) | TO(DESTROYED)},
    [WARD_KEY_DESTROYED] = {"destroyed", 0},
};

bool ward_key_state_valid(unsigned state)
{
    return state >= WARD_KEY_PRE_ACTIVE && state <= WARD_KEY_DESTROYED;
}

const char *ward_key_state_name(enum ward_key_state state)
{
    return ward_key_state_valid(state) ? states[state].name : "unknown";
}

bool ward_key_state_may_move(enum ward_key_state from, enum ward_key_state to)
{
    return ward_key_state_valid(from) && ward_key_state_valid(to) &&
           (states[from].next & 1u << to) != 0;
}

bool ward_key_state_may_wrap(enum ward_key_state state)
{
    return ward_key_state_valid(state) && states[state].wrap;
}

bool ward_key_state_may_unwrap(enum ward_key_state state)
{
    return ward_key_state_valid(state) && states[state].unwrap;
}

bool ward_key_state_may_rewrap(enum ward_key_state state)
{
    return ward_key_state_valid(state) && states[state].rewrap;
}

/* A constant text for each state: what a caller reads is never put together from what he sent. */
#define IN_EACH_STATE(before, after)                                                               \
    {                                                                                              \
        [0] = before "in no known state" after, [WARD_KEY_PRE_ACTIVE] = before "pre-active" after, \
        [WARD_KEY_ACTIVE] = before "active" after,                                                 \
        [WARD_KEY_SUSPENDED] = before "suspended" after,                                           \
        [WARD_KEY_DEACTIVATED] = before "deactivated" after,                                       \
        [WARD_KEY_COMPROMISED] = before "compromised" after,                                       \
        [WARD_KEY_PENDING_DESTRUCTION] = before "pending destruction" after,                       \
        [WARD_KEY_DESTROYED] = before "destroyed" after                                            \
    }
#define STATES (WARD_KEY_DESTROYED + 1)

static ward_status refuse(const char *const texts[STATES], enum ward_key_state state)
{
    return (ward_status){.code = WARD_E_STATE,
                         .domain = WARD_DOMAIN_REFUSAL,
                         .at = texts[ward_key_state_valid(state) ? state : 0]};
}

ward_status ward_key_state_check(enum ward_key_state state, enum ward_key_verb verb)
{
    static const char *const texts[][STATES] = {
        [WARD_KEY_WRAP] = IN_EACH_STATE("key: this version is ", "; only an active one wraps"),
        [WARD_KEY_UNWRAP] = IN_EACH_STATE("key: this version is ", " and opens nothing"),
        [WARD_KEY_REWRAP] =
            IN_EACH_STATE("key: this version is ", "; nothing is rewrapped from it"),
    };
    bool may = verb == WARD_KEY_WRAP     ? ward_key_state_may_wrap(state)
               : verb == WARD_KEY_UNWRAP ? ward_key_state_may_unwrap(state)
                                         : ward_key_state_may_rewrap(state);
    return may ? WARD_OK : refuse(texts[verb], state);
}

/* ---- commands ---- */

static const struct {
    const char *name;
    enum ward_action action;
    const char *from, *to; /* letters, as in the header */
    enum ward_key_hsm hsm;
    const char *refusals[STATES];
} commands[WARD_KEY_COMMAND_COUNT] = {
#define COMMAND(e, name, action, from, to, hsm, why) \
    [WARD_KEY_COMMAND_##                             \
        e] = {name, WARD_ACTION_##action, from,      \
              to,   WARD_KEY_HSM_##hsm,   IN_EACH_STATE("version: it is ", "; " why)},
    WARD_KEY_COMMANDS(COMMAND)
#undef COMMAND
};

static const char letters[] = "?PASDCWX";

static bool has_state(const char *of, enum ward_key_state state)
{
    return ward_key_state_valid(state) && strchr(of, letters[state]) != NULL;
}

const char *ward_key_command_name(enum ward_key_command command)
{
    return commands[command].name;
}

enum ward_action ward_key_command_action(enum ward_key_command command)
{
    return commands[command].action;
}

enum ward_key_hsm ward_key_command_hsm(enum ward_key_command command)
{
    return commands[command].hsm;
}

bool ward_key_command_find(enum ward_action action, enum ward_key_command *ret)
{
    for (unsigned i = 0; i < WARD_KEY_COMMAND_COUNT; i++) {
        if (commands[i].action == action) {
            *ret = (enum ward_key_command)i;
            return true;
        }
    }
    return false;
}

bool ward_key_command_on_version(enum ward_key_command command)
{
    return commands[command].from[0] != '\0' && command != WARD_KEY_COMMAND_ROTATE;
}

static enum ward_key_state target(enum ward_key_command command,
                                  const struct ward_key_move_from *from)
{
    if (command == WARD_KEY_COMMAND_RESUME) {
        return from->newest ? WARD_KEY_ACTIVE : WARD_KEY_DEACTIVATED;
    }
    if (command == WARD_KEY_COMMAND_CANCEL_DESTROY) {
        return from->prior;
    }
    enum ward_key_state state = WARD_KEY_DESTROYED;
    while (state > 0 && letters[state] != commands[command].to[0]) {
        state--;
    }
    return state;
}

ward_status ward_key_command_leads(enum ward_key_command command,
                                   const struct ward_key_move_from *from,
                                   enum ward_key_state *ret_to)
{
    WARD_ENSURE(command < WARD_KEY_COMMAND_COUNT, WARD_E_INTERNAL);
    if (from->state == WARD_KEY_PENDING_DESTRUCTION && from->prior == 0 &&
        command != WARD_KEY_COMMAND_DESTROY) {
        return WARD_REFUSAL(WARD_E_STATE, "version: its destruction has begun");
    }
    enum ward_key_state to = target(command, from);
    if (!has_state(commands[command].from, from->state) || !has_state(commands[command].to, to) ||
        !ward_key_state_may_move(from->state, to)) {
        return refuse(commands[command].refusals, from->state);
    }
    *ret_to = to;
    return WARD_OK;
}
