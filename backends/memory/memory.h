/* SPDX-License-Identifier: Apache-2.0 */
/* What a test does to a memory store besides using it. */
#ifndef WARD_BACKENDS_MEMORY_MEMORY_H
#define WARD_BACKENDS_MEMORY_MEMORY_H

#include "backends/store.h"
#include "base/clock.h"

/* Decides how a commit ends, before it is looked at: WARD_COMMITTED lets it be. UNKNOWN with
 * *ret_happens set does all of it and says UNKNOWN, without it does nothing; every other outcome
 * does nothing. Called under the store's lock, so it must not call the store. */
typedef enum ward_commit_outcome ward_memory_fault(void *arg, const struct ward_commit *commit,
                                                   bool *ret_happens);

/* fault NULL: no faults again. */
void ward_store_memory_set_fault(struct ward_store *store, ward_memory_fault *fault, void *arg);
/* While it is down every call answers UNAVAILABLE, and locks are lost. */
void ward_store_memory_set_down(struct ward_store *store, bool down);
/* What the database's clock says; borrowed. The system's when it is not set. */
void ward_store_memory_set_clock(struct ward_store *store, const struct ward_clock *clock);
/* How many transactions were committed. */
uint64_t ward_store_memory_commits(struct ward_store *store);
/* A subject key's state: 1 active, 2 retired. False when it is not there. */
bool ward_store_memory_set_subject_state(struct ward_store *store, const struct ward_id *id,
                                         uint8_t state);

#endif
