/* SPDX-License-Identifier: Apache-2.0 */
/* Every way in which a transaction can end, and what the requests in it are told: each outcome has
 * exactly one entry, and what was not durable is not answered. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/limits.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define MANY 300

static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}";

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_store_memory_set_fault(world.store, NULL, NULL);
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* ---- holding the committer, so that a batch has what we want in it ---- */

static struct ward_store_writer *hold(void)
{
    struct ward_store_writer *writer = NULL;
    struct ward_head head;
    assert_ok(ward_store_writer_open(world.store, &writer));
    assert_ok(ward_store_head(writer, true, &head));
    return writer;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

/* Submits one that keeps the committer busy until the others stand in its queue. */
static void submit_as_one_batch(struct ward_request **requests, size_t n)
{
    struct ward_store_writer *held = hold();
    struct ward_request *first = core_generate(&world, &world.app, "app/keys", 1, 1);
    unsigned crossings = fake_kek_crossings(world.kek);
    core_submit(&node, &first, 1);
    for (unsigned i = 0; i < 500 && fake_kek_crossings(world.kek) == crossings; i++) {
        pause_ms(1);
    }
    pause_ms(30);
    core_submit(&node, requests, n);
    for (unsigned i = 0; i < 200 && ward_queue_size(&node.pipeline.commits) < n; i++) {
        pause_ms(5);
    }
    size_t waiting = ward_queue_size(&node.pipeline.commits);
    ward_store_writer_close(held);
    core_wait(&node, n + 1);
    assert_int_equal(waiting, n);
    assert_ok(first->status);
    ward_request_free(first);
}

/* ---- faults ---- */

struct fault {
    enum ward_commit_outcome outcome;
    bool happens;
    unsigned times;     /* left; UINT32_MAX: for ever */
    const char *marker; /* only commits whose leaves hold it; NULL: all */
    unsigned seen;
};

/* The leaf with the marker, as long as it says that its request was allowed. */
static bool holds(struct ward_bytes leaves, const char *marker)
{
    static const char outcome[] = "\"outcome\":\"", allowed[] = "allowed";
    const uint8_t *end = leaves.data + leaves.size, *at = leaves.data;
    if (marker == NULL || leaves.size == 0) {
        return marker == NULL;
    }
    at = memmem(at, (size_t)(end - at), marker, strlen(marker));
    at = at == NULL ? NULL : memmem(at, (size_t)(end - at), outcome, strlen(outcome));
    return at != NULL && memcmp(at + strlen(outcome), allowed, strlen(allowed)) == 0;
}

static enum ward_commit_outcome inject(void *arg, const struct ward_commit *commit,
                                       bool *ret_happens)
{
    struct fault *fault = arg;
    if (fault->times == 0 || !holds(commit->leaves, fault->marker)) {
        return WARD_COMMITTED;
    }
    fault->times -= fault->times != UINT32_MAX;
    fault->seen++;
    *ret_happens = fault->happens;
    return fault->outcome;
}

static void one_commit_that_ends_in(struct fault fault, unsigned seen)
{
    ward_store_memory_set_fault(world.store, inject, &fault);
    struct ward_request *request = core_put(&world, &world.app, "fhir", "alpha", 2, patient);
    assert_ok(core_run(&node, request));
    assert_ok(((struct ward_put *)request->in)->items[0].status);
    assert_int_equal(((struct ward_put *)request->in)->items[0].version, 1);
    assert_int_equal(fault.seen, seen);
    core_expect_entry(&world, request, "allowed", "");
    ward_request_free(request);
    struct ward_request *got = core_get(&world, &world.app, "fhir", "alpha");
    assert_ok(core_run(&node, got));
    assert_ok(((struct ward_get *)got->in)->items[0].status);
    assert_int_equal(((struct ward_get *)got->in)->items[0].version, 1);
    ward_request_free(got);
}

static void a_deadlock_is_tried_again(void **state)
{
    (void)state;
    one_commit_that_ends_in((struct fault){.outcome = WARD_COMMIT_RETRY, .times = 5}, 5);
}

static void a_commit_in_doubt_that_happened_is_answered_once(void **state)
{
    (void)state;
    one_commit_that_ends_in(
        (struct fault){.outcome = WARD_COMMIT_UNKNOWN, .happens = true, .times = 1}, 1);
}

static void a_commit_in_doubt_that_did_not_happen_is_made_again(void **state)
{
    (void)state;
    one_commit_that_ends_in((struct fault){.outcome = WARD_COMMIT_UNKNOWN, .times = 1}, 1);
}

static void a_conflict_is_prepared_again(void **state)
{
    (void)state;
    one_commit_that_ends_in(
        (struct fault){.outcome = WARD_COMMIT_CONFLICT, .times = WARD_ATTEMPTS_MAX},
        WARD_ATTEMPTS_MAX);
}

static void too_many_conflicts_abort_with_an_entry(void **state)
{
    (void)state;
    struct fault fault = {.outcome = WARD_COMMIT_CONFLICT,
                          .times = UINT32_MAX,
                          .marker = "\"action\":\"record.put\""};
    ward_store_memory_set_fault(world.store, inject, &fault);
    struct ward_request *request = core_put(&world, &world.app, "fhir", "alpha", 1, patient);
    assert_code(core_run(&node, request), WARD_E_CONFLICT);
    assert_int_equal(fault.seen, 1 + WARD_ATTEMPTS_MAX);
    core_expect_entry(&world, request, "failed", "ABORTED");
    ward_request_free(request);
}

static void a_moved_epoch_is_decided_again(void **state)
{
    (void)state;
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_int_equal(core_world_write(&world, NULL, 0, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    assert_ok(core_run(&node, request));
    assert_true(request->redecided > 0);
    core_expect_entry(&world, request, "allowed", "");
    ward_request_free(request);
}

/* The jobs may hear of a new epoch before the committer does. */
static void a_state_newer_than_the_known_head_is_no_reason_to_wait(void **state)
{
    (void)state;
    assert_int_equal(core_world_write(&world, NULL, 0, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    core_node_refresh_now(&node);
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, request));
    assert_int_equal(request->redecided, 0);
    core_expect_entry(&world, request, "allowed", "");
    ward_request_free(request);
}

static void a_moved_head_is_numbered_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(core_world_write(&world, NULL, 0, false, ",\"outcome\":\"allowed\"}"),
                         WARD_COMMITTED);
        struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
        assert_ok(core_run(&node, request));
        assert_int_equal(request->redecided, 0);
        core_expect_entry(&world, request, "allowed", "");
        ward_request_free(request);
    }
}

static void a_denial_after_a_moved_epoch_is_the_answer(void **state)
{
    (void)state;
    char *narrower = strdup(core_policy);
    assert_non_null(narrower);
    char *keys = strstr(narrower, "[\"app/**\"]");
    assert_non_null(keys);
    memcpy(keys, "[\"off/**\"]", 10);
    struct ward_store_writer *held = hold();
    struct ward_request *first = core_generate(&world, &world.app, "app/keys", 1, 1);
    core_submit(&node, &first, 1); /* allowed by the policy of the moment */
    pause_ms(30);
    ward_store_writer_close(held); /* either order of the two commits is a right one */
    core_world_set_policy(&world, narrower);
    free(narrower);
    core_wait(&node, 1);
    ward_request_free(first);
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, request));
    const struct ward_generate *out = request->in;
    assert_code(out->items[0].status, WARD_E_DENIED);
    core_expect_entry(&world, request, "refused", "PERMISSION_DENIED");
    ward_request_free(request);
}

static void one_bad_request_of_a_batch_fails_alone(void **state)
{
    (void)state;
    struct ward_request *requests[MANY];
    for (size_t i = 0; i < MANY; i++) {
        requests[i] = core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    struct ward_request *bad = requests[137];
    char marker[64];
    (void)snprintf(marker, sizeof(marker), "\"request\":\"%s\"",
                   (const char *)bad->request_id.data);
    struct fault fault = {.outcome = WARD_COMMIT_FAILED, .times = UINT32_MAX, .marker = marker};
    ward_store_memory_set_fault(world.store, inject, &fault);
    submit_as_one_batch(requests, MANY);
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < MANY; i++) {
        const json_t *leaf = core_log_one(&log, requests[i]->request_id);
        if (requests[i] == bad) {
            assert_code(bad->status, WARD_E_INTERNAL);
            assert_string_equal(core_text(leaf, "outcome"), "failed");
            assert_string_equal(core_text(leaf, "code"), "INTERNAL");
            const json_t *item = json_array_get(json_object_get(leaf, "items"), 0);
            assert_string_equal(core_text(item, "outcome"), "failed");
            assert_string_equal(core_text(item, "code"), "INTERNAL");
        } else {
            assert_ok(requests[i]->status);
            assert_string_equal(core_text(leaf, "outcome"), "allowed");
        }
    }
    core_log_close(&log);
    for (size_t i = 0; i < MANY; i++) {
        ward_request_free(requests[i]);
    }
}

/* Each of them is prepared again and at last refused, whatever their number. */
static void a_batch_of_nothing_but_conflicts_is_answered_one_by_one(void **state)
{
    (void)state;
    struct ward_request *requests[MANY];
    struct fault fault = {.outcome = WARD_COMMIT_CONFLICT,
                          .times = UINT32_MAX,
                          .marker = "\"action\":\"data-key.generate\""};
    struct ward_store_writer *held = hold();
    for (size_t i = 0; i < MANY; i++) {
        requests[i] = core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    core_submit(&node, requests, MANY);
    pause_ms(50);
    ward_store_memory_set_fault(world.store, inject, &fault);
    ward_store_writer_close(held);
    core_wait(&node, MANY);
    size_t aborted = 0;
    struct core_log log;
    core_log_open(&log, &world);
    for (size_t i = 0; i < MANY; i++) {
        const json_t *leaf = core_log_one(&log, requests[i]->request_id);
        bool was = requests[i]->status.code == WARD_E_CONFLICT;
        assert_string_equal(core_text(leaf, "code"), was ? "ABORTED" : "");
        aborted += was;
        ward_request_free(requests[i]);
    }
    core_log_close(&log);
    assert_true(aborted > MANY / 2);
}

static void without_a_database_nothing_is_answered(void **state)
{
    (void)state;
    uint64_t before = ward_store_memory_commits(world.store);
    ward_store_memory_set_down(world.store, true);
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_code(core_run(&node, request), WARD_E_UNAVAILABLE);
    assert_false(ward_committer_healthy(node.committer));
    struct ward_request *put = core_put(&world, &world.app, "fhir", "alpha", 1, patient);
    assert_code(core_run(&node, put), WARD_E_UNAVAILABLE);
    assert_int_equal(ward_store_memory_commits(world.store), before);
    ward_store_memory_set_down(world.store, false);
    struct ward_request *again = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, again));
    assert_true(ward_committer_healthy(node.committer));
    struct core_log log;
    core_log_open(&log, &world);
    assert_int_equal(core_log_count(&log, request->request_id), 0);
    assert_int_equal(core_log_count(&log, put->request_id), 0);
    core_log_one(&log, again->request_id);
    core_log_close(&log);
    ward_request_free(request);
    ward_request_free(put);
    ward_request_free(again);
}

static enum ward_commit_outcome doubt_and_go(void *arg, const struct ward_commit *commit,
                                             bool *ret_happens)
{
    (void)commit;
    atomic_bool *done = arg;
    *ret_happens = true;
    if (*done) {
        return WARD_COMMIT_UNAVAILABLE;
    }
    *done = true;
    return WARD_COMMIT_UNKNOWN;
}

/* The head stays locked for longer than we ask after the doubtful commit. */
static void a_doubt_that_nobody_resolves_is_unavailable(void **state)
{
    (void)state;
    atomic_bool done = false;
    ward_store_memory_set_fault(world.store, doubt_and_go, &done);
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    core_submit(&node, &request, 1);
    for (unsigned i = 0; i < 200 && !done; i++) {
        pause_ms(1);
    }
    ward_store_memory_set_down(world.store, true);
    core_wait(&node, 1);
    ward_store_memory_set_down(world.store, false);
    ward_store_memory_set_fault(world.store, NULL, NULL);
    /* OK only if it was resolved before we took the store down; then the entry is there. */
    struct core_log log;
    core_log_open(&log, &world);
    if (ward_ok(request->status)) {
        core_log_one(&log, request->request_id);
    } else {
        assert_code(request->status, WARD_E_UNAVAILABLE);
    }
    core_log_close(&log);
    ward_request_free(request);
    struct ward_request *again = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, again));
    core_expect_entry(&world, again, "allowed", "");
    ward_request_free(again);
}

/* What is in force cannot be known: nobody may be answered under what was. */
static void a_new_epoch_that_cannot_be_read_answers_unavailable(void **state)
{
    (void)state;
    node.refresh_fails = true;
    assert_int_equal(core_world_write(&world, NULL, 0, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    struct ward_request *allowed = core_generate(&world, &world.app, "app/keys", 1, 1);
    struct ward_request *refused = core_create(&world, &world.app, "app/other", 1);
    assert_code(core_run(&node, allowed), WARD_E_UNAVAILABLE);
    assert_code(core_run(&node, refused), WARD_E_UNAVAILABLE);
    node.refresh_fails = false;
    struct ward_request *again = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, again));
    core_expect_entry(&world, allowed, "failed", "UNAVAILABLE");
    core_expect_entry(&world, refused, "failed", "UNAVAILABLE");
    core_expect_entry(&world, again, "allowed", "");
    ward_request_free(allowed);
    ward_request_free(refused);
    ward_request_free(again);
}

static void a_database_behind_its_newest_checkpoint_is_not_started_on(void **state)
{
    (void)state;
    const struct ward_committer_config config = {.pipeline = &node.pipeline, .store = world.store};
    struct ward_committer *committer = NULL;
    assert_code(ward_committer_start(&config, 1000, &committer), WARD_E_STATE);
    assert_null(committer);
}

/* A store whose head has been written on from a copy that lagged: as long, and another log. */
static const struct ward_store_ops *sound;

static ward_status forked_head(struct ward_store_writer *writer, bool lock, struct ward_head *ret)
{
    WARD_TRY(sound->head(writer, lock, ret));
    ret->tree.frontier[0][0] ^= 1;
    core_world_seal(&world, NULL, 0, false, ret); /* daemons wrote it */
    return WARD_OK;
}

static void another_log_of_the_same_size_is_not_written_on(void **state)
{
    (void)state;
    sound = world.store->ops;
    struct ward_store_ops forked = *sound;
    forked.head = forked_head;
    world.store->ops = &forked;
    struct fault once = {.outcome = WARD_COMMIT_HEAD_MOVED, .times = 1};
    ward_store_memory_set_fault(world.store, inject, &once);
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_code(core_run_free(&node, request), WARD_E_UNAVAILABLE);
    assert_int_equal(node.rollbacks, 1);
    world.store->ops = sound;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_deadlock_is_tried_again),
        T(a_commit_in_doubt_that_happened_is_answered_once),
        T(a_commit_in_doubt_that_did_not_happen_is_made_again),
        T(a_conflict_is_prepared_again),
        T(too_many_conflicts_abort_with_an_entry),
        T(a_moved_epoch_is_decided_again),
        T(a_state_newer_than_the_known_head_is_no_reason_to_wait),
        T(a_moved_head_is_numbered_again),
        T(a_denial_after_a_moved_epoch_is_the_answer),
        T(one_bad_request_of_a_batch_fails_alone),
        T(a_batch_of_nothing_but_conflicts_is_answered_one_by_one),
        T(without_a_database_nothing_is_answered),
        T(a_doubt_that_nobody_resolves_is_unavailable),
        T(a_new_epoch_that_cannot_be_read_answers_unavailable),
        T(a_database_behind_its_newest_checkpoint_is_not_started_on),
        T(another_log_of_the_same_size_is_not_written_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
