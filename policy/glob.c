/* SPDX-License-Identifier: Apache-2.0 */
/* Matching of globs in time linear in glob and name, for both come from people whom we need not
 * trust. A glob is split at its first and last star:
 *
 *     phi/ * /keys/ ** /x-*-old      prefix "phi/", middle "* /keys/ ** /x-*", suffix "-old"
 *
 * Prefix and suffix are compared as they are. The middle begins and ends with a star: a lone one is
 * a search for a slash at most; otherwise it runs as a machine of at most 128 states, all at once
 * as bits of a word. State i means that the tokens before i have matched. A star's state stays on
 * while it eats, and the state after it is entered for nothing. The last token is a star: its state
 * accepts. */
#include "policy/glob.h"

#define BIT(i) ((ward_glob_bits)1 << (i))

static uint64_t head_of(struct ward_bytes text)
{
    uint64_t head = 0;
    if (text.size > 0) {
        memcpy(&head, text.data, text.size < sizeof(head) ? text.size : sizeof(head));
    }
    return head;
}

struct ward_glob_name ward_glob_name(struct ward_bytes name)
{
    return (struct ward_glob_name){name, head_of(name)};
}

/* Splits a glob that has a star. */
static struct ward_bytes split(struct ward_bytes glob, struct ward_bytes *prefix,
                               struct ward_bytes *suffix)
{
    const uint8_t *first = memchr(glob.data, '*', glob.size);
    const uint8_t *after = (const uint8_t *)memrchr(glob.data, '*', glob.size) + 1;
    *prefix = (struct ward_bytes){glob.data, (size_t)(first - glob.data)};
    *suffix = (struct ward_bytes){after, (size_t)(glob.data + glob.size - after)};
    return (struct ward_bytes){first, (size_t)(after - first)};
}

static enum ward_glob_form form_of(struct ward_bytes middle)
{
    if (middle.size == 1) {
        return WARD_GLOB_STAR;
    }
    return middle.size == 2 && middle.data[1] == '*' ? WARD_GLOB_ANY : WARD_GLOB_MACHINE;
}

bool ward_glob_needs_machine(struct ward_bytes glob)
{
    struct ward_bytes prefix, suffix;
    return memchr(glob.data, '*', glob.size) != NULL &&
           form_of(split(glob, &prefix, &suffix)) == WARD_GLOB_MACHINE;
}

static void machine_build(struct ward_glob_machine *m, struct ward_bytes middle)
{
    memset(m, 0, sizeof(*m));
    unsigned state = 0;
    for (size_t i = 0; i < middle.size; i++, state++) {
        if (middle.data[i] != '*') {
            m->literal[middle.data[i] - '-'] |= BIT(state);
        } else if (i + 1 < middle.size && middle.data[i + 1] == '*') {
            m->any |= BIT(state);
            i++;
        } else {
            m->star |= BIT(state);
        }
    }
    m->last = BIT(state - 1);
}

void ward_glob_compile(struct ward_bytes glob, struct ward_glob_machine *machine,
                       struct ward_glob *ret)
{
    *ret = (struct ward_glob){.prefix = glob, .form = WARD_GLOB_EXACT};
    if (memchr(glob.data, '*', glob.size) != NULL) {
        struct ward_bytes middle = split(glob, &ret->prefix, &ret->suffix);
        ret->form = form_of(middle);
        if (ret->form == WARD_GLOB_MACHINE) {
            machine_build(machine, middle);
            ret->machine = machine;
        }
    }
    uint64_t ones = UINT64_MAX;
    ret->head = head_of(ret->prefix);
    ret->mask = head_of((struct ward_bytes){
        (const uint8_t *)&ones, ret->prefix.size < sizeof(ones) ? ret->prefix.size : sizeof(ones)});
}

/* Stars may match nothing: where a star's state is on, so is the next. Two stars never touch. */
static ward_glob_bits machine_close(const struct ward_glob_machine *m, ward_glob_bits on)
{
    return on | (on & (m->star | m->any)) << 1;
}

static bool machine_run(const struct ward_glob_machine *m, struct ward_bytes text)
{
    ward_glob_bits on = machine_close(m, 1);
    for (size_t i = 0; i < text.size && on != 0; i++) {
        uint8_t c = text.data[i];
        ward_glob_bits stay = on & (c == '/' ? m->any : m->star | m->any);
        ward_glob_bits step = (on & m->literal[c - '-']) << 1;
        on = machine_close(m, stay | step);
    }
    return (on & m->last) != 0;
}

/* What lies between prefix and suffix against the middle. */
static bool middle_matches(const struct ward_glob *glob, struct ward_bytes rest)
{
    switch (glob->form) {
    case WARD_GLOB_EXACT:
        return rest.size == 0;
    case WARD_GLOB_STAR:
        return memchr(rest.data, '/', rest.size) == NULL;
    case WARD_GLOB_ANY:
        return true;
    case WARD_GLOB_MACHINE:
        return machine_run(glob->machine, rest);
    }
    return false;
}

bool ward_glob_run(const struct ward_glob *glob, const struct ward_glob_name *name)
{
    struct ward_bytes prefix = glob->prefix, suffix = glob->suffix, text = name->text;
    if (((glob->head ^ name->head) & glob->mask) != 0 || text.size < prefix.size + suffix.size) {
        return false;
    }
    if (memcmp(prefix.data, text.data, prefix.size) != 0 ||
        (suffix.size > 0 &&
         memcmp(suffix.data, text.data + text.size - suffix.size, suffix.size) != 0)) {
        return false;
    }
    return middle_matches(
        glob, (struct ward_bytes){text.data + prefix.size, text.size - prefix.size - suffix.size});
}
