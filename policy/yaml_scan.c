/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over libyaml's events, used twice: to refuse a text whose shape alone makes it hostile
 * or ambiguous, before anything is built from it, and to find the place of an event afterwards. It
 * knows no schema. Costs stay linear: depth and events are capped, and directives, which libyaml
 * checks pairwise, are refused before it sees them. */
#include "policy/yaml_scan.h"

#include <yaml.h>

#include "policy/yaml_read.h"

struct level {
    bool mapping, at_key; /* at_key: the next event in this mapping is a key */
    yaml_mark_t start;
    char key[65]; /* the key last read, or the parent's for a list */
};

struct walk {
    yaml_parser_t parser;
    uint32_t events, documents;
    unsigned depth;
    struct level levels[WARD_YAML_DEPTH_MAX + 1]; /* [0] is the stream */
};

static void copy_text(char out[static 65], const char *text, size_t size)
{
    size_t n = size < 64 ? size : 64;
    memcpy(out, text, n);
    out[n] = '\0';
}

static void spot_set(struct ward_yaml_spot *spot, yaml_mark_t mark)
{
    spot->line = (unsigned)mark.line + 1;
    spot->column = (unsigned)mark.column + 1;
}

/* An event that is a value opens or closes levels and takes turns with keys. */
static void walk_enter(struct walk *walk, const yaml_event_t *event, bool mapping)
{
    struct level *parent = &walk->levels[walk->depth];
    struct level *level = &walk->levels[++walk->depth];
    level->mapping = mapping;
    level->at_key = mapping;
    level->start = event->start_mark;
    memcpy(level->key, parent->key, sizeof(level->key));
    parent->at_key = parent->mapping;
}

static void walk_scalar(struct walk *walk, const yaml_event_t *event)
{
    struct level *level = &walk->levels[walk->depth];
    if (level->at_key) {
        copy_text(level->key, (const char *)event->data.scalar.value, event->data.scalar.length);
    }
    level->at_key = level->mapping && !level->at_key;
}

static void walk_step(struct walk *walk, const yaml_event_t *event)
{
    if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT) {
        walk_enter(walk, event, event->type == YAML_MAPPING_START_EVENT);
    } else if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT) {
        walk->depth--;
    } else if (event->type == YAML_SCALAR_EVENT) {
        walk_scalar(walk, event);
    } else if (event->type == YAML_DOCUMENT_START_EVENT) {
        walk->documents++;
    }
}

static const char *scalar_fault(const yaml_event_t *event)
{
    const yaml_char_t *value = event->data.scalar.value;
    for (size_t i = 0; i < event->data.scalar.length; i++) {
        if (value[i] < 0x20 || value[i] == 0x7f) {
            return "control character (or NUL, or line break) in a value";
        }
    }
    return NULL;
}

static const char *decorated(const yaml_char_t *anchor, const yaml_char_t *tag)
{
    return anchor != NULL ? "anchors are not used" : tag != NULL ? "tags are not used" : NULL;
}

/* What this event alone, or its place, makes unacceptable. */
static const char *event_fault(const struct walk *walk, const yaml_event_t *event)
{
    const char *fault = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return "aliases are not used; a glob that begins with \"*\" must be quoted";
    case YAML_DOCUMENT_START_EVENT:
        return walk->documents > 0 ? "more than one document" : NULL;
    case YAML_SCALAR_EVENT:
        fault = decorated(event->data.scalar.anchor, event->data.scalar.tag);
        return fault != NULL ? fault : scalar_fault(event);
    case YAML_SEQUENCE_START_EVENT:
        fault = decorated(event->data.sequence_start.anchor, event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        fault = decorated(event->data.mapping_start.anchor, event->data.mapping_start.tag);
        break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return NULL;
    }
    if (fault == NULL && walk->depth == WARD_YAML_DEPTH_MAX) {
        fault = "nested too deeply";
    } else if (fault == NULL && walk->levels[walk->depth].at_key) {
        fault = "a key must be a single value";
    }
    return fault;
}

/* libyaml's own complaint, which is a constant, with the place that it blames. */
static const char *syntax_fault(const yaml_parser_t *parser, struct ward_yaml_spot *spot)
{
    spot->no_memory = parser->error == YAML_MEMORY_ERROR;
    spot_set(spot, parser->problem_mark);
    if (parser->context != NULL && strstr(parser->context, "scanning an alias") != NULL) {
        return "a glob that begins with \"*\" must be quoted";
    }
    if (parser->error == YAML_SCANNER_ERROR && parser->buffer.pointer < parser->buffer.last &&
        *parser->buffer.pointer == '\t') {
        return "a tab where YAML wants spaces";
    }
    return parser->problem != NULL ? parser->problem : "not YAML";
}

static const char *walk_all(struct walk *walk, struct ward_yaml_spot *spot)
{
    for (bool end = false; !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&walk->parser, &event)) {
            return syntax_fault(&walk->parser, spot);
        }
        walk->events++;
        end = event.type == YAML_STREAM_END_EVENT;
        const char *fault =
            walk->events > WARD_YAML_EVENTS_MAX ? "too many values" : event_fault(walk, &event);
        if (fault == NULL) {
            walk_step(walk, &event);
        } else {
            spot_set(spot, event.start_mark);
        }
        yaml_event_delete(&event);
        if (fault != NULL) {
            return fault;
        }
    }
    return walk->documents == 0 ? "empty" : NULL;
}

/* The position of a byte, for faults that are found before libyaml is asked. */
static void byte_spot(struct ward_bytes text, size_t at, struct ward_yaml_spot *spot)
{
    spot->line = spot->column = 1;
    for (size_t i = 0; i < at; i++) {
        spot->column += (text.data[i] & 0xc0) != 0x80; /* characters, as libyaml counts */
        if (text.data[i] == '\n') {
            spot->line++;
            spot->column = 1;
        }
    }
}

/* A byte order mark, or a line break that only YAML sees: NEL, LS, PS. Lines would be counted
 * otherwise than the reader's editor does, and a directive could hide behind one. */
static bool odd_break(struct ward_bytes rest)
{
    static const char *const odd[] = {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        if (rest.size >= strlen(odd[i]) && memcmp(rest.data, odd[i], strlen(odd[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* Where the text stops being UTF-8. */
static size_t bad_byte(struct ward_bytes text)
{
    size_t at = 0, size = 0;
    for (; at < text.size; at += size) {
        uint8_t c = text.data[at];
        size = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (size > text.size - at || !ward_utf8_valid((struct ward_bytes){text.data + at, size})) {
            break;
        }
    }
    return at;
}

/* What is wrong at one byte of a text that is UTF-8. */
static const char *byte_fault(struct ward_bytes text, size_t at)
{
    uint8_t c = text.data[at];
    if (c >= 0x80 && odd_break((struct ward_bytes){text.data + at, text.size - at})) {
        return "byte order mark or Unicode line break";
    }
    bool at_line_start = at == 0 || text.data[at - 1] == '\n' || text.data[at - 1] == '\r';
    return c == '%' && at_line_start ? "directives are not used" : NULL;
}

static const char *text_fault(struct ward_bytes text, struct ward_yaml_spot *spot)
{
    if (text.size > WARD_YAML_TEXT_MAX) {
        return "larger than 1 MiB";
    }
    if (!ward_utf8_valid(text)) {
        byte_spot(text, bad_byte(text), spot);
        return "not UTF-8, or a NUL byte";
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *fault = byte_fault(text, i);
        if (fault != NULL) {
            byte_spot(text, i, spot);
            return fault;
        }
    }
    return NULL;
}

const char *ward_yaml_scan(struct ward_bytes text, struct ward_yaml_spot *spot)
{
    *spot = (struct ward_yaml_spot){0};
    const char *fault = text_fault(text, spot);
    if (fault != NULL) {
        return fault;
    }
    struct walk walk = {0};
    if (!yaml_parser_initialize(&walk.parser)) {
        spot->no_memory = true;
        return "out of memory";
    }
    yaml_parser_set_input_string(&walk.parser, text.data, text.size);
    fault = walk_all(&walk, spot);
    yaml_parser_delete(&walk.parser);
    return fault;
}

/* The place of the event at which the walk has stopped. */
static void walk_spot(const struct walk *walk, const yaml_event_t *event,
                      struct ward_yaml_spot *spot)
{
    const struct level *level = &walk->levels[walk->depth];
    bool ends = event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT;
    spot_set(spot, ends ? level->start : event->start_mark);
    if (ends && walk->depth > 0) {
        level--; /* an empty list is named after the key that holds it */
    }
    copy_text(spot->parent, level->key[0] == '\0' ? "document" : level->key,
              level->key[0] == '\0' ? 8 : strlen(level->key));
    if (event->type == YAML_SCALAR_EVENT) {
        copy_text(spot->text, (const char *)event->data.scalar.value, event->data.scalar.length);
    }
}

void ward_yaml_spot_find(struct ward_bytes text, uint32_t n, struct ward_yaml_spot *spot)
{
    *spot = (struct ward_yaml_spot){0};
    struct walk walk = {0};
    if (!yaml_parser_initialize(&walk.parser)) {
        return;
    }
    yaml_parser_set_input_string(&walk.parser, text.data, text.size);
    yaml_event_t event;
    while (walk.events < n && yaml_parser_parse(&walk.parser, &event)) {
        if (++walk.events == n) {
            walk_spot(&walk, &event, spot);
        } else {
            walk_step(&walk, &event);
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&walk.parser);
}

/* Adds a key of a mapping called parent, unless it is there already. */
static const char *collect_key(const struct walk *walk, const yaml_event_t *event,
                               const char *parent, struct ward_yaml_open *ret)
{
    const struct level *level = &walk->levels[walk->depth];
    if (event->type != YAML_SCALAR_EVENT || walk->depth == 0 || !level->at_key ||
        strcmp(level[-1].key, parent) != 0) {
        return NULL;
    }
    struct ward_bytes key = {event->data.scalar.value, event->data.scalar.length};
    for (size_t i = 0; i < ret->n; i++) {
        if (ward_bytes_eq(ward_bytes_str(ret->names[i]), key)) {
            return NULL;
        }
    }
    if (key.size == 0 || key.size >= WARD_YAML_OPEN_SIZE) {
        return "a name here has 1 to 64 bytes";
    }
    if (ret->n == WARD_YAML_OPEN_MAX) {
        return "more than 32 different names";
    }
    memcpy(ret->names[ret->n], key.data, key.size);
    ret->names[ret->n++][key.size] = '\0';
    return NULL;
}

const char *ward_yaml_scan_keys(struct ward_bytes text, const char *parent,
                                struct ward_yaml_open *ret, struct ward_yaml_spot *spot)
{
    struct walk walk = {0};
    const char *fault = NULL;
    if (!yaml_parser_initialize(&walk.parser)) {
        spot->no_memory = true;
        return "out of memory";
    }
    yaml_parser_set_input_string(&walk.parser, text.data, text.size);
    for (bool end = false; !end && fault == NULL;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&walk.parser, &event)) {
            fault = syntax_fault(&walk.parser, spot); /* memory: the text was walked before */
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        fault = collect_key(&walk, &event, parent, ret);
        if (fault != NULL) {
            spot_set(spot, event.start_mark);
        }
        walk_step(&walk, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&walk.parser);
    return fault;
}
