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
    size_t size = strlen(name), total = size + (json->comma ? 4 : 3);
    uint8_t *room = ward_buffer_reserve(json->out, total);
    if (room != NULL) { /* all at once: names are half of what is written */
        if (json->comma) {
            *room++ = ',';
        }
        *room++ = '"';
        memcpy(room, name, size);
        room[size] = '"';
        room[size + 1] = ':';
        json->out->size += total;
    }
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

/* Bytes up to the next one that needs an escape, or with ascii, that is not ASCII either. Eight at
 * a time: the usual string is short, plain and ASCII. */
static inline size_t plain_run(const uint8_t *p, size_t size, bool ascii)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones;
    size_t n = 0;
    for (; size - n >= 8; n += 8) {
        uint64_t w;
        memcpy(&w, p + n, 8);
        uint64_t quote = w ^ ('"' * ones), slash = w ^ ('\\' * ones);
        /* High bit set in each byte that is below 0x20, a quote or a backslash; or perhaps in one
         * above such a byte, or not ASCII, which the loop below looks at again. */
        if ((((w - 0x20 * ones) | (quote - ones) | (slash - ones) | w) & high) != 0) {
            break;
        }
    }
    while (n < size && p[n] >= 0x20 && p[n] != '"' && p[n] != '\\' && !(ascii && p[n] >= 0x80)) {
        n++;
    }
    return n;
}

size_t ward_json_plain(const uint8_t *p, size_t size)
{
    return plain_run(p, size, false);
}

void ward_json_string(struct ward_json *json, struct ward_bytes utf8)
{
    separate(json);
    ward_buffer_add_u8(json->out, '"');
    while (utf8.size > 0) {
        size_t ascii = plain_run(utf8.data, utf8.size, true);
        size_t plain = ascii + plain_run(utf8.data + ascii, utf8.size - ascii, false);
        if (!ward_utf8_valid(WARD_BYTES(utf8.data + ascii, plain - ascii))) {
            /* Whoever wrote this would make a record that no reader takes. */
            json->out->failed = true;
            return;
        }
        ward_buffer_add(json->out, WARD_BYTES(utf8.data, plain));
        utf8.data += plain;
        utf8.size -= plain;
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
