/* SPDX-License-Identifier: Apache-2.0 */
/* What an officer sees of a change of policy. Both texts are hashed here and held against what the
 * payload names, so that nobody signs a hash whose text he has not seen. */
#include "client/cli/policy_diff.h"

#include "base/digest.h"
#include "client/cli/line_diff.h"
#include "policy/compare.h"

#define DIFF_MEMORY ((size_t)256 << 20)
#define COMPARE_MEMORY ((size_t)64 << 20)
#define CONTEXT 3
#define TEXT_OF(bytes) (int)(bytes).size, (const char *)(bytes).data

/* ---- line by line ---- */

/* A run of lines around changes, as one hunk. */
struct hunk {
    size_t from, to, n_from, n_to;
};

/* The next change at or after the places, or false. */
static bool next_change(const struct line_diff *d, size_t *from, size_t *to)
{
    while (*from < d->n_from && *to < d->n_to && d->kept_from[*from] && d->kept_to[*to]) {
        (*from)++;
        (*to)++;
    }
    return *from < d->n_from || *to < d->n_to;
}

static void skip_change(const struct line_diff *d, size_t *from, size_t *to)
{
    while (*from < d->n_from && !d->kept_from[*from]) {
        (*from)++;
    }
    while (*to < d->n_to && !d->kept_to[*to]) {
        (*to)++;
    }
}

/* From a change on: as long as less than two contexts are between it and the next one. */
static struct hunk find_hunk(const struct line_diff *d, size_t from, size_t to)
{
    size_t before = from < to ? from : to;
    before = before < CONTEXT ? before : CONTEXT;
    struct hunk hunk = {.from = from - before, .to = to - before};
    for (;;) {
        skip_change(d, &from, &to);
        size_t next_from = from, next_to = to;
        if (!next_change(d, &next_from, &next_to) || next_from - from > 2 * CONTEXT) {
            break;
        }
        from = next_from;
        to = next_to;
    }
    size_t after = d->n_from - from < CONTEXT ? d->n_from - from : CONTEXT;
    hunk.n_from = from + after - hunk.from;
    hunk.n_to = to + after - hunk.to;
    return hunk;
}

static void print_line(char mark, struct ward_bytes line, struct ward_buffer *out)
{
    ward_buffer_add_u8(out, (uint8_t)mark);
    cli_escape(line, out);
    ward_buffer_add_u8(out, '\n');
}

static void print_hunk(const struct line_diff *d, const struct hunk *hunk, struct ward_buffer *out)
{
    ward_buffer_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", hunk->from + (hunk->n_from > 0),
                       hunk->n_from, hunk->to + (hunk->n_to > 0), hunk->n_to);
    size_t from = hunk->from, to = hunk->to;
    while (from < hunk->from + hunk->n_from || to < hunk->to + hunk->n_to) {
        if (from < hunk->from + hunk->n_from && !d->kept_from[from]) {
            print_line('-', d->from[from++], out);
        } else if (to < hunk->to + hunk->n_to && !d->kept_to[to]) {
            print_line('+', d->to[to++], out);
        } else {
            print_line(' ', d->from[from++], out);
            to++;
        }
    }
}

void cli_policy_diff(const struct cli_policy_text *from, const struct cli_policy_text *to,
                     struct ward_buffer *out)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct line_diff d;
    if (!ward_ok(ward_arena_new(DIFF_MEMORY, &arena)) ||
        !ward_ok(line_diff(from->text, to->text, arena, &d))) {
        out->failed = true;
        return;
    }
    size_t i = 0, k = 0;
    for (bool first = true; next_change(&d, &i, &k); first = false) {
        if (first) {
            ward_buffer_printf(out, "--- ");
            cli_escape(ward_bytes_str(from->name), out);
            ward_buffer_printf(out, "\n+++ ");
            cli_escape(ward_bytes_str(to->name), out);
            ward_buffer_add_u8(out, '\n');
        }
        struct hunk hunk = find_hunk(&d, i, k);
        print_hunk(&d, &hunk, out);
        i = hunk.from + hunk.n_from;
        k = hunk.to + hunk.n_to;
    }
}

/* ---- what it means ---- */

static int parse(const struct cli_policy_text *text, struct ward_policy **ret)
{
    struct ward_policy_error error = {0};
    if (ward_ok(ward_policy_parse(text->text, ret, &error))) {
        return CLI_DONE;
    }
    return cli_fail(CLI_FAILED, "What it would mean cannot be said.",
                    "`ward policy check FILE` says more.", "%s:%u:%u: %s", text->name, error.line,
                    error.column, error.text);
}

struct meaning {
    struct ward_policy *from, *to;
    struct ward_arena *arena;
    struct ward_comparison told;
};

static void meaning_close(struct meaning *meaning)
{
    ward_policy_unref(meaning->from);
    ward_policy_unref(meaning->to);
    ward_arena_free(meaning->arena);
}

static int meaning_open(const struct cli_policy_text *from, const struct cli_policy_text *to,
                        struct meaning *ret)
{
    *ret = (struct meaning){0};
    int exit = parse(from, &ret->from);
    exit = exit == CLI_DONE ? parse(to, &ret->to) : exit;
    if (exit == CLI_DONE &&
        (!ward_ok(ward_arena_new(COMPARE_MEMORY, &ret->arena)) ||
         !ward_ok(ward_policy_compare(ret->from, ret->to, ret->arena, &ret->told)))) {
        exit = cli_fail(CLI_FAILED, NULL, NULL, "not enough memory to compare the policies");
    }
    if (exit != CLI_DONE) {
        meaning_close(ret);
    }
    return exit;
}

static const char *const kinds[] = {
    [WARD_DIFFERENCE_GAINS] = "gains",         [WARD_DIFFERENCE_LOSES] = "loses",
    [WARD_DIFFERENCE_GUARD_WEAKER] = "weaker", [WARD_DIFFERENCE_GUARD] = "guard",
    [WARD_DIFFERENCE_PERSON] = "person",       [WARD_DIFFERENCE_LIMITS] = "limits",
    [WARD_DIFFERENCE_OTHER] = "changed",
};

static void print_difference(const struct ward_difference *difference, struct ward_buffer *out)
{
    enum ward_difference_kind kind = difference->kind;
    bool right = kind == WARD_DIFFERENCE_GAINS || kind == WARD_DIFFERENCE_LOSES;
    ward_buffer_printf(out, "  ");
    if (!right) {
        ward_buffer_printf(out, "%s ",
                           kind == WARD_DIFFERENCE_GUARD_WEAKER ? "WEAKER guard" : kinds[kind]);
    }
    cli_escape(difference->who, out);
    struct ward_bytes what = difference->what;
    const struct ward_bytes denied = WARD_BYTES_LITERAL("denied: ");
    if (kind == WARD_DIFFERENCE_LOSES && what.size > denied.size &&
        memcmp(what.data, denied.data, denied.size) == 0) { /* a deny more */
        ward_buffer_printf(out, " is denied ");
        what = WARD_BYTES(what.data + denied.size, what.size - denied.size);
    } else {
        ward_buffer_printf(out, right ? " %s " : ": ", kinds[kind]);
    }
    cli_escape(what, out);
    ward_buffer_add_u8(out, '\n');
}

static void print_meaning(const struct ward_comparison *told, struct ward_buffer *out)
{
    ward_buffer_printf(out,
                       "  rules: %u added, %u removed; roles: %u added, %u removed; identities "
                       "that gain rights: %u, that lose: %u; guards weakened: %u\n",
                       told->rules_added, told->rules_removed, told->roles_added,
                       told->roles_removed, told->identities_gaining, told->identities_losing,
                       told->guards_weakened);
    for (size_t i = 0; i < told->n; i++) {
        print_difference(&told->differences[i], out);
    }
    if (told->n == WARD_DIFFERENCES_MAX) {
        ward_buffer_printf(out, "  and more, which is not listed\n");
    }
}

int cli_policy_meaning(const struct cli_policy_text *from, const struct cli_policy_text *to,
                       struct ward_buffer *out)
{
    struct meaning meaning;
    int exit = meaning_open(from, to, &meaning);
    if (exit == CLI_DONE) {
        print_meaning(&meaning.told, out);
        meaning_close(&meaning);
    }
    return exit;
}

int cli_policy_meaning_json(const struct cli_policy_text *from, const struct cli_policy_text *to,
                            struct cli_doc *doc)
{
    struct meaning meaning;
    int exit = meaning_open(from, to, &meaning);
    if (exit != CLI_DONE) {
        return exit;
    }
    const struct ward_comparison *told = &meaning.told;
    ward_json_member_int(&doc->json, "rules_added", told->rules_added);
    ward_json_member_int(&doc->json, "rules_removed", told->rules_removed);
    ward_json_member_int(&doc->json, "identities_that_gain_rights", told->identities_gaining);
    ward_json_member_int(&doc->json, "identities_that_lose_rights", told->identities_losing);
    ward_json_member_int(&doc->json, "guards_weakened", told->guards_weakened);
    ward_json_name(&doc->json, "differences");
    ward_json_array(&doc->json);
    for (size_t i = 0; i < told->n; i++) {
        ward_json_object(&doc->json);
        cli_doc_text(doc, "kind", kinds[told->differences[i].kind]);
        ward_json_member(&doc->json, "who", told->differences[i].who);
        ward_json_member(&doc->json, "what", told->differences[i].what);
        ward_json_object_end(&doc->json);
    }
    ward_json_array_end(&doc->json);
    meaning_close(&meaning);
    return CLI_DONE;
}

/* ---- of a proposal ---- */

bool cli_policy_hash_is(struct ward_bytes text, struct ward_bytes hex)
{
    struct ward_digest *digest = NULL;
    uint8_t hash[WARD_SHA256_SIZE];
    char own[2 * WARD_SHA256_SIZE + 1];
    bool good = ward_ok(ward_digest_new(&digest)) && ward_ok(ward_sha256(digest, &text, 1, hash));
    ward_digest_free(digest);
    ward_hex_encode(WARD_BYTES_ARRAY(hash), own);
    return good && ward_bytes_eq(ward_bytes_str(own), hex);
}

/* A text as the payload names it by its hash. */
static int fetch(struct cli *cli, uint32_t version, const char *id, struct ward_bytes hash,
                 ward_policies **ret)
{
    ward_error error;
    if (ward_show_policy(cli->client, NULL, version, id, ret, &error) != WARD_RC_OK) {
        return cli_fail_call("fetching the policy", &error);
    }
    const ward_policy_info *info = (*ret)->items[0];
    if (cli_policy_hash_is(WARD_BYTES(info->text, info->text_size), hash)) {
        return CLI_DONE;
    }
    ward_policies_free(*ret);
    *ret = NULL;
    return cli_fail(CLI_FAILED, "Nothing was signed, and nothing of it may be.",
                    "Tell your security team: the daemon or its database was altered.",
                    "the policy that the daemon gave is not the one that the proposal names");
}

static int show_both(const ward_policies *before, const ward_policies *after,
                     const struct cli_proposal *proposal, struct ward_buffer *out)
{
    char *from_name = ward_arena_printf(proposal->arena, "policy#%u", before->items[0]->version);
    char *to_name = ward_arena_printf(proposal->arena, "policy#%u", before->items[0]->version + 1);
    if (from_name == NULL || to_name == NULL) {
        return cli_fail(CLI_FAILED, NULL, NULL, "not enough memory");
    }
    const struct cli_policy_text from = {
        from_name, WARD_BYTES(before->items[0]->text, before->items[0]->text_size)};
    const struct cli_policy_text to = {
        to_name, WARD_BYTES(after->items[0]->text, after->items[0]->text_size)};
    ward_buffer_printf(out, "What it means:\n");
    int exit = cli_policy_meaning(&from, &to, out);
    ward_buffer_printf(out, "Line by line:\n");
    cli_policy_diff(&from, &to, out);
    if (exit == CLI_DONE && out->failed) {
        exit = cli_fail(CLI_FAILED, "What is not shown cannot be signed.",
                        "Propose the change in smaller steps.", "the difference is too large");
    }
    return exit;
}

int cli_policy_show_proposed(struct cli *cli, const struct cli_proposal *proposal,
                             struct ward_buffer *out)
{
    const struct ward_proposal *p = &proposal->parsed;
    int64_t version = 0;
    if (!ward_bytes_eq(p->action, WARD_BYTES_LITERAL("policy.apply"))) {
        return CLI_DONE;
    }
    if (!ward_proposal_number(p->parameters, p->n_parameters, "from_version", &version) ||
        version < 1 || version >= INT32_MAX) {
        return cli_fail(CLI_FAILED, "Nothing was signed.", "Tell your security team.",
                        "the proposal does not say which policy it replaces");
    }
    ward_policies *before = NULL, *after = NULL;
    int exit = fetch(cli, (uint32_t)version, NULL,
                     ward_proposal_text(p->parameters, p->n_parameters, "from_hash"), &before);
    if (exit == CLI_DONE) {
        exit = fetch(cli, 0, proposal->id,
                     ward_proposal_text(p->parameters, p->n_parameters, "to_hash"), &after);
    }
    if (exit == CLI_DONE) {
        exit = show_both(before, after, proposal, out);
    }
    ward_policies_free(before);
    ward_policies_free(after);
    return exit;
}
