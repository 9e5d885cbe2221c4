/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. All rows go in with one commit; a crash before it leaves key objects in the token
 * that nothing names, and genesis can be run again. */
#include "server/genesis.h"

#include <stdio.h>

#include "backends/pkcs11/kek_pkcs11.h"
#include "policy/compare.h"
#include "proto/leaf.h"
#include "server/app.h"
#include "server/index_key.h"
#include "server/integrity.h"
#include "server/work/batch.h"

#define DAEMON_ROLE "ward_daemon"
#define GENESIS_ARENA_MAX (16u << 20)

struct genesis {
    const struct ward_config *config;
    struct ward_arena *arena;
    struct ward_digest *digest;
    struct ward_store *store;
    struct ward_kek *kek;
    struct ward_kek_session *session;
    struct ward_policy *policy;
    struct ward_bytes policy_text;
    struct ward_store_deployment deployment;
    struct ward_kek_ref system_kek;
    struct ward_bytes index_key;
    uint8_t public_key[128];
    int64_t now_us;
    bool log_key_changed; /* since genesis */
};

static ward_status load_policy(struct genesis *g)
{
    struct ward_policy_error error = {0};
    WARD_TRY(ward_config_read_file(g->config->policy_genesis, 1u << 20, g->arena, &g->policy_text));
    ward_status status = ward_policy_parse(g->policy_text, &g->policy, &error);
    if (!ward_ok(status)) {
        (void)fprintf(stderr, "wardd: %s:%u:%u: %s\n", g->config->policy_genesis, error.line,
                      error.column, error.text);
        return status;
    }
    if (memcmp(ward_policy_hash(g->policy), g->config->policy_genesis_sha256, 32) != 0) {
        return WARD_REFUSAL(
            WARD_E_STATE,
            "policy.genesis_sha256: not the SHA-256 of the file that policy.genesis names");
    }
    return WARD_OK;
}

static ward_status make_keys(struct genesis *g)
{
    WARD_TRY(ward_kek_session_open(g->kek, &g->session));
    WARD_TRY(ward_kek_probe(g->session));
    struct ward_store_deployment *d = &g->deployment;
    WARD_TRY(ward_id_random(&d->id));
    WARD_TRY(ward_id_random(&d->log_key));
    size_t size = 0;
    const struct ward_kek_ref signer = {d->log_key, 1};
    WARD_TRY(ward_kek_create_signer(g->session, &signer, "ward audit log", &d->log_algorithm,
                                    g->public_key, &size));
    d->log_public_key = WARD_BYTES(g->public_key, size);
    g->system_kek.version = 1;
    WARD_TRY(ward_id_random(&g->system_kek.id));
    WARD_TRY(ward_kek_create(g->session, &g->system_kek, "ward " WARD_SYSTEM_KEK_NAME " v1"));
    return ward_index_key_make(g->session, &g->system_kek, &d->id, g->arena, &g->index_key);
}

static ward_status add_effects(struct genesis *g, struct ward_batch *batch)
{
    struct ward_effect deployment = {.kind = WARD_EFFECT_DEPLOYMENT, .deployment = g->deployment};
    WARD_TRY(ward_batch_effect(batch, &deployment));
    struct ward_effect policy = {.kind = WARD_EFFECT_POLICY};
    policy.policy.version = 1;
    policy.policy.text = g->policy_text;
    memcpy(policy.policy.hash, ward_policy_hash(g->policy), 32);
    policy.policy.created_us = g->now_us;
    WARD_TRY(ward_batch_effect(batch, &policy));
    struct ward_effect kek = {.kind = WARD_EFFECT_KEK};
    kek.kek = (struct ward_store_kek){.id = g->system_kek.id,
                                      .name = WARD_BYTES_LITERAL(WARD_SYSTEM_KEK_NAME),
                                      .backend = WARD_BYTES_LITERAL("pkcs11"),
                                      .purpose = WARD_PURPOSE_SYSTEM,
                                      .enabled = true,
                                      .rotation_period_days = 365,
                                      .created_us = g->now_us};
    WARD_TRY(ward_batch_effect(batch, &kek));
    struct ward_effect version = {.kind = WARD_EFFECT_KEK_VERSION};
    version.kek_version = (struct ward_store_kek_version){.kek = g->system_kek.id,
                                                          .version = 1,
                                                          .state = WARD_KEY_ACTIVE,
                                                          .created_us = g->now_us,
                                                          .changed_us = g->now_us};
    WARD_TRY(ward_batch_effect(batch, &version));
    struct ward_effect index = {.kind = WARD_EFFECT_INDEX_KEY};
    index.index_key =
        (struct ward_store_index_key){WARD_BYTES_LITERAL(WARD_INDEX_KEY_NAME), g->index_key};
    WARD_TRY(ward_batch_effect(batch, &index));
    batch->bump_epoch = true;
    return WARD_OK;
}

static ward_status write_leaf(struct genesis *g, struct ward_merkle *tree, struct ward_buffer *out)
{
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(&g->deployment.id, id);
    const struct ward_leaf_pair detail[] = {{.name = "deployment", .text = ward_bytes_str(id)}};
    const struct ward_leaf leaf = {.request_id = ward_bytes_str(id),
                                   .identity = WARD_BYTES_LITERAL("system"),
                                   .action = ward_action_name(WARD_ACTION_SYSTEM_START),
                                   .object = ward_bytes_str(ward_policy_deployment(g->policy)),
                                   .outcome = "allowed",
                                   .policy = ward_policy_hash(g->policy),
                                   .detail = detail,
                                   .n_detail = 1};
    struct ward_buffer body;
    ward_buffer_init(&body, 4096);
    ward_leaf_body(&leaf, &body);
    ward_buffer_add_u16(out, 0);
    ward_leaf_finish(0, g->now_us, ward_bytes_str(g->config->node), ward_buffer_view(&body), out);
    bool failed = body.failed || out->failed;
    ward_buffer_fini(&body);
    WARD_ENSURE(!failed, WARD_E_EXHAUSTED);
    ward_put_u16(out->data, (uint16_t)(out->size - 2));
    uint8_t hash[32];
    WARD_TRY(ward_merkle_leaf(g->digest, WARD_BYTES(out->data + 2, out->size - 2), hash));
    return ward_merkle_append(g->digest, tree, hash);
}

/* The first sums and the first tag, under the key that was just made. */
static ward_status seal(struct genesis *g, const struct ward_batch *batch, struct ward_head *head)
{
    struct ward_index *index = NULL;
    WARD_TRY(ward_index_key_open(g->session, &g->deployment.id, g->index_key, &index));
    head->epoch++;
    const struct ward_integrity integrity = {g->digest, ward_secret_view(index->rows)};
    bool changed = false;
    ward_status status =
        ward_integrity_apply(&integrity, batch->effects, batch->n_effects, head, &changed);
    if (ward_ok(status)) {
        status = ward_integrity_seal(&integrity, head);
    }
    ward_index_unref(index);
    return status;
}

static ward_status commit_with(struct genesis *g, struct ward_store_writer *writer,
                               struct ward_batch *batch, struct ward_buffer *leaves)
{
    struct ward_head head;
    WARD_TRY(add_effects(g, batch));
    WARD_TRY(ward_store_head(writer, false, &head));
    WARD_ENSURE(head.tree.size == 0, WARD_E_STATE);
    const uint64_t epoch = head.epoch;
    WARD_TRY(write_leaf(g, &head.tree, leaves));
    WARD_TRY(seal(g, batch, &head));
    const struct ward_commit commit = {.effects = batch->effects,
                                       .n_effects = batch->n_effects,
                                       .bump_epoch = true,
                                       .n_leaves = 1,
                                       .leaves = ward_buffer_view(leaves),
                                       .epoch = epoch,
                                       .tree = &head.tree,
                                       .seal = &head.seal};
    ward_status status = WARD_OK;
    if (ward_store_commit(writer, &commit, &status) != WARD_COMMITTED) {
        return ward_ok(status) ? WARD_STATUS(WARD_E_UNAVAILABLE) : status;
    }
    return WARD_OK;
}

static ward_status commit(struct genesis *g)
{
    struct ward_store_writer *writer = NULL;
    struct ward_batch batch = {0};
    struct ward_buffer leaves;
    ward_buffer_init(&leaves, 8192);
    WARD_TRY(ward_store_writer_open(g->store, &writer));
    ward_status status = commit_with(g, writer, &batch, &leaves);
    ward_store_writer_close(writer);
    ward_batch_fini(&batch);
    ward_buffer_fini(&leaves);
    return status;
}

static ward_status print(const struct genesis *g)
{
    char id[WARD_ID_TEXT_SIZE], hash[65], vkey[WARD_VKEY_MAX];
    struct ward_note_key key;
    char origin[WARD_NOTE_NAME_MAX];
    WARD_ENSURE(g->deployment.origin.size > 0 && g->deployment.origin.size < sizeof(origin),
                WARD_E_STATE);
    memcpy(origin, g->deployment.origin.data, g->deployment.origin.size);
    origin[g->deployment.origin.size] = 0;
    WARD_TRY(ward_note_key_init(origin, g->deployment.log_algorithm, g->deployment.log_public_key,
                                &key));
    ward_note_key_print(&key, vkey);
    ward_id_print(&g->deployment.id, id);
    ward_hex_encode(WARD_BYTES(g->deployment.genesis_policy_hash, 32), hash);
    (void)printf("{\"deployment\":\"%s\",\"policy_sha256\":\"%s\"", id, hash);
    if (!g->log_key_changed) {
        (void)printf(",\"log_vkey\":\"%s\"", vkey);
    }
    (void)printf("}\n"); /* flushed below, which tells of any error before */
    return fflush(stdout) == 0 ? WARD_OK : WARD_STATUS(WARD_E_INTERNAL);
}

/* Already there: the same policy is fine, another one is somebody's mistake. */
static ward_status take_existing(struct genesis *g, const struct ward_store_snapshot *snapshot)
{
    if (memcmp(snapshot->deployment.genesis_policy_hash, ward_policy_hash(g->policy), 32) != 0) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "database: it belongs to a deployment that began with another policy");
    }
    g->deployment = snapshot->deployment;
    /* Whoever writes to the database may have added it: only a daemon, which checks the rows, and
     * auditors, who check the log, may tell what the key is now. */
    g->log_key_changed = snapshot->n_log_keys > 0;
    return WARD_OK;
}

static bool nobody_is_gone(void *context, struct ward_bytes identity)
{
    (void)context;
    (void)identity;
    return false;
}

/* What is put in force later is held to the same: who is locked out now is so for ever. */
static ward_status check_changeable(const struct genesis *g)
{
    return ward_ok(ward_policy_changeable(g->policy, nobody_is_gone, NULL))
               ? WARD_OK
               : WARD_REFUSAL(WARD_E_STATE,
                              "policy: nobody could ever change it; ward policy check says why");
}

static ward_status run(struct genesis *g, const char *owner_conninfo)
{
    g->now_us = ward_wall_us(&ward_clock_system);
    WARD_TRY(ward_arena_new(GENESIS_ARENA_MAX, &g->arena));
    WARD_TRY(ward_digest_new(&g->digest));
    WARD_TRY(load_policy(g));
    WARD_TRY(ward_store_postgres_migrate(owner_conninfo, DAEMON_ROLE));
    WARD_TRY(ward_store_postgres_open(g->config->database_conninfo, &g->store));
    struct ward_store_reader *reader = NULL;
    struct ward_store_snapshot snapshot;
    WARD_TRY(ward_store_reader_open(g->store, &reader));
    ward_status status = ward_store_snapshot(reader, g->arena, &snapshot);
    ward_store_reader_close(reader);
    WARD_TRY(status);
    if (snapshot.initialised) {
        WARD_TRY(take_existing(g, &snapshot));
        return print(g);
    }
    WARD_TRY(check_changeable(g));
    WARD_TRY(ward_app_open_kek(g->config, &g->kek));
    g->deployment =
        (struct ward_store_deployment){.origin = ward_bytes_str(ward_policy_deployment(g->policy)),
                                       .schema_version = WARD_SCHEMA_VERSION,
                                       .created_us = g->now_us};
    memcpy(g->deployment.genesis_policy_hash, ward_policy_hash(g->policy), 32);
    WARD_TRY(make_keys(g));
    WARD_TRY(commit(g));
    return print(g);
}

int ward_genesis(const struct ward_config *config, const char *owner_conninfo)
{
    struct genesis g = {.config = config};
    ward_status status = run(&g, owner_conninfo);
    if (!ward_ok(status)) {
        const char *refusal = ward_status_refusal(status);
        char text[160];
        (void)fprintf(stderr, "wardd: genesis failed, nothing was stored: %s\n",
                      refusal != NULL ? refusal : ward_status_describe(status, text, sizeof(text)));
    }
    ward_kek_session_close(g.session);
    ward_kek_close(g.kek);
    ward_store_close(g.store);
    ward_policy_unref(g.policy);
    ward_digest_free(g.digest);
    ward_arena_free(g.arena);
    return ward_ok(status) ? 0 : 1;
}
