/* SPDX-License-Identifier: Apache-2.0 */
/* Asks decide.c what it would say. It has no opinion of its own but one: where the object is not
 * known, a rule that could allow is named rather than none. */
#include "policy/simulate.h"

#include "policy/guard.h"

struct simulation {
    const struct ward_policy *policy;
    const struct ward_simulate_in *in;
    bool is_collection; /* the object is a declared one */
    void (*each)(void *context, const struct ward_simulated *simulated);
    void *context;
};

static bool concerns(const struct simulation *simulation, enum ward_action action,
                     enum ward_role_kind kind)
{
    const struct ward_simulate_in *in = simulation->in;
    if (in->action != WARD_ACTION_NONE) {
        return action == in->action;
    }
    enum ward_object_kind object = ward_action_object(action);
    return ward_action_allows_kind(action, kind) &&
           (in->object.size == 0 || object == WARD_OBJECT_NONE ||
            (object == WARD_OBJECT_COLLECTION) == simulation->is_collection);
}

static const char *first_allow(const struct ward_subject *subject, enum ward_action action)
{
    for (size_t r = 0; r < subject->n_roles; r++) {
        if (subject->roles[r]->allow[action].n > 0) {
            return subject->roles[r]->allow[action].rules[0]->label;
        }
    }
    return NULL;
}

static void simulate_action(const struct simulation *simulation, const struct ward_subject *subject,
                            enum ward_action action)
{
    const struct ward_simulate_in *in = simulation->in;
    struct ward_simulated simulated = {.identity = subject->identity,
                                       .person = subject->person,
                                       .kind = subject->kind,
                                       .action = action,
                                       .rule = "default-deny"};
    if (ward_action_object(action) != WARD_OBJECT_NONE && in->object.size == 0) {
        const char *allow = first_allow(subject, action);
        if (allow != NULL) {
            simulated.outcome = WARD_SIMULATED_DEPENDS;
            simulated.rule = allow;
        }
        simulation->each(simulation->context, &simulated);
        return;
    }
    struct ward_decide_in ask = in->ask;
    ask.subject = subject;
    ask.action = action;
    ask.object = in->object;
    struct ward_decision decision = ward_decide(simulation->policy, &ask);
    simulated.rule = decision.rule;
    simulated.field = decision.field;
    if (decision.allowed) {
        simulated.outcome = WARD_SIMULATED_ALLOWED;
        simulated.guard = ward_policy_guard(simulation->policy, action, in->object);
        simulated.guarded = simulated.guard.approvals > 0;
    }
    simulation->each(simulation->context, &simulated);
}

static void simulate_subject(const struct simulation *simulation,
                             const struct ward_subject *subject)
{
    for (unsigned a = 0; a < WARD_ACTION_COUNT; a++) {
        if (concerns(simulation, (enum ward_action)a, subject->kind)) {
            simulate_action(simulation, subject, (enum ward_action)a);
        }
    }
}

ward_status
ward_policy_simulate(const struct ward_policy *policy, const struct ward_simulate_in *in,
                     void (*each)(void *context, const struct ward_simulated *simulated),
                     void *context)
{
    const struct simulation simulation = {
        .policy = policy,
        .in = in,
        .is_collection = ward_policy_collection_find(policy, in->object) != NULL,
        .each = each,
        .context = context,
    };
    WARD_REQUIRE(in->object.size == 0 || ward_name_valid(in->object), "object: not a name");
    if (in->identity.size > 0) {
        const struct ward_subject *subject = ward_policy_subject(policy, in->identity);
        WARD_REQUIRE(subject != NULL, "identity: not in this policy");
        simulate_subject(&simulation, subject);
        return WARD_OK;
    }
    for (size_t i = 0; i < policy->n_subjects; i++) {
        simulate_subject(&simulation, &policy->subjects[i]);
    }
    return WARD_OK;
}
