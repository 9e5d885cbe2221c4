/* SPDX-License-Identifier: Apache-2.0 */
/* What one transaction will write: no object twice, and a request that backs out leaves nothing. */
#include "server/work/batch.h"
#include "tests/unit/base/check.h"

#define MANY 20000

static struct ward_new_record record(uint32_t number)
{
    struct ward_new_record row = {.version = number};
    /* All in a few slots, so that the probe chains are long. */
    ward_put_u32(row.id_hash + 4, number % 16);
    ward_put_u32(row.id_hash + 28, number);
    return row;
}

static void an_object_is_in_a_batch_once(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    struct ward_new_record row = record(1);
    struct ward_new_subject_key key = {.subject_hash = {7}};
    struct ward_rewrapped moved = {.id.bytes = {9}};
    assert_ok(ward_batch_record(&batch, &row));
    assert_code(ward_batch_record(&batch, &row), WARD_E_CONFLICT);
    assert_ok(ward_batch_subject_key(&batch, &key));
    assert_code(ward_batch_subject_key(&batch, &key), WARD_E_CONFLICT);
    assert_ok(ward_batch_rewrapped(&batch, &moved));
    assert_code(ward_batch_rewrapped(&batch, &moved), WARD_E_CONFLICT);
    struct ward_digest *digest = NULL;
    struct ward_new_replay replay = {.identity = WARD_BYTES_LITERAL("ab"),
                                     .request_id = WARD_BYTES_LITERAL("c")};
    assert_ok(ward_digest_new(&digest));
    assert_ok(ward_batch_replay(&batch, digest, &replay));
    assert_code(ward_batch_replay(&batch, digest, &replay), WARD_E_CONFLICT);
    replay.identity = WARD_BYTES_LITERAL("a"); /* not the same run together */
    replay.request_id = WARD_BYTES_LITERAL("bc");
    assert_ok(ward_batch_replay(&batch, digest, &replay));
    ward_digest_free(digest);
    assert_int_equal(batch.n_replays, 2);
    assert_int_equal(batch.n_records, 1);
    assert_int_equal(batch.n_subject_keys, 1);
    assert_int_equal(batch.n_rewrapped, 1);
    ward_batch_fini(&batch);
}

static void backing_out_leaves_what_was_there_and_nothing_else(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    for (uint32_t i = 0; i < 100; i++) {
        struct ward_new_record row = record(i);
        assert_ok(ward_batch_record(&batch, &row));
    }
    struct ward_batch_mark mark = ward_batch_mark(&batch);
    for (uint32_t i = 100; i < 200; i++) {
        struct ward_new_record row = record(i);
        assert_ok(ward_batch_record(&batch, &row));
    }
    const struct ward_effect effect = {.kind = WARD_EFFECT_INTENT_DONE};
    assert_ok(ward_batch_effect(&batch, &effect));
    batch.bump_epoch = true;
    ward_batch_back_out(&batch, &mark);
    assert_int_equal(batch.n_records, 100);
    assert_int_equal(batch.n_effects, 0);
    assert_false(batch.bump_epoch);
    for (uint32_t i = 0; i < 200; i++) {
        struct ward_new_record row = record(i);
        assert_code(ward_batch_record(&batch, &row), i < 100 ? WARD_E_CONFLICT : WARD_E_OK);
    }
    ward_batch_fini(&batch);
}

/* Growing while requests come and go: a mark taken before stays good behind it. */
static void a_batch_grows_past_its_first_size(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    for (unsigned round = 0; round < 2; round++) {
        struct ward_batch_mark none = ward_batch_mark(&batch);
        for (uint32_t i = 0; i < MANY; i++) {
            struct ward_new_record row = record(i);
            ward_put_u64(row.id_hash, i * 0x9e3779b97f4a7c15ULL);
            assert_ok(ward_batch_record(&batch, &row));
        }
        assert_int_equal(batch.n_records, MANY);
        for (uint32_t i = 0; i < MANY; i += 97) {
            struct ward_new_record row = record(i);
            ward_put_u64(row.id_hash, i * 0x9e3779b97f4a7c15ULL);
            assert_code(ward_batch_record(&batch, &row), WARD_E_CONFLICT);
        }
        ward_batch_back_out(&batch, &none);
        assert_int_equal(batch.n_records, 0);
        assert_int_equal(batch.n_log, 0);
    }
    ward_batch_fini(&batch);
}

static void a_reset_batch_is_empty(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    struct ward_new_record row = record(5);
    ward_batch_reset(&batch); /* never used yet */
    assert_ok(ward_batch_record(&batch, &row));
    batch.rewrapped_done = 3;
    batch.bump_epoch = true;
    ward_batch_reset(&batch);
    assert_int_equal(batch.n_records, 0);
    assert_int_equal(batch.rewrapped_done, 0);
    assert_false(batch.bump_epoch);
    assert_ok(ward_batch_record(&batch, &row));
    ward_batch_fini(&batch);
}

static void assert_use(const struct ward_batch *batch, size_t i, uint64_t issued, uint64_t opened,
                       int64_t last_opened_us)
{
    assert_true(i < batch->n_uses);
    assert_int_equal(batch->uses[i].issued, issued);
    assert_int_equal(batch->uses[i].opened, opened);
    assert_int_equal(batch->uses[i].last_opened_us, last_opened_us);
}

static void use_adds_up_in_one_row_a_version(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    struct ward_id a = {.bytes = {1}}, b = {.bytes = {2}};
    assert_ok(ward_batch_use(&batch, &a, 1, 0, 0, 50)); /* nothing */
    assert_int_equal(batch.n_uses, 0);
    assert_ok(ward_batch_use(&batch, &a, 1, 3, 0, 50));
    assert_ok(ward_batch_use(&batch, &b, 1, 0, 1, 60));
    assert_ok(ward_batch_use(&batch, &a, 2, 1, 0, 70));
    assert_ok(ward_batch_use(&batch, &a, 1, 0, 2, 80));
    assert_ok(ward_batch_use(&batch, &a, 1, 1, 1, 40)); /* an earlier one that came later */
    assert_int_equal(batch.n_uses, 3);
    assert_use(&batch, 0, 4, 3, 80);
    assert_use(&batch, 1, 0, 1, 60);
    assert_use(&batch, 2, 1, 0, 0); /* issuing opens nothing */
    ward_batch_reset(&batch);
    assert_int_equal(batch.n_uses, 0);
    assert_ok(ward_batch_use(&batch, &a, 1, 1, 0, 90));
    assert_int_equal(batch.n_uses, 1);
    assert_use(&batch, 0, 1, 0, 0);
    ward_batch_fini(&batch);
}

static void backing_out_takes_back_what_was_added(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    struct ward_id a = {.bytes = {1}}, b = {.bytes = {2}};
    assert_ok(ward_batch_use(&batch, &a, 1, 2, 1, 50));
    struct ward_batch_mark mark = ward_batch_mark(&batch);
    assert_ok(ward_batch_use(&batch, &a, 1, 5, 5, 99));
    assert_ok(ward_batch_use(&batch, &b, 1, 1, 1, 99));
    assert_ok(ward_batch_use(&batch, &b, 1, 1, 1, 99));
    ward_batch_back_out(&batch, &mark);
    assert_int_equal(batch.n_uses, 1);
    assert_use(&batch, 0, 2, 1, 50);
    assert_ok(ward_batch_use(&batch, &b, 1, 7, 0, 60));
    assert_int_equal(batch.n_uses, 2);
    assert_use(&batch, 1, 7, 0, 0);
    ward_batch_fini(&batch);
}

static void use_of_very_many_versions_is_found_again(void **state)
{
    (void)state;
    struct ward_batch batch = {0};
    struct ward_batch_mark none = ward_batch_mark(&batch);
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= MANY; i++) {
            struct ward_id kek = {.bytes = {(uint8_t)(i % 7)}};
            assert_ok(ward_batch_use(&batch, &kek, i, i, 0, 1));
            assert_ok(ward_batch_use(&batch, &kek, (i + 1) / 2 * 2 - 1, 0, 0, 1));
        }
        for (uint32_t i = 1; i <= MANY; i++) {
            struct ward_id kek = {.bytes = {(uint8_t)(i % 7)}};
            assert_ok(ward_batch_use(&batch, &kek, i, 1, 1, 2));
        }
        assert_int_equal(batch.n_uses, MANY);
        for (uint32_t i = 1; i <= MANY; i++) {
            assert_int_equal(batch.uses[i - 1].version, i);
            assert_use(&batch, i - 1, i + 1ull, 1, 2);
        }
        ward_batch_back_out(&batch, &none);
        assert_int_equal(batch.n_uses, 0);
        assert_int_equal(batch.n_added, 0);
    }
    ward_batch_fini(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_in_a_batch_once),
        cmocka_unit_test(backing_out_leaves_what_was_there_and_nothing_else),
        cmocka_unit_test(a_batch_grows_past_its_first_size),
        cmocka_unit_test(a_reset_batch_is_empty),
        cmocka_unit_test(use_adds_up_in_one_row_a_version),
        cmocka_unit_test(backing_out_takes_back_what_was_added),
        cmocka_unit_test(use_of_very_many_versions_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
