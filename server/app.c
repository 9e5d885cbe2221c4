/* SPDX-License-Identifier: Apache-2.0 */
/* Order of start: HSM, database, state, workers, readers, committer, first entry, jobs, network.
 * The daemon is ready only after the HSM answered a known question, the database gave its head, and
 * an audit entry was durable. An HSM or a database that is away is waited for; what is wrong with
 * them ends the start at once. Stopping goes the other way round, and every stage drains before the
 * next. */
#include "server/app.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/pkcs11/kek_pkcs11.h"
#include "base/failpoint.h"
#include "server/work/attestation.h"
#include "server/work/budget.h"
#include "server/hardening.h"
#include "server/index_key.h"
#include "server/jobs/internal.h"
#include "server/jobs/jobs.h"
#include "server/jobs/rotation.h"
#include "server/limits.h"
#include "server/metrics.h"
#include "server/op/system.h"
#include "server/patience.h"
#include "server/policy_chain.h"
#include "server/revoked.h"
#include "server/tamper.h"
#include "server/rpc/rpc.h"
#include "server/work/reader.h"
#include "server/work/worker.h"

#define SNAPSHOT_ARENA (256u << 20)
#define DRAIN_MS 10000
#define START_PATIENCE_US (30LL * 1000000)
#define START_PAUSE_MS 200
#define PEERS_MAX 16

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
    struct ward_worker *workers[PEERS_MAX];
    struct ward_reader *readers[PEERS_MAX];
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

ward_status ward_app_open_kek(const struct ward_config *config, struct ward_kek **ret)
{
    const struct ward_pkcs11_config pkcs11 = {.helper_path = config->hsm_helper,
                                              .module_path = config->hsm_module,
                                              .token_label = config->hsm_token_label,
                                              .token_serial = config->hsm_token_serial,
                                              .pin_file = config->hsm_pin_file,
                                              .deadline_ms = config->hsm_deadline_ms,
                                              .start_deadline_ms = 10000,
                                              .working_copies = config->hsm_working_copies,
                                              .working_copies_max = config->hsm_working_copies_max};
    return ward_kek_pkcs11_open(&pkcs11, ret);
}

/* ---- state ---- */

static ward_status load_snapshot(struct ward_store_reader *reader, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret)
{
    WARD_TRY(ward_store_snapshot(reader, arena, ret));
    if (!ret->initialised) {
        return WARD_REFUSAL(WARD_E_STATE, "database: not initialised; run wardd --genesis once");
    }
    if (ret->deployment.schema_version != WARD_SCHEMA_VERSION) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "database: its schema has another version than this daemon");
    }
    return WARD_OK;
}

static ward_status keep_revoked(struct ward_app *app, const struct ward_state *now,
                                struct ward_store_reader *reader, struct ward_arena *arena,
                                struct ward_store_snapshot *snapshot)
{
    size_t missing;
    WARD_TRY(ward_revoked_keep(now, reader, app->trust, arena, snapshot, &missing));
    if (missing != atomic_exchange(&app->revocations_missing, missing) && missing > 0) {
        ward_log_number(WARD_LOG_ERROR,
                        "revocations are gone from the database, and no officers signed that: they "
                        "stay in force here",
                        "revocations", (long long)missing);
    }
    return WARD_OK;
}

/* What officers did not sign is not in force for one moment: until the end, the policy before it
 * is, and no answer is given under that any more, since the epoch has moved. */
static ward_status verify_policy(struct ward_app *app, struct ward_store_reader *reader,
                                 const struct ward_store_snapshot *snapshot)
{
    ward_status status = ward_policy_chain_follow(&app->policies, reader, snapshot);
    if (status.code == WARD_E_STATE && app->has_states) {
        ward_log_text(WARD_LOG_ERROR, "the policy in the database is not to be trusted; stopping",
                      "why", ward_status_refusal(status));
        app->must_stop = true;
        (void)kill(getpid(), SIGTERM);
    }
    return status;
}

static ward_status renew(struct ward_app *app, struct ward_store_reader *reader)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(SNAPSHOT_ARENA, &arena));
    struct ward_store_snapshot snapshot;
    WARD_TRY(load_snapshot(reader, arena, &snapshot));
    struct ward_state *now = ward_state_slot_get(&app->states), *state = NULL;
    ward_status status = ward_tamper_check(now->index, &snapshot);
    if (status.code == WARD_E_STATE) {
        ward_tamper_tell(&app->tamper, status);
        status = WARD_STATUS(WARD_E_UNAVAILABLE); /* it is told once */
    }
    if (ward_ok(status)) {
        status = verify_policy(app, reader, &snapshot);
    }
    if (ward_ok(status)) {
        status = keep_revoked(app, now, reader, arena, &snapshot);
    }
    if (ward_ok(status)) {
        status = ward_state_new(&snapshot, app->policies.policy, ward_bytes_str(app->config->node),
                                ward_index_ref(now->index), &state);
    }
    if (ward_ok(status)) {
        status = ward_revoked_date(state, now);
    }
    ward_state_unref(now);
    if (!ward_ok(status)) {
        ward_state_unref(state);
        return status;
    }
    ward_state_slot_put(&app->states, state);
    app->must_recheck = true;
    return WARD_OK;
}

static ward_status refresh(void *context, struct ward_store_reader *reader)
{
    struct ward_app *app = context;
    (void)pthread_mutex_lock(&app->refreshing);
    ward_status status = renew(app, reader);
    (void)pthread_mutex_unlock(&app->refreshing);
    return status;
}

/* Somebody may have been revoked: his connections end. Not before the answers that the new state
 * came with have had a moment to go out: who revoked himself is told. */
static void in_force(void *context)
{
    struct ward_app *app = context;
    if (atomic_exchange(&app->must_recheck, false)) {
        ward_rpc_recheck(app->rpc);
    }
}

static ward_status believe(struct ward_app *app, const struct ward_index *index,
                           const struct ward_store_snapshot *snapshot)
{
    if (app->config->adopt_database && !snapshot->head.seal.set && !snapshot->head.damaged) {
        return ward_tamper_adopt(index, snapshot, &app->adopted);
    }
    if (app->config->adopt_database) {
        ward_log(WARD_LOG_WARN, "--adopt-database: its rows are authenticated already");
    }
    return ward_tamper_check(index, snapshot);
}

static ward_status open_index(struct ward_kek_session *session,
                              const struct ward_store_snapshot *snapshot, struct ward_index **ret)
{
    WARD_ENSURE(snapshot->n_index_keys == 1, WARD_E_STATE);
    ward_status status = ward_index_key_open(session, &snapshot->deployment.id,
                                             snapshot->index_keys[0].wrapped, ret);
    if (status.code == WARD_E_CIPHERTEXT || status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_STATE, "hsm: the token does not hold this database's keys");
    }
    return status;
}

static ward_status first_state(struct ward_app *app)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(SNAPSHOT_ARENA, &arena));
    struct ward_store_reader *reader = NULL;
    WARD_TRY(ward_store_reader_open(app->store, &reader));
    struct ward_store_snapshot snapshot;
    struct ward_index *index = NULL;
    ward_status status = load_snapshot(reader, arena, &snapshot);
    if (ward_ok(status)) {
        status = open_index(app->session, &snapshot, &index);
    }
    if (ward_ok(status)) {
        status = believe(app, index, &snapshot);
    }
    if (ward_ok(status)) {
        status = verify_policy(app, reader, &snapshot);
    }
    ward_store_reader_close(reader);
    if (!ward_ok(status)) {
        ward_index_unref(index);
        return status;
    }
    struct ward_state *state;
    WARD_TRY(ward_state_new(&snapshot, app->policies.policy, ward_bytes_str(app->config->node),
                            index, &state));
    ward_state_slot_init(&app->states, state);
    app->has_states = true;
    return WARD_OK;
}

/* ---- what the network and the jobs call ---- */

static void submit(void *context, struct ward_list *requests)
{
    struct ward_app *app = context;
    ward_pipeline_submit(&app->pipeline, requests);
}

static void complete(void *context, struct ward_list *requests)
{
    struct ward_app *app = context;
    ward_rpc_complete(app->rpc, requests);
}

static uint64_t settled_epoch(void *context)
{
    struct ward_app *app = context;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < app->config->hsm_workers; i++) {
        uint64_t epoch = app->workers[i]->settled_epoch;
        least = epoch < least ? epoch : least;
    }
    return least;
}

static bool serving(void *context)
{
    struct ward_app *app = context;
    bool device = false;
    for (size_t i = 0; i < app->config->hsm_workers; i++) {
        device |= app->workers[i] != NULL && app->workers[i]->device_ok;
    }
    return app->serving && device && !app->tamper.found && ward_committer_healthy(app->committer);
}

static bool still_welcome(void *context, const struct ward_peer *peer)
{
    struct ward_app *app = context;
    struct ward_state *state = ward_state_slot_get(&app->states);
    bool welcome = !ward_state_revoked(state, peer);
    ward_state_unref(state);
    return welcome;
}

/* Connections of people who can change keys or read the log end sooner than applications' do. */
static bool officer(void *context, const struct ward_peer *peer)
{
    struct ward_app *app = context;
    struct ward_state *state = ward_state_slot_get(&app->states);
    const struct ward_subject *subject =
        ward_policy_subject(state->policy, ward_bytes_str(peer->identity));
    bool privileged = subject != NULL && ward_subject_kind(subject) != WARD_ROLE_APPLICATION;
    ward_state_unref(state);
    return privileged;
}

static ward_status may_reflect(void *context, struct ward_peer *peer)
{
    struct ward_app *app = context;
    struct ward_request asked = {.peer = peer,
                                 .state = ward_state_slot_get(&app->states),
                                 .received_wall_us = ward_wall_us(&ward_clock_system)};
    ward_status status = WARD_REFUSAL(WARD_E_DENIED, "identity: revoked");
    if (!ward_state_revoked(asked.state, peer)) {
        status = ward_request_ask(&asked, WARD_ACTION_SERVER_REFLECT, (struct ward_bytes){0}, NULL)
                     .status;
    }
    ward_state_unref(asked.state);
    return status;
}

static void count_unidentified(void *context, unsigned handshakes, unsigned requests)
{
    struct ward_app *app = context;
    app->handshakes_failed += handshakes;
    app->requests_refused += requests;
}

static void take_unidentified(void *context, unsigned *ret_handshakes, unsigned *ret_requests)
{
    struct ward_app *app = context;
    *ret_handshakes = atomic_exchange(&app->handshakes_failed, 0);
    *ret_requests = atomic_exchange(&app->requests_refused, 0);
}

static void rolled_back(void *context, uint64_t size, uint64_t acknowledged)
{
    struct ward_app *app = context;
    ward_log_number(
        WARD_LOG_ERROR,
        "the database went back behind entries that were acknowledged: it was restored or "
        "failed over to a copy that lags; stopping",
        "entries_lost", (long long)(acknowledged - size));
    app->must_stop = true;
    (void)kill(getpid(), SIGTERM);
}

static void stop_edited(void *context)
{
    struct ward_app *app = context;
    app->must_stop = true;
    (void)kill(getpid(), SIGTERM);
}

static void altered(void *context, ward_status status)
{
    struct ward_app *app = context;
    ward_tamper_tell(&app->tamper, status);
}

static void look(void *context, struct ward_store_reader *reader)
{
    struct ward_app *app = context;
    struct ward_state *state = ward_state_slot_get(&app->states);
    ward_tamper_look(&app->tamper, reader, state->index);
    ward_state_unref(state);
}

#define KEY_LINES 20 /* of so many keys is told, however many there are */

static void write_keys(struct ward_app *app, struct ward_buffer *out)
{
    struct ward_key_left left[KEY_LINES];
    struct ward_state *state = ward_state_slot_get(&app->states);
    size_t n = ward_rotation_fewest_left(&app->pipeline, state, left, KEY_LINES);
    for (size_t i = 0; i < n; i++) {
        ward_metrics_key_line(out, "ward_key_wraps_left", i == 0, left[i].key->name,
                              left[i].version, (double)left[i].wraps_left);
    }
    n = ward_rotation_oldest(&app->pipeline, state, left, KEY_LINES);
    for (size_t i = 0; i < n; i++) {
        ward_metrics_key_line(out, "ward_key_period_used", i == 0, left[i].key->name,
                              left[i].version, left[i].period_used);
    }
    ward_metrics_line(out, "ward_keys_due_for_rotation", "gauge",
                      (double)ward_rotation_n_due(&app->pipeline, state));
    ward_state_unref(state);
}

static void write_rewrap(struct ward_app *app, struct ward_buffer *out)
{
    struct ward_rewrap_stats stats;
    ward_jobs_rewrap(app->jobs, &stats);
    ward_metrics_line(out, "ward_rewrapped_total", "counter", (double)stats.rewrapped);
    ward_metrics_line(out, "ward_rewrap_rows_left", "gauge", (double)stats.left);
    ward_metrics_line(out, "ward_rewrap_rows_failed", "gauge", (double)stats.failed);
    ward_metrics_line(out, "ward_rewrap_jobs", "gauge", (double)stats.running);
    ward_metrics_line(out, "ward_rewrap_jobs_stuck", "gauge", (double)stats.stuck);
}

static void write_metrics(void *context, struct ward_buffer *out)
{
    struct ward_app *app = context;
    struct ward_rpc_stats rpc;
    struct ward_merkle tree;
    ward_rpc_stats(app->rpc, &rpc);
    ward_committer_tree(app->committer, &tree);
    ward_metrics_line(out, "ward_ready", "gauge", serving(app));
    ward_metrics_line(out, "ward_requests_allowed_total", "counter", (double)app->pipeline.allowed);
    ward_metrics_line(out, "ward_requests_refused_total", "counter", (double)app->pipeline.refused);
    ward_metrics_line(out, "ward_requests_failed_total", "counter", (double)app->pipeline.failed);
    ward_metrics_line(out, "ward_requests_overloaded_total", "counter",
                      (double)app->pipeline.overloaded);
    ward_metrics_line(out, "ward_requests_throttled_total", "counter",
                      (double)app->pipeline.throttled);
    ward_metrics_line(out, "ward_requests_cancelled_total", "counter",
                      (double)app->pipeline.cancelled);
    ward_metrics_line(out, "ward_requests_expired_total", "counter", (double)app->pipeline.expired);
    ward_metrics_line(out, "ward_requests_vanished_total", "counter", (double)rpc.vanished);
    ward_metrics_line(out, "ward_request_seconds_total", "counter",
                      (double)app->pipeline.latency_us / 1e6);
    ward_metrics_line(out, "ward_requests_total", "counter", (double)app->pipeline.completed);
    ward_metrics_line(out, "ward_commits_total", "counter",
                      (double)ward_committer_commits(app->committer));
    ward_metrics_line(out, "ward_audit_entries", "counter", (double)tree.size);
    write_rewrap(app, out);
    ward_metrics_line(out, "ward_unreviewed_acts", "gauge",
                      (double)ward_jobs_unreviewed(app->jobs));
    ward_metrics_line(out, "ward_revocations_missing", "gauge", (double)app->revocations_missing);
    ward_metrics_line(out, "ward_connections", "gauge", (double)rpc.connections);
    ward_metrics_line(out, "ward_connections_total", "counter", (double)rpc.connections_total);
    ward_metrics_line(out, "ward_handshakes_failed_total", "counter",
                      (double)rpc.handshakes_failed);
    ward_metrics_line(out, "ward_handshakes", "gauge", (double)rpc.handshakes);
    ward_metrics_line(out, "ward_connections_turned_away_total", "counter",
                      (double)rpc.turned_away);
    ward_metrics_line(out, "ward_connections_dead_total", "counter", (double)rpc.dead);
    ward_metrics_line(out, "ward_held_bytes", "gauge", (double)rpc.held_bytes);
    write_keys(app, out);
    ward_alarms_write(&app->pipeline.alarms, out);
    ward_metrics_line(out, "ward_queue_work", "gauge",
                      (double)ward_queue_size(&app->pipeline.work));
    ward_metrics_line(out, "ward_queue_reads", "gauge",
                      (double)ward_queue_size(&app->pipeline.reads));
    ward_metrics_line(out, "ward_queue_commits", "gauge",
                      (double)ward_queue_size(&app->pipeline.commits));
}

/* ---- what a diagnosis asks ---- */

/* On a connection of its own: nobody asks often. */
static ward_status snapshot_now(void *context, struct ward_arena *arena,
                                struct ward_store_snapshot *ret)
{
    struct ward_app *app = context;
    struct ward_store_reader *reader = NULL;
    WARD_TRY(ward_store_reader_open(app->store, &reader));
    ward_status status = ward_store_snapshot(reader, arena, ret);
    ward_store_reader_close(reader);
    return status;
}

static int64_t certificate_end_us(void *context)
{
    struct ward_app *app = context;
    return ward_rpc_certificate_end_us(app->rpc);
}

static void set_posture(struct ward_app *app)
{
    const struct ward_config *config = app->config;
    app->posture =
        (struct ward_posture){.context = app,
                              .snapshot = snapshot_now,
                              .certificate_end_us = certificate_end_us,
                              .development_module = strstr(config->hsm_module, "softhsm") != NULL,
                              .memory_locked = ward_hardening_locked_all(),
                              .wrap_soft_limit = config->wrap_soft_limit,
                              .wrap_hard_limit = config->wrap_hard_limit};
    app->pipeline.posture = &app->posture;
}

/* ---- start and stop ---- */

static ward_status start_committer(struct ward_app *app)
{
    struct ward_store_reader *reader = NULL;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(1u << 20, &arena));
    WARD_TRY(ward_store_reader_open(app->store, &reader));
    struct ward_read newest = {.kind = WARD_READ_CHECKPOINT, .arena = arena};
    struct ward_read *reads[] = {&newest};
    ward_status status = ward_store_read(reader, reads, 1);
    ward_store_reader_close(reader);
    WARD_TRY(status);
    if (!ward_ok(newest.status) && newest.status.code != WARD_E_NOT_FOUND) {
        return newest.status;
    }
    const struct ward_committer_config config = {.pipeline = &app->pipeline,
                                                 .store = app->store,
                                                 .node = ward_bytes_str(app->config->node),
                                                 .refresh = refresh,
                                                 .refresh_context = app,
                                                 .rolled_back = rolled_back,
                                                 .altered = altered,
                                                 .halted = &app->tamper.found,
                                                 .adopt = app->adopted.set ? &app->adopted : NULL};
    return ward_committer_start(&config, ward_ok(newest.status) ? newest.checkpoint.size : 0,
                                &app->committer);
}

static ward_status start_workers(struct ward_app *app)
{
    for (unsigned i = 0; i < app->config->hsm_workers; i++) {
        if (app->workers[i] != NULL) {
            continue; /* since the first attempt */
        }
        if (app->session == NULL) {
            WARD_TRY(ward_kek_session_open(app->kek, &app->session));
        }
        struct ward_kek_session *session = WARD_TAKE(app->session);
        WARD_TRY(ward_worker_new(&app->pipeline, session, i > 0, &app->workers[i]));
        WARD_TRY(ward_worker_start(app->workers[i]));
    }
    for (unsigned i = 0; i < app->config->database_readers; i++) {
        WARD_TRY(ward_reader_start(&app->pipeline, app->store, &app->readers[i]));
    }
    return WARD_OK;
}

static ward_status first_entry(struct ward_app *app)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_start, sizeof(struct ward_start), 1u << 20, &request));
    struct ward_start *in = request->in;
    in->without_proof = app->pipeline.without_proof;
    in->adopted = app->adopted.set;
    ward_status status = ward_internal_run(&app->pipeline, request);
    ward_request_free(request);
    return status;
}

static ward_status start_edges(struct ward_app *app)
{
    const struct ward_jobs_config jobs = {.pipeline = &app->pipeline,
                                          .committer = app->committer,
                                          .store = app->store,
                                          .kek = app->kek,
                                          .settled_epoch = settled_epoch,
                                          .refresh = refresh,
                                          .in_force = in_force,
                                          .look = look,
                                          .context = app,
                                          .unidentified = take_unidentified,
                                          .rewrap_share = app->config->rewrap_share};
    WARD_TRY(ward_jobs_start(&jobs, &app->jobs));
    if (app->config->metrics_listen != NULL) {
        const struct ward_metrics_source source = {app, write_metrics, serving};
        WARD_TRY(ward_metrics_start(app->config->metrics_listen, &source, &app->metrics));
    }
    app->serving = true;
    return ward_rpc_start(app->rpc);
}

#define CLIENT_CA_MAX (1u << 20)
#define CLIENT_CRL_MAX (64u << 20)

/* The CAs of clients, and their revocation lists, a second time: TLS has them for handshakes, we
 * for votes out of the database. */
static ward_status load_trust(struct ward_app *app)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_bytes pem, lists = {0};
    WARD_TRY(ward_arena_new(2 * (CLIENT_CA_MAX + (size_t)CLIENT_CRL_MAX), &arena));
    WARD_TRY(ward_config_read_file(app->config->tls_client_ca, CLIENT_CA_MAX, arena, &pem));
    if (app->config->tls_client_crl != NULL) {
        WARD_TRY(ward_config_read_file(app->config->tls_client_crl, CLIENT_CRL_MAX, arena, &lists));
    }
    return app->trust == NULL ? ward_trust_new(pem, lists, &app->trust)
                              : ward_trust_replace(app->trust, pem, lists);
}

static ward_status open_parts(struct ward_app *app)
{
    const struct ward_config *config = app->config;
    const struct ward_rpc_config rpc = {.listen = config->listen,
                                        .certificate_file = config->tls_certificate,
                                        .key_file = config->tls_key,
                                        .client_ca_file = config->tls_client_ca,
                                        .client_crl_file = config->tls_client_crl,
                                        .tls_1_2 = config->tls_1_2,
                                        .loops = 1,
                                        .net = config->net};
    const struct ward_rpc_handler handler = {
        .context = app,
        .submit = submit,
        .serving = serving,
        .unidentified = count_unidentified,
        .still_welcome = still_welcome,
        .officer = officer,
        .may_reflect = config->reflection ? may_reflect : NULL,
    };
    WARD_TRY(ward_rpc_new(&rpc, &handler, &app->rpc));
    WARD_TRY(load_trust(app));
    WARD_TRY(ward_policy_chain_init(&app->policies, config->policy_genesis_sha256, app->trust));
    const struct ward_budget_limits wraps = {config->wrap_soft_limit, config->wrap_hard_limit,
                                             config->wrap_block};
    WARD_TRY(ward_budget_new(&wraps, &app->budget));
    WARD_TRY(ward_throttle_new(WARD_THROTTLE_MAX, &app->throttle));
    WARD_TRY(ward_store_postgres_open(config->database_conninfo, &app->store));
    WARD_TRY(ward_app_open_kek(config, &app->kek));
    return ward_attestation_new(&app->attestation);
}

static ward_status open_session(struct ward_app *app)
{
    return ward_kek_session_open(app->kek, &app->session);
}

static ward_status probe(struct ward_app *app)
{
    return ward_kek_probe(app->session);
}

static ward_status attest(struct ward_app *app)
{
    struct ward_state *state = ward_state_slot_get(&app->states);
    size_t bad; /* logged */
    ward_status status = ward_attestation_check(app->attestation, app->session, state, &bad);
    ward_state_unref(state);
    return status;
}

static ward_status set_pipeline(struct ward_app *app)
{
    ward_pipeline_init(&app->pipeline, &app->states, ward_failpoint_clock());
    app->pipeline.attestation = app->attestation;
    app->pipeline.complete = complete;
    app->pipeline.complete_context = app;
    app->pipeline.trust = app->trust;
    app->pipeline.budget = app->budget;
    app->pipeline.throttle = app->throttle;
    app->pipeline.without_proof = !app->config->hsm_wrap_proof;
    set_posture(app);
    if (app->pipeline.without_proof) {
        ward_log(WARD_LOG_WARN, "hsm.wrap_proof is off: a key that the HSM wraps wrongly is given "
                                "out and will not open; leave it on unless a measurement says why");
    }
    app->has_pipeline = true;
    return WARD_OK;
}

/* Each may be tried again. */
static ward_status start(struct ward_app *app)
{
    static ward_status (*const stages[])(struct ward_app * app) = {
        open_session, probe,         first_state,     attest,
        set_pipeline, start_workers, start_committer, first_entry};
    struct ward_patience patience = {.clock = &ward_clock_system, .pause_ms = START_PAUSE_MS};
    patience.until_us = ward_monotonic_us(patience.clock) + START_PATIENCE_US;
    WARD_TRY(open_parts(app));
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        ward_status status;
        do {
            status = stages[i](app);
        } while (ward_patience_again(&patience, status));
        WARD_TRY(status);
    }
    return start_edges(app);
}

ward_status ward_app_start(const struct ward_config *config, struct ward_app **ret)
{
    struct ward_app *app = calloc(1, sizeof(*app));
    WARD_ENSURE(app != NULL, WARD_E_EXHAUSTED);
    app->config = config;
    (void)pthread_mutex_init(&app->refreshing, NULL); /* cannot fail with default attributes */
    app->tamper = (struct ward_tamper){.stop = stop_edited, .context = app};
    ward_status status = start(app);
    if (!ward_ok(status)) {
        const char *refusal = ward_status_refusal(status);
        if (refusal != NULL) {
            ward_log_text(WARD_LOG_ERROR, "start refused", "why", refusal);
        } else {
            ward_log_status(WARD_LOG_ERROR, "start failed", status);
        }
        ward_app_stop(app);
        return status;
    }
    ward_log_number(WARD_LOG_INFO, "ready", "port", ward_rpc_port(app->rpc));
    *ret = app;
    return WARD_OK;
}

void ward_app_reload(struct ward_app *app, const struct ward_config *config)
{
    (void)config;
    ward_log_level_set(config->log_level);
    ward_status status = ward_rpc_reload(app->rpc);
    if (ward_ok(status)) {
        status = load_trust(app);
    }
    if (ward_ok(status)) {
        ward_log(WARD_LOG_INFO, "certificates and operational settings were read anew");
    } else {
        ward_log_status(WARD_LOG_ERROR,
                        "the new certificates are not usable; the old ones stay in force", status);
    }
}

bool ward_app_must_stop(const struct ward_app *app)
{
    return app->must_stop;
}

static void stop_pipeline(struct ward_app *app)
{
    ward_queue_close(&app->pipeline.reads);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        ward_reader_join(app->readers[i]);
    }
    ward_queue_close(&app->pipeline.work);
    for (size_t i = 0; i < PEERS_MAX; i++) {
        ward_worker_join(app->workers[i]);
    }
    ward_queue_close(&app->pipeline.commits);
    ward_committer_join(app->committer);
}

void ward_app_stop(struct ward_app *app)
{
    if (app == NULL) {
        return;
    }
    app->serving = false;
    if (app->rpc != NULL && app->jobs != NULL) {
        ward_rpc_drain(app->rpc, DRAIN_MS);
    }
    ward_jobs_stop(app->jobs);
    ward_metrics_stop(app->metrics);
    if (app->has_pipeline) {
        stop_pipeline(app);
    }
    ward_rpc_free(app->rpc);
    if (app->has_pipeline) {
        ward_pipeline_fini(&app->pipeline);
    }
    if (app->has_states) {
        ward_state_slot_fini(&app->states);
    }
    ward_policy_chain_fini(&app->policies);
    (void)pthread_mutex_destroy(&app->refreshing);
    ward_attestation_free(app->attestation);
    ward_throttle_free(app->throttle);
    ward_trust_free(app->trust);
    ward_budget_free(app->budget);
    ward_kek_session_close(app->session);
    ward_kek_close(app->kek);
    ward_store_close(app->store);
    free(app);
}
