/* SPDX-License-Identifier: Apache-2.0 */
/* Several writers at once, as several daemons have them. */
#include "tests/conformance/store/store_fixture.h"

#include <pthread.h>

#define WRITERS 3
#define BATCHES 60
#define PATIENTS 12

/* Threads must not assert by cmocka, which jumps; they count what is wrong. */
struct racer {
    struct ward_store *store;
    struct ward_id kek;
    int number;
    const uint8_t (*subjects)[WARD_HASH_SIZE]; /* the first records' race */
    int faults;
    unsigned committed, moved, conflicts;
    char odd[64]; /* the last outcome that must not be */
};

static void note(struct racer *racer, enum ward_commit_outcome outcome, ward_status status)
{
    char text[64];
    racer->faults++;
    (void)snprintf(racer->odd, sizeof(racer->odd), "%s, %.40s", outcome_name(outcome),
                   ward_status_describe(status, text, sizeof(text)));
}

static void add_text_leaf(struct racer *racer, struct ward_digest *digest, struct ward_merkle *tree,
                          struct ward_buffer *leaves, int batch, int leaf)
{
    uint8_t hash[WARD_HASH_SIZE];
    char text[64];
    int size =
        snprintf(text, sizeof(text), "writer %d batch %d leaf %d", racer->number, batch, leaf);
    struct ward_bytes bytes = WARD_BYTES(text, (size_t)size);
    ward_buffer_add_u16(leaves, (uint16_t)size);
    ward_buffer_add(leaves, bytes);
    racer->faults += !ward_ok(ward_merkle_leaf(digest, bytes, hash));
    racer->faults += !ward_ok(ward_merkle_append(digest, tree, hash));
}

/* Commits one batch of n leaves on whatever head there is, until it is in or conflicts. */
static enum ward_commit_outcome append(struct racer *racer, struct ward_store_writer *writer,
                                       struct ward_digest *digest, struct ward_commit *commit,
                                       int batch, int n)
{
    struct ward_buffer leaves;
    ward_buffer_init(&leaves, 1u << 20);
    enum ward_commit_outcome outcome = WARD_COMMIT_FAILED;
    for (int i = 0; i < 5000; i++) {
        struct ward_head head;
        ward_status status;
        bool lock = racer->number == 1; /* one of them is careful and locks first */
        status = ward_store_head(writer, lock, &head);
        if (!ward_ok(status)) {
            if (status.code != WARD_E_CONFLICT) {
                note(racer, WARD_COMMIT_UNAVAILABLE, status);
            }
            continue;
        }
        ward_buffer_reset(&leaves);
        commit->first_seq = head.tree.size;
        commit->epoch = head.epoch;
        for (int leaf = 0; leaf < n; leaf++) {
            add_text_leaf(racer, digest, &head.tree, &leaves, batch, leaf);
        }
        commit->tree = &head.tree;
        commit->n_leaves = (uint32_t)n;
        commit->leaves = ward_buffer_view(&leaves);
        outcome = ward_store_commit(writer, commit, &status);
        if (outcome == WARD_COMMITTED || outcome == WARD_COMMIT_CONFLICT) {
            break;
        }
        racer->moved++;
        if (outcome != WARD_COMMIT_HEAD_MOVED && outcome != WARD_COMMIT_RETRY) {
            note(racer, outcome, status);
        }
    }
    ward_buffer_fini(&leaves);
    return outcome;
}

static void *append_batches(void *arg)
{
    struct racer *racer = arg;
    struct ward_store_writer *writer = NULL;
    struct ward_digest *digest = NULL;
    racer->faults += !ward_ok(ward_store_writer_open(racer->store, &writer));
    racer->faults += !ward_ok(ward_digest_new(&digest));
    for (int batch = 0; batch < BATCHES; batch++) {
        struct ward_commit commit = {0};
        enum ward_commit_outcome outcome =
            append(racer, writer, digest, &commit, batch, 1 + batch % 5);
        racer->faults += outcome != WARD_COMMITTED;
        racer->committed += outcome == WARD_COMMITTED;
    }
    ward_digest_free(digest);
    ward_store_writer_close(writer);
    return NULL;
}

static void run_racers(struct fixture *fx, struct racer *racers, void *(*body)(void *))
{
    pthread_t threads[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        racers[i].store = fx->store;
        racers[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, body, &racers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_string_equal(racers[i].odd, "");
        assert_int_equal(racers[i].faults, 0);
    }
}

/* Reads the whole log and builds its tree again; how many leaves each writer has in it. */
static void check_log(struct fixture *fx, unsigned ret_leaves[static WRITERS])
{
    struct ward_head head = fixture_head(fx->w);
    struct ward_merkle tree = {0};
    while (tree.size < head.tree.size) {
        struct ward_read read = {
            .kind = WARD_READ_AUDIT,
            .audit = {.start = tree.size, .end = head.tree.size, .max_bytes = 5000}};
        assert_ok(read_one(fx, &read));
        for (size_t i = 0; i < read.audit.n; i++) {
            uint8_t hash[WARD_HASH_SIZE];
            struct ward_bytes leaf = read.audit.leaves[i];
            assert_ok(ward_merkle_leaf(fx->digest, leaf, hash));
            assert_ok(ward_merkle_append(fx->digest, &tree, hash));
            for (int w = 0; w < WRITERS; w++) {
                char begin[16];
                int size = snprintf(begin, sizeof(begin), "writer %d", w);
                ret_leaves[w] +=
                    leaf.size > (size_t)size && memcmp(leaf.data, begin, (size_t)size) == 0;
            }
        }
    }
    uint8_t stored[WARD_HASH_SIZE], built[WARD_HASH_SIZE];
    assert_ok(ward_merkle_root(fx->digest, &head.tree, stored));
    assert_ok(ward_merkle_root(fx->digest, &tree, built));
    assert_memory_equal(stored, built, WARD_HASH_SIZE);
}

static void racing_writers_make_one_ordered_tree(void **state)
{
    struct fixture *fx = *state;
    struct racer racers[WRITERS] = {0};
    unsigned leaves[WRITERS] = {0}, each = 0;
    run_racers(fx, racers, append_batches);
    check_log(fx, leaves);
    for (int batch = 0; batch < BATCHES; batch++) {
        each += 1 + (unsigned)batch % 5;
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(racers[i].committed, BATCHES);
        assert_int_equal(leaves[i], each);
    }
}

/* As an operation does it: read the subject key; where there is none make one, and when that
 * conflicts prepare again. */
static void put_first_record(struct racer *racer, struct ward_store_writer *writer,
                             struct ward_store_reader *reader, struct ward_digest *digest,
                             int patient)
{
    for (int i = 0; i < 100; i++) {
        ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
        racer->faults += !ward_ok(ward_arena_new(4096, &arena));
        struct ward_read read = {.kind = WARD_READ_SUBJECT_KEY, .arena = arena}, *one = &read;
        memcpy(read.subject_key.subject_hash, racer->subjects[patient], WARD_HASH_SIZE);
        racer->faults += !ward_ok(ward_store_read(reader, &one, 1));
        struct ward_new_subject_key key = {.collection = ward_bytes_str("patients"),
                                           .generation = 1,
                                           .kek = racer->kek,
                                           .kek_version = 1,
                                           .wrapped = ward_bytes_str("wrapped")};
        racer->faults += !ward_ok(ward_id_random(&key.id));
        memcpy(key.subject_hash, racer->subjects[patient], WARD_HASH_SIZE);
        bool there = ward_ok(read.status);
        struct ward_new_record record = {.version = 1,
                                         .subject_key = there ? read.subject_key.key.id : key.id,
                                         .schema_version = 1,
                                         .created_us = 1,
                                         .sealed = ward_bytes_str("sealed")};
        record.id_hash[0] = (uint8_t)racer->number;
        record.id_hash[1] = (uint8_t)patient;
        struct ward_commit commit = {.subject_keys = &key,
                                     .n_subject_keys = there ? 0 : 1,
                                     .records = &record,
                                     .n_records = 1};
        enum ward_commit_outcome outcome = append(racer, writer, digest, &commit, patient, 1);
        if (outcome == WARD_COMMITTED) {
            racer->committed++;
            return;
        }
        racer->conflicts++;
        racer->faults += outcome != WARD_COMMIT_CONFLICT;
    }
    racer->faults++;
}

static void *put_first_records(void *arg)
{
    struct racer *racer = arg;
    struct ward_store_writer *writer = NULL;
    struct ward_store_reader *reader = NULL;
    struct ward_digest *digest = NULL;
    racer->faults += !ward_ok(ward_store_writer_open(racer->store, &writer));
    racer->faults += !ward_ok(ward_store_reader_open(racer->store, &reader));
    racer->faults += !ward_ok(ward_digest_new(&digest));
    for (int i = 0; i < PATIENTS; i++) {
        put_first_record(racer, writer, reader, digest, i);
    }
    ward_digest_free(digest);
    ward_store_reader_close(reader);
    ward_store_writer_close(writer);
    return NULL;
}

static void first_writers_of_a_patient_end_with_one_subject_key(void **state)
{
    struct fixture *fx = *state;
    struct racer racers[WRITERS] = {0};
    uint8_t subjects[PATIENTS][WARD_HASH_SIZE];
    struct ward_id kek = a_kek(fx, "records");
    for (int i = 0; i < PATIENTS; i++) {
        a_hash(subjects[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        racers[i].kek = kek;
        racers[i].subjects = (const uint8_t(*)[WARD_HASH_SIZE])subjects;
    }
    run_racers(fx, racers, put_first_records);
    for (int w = 0; w < WRITERS; w++) {
        assert_int_equal(racers[w].committed, PATIENTS);
        for (int i = 0; i < PATIENTS; i++) {
            struct ward_read record = {.kind = WARD_READ_RECORD};
            struct ward_read subject = {.kind = WARD_READ_SUBJECT_KEY};
            record.record.id_hash[0] = (uint8_t)w;
            record.record.id_hash[1] = (uint8_t)i;
            memcpy(subject.subject_key.subject_hash, subjects[i], WARD_HASH_SIZE);
            assert_ok(read_one(fx, &record));
            assert_ok(read_one(fx, &subject));
            assert_true(ward_id_eq(&record.record.key.id, &subject.subject_key.key.id));
        }
    }
    struct ward_read rows = {.kind = WARD_READ_ROWS, .rows.kek = kek};
    assert_ok(read_one(fx, &rows));
    assert_int_equal(rows.rows.n, 1);
    assert_int_equal(rows.rows.counts[0], PATIENTS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int store_suite_race(void)
{
    const struct CMUnitTest tests[] = {
        T(racing_writers_make_one_ordered_tree),
        T(first_writers_of_a_patient_end_with_one_subject_key),
    };
    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
