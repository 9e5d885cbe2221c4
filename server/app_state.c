/* SPDX-License-Identifier: Apache-2.0 */
/* The state that decisions are made with: the first one, and each newer one as the epoch moves.
 * Nothing is put in force that does not add up, or that officers did not sign. */
#include <signal.h>
#include <unistd.h>

#include "base/log.h"
#include "server/app_parts.h"
#include "server/index_key.h"
#include "server/revoked.h"

#define SNAPSHOT_ARENA (256u << 20)

static ward_status load_snapshot(struct ward_store_reader *reader, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret)
{
    WARD_TRY(ward_store_snapshot(reader, arena, ret));
    if (!ret->initialised) {
        return WARD_REFUSAL(WARD_E_STATE, "database: not initialised; run wardd --genesis once");
    }
    if (ret->deployment.schema_version != WARD_SCHEMA_VERSION) {
        return WARD_REFUSAL(WARD_E_STATE, WARD_STORE_OTHER_SCHEMA);
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
        ward_state_date_keys(state, now);
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

ward_status ward_app_refresh(void *context, struct ward_store_reader *reader)
{
    struct ward_app *app = context;
    (void)pthread_mutex_lock(&app->refreshing);
    ward_status status = renew(app, reader);
    (void)pthread_mutex_unlock(&app->refreshing);
    return status;
}

/* Somebody may have been revoked: his connections end. Not before the answers that the new state
 * came with have had a moment to go out: who revoked himself is told. */
void ward_app_in_force(void *context)
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

ward_status ward_app_first_state(struct ward_app *app)
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
