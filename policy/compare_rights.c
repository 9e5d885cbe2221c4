/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules of two policies reach: the rights of an identity are the rules of its roles,
 * action by action, word for word; but a rule loses nothing by standing on more keys, collections
 * or fields or under fewer conditions, and gains nothing by standing on fewer or under more. So a
 * word that means the same in other words counts as a change, and no change can hide. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "policy/comparing.h"
#include "policy/covers.h"
#include "policy/decide.h"
#include "policy/model.h"

#define LINE_MAX (1u << 20)
#define LOOKS_MAX 20000000u
#define FROM WARD_COMPARE_FROM
#define TO WARD_COMPARE_TO

/* One action that one rule of a role allows or denies. */
struct grant {
    struct ward_bytes under; /* the rule's other words: the same for all of its actions */
    struct ward_bytes rest;  /* of these, those that are not compared by what they mean */
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
    const struct ward_compared *of;
    struct membership *members; /* by identity */
    size_t n_members;
    size_t *first_grant; /* of each role, and one more */
};

struct rights {
    struct ward_comparing *of;
    struct side sides[2];
    struct grant *grants; /* of the one, then of the other; each by role */
    size_t n_grants;
    const struct grant **by_id; /* one for each id */
    uint32_t n_ids;
    uint8_t *marks; /* of each id: 1 before, 2 after, 4 told or covered */
    uint64_t looks; /* at pairs of grants; past the last one each counts by its words alone */
};

/* ---- grants ---- */

static bool is_deny(const struct ward_node *rule)
{
    return ward_bytes_eq(ward_node_text(rule, "effect"), WARD_BYTES_LITERAL("deny"));
}

static ward_status add_rule(struct rights *c, unsigned side, size_t role,
                            const struct ward_node *rule, size_t number, struct grant *to,
                            size_t *n)
{
    static const char *const own[] = {"name", "effect", "actions", NULL};
    static const char *const reach[] = {"name",        "effect",    "actions", "keys",
                                        "collections", "fields",    "context", "networks",
                                        "when",        "emergency", NULL};
    const struct ward_node *actions = ward_node_find(rule, "actions");
    struct ward_bytes under, rest;
    WARD_TRY(ward_node_print(rule, own, c->of->arena, &under));
    WARD_TRY(ward_node_print(rule, reach, c->of->arena, &rest));
    for (size_t i = 0; actions != NULL && i < actions->n; i++) {
        to[(*n)++] = (struct grant){.under = under,
                                    .rest = rest,
                                    .rule = &c->sides[side].of->policy->roles[role].rules[number],
                                    .action = actions->items[i].text,
                                    .role = role,
                                    .side = side,
                                    .deny = is_deny(rule)};
    }
    return WARD_OK;
}

static size_t count_actions(const struct ward_compared *side)
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

static ward_status add_grants(struct rights *c, unsigned s)
{
    struct side *side = &c->sides[s];
    side->first_grant = WARD_ARENA_ARRAY(c->of->arena, size_t, side->of->roles->n + 1);
    WARD_ENSURE(side->first_grant != NULL, WARD_E_EXHAUSTED);
    for (size_t r = 0; r < side->of->roles->n; r++) {
        side->first_grant[r] = c->n_grants;
        const struct ward_node *rules = ward_node_find(&side->of->roles->items[r], "rules");
        for (size_t i = 0; rules != NULL && i < rules->n; i++) {
            WARD_TRY(add_rule(c, s, r, &rules->items[i], i, c->grants, &c->n_grants));
        }
    }
    side->first_grant[side->of->roles->n] = c->n_grants;
    return WARD_OK;
}

/* Those of one rule follow each other, so that they are told together. */
static int compare_grants(const void *a, const void *b)
{
    const struct grant *x = *(const struct grant *const *)a, *y = *(const struct grant *const *)b;
    int order = x->deny != y->deny ? (x->deny ? 1 : -1) : ward_bytes_cmp(x->under, y->under);
    return order != 0 ? order : ward_bytes_cmp(x->action, y->action);
}

static ward_status number_grants(struct rights *c)
{
    struct grant **sorted = WARD_ARENA_ARRAY(c->of->arena, struct grant *, c->n_grants);
    c->by_id = WARD_ARENA_ARRAY(c->of->arena, const struct grant *, c->n_grants);
    c->marks = ward_arena_alloc(c->of->arena, c->n_grants);
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

/* The identities of "person:NAME"; NULL: it is an identity itself. */
static const struct ward_node *identities_of(const struct side *side, struct ward_bytes member)
{
    const struct ward_bytes prefix = WARD_BYTES_LITERAL("person:");
    if (member.size < prefix.size || memcmp(member.data, prefix.data, prefix.size) != 0) {
        return NULL;
    }
    const struct ward_node *person =
        ward_node_named(ward_node_find(&side->of->top, "persons"),
                        WARD_BYTES(member.data + prefix.size, member.size - prefix.size));
    return ward_node_find(person, "identities");
}

/* to NULL: only counts. */
static size_t list_members(const struct side *side, struct membership *to)
{
    size_t n = 0;
    for (size_t r = 0; r < side->of->roles->n; r++) {
        const struct ward_node *members = ward_node_find(&side->of->roles->items[r], "members");
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

static ward_status find_members(struct rights *c, struct side *side)
{
    side->n_members = list_members(side, NULL);
    side->members = WARD_ARENA_ARRAY(c->of->arena, struct membership, side->n_members);
    WARD_ENSURE(side->members != NULL, WARD_E_EXHAUSTED);
    (void)list_members(side, side->members);
    qsort(side->members, side->n_members, sizeof(*side->members), compare_members);
    return WARD_OK;
}

/* ---- rights ---- */

/* Marks what the roles of one identity say, or takes the marks away again. */
static void mark(struct rights *c, unsigned s, size_t first, size_t n, bool set)
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
static ward_status tell_right(struct rights *c, struct ward_bytes identity, uint32_t first)
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
    WARD_TRY(ward_arena_copy(c->of->arena, ward_buffer_view(&out), &what));
    return ward_comparing_tell(c->of, gains ? WARD_DIFFERENCE_GAINS : WARD_DIFFERENCE_LOSES,
                               identity, what);
}

/* What one identity has on each side, as a run of memberships. */
struct identity_runs {
    struct ward_bytes identity;
    size_t first[2], n[2];
};

static bool same_words(const struct rights *c, size_t from, size_t to)
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
static bool same_roles(const struct rights *c, const struct identity_runs *runs)
{
    bool same = runs->n[FROM] == runs->n[TO];
    for (size_t i = 0; i < runs->n[FROM] && same; i++) {
        same = same_words(c, c->sides[FROM].members[runs->first[FROM] + i].role,
                          c->sides[TO].members[runs->first[TO] + i].role);
    }
    return same;
}

static void count_rights(const struct rights *c, unsigned s, const struct identity_runs *runs,
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

static struct ward_bytes attribute_of(const struct rights *c, const struct grant *grant,
                                      const struct ward_condition *condition)
{
    return condition->attribute == WARD_NO_ATTRIBUTE
               ? (struct ward_bytes){0}
               : c->sides[grant->side].of->policy->attributes.items[condition->attribute];
}

/* Does the inner condition leave nothing that the outer one would not let through? */
static bool condition_implied(const struct rights *c, const struct grant *outer,
                              const struct ward_condition *a, const struct grant *inner,
                              const struct ward_condition *b)
{
    struct ward_bytes attribute = attribute_of(c, outer, a);
    if (!ward_bytes_eq(a->key, b->key) || !ward_bytes_eq(attribute, attribute_of(c, inner, b))) {
        return false;
    }
    if (attribute.size > 0 || a->values.n == 0) {
        return true; /* the key must be there at least, with either */
    }
    for (size_t i = 0; i < b->values.n; i++) {
        if (!ward_texts_contain(a->values, b->values.items[i])) {
            return false;
        }
    }
    return b->values.n > 0;
}

static bool conditions_cover(const struct rights *c, const struct grant *outer,
                             const struct grant *inner)
{
    for (size_t i = 0; i < outer->rule->n_conditions; i++) {
        bool implied = false;
        for (size_t k = 0; k < inner->rule->n_conditions && !implied; k++) {
            implied = condition_implied(c, outer, &outer->rule->conditions[i], inner,
                                        &inner->rule->conditions[k]);
        }
        if (!implied) {
            return false;
        }
    }
    return true;
}

static bool networks_cover(const struct ward_rule *outer, const struct ward_rule *inner)
{
    for (size_t i = 0; i < inner->n_networks; i++) {
        const struct ward_network *network = &inner->networks[i];
        bool covered = outer->n_networks == 0;
        for (size_t k = 0; k < outer->n_networks && !covered; k++) {
            covered = outer->networks[k].bits <= network->bits &&
                      ward_network_has(&outer->networks[k], &network->address);
        }
        if (!covered) {
            return false;
        }
    }
    return outer->n_networks == 0 || inner->n_networks > 0;
}

static bool times_cover(const struct ward_rule *outer, const struct ward_rule *inner)
{
    const struct ward_window *a = &outer->when, *b = &inner->when;
    return !outer->timed ||
           (inner->timed && a->from == b->from && a->to == b->to && (b->days & ~a->days) == 0);
}

/* Does the one hold wherever the other does? Never yes wrongly. */
static bool covers(const struct rights *c, const struct grant *outer, const struct grant *inner)
{
    const struct ward_rule *a = outer->rule, *b = inner->rule;
    return outer->deny == inner->deny && ward_bytes_eq(outer->action, inner->action) &&
           ward_bytes_eq(outer->rest, inner->rest) && globs_reach(a->keys, b->keys) &&
           globs_reach(a->collections, b->collections) && conditions_cover(c, outer, inner) &&
           networks_cover(a, b) && times_cover(a, b) && (!a->emergency || b->emergency) &&
           (a->n_fields == 0 ||
            (b->n_fields > 0 && ward_fields_cover(a->fields, a->n_fields, b->fields, b->n_fields)));
}

/* What is there on one side alone, and held by a wider one of the other, is neither lost nor
 * gained. */
static void pass_over_covered(struct rights *c)
{
    for (uint32_t id = 0; id < c->n_ids; id++) {
        uint8_t side = c->marks[id] & 3u;
        for (uint32_t k = 0; (side == 1 || side == 2) && k < c->n_ids && c->looks < LOOKS_MAX;
             k++) {
            c->looks++;
            if ((c->marks[k] & 3u & ~side) != 0 && covers(c, c->by_id[k], c->by_id[id])) {
                c->marks[id] |= 4;
                break;
            }
        }
    }
}

static ward_status compare_identity(struct rights *c, const struct identity_runs *runs)
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
    for (uint32_t id = 0; id < c->n_ids && c->of->n < c->of->max; id++) {
        if (c->marks[id] == 1u << FROM || c->marks[id] == 1u << TO) {
            WARD_TRY(tell_right(c, runs->identity, id));
        }
    }
    mark(c, FROM, runs->first[FROM], runs->n[FROM], false);
    mark(c, TO, runs->first[TO], runs->n[TO], false);
    c->of->ret->identities_gaining += gains;
    c->of->ret->identities_losing += loses;
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

static ward_status compare_identities(struct rights *c)
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

ward_status ward_comparing_rights(struct ward_comparing *of)
{
    struct rights c = {.of = of, .sides = {{.of = &of->sides[FROM]}, {.of = &of->sides[TO]}}};
    size_t n = count_actions(c.sides[FROM].of) + count_actions(c.sides[TO].of);
    c.grants = WARD_ARENA_ARRAY(of->arena, struct grant, n);
    WARD_ENSURE(c.grants != NULL, WARD_E_EXHAUSTED);
    for (unsigned s = 0; s < 2; s++) {
        WARD_TRY(add_grants(&c, s));
        WARD_TRY(find_members(&c, &c.sides[s]));
    }
    WARD_TRY(number_grants(&c));
    return compare_identities(&c);
}
