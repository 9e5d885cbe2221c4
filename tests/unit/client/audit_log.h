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
    AUDIT_OTHER_DEPLOYMENT,      /* the proposal was signed for another deployment */
    AUDIT_NO_DEPLOYMENT,         /* the first leaf does not say which deployment it is */
    AUDIT_EXPIRED,               /* it ran long after the proposal had expired */
    AUDIT_BARELY_IN_TIME,        /* approved before it expired, done a little after: sound */
    AUDIT_AT_LIMIT,              /* besides, a rotation that the daemon made by itself: sound */
    AUDIT_OTHER_POLICY,       /* the entry behind the run names a policy that nobody put in force */
    AUDIT_NO_POLICY,          /* the first leaf does not name its policy */
    AUDIT_PROPOSED_ELSEWHERE, /* the proposal was made under a policy that never was in force */
    /* The run is a change of policy, and what comes behind it is decided under the next. */
    AUDIT_POLICY,               /* sound */
    AUDIT_POLICY_OTHER_TEXT,    /* another text than was signed came into force */
    AUDIT_POLICY_OTHER_VERSION, /* it makes another version than the next */
    AUDIT_POLICY_FROM_ANOTHER,  /* what was signed was a change from another text */
    AUDIT_POLICY_NOT_FOLLOWED,  /* what comes behind it is decided under the one before all the same
                                 */
    /* Of a run that recovery finished. */
    AUDIT_VOTES_NOT_NAMED,     /* as if the database's word were enough */
    AUDIT_VOTES_CUT,           /* one digest fewer than people */
    AUDIT_VOTE_OF_ANOTHER,     /* the approver's signature is named as carol's */
    AUDIT_OTHER_VOTE_NAMED,    /* a digest that is no signature's */
    AUDIT_CERTIFICATE_SWAPPED, /* another certificate than was counted is given out */
    AUDIT_PAYLOAD_SWAPPED,     /* another payload was counted than is given out */

    /* Added to one of the above: the daemon died after the last approval, and recovery ran it. */
    AUDIT_RECOVERED = 0x100,
};

struct audit_log {
    const struct pki *pki;
    const uint8_t *policy; /* that the next entry names */
    enum audit_fault fault;
    bool recovered;
    struct ward_digest *digest;
    EVP_PKEY *key; /* Ed25519 */
    struct ward_note_key note_key;
    struct ward_buffer leaves[AUDIT_LOG_MAX];
    size_t n;
    struct ward_merkle tree;
    char proposal_id[WARD_ID_TEXT_SIZE], deployment[WARD_ID_TEXT_SIZE];
    struct ward_buffer payload;
    uint8_t signatures[2][128]; /* propose, approve */
    size_t signature_sizes[2];
    struct pki_person const *signers[2];
    size_t n_passed_over; /* rows in the place of checkpoints that the daemon tells of */
};

/* size: leaves besides genesis and those of the rotation. */
void audit_log_make(const struct pki *pki, enum audit_fault fault, size_t size,
                    struct audit_log *ret);
void audit_log_free(struct audit_log *log);
/* A stub_handler; context is the log. A question for a checkpoint is itself a leaf, of the next
 * one. */
void audit_log_serve(void *context, const struct stub_call *call, struct stub_reply *reply);

#endif
