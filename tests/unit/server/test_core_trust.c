/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificates count outside of a handshake. */
#include <stdio.h>
#include <stdlib.h>

#include "server/authn/trust.h"
#include "tests/unit/base/check.h"
#include "tests/unit/server/core_pki.h"

#define URI "spiffe://unit.test/officer"

static struct core_ca ca, other;
static char *pem, *other_pem;

static int start(void **state)
{
    (void)state;
    core_ca_init(&ca, "clients");
    core_ca_init(&other, "clients"); /* the same name, another key */
    pem = core_ca_pem(&ca);
    other_pem = core_ca_pem(&other);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_ca_fini(&ca);
    core_ca_fini(&other);
    free(pem);
    free(other_pem);
    return 0;
}

static struct ward_trust *trust_in(const char *text)
{
    struct ward_trust *trust = NULL;
    assert_ok(ward_trust_new(ward_bytes_str(text), &trust));
    return trust;
}

static ward_status check(struct ward_trust *trust, const struct core_ca *issuer, int days)
{
    struct core_person person;
    core_person_init(&person, issuer, NULL, URI, days);
    ward_status status = ward_trust_check(trust, person.peer->certificate);
    core_person_fini(&person);
    return status;
}

static void only_our_ca_counts(void **state)
{
    (void)state;
    struct ward_trust *trust = trust_in(pem);
    assert_ok(check(trust, &ca, 10));
    assert_code(check(trust, &other, 10), WARD_E_DENIED);
    ward_trust_free(trust);
}

static void an_expired_certificate_does_not_count(void **state)
{
    (void)state;
    struct ward_trust *trust = trust_in(pem);
    assert_code(check(trust, &ca, -1), WARD_E_DENIED);
    ward_trust_free(trust);
}

static void without_a_ca_nobody_counts(void **state)
{
    (void)state;
    assert_code(check(NULL, &ca, 10), WARD_E_DENIED);
}

static void bytes_that_are_no_certificate_do_not_count(void **state)
{
    (void)state;
    struct ward_trust *trust = trust_in(pem);
    struct core_person person;
    core_person_init(&person, &ca, NULL, URI, 10);
    uint8_t bytes[4096];
    size_t size = person.peer->certificate.size;
    assert_true(size < sizeof(bytes));
    memcpy(bytes, person.peer->certificate.data, size);
    bytes[size] = 0;
    assert_ok(ward_trust_check(trust, WARD_BYTES(bytes, size)));
    assert_code(ward_trust_check(trust, WARD_BYTES(bytes, size + 1)), WARD_E_DENIED);
    for (size_t cut = 0; cut < size; cut += 37) {
        assert_code(ward_trust_check(trust, WARD_BYTES(bytes, cut)), WARD_E_DENIED);
    }
    for (size_t bit = 0; bit < size * 8; bit += 53) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_code(ward_trust_check(trust, WARD_BYTES(bytes, size)), WARD_E_DENIED);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    core_person_fini(&person);
    ward_trust_free(trust);
}

static void cas_are_replaced_as_a_whole(void **state)
{
    (void)state;
    struct ward_trust *trust = trust_in(pem);
    assert_ok(ward_trust_replace(trust, ward_bytes_str(other_pem)));
    assert_ok(check(trust, &other, 10));
    assert_code(check(trust, &ca, 10), WARD_E_DENIED);
    assert_refused(ward_trust_replace(trust, WARD_BYTES_LITERAL("nothing")),
                   "client_ca: no certificate in it");
    assert_ok(check(trust, &other, 10));
    ward_trust_free(trust);
}

static void a_file_may_hold_several_cas(void **state)
{
    (void)state;
    struct core_ca third;
    core_ca_init(&third, "more clients");
    char both[8192], *third_pem = core_ca_pem(&third);
    (void)snprintf(both, sizeof(both), "clients:\n%s\nmore:\n%s", pem, third_pem);
    struct ward_trust *trust = trust_in(both);
    assert_ok(check(trust, &ca, 10));
    assert_ok(check(trust, &third, 10));
    assert_code(check(trust, &other, 10), WARD_E_DENIED);
    ward_trust_free(trust);
    core_ca_fini(&third);
    free(third_pem);
}

static void a_file_with_a_broken_certificate_is_refused(void **state)
{
    (void)state;
    struct ward_trust *trust = NULL;
    assert_refused(ward_trust_new((struct ward_bytes){0}, &trust),
                   "client_ca: no certificate in it");
    char *broken = strdup(pem);
    assert_non_null(broken);
    memcpy(strstr(broken, "-----\n") + 40, "****", 4);
    assert_refused(ward_trust_new(ward_bytes_str(broken), &trust),
                   "client_ca: a certificate that does not parse");
    free(broken);
    assert_null(trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_our_ca_counts),
        cmocka_unit_test(an_expired_certificate_does_not_count),
        cmocka_unit_test(without_a_ca_nobody_counts),
        cmocka_unit_test(bytes_that_are_no_certificate_do_not_count),
        cmocka_unit_test(cas_are_replaced_as_a_whole),
        cmocka_unit_test(a_file_may_hold_several_cas),
        cmocka_unit_test(a_file_with_a_broken_certificate_is_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
