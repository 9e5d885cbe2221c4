/* SPDX-License-Identifier: Apache-2.0 */
/* What network, jobs, committer and diagnosis ask of the daemon as a whole, each on its own thread.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/app_parts.h"
#include "server/hardening.h"

#define SHARED_LATELY_US (24LL * 3600 * 1000000)

static void submit(void *context, struct ward_list *requests)
{
    struct ward_app *app = context;
    ward_pipeline_submit(&app->pipeline, requests);
}

void ward_app_complete(void *context, struct ward_list *requests)
{
    struct ward_app *app = context;
    ward_rpc_complete(app->rpc, requests);
}

uint64_t ward_app_settled_epoch(void *context)
{
    struct ward_app *app = context;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < app->config->hsm_workers; i++) {
        uint64_t epoch = app->workers[i]->settled_epoch;
        least = epoch < least ? epoch : least;
    }
    return least;
}

bool ward_app_serving(void *context)
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

void ward_app_take_unidentified(void *context, unsigned *ret_handshakes, unsigned *ret_requests)
{
    struct ward_app *app = context;
    *ret_handshakes = atomic_exchange(&app->handshakes_failed, 0);
    *ret_requests = atomic_exchange(&app->requests_refused, 0);
}

void ward_app_rolled_back(void *context, uint64_t size, uint64_t acknowledged)
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

void ward_app_stop_edited(void *context)
{
    struct ward_app *app = context;
    app->must_stop = true;
    (void)kill(getpid(), SIGTERM);
}

/* It could not commit any more, whatever it was asked. */
void ward_app_migrated(void *context)
{
    struct ward_app *app = context;
    if (!atomic_exchange(&app->must_stop, true)) {
        ward_log(WARD_LOG_ERROR, "the database was migrated to the schema of another version of "
                                 "this program, and takes nothing from this one; stopping");
        (void)kill(getpid(), SIGTERM);
    }
}

void ward_app_altered(void *context, ward_status status)
{
    struct ward_app *app = context;
    ward_tamper_tell(&app->tamper, status);
}

void ward_app_look(void *context, struct ward_store_reader *reader)
{
    struct ward_app *app = context;
    struct ward_state *state = ward_state_slot_get(&app->states);
    ward_tamper_look(&app->tamper, reader, state->index);
    ward_state_unref(state);
}

void ward_app_endings(void *context, struct ward_endings *ret)
{
    struct ward_app *app = context;
    ward_rpc_endings(app->rpc, ret);
}

size_t ward_app_heard(void *context, struct ward_sighting out[static WARD_SIGHTINGS_MAX])
{
    struct ward_app *app = context;
    return ward_rpc_heard(app->rpc, out);
}

void ward_app_elsewhere(void *context, const struct ward_sighting *here,
                        const struct ward_ip *other, bool earlier)
{
    struct ward_app *app = context;
    ward_rpc_elsewhere(app->rpc, here, other, earlier);
}

size_t ward_app_shared_untold(void *context, struct ward_shared *out, size_t max)
{
    struct ward_app *app = context;
    return ward_rpc_shared_untold(app->rpc, out, max);
}

void ward_app_shared_told(void *context, const uint8_t certificate[static 32])
{
    struct ward_app *app = context;
    ward_rpc_shared_told(app->rpc, certificate);
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

static size_t shared_lately(void *context, struct ward_shared *out, size_t max)
{
    struct ward_app *app = context;
    return ward_rpc_shared_since(app->rpc, ward_monotonic_us(&ward_clock_system) - SHARED_LATELY_US,
                                 out, max);
}

void ward_app_set_posture(struct ward_app *app)
{
    const struct ward_config *config = app->config;
    app->posture =
        (struct ward_posture){.context = app,
                              .snapshot = snapshot_now,
                              .certificate_end_us = certificate_end_us,
                              .shared_lately = shared_lately,
                              .development_module = strstr(config->hsm_module, "softhsm") != NULL,
                              .memory_locked = ward_hardening_locked_all(),
                              .wrap_soft_limit = config->wrap_soft_limit,
                              .wrap_hard_limit = config->wrap_hard_limit};
    app->pipeline.posture = &app->posture;
}

void ward_app_handler(struct ward_app *app, struct ward_rpc_handler *ret)
{
    *ret = (struct ward_rpc_handler){
        .context = app,
        .submit = submit,
        .serving = ward_app_serving,
        .unidentified = count_unidentified,
        .still_welcome = still_welcome,
        .officer = officer,
        .may_reflect = app->config->reflection ? may_reflect : NULL,
    };
}
