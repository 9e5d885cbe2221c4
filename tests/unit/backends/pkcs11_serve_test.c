/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's side with a Cryptoki made of paper: which parameters reach the module, what a slot
 * out of bounds gets, what an error does. One key, whose "encryption" appends the IV's first byte
 * sixteen times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "backends/pkcs11/rv.h"
#include "backends/pkcs11/serve.h"

#define KEY_HANDLE 42
#define BLOB_SIZE (WARD_GCM_OVERHEAD + 32)

static struct ward_ring *ring;
static struct ward_hsm hsm;
static struct {
    CK_GCM_PARAMS params;
    CK_MECHANISM_TYPE mechanism;
    CK_ULONG room;
    CK_RV encrypt, decrypt;
    int inits;
    bool flip;
} paper;
static const struct ward_ring_ref known = {.id = {1}, .version = 3};

static CK_RV paper_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
    (void)session;
    assert_int_equal(key, KEY_HANDLE);
    assert_int_equal(mechanism->ulParameterLen, sizeof(CK_GCM_PARAMS));
    paper.mechanism = mechanism->mechanism;
    paper.params = *(CK_GCM_PARAMS *)mechanism->pParameter;
    paper.inits++;
    return CKR_OK;
}

static CK_RV paper_encrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_size, CK_BYTE *out,
                           CK_ULONG *out_size)
{
    (void)session;
    paper.room = *out_size;
    memcpy(out, in, in_size);
    memset(out + in_size, paper.params.pIv[0], 16);
    *out_size = in_size + 16;
    return paper.encrypt;
}

static CK_RV paper_decrypt(CK_SESSION_HANDLE session, CK_BYTE *in, CK_ULONG in_size, CK_BYTE *out,
                           CK_ULONG *out_size)
{
    (void)session;
    paper.room = *out_size;
    memcpy(out, in, in_size);
    out[0] ^= paper.flip ? 1 : 0;
    *out_size = in_size - 16;
    return paper.decrypt;
}

static CK_RV paper_random(CK_SESSION_HANDLE session, CK_BYTE *out, CK_ULONG size)
{
    (void)session;
    memset(out, 9, size);
    return CKR_OK;
}

static CK_RV paper_token(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    (void)slot;
    (void)info;
    return CKR_DEVICE_REMOVED;
}

static CK_FUNCTION_LIST paper_list = {.C_EncryptInit = paper_init,
                                      .C_Encrypt = paper_encrypt,
                                      .C_DecryptInit = paper_init,
                                      .C_Decrypt = paper_decrypt,
                                      .C_GenerateRandom = paper_random,
                                      .C_GetTokenInfo = paper_token};

static int setup(void **state)
{
    (void)state;
    ring = calloc(1, sizeof(*ring));
    assert_non_null(ring);
    memset(&paper, 0, sizeof(paper));
    memset(&hsm, 0, sizeof(hsm));
    hsm.module = (struct ward_module){.list = &paper_list, .in_call = &ring->in_call};
    hsm.quirks.bad_tag = CKR_GENERAL_ERROR;
    hsm.answered_us = INT64_MAX; /* the known answer is not asked for */
    assert_true(ward_ok(ward_secret_zero(WARD_HSM_SCRATCH, &hsm.opened)));
    assert_true(ward_ok(ward_secret_zero(WARD_HSM_SCRATCH, &hsm.proven)));
    struct ward_key_entry entry = {.ref = known,
                                   .ready = true,
                                   .token = KEY_HANDLE,
                                   .use = KEY_HANDLE,
                                   .checked_us = INT64_MAX},
                          *at;
    return ward_ok(ward_key_table_put(&hsm.keys, &entry, &at)) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    static const uint8_t zero[WARD_HSM_SCRATCH];
    assert_memory_equal(ward_secret_view(hsm.opened).data, zero, sizeof(zero));
    assert_memory_equal(ward_secret_view(hsm.proven).data, zero, sizeof(zero));
    ward_secret_free(hsm.opened);
    ward_secret_free(hsm.proven);
    ward_key_table_fini(&hsm.keys);
    free(ring);
    return 0;
}

static struct ward_ring_slot *ask(enum ward_ring_verb verb, uint32_t in_size, uint32_t room)
{
    ring->n = 1;
    ring->slots[0] = (struct ward_ring_slot){.verb = (uint8_t)verb,
                                             .proof = 1,
                                             .key = known,
                                             .from = known,
                                             .aad = {0, 10},
                                             .from_aad = {16, 10},
                                             .in = {32, in_size},
                                             .out = {1024, room}};
    return &ring->slots[0];
}

static enum ward_code served(void)
{
    ward_serve(&hsm, ring);
    return ring->slots[0].status.code;
}

static void assert_gcm(void)
{
    assert_int_equal(paper.mechanism, CKM_AES_GCM);
    assert_int_equal(paper.params.ulTagBits, 128);
    assert_int_equal(paper.params.ulIvLen, 12);
    assert_int_equal(paper.params.ulIvBits, 96);
    assert_int_equal(paper.params.ulAADLen, 10);
}

static void wrap_proves_with_full_tag_and_iv(void **state)
{
    (void)state;
    struct ward_ring_slot *slot = ask(WARD_RING_WRAP, 32, BLOB_SIZE);
    assert_int_equal(served(), WARD_E_OK);
    assert_int_equal(slot->out_size, BLOB_SIZE);
    assert_int_equal(paper.inits, 2);
    assert_gcm();
    assert_int_equal(paper.room, 48); /* as much as the ciphertext, for the tag too */
    assert_int_equal(ring->closing, 0);
}

static void unwrap_and_rewrap_use_the_same_parameters(void **state)
{
    (void)state;
    struct ward_ring_slot *slot = ask(WARD_RING_UNWRAP, BLOB_SIZE, BLOB_SIZE);
    assert_int_equal(served(), WARD_E_OK);
    assert_int_equal(slot->out_size, 32);
    assert_gcm();
    slot = ask(WARD_RING_REWRAP, BLOB_SIZE, BLOB_SIZE);
    assert_int_equal(served(), WARD_E_OK);
    assert_int_equal(slot->out_size, BLOB_SIZE);
    assert_gcm();
    assert_int_equal(paper.inits, 4);
}

static void unproven_wrap_is_withheld_and_ends_the_session(void **state)
{
    (void)state;
    static const uint8_t nothing[BLOB_SIZE];
    struct ward_ring_slot *slot = ask(WARD_RING_WRAP, 32, BLOB_SIZE);
    paper.flip = true;
    assert_int_equal(served(), WARD_E_INTERNAL);
    assert_int_equal(slot->out_size, 0);
    assert_memory_equal(ring->data + 1024, nothing, sizeof(nothing));
    assert_int_equal(ring->closing, 1);
    paper.flip = false;
    (void)ask(WARD_RING_WRAP, 32, BLOB_SIZE);
    assert_int_equal(served(), WARD_E_UNAVAILABLE);
}

static void bad_tag_keeps_the_session_and_gives_nothing(void **state)
{
    (void)state;
    static const uint8_t nothing[48];
    static const CK_RV codes[] = {CKR_GENERAL_ERROR, CKR_ENCRYPTED_DATA_INVALID,
                                  CKR_ENCRYPTED_DATA_LEN_RANGE, 0x35};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        (void)ask(WARD_RING_UNWRAP, BLOB_SIZE, BLOB_SIZE);
        paper.decrypt = codes[i];
        assert_int_equal(served(), WARD_E_CIPHERTEXT);
        assert_memory_equal(ring->data + 1024, nothing, sizeof(nothing));
        assert_int_equal(ring->closing, 0);
    }
}

static void bad_tag_code_from_encrypt_loses_the_session(void **state)
{
    (void)state;
    (void)ask(WARD_RING_WRAP, 32, BLOB_SIZE);
    paper.encrypt = CKR_GENERAL_ERROR;
    assert_int_equal(served(), WARD_E_UNAVAILABLE);
    assert_int_equal(ring->closing, 1);
}

static void bad_tag_after_a_second_asks_for_the_known_answer(void **state)
{
    (void)state;
    (void)ask(WARD_RING_UNWRAP, BLOB_SIZE, BLOB_SIZE);
    paper.decrypt = CKR_GENERAL_ERROR;
    hsm.answered_us = 0; /* long ago; and this token is gone */
    hsm.keys.entries[0].checked_us = INT64_MAX;
    assert_int_equal(served(), WARD_E_UNAVAILABLE);
    assert_int_equal(ring->closing, 1);
}

static void slots_out_of_bounds_reach_no_module(void **state)
{
    (void)state;
    static const struct ward_ring_span bad[] = {{WARD_RING_DATA, 1}, {WARD_RING_DATA - 9, 10},
                                                {UINT32_MAX, 10},    {UINT32_MAX - 9, 10},
                                                {0, UINT32_MAX},     {0, WARD_RING_DATA + 1}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_ring_span *spans[] = {&ring->slots[0].aad, &ring->slots[0].from_aad,
                                          &ring->slots[0].in, &ring->slots[0].out};
        for (size_t j = 0; j < 4; j++) {
            (void)ask(WARD_RING_REWRAP, BLOB_SIZE, BLOB_SIZE);
            *spans[j] = bad[i];
            assert_int_equal(served(), WARD_E_INTERNAL);
        }
    }
    assert_int_equal(paper.inits, 0);
}

static void impossible_slots_reach_no_module(void **state)
{
    (void)state;
    struct ward_ring_slot *slot = ask(WARD_RING_WRAP, 0, BLOB_SIZE);
    assert_int_equal(served(), WARD_E_INTERNAL);
    (void)ask(WARD_RING_WRAP, 65, 512);
    assert_int_equal(served(), WARD_E_INTERNAL);
    (void)ask(WARD_RING_WRAP, 32, BLOB_SIZE - 1);
    assert_int_equal(served(), WARD_E_INTERNAL);
    (void)ask(WARD_RING_UNWRAP, BLOB_SIZE, 47);
    assert_int_equal(served(), WARD_E_INTERNAL);
    for (uint32_t verb = 0; verb < 3; verb++) {
        slot = ask((enum ward_ring_verb)verb, 32, BLOB_SIZE);
        slot->aad.size = 0;
        assert_int_equal(served(), WARD_E_INTERNAL);
    }
    slot = ask(WARD_RING_REWRAP, BLOB_SIZE, BLOB_SIZE);
    slot->from_aad.size = 0;
    assert_int_equal(served(), WARD_E_INTERNAL);
    slot = ask(WARD_RING_PROBE, 0, 0);
    slot->verb = 200;
    assert_int_equal(served(), WARD_E_INTERNAL);
    (void)ask(WARD_RING_SIGN, 10, 79);
    assert_int_equal(served(), WARD_E_INTERNAL);
    assert_int_equal(paper.inits, 0);
}

static void blobs_of_impossible_size_reach_no_module(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0, 1, WARD_GCM_OVERHEAD,
                                     WARD_GCM_OVERHEAD + WARD_KEK_PLAIN_MAX + 1, 512};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        (void)ask(WARD_RING_UNWRAP, sizes[i], 1024);
        assert_int_equal(served(), WARD_E_CIPHERTEXT);
        (void)ask(WARD_RING_REWRAP, sizes[i], 1024);
        assert_int_equal(served(), WARD_E_CIPHERTEXT);
    }
    assert_int_equal(paper.inits, 0);
}

static void more_slots_than_there_are_end_the_session(void **state)
{
    (void)state;
    (void)ask(WARD_RING_WRAP, 32, BLOB_SIZE);
    ring->n = WARD_RING_SLOTS + 1;
    ward_serve(&hsm, ring);
    assert_int_equal(ring->closing, 1);
    assert_int_equal(paper.inits, 0);
}

static void every_unnamed_code_loses_the_session(void **state)
{
    (void)state;
    for (CK_RV rv = 1; rv < 0x210; rv++) {
        enum ward_rv_class class = ward_rv_class(rv);
        ward_status status = ward_rv_status(rv);
        assert_false(ward_ok(status));
        assert_int_equal(status.foreign, rv);
        assert_int_equal(status.code == WARD_E_UNAVAILABLE, class == WARD_RV_BROKEN);
        assert_int_equal(status.code == WARD_E_STATE, class == WARD_RV_WRONG_PIN);
    }
    assert_int_equal(ward_rv_class(CKR_GENERAL_ERROR), WARD_RV_BROKEN);
    assert_int_equal(ward_rv_class(CKR_PIN_LOCKED), WARD_RV_WRONG_PIN);
    assert_int_equal(ward_rv_class(0x80000001), WARD_RV_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        WITH(wrap_proves_with_full_tag_and_iv),
        WITH(unwrap_and_rewrap_use_the_same_parameters),
        WITH(unproven_wrap_is_withheld_and_ends_the_session),
        WITH(bad_tag_keeps_the_session_and_gives_nothing),
        WITH(bad_tag_code_from_encrypt_loses_the_session),
        WITH(bad_tag_after_a_second_asks_for_the_known_answer),
        WITH(slots_out_of_bounds_reach_no_module),
        WITH(impossible_slots_reach_no_module),
        WITH(blobs_of_impossible_size_reach_no_module),
        WITH(more_slots_than_there_are_end_the_session),
        cmocka_unit_test(every_unnamed_code_loses_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
