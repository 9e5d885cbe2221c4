/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept beside keys and records: how often a version may still wrap, what was answered, and
 * who was revoked. */
#include "tests/conformance/store/store_fixture.h"

#include <pthread.h>
#include <string.h>

/* ---- replays ---- */

static struct ward_new_replay a_replay(const char *identity, const char *request_id)
{
    return (struct ward_new_replay){.identity = ward_bytes_str(identity),
                                    .request_id = ward_bytes_str(request_id),
                                    .digest = {1, 2, 3},
                                    .response = ward_bytes_str("response"),
                                    .created_us = 1000};
}

static enum ward_commit_outcome put_replays(struct fixture *fx,
                                            const struct ward_new_replay *replays, size_t n)
{
    struct ward_commit *commit = fixture_begin(fx, 1);
    commit->replays = replays;
    commit->n_replays = n;
    return fixture_commit(fx, fx->w);
}

static struct ward_read replay_read(const char *identity, const char *request_id)
{
    struct ward_read read = {.kind = WARD_READ_REPLAY};
    read.replay.identity = ward_bytes_str(identity);
    read.replay.request_id = ward_bytes_str(request_id);
    return read;
}

static bool is_kept(struct fixture *fx, const char *identity, const char *request_id)
{
    struct ward_read read = replay_read(identity, request_id);
    assert_ok(read_one(fx, &read));
    return read.replay.found;
}

static void an_answer_is_found_by_identity_and_request_id(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_replay replays[] = {a_replay("b", "r-1"), a_replay("a", "r-2"),
                                        a_replay("a", "r-1")};
    replays[0].response = (struct ward_bytes){0}; /* a message may encode to nothing */
    replays[2].response = ward_bytes_str("mine");
    replays[2].digest[31] = 9;
    replays[2].created_us = 77;
    assert_outcome(put_replays(fx, replays, 3), WARD_COMMITTED);

    struct ward_read read = replay_read("a", "r-1"), empty = replay_read("b", "r-1");
    assert_ok(read_one(fx, &read));
    assert_true(read.replay.found);
    assert_bytes(read.replay.response, "mine");
    assert_memory_equal(read.replay.digest, replays[2].digest, WARD_HASH_SIZE);
    assert_int_equal(read.replay.created_us, 77);
    assert_ok(read_one(fx, &empty));
    assert_true(empty.replay.found);
    assert_int_equal(empty.replay.response.size, 0);
    assert_false(is_kept(fx, "b", "r-2"));
    assert_false(is_kept(fx, "ar", "-1"));
    assert_false(is_kept(fx, "A", "r-1"));
}

static void replays_are_read_many_at_once(void **state)
{
    struct fixture *fx = *state;
    enum { N = 40 };
    char ids[N][8];
    struct ward_new_replay replays[N];
    struct ward_read reads[N], *pointers[N];
    for (int i = 0; i < N; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "r-%d", (i * 7) % N);
        replays[i] = a_replay("app", ids[i]);
        replays[i].created_us = i + 1;
    }
    assert_outcome(put_replays(fx, replays, N / 2), WARD_COMMITTED);
    for (int i = 0; i < N; i++) {
        reads[i] = replay_read("app", ids[i]);
        reads[i].arena = fx->arena;
        pointers[i] = &reads[i];
    }
    assert_ok(ward_store_read(fx->r, pointers, N));
    for (int i = 0; i < N; i++) {
        assert_ok(reads[i].status);
        assert_int_equal(reads[i].replay.found, i < N / 2);
        assert_int_equal(reads[i].replay.created_us, i < N / 2 ? i + 1 : 0);
    }
}

static void a_request_id_that_is_there_takes_the_whole_commit_along(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_replay first = a_replay("app", "r-1");
    struct ward_new_replay both[] = {a_replay("app", "r-2"), a_replay("app", "r-1")};
    struct ward_new_replay twice[] = {a_replay("app", "r-3"), a_replay("app", "r-3")};
    assert_outcome(put_replays(fx, &first, 1), WARD_COMMITTED);
    assert_outcome(put_replays(fx, both, 2), WARD_COMMIT_CONFLICT);
    assert_outcome(put_replays(fx, twice, 2), WARD_COMMIT_CONFLICT);
    assert_head_unmoved(fx);
    assert_false(is_kept(fx, "app", "r-2"));
    assert_false(is_kept(fx, "app", "r-3"));
}

static void an_answer_of_512_kib_is_kept_and_a_larger_one_is_refused(void **state)
{
    struct fixture *fx = *state;
    static uint8_t large[WARD_REPLAY_RESPONSE_MAX + 1];
    struct ward_new_replay replay = a_replay("app", "r-1");
    memset(large, 'x', sizeof(large));
    replay.response = WARD_BYTES(large, sizeof(large));
    assert_outcome(put_replays(fx, &replay, 1), WARD_COMMIT_FAILED);
    replay.response.size--;
    assert_outcome(put_replays(fx, &replay, 1), WARD_COMMITTED);
    struct ward_read read = replay_read("app", "r-1");
    assert_ok(read_one(fx, &read));
    assert_true(ward_bytes_eq(read.replay.response, replay.response));
}

static void a_replay_without_a_name_is_refused(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_replay cases[] = {a_replay("", "r-1"), a_replay("app", ""),
                                      a_replay("app", "r-1")};
    cases[2].created_us = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_outcome(put_replays(fx, &cases[i], 1), WARD_COMMIT_FAILED);
    }
    assert_head_unmoved(fx);
    struct ward_read read = replay_read("", "r-1"), *reads[] = {&read};
    read.arena = fx->arena;
    assert_code(ward_store_read(fx->r, reads, 1), WARD_E_INTERNAL);
}

static void purging_takes_what_is_older_and_leaves_the_rest(void **state)
{
    struct fixture *fx = *state;
    struct ward_new_replay replays[] = {a_replay("app", "old"), a_replay("app", "edge"),
                                        a_replay("app", "new")};
    replays[0].created_us = 99;
    replays[1].created_us = 100;
    replays[2].created_us = 101;
    assert_outcome(put_replays(fx, replays, 3), WARD_COMMITTED);
    struct ward_effect purge = {.kind = WARD_EFFECT_PURGE_REPLAYS};
    purge.purge_replays.before_us = 100;
    struct ward_commit *commit = fixture_begin(fx, 0); /* it needs no entry */
    commit->effects = &purge;
    commit->n_effects = 1;
    assert_outcome(fixture_commit(fx, fx->w), WARD_COMMITTED);
    assert_false(is_kept(fx, "app", "old"));
    assert_true(is_kept(fx, "app", "edge"));
    assert_true(is_kept(fx, "app", "new"));
    assert_outcome(fixture_effect(fx, &purge), WARD_COMMITTED); /* nothing left to do */
    assert_outcome(put_replays(fx, replays, 1), WARD_COMMITTED);
}

/* ---- revocations ---- */

static struct ward_effect revocation(uint8_t kind, const char *value, int64_t created_us)
{
    return (struct ward_effect){.kind = WARD_EFFECT_REVOCATION,
                                .revocation = {.kind = kind,
                                               .value = ward_bytes_str(value),
                                               .proposal = an_id(),
                                               .created_us = created_us}};
}

static struct ward_effect unrevocation(const struct ward_effect *of)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_UNREVOCATION};
    effect.unrevocation.kind = of->revocation.kind;
    effect.unrevocation.value = of->revocation.value;
    effect.unrevocation.proposal = of->revocation.proposal;
    effect.unrevocation.created_us = of->revocation.created_us;
    return effect;
}

static void initialise(struct fixture *fx)
{
    struct ward_effect effect = {.kind = WARD_EFFECT_DEPLOYMENT,
                                 .deployment = {.id = an_id(),
                                                .origin = ward_bytes_str("o"),
                                                .schema_version = WARD_SCHEMA_VERSION,
                                                .log_key = an_id(),
                                                .log_algorithm = 2,
                                                .log_public_key = ward_bytes_str("public"),
                                                .created_us = 1}};
    assert_outcome(fixture_effect(fx, &effect), WARD_COMMITTED);
}

static void the_snapshot_shows_who_is_revoked(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect effects[] = {revocation(WARD_REVOKED_CERTIFICATE, "00ff", 5),
                                    revocation(WARD_REVOKED_IDENTITY, "b", 6),
                                    revocation(WARD_REVOKED_IDENTITY, "a", 7)};
    initialise(fx);
    assert_int_equal(a_snapshot(fx).n_revocations, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_outcome(fixture_effect(fx, &effects[i]), WARD_COMMITTED);
    }
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.n_revocations, 3);
    assert_int_equal(s.revocations[0].kind, WARD_REVOKED_IDENTITY);
    assert_bytes(s.revocations[0].value, "a");
    assert_int_equal(s.revocations[0].created_us, 7);
    assert_true(ward_id_eq(&s.revocations[0].proposal, &effects[2].revocation.proposal));
    assert_bytes(s.revocations[1].value, "b");
    assert_int_equal(s.revocations[2].kind, WARD_REVOKED_CERTIFICATE);
    assert_bytes(s.revocations[2].value, "00ff");
}

static void who_is_revoked_is_revoked_once_and_undone_once(void **state)
{
    struct fixture *fx = *state;
    struct ward_effect revoke = revocation(WARD_REVOKED_IDENTITY, "a", 5);
    struct ward_effect other = revocation(WARD_REVOKED_CERTIFICATE, "a", 5);
    struct ward_effect undo = unrevocation(&revoke);
    initialise(fx);
    assert_outcome(fixture_effect(fx, &undo), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &revoke), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &revoke), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &other), WARD_COMMITTED);
    struct ward_effect not_it = undo;
    not_it.unrevocation.proposal = an_id(); /* another revocation of the same */
    assert_outcome(fixture_effect(fx, &not_it), WARD_COMMIT_CONFLICT);
    not_it = undo;
    not_it.unrevocation.created_us++;
    assert_outcome(fixture_effect(fx, &not_it), WARD_COMMIT_CONFLICT);
    assert_outcome(fixture_effect(fx, &undo), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &undo), WARD_COMMIT_CONFLICT);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.n_revocations, 1);
    assert_int_equal(s.revocations[0].kind, WARD_REVOKED_CERTIFICATE);
    assert_outcome(fixture_effect(fx, &revoke), WARD_COMMITTED);
}

/* ---- the count of wraps ---- */

static struct ward_read reserve_read(const struct ward_id *kek, uint64_t block, uint64_t limit)
{
    struct ward_read read = {.kind = WARD_READ_RESERVE};
    read.reserve.kek = *kek;
    read.reserve.version = 1;
    read.reserve.block = block;
    read.reserve.limit = limit;
    return read;
}

static void assert_reserves(struct fixture *fx, const struct ward_id *kek, uint64_t block,
                            uint64_t limit, uint64_t granted, uint64_t total)
{
    struct ward_read read = reserve_read(kek, block, limit);
    assert_ok(read_one(fx, &read));
    assert_int_equal(read.reserve.granted, granted);
    assert_int_equal(read.reserve.total, total);
}

static void a_block_is_granted_until_the_limit_and_never_past_it(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "app"), other = a_kek(fx, "other");
    initialise(fx);
    assert_reserves(fx, &kek, 100, 250, 100, 100);
    assert_reserves(fx, &kek, 100, 250, 100, 200);
    assert_reserves(fx, &kek, 100, 250, 50, 250);
    assert_reserves(fx, &kek, 100, 250, 0, 250);
    assert_reserves(fx, &kek, 100, 10, 0, 250); /* the limit was lowered */
    assert_reserves(fx, &kek, 1, 1ull << 32, 1, 251);
    assert_reserves(fx, &other, 1ull << 31, 1ull << 32, 1ull << 31, 1ull << 31);
    struct ward_store_snapshot s = a_snapshot(fx);
    for (size_t i = 0; i < s.n_versions; i++) {
        assert_int_equal(s.versions[i].wraps,
                         ward_id_eq(&s.versions[i].kek, &kek) ? 251 : 1ull << 31);
    }
    assert_head_unmoved(fx); /* and the epoch: nobody decides anything anew */
}

static void a_version_begins_with_what_its_maker_wrapped_and_keeps_it(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "app");
    initialise(fx);
    struct ward_effect version = {
        .kind = WARD_EFFECT_KEK_VERSION,
        .kek_version = {.kek = kek, .version = 2, .state = 2, .created_us = 5, .wraps = 3}};
    struct ward_effect move = {.kind = WARD_EFFECT_KEK_STATE};
    move.kek_state.kek = kek;
    move.kek_state.version = 1;
    move.kek_state.from = 2;
    move.kek_state.to = 4;
    assert_reserves(fx, &kek, 10, 100, 10, 10);
    assert_outcome(fixture_effect(fx, &version), WARD_COMMITTED);
    assert_outcome(fixture_effect(fx, &move), WARD_COMMITTED);
    struct ward_store_snapshot s = a_snapshot(fx);
    assert_int_equal(s.versions[0].wraps, 10);
    assert_int_equal(s.versions[0].state, 4);
    assert_int_equal(s.versions[1].wraps, 3);
}

static void nothing_is_reserved_of_a_version_that_is_not_there(void **state)
{
    struct fixture *fx = *state;
    struct ward_id kek = a_kek(fx, "app"), nothing = an_id();
    struct ward_read none = reserve_read(&nothing, 1, 10), later = reserve_read(&kek, 1, 10);
    later.reserve.version = 2;
    assert_code(read_one(fx, &none), WARD_E_NOT_FOUND);
    assert_code(read_one(fx, &later), WARD_E_NOT_FOUND);
    assert_int_equal(none.reserve.granted, 0);
    struct ward_read bad = reserve_read(&kek, 0, 10), *reads[] = {&bad};
    bad.arena = fx->arena;
    assert_code(ward_store_read(fx->r, reads, 1), WARD_E_INTERNAL);
}

static void each_of_several_in_a_batch_gets_a_block_of_its_own(void **state)
{
    struct fixture *fx = *state;
    enum { N = 12 };
    struct ward_id kek = a_kek(fx, "app");
    struct ward_read reads[N], *pointers[N];
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        reads[i] = i % 4 == 3 ? replay_read("app", "r") : reserve_read(&kek, 10, 85);
        reads[i].arena = fx->arena;
        pointers[i] = &reads[i];
    }
    assert_ok(ward_store_read(fx->r, pointers, N));
    for (int i = 0; i < N; i++) {
        assert_ok(reads[i].status);
        if (i % 4 != 3) {
            sum += reads[i].reserve.granted;
            assert_true(reads[i].reserve.total <= 85);
        }
    }
    assert_int_equal(sum, 85);
}

#define TAKERS 4
#define TAKES 40

struct taker {
    struct ward_store *store;
    struct ward_id kek;
    pthread_t thread;
    uint64_t granted;
    unsigned faults;
};

static void *take(void *arg)
{
    struct taker *taker = arg;
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    taker->faults += !ward_ok(ward_store_reader_open(taker->store, &reader));
    taker->faults += !ward_ok(ward_arena_new(65536, &arena));
    for (int i = 0; i < TAKES && taker->faults == 0; i++) {
        struct ward_read read = reserve_read(&taker->kek, 7, 1000), *reads[] = {&read};
        read.arena = arena;
        taker->faults += !ward_ok(ward_store_read(reader, reads, 1)) || !ward_ok(read.status);
        taker->granted += read.reserve.granted;
    }
    ward_arena_free(arena);
    ward_store_reader_close(reader);
    return NULL;
}

static void nodes_that_reserve_at_once_never_share_a_wrap(void **state)
{
    struct fixture *fx = *state;
    struct taker takers[TAKERS] = {0};
    struct ward_id kek = a_kek(fx, "app");
    uint64_t sum = 0;
    initialise(fx);
    for (int i = 0; i < TAKERS; i++) {
        takers[i].store = fx->store;
        takers[i].kek = kek;
        assert_int_equal(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
    }
    for (int i = 0; i < TAKERS; i++) {
        assert_int_equal(pthread_join(takers[i].thread, NULL), 0);
        assert_int_equal(takers[i].faults, 0);
        sum += takers[i].granted;
    }
    assert_int_equal(sum, 1000); /* 4 x 40 x 7 would be 1120 */
    assert_int_equal(a_snapshot(fx).versions[0].wraps, 1000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int store_suite_kept(void)
{
    const struct CMUnitTest tests[] = {
        T(an_answer_is_found_by_identity_and_request_id),
        T(replays_are_read_many_at_once),
        T(a_request_id_that_is_there_takes_the_whole_commit_along),
        T(an_answer_of_512_kib_is_kept_and_a_larger_one_is_refused),
        T(a_replay_without_a_name_is_refused),
        T(purging_takes_what_is_older_and_leaves_the_rest),
        T(the_snapshot_shows_who_is_revoked),
        T(who_is_revoked_is_revoked_once_and_undone_once),
        T(a_block_is_granted_until_the_limit_and_never_past_it),
        T(a_version_begins_with_what_its_maker_wrapped_and_keeps_it),
        T(nothing_is_reserved_of_a_version_that_is_not_there),
        T(each_of_several_in_a_batch_gets_a_block_of_its_own),
        T(nodes_that_reserve_at_once_never_share_a_wrap),
    };
    return cmocka_run_group_tests_name("kept", tests, NULL, NULL);
}
