/* SPDX-License-Identifier: Apache-2.0 */
/* Destroying a KEK version whose waiting is over. There is no way back from it, so nothing that a
 * row says is enough: the officers' signatures are verified again, rows and uses are counted again,
 * and every daemon that lives has let go of its copies. It goes in three steps, as making does:
 *
 *   intent:  a row, and the version forgets the state that it could go back to: from here on no
 *            cancelling takes effect
 *   effect:  the key object is destroyed in the HSM, and seen to be gone
 *   outcome: destroyed
 *
 * server/op/recover_destroying.c finishes or undoes what a crash left between them. */
#ifndef WARD_SERVER_OP_DESTROYING_H
#define WARD_SERVER_OP_DESTROYING_H

#include "server/op/intent.h"
#include "server/op/votes.h"
#include "server/state.h"

/* A daemon that was not seen for so long holds no copies: its HSM processes ended with it. */
#define WARD_NODE_LIVES_US (60LL * 1000000)

struct ward_destroying {
    struct ward_kek_ref ref;
    struct ward_bytes name;
    struct ward_store_intent intent; /* its row */
    uint8_t prior;
    int64_t due_us, changed_us, now_us;
    struct ward_proposal proposal; /* what officers agreed to */
    struct ward_bytes approvers;
    uint64_t issued; /* data keys under it, which will never open again */
    bool was_gone;   /* somebody else had destroyed the object */
};

/* The version as the state has it: STATE unless it is pending destruction. Fills all but proposal,
 * approvers and issued. */
ward_status ward_destroying_begin(const struct ward_state *state, const struct ward_kek_ref *ref,
                                  int64_t now_us, struct ward_destroying *ret);
ward_status ward_destroying_check_due(const struct ward_destroying *destroying);
/* Within WARD_CLOCKS_APART_US of each other. */
bool ward_destroying_clocks_agree(int64_t now_us, int64_t database_us);
/* One clock alone could be weeks ahead, so the database's is the second witness: STATE unless both
 * agree and the waiting is over by both. `nodes`: a WARD_READ_NODES; now_us: this daemon's time
 * when it was answered. What is checked later goes by the earlier of the two. */
ward_status ward_destroying_check_clocks(const struct ward_read *nodes, int64_t now_us,
                                         struct ward_destroying *destroying);
/* Every daemon that lives, as the database's clock has it, has no key of before that epoch any
 * more. `nodes`: a WARD_READ_NODES. */
bool ward_destroying_all_let_go(const struct ward_read *nodes, uint64_t epoch);
/* Did officers agree to destroy this very version, so long ago that it is due by what they signed?
 * STATE or DENIED otherwise. */
ward_status ward_destroying_check_votes(struct ward_request *request, struct ward_worker *worker,
                                        const struct ward_store_proposal *stored,
                                        struct ward_destroying *destroying);
/* STATE: rows need the version. `rows` is a WARD_READ_ROWS of its key. */
ward_status ward_destroying_check_rows(const struct ward_read *rows,
                                       const struct ward_destroying *destroying);

ward_status ward_destroying_intent(struct ward_destroying *destroying, struct ward_batch *batch);
ward_status ward_destroying_effect(struct ward_destroying *destroying, struct ward_worker *worker);
ward_status ward_destroying_outcome(const struct ward_destroying *destroying,
                                    struct ward_batch *batch);
/* Back to pending as it was, to be tried again or cancelled. */
ward_status ward_destroying_undo(const struct ward_destroying *destroying,
                                 struct ward_batch *batch);
/* At most eight details of the audit entry. */
ward_status ward_destroying_tell(const struct ward_destroying *destroying,
                                 struct ward_request *request);

#endif
