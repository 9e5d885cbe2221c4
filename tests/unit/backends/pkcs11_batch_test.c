/* SPDX-License-Identifier: Apache-2.0 */
/* The parent's side of the ring: the test plays the helper, and lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backends/pkcs11/batch.h"

static struct ward_ring *ring;
static struct ward_batch batch;
static uint8_t out[WARD_RING_SLOTS + 2][WARD_KEK_BLOB_MAX], aad[WARD_KEK_AAD_MAX];
static const uint8_t plain[WARD_KEK_PLAIN_MAX] = {1, 2, 3};
static struct ward_kek_item items[WARD_RING_SLOTS + 2];

static int make_ring(void **state)
{
    (void)state;
    ring = calloc(1, sizeof(*ring));
    memset(aad, 'a', sizeof(aad));
    return ring == NULL;
}

static int drop_ring(void **state)
{
    (void)state;
    free(ring);
    return 0;
}

static struct ward_kek_item *item(size_t i, enum ward_kek_verb verb, size_t aad_size,
                                  size_t in_size)
{
    items[i] = (struct ward_kek_item){.verb = verb,
                                      .proof = true,
                                      .key = {.version = (uint32_t)i},
                                      .aad = WARD_BYTES(aad, aad_size),
                                      .from_aad = WARD_BYTES(aad, aad_size),
                                      .in = WARD_BYTES(plain, in_size),
                                      .out = out[i]};
    return &items[i];
}

/* An honest answer of that many bytes 0x55. */
static void answer(size_t slot, size_t size)
{
    ring->slots[slot].out_size = (uint32_t)size;
    memset(ring->data + ring->slots[slot].out.at, 0x55, size);
}

static void assert_wiped(void)
{
    static const uint8_t zero[sizeof(struct ward_ring_slot)];
    for (size_t i = 0; i < WARD_RING_DATA; i++) {
        assert_int_equal(ring->data[i], 0);
    }
    for (size_t i = 0; i < WARD_RING_SLOTS; i++) {
        assert_memory_equal(&ring->slots[i], zero, sizeof(zero));
    }
}

static void honest_answers_are_copied_and_the_ring_is_wiped(void **state)
{
    (void)state;
    (void)item(0, WARD_KEK_WRAP, 20, 32);
    (void)item(1, WARD_KEK_UNWRAP, 20, 60);
    (void)item(2, WARD_KEK_REWRAP, 20, 60);
    assert_int_equal(ward_batch_fill(&batch, ring, items, 3), 3);
    assert_int_equal(ring->n, 3);
    answer(0, 60);
    answer(1, 32);
    answer(2, 60);
    assert_true(ward_ok(ward_batch_collect(&batch, ring)));
    for (size_t i = 0; i < 3; i++) {
        assert_true(ward_ok(items[i].status));
        assert_int_equal(items[i].out_size, i == 1 ? 32 : 60);
        assert_int_equal(out[i][items[i].out_size - 1], 0x55);
    }
    assert_wiped();
}

static void sizes_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 31, 33, 60, 64, 65, 512, WARD_RING_DATA, UINT32_MAX};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)item(0, WARD_KEK_UNWRAP, 20, 60);
        assert_int_equal(ward_batch_fill(&batch, ring, items, 1), 1);
        ring->slots[0].out_size = sizes[i];
        assert_int_equal(ward_batch_collect(&batch, ring).code, WARD_E_INTERNAL);
        ward_batch_refuse(&batch, WARD_STATUS(WARD_E_UNAVAILABLE));
        assert_int_equal(items[0].status.code, WARD_E_UNAVAILABLE);
        assert_int_equal(items[0].out_size, 0);
        assert_wiped();
    }
}

static void answer_longer_than_any_data_key_is_not_copied(void **state)
{
    (void)state;
    static const uint8_t blob[WARD_KEK_BLOB_MAX];
    (void)item(0, WARD_KEK_UNWRAP, 20, 1);
    items[0].in = WARD_BYTES_ARRAY(blob);
    assert_int_equal(ward_batch_fill(&batch, ring, items, 1), 1);
    ring->slots[0].out_size =
        sizeof(blob) - WARD_GCM_OVERHEAD; /* would fit the blob, not the caller */
    assert_int_equal(ward_batch_collect(&batch, ring).code, WARD_E_INTERNAL);
}

static void places_come_from_our_own_notes(void **state)
{
    (void)state;
    (void)item(0, WARD_KEK_UNWRAP, 20, 60);
    assert_int_equal(ward_batch_fill(&batch, ring, items, 1), 1);
    answer(0, 32);
    ring->slots[0].out.at = UINT32_MAX - 3;
    ring->slots[0].in.at = UINT32_MAX;
    ring->n = UINT32_MAX;
    assert_true(ward_ok(ward_batch_collect(&batch, ring)));
    assert_int_equal(out[0][0], 0x55);
}

static void codes_outside_the_contract_become_internal(void **state)
{
    (void)state;
    static const enum ward_code kept[] = {WARD_E_CIPHERTEXT, WARD_E_NOT_FOUND, WARD_E_UNAVAILABLE};
    for (uint16_t code = 1; code < 40; code++) {
        (void)item(0, WARD_KEK_UNWRAP, 20, 60);
        assert_int_equal(ward_batch_fill(&batch, ring, items, 1), 1);
        ring->slots[0].status = (struct ward_ring_status){code, WARD_DOMAIN_REFUSAL, 7};
        assert_true(ward_ok(ward_batch_collect(&batch, ring)));
        bool known = code == WARD_E_EXISTS || code == kept[0] || code == kept[1] || code == kept[2];
        enum ward_code want = known                      ? (enum ward_code)code
                              : code == WARD_E_EXHAUSTED ? WARD_E_UNAVAILABLE
                                                         : WARD_E_INTERNAL;
        assert_int_equal(items[0].status.code, want);
        assert_int_equal(items[0].out_size, 0);
        assert_null(ward_status_refusal(items[0].status)); /* no text of the helper's choosing */
    }
}

static void batch_stops_at_the_last_slot(void **state)
{
    (void)state;
    for (size_t i = 0; i < WARD_RING_SLOTS + 2; i++) {
        (void)item(i, WARD_KEK_WRAP, 20, 32);
    }
    assert_int_equal(ward_batch_fill(&batch, ring, items, WARD_RING_SLOTS + 2), WARD_RING_SLOTS);
    assert_int_equal(ring->slots[WARD_RING_SLOTS - 1].key.version, WARD_RING_SLOTS - 1);
    for (size_t i = 0; i < WARD_RING_SLOTS; i++) {
        answer(i, 60);
    }
    assert_true(ward_ok(ward_batch_collect(&batch, ring)));
    assert_wiped();
}

static void batch_stops_before_data_would_overflow(void **state)
{
    (void)state;
    for (size_t i = 0; i < 32; i++) {
        (void)item(i, WARD_KEK_REWRAP, WARD_KEK_AAD_MAX, 60);
    }
    size_t taken = ward_batch_fill(&batch, ring, items, 32);
    assert_in_range(taken, 1, 31);
    assert_true(batch.data_used <= WARD_RING_DATA);
    const struct ward_ring_slot *last = &ring->slots[taken - 1];
    assert_true(last->out.at + last->out.size <= WARD_RING_DATA);
    assert_int_equal(ring->data[last->from_aad.at + WARD_KEK_AAD_MAX - 1], 'a');
    ward_batch_refuse(&batch, WARD_STATUS(WARD_E_UNAVAILABLE));
}

static void refused_items_take_no_slot(void **state)
{
    (void)state;
    (void)item(0, WARD_KEK_WRAP, 20, 32);
    items[0].status = WARD_STATUS(WARD_E_INTERNAL);
    (void)item(1, WARD_KEK_UNWRAP, 20, WARD_GCM_OVERHEAD);
    (void)item(2, WARD_KEK_WRAP, 20, 32);
    assert_int_equal(ward_batch_fill(&batch, ring, items, 3), 3);
    assert_int_equal(batch.n, 1);
    assert_int_equal(ring->slots[0].key.version, 2);
    assert_int_equal(items[1].status.code, WARD_E_CIPHERTEXT);
}

static void call_answer_longer_than_its_room_is_not_copied(void **state)
{
    (void)state;
    uint8_t room[WARD_RING_SIGNATURE_MAX];
    struct ward_call call = {.verb = WARD_RING_SIGN,
                             .flags = 1,
                             .in = WARD_BYTES_LITERAL("checkpoint"),
                             .out = room,
                             .room = sizeof(room)};
    ward_batch_fill_call(&batch, ring, &call);
    ring->slots[0].out_size = sizeof(room) + 1;
    assert_int_equal(ward_batch_collect(&batch, ring).code, WARD_E_INTERNAL);
    ward_batch_fill_call(&batch, ring, &call);
    answer(0, 64);
    assert_true(ward_ok(ward_batch_collect(&batch, ring)));
    assert_true(ward_ok(call.status));
    assert_int_equal(call.out_size, 64);
    assert_wiped();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH(test) cmocka_unit_test_setup_teardown(test, make_ring, drop_ring)
        WITH(honest_answers_are_copied_and_the_ring_is_wiped),
        WITH(sizes_that_cannot_be_are_not_believed),
        WITH(answer_longer_than_any_data_key_is_not_copied),
        WITH(places_come_from_our_own_notes),
        WITH(codes_outside_the_contract_become_internal),
        WITH(batch_stops_at_the_last_slot),
        WITH(batch_stops_before_data_would_overflow),
        WITH(refused_items_take_no_slot),
        WITH(call_answer_longer_than_its_room_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
