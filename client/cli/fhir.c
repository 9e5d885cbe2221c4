/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles to items. The base scanner checks the whole text and finds members; here arrays are
 * walked and references followed. Must not know the network, nor what a resource says beyond whose
 * it is. */
#include "client/cli/fhir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "client/cli/input.h"
#include "proto/canonical.h"
#include "proto/wire_limits.h"

#define MEMBERS_MAX 256
#define RESOURCES_MAX 1000000u

/* ---- JSON that was scanned ---- */

static struct ward_bytes member(const struct ward_json_slice *slices, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, ward_bytes_str(name))) {
            return slices[i].value;
        }
    }
    return (struct ward_bytes){0};
}

/* What stands between the quotes of a plain string; empty for anything else. Ids and types in FHIR
 * need no escapes. */
static struct ward_bytes plain(struct ward_bytes value)
{
    if (value.size < 3 || value.data[0] != '"' || value.size - 2 > WARD_NAME_MAX ||
        memchr(value.data, '\\', value.size) != NULL) {
        return (struct ward_bytes){0};
    }
    return WARD_BYTES(value.data + 1, value.size - 2);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip(struct ward_bytes *rest, size_t n)
{
    *rest = WARD_BYTES(rest->data + n, rest->size - n);
}

/* The end of the value at the front, in text that is known to be well-formed. */
static size_t element_size(struct ward_bytes text)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (quoted) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                quoted = false;
            }
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ',' && depth == 0) {
            return i;
        }
    }
    return text.size;
}

bool cli_json_next_element(struct ward_bytes *rest, struct ward_bytes *ret)
{
    while (rest->size > 0 && (is_space(rest->data[0]) || rest->data[0] == ',')) {
        skip(rest, 1);
    }
    if (rest->size == 0) {
        return false;
    }
    size_t size = element_size(*rest);
    *ret = WARD_BYTES(rest->data, size);
    skip(rest, size);
    while (ret->size > 0 && is_space(ret->data[ret->size - 1])) {
        ret->size--;
    }
    return true;
}

/* ---- whose ---- */

struct resource {
    struct ward_bytes json, type, id;
    struct ward_bytes patient; /* the id that it refers to, or that it has */
};

static struct ward_bytes strip(struct ward_bytes text, struct ward_bytes prefix)
{
    if (text.size > prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0) {
        skip(&text, prefix.size);
    }
    return text;
}

/* The patient's id in {"reference": "Patient/ID"} or "urn:uuid:ID". */
static struct ward_bytes referred(struct ward_bytes value)
{
    struct ward_json_slice slices[16];
    size_t n = 0;
    if (value.size == 0 || value.data[0] != '{' ||
        !ward_ok(ward_json_scan(value, slices, sizeof(slices) / sizeof(slices[0]), &n))) {
        return (struct ward_bytes){0};
    }
    struct ward_bytes reference = plain(member(slices, n, "reference"));
    struct ward_bytes id =
        strip(strip(reference, WARD_BYTES_LITERAL("urn:uuid:")), WARD_BYTES_LITERAL("Patient/"));
    bool other = id.size > 0 && memchr(id.data, '/', id.size) != NULL;
    return other ? (struct ward_bytes){0} : id;
}

static ward_status read_resource(struct ward_bytes json, struct resource *ret)
{
    static const char *const references[] = {"subject", "patient", "beneficiary", "individual",
                                             "for"};
    struct ward_json_slice slices[MEMBERS_MAX];
    size_t n = 0;
    WARD_TRY(ward_json_scan(json, slices, MEMBERS_MAX, &n));
    *ret = (struct resource){.json = json};
    ret->type = plain(member(slices, n, "resourceType"));
    ret->id = plain(member(slices, n, "id"));
    WARD_REQUIRE(ret->type.size > 0, "fhir: a resource without resourceType");
    if (ward_bytes_eq(ret->type, WARD_BYTES_LITERAL("Patient"))) {
        ret->patient = ret->id;
        return WARD_OK;
    }
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]) && ret->patient.size == 0;
         i++) {
        ret->patient = referred(member(slices, n, references[i]));
    }
    return WARD_OK;
}

/* A pseudonym that says nothing but stays the same: a keyless digest, since FHIR's ids are random.
 */
static char *pseudonym(struct ward_arena *arena, const char *kind, struct ward_bytes id)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[33], text[WARD_NAME_MAX * 2 + 64];
    int size = snprintf(text, sizeof(text), "ward fhir %s 1\n%.*s", kind,
                        (int)(id.size > WARD_NAME_MAX * 2 ? WARD_NAME_MAX * 2 : id.size),
                        (const char *)id.data);
    if (size < 0 || (size_t)size >= sizeof(text) ||
        SHA256((const uint8_t *)text, (size_t)size, digest) == NULL) {
        return NULL;
    }
    ward_hex_encode(WARD_BYTES(digest, 16), hex);
    return ward_arena_printf(arena, "fhir-%s", hex);
}

static ward_status name_item(const struct resource *resource, size_t position,
                             struct ward_bytes only, const char *file, struct ward_arena *arena,
                             struct cli_item *ret)
{
    bool is_patient = ward_bytes_eq(resource->type, WARD_BYTES_LITERAL("Patient"));
    struct ward_bytes patient = only.size > 0 && !is_patient ? only : resource->patient;
    ret->json = resource->json;
    ret->subject = patient.size > 0 ? pseudonym(arena, "subject", patient)
                                    : pseudonym(arena, "file", ward_bytes_str(file));
    ret->id = resource->id.size > 0
                  ? ward_arena_printf(arena, "%.*s/%.*s", (int)resource->type.size,
                                      (const char *)resource->type.data, (int)resource->id.size,
                                      (const char *)resource->id.data)
                  : ward_arena_printf(arena, "%.*s/entry-%zu", (int)resource->type.size,
                                      (const char *)resource->type.data, position);
    WARD_ENSURE(ret->subject != NULL && ret->id != NULL, WARD_E_EXHAUSTED);
    WARD_REQUIRE(strlen(ret->id) <= WARD_NAME_MAX, "fhir: a resource's type and id are too long");
    return WARD_OK;
}

static int compare_items(const void *left, const void *right)
{
    const struct cli_item *const *a = left, *const *b = right;
    int order = strcmp((*a)->subject, (*b)->subject);
    return order != 0 ? order : strcmp((*a)->id, (*b)->id);
}

static ward_status refuse_twins(const struct cli_items *items, struct ward_arena *arena)
{
    const struct cli_item **sorted = WARD_ARENA_ARRAY(arena, const struct cli_item *, items->n);
    WARD_ENSURE(sorted != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < items->n; i++) {
        sorted[i] = &items->items[i];
    }
    qsort(sorted, items->n, sizeof(*sorted), compare_items);
    for (size_t i = 1; i < items->n; i++) {
        WARD_REQUIRE(compare_items(&sorted[i - 1], &sorted[i]) != 0,
                     "fhir: two resources of one type and id");
    }
    return WARD_OK;
}

static ward_status name_items(const struct resource *resources, size_t n, const char *file,
                              struct ward_arena *arena, struct cli_items *ret)
{
    struct ward_bytes only = {0};
    struct cli_items items = {.items = WARD_ARENA_ARRAY(arena, struct cli_item, n), .n = n};
    WARD_ENSURE(items.items != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(resources[i].type, WARD_BYTES_LITERAL("Patient"))) {
            items.patients++;
            only = resources[i].id;
        }
    }
    if (items.patients != 1) {
        only = (struct ward_bytes){0};
    }
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(name_item(&resources[i], i, only, file, arena, &items.items[i]));
    }
    WARD_TRY(refuse_twins(&items, arena));
    *ret = items;
    return WARD_OK;
}

/* ---- bundles ---- */

static ward_status read_entries(struct ward_bytes entries, struct resource *resources,
                                size_t *ret_n)
{
    struct ward_bytes rest = WARD_BYTES(entries.data + 1, entries.size - 2), entry;
    size_t n = 0;
    while (cli_json_next_element(&rest, &entry)) {
        struct ward_json_slice slices[64];
        size_t members = 0;
        WARD_TRY(ward_json_scan(entry, slices, sizeof(slices) / sizeof(slices[0]), &members));
        struct ward_bytes resource = member(slices, members, "resource");
        if (resource.size > 0) { /* an entry may be a mere request or response */
            WARD_TRY(read_resource(resource, &resources[n++]));
        }
    }
    *ret_n = n;
    return WARD_OK;
}

static size_t count_elements(struct ward_bytes array)
{
    struct ward_bytes rest = WARD_BYTES(array.data + 1, array.size - 2), element;
    size_t n = 0;
    while (cli_json_next_element(&rest, &element)) {
        n++;
    }
    return n;
}

ward_status cli_fhir_parse(struct ward_bytes text, const char *name, struct ward_arena *arena,
                           struct cli_items *ret)
{
    struct ward_json_slice slices[MEMBERS_MAX];
    size_t n = 0;
    WARD_TRY(ward_json_scan(text, slices, MEMBERS_MAX, &n));
    struct ward_bytes type = plain(member(slices, n, "resourceType"));
    WARD_REQUIRE(type.size > 0, "fhir: neither a Bundle nor a resource: it has no resourceType");
    if (!ward_bytes_eq(type, WARD_BYTES_LITERAL("Bundle"))) {
        struct resource bare;
        while (text.size > 0 && is_space(text.data[0])) {
            skip(&text, 1);
        }
        while (text.size > 0 && is_space(text.data[text.size - 1])) {
            text.size--;
        }
        WARD_TRY(read_resource(text, &bare));
        return name_items(&bare, 1, name, arena, ret);
    }
    struct ward_bytes entries = member(slices, n, "entry");
    if (entries.size == 0) {
        *ret = (struct cli_items){0};
        return WARD_OK;
    }
    WARD_REQUIRE(entries.data[0] == '[', "fhir: entry is not an array");
    size_t max = count_elements(entries);
    WARD_REQUIRE(max <= RESOURCES_MAX, "fhir: too many entries");
    struct resource *resources = WARD_ARENA_ARRAY(arena, struct resource, max);
    WARD_ENSURE(resources != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(read_entries(entries, resources, &n));
    return name_items(resources, n, name, arena, ret);
}

/* ---- NDJSON ---- */

static ward_status read_line(struct ward_bytes line, struct ward_arena *arena, struct cli_item *ret)
{
    struct ward_json_slice slices[3];
    size_t n = 0;
    WARD_TRY(ward_json_scan(line, slices, 3, &n));
    struct ward_bytes subject = {0}, id = {0};
    ret->json = member(slices, n, "json");
    WARD_REQUIRE(ward_canonical_read_text(member(slices, n, "subject"), arena, &subject) &&
                     subject.size > 0,
                 "subject: none");
    WARD_REQUIRE(ward_canonical_read_text(member(slices, n, "id"), arena, &id) && id.size > 0,
                 "id: none");
    WARD_REQUIRE(ret->json.size > 0 && ret->json.data[0] == '{', "json: not an object");
    ret->subject = ward_arena_printf(arena, "%.*s", (int)subject.size, (const char *)subject.data);
    ret->id = ward_arena_printf(arena, "%.*s", (int)id.size, (const char *)id.data);
    WARD_ENSURE(ret->subject != NULL && ret->id != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status cli_ndjson_parse(struct ward_bytes text, struct ward_arena *arena,
                             struct cli_items *ret, unsigned *ret_line)
{
    struct ward_bytes rest = text, line;
    size_t lines = 0;
    while (cli_next_line(&rest, &line)) {
        lines++;
    }
    struct cli_items items = {.items = WARD_ARENA_ARRAY(arena, struct cli_item, lines)};
    WARD_ENSURE(items.items != NULL, WARD_E_EXHAUSTED);
    rest = text;
    for (*ret_line = 1; cli_next_line(&rest, &line); ++*ret_line) {
        if (line.size > 0) {
            WARD_TRY(read_line(line, arena, &items.items[items.n]));
            items.n++;
        }
    }
    WARD_TRY(refuse_twins(&items, arena));
    *ret = items;
    return WARD_OK;
}
