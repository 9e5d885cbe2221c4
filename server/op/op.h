/* SPDX-License-Identifier: Apache-2.0 */
/* An operation: a decision and a short list of steps, each of up to four functions. What changes
 * the HSM has two steps: an intent row, then effect and outcome. Functions are called in this
 * order, each on its own stage's thread; a status that is not OK ends the request as failed (or,
 * from decide, as refused), and the committer still writes its audit entry. */
#ifndef WARD_SERVER_OP_OP_H
#define WARD_SERVER_OP_OP_H

#include "proto/record.h"
#include "server/request.h"

struct ward_worker;

/* What one batch writes: the committer collects it from its requests. See server/work/batch.h. */
struct ward_batch;

struct ward_step {
    ward_status (*read)(struct ward_request *request, struct ward_digest *digest); /* adds reads */
    /* Adds those that only what was read can name; NULL where there are none. They come behind. */
    ward_status (*read_more)(struct ward_request *request);
    ward_status (*plan)(struct ward_request *request,
                        struct ward_worker *worker); /* adds KEK items */
    ward_status (*finish)(struct ward_request *request,
                          struct ward_worker *worker); /* looks at them */
    ward_status (*commit)(struct ward_request *request, struct ward_batch *batch); /* rows only */
};

#define WARD_OP_STEPS_MAX 3

struct ward_op {
    enum ward_action action;
    bool alone;  /* administrative: its commits get a transaction of their own */
    bool silent; /* writes no audit entry: signing a checkpoint */
    /* Keys or records that the decoded request asks for, for the limits of roles; NULL: one. */
    uint32_t (*cost)(const struct ward_request *request);
    /* Of the decoded request: may somebody die while it waits for the next day? A quota of the day
     * does not hold it back then; rates do. NULL: never. */
    bool (*urgent)(const struct ward_request *request);
    /* Pure: policy, keyring and the parsed message. Sets object, rule, leaf_items, n_steps. */
    ward_status (*decide)(struct ward_request *request);
    struct ward_step steps[WARD_OP_STEPS_MAX];
    unsigned
        n_steps; /* fewer may run: an operation that has nothing left says so in decide or finish */
};

/* For an operation's read function. The read lies in the arena; EXHAUSTED when it is spent. */
ward_status ward_request_add_read(struct ward_request *request, enum ward_read_kind kind,
                                  struct ward_read **ret);
/* The first one of that kind in this step, and its status; INTERNAL when there is none. */
ward_status ward_request_find_read(const struct ward_request *request, enum ward_read_kind kind,
                                   const struct ward_read **ret);
/* A number or a text for the audit entry; name is constant, text in the arena. At most 16; more are
 * our bug. */
void ward_request_detail(struct ward_request *request, const char *name, int64_t number);
void ward_request_detail_text(struct ward_request *request, const char *name,
                              struct ward_bytes text);
/* The policy's decision on one object of this request. */
struct ward_decision ward_request_ask(const struct ward_request *request, enum ward_action action,
                                      struct ward_bytes object, const struct ward_context *context);
/* The same of fields of a record: these, all that there are, or (neither) none in particular. */
struct ward_asked_fields {
    const struct ward_bytes *names;
    size_t n;
    bool whole;
    bool emergency; /* with policy's rules for emergencies; emergency.h says when they hold */
};
struct ward_decision ward_request_ask_fields(const struct ward_request *request,
                                             enum ward_action action, struct ward_bytes object,
                                             const struct ward_context *context,
                                             const struct ward_asked_fields *fields);

extern const struct ward_op ward_op_generate, ward_op_unwrap, ward_op_data_key_rewrap;
extern const struct ward_op ward_op_key_create, ward_op_key_rotate, ward_op_key_describe,
    ward_op_key_list, ward_op_key_rewrap, ward_op_rewrap_progress, ward_op_key_rekey,
    ward_op_rekey_progress, ward_op_key_usage;
extern const struct ward_op ward_op_key_change, ward_op_key_disable, ward_op_key_enable,
    ward_op_key_suspend, ward_op_key_resume, ward_op_key_deactivate, ward_op_key_compromise,
    ward_op_key_schedule_destroy, ward_op_key_cancel_destroy;
extern const struct ward_op ward_op_record_put, ward_op_record_get;
extern const struct ward_op ward_op_approval_list, ward_op_approval_show, ward_op_approval_submit,
    ward_op_approval_approve, ward_op_approval_reject, ward_op_approval_withdraw,
    ward_op_approval_execute, ward_op_approval_review;
extern const struct ward_op ward_op_identity_revoke, ward_op_identity_unrevoke,
    ward_op_revocation_list;
extern const struct ward_op ward_op_emergency_open, ward_op_emergency_close, ward_op_emergency_list;
extern const struct ward_op ward_op_policy_show, ward_op_policy_list, ward_op_policy_apply;
extern const struct ward_op ward_op_diagnose;
extern const struct ward_op ward_op_audit_export, ward_op_audit_checkpoint, ward_op_log_key_rotate;
/* Internal, by identity "system". */
extern const struct ward_op ward_op_sign_checkpoint, ward_op_rewrap, ward_op_rewrap_open,
    ward_op_rewrap_end, ward_op_rekey, ward_op_rekey_open, ward_op_rekey_end, ward_op_recover,
    ward_op_start, ward_op_summary, ward_op_ending, ward_op_shared, ward_op_attest,
    ward_op_rotate_due, ward_op_purge, ward_op_destroy_due, ward_op_recover_destroying;

#endif
