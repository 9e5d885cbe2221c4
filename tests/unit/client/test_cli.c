/* SPDX-License-Identifier: Apache-2.0 */
/* The command's parts that need no daemon: output, options, profiles, bundles, and exit codes. */
#include "tests/unit/client/check.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <sys/stat.h>

#include "client/cli/cli.h"
#include "client/cli/fhir.h"
#include "client/cli/input.h"
#include "client/cli/options.h"
#include "client/cli/profile.h"
#include "client/cli/proposal.h"
#include "proto/wire_limits.h"
#include "tests/unit/client/pki.h"

struct rig {
    char *folder;
    struct pki pki;
};

static int make_folder(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->folder = folder_make();
    pki_make(rig->folder, &rig->pki);
    *state = rig;
    return 0;
}

static int drop_folder(void **state)
{
    struct rig *rig = *state;
    pki_free(&rig->pki);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

/* ---- output ---- */

static void escapes(struct ward_bytes text, const char *expected)
{
    struct ward_buffer out;
    ward_buffer_init(&out, 4096);
    cli_escape(text, &out);
    ward_buffer_add_u8(&out, 0);
    assert_string_equal((const char *)out.data, expected);
    ward_buffer_fini(&out);
}

static void text_cannot_move_a_terminals_cursor(void **state)
{
    (void)state;
    escapes(WARD_BYTES_LITERAL("plain, J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80"),
            "plain, J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80");
    escapes(WARD_BYTES_LITERAL("\x1b[2Jgone"), "\\u001b[2Jgone");
    escapes(WARD_BYTES_LITERAL("a\nb\tc\rd\x7f\0"), "a\\u000ab\\u0009c\\u000dd\\u007f\\u0000");
    escapes(WARD_BYTES_LITERAL("\xc2\x9b"
                               "31m"),
            "\\u009b31m"); /* C1 CSI */
    escapes(WARD_BYTES_LITERAL("a\xe2\x80\xae"
                               "b"),
            "a\\u202eb"); /* right-to-left override */
    escapes(WARD_BYTES_LITERAL("\xe2\x81\xa6\xef\xbb\xbf"), "\\u2066\\ufeff"); /* isolate, BOM */
    escapes(WARD_BYTES_LITERAL("\xff\xc3(\xed\xa0\x80"), "\\xff\\xc3(\\xed\\xa0\\x80");
    escapes(WARD_BYTES_LITERAL("cut \xe2\x82"), "cut \\xe2\\x82");
    escapes((struct ward_bytes){0}, "");
}

static void numbers_are_digits_within_their_range(void **state)
{
    (void)state;
    uint64_t value = 0;
    assert_true(cli_number("18446744073709551615", 0, UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
    assert_false(cli_number("18446744073709551616", 0, UINT64_MAX, &value));
    assert_false(cli_number("", 0, 10, &value));
    assert_false(cli_number("-1", 0, 10, &value));
    assert_false(cli_number("+1", 0, 10, &value));
    assert_false(cli_number(" 1", 0, 10, &value));
    assert_false(cli_number("1x", 0, 10, &value));
    assert_false(cli_number("0", 1, 10, &value));
    assert_false(cli_number("11", 1, 10, &value));
    assert_true(cli_number("0010", 1, 10, &value));
}

static void lines_lose_their_ends_and_nothing_else(void **state)
{
    (void)state;
    struct ward_bytes rest = WARD_BYTES_LITERAL("one\r\n\ntwo"), line;
    assert_true(cli_next_line(&rest, &line));
    assert_true(ward_bytes_eq(line, WARD_BYTES_LITERAL("one")));
    assert_true(cli_next_line(&rest, &line));
    assert_int_equal(line.size, 0);
    assert_true(cli_next_line(&rest, &line));
    assert_true(ward_bytes_eq(line, WARD_BYTES_LITERAL("two")));
    assert_false(cli_next_line(&rest, &line));
}

/* ---- bundles ---- */

static ward_status parse(const char *text, const char *name, struct ward_arena **arena,
                         struct cli_items *items)
{
    assert_ok(ward_arena_new((size_t)1 << 20, arena));
    return cli_fhir_parse(ward_bytes_str(text), name, *arena, items);
}

static void refuses_bundle(const char *text, const char *expected)
{
    struct ward_arena *arena = NULL;
    struct cli_items items;
    ward_status status = parse(text, "x.json", &arena, &items);
    assert_int_equal(status.code, WARD_E_INVALID);
    assert_string_equal(ward_status_refusal(status), expected);
    ward_arena_free(arena);
}

static void resources_are_cut_out_byte_by_byte(void **state)
{
    (void)state;
    static const char text[] =
        "{ \"resourceType\" : \"Bundle\", \"entry\": [\n"
        " {\"fullUrl\":\"urn:uuid:p\", \"resource\": {\"resourceType\":\"Patient\", \"id\":\"p\" , "
        "\"x\":\"],}{\\\"[\"} },\n"
        " {\"resource\": "
        "{\"resourceType\":\"Observation\",\"id\":\"o\",\"v\":1.10,\n\t\"subject\":{\"reference\":"
        "\"urn:uuid:p\"}}},"
        " {\"request\":{\"method\":\"GET\"}}\n] }";
    struct ward_arena *arena = NULL;
    struct cli_items items;
    assert_ok(parse(text, "a.json", &arena, &items));
    assert_int_equal(items.n, 2);
    assert_int_equal(items.patients, 1);
    assert_true(ward_bytes_eq(
        items.items[0].json,
        WARD_BYTES_LITERAL("{\"resourceType\":\"Patient\", \"id\":\"p\" , \"x\":\"],}{\\\"[\"}")));
    assert_true(ward_bytes_eq(
        items.items[1].json,
        WARD_BYTES_LITERAL("{\"resourceType\":\"Observation\",\"id\":\"o\",\"v\":1.10,\n\t"
                           "\"subject\":{\"reference\":\"urn:uuid:p\"}}")));
    assert_string_equal(items.items[0].id, "Patient/p");
    assert_string_equal(items.items[1].id, "Observation/o");
    assert_string_equal(items.items[0].subject, items.items[1].subject);
    assert_int_equal(strlen(items.items[0].subject), 37);
    assert_null(strchr(items.items[0].subject, 'p'));
    ward_arena_free(arena);
}

static void each_of_several_patients_has_his_own_resources(void **state)
{
    (void)state;
    static const char text[] = "{\"resourceType\":\"Bundle\",\"entry\":["
                               "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"1\"}},{"
                               "\"resource\":{\"resourceType\":\"Patient\",\"id\":\"2\"}},"
                               "{\"resource\":{\"resourceType\":\"Claim\",\"id\":\"c\",\"patient\":"
                               "{\"reference\":\"Patient/2\"}}},"
                               "{\"resource\":{\"resourceType\":\"Organization\",\"id\":\"g\"}},"
                               "{\"resource\":{\"resourceType\":\"Group\",\"id\":\"h\",\"subject\":"
                               "{\"reference\":\"Device/1\"}}},"
                               "{\"resource\":{\"resourceType\":\"Binary\"}}]}";
    struct ward_arena *arena = NULL, *again = NULL;
    struct cli_items items, other;
    assert_ok(parse(text, "a.json", &arena, &items));
    assert_string_not_equal(items.items[0].subject, items.items[1].subject);
    assert_string_equal(items.items[2].subject, items.items[1].subject);
    assert_string_equal(items.items[3].subject, items.items[4].subject); /* nobody's: the file's */
    assert_string_not_equal(items.items[3].subject, items.items[0].subject);
    assert_string_equal(items.items[5].id, "Binary/entry-5");
    assert_ok(parse(text, "b.json", &again, &other));
    assert_string_equal(other.items[0].subject, items.items[0].subject);
    assert_string_not_equal(other.items[3].subject, items.items[3].subject);
    ward_arena_free(arena);
    ward_arena_free(again);
}

static void a_bare_resource_and_an_empty_bundle_are_fine(void **state)
{
    (void)state;
    struct ward_arena *arena = NULL;
    struct cli_items items;
    assert_ok(parse("\n {\"resourceType\":\"Patient\",\"id\":\"p\"} \n", "a.json", &arena, &items));
    assert_int_equal(items.n, 1);
    assert_true(items.items[0].json.data[0] == '{');
    assert_int_equal(items.items[0].json.size, 35);
    ward_arena_free(arena);
    assert_ok(parse("{\"resourceType\":\"Bundle\",\"entry\":[ ]}", "a.json", &arena, &items));
    assert_int_equal(items.n, 0);
    ward_arena_free(arena);
    assert_ok(parse("{\"resourceType\":\"Bundle\"}", "a.json", &arena, &items));
    assert_int_equal(items.n, 0);
    ward_arena_free(arena);
}

static void what_is_no_bundle_is_refused(void **state)
{
    (void)state;
    refuses_bundle("", "json: not an object");
    refuses_bundle("[]", "json: not an object");
    refuses_bundle("{\"resourceType\":\"Bundle\",\"entry\":[}", "json: malformed");
    refuses_bundle("{\"resourceType\":\"Bundle\",\"entry\":5}", "fhir: entry is not an array");
    refuses_bundle("{\"resourceType\":\"Bundle\",\"entry\":[5]}", "json: not an object");
    refuses_bundle("{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":[]}]}",
                   "json: not an object");
    refuses_bundle("{\"id\":\"x\"}",
                   "fhir: neither a Bundle nor a resource: it has no resourceType");
    refuses_bundle("{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"A\","
                   "\"id\":\"1\"}},"
                   "{\"resource\":{\"resourceType\":\"A\",\"id\":\"1\"}}]}",
                   "fhir: two resources of one type and id");
    refuses_bundle("{\"resourceType\":\"A\",\"id\":\"1\",\"id\":\"2\"}", "json: duplicate member");
}

static ward_status parse_lines(const char *text, unsigned *line)
{
    struct ward_arena *arena = NULL;
    struct cli_items items;
    assert_ok(ward_arena_new((size_t)1 << 20, &arena));
    ward_status status = cli_ndjson_parse(ward_bytes_str(text), arena, &items, line);
    if (ward_ok(status)) {
        assert_int_equal(items.n, 2);
        assert_string_equal(items.items[0].id, "r\"1");
        assert_true(ward_bytes_eq(items.items[1].json, WARD_BYTES_LITERAL("{ }")));
    }
    ward_arena_free(arena);
    return status;
}

static void ndjson_is_taken_line_by_line(void **state)
{
    (void)state;
    unsigned line = 0;
    assert_ok(parse_lines("{\"subject\":\"s\",\"id\":\"r\\\"1\",\"json\":{\"a\":1}}\n\n"
                          "{\"id\":\"r2\",\"json\":{ },\"subject\":\"s\"}",
                          &line));
    assert_int_equal(
        parse_lines("{\"subject\":\"s\",\"id\":\"1\",\"json\":{}}\n{\"id\":\"2\",\"json\":{}}",
                    &line)
            .code,
        WARD_E_INVALID);
    assert_int_equal(line, 2);
    assert_int_equal(parse_lines("{\"subject\":\"s\",\"id\":\"1\",\"json\":[]}", &line).code,
                     WARD_E_INVALID);
    assert_int_equal(parse_lines("{\"subject\":\"s\",\"id\":\"\",\"json\":{}}", &line).code,
                     WARD_E_INVALID);
    assert_int_equal(parse_lines("{\"subject\":\"s\",\"id\":\"1\",\"json\":{}}\n{\"subject\":\"s\","
                                 "\"id\":\"1\",\"json\":{}}",
                                 &line)
                         .code,
                     WARD_E_INVALID);
}

/* ---- profiles ---- */

#define ENTRY(name, more) \
    "- name: " name       \
    "\n  server: 127.0.0.1:1\n  ca: ca.pem\n  certificate: /abs/c.pem\n  key: sub/k.key\n" more

static void refuses_profiles(const struct rig *rig, const char *content, const char *name,
                             const char *expected)
{
    struct cli_profile profile = {0};
    char text[8192];
    file_write(in_folder(rig->folder, "p.yaml"), ward_bytes_str(content));
    assert_false(
        cli_profile_load(in_folder(rig->folder, "p.yaml"), name, &profile, text, sizeof(text)));
    if (strstr(text, expected) == NULL) {
        fail_msg("expected \"%s\" in \"%s\"", expected, text);
    }
}

static void paths_of_a_profile_are_relative_to_its_file(void **state)
{
    const struct rig *rig = *state;
    struct cli_profile profile = {0};
    char text[8192], expected[256];
    file_write(in_folder(rig->folder, "p.yaml"), ward_bytes_str("profiles:\n" ENTRY("a", "") ENTRY(
                                                     "b", "  server_name: localhost\n")));
    assert_true(
        cli_profile_load(in_folder(rig->folder, "p.yaml"), "b", &profile, text, sizeof(text)));
    (void)snprintf(expected, sizeof(expected), "%s/sub/k.key", rig->folder);
    assert_string_equal(profile.key, expected);
    assert_string_equal(profile.certificate, "/abs/c.pem");
    assert_string_equal(profile.server_name, "localhost");
}

static void bad_profiles_are_refused_with_what_is_wrong(void **state)
{
    const struct rig *rig = *state;
    refuses_profiles(rig, "profiles:\n" ENTRY("a", "") ENTRY("b", ""), NULL,
                     "no profile \"default\"; it has: a, b");
    refuses_profiles(rig, "profiles:\n" ENTRY("a", ""), "z", "no profile \"z\"");
    refuses_profiles(rig, "profiles:\n" ENTRY("a", "  password: x\n"), "a",
                     "p.yaml:7:3: \"password\": no such key here");
    refuses_profiles(rig, "profiles: []\n", "a", "profiles: empty list");
    refuses_profiles(rig, "profile:\n" ENTRY("a", ""), "a",
                     "p.yaml:1:1: \"profile\": no such key here");
    refuses_profiles(rig, "profiles:\n- name: a\n", "a", "required key missing: ");
    refuses_profiles(rig, "profiles:\n" ENTRY("a", "  key: k\n"), "a", "key given twice");
    refuses_profiles(rig, "profiles: [", "a", "p.yaml:");
    refuses_profiles(rig, "", "a", "p.yaml: the file is empty");
    refuses_profiles(rig, "profiles: x\n", "a", "profiles: a list is expected");
    struct cli_profile profile;
    char text[8192];
    assert_false(
        cli_profile_load(in_folder(rig->folder, "none.yaml"), "a", &profile, text, sizeof(text)));
}

/* ---- signing ---- */

/* Alice's certificate once more, with other dates, as NAME. */
static void certify(const struct rig *rig, const char *name, int begin_days, int end_days)
{
    X509 *certificate = X509_dup(rig->pki.alice.certificate);
    FILE *file = fopen(in_folder(rig->folder, name), "w");
    assert_true(certificate != NULL && file != NULL);
    bool good = X509_time_adj_ex(X509_getm_notBefore(certificate), begin_days, 0, NULL) != NULL &&
                X509_time_adj_ex(X509_getm_notAfter(certificate), end_days, 3600, NULL) != NULL &&
                X509_sign(certificate, rig->pki.ca.key, EVP_sha256()) > 0 &&
                PEM_write_X509(file, certificate) == 1;
    assert_true(good);
    (void)fclose(file);
    X509_free(certificate);
}

static enum ward_ending_step ending(const struct rig *rig, const char *name, int days_ahead,
                                    int64_t *ret_end_us)
{
    struct ward_clock clock;
    ward_clock_fake(&clock, ward_wall_us(&ward_clock_system) + days_ahead * 86400LL * 1000000);
    return cli_profile_certificate_ending(in_folder(rig->folder, name), &clock, ret_end_us);
}

static void what_is_no_certificate_ends_nowhere(void **state)
{
    const struct rig *rig = *state;
    int64_t end_us = -1;
    file_write(in_folder(rig->folder, "junk.pem"),
               ward_bytes_str("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"));
    static const char *const names[] = {"nowhere.pem", "junk.pem", "alice.key", "."};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(ending(rig, names[i], 0, &end_us), WARD_ENDING_FAR);
        assert_int_equal(end_us, 0);
    }
}

static void a_certificates_end_is_seen_as_it_comes(void **state)
{
    const struct rig *rig = *state;
    int64_t end_us = 0;
    certify(rig, "year.pem", -300, 65);
    assert_int_equal(ending(rig, "year.pem", 0, &end_us), WARD_ENDING_FAR);
    assert_int_equal(ending(rig, "year.pem", 36, &end_us), WARD_ENDING_MONTH);
    assert_int_equal(ending(rig, "year.pem", 59, &end_us), WARD_ENDING_WEEK);
    assert_int_equal(ending(rig, "year.pem", 65, &end_us), WARD_ENDING_DAY);
    assert_int_equal(ending(rig, "year.pem", 66, &end_us), WARD_ENDING_OVER);
    assert_int_equal(ending(rig, "year.pem", -3000, &end_us), WARD_ENDING_FAR);
    certify(rig, "week.pem", -1, 5); /* renewed by a machine */
    assert_int_equal(ending(rig, "week.pem", 0, &end_us), WARD_ENDING_FAR);
}

static void a_signature_is_over_the_decision_too(void **state)
{
    struct rig *rig = *state;
    uint8_t signature[WARD_SIGNATURE_MAX];
    size_t size = 0;
    struct ward_bytes payload = WARD_BYTES_LITERAL("{}"),
                      der = WARD_BYTES(rig->pki.alice.der, rig->pki.alice.der_size);
    struct cli_profile profile = {0};
    (void)snprintf(profile.key, sizeof(profile.key), "%s", in_folder(rig->folder, "alice.key"));
    assert_int_equal(
        cli_sign(&profile, payload, WARD_DECISION_APPROVE, WARD_NO_REASON, signature, &size),
        CLI_DONE);
    assert_ok(ward_proposal_verify(payload, WARD_DECISION_APPROVE, WARD_NO_REASON, der,
                                   WARD_BYTES(signature, size)));
    assert_false(ward_ok(ward_proposal_verify(payload, WARD_DECISION_REJECT, WARD_NO_REASON, der,
                                              WARD_BYTES(signature, size))));
    assert_false(ward_ok(ward_proposal_verify(payload, WARD_DECISION_PROPOSE, WARD_NO_REASON, der,
                                              WARD_BYTES(signature, size))));
}

/* ---- exit codes ---- */

static void expect(const struct rig *rig, const struct ran *ran, int exit, const char *words)
{
    (void)rig;
    if (ran->exit != exit ||
        (words != NULL && !says(&ran->err, words) && !says(&ran->out, words))) {
        fail_msg("exit %d: %.*s%.*s", ran->exit, (int)ran->out.size, (const char *)ran->out.data,
                 (int)ran->err.size, (const char *)ran->err.data);
    }
}

#define EXPECT(rig, exit, words, ...)                      \
    do {                                                   \
        struct ran ran_;                                   \
        run_ward((rig)->folder, &ran_, __VA_ARGS__, NULL); \
        expect((rig), &ran_, (exit), (words));             \
        ran_fini(&ran_);                                   \
    } while (0)

static void help_and_version_succeed(void **state)
{
    const struct rig *rig = *state;
    EXPECT(rig, CLI_DONE, "ward 0.", "--version");
    EXPECT(rig, CLI_DONE, "Exit codes", "--help");
    EXPECT(rig, CLI_DONE, "rotate", "key", "--help");
    EXPECT(rig, CLI_DONE, "Exit codes", "help");
    EXPECT(rig, CLI_DONE, "usage: ward key VERB", "help", "key");
    EXPECT(rig, CLI_DONE, "Usage: ward key rotate", "help", "key", "rotate");
    EXPECT(rig, CLI_DONE, "Usage: ward seal", "help", "seal");
    EXPECT(rig, CLI_DONE, "Usage: ward seal rewrap", "help", "seal", "rewrap");
    EXPECT(rig, CLI_DONE, "(needed)", "emergency", "open", "--help");
    EXPECT(rig, CLI_DONE, "--reason", "key", "rotate", "--help");
    EXPECT(rig, CLI_DONE, "--connections", "bench", "--help");
    EXPECT(rig, CLI_DONE,
           "--version=N            Not the newest but this one\n\n Everywhere:", "record", "get",
           "--help");
}

static void misuse_is_exit_code_2(void **state)
{
    const struct rig *rig = *state;
    EXPECT(rig, CLI_USAGE, "no noun", "keys");
    EXPECT(rig, CLI_USAGE, "no verb", "key", "destroy");
    EXPECT(rig, CLI_USAGE, "usage", "key");
    EXPECT(rig, CLI_USAGE, NULL, "--no-such-option", "key", "list");
    EXPECT(rig, CLI_USAGE, NULL, "key", "list", "--no-such-option");
    EXPECT(rig, CLI_USAGE, "NAME is needed", "key", "show");
    EXPECT(rig, CLI_USAGE, "too many", "key", "show", "a", "b");
    EXPECT(rig, CLI_USAGE, "too many", "key", "list", "a");
    EXPECT(rig, CLI_USAGE, "--purpose", "key", "create", "a");
    EXPECT(rig, CLI_USAGE, "--reason TEXT, --on-behalf-of ID, COLLECTION SUBJECT are needed",
           "emergency", "open");
    EXPECT(rig, CLI_USAGE, "--on-behalf-of ID is needed", "emergency", "open", "c", "s", "--reason",
           "x");
    EXPECT(rig, CLI_USAGE, "--key: given twice", "seal", "--key", "a", "--key", "b", "file");
    EXPECT(rig, CLI_USAGE, "--all: given twice", "approval", "list", "--all", "--all");
    EXPECT(rig, CLI_USAGE, "--timeout is a number", "--timeout", "1", "key", "list", "--timeout",
           "x"); /* the last one counts */
    EXPECT(rig, CLI_USAGE, "no noun \"bogus\"", "help", "bogus");
    EXPECT(rig, CLI_USAGE, "no verb \"bogus\"", "help", "key", "bogus");
    EXPECT(rig, CLI_USAGE, "too many", "help", "key", "list", "all");
    EXPECT(rig, CLI_USAGE, "table or json", "--output", "xml", "key", "list");
    EXPECT(rig, CLI_USAGE, "seconds", "--timeout", "0", "key", "list");
    EXPECT(rig, CLI_USAGE, "KEY=VALUE", "data-key", "generate", "--key", "a", "--context",
           "novalue");
    EXPECT(rig, CLI_USAGE, "KEY=VALUE", "data-key", "generate", "--key", "a", "--context", "=x");
    EXPECT(rig, CLI_USAGE, "16 to 64", "data-key", "generate", "--key", "a", "--size", "1000");
    EXPECT(rig, CLI_USAGE, "exclude each other", "data-key", "rewrap", "--no-context",
           "--new-context", "a=b");
    EXPECT(rig, CLI_USAGE, "--version is a number", "data-key", "rewrap", "--version", "0");
    EXPECT(rig, CLI_USAGE, "one of --fhir", "record", "import", "--collection", "c");
    EXPECT(rig, CLI_USAGE, "exclude each other", "seal", "rewrap", "--no-context", "--new-context",
           "a=b", "file");
    EXPECT(rig, CLI_USAGE, "FILE... is needed", "seal", "rewrap");
    EXPECT(rig, CLI_USAGE, "--key NAME is needed", "seal", "file");
    EXPECT(rig, CLI_USAGE, "too many", "open", "a", "b");
    EXPECT(rig, CLI_USAGE, "--chunk-size is a number", "seal", "--key", "a", "--chunk-size", "1");
    EXPECT(rig, CLI_USAGE, "bench has no", "bench", "everything");
    EXPECT(rig, CLI_USAGE, "find: not available", "bench", "find");
    EXPECT(rig, CLI_USAGE, "profile", "--config", "/nonexistent/x.yaml", "key", "list");
    EXPECT(rig, CLI_USAGE, "terminal", "--config", "/nonexistent/x.yaml", "approval", "approve",
           "x");
}

static void an_unreachable_daemon_is_exit_code_3(void **state)
{
    const struct rig *rig = *state;
    file_write(in_folder(rig->folder, "far.yaml"),
               ward_bytes_str("profiles:\n- {name: a, server: '127.0.0.1:1', ca: ca.pem, "
                              "certificate: alice.pem, key: "
                              "alice.key}\n"));
    assert_int_equal(chmod(in_folder(rig->folder, "alice.key"), 0600), 0);
    EXPECT(rig, CLI_UNREACHABLE, "could not be reached", "--config",
           in_folder(rig->folder, "far.yaml"), "key", "list");
    EXPECT(rig, CLI_UNREACHABLE, "could not be reached", "status", "--config",
           in_folder(rig->folder, "far.yaml"));
    EXPECT(rig, CLI_UNREACHABLE, "could not be reached", "--config",
           in_folder(rig->folder, "far.yaml"), "bench", "generate");
    assert_int_equal(chmod(in_folder(rig->folder, "alice.key"), 0644), 0);
    EXPECT(rig, CLI_UNREACHABLE, "warning: others may read", "--config",
           in_folder(rig->folder, "far.yaml"), "key", "list");
}

/* How often the text stands there. */
static unsigned times(const struct ward_buffer *buffer, const char *text)
{
    unsigned n = 0;
    const uint8_t *at = buffer->data, *end = at + buffer->size;
    while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
        at += strlen(text);
        n++;
    }
    return n;
}

static void a_certificate_that_ends_is_told_once_and_never_among_the_output(void **state)
{
    const struct rig *rig = *state;
    static const struct {
        const char *name, *words;
        int end_days;
    } cases[] = {{"soon.pem", "warning: the certificate of profile \"a\" ends at", 6},
                 {"gone.pem", "warning: the certificate of profile \"a\" ended at", -6},
                 {"fine.pem", NULL, 60}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char profiles[300];
        struct ran ran;
        certify(rig, cases[i].name, -300, cases[i].end_days);
        (void)snprintf(profiles, sizeof(profiles),
                       "profiles:\n- {name: a, server: '127.0.0.1:1', ca: ca.pem, certificate: %s, "
                       "key: alice.key}\n",
                       cases[i].name);
        file_write(in_folder(rig->folder, "ends.yaml"), ward_bytes_str(profiles));
        run_ward(rig->folder, &ran, "--output", "json", "--config",
                 in_folder(rig->folder, "ends.yaml"), "key", "list", NULL);
        expect(rig, &ran, CLI_UNREACHABLE, "could not be reached");
        assert_int_equal(times(&ran.err, "warning: the certificate"), cases[i].words != NULL);
        assert_true(cases[i].words == NULL || says(&ran.err, cases[i].words));
        assert_int_equal(ran.out.size, 0);
        ran_fini(&ran);
    }
}

static void bad_file_says(const struct rig *rig, const char *ca, const char *certificate,
                          const char *key, const char *words)
{
    char profiles[400];
    (void)snprintf(profiles, sizeof(profiles),
                   "profiles:\n- {name: a, server: '127.0.0.1:1', ca: %s, certificate: %s, key: "
                   "%s}\n",
                   ca, certificate, key);
    file_write(in_folder(rig->folder, "files.yaml"), ward_bytes_str(profiles));
    EXPECT(rig, CLI_USAGE, words, "--config", in_folder(rig->folder, "files.yaml"), "key", "list");
}

static void a_missing_or_another_file_is_named_with_what_is_wrong(void **state)
{
    const struct rig *rig = *state;
    static const char gone[] = "/none.pem: No such file or directory";
    file_write(in_folder(rig->folder, "junk.pem"), WARD_BYTES_LITERAL("junk\n"));
    file_write(in_folder(rig->folder, "empty.pem"), (struct ward_bytes){0});
    bad_file_says(rig, "none.pem", "alice.pem", "alice.key", gone);
    bad_file_says(rig, "ca.pem", "none.pem", "alice.key", gone);
    bad_file_says(rig, "ca.pem", "alice.pem", "none.pem", gone);
    static const char *const others[] = {"junk.pem", "empty.pem"};
    for (size_t i = 0; i < 2; i++) {
        bad_file_says(rig, others[i], "alice.pem", "alice.key", "not PEM, or not a certificate");
        bad_file_says(rig, "ca.pem", others[i], "alice.key", "not PEM, or not a certificate");
        bad_file_says(rig, "ca.pem", "alice.pem", others[i], "not PEM, or not a private key");
    }
    bad_file_says(rig, "ca.pem", "alice.key", "alice.key", "not PEM, or not a certificate");
}

static void errors_tell_what_to_do(void **state)
{
    const struct rig *rig = *state;
    EXPECT(rig, CLI_FAILED, "cannot open", "open", "/nonexistent");
    EXPECT(rig, CLI_FAILED, "Give the folder of an export.", "audit", "verify", "/nonexistent");
    static const char *const not_addresses[] = {"banana", "999.1.1.1", "", "10.0.0.0/8", "::1::"};
    for (size_t i = 0; i < sizeof(not_addresses) / sizeof(not_addresses[0]); i++) {
        EXPECT(rig, CLI_USAGE, "--from: not an address", "policy", "simulate", "/nonexistent",
               "--from", not_addresses[i]);
    }
    EXPECT(rig, CLI_FAILED, "cannot open", "policy", "simulate", "/nonexistent", "--from", "::1");
    EXPECT(rig, CLI_USAGE, "there is no wrapped key", "data-key", "unwrap");
    EXPECT(rig, CLI_USAGE, "there is no wrapped key", "data-key", "rewrap");
    file_write(in_folder(rig->folder, "w.txt"), ward_bytes_str("ward:1:AAAA\nward:2:xx\n"));
    EXPECT(rig, CLI_FAILED, "line 2 is not a wrapped key", "data-key", "unwrap",
           in_folder(rig->folder, "w.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_cannot_move_a_terminals_cursor),
        cmocka_unit_test(numbers_are_digits_within_their_range),
        cmocka_unit_test(lines_lose_their_ends_and_nothing_else),
        cmocka_unit_test(resources_are_cut_out_byte_by_byte),
        cmocka_unit_test(each_of_several_patients_has_his_own_resources),
        cmocka_unit_test(a_bare_resource_and_an_empty_bundle_are_fine),
        cmocka_unit_test(what_is_no_bundle_is_refused),
        cmocka_unit_test(ndjson_is_taken_line_by_line),
        cmocka_unit_test(paths_of_a_profile_are_relative_to_its_file),
        cmocka_unit_test(bad_profiles_are_refused_with_what_is_wrong),
        cmocka_unit_test(what_is_no_certificate_ends_nowhere),
        cmocka_unit_test(a_certificates_end_is_seen_as_it_comes),
        cmocka_unit_test(a_signature_is_over_the_decision_too),
        cmocka_unit_test(help_and_version_succeed),
        cmocka_unit_test(misuse_is_exit_code_2),
        cmocka_unit_test(an_unreachable_daemon_is_exit_code_3),
        cmocka_unit_test(a_certificate_that_ends_is_told_once_and_never_among_the_output),
        cmocka_unit_test(a_missing_or_another_file_is_named_with_what_is_wrong),
        cmocka_unit_test(errors_tell_what_to_do),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
