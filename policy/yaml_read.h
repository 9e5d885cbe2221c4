/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded YAML into C structures by a libcyaml schema, with the line and column of every fault: of
 * the text, of the schema, and of what the caller finds wrong in a value afterwards. */
#ifndef WARD_POLICY_YAML_READ_H
#define WARD_POLICY_YAML_READ_H

#include "base/bytes.h"
#include "base/status.h"
#include "policy/policy.h"

struct cyaml_schema_value;

#define WARD_YAML_TEXT_MAX (1024u * 1024u)
#define WARD_YAML_DEPTH_MAX 16u
#define WARD_YAML_EVENTS_MAX 250000u
#define WARD_YAML_MEMORY_MAX (64u * 1024u * 1024u)

/* libcyaml reads mappings whose keys its schema knows. Where keys are the writer's own, a schema is
 * made for the text: every key that stands in a mapping called `parent`, once each, in the order of
 * the text. INVALID as ward_yaml_load, and when there are more than there is room for, or a longer
 * one than its place holds. */
#define WARD_YAML_OPEN_MAX 32u
#define WARD_YAML_OPEN_SIZE 65u
struct ward_yaml_open {
    char names[WARD_YAML_OPEN_MAX][WARD_YAML_OPEN_SIZE];
    size_t n;
};
ward_status ward_yaml_open(struct ward_bytes text, const char *parent, struct ward_yaml_open *ret,
                           struct ward_policy_error *error);

/* Loads one document. The schema's top is a mapping behind a pointer, and every leaf in it a string
 * behind a pointer (CYAML_STRING with CYAML_FLAG_POINTER), for such strings know their place.
 * Refused with INVALID and error filled: not UTF-8, too long, too deep, more than one document,
 * tags, anchors, aliases, directives, control characters in a value, a key that the schema lacks or
 * that comes twice. */
ward_status ward_yaml_load(struct ward_bytes text, const struct cyaml_schema_value *schema,
                           void **ret, struct ward_policy_error *error);
/* NULL is fine. */
void ward_yaml_free(const struct cyaml_schema_value *schema, void *document);

/* Fills error with the place of a loaded string (NULL: no place) in the same text, and with the
 * message; bytes outside printable ASCII become "?". Returns INVALID. */
ward_status ward_yaml_refuse(struct ward_bytes text, const char *loaded,
                             struct ward_policy_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The place of a loaded string, from 1. */
void ward_yaml_place(struct ward_bytes text, const char *loaded, unsigned *ret_line,
                     unsigned *ret_column);
unsigned ward_yaml_line(struct ward_bytes text, const char *loaded);
/* The order of two loaded strings in the text: negative when a stands before b. */
int ward_yaml_order(const char *a, const char *b);

#endif
