/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's timers: each a thread that sends requests by identity "system" down the one path.
 *   every 300 ms   the epoch, in case another daemon moved it: revocations cut connections soon
 *   every 5 s      whether the rows that decisions are made of still add up
 *   every second   a checkpoint, when there is news; also within 100 ms of another key of the log
 *                  rotation of a version that is old enough, has wrapped as often as it should, or
 *                  is compromised; also within 100 ms of a change
 *                  destruction of a version whose waiting is over
 *                  an alarm where a certificate or a revocation list ends, or a client certificate
 *                  is in use in two places
 *                  a heartbeat, when the epoch has moved, or ten seconds after the last
 *   every 10 s     where client certificates are in use is told to the other daemons, and learned
 *   every 5 s      the kept answers of changes go when they are a day old
 *   every 10 s     the summary of attempts without an identity, when there were any
 *   after a change the rewrap of subject keys that are below their key's active version
 *   when asked     the rekey of records
 *   every hour     the attributes of every key in the HSM
 *   at start, and every 30 s: what a crash, or an HSM that was away, left between intent and
 *                  outcome */
#ifndef WARD_SERVER_JOBS_JOBS_H
#define WARD_SERVER_JOBS_JOBS_H

#include "server/net/endings.h"
#include "server/net/shared.h"
#include "server/rpc/pipeline.h"
#include "server/work/committer.h"

struct ward_jobs;

struct ward_jobs_config {
    struct ward_pipeline *pipeline;
    struct ward_committer *committer;
    struct ward_store *store;
    struct ward_kek *kek;
    /* The epoch of which every worker holds no key that may not be used any more. */
    uint64_t (*settled_epoch)(void *context);
    ward_status (*refresh)(void *context, struct ward_store_reader *reader);
    /* Every 100 ms, from a thread that waits for nothing but the database: what follows from a
     * new state is done. NULL: nothing. */
    void (*in_force)(void *context);
    /* The same thread: the database was migrated for another program. NULL: nothing. */
    void (*migrated)(void *context);
    /* Every 5 s, from the same thread: do the rows still add up? NULL: nothing. */
    void (*look)(void *context, struct ward_store_reader *reader);
    /* When certificates and revocation lists end. NULL: nothing is known of them. */
    void (*endings)(void *context, struct ward_endings *ret);
    /* Client certificates in use here since the last time, how many; and what another daemon says
     * of one. NULL: daemons tell each other nothing of it. */
    size_t (*heard)(void *context, struct ward_sighting out[static WARD_SIGHTINGS_MAX]);
    void (*elsewhere)(void *context, const struct ward_sighting *here, const struct ward_ip *other,
                      bool earlier);
    /* Client certificates in use in two places at once, of which nobody was told yet. NULL: they
     * are not looked for. */
    size_t (*shared_untold)(void *context, struct ward_shared *out, size_t max);
    void (*shared_told)(void *context, const uint8_t certificate[static 32]);
    void *context;
    void (*unidentified)(void *context, unsigned *ret_handshakes,
                         unsigned *ret_requests); /* takes the counts */
    unsigned rewrap_share; /* percent of the time, while applications call; 0: all of it */
};

struct ward_job_stats {
    uint64_t moved;          /* subject keys or records, by this daemon since its start */
    uint64_t left, failed;   /* of the jobs that run: rows to go, and rows that did not move */
    uint64_t running, stuck; /* jobs */
};

ward_status ward_jobs_start(const struct ward_jobs_config *config, struct ward_jobs **ret);
/* Stops and joins; signs a last checkpoint. NULL is fine. */
void ward_jobs_stop(struct ward_jobs *jobs);
/* For metrics; any thread. */
void ward_jobs_stats(const struct ward_jobs *jobs, uint8_t kind, struct ward_job_stats *ret);
/* Acts that wait for an officer's review, as of a few seconds ago; for metrics. */
uint64_t ward_jobs_unreviewed(const struct ward_jobs *jobs);

#endif
