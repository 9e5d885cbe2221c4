/* SPDX-License-Identifier: Apache-2.0 */
/* What every operation that ends in a draft proposal shares. One step is enough for it:
 *
 *   decide:  ask policy, look at what would be done, guard
 *   read:    what the consequences are counted from
 *   finish:  name action and object, add parameters and consequences, make
 *   commit:  the row
 *
 * It says nothing of what a proposal does; running it is server/op/execution.h. */
#ifndef WARD_SERVER_OP_DRAFTING_H
#define WARD_SERVER_OP_DRAFTING_H

#include "server/op/proposing.h"

/* A proposal that its proposer's own signature runs waits so long for that signature: what nobody
 * signs within the hour was not meant. */
#define WARD_DRAFT_AT_ONCE_HOURS 1u

struct ward_draft {
    struct ward_guard guard;
    struct ward_proposal proposal;
    struct ward_store_proposal row;
};

/* Policy's decision on the operation's own action, kept as the entry's rule. The object is the
 * key's or collection's name, and empty for actions on neither. DENIED. */
ward_status ward_drafting_ask(struct ward_request *request, struct ward_bytes object);
/* The same of a key, which becomes the entry's object too where its name is one; version 0: the
 * key as a whole. */
ward_status ward_drafting_ask_key(struct ward_request *request, struct ward_bytes name,
                                  uint32_t version);

/* What must happen to the draft before it runs: as policy says of the operation's own action; no
 * approval for one that runs at once. Approvals are 0 besides only where policy may leave the
 * action unguarded and does. */
ward_status ward_drafting_guard(const struct ward_request *request, struct ward_bytes object,
                                struct ward_draft *draft);

/* Empties the proposal and says what it would do to what. The object is borrowed. */
void ward_drafting_begin(const struct ward_request *request, struct ward_bytes object,
                         struct ward_draft *draft);
/* At most WARD_PROPOSAL_PARAMS_MAX of each; more are our bug. Names are constant, texts borrowed.
 * What execution compares with the world again is a parameter, what officers only read is a
 * consequence, and always a number. */
void ward_drafting_number(struct ward_draft *draft, const char *name, int64_t number);
void ward_drafting_text(struct ward_draft *draft, const char *name, struct ward_bytes text);
ward_status ward_drafting_id(struct ward_draft *draft, const char *name, const struct ward_id *id,
                             struct ward_arena *arena);
void ward_drafting_consequence(struct ward_draft *draft, const char *name, uint64_t number);

/* Makes row and view of what the draft holds, names it in the entry, and ends the request with this
 * step. */
ward_status ward_drafting_make(struct ward_request *request, struct ward_worker *worker,
                               struct ward_draft *draft, struct ward_proposal_view **ret_view);
ward_status ward_drafting_commit(const struct ward_draft *draft, struct ward_batch *batch);

#endif
