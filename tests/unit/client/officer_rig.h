/* SPDX-License-Identifier: Apache-2.0 */
/* Officers at the command line and a daemon that may lie: what it says of one proposal, and what it
 * was sent. */
#ifndef WARD_TESTS_UNIT_CLIENT_OFFICER_RIG_H
#define WARD_TESTS_UNIT_CLIENT_OFFICER_RIG_H

#include "client/cli/cli.h"
#include "tests/unit/client/check.h"
#include "tests/unit/client/pki.h"
#include "tests/unit/client/stub_server.h"

struct daemon {
    const char *action, *object, *reason; /* what the proposal says */
    struct ward_proposal_param parameters[4];
    size_t n_parameters;
    bool garbled, another_id; /* the payload is not canonical; Show answers with another proposal */
    bool hardware;            /* it asks for signatures made in hardware */
    const char *states[4];    /* what Show says, in turn; the last one again and again */
    const char *cannot_run;   /* said with it; NULL: it may */
    int grpc_status;          /* of Approve and Reject */
    char id[WARD_ID_TEXT_SIZE], other[WARD_ID_TEXT_SIZE];
    struct ward_buffer payload;
    unsigned shown, submitted, decided;
    uint8_t signature[256];
    size_t signature_size;
};

struct rig {
    char *folder;
    struct pki pki;
    struct daemon daemon;
    struct stub_server *server;
    char profiles[128];
};

/* Of the group: a folder with certificates. */
int officer_folder_make(void **state);
int officer_folder_drop(void **state);
/* Of a test: a daemon with an open proposal to rotate a key. */
int officer_start(void **state);
int officer_stop(void **state);
/* Once more, after the daemon was told to say something else. */
void officer_payload(struct daemon *daemon);

bool officer_signed_with_reason(const struct rig *rig, const struct pki_person *person,
                                enum ward_decision_kind decision, const char *reason);
bool officer_signed_by(const struct rig *rig, const struct pki_person *person,
                       enum ward_decision_kind decision);

/* The commands. */
void officer_rotate(struct rig *rig, struct ran *ran);
void officer_approve(struct rig *rig, struct ran *ran);

#endif
