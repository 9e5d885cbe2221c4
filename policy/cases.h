/* SPDX-License-Identifier: Apache-2.0 */
// Cases that a policy is to decide as its author means it: a file of their own, for people and for
// their continuous integration.
//
//   cases:
//     - name: the ward reads charts
//       identity: "spiffe://ward.example/app"
//       action: record.get
//       object: fhir
//       context: {purpose: TREAT}
//       fields: [id, name]              # or whole: true
//       at: 2026-01-07T08:00:00Z        # UTC; left out: not known
//       from: 10.1.2.3                  # the peer's address; left out: not known
//       emergency: false
//       expect: allow                   # allow | deny
//       rule: clinical-apps/charts      # that is to decide; optional
//     - name: two approve what touches patients
//       action: key.destroy
//       object: phi/records
//       approvals: 2                    # what is guarded: besides the proposer; 0: not guarded
//       roles: [key-officers, privacy]  # that approvals must come from; optional
//       execute: manual                 # auto | manual; optional
#ifndef WARD_POLICY_CASES_H
#define WARD_POLICY_CASES_H

#include "policy/decide.h"

#define WARD_CASES_MAX 10000u

struct ward_case {
    const char *name; /* borrowed for the call */
    unsigned line;    /* of one that did not pass */
    bool passed;
    char said[320]; /* what was expected and what was decided, for one that did not pass */
};

/* Runs every case of the text, in its order. INVALID with the place in error: what a policy's text
 * may not hold either, an action or code that is not known, a case that asks for nothing or for two
 * things. Cases before the place may have been run. */
ward_status ward_policy_cases(const struct ward_policy *policy, struct ward_bytes text,
                              void (*each)(void *context, const struct ward_case *result),
                              void *context, struct ward_policy_error *error);

/* "2026-01-07T08:00:00Z", or with up to six digits behind a point. */
bool ward_policy_time_parse(struct ward_bytes text, int64_t *ret_us);

#endif
