/* SPDX-License-Identifier: Apache-2.0 */
/* A small audit log with a rotation in it, and a handler that serves it as the daemon would: the
 * source of every export that the tests tamper with. */
#ifndef WARD_TESTS_UNIT_CLIENT_AUDIT_LOG_H
#define WARD_TESTS_UNIT_CLIENT_AUDIT_LOG_H

#include "base/id.h"
#include "base/merkle.h"
#include "proto/note.h"
#include "tests/unit/client/stub_server.h"

#define AUDIT_LOG_MAX 2000
#define AUDIT_LOG_PAGE 100

enum audit_fault {
    AUDIT_SOUND,
    AUDIT_PROPOSER_APPROVES,     /* alice proposes and approves */
    AUDIT_NO_PROPOSE,            /* the proposer's own signature was never given */
    AUDIT_WRONG_DECISION,        /* the approval is a signature over "reject" */
    AUDIT_OTHER_KEY_ROTATED,     /* what ran is not what was approved */
    AUDIT_OTHER_VERSION_ROTATED, /* the right key, at another version than was approved */
    AUDIT_RAN_TWICE,             /* one approval, two rotations */
    AUDIT_WITHHELD,              /* the daemon does not give the approver's signature out */
    AUDIT_NO_PROPOSAL,           /* a rotation that names no proposal */
    AUDIT_LEAF_EXCHANGED,        /* one leaf is given out differently from how it was signed */
};

struct audit_log {
    const struct pki *pki;
    enum audit_fault fault;
    struct ward_digest *digest;
    EVP_PKEY *key; /* Ed25519 */
    struct ward_note_key note_key;
    struct ward_buffer leaves[AUDIT_LOG_MAX];
    size_t n;
    struct ward_merkle tree;
    char proposal_id[WARD_ID_TEXT_SIZE];
    struct ward_buffer payload;
    uint8_t signatures[2][128]; /* propose, approve */
    size_t signature_sizes[2];
    struct pki_person const *signers[2];
};

/* size: leaves besides those of the rotation. */
void audit_log_make(const struct pki *pki, enum audit_fault fault, size_t size,
                    struct audit_log *ret);
void audit_log_free(struct audit_log *log);
/* A stub_handler; context is the log. A question for a checkpoint is itself a leaf, of the next
 * one. */
void audit_log_serve(void *context, const struct stub_call *call, struct stub_reply *reply);

#endif
