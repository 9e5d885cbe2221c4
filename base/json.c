/* SPDX-License-Identifier: Apache-2.0 */
/* The writer half: canonical JSON into a buffer, without printf, since every request's audit leaf
 * is made here. It writes what it is told in the order it is told; nesting is the caller's
 * business. */
#include "base/json.h"

void ward_json_init(struct ward_json *json, struct ward_buffer *out)
{
    *json = (struct ward_json){.out = out};
}

/* Before a value or a name. */
static void separate(struct ward_json *json)
{
    if (json->comma) {
        ward_buffer_add_u8(json->out, ',');
    }
    json->comma = true;
}

static void begin(struct ward_json *json, char bracket)
{
    separate(json);
    ward_buffer_add_u8(json->out, (uint8_t)bracket);
    json->comma = false;
}

static void end(struct ward_json *json, char bracket)
{
    ward_buffer_add_u8(json->out, (uint8_t)bracket);
    json->comma = true;
}

void ward_json_object(struct ward_json *json)
{
    begin(json, '{');
}

void ward_json_object_end(struct ward_json *json)
{
    end(json, '}');
}

void ward_json_array(struct ward_json *json)
{
    begin(json, '[');
}

void ward_json_array_end(struct ward_json *json)
{
    end(json, ']');
}

void ward_json_name(struct ward_json *json, const char *name)
{
    separate(json);
    ward_buffer_add_u8(json->out, '"');
    ward_buffer_add(json->out, ward_bytes_str(name));
    ward_buffer_add(json->out, WARD_BYTES_LITERAL("\":"));
    json->comma = false;
}

/* What stands for c inside a string, RFC 8785, 3.2.2.2; 0 when c stands for itself. */
static size_t escape(uint8_t c, char out[static 6])
{
    static const char digits[] = "0123456789abcdef";
    static const char letters[] = "btn\0fr"; /* from 0x08 to 0x0d, where 0x0b has none */
    out[0] = '\\';
    if (c == '"' || c == '\\') {
        out[1] = (char)c;
        return 2;
    }
    if (c >= 0x20) {
        return 0;
    }
    if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
        out[1] = letters[c - 0x08];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = digits[c >> 4];
    out[5] = digits[c & 15];
    return 6;
}

/* Bytes up to the next one that needs an escape. */
static size_t plain_run(const uint8_t *p, size_t size)
{
    size_t n = 0;
    while (n < size && p[n] >= 0x20 && p[n] != '"' && p[n] != '\\') {
        n++;
    }
    return n;
}

void ward_json_string(struct ward_json *json, struct ward_bytes utf8)
{
    separate(json);
    ward_buffer_add_u8(json->out, '"');
    while (utf8.size > 0) {
        struct ward_bytes run = {utf8.data, plain_run(utf8.data, utf8.size)};
        if (!ward_utf8_valid(run)) {
            /* Whoever wrote this would make a record that no reader takes. */
            json->out->failed = true;
            return;
        }
        ward_buffer_add(json->out, run);
        utf8.data += run.size;
        utf8.size -= run.size;
        if (utf8.size > 0) {
            char escaped[6];
            ward_buffer_add(json->out, WARD_BYTES(escaped, escape(utf8.data[0], escaped)));
            utf8.data++;
            utf8.size--;
        }
    }
    ward_buffer_add_u8(json->out, '"');
}

void ward_json_int(struct ward_json *json, int64_t value)
{
    char text[20]; /* "-9223372036854775808" */
    size_t at = sizeof(text);
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        text[--at] = '-';
    }
    separate(json);
    ward_buffer_add(json->out, WARD_BYTES(text + at, sizeof(text) - at));
}

void ward_json_bool(struct ward_json *json, bool value)
{
    separate(json);
    ward_buffer_add(json->out, value ? WARD_BYTES_LITERAL("true") : WARD_BYTES_LITERAL("false"));
}

void ward_json_null(struct ward_json *json)
{
    separate(json);
    ward_buffer_add(json->out, WARD_BYTES_LITERAL("null"));
}

void ward_json_hex(struct ward_json *json, struct ward_bytes bytes)
{
    separate(json);
    if (bytes.size > (SIZE_MAX - 3) / 2) {
        json->out->failed = true;
        return;
    }
    ward_buffer_add_u8(json->out, '"');
    /* One more than the digits: ward_hex_encode ends with a NUL, where the quote goes. */
    uint8_t *room = ward_buffer_reserve(json->out, 2 * bytes.size + 1);
    if (room != NULL) {
        ward_hex_encode(bytes, (char *)room);
        room[2 * bytes.size] = '"';
        json->out->size += 2 * bytes.size + 1;
    }
}

void ward_json_member(struct ward_json *json, const char *name, struct ward_bytes utf8)
{
    ward_json_name(json, name);
    ward_json_string(json, utf8);
}

void ward_json_member_int(struct ward_json *json, const char *name, int64_t value)
{
    ward_json_name(json, name);
    ward_json_int(json, value);
}
