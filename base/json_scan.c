/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner half of base/json.h: it finds where the top-level members of an untrusted object
 * begin and end, and refuses all that RFC 8259 does not allow. It builds nothing, changes nothing
 * and does not recurse: one bit a level remembers whether an object or an array is open. */
#include "base/json.h"

#include <stdlib.h>

#include "base/wipe_alloc.h"

struct scanner {
    const uint8_t *at, *end;
    unsigned depth;   /* of open objects and arrays */
    uint64_t objects; /* bit d: what opened at depth d is an object */
};

#define REQUIRE_FORM(cond) WARD_REQUIRE(cond, "json: malformed")

static void skip_space(struct scanner *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool next_is(const struct scanner *s, char c)
{
    return s->at < s->end && *s->at == (uint8_t)c;
}

static ward_status expect(struct scanner *s, char c)
{
    skip_space(s);
    REQUIRE_FORM(next_is(s, c));
    s->at++;
    return WARD_OK;
}

/* Four hex digits of either case at p, or -1. */
static int32_t code_unit(const uint8_t *p, const uint8_t *end)
{
    uint8_t pair[2];
    if (end - p < 4 || !ward_hex_decode((const char *)p, 4, pair, 2)) {
        return -1;
    }
    return ward_get_u16(pair);
}

/* \uXXXX at p: its bytes there, or 0. A surrogate counts only as half of a pair. */
static size_t unicode_escape(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
    int32_t unit = code_unit(p + 2, end);
    if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
        return 0;
    }
    *ret = (uint32_t)unit;
    if (unit < 0xD800 || unit > 0xDBFF) {
        return 6;
    }
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u') {
        return 0;
    }
    int32_t low = code_unit(p + 8, end);
    if (low < 0xDC00 || low > 0xDFFF) {
        return 0;
    }
    *ret = 0x10000 + (((uint32_t)unit - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
    return 12;
}

/* The escape at p: its bytes there, or 0. ret is the character that it stands for. */
static size_t read_escape(const uint8_t *p, const uint8_t *end, uint32_t *ret)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (end - p < 2) {
        return 0;
    }
    if (p[1] == 'u') {
        return unicode_escape(p, end, ret);
    }
    const char *found = p[1] == 0 ? NULL : strchr(from, p[1]);
    if (found == NULL) {
        return 0;
    }
    *ret = (uint8_t)to[found - from];
    return 2;
}

/* A string; ret_inner is what stands between its quotes. That it is UTF-8 was seen beforehand. */
static ward_status skip_string(struct scanner *s, struct ward_bytes *ret_inner)
{
    WARD_TRY(expect(s, '"'));
    const uint8_t *start = s->at;
    for (;;) {
        s->at += ward_json_plain(s->at, (size_t)(s->end - s->at));
        if (!next_is(s, '\\')) {
            break;
        }
        uint32_t unused;
        size_t size = read_escape(s->at, s->end, &unused);
        REQUIRE_FORM(size > 0);
        s->at += size;
    }
    *ret_inner = (struct ward_bytes){start, (size_t)(s->at - start)};
    REQUIRE_FORM(next_is(s, '"')); /* not the end, nor what must be escaped */
    s->at++;
    return WARD_OK;
}

static bool next_is_digit(const struct scanner *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static ward_status skip_digits(struct scanner *s)
{
    REQUIRE_FORM(next_is_digit(s));
    while (next_is_digit(s)) {
        s->at++;
    }
    return WARD_OK;
}

static ward_status skip_number(struct scanner *s)
{
    if (next_is(s, '-')) {
        s->at++;
    }
    if (next_is(s, '0')) {
        s->at++; /* no digit may follow: the caller finds it where a comma belongs */
    } else {
        WARD_TRY(skip_digits(s));
    }
    if (next_is(s, '.')) {
        s->at++;
        WARD_TRY(skip_digits(s));
    }
    if (next_is(s, 'e') || next_is(s, 'E')) {
        s->at++;
        if (next_is(s, '+') || next_is(s, '-')) {
            s->at++;
        }
        WARD_TRY(skip_digits(s));
    }
    return WARD_OK;
}

static ward_status skip_word(struct scanner *s, struct ward_bytes word)
{
    REQUIRE_FORM((size_t)(s->end - s->at) >= word.size && memcmp(s->at, word.data, word.size) == 0);
    s->at += word.size;
    return WARD_OK;
}

static ward_status skip_name(struct scanner *s)
{
    struct ward_bytes unused;
    WARD_TRY(skip_string(s, &unused));
    return expect(s, ':');
}

static bool in_object(const struct scanner *s)
{
    return (s->objects >> (s->depth - 1) & 1) != 0;
}

/* The bracket at s->at. Sets *empty when the same level ends at once; else a value comes next. */
static ward_status open_level(struct scanner *s, bool *empty)
{
    WARD_REQUIRE(s->depth < WARD_JSON_DEPTH_MAX, "json: too deep");
    bool object = *s->at == '{';
    uint64_t bit = (uint64_t)1 << s->depth;
    s->objects = object ? s->objects | bit : s->objects & ~bit;
    s->depth++;
    s->at++;
    skip_space(s);
    *empty = next_is(s, object ? '}' : ']');
    if (*empty) {
        s->at++;
        s->depth--;
        return WARD_OK;
    }
    return object ? skip_name(s) : WARD_OK;
}

/* One value that holds no other, or the opening of one that does (*opened: a value comes next). */
static ward_status skip_token(struct scanner *s, bool *opened)
{
    *opened = false;
    skip_space(s);
    REQUIRE_FORM(s->at < s->end);
    struct ward_bytes unused;
    switch (*s->at) {
    case '{':
    case '[': {
        bool empty = false;
        WARD_TRY(open_level(s, &empty));
        *opened = !empty;
        return WARD_OK;
    }
    case '"':
        return skip_string(s, &unused);
    case 't':
        return skip_word(s, WARD_BYTES_LITERAL("true"));
    case 'f':
        return skip_word(s, WARD_BYTES_LITERAL("false"));
    case 'n':
        return skip_word(s, WARD_BYTES_LITERAL("null"));
    default:
        return skip_number(s);
    }
}

/* After a value: closes the levels that end here, down to `floor`, or passes one comma. */
static ward_status close_levels(struct scanner *s, unsigned floor)
{
    while (s->depth > floor) {
        skip_space(s);
        if (next_is(s, ',')) {
            s->at++;
            return in_object(s) ? skip_name(s) : WARD_OK;
        }
        REQUIRE_FORM(next_is(s, in_object(s) ? '}' : ']'));
        s->at++;
        s->depth--;
    }
    return WARD_OK;
}

/* One value of any kind, up to its last byte. */
static ward_status skip_value(struct scanner *s)
{
    unsigned floor = s->depth;
    do {
        bool opened = false;
        WARD_TRY(skip_token(s, &opened));
        if (!opened) {
            WARD_TRY(close_levels(s, floor));
        }
    } while (s->depth > floor);
    return WARD_OK;
}

/* A name as its characters, whatever way they are written. Only names that were scanned. */
static bool next_character(struct ward_bytes *name, uint32_t *ret)
{
    if (name->size == 0) {
        return false;
    }
    size_t size = 1;
    *ret = name->data[0];
    if (*ret == '\\') {
        size = read_escape(name->data, name->data + name->size, ret);
    } else if (*ret >= 0x80) {
        size = *ret >= 0xF0 ? 4 : *ret >= 0xE0 ? 3 : 2;
        *ret &= 0x7Fu >> size;
        for (size_t i = 1; i < size; i++) {
            *ret = *ret << 6 | (name->data[i] & 0x3F);
        }
    }
    name->data += size;
    name->size -= size;
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct ward_json_slice *const *l = left, *const *r = right;
    struct ward_bytes a = (*l)->name, b = (*r)->name;
    uint32_t ca = 0, cb = 0;
    for (;;) {
        bool more_a = next_character(&a, &ca), more_b = next_character(&b, &cb);
        if (!more_a || !more_b) {
            return more_a - more_b;
        }
        if (ca != cb) {
            return ca < cb ? -1 : 1;
        }
    }
}

/* Names without escapes: the same characters are the same bytes, and any order will do. */
static int compare_plain_names(const void *left, const void *right)
{
    const struct ward_json_slice *const *l = left, *const *r = right;
    struct ward_bytes a = (*l)->name, b = (*r)->name;
    return a.size != b.size ? (a.size < b.size ? -1 : 1) : memcmp(a.data, b.data, a.size);
}

static bool has_escape(struct ward_bytes name)
{
    return memchr(name.data, '\\', name.size) != NULL;
}

static bool has_nul(struct ward_bytes name)
{
    uint32_t c = 0;
    while (next_character(&name, &c)) {
        if (c == 0) {
            return true;
        }
    }
    return false;
}

static void free_names(void **names)
{
    ward_wipe_free(*names);
}

/* Sorted, so that thousands of members cost no more than they should. */
static ward_status check_names(const struct ward_json_slice *slices, size_t n)
{
    const struct ward_json_slice *few[64], **sorted = few;
    ward_auto(free_names) void *many = NULL;
    if (n > sizeof(few) / sizeof(few[0])) {
        many = ward_wipe_calloc(n, sizeof(*sorted));
        WARD_ENSURE(many != NULL, WARD_E_EXHAUSTED);
        sorted = many;
    }
    int (*compare)(const void *, const void *) = compare_plain_names;
    for (size_t i = 0; i < n; i++) {
        if (has_escape(slices[i].name)) { /* only so could a NUL be written */
            REQUIRE_FORM(!has_nul(slices[i].name));
            compare = compare_names;
        }
        sorted[i] = &slices[i];
    }
    qsort(sorted, n, sizeof(*sorted), compare);
    for (size_t i = 1; i < n; i++) {
        WARD_REQUIRE(compare(&sorted[i - 1], &sorted[i]) != 0, "json: duplicate member");
    }
    return WARD_OK;
}

static ward_status scan_member(struct scanner *s, struct ward_json_slice *ret)
{
    struct ward_json_slice slice;
    WARD_TRY(skip_string(s, &slice.name));
    WARD_TRY(expect(s, ':'));
    skip_space(s);
    const uint8_t *start = s->at;
    WARD_TRY(skip_value(s));
    slice.value = (struct ward_bytes){start, (size_t)(s->at - start)};
    *ret = slice;
    return WARD_OK;
}

static ward_status scan_members(struct scanner *s, struct ward_json_slice *slices, size_t max,
                                size_t *ret_n)
{
    size_t n = 0;
    skip_space(s);
    if (!next_is(s, '}')) {
        for (;;) {
            WARD_REQUIRE(n < max, "json: too many members");
            WARD_TRY(scan_member(s, &slices[n]));
            n++;
            skip_space(s);
            if (!next_is(s, ',')) {
                break;
            }
            s->at++;
        }
    }
    *ret_n = n;
    return expect(s, '}');
}

ward_status ward_json_scan(struct ward_bytes json, struct ward_json_slice *slices, size_t max,
                           size_t *ret_n)
{
    struct scanner s = {.at = json.data, .end = json.size == 0 ? json.data : json.data + json.size};
    skip_space(&s);
    WARD_REQUIRE(next_is(&s, '{'), "json: not an object");
    REQUIRE_FORM(ward_utf8_valid(json));
    s.at++;
    s.depth = 1; /* the object itself, whose members are scanned below rather than skipped */
    s.objects = 1;

    size_t n = 0;
    WARD_TRY(scan_members(&s, slices, max, &n));
    skip_space(&s);
    REQUIRE_FORM(s.at == s.end);
    WARD_TRY(check_names(slices, n));
    *ret_n = n;
    return WARD_OK;
}
