/* SPDX-License-Identifier: Apache-2.0 */
/* Walks descriptors (google/protobuf/descriptor.proto) as they lie, tag by tag: they are a few
 * kilobytes, and hardly anybody asks. It knows no stream. */
#include "server/rpc/reflection.h"

#include "base/cursor.h"
#include "proto/descriptors.h"

/* Numbers of the fields that are looked at. */
#define SET_FILE 1
#define FILE_NAME 1
#define FILE_PACKAGE 2
#define FILE_IMPORT 3
#define FILE_MESSAGE 4
#define FILE_ENUM 5
#define FILE_SERVICE 6
#define ANY_NAME 1 /* of whatever is declared in a file */
#define MESSAGE_FIELD 2
#define MESSAGE_MESSAGE 3
#define MESSAGE_ENUM 4
#define MESSAGE_ONEOF 8
#define ENUM_VALUE 2
#define SERVICE_METHOD 2

static uint64_t varint(struct ward_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = ward_cursor_u8(cursor);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    cursor->failed = true;
    return 0;
}

/* The next field that is text, bytes or a message; numbers are passed over. */
static bool next_field(struct ward_cursor *cursor, uint64_t *ret_number, struct ward_bytes *ret)
{
    while (!cursor->failed && ward_cursor_left(cursor) > 0) {
        uint64_t tag = varint(cursor);
        switch (tag & 7) {
        case 0:
            (void)varint(cursor); /* its value is of no interest */
            break;
        case 2:
            *ret_number = tag >> 3;
            *ret = ward_cursor_take(cursor, varint(cursor));
            return !cursor->failed;
        default:
            cursor->failed = true;
            break;
        }
    }
    return false;
}

/* The first field of this number; empty when there is none. */
static struct ward_bytes field(struct ward_bytes message, uint64_t number)
{
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, message);
    struct ward_bytes value;
    for (uint64_t at; next_field(&cursor, &at, &value);) {
        if (at == number) {
            return value;
        }
    }
    return (struct ward_bytes){0};
}

/* ---- symbols ---- */

/* What is left of a full name behind this part and its dot. `*ret_whole`: nothing, it was all. */
static bool strip(struct ward_bytes name, struct ward_bytes part, struct ward_bytes *ret,
                  bool *ret_whole)
{
    if (part.size == 0 || name.size < part.size || memcmp(name.data, part.data, part.size) != 0) {
        return false;
    }
    *ret_whole = name.size == part.size;
    if (*ret_whole) {
        return true;
    }
    *ret = WARD_BYTES(name.data + part.size + 1, name.size - part.size - 1);
    return name.data[part.size] == '.';
}

/* Is one of the message's fields of this number named so? */
static bool names(struct ward_bytes message, uint64_t number, struct ward_bytes name)
{
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, message);
    struct ward_bytes value;
    for (uint64_t at; next_field(&cursor, &at, &value);) {
        if (at == number && ward_bytes_eq(field(value, ANY_NAME), name)) {
            return true;
        }
    }
    return false;
}

static bool enum_declares(struct ward_bytes declared, struct ward_bytes name)
{
    /* Values stand beside their enum, not in it. */
    return ward_bytes_eq(field(declared, ANY_NAME), name) || names(declared, ENUM_VALUE, name);
}

/* As deep as messages are nested in our own files. */
static bool message_declares(struct ward_bytes declared, struct ward_bytes name)
{
    struct ward_bytes rest;
    bool whole;
    if (!strip(name, field(declared, ANY_NAME), &rest, &whole)) {
        return false;
    }
    if (whole || names(declared, MESSAGE_FIELD, rest) || names(declared, MESSAGE_ONEOF, rest)) {
        return true;
    }
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, declared);
    struct ward_bytes value;
    for (uint64_t at; next_field(&cursor, &at, &value);) {
        if ((at == MESSAGE_MESSAGE && message_declares(value, rest)) ||
            (at == MESSAGE_ENUM && enum_declares(value, rest))) {
            return true;
        }
    }
    return false;
}

static bool service_declares(struct ward_bytes declared, struct ward_bytes name)
{
    struct ward_bytes rest;
    bool whole;
    return strip(name, field(declared, ANY_NAME), &rest, &whole) &&
           (whole || names(declared, SERVICE_METHOD, rest));
}

static bool file_declares(struct ward_bytes file, struct ward_bytes symbol)
{
    struct ward_bytes rest;
    bool whole;
    if (!strip(symbol, field(file, FILE_PACKAGE), &rest, &whole) || whole) {
        return false;
    }
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, file);
    struct ward_bytes value;
    for (uint64_t at; next_field(&cursor, &at, &value);) {
        if ((at == FILE_MESSAGE && message_declares(value, rest)) ||
            (at == FILE_ENUM && enum_declares(value, rest)) ||
            (at == FILE_SERVICE && service_declares(value, rest))) {
            return true;
        }
    }
    return false;
}

/* ---- files ---- */

static void set_open(struct ward_cursor *cursor)
{
    ward_cursor_init(cursor, WARD_BYTES(ward_descriptors, ward_descriptors_size));
}

static struct ward_bytes file_named(struct ward_bytes name)
{
    struct ward_cursor cursor;
    set_open(&cursor);
    struct ward_bytes file;
    for (uint64_t at; next_field(&cursor, &at, &file);) {
        if (at == SET_FILE && ward_bytes_eq(field(file, FILE_NAME), name)) {
            return file;
        }
    }
    return (struct ward_bytes){0};
}

static bool listed(const struct ward_bytes *files, size_t n, struct ward_bytes file)
{
    for (size_t i = 0; i < n; i++) {
        if (files[i].data == file.data) {
            return true;
        }
    }
    return false;
}

static size_t with_imports(struct ward_bytes file, struct ward_bytes *out)
{
    size_t n = 0;
    out[n++] = file;
    for (size_t i = 0; i < n; i++) {
        struct ward_cursor cursor;
        ward_cursor_init(&cursor, out[i]);
        struct ward_bytes value;
        for (uint64_t at; next_field(&cursor, &at, &value);) {
            struct ward_bytes imported = {0};
            if (at == FILE_IMPORT) {
                imported = file_named(value);
            }
            if (imported.size > 0 && n < WARD_REFLECTION_FILES_MAX && !listed(out, n, imported)) {
                out[n++] = imported;
            }
        }
    }
    return n;
}

size_t ward_reflection_file(struct ward_bytes name,
                            struct ward_bytes out[static WARD_REFLECTION_FILES_MAX])
{
    struct ward_bytes file = file_named(name);
    return file.size == 0 ? 0 : with_imports(file, out);
}

size_t ward_reflection_symbol(struct ward_bytes symbol,
                              struct ward_bytes out[static WARD_REFLECTION_FILES_MAX])
{
    struct ward_cursor cursor;
    set_open(&cursor);
    struct ward_bytes file;
    for (uint64_t at; next_field(&cursor, &at, &file);) {
        if (at == SET_FILE && file_declares(file, symbol)) {
            return with_imports(file, out);
        }
    }
    return 0;
}

/* ---- services ---- */

static size_t add_services(struct ward_bytes file, size_t n,
                           char out[static WARD_REFLECTION_SERVICES_MAX][WARD_REFLECTION_NAME_MAX])
{
    struct ward_bytes package = field(file, FILE_PACKAGE), value;
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, file);
    for (uint64_t at; next_field(&cursor, &at, &value);) {
        struct ward_bytes name = field(value, ANY_NAME);
        if (at == FILE_SERVICE && n < WARD_REFLECTION_SERVICES_MAX && package.size > 0 &&
            package.size + name.size + 2 <= WARD_REFLECTION_NAME_MAX) {
            memcpy(out[n], package.data, package.size);
            out[n][package.size] = '.';
            memcpy(out[n] + package.size + 1, name.data, name.size);
            out[n][package.size + 1 + name.size] = '\0';
            n++;
        }
    }
    return n;
}

size_t
ward_reflection_services(char out[static WARD_REFLECTION_SERVICES_MAX][WARD_REFLECTION_NAME_MAX])
{
    struct ward_cursor cursor;
    set_open(&cursor);
    struct ward_bytes file;
    size_t n = 0;
    for (uint64_t at; next_field(&cursor, &at, &file);) {
        if (at == SET_FILE) {
            n = add_services(file, n, out);
        }
    }
    return n;
}
