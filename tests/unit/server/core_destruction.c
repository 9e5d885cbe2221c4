/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/core_destruction.h"

#include "tests/unit/server/core_ask.h"

struct core_destruction fx;

int64_t destruction_now_us(void)
{
    return ward_wall_us(&fx.world.clock.base);
}

void destruction_pass_days(int64_t days)
{
    atomic_fetch_add(&fx.world.clock.ahead_us, days * DAY_US);
}

const struct ward_key_version *destruction_version_of(struct ward_state *state)
{
    return ward_key_version_find(ward_state_key_by_id(state, &fx.old.id), fx.old.version);
}

uint8_t destruction_state(void)
{
    core_node_refresh_now(&fx.node);
    struct ward_state *state = ward_state_slot_get(&fx.node.states);
    uint8_t found = (uint8_t)destruction_version_of(state)->state;
    ward_state_unref(state);
    return found;
}

void destruction_write(const struct ward_effect *effects, size_t n)
{
    assert_int_equal(core_world_write(&fx.world, effects, n, true, ENTRY), WARD_COMMITTED);
    core_node_refresh_now(&fx.node);
}

/* ---- what officers agreed to, as rows ---- */

struct destruction_agreement destruction_good(void)
{
    return (struct destruction_agreement){.object = "phi/records",
                                          .version = 1,
                                          .days = 30,
                                          .created_us = destruction_now_us(),
                                          .state = WARD_PROPOSAL_EXECUTED,
                                          .proposer = &fx.world.officer_a,
                                          .approver = &fx.world.officer_b};
}

static struct ward_effect vote_of(const struct core_person *person, struct ward_bytes payload,
                                  enum ward_decision_kind decision, uint8_t *signature)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_VOTE};
    size_t size = core_person_sign(person, payload, decision, signature);
    effect.vote.proposal = fx.agreed;
    effect.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str(person->peer->identity),
                                                .signature = WARD_BYTES(signature, size),
                                                .certificate = person->peer->certificate,
                                                .decision = (uint8_t)decision,
                                                .created_us = destruction_now_us()};
    return effect;
}

void destruction_agree(const struct destruction_agreement *agreement)
{
    char key_id[WARD_ID_TEXT_SIZE];
    uint8_t proposed[128], approved[128];
    struct ward_buffer payload;
    struct ward_state *state = ward_state_slot_get(&fx.node.states);
    ward_id_print(&fx.old.id, key_id);
    ward_buffer_init(&payload, WARD_PROPOSAL_MAX);
    assert_ok(ward_id_random(&fx.agreed));
    struct ward_proposal proposal = {
        .deployment = state->deployment,
        .id = fx.agreed,
        .action = WARD_BYTES_LITERAL("key.destroy"),
        .object = ward_bytes_str(agreement->object),
        .parameters = {{.name = WARD_BYTES_LITERAL("key_id"), .text = ward_bytes_str(key_id)},
                       {.name = WARD_BYTES_LITERAL("version"), .number = agreement->version},
                       {.name = WARD_BYTES_LITERAL("waiting_days"), .number = agreement->days}},
        .n_parameters = 3,
        .epoch = state->epoch,
        .proposer = ward_bytes_str(agreement->proposer->peer->identity),
        .person = WARD_BYTES_LITERAL("alice"),
        .created_us = agreement->created_us,
        .expires_us = agreement->created_us + DAY_US,
        .approvals = 1};
    memcpy(proposal.policy, ward_policy_hash(state->policy), sizeof(proposal.policy));
    ward_state_unref(state);
    ward_proposal_print(&proposal, &payload);
    assert_false(payload.failed);
    struct ward_bytes bytes = ward_buffer_view(&payload);
    struct ward_effect effects[3] = {{.kind = WARD_EFFECT_PROPOSAL}};
    effects[0].proposal = (struct ward_store_proposal){.id = fx.agreed,
                                                       .payload = bytes,
                                                       .proposer = proposal.proposer,
                                                       .state = agreement->state,
                                                       .created_us = proposal.created_us,
                                                       .expires_us = proposal.expires_us};
    effects[1] = vote_of(agreement->proposer, bytes, WARD_DECISION_PROPOSE, proposed);
    size_t n = 2;
    if (agreement->approver != NULL) {
        struct ward_bytes other = WARD_BYTES_LITERAL("{}");
        effects[n++] = vote_of(agreement->approver, agreement->forged ? other : bytes,
                               WARD_DECISION_APPROVE, approved);
    }
    destruction_write(effects, n);
    ward_buffer_fini(&payload);
}

struct ward_effect destruction_to_pending(int64_t due_us)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_STATE};
    struct ward_state *state = ward_state_slot_get(&fx.node.states);
    const struct ward_key_version *version = destruction_version_of(state);
    effect.kek_state.kek = fx.old.id;
    effect.kek_state.version = fx.old.version;
    effect.kek_state.from = (uint8_t)version->state;
    effect.kek_state.from_changed_us = version->changed_us;
    effect.kek_state.to = WARD_KEY_PENDING_DESTRUCTION;
    effect.kek_state.prior = (uint8_t)version->state;
    effect.kek_state.due_us = due_us;
    effect.kek_state.changed_us = destruction_now_us();
    ward_state_unref(state);
    return effect;
}

void destruction_schedule(const struct destruction_agreement *agreement)
{
    destruction_agree(agreement);
    struct ward_effect pending = destruction_to_pending(destruction_now_us() + 30 * DAY_US);
    destruction_write(&pending, 1);
}

/* As a daemon asks for it that has not heard of what was begun meanwhile. */
ward_status destruction_cancel(void)
{
    struct ward_state *state = ward_state_slot_get(&fx.node.states);
    const struct ward_key_version *version = destruction_version_of(state);
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_STATE};
    effect.kek_state.kek = fx.old.id;
    effect.kek_state.version = fx.old.version;
    effect.kek_state.from = WARD_KEY_PENDING_DESTRUCTION;
    effect.kek_state.from_prior = WARD_KEY_DEACTIVATED;
    effect.kek_state.from_due_us = version->due_us;
    effect.kek_state.from_changed_us = version->changed_us;
    effect.kek_state.to = WARD_KEY_DEACTIVATED;
    effect.kek_state.changed_us = destruction_now_us();
    ward_state_unref(state);
    enum ward_commit_outcome outcome = core_world_write(&fx.world, &effect, 1, true, ENTRY);
    core_node_refresh_now(&fx.node);
    return outcome == WARD_COMMITTED ? WARD_OK : WARD_STATUS(WARD_E_CONFLICT);
}

/* ---- life ---- */

int destruction_start(void **state)
{
    (void)state;
    core_world_init(&fx.world);
    core_node_start(&fx.node, &fx.world, "node-1");
    core_make_key(&fx.node, "phi/records", WARD_PURPOSE_RECORDS);
    assert_ok(
        core_run_free(&fx.node, core_put(&fx.world, &fx.world.app, "fhir", "s1", 3, "{\"id\":1}")));
    assert_ok(
        core_run_free(&fx.node, core_put(&fx.world, &fx.world.app, "fhir", "s2", 3, "{\"id\":1}")));
    core_rotate_fully(&fx.node, "phi/records");
    core_rewrap_all(&fx.node, "phi/records");
    core_node_refresh_now(&fx.node);
    struct ward_state *now = ward_state_slot_get(&fx.node.states);
    fx.old = (struct ward_kek_ref){ward_state_key(now, ward_bytes_str("phi/records"))->id, 1};
    ward_state_unref(now);
    return 0;
}

int destruction_stop(void **state)
{
    (void)state;
    core_node_stop(&fx.node);
    core_world_fini(&fx.world);
    ward_destruction_forget(&fx.memory);
    return 0;
}

void destruction_tick(void)
{
    static const atomic_bool running;
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(fx.world.store, &reader));
    core_node_refresh_now(&fx.node);
    ward_destruction_tick(&fx.node.pipeline, fx.world.kek, reader, &running, &fx.memory);
    ward_store_reader_close(reader);
}

bool destruction_is_there(void)
{
    return fake_kek_has(fx.world.kek, &fx.old);
}

void destruction_stays(void)
{
    destruction_tick();
    assert_true(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_PENDING_DESTRUCTION);
}

void destruction_goes(void)
{
    atomic_fetch_add(&fx.world.clock.ahead_us, 61 * 1000000LL); /* one that failed waits a minute */
    destruction_tick();
    assert_false(destruction_is_there());
    assert_int_equal(destruction_state(), WARD_KEY_DESTROYED);
}
