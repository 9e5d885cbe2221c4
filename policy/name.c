/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of names and of globs over them. A name has one spelling: what is not canonical is
 * refused, never repaired, so that two spellings can never be decided on differently. */
#include "policy/name.h"

#include "policy/glob.h"

#define NAME_MAX_BYTES 128

static bool starts_segment(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool continues_segment(uint8_t c)
{
    return starts_segment(c) || c == '.' || c == '_' || c == '-';
}

/* The grammar of names; with stars, of globs: a star may stand wherever a letter may. */
static bool segments_valid(struct ward_bytes text, bool stars)
{
    if (text.size == 0 || text.size > NAME_MAX_BYTES) {
        return false;
    }
    bool at_start = true;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool star = stars && c == '*';
        if (c == '/') {
            if (at_start) {
                return false;
            }
            at_start = true;
            continue;
        }
        if (!star && !(at_start ? starts_segment(c) : continues_segment(c))) {
            return false;
        }
        at_start = false;
    }
    return !at_start;
}

bool ward_name_valid(struct ward_bytes name)
{
    return segments_valid(name, false);
}

bool ward_glob_valid(struct ward_bytes glob)
{
    if (!segments_valid(glob, true)) {
        return false;
    }
    for (size_t i = 2; i < glob.size; i++) {
        if (glob.data[i] == '*' && glob.data[i - 1] == '*' && glob.data[i - 2] == '*') {
            return false;
        }
    }
    return true;
}

bool ward_glob_match(struct ward_bytes glob, struct ward_bytes name)
{
    if (!ward_glob_valid(glob) || !ward_name_valid(name)) {
        return false;
    }
    struct ward_glob_machine machine;
    struct ward_glob compiled;
    ward_glob_compile(glob, &machine, &compiled);
    struct ward_glob_name candidate = ward_glob_name(name);
    return ward_glob_run(&compiled, &candidate);
}
