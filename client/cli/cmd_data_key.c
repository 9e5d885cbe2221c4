/* SPDX-License-Identifier: Apache-2.0 */
/* ward data-key: keys for applications, by hand. Wrapped keys come from a file or standard input;
 * plaintext goes to standard output and, on a terminal, only when it is asked for. */
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/input.h"
#include "client/cli/list.h"
#include "proto/wire_limits.h"
#include "proto/wrapped_key.h"

#define INPUT_MAX ((size_t)2 * 1024 * 1024)

static void json_base64(struct cli_doc *doc, const char *name, const void *data, size_t size)
{
    cli_doc_base64(doc, name, WARD_BYTES(data, size));
}

/* ---- generate ---- */

static void wrapped_text(const ward_data_keys *keys, size_t item, size_t i,
                         char text[static WARD_WRAPPED_TEXT_MAX])
{
    size_t size = 0;
    const void *wrapped = ward_data_keys_wrapped(keys, item, i, &size);
    text[0] = 0;
    if (size > 0 && size <= WARD_WRAPPED_MAX) {
        ward_wrapped_key_to_text(WARD_BYTES(wrapped, size), text);
    }
}

static int print_generated_json(const ward_data_keys *keys)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_name(&doc.json, "keys");
    ward_json_array(&doc.json);
    for (size_t i = 0; i < ward_data_keys_count(keys, 0); i++) {
        char text[WARD_WRAPPED_TEXT_MAX];
        wrapped_text(keys, 0, i, text);
        size_t size = 0;
        const void *plaintext = ward_data_keys_plaintext(keys, 0, i, &size);
        ward_json_object(&doc.json);
        cli_doc_text(&doc, "wrapped", text);
        if (size > 0) {
            json_base64(&doc, "plaintext", plaintext, size);
        }
        ward_json_object_end(&doc.json);
    }
    ward_json_array_end(&doc.json);
    return cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
}

static void plaintext_cell(struct cli_table *table, const ward_data_keys *keys, size_t item,
                           size_t i, bool show)
{
    size_t size = 0;
    const void *plaintext = ward_data_keys_plaintext(keys, item, i, &size);
    char text[WARD_BASE64_SIZE(64) + 1];
    if (size == 0) { /* asked for without, or refused */
        (void)snprintf(text, sizeof(text), "-");
    } else if (!show || size > 64) {
        (void)snprintf(text, sizeof(text), "%zu bytes, not shown", size);
    } else {
        ward_base64_encode(WARD_BYTES(plaintext, size), text);
    }
    cli_table_text(table, text);
    explicit_bzero(text, sizeof(text));
}

static int print_generated_table(const ward_data_keys *keys, bool show)
{
    static const char *const columns[] = {"WRAPPED", "PLAINTEXT"};
    struct cli_table table;
    cli_table_begin(&table, columns, 2);
    for (size_t i = 0; i < ward_data_keys_count(keys, 0); i++) {
        char text[WARD_WRAPPED_TEXT_MAX];
        wrapped_text(keys, 0, i, text);
        cli_table_text(&table, text);
        plaintext_cell(&table, keys, 0, i, show);
    }
    return cli_table_end(&table) ? CLI_DONE : CLI_FAILED;
}

static int fail_item(const char *tried, const ward_data_keys *keys, size_t item)
{
    const char *message = NULL;
    ward_error error = {.answered = 1};
    error.code = ward_data_keys_code(keys, item, &message);
    (void)snprintf(error.message, sizeof(error.message), "%s", message);
    return cli_fail_call(tried, &error);
}

static int run_generate(struct cli *cli, int argc, char **argv)
{
    const char *key = NULL;
    struct cli_pairs context = {.n = 0};
    uint64_t size = 32, count = 1;
    bool wrapped_only = false, show = false;
    const struct cli_option options[] = {
        {"key", CLI_TEXT, &key, "NAME", "The key-encryption key that wraps", 0, 0, true},
        {"context", CLI_PAIR, &context, "KEY=VALUE", "A pair of the encryption context; repeat it",
         0, 0, false},
        {"size", CLI_NUMBER, &size, "BYTES", "Of each data key: 16, 24, 32 or 64 (32)", 16, 64,
         false},
        {"count", CLI_NUMBER, &count, "N", "How many (1)", 1, WARD_BATCH_ITEMS_MAX, false},
        {"wrapped-only", CLI_FLAG, &wrapped_only, NULL, "Only the wrapped form", 0, 0, false},
        {"show-plaintext", CLI_FLAG, &show, NULL, "Show it in the table too", 0, 0, false},
    };
    CLI_PARSE(
        cli, argc, argv,
        .doc =
            "Makes data keys: the plaintext (base64 in JSON) to use now, the wrapped form to keep.",
        CLI_OPTIONS(options));
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    const ward_generate_request request = {
        key, context.pairs, context.n, (uint32_t)size, (uint32_t)count, wrapped_only};
    ward_data_keys *keys = NULL;
    ward_error error;
    if (ward_generate_data_keys(cli->client, NULL, &request, 1, &keys, &error) != WARD_RC_OK) {
        return cli_fail_call("generating data keys", &error);
    }
    exit = ward_data_keys_code(keys, 0, NULL) != WARD_RC_OK
               ? fail_item("generating data keys", keys, 0)
           : cli->json ? print_generated_json(keys)
                       : print_generated_table(keys, show);
    ward_data_keys_free(keys);
    return exit;
}

/* ---- wrapped keys from a file ---- */

/* "ward:1:<base64>", one a line; blank lines are passed over. */
static int parse_wrapped(struct ward_bytes text, const struct cli_pairs *context,
                         struct ward_arena *arena, ward_unwrap_request *requests, size_t *ret_n)
{
    struct ward_bytes line;
    size_t n = 0;
    for (unsigned number = 1; cli_next_line(&text, &line); number++) {
        if (line.size == 0) {
            continue;
        }
        uint8_t *wrapped = ward_arena_alloc(arena, WARD_WRAPPED_MAX);
        size_t size = 0;
        if (n == WARD_BATCH_ITEMS_MAX || wrapped == NULL) {
            return cli_fail(CLI_FAILED, NULL, "Split it.", "more than %u wrapped keys",
                            WARD_BATCH_ITEMS_MAX);
        }
        if (!ward_ok(ward_wrapped_key_from_text(line, wrapped, &size))) {
            return cli_fail(CLI_FAILED, "Nothing was sent.",
                            "Give wrapped keys as they were given out.",
                            "line %u is not a wrapped key (ward:1:<base64>)", number);
        }
        requests[n++] = (ward_unwrap_request){wrapped, size, context->pairs, context->n};
    }
    *ret_n = n;
    return n > 0 ? CLI_DONE
                 : cli_fail(CLI_USAGE, NULL, NULL, "there is no wrapped key in the input");
}

/* What one call sends: all of the file, or of standard input when path is NULL. Connects too. */
static int read_wrapped(struct cli *cli, const char *path, const struct cli_pairs *context,
                        struct ward_arena *arena, ward_unwrap_request **ret, size_t *ret_n)
{
    ward_unwrap_request *requests =
        WARD_ARENA_ARRAY(arena, ward_unwrap_request, WARD_BATCH_ITEMS_MAX);
    if (requests == NULL) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    }
    struct ward_buffer text;
    ward_buffer_init(&text, INPUT_MAX);
    int exit = cli_read(path, &text);
    if (exit == CLI_DONE) {
        exit = parse_wrapped(ward_buffer_view(&text), context, arena, requests, ret_n);
    }
    ward_buffer_fini(&text);
    *ret = requests;
    return exit == CLI_DONE ? cli_connect(cli) : exit;
}

/* One document or one table of many items; a cell or member is added only between these two. */
static void listing_error(struct cli_list *listing, ward_rc code, const char *message)
{
    cli_doc_text(&listing->doc, "code", ward_rc_name(code));
    cli_doc_text(&listing->doc, "error", message);
}

/* Of what did not open it is not known under which key it was. */
static void name_cells(struct cli_table *table, const ward_data_keys *keys, size_t i, ward_rc code)
{
    if (code != WARD_RC_OK) {
        cli_table_text(table, "-");
        cli_table_text(table, "-");
        return;
    }
    cli_table_text(table, ward_data_keys_name(keys, i));
    cli_table_number(table, ward_data_keys_version(keys, i));
}

/* ---- unwrap ---- */

static void list_unwrapped(struct cli_list *listing, const ward_data_keys *keys, size_t i,
                           bool show)
{
    const char *message = "";
    ward_rc code = ward_data_keys_code(keys, i, &message);
    if (!listing->json) {
        name_cells(&listing->table, keys, i, code);
        plaintext_cell(&listing->table, keys, i, 0, show);
        cli_table_text(&listing->table, message);
        return;
    }
    size_t size = 0;
    const void *plaintext = ward_data_keys_plaintext(keys, i, 0, &size);
    ward_json_object(&listing->doc.json);
    if (code == WARD_RC_OK) {
        cli_doc_text(&listing->doc, "key", ward_data_keys_name(keys, i));
        ward_json_member_int(&listing->doc.json, "version", ward_data_keys_version(keys, i));
        json_base64(&listing->doc, "plaintext", plaintext, size);
    } else {
        listing_error(listing, code, message);
    }
    ward_json_object_end(&listing->doc.json);
}

static int print_unwrapped(const struct cli *cli, const ward_data_keys *keys, bool show)
{
    static const char *const columns[] = {"KEY", "VERSION", "PLAINTEXT", "ERROR"};
    struct cli_list listing;
    int exit = CLI_DONE;
    cli_list_begin(&listing, cli->json, "keys", columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < ward_data_keys_items(keys); i++) {
        exit = ward_data_keys_code(keys, i, NULL) == WARD_RC_OK ? exit : CLI_FAILED;
        list_unwrapped(&listing, keys, i, show);
    }
    return cli_list_end(&listing) ? exit : CLI_FAILED;
}

static int unwrap(struct cli *cli, const char *path, const struct cli_pairs *context, bool show)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    ward_unwrap_request *requests = NULL;
    size_t n = 0;
    if (!ward_ok(ward_arena_new(INPUT_MAX, &arena))) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    }
    int exit = read_wrapped(cli, path, context, arena, &requests, &n);
    if (exit != CLI_DONE) {
        return exit;
    }
    ward_data_keys *keys = NULL;
    ward_error error;
    if (ward_unwrap_data_keys(cli->client, NULL, requests, n, &keys, &error) != WARD_RC_OK) {
        return cli_fail_call("unwrapping data keys", &error);
    }
    exit = n == 1 && ward_data_keys_code(keys, 0, NULL) != WARD_RC_OK
               ? fail_item("unwrapping the data key", keys, 0)
               : print_unwrapped(cli, keys, show);
    ward_data_keys_free(keys);
    return exit;
}

static int run_unwrap(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    struct cli_pairs context = {.n = 0};
    bool show = false;
    const struct cli_option options[] = {
        {"context", CLI_PAIR, &context, "KEY=VALUE",
         "A pair of the context given at issue; repeat it", 0, 0, false},
        {"show-plaintext", CLI_FLAG, &show, NULL, "Show it in the table too", 0, 0, false},
    };
    CLI_PARSE(
        cli, argc, argv, .args = "[FILE]",
        .doc = "Opens wrapped data keys, one a line (ward:1:...), from a file or standard input.",
        CLI_OPTIONS(options), .positional = &files, .max = 1);
    return unwrap(cli, files.n == 0 ? NULL : files.texts[0], &context, show);
}

/* ---- rewrap ---- */

static void list_rewrapped(struct cli_list *listing, const ward_data_keys *keys, size_t i)
{
    const char *message = "";
    char text[WARD_WRAPPED_TEXT_MAX];
    ward_rc code = ward_data_keys_code(keys, i, &message);
    bool unchanged = ward_data_keys_unchanged(keys, i) != 0;
    wrapped_text(keys, i, 0, text);
    if (!listing->json) {
        cli_table_text(&listing->table, ward_data_keys_name(keys, i));
        cli_table_number(&listing->table, ward_data_keys_version(keys, i));
        cli_table_text(&listing->table, code != WARD_RC_OK ? "" : unchanged ? "no" : "yes");
        cli_table_text(&listing->table, code == WARD_RC_OK ? text : message);
        return;
    }
    ward_json_object(&listing->doc.json);
    if (code == WARD_RC_OK) {
        cli_doc_text(&listing->doc, "key", ward_data_keys_name(keys, i));
        ward_json_member_int(&listing->doc.json, "version", ward_data_keys_version(keys, i));
        ward_json_name(&listing->doc.json, "unchanged");
        ward_json_bool(&listing->doc.json, unchanged);
        cli_doc_text(&listing->doc, "wrapped", text);
    } else {
        listing_error(listing, code, message);
    }
    ward_json_object_end(&listing->doc.json);
}

static int print_rewrapped(const struct cli *cli, const ward_data_keys *keys)
{
    static const char *const columns[] = {"KEY", "VERSION", "CHANGED", "WRAPPED OR ERROR"};
    struct cli_list listing;
    int exit = CLI_DONE;
    cli_list_begin(&listing, cli->json, "keys", columns, sizeof(columns) / sizeof(columns[0]));
    for (size_t i = 0; i < ward_data_keys_items(keys); i++) {
        exit = ward_data_keys_code(keys, i, NULL) == WARD_RC_OK ? exit : CLI_FAILED;
        list_rewrapped(&listing, keys, i);
    }
    return cli_list_end(&listing) ? exit : CLI_FAILED;
}

/* where: what every key's request has in common. */
static int rewrap(struct cli *cli, const char *path, const struct cli_pairs *context,
                  const ward_rewrap_request *where)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    ward_unwrap_request *wrapped = NULL;
    ward_rewrap_request *requests = NULL;
    size_t n = 0;
    if (ward_ok(ward_arena_new(INPUT_MAX, &arena))) {
        requests = WARD_ARENA_ARRAY(arena, ward_rewrap_request, WARD_BATCH_ITEMS_MAX);
    }
    if (requests == NULL) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    }
    int exit = read_wrapped(cli, path, context, arena, &wrapped, &n);
    if (exit != CLI_DONE) {
        return exit;
    }
    for (size_t i = 0; i < n; i++) {
        requests[i] = *where;
        requests[i].wrapped = wrapped[i].wrapped;
        requests[i].wrapped_size = wrapped[i].wrapped_size;
    }
    ward_data_keys *keys = NULL;
    ward_error error;
    if (ward_rewrap_data_keys(cli->client, NULL, requests, n, &keys, &error) != WARD_RC_OK) {
        return cli_fail_call("rewrapping data keys", &error);
    }
    exit = n == 1 && ward_data_keys_code(keys, 0, NULL) != WARD_RC_OK
               ? fail_item("rewrapping the data key", keys, 0)
               : print_rewrapped(cli, keys);
    ward_data_keys_free(keys);
    return exit;
}

static int run_rewrap(struct cli *cli, int argc, char **argv)
{
    struct cli_texts files = {.n = 0};
    struct cli_pairs context = {.n = 0}, new_context = {.n = 0};
    const char *key = NULL;
    uint64_t version = 0;
    bool no_context = false;
    const struct cli_option options[] = {
        {"context", CLI_PAIR, &context, "KEY=VALUE",
         "A pair of the context given at issue; repeat it", 0, 0, false},
        {"key", CLI_TEXT, &key, "NAME", "The key-encryption key to wrap under (the same)", 0, 0,
         false},
        {"version", CLI_NUMBER, &version, "N", "Its version (the newest)", 1, UINT32_MAX, false},
        {"new-context", CLI_PAIR, &new_context, "KEY=VALUE",
         "A pair of the context that the key shall have (as before); repeat it", 0, 0, false},
        {"no-context", CLI_FLAG, &no_context, NULL, "The key shall have no context any more", 0, 0,
         false},
    };
    CLI_PARSE(cli, argc, argv, .args = "[FILE]",
              .doc = "Moves wrapped data keys, one a line (ward:1:...), from a file or standard "
                     "input, to the newest version of their key-encryption key or to another one. "
                     "No plaintext comes or goes. Keep the old form until the new one is stored.",
              CLI_OPTIONS(options), .positional = &files, .max = 1);
    if (no_context && new_context.n > 0) {
        return cli_fail(CLI_USAGE, NULL, "Give one of the two.",
                        "--no-context and --new-context exclude each other");
    }
    const ward_rewrap_request where = {.context = context.pairs,
                                       .n_context = context.n,
                                       .key = key,
                                       .version = (uint32_t)version,
                                       .change_context = no_context || new_context.n > 0,
                                       .new_context = new_context.pairs,
                                       .n_new_context = new_context.n};
    return rewrap(cli, files.n == 0 ? NULL : files.texts[0], &context, &where);
}

static const struct cli_verb verbs[] = {
    {"generate", run_generate, "new data keys, plaintext and wrapped"},
    {"unwrap", run_unwrap, "open wrapped data keys"},
    {"rewrap", run_rewrap, "move wrapped data keys to another version, key or context"},
    {NULL, NULL, NULL},
};

const struct cli_noun cli_noun_data_key = {"data-key", verbs, NULL,
                                           "Data keys for applications: issue, unwrap, rewrap."};
