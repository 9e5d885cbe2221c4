/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that somebody else wrote do not add up: every field of every fact counts, every effect does
 * to the sums what it does to the rows, and what cannot be told is that there was a mask. */
#include "server/integrity.h"
#include "tests/unit/base/check.h"

static struct ward_digest *digest;
static struct ward_integrity integrity;

static int setup(void **state)
{
    static const uint8_t key[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    (void)state;
    assert_ok(ward_digest_new(&digest));
    integrity = (struct ward_integrity){digest, WARD_BYTES_ARRAY(key)};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ward_digest_free(digest);
    return 0;
}

/* A snapshot with one or two rows of everything, which a test changes in its own copy. */
struct world {
    struct ward_store_snapshot s;
    struct ward_store_kek keks[3];
    struct ward_store_kek_version versions[3];
    struct ward_store_index_key index_keys[2];
    struct ward_store_log_key log_keys[2];
    struct ward_store_revocation revocations[3];
    struct ward_store_policy policies[3];
    struct ward_store_emergency emergencies[3];
    struct ward_store_intent intents[2];
};

static const char text[] = "roles: {}";

static void build(struct world *w)
{
    const struct ward_id a = {.bytes = {1}}, b = {.bytes = {2}}, p = {.bytes = {7}};
    *w = (struct world){0};
    w->s = (struct ward_store_snapshot){.initialised = true, .epoch = 5, .policy_version = 2};
    w->s.head = (struct ward_head){.epoch = 5, .tree = {.size = 0}};
    w->s.deployment = (struct ward_store_deployment){.id = {.bytes = {9}},
                                                     .origin = WARD_BYTES_LITERAL("o"),
                                                     .genesis_policy_hash = {1},
                                                     .schema_version = 3,
                                                     .log_key = {.bytes = {8}},
                                                     .log_algorithm = 2,
                                                     .log_public_key = WARD_BYTES_LITERAL("pub"),
                                                     .created_us = 10};
    w->keks[0] = (struct ward_store_kek){.id = a,
                                         .name = WARD_BYTES_LITERAL("a"),
                                         .backend = WARD_BYTES_LITERAL("hsm"),
                                         .purpose = 1,
                                         .enabled = true,
                                         .rotation_period_days = 365,
                                         .created_us = 11};
    w->keks[1] = w->keks[0];
    w->keks[1].id = b;
    w->keks[1].name = WARD_BYTES_LITERAL("b");
    w->versions[0] = (struct ward_store_kek_version){.kek = a,
                                                     .version = 1,
                                                     .state = 6,
                                                     .created_us = 12,
                                                     .wraps = 1,
                                                     .changed_us = 13,
                                                     .prior = 4,
                                                     .due_us = 14};
    w->versions[1] = (struct ward_store_kek_version){
        .kek = b, .version = 1, .state = 2, .created_us = 15, .changed_us = 15};
    w->index_keys[0] =
        (struct ward_store_index_key){WARD_BYTES_LITERAL("ids"), WARD_BYTES_LITERAL("wrapped")};
    w->revocations[0] =
        (struct ward_store_revocation){WARD_REVOKED_IDENTITY, WARD_BYTES_LITERAL("who"), p, 16};
    w->policies[0] =
        (struct ward_store_policy){.version = 1, .hash = {3}, .created_us = 17, .ceased_us = 18};
    w->policies[1] = (struct ward_store_policy){.version = 2, .proposal = p, .created_us = 18};
    w->s.policy_text = ward_bytes_str(text);
    assert_ok(ward_sha256(digest, &w->s.policy_text, 1, w->policies[1].hash));
    w->s.keks = w->keks;
    w->s.n_keks = 2;
    w->s.versions = w->versions;
    w->s.n_versions = 2;
    w->s.index_keys = w->index_keys;
    w->s.n_index_keys = 1;
    w->log_keys[0] = (struct ward_store_log_key){.version = 2,
                                                 .algorithm = 1,
                                                 .public_key = WARD_BYTES_LITERAL("pub2"),
                                                 .leaf = 40,
                                                 .proposal = p,
                                                 .created_us = 19};
    w->s.log_keys = w->log_keys;
    w->s.n_log_keys = 1;
    w->s.revocations = w->revocations;
    w->s.n_revocations = 1;
    w->emergencies[0] = (struct ward_store_emergency){.id = {.bytes = {5}},
                                                      .identity = WARD_BYTES_LITERAL("ed"),
                                                      .collection = WARD_BYTES_LITERAL("fhir"),
                                                      .opened_us = 20,
                                                      .expires_us = 30};
    w->s.emergencies = w->emergencies;
    w->s.n_emergencies = 1;
    w->intents[0] = (struct ward_store_intent){.id = {.bytes = {6}},
                                               .kek = b,
                                               .proposal = p,
                                               .version = 2,
                                               .effect = 1,
                                               .node = WARD_BYTES_LITERAL("node-1"),
                                               .created_us = 19};
    w->s.intents = w->intents;
    w->s.n_intents = 1;
    w->s.policies = w->policies;
    w->s.n_policies = 2;
    assert_ok(ward_integrity_sum(&integrity, &w->s, 0, &w->s.head.seal));
    assert_ok(ward_integrity_seal(&integrity, &w->s.head));
}

/* The check's answer names that table. */
static void assert_told(const struct world *w, const char *table)
{
    ward_status status = ward_integrity_check(&integrity, &w->s);
    assert_int_equal(status.code, WARD_E_STATE);
    const char *why = ward_status_refusal(status);
    assert_non_null(why);
    if (strstr(why, table) == NULL) {
        fail_msg("\"%s\" does not tell of %s", why, table);
    }
    assert_non_null(strstr(why, "restore the database from a backup, or call the officers"));
}

static void what_nobody_edited_adds_up(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    assert_ok(ward_integrity_check(&integrity, &w.s));
    assert_int_equal(ward_integrity_facts(&w.s), 1 + 1 + 1 + 6 + 4 + 4 + 1 + 1 + 1);
    /* What changes without a decision is no fact. */
    w.versions[0].wraps = 99;
    w.s.deployment.schema_version = 9;
    assert_ok(ward_integrity_check(&integrity, &w.s));
}

#define EDIT(table, what)       \
    do {                        \
        struct world w;         \
        build(&w);              \
        what;                   \
        assert_told(&w, table); \
    } while (0)

static void every_field_of_every_row_counts(void **state)
{
    (void)state;
    EDIT("ward.kek", w.keks[0].id.bytes[5] ^= 1);
    EDIT("ward.kek", w.keks[0].name = WARD_BYTES_LITERAL("c"));
    EDIT("ward.kek", w.keks[0].backend = WARD_BYTES_LITERAL("kms"));
    EDIT("ward.kek", w.keks[0].purpose = 2);
    EDIT("ward.kek", w.keks[0].created_us++);
    EDIT("ward.kek", w.keks[0].enabled = false);
    EDIT("ward.kek", w.keks[0].rotation_period_days = 9999);
    EDIT("ward.kek_version", w.versions[0].kek.bytes[0] = 2);
    EDIT("ward.kek_version", w.versions[0].version = 2);
    EDIT("ward.kek_version", w.versions[0].state = 2);
    EDIT("ward.kek_version", w.versions[0].created_us++);
    EDIT("ward.kek_version", w.versions[0].changed_us++);
    EDIT("ward.kek_version", w.versions[0].prior = 2);
    EDIT("ward.kek_version", w.versions[0].due_us--);
    EDIT("ward.policy", w.policies[0].version = 3);
    EDIT("ward.policy", w.policies[0].hash[31] ^= 1);
    EDIT("ward.policy", w.policies[0].proposal.bytes[0] = 1);
    EDIT("ward.policy", w.policies[0].created_us++);
    EDIT("ward.policy", w.policies[0].ceased_us = 0);
    EDIT("ward.policy", w.policies[0].ceased_us = 19);
    EDIT("ward.policy", w.policies[1].ceased_us = 19);
    EDIT("ward.policy", w.s.policy_text = WARD_BYTES_LITERAL("roles: {evil: all}"));
    EDIT("ward.policy", w.s.policy_version = 1);
    EDIT("ward.revocation", w.revocations[0].kind = WARD_REVOKED_CERTIFICATE);
    EDIT("ward.revocation", w.revocations[0].value = WARD_BYTES_LITERAL("whom"));
    EDIT("ward.revocation", w.revocations[0].proposal.bytes[0] = 1);
    EDIT("ward.revocation", w.revocations[0].created_us++);
    EDIT("ward.emergency", w.emergencies[0].id.bytes[0] = 6);
    EDIT("ward.emergency", w.emergencies[0].identity = WARD_BYTES_LITERAL("me"));
    EDIT("ward.emergency", w.emergencies[0].collection = WARD_BYTES_LITERAL("labs"));
    EDIT("ward.emergency", w.emergencies[0].subject_hash[9] = 1);
    EDIT("ward.emergency", w.emergencies[0].opened_us++);
    EDIT("ward.emergency", w.emergencies[0].expires_us++);
    EDIT("ward.intent", w.intents[0].id.bytes[0] = 7);
    EDIT("ward.intent", w.intents[0].kek.bytes[0] = 1);
    EDIT("ward.intent", w.intents[0].proposal.bytes[0] = 0);
    EDIT("ward.intent", w.intents[0].version = 3);
    EDIT("ward.intent", w.intents[0].effect = 2);
    EDIT("ward.intent", w.intents[0].node = WARD_BYTES_LITERAL("node-2"));
    EDIT("ward.intent", w.intents[0].created_us--);
    EDIT("ward.deployment", w.s.deployment.id.bytes[0] = 1);
    EDIT("ward.deployment", w.s.deployment.origin = WARD_BYTES_LITERAL("p"));
    EDIT("ward.deployment", w.s.deployment.genesis_policy_hash[0] = 2);
    EDIT("ward.deployment", w.s.deployment.log_key.bytes[0] = 1);
    EDIT("ward.deployment", w.s.deployment.log_algorithm = 3);
    EDIT("ward.deployment", w.s.deployment.log_public_key = WARD_BYTES_LITERAL("own"));
    EDIT("ward.deployment", w.s.deployment.created_us++);
    EDIT("ward.index_key", w.index_keys[0].name = WARD_BYTES_LITERAL("idt"));
    EDIT("ward.index_key", w.index_keys[0].wrapped = WARD_BYTES_LITERAL("wrappee"));
    EDIT("ward.log_key", w.log_keys[0].version++);
    EDIT("ward.log_key", w.log_keys[0].algorithm++);
    EDIT("ward.log_key", w.log_keys[0].public_key = WARD_BYTES_LITERAL("own2"));
    EDIT("ward.log_key", w.log_keys[0].leaf++);
    EDIT("ward.log_key", w.log_keys[0].proposal.bytes[0]++);
    EDIT("ward.log_key", w.log_keys[0].created_us++);
}

static void rows_that_come_go_or_come_twice_are_found(void **state)
{
    (void)state;
    EDIT("ward.kek", w.s.n_keks = 1);
    EDIT("ward.kek_version", w.s.n_versions = 1);
    EDIT("ward.policy", w.s.n_policies = 1);
    EDIT("ward.policy", w.s.n_policies = 0);
    EDIT("ward.revocation", w.s.n_revocations = 0);
    EDIT("ward.emergency", w.s.n_emergencies = 0);
    EDIT("ward.intent", w.s.n_intents = 0);
    EDIT("ward.intent", (w.intents[1] = w.intents[0], w.s.n_intents = 2));
    EDIT("ward.index_key", w.s.n_index_keys = 0);
    EDIT("ward.log_key", w.s.n_log_keys = 0);
    EDIT("ward.log_key", (w.log_keys[1] = w.log_keys[0], w.s.n_log_keys = 2));
    EDIT("ward.kek", (w.keks[2] = w.keks[1], w.s.n_keks = 3));
    EDIT("ward.kek_version", (w.versions[2] = w.versions[0], w.s.n_versions = 3));
    EDIT("ward.policy", (w.policies[2] = w.policies[1], w.s.n_policies = 3));
    EDIT("ward.revocation", (w.revocations[1] = w.revocations[0], w.s.n_revocations = 2));
    EDIT("ward.index_key", (w.index_keys[1] = w.index_keys[0], w.s.n_index_keys = 2));
}

/* Two keys that swap their names, and a text that runs into the next. */
static void what_belongs_together_stays_together(void **state)
{
    (void)state;
    EDIT("ward.kek",
         (w.keks[0].name = WARD_BYTES_LITERAL("b"), w.keks[1].name = WARD_BYTES_LITERAL("a")));
    EDIT("ward.kek",
         (w.keks[0].name = WARD_BYTES_LITERAL("ah"), w.keks[0].backend = WARD_BYTES_LITERAL("sm")));
    EDIT("ward.kek_version", (w.versions[0].state = 2, w.versions[1].state = 6));
}

static void every_part_of_the_head_counts(void **state)
{
    (void)state;
    EDIT("ward.head", w.s.head.epoch++);
    EDIT("ward.head", w.s.head.tree.size++);
    EDIT("ward.head", w.s.head.seal.tag[31] ^= 1);
    EDIT("ward.head", w.s.head.seal.since++);
    for (size_t i = 0; i < WARD_SEAL_SUMS; i++) {
        EDIT("ward.head", w.s.head.seal.sums[i][0] ^= 1);
    }
    EDIT("ward.head", w.s.head.damaged = true);
    struct world w;
    build(&w);
    w.s.head.tree.size = 3; /* a full one of 2 and one more */
    assert_ok(ward_integrity_seal(&integrity, &w.s.head));
    assert_ok(ward_integrity_check(&integrity, &w.s));
    w.s.head.tree.frontier[1][7] ^= 1;
    assert_told(&w, "ward.head");
}

static void a_head_without_a_seal_asks_to_be_looked_at(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    w.s.head.seal.set = false;
    ward_status status = ward_integrity_check(&integrity, &w.s);
    assert_int_equal(status.code, WARD_E_STATE);
    assert_non_null(strstr(ward_status_refusal(status), "--adopt-database"));
    assert_code(ward_integrity_seal(&integrity, &w.s.head), WARD_E_INTERNAL);
}

static void another_key_authenticates_nothing(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    static const uint8_t other[32] = {1};
    struct ward_integrity wrong = {digest, WARD_BYTES_ARRAY(other)};
    assert_code(ward_integrity_check(&wrong, &w.s), WARD_E_STATE);
}

/* ---- effects ---- */

/* The effect makes of the head what sealing the changed rows anew makes of it. */
static void follows(struct world *w, const struct ward_effect *effect)
{
    bool changed = false;
    uint64_t before = w->s.head.seal.since;
    assert_ok(ward_integrity_apply(&integrity, effect, 1, &w->s.head, &changed));
    assert_true(changed);
    assert_int_equal(w->s.head.seal.since, before + 1);
    assert_ok(ward_integrity_seal(&integrity, &w->s.head));
    ward_status status = ward_integrity_check(&integrity, &w->s);
    if (!ward_ok(status)) {
        fail_msg("effect %d: %s", (int)effect->kind, ward_status_refusal(status));
    }
}

static void every_effect_changes_the_sums_as_it_changes_the_rows(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    struct ward_effect e = {.kind = WARD_EFFECT_KEK, .kek = w.keks[0]};
    e.kek.id.bytes[0] = 3;
    e.kek.name = WARD_BYTES_LITERAL("c");
    w.keks[2] = e.kek;
    w.s.n_keks = 3;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_KEK_VERSION, .kek_version = w.versions[1]};
    e.kek_version.kek = w.keks[2].id;
    w.versions[2] = e.kek_version;
    w.s.n_versions = 3;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_KEK_STATE};
    e.kek_state.kek = w.versions[0].kek;
    e.kek_state.version = 1;
    e.kek_state.from = 6;
    e.kek_state.from_prior = 4;
    e.kek_state.from_due_us = 14;
    e.kek_state.from_changed_us = 13;
    e.kek_state.to = 4;
    e.kek_state.changed_us = 30;
    w.versions[0].state = 4;
    w.versions[0].prior = 0;
    w.versions[0].due_us = 0;
    w.versions[0].changed_us = 30;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_KEK_ENABLED};
    e.kek_enabled.kek = w.keks[0].id;
    e.kek_enabled.from = true;
    w.keks[0].enabled = false;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_KEK_PERIOD};
    e.kek_period.kek = w.keks[1].id;
    e.kek_period.from = 365;
    e.kek_period.to = 30;
    w.keks[1].rotation_period_days = 30;
    follows(&w, &e);

    static const char next[] = "roles: {a: b}";
    e = (struct ward_effect){.kind = WARD_EFFECT_POLICY};
    e.policy.version = 3;
    e.policy.text = ward_bytes_str(next);
    e.policy.proposal.bytes[0] = 4;
    e.policy.created_us = 40;
    e.policy.follows = true;
    assert_ok(ward_sha256(digest, &e.policy.text, 1, e.policy.hash));
    w.policies[1].ceased_us = 40;
    w.policies[2] =
        (struct ward_store_policy){.version = 3, .proposal = e.policy.proposal, .created_us = 40};
    memcpy(w.policies[2].hash, e.policy.hash, 32);
    w.s.n_policies = 3;
    w.s.policy_version = 3;
    w.s.policy_text = e.policy.text;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_REVOCATION, .revocation = w.revocations[0]};
    e.revocation.kind = WARD_REVOKED_CERTIFICATE;
    w.revocations[1] = e.revocation;
    w.s.n_revocations = 2;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_UNREVOCATION};
    e.unrevocation.kind = w.revocations[0].kind;
    e.unrevocation.value = w.revocations[0].value;
    e.unrevocation.proposal = w.revocations[0].proposal;
    e.unrevocation.created_us = w.revocations[0].created_us;
    w.revocations[0] = w.revocations[1];
    w.s.n_revocations = 1;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_EMERGENCY, .emergency = w.emergencies[0]};
    e.emergency.id.bytes[0] = 6;
    w.emergencies[1] = e.emergency;
    w.s.n_emergencies = 2;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_EMERGENCY_CLOSED};
    e.emergency_closed.was = w.emergencies[0];
    w.emergencies[0] = w.emergencies[1];
    w.s.n_emergencies = 1;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_INTENT, .intent = w.intents[0]};
    e.intent.id.bytes[0] = 7;
    w.intents[1] = e.intent;
    w.s.n_intents = 2;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_INTENT_DONE, .intent_done = w.intents[0]};
    w.intents[0] = w.intents[1];
    w.s.n_intents = 1;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_INDEX_KEY, .index_key = w.index_keys[0]};
    e.index_key.name = WARD_BYTES_LITERAL("more");
    w.index_keys[1] = e.index_key;
    w.s.n_index_keys = 2;
    follows(&w, &e);

    e = (struct ward_effect){.kind = WARD_EFFECT_LOG_KEY, .log_key = w.log_keys[0]};
    e.log_key.version = 3;
    w.log_keys[1] = e.log_key;
    w.s.n_log_keys = 2;
    follows(&w, &e);
}

static void a_world_grows_out_of_nothing(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    struct ward_effect effects[12] = {
        {.kind = WARD_EFFECT_DEPLOYMENT, .deployment = w.s.deployment},
        {.kind = WARD_EFFECT_INDEX_KEY, .index_key = w.index_keys[0]},
        {.kind = WARD_EFFECT_KEK, .kek = w.keks[0]},
        {.kind = WARD_EFFECT_KEK, .kek = w.keks[1]},
        {.kind = WARD_EFFECT_KEK_VERSION, .kek_version = w.versions[0]},
        {.kind = WARD_EFFECT_KEK_VERSION, .kek_version = w.versions[1]},
        {.kind = WARD_EFFECT_REVOCATION, .revocation = w.revocations[0]},
        {.kind = WARD_EFFECT_POLICY},
        {.kind = WARD_EFFECT_POLICY},
        {.kind = WARD_EFFECT_EMERGENCY, .emergency = w.emergencies[0]},
        {.kind = WARD_EFFECT_INTENT, .intent = w.intents[0]},
        {.kind = WARD_EFFECT_LOG_KEY, .log_key = w.log_keys[0]},
    };
    effects[7].policy.version = 1;
    effects[7].policy.hash[0] = 3;
    effects[7].policy.created_us = 17;
    effects[8].policy.version = 2;
    memcpy(effects[8].policy.hash, w.policies[1].hash, 32);
    effects[8].policy.proposal = w.policies[1].proposal;
    effects[8].policy.created_us = 18;
    effects[8].policy.follows = true;
    w.s.head = (struct ward_head){.epoch = 4};
    bool changed = false;
    assert_ok(ward_integrity_apply(&integrity, effects, 12, &w.s.head, &changed));
    assert_true(changed);
    assert_ok(ward_integrity_seal(&integrity, &w.s.head));
    assert_ok(ward_integrity_check(&integrity, &w.s));
}

static void what_is_no_fact_leaves_the_sums_alone(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    bool changed = true;
    struct ward_head before = w.s.head;
    static const enum ward_effect_kind kinds[] = {
        WARD_EFFECT_PROPOSAL, WARD_EFFECT_VOTE, WARD_EFFECT_CHECKPOINT, WARD_EFFECT_PROPOSAL_STATE,
        WARD_EFFECT_PURGE_REPLAYS};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct ward_effect effect = {.kind = kinds[i]};
        assert_ok(ward_integrity_apply(&integrity, &effect, 1, &w.s.head, &changed));
        assert_false(changed);
    }
    assert_ok(ward_integrity_apply(&integrity, NULL, 0, &w.s.head, &changed));
    assert_false(changed);
    assert_memory_equal(&w.s.head.seal, &before.seal, sizeof(before.seal));
}

/* Of what came and went again nothing can be told from the sums, nor from their differences. */
static void the_same_facts_look_otherwise_after_every_change(void **state)
{
    (void)state;
    struct world w;
    build(&w);
    struct ward_head before = w.s.head;
    struct ward_effect there = {.kind = WARD_EFFECT_KEK_ENABLED}, back = there;
    there.kek_enabled.from = true;
    back.kek_enabled.to = true;
    struct ward_effect both[] = {there, back};
    bool changed = false;
    assert_ok(ward_integrity_apply(&integrity, both, 2, &w.s.head, &changed));
    for (size_t i = 0; i < WARD_SEAL_SUMS; i++) {
        assert_memory_not_equal(w.s.head.seal.sums[i], before.seal.sums[i], WARD_HASH_SIZE);
    }
    assert_ok(ward_integrity_seal(&integrity, &w.s.head));
    assert_ok(ward_integrity_check(&integrity, &w.s));
    /* Sums under the mask of another change: not even whoever could sign it. */
    w.s.head.seal.since = 7;
    assert_ok(ward_integrity_seal(&integrity, &w.s.head));
    assert_code(ward_integrity_check(&integrity, &w.s), WARD_E_STATE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_nobody_edited_adds_up),
        T(every_field_of_every_row_counts),
        T(rows_that_come_go_or_come_twice_are_found),
        T(what_belongs_together_stays_together),
        T(every_part_of_the_head_counts),
        T(a_head_without_a_seal_asks_to_be_looked_at),
        T(another_key_authenticates_nothing),
        T(every_effect_changes_the_sums_as_it_changes_the_rows),
        T(a_world_grows_out_of_nothing),
        T(what_is_no_fact_leaves_the_sums_alone),
        T(the_same_facts_look_otherwise_after_every_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
