/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon in one piece, for the files that put it together and nobody else: app.c starts and
 * stops it, app_state.c keeps its state, app_calls.c answers what its parts ask, app_metrics.c
 * tells its figures. */
#ifndef WARD_SERVER_APP_PARTS_H
#define WARD_SERVER_APP_PARTS_H

#include "server/app.h"
#include "server/jobs/jobs.h"
#include "server/metrics.h"
#include "server/policy_chain.h"
#include "server/rpc/rpc.h"
#include "server/tamper.h"
#include "server/work/attestation.h"
#include "server/work/budget.h"
#include "server/work/reader.h"
#include "server/work/worker.h"

#define WARD_APP_PEERS_MAX 16

struct ward_app {
    const struct ward_config *config;
    struct ward_kek *kek;
    struct ward_kek_session *session; /* while it starts; then the first worker has it */
    struct ward_store *store;
    struct ward_attestation *attestation;
    struct ward_state_slot states;
    bool has_states;
    pthread_mutex_t refreshing; /* one at a time, so that snapshots only ever become newer */
    struct ward_policy_chain policies;
    struct ward_pipeline pipeline;
    bool has_pipeline;
    struct ward_trust *trust;
    struct ward_budget *budget;
    struct ward_throttle *throttle;
    struct ward_worker *workers[WARD_APP_PEERS_MAX];
    struct ward_reader *readers[WARD_APP_PEERS_MAX];
    struct ward_committer *committer;
    struct ward_jobs *jobs;
    struct ward_metrics *metrics;
    struct ward_rpc *rpc;
    atomic_uint handshakes_failed, requests_refused;
    atomic_size_t revocations_missing; /* taken out of the database by hand */
    atomic_bool must_stop, serving, must_recheck;
    struct ward_posture posture;
    struct ward_tamper tamper;
    struct ward_seal adopted; /* set: of a database that had none */
};

/* app_state.c: the first one, from the database as it is found; context: the app. */
ward_status ward_app_first_state(struct ward_app *app);
ward_status ward_app_refresh(void *context, struct ward_store_reader *reader);
void ward_app_in_force(void *context);

/* app_calls.c */
void ward_app_handler(struct ward_app *app, struct ward_rpc_handler *ret);
void ward_app_set_posture(struct ward_app *app);
void ward_app_complete(void *context, struct ward_list *requests);
uint64_t ward_app_settled_epoch(void *context);
bool ward_app_serving(void *context);
void ward_app_take_unidentified(void *context, unsigned *ret_handshakes, unsigned *ret_requests);
void ward_app_rolled_back(void *context, uint64_t size, uint64_t acknowledged);
void ward_app_stop_edited(void *context);
void ward_app_migrated(void *context);
void ward_app_altered(void *context, ward_status status);
void ward_app_endings(void *context, struct ward_endings *ret);
size_t ward_app_heard(void *context, struct ward_sighting out[static WARD_SIGHTINGS_MAX]);
void ward_app_elsewhere(void *context, const struct ward_sighting *here,
                        const struct ward_ip *other, bool earlier);
size_t ward_app_shared_untold(void *context, struct ward_shared *out, size_t max);
void ward_app_shared_told(void *context, const uint8_t certificate[static 32]);
void ward_app_look(void *context, struct ward_store_reader *reader);

/* app_metrics.c */
void ward_app_write_metrics(void *context, struct ward_buffer *out);

#endif
