/* SPDX-License-Identifier: Apache-2.0 */
/* What creating and rotating would do, before anything is done; what keys look like to those who
 * ask; and a key that the HSM no longer vouches for. */
#include <stdio.h>

#include "server/jobs/internal.h"
#include "server/op/key_making.h"
#include "server/work/attestation.h"
#include "server/work/batch.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static const char patient[] = "{\"id\":\"p1\"}";

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
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static struct ward_kek_ref ref_of(const char *name, uint32_t version)
{
    struct ward_state *now = ward_state_slot_get(&node.states);
    const struct ward_kek_ref ref = {ward_state_key(now, ward_bytes_str(name))->id, version};
    ward_state_unref(now);
    return ref;
}

/* ---- making ---- */

static void a_name_is_used_once(void **state)
{
    (void)state;
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_key_making a, b;
    assert_code(ward_key_making_create(now, WARD_BYTES_LITERAL("app/keys"), 1, 365, &a),
                WARD_E_EXISTS);
    assert_ok(ward_key_making_create(now, WARD_BYTES_LITERAL("app/new"), 1, 90, &a));
    assert_ok(ward_key_making_create(now, WARD_BYTES_LITERAL("app/new"), 1, 90, &b));
    assert_false(ward_id_eq(&a.ref.id, &b.ref.id)); /* an id is never used again */
    assert_false(ward_id_eq(&a.intent.id, &b.intent.id));
    assert_int_equal(a.ref.version, 1);
    assert_int_equal(a.rotation_period_days, 90);
    assert_false(a.rotate);
    ward_state_unref(now);
}

static void a_rotation_counts_on_from_the_last_version(void **state)
{
    (void)state;
    core_rotate_fully(&node, "app/keys");
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_key_making making;
    assert_ok(ward_key_making_rotate(now, WARD_BYTES_LITERAL("app/keys"), &making));
    assert_true(making.rotate);
    assert_int_equal(making.from_version, 2);
    assert_int_equal(making.ref.version, 3);
    assert_code(ward_key_making_rotate(now, WARD_BYTES_LITERAL("app/none"), &making),
                WARD_E_NOT_FOUND);
    assert_code(ward_key_making_rotate(now, WARD_BYTES_LITERAL("ward/system"), &making),
                WARD_E_STATE);
    ward_state_unref(now);
}

static struct ward_proposal rotation(void)
{
    static char id[WARD_ID_TEXT_SIZE];
    struct ward_kek_ref ref = ref_of("app/keys", 1);
    ward_id_print(&ref.id, id);
    struct ward_proposal proposal = {.action = WARD_BYTES_LITERAL("key.rotate"),
                                     .object = WARD_BYTES_LITERAL("app/keys"),
                                     .n_parameters = 2};
    proposal.parameters[0] =
        (struct ward_proposal_param){.name = WARD_BYTES_LITERAL("from_version"), .number = 1};
    proposal.parameters[1] = (struct ward_proposal_param){.name = WARD_BYTES_LITERAL("key_id"),
                                                          .text = ward_bytes_str(id)};
    return proposal;
}

static void a_proposal_says_all_that_will_run(void **state)
{
    (void)state;
    struct ward_key_making making;
    struct ward_proposal proposal = rotation();
    struct ward_state *now = ward_state_slot_get(&node.states);
    assert_ok(ward_key_making_of_proposal(now, &proposal, &making));
    assert_int_equal(making.ref.version, 2);
    proposal.parameters[0].number = 2;
    assert_code(ward_key_making_of_proposal(now, &proposal, &making), WARD_E_STATE);
    proposal = rotation();
    proposal.n_parameters = 1; /* no key id */
    assert_code(ward_key_making_of_proposal(now, &proposal, &making), WARD_E_STATE);
    proposal = rotation();
    proposal.object = WARD_BYTES_LITERAL("phi/records"); /* another key's id */
    assert_code(ward_key_making_of_proposal(now, &proposal, &making), WARD_E_STATE);
    proposal = rotation();
    proposal.action = WARD_BYTES_LITERAL("key.describe");
    assert_code(ward_key_making_of_proposal(now, &proposal, &making), WARD_E_STATE);
    proposal.action = WARD_BYTES_LITERAL("key.none");
    assert_code(ward_key_making_of_proposal(now, &proposal, &making), WARD_E_STATE);
    proposal.action = WARD_BYTES_LITERAL("key.create");
    assert_code(ward_key_making_of_proposal(now, &proposal, &making), WARD_E_STATE);
    ward_state_unref(now);
}

static void an_outcome_is_one_change(void **state)
{
    (void)state;
    struct ward_key_making making;
    struct ward_batch batch = {0};
    struct ward_state *now = ward_state_slot_get(&node.states);
    assert_ok(ward_key_making_rotate(now, WARD_BYTES_LITERAL("app/keys"), &making));
    assert_ok(ward_key_making_outcome(&making, &batch));
    assert_true(batch.bump_epoch);
    assert_int_equal(batch.n_effects, 3);
    assert_int_equal(batch.effects[0].kind, WARD_EFFECT_KEK_STATE);
    assert_int_equal(batch.effects[0].kek_state.to, WARD_KEY_DEACTIVATED);
    assert_int_equal(batch.effects[1].kind, WARD_EFFECT_KEK_VERSION);
    assert_int_equal(batch.effects[2].kind, WARD_EFFECT_INTENT_DONE);
    ward_batch_fini(&batch);
    ward_state_unref(now);
}

static void names_of_wards_own_are_not_given_out(void **state)
{
    (void)state;
    const char *names[] = {"ward/system", "ward/new", "ward/a/b"};
    for (size_t i = 0; i < 3; i++) {
        struct ward_request *request = core_create(&world, &world.officer_a, names[i], 1);
        assert_refused(core_run(&node, request), "name: \"ward/\" is reserved for Ward's own keys");
        core_expect_entry(&world, request, "refused", "INVALID_ARGUMENT");
        ward_request_free(request);
    }
    assert_code(core_run_free(&node, core_rotate(&world, &world.officer_a, "ward/system")),
                WARD_E_STATE);
}

static void names_outside_the_grammar_are_refused(void **state)
{
    (void)state;
    const char *names[] = {"",           "/",       "App/keys",        "app//keys",
                           "app/",       "../keys", "app/k\xc3\xa9ys", "app/keys ",
                           "app/keys\n", "*",       "app/**"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct ward_request *request = core_create(&world, &world.officer_a, names[i], 1);
        ward_status status = core_run(&node, request);
        assert_true(status.code == WARD_E_INVALID || status.code == WARD_E_DENIED);
        struct core_log log;
        core_log_open(&log, &world);
        assert_string_equal(core_text(core_log_one(&log, request->request_id), "object"), "");
        core_log_close(&log);
        ward_request_free(request);
    }
}

/* ---- lists ---- */

static void a_list_goes_on_where_its_page_ended(void **state)
{
    (void)state;
    char name[32];
    for (unsigned i = 0; i < 7; i++) {
        (void)snprintf(name, sizeof(name), "list/key-%u", i);
        core_make_key(&node, name, WARD_PURPOSE_DATA_KEYS);
    }
    struct ward_bytes token = {0};
    char last[160] = "";
    size_t seen = 0;
    for (unsigned page = 0; page < 10; page++) {
        struct ward_request *request =
            core_request(&world, &world.officer_a, &ward_op_key_list, sizeof(struct ward_key_list));
        struct ward_key_list *in = request->in;
        in->page_size = 3;
        in->page_token = token;
        assert_ok(core_run(&node, request));
        for (size_t i = 0; i < in->n; i++) {
            (void)snprintf(name, sizeof(name), "%.*s", (int)in->keys[i].name.size,
                           (const char *)in->keys[i].name.data);
            assert_true(strcmp(name, last) > 0);
            (void)snprintf(last, sizeof(last), "%s", name);
            seen++;
        }
        bool more = in->next_page_token.size > 0;
        assert_true(!more || in->n == 3);
        ward_request_free(request);
        if (!more) {
            break;
        }
        token = ward_bytes_str(last);
    }
    assert_int_equal(seen, 10); /* seven, two of the start, and Ward's own */
    struct ward_request *bad =
        core_request(&world, &world.officer_a, &ward_op_key_list, sizeof(struct ward_key_list));
    ((struct ward_key_list *)bad->in)->page_size = 3;
    ((struct ward_key_list *)bad->in)->page_token = WARD_BYTES_LITERAL("no token");
    assert_refused(core_run(&node, bad), "page_token: not one that ListKeys gave");
    ward_request_free(bad);
}

static void a_page_of_proposals_is_newest_first(void **state)
{
    (void)state;
    struct core_proposal proposals[5];
    for (size_t i = 0; i < 5; i++) {
        core_propose(&node, &world.officer_a, "app/keys", &proposals[i]);
    }
    char token[80] = "";
    for (size_t seen = 0; seen < 5;) {
        struct ward_request *request = core_request(&world, &world.auditor, &ward_op_approval_list,
                                                    sizeof(struct ward_approval_list));
        struct ward_approval_list *in = request->in;
        in->page_size = 2;
        in->page_token = ward_bytes_str(token);
        assert_ok(core_run(&node, request));
        assert_true(in->n > 0);
        for (size_t i = 0; i < in->n; i++, seen++) {
            assert_true(ward_id_eq(&in->proposals[i].id, &proposals[4 - seen].id));
        }
        (void)snprintf(token, sizeof(token), "%.*s", (int)in->next_page_token.size,
                       (const char *)in->next_page_token.data);
        assert_int_equal(token[0] == '\0', seen == 5);
        ward_request_free(request);
    }
    const char *bad[] = {"x",
                         "1",
                         "1.",
                         "1.2",
                         ".8c1f0d8e-0000-4000-8000-000000000000",
                         "99999999999999999999.8c1f0d8e-0000-4000-8000-000000000000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_request *request = core_request(&world, &world.auditor, &ward_op_approval_list,
                                                    sizeof(struct ward_approval_list));
        ((struct ward_approval_list *)request->in)->page_size = 2;
        ((struct ward_approval_list *)request->in)->page_token = ward_bytes_str(bad[i]);
        assert_refused(core_run(&node, request), "page_token: not one that List gave");
        ward_request_free(request);
    }
}

/* ---- keys that the HSM no longer vouches for ---- */

static void attest(struct ward_attestation *attestation, enum ward_code code, long long bad)
{
    struct ward_request *request;
    assert_ok(ward_internal_new(&ward_op_attest, sizeof(struct ward_attest), 1u << 20, &request));
    ((struct ward_attest *)request->in)->attestation = attestation;
    assert_code(ward_internal_run(&node.pipeline, request), code);
    struct core_log log;
    core_log_open(&log, &world);
    assert_int_equal(core_detail_number(core_log_one(&log, request->request_id), "not_as_made"),
                     bad);
    core_log_close(&log);
    ward_request_free(request);
}

static enum ward_code generate_code(void)
{
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, made));
    enum ward_code code = ((struct ward_generate *)made->in)->items[0].status.code;
    ward_request_free(made);
    return code;
}

static void a_key_whose_attributes_changed_is_not_used(void **state)
{
    (void)state;
    struct ward_attestation *attestation = NULL;
    assert_ok(ward_attestation_new(&attestation));
    node.pipeline.attestation = attestation;
    const struct ward_kek_ref keys = ref_of("app/keys", 1), records = ref_of("phi/records", 1);
    attest(attestation, WARD_E_OK, 0);
    assert_int_equal(generate_code(), WARD_E_OK);
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "alpha", 1, patient)));
    fake_kek_set_weak(world.kek, &keys, true);
    fake_kek_set_weak(world.kek, &records, true);
    attest(attestation, WARD_E_OK, 2);
    assert_int_equal(generate_code(), WARD_E_STATE);
    struct ward_request *got = core_get(&world, &world.app, "fhir", "alpha");
    assert_ok(core_run(&node, got));
    assert_code(((struct ward_get *)got->in)->items[0].status, WARD_E_STATE);
    core_expect_entry(&world, got, "failed", "FAILED_PRECONDITION");
    ward_request_free(got);
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY); /* nobody answers: what was known stays */
    attest(attestation, WARD_E_UNAVAILABLE, -1);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    assert_int_equal(generate_code(), WARD_E_STATE);
    fake_kek_set_weak(world.kek, &keys, false);
    attest(attestation, WARD_E_OK, 1);
    assert_int_equal(generate_code(), WARD_E_OK);
    fake_kek_forget(world.kek, &keys);
    attest(attestation, WARD_E_OK, 2);
    node.pipeline.attestation = NULL;
    ward_attestation_free(attestation);
}

/* Good and bad keys in one crossing: only the bad ones are held back. */
static void one_bad_key_does_not_hold_up_the_others_of_its_batch(void **state)
{
    (void)state;
    struct ward_attestation *attestation = NULL;
    assert_ok(ward_attestation_new(&attestation));
    node.pipeline.attestation = attestation;
    core_make_key(&node, "app/other", WARD_PURPOSE_DATA_KEYS);
    const struct ward_kek_ref other = ref_of("app/other", 1);
    fake_kek_set_weak(world.kek, &other, true);
    attest(attestation, WARD_E_OK, 1);
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 9, 2);
    struct ward_generate *in = made->in;
    for (size_t i = 0; i < 9; i += 3) {
        in->items[i].key = WARD_BYTES_LITERAL("app/other");
    }
    assert_ok(core_run(&node, made));
    for (size_t i = 0; i < 9; i++) {
        assert_code(in->items[i].status, i % 3 == 0 ? WARD_E_STATE : WARD_E_OK);
    }
    ward_request_free(made);
    node.pipeline.attestation = NULL;
    ward_attestation_free(attestation);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_name_is_used_once),
        T(a_rotation_counts_on_from_the_last_version),
        T(a_proposal_says_all_that_will_run),
        T(an_outcome_is_one_change),
        T(names_of_wards_own_are_not_given_out),
        T(names_outside_the_grammar_are_refused),
        T(a_list_goes_on_where_its_page_ended),
        T(a_page_of_proposals_is_newest_first),
        T(a_key_whose_attributes_changed_is_not_used),
        T(one_bad_key_does_not_hold_up_the_others_of_its_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
