/* SPDX-License-Identifier: Apache-2.0 */
/* Who a certificate names, and the many ways in which it names nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "server/authn/peer.h"
#include "tests/unit/server/certificate.h"

#define L(s) WARD_BYTES_LITERAL(s)

static struct ward_peer *peer_of(const struct certificate_wish *wish)
{
    struct ward_bytes der = certificate_make(wish);
    struct ward_peer *peer = NULL;
    assert_true(ward_ok(ward_peer_new(der, "127.0.0.1:4000", &peer)));
    OPENSSL_free((void *)der.data);
    return peer;
}

static struct ward_peer *peer_with_uri(struct ward_bytes uri)
{
    return peer_of(&(struct certificate_wish){.uris = &uri, .n_uris = 1});
}

static void refused(struct ward_peer *peer, const char *text)
{
    assert_int_equal(peer->status.code, WARD_E_UNAUTHENTICATED);
    assert_string_equal(ward_status_refusal(peer->status), text);
    assert_string_equal(peer->identity, "");
    ward_peer_unref(peer);
}

static void the_one_san_uri_is_the_identity(void **state)
{
    (void)state;
    struct ward_peer *peer = peer_with_uri(L("spiffe://ward.example/app"));
    assert_true(ward_ok(peer->status));
    assert_string_equal(peer->identity, "spiffe://ward.example/app");
    assert_string_equal(peer->address, "127.0.0.1:4000");
    ward_peer_unref(peer);
}

static void other_names_beside_the_uri_do_not_matter(void **state)
{
    (void)state;
    struct ward_bytes uri = L("spiffe://t/a");
    struct ward_peer *peer =
        peer_of(&(struct certificate_wish){.uris = &uri, .n_uris = 1, .dns = "a.example"});
    assert_string_equal(peer->identity, "spiffe://t/a");
    ward_peer_unref(peer);
}

static void without_a_uri_the_identity_is_the_hash_of_the_key(void **state)
{
    (void)state;
    const char *names[] = {NULL, "a.example"};
    for (size_t i = 0; i < 2; i++) {
        struct ward_peer *peer = peer_of(&(struct certificate_wish){.dns = names[i]});
        char expected[128] = "key:sha256:";
        ward_hex_encode(WARD_BYTES_ARRAY(peer->public_key_hash), expected + strlen(expected));
        assert_true(ward_ok(peer->status));
        assert_string_equal(peer->identity, expected);
        ward_peer_unref(peer);
    }
}

static void two_san_uris_name_nobody(void **state)
{
    (void)state;
    const struct ward_bytes different[] = {L("spiffe://t/a"), L("spiffe://t/b")};
    const struct ward_bytes same[] = {L("spiffe://t/a"), L("spiffe://t/a")};
    const struct ward_bytes empty[] = {L(""), L("spiffe://t/a")};
    const struct ward_bytes *cases[] = {different, same, empty};
    for (size_t i = 0; i < 3; i++) {
        refused(peer_of(&(struct certificate_wish){.uris = cases[i], .n_uris = 2}),
                "certificate: more than one SAN URI");
    }
}

static void two_san_extensions_name_nobody(void **state)
{
    (void)state;
    struct ward_bytes uri = L("spiffe://t/a");
    struct ward_bytes der =
        certificate_make(&(struct certificate_wish){.uris = &uri, .n_uris = 1, .two_sans = true});
    struct ward_peer *peer = NULL;
    assert_true(ward_ok(ward_peer_new(der, "x", &peer)));
    OPENSSL_free((void *)der.data);
    refused(peer, "certificate: more than one SAN extension");
}

static void a_san_that_does_not_parse_names_nobody(void **state)
{
    (void)state;
    refused(peer_of(&(struct certificate_wish){.broken_san = true}),
            "certificate: SAN extension that does not parse");
}

static void bad_characters_name_nobody(void **state)
{
    (void)state;
    const struct ward_bytes uris[] = {
        L("spiffe://t/a\0b"), L("spiffe://t/a b"),      L("spiffe://t/a\n"),
        L("spiffe://t/\"a"),  L("spiffe://t/<a>"),      L("spiffe://t/a\\b"),
        L("spiffe://t/\x7f"), L("spiffe://t/\xc3\xa9"), L("\0"),
        L("spiffe://t/a\0"),
    };
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        refused(peer_with_uri(uris[i]),
                "certificate: SAN URI with a character that is not allowed");
    }
}

static void a_name_without_a_scheme_names_nobody(void **state)
{
    (void)state;
    const struct ward_bytes uris[] = {L("system"), L("app"), L("spiffe:"),
                                      L("//t/a"),  L(":a"),  L("1a:b")};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        refused(peer_with_uri(uris[i]), "certificate: SAN URI without a scheme");
    }
    refused(peer_with_uri(L("")), "certificate: empty SAN URI");
}

static void nobody_can_write_a_key_identity_into_a_certificate(void **state)
{
    (void)state;
    const struct ward_bytes uris[] = {L("key:sha256:00"), L("KEY:sha256:00"), L("Key:x")};
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        refused(peer_with_uri(uris[i]), "certificate: SAN URI with the reserved scheme key");
    }
}

static void the_longest_name_has_511_bytes(void **state)
{
    (void)state;
    char uri[WARD_IDENTITY_MAX + 1];
    memset(uri, 'a', sizeof(uri));
    memcpy(uri, "x:", 2);
    struct ward_peer *peer = peer_with_uri(WARD_BYTES(uri, WARD_IDENTITY_MAX - 1));
    assert_true(ward_ok(peer->status));
    assert_int_equal(strlen(peer->identity), WARD_IDENTITY_MAX - 1);
    ward_peer_unref(peer);
    refused(peer_with_uri(WARD_BYTES(uri, WARD_IDENTITY_MAX)),
            "certificate: SAN URI longer than 511 bytes");
}

static void siblings_share_the_name_and_nothing_else(void **state)
{
    (void)state;
    struct ward_bytes uri = L("spiffe://t/a");
    EVP_PKEY *key = certificate_key();
    struct ward_peer *first =
        peer_of(&(struct certificate_wish){.uris = &uri, .n_uris = 1, .key = key});
    struct ward_peer *renewed =
        peer_of(&(struct certificate_wish){.uris = &uri, .n_uris = 1, .key = key, .serial = 7});
    struct ward_peer *other = peer_of(&(struct certificate_wish){.uris = &uri, .n_uris = 1});
    assert_string_equal(first->identity, other->identity);
    assert_memory_not_equal(first->certificate_hash, renewed->certificate_hash, 32);
    assert_memory_equal(first->public_key_hash, renewed->public_key_hash, 32);
    assert_memory_not_equal(first->certificate_hash, other->certificate_hash, 32);
    assert_memory_not_equal(first->public_key_hash, other->public_key_hash, 32);
    ward_peer_unref(first);
    ward_peer_unref(renewed);
    ward_peer_unref(other);
    EVP_PKEY_free(key);
}

static void what_is_no_certificate_names_nobody(void **state)
{
    (void)state;
    struct ward_peer *peer = NULL;
    static uint8_t large[20000];
    assert_true(ward_ok(ward_peer_new((struct ward_bytes){0}, "x", &peer)));
    refused(peer, "certificate: larger than 16 KiB, or none");
    assert_true(ward_ok(ward_peer_new(WARD_BYTES_ARRAY(large), "x", &peer)));
    refused(peer, "certificate: larger than 16 KiB, or none");
    assert_true(ward_ok(ward_peer_new(L("certificate"), "x", &peer)));
    refused(peer, "certificate: does not parse");
}

/* Every cut, every byte behind the end, and one flipped bit in each byte: refused or named, never a
 * crash. */
static void damaged_certificates_never_crash_and_never_gain_bytes(void **state)
{
    (void)state;
    struct ward_bytes uri = L("spiffe://t/a");
    struct ward_bytes der = certificate_make(&(struct certificate_wish){.uris = &uri, .n_uris = 1});
    uint8_t *copy = malloc(der.size + 1);
    assert_non_null(copy);
    memcpy(copy, der.data, der.size);
    copy[der.size] = 0;
    struct ward_peer *peer = NULL;
    for (size_t size = 0; size < der.size; size++) {
        assert_true(ward_ok(ward_peer_new(WARD_BYTES(copy, size), "x", &peer)));
        assert_int_equal(peer->status.code, WARD_E_UNAUTHENTICATED);
        ward_peer_unref(peer);
    }
    assert_true(ward_ok(ward_peer_new(WARD_BYTES(copy, der.size + 1), "x", &peer)));
    refused(peer, "certificate: does not parse");
    for (size_t i = 0; i < der.size; i++) {
        copy[i] ^= (uint8_t)(1u << i % 8);
        assert_true(ward_ok(ward_peer_new(WARD_BYTES(copy, der.size), "x", &peer)));
        ward_peer_unref(peer);
        copy[i] = der.data[i];
    }
    free(copy);
    OPENSSL_free((void *)der.data);
}

/* The certificate of the key with its signature (r, s) as (r, n - s): made by whoever has it. */
static struct ward_bytes twin_of(struct ward_bytes der, EVP_PKEY *key)
{
    const uint8_t *at = der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    const ASN1_BIT_STRING *bits = NULL;
    X509_get0_signature(&bits, NULL, certificate);
    at = bits->data;
    ECDSA_SIG *one = d2i_ECDSA_SIG(NULL, &at, bits->length), *other = ECDSA_SIG_new();
    BIGNUM *order = NULL, *s = BN_new();
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_ORDER, &order), 1);
    assert_int_equal(BN_sub(s, order, ECDSA_SIG_get0_s(one)), 1);
    assert_int_equal(ECDSA_SIG_set0(other, BN_dup(ECDSA_SIG_get0_r(one)), s), 1);
    uint8_t *signature = NULL, *twin = NULL;
    int size = i2d_ECDSA_SIG(other, &signature);
    assert_true(ASN1_BIT_STRING_set((ASN1_BIT_STRING *)bits, signature, size) == 1);
    assert_int_equal(X509_verify(certificate, key), 1); /* as good as the first */
    size = i2d_X509(certificate, &twin);
    OPENSSL_free(signature);
    ECDSA_SIG_free(one);
    ECDSA_SIG_free(other);
    BN_free(order);
    X509_free(certificate);
    return WARD_BYTES(twin, (size_t)size);
}

static void a_certificate_is_known_by_its_other_signature(void **state)
{
    (void)state;
    static const char *const curves[] = {"P-256", "P-384", "P-521"};
    for (size_t i = 0; i < 30; i++) { /* sizes of signatures differ */
        EVP_PKEY *key = EVP_EC_gen(curves[i % 3]);
        struct ward_bytes der = certificate_make(&(struct certificate_wish){.key = key});
        struct ward_bytes twin = twin_of(der, key);
        struct ward_peer *one = NULL, *other = NULL;
        assert_true(ward_ok(ward_peer_new(der, "x", &one)));
        assert_true(ward_ok(ward_peer_new(twin, "x", &other)));
        assert_true(one->has_twin && other->has_twin);
        assert_memory_not_equal(one->certificate_hash, other->certificate_hash, 32);
        assert_memory_equal(one->twin_hash, other->certificate_hash, 32);
        assert_memory_equal(other->twin_hash, one->certificate_hash, 32);
        ward_peer_unref(one);
        ward_peer_unref(other);
        OPENSSL_free((void *)der.data);
        OPENSSL_free((void *)twin.data);
        EVP_PKEY_free(key);
    }
}

static void an_rsa_signature_has_no_other(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_RSA_gen(2048);
    struct ward_peer *peer = peer_of(&(struct certificate_wish){.key = key});
    assert_true(ward_ok(peer->status) && !peer->has_twin);
    ward_peer_unref(peer);
    EVP_PKEY_free(key);
}

/* The same certificate with more bytes for its size than it needs would have another digest. */
static void another_encoding_of_a_certificate_is_refused(void **state)
{
    (void)state;
    struct ward_bytes der = certificate_make(&(struct certificate_wish){.serial = 1});
    uint8_t *longer = malloc(der.size + 1);
    assert_true(longer != NULL && der.data[1] == 0x82); /* two bytes of size; now three */
    memcpy(longer, der.data, 2);
    longer[1] = 0x83;
    longer[2] = 0;
    memcpy(longer + 3, der.data + 2, der.size - 2);
    struct ward_peer *peer = NULL;
    assert_true(ward_ok(ward_peer_new(WARD_BYTES(longer, der.size + 1), "x", &peer)));
    refused(peer, "certificate: does not parse");
    free(longer);
    OPENSSL_free((void *)der.data);
}

static void a_long_address_is_cut(void **state)
{
    (void)state;
    char address[200];
    memset(address, '1', sizeof(address) - 1);
    address[sizeof(address) - 1] = '\0';
    struct ward_peer *peer = NULL;
    assert_true(ward_ok(ward_peer_new(L("x"), address, &peer)));
    assert_int_equal(strlen(peer->address), sizeof(peer->address) - 1);
    ward_peer_unref(ward_peer_ref(peer));
    ward_peer_unref(peer);
    ward_peer_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_san_uri_is_the_identity),
        cmocka_unit_test(other_names_beside_the_uri_do_not_matter),
        cmocka_unit_test(without_a_uri_the_identity_is_the_hash_of_the_key),
        cmocka_unit_test(two_san_uris_name_nobody),
        cmocka_unit_test(two_san_extensions_name_nobody),
        cmocka_unit_test(a_san_that_does_not_parse_names_nobody),
        cmocka_unit_test(bad_characters_name_nobody),
        cmocka_unit_test(a_name_without_a_scheme_names_nobody),
        cmocka_unit_test(nobody_can_write_a_key_identity_into_a_certificate),
        cmocka_unit_test(the_longest_name_has_511_bytes),
        cmocka_unit_test(siblings_share_the_name_and_nothing_else),
        cmocka_unit_test(what_is_no_certificate_names_nobody),
        cmocka_unit_test(damaged_certificates_never_crash_and_never_gain_bytes),
        cmocka_unit_test(a_certificate_is_known_by_its_other_signature),
        cmocka_unit_test(an_rsa_signature_has_no_other),
        cmocka_unit_test(another_encoding_of_a_certificate_is_refused),
        cmocka_unit_test(a_long_address_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
