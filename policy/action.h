/* SPDX-License-Identifier: Apache-2.0 */
/* Every action that may be asked of Ward: one row for each, used by policy, audit and the method
 * table alike. An action is guarded when it may only run with approvals. */
#ifndef WARD_POLICY_ACTION_H
#define WARD_POLICY_ACTION_H

#include "base/bytes.h"

/* X(ENUM, "name", object kind, role kinds that may be given it, approvals): NEVER guarded; MAY be,
 * where policy says so; ALWAYS, by one approval at least; AT_ONCE: a proposal that its proposer's
 * own signature runs, and that another officer reviews afterwards. */
#define WARD_ACTIONS(X)                                                                \
    X(DATA_KEY_GENERATE, "data-key.generate", KEY, APPLICATION, NEVER)                 \
    X(DATA_KEY_GENERATE_WITHOUT_PLAINTEXT, "data-key.generate-without-plaintext", KEY, \
      APPLICATION, NEVER)                                                              \
    X(DATA_KEY_UNWRAP, "data-key.unwrap", KEY, APPLICATION, NEVER)                     \
    X(DATA_KEY_REWRAP, "data-key.rewrap", KEY, APPLICATION, NEVER)                     \
    X(DATA_KEY_BATCH, "data-key.batch", KEY, APPLICATION, NEVER)                       \
    X(RECORD_PUT, "record.put", COLLECTION, APPLICATION, NEVER)                        \
    X(RECORD_GET, "record.get", COLLECTION, APPLICATION, NEVER)                        \
    X(KEY_CREATE, "key.create", KEY, OFFICER, MAY)                                     \
    X(KEY_ROTATE, "key.rotate", KEY, OFFICER, ALWAYS)                                  \
    X(KEY_CHANGE, "key.change", KEY, OFFICER, ALWAYS)                                  \
    X(KEY_DISABLE, "key.disable", KEY, OFFICER, AT_ONCE)                               \
    X(KEY_ENABLE, "key.enable", KEY, OFFICER, ALWAYS)                                  \
    X(KEY_SUSPEND, "key.suspend", KEY, OFFICER, AT_ONCE)                               \
    X(KEY_RESUME, "key.resume", KEY, OFFICER, ALWAYS)                                  \
    X(KEY_DEACTIVATE, "key.deactivate", KEY, OFFICER, ALWAYS)                          \
    X(KEY_COMPROMISE, "key.compromise", KEY, OFFICER, AT_ONCE)                         \
    X(KEY_DESTROY, "key.destroy", KEY, OFFICER, ALWAYS)                                \
    X(KEY_CANCEL_DESTROY, "key.cancel-destroy", KEY, OFFICER, AT_ONCE)                 \
    X(KEY_REWRAP, "key.rewrap", KEY, OFFICER, NEVER)                                   \
    X(KEY_REKEY, "key.rekey", KEY, OFFICER, MAY)                                       \
    X(KEY_USAGE, "key.usage", KEY, OFFICER_OR_AUDITOR, NEVER)                          \
    X(KEY_DESCRIBE, "key.describe", KEY, ANY, NEVER)                                   \
    X(KEY_LIST, "key.list", NONE, ANY, NEVER)                                          \
    X(POLICY_APPLY, "policy.apply", NONE, OFFICER, ALWAYS)                             \
    X(POLICY_SHOW, "policy.show", NONE, OFFICER_OR_AUDITOR, NEVER)                     \
    X(APPROVAL_LIST, "approval.list", NONE, OFFICER_OR_AUDITOR, NEVER)                 \
    X(APPROVAL_SHOW, "approval.show", NONE, OFFICER_OR_AUDITOR, NEVER)                 \
    X(APPROVAL_SUBMIT, "approval.submit", NONE, OFFICER, NEVER)                        \
    X(APPROVAL_APPROVE, "approval.approve", NONE, OFFICER, NEVER)                      \
    X(APPROVAL_REJECT, "approval.reject", NONE, OFFICER, NEVER)                        \
    X(APPROVAL_WITHDRAW, "approval.withdraw", NONE, OFFICER, NEVER)                    \
    X(APPROVAL_EXECUTE, "approval.execute", NONE, OFFICER, NEVER)                      \
    X(APPROVAL_REVIEW, "approval.review", NONE, OFFICER, NEVER)                        \
    X(IDENTITY_REVOKE, "identity.revoke", NONE, OFFICER, AT_ONCE)                      \
    X(IDENTITY_UNREVOKE, "identity.unrevoke", NONE, OFFICER, ALWAYS)                   \
    X(IDENTITY_LIST, "identity.list", NONE, OFFICER_OR_AUDITOR, NEVER)                 \
    X(EMERGENCY_OPEN, "emergency.open", COLLECTION, APPLICATION, NEVER)                \
    X(EMERGENCY_CLOSE, "emergency.close", NONE, ANY, NEVER)                            \
    X(EMERGENCY_LIST, "emergency.list", NONE, OFFICER_OR_AUDITOR, NEVER)               \
    X(DOCTOR_RUN, "doctor.run", NONE, STAFF, NEVER)                                    \
    X(AUDIT_EXPORT, "audit.export", NONE, AUDITOR, NEVER)                              \
    X(AUDIT_CHECKPOINT, "audit.checkpoint", NONE, OFFICER_OR_AUDITOR, NEVER)           \
    X(LOG_KEY_ROTATE, "audit.rotate-log-key", NONE, OFFICER, ALWAYS)                   \
    X(SERVER_REFLECT, "server.reflect", NONE, ANY, NEVER)                              \
    X(SYSTEM_REWRAP, "system.rewrap", KEY, SYSTEM, NEVER)                              \
    X(SYSTEM_REKEY, "system.rekey", KEY, SYSTEM, NEVER)                                \
    X(SYSTEM_RECOVER, "system.recover", KEY, SYSTEM, NEVER)                            \
    X(SYSTEM_ROTATE, "system.rotate", KEY, SYSTEM, NEVER)                              \
    X(SYSTEM_DESTROY, "system.destroy", KEY, SYSTEM, NEVER)                            \
    X(SYSTEM_START, "system.start", NONE, SYSTEM, NEVER)                               \
    X(SYSTEM_ALARM, "system.alarm", NONE, SYSTEM, NEVER)                               \
    X(SYSTEM_SUMMARY, "system.summary", NONE, SYSTEM, NEVER)                           \
    X(SYSTEM_ATTEST, "system.attest", NONE, SYSTEM, NEVER)

enum ward_action {
#define WARD_ACTION_ENUM(e, name, object, kinds, guard) WARD_ACTION_##e,
    WARD_ACTIONS(WARD_ACTION_ENUM)
#undef WARD_ACTION_ENUM
        WARD_ACTION_COUNT,
    WARD_ACTION_NONE = WARD_ACTION_COUNT, /* a request refused before its method was known */
};

enum ward_object_kind { WARD_OBJECT_NONE, WARD_OBJECT_KEY, WARD_OBJECT_COLLECTION };

const char *ward_action_name(enum ward_action action); /* "request" for NONE */
bool ward_action_find(struct ward_bytes name, enum ward_action *ret);
enum ward_object_kind ward_action_object(enum ward_action action);
/* Never runs without an approval, whatever policy says. */
bool ward_action_always_guarded(enum ward_action action);
/* A proposal for it needs no approval: it runs on its proposer's own signature, at once, and stays
 * open until another officer has signed that he reviewed it. */
bool ward_action_at_once(enum ward_action action);

#endif
