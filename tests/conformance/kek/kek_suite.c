/* SPDX-License-Identifier: Apache-2.0 */
/* What backends/kek.h promises, tried on whatever implementation main() opened. Must not know
 * which. */
#include "tests/conformance/kek/kek_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static struct ward_kek *kek;
static struct ward_kek_session *session;
static struct ward_kek_ref key; /* made once for those tests that need any */

struct ward_kek_ref kek_new_ref(void)
{
    struct ward_kek_ref ref = {.version = 1};
    assert_true(ward_ok(ward_id_random(&ref.id)));
    return ref;
}

struct ward_kek_ref kek_new_key(struct ward_kek_session *in)
{
    struct ward_kek_ref ref = kek_new_ref();
    assert_int_equal(ward_kek_create(in, &ref, "conformance").code, WARD_E_OK);
    return ref;
}

struct ward_kek_item kek_wrap_item(const struct ward_kek_ref *ref, struct ward_bytes plain,
                                   uint8_t *out)
{
    return (struct ward_kek_item){
        .verb = WARD_KEK_WRAP, .proof = true, .key = *ref, .aad = KEK_AAD, .in = plain, .out = out};
}

struct ward_kek_item kek_unwrap_item(const struct ward_kek_ref *ref, struct ward_bytes blob,
                                     uint8_t *out)
{
    return (struct ward_kek_item){
        .verb = WARD_KEK_UNWRAP, .key = *ref, .aad = KEK_AAD, .in = blob, .out = out};
}

enum ward_code kek_run_one(struct ward_kek_session *in, struct ward_kek_item *item)
{
    ward_status status = ward_kek_run(in, item, 1);
    assert_true(ward_ok(status) || status.code == item->status.code);
    assert_true(ward_ok(item->status) || item->out_size == 0);
    return item->status.code;
}

static struct ward_bytes wrapped(const struct ward_kek_ref *ref, struct ward_bytes plain,
                                 uint8_t *blob)
{
    struct ward_kek_item item = kek_wrap_item(ref, plain, blob);
    assert_int_equal(kek_run_one(session, &item), WARD_E_OK);
    assert_true(item.out_size > plain.size && item.out_size <= WARD_KEK_BLOB_MAX);
    return WARD_BYTES(blob, item.out_size);
}

static void assert_opens_to(const struct ward_kek_ref *ref, struct ward_bytes blob,
                            struct ward_bytes plain)
{
    uint8_t out[WARD_KEK_PLAIN_MAX];
    struct ward_kek_item item = kek_unwrap_item(ref, blob, out);
    assert_int_equal(kek_run_one(session, &item), WARD_E_OK);
    assert_int_equal(item.out_size, plain.size);
    assert_memory_equal(out, plain.data, plain.size);
}

static void assert_does_not_open(struct ward_kek_item item)
{
    uint8_t out[WARD_KEK_PLAIN_MAX] = {0};
    static const uint8_t zero[WARD_KEK_PLAIN_MAX];
    item.out = out;
    assert_int_equal(kek_run_one(session, &item), WARD_E_CIPHERTEXT);
    assert_memory_equal(out, zero, sizeof(out));
}

static void unwrap_gives_what_was_wrapped_for_every_size(void **state)
{
    (void)state;
    uint8_t plain[WARD_KEK_PLAIN_MAX], blob[WARD_KEK_BLOB_MAX];
    for (size_t size = 1; size <= sizeof(plain); size++) {
        memset(plain, (int)size, sizeof(plain));
        struct ward_bytes in = WARD_BYTES(plain, size);
        assert_opens_to(&key, wrapped(&key, in, blob), in);
    }
}

static void two_wraps_of_one_key_differ(void **state)
{
    (void)state;
    uint8_t a[WARD_KEK_BLOB_MAX], b[WARD_KEK_BLOB_MAX];
    struct ward_bytes first = wrapped(&key, KEK_PLAIN, a), second = wrapped(&key, KEK_PLAIN, b);
    assert_false(ward_bytes_eq(first, second));
}

static void unwrap_fails_when_context_differs(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_kek_item item = kek_unwrap_item(&key, wrapped(&key, KEK_PLAIN, blob), NULL);
    item.aad = WARD_BYTES_LITERAL("header|subject=8");
    assert_does_not_open(item);
    item.aad = WARD_BYTES(KEK_AAD.data, KEK_AAD.size - 1);
    assert_does_not_open(item);
}

static void unwrap_fails_for_each_flipped_bit(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_bytes whole = wrapped(&key, KEK_PLAIN, blob);
    for (size_t bit = 0; bit < whole.size * 8; bit++) {
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_does_not_open(kek_unwrap_item(&key, whole, NULL));
        blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_opens_to(&key, whole, KEK_PLAIN);
}

static void unwrap_fails_when_cut_or_extended(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX + 1] = {0};
    struct ward_bytes whole = wrapped(&key, KEK_PLAIN, blob);
    for (size_t size = 0; size <= sizeof(blob); size++) {
        if (size != whole.size) {
            assert_does_not_open(kek_unwrap_item(&key, WARD_BYTES(blob, size), NULL));
        }
    }
}

static void unwrap_fails_under_another_key_or_version(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_kek_ref other = kek_new_key(session), next = {key.id, key.version + 1};
    assert_true(ward_ok(ward_kek_create(session, &next, "next version")));
    struct ward_bytes whole = wrapped(&key, KEK_PLAIN, blob);
    assert_does_not_open(kek_unwrap_item(&other, whole, NULL));
    assert_does_not_open(kek_unwrap_item(&next, whole, NULL));
}

static void unknown_key_is_not_found_and_its_neighbours_are_answered(void **state)
{
    (void)state;
    uint8_t out[3][WARD_KEK_BLOB_MAX];
    struct ward_kek_ref unknown = kek_new_ref();
    struct ward_kek_item items[] = {kek_wrap_item(&key, KEK_PLAIN, out[0]),
                                    kek_wrap_item(&unknown, KEK_PLAIN, out[1]),
                                    kek_wrap_item(&key, KEK_PLAIN, out[2])};
    assert_true(ward_ok(ward_kek_run(session, items, 3)));
    assert_int_equal(items[0].status.code, WARD_E_OK);
    assert_int_equal(items[1].status.code, WARD_E_NOT_FOUND);
    assert_int_equal(items[1].out_size, 0);
    assert_int_equal(items[2].status.code, WARD_E_OK);
}

static void context_of_the_largest_size_works(void **state)
{
    (void)state;
    static uint8_t aad[WARD_KEK_AAD_MAX + 1];
    uint8_t blob[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    memset(aad, 'x', sizeof(aad));
    struct ward_kek_item wrap = kek_wrap_item(&key, KEK_PLAIN, blob);
    wrap.aad = WARD_BYTES(aad, WARD_KEK_AAD_MAX);
    assert_int_equal(kek_run_one(session, &wrap), WARD_E_OK);
    struct ward_kek_item unwrap = kek_unwrap_item(&key, WARD_BYTES(blob, wrap.out_size), out);
    unwrap.aad = wrap.aad;
    assert_int_equal(kek_run_one(session, &unwrap), WARD_E_OK);
    aad[WARD_KEK_AAD_MAX - 1] ^= 1;
    assert_does_not_open(unwrap);
    wrap.aad = WARD_BYTES_ARRAY(aad);
    assert_int_equal(kek_run_one(session, &wrap), WARD_E_INTERNAL);
}

static void impossible_arguments_are_refused(void **state)
{
    (void)state;
    uint8_t plain[WARD_KEK_PLAIN_MAX + 1] = {0}, blob[WARD_KEK_BLOB_MAX];
    struct ward_kek_item item = kek_wrap_item(&key, WARD_BYTES(plain, 0), blob);
    assert_int_equal(kek_run_one(session, &item), WARD_E_INTERNAL);
    item = kek_wrap_item(&key, WARD_BYTES_ARRAY(plain), blob);
    assert_int_equal(kek_run_one(session, &item), WARD_E_INTERNAL);
    item = kek_wrap_item(&key, KEK_PLAIN, blob);
    item.aad = (struct ward_bytes){0};
    assert_int_equal(kek_run_one(session, &item), WARD_E_INTERNAL);
    item = kek_wrap_item(&key, KEK_PLAIN, NULL);
    assert_int_equal(kek_run_one(session, &item), WARD_E_INTERNAL);
    assert_int_equal(ward_kek_run(session, &item, WARD_KEK_BATCH_MAX + 1).code, WARD_E_INTERNAL);
    assert_true(ward_ok(ward_kek_run(session, NULL, 0)));
}

static void labels_that_are_empty_too_long_or_no_utf8_are_refused(void **state)
{
    (void)state;
    char label[130];
    memset(label, 'l', sizeof(label));
    label[129] = '\0';
    struct ward_kek_ref ref = kek_new_ref();
    struct ward_kek_attest attest;
    assert_int_equal(ward_kek_create(session, &ref, "").code, WARD_E_INVALID);
    assert_int_equal(ward_kek_create(session, &ref, label).code, WARD_E_INVALID);
    assert_int_equal(ward_kek_create(session, &ref, "\xff").code, WARD_E_INVALID);
    assert_true(ward_ok(ward_kek_attest(session, &ref, &attest)));
    assert_false(attest.present);
    label[128] = '\0';
    assert_int_equal(ward_kek_create(session, &ref, label).code, WARD_E_OK);
}

static void batch_of_the_largest_size_keeps_its_order(void **state)
{
    (void)state;
    size_t n = WARD_KEK_BATCH_MAX;
    struct ward_kek_item *items = calloc(n, sizeof(*items));
    uint8_t(*plain)[WARD_KEK_PLAIN_MAX] = calloc(n, sizeof(*plain));
    uint8_t(*blobs)[WARD_KEK_BLOB_MAX] = calloc(n, sizeof(*blobs));
    assert_true(items != NULL && plain != NULL && blobs != NULL);
    for (size_t i = 0; i < n; i++) {
        ward_put_u32(plain[i], (uint32_t)i);
        items[i] = kek_wrap_item(&key, WARD_BYTES(plain[i], 32), blobs[i]);
        items[i].proof = i % 2 == 0;
    }
    assert_true(ward_ok(ward_kek_run(session, items, n)));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(items[i].status.code, WARD_E_OK);
        items[i] = kek_unwrap_item(&key, WARD_BYTES(blobs[i], items[i].out_size), plain[i]);
        memset(plain[i], 0, sizeof(plain[i]));
    }
    blobs[77][20] ^= 1;
    items[1000].in.size = 3;
    assert_true(ward_ok(ward_kek_run(session, items, n)));
    for (size_t i = 0; i < n; i++) {
        bool bad = i == 77 || i == 1000;
        assert_int_equal(items[i].status.code, bad ? WARD_E_CIPHERTEXT : WARD_E_OK);
        assert_int_equal(ward_get_u32(plain[i]), bad ? 0 : i);
    }
    free(items);
    free(plain);
    free(blobs);
}

static struct ward_kek_item rewrap_item(const struct ward_kek_ref *to, struct ward_bytes blob,
                                        uint8_t *out)
{
    return (struct ward_kek_item){.verb = WARD_KEK_REWRAP,
                                  .proof = true,
                                  .key = *to,
                                  .aad = WARD_BYTES_LITERAL("new header|subject=7"),
                                  .from = key,
                                  .from_aad = KEK_AAD,
                                  .in = blob,
                                  .out = out};
}

static void rewrap_moves_a_key_to_another_kek_and_context(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX], moved[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    struct ward_kek_ref to = kek_new_key(session);
    struct ward_bytes old = wrapped(&key, KEK_PLAIN, blob);
    struct ward_kek_item item = rewrap_item(&to, old, moved);
    assert_int_equal(kek_run_one(session, &item), WARD_E_OK);
    struct ward_kek_item unwrap = kek_unwrap_item(&to, WARD_BYTES(moved, item.out_size), out);
    assert_does_not_open(unwrap); /* in the old context */
    unwrap.aad = item.aad;
    assert_int_equal(kek_run_one(session, &unwrap), WARD_E_OK);
    assert_memory_equal(out, KEK_PLAIN.data, KEK_PLAIN.size);
    assert_opens_to(&key, old, KEK_PLAIN);
}

static void rewrap_fails_like_unwrap(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX], moved[WARD_KEK_BLOB_MAX];
    struct ward_kek_ref to = kek_new_key(session), unknown = kek_new_ref();
    struct ward_bytes old = wrapped(&key, KEK_PLAIN, blob);
    struct ward_kek_item item = rewrap_item(&to, old, moved);
    item.from_aad = WARD_BYTES_LITERAL("header|subject=8");
    assert_int_equal(kek_run_one(session, &item), WARD_E_CIPHERTEXT);
    item = rewrap_item(&unknown, old, moved);
    assert_int_equal(kek_run_one(session, &item), WARD_E_NOT_FOUND);
    item = rewrap_item(&to, old, moved);
    item.from = unknown;
    assert_int_equal(kek_run_one(session, &item), WARD_E_NOT_FOUND);
    blob[old.size - 1] ^= 0x80;
    item = rewrap_item(&to, old, moved);
    assert_int_equal(kek_run_one(session, &item), WARD_E_CIPHERTEXT);
    item.from_aad = (struct ward_bytes){0};
    assert_int_equal(kek_run_one(session, &item), WARD_E_INTERNAL);
}

static void create_refuses_a_reference_that_exists(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_bytes before = wrapped(&key, KEK_PLAIN, blob);
    assert_int_equal(ward_kek_create(session, &key, "again").code, WARD_E_EXISTS);
    assert_opens_to(&key, before, KEK_PLAIN);
}

static void attest_tells_what_is_there(void **state)
{
    (void)state;
    struct ward_kek_attest attest;
    struct ward_kek_ref unknown = kek_new_ref();
    assert_true(ward_ok(ward_kek_attest(session, &key, &attest)));
    assert_true(attest.present && attest.sensitive && attest.non_extractable &&
                attest.never_wrap_with_decrypt && attest.works);
    assert_true(ward_ok(ward_kek_attest(session, &unknown, &attest)));
    assert_false(attest.present || attest.sensitive || attest.non_extractable ||
                 attest.never_wrap_with_decrypt || attest.works);
}

static void key_made_or_destroyed_in_one_session_is_so_in_another(void **state)
{
    (void)state;
    struct ward_kek_session *second = NULL;
    uint8_t blob[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    assert_true(ward_ok(ward_kek_session_open(kek, &second)));
    struct ward_kek_ref ref = kek_new_key(second);
    struct ward_bytes whole = wrapped(&ref, KEK_PLAIN, blob);
    struct ward_kek_item item = kek_unwrap_item(&ref, whole, out);
    assert_int_equal(kek_run_one(second, &item), WARD_E_OK);
    assert_true(ward_ok(ward_kek_destroy(second, &ref)));
    item = kek_unwrap_item(&ref, whole, out);
    assert_int_equal(kek_run_one(session, &item), WARD_E_NOT_FOUND);
    item = kek_unwrap_item(&ref, whole, out);
    assert_int_equal(kek_run_one(second, &item), WARD_E_NOT_FOUND);
    assert_int_equal(ward_kek_destroy(session, &ref).code, WARD_E_NOT_FOUND);
    ward_kek_session_close(second);
}

static void key_that_was_forgotten_works_as_before(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    struct ward_kek_ref ref = kek_new_key(session), unknown = kek_new_ref();
    struct ward_bytes whole = wrapped(&ref, KEK_PLAIN, blob);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(ward_ok(ward_kek_forget(session, &ref)));
        struct ward_kek_item item = kek_unwrap_item(&ref, whole, out);
        assert_int_equal(kek_run_one(session, &item), WARD_E_OK);
    }
    assert_true(ward_ok(ward_kek_forget(session, &unknown)));
    struct ward_kek_item item = kek_unwrap_item(&unknown, whole, out);
    assert_int_equal(kek_run_one(session, &item), WARD_E_NOT_FOUND);
}

/* How often the key is in the list; all pages are read. */
static size_t listed(const struct ward_kek_ref *ref, bool signer, size_t *ret_all)
{
    static struct ward_kek_object objects[WARD_KEK_LIST_MAX];
    size_t found = 0, n = 0;
    *ret_all = 0;
    do {
        assert_true(ward_ok(ward_kek_list(session, (uint32_t)*ret_all, objects, &n)));
        for (size_t i = 0; i < n; i++) {
            found += objects[i].ours && objects[i].signer == signer &&
                     objects[i].ref.version == ref->version &&
                     ward_id_eq(&objects[i].ref.id, &ref->id);
        }
        *ret_all += n;
    } while (n > 0);
    return found;
}

static void every_key_is_listed_once_until_it_is_destroyed(void **state)
{
    (void)state;
    uint8_t public_key[128], algorithm = 0;
    size_t size = 0, before, after;
    struct ward_kek_ref unknown = kek_new_ref(), signer = kek_new_ref();
    assert_int_equal(listed(&unknown, false, &before), 0);
    struct ward_kek_ref ref = kek_new_key(session);
    assert_true(
        ward_ok(ward_kek_create_signer(session, &signer, "signer", &algorithm, public_key, &size)));
    assert_int_equal(listed(&ref, false, &after), 1);
    assert_int_equal(after, before + 2);
    assert_int_equal(listed(&signer, true, &after), 1);
    assert_int_equal(listed(&signer, false, &after), 0);
    assert_true(ward_ok(ward_kek_destroy(session, &ref)));
    assert_int_equal(listed(&ref, false, &after), 0);
    assert_int_equal(after, before + 1);
}

static bool verifies(uint8_t algorithm, struct ward_bytes public_key, struct ward_bytes data,
                     struct ward_bytes signature)
{
    bool edwards = algorithm == WARD_KEK_ED25519;
    const uint8_t *at = public_key.data;
    EVP_PKEY *pkey = edwards
                         ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, at, public_key.size)
                         : d2i_PUBKEY(NULL, &at, (long)public_key.size);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    assert_true(pkey != NULL && md != NULL);
    assert_int_equal(EVP_DigestVerifyInit(md, NULL, edwards ? NULL : EVP_sha256(), NULL, pkey), 1);
    int good = EVP_DigestVerify(md, signature.data, signature.size, data.data, data.size);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(pkey);
    return good == 1;
}

static void signature_verifies_with_the_public_key_and_no_other_data(void **state)
{
    (void)state;
    uint8_t algorithm, public_key[128], signature[80], data[WARD_KEK_SIGN_MAX];
    size_t public_size, size;
    struct ward_kek_ref ref = kek_new_ref();
    assert_int_equal(
        ward_kek_create_signer(session, &ref, "signer", &algorithm, public_key, &public_size).code,
        WARD_E_OK);
    memset(data, 'c', sizeof(data));
    for (size_t n = 1; n <= sizeof(data); n = n < 70 ? n + 1 : n + 1013) {
        struct ward_bytes signed_data = WARD_BYTES(data, n);
        assert_int_equal(
            ward_kek_sign(session, &ref, algorithm, signed_data, signature, &size).code, WARD_E_OK);
        struct ward_bytes by = WARD_BYTES(public_key, public_size),
                          sig = WARD_BYTES(signature, size);
        assert_true(verifies(algorithm, by, signed_data, sig));
        data[0] ^= 1;
        assert_false(verifies(algorithm, by, signed_data, sig));
        data[0] ^= 1;
    }
}

static void signer_refusals(void **state)
{
    (void)state;
    uint8_t algorithm, public_key[128], signature[80], data[WARD_KEK_SIGN_MAX + 1] = {0};
    size_t size;
    struct ward_kek_ref ref = kek_new_ref();
    struct ward_bytes text = WARD_BYTES_LITERAL("checkpoint");
    assert_int_equal(ward_kek_sign(session, &ref, WARD_KEK_ED25519, text, signature, &size).code,
                     WARD_E_NOT_FOUND);
    assert_int_equal(ward_kek_sign(session, &ref, 3, text, signature, &size).code, WARD_E_INTERNAL);
    assert_int_equal(ward_kek_sign(session, &ref, 1, WARD_BYTES_ARRAY(data), signature, &size).code,
                     WARD_E_INTERNAL);
    assert_int_equal(ward_kek_create_signer(session, &ref, "", &algorithm, public_key, &size).code,
                     WARD_E_INVALID);
    assert_true(ward_ok(ward_kek_create_signer(session, &ref, "s", &algorithm, public_key, &size)));
    assert_int_equal(ward_kek_create_signer(session, &ref, "s", &algorithm, public_key, &size).code,
                     WARD_E_EXISTS);
    assert_true(ward_ok(ward_kek_destroy(session, &ref)));
    assert_int_equal(ward_kek_sign(session, &ref, algorithm, text, signature, &size).code,
                     algorithm == 0 ? WARD_E_INTERNAL : WARD_E_NOT_FOUND);
}

static void signer_is_no_kek(void **state)
{
    (void)state;
    uint8_t algorithm, public_key[128], blob[WARD_KEK_BLOB_MAX], signature[80];
    size_t size;
    struct ward_kek_ref ref = kek_new_ref();
    assert_true(ward_ok(ward_kek_create_signer(session, &ref, "s", &algorithm, public_key, &size)));
    struct ward_kek_item item = kek_wrap_item(&ref, KEK_PLAIN, blob);
    assert_int_equal(kek_run_one(session, &item), WARD_E_NOT_FOUND);
    assert_int_equal(ward_kek_sign(session, &key, algorithm, KEK_PLAIN, signature, &size).code,
                     WARD_E_NOT_FOUND);
}

static void probe_finds_the_device(void **state)
{
    (void)state;
    assert_true(ward_ok(ward_kek_probe(session)));
}

int kek_suite_run(const char *name, struct ward_kek *under_test)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unwrap_gives_what_was_wrapped_for_every_size),
        cmocka_unit_test(two_wraps_of_one_key_differ),
        cmocka_unit_test(unwrap_fails_when_context_differs),
        cmocka_unit_test(unwrap_fails_for_each_flipped_bit),
        cmocka_unit_test(unwrap_fails_when_cut_or_extended),
        cmocka_unit_test(unwrap_fails_under_another_key_or_version),
        cmocka_unit_test(unknown_key_is_not_found_and_its_neighbours_are_answered),
        cmocka_unit_test(context_of_the_largest_size_works),
        cmocka_unit_test(impossible_arguments_are_refused),
        cmocka_unit_test(labels_that_are_empty_too_long_or_no_utf8_are_refused),
        cmocka_unit_test(batch_of_the_largest_size_keeps_its_order),
        cmocka_unit_test(rewrap_moves_a_key_to_another_kek_and_context),
        cmocka_unit_test(rewrap_fails_like_unwrap),
        cmocka_unit_test(create_refuses_a_reference_that_exists),
        cmocka_unit_test(attest_tells_what_is_there),
        cmocka_unit_test(key_made_or_destroyed_in_one_session_is_so_in_another),
        cmocka_unit_test(key_that_was_forgotten_works_as_before),
        cmocka_unit_test(every_key_is_listed_once_until_it_is_destroyed),
        cmocka_unit_test(signature_verifies_with_the_public_key_and_no_other_data),
        cmocka_unit_test(signer_refusals),
        cmocka_unit_test(signer_is_no_kek),
        cmocka_unit_test(probe_finds_the_device),
    };
    kek = under_test;
    ward_status status = ward_kek_session_open(kek, &session);
    if (!ward_ok(status)) {
        char text[128];
        print_error("%s: no session: %s\n", name, ward_status_describe(status, text, sizeof(text)));
        return 1;
    }
    key = kek_new_key(session);
    int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);
    ward_kek_session_close(session);
    return failed;
}
