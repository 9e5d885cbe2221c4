/* SPDX-License-Identifier: Apache-2.0 */
/* Inputs and outputs of the operations: plain structs between server/rpc, which alone sees
 * generated messages, and server/op, which knows no wire. All memory is in the request's arena.
 * decode checks shape (counts, sizes, UTF-8, required fields, unknown fields, duplicate map keys)
 * and builds contexts; an item that is bad on its own carries its status and the others go on. */
#ifndef WARD_SERVER_OP_MESSAGES_H
#define WARD_SERVER_OP_MESSAGES_H

#include "proto/context.h"
#include "proto/record.h"
#include "backends/store.h"

/* ---- data keys ---- */
struct ward_generate_item {
    ward_status status; /* in: from decode; out: the item's outcome */
    struct ward_bytes key;
    struct ward_context context;
    uint32_t size, count;
    bool without_plaintext;
    /* out */
    struct ward_data_key {
        struct ward_bytes plaintext, wrapped;
    } * keys; /* count of them */
};
struct ward_generate {
    struct ward_generate_item *items;
    size_t n;
};

struct ward_unwrap_item {
    ward_status status;
    struct ward_bytes wrapped;
    struct ward_context context;
    /* out */
    struct ward_bytes plaintext, key;
    uint32_t version;
};
struct ward_unwrap {
    struct ward_unwrap_item *items;
    size_t n;
};

struct ward_data_key_rewrap_item {
    ward_status status;
    struct ward_bytes wrapped;
    struct ward_context context;
    struct ward_bytes to_key;       /* the destination's name; empty: the same KEK */
    uint32_t to_version;            /* 0: its active one */
    struct ward_context to_context; /* the same as context where the caller gave none */
    /* out */
    struct ward_bytes rewrapped, key;
    uint32_t version;
    bool unchanged; /* it was where it shall be: rewrapped is wrapped */
};
struct ward_data_key_rewrap {
    struct ward_data_key_rewrap_item *items;
    size_t n;
};

/* ---- keys ---- */
struct ward_key_version_view {
    uint32_t version;
    uint8_t state;
    int64_t created_us;
    uint64_t rows;
    int64_t changed_us;
    uint8_t prior;  /* pending-destruction: the state before; else 0 */
    int64_t due_us; /* pending-destruction: when it may be destroyed; else 0 */
};
struct ward_key_view {
    struct ward_bytes name, backend;
    struct ward_id id;
    uint8_t purpose;
    bool enabled;
    int64_t created_us;
    uint32_t rotation_period_days;
    struct ward_key_version_view *versions;
    size_t n_versions;
};
struct ward_vote_view {
    struct ward_bytes identity, signature, certificate, reason;
    uint8_t decision; /* enum ward_decision_kind */
    int64_t created_us;
};
/* How a proposal stands, as of now and for the one who asks; nothing that anybody signs. */
struct ward_proposal_standing {
    const char *review;        /* "pending", "done", or NULL: it needs none */
    const char *waits_for_you; /* "submit", "approve", "execute", "review" or NULL */
    const char *cannot_run;    /* why it never will, though nobody has decided it; or NULL */
    uint32_t missing;          /* approvals */
    const struct ward_missing_view {
        struct ward_bytes role;
        uint32_t approvals;
    } * missing_of; /* among them, of roles' members */
    size_t n_missing_of;
    const struct ward_bytes *may_approve; /* persons */
    size_t n_may_approve;
};
struct ward_proposal_view {
    struct ward_id id;
    struct ward_bytes payload, proposer;
    const char *state; /* "draft", "open", "approved", "executing", "executed", "rejected",
                          "withdrawn", "expired" */
    uint32_t approvals_needed;
    struct ward_proposal_standing standing;
    struct ward_vote_view *votes;
    size_t n_votes;
};
struct ward_key_create {
    struct ward_bytes name;
    uint8_t purpose;
    uint32_t rotation_period_days; /* decode puts 365 for 0 */
};
struct ward_key_rotate {
    struct ward_bytes name;
};
struct ward_key_outcome { /* of create and rotate: one of the two */
    struct ward_key_view *key;
    struct ward_proposal_view *proposal;
};
/* Of change, disable, enable, suspend, resume, deactivate, compromise, schedule- and
 * cancel-destroy. */
struct ward_key_state_change {
    struct ward_bytes name;
    uint32_t version; /* 0: the key as a whole, or the version that the command then means */
    uint32_t rotation_period_days;       /* of change */
    uint32_t waiting_days;               /* of schedule-destroy; 0: as policy says */
    struct ward_proposal_view *proposal; /* out */
};
struct ward_job_view {
    const char *state; /* "none", "running", "done", "stuck", "superseded" */
    uint32_t version;
    uint64_t total, done, failed, left, rate; /* left: when it is stuck; rate: rows a second */
    int64_t created_us, ended_us;
    uint32_t owed_for; /* of a rekey: see ward_rekey_owed; 0 */
};
struct ward_key_describe {
    struct ward_bytes name;
    struct ward_key_view key;           /* out */
    struct ward_job_view rewrap, rekey; /* out */
};
struct ward_key_job { /* RewrapKey, RewrapProgress, RekeyProgress */
    struct ward_bytes name;
    struct ward_job_view job; /* out */
};
struct ward_key_rekey { /* out: one of the two */
    struct ward_bytes name;
    struct ward_job_view job;
    struct ward_proposal_view *proposal;
};
struct ward_version_usage {
    uint32_t version;
    uint8_t state;
    int64_t created_us, last_opened_us; /* last opened: 0 never */
    uint64_t issued, opened, rows, wraps, wraps_left;
    const struct ward_store_held *held; /* its rows by collection, the fullest first */
    size_t n_held;
};
struct ward_key_usage {
    struct ward_bytes name;
    /* out */
    uint8_t purpose;
    uint32_t period_days;
    int64_t now_us, next_rotation_us; /* next: 0 none */
    struct ward_version_usage *versions;
    size_t n_versions;
    struct ward_job_view rewrap, rekey;
};
struct ward_key_list {
    uint32_t page_size;
    struct ward_bytes page_token; /* the last name of the page before */
    struct ward_key_view *keys;   /* out */
    size_t n;
    struct ward_bytes next_page_token;
};

/* ---- records ---- */
struct ward_put_item {
    ward_status status;
    struct ward_bytes refused; /* the field that policy does not allow, when it is that */
    struct ward_bytes collection, subject, id, json;
    uint32_t version; /* out */
};
struct ward_put {
    struct ward_context context;
    struct ward_put_item *items;
    size_t n;
};
struct ward_get_item {
    ward_status status;
    struct ward_bytes refused; /* as of a put */
    struct ward_bytes collection, subject, id;
    uint32_t version; /* in: wanted, 0 newest; out: found */
    const struct ward_bytes *fields;
    size_t n_fields;
    bool whole;
    /* out */
    struct ward_bytes json;
    struct ward_record_field *values;
    size_t n_values;
};
struct ward_get {
    struct ward_context context;
    struct ward_get_item *items;
    size_t n;
};

/* ---- approvals ---- */
struct ward_approval_list {
    bool all, unreviewed;
    uint32_t page_size;
    struct ward_bytes page_token;         /* "<created_us>.<uuid>" */
    struct ward_proposal_view *proposals; /* out */
    size_t n;
    struct ward_bytes next_page_token;
};
struct ward_approval { /* show, and whatever is signed */
    struct ward_id id;
    struct ward_bytes signature;        /* empty for show */
    struct ward_proposal_view proposal; /* out */
};

/* ---- identities ---- */
struct ward_identity_change { /* revoke, unrevoke */
    uint8_t kind;             /* enum ward_revocation_kind */
    struct ward_bytes value;  /* the identity, or the certificate's SHA-256 in lower-case hex */
    bool force;               /* of revoke */
    struct ward_proposal_view *proposal; /* out */
};
struct ward_revocation_list {
    uint32_t page_size;
    struct ward_bytes page_token; /* "identity:<identity>" or "certificate:<hex>" */
    const struct ward_store_revocation *revocations; /* out */
    size_t n;
    struct ward_bytes next_page_token;
};

/* ---- emergencies ---- */
#define WARD_EMERGENCY_REASON_MIN 10
struct ward_emergency_view {
    struct ward_store_emergency row;
    bool open; /* it gives access now */
};
struct ward_emergency_open {
    struct ward_bytes collection, subject;
    uint32_t minutes;
    struct ward_context context;
    struct ward_emergency_view emergency; /* out */
};
struct ward_emergency_close {
    struct ward_id id;
    struct ward_emergency_view emergency; /* out */
};
struct ward_emergency_list {
    bool open, unreviewed;
    uint32_t page_size;
    struct ward_bytes page_token;
    struct ward_emergency_view *emergencies; /* out */
    size_t n;
    struct ward_bytes next_page_token;
};

/* ---- policy ---- */
#define WARD_POLICY_TEXT_MAX (1024u * 1024 - 4096) /* with the rest of its message under 1 MiB */
struct ward_policy_show {
    uint32_t version; /* 0: the newest */
    bool of_proposal;
    struct ward_id proposal;
    struct ward_store_policy policy; /* out; version 0: of the proposal */
};
struct ward_policy_list {
    uint32_t page_size;
    uint32_t before;                          /* versions below; 0: from the newest */
    const struct ward_store_policy *policies; /* out, newest first, without texts */
    size_t n;
    uint32_t next_before; /* 0: this was the last page */
};
struct ward_policy_apply {
    struct ward_bytes text;
    uint32_t base_version;
    struct ward_proposal_view *proposal; /* out */
};

/* ---- diagnosis ---- */
enum ward_finding_level { WARD_FINDING_OK, WARD_FINDING_WARNING, WARD_FINDING_GAP };
struct ward_finding {
    struct ward_bytes check; /* "token-orphans" */
    enum ward_finding_level level;
    struct ward_bytes text, advice; /* what was found; what to do, empty when all is well */
};
struct ward_diagnose {
    const struct ward_finding *findings; /* out */
    size_t n, left_out;
};

/* ---- audit ---- */
struct ward_audit_export {
    uint64_t start, end;
    const struct ward_bytes *leaves; /* out */
    size_t n;
};
struct ward_audit_checkpoint {
    struct ward_bytes note; /* out */
    const char *vkey;
    const struct ward_bytes *handovers; /* one for each change of the log's key before it */
    size_t n_handovers;
    const uint64_t *passed_over; /* sizes of stored rows that are no checkpoints of this log */
    size_t n_passed_over;
};
struct ward_log_key_rotate {
    struct ward_proposal_view *proposal; /* out */
};

#endif
