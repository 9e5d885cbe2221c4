/* SPDX-License-Identifier: Apache-2.0 */
/* A commit does all that it says or nothing, on the head and under the epoch that it names. */
#include "tests/conformance/store/store_fixture.h"

/* One commit of three records of which the middle one cannot go in. */
static void assert_all_or_nothing(struct fixture *fx, struct ward_new_record records[static 3])
{
    struct ward_commit *commit = fixture_begin(fx, 3);
    commit->records = records;
    commit->n_records = 3;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_CONFLICT);
    assert_int_equal(fx->status.code, WARD_E_CONFLICT);
    assert_head_unmoved(fx);
    assert_int_equal(record_version(fx, records[0].id_hash), 0);
    assert_int_equal(record_version(fx, records[2].id_hash), 0);
    struct ward_read audit = {
        .kind = WARD_READ_AUDIT,
        .audit = {.start = commit->first_seq, .end = commit->first_seq + 1, .max_bytes = 100}};
    assert_code(read_one(fx, &audit), WARD_E_NOT_FOUND);
}

static void commit_appends_its_leaves_to_the_tree(void **state)
{
    struct fixture *fx = *state;
    static const uint32_t sizes[] = {1, 5, 64, 2, 300};
    for (size_t i = 0; i < 5; i++) {
        (void)fixture_begin(fx, sizes[i]);
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    }
    struct ward_head head = fixture_head(fx->w2);
    assert_int_equal(head.tree.size, 372);
    uint8_t stored[WARD_HASH_SIZE], ours[WARD_HASH_SIZE];
    assert_ok(ward_merkle_root(fx->digest, &head.tree, stored));
    assert_ok(ward_merkle_root(fx->digest, &fx->head.tree, ours));
    assert_memory_equal(stored, ours, WARD_HASH_SIZE);
}

static void a_subject_key_and_its_records_commit_together(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = {.id = an_id(),
                                       .collection = ward_bytes_str("patients"),
                                       .generation = 1,
                                       .kek = kek,
                                       .kek_version = 1,
                                       .wrapped = ward_bytes_str("wrapped")};
    a_hash(key.subject_hash);
    struct ward_new_record records[] = {a_record(&key.id), a_record(&key.id)};
    struct ward_commit *commit = fixture_begin(fx, 2);
    commit->subject_keys = &key;
    commit->n_subject_keys = 1;
    commit->records = records;
    commit->n_records = 2;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_int_equal(record_version(fx, records[0].id_hash), 1);
    assert_int_equal(record_version(fx, records[1].id_hash), 1);
}

static void commit_on_a_moved_head_changes_nothing(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_head before = fx->head;
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMITTED);

    struct ward_head after = fx->head;
    fx->head = before;
    struct ward_new_record record = a_record(&key.id);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &record;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_HEAD_MOVED);
    assert_int_equal(record_version(fx, record.id_hash), 0);

    fx->head = after; /* number anew, and it goes in */
    commit = fixture_begin(fx, 1);
    commit->records = &record;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_int_equal(record_version(fx, record.id_hash), 1);
}

static void commit_under_an_older_epoch_is_stale_and_changes_nothing(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_head before = fx->head;
    fixture_begin(fx, 1)->bump_epoch = true;
    assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMITTED);

    struct ward_new_record record = a_record(&key.id);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &record;
    commit->n_records = 1;
    commit->epoch = before.epoch;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_STALE);
    assert_int_equal(fx->status.code, WARD_E_STALE);
    assert_int_equal(record_version(fx, record.id_hash), 0);
    assert_head_unmoved(fx);

    fx->head = before; /* both moved: decide again, which is more than numbering anew */
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_STALE);
}

static void commit_without_leaves_still_compares_the_epoch(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    effect.checkpoint.size = 1;
    effect.checkpoint.note = ward_bytes_str("note");
    effect.checkpoint.created_us = 1;
    struct ward_commit *commit = fixture_begin(fx, 0);
    commit->effects = &effect;
    commit->n_effects = 1;
    commit->epoch = fx->head.epoch + 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_STALE);
    struct ward_read read = {.kind = WARD_READ_CHECKPOINTS, .checkpoints.limit = 1};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.checkpoints.n, 0);
}

static void a_record_of_no_subject_key_leaves_nothing_of_its_batch(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), nothing = an_id();
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record records[] = {a_record(&key.id), a_record(&nothing), a_record(&key.id)};
    assert_all_or_nothing(fx, records);
}

static void a_record_of_a_retired_subject_key_leaves_nothing_of_its_batch(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek), old = a_subject_key(fx, &kek);
    store_under_test->set_subject_state(fx->store, &old.id, 2);
    struct ward_new_record records[] = {a_record(&key.id), a_record(&old.id), a_record(&key.id)};
    assert_all_or_nothing(fx, records);
}

static void a_record_version_is_written_once(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record first = a_record(&key.id);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &first;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    struct ward_new_record records[] = {a_record(&key.id), first, a_record(&key.id)};
    assert_all_or_nothing(fx, records);
    first.version = 2;
    commit = fixture_begin(fx, 1);
    commit->records = &first;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_int_equal(record_version(fx, first.id_hash), 2);
}

static void the_second_first_subject_key_conflicts(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key first = a_subject_key(fx, &kek), second = first;
    second.id = an_id();
    struct ward_new_record record = a_record(&second.id);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = &second;
    commit->n_subject_keys = 1;
    commit->records = &record;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMIT_CONFLICT);
    assert_int_equal(record_version(fx, record.id_hash), 0);
    struct ward_read read = {.kind = WARD_READ_SUBJECT_KEY};
    memcpy(read.subject_key.subject_hash, first.subject_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &read));
    assert_true(ward_id_eq(&read.subject_key.key.id, &first.id));
}

static void a_subject_key_of_no_kek_conflicts(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_subject_key key = {.id = an_id(),
                                       .collection = ward_bytes_str("patients"),
                                       .generation = 1,
                                       .kek = an_id(),
                                       .kek_version = 1,
                                       .wrapped = ward_bytes_str("wrapped")};
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = &key;
    commit->n_subject_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_CONFLICT);
}

static void rewrap_skips_and_counts_what_moved_meanwhile(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key a = a_subject_key(fx, &kek), b = a_subject_key(fx, &kek);
    struct ward_rewrapped moves[] = {
        {b.id, ward_bytes_str("somebody else's"), ward_bytes_str("wrapped-2"), 2},
        {a.id, ward_bytes_str("wrapped-1"), ward_bytes_str("wrapped-2"), 2},
        {an_id(), ward_bytes_str("wrapped-1"), ward_bytes_str("wrapped-2"), 2},
    };
    uint32_t count = 99;
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->rewrapped = moves;
    commit->n_rewrapped = 3;
    commit->ret_rewrapped = &count;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_int_equal(count, 1);
    struct ward_read read = {.kind = WARD_READ_SUBJECT_KEY};
    memcpy(read.subject_key.subject_hash, a.subject_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &read));
    assert_bytes(read.subject_key.key.wrapped, "wrapped-2");
    memcpy(read.subject_key.subject_hash, b.subject_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &read));
    assert_bytes(read.subject_key.key.wrapped, "wrapped-1");
    struct ward_read rows = {.kind = WARD_READ_ROWS, .rows.kek = kek};
    assert_ok(read_one(fx, &rows));
    assert_int_equal(rows.rows.n, 2);
    assert_int_equal(rows.rows.versions[0], 1);
    assert_int_equal(rows.rows.counts[0], 1);
    assert_int_equal(rows.rows.versions[1], 2);
    assert_int_equal(rows.rows.counts[1], 1);
}

static void rewrap_of_one_row_twice_in_a_batch_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key a = a_subject_key(fx, &kek);
    struct ward_rewrapped moves[] = {
        {a.id, ward_bytes_str("wrapped-1"), ward_bytes_str("wrapped-2"), 2},
        {a.id, ward_bytes_str("wrapped-1"), ward_bytes_str("wrapped-3"), 3},
    };
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->rewrapped = moves;
    commit->n_rewrapped = 2;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_FAILED);
    assert_head_unmoved(fx);
}

static void an_effect_that_fails_takes_those_before_it_along(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect effects[] = {
        {.kind = WARD_EFFECT_CHECKPOINT},
        {.kind = WARD_EFFECT_INTENT_DONE},
    };
    effects[0].checkpoint.size = 1;
    effects[0].checkpoint.note = ward_bytes_str("note");
    effects[0].checkpoint.created_us = 1;
    effects[1].intent_done.id = an_id(); /* not there */
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->effects = effects;
    commit->n_effects = 2;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_CONFLICT);
    struct ward_read read = {.kind = WARD_READ_CHECKPOINTS, .checkpoints.limit = 1};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.checkpoints.n, 0);
    assert_head_unmoved(fx);
}

static void a_locked_head_holds_others_until_it_is_unlocked(void **state)
{
    struct fixture *fx = *state;
    struct ward_head head;
    assert_ok(ward_store_head(fx->w2, true, &head));
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_RETRY); /* it waited, then gave up */
    assert_code(ward_store_head(fx->w, true, &head), WARD_E_CONFLICT);
    ward_store_unlock(fx->w2);
    ward_store_unlock(fx->w2); /* does no harm */
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void commit_under_the_lock_ends_it(void **state)
{
    struct fixture *fx = *state;
    struct ward_head head;
    assert_ok(ward_store_head(fx->w2, true, &head));
    assert_int_equal(head.tree.size, fx->head.tree.size);
    (void)fixture_begin(fx, 2);
    assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMITTED);
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void a_failed_commit_under_the_lock_ends_it_too(void **state)
{
    struct fixture *fx = *state;
    struct ward_head head;
    struct ward_id nothing = an_id();
    struct ward_new_record record = a_record(&nothing);
    assert_ok(ward_store_head(fx->w2, true, &head));
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &record;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w2), WARD_COMMIT_CONFLICT);
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

/* Each breaks one rule that every store may take for granted. */
static void an_unsound_commit_is_refused_before_anything_is_sent(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    for (int fault = 0; fault < 9; fault++) {
        struct ward_new_record record = a_record(&key.id);
        struct ward_commit *commit = fixture_begin(fx, 2);
        struct ward_merkle tree = *commit->tree;
        commit->records = &record;
        commit->n_records = 1;
        commit->tree = &tree;
        switch (fault) {
        case 0:
            commit->leaves.size--; /* the last leaf is cut */
            break;
        case 1:
            commit->n_leaves = 1; /* one more leaf than said */
            tree.size--;
            break;
        case 2:
            commit->n_leaves = 3;
            tree.size++;
            break;
        case 3:
            tree.size++;
            break;
        case 4:
            record.version = 0;
            break;
        case 5:
            record.version = 0x80000000u;
            break;
        case 6:
            record.sealed.size = 0;
            break;
        case 7:
            record.schema_version = 0;
            break;
        default:
            commit->n_leaves = 0; /* a bump that no leaf tells of */
            commit->leaves.size = 0;
            commit->bump_epoch = true;
            break;
        }
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_FAILED);
        assert_int_equal(fx->status.code, WARD_E_INTERNAL);
        assert_int_equal(record_version(fx, record.id_hash), 0);
    }
    assert_head_unmoved(fx);
}

static void resolve_tells_a_commit_that_happened_from_one_that_did_not(void **state)
{
    struct fixture *fx = *state;
    bool committed = true;
    struct ward_commit *commit = fixture_begin(fx, 3);
    assert_ok(ward_store_resolve(fx->w, commit, &committed));
    assert_false(committed);
    assert_int_equal(fixture_head(fx->w).tree.size, 0);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_ok(ward_store_resolve(fx->w, commit, &committed));
    assert_true(committed);
    assert_ok(ward_store_resolve(fx->w2, commit, &committed)); /* any writer may ask */
    assert_true(committed);

    uint8_t *last = (uint8_t *)commit->leaves.data + commit->leaves.size - 1;
    *last ^= 1; /* somebody else's row at that number */
    assert_ok(ward_store_resolve(fx->w, commit, &committed));
    assert_false(committed);
    *last ^= 1;
    struct ward_commit shorter = *commit;
    shorter.n_leaves = 2;
    assert_ok(ward_store_resolve(fx->w, &shorter, &committed));
    assert_false(committed);
    (void)fixture_head(fx->w);
    (void)fixture_begin(fx, 1);
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int store_suite_commit(void)
{
    const struct CMUnitTest tests[] = {
        T(commit_appends_its_leaves_to_the_tree),
        T(a_subject_key_and_its_records_commit_together),
        T(commit_on_a_moved_head_changes_nothing),
        T(commit_under_an_older_epoch_is_stale_and_changes_nothing),
        T(commit_without_leaves_still_compares_the_epoch),
        T(a_record_of_no_subject_key_leaves_nothing_of_its_batch),
        T(a_record_of_a_retired_subject_key_leaves_nothing_of_its_batch),
        T(a_record_version_is_written_once),
        T(the_second_first_subject_key_conflicts),
        T(a_subject_key_of_no_kek_conflicts),
        T(rewrap_skips_and_counts_what_moved_meanwhile),
        T(rewrap_of_one_row_twice_in_a_batch_is_refused),
        T(an_effect_that_fails_takes_those_before_it_along),
        T(a_locked_head_holds_others_until_it_is_unlocked),
        T(commit_under_the_lock_ends_it),
        T(a_failed_commit_under_the_lock_ends_it_too),
        T(an_unsound_commit_is_refused_before_anything_is_sent),
        T(resolve_tells_a_commit_that_happened_from_one_that_did_not),
    };
    return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
