/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that come twice under one name: one change, one answer, an entry each. */
#include <stdio.h>

#include "server/replay.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define PREFIX 5
#define ANOTHER "request_id: was used for another request; one names one request for 24 hours"
static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"1\"}";

static struct core_world world;
static struct core_node node;
static size_t answer_size; /* of the encoded answer; 0: what it needs */

static int start(void **state)
{
    (void)state;
    answer_size = 0;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* ---- a wire of our own: the message is a text, the answer the versions written ---- */

static ward_status digest_text(struct ward_request *request, const void *message,
                               struct ward_digest *digest, uint8_t out[static 32])
{
    (void)request;
    struct ward_bytes text = ward_bytes_str(message);
    return ward_sha256(digest, &text, 1, out);
}

static ward_status frame(struct ward_request *request, struct ward_bytes message,
                         struct ward_bytes *ret)
{
    uint8_t *out = ward_arena_alloc(request->arena, PREFIX + message.size);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    memcpy(out, "frame", PREFIX);
    if (message.size > 0) {
        memcpy(out + PREFIX, message.data, message.size);
    }
    *ret = WARD_BYTES(out, PREFIX + message.size);
    return WARD_OK;
}

static ward_status encode(struct ward_request *request, struct ward_bytes *ret)
{
    char text[256] = "";
    if (request->op == &ward_op_record_put) {
        const struct ward_put *in = request->in;
        for (size_t i = 0; i < in->n && i < 16; i++) {
            size_t at = strlen(text);
            (void)snprintf(text + at, sizeof(text) - at, "%u/%u ",
                           (unsigned)in->items[i].status.code, in->items[i].version);
        }
    } else if (request->op == &ward_op_key_create) {
        const struct ward_key_outcome *out = request->out;
        char id[WARD_ID_TEXT_SIZE];
        ward_id_print(out->key != NULL ? &out->key->id : &out->proposal->id, id);
        (void)snprintf(text, sizeof(text), "%s", id);
    } else {
        (void)snprintf(text, sizeof(text), "%s",
                       ((const struct ward_approval *)request->in)->proposal.state);
    }
    size_t size = answer_size > strlen(text) ? answer_size : strlen(text);
    uint8_t *padded = ward_arena_alloc(request->arena, size + 1);
    WARD_ENSURE(padded != NULL, WARD_E_EXHAUSTED);
    memcpy(padded, text, strlen(text));
    return frame(request, WARD_BYTES(padded, size), ret);
}

static const struct ward_replay_hooks hooks = {digest_text, encode, frame, PREFIX};

static struct ward_request *named(struct ward_request *request, const char *id, const char *message)
{
    request->request_id = ward_bytes_str(id);
    assert_ok(ward_replay_name(request, &hooks, message));
    return request;
}

static struct ward_request *put(const char *id, const char *message)
{
    return named(core_put(&world, &world.app, "fhir", "alpha", 1, patient), id, message);
}

static struct ward_request *create(const char *id, const char *name)
{
    return named(core_create(&world, &world.officer_a, name, WARD_PURPOSE_DATA_KEYS), id, name);
}

static void answers(struct ward_request *request, bool replayed, const char *text)
{
    assert_ok(request->status);
    assert_int_equal(request->replayed, replayed);
    assert_int_equal(request->answer.size, PREFIX + strlen(text));
    assert_memory_equal(request->answer.data + PREFIX, text, strlen(text));
}

static void run(struct ward_request *request, bool replayed, const char *text)
{
    assert_ok(core_run(&node, request));
    answers(request, replayed, text);
    ward_request_free(request);
}

static void refused(struct ward_request *request, enum ward_code code, const char *text)
{
    assert_code(core_run(&node, request), code);
    assert_non_null(ward_status_refusal(request->status));
    assert_string_equal(ward_status_refusal(request->status), text);
    assert_int_equal(request->answer.size, 0);
    ward_request_free(request);
}

/* The newest version of the record, as a request without a name sees it. */
static uint32_t version(void)
{
    struct ward_request *request = core_get(&world, &world.app, "fhir", "alpha");
    assert_ok(core_run(&node, request));
    const struct ward_get_item *item = ((struct ward_get *)request->in)->items;
    uint32_t found = ward_ok(item->status) ? item->version : 0;
    ward_request_free(request);
    return found;
}

/* ---- the same again ---- */

static void the_same_request_is_answered_as_before(void **state)
{
    (void)state;
    run(put("put-1", "a"), false, "0/1 ");
    for (unsigned i = 0; i < 3; i++) {
        run(put("put-1", "a"), true, "0/1 ");
    }
    assert_int_equal(version(), 1);
    struct core_log log;
    core_log_open(&log, &world);
    assert_int_equal(core_log_count(&log, WARD_BYTES_LITERAL("put-1")), 4);
    unsigned replays = 0;
    for (size_t i = 0; i < log.n; i++) {
        if (strcmp(core_text(log.leaves[i], "request"), "put-1") == 0) {
            assert_string_equal(core_text(log.leaves[i], "outcome"), "allowed");
            replays += core_detail_number(log.leaves[i], "replayed") == 1;
        }
    }
    assert_int_equal(replays, 3);
    core_log_close(&log);
}

static void without_a_name_every_request_is_its_own(void **state)
{
    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        struct ward_request *request = core_put(&world, &world.app, "fhir", "alpha", 1, patient);
        request->request_id = WARD_BYTES_LITERAL("made-by-the-server");
        assert_ok(core_run(&node, request));
        assert_int_equal(((struct ward_put *)request->in)->items[0].version, i);
        assert_int_equal(request->answer.size, 0);
        ward_request_free(request);
    }
}

static void a_creation_that_comes_again_makes_no_second_key(void **state)
{
    (void)state;
    struct ward_request *first = create("create-1", "one/key"), *second;
    assert_ok(core_run(&node, first));
    second = create("create-1", "one/key"); /* the name is taken now, by this very request */
    assert_ok(core_run(&node, second));
    assert_true(second->replayed);
    assert_int_equal(first->answer.size, second->answer.size);
    assert_memory_equal(first->answer.data, second->answer.data, first->answer.size);
    ward_request_free(first);
    ward_request_free(second);
    refused(create("create-2", "one/key"), WARD_E_EXISTS,
            "name: there is a key of this name; names are never used again");
    refused(create("create-1", "one/other"), WARD_E_INVALID, ANOTHER);
}

static void a_vote_that_comes_again_is_answered_as_before(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "phi/records", &proposal);
    for (unsigned i = 0; i < 2; i++) {
        run(named(core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal),
                  "submit-1", "x"),
            i > 0, "open");
    }
    for (unsigned i = 0; i < 2; i++) {
        run(named(core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal),
                  "approve-1", "x"),
            i > 0, "executed");
    }
    assert_int_equal(core_active_version(&node, "phi/records"), 2);
}

/* ---- another ---- */

static void another_request_under_the_same_name_is_refused(void **state)
{
    (void)state;
    run(put("put-1", "a"), false, "0/1 ");
    struct ward_request *other = put("put-1", "b");
    assert_code(core_run(&node, other), WARD_E_INVALID);
    assert_string_equal(ward_status_refusal(other->status), ANOTHER);
    assert_true(other->refused);
    ward_request_free(other);
    assert_int_equal(version(), 1);
    run(put("put-1", "a"), true, "0/1 ");
}

static void names_are_each_identitys_own(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "phi/records", &proposal);
    run(put("same", "a"), false, "0/1 ");
    run(named(core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal), "same",
              "b"),
        false, "open");
    run(put("same", "a"), true, "0/1 ");
}

/* ---- at once ---- */

static void of_several_at_once_one_runs(void **state)
{
    (void)state;
    enum { N = 24 };
    struct ward_request *puts[N];
    for (size_t i = 0; i < N; i++) {
        puts[i] = put("put-1", "a");
    }
    core_submit(&node, puts, N);
    core_wait(&node, N);
    unsigned ran = 0;
    for (size_t i = 0; i < N; i++) {
        answers(puts[i], puts[i]->replayed, "0/1 ");
        ran += !puts[i]->replayed;
        ward_request_free(puts[i]);
    }
    assert_int_equal(ran, 1);
    assert_int_equal(version(), 1);
}

static void of_two_others_at_once_one_is_refused(void **state)
{
    (void)state;
    struct ward_request *puts[] = {put("put-1", "a"), put("put-1", "b")};
    core_submit(&node, puts, 2);
    core_wait(&node, 2);
    bool first = ward_ok(puts[0]->status);
    assert_ok(puts[!first]->status);
    assert_code(puts[first]->status, WARD_E_INVALID);
    ward_request_free(puts[0]);
    ward_request_free(puts[1]);
    assert_int_equal(version(), 1);
}

static void another_daemon_and_a_later_one_know_it_too(void **state)
{
    (void)state;
    struct core_node other;
    run(put("put-1", "a"), false, "0/1 ");
    core_node_start(&other, &world, "node-2");
    struct ward_request *again = put("put-1", "a");
    assert_ok(core_run(&other, again));
    answers(again, true, "0/1 ");
    ward_request_free(again);
    core_node_stop(&other);
    core_node_stop(&node);
    core_node_start(&node, &world, "node-1");
    run(put("put-1", "a"), true, "0/1 ");
}

/* ---- rights as they are now ---- */

static void set_policy_without(const char *actions, const char *instead)
{
    char text[8192];
    const char *at = strstr(core_policy, actions);
    assert_non_null(at);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - core_policy), core_policy, instead,
                   at + strlen(actions));
    core_world_set_policy(&world, text);
}

static void what_is_no_longer_allowed_is_not_answered_again(void **state)
{
    (void)state;
    run(put("put-1", "a"), false, "0/1 ");
    set_policy_without("[record.put, record.get]", "[record.get]");
    struct ward_request *again = put("put-1", "a");
    assert_code(core_run(&node, again), WARD_E_DENIED);
    assert_string_equal(ward_status_refusal(again->status),
                        "policy: what was answered to this request_id is not allowed any more");
    assert_string_equal(again->rule, "default-deny");
    ward_request_free(again);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "request"), "put-1");
    assert_string_equal(core_text(leaf, "outcome"), "refused");
    assert_string_equal(core_text(leaf, "rule"), "default-deny");
    core_log_close(&log);
}

static void the_revoked_get_no_answer_again(void **state)
{
    (void)state;
    struct ward_effect effect = {.kind = WARD_EFFECT_REVOCATION};
    effect.revocation =
        (struct ward_store_revocation){.kind = WARD_REVOKED_IDENTITY,
                                       .value = ward_bytes_str(world.app.peer->identity),
                                       .created_us = 1};
    run(put("put-1", "a"), false, "0/1 ");
    assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    refused(put("put-1", "a"), WARD_E_DENIED, "identity: revoked");
}

/* One item was refused then, and is refused now: the answer says both. */
static void what_was_refused_then_is_told_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct ward_request *request = core_put(&world, &world.app, "fhir", "alpha", 2, patient);
        ((struct ward_put *)request->in)->items[1].status =
            WARD_REFUSAL(WARD_E_INVALID, "json: empty");
        assert_ok(core_run(&node, named(request, "put-1", "a")));
        char text[32];
        (void)snprintf(text, sizeof(text), "0/1 %u/0 ", (unsigned)WARD_E_INVALID);
        answers(request, i > 0, text);
        ward_request_free(request);
    }
}

/* ---- what is not kept ---- */

static void what_failed_may_come_again(void **state)
{
    (void)state;
    set_policy_without("[record.put, record.get]", "[record.get]");
    struct ward_request *request = put("put-1", "a");
    (void)core_run(&node, request);
    assert_code(((struct ward_put *)request->in)->items[0].status, WARD_E_DENIED);
    ward_request_free(request);
    core_world_set_policy(&world, core_policy);
    run(put("put-1", "a"), false, "0/1 ");
}

static void what_cannot_be_kept_does_not_run(void **state)
{
    (void)state;
    answer_size = 512 * 1024;
    refused(
        put("put-1", "a"), WARD_E_EXHAUSTED,
        "request_id: the answer is larger than 512 KiB and cannot be kept; ask for less at once");
    assert_int_equal(version(), 0);
    answer_size = 512 * 1024 - 3;
    struct ward_request *fits = put("put-1", "a");
    assert_ok(core_run(&node, fits));
    ward_request_free(fits);
    assert_int_equal(version(), 1);
}

static void purge(void)
{
    struct ward_request *request = core_request(&world, NULL, &ward_op_purge, 1);
    assert_ok(core_run_free(&node, request));
}

static void an_answer_is_kept_for_a_day(void **state)
{
    (void)state;
    const int64_t hour = 3600LL * 1000000;
    run(put("put-1", "a"), false, "0/1 ");
    atomic_store(&world.clock.ahead_us, 23 * hour);
    purge();
    run(put("put-1", "a"), true, "0/1 ");
    atomic_store(&world.clock.ahead_us, 25 * hour);
    purge();
    run(put("put-1", "a"), false, "0/2 ");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(the_same_request_is_answered_as_before),
        T(without_a_name_every_request_is_its_own),
        T(a_creation_that_comes_again_makes_no_second_key),
        T(a_vote_that_comes_again_is_answered_as_before),
        T(another_request_under_the_same_name_is_refused),
        T(names_are_each_identitys_own),
        T(of_several_at_once_one_runs),
        T(of_two_others_at_once_one_is_refused),
        T(another_daemon_and_a_later_one_know_it_too),
        T(what_is_no_longer_allowed_is_not_answered_again),
        T(the_revoked_get_no_answer_again),
        T(what_was_refused_then_is_told_again),
        T(what_failed_may_come_again),
        T(what_cannot_be_kept_does_not_run),
        T(an_answer_is_kept_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
