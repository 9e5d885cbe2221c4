/* SPDX-License-Identifier: Apache-2.0 */
// The parsed policy: immutable after load, shared by reference count. Pure: no I/O, no clock.
//
//   version: 1
//   deployment: ward.example          # name of the log's origin too
//   persons:
//     - name: alice
//       identities: ["spiffe://ward.example/officer-a"]
//   roles:
//     - name: clinical-apps
//       kind: application             # application | officer | auditor | administrator
//       members: ["spiffe://ward.example/app"]     # identities, or persons as "person:alice"
//       rules:
//         - name: issue
//           effect: allow             # allow (default) | deny
//           actions: [data-key.generate, data-key.unwrap]
//           keys: ["app/**"]          # for actions on keys
//           collections: ["fhir"]     # for actions on collections
//           context:                  # conditions, all must hold
//             - key: purpose
//               values: [TREAT, ETREAT, HPAYMT]   # closed list; absent: any value, but there
//   guards:
//     - action: key.rotate
//       keys: ["**"]
//       approvals: 1                  # besides the proposer; 1 .. officers who may approve - 1
//       expires_hours: 24
//   collections:
//     - name: fhir
//       key: phi/records
//       default_fields: [resourceType, id]
//   public_context: [purpose, record_type, tenant]
#ifndef WARD_POLICY_POLICY_H
#define WARD_POLICY_POLICY_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/status.h"
#include "policy/action.h"

enum ward_role_kind {
    WARD_ROLE_APPLICATION,
    WARD_ROLE_OFFICER,
    WARD_ROLE_AUDITOR,
    WARD_ROLE_ADMINISTRATOR,
};

struct ward_policy;

/* Where the text is wrong; line and column from 1, 0 when the fault has no place. */
struct ward_policy_error {
    unsigned line, column;
    char text[256]; /* what is wrong and what would be right */
};

/* Parses and checks the YAML text, at most 1 MiB. INVALID, with the place and the reason in error
 * (which may be NULL): unknown keys, kinds or actions, names outside the grammar, one identity or
 * person in two role kinds, an action given to a kind that may not have it, a rule that cannot mean
 * what it says, a quorum below 1 or one that can never be reached, a collection without a key, two
 * collections of one name. EXHAUSTED when memory is. Rotation that no guard covers is guarded by
 * one approval. */
ward_status ward_policy_parse(struct ward_bytes text, struct ward_policy **ret,
                              struct ward_policy_error *error);
struct ward_policy *ward_policy_ref(struct ward_policy *policy);
void ward_policy_unref(struct ward_policy *policy);

/* SHA-256 of the text as given. */
const uint8_t *ward_policy_hash(const struct ward_policy *policy);
struct ward_bytes ward_policy_text(const struct ward_policy *policy);
const char *ward_policy_deployment(const struct ward_policy *policy);

/* Whom a certificate's identity stands for; NULL when policy does not name it. Found once a
 * connection. */
struct ward_subject;
const struct ward_subject *ward_policy_subject(const struct ward_policy *policy,
                                               struct ward_bytes identity);
enum ward_role_kind ward_subject_kind(const struct ward_subject *subject);
/* The person's name, or the identity itself when no person is declared. */
struct ward_bytes ward_subject_person(const struct ward_subject *subject);

struct ward_policy_collection {
    struct ward_bytes name, key;
    const struct ward_bytes *default_fields;
    size_t n_default_fields;
    uint32_t schema_version; /* 1 */
};
const struct ward_policy_collection *ward_policy_collection_find(const struct ward_policy *policy,
                                                                 struct ward_bytes name);
size_t ward_policy_collections(const struct ward_policy *policy,
                               const struct ward_policy_collection **ret);
/* May a context value be written in clear into the audit log? */
bool ward_policy_context_public(const struct ward_policy *policy, struct ward_bytes key);

#endif
