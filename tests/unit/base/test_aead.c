/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM against NIST's and the specification's vectors, and all that must not open. */
#include "tests/unit/base/check.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/aead.h"

static struct ward_aead *aead;

static int set_up(void **state)
{
    (void)state;
    return ward_ok(ward_aead_new(&aead)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ward_aead_free(aead);
    return 0;
}

struct vector {
    const char *key, *iv, *aad, *plain, *sealed;
};

static const struct vector vectors[] = {
    /* The GCM specification's test case 16. */
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
     "76fc6ece0f4e1768cddf8853bb2d551b"},
    /* NIST CAVS, gcmEncryptExtIV256: no plaintext. */
    {"78dc4e0aaf52d935c3c01eea57428f00ca1fd475f5da86a49c8dd73d68c8e223", "d79cf22d504cc793c3fb6c8a",
     "b96baa8c1c75a671bfb2d08d06be5f36", "", "3e5d486aa2e30b22e040b85723a06e76"},
    /* NIST CAVS, gcmEncryptExtIV256: 128 bits of each. */
    {"92e11dcdaa866f5ce790fd24501f92509aacf4cb8b1339d50c9c1240935dd08b", "ac93a1a6145299bde902f21a",
     "1e0889016f67601c8ebea4943bc23ad6", "2d71bcfa914e4ac045b2aa60955fad24",
     "8995ae2e6df3dbf96fac7b7137bae67feca5aa77d51d4a0a14d9c51e1da474ab"},
};

static const uint8_t key[WARD_AEAD_KEY_SIZE] = {1, 2, 3};
static const uint8_t iv[WARD_AEAD_IV_SIZE] = {4, 5, 6};

static void vectors_seal_and_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct vector *v = &vectors[i];
        uint8_t k[32], n[12], a[64], p[64], s[80], out[80];
        (void)from_hex(v->key, k);
        (void)from_hex(v->iv, n);
        struct ward_bytes aad = from_hex(v->aad, a), plain = from_hex(v->plain, p);
        struct ward_bytes sealed = from_hex(v->sealed, s);
        assert_int_equal(sealed.size, plain.size + WARD_AEAD_TAG_SIZE);
        assert_ok(ward_aead_seal(aead, k, n, aad, plain, out));
        assert_hex(out, sealed.size, v->sealed);
        assert_ok(ward_aead_open(aead, k, n, aad, sealed, out));
        assert_memory_equal(out, p, plain.size);
    }
}

static void a_context_that_failed_still_works(void **state)
{
    (void)state;
    uint8_t sealed[20], out[4];
    struct ward_bytes aad = WARD_BYTES_LITERAL("aad");
    for (int i = 0; i < 3; i++) {
        assert_ok(ward_aead_seal(aead, key, iv, aad, WARD_BYTES_LITERAL("text"), sealed));
        sealed[0] ^= 1;
        assert_code(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(sealed), out),
                    WARD_E_CIPHERTEXT);
        sealed[0] ^= 1;
        assert_ok(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(sealed), out));
        assert_memory_equal(out, "text", 4);
    }
}

static void every_flipped_bit_is_refused_and_nothing_comes_out(void **state)
{
    (void)state;
    uint8_t sealed[21 + WARD_AEAD_TAG_SIZE], out[21];
    struct ward_bytes aad = WARD_BYTES_LITERAL("context");
    assert_ok(
        ward_aead_seal(aead, key, iv, aad, WARD_BYTES_LITERAL("twenty-one characters"), sealed));
    for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
        sealed[bit / 8] ^= (uint8_t)(1 << (bit % 8));
        memset(out, 0xAA, sizeof(out));
        assert_code(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(sealed), out),
                    WARD_E_CIPHERTEXT);
        assert_true(all_zero(out, sizeof(out)));
        sealed[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
}

static void another_key_iv_or_context_is_refused(void **state)
{
    (void)state;
    uint8_t sealed[4 + WARD_AEAD_TAG_SIZE], out[4], other_key[32], other_iv[12];
    struct ward_bytes aad = WARD_BYTES_LITERAL("context");
    assert_ok(ward_aead_seal(aead, key, iv, aad, WARD_BYTES_LITERAL("text"), sealed));
    struct ward_bytes view = WARD_BYTES_ARRAY(sealed);
    for (size_t i = 0; i < sizeof(other_key); i++) {
        memcpy(other_key, key, sizeof(other_key));
        other_key[i] ^= 0x80;
        assert_code(ward_aead_open(aead, other_key, iv, aad, view, out), WARD_E_CIPHERTEXT);
    }
    for (size_t i = 0; i < sizeof(other_iv); i++) {
        memcpy(other_iv, iv, sizeof(other_iv));
        other_iv[i] ^= 1;
        assert_code(ward_aead_open(aead, key, other_iv, aad, view, out), WARD_E_CIPHERTEXT);
    }
    const char *contexts[] = {"contexu", "contex", "contextt", "Context", "c"};
    for (size_t i = 0; i < 5; i++) {
        assert_code(ward_aead_open(aead, key, iv, ward_bytes_str(contexts[i]), view, out),
                    WARD_E_CIPHERTEXT);
    }
    assert_ok(ward_aead_open(aead, key, iv, aad, view, out));
}

/* A refusal must leave nothing in OpenSSL's queue, where a TLS connection would take it for its
 * own. */
static void a_refusal_leaves_no_error_in_the_queue(void **state)
{
    (void)state;
    uint8_t junk[40] = {0}, out[24];
    assert_code(
        ward_aead_open(aead, key, iv, WARD_BYTES_LITERAL("context"), WARD_BYTES_ARRAY(junk), out),
        WARD_E_CIPHERTEXT);
    assert_int_equal(ERR_peek_error(), 0);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    uint8_t sealed[32 + WARD_AEAD_TAG_SIZE], out[sizeof(sealed)] = {0}, plain[32] = {0};
    struct ward_bytes aad = WARD_BYTES_LITERAL("context");
    assert_ok(ward_aead_seal(aead, key, iv, aad, WARD_BYTES_ARRAY(plain), sealed));
    for (size_t size = 0; size < sizeof(sealed); size++) {
        assert_code(ward_aead_open(aead, key, iv, aad, WARD_BYTES(sealed, size), out),
                    WARD_E_CIPHERTEXT);
    }
    assert_code(ward_aead_open(aead, key, iv, aad, (struct ward_bytes){0}, out), WARD_E_CIPHERTEXT);
}

static void an_empty_text_is_authenticated_too(void **state)
{
    (void)state;
    uint8_t tag[WARD_AEAD_TAG_SIZE], zeros[WARD_AEAD_TAG_SIZE] = {0}, out[1] = {7};
    struct ward_bytes aad = WARD_BYTES_LITERAL("context");
    assert_ok(ward_aead_seal(aead, key, iv, aad, (struct ward_bytes){0}, tag));
    assert_ok(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(tag), out));
    assert_code(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(zeros), out),
                WARD_E_CIPHERTEXT);
    tag[15] ^= 1;
    assert_code(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(tag), out), WARD_E_CIPHERTEXT);
    assert_code(ward_aead_open(aead, key, iv, WARD_BYTES_LITERAL("x"), WARD_BYTES_ARRAY(tag), out),
                WARD_E_CIPHERTEXT);
    assert_int_equal(out[0], 7);
}

static void a_missing_context_is_our_bug(void **state)
{
    (void)state;
    uint8_t out[32] = {0};
    struct ward_bytes none = {0}, text = WARD_BYTES_LITERAL("0123456789abcdef");
    assert_code(ward_aead_seal(aead, key, iv, none, text, out), WARD_E_INTERNAL);
    assert_code(ward_aead_open(aead, key, iv, none, text, out), WARD_E_INTERNAL);
}

static void what_openssl_cannot_count_is_refused(void **state)
{
    (void)state;
    uint8_t byte = 0, out[32];
    struct ward_bytes huge = {&byte, (size_t)INT_MAX + 1}, one = {&byte, 1};
    assert_code(ward_aead_seal(aead, key, iv, huge, one, out), WARD_E_EXHAUSTED);
    assert_code(ward_aead_seal(aead, key, iv, one, huge, out), WARD_E_EXHAUSTED);
    assert_code(ward_aead_seal(aead, key, iv, one, WARD_BYTES(&byte, SIZE_MAX), out),
                WARD_E_EXHAUSTED);
}

static void text_is_sealed_and_opened_in_place(void **state)
{
    (void)state;
    uint8_t text[100 + WARD_AEAD_TAG_SIZE], before[100];
    memset(before, 0x42, sizeof(before));
    memcpy(text, before, sizeof(before));
    struct ward_bytes aad = WARD_BYTES_LITERAL("context");
    assert_ok(ward_aead_seal(aead, key, iv, aad, WARD_BYTES(text, 100), text));
    assert_memory_not_equal(text, before, 100);
    assert_ok(ward_aead_open(aead, key, iv, aad, WARD_BYTES_ARRAY(text), text));
    assert_memory_equal(text, before, 100);
}

static void one_key_seals_and_opens_many_as_single_calls_do(void **state)
{
    (void)state;
    struct ward_bytes aad = WARD_BYTES_LITERAL("context"), text = WARD_BYTES_LITERAL("text");
    uint8_t single[20], sealed[20], out[4], other_iv[sizeof(iv)];
    memcpy(other_iv, iv, sizeof(iv));
    assert_ok(ward_aead_seal(aead, key, iv, aad, text, single));
    assert_ok(ward_aead_key(aead, key));
    for (int i = 0; i < 3; i++) { /* in turns, and on after a refusal */
        assert_ok(ward_aead_seal_next(aead, iv, aad, text, sealed));
        assert_memory_equal(sealed, single, sizeof(single));
        assert_ok(ward_aead_open_next(aead, iv, aad, WARD_BYTES_ARRAY(sealed), out));
        assert_memory_equal(out, "text", 4);
        other_iv[11] ^= 1;
        assert_code(ward_aead_open_next(aead, other_iv, aad, WARD_BYTES_ARRAY(sealed), out),
                    WARD_E_CIPHERTEXT);
        assert_memory_equal(out, "\0\0\0\0", 4);
        other_iv[11] ^= 1;
        assert_code(ward_aead_open_next(aead, iv, aad, WARD_BYTES(sealed, 15), out),
                    WARD_E_CIPHERTEXT);
    }
    /* A second key takes the first one's place. */
    uint8_t other_key[sizeof(key)] = {0xff};
    assert_ok(ward_aead_key(aead, other_key));
    assert_code(ward_aead_open_next(aead, iv, aad, WARD_BYTES_ARRAY(sealed), out),
                WARD_E_CIPHERTEXT);
    assert_ok(ward_aead_forget(aead));
}

static void without_a_key_nothing_is_sealed_or_opened(void **state)
{
    (void)state;
    struct ward_bytes aad = WARD_BYTES_LITERAL("context"), text = WARD_BYTES_LITERAL("text");
    uint8_t sealed[20], out[4];
    struct ward_aead *fresh = NULL;
    assert_ok(ward_aead_new(&fresh));
    assert_code(ward_aead_seal_next(fresh, iv, aad, text, sealed), WARD_E_INTERNAL);
    assert_ok(ward_aead_key(fresh, key));
    assert_ok(ward_aead_seal_next(fresh, iv, aad, text, sealed));
    assert_ok(ward_aead_forget(fresh));
    for (int i = 0; i < 2; i++) {
        assert_code(ward_aead_seal_next(fresh, iv, aad, text, sealed), WARD_E_INTERNAL);
        memset(out, 7, sizeof(out));
        assert_code(ward_aead_open_next(fresh, iv, aad, WARD_BYTES_ARRAY(sealed), out),
                    WARD_E_INTERNAL);
        assert_memory_equal(out, "\0\0\0\0", 4);
        /* A single call between ends the key that was set up for many. */
        assert_ok(ward_aead_key(fresh, key));
        assert_ok(ward_aead_open(fresh, key, iv, aad, WARD_BYTES_ARRAY(sealed), out));
    }
    ward_aead_free(fresh);
}

static void an_openssl_without_the_algorithm_is_reported(void **state)
{
    (void)state;
    struct ward_aead *other = NULL;
    assert_int_equal(EVP_set_default_properties(NULL, "provider=absent"), 1);
    ward_status status = ward_aead_new(&other);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    assert_code(status, WARD_E_INTERNAL);
    assert_int_equal(status.domain, WARD_DOMAIN_OPENSSL);
    assert_int_not_equal(status.foreign, 0);
    assert_int_equal(ERR_peek_error(), 0);
    assert_null(other);
}

static void freeing_nothing_is_fine(void **state)
{
    (void)state;
    ward_aead_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_seal_and_open),
        cmocka_unit_test(a_context_that_failed_still_works),
        cmocka_unit_test(every_flipped_bit_is_refused_and_nothing_comes_out),
        cmocka_unit_test(another_key_iv_or_context_is_refused),
        cmocka_unit_test(a_refusal_leaves_no_error_in_the_queue),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(an_empty_text_is_authenticated_too),
        cmocka_unit_test(a_missing_context_is_our_bug),
        cmocka_unit_test(what_openssl_cannot_count_is_refused),
        cmocka_unit_test(text_is_sealed_and_opened_in_place),
        cmocka_unit_test(one_key_seals_and_opens_many_as_single_calls_do),
        cmocka_unit_test(without_a_key_nothing_is_sealed_or_opened),
        cmocka_unit_test(an_openssl_without_the_algorithm_is_reported),
        cmocka_unit_test(freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
