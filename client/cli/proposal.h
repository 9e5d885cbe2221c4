/* SPDX-License-Identifier: Apache-2.0 */
/* A proposal at the officer's own desk: parsed strictly from its payload, rendered from that and
 * from nothing that the daemon says beside it, and signed. */
#ifndef WARD_CLIENT_CLI_PROPOSAL_H
#define WARD_CLIENT_CLI_PROPOSAL_H

#include "client/cli/cli.h"
#include "proto/proposal.h"

struct cli_proposal {
    struct ward_arena *arena;
    struct ward_bytes payload; /* borrowed */
    struct ward_proposal parsed;
    char id[WARD_ID_TEXT_SIZE], digest[65];
};

/* CLI_DONE, or the exit code of what was said: a payload that is not canonical is never shown. */
int cli_proposal_open(struct ward_bytes payload, struct cli_proposal *ret);
void cli_proposal_close(struct cli_proposal *proposal);
/* What, who, why, its consequences in numbers, until when and under which policy (its SHA-256), for
 * a person. now_us: wall time. over: said in place of the time left, once it counts no more; NULL:
 * it counts. */
void cli_proposal_render(const struct cli_proposal *proposal, int64_t now_us, const char *over,
                         struct ward_buffer *out);

/* What is missing and who may give it, what waits for the caller, whether somebody has reviewed it:
 * as the daemon says, and said to be so. profile: the name of the caller's. */
void cli_proposal_render_standing(const ward_proposal_info *info, const char *id,
                                  const char *profile, struct ward_buffer *out);
/* "in 23 h 59 min", "over". */
#define CLI_EXPIRY_SIZE 48
void cli_expiry_words(int64_t expires_us, int64_t now_us, char out[static CLI_EXPIRY_SIZE]);

/* Where the proposal asks for signatures made in hardware, the profile's key must be in a token;
 * CLI_DONE, or the exit code of what was said. */
int cli_proposal_check_key(const struct cli_proposal *proposal, const struct cli_profile *profile,
                           enum ward_decision_kind decision);

/* The PAE of the payload under the decision and the reason, signed with the profile's private key,
 * in a PEM file or a token: ECDSA P-256 or P-384 with SHA-256, or Ed25519. out has
 * WARD_SIGNATURE_MAX bytes. */
int cli_sign(const struct cli_profile *profile, struct ward_bytes payload,
             enum ward_decision_kind decision, struct ward_bytes reason, uint8_t *out,
             size_t *ret_size);

/* Any bytes, in the same way. */
int cli_sign_bytes(const struct cli_profile *profile, struct ward_bytes bytes, uint8_t *out,
                   size_t *ret_size);

/* What was asked for. The daemon makes the proposal, so each member is held against the payload's
 * own bytes before they are signed. */
#define CLI_ASKED_MAX 2
struct cli_asked {
    const char *action, *object;
    const char *reason; /* NULL: none */
    struct {
        const char *name; /* of a parameter; NULL: nothing more was asked */
        uint64_t number;
    } numbers[CLI_ASKED_MAX];
    bool wait;           /* until it is decided */
    const char *confirm; /* the word to type before it is signed; NULL: it is not asked for */
};

/* Asks on the terminal for the word; was it typed? */
bool cli_confirmed(const char *word);
/* Before anything else: CLI_DONE when there is a terminal to ask on, or need not be; else
 * CLI_USAGE, with the advice. */
int cli_can_ask(bool yes, const char *advice);

/* Checks that the proposal is what was asked for, signs it as the proposer, submits it, and tells
 * what the colleagues have to do. Returns the exit code: CLI_WAITS, or after waiting CLI_DONE when
 * it was executed. */
int cli_propose(struct cli *cli, const ward_proposal_info *info, const struct cli_asked *asked);

#endif
