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

#define ONES 0x0101010101010101u

/* Whether any of eight bytes is below 0x20, above 0x7f, a quote or a backslash. Looks at eight at a
 * time; may also say yes wrongly, after a byte that made it yes: then they are looked at singly. */
static bool any_special(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    uint64_t quote = x ^ (ONES * '"'), backslash = x ^ (ONES * '\\');
    uint64_t low = (x - ONES * 0x20) | (quote - ONES) | (backslash - ONES);
    return ((low | x) & (ONES * 0x80)) != 0;
}

/* RFC 8785 3.2.2.2: the five short forms, \u00xx for other control characters. */
static uint8_t *put_escape(uint8_t *p, uint8_t byte)
{
    static const char codes[] = "\"\\\b\t\n\f\r", letters[] = "\"\\btnfr";
    *p++ = '\\';
    for (size_t i = 0; i < sizeof(codes) - 1; i++) {
        if (byte == (uint8_t)codes[i]) {
            *p++ = (uint8_t)letters[i];
            return p;
        }
    }
    memcpy(p, "u00", 3);
    p[3] = (uint8_t)hex_digits[byte >> 4];
    p[4] = (uint8_t)hex_digits[byte & 15];
    return p + 5;
}

#define ESCAPED_MAX(size) ((size)*6)

/* out has room for the worst case: every byte escaped. */
static uint8_t *put_escaped(uint8_t *out, struct ward_bytes text)
{
    const uint8_t *p = text.data;
    size_t left = text.size;
    while (left > 0) {
        size_t taken = 1;
        if (left >= 8 && !any_special(p)) {
            memcpy(out, p, 8);
            out += 8;
            taken = 8;
        } else if (*p >= 0x80) {
            size_t whole = sequence_size(WARD_BYTES(p, left));
            taken = whole > 0 ? whole : 1;
            memcpy(out, whole > 0 ? p : (const uint8_t *)"\xef\xbf\xbd", whole > 0 ? whole : 3);
            out += whole > 0 ? whole : 3;
        } else if (*p < 0x20 || *p == '"' || *p == '\\') {
            out = put_escape(out, *p);
        } else {
            *out++ = *p;
        }
        p += taken;
        left -= taken;
    }
    return out;
}

/* Piece by piece, for a text that may or may not fit into what is left. */
static void add_escaped_slowly(struct ward_buffer *out, struct ward_bytes text)
{
    while (text.size > 0 && !out->failed) {
        size_t whole = text.data[0] < 0x80 ? 1 : sequence_size(text);
        size_t taken = whole > 0 ? whole : 1;
        uint8_t piece[ESCAPED_MAX(4)];
        uint8_t *end = put_escaped(piece, WARD_BYTES(text.data, taken));
        ward_buffer_add(out, WARD_BYTES(piece, (size_t)(end - piece)));
        text = WARD_BYTES(text.data + taken, text.size - taken);
    }
}

void ward_canonical_text_after(struct ward_buffer *out, struct ward_bytes before,
                               struct ward_bytes text)
{
    size_t most = out->max - out->size;
    if (before.size < most && text.size < (most - before.size) / 6) { /* at its worst it fits */
        uint8_t *p = ward_buffer_reserve(out, before.size + ESCAPED_MAX(text.size) + 1);
        if (p != NULL) {
            memcpy(p, before.data, before.size);
            uint8_t *end = put_escaped(p + before.size, text);
            *end++ = '"';
            out->size += (size_t)(end - p);
        }
        return;
    }
    ward_buffer_add(out, before);
    add_escaped_slowly(out, text);
    ward_buffer_add_u8(out, '"');
}

void ward_canonical_text(struct ward_buffer *out, struct ward_bytes text)
{
    ward_canonical_text_after(out, WARD_BYTES_LITERAL("\""), text);
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

/* Eight digits of four bytes at once: a leaf has hundreds of them. */
static void put_hex8(uint8_t *p, const uint8_t four[static 4])
{
    uint64_t v = ward_get_u32(four);
    v = (v | v << 16) & 0x0000ffff0000ffff;
    v = (v | v << 8) & 0x00ff00ff00ff00ff;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0f;           /* one digit a byte */
    uint64_t letters = ((v + ONES * 6) >> 4) & ONES; /* 1 where it is above 9 */
    ward_put_u64(p, v + ONES * '0' + letters * ('a' - '9' - 1));
}

void ward_canonical_hex_after(struct ward_buffer *out, struct ward_bytes before,
                              struct ward_bytes bytes)
{
    uint8_t *room = ward_buffer_reserve(out, before.size + bytes.size * 2 + 1);
    if (room == NULL) {
        return;
    }
    memcpy(room, before.data, before.size);
    uint8_t *p = room + before.size;
    size_t i = 0;
    for (; bytes.size - i >= 4; i += 4) {
        put_hex8(p + 2 * i, bytes.data + i);
    }
    for (; i < bytes.size; i++) {
        p[2 * i] = (uint8_t)hex_digits[bytes.data[i] >> 4];
        p[2 * i + 1] = (uint8_t)hex_digits[bytes.data[i] & 15];
    }
    p[2 * bytes.size] = '"';
    out->size += before.size + bytes.size * 2 + 1;
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
