/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of identities. Strict, so that a policy cannot name what no certificate can bear and
 * two spellings of one peer cannot both pass; it knows neither certificates nor roles. */
#include "policy/identity.h"

static bool has_prefix(struct ward_bytes text, struct ward_bytes prefix)
{
    return text.size >= prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0;
}

static bool is_lower_hex(struct ward_bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

static bool is_lower_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* A label of the trust domain: begins and ends with a letter or digit. */
static bool label_valid(struct ward_bytes label)
{
    if (label.size == 0 || !is_lower_alnum(label.data[0]) ||
        !is_lower_alnum(label.data[label.size - 1])) {
        return false;
    }
    for (size_t i = 0; i < label.size; i++) {
        uint8_t c = label.data[i];
        if (!is_lower_alnum(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return true;
}

static bool segment_valid(struct ward_bytes segment)
{
    if (segment.size == 0 || ward_bytes_eq(segment, WARD_BYTES_LITERAL(".")) ||
        ward_bytes_eq(segment, WARD_BYTES_LITERAL(".."))) {
        return false;
    }
    for (size_t i = 0; i < segment.size; i++) {
        uint8_t c = segment.data[i];
        if (!(is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_')) {
            return false;
        }
    }
    return true;
}

/* Every part between separators is valid; an empty text is one empty part. */
static bool parts_valid(struct ward_bytes text, char separator, bool (*valid)(struct ward_bytes))
{
    for (;;) {
        const uint8_t *end = text.size == 0 ? NULL : memchr(text.data, separator, text.size);
        if (end == NULL) {
            return valid(text);
        }
        size_t size = (size_t)(end - text.data);
        if (!valid((struct ward_bytes){text.data, size})) {
            return false;
        }
        text = (struct ward_bytes){end + 1, text.size - size - 1};
    }
}

bool ward_identity_valid(struct ward_bytes identity)
{
    const struct ward_bytes key = WARD_BYTES_LITERAL("key:sha256:");
    const struct ward_bytes spiffe = WARD_BYTES_LITERAL("spiffe://");
    if (identity.size > WARD_IDENTITY_MAX) {
        return false;
    }
    if (has_prefix(identity, key)) {
        return identity.size == key.size + 64 &&
               is_lower_hex((struct ward_bytes){identity.data + key.size, 64});
    }
    if (!has_prefix(identity, spiffe)) {
        return false;
    }
    struct ward_bytes rest = {identity.data + spiffe.size, identity.size - spiffe.size};
    const uint8_t *slash = memchr(rest.data, '/', rest.size);
    if (slash == NULL) {
        return false;
    }
    struct ward_bytes domain = {rest.data, (size_t)(slash - rest.data)};
    struct ward_bytes path = {slash + 1, rest.size - domain.size - 1};
    return domain.size <= 255 && parts_valid(domain, '.', label_valid) &&
           parts_valid(path, '/', segment_valid);
}
