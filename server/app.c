/* SPDX-License-Identifier: Apache-2.0 */
/* Order of start: HSM, database, state, workers, readers, committer, first entry, jobs, network.
 * The daemon is ready only after the HSM answered a known question, the database gave its head, and
 * an audit entry was durable. An HSM or a database that is away is waited for; what is wrong with
 * them ends the start at once. Stopping goes the other way round, and every stage drains before the
 * next. */
#include "server/app.h"

#include <stdlib.h>

#include "backends/pkcs11/kek_pkcs11.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "server/app_parts.h"
#include "server/jobs/internal.h"
#include "server/limits.h"
#include "server/net/tls.h"
#include "server/op/stored_checkpoints.h"
#include "server/op/system.h"
#include "server/patience.h"

#define DRAIN_MS 10000
#define START_PATIENCE_US (30LL * 1000000)
#define START_PAUSE_MS 200

static struct ward_pkcs11_config pkcs11_of(const struct ward_config *config)
{
    return (struct ward_pkcs11_config){.helper_path = config->hsm_helper,
                                       .module_path = config->hsm_module,
                                       .token_label = config->hsm_token_label,
                                       .token_serial = config->hsm_token_serial,
                                       .pin_file = config->hsm_pin_file,
                                       .deadline_ms = config->hsm_deadline_ms,
                                       .start_deadline_ms = 10000,
                                       .working_copies = config->hsm_working_copies,
                                       .working_copies_max = config->hsm_working_copies_max};
}

ward_status ward_app_open_kek(const struct ward_config *config, struct ward_kek **ret)
{
    const struct ward_pkcs11_config pkcs11 = pkcs11_of(config);
    return ward_kek_pkcs11_open(&pkcs11, ret);
}

ward_status ward_app_rotate_pin(const struct ward_config *config, const char *new_pin_file)
{
    const struct ward_pkcs11_config pkcs11 = pkcs11_of(config);
    return ward_pkcs11_rotate_pin(&pkcs11, new_pin_file);
}

/* ---- start ---- */

static ward_status start_committer(struct ward_app *app)
{
    struct ward_store_reader *reader = NULL;
    uint64_t floor;
    WARD_TRY(ward_store_reader_open(app->store, &reader));
    struct ward_state *state = ward_state_slot_get(&app->states);
    ward_status status = ward_stored_floor(state, reader, &floor);
    ward_state_unref(state);
    ward_store_reader_close(reader);
    WARD_TRY(status);
    const struct ward_committer_config config = {.pipeline = &app->pipeline,
                                                 .store = app->store,
                                                 .node = ward_bytes_str(app->config->node),
                                                 .refresh = ward_app_refresh,
                                                 .refresh_context = app,
                                                 .rolled_back = ward_app_rolled_back,
                                                 .altered = ward_app_altered,
                                                 .halted = &app->tamper.found,
                                                 .adopt = app->adopted.set ? &app->adopted : NULL};
    return ward_committer_start(&config, floor, &app->committer);
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
        if (app->readers[i] == NULL) {
            WARD_TRY(ward_reader_start(&app->pipeline, app->store, &app->readers[i]));
        }
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
                                          .settled_epoch = ward_app_settled_epoch,
                                          .refresh = ward_app_refresh,
                                          .in_force = ward_app_in_force,
                                          .migrated = ward_app_migrated,
                                          .look = ward_app_look,
                                          .endings = ward_app_endings,
                                          .heard = ward_app_heard,
                                          .elsewhere = ward_app_elsewhere,
                                          .shared_untold = ward_app_shared_untold,
                                          .shared_told = ward_app_shared_told,
                                          .context = app,
                                          .unidentified = ward_app_take_unidentified,
                                          .rewrap_share = app->config->rewrap_share};
    WARD_TRY(ward_jobs_start(&jobs, &app->jobs));
    if (app->config->metrics_listen != NULL) {
        const struct ward_metrics_source source = {app, ward_app_write_metrics, ward_app_serving};
        WARD_TRY(ward_metrics_start(app->config->metrics_listen, &source, &app->metrics));
    }
    app->serving = true;
    return ward_rpc_start(app->rpc);
}

#define CLIENT_CA_MAX (1u << 20)
#define CLIENT_CRL_MAX (64u << 20)

/* The CAs of clients, and their revocation lists, a second time: TLS has them for handshakes, we
 * for votes out of the database. */
static ward_status load_trust(const struct ward_app *app, struct ward_trust **ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_bytes pem, lists = {0};
    WARD_TRY(ward_arena_new(2 * (CLIENT_CA_MAX + (size_t)CLIENT_CRL_MAX), &arena));
    WARD_TRY(ward_config_read_file(app->config->tls_client_ca, CLIENT_CA_MAX, arena, &pem));
    if (app->config->tls_client_crl != NULL) {
        WARD_TRY(ward_config_read_file(app->config->tls_client_crl, CLIENT_CRL_MAX, arena, &lists));
    }
    return ward_trust_new(pem, lists, ret);
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
    struct ward_rpc_handler handler;
    ward_app_handler(app, &handler);
    WARD_TRY(ward_rpc_new(&rpc, &handler, &app->rpc));
    WARD_TRY(load_trust(app, &app->trust));
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
    app->pipeline.complete = ward_app_complete;
    app->pipeline.complete_context = app;
    app->pipeline.trust = app->trust;
    app->pipeline.budget = app->budget;
    app->pipeline.throttle = app->throttle;
    app->pipeline.without_proof = !app->config->hsm_wrap_proof;
    ward_app_set_posture(app);
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
        open_session, probe,         ward_app_first_state, attest,
        set_pipeline, start_workers, start_committer,      first_entry};
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
    app->tamper = (struct ward_tamper){.stop = ward_app_stop_edited, .context = app};
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

/* All or nothing: votes are held against the same CAs and lists as handshakes. */
static ward_status reload_certificates(struct ward_app *app)
{
    struct ward_tls *tls = NULL;
    struct ward_trust *trust = NULL;
    WARD_TRY(ward_rpc_read_certificates(app->rpc, &tls));
    ward_status status = load_trust(app, &trust);
    if (!ward_ok(status)) {
        ward_tls_free(tls);
        return status;
    }
    ward_trust_replace(app->trust, trust);
    ward_rpc_use_certificates(app->rpc, tls);
    return WARD_OK;
}

void ward_app_reload(struct ward_app *app, const struct ward_config *config)
{
    ward_log_level_set(config->log_level);
    ward_kek_pkcs11_try_pin(app->kek);
    ward_status status = reload_certificates(app);
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
    for (size_t i = 0; i < WARD_APP_PEERS_MAX; i++) {
        ward_reader_join(app->readers[i]);
    }
    ward_queue_close(&app->pipeline.work);
    for (size_t i = 0; i < WARD_APP_PEERS_MAX; i++) {
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
