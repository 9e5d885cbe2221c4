/* SPDX-License-Identifier: Apache-2.0 */
/* Names and globs. A name has one spelling: what is not canonical is refused, never repaired, so
 * that two spellings can never be decided on differently. Matching costs time linear in glob and
 * name, for both come from people whom we need not trust. */
#include "policy/name.h"

#include "policy/model.h"

#define NAME_MAX_BYTES 128

/* States of the matcher: one bit for each token of a glob. */
typedef __uint128_t bits;
#define BIT(i) ((bits)1 << (i))

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

/* A glob's middle, from its first star to its last, as a machine of at most 128 states. State i
 * means that tokens before i have matched; a star's state stays while it eats, and its successor is
 * entered for nothing. The last token is a star, so its state is the accepting one. */
struct machine {
    bits literal['z' - '-' + 1]; /* the states that wait for a byte, '-' to 'z' being all of them */
    bits star, any;              /* states of "*" and of "**" */
    bits last;
};

static void machine_build(struct machine *m, struct ward_bytes glob)
{
    memset(m, 0, sizeof(*m));
    unsigned state = 0;
    for (size_t i = 0; i < glob.size; i++, state++) {
        if (glob.data[i] != '*') {
            m->literal[glob.data[i] - '-'] |= BIT(state);
        } else if (i + 1 < glob.size && glob.data[i + 1] == '*') {
            m->any |= BIT(state);
            i++;
        } else {
            m->star |= BIT(state);
        }
    }
    m->last = BIT(state - 1);
}

/* Stars may match nothing: where a star's state is on, so is the next. Two stars never touch. */
static bits machine_close(const struct machine *m, bits on)
{
    return on | (on & (m->star | m->any)) << 1;
}

static bool machine_run(const struct machine *m, struct ward_bytes text)
{
    bits on = machine_close(m, 1);
    for (size_t i = 0; i < text.size && on != 0; i++) {
        uint8_t c = text.data[i];
        bits stay = on & (c == '/' ? m->any : m->star | m->any);
        bits step = (on & m->literal[c - '-']) << 1;
        on = machine_close(m, stay | step);
    }
    return (on & m->last) != 0;
}

/* Length of the run of literals at the glob's start, or at its end. */
static size_t literal_prefix(struct ward_bytes glob)
{
    const uint8_t *star = memchr(glob.data, '*', glob.size);
    return star == NULL ? glob.size : (size_t)(star - glob.data);
}

static size_t literal_suffix(struct ward_bytes glob)
{
    const uint8_t *star = memrchr(glob.data, '*', glob.size);
    return star == NULL ? glob.size : (size_t)(glob.data + glob.size - star) - 1;
}

bool ward_glob_match(struct ward_bytes glob, struct ward_bytes name)
{
    return ward_glob_valid(glob) && ward_name_valid(name) && ward_glob_match_valid(glob, name);
}

bool ward_glob_match_valid(struct ward_bytes glob, struct ward_bytes name)
{
    size_t prefix = literal_prefix(glob);
    if (prefix == glob.size) {
        return ward_bytes_eq(glob, name);
    }
    size_t suffix = literal_suffix(glob);
    if (name.size < prefix + suffix || memcmp(glob.data, name.data, prefix) != 0 ||
        memcmp(glob.data + glob.size - suffix, name.data + name.size - suffix, suffix) != 0) {
        return false;
    }
    struct ward_bytes middle = {glob.data + prefix, glob.size - prefix - suffix};
    struct ward_bytes rest = {name.data + prefix, name.size - prefix - suffix};
    if (middle.size == 1) {
        return memchr(rest.data, '/', rest.size) == NULL;
    }
    if (middle.size == 2 && middle.data[1] == '*') {
        return true;
    }
    struct machine machine;
    machine_build(&machine, middle);
    return machine_run(&machine, rest);
}
