/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificates count outside of a handshake. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
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
    assert_ok(ward_trust_new(ward_bytes_str(text), (struct ward_bytes){0}, &trust));
    return trust;
}

/* As a reload does it: made ready first, then taken. */
static ward_status replace(struct ward_trust *trust, struct ward_bytes cas, struct ward_bytes lists)
{
    struct ward_trust *fresh = NULL;
    WARD_TRY(ward_trust_new(cas, lists, &fresh));
    ward_trust_replace(trust, fresh);
    return WARD_OK;
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
    assert_ok(replace(trust, ward_bytes_str(other_pem), (struct ward_bytes){0}));
    assert_ok(check(trust, &other, 10));
    assert_code(check(trust, &ca, 10), WARD_E_DENIED);
    assert_refused(replace(trust, WARD_BYTES_LITERAL("nothing"), (struct ward_bytes){0}),
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
    assert_refused(ward_trust_new((struct ward_bytes){0}, (struct ward_bytes){0}, &trust),
                   "client_ca: no certificate in it");
    char *broken = strdup(pem);
    assert_non_null(broken);
    memcpy(strstr(broken, "-----\n") + 40, "****", 4);
    assert_refused(ward_trust_new(ward_bytes_str(broken), (struct ward_bytes){0}, &trust),
                   "client_ca: a certificate that does not parse");
    free(broken);
    assert_null(trust);
}

/* ---- revocation lists ---- */

struct listed {
    struct core_person on, off; /* the list names one of them */
    struct ward_trust *trust;
};

static void list(struct listed *listed, const struct core_ca *by, bool names, int days)
{
    char *text =
        core_ca_list(by, names ? listed->on.peer->certificate : (struct ward_bytes){0}, days);
    struct ward_bytes lists = ward_bytes_str(text);
    if (listed->trust == NULL) {
        assert_ok(ward_trust_new(ward_bytes_str(pem), lists, &listed->trust));
    } else {
        assert_ok(replace(listed->trust, ward_bytes_str(pem), lists));
    }
    free(text);
}

static void begin(struct listed *ret)
{
    *ret = (struct listed){.trust = NULL};
    core_person_init(&ret->on, &ca, NULL, URI, 10);
    core_person_init(&ret->off, &ca, NULL, URI, 10);
}

static void end(struct listed *listed)
{
    core_person_fini(&listed->on);
    core_person_fini(&listed->off);
    ward_trust_free(listed->trust);
}

static ward_status check_now(const struct listed *listed, const struct core_person *person)
{
    return ward_trust_check(listed->trust, person->peer->certificate);
}

static void a_certificate_on_a_list_does_not_count(void **state)
{
    (void)state;
    struct listed listed;
    begin(&listed);
    list(&listed, &ca, false, 10);
    assert_ok(check_now(&listed, &listed.on));
    list(&listed, &ca, true, 10);
    assert_code(check_now(&listed, &listed.on), WARD_E_DENIED);
    assert_ok(check_now(&listed, &listed.off));
    end(&listed);
}

static void a_list_says_nothing_of_an_earlier_day(void **state)
{
    (void)state;
    struct listed listed;
    begin(&listed);
    list(&listed, &ca, true, 10);
    int64_t before_us = ward_wall_us(&ward_clock_system) - INT64_C(86400000000);
    assert_ok(ward_trust_check_at(listed.trust, listed.on.peer->certificate, before_us));
    end(&listed);
}

static void a_list_out_of_date_still_revokes_whom_it_names_and_nobody_else(void **state)
{
    (void)state;
    struct listed listed;
    begin(&listed);
    list(&listed, &ca, true, -1);
    assert_code(check_now(&listed, &listed.on), WARD_E_DENIED);
    assert_ok(check_now(&listed, &listed.off));
    end(&listed);
}

static void without_a_list_of_its_ca_nobody_counts(void **state)
{
    (void)state;
    struct listed listed;
    begin(&listed);
    list(&listed, &other, false, 10); /* of the same name, by another key */
    assert_code(check_now(&listed, &listed.off), WARD_E_DENIED);
    end(&listed);
}

static void a_list_that_does_not_parse_changes_nothing(void **state)
{
    (void)state;
    struct listed listed;
    begin(&listed);
    list(&listed, &ca, true, 10);
    static const char *const bad[] = {"", "no list",
                                      "-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_refused(replace(listed.trust, ward_bytes_str(pem), ward_bytes_str(bad[i])),
                       "client_crl: not readable PEM revocation lists");
    }
    assert_code(check_now(&listed, &listed.on), WARD_E_DENIED);
    assert_ok(check_now(&listed, &listed.off));
    end(&listed);
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
        cmocka_unit_test(a_certificate_on_a_list_does_not_count),
        cmocka_unit_test(a_list_says_nothing_of_an_earlier_day),
        cmocka_unit_test(a_list_out_of_date_still_revokes_whom_it_names_and_nobody_else),
        cmocka_unit_test(without_a_list_of_its_ca_nobody_counts),
        cmocka_unit_test(a_list_that_does_not_parse_changes_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
