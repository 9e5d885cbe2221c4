/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's document as a tree of our own, and that tree as one canonical line. Depth and size were
 * bounded when the text was parsed as a policy. */
#include "policy/outline.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/buffer.h"
#include "policy/yaml_read.h"

#define LINE_MAX (1u << 20)

static ward_status build(yaml_document_t *document, int index, struct ward_arena *arena,
                         struct ward_node *ret);

static ward_status build_list(yaml_document_t *document, const yaml_node_t *from,
                              struct ward_arena *arena, struct ward_node *ret)
{
    const yaml_node_item_t *first = from->data.sequence.items.start;
    size_t n = (size_t)(from->data.sequence.items.top - first);
    struct ward_node *items = WARD_ARENA_ARRAY(arena, struct ward_node, n);
    WARD_ENSURE(items != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(build(document, first[i], arena, &items[i]));
    }
    *ret = (struct ward_node){.kind = WARD_NODE_LIST, .items = items, .n = n};
    return WARD_OK;
}

static ward_status build_map(yaml_document_t *document, const yaml_node_t *from,
                             struct ward_arena *arena, struct ward_node *ret)
{
    const yaml_node_pair_t *first = from->data.mapping.pairs.start;
    size_t n = (size_t)(from->data.mapping.pairs.top - first);
    struct ward_node *items = WARD_ARENA_ARRAY(arena, struct ward_node, n);
    WARD_ENSURE(items != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        struct ward_node key;
        WARD_TRY(build(document, first[i].key, arena, &key));
        WARD_TRY(build(document, first[i].value, arena, &items[i]));
        items[i].key = key.text;
    }
    *ret = (struct ward_node){.kind = WARD_NODE_MAP, .items = items, .n = n};
    return WARD_OK;
}

static ward_status build(yaml_document_t *document, int index, struct ward_arena *arena,
                         struct ward_node *ret)
{
    const yaml_node_t *from = yaml_document_get_node(document, index);
    WARD_ENSURE(from != NULL, WARD_E_INVALID);
    switch (from->type) {
    case YAML_SEQUENCE_NODE:
        return build_list(document, from, arena, ret);
    case YAML_MAPPING_NODE:
        return build_map(document, from, arena, ret);
    case YAML_SCALAR_NODE:
        *ret = (struct ward_node){.kind = WARD_NODE_TEXT};
        return ward_arena_copy(arena, WARD_BYTES(from->data.scalar.value, from->data.scalar.length),
                               &ret->text);
    case YAML_NO_NODE:
        break;
    }
    WARD_FAIL(WARD_E_INVALID);
}

ward_status ward_outline(struct ward_bytes text, struct ward_arena *arena, struct ward_node *ret)
{
    yaml_parser_t parser;
    yaml_document_t document;
    WARD_ENSURE(yaml_parser_initialize(&parser) == 1, WARD_E_EXHAUSTED);
    yaml_parser_set_input_string(&parser, text.data, text.size);
    ward_status status = WARD_STATUS(WARD_E_INVALID);
    if (yaml_parser_load(&parser, &document) == 1) {
        status = build(&document, 1, arena, ret);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return status;
}

const struct ward_node *ward_node_find(const struct ward_node *node, const char *key)
{
    for (size_t i = 0; node != NULL && node->kind == WARD_NODE_MAP && i < node->n; i++) {
        if (ward_bytes_eq(node->items[i].key, ward_bytes_str(key))) {
            return &node->items[i];
        }
    }
    return NULL;
}

struct ward_bytes ward_node_text(const struct ward_node *node, const char *key)
{
    const struct ward_node *found = ward_node_find(node, key);
    return found == NULL ? (struct ward_bytes){0} : found->text;
}

const struct ward_node *ward_node_named(const struct ward_node *list, struct ward_bytes name)
{
    for (size_t i = 0; list != NULL && i < list->n; i++) {
        if (ward_bytes_eq(ward_node_text(&list->items[i], "name"), name)) {
            return &list->items[i];
        }
    }
    return NULL;
}

static bool left_out(const struct ward_node *item, const char *const *leave_out)
{
    for (; leave_out != NULL && *leave_out != NULL; leave_out++) {
        if (ward_bytes_eq(item->key, ward_bytes_str(*leave_out))) {
            return true;
        }
    }
    return false;
}

static int compare_texts(const void *a, const void *b)
{
    return ward_bytes_cmp(*(const struct ward_bytes *)a, *(const struct ward_bytes *)b);
}

/* What could be taken for more than one word stands in quotes. */
static ward_status print_text(struct ward_bytes text, struct ward_arena *arena,
                              struct ward_bytes *ret)
{
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, LINE_MAX);
    bool plain = text.size > 0;
    for (size_t i = 0; i < text.size && plain; i++) {
        plain = text.data[i] != '\0' && strchr(" ,[]{}\"", text.data[i]) == NULL;
    }
    if (plain) {
        *ret = text;
        return WARD_OK;
    }
    ward_buffer_add_u8(&out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            ward_buffer_add_u8(&out, '"');
        }
        ward_buffer_add_u8(&out, text.data[i]);
    }
    ward_buffer_add_u8(&out, '"');
    WARD_ENSURE(!out.failed, WARD_E_EXHAUSTED);
    return ward_arena_copy(arena, ward_buffer_view(&out), ret);
}

/* An entry of a map has its key before it. */
static ward_status print_item(const struct ward_node *item, struct ward_arena *arena,
                              struct ward_bytes *ret)
{
    static const char *const marks[] = {
        [WARD_NODE_TEXT] = "\0", [WARD_NODE_LIST] = "[\0]", [WARD_NODE_MAP] = "{\0}"};
    const char *open = marks[item->kind];
    const char *shut = open[0] == '\0' ? "" : open + 2;
    if (item->kind == WARD_NODE_TEXT) {
        WARD_TRY(print_text(item->text, arena, ret));
    } else {
        WARD_TRY(ward_node_print(item, NULL, arena, ret));
    }
    char *line =
        ward_arena_printf(arena, "%.*s%s%s%.*s%s", (int)item->key.size,
                          item->key.size == 0 ? "" : (const char *)item->key.data,
                          item->key.size == 0 ? "" : ": ", open, (int)ret->size, ret->data, shut);
    WARD_ENSURE(line != NULL, WARD_E_EXHAUSTED);
    *ret = ward_bytes_str(line);
    return WARD_OK;
}

static ward_status join(const struct ward_bytes *lines, size_t n, struct ward_arena *arena,
                        struct ward_bytes *ret)
{
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, LINE_MAX);
    for (size_t i = 0; i < n; i++) {
        ward_buffer_add(&out, i == 0 ? (struct ward_bytes){0} : WARD_BYTES_LITERAL(", "));
        ward_buffer_add(&out, lines[i]);
    }
    WARD_ENSURE(!out.failed, WARD_E_EXHAUSTED);
    return ward_arena_copy(arena, ward_buffer_view(&out), ret);
}

ward_status ward_node_print(const struct ward_node *node, const char *const *leave_out,
                            struct ward_arena *arena, struct ward_bytes *ret)
{
    if (node == NULL || node->kind == WARD_NODE_TEXT) {
        *ret = node == NULL ? (struct ward_bytes){0} : node->text;
        return WARD_OK;
    }
    struct ward_bytes *lines = WARD_ARENA_ARRAY(arena, struct ward_bytes, node->n);
    WARD_ENSURE(lines != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < node->n; i++) {
        if (!left_out(&node->items[i], leave_out)) {
            WARD_TRY(print_item(&node->items[i], arena, &lines[n++]));
        }
    }
    qsort(lines, n, sizeof(*lines), compare_texts);
    return join(lines, n, arena, ret);
}
