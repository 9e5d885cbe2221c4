/* SPDX-License-Identifier: Apache-2.0 */
/* Every action that may be asked of Ward: one row for each, used by policy, audit and the method
 * table alike. An action is guarded when it may only run with approvals. */
#ifndef WARD_POLICY_ACTION_H
#define WARD_POLICY_ACTION_H

#include "base/bytes.h"

/* X(ENUM, "name", object kind, role kinds that may be given it) */
#define WARD_ACTIONS(X)                                                                \
    X(DATA_KEY_GENERATE, "data-key.generate", KEY, APPLICATION)                        \
    X(DATA_KEY_GENERATE_WITHOUT_PLAINTEXT, "data-key.generate-without-plaintext", KEY, \
      APPLICATION)                                                                     \
    X(DATA_KEY_UNWRAP, "data-key.unwrap", KEY, APPLICATION)                            \
    X(DATA_KEY_REWRAP, "data-key.rewrap", KEY, APPLICATION)                            \
    X(DATA_KEY_BATCH, "data-key.batch", KEY, APPLICATION)                              \
    X(RECORD_PUT, "record.put", COLLECTION, APPLICATION)                               \
    X(RECORD_GET, "record.get", COLLECTION, APPLICATION)                               \
    X(KEY_CREATE, "key.create", KEY, OFFICER)                                          \
    X(KEY_ROTATE, "key.rotate", KEY, OFFICER)                                          \
    X(KEY_DESCRIBE, "key.describe", KEY, ANY)                                          \
    X(KEY_LIST, "key.list", NONE, ANY)                                                 \
    X(APPROVAL_LIST, "approval.list", NONE, OFFICER_OR_AUDITOR)                        \
    X(APPROVAL_SHOW, "approval.show", NONE, OFFICER_OR_AUDITOR)                        \
    X(APPROVAL_SUBMIT, "approval.submit", NONE, OFFICER)                               \
    X(APPROVAL_APPROVE, "approval.approve", NONE, OFFICER)                             \
    X(APPROVAL_REJECT, "approval.reject", NONE, OFFICER)                               \
    X(IDENTITY_REVOKE, "identity.revoke", NONE, OFFICER)                               \
    X(IDENTITY_UNREVOKE, "identity.unrevoke", NONE, OFFICER)                           \
    X(IDENTITY_LIST, "identity.list", NONE, OFFICER_OR_AUDITOR)                        \
    X(AUDIT_EXPORT, "audit.export", NONE, AUDITOR)                                     \
    X(AUDIT_CHECKPOINT, "audit.checkpoint", NONE, OFFICER_OR_AUDITOR)                  \
    X(SERVER_REFLECT, "server.reflect", NONE, ANY)                                     \
    X(SYSTEM_REWRAP, "system.rewrap", KEY, SYSTEM)                                     \
    X(SYSTEM_RECOVER, "system.recover", KEY, SYSTEM)                                   \
    X(SYSTEM_ROTATE, "system.rotate", KEY, SYSTEM)                                     \
    X(SYSTEM_START, "system.start", NONE, SYSTEM)                                      \
    X(SYSTEM_SUMMARY, "system.summary", NONE, SYSTEM)                                  \
    X(SYSTEM_ATTEST, "system.attest", NONE, SYSTEM)

enum ward_action {
#define WARD_ACTION_ENUM(e, name, object, kinds) WARD_ACTION_##e,
    WARD_ACTIONS(WARD_ACTION_ENUM)
#undef WARD_ACTION_ENUM
        WARD_ACTION_COUNT,
    WARD_ACTION_NONE = WARD_ACTION_COUNT, /* a request refused before its method was known */
};

enum ward_object_kind { WARD_OBJECT_NONE, WARD_OBJECT_KEY, WARD_OBJECT_COLLECTION };

const char *ward_action_name(enum ward_action action); /* "request" for NONE */
bool ward_action_find(struct ward_bytes name, enum ward_action *ret);
enum ward_object_kind ward_action_object(enum ward_action action);
/* True when a rotation, or whatever policy lists under `guard`, may never be unguarded. */
bool ward_action_always_guarded(enum ward_action action); /* key.rotate, identity.unrevoke */
/* A proposal for it may need no approval: it runs on its proposer's own signature, at once. */
bool ward_action_at_once(enum ward_action action); /* identity.revoke */

#endif
