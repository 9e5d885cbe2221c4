/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of the key that signs the log does, shared by the execution of its proposal and by
 * recovery. A new version is made in the HSM, proven, and its public key goes in with the entry
 * that names it; from that entry's commit on it signs. The version before stays in the token: it
 * signs the first checkpoint behind that entry too.
 *
 *   intent -> key pair made and proven -> row and entry -> checkpoint signed by both */
#ifndef WARD_SERVER_OP_LOG_KEY_CHANGING_H
#define WARD_SERVER_OP_LOG_KEY_CHANGING_H

#include "proto/proposal.h"
#include "server/op/intent.h"
#include "server/state.h"

/* The key's name in proposals and entries; no KEK's name begins like this but Ward's own. */
#define WARD_LOG_KEY_NAME "ward/log"

struct ward_log_key_changing {
    const struct ward_log_key *before;
    struct ward_kek_ref ref;
    struct ward_store_intent intent; /* its row */
    struct ward_id proposal;
    int64_t created_us;
    struct ward_note_key made; /* by the effect */
};

/* STATE: the key has changed since the proposal was made, or too often. */
ward_status ward_log_key_changing_make(const struct ward_state *state,
                                       struct ward_log_key_changing *ret);
ward_status ward_log_key_changing_of_proposal(const struct ward_state *state,
                                              const struct ward_proposal *proposal,
                                              struct ward_log_key_changing *ret);

/* Do all versions sign that the next checkpoint needs, from the one that signed last to the one in
 * force? Only they can tell those who trust them of the next one. STATE: one is not in the token.
 */
ward_status ward_log_key_changing_prove(const struct ward_log_key *last,
                                        const struct ward_log_key *before,
                                        struct ward_worker *worker);
/* Makes the key pair, anew where there is one of a try before: what nothing names has signed
 * nothing. STATE when the version in force does not sign, for it could not hand over. */
ward_status ward_log_key_changing_effect(struct ward_log_key_changing *changing,
                                         struct ward_worker *worker);
/* The row, under the number of the entry that it goes in with; the intent ends; the epoch moves. */
ward_status ward_log_key_changing_outcome(const struct ward_log_key_changing *changing,
                                          struct ward_batch *batch);
/* key, from_version, to_version, from_vkey, to_vkey into the audit entry. */
ward_status ward_log_key_changing_tell(const struct ward_log_key_changing *changing,
                                       struct ward_request *request);

#endif
