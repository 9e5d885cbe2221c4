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
 */
#include "policy/key_state.h"

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
