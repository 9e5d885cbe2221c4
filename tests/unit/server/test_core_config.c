/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's configuration: every fault is shown where it stands. The files lie in a folder of
 * the test's own. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config.h"
#include "tests/unit/base/check.h"

static char folder[] = "/tmp/ward-config-XXXXXX";
static char path[64];

static const char good[] = "node: node-1\n"
                           "listen: 127.0.0.1:7443\n"
                           "tls:\n"
                           "  certificate: wardd.pem\n"
                           "  key: /etc/ward/wardd.key\n"
                           "  client_ca: ca.pem\n"
                           "database:\n"
                           "  conninfo: host=/run dbname=ward\n"
                           "hsm:\n"
                           "  module: /usr/lib/softhsm/libsofthsm2.so\n"
                           "  token_label: ward\n"
                           "  pin_file: hsm.pin\n"
                           "policy:\n"
                           "  genesis: policy.yaml\n"
                           "  genesis_sha256: "
                           "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n";

static int start(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/wardd.yaml", folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    (void)unlink(path);
    (void)rmdir(folder);
    return 0;
}

static ward_status load(const char *text, struct ward_config **ret, struct ward_policy_error *error)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return ward_config_load(path, "/usr/libexec/ward/ward-hsm", ret, error);
}

/* The good text with one piece replaced. */
static char *with(const char *piece, const char *instead)
{
    const char *at = strstr(good, piece);
    assert_non_null(at);
    size_t size = sizeof(good) + strlen(instead);
    char *text = malloc(size);
    assert_non_null(text);
    (void)snprintf(text, size, "%.*s%s%s", (int)(at - good), good, instead, at + strlen(piece));
    return text;
}

static void refuses_at(const char *piece, const char *instead, unsigned line, const char *says)
{
    struct ward_config *config = NULL;
    struct ward_policy_error error;
    char *text = with(piece, instead);
    assert_code(load(text, &config, &error), WARD_E_INVALID);
    assert_null(config);
    if (error.line != line || strstr(error.text, says) == NULL) {
        fail_msg("%s: got %u:%u %s", instead, error.line, error.column, error.text);
    }
    free(text);
}

static struct ward_config *loads(char *text)
{
    struct ward_config *config = NULL;
    struct ward_policy_error error;
    ward_status status = load(text, &config, &error);
    if (!ward_ok(status)) {
        fail_msg("%u:%u %s", error.line, error.column, error.text);
    }
    free(text);
    return config;
}

static void the_least_configuration_has_its_defaults(void **state)
{
    (void)state;
    char expected[64];
    struct ward_config *config = loads(strdup(good));
    assert_string_equal(config->node, "node-1");
    assert_string_equal(config->listen, "127.0.0.1:7443");
    assert_null(config->metrics_listen);
    assert_int_equal(config->log_level, WARD_LOG_INFO);
    assert_int_equal(config->database_readers, 2);
    assert_int_equal(config->hsm_workers, 2);
    assert_int_equal(config->hsm_deadline_ms, 2000);
    assert_true(config->hsm_working_copies);
    assert_true(config->hsm_wrap_proof);
    assert_string_equal(config->hsm_helper, "/usr/libexec/ward/ward-hsm");
    assert_null(config->hsm_token_serial);
    assert_int_equal(config->wrap_soft_limit, 1ULL << 31);
    assert_int_equal(config->wrap_hard_limit, (1ULL << 32) - (1ULL << 24));
    assert_int_equal(config->wrap_block, 65536);
    assert_int_equal(config->rewrap_share, 50);
    assert_int_equal(config->policy_genesis_sha256[1], 0x11);
    (void)snprintf(expected, sizeof(expected), "%s/wardd.pem", folder);
    assert_string_equal(config->tls_certificate, expected); /* relative to the file */
    assert_string_equal(config->tls_key, "/etc/ward/wardd.key");
    assert_null(config->tls_client_crl);
    assert_false(config->tls_1_2);
    assert_memory_equal(&config->net, &WARD_NET_SETTINGS_DEFAULT, sizeof(config->net));
    ward_config_free(config);
}

static void limits_of_wraps_are_set_and_keep_their_order(void **state)
{
    (void)state;
    struct ward_config *config =
        loads(with("policy:\n", "keys:\n  wrap_soft_limit: 10\n  wrap_hard_limit: 1000\n"
                                "  wrap_block: 7\n  rewrap_share: 100\npolicy:\n"));
    assert_int_equal(config->wrap_soft_limit, 10);
    assert_int_equal(config->wrap_hard_limit, 1000);
    assert_int_equal(config->wrap_block, 7);
    assert_int_equal(config->rewrap_share, 100);
    ward_config_free(config);
    config = loads(with("policy:\n", "keys:\n  wrap_hard_limit: 100\n  wrap_block: 1\npolicy:\n"));
    assert_int_equal(config->wrap_soft_limit, 51); /* below the hard one, whatever that is */
    ward_config_free(config);
    static const struct {
        const char *text, *says;
        unsigned line;
    } cases[] = {
        {"keys:\n  wrap_hard_limit: 4294967296\npolicy:\n",
         "not a whole number from 1 to 4278190080", 14},
        {"keys:\n  wrap_soft_limit: 0\npolicy:\n", "not a whole number from 1 to 4278190080", 14},
        {"keys:\n  wrap_hard_limit: 9\n  wrap_soft_limit: 10\npolicy:\n",
         "not a whole number from 1 to 9", 15},
        {"keys:\n  wrap_block: many\npolicy:\n", "not a whole number from 1 to", 14},
        {"keys:\n  rewrap_share: 0\npolicy:\n", "not a whole number from 1 to 100", 14},
        {"keys:\n  rewrap_share: 101\npolicy:\n", "not a whole number from 1 to 100", 14},
        {"keys:\n  wrap_block: 99999999999999999999\npolicy:\n", "not a whole number from 1 to",
         14},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refuses_at("policy:\n", cases[i].text, cases[i].line, cases[i].says);
    }
}

static void connections_are_set_one_by_one(void **state)
{
    (void)state;
    struct ward_config *config =
        loads(with("database:\n", "  client_crl: crl.pem\n  minimum_version: \"1.2\"\n"
                                  "connections:\n  max: 10\n  max_age_s: 0\n  ping_strikes: 7\n"
                                  "  proxy_from: [10.0.0.0/8, \"fd00::1\"]\n"
                                  "  one_source: [203.0.113.0/28]\ndatabase:\n"));
    assert_true(config->tls_1_2);
    assert_non_null(strstr(config->tls_client_crl, "/crl.pem"));
    assert_int_equal(config->net.max_connections, 10);
    assert_int_equal(config->net.max_age_s, 0);
    assert_int_equal(config->net.ping_strikes, 7);
    assert_int_equal(config->net.idle_timeout_s, WARD_NET_SETTINGS_DEFAULT.idle_timeout_s);
    assert_int_equal(config->net.n_proxy_from, 2);
    assert_int_equal(config->net.proxy_from[0].bits, 96 + 8);
    assert_int_equal(config->net.proxy_from[1].bits, 128);
    assert_int_equal(config->net.n_one_source, 1);
    assert_int_equal(config->net.one_source[0].bits, 96 + 28);
    ward_config_free(config);
}

static void connections_are_refused_where_the_fault_stands(void **state)
{
    (void)state;
    const struct {
        const char *section, *says;
    } bad[] = {
        {"max: 3\n", "from 4 to 100000"},
        {"max_age_s: -1\n", "from 0 to"},
        {"ping_strikes: two\n", "whole number"},
        {"keepalive_s: 0\n", "from 1 to"},
        {"memory_mib: 15\n", "from 16 to"},
        {"proxy_from: [10.0.0.1/8]\n", "not an address or a network"},
        {"proxy_from: [10.0.0.0/33]\n", "not an address or a network"},
        {"proxy_from: [example.org]\n", "not an address or a network"},
        {"one_source: [203.0.113.1/28]\n", "not an address or a network"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char section[128];
        (void)snprintf(section, sizeof(section), "connections:\n  %sdatabase:\n", bad[i].section);
        refuses_at("database:\n", section, 8, bad[i].says);
    }
    refuses_at("  client_ca: ca.pem\n", "  client_ca: ca.pem\n  minimum_version: 1.1\n", 7,
               "neither 1.3 nor 1.2");
}

static void every_setting_is_taken(void **state)
{
    (void)state;
    struct ward_config *config =
        loads(with("  pin_file: hsm.pin\n",
                   "  pin_file: hsm.pin\n  helper: helper\n  workers: 16\n"
                   "  deadline_ms: 60000\n  working_copies: false\n  wrap_proof: false\n"));
    assert_int_equal(config->hsm_workers, 16);
    assert_int_equal(config->hsm_deadline_ms, 60000);
    assert_false(config->hsm_working_copies);
    assert_false(config->hsm_wrap_proof);
    assert_non_null(strstr(config->hsm_helper, "/helper"));
    ward_config_free(config);
    config = loads(with("listen: 127.0.0.1:7443\n", "listen: '[::1]:0'\nlog_level: debug\n"
                                                    "metrics_listen: 127.0.0.1:9\n"));
    assert_int_equal(config->log_level, WARD_LOG_DEBUG);
    assert_string_equal(config->metrics_listen, "127.0.0.1:9");
    ward_config_free(config);
    config = loads(with("token_label: ward", "token_serial: 0123abcd"));
    assert_string_equal(config->hsm_token_serial, "0123abcd");
    assert_null(config->hsm_token_label);
    ward_config_free(config);
}

static void what_cannot_be_listened_at_is_refused_where_it_stands(void **state)
{
    (void)state;
    static const char *const bad[] = {"127.0.0.1",       "'127.0.0.1:'", "7443",       ":7443",
                                      "localhost:7443",  "'::1:7443'",   "'[::1]'",    "1.2.3:x",
                                      "127.0.0.1:65536", "127.0.0.1:-1", "1.2.3.256:1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[64];
        (void)snprintf(line, sizeof(line), "listen: %s\n", bad[i]);
        refuses_at("listen: 127.0.0.1:7443\n", line, 2, "listen: not an address and port");
        (void)snprintf(line, sizeof(line), "metrics_listen: %s\ntls:\n", bad[i]);
        refuses_at("tls:\n", line, 3, "metrics_listen: not ");
    }
    refuses_at("tls:\n", "metrics_listen: 10.0.0.1:7444\ntls:\n", 3, "not a loopback address");
    refuses_at("tls:\n", "metrics_listen: '[::1]:7444'\ntls:\n", 3, "not an IPv4 address");
}

static void an_unknown_key_is_refused_where_it_stands(void **state)
{
    (void)state;
    refuses_at("listen:", "listens:", 2, "listens");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  pin: 1234\n", 12, "pin");
    refuses_at("node: node-1\n", "node: node-1\nnode: node-2\n", 2, "node");
}

static void a_missing_key_is_refused(void **state)
{
    (void)state;
    struct ward_config *config = NULL;
    struct ward_policy_error error;
    const char *pieces[] = {"node: node-1\n",
                            "listen: 127.0.0.1:7443\n",
                            "  key: /etc/ward/wardd.key\n",
                            "  conninfo: host=/run dbname=ward\n",
                            "  pin_file: hsm.pin\n",
                            "  genesis: policy.yaml\n"};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        char *text = with(pieces[i], "");
        assert_code(load(text, &config, &error), WARD_E_INVALID);
        assert_true(error.text[0] != '\0');
        free(text);
    }
    assert_null(config);
}

static void bad_values_are_refused_where_they_stand(void **state)
{
    (void)state;
    refuses_at("node-1", "Node-1", 1, "[a-z0-9-]");
    refuses_at("node-1", "abcdefghijklmnopqrstuvwxyz0123456789", 1, "[a-z0-9-]");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  token_serial: x\n", 10,
               "one of token_label and token_serial");
    refuses_at("  token_label: ward\n", "", 10, "one of token_label and token_serial");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  workers: 0\n", 12, "from 1 to 16");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  workers: 17\n", 12, "from 1 to 16");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  workers: -1\n", 12, "from 1 to 16");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  workers: 1e1\n", 12,
               "from 1 to 16");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  workers: 18446744073709551617\n",
               12, "from 1 to 16");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  deadline_ms: 99\n", 12,
               "from 100 to 60000");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  wrap_proof: off\n", 12,
               "neither true nor false");
    refuses_at("  token_label: ward\n", "  token_label: ward\n  working_copies: yes\n", 12,
               "neither true nor false");
    refuses_at("node: node-1\n", "node: node-1\nlog_level: loud\n", 2, "debug, info, warn, error");
    refuses_at("aabbccddeeff\n", "aabbccddeeff00\n", 15, "64 hex digits");
    refuses_at("aabbccddeeff\n", "aabbccddeefg\n", 15, "64 hex digits");
}

static void a_file_that_cannot_be_read_says_so(void **state)
{
    (void)state;
    struct ward_config *config = NULL;
    struct ward_policy_error error;
    assert_code(ward_config_load("/nonexistent/wardd.yaml", "", &config, &error),
                WARD_E_UNAVAILABLE);
    assert_refused(ward_config_load("/tmp", "", &config, &error),
                   "file: not a regular file of an acceptable size");
    assert_code(load("", &config, &error), WARD_E_INVALID);
    assert_code(load("[]", &config, &error), WARD_E_INVALID);
    assert_code(load("node: \"a\nb", &config, &error), WARD_E_INVALID);
    assert_null(config);
}

static void a_file_that_is_too_large_is_not_read(void **state)
{
    (void)state;
    struct ward_arena *arena = NULL;
    struct ward_bytes bytes;
    struct ward_config *config = loads(strdup(good));
    ward_config_free(config);
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_config_read_file(path, sizeof(good), arena, &bytes));
    assert_int_equal(bytes.size, sizeof(good) - 1);
    assert_code(ward_config_read_file(path, 10, arena, &bytes), WARD_E_INVALID);
    ward_arena_free(arena);
    assert_ok(ward_arena_new(64, &arena));
    assert_code(ward_config_read_file(path, sizeof(good), arena, &bytes), WARD_E_EXHAUSTED);
    ward_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_configuration_has_its_defaults),
        cmocka_unit_test(limits_of_wraps_are_set_and_keep_their_order),
        cmocka_unit_test(connections_are_set_one_by_one),
        cmocka_unit_test(connections_are_refused_where_the_fault_stands),
        cmocka_unit_test(every_setting_is_taken),
        cmocka_unit_test(an_unknown_key_is_refused_where_it_stands),
        cmocka_unit_test(what_cannot_be_listened_at_is_refused_where_it_stands),
        cmocka_unit_test(a_missing_key_is_refused),
        cmocka_unit_test(bad_values_are_refused_where_they_stand),
        cmocka_unit_test(a_file_that_cannot_be_read_says_so),
        cmocka_unit_test(a_file_that_is_too_large_is_not_read),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
