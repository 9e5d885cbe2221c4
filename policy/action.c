/* SPDX-License-Identifier: Apache-2.0 */
/* The table of actions as functions. It knows names, objects and kinds of role; who may do what to
 * which object is the business of decide.c alone. */
#include "policy/action.h"

#include "policy/model.h"

#define KINDS_APPLICATION (1u << WARD_ROLE_APPLICATION)
#define KINDS_OFFICER (1u << WARD_ROLE_OFFICER)
#define KINDS_AUDITOR (1u << WARD_ROLE_AUDITOR)
#define KINDS_OFFICER_OR_AUDITOR (KINDS_OFFICER | KINDS_AUDITOR)
#define KINDS_STAFF (KINDS_OFFICER_OR_AUDITOR | 1u << WARD_ROLE_ADMINISTRATOR)
#define KINDS_ANY (KINDS_APPLICATION | KINDS_STAFF)
#define KINDS_SYSTEM 0u /* the daemon's own: no rule can give it */

enum guarding { GUARD_NEVER, GUARD_MAY, GUARD_ALWAYS, GUARD_AT_ONCE };

static const struct {
    struct ward_bytes name;
    enum ward_object_kind object;
    unsigned kinds;
    enum guarding guarding;
} actions[WARD_ACTION_COUNT] = {
#define WARD_ACTION_ROW(e, name, object, kinds, guard)                \
    [WARD_ACTION_##e] = {{(const uint8_t *)(name), sizeof(name) - 1}, \
                         WARD_OBJECT_##object,                        \
                         KINDS_##kinds,                               \
                         GUARD_##guard},
    WARD_ACTIONS(WARD_ACTION_ROW)
#undef WARD_ACTION_ROW
};

const char *ward_action_name(enum ward_action action)
{
    return action < WARD_ACTION_COUNT ? (const char *)actions[action].name.data : "request";
}

bool ward_action_find(struct ward_bytes name, enum ward_action *ret)
{
    for (unsigned i = 0; i < WARD_ACTION_COUNT; i++) {
        if (ward_bytes_eq(name, actions[i].name)) {
            *ret = (enum ward_action)i;
            return true;
        }
    }
    return false;
}

enum ward_object_kind ward_action_object(enum ward_action action)
{
    return action < WARD_ACTION_COUNT ? actions[action].object : WARD_OBJECT_NONE;
}

bool ward_action_always_guarded(enum ward_action action)
{
    return action < WARD_ACTION_COUNT && actions[action].guarding == GUARD_ALWAYS;
}

bool ward_action_at_once(enum ward_action action)
{
    return action < WARD_ACTION_COUNT && actions[action].guarding == GUARD_AT_ONCE;
}

bool ward_action_allows_kind(enum ward_action action, enum ward_role_kind kind)
{
    return action < WARD_ACTION_COUNT && kind <= WARD_ROLE_ADMINISTRATOR &&
           (actions[action].kinds & 1u << kind) != 0;
}

bool ward_action_has_context(enum ward_action action)
{
    /* The data actions, which are those of applications, are the ones whose requests carry it. */
    return action < WARD_ACTION_COUNT && actions[action].kinds == KINDS_APPLICATION;
}

bool ward_action_on_data_keys(enum ward_action action)
{
    return ward_action_has_context(action) && actions[action].object == WARD_OBJECT_KEY;
}

bool ward_action_has_fields(enum ward_action action)
{
    return action == WARD_ACTION_RECORD_PUT || action == WARD_ACTION_RECORD_GET;
}

bool ward_action_guardable(enum ward_action action)
{
    return action < WARD_ACTION_COUNT &&
           (actions[action].guarding == GUARD_MAY || actions[action].guarding == GUARD_ALWAYS);
}
