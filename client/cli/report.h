/* SPDX-License-Identifier: Apache-2.0 */
/* What a log says, as tables for people who check: a pure function of the leaves, so that two runs
 * over one log give the same bytes. */
#ifndef WARD_CLIENT_CLI_REPORT_H
#define WARD_CLIENT_CLI_REPORT_H

#include "base/clock.h"
#include "base/wipe_alloc.h"
#include "client/cli/audit.h"

#define AUDIT_REPORT_MAX ((size_t)256 << 20)

/* What is kept of a leaf that tells of administration. Absent members are empty. */
struct report_event {
    uint64_t seq;
    int64_t time_us;
    struct ward_bytes time, identity, action, executed, key, proposal, proposer, approvers, why,
        recovered, purpose;
    uint32_t version;                           /* 0: of no version */
    int64_t run;                                /* of a rekey, from 1; else 0 */
    int64_t rotation_period_days, waiting_days; /* -1: not said */
};

/* How often in a day. */
struct report_access {
    struct ward_bytes day, identity, action, outcome, first_seen;
    uint64_t entries, items, emergencies;
};

struct report_span {
    int64_t from_us, to_us; /* from is within, to is not */
};

struct report_log {
    struct ward_arena *arena;
    struct report_span span;
    struct report_event *events; /* of the whole log: what is over by then began before */
    size_t n_events, max_events;
    struct report_access *access; /* of the span; sorted by day, identity, action, outcome */
    size_t n_access, max_access;
    struct report_seen { /* sorted by identity; of the whole log */
        struct ward_bytes identity, first;
    } * seen;
    size_t n_seen, max_seen;
    uint64_t throttled; /* requests that were held back and have no entry of their own */
    int64_t last_us;    /* time of the last leaf */
    ward_status status; /* of the reading */
    int folder;         /* for the payloads of proposals */
};

ward_status report_log_init(struct report_log *log, const struct report_span *span);
void report_log_fini(struct report_log *log);
/* For audit_verify_reading: one leaf. */
void report_log_leaf(void *log, struct ward_bytes json, uint64_t index);

struct report_table {
    struct ward_arena *arena; /* of the log */
    const char *name;
    const char *const *columns;
    size_t n_columns;
    struct ward_bytes *cells; /* row by row */
    size_t n_cells, max_cells;
    ward_status status;
};
void report_table_cell(struct report_table *table, struct ward_bytes text);
void report_table_text(struct report_table *table, const char *text);
void report_table_number(struct report_table *table, int64_t number);

/* "rotation", "access", "approvals", "overdue". False: no such report. */
bool report_make(const char *name, struct report_log *log, struct report_table *ret);

/* What is signed and printed. key: the one that the log was held against; NULL: none. */
void report_print_json(const struct report_table *table, const struct report_log *log,
                       const struct ward_checkpoint *checkpoint, const struct ward_note_key *key,
                       struct ward_buffer *out);
void report_print_csv(const struct report_table *table, struct ward_buffer *out);
bool report_print_table(const struct report_table *table);

/* DSSE over the bytes of a JSON report, by the profile's key; the envelope is appended. */
int report_sign(const struct cli_profile *profile, struct ward_bytes report,
                struct ward_buffer *out);
/* Checks an envelope; the report inside is appended. expected: DER of whose it must be, or empty.
 * False with what is wrong in `ret_fault`. identity: of the certificate inside. */
bool report_open(struct ward_bytes envelope, struct ward_bytes expected, struct ward_arena *arena,
                 struct ward_buffer *out, char ret_identity[static 512], const char **ret_fault);

#endif
