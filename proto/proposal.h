/* SPDX-License-Identifier: Apache-2.0 */
/* A proposal is canonical JSON, members in this order:
 *   type "ward proposal 1", deployment, id, action, object, parameters {..}, policy (hex), epoch,
 *   proposer, person, created, expires, approvals, reason, consequences {name: integer, ..}
 * With terms it is "ward proposal 2", and they stand behind approvals:
 *   terms {"approvals.<role>": n, "execute": "manual", "hardware": "required"}
 * Officers sign DSSE over exactly these bytes. What they decide is bound as a parameter of the
 * payloadType: "application/vnd.ward.proposal+json; decision=approve"; and so is the reason that
 * they give for it, by its SHA-256: "...; decision=reject; reason=<64 hex digits>". */
#ifndef WARD_PROTO_PROPOSAL_H
#define WARD_PROTO_PROPOSAL_H

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/wipe_alloc.h"

struct ward_proposal_param {
    struct ward_bytes name;
    struct ward_bytes text; /* used when data is not NULL */
    int64_t number;
};

#define WARD_PROPOSAL_PARAMS_MAX 16
#define WARD_PROPOSAL_MAX 16384u /* of the canonical bytes */

struct ward_proposal {
    struct ward_id deployment, id;
    struct ward_bytes action; /* "key.rotate" */
    struct ward_bytes object; /* the key's name */
    struct ward_proposal_param parameters[WARD_PROPOSAL_PARAMS_MAX];
    size_t n_parameters;
    uint8_t policy[32];
    uint64_t epoch;
    struct ward_bytes proposer; /* identity */
    struct ward_bytes person;
    int64_t created_us, expires_us;
    uint32_t approvals; /* needed besides the proposer */
    struct ward_proposal_param terms[WARD_PROPOSAL_PARAMS_MAX];
    size_t n_terms;
    struct ward_bytes reason;
    struct ward_proposal_param consequences[WARD_PROPOSAL_PARAMS_MAX];
    size_t n_consequences;
};

/* As the store has them too. */
enum ward_decision_kind {
    WARD_DECISION_PROPOSE,
    WARD_DECISION_APPROVE,
    WARD_DECISION_REJECT,
    WARD_DECISION_WITHDRAW, /* by the proposer, before it ran */
    WARD_DECISION_EXECUTE,  /* where it does not run by itself */
    WARD_DECISION_REVIEW,   /* of what ran at once, afterwards */
};

/* Names of terms. */
#define WARD_TERM_EXECUTE "execute"      /* "manual" */
#define WARD_TERM_HARDWARE "hardware"    /* "required" */
#define WARD_TERM_APPROVALS "approvals." /* and a role's name: a number */

/* Canonical bytes, appended. Parameters, terms and consequences are written sorted by name;
 * consequences must be numbers. The epoch is at most INT64_MAX. More than WARD_PROPOSAL_PARAMS_MAX
 * fails the buffer. */
void ward_proposal_print(const struct ward_proposal *proposal, struct ward_buffer *out);
/* Strict: only what print would have written is accepted (it is printed again and compared).
 * Views point into the arena. INVALID "proposal: not canonical". */
ward_status ward_proposal_parse(struct ward_bytes payload, struct ward_arena *arena,
                                struct ward_proposal *ret);
/* The number of a parameter or consequence by name; false when it is not there. */
bool ward_proposal_number(const struct ward_proposal_param *params, size_t n, const char *name,
                          int64_t *ret);
struct ward_bytes ward_proposal_text(const struct ward_proposal_param *params, size_t n,
                                     const char *name);

#define WARD_NO_REASON ((struct ward_bytes){NULL, 0})

/* The digest that binds a reason, 64 hex digits, in hex; empty for none. */
ward_status ward_proposal_reason(struct ward_bytes reason, char hex[static 65],
                                 struct ward_bytes *ret);
/* The payloadType under the decision; reason_digest as above. Fails the buffer for no decision. */
void ward_proposal_payload_type(enum ward_decision_kind decision, struct ward_bytes reason_digest,
                                struct ward_buffer *out);
/* DSSE pre-authentication encoding of the payload under the decision; what is signed. */
void ward_proposal_pae(struct ward_bytes payload, enum ward_decision_kind decision,
                       struct ward_bytes reason_digest, struct ward_buffer *out);
/* Verifies a signature over the PAE with the public key of a DER certificate: ECDSA P-256/P-384
 * with SHA-256, or Ed25519. INVALID "signature: does not verify". */
ward_status ward_proposal_verify(struct ward_bytes payload, enum ward_decision_kind decision,
                                 struct ward_bytes reason_digest, struct ward_bytes certificate_der,
                                 struct ward_bytes signature);
/* "propose", "approve", ...; "" for what is none. */
const char *ward_decision_kind_name(enum ward_decision_kind decision);
/* Does its signature cover a reason? Of what brings a proposal closer to running it covers none. */
bool ward_decision_kind_reasoned(enum ward_decision_kind decision);
bool ward_decision_kind_find(struct ward_bytes name, enum ward_decision_kind *ret);
/* SHA-256 of the payload, which audit entries and officers name; or of a reason. */
ward_status ward_proposal_digest(struct ward_bytes bytes, uint8_t out[static 32]);

#endif
