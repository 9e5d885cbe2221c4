/* SPDX-License-Identifier: Apache-2.0 */
/* A rekey: which subject keys are of before its run, what a page shows of them, and records that go
 * to another key whole or not at all. */
#include "tests/conformance/store/store_fixture.h"

static void open_run(struct fixture *fx, const struct ward_id *kek, uint32_t run)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_JOB_OPEN};
    effect.job_open.job = (struct ward_store_job){.id = an_id(),
                                                  .kek = *kek,
                                                  .kind = WARD_JOB_REKEY,
                                                  .state = WARD_JOB_RUNNING,
                                                  .version = run,
                                                  .parts = 1,
                                                  .round = 1,
                                                  .created_us = 1000};
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMITTED);
}

/* Committed. */
static struct ward_new_record put(struct fixture *fx, const struct ward_id *key,
                                  const uint8_t *id_hash, uint32_t version, const char *sealed)
{
    struct ward_new_record record = a_record(key);
    if (id_hash != NULL) {
        memcpy(record.id_hash, id_hash, WARD_HASH_SIZE);
    }
    record.version = version;
    record.sealed = ward_bytes_str(sealed);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &record;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    return record;
}

static struct ward_new_subject_key next_of(const struct ward_new_subject_key *key)
{
    struct ward_new_subject_key next = *key;
    next.id = an_id();
    next.generation++;
    next.wrapped = ward_bytes_str("wrapped-2");
    return next;
}

static struct ward_rekeyed_record moved(const struct ward_new_record *record, const char *sealed)
{
    struct ward_rekeyed_record to = {.version = record->version, .sealed = ward_bytes_str(sealed)};
    memcpy(to.id_hash, record->id_hash, WARD_HASH_SIZE);
    return to;
}

/* With a fresh generation, unless it is NULL. */
static enum ward_commit_outcome rekey(struct fixture *fx, const struct ward_new_subject_key *fresh,
                                      const struct ward_rekeyed_key *key,
                                      const struct ward_rekeyed_record *records, size_t n)
{
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = fresh;
    commit->n_subject_keys = fresh != NULL;
    commit->rekeyed_keys = key;
    commit->n_rekeyed_keys = 1;
    commit->rekeyed_records = records;
    commit->n_rekeyed_records = n;
    return fixture_commit(fx, fx->w);
}

static struct ward_read page(struct fixture *fx, const struct ward_id *kek, uint32_t run,
                             uint32_t limit, size_t max_bytes)
{
    struct ward_read read = {.kind = WARD_READ_REKEY_PAGE,
                             .rekey = {.kek = *kek, .run = run, .limit = limit}};
    read.rekey.max_bytes = max_bytes;
    assert_ok(read_one(fx, &read));
    return read;
}

static void assert_left(struct fixture *fx, const struct ward_id *kek, uint32_t run, uint64_t keys,
                        uint64_t records)
{
    struct ward_read read = {.kind = WARD_READ_REKEY_LEFT, .rekey_left = {.kek = *kek, .run = run}};
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.rekey_left.keys, keys);
    assert_int_equal(read.rekey_left.records, records);
}

static void assert_record(struct fixture *fx, const struct ward_new_record *record,
                          const char *sealed, const struct ward_id *key, const char *wrapped)
{
    struct ward_read read = {.kind = WARD_READ_RECORD, .record.version = record->version};
    memcpy(read.record.id_hash, record->id_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &read));
    assert_bytes(read.record.sealed, sealed);
    assert_true(ward_id_eq(&read.record.key.id, key));
    assert_bytes(read.record.key.wrapped, wrapped);
}

static void what_cannot_be_is_not_asked(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = an_id();
    struct ward_read reads[] = {
        {.kind = WARD_READ_REKEY_PAGE, .rekey = {.kek = kek, .run = 1, .max_bytes = 1}},
        {.kind = WARD_READ_REKEY_PAGE, .rekey = {.kek = kek, .run = 1, .limit = 1}},
        {.kind = WARD_READ_REKEY_PAGE,
         .rekey = {.kek = kek, .run = 0x80000000u, .limit = 1, .max_bytes = 1}},
        {.kind = WARD_READ_REKEY_LEFT, .rekey_left = {.kek = kek, .run = 0x80000000u}},
    };
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct ward_read *one = &reads[i];
        one->arena = fx->arena;
        assert_code(ward_store_read(fx->r, &one, 1), WARD_E_INTERNAL);
    }
    struct ward_rekeyed_key key = {.from = an_id(), .to = an_id()};
    for (int fault = 0; fault < 6; fault++) {
        struct ward_rekeyed_key bad = key;
        struct ward_rekeyed_record record = {.version = 1, .sealed = ward_bytes_str("s")};
        switch (fault) {
        case 0:
            record.key = 1; /* there is no such key */
            break;
        case 1:
            record.version = 0;
            break;
        case 2:
            record.sealed.size = 0;
            break;
        case 3:
            bad.to = (struct ward_id){0}; /* a record, and nowhere to go */
            break;
        case 4:
            bad.from = (struct ward_id){0};
            break;
        default:
            bad.to = bad.from;
            break;
        }
        assert_outcome(rekey(fx, NULL, &bad, &record, 1), WARD_COMMIT_FAILED);
        assert_int_equal(fx->status.code, WARD_E_INTERNAL);
    }
    assert_head_unmoved(fx);
}

static void whatever_is_not_as_it_was_moves_nothing(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), elsewhere = a_kek(fx, "others");
    struct ward_new_subject_key key = a_subject_key(fx, &kek), other = a_subject_key(fx, &kek);
    struct ward_new_record record = put(fx, &key.id, NULL, 1, "one");
    struct ward_new_record stranger = put(fx, &other.id, NULL, 1, "two");
    struct ward_new_subject_key next = next_of(&key);
    const struct ward_rekeyed_key pair = {.from = key.id, .to = next.id};
    struct ward_rekeyed_record good[2] = {moved(&record, "ONE"), moved(&stranger, "TWO")};

    /* A generation that is not there, of somebody else, or of another KEK. */
    assert_outcome(rekey(fx, NULL, &pair, good, 1), WARD_COMMIT_CONFLICT);
    const struct ward_rekeyed_key foreign = {.from = key.id, .to = other.id};
    assert_outcome(rekey(fx, NULL, &foreign, good, 1), WARD_COMMIT_CONFLICT);
    struct ward_new_subject_key moved_off = next;
    moved_off.kek = elsewhere;
    assert_outcome(rekey(fx, &moved_off, &pair, good, 1), WARD_COMMIT_CONFLICT);
    /* A record of another key, one that is not there, and a version that is not. */
    assert_outcome(rekey(fx, &next, &pair, good, 2), WARD_COMMIT_CONFLICT);
    struct ward_rekeyed_record bad = good[0];
    bad.id_hash[0] ^= 1;
    assert_outcome(rekey(fx, &next, &pair, &bad, 1), WARD_COMMIT_CONFLICT);
    bad = good[0];
    bad.version = 2;
    assert_outcome(rekey(fx, &next, &pair, &bad, 1), WARD_COMMIT_CONFLICT);
    assert_head_unmoved(fx);
    assert_record(fx, &record, "one", &key.id, "wrapped-1");

    assert_outcome(rekey(fx, &next, &pair, good, 1), WARD_COMMITTED);
    assert_outcome(rekey(fx, NULL, &pair, good, 1), WARD_COMMIT_CONFLICT); /* and not again */
    assert_record(fx, &record, "ONE", &next.id, "wrapped-2");
    assert_record(fx, &stranger, "two", &other.id, "wrapped-1");
}

static void a_generation_that_seals_nothing_any_more_is_gone(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key key = a_subject_key(fx, &kek), next = next_of(&key);
    struct ward_new_record one = put(fx, &key.id, NULL, 1, "one");
    struct ward_new_record two = put(fx, &key.id, one.id_hash, 2, "two");
    const struct ward_rekeyed_key pair = {.from = key.id, .to = next.id};
    struct ward_rekeyed_record to[2] = {moved(&one, "ONE"), moved(&two, "TWO")};
    open_run(fx, &kek, 1);
    assert_left(fx, &kek, 1, 1, 2);
    assert_left(fx, &kek, 0, 0, 0);

    /* One of two: the old generation opens the other, and seals nothing new. */
    assert_outcome(rekey(fx, &next, &pair, &to[0], 1), WARD_COMMITTED);
    assert_record(fx, &one, "ONE", &next.id, "wrapped-2");
    assert_record(fx, &two, "two", &key.id, "wrapped-1");
    assert_left(fx, &kek, 1, 1, 1);
    struct ward_new_record late = a_record(&key.id);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->records = &late;
    commit->n_records = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMIT_CONFLICT);
    struct ward_read active = {.kind = WARD_READ_SUBJECT_KEY};
    memcpy(active.subject_key.subject_hash, key.subject_hash, WARD_HASH_SIZE);
    assert_ok(read_one(fx, &active));
    assert_true(ward_id_eq(&active.subject_key.key.id, &next.id));
    struct ward_read found = page(fx, &kek, 1, 10, 1000);
    assert_int_equal(found.rekey.n, 1);
    assert_true(found.rekey.keys[0].followed);
    assert_true(ward_id_eq(&found.rekey.keys[0].next.id, &next.id));
    assert_bytes(found.rekey.keys[0].next.wrapped, "wrapped-2");
    assert_bytes(found.rekey.records[0].sealed, "two");

    assert_outcome(rekey(fx, NULL, &pair, &to[1], 1), WARD_COMMITTED);
    assert_record(fx, &two, "TWO", &next.id, "wrapped-2");
    assert_left(fx, &kek, 1, 0, 0);
    struct ward_read rows = {.kind = WARD_READ_ROWS, .rows.kek = kek};
    assert_ok(read_one(fx, &rows));
    assert_int_equal(rows.rows.counts[0], 1);
    (void)put(fx, &next.id, NULL, 1, "three");
}

static void a_key_without_records_goes_and_one_with_stays(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key empty = a_subject_key(fx, &kek), used = a_subject_key(fx, &kek);
    struct ward_new_record record = put(fx, &used.id, NULL, 1, "one");
    open_run(fx, &kek, 1);
    struct ward_read found = page(fx, &kek, 1, 10, 1000);
    assert_int_equal(found.rekey.n, 2);
    assert_int_equal(found.rekey.n_records, 1);
    assert_int_equal(found.rekey.keys[0].n + found.rekey.keys[1].n, 1);
    const struct ward_rekeyed_key of[] = {{.from = empty.id}, {.from = used.id}};
    for (size_t i = 0; i < 2; i++) {
        assert_outcome(rekey(fx, NULL, &of[i], NULL, 0), WARD_COMMITTED);
    }
    assert_left(fx, &kek, 1, 1, 1);
    assert_record(fx, &record, "one", &used.id, "wrapped-1");
    (void)put(fx, &used.id, NULL, 1, "two"); /* it still seals */
    struct ward_new_subject_key again = empty;
    again.id = an_id();
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = &again;
    commit->n_subject_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
}

static void a_run_replaces_what_was_made_before_it(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records"), other = a_kek(fx, "others");
    struct ward_new_subject_key before = a_subject_key(fx, &kek);
    (void)a_subject_key(fx, &other);
    open_run(fx, &kek, 1);
    struct ward_new_subject_key first = a_subject_key(fx, &kek);
    open_run(fx, &kek, 2);
    struct ward_new_subject_key second = a_subject_key(fx, &kek);
    assert_left(fx, &kek, 1, 1, 0);
    assert_left(fx, &kek, 2, 2, 0);
    assert_left(fx, &kek, 3, 3, 0);
    assert_left(fx, &other, 3, 1, 0);
    struct ward_read found = page(fx, &kek, 2, 10, 1000);
    assert_int_equal(found.rekey.n, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct ward_store_old_key *key = &found.rekey.keys[i];
        assert_true(ward_id_eq(&key->key.id, &before.id) || ward_id_eq(&key->key.id, &first.id));
        assert_bytes(key->collection, "patients");
        assert_int_equal(key->newest, 1);
        assert_false(key->followed);
        assert_int_equal(key->n, 0);
    }
    /* A generation of an older run is itself to be followed. */
    struct ward_new_subject_key next = next_of(&second);
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->subject_keys = &next;
    commit->n_subject_keys = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    found = page(fx, &kek, 3, 10, 1000);
    assert_int_equal(found.rekey.n, 4);
    for (size_t i = 0; i < 4; i++) {
        bool of_second =
            memcmp(found.rekey.keys[i].subject_hash, second.subject_hash, WARD_HASH_SIZE) == 0;
        assert_int_equal(found.rekey.keys[i].newest, of_second ? 2 : 1);
        assert_false(found.rekey.keys[i].followed);
    }
}

static void a_page_ends_where_it_must(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "records");
    struct ward_new_subject_key keys[2] = {a_subject_key(fx, &kek), a_subject_key(fx, &kek)};
    for (size_t k = 0; k < 2; k++) {
        struct ward_new_record first = put(fx, &keys[k].id, NULL, 1, "0123456789");
        (void)put(fx, &keys[k].id, first.id_hash, 2, "0123456789");
        (void)put(fx, &keys[k].id, NULL, 1, "0123456789");
    }
    open_run(fx, &kek, 1);
    static const struct {
        uint32_t limit;
        size_t max_bytes, keys, records;
        bool more;
    } cases[] = {
        {10, 1000, 2, 6, false}, {6, 1000, 2, 6, true}, {5, 1000, 2, 5, true},
        {3, 1000, 1, 3, true},   {1, 1000, 1, 1, true}, {10, 1, 1, 1, true},
        {10, 10, 1, 1, true},    {10, 11, 1, 2, true},  {10, 31, 2, 4, true},
        {10, 61, 2, 6, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_read found = page(fx, &kek, 1, cases[i].limit, cases[i].max_bytes);
        assert_int_equal(found.rekey.n, cases[i].keys);
        assert_int_equal(found.rekey.n_records, cases[i].records);
        assert_int_equal(found.rekey.more, cases[i].more);
    }
    struct ward_read all = page(fx, &kek, 1, 10, 1000);
    assert_true(
        memcmp(&all.rekey.keys[0].key.id, &all.rekey.keys[1].key.id, sizeof(struct ward_id)) < 0);
    assert_int_equal(all.rekey.keys[1].first, 3);
    struct ward_read rest = {.kind = WARD_READ_REKEY_PAGE,
                             .rekey = {.kek = kek, .run = 1, .limit = 10, .max_bytes = 1000}};
    rest.rekey.after = all.rekey.keys[0].key.id;
    assert_ok(read_one(fx, &rest));
    assert_int_equal(rest.rekey.n, 1);
    rest.rekey.until = all.rekey.keys[0].key.id;
    rest.rekey.after = (struct ward_id){0};
    assert_ok(read_one(fx, &rest));
    assert_int_equal(rest.rekey.n, 1);
    assert_true(ward_id_eq(&rest.rekey.keys[0].key.id, &all.rekey.keys[0].key.id));
}

int store_suite_rekey(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(what_cannot_be_is_not_asked),
        T(whatever_is_not_as_it_was_moves_nothing),
        T(a_generation_that_seals_nothing_any_more_is_gone),
        T(a_key_without_records_goes_and_one_with_stays),
        T(a_run_replaces_what_was_made_before_it),
        T(a_page_ends_where_it_must),
    };
    return cmocka_run_group_tests_name("rekey", tests, NULL, NULL);
}
