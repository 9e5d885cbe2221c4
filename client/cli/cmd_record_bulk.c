/* SPDX-License-Identifier: Apache-2.0 */
/* ward record import and check: whole folders of FHIR bundles (or NDJSON) into the store, and back
 * out to be compared byte for byte with the files. Messages about single items name file and record
 * id. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/cli/cmd_record.h"
#include "client/cli/fhir.h"
#include "client/cli/input.h"
#include "proto/wire_limits.h"

#define FILE_MAX ((size_t)1024 * 1024 * 1024)
#define BATCH_ITEMS 100u
#define BATCH_BYTES                                                              \
    ((size_t)3 * 1024 * 1024) /* leaves room for names under the message's limit \
                               */
#define PROBLEMS_SHOWN 20

enum bulk_mode { IMPORT, CHECK };

struct bulk {
    struct cli *cli;
    enum bulk_mode mode;
    const char *collection, *file;
    struct cli_pairs context;
    ward_call call;
    uint64_t batch; /* items in one request, at most */
    uint64_t files, patients, resources, bytes;
    uint64_t stored, identical, different, missing, failed, bad_files;
    unsigned shown;
};

static void problem(struct bulk *bulk, const char *what, const char *id)
{
    if (bulk->shown++ < PROBLEMS_SHOWN) {
        (void)cli_fail(CLI_FAILED, NULL, NULL, "%s: %s%s%s", bulk->file, id == NULL ? "" : id,
                       id == NULL ? "" : ": ", what);
    }
}

/* ---- one batch ---- */

static int put_batch(struct bulk *bulk, const struct cli_item *items, size_t n)
{
    ward_put_request requests[BATCH_ITEMS] = {0};
    for (size_t i = 0; i < n; i++) {
        requests[i] = (ward_put_request){bulk->collection, items[i].subject, items[i].id,
                                         items[i].json.data, items[i].json.size};
    }
    ward_records *records = NULL;
    ward_error error;
    if (ward_put_records(bulk->cli->client, &bulk->call, bulk->context.pairs, bulk->context.n,
                         requests, n, &records, &error) != WARD_RC_OK) {
        return cli_fail_call("storing records", &error);
    }
    for (size_t i = 0; i < n; i++) {
        if (records->items[i]->code == WARD_RC_OK) {
            bulk->stored++;
        } else {
            bulk->failed++;
            problem(bulk, records->items[i]->message, items[i].id);
        }
    }
    ward_records_free(records);
    return CLI_DONE;
}

static void compare(struct bulk *bulk, const ward_record_result *result,
                    const struct cli_item *item)
{
    if (result->code == WARD_RC_NOT_FOUND) {
        bulk->missing++;
        problem(bulk, "is not stored", item->id);
    } else if (result->code != WARD_RC_OK) {
        bulk->failed++;
        problem(bulk, result->message, item->id);
    } else if (ward_bytes_eq(WARD_BYTES(result->json, result->json_size), item->json)) {
        bulk->identical++;
    } else {
        bulk->different++;
        problem(bulk, "what is stored differs from the file", item->id);
    }
}

static int get_batch(struct bulk *bulk, const struct cli_item *items, size_t n)
{
    static const char *const whole[] = {"*"};
    ward_get_request requests[BATCH_ITEMS] = {0};
    for (size_t i = 0; i < n; i++) {
        requests[i] =
            (ward_get_request){bulk->collection, items[i].subject, items[i].id, whole, 1, 0};
    }
    ward_records *records = NULL;
    ward_error error;
    if (ward_get_records(bulk->cli->client, &bulk->call, bulk->context.pairs, bulk->context.n,
                         requests, n, &records, &error) != WARD_RC_OK) {
        return cli_fail_call("reading records", &error);
    }
    int exit = CLI_DONE;
    for (size_t i = 0; i < n && exit == CLI_DONE; i++) {
        /* The files' sizes decided the batch; what is stored may be larger, and then goes alone. */
        if (n > 1 && records->items[i]->code == WARD_RC_RESOURCE_EXHAUSTED) {
            exit = get_batch(bulk, &items[i], 1);
        } else {
            compare(bulk, records->items[i], &items[i]);
        }
    }
    ward_records_free(records);
    return exit;
}

static int run_items(struct bulk *bulk, const struct cli_items *items)
{
    bulk->patients += items->patients;
    bulk->resources += items->n;
    for (size_t first = 0; first < items->n;) {
        size_t n = 0, bytes = 0;
        while (first + n < items->n && n < bulk->batch &&
               (n == 0 || bytes + items->items[first + n].json.size <= BATCH_BYTES)) {
            bytes += items->items[first + n].json.size;
            n++;
        }
        bulk->bytes += bytes;
        int exit = bulk->mode == IMPORT ? put_batch(bulk, &items->items[first], n)
                                        : get_batch(bulk, &items->items[first], n);
        if (exit != CLI_DONE) {
            return exit;
        }
        first += n;
    }
    return CLI_DONE;
}

/* ---- files ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* line: of a file of lines the one that is refused; else 0. */
static ward_status parse_file(const struct bulk *bulk, bool fhir, struct ward_bytes text,
                              struct ward_arena *arena, struct cli_items *items, unsigned *line)
{
    *line = 0;
    return fhir ? cli_fhir_parse(text, base_name(bulk->file), arena, items)
                : cli_ndjson_parse(text, arena, items, line);
}

static void refuse_file(struct bulk *bulk, ward_status status, unsigned line)
{
    const char *refusal = ward_status_refusal(status);
    char where[32];
    (void)snprintf(where, sizeof(where), "line %u", line);
    problem(bulk, refusal == NULL ? "cannot be read" : refusal, line == 0 ? NULL : where);
    bulk->bad_files++;
}

static int run_text(struct bulk *bulk, bool fhir, struct ward_bytes text)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    if (!ward_ok(ward_arena_new(FILE_MAX, &arena))) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no more memory");
    }
    struct cli_items items = {0};
    unsigned line;
    ward_status status = parse_file(bulk, fhir, text, arena, &items, &line);
    if (!ward_ok(status)) {
        refuse_file(bulk, status, line);
        return CLI_DONE;
    }
    bulk->files++;
    return run_items(bulk, &items);
}

static int run_file(struct bulk *bulk, bool fhir, const char *path)
{
    struct ward_buffer text;
    ward_buffer_init(&text, FILE_MAX);
    bulk->file = path;
    int exit = cli_read(path, &text);
    if (exit == CLI_DONE) {
        exit = run_text(bulk, fhir, ward_buffer_view(&text));
    }
    ward_buffer_fini(&text);
    return exit;
}

static int is_json(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);
    return entry->d_name[0] != '.' && size > 5 && strcmp(entry->d_name + size - 5, ".json") == 0;
}

static int run_folder(struct bulk *bulk, const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_json, alphasort);
    if (n < 0) {
        return cli_fail(CLI_FAILED, NULL, NULL, "cannot read the folder %s: %s", folder,
                        strerrordesc_np(errno));
    }
    int exit = CLI_DONE;
    for (int i = 0; i < n; i++) {
        char path[CLI_PATH_MAX];
        int size = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (exit == CLI_DONE && size > 0 && (size_t)size < sizeof(path)) {
            exit = run_file(bulk, true, path);
        }
        free(entries[i]);
    }
    free(entries);
    if (exit == CLI_DONE && n == 0) {
        return cli_fail(CLI_FAILED, NULL, NULL, "%s holds no .json file", folder);
    }
    return exit;
}

/* ---- the verbs ---- */

static void print_json(const struct bulk *bulk, double seconds)
{
    struct cli_doc doc;
    cli_doc_begin(&doc);
    ward_json_member_int(&doc.json, "files", (int64_t)bulk->files);
    ward_json_member_int(&doc.json, "bad_files", (int64_t)bulk->bad_files);
    ward_json_member_int(&doc.json, "patients", (int64_t)bulk->patients);
    ward_json_member_int(&doc.json, "resources", (int64_t)bulk->resources);
    ward_json_member_int(&doc.json, "bytes", (int64_t)bulk->bytes);
    if (bulk->mode == IMPORT) {
        ward_json_member_int(&doc.json, "stored", (int64_t)bulk->stored);
    } else {
        ward_json_member_int(&doc.json, "identical", (int64_t)bulk->identical);
        ward_json_member_int(&doc.json, "different", (int64_t)bulk->different);
        ward_json_member_int(&doc.json, "missing", (int64_t)bulk->missing);
    }
    ward_json_member_int(&doc.json, "failed", (int64_t)bulk->failed);
    cli_doc_decimal(&doc, "seconds", seconds);
    (void)cli_doc_end(&doc); /* says so itself; the exit code tells the rest */
}

static void print_text(const struct bulk *bulk, double seconds)
{
    (void)cli_print("%llu resources of %llu patients in %llu files, %.1f MB: ",
                    (unsigned long long)bulk->resources, (unsigned long long)bulk->patients,
                    (unsigned long long)bulk->files, (double)bulk->bytes / 1e6);
    if (bulk->mode == IMPORT) {
        (void)cli_print("%llu stored, ", (unsigned long long)bulk->stored);
    } else {
        (void)cli_print("%llu identical, %llu different, %llu missing, ",
                        (unsigned long long)bulk->identical, (unsigned long long)bulk->different,
                        (unsigned long long)bulk->missing);
    }
    (void)cli_print("%llu failed, in %.2f s\n", (unsigned long long)bulk->failed, seconds);
}

static int finish(const struct bulk *bulk, int64_t start_us)
{
    double seconds = (double)(ward_monotonic_us(&ward_clock_system) - start_us) / 1e6;
    if (bulk->shown > PROBLEMS_SHOWN) {
        (void)fprintf(stderr, "ward: and %u more\n", bulk->shown - PROBLEMS_SHOWN);
    }
    if (bulk->cli->json) {
        print_json(bulk, seconds);
    } else {
        print_text(bulk, seconds);
    }
    bool whole = bulk->failed + bulk->different + bulk->missing + bulk->bad_files == 0;
    return whole ? CLI_DONE : CLI_FAILED;
}

static int run(struct cli *cli, int argc, char **argv, enum bulk_mode mode, const char *doc)
{
    struct bulk bulk = {.cli = cli, .mode = mode, .batch = BATCH_ITEMS};
    const char *folder = NULL, *ndjson = NULL;
    const struct cli_option options[] = {
        {"collection", CLI_TEXT, &bulk.collection, "NAME", "The collection", 0, 0, true},
        {"fhir", CLI_TEXT, &folder, "DIR", "The .json files of this folder: FHIR bundles", 0, 0,
         false},
        {"ndjson", CLI_TEXT, &ndjson, "FILE",
         "Lines of {\"subject\":..,\"id\":..,\"json\":{..}}; - for standard input", 0, 0, false},
        {"context", CLI_PAIR, &bulk.context, "KEY=VALUE", "Repeat it (default: purpose=TREAT)", 0,
         0, false},
        {"batch", CLI_NUMBER, &bulk.batch, "N",
         "At most so many records in one request (100); a role's limits may want fewer", 1,
         BATCH_ITEMS, false},
    };
    CLI_PARSE(cli, argc, argv, .doc = doc, CLI_OPTIONS(options));
    if ((folder == NULL) == (ndjson == NULL)) {
        return cli_fail(CLI_USAGE, NULL, NULL, "give one of --fhir DIR and --ndjson FILE");
    }
    if (bulk.context.n == 0) {
        bulk.context.pairs[bulk.context.n++] = (ward_pair){"purpose", "TREAT"};
    }
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    int64_t start_us = ward_monotonic_us(&ward_clock_system);
    exit = folder != NULL ? run_folder(&bulk, folder) : run_file(&bulk, false, ndjson);
    return exit == CLI_DONE ? finish(&bulk, start_us) : exit;
}

int cli_record_import(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, IMPORT,
               "Stores every resource of the bundles as a record of its patient, byte by byte. The "
               "subject is a pseudonym made from the Patient's id, the record's id is TYPE/ID.");
}

int cli_record_check(struct cli *cli, int argc, char **argv)
{
    return run(cli, argc, argv, CHECK,
               "Reads back what import stored and compares it byte for byte.");
}
