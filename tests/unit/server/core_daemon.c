/* SPDX-License-Identifier: Apache-2.0 */
/* Builds worlds and nodes as server/genesis.c and server/app.c build them, without files, processes
 * and sockets. */
#include "tests/unit/server/core_daemon.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/leaf.h"
#include "server/index_key.h"
#include "server/integrity.h"
#include "server/revoked.h"
#include "server/work/batch.h"

#define DOMAIN "spiffe://unit.test/"
#define WAIT_S 30
#define ARENA_BUDGET (16u << 20)

const char core_policy[] =
    "version: 1\n"
    "deployment: unit.test\n"
    "persons:\n"
    "  - name: alice\n"
    "    identities: [\"" DOMAIN "officer-a\", \"" DOMAIN "officer-a2\"]\n"
    "  - name: bob\n"
    "    identities: [\"" DOMAIN "officer-b\"]\n"
    "  - name: cid\n"
    "    identities: [\"" DOMAIN "officer-c\"]\n"
    "roles:\n"
    "  - name: apps\n"
    "    kind: application\n"
    "    members: [\"" DOMAIN "app\"]\n"
    "    rules:\n"
    "      - name: data-keys\n"
    "        actions: [data-key.generate, data-key.unwrap, data-key.rewrap,\n"
    "          data-key.generate-without-plaintext, data-key.batch]\n"
    "        keys: [\"app/**\"]\n"
    "      - name: records\n"
    "        actions: [record.put, record.get]\n"
    "        collections: [fhir, notes]\n"
    "  - name: officers\n"
    "    kind: officer\n"
    "    members: [\"person:alice\", \"person:bob\", \"person:cid\"]\n"
    "    rules:\n"
    "      - name: keys\n"
    "        actions: [key.create, key.rotate, key.change, key.disable,\n"
    "                  key.enable, key.suspend, key.resume, key.deactivate,\n"
    "                  key.compromise, key.destroy, key.cancel-destroy,\n"
    "                  key.rewrap, key.rekey, key.usage, key.describe, key.list]\n"
    "        keys: [\"**\"]\n"
    "      - name: approvals\n"
    "        actions: [approval.list, approval.show, approval.submit,\n"
    "                  approval.approve, approval.reject, approval.withdraw,\n"
    "                  approval.execute, approval.review]\n"
    "      - name: revocations\n"
    "        actions: [identity.revoke, identity.unrevoke, identity.list]\n"
    "      - name: policies\n"
    "        actions: [policy.apply, policy.show, emergency.list, doctor.run,\n"
    "                  audit.rotate-log-key]\n"
    "  - name: auditors\n"
    "    kind: auditor\n"
    "    members: [\"" DOMAIN "auditor\"]\n"
    "    rules:\n"
    "      - name: log\n"
    "        actions: [audit.export, audit.checkpoint, approval.list,\n"
    "                  approval.show, identity.list, policy.show, emergency.list]\n"
    "      - name: inventory\n"
    "        actions: [key.usage, doctor.run]\n"
    "        keys: [\"**\"]\n"
    "guards:\n"
    "  - action: key.rotate\n"
    "    keys: [\"**\"]\n"
    "    approvals: 1\n"
    "    expires_hours: 24\n"
    "  - action: key.rotate\n"
    "    keys: [\"two/**\"]\n"
    "    approvals: 2\n"
    "    expires_hours: 24\n"
    "  - action: key.create\n"
    "    keys: [\"guarded/**\"]\n"
    "    approvals: 1\n"
    "    expires_hours: 24\n"
    "  - action: key.rekey\n"
    "    keys: [\"phi/notes\"]\n"
    "    approvals: 1\n"
    "    expires_hours: 24\n"
    "collections:\n"
    "  - name: fhir\n"
    "    key: phi/records\n"
    "    default_fields: [resourceType, id]\n"
    "  - name: notes\n"
    "    key: phi/notes\n"
    "    default_fields: [id]\n"
    "public_context: [purpose]\n";

/* ---- time ---- */

static int64_t ahead_of(const struct ward_clock *clock)
{
    return atomic_load(&((const struct core_clock *)clock)->ahead_us);
}

static int64_t wall_us(const struct ward_clock *clock)
{
    return ward_wall_us(&ward_clock_system) + ahead_of(clock);
}

static int64_t monotonic_us(const struct ward_clock *clock)
{
    return ward_monotonic_us(&ward_clock_system) + ahead_of(clock);
}

/* ---- genesis ---- */

/* A leaf with its size before it, and the tree behind it. */
static void write_leaf(struct ward_merkle *tree, int64_t now_us, struct ward_bytes body,
                       struct ward_buffer *out)
{
    struct ward_digest *digest = NULL;
    uint8_t hash[32];
    ward_buffer_add_u16(out, 0);
    ward_leaf_finish(tree->size, now_us, WARD_BYTES_LITERAL("outside"), body, out);
    assert_false(out->failed);
    ward_put_u16(out->data, (uint16_t)(out->size - 2));
    assert_ok(ward_digest_new(&digest));
    assert_ok(ward_merkle_leaf(digest, WARD_BYTES(out->data + 2, out->size - 2), hash));
    assert_ok(ward_merkle_append(digest, tree, hash));
    ward_digest_free(digest);
}

void core_world_seal(struct core_world *world, const struct ward_effect *effects, size_t n,
                     bool bump_epoch, struct ward_head *head)
{
    struct ward_digest *digest = NULL;
    assert_ok(ward_digest_new(&digest));
    const struct ward_integrity integrity = {digest, ward_secret_view(world->index->rows)};
    head->epoch += bump_epoch ? 1 : 0;
    bool changed;
    assert_ok(ward_integrity_apply(&integrity, effects, n, head, &changed));
    assert_ok(ward_integrity_seal(&integrity, head));
    ward_digest_free(digest);
}

enum ward_commit_outcome core_world_commit(struct core_world *world, struct ward_commit *commit,
                                           const char *leaf_body)
{
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    ward_auto(ward_buffer_fini) struct ward_buffer leaves;
    ward_buffer_init(&leaves, 65536);
    assert_ok(ward_store_writer_open(world->store, &writer));
    assert_ok(ward_store_head(writer, true, &head));
    commit->first_seq = head.tree.size;
    commit->epoch = head.epoch;
    commit->tree = &head.tree;
    commit->seal = &head.seal;
    if (leaf_body != NULL) {
        write_leaf(&head.tree, wall_us(&world->clock.base), ward_bytes_str(leaf_body), &leaves);
        commit->n_leaves = 1;
        commit->leaves = ward_buffer_view(&leaves);
    }
    if (!world->without_key) {
        core_world_seal(world, commit->effects, commit->n_effects, commit->bump_epoch, &head);
    }
    ward_status status;
    enum ward_commit_outcome outcome = ward_store_commit(writer, commit, &status);
    ward_store_writer_close(writer);
    return outcome;
}

enum ward_commit_outcome core_world_write(struct core_world *world,
                                          const struct ward_effect *effects, size_t n,
                                          bool bump_epoch, const char *leaf_body)
{
    struct ward_commit commit = {.effects = effects, .n_effects = n, .bump_epoch = bump_epoch};
    return core_world_commit(world, &commit, leaf_body);
}

static struct ward_effect policy_effect(struct core_world *world, const char *text)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_POLICY};
    struct ward_policy *policy = NULL;
    struct ward_policy_error error = {0};
    ward_status status = ward_policy_parse(ward_bytes_str(text), &policy, &error);
    if (!ward_ok(status)) {
        fail_msg("the test's policy, line %u: %s", error.line, error.text);
    }
    effect.policy.version = ++world->policy_version;
    effect.policy.follows = effect.policy.version > 1;
    effect.policy.text = ward_bytes_str(text);
    memcpy(effect.policy.hash, ward_policy_hash(policy), 32);
    effect.policy.created_us = wall_us(&world->clock.base);
    ward_policy_unref(policy);
    return effect;
}

void core_world_set_policy(struct core_world *world, const char *text)
{
    struct ward_effect effect = policy_effect(world, text);
    assert_int_equal(core_world_write(world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

static void genesis(struct core_world *world)
{
    struct ward_kek_session *session = NULL;
    struct ward_arena *arena = NULL;
    uint8_t public_key[128];
    size_t size = 0;
    int64_t now = wall_us(&world->clock.base);
    struct ward_effect effects[5] = {{.kind = WARD_EFFECT_DEPLOYMENT}};
    struct ward_store_deployment *deployment = &effects[0].deployment;
    struct ward_kek_ref system = {.version = 1}, signer = {.version = 1};
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_kek_session_open(world->kek, &session));
    *deployment = (struct ward_store_deployment){.origin = WARD_BYTES_LITERAL("unit.test"),
                                                 .schema_version = WARD_SCHEMA_VERSION,
                                                 .created_us = now};
    assert_ok(ward_id_random(&deployment->id));
    assert_ok(ward_id_random(&signer.id));
    assert_ok(ward_id_random(&system.id));
    deployment->log_key = signer.id;
    assert_ok(ward_kek_create_signer(session, &signer, "log", &deployment->log_algorithm,
                                     public_key, &size));
    deployment->log_public_key = WARD_BYTES(public_key, size);
    assert_ok(ward_kek_create(session, &system, "system"));
    effects[1] = policy_effect(world, core_policy);
    memcpy(deployment->genesis_policy_hash, effects[1].policy.hash, 32);
    effects[2] = (struct ward_effect){.kind = WARD_EFFECT_KEK,
                                      .kek = {.id = system.id,
                                              .name = WARD_BYTES_LITERAL(WARD_SYSTEM_KEK_NAME),
                                              .backend = WARD_BYTES_LITERAL("pkcs11"),
                                              .purpose = WARD_PURPOSE_SYSTEM,
                                              .enabled = true,
                                              .rotation_period_days = 365,
                                              .created_us = now}};
    effects[3] = (struct ward_effect){.kind = WARD_EFFECT_KEK_VERSION,
                                      .kek_version = {.kek = system.id,
                                                      .version = 1,
                                                      .state = WARD_KEY_ACTIVE,
                                                      .created_us = now,
                                                      .changed_us = now}};
    effects[4] = (struct ward_effect){.kind = WARD_EFFECT_INDEX_KEY,
                                      .index_key.name = WARD_BYTES_LITERAL(WARD_INDEX_KEY_NAME)};
    assert_ok(ward_index_key_make(session, &system, &deployment->id, arena,
                                  &effects[4].index_key.wrapped));
    assert_ok(
        ward_index_key_open(session, &deployment->id, effects[4].index_key.wrapped, &world->index));
    assert_int_equal(core_world_write(world, effects, 5, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    ward_kek_session_close(session);
    ward_arena_free(arena);
}

void core_world_init(struct core_world *world)
{
    *world = (struct core_world){.clock.base = {.wall_us = wall_us, .monotonic_us = monotonic_us},
                                 .budget = ARENA_BUDGET};
    core_ca_init(&world->ca, "unit test clients");
    char *pem = core_ca_pem(&world->ca);
    assert_ok(ward_trust_new(ward_bytes_str(pem), (struct ward_bytes){0}, &world->trust));
    free(pem);
    core_person_init(&world->app, &world->ca, NULL, DOMAIN "app", 30);
    core_person_init(&world->officer_a, &world->ca, NULL, DOMAIN "officer-a", 30);
    core_person_init(&world->officer_a2, &world->ca, NULL, DOMAIN "officer-a2", 30);
    core_person_init(&world->officer_b, &world->ca, NULL, DOMAIN "officer-b", 30);
    core_person_init(&world->officer_bk, &world->ca, world->officer_a.key, DOMAIN "officer-b", 30);
    core_person_init(&world->officer_c, &world->ca, NULL, DOMAIN "officer-c", 30);
    core_person_init(&world->auditor, &world->ca, NULL, DOMAIN "auditor", 30);
    core_person_init(&world->stranger, &world->ca, NULL, DOMAIN "stranger", 30);
    assert_ok(ward_store_memory_open(&world->store));
    ward_store_memory_set_clock(world->store, &world->clock.base);
    assert_ok(fake_kek_open(&world->kek));
    genesis(world);
}

void core_world_fini(struct core_world *world)
{
    struct core_person *persons[] = {&world->app,       &world->officer_a,  &world->officer_a2,
                                     &world->officer_b, &world->officer_bk, &world->officer_c,
                                     &world->auditor,   &world->stranger};
    for (size_t i = 0; i < sizeof(persons) / sizeof(persons[0]); i++) {
        core_person_fini(persons[i]);
    }
    ward_index_unref(world->index);
    ward_trust_free(world->trust);
    core_ca_fini(&world->ca);
    ward_store_close(world->store);
    ward_kek_close(world->kek);
}

/* ---- nodes ---- */

static ward_status build_state(struct core_node *node, struct ward_store_reader *reader,
                               const struct ward_state *before, struct ward_index *take_index,
                               struct ward_state **ret)
{
    struct core_world *world = node->world;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    ward_status status = ward_arena_new(64u << 20, &arena);
    if (ward_ok(status)) {
        status = ward_store_snapshot(reader, arena, &snapshot);
    }
    if (ward_ok(status) && before != NULL) {
        size_t missing;
        status = ward_revoked_keep(before, reader, world->trust, arena, &snapshot, &missing);
    }
    if (!ward_ok(status)) {
        ward_index_unref(take_index);
        return status;
    }
    struct ward_policy *policy = NULL;
    status = ward_policy_parse(snapshot.policy_text, &policy, NULL);
    if (!ward_ok(status)) {
        ward_index_unref(take_index);
        return status;
    }
    status = ward_state_new(&snapshot, policy, node->name, take_index, ret);
    ward_policy_unref(policy);
    WARD_TRY(status);
    if (before == NULL) {
        return WARD_OK;
    }
    ward_state_date_keys(*ret, before);
    return ward_revoked_date(*ret, before);
}

ward_status core_node_refresh(void *context, struct ward_store_reader *reader)
{
    struct core_node *node = context;
    node->refreshes++;
    WARD_ENSURE(!node->refresh_fails, WARD_E_UNAVAILABLE);
    struct ward_state *now = ward_state_slot_get(&node->states), *state;
    ward_status status = build_state(node, reader, now, ward_index_ref(now->index), &state);
    ward_state_unref(now);
    WARD_TRY(status);
    ward_state_slot_put(&node->states, state);
    return WARD_OK;
}

void core_node_refresh_now(struct core_node *node)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(node->world->store, &reader));
    assert_ok(core_node_refresh(node, reader));
    ward_store_reader_close(reader);
}

static void first_state(struct core_node *node, struct ward_kek_session *session)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    struct ward_index *index;
    struct ward_state *state;
    assert_ok(ward_arena_new(64u << 20, &arena));
    assert_ok(ward_store_reader_open(node->world->store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    assert_ok(ward_index_key_open(session, &snapshot.deployment.id, snapshot.index_keys[0].wrapped,
                                  &index));
    assert_ok(build_state(node, reader, NULL, index, &state));
    ward_state_slot_init(&node->states, state);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

static void complete(void *context, struct ward_list *requests)
{
    struct core_node *node = context;
    (void)pthread_mutex_lock(&node->lock);
    ward_list_splice(&node->answers, requests);
    (void)pthread_cond_broadcast(&node->arrived);
    (void)pthread_mutex_unlock(&node->lock);
}

static void altered(void *context, ward_status status)
{
    struct core_node *node = context;
    assert_int_equal(status.code, WARD_E_STATE);
    node->alterations++;
}

static void rolled_back(void *context, uint64_t size, uint64_t acknowledged)
{
    struct core_node *node = context;
    assert_true(size <= acknowledged);
    node->rollbacks++;
}

void core_node_start(struct core_node *node, struct core_world *world, const char *name)
{
    *node = (struct core_node){.world = world, .name = ward_bytes_str(name)};
    (void)pthread_mutex_init(&node->lock, NULL);
    (void)pthread_cond_init(&node->arrived, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct ward_kek_session *session = NULL;
        assert_ok(ward_kek_session_open(world->kek, &session));
        if (i == 0) {
            first_state(node, session);
            ward_pipeline_init(&node->pipeline, &node->states, &world->clock.base);
            node->pipeline.complete = complete;
            node->pipeline.complete_context = node;
            node->pipeline.trust = world->trust;
            if (world->wraps.hard > 0) {
                assert_ok(ward_budget_new(&world->wraps, &node->wraps));
                node->pipeline.budget = node->wraps;
            }
        }
        assert_ok(ward_worker_new(&node->pipeline, session, false, &node->workers[i]));
        assert_ok(ward_worker_start(node->workers[i]));
        assert_ok(ward_reader_start(&node->pipeline, world->store, &node->readers[i]));
    }
    const struct ward_committer_config config = {.pipeline = &node->pipeline,
                                                 .store = world->store,
                                                 .node = node->name,
                                                 .refresh = core_node_refresh,
                                                 .refresh_context = node,
                                                 .rolled_back = rolled_back,
                                                 .altered = altered};
    assert_ok(ward_committer_start(&config, 0, &node->committer));
}

void core_node_drain(struct core_node *node)
{
    ward_queue_close(&node->pipeline.reads);
    ward_reader_join(node->readers[0]);
    ward_reader_join(node->readers[1]);
    ward_queue_close(&node->pipeline.work);
    ward_worker_join(node->workers[0]);
    ward_worker_join(node->workers[1]);
    ward_queue_close(&node->pipeline.commits);
    ward_committer_join(node->committer);
    node->drained = true;
}

void core_node_stop(struct core_node *node)
{
    if (!node->drained) {
        core_node_drain(node);
    }
    assert_int_equal(node->answers.size, 0);
    ward_pipeline_fini(&node->pipeline);
    ward_budget_free(node->wraps);
    ward_state_slot_fini(&node->states);
    (void)pthread_cond_destroy(&node->arrived);
    (void)pthread_mutex_destroy(&node->lock);
}

/* ---- requests ---- */

struct ward_request *core_request(struct core_world *world, const struct core_person *person,
                                  const struct ward_op *op, size_t in_size)
{
    struct ward_request *request = NULL;
    assert_ok(ward_request_new(world->budget, &request));
    request->peer = person == NULL ? NULL : ward_peer_ref(person->peer);
    request->op = op;
    request->in = ward_arena_alloc(request->arena, in_size);
    char *id = ward_arena_printf(request->arena, "r-%u", ++world->requests);
    assert_true(request->in != NULL && id != NULL);
    request->request_id = ward_bytes_str(id);
    return request;
}

void core_submit(struct core_node *node, struct ward_request **requests, size_t n)
{
    struct ward_list list = {0};
    for (size_t i = 0; i < n; i++) {
        ward_list_push(&list, &requests[i]->link);
    }
    ward_pipeline_submit(&node->pipeline, &list);
}

void core_wait(struct core_node *node, size_t n)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    bool late = false;
    (void)pthread_mutex_lock(&node->lock);
    while (node->answers.size < n && !late) {
        late = pthread_cond_timedwait(&node->arrived, &node->lock, &until) != 0;
    }
    for (size_t i = 0; i < n && !late; i++) {
        (void)ward_list_pop(&node->answers);
    }
    (void)pthread_mutex_unlock(&node->lock);
    if (late) {
        fail_msg("%zu answers did not come within %d seconds", n, WAIT_S);
    }
}

ward_status core_run(struct core_node *node, struct ward_request *request)
{
    core_submit(node, &request, 1);
    core_wait(node, 1);
    return request->status;
}

ward_status core_run_free(struct core_node *node, struct ward_request *request)
{
    ward_status status = core_run(node, request);
    ward_request_free(request);
    return status;
}

void core_make_key(struct core_node *node, const char *name, uint8_t purpose)
{
    struct ward_request *request = core_request(
        node->world, &node->world->officer_a, &ward_op_key_create, sizeof(struct ward_key_create));
    *(struct ward_key_create *)request->in = (struct ward_key_create){
        .name = ward_bytes_str(name), .purpose = purpose, .rotation_period_days = 365};
    assert_ok(core_run_free(node, request));
}
