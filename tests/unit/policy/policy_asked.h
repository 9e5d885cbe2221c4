/* SPDX-License-Identifier: Apache-2.0 */
/* What one application asks under rules of its own, on a Wednesday at noon from 10.1.2.3. */
#ifndef WARD_TESTS_UNIT_POLICY_ASKED_H
#define WARD_TESTS_UNIT_POLICY_ASKED_H

#include "policy_support.h"

#define HEAD L("version: 1") L("deployment: t")

/* Wednesday, 2026-01-07 00:00 UTC, and so many hours and minutes later. */
#define WEDNESDAY 1767744000
#define AT(hours, minutes) ((WEDNESDAY + (int64_t)(hours)*3600 + (minutes)*60) * 1000000)

static inline struct ward_decide_in ask(const struct ward_policy *policy, enum ward_action action,
                                        const char *object)
{
    return (struct ward_decide_in){
        .subject = ward_policy_subject(policy, WARD_BYTES_LITERAL("spiffe://t.w/x")),
        .action = action,
        .object = ward_bytes_str(object),
        .now_us = AT(12, 0),
        .address = WARD_BYTES_LITERAL("10.1.2.3"),
    };
}

/* One application with these rules, on collection fhir. */
#define RULES(rules)                                                                            \
    HEAD L("collections: [{name: fhir, key: phi/records}]")                                     \
        L("roles:\n- {name: r, kind: application, members: [\"spiffe://t.w/x\"],\n   rules: [") \
            rules "]}\n"

#define GET "{name: get, actions: [record.get, record.put], collections: [fhir]"

static inline bool allowed(const struct ward_policy *policy, struct ward_decide_in in)
{
    struct ward_decision decision = ward_decide(policy, &in);
    assert_int_equal(decision.allowed, ward_ok(decision.status));
    return decision.allowed;
}

#endif
