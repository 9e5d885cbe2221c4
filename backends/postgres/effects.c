/* SPDX-License-Identifier: Apache-2.0 */
/* Administrative effects: each one statement with plain parameters, in the order of the statement's
 * text in statements.c. */
#include "backends/postgres/effects.h"

static ward_status send_kek(struct ward_pg_conn *conn, const struct ward_store_kek *kek)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&kek->id));
    ward_pg_add_bytes(p, kek->name);
    ward_pg_add_bytes(p, kek->backend);
    ward_pg_add_i16(p, kek->purpose);
    ward_pg_add_bool(p, kek->enabled);
    ward_pg_add_u32(p, kek->rotation_period_days);
    ward_pg_add_i64(p, kek->created_us);
    return ward_pg_send(conn, WARD_PG_INSERT_KEK);
}

static ward_status send_kek_version(struct ward_pg_conn *conn,
                                    const struct ward_store_kek_version *version)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&version->kek));
    ward_pg_add_u32(p, version->version);
    ward_pg_add_i16(p, version->state);
    ward_pg_add_i64(p, version->created_us);
    ward_pg_add_u64(p, version->wraps);
    ward_pg_add_i64(p, version->changed_us);
    ward_pg_add_i16(p, version->prior);
    ward_pg_add_i64(p, version->due_us);
    return ward_pg_send(conn, WARD_PG_INSERT_KEK_VERSION);
}

static ward_status send_kek_state(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&effect->kek_state.kek));
    ward_pg_add_u32(p, effect->kek_state.version);
    ward_pg_add_i16(p, effect->kek_state.from);
    ward_pg_add_i16(p, effect->kek_state.from_prior);
    ward_pg_add_i64(p, effect->kek_state.from_due_us);
    ward_pg_add_i64(p, effect->kek_state.from_changed_us);
    ward_pg_add_i16(p, effect->kek_state.to);
    ward_pg_add_i16(p, effect->kek_state.prior);
    ward_pg_add_i64(p, effect->kek_state.due_us);
    ward_pg_add_i64(p, effect->kek_state.changed_us);
    return ward_pg_send(conn, WARD_PG_MOVE_KEK_VERSION);
}

static ward_status send_policy(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_u32(p, effect->policy.version);
    ward_pg_add_bytes(p, effect->policy.text);
    ward_pg_add_bytes(p, WARD_BYTES_ARRAY(effect->policy.hash));
    ward_pg_add_i64(p, effect->policy.created_us);
    ward_pg_add_bytes(p, ward_id_view(&effect->policy.proposal));
    return ward_pg_send(conn,
                        effect->policy.follows ? WARD_PG_FOLLOW_POLICY : WARD_PG_INSERT_POLICY);
}

static ward_status send_intent(struct ward_pg_conn *conn, const struct ward_store_intent *intent)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&intent->id));
    ward_pg_add_i16(p, intent->effect);
    ward_pg_add_bytes(p, ward_id_view(&intent->kek));
    ward_pg_add_u32(p, intent->version);
    ward_pg_add_bytes(p, ward_id_view(&intent->proposal));
    ward_pg_add_bytes(p, intent->node);
    ward_pg_add_i64(p, intent->created_us);
    return ward_pg_send(conn, WARD_PG_INSERT_INTENT);
}

static ward_status send_proposal(struct ward_pg_conn *conn,
                                 const struct ward_store_proposal *proposal)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&proposal->id));
    ward_pg_add_bytes(p, proposal->payload);
    ward_pg_add_bytes(p, proposal->proposer);
    ward_pg_add_i16(p, proposal->state);
    ward_pg_add_i64(p, proposal->created_us);
    ward_pg_add_i64(p, proposal->expires_us);
    ward_pg_add_bytes(p, proposal->attachment);
    return ward_pg_send(conn, WARD_PG_INSERT_PROPOSAL);
}

static ward_status send_vote(struct ward_pg_conn *conn, const struct ward_id *proposal,
                             const struct ward_store_vote *vote)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(proposal));
    ward_pg_add_bytes(p, vote->identity);
    ward_pg_add_i16(p, vote->decision);
    ward_pg_add_bytes(p, vote->signature);
    ward_pg_add_bytes(p, vote->certificate);
    ward_pg_add_i64(p, vote->created_us);
    ward_pg_add_bytes(p, vote->reason);
    return ward_pg_send(conn, WARD_PG_INSERT_VOTE);
}

static ward_status send_deployment(struct ward_pg_conn *conn,
                                   const struct ward_store_deployment *deployment)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&deployment->id));
    ward_pg_add_bytes(p, deployment->origin);
    ward_pg_add_bytes(p, WARD_BYTES_ARRAY(deployment->genesis_policy_hash));
    ward_pg_add_u32(p, deployment->schema_version);
    ward_pg_add_bytes(p, ward_id_view(&deployment->log_key));
    ward_pg_add_i16(p, deployment->log_algorithm);
    ward_pg_add_bytes(p, deployment->log_public_key);
    ward_pg_add_i64(p, deployment->created_us);
    return ward_pg_send(conn, WARD_PG_INSERT_DEPLOYMENT);
}

static ward_status send_log_key(struct ward_pg_conn *conn, const struct ward_store_log_key *key)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_u32(p, key->version);
    ward_pg_add_i16(p, key->algorithm);
    ward_pg_add_bytes(p, key->public_key);
    ward_pg_add_u64(p, key->leaf);
    ward_pg_add_bytes(p, ward_id_view(&key->proposal));
    ward_pg_add_i64(p, key->created_us);
    return ward_pg_send(conn, WARD_PG_INSERT_LOG_KEY);
}

static ward_status send_revocation(struct ward_pg_conn *conn,
                                   const struct ward_store_revocation *revocation)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_i16(p, revocation->kind);
    ward_pg_add_bytes(p, revocation->value);
    ward_pg_add_bytes(p, ward_id_view(&revocation->proposal));
    ward_pg_add_i64(p, revocation->created_us);
    return ward_pg_send(conn, WARD_PG_INSERT_REVOCATION);
}

static ward_status send_emergency(struct ward_pg_conn *conn,
                                  const struct ward_store_emergency *emergency)
{
    struct ward_pg_params *p = &conn->params;
    ward_pg_add_bytes(p, ward_id_view(&emergency->id));
    ward_pg_add_bytes(p, emergency->identity);
    ward_pg_add_bytes(p, emergency->collection);
    ward_pg_add_bytes(p, WARD_BYTES_ARRAY(emergency->subject_hash));
    ward_pg_add_i64(p, emergency->opened_us);
    ward_pg_add_i64(p, emergency->expires_us);
    ward_pg_add_i64(p, emergency->closed_us);
    return ward_pg_send(conn, WARD_PG_INSERT_EMERGENCY);
}

ward_status ward_pg_send_effect(struct ward_pg_conn *conn, const struct ward_effect *effect)
{
    struct ward_pg_params *p = &conn->params;
    switch (effect->kind) {
    case WARD_EFFECT_KEK:
        return send_kek(conn, &effect->kek);
    case WARD_EFFECT_KEK_VERSION:
        return send_kek_version(conn, &effect->kek_version);
    case WARD_EFFECT_KEK_STATE:
        return send_kek_state(conn, effect);
    case WARD_EFFECT_KEK_ENABLED:
        ward_pg_add_bytes(p, ward_id_view(&effect->kek_enabled.kek));
        ward_pg_add_bool(p, effect->kek_enabled.from);
        ward_pg_add_bool(p, effect->kek_enabled.to);
        return ward_pg_send(conn, WARD_PG_SET_KEK_ENABLED);
    case WARD_EFFECT_KEK_PERIOD:
        ward_pg_add_bytes(p, ward_id_view(&effect->kek_period.kek));
        ward_pg_add_u32(p, effect->kek_period.from);
        ward_pg_add_u32(p, effect->kek_period.to);
        return ward_pg_send(conn, WARD_PG_SET_KEK_PERIOD);
    case WARD_EFFECT_INTENT:
        return send_intent(conn, &effect->intent);
    case WARD_EFFECT_INTENT_DONE:
        ward_pg_add_bytes(p, ward_id_view(&effect->intent_done.id));
        return ward_pg_send(conn, WARD_PG_DELETE_INTENT);
    case WARD_EFFECT_PROPOSAL:
        return send_proposal(conn, &effect->proposal);
    case WARD_EFFECT_PROPOSAL_STATE:
        ward_pg_add_bytes(p, ward_id_view(&effect->proposal_state.id));
        ward_pg_add_i16(p, effect->proposal_state.from);
        ward_pg_add_i16(p, effect->proposal_state.to);
        return ward_pg_send(conn, WARD_PG_MOVE_PROPOSAL);
    case WARD_EFFECT_VOTE:
        return send_vote(conn, &effect->vote.proposal, &effect->vote.vote);
    case WARD_EFFECT_CHECKPOINT:
        ward_pg_add_u64(p, effect->checkpoint.size);
        ward_pg_add_bytes(p, effect->checkpoint.note);
        ward_pg_add_i64(p, effect->checkpoint.created_us);
        return ward_pg_send(conn, WARD_PG_INSERT_CHECKPOINT);
    case WARD_EFFECT_DEPLOYMENT:
        return send_deployment(conn, &effect->deployment);
    case WARD_EFFECT_POLICY:
        return send_policy(conn, effect);
    case WARD_EFFECT_INDEX_KEY:
        ward_pg_add_bytes(p, effect->index_key.name);
        ward_pg_add_bytes(p, effect->index_key.wrapped);
        return ward_pg_send(conn, WARD_PG_INSERT_INDEX_KEY);
    case WARD_EFFECT_LOG_KEY:
        return send_log_key(conn, &effect->log_key);
    case WARD_EFFECT_REVOCATION:
        return send_revocation(conn, &effect->revocation);
    case WARD_EFFECT_UNREVOCATION:
        ward_pg_add_i16(p, effect->unrevocation.kind);
        ward_pg_add_bytes(p, effect->unrevocation.value);
        ward_pg_add_bytes(p, ward_id_view(&effect->unrevocation.proposal));
        ward_pg_add_i64(p, effect->unrevocation.created_us);
        return ward_pg_send(conn, WARD_PG_DELETE_REVOCATION);
    case WARD_EFFECT_EMERGENCY:
        return send_emergency(conn, &effect->emergency);
    case WARD_EFFECT_EMERGENCY_CLOSED:
        ward_pg_add_bytes(p, ward_id_view(&effect->emergency_closed.id));
        ward_pg_add_i64(p, effect->emergency_closed.closed_us);
        return ward_pg_send(conn, WARD_PG_CLOSE_EMERGENCY);
    case WARD_EFFECT_JOB_OPEN:
    case WARD_EFFECT_JOB_MOVE:
    case WARD_EFFECT_JOB_END:
        return ward_pg_send_job_effect(conn, effect);
    case WARD_EFFECT_PURGE_REPLAYS:
        ward_pg_add_i64(p, effect->purge_replays.before_us);
        ward_pg_add_u32(p, WARD_PURGE_MAX);
        return ward_pg_send(conn, WARD_PG_PURGE_REPLAYS);
    }
    WARD_FAIL(WARD_E_INTERNAL);
}
