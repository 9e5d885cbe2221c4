/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, HMAC and HKDF against the vectors of their standards. */
#include "tests/unit/base/check.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/digest.h"

static struct ward_digest *digest;

static int set_up(void **state)
{
    (void)state;
    return ward_ok(ward_digest_new(&digest)) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    ward_digest_free(digest);
    ward_digest_free(NULL);
    return 0;
}

static void sha256_follows_fips_180(void **state)
{
    (void)state;
    uint8_t out[32];
    struct ward_bytes abc = WARD_BYTES_LITERAL("abc");
    struct ward_bytes two_blocks =
        WARD_BYTES_LITERAL("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
    assert_ok(ward_sha256(digest, NULL, 0, out));
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ok(ward_sha256(digest, &abc, 1, out));
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(ward_sha256(digest, &two_blocks, 1, out));
    assert_hex(out, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void parts_count_as_one_text(void **state)
{
    (void)state;
    uint8_t out[32];
    struct ward_bytes parts[] = {WARD_BYTES_LITERAL("a"),
                                 {0},
                                 WARD_BYTES_LITERAL("b"),
                                 WARD_BYTES_LITERAL(""),
                                 WARD_BYTES_LITERAL("c")};
    assert_ok(ward_sha256(digest, parts, 5, out));
    assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmac_follows_rfc_4231(void **state)
{
    (void)state;
    uint8_t key[131], data[152], out[32];
    struct ward_bytes part = WARD_BYTES_LITERAL("Hi There");
    memset(key, 0x0b, 20);
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES(key, 20), &part, 1, out));
    assert_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");

    memset(key, 0xaa, 131);
    memset(data, 0xdd, 50);
    part = WARD_BYTES(data, 50);
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES(key, 20), &part, 1, out));
    assert_hex(out, 32, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");

    uint8_t counting[25];
    for (size_t i = 0; i < 25; i++) {
        counting[i] = (uint8_t)(i + 1);
    }
    memset(data, 0xcd, 50);
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES_ARRAY(counting), &part, 1, out));
    assert_hex(out, 32, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");

    part = WARD_BYTES_LITERAL("Test Using Larger Than Block-Size Key - Hash Key First");
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES(key, 131), &part, 1, out));
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");

    part = WARD_BYTES_LITERAL("This is a test using a larger than block-size key and a larger "
                              "than block-size data. The key needs to be hashed before being "
                              "used by the HMAC algorithm.");
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES(key, 131), &part, 1, out));
    assert_hex(out, 32, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

static void hmac_is_openssls_for_keys_around_a_block(void **state)
{
    (void)state;
    uint8_t key[200], out[32], expected[32];
    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i * 7 + 1);
    }
    const struct ward_bytes parts[] = {WARD_BYTES_LITERAL("what "), {0}, WARD_BYTES_LITERAL("is")};
    for (size_t size = 16; size <= sizeof(key); size++) {
        unsigned n = 0;
        assert_non_null(
            HMAC(EVP_sha256(), key, (int)size, (const uint8_t *)"what is", 7, expected, &n));
        assert_ok(ward_hmac_sha256(digest, WARD_BYTES(key, size), parts, 3, out));
        assert_memory_equal(out, expected, sizeof(out));
    }
}

static void hmac_with_a_short_key_is_our_bug(void **state)
{
    (void)state;
    uint8_t out[32];
    struct ward_bytes part = WARD_BYTES_LITERAL("what do ya want for nothing?");
    assert_code(ward_hmac_sha256(digest, WARD_BYTES_LITERAL("Jefe"), &part, 1, out),
                WARD_E_INTERNAL);
    assert_code(ward_hmac_sha256(digest, WARD_BYTES_LITERAL("fifteen bytes.."), &part, 1, out),
                WARD_E_INTERNAL);
    assert_code(ward_hmac_sha256(digest, (struct ward_bytes){0}, &part, 1, out), WARD_E_INTERNAL);
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES_LITERAL("sixteen bytes..."), &part, 1, out));
}

static void hmac_forgets_the_key_before(void **state)
{
    (void)state;
    uint8_t first[32], other[32], again[32];
    struct ward_bytes part = WARD_BYTES_LITERAL("text");
    struct ward_bytes a = WARD_BYTES_LITERAL("key a, sixteen..");
    assert_ok(ward_hmac_sha256(digest, a, &part, 1, first));
    assert_ok(ward_hmac_sha256(digest, WARD_BYTES_LITERAL("key b, sixteen.."), &part, 1, other));
    assert_ok(ward_hmac_sha256(digest, a, &part, 1, again));
    assert_memory_equal(first, again, 32);
    assert_memory_not_equal(first, other, 32);
}

struct hkdf_vector {
    const char *key, *salt, *info, *out;
};

static const struct hkdf_vector hkdf_vectors[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2"
     "e2f"
     "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8"
     "e8f"
     "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcddd"
     "edf"
     "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590"
     "e09"
     "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

static void hkdf_follows_rfc_5869(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct hkdf_vector *v = &hkdf_vectors[i];
        uint8_t key[80], salt[80], info[80], out[82];
        size_t size = strlen(v->out) / 2;
        assert_ok(ward_hkdf_sha256(digest, from_hex(v->key, key), from_hex(v->salt, salt),
                                   from_hex(v->info, info), out, size));
        assert_hex(out, size, v->out);
    }
}

static void hkdf_gives_the_same_beginning_at_every_size(void **state)
{
    (void)state;
    static uint8_t most[255 * 32], out[255 * 32];
    struct ward_bytes key = WARD_BYTES_LITERAL("an input key of some length");
    struct ward_bytes none = {0};
    assert_ok(ward_hkdf_sha256(digest, key, none, none, most, sizeof(most)));
    for (size_t size = 1; size < sizeof(most); size += 331) {
        assert_ok(ward_hkdf_sha256(digest, key, none, none, out, size));
        assert_memory_equal(out, most, size);
    }
}

static void hkdf_of_impossible_sizes_or_without_a_key_is_our_bug(void **state)
{
    (void)state;
    static uint8_t out[255 * 32 + 1];
    struct ward_bytes key = WARD_BYTES_LITERAL("key"), none = {0};
    assert_code(ward_hkdf_sha256(digest, key, none, none, out, 255 * 32 + 1), WARD_E_INTERNAL);
    assert_code(ward_hkdf_sha256(digest, key, none, none, out, 0), WARD_E_INTERNAL);
    assert_code(ward_hkdf_sha256(digest, none, none, none, out, 32), WARD_E_INTERNAL);
}

static void an_openssl_without_the_algorithm_is_reported(void **state)
{
    (void)state;
    struct ward_digest *other = NULL;
    assert_int_equal(EVP_set_default_properties(NULL, "provider=absent"), 1);
    ward_status status = ward_digest_new(&other);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    assert_code(status, WARD_E_INTERNAL);
    assert_int_equal(status.domain, WARD_DOMAIN_OPENSSL);
    assert_null(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_follows_fips_180),
        cmocka_unit_test(parts_count_as_one_text),
        cmocka_unit_test(hmac_follows_rfc_4231),
        cmocka_unit_test(hmac_is_openssls_for_keys_around_a_block),
        cmocka_unit_test(hmac_with_a_short_key_is_our_bug),
        cmocka_unit_test(hmac_forgets_the_key_before),
        cmocka_unit_test(hkdf_follows_rfc_5869),
        cmocka_unit_test(hkdf_gives_the_same_beginning_at_every_size),
        cmocka_unit_test(hkdf_of_impossible_sizes_or_without_a_key_is_our_bug),
        cmocka_unit_test(an_openssl_without_the_algorithm_is_reported),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
