/* SPDX-License-Identifier: Apache-2.0 */
/* Inclusion of globs. The outer one runs as a machine over the tokens of the inner one, as it runs
 * over the letters of a name in glob.c: a letter steps, and a star of the inner one keeps those
 * states alone that may eat whatever it stands for. A state that is left at the end has eaten every
 * name of the inner glob; one that would need different states for different names is not found,
 * which errs on the safe side. */
#include "policy/covers.h"

/* The outer glob's tokens: state i means that those before i have matched. At most 128 tokens and
 * the end, so the end has a word of its own. */
struct tokens {
    uint8_t bytes[129];
    bool any[129]; /* of a star: "**" */
    size_t n;
};

struct states {
    bool on[130];
};

static void read_tokens(struct ward_bytes text, struct tokens *ret)
{
    ret->n = 0;
    for (size_t i = 0; i < text.size; i++) {
        bool any = text.data[i] == '*' && i + 1 < text.size && text.data[i + 1] == '*';
        ret->bytes[ret->n] = text.data[i];
        ret->any[ret->n++] = any;
        i += any;
    }
}

/* Stars may match nothing: where a star's state is on, so is the next. */
static void close_states(const struct tokens *tokens, struct states *states)
{
    for (size_t i = 0; i < tokens->n; i++) {
        states->on[i + 1] |= states->on[i] && tokens->bytes[i] == '*';
    }
}

static void eat(const struct tokens *outer, uint8_t byte, bool any, struct states *states)
{
    struct states next = {{false}};
    for (size_t i = 0; i < outer->n; i++) {
        if (!states->on[i]) {
            continue;
        }
        if (outer->bytes[i] == '*') {
            next.on[i] = outer->any[i] || (byte == '*' ? !any : byte != '/');
        } else {
            next.on[i + 1] |= byte != '*' && outer->bytes[i] == byte;
        }
    }
    close_states(outer, &next);
    *states = next;
}

struct ward_bytes ward_glob_text(const struct ward_glob *glob)
{
    if (glob->form == WARD_GLOB_EXACT) {
        return glob->prefix;
    }
    return WARD_BYTES(glob->prefix.data,
                      (size_t)(glob->suffix.data + glob->suffix.size - glob->prefix.data));
}

bool ward_glob_covers(const struct ward_glob *outer, const struct ward_glob *inner)
{
    size_t shared =
        outer->prefix.size < inner->prefix.size ? outer->prefix.size : inner->prefix.size;
    if (memcmp(outer->prefix.data, inner->prefix.data, shared) != 0) {
        return false; /* most pairs end here */
    }
    struct tokens out, in;
    read_tokens(ward_glob_text(outer), &out);
    read_tokens(ward_glob_text(inner), &in);
    struct states states = {{true}};
    close_states(&out, &states);
    for (size_t i = 0; i < in.n; i++) {
        eat(&out, in.bytes[i], in.any[i], &states);
    }
    return states.on[out.n];
}

static bool covered(struct ward_globs outer, const struct ward_glob *inner)
{
    for (size_t i = 0; i < outer.n; i++) {
        if (ward_glob_covers(&outer.items[i], inner)) {
            return true;
        }
    }
    return false;
}

bool ward_globs_cover(struct ward_globs outer, struct ward_globs inner)
{
    for (size_t i = 0; i < inner.n; i++) {
        if (!covered(outer, &inner.items[i])) {
            return false;
        }
    }
    return true;
}

bool ward_globs_cover_one(struct ward_globs outer, struct ward_globs inner)
{
    for (size_t i = 0; i < inner.n; i++) {
        if (covered(outer, &inner.items[i])) {
            return true;
        }
    }
    return false;
}

static bool is_star(const struct tokens *tokens, size_t i)
{
    return i < tokens->n && tokens->bytes[i] == '*';
}

/* May the token at j be eaten by what stands at i? A letter by the same one, or by a star that may
 * eat it. */
static bool eats(const struct tokens *a, size_t i, uint8_t letter)
{
    return a->bytes[i] == '*' ? a->any[i] || letter != '/' : a->bytes[i] == letter;
}

/* Both run over a name that neither knows: on[j] says that the first i tokens of a and the first j
 * of b can have matched the same. A star may stand for nothing. */
static bool globs_meet(const struct ward_glob *first, const struct ward_glob *second)
{
    struct tokens a, b;
    read_tokens(ward_glob_text(first), &a);
    read_tokens(ward_glob_text(second), &b);
    bool on[130][130] = {{false}};
    on[0][0] = true;
    for (size_t i = 0; i <= a.n; i++) {
        for (size_t j = 0; j <= b.n; j++) {
            if (!on[i][j]) {
                continue;
            }
            bool star_a = is_star(&a, i), star_b = is_star(&b, j);
            on[i + 1][j] |= star_a || (star_b && i < a.n && eats(&b, j, a.bytes[i]));
            on[i][j + 1] |= star_b || (star_a && j < b.n && eats(&a, i, b.bytes[j]));
            on[i + 1][j + 1] |= i < a.n && j < b.n && a.bytes[i] == b.bytes[j];
        }
    }
    return on[a.n][b.n];
}

bool ward_globs_meet(struct ward_globs a, struct ward_globs b)
{
    for (size_t i = 0; i < a.n; i++) {
        for (size_t j = 0; j < b.n; j++) {
            if (globs_meet(&a.items[i], &b.items[j])) {
                return true;
            }
        }
    }
    return false;
}

/* Prefix and suffix of the inner one, with anything between, end in those of the outer one. */
static bool field_covers(const struct ward_field_glob *outer, const struct ward_field_glob *inner)
{
    if (!inner->star) {
        return ward_field_glob_run(outer, inner->prefix);
    }
    struct ward_bytes prefix = outer->prefix, suffix = outer->suffix;
    return outer->star && inner->prefix.size >= prefix.size && inner->suffix.size >= suffix.size &&
           memcmp(prefix.data, inner->prefix.data, prefix.size) == 0 &&
           (suffix.size == 0 ||
            memcmp(suffix.data, inner->suffix.data + inner->suffix.size - suffix.size,
                   suffix.size) == 0);
}

bool ward_fields_cover(const struct ward_field_glob *outer, size_t n_outer,
                       const struct ward_field_glob *inner, size_t n_inner)
{
    for (size_t i = 0; i < n_inner; i++) {
        bool found = false;
        for (size_t o = 0; o < n_outer && !found; o++) {
            found = field_covers(&outer[o], &inner[i]);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}
