/* SPDX-License-Identifier: Apache-2.0 */
/* Inside verify: the log itself (audit_verify_log.c), the policies that decided
 * (audit_verify_policy.c), what officers signed (audit_verify_votes.c), and the views with the
 * folder's inventory (audit_verify.c), and the log's own keys (audit_verify_keys.c). */
#ifndef WARD_CLIENT_CLI_AUDIT_VERIFY_H
#define WARD_CLIENT_CLI_AUDIT_VERIFY_H

#include "client/cli/audit.h"
#include "client/cli/audit_log_keys.h"
#include "client/cli/audit_views.h"

/* A version of policy, as the log tells of it: genesis, and what each change made. */
struct audit_policy {
    uint8_t hash[32];
    uint64_t leaf; /* the entry behind which it is in force */
    int64_t epoch; /* the first under it */
};
struct audit_policies {
    struct audit_policy *items;
    size_t n, capacity;
    uint64_t next; /* the entry that is due */
    bool broken;   /* an entry was found that does not fit, and is reported; or one is not here */
};

struct audit_check {
    int folder;
    struct ward_digest *digest;
    struct audit_report *report;
    struct audit_leaves leaves; /* collected while the log is read */
    struct audit_policies policies;
    struct audit_handovers handovers; /* in the arena of leaves */
    struct audit_reading reading;
};

/* leaf -1: none in particular. */
void audit_say(struct audit_check *check, const char *kind, const char *file, int64_t leaf,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Reads a file of the export whole; says what is wrong when it cannot be read. */
bool audit_load(struct audit_check *check, const char *file, struct ward_buffer *out);

/* Entries, tiles and root against report->checkpoint. */
ward_status audit_verify_log(struct audit_check *check);
/* Finds the keys to verify with and reads the handovers; false when there is no key. */
bool audit_verify_find_key(struct audit_check *check, const struct ward_note_key *trusted,
                           struct ward_note_key *ret);
/* What the exporter says was passed over in the database. */
void audit_verify_passed_over(struct audit_check *check);
/* After the log: do its entries lead by handovers from the trusted key to the last one? */
ward_status audit_verify_keys(struct audit_check *check, const struct ward_note_key *trusted,
                              const struct ward_note_key *last);
/* The next entry, after the collection had it: was it decided under the policy in force there? */
ward_status audit_verify_policy(struct audit_check *check, struct ward_bytes json, uint64_t leaf);
/* Was this policy ever in force before that leaf? True as well where the chain is broken. */
bool audit_policy_known(const struct audit_check *check, const uint8_t hash[static 32],
                        uint64_t leaf);
void audit_policies_fini(struct audit_policies *policies);
/* One proposal's file: signatures, their certificates, and the operation that they allowed. */
ward_status audit_verify_votes(struct audit_check *check, struct ward_bytes proposal);

#endif
