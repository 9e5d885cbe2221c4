/* SPDX-License-Identifier: Apache-2.0 */
/* The scalars of canonical JSON. Kept apart from base/json because a leaf is written for every
 * request on the hot path (no printf, no state), and because an audit entry must stay well-formed
 * whatever bytes reach it. Knows nothing of leaves or proposals. */
#include "proto/canonical.h"

static const char hex_digits[16] = "0123456789abcdef";

/* The size of the well-formed UTF-8 sequence at the start of text, 0 when there is none. */
static size_t sequence_size(struct ward_bytes text)
{
    uint8_t lead = text.data[0];
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (size > text.size || !ward_utf8_valid(WARD_BYTES(text.data, size))) {
        return 0;
    }
    return size;
}

/* RFC 8785 3.2.2.2: the five short forms, \u00xx for other control characters. */
static void add_escape(struct ward_buffer *out, uint8_t byte)
{
    uint8_t escape[6] = {
        '\\', 'u', '0', '0', (uint8_t)hex_digits[byte >> 4], (uint8_t)hex_digits[byte & 15]};
    size_t size = 2;
    switch (byte) {
    case '"':
    case '\\':
        escape[1] = byte;
        break;
    case '\b':
        escape[1] = 'b';
        break;
    case '\t':
        escape[1] = 't';
        break;
    case '\n':
        escape[1] = 'n';
        break;
    case '\f':
        escape[1] = 'f';
        break;
    case '\r':
        escape[1] = 'r';
        break;
    default:
        size = 6;
    }
    ward_buffer_add(out, WARD_BYTES(escape, size));
}

/* Bytes that stand for themselves are copied in runs; nearly every text is one run. */
void ward_canonical_escape(struct ward_buffer *out, struct ward_bytes text)
{
    if (text.size == 0) {
        return; /* data may be NULL */
    }
    const uint8_t *end = text.data + text.size;
    const uint8_t *run = text.data;
    const uint8_t *p = text.data;
    while (p < end) {
        if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
            p++;
            continue;
        }
        size_t whole = *p < 0x80 ? 0 : sequence_size(WARD_BYTES(p, (size_t)(end - p)));
        if (whole > 0) {
            p += whole;
            continue;
        }
        ward_buffer_add(out, WARD_BYTES(run, (size_t)(p - run)));
        if (*p < 0x80) {
            add_escape(out, *p);
        } else {
            WARD_CANONICAL_LITERAL(out, "\xef\xbf\xbd");
        }
        run = ++p;
    }
    if (end > run) {
        ward_buffer_add(out, WARD_BYTES(run, (size_t)(end - run)));
    }
}

void ward_canonical_text(struct ward_buffer *out, struct ward_bytes text)
{
    ward_buffer_add_u8(out, '"');
    ward_canonical_escape(out, text);
    ward_buffer_add_u8(out, '"');
}

void ward_canonical_uint(struct ward_buffer *out, uint64_t value)
{
    uint8_t digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    ward_buffer_add(out, WARD_BYTES(digits + at, sizeof(digits) - at));
}

void ward_canonical_int(struct ward_buffer *out, int64_t value)
{
    if (value < 0) {
        ward_buffer_add_u8(out, '-');
    }
    ward_canonical_uint(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void ward_canonical_hex(struct ward_buffer *out, struct ward_bytes bytes)
{
    uint8_t *to = ward_buffer_reserve(out, bytes.size * 2 + 2);
    if (to == NULL) {
        return;
    }
    uint8_t *p = to;
    *p++ = '"';
    for (size_t i = 0; i < bytes.size; i++) {
        *p++ = (uint8_t)hex_digits[bytes.data[i] >> 4];
        *p++ = (uint8_t)hex_digits[bytes.data[i] & 15];
    }
    *p++ = '"';
    out->size += (size_t)(p - to);
}

/* One escape after its backslash, as the writer makes them: \uXXXX for control characters only.
 * Returns how many bytes it takes, 0 when it is none of ours. */
static size_t read_escape(const uint8_t *p, const uint8_t *end, uint8_t *ret)
{
    static const char letters[] = "\"\\btnfr", values[] = "\"\\\b\t\n\f\r";
    if (p == end) {
        return 0;
    }
    if (*p == 'u') {
        uint8_t code[2];
        if (end - p < 5 || !ward_hex_decode((const char *)p + 1, 4, code, 2) || code[0] != 0 ||
            code[1] >= 0x20) {
            return 0;
        }
        *ret = code[1];
        return 5;
    }
    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if (*p == (uint8_t)letters[i]) {
            *ret = (uint8_t)values[i];
            return 1;
        }
    }
    return 0;
}

bool ward_canonical_read_text(struct ward_bytes json, struct ward_arena *arena,
                              struct ward_bytes *ret)
{
    if (json.size < 2 || json.data[0] != '"' || json.data[json.size - 1] != '"') {
        return false;
    }
    uint8_t *text = ward_arena_alloc(arena, json.size);
    if (text == NULL) {
        return false;
    }
    const uint8_t *p = json.data + 1, *end = json.data + json.size - 1;
    size_t size = 0;
    while (p < end) {
        if (*p == '"' || *p < 0x20) {
            return false;
        }
        if (*p != '\\') {
            text[size++] = *p++;
            continue;
        }
        size_t taken = read_escape(p + 1, end, &text[size]);
        if (taken == 0) {
            return false;
        }
        size++;
        p += 1 + taken;
    }
    *ret = WARD_BYTES(text, size);
    return true;
}

bool ward_canonical_read_int(struct ward_bytes json, int64_t *ret)
{
    bool negative = json.size > 0 && json.data[0] == '-';
    size_t first = negative ? 1 : 0;
    if (json.size == first || json.size - first > 19) {
        return false;
    }
    uint64_t value = 0; /* 19 digits fit */
    for (size_t i = first; i < json.size; i++) {
        if (json.data[i] < '0' || json.data[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(json.data[i] - '0');
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return false;
    }
    *ret = (int64_t)(negative ? 0 - value : value);
    return true;
}
