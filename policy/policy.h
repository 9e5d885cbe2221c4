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
//       attributes: {tenant: north}   # of all members; persons and identities may have them too
//       hardware: true                # officers: their signatures come from keys on hardware
//       members: ["spiffe://ward.example/app"]     # identities, or persons as "person:alice"
//       limits:                       # counted in keys and records, by each daemon; all optional
//         per_second: 200             # of each member
//         burst: 1000                 # of each member at once; default per_second
//         role_per_second: 1000       # of all members together
//         role_burst: 4000
//         per_day: 100000             # of each member, by UTC
//         batch: 100                  # in one request
//       rules:
//         - name: issue
//           effect: allow             # allow (default) | deny
//           actions: [data-key.generate, data-key.unwrap]
//           keys: ["app/**"]          # for actions on keys
//           collections: ["fhir"]     # for actions on collections
//           context:                  # conditions, all must hold
//             - key: purpose
//               values: [TREAT, ETREAT, HPAYMT]   # closed list; absent: any value, but there
//             - {key: tenant, equals: identity.tenant}   # an attribute of who asks
//           fields: [id, name]        # for records: globs over their top-level members
//           when: {days: [mon..fri], from: "07:00", to: "19:00"}   # UTC
//           networks: [10.0.0.0/8, "fd00::/8"]
//           emergency: true           # holds only while an emergency is open
//   guards:
//     - action: key.rotate
//       keys: ["**"]
//       approvals: 2                  # besides the proposer; 1 .. officers who may approve - 1
//       expires_hours: 24
//       execute: auto                 # auto (default) | manual
//       hardware: true
//       from: [{role: key-officers, approvals: 1}, {role: privacy, approvals: 1}]
//   identities:
//     - {identity: "spiffe://ward.example/app", attributes: {tenant: north}}
//   hardware:
//     certificate_policies: ["1.3.6.1.4.1.99999.1"]   # OIDs that certify keys on hardware
//   settings:
//     destroy_waiting_days: 30        # 7 .. 30
//     unused_days: 30                 # 0 .. 3650
//     compromised_reads: allow        # allow | refuse
//     emergency: {minutes_max: 240}   # 1 .. 1440
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

/* "application", as a policy has it. */
const char *ward_role_kind_name(enum ward_role_kind kind);

struct ward_policy;

/* Where the text is wrong; line and column from 1, 0 when the fault has no place. */
struct ward_policy_error {
    unsigned line, column;
    char text[256]; /* what is wrong and what would be right */
};

/* Parses and checks the YAML text, at most 1 MiB. INVALID, with the place and the reason in error
 * (which may be NULL): unknown keys, kinds or actions, names outside the grammar, one identity or
 * person in two role kinds, an action given to a kind that may not have it, a rule that cannot mean
 * what it says, limits that no request could keep, a quorum below 1 or one that can never be
 * reached, a collection without a key, two collections of one name, attributes that contradict each
 * other, a condition that could not hold. EXHAUSTED when memory is. What must be guarded and is by
 * no guard is guarded by one approval. */
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
struct ward_bytes ward_subject_identity(const struct ward_subject *subject);
enum ward_role_kind ward_subject_kind(const struct ward_subject *subject);
/* The person's name, or the identity itself when no person is declared. */
struct ward_bytes ward_subject_person(const struct ward_subject *subject);

/* How much may be asked for, counted in keys and records; a request without any counts as one. */
struct ward_rate {
    uint32_t per_second; /* 0: no limit */
    uint32_t burst;      /* at once, after a rest */
};
#define WARD_RATE_MAX 1000000u  /* of per_second and burst */
#define WARD_RATE_BURST_S 3600u /* a burst is at most what comes together in so many seconds */
#define WARD_PER_DAY_MAX 1000000000u
#define WARD_BATCH_MAX 1000u

/* The strictest of what an identity's roles say. */
struct ward_limits {
    struct ward_rate rate; /* of this identity */
    uint32_t per_day;      /* of this identity, by UTC; 0: no limit */
    uint32_t batch;        /* in one request: what may ever pass all the others */
    const struct ward_role_rate {
        struct ward_bytes role;
        struct ward_rate rate;
    } * roles; /* of all the members of a role together */
    size_t n_roles;
};
/* NULL: there is none. */
const struct ward_limits *ward_subject_limits(const struct ward_subject *subject);

/* Must this identity's signatures come from a key on hardware? */
bool ward_subject_hardware(const struct ward_subject *subject);
/* The value of an attribute of this identity; empty: it has none of that name. */
struct ward_bytes ward_subject_attribute(const struct ward_policy *policy,
                                         const struct ward_subject *subject,
                                         struct ward_bytes name);

struct ward_policy_settings {
    uint32_t destroy_waiting_days;  /* from a destruction's approval to its day */
    uint32_t unused_days;           /* a version that opened anything within is not destroyed */
    bool compromised_reads;         /* records under a compromised version are still read */
    uint32_t emergency_minutes_max; /* how long an emergency may be open */
    /* Dotted OIDs of certificate policies: a certificate that has one of them certifies a key on
     * hardware. None: no key counts as one. */
    const struct ward_bytes *certificate_policies;
    size_t n_certificate_policies;
};
const struct ward_policy_settings *ward_policy_settings(const struct ward_policy *policy);

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
