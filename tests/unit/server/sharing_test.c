/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate in two places at once is noticed, once an hour, and what only looks like it is not.
 */
#include "server/net/sharing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "server/net/sightings.h"

#define SECOND 1000000LL
#define HOUR (3600 * SECOND)

static struct ward_sharing *sharing;
static struct ward_cidr nat;
static int64_t now;
static const uint8_t cert_a[32] = {1, 2, 3}, cert_b[32] = {1, 2, 4}; /* in one list */

static int start(void **state)
{
    (void)state;
    now = 100 * SECOND;
    assert_true(ward_cidr_parse("203.0.113.0/28", &nat));
    assert_true(ward_ok(ward_sharing_new(&nat, 1, &sharing)));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_sharing_free(sharing);
    return 0;
}

static void enter(struct ward_sharing_place *place, const uint8_t *certificate, const char *address)
{
    struct ward_cidr one;
    assert_true(ward_cidr_parse(address, &one));
    *place = (struct ward_sharing_place){0};
    ward_sharing_enter(sharing, place, certificate, "spiffe://test/app", &one.ip, now);
    now += SECOND;
}

static bool tick(struct ward_sharing_place *place, int64_t heard_us)
{
    return ward_sharing_tick(sharing, place, heard_us, now);
}

static size_t untold(void)
{
    struct ward_shared out[WARD_SHARED_MAX];
    return ward_sharing_untold(sharing, out, WARD_SHARED_MAX);
}

/* How many are told once the first is heard after the second came. */
static size_t two(const char *first, const char *second)
{
    struct ward_sharing_place a, b;
    enter(&a, cert_a, first);
    enter(&b, cert_a, second);
    (void)tick(&a, now);
    (void)tick(&b, now);
    size_t n = untold();
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
    return n;
}

static void two_addresses_are_found_and_named(void **state)
{
    (void)state;
    assert_int_equal(two("192.0.2.1", "192.0.2.2"), 1);
    struct ward_shared out;
    assert_int_equal(ward_sharing_untold(sharing, &out, 1), 1);
    assert_memory_equal(out.certificate, cert_a, 32);
    assert_string_equal(out.identity, "spiffe://test/app");
    assert_string_equal(out.first, "192.0.2.1");
    assert_string_equal(out.second, "192.0.2.2");
}

static void ipv6_is_named_too(void **state)
{
    (void)state;
    assert_int_equal(two("2001:db8::1", "2001:db8:0:1::1"), 1);
    struct ward_shared out;
    assert_int_equal(ward_sharing_untold(sharing, &out, 1), 1);
    assert_string_equal(out.first, "[2001:db8::1]");
    assert_string_equal(out.second, "[2001:db8:0:1::1]");
}

static void what_may_be_one_host_is_not_found(void **state)
{
    (void)state;
    assert_int_equal(two("192.0.2.1", "192.0.2.1"), 0);
    assert_int_equal(two("2001:db8::1", "2001:db8::ffff:0:0:2"), 0); /* one /64 */
    assert_int_equal(two("192.0.2.1", "2001:db8::1"), 0);            /* two families */
    assert_int_equal(two("203.0.113.1", "203.0.113.15"), 0);         /* a pool of NAT */
    assert_int_equal(two("203.0.113.1", "203.0.113.16"), 1);         /* and out of it */
}

static void two_certificates_are_nobodys_business(void **state)
{
    (void)state;
    struct ward_sharing_place a, b;
    enter(&a, cert_a, "192.0.2.1");
    enter(&b, cert_b, "192.0.2.2");
    assert_false(tick(&a, now));
    assert_false(tick(&b, now));
    assert_int_equal(untold(), 0);
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
}

static void one_after_the_other_is_not_at_once(void **state)
{
    (void)state;
    struct ward_sharing_place a, b;
    enter(&a, cert_a, "192.0.2.1");
    ward_sharing_leave(sharing, &a);
    enter(&b, cert_a, "192.0.2.2");
    assert_false(tick(&b, now));
    assert_int_equal(untold(), 0);
    ward_sharing_leave(sharing, &b);
}

/* A laptop that went to another network, a pod whose host is gone. */
static void who_is_not_heard_again_has_only_moved(void **state)
{
    (void)state;
    struct ward_sharing_place a, b;
    enter(&a, cert_a, "192.0.2.1");
    int64_t heard_us = now;
    now += SECOND;
    enter(&b, cert_a, "192.0.2.2");
    assert_true(tick(&a, heard_us)); /* it is asked, once */
    for (int i = 0; i < 100; i++) {
        now += SECOND;
        assert_false(tick(&a, heard_us));
    }
    assert_int_equal(untold(), 0);
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
}

static void a_short_visit_is_found_when_the_other_is_heard_later(void **state)
{
    (void)state;
    struct ward_sharing_place a, b;
    enter(&a, cert_a, "192.0.2.1");
    enter(&b, cert_a, "192.0.2.2");
    ward_sharing_leave(sharing, &b);
    assert_true(tick(&a, 0));
    assert_int_equal(untold(), 0);
    assert_false(tick(&a, now));
    assert_int_equal(untold(), 1);
    ward_sharing_leave(sharing, &a);
}

static void it_is_told_once_an_hour(void **state)
{
    (void)state;
    assert_int_equal(two("192.0.2.1", "192.0.2.2"), 1);
    assert_int_equal(two("192.0.2.3", "192.0.2.4"), 1); /* not told yet: the same one */
    ward_sharing_told(sharing, cert_a);
    assert_int_equal(untold(), 0);
    assert_int_equal(two("192.0.2.1", "192.0.2.2"), 0);
    now += HOUR;
    assert_int_equal(two("192.0.2.1", "192.0.2.2"), 1);
    struct ward_shared out[2];
    assert_int_equal(ward_sharing_since(sharing, 0, out, 2), 1);
    assert_int_equal(ward_sharing_since(sharing, now + 1, out, 2), 0);
}

static void nobody_is_asked_again_within_the_hour(void **state)
{
    (void)state;
    struct ward_sharing_place a, b, c;
    assert_int_equal(two("192.0.2.1", "192.0.2.2"), 1);
    ward_sharing_told(sharing, cert_a);
    enter(&a, cert_a, "192.0.2.1");
    int64_t heard_us = now;
    now += SECOND;
    enter(&b, cert_a, "192.0.2.2");
    assert_false(tick(&a, heard_us));
    now += HOUR;
    assert_false(tick(&a, heard_us)); /* nor later, until somebody comes */
    enter(&c, cert_a, "192.0.2.3");
    assert_true(tick(&a, heard_us));
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
    ward_sharing_leave(sharing, &c);
}

static void found(unsigned number)
{
    uint8_t certificate[32] = {7, 7, (uint8_t)(number >> 8), (uint8_t)number};
    struct ward_sharing_place a, b;
    enter(&a, certificate, "192.0.2.1");
    enter(&b, certificate, "192.0.2.2");
    (void)tick(&a, now);
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
}

static void memory_is_bounded_and_what_is_not_told_stays(void **state)
{
    (void)state;
    static struct ward_shared out[WARD_SHARED_MAX + 1];
    for (unsigned i = 0; i < 2 * WARD_SHARED_MAX; i++) {
        found(i);
    }
    assert_int_equal(ward_sharing_untold(sharing, out, WARD_SHARED_MAX + 1), WARD_SHARED_MAX);
    ward_sharing_told(sharing, out[5].certificate);
    found(3000); /* in that one's place */
    assert_int_equal(untold(), WARD_SHARED_MAX);
    for (unsigned i = 0; i < WARD_SHARED_MAX; i++) {
        ward_sharing_told(sharing, out[i].certificate);
    }
    assert_int_equal(untold(), 1);
}

/* ---- for other daemons ---- */

static struct ward_sighting sightings[WARD_SIGHTINGS_MAX];

static struct ward_ip ip_of(const char *address)
{
    struct ward_cidr one;
    assert_true(ward_cidr_parse(address, &one));
    return one.ip;
}

static void what_was_heard_is_taken_once(void **state)
{
    (void)state;
    struct ward_sharing_place a, b;
    assert_int_equal(ward_sharing_heard(sharing, sightings), 0);
    enter(&a, cert_a, "192.0.2.1");
    int64_t came_us = now - SECOND;
    (void)tick(&a, now);
    assert_int_equal(ward_sharing_heard(sharing, sightings), 1);
    assert_memory_equal(sightings[0].certificate, cert_a, 32);
    assert_string_equal(sightings[0].identity, "spiffe://test/app");
    assert_int_equal(sightings[0].since_us, came_us);
    assert_int_equal(sightings[0].heard_us, now);
    (void)tick(&a, now);
    assert_int_equal(ward_sharing_heard(sharing, sightings), 0); /* silent since */
    now += SECOND;
    (void)tick(&a, now);
    enter(&b, cert_b, "2001:db8::1:2");
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
    assert_int_equal(ward_sharing_heard(sharing, sightings), 2); /* they have left since */
    struct ward_ip place = ip_of("2001:db8::");
    assert_memory_equal(&sightings[1].place, &place, sizeof(place));
    assert_int_equal(ward_sharing_heard(sharing, sightings), 0);
}

static void connections_of_one_place_are_one_sighting(void **state)
{
    (void)state;
    struct ward_sharing_place a, b, c;
    enter(&a, cert_a, "2001:db8::1");
    int64_t came_us = now - SECOND;
    enter(&b, cert_a, "2001:db8::2");
    (void)tick(&a, now);
    (void)tick(&b, now + SECOND);
    assert_int_equal(ward_sharing_heard(sharing, sightings), 1);
    assert_int_equal(sightings[0].since_us, came_us);
    assert_int_equal(sightings[0].heard_us, now + SECOND);
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &b);
    (void)ward_sharing_heard(sharing, sightings);
    /* It was away in between, and need not have been there. */
    enter(&a, cert_a, "192.0.2.1");
    now += SECOND;
    enter(&c, cert_a, "192.0.2.1");
    assert_int_equal(ward_sharing_heard(sharing, sightings), 1);
    assert_int_equal(sightings[0].since_us, now - SECOND);
    ward_sharing_leave(sharing, &a);
    ward_sharing_leave(sharing, &c);
}

static void what_is_told_to_others_is_bounded_for_each_certificate(void **state)
{
    (void)state;
    static struct ward_sharing_place all[2 * WARD_SIGHTINGS_MAX];
    for (unsigned i = 0; i < 20; i++) {
        char address[32];
        (void)snprintf(address, sizeof(address), "192.0.2.%u", i);
        enter(&all[i], cert_a, address);
        ward_sharing_leave(sharing, &all[i]);
    }
    assert_int_equal(ward_sharing_heard(sharing, sightings), WARD_SIGHTINGS_OF_ONE);
    for (unsigned i = 0; i < WARD_SIGHTINGS_OF_ONE; i++) {
        assert_true(sightings[i].heard_us >= now - WARD_SIGHTINGS_OF_ONE * SECOND); /* the last */
    }
    static uint8_t certificates[2 * WARD_SIGHTINGS_MAX][32];
    for (unsigned i = 0; i < 2 * WARD_SIGHTINGS_MAX; i++) {
        certificates[i][0] = (uint8_t)i;
        certificates[i][1] = (uint8_t)(i >> 8);
        enter(&all[i], certificates[i], "192.0.2.1");
    }
    unsigned n = 0, turns = 0;
    for (; n < 2 * WARD_SIGHTINGS_MAX && turns < 4; turns++) {
        n += (unsigned)ward_sharing_heard(sharing, sightings);
    }
    assert_int_equal(n, 2 * WARD_SIGHTINGS_MAX); /* the others the next time */
    assert_int_equal(turns, 2);
    for (unsigned i = 0; i < 2 * WARD_SIGHTINGS_MAX; i++) {
        ward_sharing_leave(sharing, &all[i]);
    }
}

static size_t elsewhere(const char *here, const char *other, bool earlier)
{
    struct ward_sharing_place a;
    enter(&a, cert_a, here);
    assert_int_equal(ward_sharing_heard(sharing, sightings), 1);
    ward_sharing_leave(sharing, &a);
    struct ward_ip ip = ip_of(other);
    ward_sharing_elsewhere(sharing, &sightings[0], &ip, earlier, now);
    return untold();
}

static void another_daemons_word_is_held_against_the_same_rules(void **state)
{
    (void)state;
    struct ward_shared out;
    assert_int_equal(elsewhere("192.0.2.1", "192.0.2.1", false), 0);
    assert_int_equal(elsewhere("2001:db8::7", "2001:db8::", false), 0);
    assert_int_equal(elsewhere("192.0.2.1", "2001:db8::", false), 0);
    assert_int_equal(elsewhere("203.0.113.1", "203.0.113.15", false), 0);
    assert_int_equal(elsewhere("203.0.113.1", "203.0.113.16", true), 1);
    assert_int_equal(ward_sharing_untold(sharing, &out, 1), 1);
    assert_string_equal(out.identity, "spiffe://test/app");
    assert_string_equal(out.first, "203.0.113.16");
    assert_string_equal(out.second, "203.0.113.1");
    ward_sharing_told(sharing, cert_a);
    assert_int_equal(elsewhere("192.0.2.1", "192.0.2.2", false), 0); /* within the hour */
    now += HOUR;
    assert_int_equal(elsewhere("192.0.2.1", "192.0.2.2", false), 1);
    assert_int_equal(ward_sharing_untold(sharing, &out, 1), 1);
    assert_string_equal(out.second, "192.0.2.2");
}

static void who_never_entered_may_leave(void **state)
{
    (void)state;
    struct ward_sharing_place place = {0};
    ward_sharing_leave(sharing, &place);
    assert_false(tick(&place, now));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(two_addresses_are_found_and_named),
        T(ipv6_is_named_too),
        T(what_may_be_one_host_is_not_found),
        T(two_certificates_are_nobodys_business),
        T(one_after_the_other_is_not_at_once),
        T(who_is_not_heard_again_has_only_moved),
        T(a_short_visit_is_found_when_the_other_is_heard_later),
        T(it_is_told_once_an_hour),
        T(nobody_is_asked_again_within_the_hour),
        T(memory_is_bounded_and_what_is_not_told_stays),
        T(what_was_heard_is_taken_once),
        T(connections_of_one_place_are_one_sighting),
        T(what_is_told_to_others_is_bounded_for_each_certificate),
        T(another_daemons_word_is_held_against_the_same_rules),
        T(who_never_entered_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
