/* SPDX-License-Identifier: Apache-2.0 */
/* What the groups of the suite share. */
#include "tests/conformance/store/store_fixture.h"

#include <stdlib.h>

#include "base/wipe_alloc.h"

#define ARENA_BUDGET (64u * 1024 * 1024)

const char *outcome_name(enum ward_commit_outcome outcome)
{
    static const char *const names[] = {"COMMITTED", "HEAD_MOVED", "STALE",       "CONFLICT",
                                        "RETRY",     "UNKNOWN",    "UNAVAILABLE", "FAILED"};
    return names[outcome];
}

void assert_status(ward_status status, enum ward_code code, const char *file, int line)
{
    if (status.code != code) {
        char text[128];
        print_error("%s, not %s\n", ward_status_describe(status, text, sizeof(text)),
                    ward_code_name(code));
        _assert_int_equal(status.code, code, file, line);
    }
}

void assert_outcome_at(enum ward_commit_outcome found, enum ward_commit_outcome wanted,
                       const char *file, int line)
{
    if (found != wanted) {
        print_error("%s, not %s\n", outcome_name(found), outcome_name(wanted));
        _assert_int_equal(found, wanted, file, line);
    }
}

void fixture_init(struct fixture *fx, struct ward_store *store)
{
    *fx = (struct fixture){.store = store};
    assert_ok(ward_store_writer_open(store, &fx->w));
    assert_ok(ward_store_writer_open(store, &fx->w2));
    assert_ok(ward_store_reader_open(store, &fx->r));
    assert_ok(ward_arena_new(ARENA_BUDGET, &fx->arena));
    assert_ok(ward_digest_new(&fx->digest));
    ward_buffer_init(&fx->leaves, 8u * 1024 * 1024);
}

void fixture_fini(struct fixture *fx)
{
    ward_buffer_fini(&fx->leaves);
    ward_digest_free(fx->digest);
    ward_arena_free(fx->arena);
    ward_store_reader_close(fx->r);
    ward_store_writer_close(fx->w2);
    ward_store_writer_close(fx->w);
    ward_store_close(fx->store);
}

int fixture_setup(void **state)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    assert_non_null(fx);
    fixture_init(fx, store_under_test->open());
    fx->head = fixture_head(fx->w);
    *state = fx;
    return 0;
}

int fixture_teardown(void **state)
{
    fixture_fini(*state);
    free(*state);
    return 0;
}

struct ward_head fixture_head(struct ward_store_writer *writer)
{
    struct ward_head head;
    assert_ok(ward_store_head(writer, false, &head));
    return head;
}

void assert_head_unmoved(struct fixture *fx)
{
    struct ward_head head = fixture_head(fx->w2);
    assert_int_equal(head.tree.size, fx->head.tree.size);
    assert_int_equal(head.epoch, fx->head.epoch);
}

/* "leaf <sequence>" and, so that sizes differ, some dots. */
static void add_leaf(struct fixture *fx, struct ward_merkle *tree)
{
    char text[128];
    int size =
        snprintf(text, sizeof(text), "leaf %llu %.*s", (unsigned long long)tree->size,
                 (int)(tree->size % 50), "..................................................");
    struct ward_bytes leaf = WARD_BYTES(text, (size_t)size);
    uint8_t hash[WARD_HASH_SIZE];
    ward_buffer_add_u16(&fx->leaves, (uint16_t)leaf.size);
    ward_buffer_add(&fx->leaves, leaf);
    assert_ok(ward_merkle_leaf(fx->digest, leaf, hash));
    assert_ok(ward_merkle_append(fx->digest, tree, hash));
}

struct ward_commit *fixture_begin(struct fixture *fx, uint32_t n_leaves)
{
    struct ward_merkle *tree = WARD_ARENA_NEW(fx->arena, struct ward_merkle);
    assert_non_null(tree);
    *tree = fx->head.tree;
    ward_buffer_reset(&fx->leaves);
    for (uint32_t i = 0; i < n_leaves; i++) {
        add_leaf(fx, tree);
    }
    fx->commit = (struct ward_commit){.first_seq = fx->head.tree.size,
                                      .n_leaves = n_leaves,
                                      .leaves = ward_buffer_view(&fx->leaves),
                                      .epoch = fx->head.epoch,
                                      .tree = tree};
    return &fx->commit;
}

enum ward_commit_outcome fixture_commit(struct fixture *fx, struct ward_store_writer *writer)
{
    enum ward_commit_outcome outcome = ward_store_commit(writer, &fx->commit, &fx->status);
    if (outcome == WARD_COMMITTED) {
        assert_int_equal(fx->status.code, WARD_E_OK);
        fx->head.tree = *fx->commit.tree;
        fx->head.epoch += fx->commit.bump_epoch ? 1 : 0;
    } else {
        assert_int_not_equal(fx->status.code, WARD_E_OK);
    }
    return outcome;
}

enum ward_commit_outcome fixture_effect(struct fixture *fx, const struct ward_effect *effect)
{
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->effects = effect;
    commit->n_effects = 1;
    return fixture_commit(fx, fx->w);
}

struct ward_id an_id(void)
{
    struct ward_id id;
    assert_ok(ward_id_random(&id));
    return id;
}

void a_deployment(struct fixture *fx)
{
    struct ward_effect effects[] = {{.kind = WARD_EFFECT_DEPLOYMENT,
                                     .deployment = {.id = an_id(),
                                                    .origin = ward_bytes_str("o"),
                                                    .schema_version = WARD_SCHEMA_VERSION,
                                                    .log_key = an_id(),
                                                    .log_public_key = ward_bytes_str("k"),
                                                    .created_us = 1}}};
    assert_outcome(fixture_effect(fx, effects), WARD_COMMITTED);
}

void a_hash(uint8_t out[static WARD_HASH_SIZE])
{
    assert_ok(ward_random(out, WARD_HASH_SIZE));
}

struct ward_id a_kek(struct fixture *fx, const char *name)
{
    struct ward_id id = an_id();
    struct ward_effect effects[] = {
        {.kind = WARD_EFFECT_KEK,
         .kek = {.id = id,
                 .name = ward_bytes_str(name),
                 .backend = ward_bytes_str("hsm"),
                 .purpose = 2,
                 .enabled = true,
                 .rotation_period_days = 365,
                 .created_us = 1000}},
        {.kind = WARD_EFFECT_KEK_VERSION,
         .kek_version = {.kek = id, .version = 1, .state = 2, .created_us = 1001}},
    };
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->effects = effects;
    commit->n_effects = 2;
    commit->bump_epoch = true;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    return id;
}

struct ward_new_subject_key a_subject_key(struct fixture *fx, const struct ward_id *kek)
{
    struct ward_new_subject_key key = {.id = an_id(),
                                       .collection = ward_bytes_str("patients"),
                                       .generation = 1,
                                       .kek = *kek,
                                       .kek_version = 1,
                                       .wrapped = ward_bytes_str("wrapped-1")};
    a_hash(key.subject_hash);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = &key;
    commit->n_subject_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    return key;
}

struct ward_new_record a_record(const struct ward_id *subject_key)
{
    struct ward_new_record record = {.version = 1,
                                     .subject_key = *subject_key,
                                     .schema_version = 1,
                                     .created_us = 1000,
                                     .sealed = ward_bytes_str("sealed")};
    a_hash(record.id_hash);
    return record;
}

ward_status read_one(struct fixture *fx, struct ward_read *read)
{
    read->arena = fx->arena;
    assert_ok(ward_store_read(fx->r, &read, 1));
    return read->status;
}

uint32_t record_version(struct fixture *fx, const uint8_t id_hash[static WARD_HASH_SIZE])
{
    struct ward_read read = {.kind = WARD_READ_RECORD_VERSION};
    memcpy(read.record_version.id_hash, id_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &read));
    return read.record_version.version;
}

struct ward_store_snapshot a_snapshot(struct fixture *fx)
{
    struct ward_store_snapshot snapshot;
    assert_ok(ward_store_snapshot(fx->r, fx->arena, &snapshot));
    return snapshot;
}
