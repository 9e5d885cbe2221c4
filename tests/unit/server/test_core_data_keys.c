/* SPDX-License-Identifier: Apache-2.0 */
/* Generate and unwrap: what opens, what does not, and that nothing leaves which was not proven. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/wrapped_key.h"
#include "server/index_key.h"
#include "server/jobs/internal.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define WRAPS 10000

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
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* A wrapped key of ours in static memory. */
static struct ward_bytes make_wrapped(uint8_t *memory)
{
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, made));
    struct ward_bytes key = ((struct ward_generate *)made->in)->items[0].keys[0].wrapped;
    memcpy(memory, key.data, key.size);
    struct ward_bytes wrapped = WARD_BYTES(memory, key.size);
    ward_request_free(made);
    return wrapped;
}

/* The one answer to everything that does not open: this code, no text, no key, an entry. */
static void does_not_open(struct ward_bytes wrapped, const char *purpose)
{
    struct ward_request *opened = core_unwrap(&world, &world.app, wrapped, purpose);
    assert_ok(core_run(&node, opened));
    const struct ward_unwrap_item *item = ((struct ward_unwrap *)opened->in)->items;
    assert_code(item->status, WARD_E_CIPHERTEXT);
    assert_null(ward_status_refusal(item->status));
    assert_int_equal(item->plaintext.size, 0);
    ward_request_free(opened);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    uint8_t memory[WARD_WRAPPED_MAX];
    struct ward_bytes wrapped = make_wrapped(memory);
    for (size_t bit = 0; bit < wrapped.size * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        does_not_open(wrapped, "TREAT");
        memory[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    struct ward_request *opened = core_unwrap(&world, &world.app, wrapped, "TREAT");
    assert_ok(core_run(&node, opened));
    assert_ok(((struct ward_unwrap *)opened->in)->items[0].status);
    ward_request_free(opened);
}

static void a_cut_or_grown_key_does_not_open(void **state)
{
    (void)state;
    uint8_t memory[WARD_WRAPPED_MAX + 1] = {0};
    struct ward_bytes wrapped = make_wrapped(memory);
    for (size_t size = 0; size < wrapped.size; size += 3) {
        does_not_open(WARD_BYTES(memory, size), "TREAT");
    }
    does_not_open(WARD_BYTES(memory, wrapped.size + 1), "TREAT");
    does_not_open(WARD_BYTES(memory, sizeof(memory)), "TREAT");
}

static void unwrap_fails_when_context_differs(void **state)
{
    (void)state;
    uint8_t memory[WARD_WRAPPED_MAX];
    struct ward_bytes wrapped = make_wrapped(memory);
    does_not_open(wrapped, "ETREAT");
    does_not_open(wrapped, "TREAT ");
    does_not_open(wrapped, "");
}

/* ---- keys of other uses ---- */

static void subject_and_index_keys_are_refused(void **state)
{
    (void)state;
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "alpha", 1, patient)));
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_id kek = ward_state_key(now, WARD_BYTES_LITERAL("phi/records"))->id;
    ward_state_unref(now);
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    struct ward_read page = {.kind = WARD_READ_REWRAP_PAGE, .arena = arena};
    struct ward_read *reads[] = {&page};
    page.rewrap.kek = kek;
    page.rewrap.below = 99;
    page.rewrap.limit = 1;
    assert_ok(ward_store_read(reader, reads, 1));
    assert_int_equal(page.rewrap.n, 1);
    does_not_open(page.rewrap.keys[0].wrapped, "TREAT");
    uint8_t issued[WARD_WRAPPED_MAX]; /* called an issued one: policy does not give him its KEK */
    memcpy(issued, page.rewrap.keys[0].wrapped.data, page.rewrap.keys[0].wrapped.size);
    issued[1] = WARD_USE_ISSUED;
    struct ward_request *opened = core_unwrap(
        &world, &world.app, WARD_BYTES(issued, page.rewrap.keys[0].wrapped.size), "TREAT");
    assert_ok(core_run(&node, opened));
    assert_code(((struct ward_unwrap *)opened->in)->items[0].status, WARD_E_DENIED);
    ward_request_free(opened);
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    does_not_open(snapshot.index_keys[0].wrapped, "TREAT");
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

static void a_key_for_records_issues_nothing(void **state)
{
    (void)state;
    core_make_key(&node, "app/records", WARD_PURPOSE_RECORDS);
    struct ward_request *made = core_generate(&world, &world.app, "app/records", 1, 1);
    assert_ok(core_run(&node, made));
    assert_code(((struct ward_generate *)made->in)->items[0].status, WARD_E_STATE);
    core_expect_entry(&world, made, "failed", "FAILED_PRECONDITION");
    ward_request_free(made);
}

/* ---- proof ---- */

/* One wrap of ten thousand is damaged in the HSM; none of those given out is. */
static void a_damaged_wrap_is_never_given_out(void **state)
{
    (void)state;
    fake_kek_flip_every(world.kek, WRAPS);
    unsigned refused = 0, opened = 0;
    for (unsigned round = 0; round < WRAPS / 1000; round++) {
        struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1000, 1);
        assert_ok(core_run(&node, made));
        const struct ward_generate *out = made->in;
        struct ward_request *back =
            core_request(&world, &world.app, &ward_op_unwrap, sizeof(struct ward_unwrap));
        struct ward_unwrap *in = back->in;
        in->items = WARD_ARENA_ARRAY(back->arena, struct ward_unwrap_item, 1000);
        assert_non_null(in->items);
        for (size_t i = 0; i < 1000; i++) {
            if (!ward_ok(out->items[i].status)) {
                assert_code(out->items[i].status, WARD_E_INTERNAL);
                assert_true(all_zero(out->items[i].keys[0].wrapped.data + WARD_WRAPPED_HEADER_SIZE,
                                     WARD_WRAPPED_BLOB_MAX));
                refused++;
                continue;
            }
            in->items[in->n++] = (struct ward_unwrap_item){.wrapped = out->items[i].keys[0].wrapped,
                                                           .context = out->items[i].context};
        }
        assert_ok(core_run(&node, back));
        size_t at = 0;
        for (size_t i = 0; i < 1000; i++) {
            if (ward_ok(out->items[i].status)) {
                assert_ok(in->items[at].status);
                assert_true(
                    ward_bytes_eq(in->items[at++].plaintext, out->items[i].keys[0].plaintext));
                opened++;
            }
        }
        ward_request_free(back);
        ward_request_free(made);
    }
    assert_int_equal(fake_kek_flipped(world.kek), 1);
    assert_int_equal(refused, 1);
    assert_int_equal(opened, WRAPS - 1);
}

/* What the setting costs: the same damage goes out, and the log says since when. */
static void without_proof_damage_goes_out_and_the_start_entry_says_so(void **state)
{
    (void)state;
    node.pipeline.without_proof = true;
    fake_kek_flip_every(world.kek, 10);
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 10, 1);
    assert_ok(core_run(&node, made));
    const struct ward_generate *out = made->in;
    uint8_t last[WARD_WRAPPED_MAX];
    for (size_t i = 0; i < 10; i++) {
        assert_ok(out->items[i].status);
    }
    struct ward_bytes wrapped = out->items[9].keys[0].wrapped;
    memcpy(last, wrapped.data, wrapped.size);
    does_not_open(WARD_BYTES(last, wrapped.size), "TREAT");
    ward_request_free(made);
    struct ward_request *started;
    assert_ok(ward_internal_new(&ward_op_start, sizeof(struct ward_start), 1u << 20, &started));
    ((struct ward_start *)started->in)->without_proof = true;
    assert_ok(ward_internal_run(&node.pipeline, started));
    struct core_log log;
    core_log_open(&log, &world);
    assert_string_equal(core_detail(core_log_one(&log, started->request_id), "wrap_proof"), "off");
    core_log_close(&log);
    ward_request_free(started);
}

/* Many keys of one item: one that is damaged holds all of them back. */
static void an_item_is_given_out_whole_or_not_at_all(void **state)
{
    (void)state;
    fake_kek_flip_every(world.kek, 7);
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 2, 5);
    assert_ok(core_run(&node, made));
    const struct ward_generate *out = made->in;
    assert_ok(out->items[0].status);
    assert_code(out->items[1].status, WARD_E_INTERNAL);
    ward_request_free(made);
}

static void without_plaintext_no_plaintext_is_left(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 2);
    struct ward_generate *in = made->in;
    in->items[0].without_plaintext = true;
    assert_ok(core_run(&node, made));
    for (size_t k = 0; k < 2; k++) {
        assert_ok(in->items[0].status);
        assert_int_equal(in->items[0].keys[k].plaintext.size, 0);
        assert_true(in->items[0].keys[k].wrapped.size > WARD_WRAPPED_HEADER_SIZE);
    }
    ward_request_free(made);
}

/* ---- the device ---- */

static void hsm_away(enum fake_kek_fault fault)
{
    uint8_t memory[WARD_WRAPPED_MAX];
    struct ward_bytes wrapped = make_wrapped(memory);
    fake_kek_set_fault(world.kek, fault);
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 2, 1);
    assert_ok(core_run(&node, made));
    for (size_t i = 0; i < 2; i++) {
        assert_code(((struct ward_generate *)made->in)->items[i].status, WARD_E_UNAVAILABLE);
    }
    core_expect_entry(&world, made, "failed", "UNAVAILABLE");
    struct ward_request *opened = core_unwrap(&world, &world.app, wrapped, "TREAT");
    assert_ok(core_run(&node, opened));
    const struct ward_unwrap_item *item = ((struct ward_unwrap *)opened->in)->items;
    assert_code(item->status, WARD_E_UNAVAILABLE);
    assert_int_equal(item->plaintext.size, 0);
    core_expect_entry(&world, opened, "failed", "UNAVAILABLE");
    struct ward_request *put = core_put(&world, &world.app, "fhir", "alpha", 1, patient);
    assert_ok(core_run(&node, put));
    assert_code(((struct ward_put *)put->in)->items[0].status, WARD_E_UNAVAILABLE);
    core_expect_entry(&world, put, "failed", "UNAVAILABLE");
    assert_false(node.workers[0]->device_ok && node.workers[1]->device_ok);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    ward_request_free(made);
    ward_request_free(opened);
    ward_request_free(put);
    struct ward_request *again = core_unwrap(&world, &world.app, wrapped, "TREAT");
    assert_ok(core_run(&node, again));
    assert_ok(((struct ward_unwrap *)again->in)->items[0].status);
    ward_request_free(again);
}

static void a_device_that_is_away_answers_unavailable(void **state)
{
    (void)state;
    hsm_away(FAKE_KEK_AWAY);
}

static void items_that_the_device_did_not_answer_are_unavailable(void **state)
{
    (void)state;
    hsm_away(FAKE_KEK_ITEMS_AWAY);
}

static void a_key_object_that_is_gone_is_unavailable(void **state)
{
    (void)state;
    uint8_t memory[WARD_WRAPPED_MAX];
    struct ward_bytes wrapped = make_wrapped(memory);
    struct ward_wrapped_key parsed;
    assert_ok(ward_wrapped_key_parse(wrapped, &parsed));
    const struct ward_kek_ref ref = {parsed.key_id, parsed.version};
    fake_kek_forget(world.kek, &ref);
    struct ward_request *opened = core_unwrap(&world, &world.app, wrapped, "TREAT");
    assert_ok(core_run(&node, opened));
    assert_code(((struct ward_unwrap *)opened->in)->items[0].status, WARD_E_UNAVAILABLE);
    core_expect_entry(&world, opened, "failed", "UNAVAILABLE");
    ward_request_free(opened);
}

/* ---- versions ---- */

static enum ward_code unwrap_code(struct ward_bytes wrapped)
{
    struct ward_request *opened = core_unwrap(&world, &world.app, wrapped, "TREAT");
    assert_ok(core_run(&node, opened));
    enum ward_code code = ((struct ward_unwrap *)opened->in)->items[0].status.code;
    ward_request_free(opened);
    return code;
}

static void old_versions_open_and_wrap_no_more(void **state)
{
    (void)state;
    uint8_t memory[WARD_WRAPPED_MAX], second[WARD_WRAPPED_MAX];
    struct ward_bytes wrapped = make_wrapped(memory);
    core_rotate_fully(&node, "app/keys");
    assert_int_equal(unwrap_code(wrapped), WARD_E_OK);
    struct ward_wrapped_key parsed;
    assert_ok(ward_wrapped_key_parse(make_wrapped(second), &parsed));
    assert_int_equal(parsed.version, 2);
}

static void a_state_is_in_force_with_its_own_commit(void **state)
{
    (void)state;
    uint8_t memory[WARD_WRAPPED_MAX];
    struct ward_bytes wrapped = make_wrapped(memory);
    assert_int_equal(unwrap_code(wrapped), WARD_E_OK);
    core_set_state(&node, "app/keys", 1, WARD_KEY_ACTIVE, WARD_KEY_SUSPENDED);
    assert_int_equal(unwrap_code(wrapped), WARD_E_STATE);
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 1, 1);
    assert_ok(core_run(&node, made));
    assert_code(((struct ward_generate *)made->in)->items[0].status, WARD_E_STATE);
    ward_request_free(made);
    core_set_state(&node, "app/keys", 1, WARD_KEY_SUSPENDED, WARD_KEY_ACTIVE);
    assert_int_equal(unwrap_code(wrapped), WARD_E_OK);
    core_set_state(&node, "app/keys", 1, WARD_KEY_ACTIVE, WARD_KEY_DESTROYED);
    assert_int_equal(unwrap_code(wrapped), WARD_E_STATE);
}

/* ---- items beside each other ---- */

static void a_bad_item_does_not_hold_up_the_good_ones(void **state)
{
    (void)state;
    struct ward_request *made = core_generate(&world, &world.app, "app/keys", 4, 1);
    struct ward_generate *in = made->in;
    in->items[0].key = WARD_BYTES_LITERAL("phi/records");
    in->items[1].key = WARD_BYTES_LITERAL("app/none");
    in->items[2].status = WARD_REFUSAL(WARD_E_INVALID, "size: 16, 24 or 32");
    assert_ok(core_run(&node, made));
    assert_code(in->items[0].status, WARD_E_DENIED);
    assert_code(in->items[1].status, WARD_E_NOT_FOUND);
    assert_code(in->items[2].status, WARD_E_INVALID);
    assert_ok(in->items[3].status);
    core_expect_entry(&world, made, "allowed", "");
    ward_request_free(made);
}

static void a_slow_device_answers_all_that_wait_for_it(void **state)
{
    (void)state;
    struct ward_request *requests[200];
    fake_kek_set_delay_us(world.kek, 2000);
    for (size_t i = 0; i < 200; i++) {
        requests[i] = core_generate(&world, &world.app, "app/keys", 1, 1);
    }
    unsigned before = fake_kek_crossings(world.kek);
    core_submit(&node, requests, 200);
    core_wait(&node, 200);
    assert_true(fake_kek_crossings(world.kek) - before < 20); /* one crossing serves many */
    for (size_t i = 0; i < 200; i++) {
        assert_ok(requests[i]->status);
        assert_ok(((struct ward_generate *)requests[i]->in)->items[0].status);
        ward_request_free(requests[i]);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(every_flipped_bit_is_found),
        T(a_cut_or_grown_key_does_not_open),
        T(unwrap_fails_when_context_differs),
        T(subject_and_index_keys_are_refused),
        T(a_key_for_records_issues_nothing),
        T(a_damaged_wrap_is_never_given_out),
        T(without_proof_damage_goes_out_and_the_start_entry_says_so),
        T(an_item_is_given_out_whole_or_not_at_all),
        T(without_plaintext_no_plaintext_is_left),
        T(a_device_that_is_away_answers_unavailable),
        T(items_that_the_device_did_not_answer_are_unavailable),
        T(a_key_object_that_is_gone_is_unavailable),
        T(old_versions_open_and_wrap_no_more),
        T(a_state_is_in_force_with_its_own_commit),
        T(a_bad_item_does_not_hold_up_the_good_ones),
        T(a_slow_device_answers_all_that_wait_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
