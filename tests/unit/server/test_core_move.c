/* SPDX-License-Identifier: Apache-2.0 */
/* RewrapDataKeys: what may not be moved, what is moved where, and what the log says of it. */
#include <stdio.h>

#include "proto/grpc.h"
#include "proto/wrapped_key.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "app/other", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "app/records", WARD_PURPOSE_RECORDS);
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

/* A data key of ours: what it is, and its wrapped form. */
struct issued {
    uint8_t plain[32], memory[WARD_WRAPPED_MAX + 1];
    struct ward_bytes wrapped;
};

static void issue(struct issued *ret, const char *key)
{
    struct ward_request *made = core_generate(&world, &world.app, key, 1, 1);
    assert_ok(core_run(&node, made));
    const struct ward_data_key *out = ((struct ward_generate *)made->in)->items[0].keys;
    memcpy(ret->plain, out->plaintext.data, sizeof(ret->plain));
    memcpy(ret->memory, out->wrapped.data, out->wrapped.size);
    ret->wrapped = WARD_BYTES(ret->memory, out->wrapped.size);
    ward_request_free(made);
}

static struct ward_request *moving(struct ward_bytes wrapped, size_t n)
{
    return core_rewrap(&world, &world.app, wrapped, n);
}

static struct ward_data_key_rewrap_item *items_of(struct ward_request *request)
{
    return ((struct ward_data_key_rewrap *)request->in)->items;
}

/* It is refused in this way and gives nothing out. Frees the request. */
static void stays(struct ward_request *request, enum ward_code code, const char *text)
{
    assert_ok(core_run(&node, request));
    const struct ward_data_key_rewrap_item *item = items_of(request);
    assert_code(item->status, code);
    if (text == NULL) {
        assert_null(ward_status_refusal(item->status));
    } else {
        assert_string_equal(ward_status_refusal(item->status), text);
    }
    core_expect_entry(&world, request,
                      code == WARD_E_DENIED || code == WARD_E_INVALID ? "refused" : "failed",
                      ward_grpc_code_name(ward_grpc_code_of(item->status)));
    ward_request_free(request);
}

/* The moved key opens under this context to the same plaintext. */
static void opens(struct ward_bytes wrapped, const char *purpose, const struct issued *issued)
{
    struct ward_request *opened = core_unwrap(&world, &world.app, wrapped, purpose);
    ((struct ward_unwrap *)opened->in)->items[0].context = core_context(opened, purpose);
    assert_ok(core_run(&node, opened));
    const struct ward_unwrap_item *item = ((struct ward_unwrap *)opened->in)->items;
    assert_ok(item->status);
    assert_int_equal(item->plaintext.size, 32);
    assert_memory_equal(item->plaintext.data, issued->plain, 32);
    ward_request_free(opened);
}

/* ---- what stays where it is ---- */

static void what_does_not_open_is_not_moved(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    for (size_t bit = 0; bit < issued.wrapped.size * 8; bit += 3) {
        issued.memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        stays(moving(issued.wrapped, 1), WARD_E_CIPHERTEXT, NULL);
        issued.memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t size = 0; size < issued.wrapped.size; size += 5) {
        stays(moving(WARD_BYTES(issued.memory, size), 1), WARD_E_CIPHERTEXT, NULL);
    }
    stays(moving(WARD_BYTES(issued.memory, issued.wrapped.size + 1), 1), WARD_E_CIPHERTEXT, NULL);
}

static void the_context_it_has_must_be_given(void **state)
{
    (void)state;
    static const char *const wrong[] = {"ETREAT", "TREAT ", ""};
    struct issued issued;
    issue(&issued, "app/keys");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct ward_request *request = moving(issued.wrapped, 1);
        items_of(request)->context = core_context(request, wrong[i]);
        stays(request, WARD_E_CIPHERTEXT, NULL); /* though the new one is the one that it has */
    }
}

static void a_destination_that_wraps_no_data_keys_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *text;
        enum ward_code code;
    } bad[] = {
        {"app/none", "key: no such key", WARD_E_NOT_FOUND},
        {"app/records", "key: not for data keys", WARD_E_STATE},
        {"phi/records", "policy: not allowed", WARD_E_DENIED},
        {"elsewhere", "policy: not allowed", WARD_E_DENIED},
        {"App/keys", "key: not a name: [a-z0-9][a-z0-9._-]* parts joined by /, at most 128 bytes",
         WARD_E_INVALID},
        {"app/keys/../other",
         "key: not a name: [a-z0-9][a-z0-9._-]* parts joined by /, at most 128 bytes",
         WARD_E_INVALID},
    };
    struct issued issued;
    issue(&issued, "app/keys");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_request *request = moving(issued.wrapped, 1);
        items_of(request)->to_key = ward_bytes_str(bad[i].key);
        stays(request, bad[i].code, bad[i].text);
    }
}

static void a_version_must_be_one_that_wraps(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    core_rotate_fully(&node, "app/keys");
    struct ward_request *old = moving(issued.wrapped, 1);
    items_of(old)->to_version = 1;
    stays(old, WARD_E_STATE, "key: this version is deactivated; only an active one wraps");
    struct ward_request *none = moving(issued.wrapped, 1);
    items_of(none)->to_version = 3;
    stays(none, WARD_E_NOT_FOUND, "version: no such version of this key");
    struct ward_request *named = moving(issued.wrapped, 1);
    items_of(named)->to_version = 2;
    assert_ok(core_run(&node, named));
    assert_ok(items_of(named)->status);
    ward_request_free(named);
}

static void a_key_leaves_every_state_but_suspended_and_what_comes_after(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    core_rotate_fully(&node, "app/keys"); /* the first version is deactivated */
    static const uint8_t states[] = {WARD_KEY_DEACTIVATED, WARD_KEY_COMPROMISED, WARD_KEY_SUSPENDED,
                                     WARD_KEY_PENDING_DESTRUCTION, WARD_KEY_DESTROYED};
    static const char *const texts[] = {
        [2] = "key: this version is suspended; nothing is rewrapped from it",
        [3] = "key: this version is pending destruction; nothing is rewrapped from it",
        [4] = "key: this version is destroyed; nothing is rewrapped from it"};
    for (size_t i = 0; i < sizeof(states); i++) {
        if (i > 0) {
            core_set_state(&node, "app/keys", 1, states[i - 1], states[i]);
        }
        struct ward_request *request = moving(issued.wrapped, 1);
        if (i > 1) {
            stays(request, WARD_E_STATE, texts[i]);
            continue;
        }
        assert_ok(core_run(&node, request));
        assert_ok(items_of(request)->status);
        opens(items_of(request)->rewrapped, "TREAT", &issued);
        ward_request_free(request);
    }
}

/* Both ends are asked for, each with its own context. */
static void policy_is_asked_where_it_comes_from_and_where_it_goes(void **state)
{
    (void)state;
    static const char roles[] =
        "  - name: movers\n"
        "    kind: application\n"
        "    members: [\"spiffe://unit.test/stranger\"]\n"
        "    rules:\n"
        "      - {name: out, actions: [data-key.rewrap], keys: [app/keys],\n"
        "         context: [{key: purpose, values: [TREAT]}]}\n"
        "      - {name: in, actions: [data-key.rewrap], keys: [app/other],\n"
        "         context: [{key: purpose, values: [HPAYMT]}]}\n";
    static char text[16384];
    const char *at = strstr(core_policy, "  - name: officers\n");
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - core_policy), core_policy, roles, at);
    core_world_set_policy(&world, text);
    core_node_refresh_now(&node);
    struct issued issued;
    issue(&issued, "app/keys");
    for (unsigned i = 0; i < 4; i++) {
        struct ward_request *request = moving(issued.wrapped, 1);
        ward_peer_unref(request->peer);
        request->peer = ward_peer_ref(world.stranger.peer);
        struct ward_data_key_rewrap_item *item = items_of(request);
        item->to_key = WARD_BYTES_LITERAL("app/other");
        item->to_context = core_context(request, i == 1 ? "TREAT" : "HPAYMT");
        if (i == 2) {
            item->context = core_context(request, "HPAYMT");
        }
        if (i == 3) {
            item->to_key = (struct ward_bytes){0};
        }
        if (i > 0) {
            stays(request, WARD_E_DENIED, "policy: not allowed");
            continue;
        }
        assert_ok(core_run(&node, request));
        assert_ok(item->status);
        struct core_log log;
        core_log_open(&log, &world);
        const json_t *leaf =
            json_array_get(json_object_get(core_log_one(&log, request->request_id), "items"), 0);
        assert_string_equal(core_text(leaf, "rule"), "movers/in");
        core_log_close(&log);
        ward_request_free(request);
    }
}

static void more_than_one_needs_a_right_of_its_own(void **state)
{
    (void)state;
    static char text[16384];
    const char *at = strstr(core_policy, ", data-key.batch");
    (void)snprintf(text, sizeof(text), "%.*s%s", (int)(at - core_policy), core_policy,
                   at + strlen(", data-key.batch"));
    struct issued issued;
    issue(&issued, "app/keys");
    core_world_set_policy(&world, text);
    core_node_refresh_now(&node);
    stays(moving(issued.wrapped, 2), WARD_E_DENIED,
          "policy: more than one key in a request is not allowed");
    struct ward_request *one = moving(issued.wrapped, 1);
    assert_ok(core_run(&node, one));
    assert_ok(items_of(one)->status);
    assert_int_equal(one->item_actions[0], WARD_ACTION_DATA_KEY_REWRAP);
    ward_request_free(one);
    struct ward_request *many = core_generate(&world, &world.app, "app/keys", 1, 2);
    assert_ok(core_run(&node, many));
    assert_code(((struct ward_generate *)many->in)->items[0].status, WARD_E_DENIED);
    assert_int_equal(many->item_actions[0], WARD_ACTION_DATA_KEY_BATCH);
    assert_string_equal(many->leaf_items[0].rule, "default-deny");
    core_expect_entry(&world, many, "refused", "PERMISSION_DENIED");
    ward_request_free(many);
}

static void a_damaged_rewrap_is_never_given_out(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    core_rotate_fully(&node, "app/keys");
    fake_kek_flip_every(world.kek, 7);
    struct ward_request *request = moving(issued.wrapped, 70);
    assert_ok(core_run(&node, request));
    size_t refused = 0;
    for (size_t i = 0; i < 70; i++) {
        const struct ward_data_key_rewrap_item *item = &items_of(request)[i];
        if (ward_ok(item->status)) {
            opens(item->rewrapped, "TREAT", &issued);
        } else {
            assert_code(item->status, WARD_E_INTERNAL);
            refused++;
        }
    }
    assert_int_equal(refused, 10);
    ward_request_free(request);
}

/* ---- what is moved ---- */

static void it_goes_to_the_newest_version(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    core_rotate_fully(&node, "app/keys");
    struct ward_request *request = moving(issued.wrapped, 1);
    assert_ok(core_run(&node, request));
    const struct ward_data_key_rewrap_item *item = items_of(request);
    struct ward_wrapped_key parsed;
    assert_ok(item->status);
    assert_ok(ward_wrapped_key_parse(item->rewrapped, &parsed));
    assert_int_equal(parsed.use, WARD_USE_ISSUED);
    assert_int_equal(parsed.version, 2);
    assert_int_equal(item->version, 2);
    assert_false(item->unchanged);
    opens(item->rewrapped, "TREAT", &issued);
    opens(issued.wrapped, "TREAT", &issued); /* the old form until the caller drops it */
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id),
                 *told = json_array_get(json_object_get(leaf, "items"), 0);
    assert_string_equal(core_text(leaf, "action"), "data-key.rewrap");
    assert_string_equal(core_text(told, "object"), "key:app/keys#1->key:app/keys#2");
    assert_string_equal(core_text(told, "digest"), "");
    core_log_close(&log);
    ward_request_free(request);
}

static void it_goes_to_another_key_and_another_context(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    static const char *const purposes[] = {"TREAT", "HPAYMT", ""};
    struct ward_request *request = moving(issued.wrapped, 3);
    for (size_t i = 0; i < 3; i++) {
        items_of(request)[i].to_key = WARD_BYTES_LITERAL("app/other");
        items_of(request)[i].to_context = core_context(request, purposes[i]);
    }
    assert_ok(core_run(&node, request));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *told = json_object_get(core_log_one(&log, request->request_id), "items");
    for (size_t i = 0; i < 3; i++) {
        const struct ward_data_key_rewrap_item *item = &items_of(request)[i];
        assert_ok(item->status);
        assert_true(ward_bytes_eq(item->key, WARD_BYTES_LITERAL("app/other")));
        opens(item->rewrapped, purposes[i], &issued);
        const json_t *leaf = json_array_get(told, i);
        assert_string_equal(core_text(leaf, "object"), "key:app/keys#1->key:app/other#1");
        assert_int_equal(strlen(core_text(leaf, "digest")), i == 0 ? 0 : 64);
    }
    assert_string_not_equal(core_text(json_array_get(told, 1), "digest"),
                            core_text(json_array_get(told, 2), "digest"));
    core_log_close(&log);
    ward_request_free(request);
}

static void what_is_there_already_is_opened_and_comes_back_as_it_was(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    struct ward_request *request = moving(issued.wrapped, 2);
    ((uint8_t *)(uintptr_t)items_of(request)[1].wrapped.data)[issued.wrapped.size - 1] ^= 1;
    assert_ok(core_run(&node, request));
    assert_ok(items_of(request)[0].status);
    assert_true(items_of(request)[0].unchanged);
    assert_true(ward_bytes_eq(items_of(request)[0].rewrapped, issued.wrapped));
    assert_code(items_of(request)[1].status, WARD_E_CIPHERTEXT);
    ward_request_free(request);
}

static void a_bad_item_does_not_hold_up_the_good_ones(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    core_rotate_fully(&node, "app/keys");
    struct ward_request *request = moving(issued.wrapped, 5);
    struct ward_data_key_rewrap_item *items = items_of(request);
    items[0].to_key = WARD_BYTES_LITERAL("phi/records");
    items[1].wrapped = WARD_BYTES_LITERAL("x");
    items[3].to_version = 9;
    items[4].status = WARD_REFUSAL(WARD_E_INVALID, "context: more than 32 pairs");
    assert_ok(core_run(&node, request));
    assert_code(items[0].status, WARD_E_DENIED);
    assert_code(items[1].status, WARD_E_CIPHERTEXT);
    assert_ok(items[2].status);
    assert_code(items[3].status, WARD_E_NOT_FOUND);
    assert_code(items[4].status, WARD_E_INVALID);
    opens(items[2].rewrapped, "TREAT", &issued);
    core_expect_entry(&world, request, "allowed", "");
    ward_request_free(request);
}

static void a_thousand_are_moved_in_one_call(void **state)
{
    (void)state;
    struct issued issued;
    issue(&issued, "app/keys");
    core_rotate_fully(&node, "app/keys");
    struct ward_request *request = moving(issued.wrapped, 1000);
    assert_ok(core_run(&node, request));
    for (size_t i = 0; i < 1000; i++) {
        assert_ok(items_of(request)[i].status);
        assert_int_equal(items_of(request)[i].version, 2);
    }
    opens(items_of(request)[999].rewrapped, "TREAT", &issued);
    ward_request_free(request);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(what_does_not_open_is_not_moved),
        T(the_context_it_has_must_be_given),
        T(a_destination_that_wraps_no_data_keys_is_refused),
        T(a_version_must_be_one_that_wraps),
        T(a_key_leaves_every_state_but_suspended_and_what_comes_after),
        T(policy_is_asked_where_it_comes_from_and_where_it_goes),
        T(more_than_one_needs_a_right_of_its_own),
        T(a_damaged_rewrap_is_never_given_out),
        T(it_goes_to_the_newest_version),
        T(it_goes_to_another_key_and_another_context),
        T(what_is_there_already_is_opened_and_comes_back_as_it_was),
        T(a_bad_item_does_not_hold_up_the_good_ones),
        T(a_thousand_are_moved_in_one_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
