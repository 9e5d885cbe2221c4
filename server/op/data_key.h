/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations on many items share: how items begin, what is asked of policy for data keys,
 * and how items are settled. */
#ifndef WARD_SERVER_OP_DATA_KEY_H
#define WARD_SERVER_OP_DATA_KEY_H

#include "proto/wrapped_key.h"
#include "server/op/op.h"
#include "server/state.h"

/* At the head of a decision, the first and any later one: every item has the status again with
 * which it was decoded, and the entry has an item for each. items: n structs of `stride` bytes,
 * each with its ward_status as the first member. */
ward_status ward_op_items(struct ward_request *request, void *items, size_t stride, size_t n);

/* May the peer do this under the KEK of that name? many: the request wants more than one key, which
 * is a right of its own. The rule that decided goes into item i of the entry. */
ward_status ward_op_ask_key(struct ward_request *request, size_t i, enum ward_action action,
                            struct ward_bytes key, const struct ward_context *context, bool many);

/* Is an emergency of the caller's open for the subject that the context names? */
bool ward_op_opens_in_emergency(const struct ward_request *request,
                                const struct ward_context *context);

/* Item i wants to open a key that Ward issued. */
struct ward_op_issued {
    enum ward_action action;
    struct ward_bytes wrapped;
    const struct ward_context *context;
    bool many;
};
/* Reads it, names it in the entry, asks policy and finds the version that wrapped it; the caller
 * still looks at that one's state. What is not ours, not issued or unknown is CIPHERTEXT, as wrong
 * bytes are. ret_name: the KEK's, as long as the request's state. */
ward_status ward_op_find_issued(struct ward_request *request, size_t i,
                                const struct ward_op_issued *issued,
                                struct ward_wrapped_key *ret_parsed, struct ward_bytes *ret_name,
                                const struct ward_key_version **ret_version);

/* For plan, of an item that ward_op_find_issued found CIPHERTEXT: one call to the HSM, as for wrong
 * bytes, so that the time of the answer tells no more than its words. What comes back is dropped.
 */
ward_status ward_op_plan_decoy(struct ward_request *request, struct ward_worker *worker,
                               const struct ward_wrapped_key *parsed,
                               const struct ward_context *context);

/* The KEK of that name and its version that wraps data keys; version 0: the active one. NOT_FOUND,
 * or STATE where there is none that may. */
ward_status ward_op_find_wrapping(const struct ward_state *state, struct ward_bytes name,
                                  uint32_t version, const struct ward_key **ret,
                                  const struct ward_key_version **ret_version);

/* Tells the entry what became of each item, and of the batch as a whole: the status that all items
 * share, else OK. The caller gets each item's own in any case. items: as above. */
void ward_op_settle(struct ward_request *request, const void *items, size_t stride, size_t n);

/* At the end of a decision, when it is settled: UNAVAILABLE where all items are, so that clients
 * come again by themselves; else OK. */
ward_status ward_op_come_again(const struct ward_request *request);

/* What a KEK item's failure means to a caller: a missing key object is an unavailable key. */
ward_status ward_op_kek_status(ward_status status);

/* The name an item goes by in the audit entry: "key:NAME#VERSION", in the arena. */
ward_status ward_op_key_object(struct ward_arena *arena, struct ward_bytes name, uint32_t version,
                               struct ward_bytes *ret);

/* The context of the whole entry when all items have the same; otherwise each item gets the keyed
 * hash of its own as `digest`. first: the first item's; the others follow every `stride` bytes. */
ward_status ward_op_entry_contexts(struct ward_request *request, const struct ward_context *first,
                                   size_t stride, size_t n, struct ward_digest *digest);
/* The keyed hash of one or more canonical contexts, in the arena. */
ward_status ward_op_context_digest(struct ward_request *request, const struct ward_bytes *canonical,
                                   size_t n, struct ward_digest *digest, struct ward_bytes *ret);

#endif
