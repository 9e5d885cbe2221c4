/* SPDX-License-Identifier: Apache-2.0 */
/* The dates of what TLS stands on, good and bad. */
#include "server/net/tls_endings.h"

#include <stdio.h>

#include <openssl/x509.h>

#include "tests/unit/base/check.h"

static SSL_CTX *context;
static EVP_PKEY *key;
static long serial;

static int start(void **state)
{
    (void)state;
    context = SSL_CTX_new(TLS_server_method());
    key = EVP_EC_gen("P-256");
    assert_true(context != NULL && key != NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    SSL_CTX_free(context);
    EVP_PKEY_free(key);
    return 0;
}

/* Whatever bytes, as a GeneralizedTime. */
static ASN1_TIME *date(const char *text)
{
    ASN1_TIME *time = ASN1_TIME_new();
    assert_true(time != NULL && ASN1_STRING_set(time, text, -1) == 1);
    time->type = V_ASN1_GENERALIZEDTIME;
    return time;
}

static X509 *certificate(const char *end)
{
    char name[32];
    X509 *made = X509_new();
    ASN1_TIME *not_after = date(end);
    assert_non_null(made);
    (void)snprintf(name, sizeof(name), "ca-%ld", ++serial);
    X509_NAME *subject = X509_get_subject_name(made);
    bool good = X509_set_version(made, 2) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(made), serial) == 1 &&
                X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name,
                                           -1, -1, 0) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(made), 0) != NULL &&
                X509_set1_notAfter(made, not_after) == 1 && X509_set_pubkey(made, key) == 1 &&
                X509_sign(made, key, EVP_sha256()) > 0;
    assert_true(good);
    ASN1_TIME_free(not_after);
    return made;
}

static void use_own(const char *end)
{
    X509 *own = certificate(end);
    assert_int_equal(SSL_CTX_use_certificate(context, own), 1);
    X509_free(own);
}

static void trust(const char *end)
{
    X509 *ca = certificate(end);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca), 1);
    X509_free(ca);
}

static int64_t own_end(const char *end)
{
    struct ward_endings endings;
    use_own(end);
    assert_ok(ward_tls_endings_read(context, &endings));
    assert_int_equal(endings.n[WARD_ENDING_OF_CERTIFICATE], 1);
    return endings.of[WARD_ENDING_OF_CERTIFICATE][0].end_us;
}

static void a_date_that_is_none_is_no_date(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "20261322000000Z",
                                      "20260230000000Z",
                                      "2026112200000Z",
                                      "20261122006100Z",
                                      "99999991231235959Z"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(own_end(bad[i]), 0);
    }
    assert_int_equal(ward_tls_time_us(NULL), 0);
}

static void dates_of_all_centuries_are_read(void **state)
{
    (void)state;
    assert_true(own_end("99991231235959Z") == 253402300799000000LL); /* RFC 5280, 4.1.2.5 */
    assert_true(own_end("20261122000000Z") == 1795305600000000LL);
    assert_true(own_end("19491231235959Z") < 0);
}

static void a_list_without_a_next_one_has_no_date(void **state)
{
    (void)state;
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *begin = date("20260101000000Z");
    assert_true(list != NULL && X509_CRL_set1_lastUpdate(list, begin) == 1 &&
                X509_CRL_sign(list, key, EVP_sha256()) > 0 &&
                X509_STORE_add_crl(SSL_CTX_get_cert_store(context), list) == 1);
    X509_CRL_free(list);
    ASN1_TIME_free(begin);
    struct ward_endings endings;
    use_own("20300101000000Z");
    assert_ok(ward_tls_endings_read(context, &endings));
    assert_int_equal(endings.n[WARD_ENDING_OF_CLIENT_CRL], 1);
    assert_int_equal(endings.of[WARD_ENDING_OF_CLIENT_CRL][0].end_us, 0);
    assert_true(endings.of[WARD_ENDING_OF_CLIENT_CRL][0].begin_us > 0);
}

static void what_is_sent_along_counts_as_our_own(void **state)
{
    (void)state;
    X509 *issuer = certificate("20280101000000Z");
    use_own("20300101000000Z");
    assert_int_equal(SSL_CTX_add1_chain_cert(context, issuer), 1);
    struct ward_endings endings;
    assert_ok(ward_tls_endings_read(context, &endings));
    assert_int_equal(endings.n[WARD_ENDING_OF_CERTIFICATE], 2);
    assert_int_equal(endings.n[WARD_ENDING_OF_CLIENT_CA], 0);
    uint8_t sha256[32];
    assert_int_equal(X509_digest(issuer, EVP_sha256(), sha256, NULL), 1);
    assert_memory_equal(endings.of[WARD_ENDING_OF_CERTIFICATE][0].sha256, sha256, 32);
    X509_free(issuer);
}

static void of_more_than_fit_those_stay_that_end_first(void **state)
{
    (void)state;
    char end[16];
    use_own("20300101000000Z");
    for (unsigned i = 0; i < WARD_ENDINGS_MAX + 20; i++) { /* in no order */
        (void)snprintf(end, sizeof(end), "20%02u0101000000Z", 28 + i * 7 % 52);
        trust(end);
    }
    struct ward_endings endings;
    assert_ok(ward_tls_endings_read(context, &endings));
    const struct ward_ending *list = endings.of[WARD_ENDING_OF_CLIENT_CA];
    assert_int_equal(endings.n[WARD_ENDING_OF_CLIENT_CA], WARD_ENDINGS_MAX);
    assert_true(list[0].end_us == 1830297600000000LL); /* 2028 */
    for (unsigned i = 1; i < WARD_ENDINGS_MAX; i++) {
        int64_t days = (list[i].end_us - list[i - 1].end_us) / (24LL * 3600 * 1000000);
        assert_in_range(days, 365, 366);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(a_date_that_is_none_is_no_date),
        T(dates_of_all_centuries_are_read),
        T(a_list_without_a_next_one_has_no_date),
        T(what_is_sent_along_counts_as_our_own),
        T(of_more_than_fit_those_stay_that_end_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
