/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes, by value, and the few things done with them that libc does not do safely. */
#ifndef WARD_BASE_BYTES_H
#define WARD_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view: never owns. `data` may be NULL only when `size` is 0. */
struct ward_bytes {
    const uint8_t *data;
    size_t size;
};

#define WARD_BYTES(p, n) ((struct ward_bytes){(const uint8_t *)(p), (n)})
#define WARD_BYTES_LITERAL(s) ((struct ward_bytes){(const uint8_t *)("" s), sizeof(s) - 1})
#define WARD_BYTES_ARRAY(a) ((struct ward_bytes){(const uint8_t *)(a), sizeof(a)})

static inline struct ward_bytes ward_bytes_str(const char *s)
{
    return (struct ward_bytes){(const uint8_t *)s, s == NULL ? 0 : strlen(s)};
}

/* Public data only: stops at the first difference. */
bool ward_bytes_eq(struct ward_bytes a, struct ward_bytes b);
/* Secret data: time depends on the size alone. */
bool ward_bytes_eq_ct(struct ward_bytes a, struct ward_bytes b);
/* memcmp order, a prefix sorts first. */
int ward_bytes_cmp(struct ward_bytes a, struct ward_bytes b);
/* Well-formed UTF-8 (Unicode 15 table 3-7: no surrogates, no overlongs), NUL refused. */
bool ward_utf8_valid(struct ward_bytes text);

/* Lower-case hex; out has 2 * size + 1 bytes, terminated. */
void ward_hex_encode(struct ward_bytes in, char *out);
/* Exactly 2 * size hex digits of either case into out; false on anything else. */
bool ward_hex_decode(const char *in, size_t in_size, uint8_t *out, size_t out_size);

/* RFC 4648 base64 with padding. */
#define WARD_BASE64_SIZE(n) (((n) + 2) / 3 * 4)
/* out has WARD_BASE64_SIZE(size) + 1 bytes, terminated. Constant time per byte: keys pass here. */
void ward_base64_encode(struct ward_bytes in, char *out);
/* Strict: canonical padding, no spaces. ret_size <= in_size / 4 * 3. False on anything else. */
bool ward_base64_decode(const char *in, size_t in_size, uint8_t *out, size_t *ret_size);

static inline void ward_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void ward_put_u32(uint8_t *p, uint32_t v)
{
    ward_put_u16(p, (uint16_t)(v >> 16));
    ward_put_u16(p + 2, (uint16_t)v);
}
static inline void ward_put_u64(uint8_t *p, uint64_t v)
{
    ward_put_u32(p, (uint32_t)(v >> 32));
    ward_put_u32(p + 4, (uint32_t)v);
}
static inline uint16_t ward_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t ward_get_u32(const uint8_t *p)
{
    return (uint32_t)ward_get_u16(p) << 16 | ward_get_u16(p + 2);
}
static inline uint64_t ward_get_u64(const uint8_t *p)
{
    return (uint64_t)ward_get_u32(p) << 32 | ward_get_u32(p + 4);
}

#endif
