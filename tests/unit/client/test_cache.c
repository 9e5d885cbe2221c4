/* SPDX-License-Identifier: Apache-2.0 */
/* The data-key cache at and past each of its limits, by a clock that the test turns. */
#include "client/cache.h"
#include "tests/unit/client/rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/wait.h>

#include "base/secret.h"
#include "ward/v1/data_keys.pb-c.h"

#define SECOND INT64_C(1000000)

struct cached {
    struct rig rig; /* first */
    struct ward_clock clock;
    atomic_uint calls;
    atomic_bool refuse, lose, slow;
    ward_cache *cache;
    size_t pool; /* used before */
};

/* Each key is another: its bytes are the number of the call. */
static void answer(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    struct cached *cached = context;
    uint8_t number = (uint8_t)atomic_fetch_add(&cached->calls, 1), plaintext[32], wrapped[16];
    memset(plaintext, 'a' + number, sizeof(plaintext));
    memset(wrapped, 'A' + number, sizeof(wrapped));
    if (atomic_load(&cached->slow)) {
        (void)usleep(150000);
    }
    if (atomic_load(&cached->refuse)) {
        reply->grpc_status = 7;
        reply->grpc_message = "policy: no rule allows it";
        return;
    }
    if (atomic_exchange(&cached->lose, false)) {
        reply->behaviour = STUB_HTTP_STATUS;
        reply->http_status = "400";
        return;
    }
    Ward__V1__GenerateDataKeysResponse made = WARD__V1__GENERATE_DATA_KEYS_RESPONSE__INIT;
    Ward__V1__GenerateDataKeysResult one = WARD__V1__GENERATE_DATA_KEYS_RESULT__INIT, *ones = &one;
    Ward__V1__DataKey key = WARD__V1__DATA_KEY__INIT, *keys = &key;
    Ward__V1__UnwrapDataKeysResponse opened = WARD__V1__UNWRAP_DATA_KEYS_RESPONSE__INIT;
    Ward__V1__UnwrapDataKeysResult other = WARD__V1__UNWRAP_DATA_KEYS_RESULT__INIT,
                                   *others = &other;
    key.plaintext = other.plaintext = (ProtobufCBinaryData){sizeof(plaintext), plaintext};
    key.wrapped = (ProtobufCBinaryData){sizeof(wrapped), wrapped};
    one.keys = &keys;
    one.n_keys = made.n_results = opened.n_results = 1;
    made.results = &ones;
    opened.results = &others;
    const ProtobufCMessage *message =
        strstr(call->path, "Generate") != NULL ? &made.base : &opened.base;
    uint8_t *to = ward_buffer_reserve(&reply->answer, protobuf_c_message_get_packed_size(message));
    reply->answer.size = protobuf_c_message_pack(message, to);
}

static void new_cache(struct cached *cached, ward_cache_limits limits)
{
    ward_cache_free(cached->cache);
    assert_int_equal(ward_cache_new_by(cached->rig.client, &limits, &cached->clock, &cached->cache,
                                       &cached->rig.error),
                     WARD_RC_OK);
}

static int make(void **state)
{
    struct cached *cached = calloc(1, sizeof(*cached));
    cached->rig.folder = folder_make();
    pki_make(cached->rig.folder, &cached->rig.pki);
    *state = cached;
    return 0;
}

static int start(void **state)
{
    struct cached *cached = *state;
    atomic_store(&cached->calls, 0);
    atomic_store(&cached->refuse, false);
    atomic_store(&cached->slow, false);
    ward_clock_fake(&cached->clock, 0);
    cached->clock.fake_monotonic_us = 1000 * SECOND;
    cached->rig.server = stub_start(&cached->rig.pki, answer, cached);
    cached->rig.client = rig_client(&cached->rig, stub_address(cached->rig.server), "alice", NULL);
    cached->pool = ward_secret_pool_used();
    cached->cache = NULL;
    new_cache(cached, (ward_cache_limits){.max_age_ms = 60000});
    return 0;
}

static int stop(void **state)
{
    struct cached *cached = *state;
    ward_cache_free(cached->cache);
    assert_int_equal(ward_secret_pool_used(), cached->pool); /* every key was wiped */
    ward_client_free(cached->rig.client);
    stub_stop(cached->rig.server);
    return 0;
}

static ward_cached_key *get(struct cached *cached, const char *name, uint64_t bytes)
{
    ward_cached_key *key = NULL;
    assert_int_equal(
        ward_cache_data_key(cached->cache, NULL, name, NULL, 0, 0, bytes, &key, &cached->rig.error),
        WARD_RC_OK);
    return key;
}

/* Takes a key and gives it back: the number of the call that made it. */
static int use(struct cached *cached, const char *name, uint64_t bytes)
{
    ward_cached_key *key = get(cached, name, bytes);
    size_t size = 0;
    const uint8_t *plaintext = ward_cached_key_plaintext(key, &size);
    assert_int_equal(size, 32);
    int number = plaintext[31] - 'a';
    const uint8_t *wrapped = ward_cached_key_wrapped(key, &size);
    assert_int_equal(wrapped[0] - 'A', number);
    ward_cached_key_free(key);
    return number;
}

static ward_cache_stats stats(struct cached *cached)
{
    ward_cache_stats now;
    ward_cache_get_stats(cached->cache, &now);
    return now;
}

/* ---- what is the same ---- */

static void one_call_serves_many_messages(void **state)
{
    struct cached *cached = *state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(use(cached, "app/demo", 1000), 0);
    }
    ward_cache_stats now = stats(cached);
    assert_int_equal(now.fetches, 1);
    assert_int_equal(now.hits, 99);
    assert_int_equal(now.entries, 1);
}

static void another_name_context_or_size_is_another_key(void **state)
{
    struct cached *cached = *state;
    const ward_pair one[] = {{"a", "1"}, {"b", "2"}}, turned[] = {{"b", "2"}, {"a", "1"}},
                    other[] = {{"a", "12"}, {"b", ""}};
    const struct {
        const char *name;
        const ward_pair *context;
        uint32_t size;
        int number;
    } cases[] = {{"k", one, 32, 0}, {"k", turned, 32, 0}, {"k", one, 0, 0},   {"k", other, 32, 1},
                 {"l", one, 32, 2}, {"k", one, 16, 3},    {"k", NULL, 32, 4}, {"k", turned, 16, 3}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ward_cached_key *key = NULL;
        assert_int_equal(ward_cache_data_key(cached->cache, NULL, cases[i].name, cases[i].context,
                                             cases[i].context == NULL ? 0 : 2, cases[i].size, 1,
                                             &key, NULL),
                         WARD_RC_OK);
        size_t size = 0;
        const uint8_t *wrapped = ward_cached_key_wrapped(key, &size);
        assert_int_equal(wrapped[0] - 'A', cases[i].number);
        ward_cached_key_free(key);
    }
}

static int unwrap(struct cached *cached, const char *wrapped, const char *value)
{
    const ward_pair context = {"tenant", value};
    ward_cached_key *key = NULL;
    assert_int_equal(ward_cache_unwrap(cached->cache, NULL, wrapped, strlen(wrapped), &context, 1,
                                       &key, &cached->rig.error),
                     WARD_RC_OK);
    size_t size = 0;
    int number = *(const uint8_t *)ward_cached_key_plaintext(key, &size) - 'a';
    ward_cached_key_free(key);
    return number;
}

static void unwrapping_is_kept_by_wrapped_bytes_and_context(void **state)
{
    struct cached *cached = *state;
    new_cache(cached, (ward_cache_limits){.max_age_ms = 60000, .max_uses = 1});
    assert_int_equal(unwrap(cached, "wrapped-1", "north"), 0);
    assert_int_equal(unwrap(cached, "wrapped-1", "north"), 0); /* opening is no use */
    assert_int_equal(unwrap(cached, "wrapped-1", "south"), 1);
    assert_int_equal(unwrap(cached, "wrapped-2", "north"), 2);
    assert_int_equal(unwrap(cached, "wrapped-1", "north"), 0);
    cached->clock.fake_monotonic_us += 60 * SECOND;
    assert_int_equal(unwrap(cached, "wrapped-1", "north"), 3);
}

/* ---- limits ---- */

static void a_key_is_not_served_at_its_age(void **state)
{
    struct cached *cached = *state;
    assert_int_equal(use(cached, "k", 1), 0);
    cached->clock.fake_monotonic_us += 60 * SECOND - 1;
    assert_int_equal(use(cached, "k", 1), 0);
    cached->clock.fake_monotonic_us += 1;
    assert_int_equal(use(cached, "k", 1), 1);
    assert_int_equal(stats(cached).expired, 1);
}

static void a_key_serves_so_many_uses_and_no_more(void **state)
{
    struct cached *cached = *state;
    new_cache(cached, (ward_cache_limits){.max_age_ms = 60000, .max_uses = 3});
    static const int expected[] = {0, 0, 0, 1, 1, 1, 2};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(use(cached, "k", 1), expected[i]);
    }
    assert_int_equal(stats(cached).used_up, 2);
    assert_int_equal(stats(cached).entries, 1);
}

static void a_key_seals_so_many_bytes_and_no_more(void **state)
{
    struct cached *cached = *state;
    new_cache(cached, (ward_cache_limits){.max_age_ms = 60000, .max_bytes_sealed = 100});
    assert_int_equal(use(cached, "k", 60), 0);
    assert_int_equal(use(cached, "k", 41), 1);
    assert_int_equal(use(cached, "k", 59), 1);
    assert_int_equal(use(cached, "k", 0), 1);
    assert_int_equal(use(cached, "k", 1), 2);
    assert_int_equal(use(cached, "k", 100), 3);
    ward_cached_key *key = NULL;
    assert_int_equal(
        ward_cache_data_key(cached->cache, NULL, "k", NULL, 0, 0, 101, &key, &cached->rig.error),
        WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(cached->rig.error.field, "bytes");
    assert_int_equal(use(cached, "k", 0), 3);
}

static void the_one_used_longest_ago_makes_room(void **state)
{
    struct cached *cached = *state;
    new_cache(cached, (ward_cache_limits){.max_age_ms = 60000, .max_entries = 2});
    assert_int_equal(use(cached, "a", 1), 0);
    assert_int_equal(use(cached, "b", 1), 1);
    assert_int_equal(use(cached, "a", 1), 0);
    assert_int_equal(use(cached, "c", 1), 2); /* b leaves */
    assert_int_equal(use(cached, "a", 1), 0);
    assert_int_equal(use(cached, "b", 1), 3);
    assert_int_equal(stats(cached).entries, 2);
    assert_int_equal(stats(cached).displaced, 2);
}

static void limits_out_of_their_bounds_are_named(void **state)
{
    struct cached *cached = *state;
    static const struct {
        ward_cache_limits limits;
        const char *field;
    } cases[] = {
        {{0}, "max_age_ms"},
        {{.max_age_ms = 86400001}, "max_age_ms"},
        {{.max_age_ms = 1, .max_entries = 10001}, "max_entries"},
        {{.max_age_ms = 1, .max_uses = (UINT64_C(1) << 32) + 1}, "max_uses"},
        {{.max_age_ms = 1, .max_bytes_sealed = (UINT64_C(1) << 40) + 1}, "max_bytes_sealed"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ward_cache *cache = NULL;
        assert_int_equal(
            ward_cache_new(cached->rig.client, &cases[i].limits, &cache, &cached->rig.error),
            WARD_RC_INVALID_ARGUMENT);
        assert_string_equal(cached->rig.error.field, cases[i].field);
    }
}

/* ---- wiping ---- */

static void what_leaves_is_wiped_when_nobody_holds_it(void **state)
{
    struct cached *cached = *state;
    size_t before = ward_secret_pool_used(), size = 0;
    ward_cached_key *held = get(cached, "k", 1);
    size_t with_one = ward_secret_pool_used();
    assert_true(with_one > before);
    ward_cache_clear(cached->cache);
    assert_int_equal(ward_secret_pool_used(), with_one);
    assert_int_equal(*(const uint8_t *)ward_cached_key_plaintext(held, &size), 'a');
    ward_cached_key_free(held);
    assert_int_equal(ward_secret_pool_used(), before);
    assert_int_equal(use(cached, "k", 1), 1);
    cached->clock.fake_monotonic_us += 60 * SECOND;
    ward_cache_expire(cached->cache);
    assert_int_equal(ward_secret_pool_used(), before);
}

static void a_held_key_outlives_its_cache(void **state)
{
    struct cached *cached = *state;
    ward_cached_key *held = get(cached, "k", 1);
    ward_cache_free(cached->cache);
    cached->cache = NULL;
    size_t size = 0;
    assert_int_equal(*(const uint8_t *)ward_cached_key_plaintext(held, &size), 'a');
    ward_cached_key_free(held);
}

/* ---- failures ---- */

static ward_rc try_get(struct cached *cached)
{
    ward_cached_key *key = NULL;
    ward_rc rc =
        ward_cache_data_key(cached->cache, NULL, "k", NULL, 0, 0, 1, &key, &cached->rig.error);
    if (rc == WARD_RC_OK) {
        ward_cached_key_free(key);
    }
    return rc;
}

static void a_refusal_is_not_kept(void **state)
{
    struct cached *cached = *state;
    atomic_store(&cached->refuse, true);
    assert_int_equal(try_get(cached), WARD_RC_PERMISSION_DENIED);
    assert_string_equal(cached->rig.error.message, "policy: no rule allows it");
    assert_int_equal(try_get(cached), WARD_RC_PERMISSION_DENIED);
    assert_int_equal(atomic_load(&cached->calls), 2);
    atomic_store(&cached->refuse, false);
    assert_int_equal(try_get(cached), WARD_RC_OK);
    assert_int_equal(stats(cached).failures, 2);
}

static void a_bad_context_is_refused_before_any_call(void **state)
{
    struct cached *cached = *state;
    const ward_pair twice[] = {{"a", "1"}, {"a", "2"}};
    ward_cached_key *key = NULL;
    assert_int_equal(
        ward_cache_data_key(cached->cache, NULL, "k", twice, 2, 0, 1, &key, &cached->rig.error),
        WARD_RC_INVALID_ARGUMENT);
    assert_string_equal(cached->rig.error.field, "context");
    assert_int_equal(atomic_load(&cached->calls), 0);
}

/* ---- threads ---- */

struct seeker {
    pthread_t thread;
    struct cached *cached;
    ward_rc rc;
    int number;
};

static void *seek(void *argument)
{
    struct seeker *seeker = argument;
    ward_cached_key *key = NULL;
    seeker->rc = ward_cache_data_key(seeker->cached->cache, NULL, "k", NULL, 0, 0, 1, &key, NULL);
    if (seeker->rc == WARD_RC_OK) {
        size_t size = 0;
        seeker->number = *(const uint8_t *)ward_cached_key_plaintext(key, &size) - 'a';
        ward_cached_key_free(key);
    }
    return NULL;
}

#define SEEKERS 12

static void seek_at_once(struct cached *cached, struct seeker seekers[static SEEKERS])
{
    for (size_t i = 0; i < SEEKERS; i++) {
        seekers[i] = (struct seeker){.cached = cached};
        assert_int_equal(pthread_create(&seekers[i].thread, NULL, seek, &seekers[i]), 0);
    }
    for (size_t i = 0; i < SEEKERS; i++) {
        assert_int_equal(pthread_join(seekers[i].thread, NULL), 0);
    }
}

static void many_waiters_share_one_call(void **state)
{
    struct cached *cached = *state;
    struct seeker seekers[SEEKERS];
    atomic_store(&cached->slow, true);
    seek_at_once(cached, seekers);
    for (size_t i = 0; i < SEEKERS; i++) {
        assert_int_equal(seekers[i].rc, WARD_RC_OK);
        assert_int_equal(seekers[i].number, 0);
    }
    assert_int_equal(atomic_load(&cached->calls), 1);
    assert_int_equal(stats(cached).hits, SEEKERS - 1);
}

static void waiters_keep_to_the_limit_of_uses(void **state)
{
    struct cached *cached = *state;
    struct seeker seekers[SEEKERS];
    int served[SEEKERS] = {0};
    new_cache(cached, (ward_cache_limits){.max_age_ms = 60000, .max_uses = 4});
    seek_at_once(cached, seekers);
    for (size_t i = 0; i < SEEKERS; i++) {
        assert_int_equal(seekers[i].rc, WARD_RC_OK);
        assert_true(++served[seekers[i].number] <= 4);
    }
    assert_int_equal(atomic_load(&cached->calls), SEEKERS / 4);
}

static void a_refusal_is_told_to_all_who_waited(void **state)
{
    struct cached *cached = *state;
    struct seeker seekers[SEEKERS];
    atomic_store(&cached->slow, true);
    atomic_store(&cached->refuse, true);
    seek_at_once(cached, seekers);
    for (size_t i = 0; i < SEEKERS; i++) {
        assert_int_equal(seekers[i].rc, WARD_RC_PERMISSION_DENIED);
    }
    assert_true(atomic_load(&cached->calls) < SEEKERS);
}

static void what_failed_on_the_way_is_tried_again_by_one_of_them(void **state)
{
    struct cached *cached = *state;
    struct seeker seekers[SEEKERS];
    unsigned failed = 0;
    atomic_store(&cached->slow, true);
    atomic_store(&cached->lose, true); /* the first answer is no gRPC */
    seek_at_once(cached, seekers);
    for (size_t i = 0; i < SEEKERS; i++) {
        failed += seekers[i].rc != WARD_RC_OK;
    }
    assert_int_equal(failed, 1);
    assert_int_equal(atomic_load(&cached->calls), 2);
}

static void *churn(void *argument)
{
    struct seeker *seeker = argument;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 60 && seeker->rc == WARD_RC_OK; i++) {
        ward_cached_key *key = NULL;
        seeker->rc = ward_cache_data_key(seeker->cached->cache, NULL, names[i % 5], NULL, 0, 0, 10,
                                         &key, NULL);
        ward_cached_key_free(key);
        if (i % 20 == 0) {
            ward_cache_clear(seeker->cached->cache);
        }
    }
    return NULL;
}

static void threads_with_small_limits_get_along(void **state)
{
    struct cached *cached = *state;
    struct seeker seekers[4];
    new_cache(cached,
              (ward_cache_limits){
                  .max_age_ms = 60000, .max_entries = 3, .max_uses = 7, .max_bytes_sealed = 50});
    for (size_t i = 0; i < 4; i++) {
        seekers[i] = (struct seeker){.cached = cached};
        assert_int_equal(pthread_create(&seekers[i].thread, NULL, churn, &seekers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(seekers[i].thread, NULL), 0);
        assert_int_equal(seekers[i].rc, WARD_RC_OK);
    }
    ward_cache_stats now = stats(cached);
    assert_true(now.entries <= 3);
    assert_int_equal(now.hits + now.fetches, 240);
}

/* ---- fork ---- */

static void a_child_finds_it_empty_and_fills_its_own(void **state)
{
    struct cached *cached = *state;
    ward_cached_key *held = get(cached, "k", 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        size_t size = 1, wrapped_size = 0;
        bool fine = ward_cached_key_plaintext(held, &size) == NULL && size == 0 &&
                    ward_cached_key_wrapped(held, &wrapped_size) != NULL;
        ward_cached_key *own = NULL;
        fine = fine && ward_cache_data_key(cached->cache, NULL, "k", NULL, 0, 0, 1, &own, NULL) ==
                           WARD_RC_OK;
        fine = fine && *(const uint8_t *)ward_cached_key_plaintext(own, &size) == 'a' + 1;
        ward_cached_key_free(own);
        ward_cached_key_free(held);
        ward_cache_free(cached->cache);
        ward_client_free(cached->rig.client);
        _exit(fine && ward_secret_pool_used() == cached->pool ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    size_t size = 0;
    assert_int_equal(*(const uint8_t *)ward_cached_key_plaintext(held, &size), 'a');
    ward_cached_key_free(held);
    assert_int_equal(use(cached, "k", 1), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* the stub's; the client never raises it */
    const struct CMUnitTest tests[] = {
        CASE(one_call_serves_many_messages),
        CASE(another_name_context_or_size_is_another_key),
        CASE(unwrapping_is_kept_by_wrapped_bytes_and_context),
        CASE(a_key_is_not_served_at_its_age),
        CASE(a_key_serves_so_many_uses_and_no_more),
        CASE(a_key_seals_so_many_bytes_and_no_more),
        CASE(the_one_used_longest_ago_makes_room),
        CASE(limits_out_of_their_bounds_are_named),
        CASE(what_leaves_is_wiped_when_nobody_holds_it),
        CASE(a_held_key_outlives_its_cache),
        CASE(a_refusal_is_not_kept),
        CASE(a_bad_context_is_refused_before_any_call),
        CASE(many_waiters_share_one_call),
        CASE(waiters_keep_to_the_limit_of_uses),
        CASE(a_refusal_is_told_to_all_who_waited),
        CASE(what_failed_on_the_way_is_tried_again_by_one_of_them),
        CASE(threads_with_small_limits_get_along),
        CASE(a_child_finds_it_empty_and_fills_its_own),
    };
    return cmocka_run_group_tests(tests, make, rig_drop_folder);
}
