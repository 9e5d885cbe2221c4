/* SPDX-License-Identifier: Apache-2.0 */
/* Two policies held against each other by what was written in them: the rights of an identity are
 * the rules of its roles, action by action, word for word; but a rule loses nothing by standing on
 * more keys, collections or fields, and gains nothing by standing on fewer. So a word that means
 * the same in other words counts as a change, and no change can hide. */
#include "policy/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "policy/covers.h"
#include "policy/decide.h"
#include "policy/model.h"
#include "policy/outline.h"

#define LINE_MAX (1u << 20)
#define LOOKS_MAX 20000000u
#define FROM 0
#define TO 1

/* One action that one rule of a role allows or denies. */
struct grant {
    struct ward_bytes under; /* the rule's other words: the same for all of its actions */
    struct ward_bytes rest;  /* of these, those that name no keys, collections or fields */
    const struct ward_rule *rule;
    struct ward_bytes action;
    size_t role;
    unsigned side;
    bool deny;
    uint32_t id; /* the same for all that say the same */
};

struct membership {
    struct ward_bytes identity;
    size_t role; /* of its side */
};

struct side {
    const struct ward_policy *policy;
    struct ward_node top;
    const struct ward_node *roles;
    struct membership *members; /* by identity */
    size_t n_members;
    size_t *first_grant; /* of each role, and one more */
};

struct compare {
    struct ward_arena *arena;
    struct side sides[2];
    struct grant *grants; /* of the one, then of the other; each by role */
    size_t n_grants;
    const struct grant **by_id; /* one for each id */
    uint32_t n_ids;
    uint8_t *marks; /* of each id: 1 before, 2 after, 4 told or covered */
    uint64_t looks; /* at pairs of grants; past the last one each counts by its words alone */
    struct ward_difference *differences;
    size_t n, max;
    struct ward_comparison *ret;
};

static ward_status tell(struct compare *c, enum ward_difference_kind kind, struct ward_bytes who,
                        struct ward_bytes what)
{
    if (c->n == c->max) {
        return WARD_OK; /* it is counted all the same */
    }
    c->differences[c->n++] = (struct ward_difference){kind, who, what};
    return WARD_OK;
}

static ward_status tell_change(struct compare *c, enum ward_difference_kind kind,
                               struct ward_bytes who, struct ward_bytes before,
                               struct ward_bytes after)
{
    const struct ward_bytes none = WARD_BYTES_LITERAL("not there");
    before = before.size == 0 ? none : before;
    after = after.size == 0 ? none : after;
    char *what = ward_arena_printf(c->arena, "was %.*s; is %.*s", (int)before.size, before.data,
                                   (int)after.size, after.data);
    WARD_ENSURE(what != NULL, WARD_E_EXHAUSTED);
    return tell(c, kind, who, ward_bytes_str(what));
}

/* ---- grants ---- */

static bool is_deny(const struct ward_node *rule)
{
    return ward_bytes_eq(ward_node_text(rule, "effect"), WARD_BYTES_LITERAL("deny"));
}

static ward_status add_rule(struct compare *c, unsigned side, size_t role,
                            const struct ward_node *rule, size_t number, struct grant *to,
                            size_t *n)
{
    static const char *const own[] = {"name", "effect", "actions", NULL};
    static const char *const reach[] = {"name",        "effect", "actions", "keys",
                                        "collections", "fields", NULL};
    const struct ward_node *actions = ward_node_find(rule, "actions");
    struct ward_bytes under, rest;
    WARD_TRY(ward_node_print(rule, own, c->arena, &under));
    WARD_TRY(ward_node_print(rule, reach, c->arena, &rest));
    for (size_t i = 0; actions != NULL && i < actions->n; i++) {
        to[(*n)++] = (struct grant){.under = under,
                                    .rest = rest,
                                    .rule = &c->sides[side].policy->roles[role].rules[number],
                                    .action = actions->items[i].text,
                                    .role = role,
                                    .side = side,
                                    .deny = is_deny(rule)};
    }
    return WARD_OK;
}

static size_t count_actions(const struct side *side)
{
    size_t n = 0;
    for (size_t r = 0; r < side->roles->n; r++) {
        const struct ward_node *rules = ward_node_find(&side->roles->items[r], "rules");
        for (size_t i = 0; rules != NULL && i < rules->n; i++) {
            const struct ward_node *actions = ward_node_find(&rules->items[i], "actions");
            n += actions == NULL ? 0 : actions->n;
        }
    }
    return n;
}

static ward_status add_grants(struct compare *c, unsigned s)
{
    struct side *side = &c->sides[s];
    side->first_grant = WARD_ARENA_ARRAY(c->arena, size_t, side->roles->n + 1);
    WARD_ENSURE(side->first_grant != NULL, WARD_E_EXHAUSTED);
    for (size_t r = 0; r < side->roles->n; r++) {
        side->first_grant[r] = c->n_grants;
        const struct ward_node *rules = ward_node_find(&side->roles->items[r], "rules");
        for (size_t i = 0; rules != NULL && i < rules->n; i++) {
            WARD_TRY(add_rule(c, s, r, &rules->items[i], i, c->grants, &c->n_grants));
        }
    }
    side->first_grant[side->roles->n] = c->n_grants;
    return WARD_OK;
}

/* Those of one rule follow each other, so that they are told together. */
static int compare_grants(const void *a, const void *b)
{
    const struct grant *x = *(const struct grant *const *)a, *y = *(const struct grant *const *)b;
    int order = x->deny != y->deny ? (x->deny ? 1 : -1) : ward_bytes_cmp(x->under, y->under);
    return order != 0 ? order : ward_bytes_cmp(x->action, y->action);
}

static ward_status number_grants(struct compare *c)
{
    struct grant **sorted = WARD_ARENA_ARRAY(c->arena, struct grant *, c->n_grants);
    c->by_id = WARD_ARENA_ARRAY(c->arena, const struct grant *, c->n_grants);
    c->marks = ward_arena_alloc(c->arena, c->n_grants);
    WARD_ENSURE(sorted != NULL && c->by_id != NULL && c->marks != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < c->n_grants; i++) {
        sorted[i] = &c->grants[i];
    }
    qsort(sorted, c->n_grants, sizeof(struct grant *), compare_grants);
    for (size_t i = 0; i < c->n_grants; i++) {
        if (i == 0 || compare_grants(&sorted[i - 1], &sorted[i]) != 0) {
            c->by_id[c->n_ids++] = sorted[i];
        }
        sorted[i]->id = c->n_ids - 1;
    }
    return WARD_OK;
}

/* ---- members ---- */

static int compare_members(const void *a, const void *b)
{
    const struct membership *x = a, *y = b;
    int order = ward_bytes_cmp(x->identity, y->identity);
    return order != 0 ? order : (x->role > y->role) - (x->role < y->role);
}

static const struct ward_node *find_named(const struct ward_node *list, struct ward_bytes name)
{
    for (size_t i = 0; list != NULL && i < list->n; i++) {
        if (ward_bytes_eq(ward_node_text(&list->items[i], "name"), name)) {
            return &list->items[i];
        }
    }
    return NULL;
}

/* The identities of "person:NAME"; NULL: it is an identity itself. */
static const struct ward_node *identities_of(const struct side *side, struct ward_bytes member)
{
    const struct ward_bytes prefix = WARD_BYTES_LITERAL("person:");
    if (member.size < prefix.size || memcmp(member.data, prefix.data, prefix.size) != 0) {
        return NULL;
    }
    const struct ward_node *person =
        find_named(ward_node_find(&side->top, "persons"),
                   WARD_BYTES(member.data + prefix.size, member.size - prefix.size));
    return ward_node_find(person, "identities");
}

/* to NULL: only counts. */
static size_t list_members(const struct side *side, struct membership *to)
{
    size_t n = 0;
    for (size_t r = 0; r < side->roles->n; r++) {
        const struct ward_node *members = ward_node_find(&side->roles->items[r], "members");
        for (size_t i = 0; members != NULL && i < members->n; i++) {
            struct ward_bytes member = members->items[i].text;
            const struct ward_node *identities = identities_of(side, member);
            size_t of_it = identities == NULL ? 1 : identities->n;
            for (size_t k = 0; k < of_it; k++, n++) {
                if (to != NULL) {
                    to[n] = (struct membership){
                        identities == NULL ? member : identities->items[k].text, r};
                }
            }
        }
    }
    return n;
}

static ward_status find_members(struct compare *c, struct side *side)
{
    side->n_members = list_members(side, NULL);
    side->members = WARD_ARENA_ARRAY(c->arena, struct membership, side->n_members);
    WARD_ENSURE(side->members != NULL, WARD_E_EXHAUSTED);
    (void)list_members(side, side->members);
    qsort(side->members, side->n_members, sizeof(*side->members), compare_members);
    return WARD_OK;
}

/* ---- rights ---- */

/* Marks what the roles of one identity say, or takes the marks away again. */
static void mark(struct compare *c, unsigned s, size_t first, size_t n, bool set)
{
    const struct side *side = &c->sides[s];
    for (size_t m = first; m < first + n; m++) {
        size_t role = side->members[m].role;
        for (size_t g = side->first_grant[role]; g < side->first_grant[role + 1]; g++) {
            uint8_t *marks = &c->marks[c->grants[g].id];
            *marks = (uint8_t)(set ? *marks | 1u << s : 0);
        }
    }
}

/* The grants of ids from `first` on that are there on one side alone and stand under the same
 * words, as one line. */
static ward_status tell_right(struct compare *c, struct ward_bytes identity, uint32_t first)
{
    const struct grant *one = c->by_id[first];
    const uint8_t side = c->marks[first];
    bool gains = (side == 1u << TO) != one->deny;
    ward_auto(ward_buffer_fini) struct ward_buffer out;
    ward_buffer_init(&out, LINE_MAX);
    ward_buffer_add(&out, one->deny && gains ? WARD_BYTES_LITERAL("no longer denied: ")
                          : one->deny        ? WARD_BYTES_LITERAL("denied: ")
                                             : (struct ward_bytes){0});
    uint32_t id = first;
    for (; id < c->n_ids && c->by_id[id]->deny == one->deny &&
           ward_bytes_eq(c->by_id[id]->under, one->under);
         id++) {
        if (c->marks[id] == side) {
            ward_buffer_add(&out, id == first ? (struct ward_bytes){0} : WARD_BYTES_LITERAL(", "));
            ward_buffer_add(&out, c->by_id[id]->action);
            c->marks[id] |= 4; /* told */
        }
    }
    if (one->under.size > 0) {
        ward_buffer_printf(&out, " (%.*s)", (int)one->under.size, one->under.data);
    }
    struct ward_bytes what;
    WARD_ENSURE(!out.failed, WARD_E_EXHAUSTED);
    WARD_TRY(ward_arena_copy(c->arena, ward_buffer_view(&out), &what));
    return tell(c, gains ? WARD_DIFFERENCE_GAINS : WARD_DIFFERENCE_LOSES, identity, what);
}

/* What one identity has on each side, as a run of memberships. */
struct identity_runs {
    struct ward_bytes identity;
    size_t first[2], n[2];
};

static bool same_words(const struct compare *c, size_t from, size_t to)
{
    const struct side *a = &c->sides[FROM], *b = &c->sides[TO];
    size_t n = a->first_grant[from + 1] - a->first_grant[from];
    if (n != b->first_grant[to + 1] - b->first_grant[to]) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (c->grants[a->first_grant[from] + i].id != c->grants[b->first_grant[to] + i].id) {
            return false;
        }
    }
    return true;
}

/* The common case, told fast: the same roles, which say the same in the same order. */
static bool same_roles(const struct compare *c, const struct identity_runs *runs)
{
    bool same = runs->n[FROM] == runs->n[TO];
    for (size_t i = 0; i < runs->n[FROM] && same; i++) {
        same = same_words(c, c->sides[FROM].members[runs->first[FROM] + i].role,
                          c->sides[TO].members[runs->first[TO] + i].role);
    }
    return same;
}

static void count_rights(const struct compare *c, unsigned s, const struct identity_runs *runs,
                         bool *gains, bool *loses)
{
    const struct side *side = &c->sides[s];
    for (size_t m = runs->first[s]; m < runs->first[s] + runs->n[s]; m++) {
        size_t role = side->members[m].role;
        for (size_t g = side->first_grant[role]; g < side->first_grant[role + 1]; g++) {
            bool gain = (s == TO) != c->grants[g].deny;
            bool alone = c->marks[c->grants[g].id] == 1u << s;
            *gains |= alone && gain;
            *loses |= alone && !gain;
        }
    }
}

static bool globs_reach(struct ward_globs outer, struct ward_globs inner)
{
    return (outer.n == 0) == (inner.n == 0) && ward_globs_cover(outer, inner);
}

/* Does the one hold wherever the other does? Never yes wrongly. */
static bool covers(const struct grant *outer, const struct grant *inner)
{
    const struct ward_rule *a = outer->rule, *b = inner->rule;
    return outer->deny == inner->deny && ward_bytes_eq(outer->action, inner->action) &&
           ward_bytes_eq(outer->rest, inner->rest) && globs_reach(a->keys, b->keys) &&
           globs_reach(a->collections, b->collections) &&
           (a->n_fields == 0 ||
            (b->n_fields > 0 && ward_fields_cover(a->fields, a->n_fields, b->fields, b->n_fields)));
}

/* What is there on one side alone, and held by a wider one of the other, is neither lost nor
 * gained. */
static void pass_over_covered(struct compare *c)
{
    for (uint32_t id = 0; id < c->n_ids; id++) {
        uint8_t side = c->marks[id] & 3u;
        for (uint32_t k = 0; (side == 1 || side == 2) && k < c->n_ids && c->looks < LOOKS_MAX;
             k++) {
            c->looks++;
            if ((c->marks[k] & 3u & ~side) != 0 && covers(c->by_id[k], c->by_id[id])) {
                c->marks[id] |= 4;
                break;
            }
        }
    }
}

static ward_status compare_identity(struct compare *c, const struct identity_runs *runs)
{
    if (same_roles(c, runs)) {
        return WARD_OK;
    }
    mark(c, FROM, runs->first[FROM], runs->n[FROM], true);
    mark(c, TO, runs->first[TO], runs->n[TO], true);
    pass_over_covered(c);
    bool gains = false, loses = false;
    for (unsigned s = 0; s < 2; s++) {
        count_rights(c, s, runs, &gains, &loses);
    }
    for (uint32_t id = 0; id < c->n_ids && c->n < c->max; id++) {
        if (c->marks[id] == 1u << FROM || c->marks[id] == 1u << TO) {
            WARD_TRY(tell_right(c, runs->identity, id));
        }
    }
    mark(c, FROM, runs->first[FROM], runs->n[FROM], false);
    mark(c, TO, runs->first[TO], runs->n[TO], false);
    c->ret->identities_gaining += gains;
    c->ret->identities_losing += loses;
    return WARD_OK;
}

static size_t run_of(const struct side *side, size_t first, struct ward_bytes identity)
{
    size_t n = 0;
    while (first + n < side->n_members &&
           ward_bytes_eq(side->members[first + n].identity, identity)) {
        n++;
    }
    return n;
}

static ward_status compare_identities(struct compare *c)
{
    const struct side *a = &c->sides[FROM], *b = &c->sides[TO];
    for (size_t i = 0, k = 0; i < a->n_members || k < b->n_members;) {
        bool left = k == b->n_members ||
                    (i < a->n_members &&
                     ward_bytes_cmp(a->members[i].identity, b->members[k].identity) <= 0);
        struct identity_runs runs = {
            .identity = left ? a->members[i].identity : b->members[k].identity, .first = {i, k}};
        runs.n[FROM] = run_of(a, i, runs.identity);
        runs.n[TO] = run_of(b, k, runs.identity);
        WARD_TRY(compare_identity(c, &runs));
        i += runs.n[FROM];
        k += runs.n[TO];
    }
    return WARD_OK;
}

/* ---- roles, rules, persons ---- */

static ward_status count_rules(struct compare *c, const struct ward_node *in,
                               const struct ward_node *other, uint32_t *ret)
{
    const struct ward_node *rules = ward_node_find(in, "rules");
    const struct ward_node *others = ward_node_find(other, "rules");
    for (size_t i = 0; rules != NULL && i < rules->n; i++) {
        const struct ward_node *same = find_named(others, ward_node_text(&rules->items[i], "name"));
        struct ward_bytes mine, its;
        WARD_TRY(ward_node_print(&rules->items[i], NULL, c->arena, &mine));
        WARD_TRY(ward_node_print(same, NULL, c->arena, &its));
        *ret += same == NULL || !ward_bytes_eq(mine, its);
    }
    return WARD_OK;
}

static ward_status compare_limits(struct compare *c, const struct ward_node *before,
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
static ward_status compare_role_words(struct compare *c, const struct ward_node *before,
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

static ward_status compare_roles(struct compare *c)
{
    const struct ward_node *from = c->sides[FROM].roles, *to = c->sides[TO].roles;
    for (size_t i = 0; i < from->n; i++) {
        const struct ward_node *role = &from->items[i];
        const struct ward_node *other = find_named(to, ward_node_text(role, "name"));
        c->ret->roles_removed += other == NULL;
        WARD_TRY(count_rules(c, role, other, &c->ret->rules_removed));
        WARD_TRY(compare_limits(c, role, other));
        WARD_TRY(compare_role_words(c, role, other));
    }
    for (size_t i = 0; i < to->n; i++) {
        const struct ward_node *role = &to->items[i];
        const struct ward_node *other = find_named(from, ward_node_text(role, "name"));
        c->ret->roles_added += other == NULL;
        WARD_TRY(count_rules(c, role, other, &c->ret->rules_added));
        if (other == NULL) {
            WARD_TRY(compare_limits(c, NULL, role));
        }
    }
    return WARD_OK;
}

/* One human under two names could sign twice: who is who matters as much as any right. */
static ward_status compare_persons(struct compare *c)
{
    const struct ward_node *from = ward_node_find(&c->sides[FROM].top, "persons");
    const struct ward_node *to = ward_node_find(&c->sides[TO].top, "persons");
    const struct ward_node *lists[] = {from, to};
    for (unsigned s = 0; s < 2; s++) {
        for (size_t i = 0; lists[s] != NULL && i < lists[s]->n; i++) {
            const struct ward_node *person = &lists[s]->items[i];
            struct ward_bytes name = ward_node_text(person, "name"), mine, its;
            const struct ward_node *other = find_named(lists[1 - s], name);
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
static ward_status guard_words(struct compare *c, const struct ward_node *guards,
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

static ward_status compare_guard(struct compare *c, unsigned s, const struct ward_node *guard,
                                 struct ward_bytes glob)
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

static ward_status compare_guards(struct compare *c, unsigned s)
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

static ward_status compare_setting(struct compare *c, const char *name, uint32_t before,
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
static ward_status compare_days(struct compare *c)
{
    const struct ward_policy_settings *from = ward_policy_settings(c->sides[FROM].policy),
                                      *to = ward_policy_settings(c->sides[TO].policy);
    WARD_TRY(compare_setting(c, "settings.destroy_waiting_days", from->destroy_waiting_days,
                             to->destroy_waiting_days,
                             to->destroy_waiting_days < from->destroy_waiting_days));
    return compare_setting(c, "settings.unused_days", from->unused_days, to->unused_days,
                           to->unused_days < from->unused_days);
}

static ward_status compare_part(struct compare *c, struct ward_bytes key)
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

static ward_status compare_parts(struct compare *c)
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
static ward_status sort_by_kind(struct compare *c)
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

static ward_status prepare(struct compare *c)
{
    size_t n = 0;
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &c->sides[s];
        WARD_TRY(ward_outline(ward_policy_text(side->policy), c->arena, &side->top));
        side->roles = ward_node_find(&side->top, "roles");
        WARD_ENSURE(side->roles != NULL, WARD_E_INVALID);
        n += count_actions(side);
    }
    c->max = WARD_DIFFERENCES_MAX;
    c->differences = WARD_ARENA_ARRAY(c->arena, struct ward_difference, c->max);
    c->grants = WARD_ARENA_ARRAY(c->arena, struct grant, n);
    WARD_ENSURE(c->differences != NULL && c->grants != NULL, WARD_E_EXHAUSTED);
    for (unsigned s = 0; s < 2; s++) {
        WARD_TRY(add_grants(c, s));
        WARD_TRY(find_members(c, &c->sides[s]));
    }
    return number_grants(c);
}

ward_status ward_policy_compare(const struct ward_policy *from, const struct ward_policy *to,
                                struct ward_arena *arena, struct ward_comparison *ret)
{
    *ret = (struct ward_comparison){0};
    struct compare c = {.arena = arena, .ret = ret, .sides = {{.policy = from}, {.policy = to}}};
    WARD_TRY(prepare(&c));
    WARD_TRY(compare_identities(&c));
    WARD_TRY(compare_roles(&c));
    WARD_TRY(compare_persons(&c));
    WARD_TRY(compare_guards(&c, FROM));
    WARD_TRY(compare_guards(&c, TO));
    WARD_TRY(compare_parts(&c));
    return sort_by_kind(&c);
}

/* ---- can it be undone? ---- */

static bool may(const struct ward_policy *policy, const struct ward_subject *subject,
                enum ward_action action)
{
    const struct ward_decide_in ask = {.subject = subject, .action = action, .standing = true};
    return ward_decide(policy, &ask).allowed;
}

/* Others who may approve, besides this one's person. */
static size_t others(const struct ward_policy *policy, const struct ward_subject *proposer,
                     bool (*gone)(void *context, struct ward_bytes identity), void *context)
{
    size_t n = ward_policy_approvers(policy, gone, context);
    for (size_t i = 0; i < policy->n_approving; i++) {
        if (ward_bytes_eq(policy->approving[i]->person, proposer->person) &&
            !gone(context, policy->approving[i]->identity)) {
            return n - 1;
        }
    }
    return n;
}

ward_status ward_policy_changeable(const struct ward_policy *policy,
                                   bool (*gone)(void *context, struct ward_bytes identity),
                                   void *context)
{
    uint32_t needed =
        ward_policy_guard(policy, WARD_ACTION_POLICY_APPLY, (struct ward_bytes){0}).approvals;
    bool proposer = false;
    for (size_t i = 0; i < policy->n_subjects; i++) {
        const struct ward_subject *subject = &policy->subjects[i];
        if (gone(context, subject->identity) || subject->kind != WARD_ROLE_OFFICER ||
            !may(policy, subject, WARD_ACTION_POLICY_APPLY) ||
            !may(policy, subject, WARD_ACTION_APPROVAL_SUBMIT)) {
            continue;
        }
        proposer = true;
        if (others(policy, subject, gone, context) >= needed) {
            return WARD_OK;
        }
    }
    return proposer ? WARD_REFUSAL(WARD_E_STATE, "text: nobody could undo it: fewer officers than "
                                                 "its guard of policy.apply needs may approve")
                    : WARD_REFUSAL(WARD_E_STATE, "text: nobody could undo it: no officer may do "
                                                 "policy.apply and approval.submit");
}
