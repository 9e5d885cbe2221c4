/* SPDX-License-Identifier: Apache-2.0 */
/* The immutable state: what is refused when it is built, how keys are found, and that the newest
 * one stays. */
#include <stdlib.h>

#include "server/index_key.h"
#include "server/state.h"
#include "tests/unit/server/core_daemon.h"

#define KEYS 50

static struct ward_digest *digest;
static struct ward_arena *arena;
static struct ward_store_kek keks[KEYS];
static struct ward_store_kek_version versions[KEYS * 2];
static struct ward_store_snapshot snapshot;
static uint8_t log_public[32] = {1};

/* Ids in another order than names, since each is searched by its own. */
static struct ward_id id_of(unsigned i)
{
    struct ward_id id = {.bytes = {(uint8_t)(i * 131 + 7), (uint8_t)i}};
    return id;
}

static int by_kek(const void *a, const void *b)
{
    const struct ward_store_kek_version *x = a, *y = b;
    int order = memcmp(x->kek.bytes, y->kek.bytes, sizeof(x->kek.bytes));
    return order != 0 ? order : (int)x->version - (int)y->version;
}

static int start(void **state)
{
    (void)state;
    assert_ok(ward_digest_new(&digest));
    assert_ok(ward_arena_new(1u << 20, &arena));
    struct ward_bytes text = ward_bytes_str(core_policy);
    for (unsigned i = 0; i < KEYS; i++) {
        char *name = ward_arena_printf(arena, "app/key-%02u", i);
        assert_non_null(name);
        keks[i] = (struct ward_store_kek){.id = id_of(i),
                                          .name = ward_bytes_str(name),
                                          .backend = WARD_BYTES_LITERAL("pkcs11"),
                                          .purpose = WARD_PURPOSE_DATA_KEYS,
                                          .enabled = i % 2 == 0};
        versions[2 * i] = (struct ward_store_kek_version){
            .kek = id_of(i), .version = 1, .state = WARD_KEY_DEACTIVATED};
        versions[2 * i + 1] = (struct ward_store_kek_version){
            .kek = id_of(i),
            .version = 2,
            .state = i % 3 == 0 ? WARD_KEY_SUSPENDED : WARD_KEY_ACTIVE};
    }
    qsort(versions, (size_t)2 * KEYS, sizeof(versions[0]), by_kek);
    snapshot = (struct ward_store_snapshot){
        .initialised = true,
        .epoch = 7,
        .deployment = {.origin = WARD_BYTES_LITERAL("unit.test"),
                       .schema_version = WARD_SCHEMA_VERSION,
                       .log_algorithm = WARD_NOTE_ED25519,
                       .log_public_key = WARD_BYTES_ARRAY(log_public)},
        .policy_version = 1,
        .policy_text = text,
        .keks = keks,
        .n_keks = KEYS,
        .versions = versions,
        .n_versions = (size_t)2 * KEYS,
    };
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_digest_free(digest);
    ward_arena_free(arena);
    return 0;
}

static struct ward_index *new_index(void)
{
    struct ward_index *index = NULL;
    assert_ok(
        ward_index_new(digest, WARD_BYTES_LITERAL("0123456789abcdef0123456789abcdef"), &index));
    return index;
}

static ward_status build(struct ward_state **ret)
{
    struct ward_policy *policy = NULL;
    WARD_TRY(ward_policy_parse(snapshot.policy_text, &policy, NULL));
    ward_status status =
        ward_state_new(&snapshot, policy, WARD_BYTES_LITERAL("node-1"), new_index(), ret);
    ward_policy_unref(policy);
    return status;
}

static struct ward_state *good(void)
{
    struct ward_state *built = NULL;
    assert_ok(build(&built));
    return built;
}

static void every_key_is_found_by_name_and_by_id(void **state)
{
    (void)state;
    struct ward_state *built = good();
    for (unsigned i = 0; i < KEYS; i++) {
        const struct ward_key *key = ward_state_key(built, keks[i].name);
        struct ward_id id = id_of(i);
        assert_non_null(key);
        assert_ptr_equal(ward_state_key_by_id(built, &id), key);
        assert_true(ward_id_eq(&key->id, &id));
        assert_int_equal(key->n_versions, 2);
        assert_non_null(ward_key_version_find(key, 1));
        assert_null(ward_key_version_find(key, 3));
    }
    struct ward_id none = {.bytes = {0xff, 0xff}};
    assert_null(ward_state_key_by_id(built, &none));
    assert_null(ward_state_key(built, WARD_BYTES_LITERAL("app/key-")));
    assert_null(ward_state_key(built, WARD_BYTES_LITERAL("app/key-000")));
    assert_null(ward_state_key(built, (struct ward_bytes){0}));
    ward_state_unref(built);
}

static void only_an_enabled_key_with_an_active_version_wraps(void **state)
{
    (void)state;
    struct ward_state *built = good();
    for (unsigned i = 0; i < KEYS; i++) {
        const struct ward_key_version *version = NULL;
        ward_status status =
            ward_state_wrapping_version(ward_state_key(built, keks[i].name), &version);
        if (i % 2 != 0) {
            assert_code(status, WARD_E_STATE);
            assert_string_equal(ward_status_refusal(status), "key: disabled");
        } else if (i % 3 == 0) {
            assert_code(status, WARD_E_STATE);
            assert_string_equal(ward_status_refusal(status),
                                "key: this version is suspended; only an active one wraps");
        } else {
            assert_ok(status);
            assert_int_equal(version->version, 2);
        }
    }
    ward_state_unref(built);
}

static void a_version_in_a_state_that_there_is_not_is_refused(void **state)
{
    (void)state;
    struct ward_state *built = NULL;
    const uint8_t states[] = {0, WARD_KEY_DESTROYED + 1, 255};
    for (size_t i = 0; i < sizeof(states); i++) {
        uint8_t was = versions[3].state;
        versions[3].state = states[i];
        assert_code(build(&built), WARD_E_STATE);
        versions[3].state = was;
    }
    assert_null(built);
}

static void an_origin_that_no_note_can_carry_is_refused(void **state)
{
    (void)state;
    struct ward_state *built = NULL;
    static uint8_t name[WARD_NOTE_NAME_MAX];
    memset(name, 'a', sizeof(name));
    const struct ward_bytes origins[] = {WARD_BYTES_ARRAY(name),
                                         WARD_BYTES_LITERAL("with space"),
                                         WARD_BYTES_LITERAL("with+plus"),
                                         {0}};
    struct ward_bytes was = snapshot.deployment.origin;
    for (size_t i = 0; i < 4; i++) {
        snapshot.deployment.origin = origins[i];
        assert_false(ward_ok(build(&built)));
    }
    snapshot.deployment.origin = was;
    assert_null(built);
}

static void versions_of_a_key_that_is_not_there_are_nobodys(void **state)
{
    (void)state;
    snapshot.n_keks = KEYS - 1;
    struct ward_state *built = good();
    snapshot.n_keks = KEYS;
    struct ward_id lost = id_of(KEYS - 1);
    assert_null(ward_state_key_by_id(built, &lost));
    assert_int_equal(built->n_keys, KEYS - 1);
    ward_state_unref(built);
}

static void the_newest_state_stays(void **state)
{
    (void)state;
    struct ward_state_slot slot;
    struct ward_state *old = good();
    snapshot.epoch = 9;
    struct ward_state *newer = good();
    snapshot.epoch = 8;
    struct ward_state *between = good();
    snapshot.epoch = 7;
    ward_state_slot_init(&slot, old);
    struct ward_state *held = ward_state_slot_get(&slot);
    assert_ptr_equal(held, old);
    ward_state_slot_put(&slot, newer);
    ward_state_slot_put(&slot, between); /* late: dropped */
    struct ward_state *now = ward_state_slot_get(&slot);
    assert_int_equal(now->epoch, 9);
    assert_int_equal(held->epoch, 7); /* whoever holds the old one may go on reading it */
    assert_non_null(ward_state_key(held, keks[3].name));
    ward_state_unref(now);
    ward_state_unref(held);
    ward_state_slot_fini(&slot);
}

static void index_keys_differ_from_each_other_and_with_their_source(void **state)
{
    (void)state;
    struct ward_index *a = new_index(), *b = NULL;
    assert_ok(ward_index_new(digest, WARD_BYTES_LITERAL("0123456789abcdef0123456789abcdeF"), &b));
    assert_false(ward_secret_eq(a->subject, a->record));
    assert_false(ward_secret_eq(a->record, a->context));
    assert_false(ward_secret_eq(a->subject, b->subject));
    size_t used = ward_secret_pool_used();
    ward_index_unref(a);
    ward_index_unref(b);
    assert_true(ward_secret_pool_used() < used);
}

/* ---- the index key under the HSM ---- */

static void an_index_key_opens_only_where_it_was_made(void **state)
{
    (void)state;
    struct ward_kek *kek = NULL;
    struct ward_kek_session *session = NULL;
    struct ward_index *index = NULL;
    struct ward_bytes wrapped;
    struct ward_kek_ref ref = {.id = id_of(1), .version = 1};
    struct ward_id deployment = id_of(2), other = id_of(3);
    assert_ok(fake_kek_open(&kek));
    assert_ok(ward_kek_session_open(kek, &session));
    assert_ok(ward_kek_create(session, &ref, "system"));
    assert_ok(ward_index_key_make(session, &ref, &deployment, arena, &wrapped));
    assert_ok(ward_index_key_open(session, &deployment, wrapped, &index));
    ward_index_unref(index);
    assert_code(ward_index_key_open(session, &other, wrapped, &index), WARD_E_CIPHERTEXT);
    uint8_t bytes[1024];
    memcpy(bytes, wrapped.data, wrapped.size);
    for (size_t i = 0; i < wrapped.size; i++) {
        bytes[i] ^= 0x10;
        enum ward_code code =
            ward_index_key_open(session, &deployment, WARD_BYTES(bytes, wrapped.size), &index).code;
        assert_true(code == WARD_E_CIPHERTEXT || code == WARD_E_NOT_FOUND);
        bytes[i] ^= 0x10;
    }
    bytes[1] = 1; /* a key of another use */
    assert_code(ward_index_key_open(session, &deployment, WARD_BYTES(bytes, wrapped.size), &index),
                WARD_E_CIPHERTEXT);
    fake_kek_set_fault(kek, FAKE_KEK_AWAY);
    assert_code(ward_index_key_open(session, &deployment, wrapped, &index), WARD_E_UNAVAILABLE);
    assert_code(ward_index_key_make(session, &ref, &deployment, arena, &wrapped),
                WARD_E_UNAVAILABLE);
    ward_kek_session_close(session);
    ward_kek_close(kek);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_found_by_name_and_by_id),
        cmocka_unit_test(only_an_enabled_key_with_an_active_version_wraps),
        cmocka_unit_test(a_version_in_a_state_that_there_is_not_is_refused),
        cmocka_unit_test(an_origin_that_no_note_can_carry_is_refused),
        cmocka_unit_test(versions_of_a_key_that_is_not_there_are_nobodys),
        cmocka_unit_test(the_newest_state_stays),
        cmocka_unit_test(index_keys_differ_from_each_other_and_with_their_source),
        cmocka_unit_test(an_index_key_opens_only_where_it_was_made),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
