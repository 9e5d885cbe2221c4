/* SPDX-License-Identifier: Apache-2.0 */
/* Properties over random policies and requests, each against a plain reading of the rules: what
 * decide says, that a request in another spelling is never more than the canonical one, and that
 * nobody but the rules' author widens anything. The seed is fixed: a failure repeats. */
#include "policy_support.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "policy/name.h"

enum { ROLES = 3, RULES = 6, MEMBERS = 4 };

static const char *const identities[MEMBERS] = {"spiffe://t.w/a", "spiffe://t.w/b",
                                                "spiffe://t.w/c", "spiffe://t.w/d"};
static const char *const globs[] = {"app/**", "app/*",    "app/x", "**",       "*", "*/x",
                                    "**/x",   "app/**/y", "a*",    "phi/*/k*", "b", "app/x/*"};
static const char *const names[] = {"app/x", "app/y",     "app/x/y", "app",
                                    "b",     "phi/a/key", "x",       "app/x/y/z"};
static const char *const purposes[] = {"TREAT", "ETREAT", "HMARKT"};
enum {
    GLOBS = sizeof(globs) / sizeof(globs[0]),
    NAMES = sizeof(names) / sizeof(names[0]),
    PURPOSES = sizeof(purposes) / sizeof(purposes[0]),
};

/* A random policy in a form that this test reads as easily as it writes. */
struct rule {
    bool deny, generate, unwrap;
    unsigned glob, purpose; /* PURPOSES: no condition */
};
struct role {
    bool member[MEMBERS];
    struct rule rules[RULES];
};

static unsigned below(unsigned *seed, unsigned n)
{
    return (unsigned)rand_r(seed) % n;
}

static void draw(unsigned *seed, struct role roles[ROLES])
{
    for (size_t i = 0; i < ROLES; i++) {
        for (size_t j = 0; j < MEMBERS; j++) {
            roles[i].member[j] = below(seed, 2) == 0;
        }
        for (size_t j = 0; j < RULES; j++) {
            unsigned actions = 1 + below(seed, 3);
            roles[i].rules[j] = (struct rule){
                .deny = below(seed, 4) == 0,
                .generate = (actions & 1) != 0,
                .unwrap = (actions & 2) != 0,
                .glob = below(seed, GLOBS),
                .purpose = below(seed, PURPOSES + 1),
            };
        }
    }
}

static void print_rule(struct ward_buffer *out, size_t number, const struct rule *rule)
{
    ward_buffer_printf(
        out, "  - name: r%zu\n    effect: %s\n    actions: [%s%s%s]\n    keys: [\"%s\"]\n", number,
        rule->deny ? "deny" : "allow", rule->generate ? "data-key.generate" : "",
        rule->generate && rule->unwrap ? ", " : "", rule->unwrap ? "data-key.unwrap" : "",
        globs[rule->glob]);
    if (rule->purpose < PURPOSES) {
        ward_buffer_printf(out, "    context: [{key: purpose, values: [%s]}]\n",
                           purposes[rule->purpose]);
    }
}

static struct ward_policy *print_and_parse(const struct role roles[ROLES])
{
    struct ward_buffer out;
    ward_buffer_init(&out, 65536);
    ward_buffer_printf(&out, "version: 1\ndeployment: t\nroles:\n");
    for (size_t i = 0; i < ROLES; i++) {
        ward_buffer_printf(&out, "- name: role%zu\n  kind: application\n  members: [", i);
        const char *comma = "";
        for (size_t j = 0; j < MEMBERS; j++) {
            if (roles[i].member[j]) {
                ward_buffer_printf(&out, "%s\"%s\"", comma, identities[j]);
                comma = ", ";
            }
        }
        ward_buffer_printf(&out, "]\n  rules:\n");
        for (size_t j = 0; j < RULES; j++) {
            print_rule(&out, j, &roles[i].rules[j]);
        }
    }
    ward_buffer_add_u8(&out, '\0');
    assert_false(out.failed);
    struct ward_policy *policy = policy_of((const char *)out.data);
    ward_buffer_fini(&out);
    return policy;
}

struct request {
    unsigned member, name, purpose; /* PURPOSES: no context */
    bool unwrap;
};

/* The rules read plainly: any deny refuses, else any allow allows. */
static bool expected(const struct role roles[ROLES], const struct request *request)
{
    bool allowed = false;
    for (size_t i = 0; i < ROLES; i++) {
        for (size_t j = 0; j < RULES && roles[i].member[request->member]; j++) {
            const struct rule *rule = &roles[i].rules[j];
            bool applies = (request->unwrap ? rule->unwrap : rule->generate) &&
                           (rule->purpose == PURPOSES || rule->purpose == request->purpose) &&
                           ward_glob_match(ward_bytes_str(globs[rule->glob]),
                                           ward_bytes_str(names[request->name]));
            if (applies && rule->deny) {
                return false;
            }
            allowed = allowed || applies;
        }
    }
    return allowed;
}

static bool decided(const struct ward_policy *policy, const struct request *request,
                    struct ward_bytes name)
{
    struct ward_decide_pair context = {WARD_BYTES_LITERAL("purpose"), {NULL, 0}};
    if (request->purpose < PURPOSES) {
        context.value = ward_bytes_str(purposes[request->purpose]);
    }
    const struct ward_decide_in in = {
        .subject = ward_policy_subject(policy, ward_bytes_str(identities[request->member])),
        .action = request->unwrap ? WARD_ACTION_DATA_KEY_UNWRAP : WARD_ACTION_DATA_KEY_GENERATE,
        .object = name,
        .context = &context,
        .n_context = request->purpose < PURPOSES,
    };
    struct ward_decision decision = ward_decide(policy, &in);
    assert_int_equal(ward_ok(decision.status), decision.allowed);
    assert_non_null(decision.rule);
    return decision.allowed;
}

static struct request draw_request(unsigned *seed)
{
    return (struct request){
        .member = below(seed, MEMBERS),
        .name = below(seed, NAMES),
        .purpose = below(seed, PURPOSES + 1),
        .unwrap = below(seed, 2) == 0,
    };
}

static void decide_agrees_with_a_plain_reading(void **state)
{
    (void)state;
    unsigned seed = 11;
    size_t allowed = 0;
    for (size_t round = 0; round < 300; round++) {
        struct role roles[ROLES];
        draw(&seed, roles);
        ward_auto(free_policy) struct ward_policy *policy = print_and_parse(roles);
        for (size_t i = 0; i < 100; i++) {
            struct request request = draw_request(&seed);
            bool got = decided(policy, &request, ward_bytes_str(names[request.name]));
            assert_int_equal(got, expected(roles, &request));
            allowed += got;
        }
    }
    assert_true(allowed > 3000 && allowed < 27000); /* both answers were tried */
}

/* What a lenient reader might fold into the canonical name. */
static size_t canon(const uint8_t *text, size_t size, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < size && text[i] != '\0'; i++) {
        char c = (char)text[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '\\' ? '/' : c;
        if ((c == '/' && (n == 0 || out[n - 1] == '/')) || c == ' ' || c == '\n' || c == '\t') {
            continue;
        }
        out[n++] = c;
    }
    while (n > 0 && (out[n - 1] == '/' || out[n - 1] == '.')) {
        n--;
    }
    return n;
}

/* One small change to a name, of the kinds that have made other systems decide on one name and act
 * on another: case, Unicode, dots, slashes, blanks, NUL. */
static size_t respell(unsigned *seed, const char *name, uint8_t *out)
{
    static const char *const inserts[] = {
        "/", "//",  "./",       "../",          "/.",           " ",    "\n", "\t",  "\\",
        ".", "%2f", "\xcc\x81", "\xe2\x80\x8b", "\xef\xbb\xbf", "\x7f", "*",  "\x80"};
    size_t size = strlen(name), at = below(seed, (unsigned)size + 1);
    unsigned how = below(seed, sizeof(inserts) / sizeof(inserts[0]) + 2);
    memcpy(out, name, size);
    if (how == 0) {
        out[at < size ? at : 0] = (uint8_t)(out[at < size ? at : 0] ^ 0x20);
        return size;
    }
    struct ward_bytes insert = how == 1 ? WARD_BYTES("\0", 1) : ward_bytes_str(inserts[how - 2]);
    memmove(out + at + insert.size, out + at, size - at);
    memcpy(out + at, insert.data, insert.size);
    return size + insert.size;
}

/* authz(x) allowed implies x == canon(x): a spelling is either the canonical one, decided on as
 * such, or it is refused whatever the rules say. */
static void what_is_allowed_is_spelt_canonically(void **state)
{
    (void)state;
    unsigned seed = 13;
    size_t respelt = 0;
    for (size_t round = 0; round < 100; round++) {
        struct role roles[ROLES];
        draw(&seed, roles);
        roles[0].rules[0] =
            (struct rule){.generate = true, .unwrap = true, .glob = 3, .purpose = PURPOSES};
        ward_auto(free_policy) struct ward_policy *policy = print_and_parse(roles);
        for (size_t i = 0; i < 500; i++) {
            struct request request = draw_request(&seed);
            uint8_t spelt[64];
            char plain[64];
            size_t size = respell(&seed, names[request.name], spelt);
            size_t plain_size = canon(spelt, size, plain);
            struct ward_bytes x = WARD_BYTES(spelt, size), y = WARD_BYTES(plain, plain_size);
            bool same = ward_bytes_eq(x, y);
            respelt += !same;
            if (!decided(policy, &request, x)) {
                continue;
            }
            /* Only a trailing dot can be both: then it is another key, decided on by its own name.
             */
            if (!ward_name_valid(x) || (!same && spelt[size - 1] != '.')) {
                fail_msg("allowed: %.*s", (int)size, (const char *)spelt);
            }
        }
    }
    assert_true(respelt > 10000);
}

/* Adding a deny never allows more, adding a member to a role changes nobody else. */
static void a_deny_added_never_widens(void **state)
{
    (void)state;
    unsigned seed = 17;
    for (size_t round = 0; round < 150; round++) {
        struct role before[ROLES], after[ROLES];
        draw(&seed, before);
        memcpy(after, before, sizeof(after));
        struct rule *changed = &after[below(&seed, ROLES)].rules[below(&seed, RULES)];
        changed->deny = true;
        unsigned joined = below(&seed, MEMBERS);
        after[below(&seed, ROLES)].member[joined] = true;
        ward_auto(free_policy) struct ward_policy *old = print_and_parse(before);
        ward_auto(free_policy) struct ward_policy *new = print_and_parse(after);
        for (size_t i = 0; i < 200; i++) {
            struct request request = draw_request(&seed);
            struct ward_bytes name = ward_bytes_str(names[request.name]);
            if (request.member != joined && decided(new, &request, name)) {
                assert_true(decided(old, &request, name));
            }
        }
    }
}

/* The same text, the same answers: nothing but policy and request goes in. */
static void two_parses_of_one_text_decide_alike(void **state)
{
    (void)state;
    unsigned seed = 19;
    for (size_t round = 0; round < 100; round++) {
        struct role roles[ROLES];
        draw(&seed, roles);
        ward_auto(free_policy) struct ward_policy *one = print_and_parse(roles);
        ward_auto(free_policy) struct ward_policy *two = print_and_parse(roles);
        assert_memory_equal(ward_policy_hash(one), ward_policy_hash(two), WARD_SHA256_SIZE);
        for (size_t i = 0; i < 100; i++) {
            struct request request = draw_request(&seed);
            struct ward_bytes name = ward_bytes_str(names[request.name]);
            assert_int_equal(decided(one, &request, name), decided(two, &request, name));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decide_agrees_with_a_plain_reading),
        cmocka_unit_test(what_is_allowed_is_spelt_canonically),
        cmocka_unit_test(a_deny_added_never_widens),
        cmocka_unit_test(two_parses_of_one_text_decide_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
