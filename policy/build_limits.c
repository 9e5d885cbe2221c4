/* SPDX-License-Identifier: Apache-2.0 */
/* How much members of a role may ask for. A limit that no request could ever keep is a slip of the
 * pen and refused. Counting is not done here: see server/throttle.h. */
#include "policy/build.h"

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* 0 stands for no limit. */
static uint32_t stricter(uint32_t a, uint32_t b)
{
    return a == 0 || b == 0 ? a + b : least(a, b);
}

/* A rate and its burst: `names` are their keys in the file. */
static ward_status read_rate(struct ward_build *build, const char *const names[static 2],
                             const char *per_second, const char *burst, struct ward_rate *ret)
{
    if (per_second == NULL && burst != NULL) {
        return ward_yaml_refuse(build->policy->text, burst, build->error, "%s without %s", names[1],
                                names[0]);
    }
    if (per_second == NULL) {
        return WARD_OK;
    }
    WARD_TRY(ward_build_number(build, names[0], per_second, WARD_RATE_MAX, &ret->per_second));
    ret->burst = ret->per_second;
    if (burst == NULL) {
        return WARD_OK;
    }
    WARD_TRY(ward_build_number(build, names[1], burst, WARD_RATE_MAX, &ret->burst));
    if (ret->burst > (uint64_t)ret->per_second * WARD_RATE_BURST_S) {
        return ward_yaml_refuse(build->policy->text, burst, build->error,
                                "%s: more than comes together in an hour of %s", names[1],
                                names[0]);
    }
    return WARD_OK;
}

/* What one request may hold: no more than any bucket does when it is full. */
static ward_status read_batch(struct ward_build *build, const char *batch,
                              struct ward_role_limits *limits)
{
    uint32_t most = WARD_BATCH_MAX;
    most = stricter(most, limits->identity.burst);
    most = stricter(most, limits->role.burst);
    most = stricter(most, limits->per_day);
    limits->batch = most;
    if (batch == NULL) {
        return WARD_OK;
    }
    WARD_TRY(ward_build_number(build, "batch", batch, WARD_BATCH_MAX, &limits->batch));
    if (limits->batch > most) {
        return ward_yaml_refuse(build->policy->text, batch, build->error,
                                "batch: the role's other limits let at most %u through at once",
                                most);
    }
    return WARD_OK;
}

static ward_status read_limits(struct ward_build *build, const struct doc_role *role,
                               struct ward_role_limits *ret)
{
    static const char *const identity[] = {"per_second", "burst"};
    static const char *const whole[] = {"role_per_second", "role_burst"};
    const struct doc_limits *from = role->limits;
    if (from == NULL) {
        return WARD_OK;
    }
    if (from->per_second == NULL && from->burst == NULL && from->role_per_second == NULL &&
        from->role_burst == NULL && from->per_day == NULL && from->batch == NULL) {
        return ward_yaml_refuse(build->policy->text, role->name, build->error,
                                "role \"%.64s\": limits that limit nothing", role->name);
    }
    WARD_TRY(read_rate(build, identity, from->per_second, from->burst, &ret->identity));
    WARD_TRY(read_rate(build, whole, from->role_per_second, from->role_burst, &ret->role));
    if (from->per_day != NULL) {
        WARD_TRY(
            ward_build_number(build, "per_day", from->per_day, WARD_PER_DAY_MAX, &ret->per_day));
    }
    return read_batch(build, from->batch, ret);
}

/* The strictest of all roles holds: one more role never lifts a limit. */
static ward_status combine(struct ward_build *build, struct ward_subject *subject)
{
    struct ward_limits all = {.batch = 0};
    for (size_t i = 0; i < subject->n_roles; i++) {
        const struct ward_role_limits *limits = &subject->roles[i]->limits;
        all.rate.per_second = stricter(all.rate.per_second, limits->identity.per_second);
        all.rate.burst = stricter(all.rate.burst, limits->identity.burst);
        all.per_day = stricter(all.per_day, limits->per_day);
        all.batch = stricter(all.batch, limits->batch);
        all.n_roles += limits->role.per_second != 0;
    }
    if (all.batch == 0) {
        return WARD_OK; /* every role with limits has this one */
    }
    struct ward_role_rate *roles;
    WARD_TRY(WARD_BUILD_ARRAY(build->policy->arena, struct ward_role_rate, all.n_roles, &roles));
    all.roles = roles;
    for (size_t i = 0; i < subject->n_roles; i++) {
        const struct ward_role *role = subject->roles[i];
        if (role->limits.role.per_second != 0) {
            *roles++ = (struct ward_role_rate){role->name, role->limits.role};
        }
    }
    struct ward_limits *kept = WARD_ARENA_NEW(build->policy->arena, struct ward_limits);
    WARD_ENSURE(kept != NULL, WARD_E_EXHAUSTED);
    *kept = all;
    subject->limits = kept;
    return WARD_OK;
}

ward_status ward_build_limits(struct ward_build *build)
{
    for (size_t i = 0; i < build->document->roles_count; i++) {
        WARD_TRY(read_limits(build, &build->document->roles[i], &build->policy->roles[i].limits));
    }
    for (size_t i = 0; i < build->policy->n_subjects; i++) {
        WARD_TRY(combine(build, &build->policy->subjects[i]));
    }
    return WARD_OK;
}
