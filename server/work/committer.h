/* SPDX-License-Identifier: Apache-2.0 */
/* The committer: one thread, one PostgreSQL connection. It takes all that waits and commits it at
 * once: the rows of every request, one audit row for all of them, and the head. Nothing is answered
 * before. */
#ifndef WARD_SERVER_WORK_COMMITTER_H
#define WARD_SERVER_WORK_COMMITTER_H

#include "server/rpc/pipeline.h"

struct ward_committer;

struct ward_committer_config {
    struct ward_pipeline *pipeline;
    struct ward_store *store;
    struct ward_bytes node; /* kept by reference */
    /* Reads the store and puts a newer state into the pipeline's slot; on the committer's thread.
     */
    ward_status (*refresh)(void *context, struct ward_store_reader *reader);
    void *refresh_context;
    /* The database went back behind what was acknowledged: the daemon must stop. */
    void (*rolled_back)(void *context, uint64_t size, uint64_t acknowledged);
    /* Somebody else than a daemon wrote the head row: the daemon must stop. status: a refusal that
     * says what. */
    void (*altered)(void *context, ward_status status);
    const atomic_bool *halted;     /* nothing is committed and answered any more; NULL: never */
    const struct ward_seal *adopt; /* for a head that has none, once; NULL: it is refused */
};

/* Reads the head once: UNAVAILABLE, or STATE when the database's settings are unsafe. floor: the
 * size of the newest signed checkpoint; a head below it is a rollback (STATE). */
ward_status ward_committer_start(const struct ward_committer_config *config, uint64_t floor,
                                 struct ward_committer **ret);
void ward_committer_join(
    struct ward_committer *committer); /* after the queue was closed; NULL is fine */

/* The tree as it was last acknowledged; any thread. */
void ward_committer_tree(struct ward_committer *committer, struct ward_merkle *ret);
bool ward_committer_healthy(
    struct ward_committer *committer); /* the last commit reached the database */
uint64_t ward_committer_commits(struct ward_committer *committer);

#endif
