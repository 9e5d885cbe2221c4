/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls, for whom a balancer speaks, and how much one may take: without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "server/net/callers.h"
#include "server/net/held.h"
#include "server/net/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\x0a\1\2\3\x7f\0\0\1\x9c\x40\x1d\x13" /* 10.1.2.3:40000 -> 127.0.0.1:7443 */
#define V6                               \
    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\7" \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x9c\x40\x1d\x13"
#define B(s) WARD_BYTES_LITERAL(s)

static struct ward_ip ip(const char *text)
{
    struct ward_cidr cidr;
    assert_true(ward_cidr_parse(text, &cidr));
    return cidr.ip;
}

/* ---- addresses ---- */

static void networks_hold_their_own_and_no_others(void **state)
{
    (void)state;
    const struct {
        const char *network, *address;
        bool has;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},  {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.0/23", "10.1.3.255", true}, {"10.1.2.0/23", "10.1.4.0", false},
        {"192.0.2.1", "192.0.2.1", true},    {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "255.1.2.3", true},    {"0.0.0.0/0", "fd00::1", false},
        {"::/0", "10.0.0.1", true},          {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe00::1", false},      {"fd00::/127", "fd00::1", true},
        {"fd00::/127", "fd00::2", false},    {"::ffff:10.0.0.0/104", "10.9.9.9", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ward_cidr network;
        struct ward_ip address = ip(cases[i].address);
        assert_true(ward_cidr_parse(cases[i].network, &network));
        assert_int_equal(ward_cidr_has(&network, &address), cases[i].has);
    }
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"",
                               "/8",
                               "10.0.0.0/",
                               "10.0.0.0/33",
                               "10.0.0.0/-1",
                               "10.0.0.1/8",
                               "10.0.0.0/08",
                               "10.0.0.0/8/8",
                               "10.0.0",
                               "010.0.0.0",
                               "fd00::/129",
                               "fd00::1/64",
                               "fd00:::1",
                               "localhost",
                               "10.0.0.0 ",
                               "[fd00::1]",
                               "10.0.0.0000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_cidr cidr;
        if (ward_cidr_parse(bad[i], &cidr)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

static void both_families_are_printed_as_people_write_them(void **state)
{
    (void)state;
    char text[WARD_ADDRESS_SIZE];
    struct ward_ip v4 = ip("192.0.2.7"), v6 = ip("fd00::7");
    ward_ip_print(&v4, 65535, text);
    assert_string_equal(text, "192.0.2.7:65535");
    ward_ip_print(&v6, 7443, text);
    assert_string_equal(text, "[fd00::7]:7443");
    const struct sockaddr_in6 longest = {.sin6_family = AF_INET6};
    uint16_t port;
    assert_true(ward_ip_of((const struct sockaddr *)&longest, &v6, &port));
    const struct sockaddr other = {.sa_family = AF_UNIX};
    assert_false(ward_ip_of(&other, &v6, &port));
}

/* ---- places ---- */

static void an_address_has_its_share_and_no_more(void **state)
{
    (void)state;
    struct ward_callers *callers = NULL;
    assert_true(ward_ok(ward_callers_new(2, &callers)));
    struct ward_ip one = ip("10.0.0.1"), other = ip("10.0.0.2");
    assert_true(ward_callers_take(callers, &one));
    assert_true(ward_callers_take(callers, &one));
    assert_false(ward_callers_take(callers, &one));
    assert_true(ward_callers_take(callers, &other));
    ward_callers_give(callers, &one);
    assert_true(ward_callers_take(callers, &one));
    ward_callers_free(callers);
}

static void a_network_of_ipv6_counts_as_one(void **state)
{
    (void)state;
    struct ward_callers *callers = NULL;
    assert_true(ward_ok(ward_callers_new(1, &callers)));
    struct ward_ip one = ip("fd00::1"), same = ip("fd00::2:1"), other = ip("fd00:0:0:1::1");
    assert_true(ward_callers_take(callers, &one));
    assert_false(ward_callers_take(callers, &same));
    assert_true(ward_callers_take(callers, &other));
    ward_callers_give(callers, &same);
    assert_true(ward_callers_take(callers, &same));
    ward_callers_free(callers);
}

static void many_addresses_come_and_go(void **state)
{
    (void)state;
    enum { N = 500 };
    struct ward_callers *callers = NULL;
    assert_true(ward_ok(ward_callers_new(1, &callers)));
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < N; i++) { /* in no order: 271 and 500 share no factor */
            unsigned at = i * 271 % N;
            const uint8_t bytes[4] = {10, 0, (uint8_t)(at >> 8), (uint8_t)at};
            struct ward_ip address = ward_ip_v4(bytes);
            assert_true(ward_callers_take(callers, &address));
            assert_false(ward_callers_take(callers, &address));
        }
        for (unsigned i = 0; i < N; i++) {
            unsigned at = (N - i) * 37 % N;
            const uint8_t bytes[4] = {10, 0, (uint8_t)(at >> 8), (uint8_t)at};
            struct ward_ip address = ward_ip_v4(bytes);
            ward_callers_give(callers, &address);
        }
    }
    ward_callers_free(callers);
}

#define S INT64_C(1000000)

static void who_gave_trouble_waits_and_others_do_not(void **state)
{
    (void)state;
    struct ward_callers *callers = NULL;
    assert_true(ward_ok(ward_callers_new(1, &callers)));
    struct ward_ip one = ip("10.0.0.1"), other = ip("10.0.0.2");
    assert_int_equal(ward_callers_pause(callers, &one, 100 * S), 0);
    ward_callers_strike(callers, &one, 100 * S);
    assert_int_equal(ward_callers_pause(callers, &one, 100 * S), S / 4);
    assert_int_equal(ward_callers_pause(callers, &one, 102 * S - 1), S / 4);
    assert_int_equal(ward_callers_pause(callers, &other, 100 * S), 0);
    assert_int_equal(ward_callers_pause(callers, &one, 102 * S), 0);
    ward_callers_strike(callers, &other, 101 * S);
    ward_callers_strike(callers, &one, 103 * S);
    assert_int_equal(ward_callers_pause(callers, &other, 102 * S), S / 4);
    struct ward_ip v6 = ip("fd00::1"), same = ip("fd00::2:1"), next = ip("fd00:0:0:1::1");
    ward_callers_strike(callers, &v6, 103 * S);
    assert_int_equal(ward_callers_pause(callers, &same, 104 * S), S / 4);
    assert_int_equal(ward_callers_pause(callers, &next, 104 * S), 0);
    ward_callers_free(callers);
}

static void who_is_known_bears_with_a_neighbour_and_not_with_a_flood(void **state)
{
    (void)state;
    struct ward_callers *callers = NULL;
    assert_true(ward_ok(ward_callers_new(8, &callers)));
    struct ward_ip one = ip("10.0.0.1"), other = ip("10.0.0.2");
    for (unsigned i = 0; i < 6; i++) {
        assert_true(ward_callers_take(callers, &one));
    }
    ward_callers_strike(callers, &one, 100 * S);
    assert_int_equal(ward_callers_pause(callers, &one, 100 * S), S / 4); /* all in handshakes */
    ward_callers_prove(callers, &one);
    assert_int_equal(ward_callers_pause(callers, &one, 100 * S), 0);
    ward_callers_strike(callers, &one, 101 * S);
    assert_int_equal(ward_callers_pause(callers, &one, 101 * S), S / 4);
    assert_int_equal(ward_callers_pause(callers, &one, 102 * S), 0); /* the first is over */
    for (unsigned i = 0; i < 5; i++) {
        ward_callers_prove(callers, &one);
    }
    for (unsigned i = 0; i < WARD_STRIKES_FREE; i++) { /* connections beyond that do not help */
        assert_int_equal(ward_callers_pause(callers, &one, 110 * S), 0);
        ward_callers_strike(callers, &one, 110 * S);
    }
    assert_int_equal(ward_callers_pause(callers, &one, 110 * S), 0);
    ward_callers_strike(callers, &one, 110 * S);
    assert_int_equal(ward_callers_pause(callers, &one, 110 * S), S / 4);
    ward_callers_strike(callers, &other, 110 * S); /* it has none of that address' */
    assert_int_equal(ward_callers_pause(callers, &other, 110 * S), S / 4);
    ward_callers_strike(callers, &one, 120 * S);
    assert_int_equal(ward_callers_pause(callers, &one, 120 * S), 0);
    for (unsigned i = 0; i < 6; i++) {
        ward_callers_unprove(callers, &one);
        ward_callers_give(callers, &one);
    }
    assert_int_equal(ward_callers_pause(callers, &one, 120 * S), S / 4);
    ward_callers_free(callers);
}

static void of_many_that_gave_trouble_the_last_are_known(void **state)
{
    (void)state;
    enum { N = 1000, KNOWN = 64 };
    struct ward_callers *callers = NULL;
    assert_true(ward_ok(ward_callers_new(1, &callers)));
    for (unsigned i = 0; i < N; i++) {
        const uint8_t bytes[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};
        struct ward_ip address = ward_ip_v4(bytes);
        ward_callers_strike(callers, &address, 100 * S + i);
    }
    for (unsigned i = 0; i < N; i++) {
        const uint8_t bytes[4] = {10, 0, (uint8_t)(i >> 8), (uint8_t)i};
        struct ward_ip address = ward_ip_v4(bytes);
        assert_int_equal(ward_callers_pause(callers, &address, 101 * S),
                         i >= N - KNOWN ? S / 4 : 0);
    }
    ward_callers_free(callers);
}

static void a_greedy_connection_leaves_room_for_a_modest_one(void **state)
{
    (void)state;
    struct ward_held held = {.max = 3u << 20};
    size_t greedy = 0;
    while (ward_held_room(&held, greedy, 4096)) {
        ward_held_add(&held, 4096);
        greedy += 4096;
    }
    assert_in_range(greedy, (1u << 20) - 8192, (1u << 20) + 8192); /* a third */
    assert_true(ward_held_room(&held, 0, 512 * 1024));
    assert_false(ward_held_room(&held, 0, 4u << 20));
    ward_held_add(&held, (2u << 20) - 32768);
    assert_true(ward_held_room(&held, 0, 4096)); /* modest: as long as there is any */
    assert_false(ward_held_room(&held, greedy, 4096));
    ward_held_add(&held, 32768);
    assert_false(ward_held_room(&held, 0, 1));
    ward_held_sub(&held, 3u << 20);
    assert_int_equal(atomic_load(&held.bytes), 0);
}

/* ---- PROXY ---- */

static enum ward_proxy_result parse(struct ward_bytes bytes, struct ward_proxy *ret)
{
    size_t size;
    return ward_proxy_parse(bytes, &size, ret);
}

static void a_balancer_names_its_client(void **state)
{
    (void)state;
    struct ward_proxy client;
    char text[WARD_ADDRESS_SIZE];
    assert_int_equal(parse(B(SIGNATURE "\x21\x11\0\x0c" V4), &client), WARD_PROXY_DONE);
    assert_false(client.local);
    ward_ip_print(&client.ip, client.port, text);
    assert_string_equal(text, "10.1.2.3:40000");
    assert_int_equal(parse(B(SIGNATURE "\x21\x21\0\x24" V6), &client), WARD_PROXY_DONE);
    ward_ip_print(&client.ip, client.port, text);
    assert_string_equal(text, "[fd00::7]:40000");
}

static void tlvs_are_passed_over_and_what_follows_is_left(void **state)
{
    (void)state;
    struct ward_proxy client;
    size_t size;
    struct ward_bytes header = B(SIGNATURE "\x21\x11\0\x11" V4 "\4\0\2hi"
                                           "\x16\3\1");
    assert_int_equal(ward_proxy_parse(header, &size, &client), WARD_PROXY_DONE);
    assert_int_equal(size, header.size - 3);
    assert_int_equal(client.port, 40000);
}

static void a_health_check_of_the_balancer_is_local(void **state)
{
    (void)state;
    struct ward_proxy client;
    assert_int_equal(parse(B(SIGNATURE "\x20\0\0\0"), &client), WARD_PROXY_DONE);
    assert_true(client.local);
    assert_int_equal(parse(B(SIGNATURE "\x20\x11\0\x0c" V4), &client), WARD_PROXY_DONE);
    assert_true(client.local);
}

static void every_part_of_a_header_asks_for_the_rest(void **state)
{
    (void)state;
    struct ward_bytes whole = B(SIGNATURE "\x21\x11\0\x0c" V4);
    for (size_t n = 0; n < whole.size; n++) {
        struct ward_proxy client;
        size_t size;
        assert_int_equal(ward_proxy_parse(WARD_BYTES(whole.data, n), &size, &client),
                         WARD_PROXY_MORE);
        assert_int_equal(size, n < WARD_PROXY_HEAD ? WARD_PROXY_HEAD : whole.size);
    }
}

static void what_is_no_header_is_bad_at_once(void **state)
{
    (void)state;
    const struct ward_bytes bad[] = {
        B("\x16"),                                         /* TLS */
        B("PROXY TCP4 10.1.2.3 127.0.0.1 40000 7443\r\n"), /* version 1 */
        B("\r\n\r\n\0\r\nQUIX"),
        B(SIGNATURE "\x11\x11\0\x0c" V4), /* version 1 in the byte of version 2 */
        B(SIGNATURE "\x31\x11\0\x0c" V4),
        B(SIGNATURE "\x22\x11\0\x0c" V4), /* neither PROXY nor LOCAL */
        B(SIGNATURE "\x21\x12\0\x0c" V4), /* datagrams */
        B(SIGNATURE "\x21\x31\0\x0c" V4), /* a socket with a path */
        B(SIGNATURE "\x21\0\0\x0c" V4),   /* of no family */
        B(SIGNATURE "\x21\x11\0\x0b" V4), /* too short for its family */
        B(SIGNATURE "\x21\x21\0\x0c" V4),
        B(SIGNATURE "\x21\x11\0\0"),
        B(SIGNATURE "\x21\x11\4\1"), /* longer than 1,024 bytes */
        B(SIGNATURE "\x20\0\xff\xff"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_proxy client;
        if (parse(bad[i], &client) != WARD_PROXY_BAD) {
            fail_msg("header %zu was not refused", i);
        }
    }
}

static void the_longest_header_is_taken(void **state)
{
    (void)state;
    uint8_t header[WARD_PROXY_MAX] = SIGNATURE "\x21\x11\4\0" V4;
    struct ward_proxy client;
    assert_int_equal(parse(WARD_BYTES_ARRAY(header), &client), WARD_PROXY_DONE);
    assert_int_equal(parse(WARD_BYTES(header, sizeof(header) - 1), &client), WARD_PROXY_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_own_and_no_others),
        cmocka_unit_test(what_is_no_network_is_refused),
        cmocka_unit_test(both_families_are_printed_as_people_write_them),
        cmocka_unit_test(an_address_has_its_share_and_no_more),
        cmocka_unit_test(a_network_of_ipv6_counts_as_one),
        cmocka_unit_test(many_addresses_come_and_go),
        cmocka_unit_test(who_gave_trouble_waits_and_others_do_not),
        cmocka_unit_test(who_is_known_bears_with_a_neighbour_and_not_with_a_flood),
        cmocka_unit_test(of_many_that_gave_trouble_the_last_are_known),
        cmocka_unit_test(a_greedy_connection_leaves_room_for_a_modest_one),
        cmocka_unit_test(a_balancer_names_its_client),
        cmocka_unit_test(tlvs_are_passed_over_and_what_follows_is_left),
        cmocka_unit_test(a_health_check_of_the_balancer_is_local),
        cmocka_unit_test(every_part_of_a_header_asks_for_the_rest),
        cmocka_unit_test(what_is_no_header_is_bad_at_once),
        cmocka_unit_test(the_longest_header_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
