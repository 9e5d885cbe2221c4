/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing, checking and encoding borrowed bytes. Keys pass through hex and base64 on their way to
 * and from people, so both work by arithmetic: no table is indexed nor branch taken by a byte. */
#include "base/bytes.h"

#include <openssl/crypto.h>

bool ward_bytes_eq(struct ward_bytes a, struct ward_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool ward_bytes_eq_ct(struct ward_bytes a, struct ward_bytes b)
{
    return a.size == b.size && (a.size == 0 || CRYPTO_memcmp(a.data, b.data, a.size) == 0);
}

int ward_bytes_cmp(struct ward_bytes a, struct ward_bytes b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);
    if (order != 0) {
        return order < 0 ? -1 : 1;
    }
    return (a.size > b.size) - (a.size < b.size);
}

/* Length of the well-formed sequence of two to four bytes at p, or 0 (Unicode 15, table 3-7). */
static size_t utf8_sequence(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0], low = 0x80, high = 0xBF;
    size_t size;
    if (lead >= 0xC2 && lead <= 0xDF) {
        size = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        size = 3;
        low = lead == 0xE0 ? 0xA0 : low;   /* overlong */
        high = lead == 0xED ? 0x9F : high; /* surrogates */
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        size = 4;
        low = lead == 0xF0 ? 0x90 : low;   /* overlong */
        high = lead == 0xF4 ? 0x8F : high; /* past U+10FFFF */
    } else {
        return 0;
    }
    if (left < size || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return size;
}

/* Bytes from p that are ASCII and not NUL, eight at a time; the last few are left to the caller. */
static size_t ascii_run(const uint8_t *p, size_t left)
{
    const uint64_t high = 0x8080808080808080u, ones = 0x0101010101010101u;
    size_t n = 0;
    while (left - n >= 8) {
        uint64_t w;
        memcpy(&w, p + n, 8);
        if (((w | ((w - ones) & ~w)) & high) != 0) {
            break;
        }
        n += 8;
    }
    return n;
}

bool ward_utf8_valid(struct ward_bytes text)
{
    size_t at = 0;
    while (at < text.size) {
        at += ascii_run(text.data + at, text.size - at);
        if (at == text.size) {
            break;
        }
        uint8_t c = text.data[at];
        if (c == 0) {
            return false;
        }
        size_t size = c < 0x80 ? 1 : utf8_sequence(text.data + at, text.size - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

/* All ones when low <= v <= high, else 0, for values below 2^30. */
static inline uint32_t in_range(uint32_t v, uint32_t low, uint32_t high)
{
    return ~(uint32_t)((int32_t)((v - low) | (high - v)) >> 31);
}

static inline char hex_digit(uint32_t v)
{
    return (char)('0' + v + (in_range(v, 10, 15) & ('a' - '0' - 10)));
}

void ward_hex_encode(struct ward_bytes in, char *out)
{
    for (size_t i = 0; i < in.size; i++) {
        out[2 * i] = hex_digit(in.data[i] >> 4);
        out[2 * i + 1] = hex_digit(in.data[i] & 15);
    }
    out[2 * in.size] = '\0';
}

/* The digit's value; *valid loses its bits when c is none. */
static inline uint32_t hex_value(char c, uint32_t *valid)
{
    uint32_t v = (uint8_t)c, digit = in_range(v, '0', '9');
    uint32_t lower = in_range(v, 'a', 'f'), upper = in_range(v, 'A', 'F');
    *valid &= digit | lower | upper;
    return (digit & (v - '0')) | (lower & (v - 'a' + 10)) | (upper & (v - 'A' + 10));
}

bool ward_hex_decode(const char *in, size_t in_size, uint8_t *out, size_t out_size)
{
    if (in_size / 2 != out_size || in_size % 2 != 0) {
        return false;
    }
    uint32_t valid = UINT32_MAX;
    for (size_t i = 0; i < out_size; i++) {
        uint32_t high = hex_value(in[2 * i], &valid);
        out[i] = (uint8_t)(high << 4 | hex_value(in[2 * i + 1], &valid));
    }
    if (valid == 0 && out_size > 0) {
        OPENSSL_cleanse(out, out_size);
    }
    return valid != 0;
}

static inline char base64_digit(uint32_t v)
{
    return (char)((in_range(v, 0, 25) & (v + 'A')) | (in_range(v, 26, 51) & (v - 26 + 'a')) |
                  (in_range(v, 52, 61) & (v - 52 + '0')) | (in_range(v, 62, 62) & '+') |
                  (in_range(v, 63, 63) & '/'));
}

void ward_base64_encode(struct ward_bytes in, char *out)
{
    size_t i = 0;
    for (; in.size - i >= 3; i += 3) {
        uint32_t v = (uint32_t)in.data[i] << 16 | (uint32_t)in.data[i + 1] << 8 | in.data[i + 2];
        *out++ = base64_digit(v >> 18);
        *out++ = base64_digit(v >> 12 & 63);
        *out++ = base64_digit(v >> 6 & 63);
        *out++ = base64_digit(v & 63);
    }
    if (i < in.size) {
        bool two = in.size - i == 2;
        uint32_t v = (uint32_t)in.data[i] << 16 | (two ? (uint32_t)in.data[i + 1] << 8 : 0);
        *out++ = base64_digit(v >> 18);
        *out++ = base64_digit(v >> 12 & 63);
        *out++ = two ? base64_digit(v >> 6 & 63) : '=';
        *out++ = '=';
    }
    *out = '\0';
}

static inline uint32_t base64_value(char c, uint32_t *valid)
{
    uint32_t v = (uint8_t)c, upper = in_range(v, 'A', 'Z'), lower = in_range(v, 'a', 'z');
    uint32_t digit = in_range(v, '0', '9'), plus = in_range(v, '+', '+');
    uint32_t slash = in_range(v, '/', '/');
    *valid &= upper | lower | digit | plus | slash;
    return (upper & (v - 'A')) | (lower & (v - 'a' + 26)) | (digit & (v - '0' + 52)) | (plus & 62) |
           (slash & 63);
}

bool ward_base64_decode(const char *in, size_t in_size, uint8_t *out, size_t *ret_size)
{
    if (in_size % 4 != 0) {
        return false;
    }
    size_t pad = 0;
    if (in_size > 0 && in[in_size - 1] == '=') {
        pad = in[in_size - 2] == '=' ? 2 : 1;
    }
    size_t size = in_size / 4 * 3 - pad, done = 0;
    uint32_t valid = UINT32_MAX;
    for (size_t i = 0; i < in_size; i += 4) {
        size_t digits = i + 4 == in_size ? 4 - pad : 4;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            v = v << 6 | (k < digits ? base64_value(in[i + k], &valid) : 0);
        }
        uint8_t triple[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        for (size_t k = 0; k < 3; k++) {
            if (k < digits - 1) {
                out[done++] = triple[k];
            } else {
                /* Bits that carry nothing must be zero, else two texts would mean the same. */
                valid &= in_range(triple[k], 0, 0);
            }
        }
        OPENSSL_cleanse(triple, sizeof(triple));
    }
    if (valid == 0) {
        OPENSSL_cleanse(out, size);
        return false;
    }
    *ret_size = size;
    return true;
}
