/* SPDX-License-Identifier: Apache-2.0 */
/* Two policies held against each other by what was written in them: roles and their limits,
 * persons, guards, settings and whatever else there is; what their rules reach is
 * policy/compare_rights.c.
 */
#include <stdio.h>

#include "policy/comparing.h"
#include "policy/decide.h"
#include "policy/model.h"

#define FROM WARD_COMPARE_FROM
#define TO WARD_COMPARE_TO

ward_status ward_comparing_tell(struct ward_comparing *c, enum ward_difference_kind kind,
                                struct ward_bytes who, struct ward_bytes what)
{
    if (c->n == c->max) {
        return WARD_OK; /* it is counted all the same */
    }
    c->differences[c->n++] = (struct ward_difference){kind, who, what};
    return WARD_OK;
}

static ward_status tell_change(struct ward_comparing *c, enum ward_difference_kind kind,
                               struct ward_bytes who, struct ward_bytes before,
                               struct ward_bytes after)
{
    const struct ward_bytes none = WARD_BYTES_LITERAL("not there");
    before = before.size == 0 ? none : before;
    after = after.size == 0 ? none : after;
    char *what = ward_arena_printf(c->arena, "was %.*s; is %.*s", (int)before.size, before.data,
                                   (int)after.size, after.data);
    WARD_ENSURE(what != NULL, WARD_E_EXHAUSTED);
    return ward_comparing_tell(c, kind, who, ward_bytes_str(what));
}

/* ---- roles, rules, persons ---- */

static ward_status count_rules(struct ward_comparing *c, const struct ward_node *in,
                               const struct ward_node *other, uint32_t *ret)
{
    const struct ward_node *rules = ward_node_find(in, "rules");
    const struct ward_node *others = ward_node_find(other, "rules");
    for (size_t i = 0; rules != NULL && i < rules->n; i++) {
        const struct ward_node *same =
            ward_node_named(others, ward_node_text(&rules->items[i], "name"));
        struct ward_bytes mine, its;
        WARD_TRY(ward_node_print(&rules->items[i], NULL, c->arena, &mine));
        WARD_TRY(ward_node_print(same, NULL, c->arena, &its));
        *ret += same == NULL || !ward_bytes_eq(mine, its);
    }
    return WARD_OK;
}

static ward_status compare_limits(struct ward_comparing *c, const struct ward_node *before,
                                  const struct ward_node *after)
{
    struct ward_bytes old, new;
    WARD_TRY(ward_node_print(ward_node_find(before, "limits"), NULL, c->arena, &old));
    WARD_TRY(ward_node_print(ward_node_find(after, "limits"), NULL, c->arena, &new));
    if (ward_bytes_eq(old, new)) {
        return WARD_OK;
    }
    c->ret->others_changed++;
    return tell_change(c, WARD_DIFFERENCE_LIMITS,
                       ward_node_text(before == NULL ? after : before, "name"), old, new);
}

/* Whatever else a role says of all its members. */
static ward_status compare_role_words(struct ward_comparing *c, const struct ward_node *before,
                                      const struct ward_node *after)
{
    static const char *const known[] = {"name", "members", "rules", "limits", NULL};
    struct ward_bytes old, new;
    WARD_TRY(ward_node_print(before, known, c->arena, &old));
    WARD_TRY(ward_node_print(after, known, c->arena, &new));
    if (before == NULL || after == NULL || ward_bytes_eq(old, new)) {
        return WARD_OK;
    }
    c->ret->others_changed++;
    return tell_change(c, WARD_DIFFERENCE_OTHER, ward_node_text(before, "name"), old, new);
}

static ward_status compare_roles(struct ward_comparing *c)
{
    const struct ward_node *from = c->sides[FROM].roles, *to = c->sides[TO].roles;
    for (size_t i = 0; i < from->n; i++) {
        const struct ward_node *role = &from->items[i];
        const struct ward_node *other = ward_node_named(to, ward_node_text(role, "name"));
        c->ret->roles_removed += other == NULL;
        WARD_TRY(count_rules(c, role, other, &c->ret->rules_removed));
        WARD_TRY(compare_limits(c, role, other));
        WARD_TRY(compare_role_words(c, role, other));
    }
    for (size_t i = 0; i < to->n; i++) {
        const struct ward_node *role = &to->items[i];
        const struct ward_node *other = ward_node_named(from, ward_node_text(role, "name"));
        c->ret->roles_added += other == NULL;
        WARD_TRY(count_rules(c, role, other, &c->ret->rules_added));
        if (other == NULL) {
            WARD_TRY(compare_limits(c, NULL, role));
        }
    }
    return WARD_OK;
}

/* One human under two names could sign twice: who is who matters as much as any right. */
static ward_status compare_persons(struct ward_comparing *c)
{
    const struct ward_node *from = ward_node_find(&c->sides[FROM].top, "persons");
    const struct ward_node *to = ward_node_find(&c->sides[TO].top, "persons");
    const struct ward_node *lists[] = {from, to};
    for (unsigned s = 0; s < 2; s++) {
        for (size_t i = 0; lists[s] != NULL && i < lists[s]->n; i++) {
            const struct ward_node *person = &lists[s]->items[i];
            struct ward_bytes name = ward_node_text(person, "name"), mine, its;
            const struct ward_node *other = ward_node_named(lists[1 - s], name);
            if (s == TO && other != NULL) {
                continue; /* compared already */
            }
            WARD_TRY(ward_node_print(person, NULL, c->arena, &mine));
            WARD_TRY(ward_node_print(other, NULL, c->arena, &its));
            if (!ward_bytes_eq(mine, its)) {
                c->ret->persons_changed++;
                WARD_TRY(tell_change(c, WARD_DIFFERENCE_PERSON, name, s == FROM ? mine : its,
                                     s == FROM ? its : mine));
            }
        }
    }
    return WARD_OK;
}

/* ---- guards ---- */

/* A name that the glob matches. */
static struct ward_bytes sample(struct ward_bytes glob, struct ward_arena *arena)
{
    char *name = ward_arena_alloc(arena, glob.size + 1);
    size_t n = 0;
    for (size_t i = 0; name != NULL && i < glob.size; i++) {
        bool star = glob.data[i] == '*';
        if (!star || i == 0 || glob.data[i - 1] != '*') {
            name[n++] = star ? 'x' : (char)glob.data[i];
        }
    }
    return WARD_BYTES((const uint8_t *)name, n);
}

/* The words of a guard on one glob. */
static ward_status guard_words(struct ward_comparing *c, const struct ward_node *guards,
                               struct ward_bytes action, struct ward_bytes glob,
                               struct ward_bytes *ret)
{
    static const char *const known[] = {"action", "keys", NULL};
    *ret = (struct ward_bytes){0};
    for (size_t i = 0; guards != NULL && i < guards->n; i++) {
        const struct ward_node *guard = &guards->items[i];
        const struct ward_node *keys = ward_node_find(guard, "keys");
        bool on = keys == NULL && glob.size == 0;
        for (size_t k = 0; keys != NULL && k < keys->n; k++) {
            on |= ward_bytes_eq(keys->items[k].text, glob);
        }
        if (on && ward_bytes_eq(ward_node_text(guard, "action"), action)) {
            return ward_node_print(guard, known, c->arena, ret);
        }
    }
    return WARD_OK;
}

/* Did it say, besides how many and for how long, anything that it does not say any more? */
static bool loses_words(const struct ward_node *before, const struct ward_node *guards_after,
                        struct ward_bytes glob, struct ward_arena *arena)
{
    static const char *const known[] = {"action", "keys", "approvals", "expires_hours", NULL};
    struct ward_bytes old = {0}, new = {0}, action = ward_node_text(before, "action");
    if (!ward_ok(ward_node_print(before, known, arena, &old)) || old.size == 0) {
        return false;
    }
    for (size_t i = 0; guards_after != NULL && i < guards_after->n; i++) {
        const struct ward_node *guard = &guards_after->items[i];
        const struct ward_node *keys = ward_node_find(guard, "keys");
        bool on = keys == NULL && glob.size == 0;
        for (size_t k = 0; keys != NULL && k < keys->n; k++) {
            on |= ward_bytes_eq(keys->items[k].text, glob);
        }
        if (on && ward_bytes_eq(ward_node_text(guard, "action"), action) &&
            ward_ok(ward_node_print(guard, known, arena, &new)) && ward_bytes_eq(old, new)) {
            return false;
        }
    }
    return true;
}

static ward_status compare_guard(struct ward_comparing *c, unsigned s,
                                 const struct ward_node *guard, struct ward_bytes glob)
{
    const struct ward_node *from = ward_node_find(&c->sides[FROM].top, "guards");
    const struct ward_node *to = ward_node_find(&c->sides[TO].top, "guards");
    struct ward_bytes name = ward_node_text(guard, "action"), old, new;
    enum ward_action action;
    WARD_ENSURE(ward_action_find(name, &action), WARD_E_INVALID);
    WARD_TRY(guard_words(c, from, name, glob, &old));
    WARD_TRY(guard_words(c, to, name, glob, &new));
    if (ward_bytes_eq(old, new) || (s == TO && old.size > 0)) {
        return WARD_OK; /* the same, or compared already */
    }
    struct ward_bytes object = glob.size == 0 ? glob : sample(glob, c->arena);
    uint32_t before = ward_policy_guard(c->sides[FROM].policy, action, object).approvals;
    uint32_t after = ward_policy_guard(c->sides[TO].policy, action, object).approvals;
    bool weaker = after < before || (s == FROM && loses_words(guard, to, glob, c->arena));
    c->ret->guards_weakened += weaker;
    char *who = ward_arena_printf(c->arena, "%.*s%s%.*s", (int)name.size, name.data,
                                  glob.size == 0 ? "" : " of ", (int)glob.size,
                                  glob.size == 0 ? "" : (const char *)glob.data);
    WARD_ENSURE(who != NULL, WARD_E_EXHAUSTED);
    return tell_change(c, weaker ? WARD_DIFFERENCE_GUARD_WEAKER : WARD_DIFFERENCE_GUARD,
                       ward_bytes_str(who), old, new);
}

static ward_status compare_guards(struct ward_comparing *c, unsigned s)
{
    const struct ward_node *guards = ward_node_find(&c->sides[s].top, "guards");
    for (size_t i = 0; guards != NULL && i < guards->n; i++) {
        const struct ward_node *keys = ward_node_find(&guards->items[i], "keys");
        if (keys == NULL) {
            WARD_TRY(compare_guard(c, s, &guards->items[i], (struct ward_bytes){0}));
        }
        for (size_t k = 0; keys != NULL && k < keys->n; k++) {
            WARD_TRY(compare_guard(c, s, &guards->items[i], keys->items[k].text));
        }
    }
    return WARD_OK;
}

/* ---- the rest ---- */

static ward_status compare_setting(struct ward_comparing *c, const char *name, uint32_t before,
                                   uint32_t after, bool weaker)
{
    char old[16], new[16];
    if (before == after) {
        return WARD_OK;
    }
    c->ret->others_changed++;
    c->ret->guards_weakened += weaker;
    (void)snprintf(old, sizeof(old), "%u", before);
    (void)snprintf(new, sizeof(new), "%u", after);
    return tell_change(c, weaker ? WARD_DIFFERENCE_GUARD_WEAKER : WARD_DIFFERENCE_OTHER,
                       ward_bytes_str(name), ward_bytes_str(old), ward_bytes_str(new));
}

/* What was not written was in force by its default. */
static ward_status compare_days(struct ward_comparing *c)
{
    const struct ward_policy_settings *from = ward_policy_settings(c->sides[FROM].policy),
                                      *to = ward_policy_settings(c->sides[TO].policy);
    WARD_TRY(compare_setting(c, "settings.destroy_waiting_days", from->destroy_waiting_days,
                             to->destroy_waiting_days,
                             to->destroy_waiting_days < from->destroy_waiting_days));
    return compare_setting(c, "settings.unused_days", from->unused_days, to->unused_days,
                           to->unused_days < from->unused_days);
}

static ward_status compare_part(struct ward_comparing *c, struct ward_bytes key)
{
    static const char *const told[] = {"persons", "roles", "guards"};
    static const char *const days[] = {"destroy_waiting_days", "unused_days", NULL};
    bool settings = ward_bytes_eq(key, WARD_BYTES_LITERAL("settings"));
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        if (ward_bytes_eq(key, ward_bytes_str(told[i]))) {
            return WARD_OK;
        }
    }
    struct ward_bytes words[2];
    for (unsigned s = 0; s < 2; s++) {
        WARD_TRY(ward_node_print(ward_node_find(&c->sides[s].top, (const char *)key.data),
                                 settings ? days : NULL, c->arena, &words[s]));
    }
    if (settings) {
        WARD_TRY(compare_days(c));
    }
    if (ward_bytes_eq(words[FROM], words[TO])) {
        return WARD_OK;
    }
    c->ret->others_changed++;
    return tell_change(c, WARD_DIFFERENCE_OTHER, key, words[FROM], words[TO]);
}

static ward_status compare_parts(struct ward_comparing *c)
{
    for (unsigned s = 0; s < 2; s++) {
        const struct ward_node *top = &c->sides[s].top;
        for (size_t i = 0; i < top->n; i++) {
            const char *key = (const char *)top->items[i].key.data;
            if (s == FROM || ward_node_find(&c->sides[FROM].top, key) == NULL) {
                WARD_TRY(compare_part(c, top->items[i].key));
            }
        }
    }
    return WARD_OK;
}

/* A stable sort: in one kind, the order of the text stays. */
static ward_status sort_by_kind(struct ward_comparing *c)
{
    struct ward_difference *sorted = WARD_ARENA_ARRAY(c->arena, struct ward_difference, c->n);
    WARD_ENSURE(sorted != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (unsigned kind = 0; kind <= WARD_DIFFERENCE_OTHER; kind++) {
        for (size_t i = 0; i < c->n; i++) {
            if (c->differences[i].kind == (enum ward_difference_kind)kind) {
                sorted[n++] = c->differences[i];
            }
        }
    }
    c->ret->differences = sorted;
    c->ret->n = n;
    return WARD_OK;
}

static ward_status prepare(struct ward_comparing *c)
{
    for (unsigned s = 0; s < 2; s++) {
        struct ward_compared *side = &c->sides[s];
        WARD_TRY(ward_outline(ward_policy_text(side->policy), c->arena, &side->top));
        side->roles = ward_node_find(&side->top, "roles");
        WARD_ENSURE(side->roles != NULL, WARD_E_INVALID);
    }
    c->max = WARD_DIFFERENCES_MAX;
    c->differences = WARD_ARENA_ARRAY(c->arena, struct ward_difference, c->max);
    WARD_ENSURE(c->differences != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status ward_policy_compare(const struct ward_policy *from, const struct ward_policy *to,
                                struct ward_arena *arena, struct ward_comparison *ret)
{
    *ret = (struct ward_comparison){0};
    struct ward_comparing c = {
        .arena = arena, .ret = ret, .sides = {{.policy = from}, {.policy = to}}};
    WARD_TRY(prepare(&c));
    WARD_TRY(ward_comparing_rights(&c));
    WARD_TRY(compare_roles(&c));
    WARD_TRY(compare_persons(&c));
    WARD_TRY(compare_guards(&c, FROM));
    WARD_TRY(compare_guards(&c, TO));
    WARD_TRY(compare_parts(&c));
    return sort_by_kind(&c);
}
