/* SPDX-License-Identifier: Apache-2.0 */
/* Writing canonical JSON into a buffer: members in the order given, no white space, integers only,
 * strings escaped as RFC 8785 escapes them. And a strict scanner that yields raw slices of an
 * object's top-level members, for records that must come back byte by byte. */
#ifndef WARD_BASE_JSON_H
#define WARD_BASE_JSON_H

#include "base/buffer.h"

struct ward_json {
    struct ward_buffer *out;
    bool comma; /* a value was written at this level */
};

void ward_json_init(struct ward_json *json, struct ward_buffer *out);
void ward_json_object(struct ward_json *json); /* { */
void ward_json_object_end(struct ward_json *json);
void ward_json_array(struct ward_json *json);
void ward_json_array_end(struct ward_json *json);
/* name: a constant that needs no escape. */
void ward_json_name(struct ward_json *json, const char *name);
void ward_json_string(struct ward_json *json, struct ward_bytes utf8);
void ward_json_int(struct ward_json *json, int64_t value);
void ward_json_bool(struct ward_json *json, bool value);
void ward_json_null(struct ward_json *json);
void ward_json_hex(struct ward_json *json, struct ward_bytes bytes); /* as a string */
/* name and string in one. */
void ward_json_member(struct ward_json *json, const char *name, struct ward_bytes utf8);
void ward_json_member_int(struct ward_json *json, const char *name, int64_t value);

/* How many bytes at p stand for themselves in a string: up to a quote, a backslash or a control
 * character. */
size_t ward_json_plain(const uint8_t *p, size_t size);

/* One top-level member: all views point into the input. */
struct ward_json_slice {
    struct ward_bytes name;  /* between the quotes, escapes as they stand */
    struct ward_bytes value; /* from the first to the last byte of the value */
};

#define WARD_JSON_DEPTH_MAX 64

/* Scans one JSON object (RFC 8259, UTF-8, depth <= WARD_JSON_DEPTH_MAX, duplicate top-level names
 * refused after unescaping). slices has room for `max`. INVALID with a text naming the rule:
 * "json: not an object", "json: duplicate member", "json: too deep", "json: malformed",
 * "json: too many members". */
ward_status ward_json_scan(struct ward_bytes json, struct ward_json_slice *slices, size_t max,
                           size_t *ret_n);

#endif
