/* SPDX-License-Identifier: Apache-2.0 */
/* Names of fields come from whoever wrote the record, in any characters that JSON allows; globs
 * over them come from policy, in few. So a glob that names a field can mean that one alone. */
#include "policy/field.h"

#define GLOB_MAX_BYTES 128

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '$' || c == ':';
}

bool ward_field_glob_parse(struct ward_bytes text, struct ward_field_glob *ret)
{
    *ret = (struct ward_field_glob){.prefix = text};
    if (text.size == 0 || text.size > GLOB_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '*' && !ret->star) {
            ret->star = true;
            ret->prefix.size = i;
            ret->suffix = WARD_BYTES(text.data + i + 1, text.size - i - 1);
        } else if (!is_name_byte(text.data[i])) {
            return false;
        }
    }
    return true;
}

bool ward_field_plain(struct ward_bytes name)
{
    return name.size > 0 && memchr(name.data, '\\', name.size) == NULL;
}

bool ward_field_glob_run(const struct ward_field_glob *glob, struct ward_bytes name)
{
    if (!glob->star) {
        return ward_bytes_eq(glob->prefix, name);
    }
    return ward_field_plain(name) && name.size >= glob->prefix.size + glob->suffix.size &&
           memcmp(glob->prefix.data, name.data, glob->prefix.size) == 0 &&
           (glob->suffix.size == 0 ||
            memcmp(glob->suffix.data, name.data + name.size - glob->suffix.size,
                   glob->suffix.size) == 0);
}
