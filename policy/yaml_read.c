/* SPDX-License-Identifier: Apache-2.0 */
/* libcyaml fills structures by a schema but forgets where values stood, and says nothing of where a
 * text fails to be YAML. So events are counted while it loads (its debug log names each one), every
 * string that it allocates remembers the number of its event, and the walk in yaml_scan.c, which
 * first checks the text's shape, is what turns such a number into line and column. Knows no policy.
 */
#include "policy/yaml_read.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/yaml_scan.h"

struct load {
    uint32_t events;   /* fetched so far */
    size_t memory;     /* allocated in all: a bound on work as well */
    bool over_budget;  /* memory was refused by that bound, not by the system */
    char message[160]; /* libcyaml's first complaint */
};

/* What stands before every block that libcyaml gets. */
struct block {
    _Alignas(16) size_t capacity;
    uint32_t event;
};

static struct block *block_of(const void *ptr)
{
    return (struct block *)((uintptr_t)ptr - sizeof(struct block));
}

static void *block_new(struct load *load, size_t size)
{
    if (size > WARD_YAML_MEMORY_MAX || load->memory > WARD_YAML_MEMORY_MAX - size) {
        load->over_budget = true;
        return NULL;
    }
    struct block *block = calloc(1, sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    load->memory += size;
    block->capacity = size;
    block->event = load->events;
    return block + 1;
}

/* libcyaml grows lists by one entry at a time; doubling keeps that linear. */
static void *block_grow(struct load *load, void *ptr, size_t size)
{
    struct block *block = block_of(ptr);
    if (size <= block->capacity) {
        return ptr;
    }
    size_t doubled = block->capacity * 2;
    void *grown = block_new(load, size > doubled ? size : doubled);
    if (grown != NULL) {
        memcpy(grown, ptr, block->capacity);
        free(block);
    }
    return grown;
}

static void *on_memory(void *ctx, void *ptr, size_t size)
{
    if (size == 0) {
        if (ptr != NULL) {
            free(block_of(ptr));
        }
        return NULL;
    }
    return ptr == NULL ? block_new(ctx, size) : block_grow(ctx, ptr, size);
}

__attribute__((format(printf, 3, 0))) static void on_log(cyaml_log_t level, void *ctx,
                                                         const char *format, va_list args)
{
    static const char event[] = "Load: Event: ";
    struct load *load = ctx;
    if (level == CYAML_LOG_DEBUG && strncmp(format, event, sizeof(event) - 1) == 0) {
        load->events++;
    } else if (level == CYAML_LOG_ERROR && load->message[0] == '\0') {
        (void)vsnprintf(load->message, sizeof(load->message), format, args);
    }
}

static cyaml_config_t config(struct load *load)
{
    return (cyaml_config_t){
        .log_fn = on_log,
        .log_ctx = load,
        .log_level = CYAML_LOG_DEBUG,
        .mem_fn = on_memory,
        .mem_ctx = load,
        .flags = CYAML_CFG_NO_ALIAS,
    };
}

/* A fault as its own words: the text reaches terminals and logs, and came from outside. */
__attribute__((format(printf, 2, 0))) static void say(struct ward_policy_error *error,
                                                      const char *format, va_list args)
{
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    for (char *c = error->text; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) {
            *c = '?';
        }
    }
}

__attribute__((format(printf, 3, 4))) static ward_status
refuse_at(struct ward_policy_error *error, const struct ward_yaml_spot *spot, const char *format,
          ...)
{
    *error = (struct ward_policy_error){.line = spot->line, .column = spot->column};
    va_list args;
    va_start(args, format);
    say(error, format, args);
    va_end(args);
    return WARD_REFUSAL(WARD_E_INVALID, "yaml: refused");
}

static ward_status no_memory(struct ward_policy_error *error)
{
    *error = (struct ward_policy_error){.text = "out of memory"};
    return WARD_STATUS(WARD_E_EXHAUSTED);
}

ward_status ward_yaml_refuse(struct ward_bytes text, const char *loaded,
                             struct ward_policy_error *error, const char *format, ...)
{
    struct ward_yaml_spot spot = {0};
    if (loaded != NULL) {
        ward_yaml_spot_find(text, block_of(loaded)->event, &spot);
    }
    *error = (struct ward_policy_error){.line = spot.line, .column = spot.column};
    va_list args;
    va_start(args, format);
    say(error, format, args);
    va_end(args);
    return WARD_REFUSAL(WARD_E_INVALID, "yaml: refused");
}

int ward_yaml_order(const char *a, const char *b)
{
    uint32_t first = block_of(a)->event, second = block_of(b)->event;
    return (first > second) - (first < second);
}

/* "Expecting SEQUENCE, got event: SCALAR" in a reader's words. */
static const char *expected_kind(const char *message)
{
    if (strstr(message, "Expecting MAPPING") != NULL) {
        return "a mapping";
    }
    return strstr(message, "Expecting SEQUENCE") != NULL ? "a list" : "a single value";
}

/* The last word of a message, which is where libcyaml puts names and limits of the schema. */
static const char *last_word(const char *message)
{
    const char *space = strrchr(message, ' ');
    return space == NULL ? message : space + 1;
}

static ward_status explain(struct ward_bytes text, const struct load *load, cyaml_err_t err,
                           struct ward_policy_error *error)
{
    struct ward_yaml_spot spot;
    ward_yaml_spot_find(text, load->events, &spot);
    char message[sizeof(load->message)];
    memcpy(message, load->message, sizeof(message));
    message[strcspn(message, "\n")] = '\0';
    if (err == CYAML_ERR_OOM && !load->over_budget) {
        return no_memory(error);
    }
    switch ((int)err) {
    case CYAML_ERR_OOM:
        return refuse_at(error, &spot, "too large: needs more than %u MiB of memory",
                         WARD_YAML_MEMORY_MAX >> 20);
    case CYAML_ERR_INVALID_KEY:
        return refuse_at(error, &spot, "\"%s\": no such key here", spot.text);
    case CYAML_ERR_UNEXPECTED_EVENT:
        return refuse_at(error, &spot, "\"%s\": key given twice", spot.text);
    case CYAML_ERR_INVALID_VALUE:
        return refuse_at(error, &spot, "%s: %s is expected", spot.parent, expected_kind(message));
    case CYAML_ERR_MAPPING_FIELD_MISSING:
        return refuse_at(error, &spot, "required key missing: %s", last_word(message));
    case CYAML_ERR_STRING_LENGTH_MIN:
        return refuse_at(error, &spot, "%s: empty value", spot.parent);
    case CYAML_ERR_STRING_LENGTH_MAX:
        return refuse_at(error, &spot, "%s: value too long", spot.parent);
    case CYAML_ERR_SEQUENCE_ENTRIES_MIN:
        return refuse_at(error, &spot, "%s: empty list", spot.parent);
    case CYAML_ERR_SEQUENCE_ENTRIES_MAX:
        return refuse_at(error, &spot, "%s: too many entries", spot.parent);
    default:
        return refuse_at(error, &spot, "unexpected structure: %s", cyaml_strerror(err));
    }
}

ward_status ward_yaml_open(struct ward_bytes text, const char *parent, struct ward_yaml_open *ret,
                           struct ward_policy_error *error)
{
    struct ward_yaml_spot spot = {0};
    *ret = (struct ward_yaml_open){.n = 0};
    const char *problem = ward_yaml_scan(text, &spot);
    if (problem == NULL) {
        problem = ward_yaml_scan_keys(text, parent, ret, &spot);
    }
    if (spot.no_memory) {
        return no_memory(error);
    }
    return problem == NULL ? WARD_OK : refuse_at(error, &spot, "%s", problem);
}

void ward_yaml_place(struct ward_bytes text, const char *loaded, unsigned *ret_line,
                     unsigned *ret_column)
{
    struct ward_yaml_spot spot;
    ward_yaml_spot_find(text, block_of(loaded)->event, &spot);
    *ret_line = spot.line;
    *ret_column = spot.column;
}

unsigned ward_yaml_line(struct ward_bytes text, const char *loaded)
{
    unsigned line = 0, column = 0;
    ward_yaml_place(text, loaded, &line, &column);
    return line;
}

ward_status ward_yaml_load(struct ward_bytes text, const struct cyaml_schema_value *schema,
                           void **ret, struct ward_policy_error *error)
{
    struct ward_yaml_spot spot = {0};
    const char *problem = ward_yaml_scan(text, &spot);
    if (spot.no_memory) {
        return no_memory(error);
    }
    if (problem != NULL) {
        return refuse_at(error, &spot, "%s", problem);
    }
    struct load load = {0};
    cyaml_config_t settings = config(&load);
    cyaml_data_t *document = NULL;
    cyaml_err_t err = cyaml_load_data(text.data, text.size, &settings, schema, &document, NULL);
    if (err != CYAML_OK) {
        return explain(text, &load, err, error);
    }
    *ret = document;
    return WARD_OK;
}

void ward_yaml_free(const struct cyaml_schema_value *schema, void *document)
{
    struct load load = {0};
    cyaml_config_t settings = config(&load);
    settings.log_fn = NULL;
    (void)cyaml_free(&settings, schema, document, 0); /* fails on bad schemas alone */
}
