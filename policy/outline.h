/* SPDX-License-Identifier: Apache-2.0 */
/* A policy's text as a tree of what was written, whatever the words mean: two policies are compared
 * by it, so that no word of the language can change unseen. */
#ifndef WARD_POLICY_OUTLINE_H
#define WARD_POLICY_OUTLINE_H

#include "base/wipe_alloc.h"

enum ward_node_kind { WARD_NODE_TEXT, WARD_NODE_LIST, WARD_NODE_MAP };

struct ward_node {
    enum ward_node_kind kind;
    struct ward_bytes key;  /* of an entry of a map */
    struct ward_bytes text; /* of a text */
    const struct ward_node *items;
    size_t n;
};

/* text: of a policy that parsed. The tree lies in the arena. */
ward_status ward_outline(struct ward_bytes text, struct ward_arena *arena, struct ward_node *ret);
/* The value of a map's key; NULL when it has none, and when node is NULL or no map. */
const struct ward_node *ward_node_find(const struct ward_node *node, const char *key);
/* The text of that value; empty when there is none. */
struct ward_bytes ward_node_text(const struct ward_node *node, const char *key);
/* The entry of a list of maps whose "name" is that; NULL when there is none, and when list is. */
const struct ward_node *ward_node_named(const struct ward_node *list, struct ward_bytes name);
/* One line that is the same for all that mean the same: entries of maps and lists sorted, for no
 * list of a policy is in an order. leave_out: keys of this map alone, ends with NULL; may be NULL.
 * NULL is an empty line. */
ward_status ward_node_print(const struct ward_node *node, const char *const *leave_out,
                            struct ward_arena *arena, struct ward_bytes *ret);

#endif
