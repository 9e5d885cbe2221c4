/* SPDX-License-Identifier: Apache-2.0 */
/* Every use of a key in every state of its version, enabled and disabled, by the operations that
 * make it. */
#include <stdio.h>
#include <stdlib.h>

#include "server/jobs/internal.h"
#include "tests/unit/server/core_ask.h"

static struct core_world world;
static struct core_node node;
static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}";

enum use { GENERATE, UNWRAP, REWRAP_FROM, REWRAP_TO, PUT, GET, JOB, USES };
static const char *const names[] = {"generate", "unwrap", "rewrap from", "rewrap to",
                                    "put",      "get",    "rewrap job"};

/* Rows are states, columns the uses in the order of the enum; the job rewraps from the version. */
static const char *const allowed[] = {
    [WARD_KEY_PRE_ACTIVE] = ".......",  [WARD_KEY_ACTIVE] = "guftpoj",
    [WARD_KEY_SUSPENDED] = ".......",   [WARD_KEY_DEACTIVATED] = ".uf..oj",
    [WARD_KEY_COMPROMISED] = ".uf..oj", [WARD_KEY_PENDING_DESTRUCTION] = ".......",
    [WARD_KEY_DESTROYED] = ".......",
};

/* What was made while all was well. */
static struct {
    uint8_t of_keys[512], of_other[512];
    size_t of_keys_size, of_other_size;
} made;

static size_t issue(const char *key, uint8_t *out)
{
    struct ward_request *request = core_generate(&world, &world.app, key, 1, 1);
    assert_ok(core_run(&node, request));
    const struct ward_generate_item *item = ((struct ward_generate *)request->in)->items;
    assert_ok(item->status);
    size_t size = item->keys[0].wrapped.size;
    memcpy(out, item->keys[0].wrapped.data, size);
    ward_request_free(request);
    return size;
}

static void build(void)
{
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "app/other", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    made.of_keys_size = issue("app/keys", made.of_keys);
    made.of_other_size = issue("app/other", made.of_other);
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "alpha", 1, patient)));
}

static void tear_down(void)
{
    core_node_stop(&node);
    core_world_fini(&world);
}

static void set(const char *key, enum ward_key_state state, bool disabled)
{
    if (state != WARD_KEY_ACTIVE) {
        core_set_state(&node, key, 1, WARD_KEY_ACTIVE, (uint8_t)state);
    }
    struct ward_state *held = ward_state_slot_get(&node.states);
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_ENABLED};
    effect.kek_enabled.kek = ward_state_key(held, ward_bytes_str(key))->id;
    effect.kek_enabled.from = true;
    ward_state_unref(held);
    if (disabled) {
        assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                         WARD_COMMITTED);
    }
}

/* Each item's status, or the request's own where that failed. */
#define ITEM(request, type)                                                       \
    (ward_ok(core_run(&node, request)) ? ((type *)(request)->in)->items[0].status \
                                       : (request)->status)

static ward_status rewrap(struct ward_bytes wrapped, const char *to)
{
    struct ward_request *request = core_rewrap(&world, &world.app, wrapped, 1);
    ((struct ward_data_key_rewrap *)request->in)->items[0].to_key = ward_bytes_str(to);
    ward_status status = ITEM(request, struct ward_data_key_rewrap);
    ward_request_free(request);
    return status;
}

static ward_status put(void)
{
    struct ward_request *request = core_put(&world, &world.app, "fhir", "beta", 1, patient);
    ward_status status = ITEM(request, struct ward_put);
    ward_request_free(request);
    return status;
}

static ward_status get(void)
{
    struct ward_request *request = core_get(&world, &world.app, "fhir", "alpha");
    ward_status status = ITEM(request, struct ward_get);
    ward_request_free(request);
    return status;
}

static ward_status generate(void)
{
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", 1, 1);
    ward_status status = ITEM(request, struct ward_generate);
    ward_request_free(request);
    return status;
}

static ward_status unwrap(void)
{
    struct ward_request *request =
        core_unwrap(&world, &world.app, WARD_BYTES(made.of_keys, made.of_keys_size), "TREAT");
    ward_status status = ITEM(request, struct ward_unwrap);
    ward_request_free(request);
    return status;
}

static ward_status use_it(enum use use)
{
    switch (use) {
    case GENERATE:
        return generate();
    case UNWRAP:
        return unwrap();
    case REWRAP_FROM:
        return rewrap(WARD_BYTES(made.of_keys, made.of_keys_size), "app/other");
    case REWRAP_TO:
        return rewrap(WARD_BYTES(made.of_other, made.of_other_size), "app/keys");
    case PUT:
        return put();
    case GET:
        return get();
    case JOB:
    case USES:
        break;
    }
    return WARD_OK;
}

/* The word that a refusal names the state by. */
static const char *word(enum ward_key_state state, bool disabled)
{
    return disabled                                ? "disabled"
           : state == WARD_KEY_PENDING_DESTRUCTION ? "pending destruction"
                                                   : ward_key_state_name(state);
}

static void expect(enum use use, enum ward_key_state state, bool disabled)
{
    ward_status status = use_it(use);
    bool good = !disabled && allowed[state][use] != '.';
    if (ward_ok(status) != good) {
        fail_msg("%s of a version that is %s: code %u", names[use], word(state, disabled),
                 status.code);
    }
    bool wraps = use == GENERATE || use == REWRAP_TO || use == PUT;
    if (wraps && !disabled && state == WARD_KEY_COMPROMISED) {
        assert_code(status, WARD_E_UNAVAILABLE); /* the daemon makes the next version */
        assert_non_null(strstr(ward_status_refusal(status), "a new version of this key"));
    } else if (!good) {
        assert_code(status, WARD_E_STATE);
        assert_non_null(ward_status_refusal(status));
        assert_non_null(strstr(ward_status_refusal(status), word(state, disabled)));
    }
}

static void every_use_asks_for_the_state(void **unused)
{
    (void)unused;
    for (unsigned state = WARD_KEY_PRE_ACTIVE; state <= WARD_KEY_DESTROYED; state++) {
        for (unsigned disabled = 0; disabled <= 1; disabled++) {
            build();
            set("app/keys", state, disabled);
            set("phi/records", state, disabled);
            for (unsigned use = GENERATE; use < JOB; use++) {
                expect(use, state, disabled);
            }
            tear_down();
        }
    }
}

/* One page of Ward's own rewrap, from a version in this state to a newer one that is active. */
static struct ward_job_page page(void)
{
    struct ward_store_job job;
    struct ward_job_place place;
    struct ward_job_page moved;
    assert_ok(core_rewrap_open(&node, "phi/records", true));
    assert_true(core_rewrap_job(&world, &job));
    assert_true(core_rewrap_claim(&node, &job, &place));
    assert_ok(core_rewrap_page(&node, "phi/records", &job, &place, 50, &moved));
    return moved;
}

static void the_rewrap_job_asks_for_the_state_it_comes_from(void **unused)
{
    (void)unused;
    for (unsigned state = WARD_KEY_SUSPENDED; state <= WARD_KEY_DESTROYED; state++) {
        build();
        core_rotate_fully(&node, "phi/records");
        if (state != WARD_KEY_DEACTIVATED) {
            core_set_state(&node, "phi/records", 1, WARD_KEY_DEACTIVATED, (uint8_t)state);
        }
        core_node_refresh_now(&node);
        struct ward_job_page moved = page();
        assert_int_equal(moved.rows, allowed[state][JOB] != '.');
        assert_int_equal(moved.failed, allowed[state][JOB] == '.');
        tear_down();
    }
}

static void the_rewrap_job_leaves_a_disabled_key_alone(void **unused)
{
    (void)unused;
    build();
    core_rotate_fully(&node, "phi/records");
    set("phi/records", WARD_KEY_ACTIVE, true);
    core_node_refresh_now(&node);
    ward_status status = core_rewrap_open(&node, "phi/records", true);
    assert_code(status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status), "key: disabled");
    tear_down();
}

/* Policy may stop what the state lets go on; Ward's own rewrap still gets the rows out. */
static void policy_may_stop_reading_under_a_compromised_version(void **unused)
{
    (void)unused;
    build();
    core_rotate_fully(&node, "phi/records");
    core_set_state(&node, "phi/records", 1, WARD_KEY_DEACTIVATED, WARD_KEY_COMPROMISED);
    core_node_refresh_now(&node);
    assert_ok(get());
    char *stricter = malloc(strlen(core_policy) + 64);
    assert_non_null(stricter);
    (void)snprintf(stricter, strlen(core_policy) + 64, "%ssettings: {compromised_reads: refuse}\n",
                   core_policy);
    core_world_set_policy(&world, stricter);
    free(stricter);
    ward_status status = get();
    assert_code(status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status),
                        "key: this version is compromised and policy stops reading under it");
    assert_int_equal(page().rows, 1);
    assert_ok(get()); /* it is under the newer version by now */
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_use_asks_for_the_state),
        cmocka_unit_test(the_rewrap_job_asks_for_the_state_it_comes_from),
        cmocka_unit_test(the_rewrap_job_leaves_a_disabled_key_alone),
        cmocka_unit_test(policy_may_stop_reading_under_a_compromised_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
