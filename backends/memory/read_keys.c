/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of versions of the policy, of what keys were used for and what they hold, and of the
 * daemons that live, whose heartbeat is a read that writes. */
#include <stdlib.h>

#include "backends/memory/state.h"

static ward_status copy_policy(const struct ward_store_policy *row, bool text,
                               struct ward_arena *arena, struct ward_store_policy *ret)
{
    *ret = *row;
    ret->text = (struct ward_bytes){0};
    return text ? ward_arena_copy(arena, row->text, &ret->text) : WARD_OK;
}

static ward_status read_policy(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_POLICY];
    struct ward_store_policy key = {.version = r->policy.version};
    const struct ward_store_policy *row = NULL;
    if (key.version != 0) {
        row = ward_memory_get(state, WARD_TABLE_POLICY, &key);
    } else if (rows->n > 0) {
        row = rows->rows[rows->n - 1];
    }
    WARD_ENSURE(row != NULL, WARD_E_NOT_FOUND);
    return copy_policy(row, true, r->arena, &r->policy.policy);
}

static ward_status read_policies(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_POLICY];
    struct ward_store_policy *policies =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_policy, rows->n);
    WARD_ENSURE(policies != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < rows->n; i++) {
        WARD_TRY(copy_policy(rows->rows[i], r->policies.texts, r->arena, &policies[i]));
    }
    r->policies.policies = policies;
    r->policies.n = rows->n;
    return WARD_OK;
}

/* Rows of a version follow each other, one for each node. */
static ward_status read_key_use(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_KEY_USE];
    struct ward_store_key_use *uses =
        WARD_ARENA_ARRAY(r->arena, struct ward_store_key_use, rows->n);
    WARD_ENSURE(uses != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_new_use *use = &((const struct ward_memory_key_use *)rows->rows[i])->use;
        if (!ward_id_eq(&use->kek, &r->key_use.kek)) {
            continue;
        }
        if (n == 0 || uses[n - 1].version != use->version) {
            uses[n++] = (struct ward_store_key_use){.version = use->version};
        }
        struct ward_store_key_use *sum = &uses[n - 1];
        sum->issued += use->issued;
        sum->opened += use->opened;
        if (sum->last_opened_us < use->last_opened_us) {
            sum->last_opened_us = use->last_opened_us;
        }
    }
    r->key_use.uses = uses;
    r->key_use.n = n;
    return WARD_OK;
}

static int fuller(const void *a, const void *b)
{
    const struct ward_store_held *x = a, *y = b;
    int order = (x->version > y->version) - (x->version < y->version);
    order = order != 0 ? order : (x->rows < y->rows) - (x->rows > y->rows);
    return order != 0 ? order : ward_bytes_cmp(x->collection, y->collection);
}

static ward_status read_held(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_SUBJECT_KEY];
    struct ward_store_held *held = WARD_ARENA_ARRAY(r->arena, struct ward_store_held, rows->n);
    WARD_ENSURE(held != NULL, WARD_E_EXHAUSTED);
    size_t n = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const struct ward_new_subject_key *key =
            &((const struct ward_memory_subject_key *)rows->rows[i])->key;
        if (!ward_id_eq(&key->kek, &r->held.kek)) {
            continue;
        }
        size_t at = 0;
        while (at < n && (held[at].version != key->kek_version ||
                          !ward_bytes_eq(held[at].collection, key->collection))) {
            at++;
        }
        if (at == n) {
            held[n++] = (struct ward_store_held){.version = key->kek_version,
                                                 .collection = key->collection};
        }
        held[at].rows++;
    }
    if (n > 0) {
        qsort(held, n, sizeof(*held), fuller);
    }
    r->held.n = n < r->held.limit ? n : r->held.limit;
    for (size_t i = 0; i < r->held.n; i++) {
        WARD_TRY(ward_arena_copy(r->arena, held[i].collection, &held[i].collection));
    }
    r->held.held = held;
    return WARD_OK;
}

static ward_status read_nodes(const struct ward_memory_state *state, struct ward_read *r)
{
    const struct ward_memory_rows *rows = &state->tables[WARD_TABLE_NODE];
    struct ward_store_node *nodes = WARD_ARENA_ARRAY(r->arena, struct ward_store_node, rows->n);
    WARD_ENSURE(nodes != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < rows->n; i++) {
        nodes[i] = *(const struct ward_store_node *)rows->rows[i];
        WARD_TRY(ward_arena_copy(r->arena, nodes[i].name, &nodes[i].name));
    }
    r->nodes.nodes = nodes;
    r->nodes.n = rows->n;
    r->nodes.now_us = state->now_us;
    return WARD_OK;
}

static ward_status beat(struct ward_memory_state *state, const struct ward_read *r)
{
    struct ward_store_node *node = ward_arena_alloc(state->rows, sizeof(*node));
    WARD_ENSURE(node != NULL, WARD_E_EXHAUSTED);
    *node = (struct ward_store_node){
        .name = r->heartbeat.node, .epoch = r->heartbeat.epoch, .seen_us = state->now_us};
    WARD_TRY(ward_arena_copy(state->rows, node->name, &node->name));
    const struct ward_store_node *old = ward_memory_get(state, WARD_TABLE_NODE, node);
    return old == NULL ? ward_memory_insert(state, WARD_TABLE_NODE, node)
                       : ward_memory_replace(state, WARD_TABLE_NODE, node);
}

ward_status ward_memory_answer_keys(struct ward_memory_state *state, struct ward_read *read)
{
    switch (read->kind) {
    case WARD_READ_POLICY:
        return read_policy(state, read);
    case WARD_READ_POLICIES:
        return read_policies(state, read);
    case WARD_READ_KEY_USE:
        return read_key_use(state, read);
    case WARD_READ_HELD:
        return read_held(state, read);
    case WARD_READ_NODES:
        return read_nodes(state, read);
    case WARD_READ_HEARTBEAT:
        return beat(state, read);
    default: /* reads.c sends no other kind here */
        WARD_FAIL(WARD_E_INTERNAL);
    }
}
