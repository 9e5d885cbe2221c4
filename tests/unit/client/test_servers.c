/* SPDX-License-Identifier: Apache-2.0 */
/* Which server the next connection goes to, by a clock that the test turns. */
#include "tests/unit/client/check.h"

#include "client/servers.h"

static struct ward_servers three(void)
{
    ward_config *config = ward_config_new();
    struct ward_servers servers;
    ward_error error;
    assert_int_equal(ward_config_set_server(config, " a:1,b:1 ,[::1]:3"), WARD_RC_OK);
    assert_int_equal(ward_servers_init(config, NULL, &servers, &error), WARD_RC_OK);
    ward_config_free(config);
    assert_int_equal(servers.n, 3);
    assert_string_equal(servers.all[1].endpoint.authority, "b:1");
    assert_string_equal(servers.all[2].endpoint.host, "::1");
    servers.first = 0;
    return servers;
}

static void connections_are_spread(void **state)
{
    (void)state;
    struct ward_servers servers = three();
    for (int i = 0; i < 9; i++) {
        servers.all[ward_servers_choose(&servers, 0, 1)].connections++;
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(servers.all[i].connections, 3);
    }
    ward_servers_fini(&servers);
}

static void one_that_failed_is_left_alone_for_a_while(void **state)
{
    (void)state;
    struct ward_servers servers = three();
    int64_t now = 1000000;
    servers.all[0].connections = servers.all[2].connections = 5;
    ward_server_failed(&servers.all[1], now);
    for (int i = 0; i < 10; i++) {
        assert_int_not_equal(ward_servers_choose(&servers, 0, now), 1);
    }
    now = servers.all[1].rests_until_us;
    assert_int_equal(ward_servers_choose(&servers, 0, now), 1);
    ward_servers_fini(&servers);
}

static void rests_grow_with_jitter_up_to_a_bound(void **state)
{
    (void)state;
    struct ward_servers servers = three();
    int64_t before = 0, seen_different = 0;
    for (int i = 0; i < 20; i++) {
        ward_server_failed(&servers.all[0], 0);
        int64_t rest = servers.all[0].rests_until_us, longest = INT64_C(200000) << (i < 6 ? i : 6);
        longest = longest < 10000000 ? longest : 10000000;
        assert_true(rest >= longest / 2 && rest <= longest);
        seen_different += rest != before;
        before = rest;
    }
    assert_true(seen_different > 15);
    ward_server_answered(&servers.all[0]);
    assert_false(ward_server_rests(&servers.all[0], 1));
    ward_server_failed(&servers.all[0], 0);
    assert_true(servers.all[0].rests_until_us <= 200000); /* begins anew */
    ward_servers_fini(&servers);
}

static void when_all_rest_the_first_to_wake_is_asked(void **state)
{
    (void)state;
    struct ward_servers servers = three();
    servers.all[0].rests_until_us = 300;
    servers.all[1].rests_until_us = 100;
    servers.all[2].rests_until_us = 200;
    assert_int_equal(ward_servers_choose(&servers, 0, 1), 1);
    assert_false(ward_servers_other(&servers, 0, 1));
    assert_true(ward_servers_other(&servers, 0, 100));
    assert_false(ward_servers_other(&servers, 1u << 1, 100));
    ward_servers_fini(&servers);
}

static void one_that_this_call_tried_is_the_last_resort(void **state)
{
    (void)state;
    struct ward_servers servers = three();
    servers.all[1].connections = servers.all[2].connections = 9;
    servers.all[1].rests_until_us = 100;
    assert_int_equal(ward_servers_choose(&servers, 1u << 0, 1), 2);
    assert_int_equal(ward_servers_choose(&servers, 1u << 0 | 1u << 2, 1), 1);
    assert_int_equal(ward_servers_choose(&servers, 7, 1), 0);
    ward_servers_fini(&servers);
}

static void a_bad_server_is_named(void **state)
{
    (void)state;
    static const char *const bad[] = {"a:1,", ",", "a:1,b", "a:1 b:2", "a:1,b:0", "[::1],a:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ward_config *config = ward_config_new();
        struct ward_servers servers;
        ward_error error;
        assert_int_equal(ward_config_set_server(config, bad[i]), WARD_RC_OK);
        assert_int_equal(ward_servers_init(config, NULL, &servers, &error),
                         WARD_RC_INVALID_ARGUMENT);
        assert_string_equal(error.field, "server");
        ward_config_free(config);
    }
}

static void a_seventeenth_server_is_one_too_many(void **state)
{
    (void)state;
    ward_config *config = ward_config_new();
    for (int i = 0; i < WARD_SERVERS_MAX; i++) {
        assert_int_equal(ward_config_add_server(config, "a:1"), WARD_RC_OK);
    }
    assert_int_equal(ward_config_add_server(config, "a:1"), WARD_RC_INVALID_ARGUMENT);
    assert_int_equal(ward_config_set_server(config, "a:1"), WARD_RC_OK);
    ward_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_spread),
        cmocka_unit_test(one_that_failed_is_left_alone_for_a_while),
        cmocka_unit_test(rests_grow_with_jitter_up_to_a_bound),
        cmocka_unit_test(when_all_rest_the_first_to_wake_is_asked),
        cmocka_unit_test(one_that_this_call_tried_is_the_last_resort),
        cmocka_unit_test(a_bad_server_is_named),
        cmocka_unit_test(a_seventeenth_server_is_one_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
