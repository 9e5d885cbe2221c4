/* SPDX-License-Identifier: Apache-2.0 */
/* Reads: many of many kinds at once, each answered on its own. */
#include "tests/conformance/store/store_fixture.h"

#include <stdlib.h>

/* Committed. */
static struct ward_new_record put(struct fixture *fx, const struct ward_id *key,
                                  const uint8_t *id_hash, uint32_t version, const char *sealed)
{
    struct ward_new_record record = a_record(key);
    if (id_hash != NULL) {
        memcpy(record.id_hash, id_hash, WARD_HASH_SIZE);
    }
    record.version = version;
    record.schema_version = version + 10;
    record.sealed = ward_bytes_str(sealed);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &record;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    return record;
}

static struct ward_read record_read(const uint8_t *id_hash, uint32_t version)
{
    struct ward_read read = {.kind = WARD_READ_RECORD};
    memcpy(read.record.id_hash, id_hash, WARD_HASH_SIZE);
    read.record.version = version;
    return read;
}

static void a_record_is_read_with_the_subject_key_it_names(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record first = put(fx, &key.id, NULL, 1, "one");
    (void)put(fx, &key.id, first.id_hash, 2, "two");
    (void)put(fx, &key.id, first.id_hash, 3, "three");
    static const struct {
        uint32_t wanted, found;
        const char *sealed;
    } cases[] = {{0, 3, "three"}, {3, 3, "three"}, {2, 2, "two"}, {1, 1, "one"}};
    for (size_t i = 0; i < 4; i++) {
        struct ward_read read = record_read(first.id_hash, cases[i].wanted);
        assert_ok(read_one(fx, &read));
        assert_int_equal(read.record.version, cases[i].found);
        assert_int_equal(read.record.schema_version, cases[i].found + 10);
        assert_bytes(read.record.sealed, cases[i].sealed);
        assert_true(ward_id_eq(&read.record.key.id, &key.id));
        assert_int_equal(read.record.key.generation, 1);
        assert_bytes(read.record.key.wrapped, "wrapped-1");
    }
    assert_int_equal(record_version(fx, first.id_hash), 3);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record record = put(fx, &key.id, NULL, 2, "two");
    uint8_t nothing[WARD_HASH_SIZE];
    a_hash(nothing);
    struct ward_read reads[] = {record_read(nothing, 0), record_read(record.id_hash, 1),
                                record_read(record.id_hash, 3), record_read(nothing, 1)};
    for (size_t i = 0; i < 4; i++) {
        assert_code(read_one(fx, &reads[i]), WARD_E_NOT_FOUND);
    }
    struct ward_read subject = {.kind = WARD_READ_SUBJECT_KEY};
    memcpy(subject.subject_key.subject_hash, nothing, WARD_HASH_SIZE);
    assert_code(read_one(fx, &subject), WARD_E_NOT_FOUND);
    assert_int_equal(record_version(fx, nothing), 0);
    struct ward_read rows = {.kind = WARD_READ_ROWS, .rows.kek = an_id()};
    assert_ok(read_one(fx, &rows));
    assert_int_equal(rows.rows.n, 0);
}

static void a_batch_of_all_kinds_is_answered_one_by_one(void **state)
{
    struct fixture *fx = *state;
    enum { N = 70 };
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record record = put(fx, &key.id, NULL, 1, "one");
    struct ward_read reads[N], *pointers[N];
    for (int i = 0; i < N; i++) {
        struct ward_read *r = &reads[i];
        uint8_t hash[WARD_HASH_SIZE];
        a_hash(hash);
        bool there = i % 2 == 0;
        switch (i % 7) {
        case 0:
            *r = record_read(there ? record.id_hash : hash, 0);
            break;
        case 1:
            *r = (struct ward_read){.kind = WARD_READ_RECORD_VERSION};
            memcpy(r->record_version.id_hash, there ? record.id_hash : hash, WARD_HASH_SIZE);
            break;
        case 2:
            *r = (struct ward_read){.kind = WARD_READ_SUBJECT_KEY};
            memcpy(r->subject_key.subject_hash, there ? key.subject_hash : hash, WARD_HASH_SIZE);
            break;
        case 3:
            *r = (struct ward_read){.kind = WARD_READ_ROWS, .rows.kek = kek};
            break;
        case 4:
            *r = (struct ward_read){.kind = WARD_READ_POLICY};
            break;
        case 5:
            *r = (struct ward_read){
                .kind = WARD_READ_AUDIT,
                .audit = {.start = there ? 0 : 1000, .end = 1001, .max_bytes = 9}};
            break;
        default:
            *r = (struct ward_read){.kind = WARD_READ_PROPOSAL, .proposal.id = an_id()};
            break;
        }
        r->arena = fx->arena;
        pointers[i] = r;
    }
    assert_ok(ward_store_read(fx->r, pointers, N));
    for (int i = 0; i < N; i++) {
        bool there = i % 2 == 0;
        static const bool finds[2][7] = {{false, true, false, true, false, false, false},
                                         {true, true, true, true, false, true, false}};
        assert_code(reads[i].status, finds[there][i % 7] ? WARD_E_OK : WARD_E_NOT_FOUND);
        if (i % 7 == 0 && there) {
            assert_bytes(reads[i].record.sealed, "one");
        }
        if (i % 7 == 1) {
            assert_int_equal(reads[i].record_version.version, there ? 1 : 0);
        }
    }
}

static void add_rows(struct fixture *fx, const struct ward_id *kek, uint32_t version,
                     const char *collection, size_t n)
{
    struct ward_new_subject_key keys[8];
    for (size_t i = 0; i < n; i++) {
        keys[i] = (struct ward_new_subject_key){.id = an_id(),
                                                .collection = ward_bytes_str(collection),
                                                .generation = 1,
                                                .kek = *kek,
                                                .kek_version = version,
                                                .wrapped = ward_bytes_str("wrapped")};
        a_hash(keys[i].subject_hash);
    }
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = keys;
    commit->n_subject_keys = n;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void assert_held(const struct ward_read *read, size_t i, uint32_t version,
                        const char *collection, uint64_t rows)
{
    assert_true(i < read->held.n);
    assert_int_equal(read->held.held[i].version, version);
    assert_bytes(read->held.held[i].collection, collection);
    assert_int_equal(read->held.held[i].rows, rows);
}

static void rows_are_counted_by_version_and_collection(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), other = a_kek(fx, "other");
    struct ward_read read = {.kind = WARD_READ_HELD, .held = {.kek = kek, .limit = WARD_HELD_MAX}};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.held.n, 0);

    add_rows(fx, &kek, 2, "labs", 3);
    add_rows(fx, &kek, 1, "patients", 5);
    add_rows(fx, &kek, 1, "labs", 2);
    add_rows(fx, &kek, 1, "imaging", 2);
    add_rows(fx, &other, 1, "labs", 7);
    add_rows(fx, &kek, 1, "labs", 4);
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.held.n, 4);
    assert_held(&read, 0, 1, "labs", 6);
    assert_held(&read, 1, 1, "patients", 5);
    assert_held(&read, 2, 1, "imaging", 2);
    assert_held(&read, 3, 2, "labs", 3);
    read.held.limit = 3;
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.held.n, 3);
    assert_held(&read, 2, 1, "imaging", 2);
    read.held.kek = other;
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.held.n, 1);
    assert_held(&read, 0, 1, "labs", 7);
}

static void a_retired_subject_key_still_counts(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    store_under_test->set_subject_state(fx->store, &key.id, 2);
    struct ward_read read = {.kind = WARD_READ_HELD, .held = {.kek = kek, .limit = 1}};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.held.n, 1);
    assert_held(&read, 0, 1, "patients", 1);
}

static void the_newest_active_generation_is_the_subject_key(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key first = a_subject_key(fx, &kek), second = first;
    second.id = an_id();
    second.generation = 2;
    second.wrapped = ward_bytes_str("second");
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = &second;
    commit->n_subject_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);

    struct ward_read read = {.kind = WARD_READ_SUBJECT_KEY};
    memcpy(read.subject_key.subject_hash, first.subject_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &read));
    assert_true(ward_id_eq(&read.subject_key.key.id, &second.id));
    assert_int_equal(read.subject_key.key.generation, 2);
    assert_bytes(read.subject_key.key.wrapped, "second");
    store_under_test->set_subject_state(fx->store, &second.id, 2);
    assert_ok(read_one(fx, &read));
    assert_true(ward_id_eq(&read.subject_key.key.id, &first.id));
    store_under_test->set_subject_state(fx->store, &first.id, 2);
    assert_code(read_one(fx, &read), WARD_E_NOT_FOUND);
}

static void a_record_of_a_retired_subject_key_is_still_read(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record record = put(fx, &key.id, NULL, 1, "one");
    store_under_test->set_subject_state(fx->store, &key.id, 2);
    struct ward_read read = record_read(record.id_hash, 0);
    assert_ok(read_one(fx, &read));
    assert_true(ward_id_eq(&read.record.key.id, &key.id));
}

static void a_read_whose_arena_is_spent_leaves_the_others_alone(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek);
    struct ward_new_record record = put(fx, &key.id, NULL, 1, "a seal of more than a few bytes");
    ward_auto(ward_arena_freep) struct ward_arena *small = NULL;
    assert_ok(ward_arena_new(16, &small));
    struct ward_read reads[] = {record_read(record.id_hash, 0), record_read(record.id_hash, 0),
                                record_read(record.id_hash, 0)};
    struct ward_read *pointers[] = {&reads[0], &reads[1], &reads[2]};
    reads[0].arena = reads[2].arena = fx->arena;
    reads[1].arena = small;
    assert_ok(ward_store_read(fx->r, pointers, 3));
    assert_code(reads[0].status, WARD_E_OK);
    assert_code(reads[1].status, WARD_E_EXHAUSTED);
    assert_code(reads[2].status, WARD_E_OK);
    assert_bytes(reads[2].record.sealed, "a seal of more than a few bytes");
}

static void a_read_that_cannot_be_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct ward_read reads[] = {
        {.kind = WARD_READ_REWRAP_PAGE, .rewrap = {.below = 2, .limit = 0}},
        {.kind = WARD_READ_HELD},
        {.kind = WARD_READ_HELD, .held.limit = WARD_HELD_MAX + 1},
        {.kind = WARD_READ_CHECKPOINTS},
        {.kind = WARD_READ_CHECKPOINTS, .checkpoints.limit = WARD_CHECKPOINTS_PAGE_MAX + 1},
        {.kind = WARD_READ_PROPOSALS, .proposals = {.limit = 0}},
        {.kind = WARD_READ_AUDIT, .audit = {.start = 5, .end = 5, .max_bytes = 1}},
        {.kind = WARD_READ_AUDIT, .audit = {.start = 5, .end = 4, .max_bytes = 1}},
        {.kind = WARD_READ_AUDIT, .audit = {.start = 0, .end = 1, .max_bytes = 0}},
        {.kind = WARD_READ_RECORD, .record = {.version = 0x80000000u}},
        {.kind = (enum ward_read_kind)77},
    };
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct ward_read *one = &reads[i];
        one->arena = fx->arena;
        assert_code(ward_store_read(fx->r, &one, 1), WARD_E_INTERNAL);
    }
    assert_ok(ward_store_read(fx->r, NULL, 0));
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct ward_new_subject_key *)a)->id.bytes,
                  ((const struct ward_new_subject_key *)b)->id.bytes, 16);
}

static void rewrap_pages_go_through_every_row_below_the_version_once(void **state)
{
    struct fixture *fx = *state;
    enum { N = 25 };
    struct ward_id kek = a_kek(fx, "records"), other = a_kek(fx, "others");
    struct ward_new_subject_key keys[N];
    for (int i = 0; i < N; i++) {
        keys[i] = (struct ward_new_subject_key){.id = an_id(),
                                                .collection = ward_bytes_str("patients"),
                                                .generation = 1,
                                                .kek = kek,
                                                .kek_version = 1,
                                                .wrapped = ward_bytes_str("wrapped-1")};
        a_hash(keys[i].subject_hash);
    }
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = keys;
    commit->n_subject_keys = N;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    (void)a_subject_key(fx, &other);
    qsort(keys, N, sizeof(keys[0]), by_id);
    struct ward_rewrapped done = {keys[7].id, ward_bytes_str("wrapped-1"),
                                  ward_bytes_str("wrapped-2"), 2};
    commit = fixture_begin(fx, 1);
    commit->rewrapped = &done;
    commit->n_rewrapped = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);

    struct ward_read page = {.kind = WARD_READ_REWRAP_PAGE,
                             .rewrap = {.kek = kek, .below = 2, .limit = 10}};
    static const size_t sizes[] = {10, 10, 4, 0};
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        assert_ok(read_one(fx, &page));
        assert_int_equal(page.rewrap.n, sizes[i]);
        for (size_t j = 0; j < page.rewrap.n; j++, at++) {
            at += at == 7 ? 1 : 0; /* this one is there already */
            assert_true(ward_id_eq(&page.rewrap.keys[j].id, &keys[at].id));
            assert_bytes(page.rewrap.keys[j].wrapped, "wrapped-1");
            assert_memory_equal(page.rewrap.subject_hashes[j], keys[at].subject_hash,
                                WARD_HASH_SIZE);
            page.rewrap.after = keys[at].id;
        }
    }
    assert_int_equal(at, N);
    page.rewrap.after = (struct ward_id){0};
    page.rewrap.below = 1; /* none is older than the first version */
    assert_ok(read_one(fx, &page));
    assert_int_equal(page.rewrap.n, 0);
}

static void assert_leaf(struct ward_bytes leaf, uint64_t seq)
{
    char begin[32];
    int size = snprintf(begin, sizeof(begin), "leaf %llu ", (unsigned long long)seq);
    assert_true(leaf.size == (size_t)size + seq % 50);
    assert_memory_equal(leaf.data, begin, (size_t)size);
}

static void audit_is_read_from_anywhere_to_anywhere(void **state)
{
    struct fixture *fx = *state;
    static const uint32_t sizes[] = {3, 1, 40, 7, 100};
    for (size_t i = 0; i < 5; i++) {
        (void)fixture_begin(fx, sizes[i]);
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    }
    static const struct {
        uint64_t start, end;
        size_t n;
    } cases[] = {{0, 151, 151}, {0, 1, 1},   {2, 4, 2},     {3, 4, 1},     {5, 50, 45},
                 {44, 51, 7},   {50, 52, 2}, {150, 151, 1}, {149, 500, 2}, {0, 5000, 151}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_read read = {
            .kind = WARD_READ_AUDIT,
            .audit = {.start = cases[i].start, .end = cases[i].end, .max_bytes = 1u << 20}};
        assert_ok(read_one(fx, &read));
        assert_int_equal(read.audit.n, cases[i].n);
        for (size_t j = 0; j < read.audit.n; j++) {
            assert_leaf(read.audit.leaves[j], cases[i].start + j);
        }
    }
    struct ward_read past = {.kind = WARD_READ_AUDIT,
                             .audit = {.start = 151, .end = 152, .max_bytes = 1000}};
    assert_code(read_one(fx, &past), WARD_E_NOT_FOUND);
}

static void audit_pages_hold_what_fits_and_at_least_one_leaf(void **state)
{
    struct fixture *fx = *state;
    for (uint32_t i = 1; i <= 20; i++) {
        (void)fixture_begin(fx, i);
        assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    }
    static const size_t limits[] = {1, 10, 60, 61, 500, 3000};
    for (size_t i = 0; i < 6; i++) {
        uint64_t at = 0;
        int pages = 0;
        while (at < fx->head.tree.size) {
            struct ward_read read = {
                .kind = WARD_READ_AUDIT,
                .audit = {.start = at, .end = fx->head.tree.size, .max_bytes = limits[i]}};
            size_t bytes = 0;
            assert_ok(read_one(fx, &read));
            assert_true(read.audit.n > 0);
            for (size_t j = 0; j < read.audit.n; j++, at++) {
                assert_leaf(read.audit.leaves[j], at);
                bytes += read.audit.leaves[j].size;
            }
            assert_true(read.audit.n == 1 || bytes <= limits[i]);
            pages++;
        }
        assert_int_equal(at, 210);
        assert_true(limits[i] > 1 || pages == 210);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int store_suite_reads(void)
{
    const struct CMUnitTest tests[] = {
        T(a_record_is_read_with_the_subject_key_it_names),
        T(what_is_not_there_is_not_found),
        T(a_batch_of_all_kinds_is_answered_one_by_one),
        T(rows_are_counted_by_version_and_collection),
        T(a_retired_subject_key_still_counts),
        T(the_newest_active_generation_is_the_subject_key),
        T(a_record_of_a_retired_subject_key_is_still_read),
        T(a_read_whose_arena_is_spent_leaves_the_others_alone),
        T(a_read_that_cannot_be_is_refused),
        T(rewrap_pages_go_through_every_row_below_the_version_once),
        T(audit_is_read_from_anywhere_to_anywhere),
        T(audit_pages_hold_what_fits_and_at_least_one_leaf),
    };
    return cmocka_run_group_tests_name("reads", tests, NULL, NULL);
}
