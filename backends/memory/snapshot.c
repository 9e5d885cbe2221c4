/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot: the small tables whole, in the order of their keys. */
#include "backends/memory/state.h"

#include <stdlib.h>

struct builder {
    const struct ward_memory_state *state;
    struct ward_arena *arena;
};

/* A table's rows of `size` bytes, one after the other. */
static void *copy_rows(const struct builder *b, enum ward_memory_table table, size_t size,
                       size_t *ret_n)
{
    const struct ward_memory_rows *rows = &b->state->tables[table];
    uint8_t *copy = ward_arena_alloc(b->arena, rows->n * size);
    for (size_t i = 0; copy != NULL && i < rows->n; i++) {
        memcpy(copy + i * size, rows->rows[i], size);
    }
    *ret_n = rows->n;
    return copy;
}

static ward_status own(const struct builder *b, struct ward_bytes *bytes)
{
    return ward_arena_copy(b->arena, *bytes, bytes);
}

static ward_status add_keks(const struct builder *b, struct ward_store_snapshot *ret)
{
    struct ward_store_kek *keks = copy_rows(b, WARD_TABLE_KEK_NAME, sizeof(*keks), &ret->n_keks);
    WARD_ENSURE(keks != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < ret->n_keks; i++) {
        WARD_TRY(own(b, &keks[i].name));
        WARD_TRY(own(b, &keks[i].backend));
    }
    ret->keks = keks;
    ret->versions = copy_rows(b, WARD_TABLE_KEK_VERSION, sizeof(*ret->versions), &ret->n_versions);
    WARD_ENSURE(ret->versions != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

static int earlier_intent(const void *a, const void *b)
{
    const struct ward_store_intent *x = a, *y = b;
    int order = (x->created_us > y->created_us) - (x->created_us < y->created_us);
    return order != 0 ? order : memcmp(x->id.bytes, y->id.bytes, sizeof(x->id.bytes));
}

static ward_status add_log_keys(const struct builder *b, struct ward_store_snapshot *ret)
{
    struct ward_store_log_key *keys =
        copy_rows(b, WARD_TABLE_LOG_KEY, sizeof(*keys), &ret->n_log_keys);
    WARD_ENSURE(keys != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < ret->n_log_keys; i++) {
        WARD_TRY(own(b, &keys[i].public_key));
    }
    ret->log_keys = keys;
    return WARD_OK;
}

static ward_status add_rest(const struct builder *b, struct ward_store_snapshot *ret)
{
    struct ward_store_index_key *keys =
        copy_rows(b, WARD_TABLE_INDEX_KEY, sizeof(*keys), &ret->n_index_keys);
    struct ward_store_intent *intents =
        copy_rows(b, WARD_TABLE_INTENT, sizeof(*intents), &ret->n_intents);
    WARD_ENSURE(keys != NULL && intents != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < ret->n_index_keys; i++) {
        WARD_TRY(own(b, &keys[i].name));
        WARD_TRY(own(b, &keys[i].wrapped));
    }
    for (size_t i = 0; i < ret->n_intents; i++) {
        WARD_TRY(own(b, &intents[i].node));
    }
    struct ward_store_revocation *revocations =
        copy_rows(b, WARD_TABLE_REVOCATION, sizeof(*revocations), &ret->n_revocations);
    WARD_ENSURE(revocations != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < ret->n_revocations; i++) {
        WARD_TRY(own(b, &revocations[i].value));
    }
    ret->revocations = revocations;
    WARD_TRY(ward_memory_open_emergencies(b->state, b->arena, ret));
    qsort(intents, ret->n_intents, sizeof(*intents), earlier_intent);
    ret->index_keys = keys;
    ret->intents = intents;
    return WARD_OK;
}

ward_status ward_memory_snapshot(const struct ward_memory_state *state, struct ward_arena *arena,
                                 struct ward_store_snapshot *ret)
{
    const struct ward_memory_rows *deployment = &state->tables[WARD_TABLE_DEPLOYMENT];
    const struct ward_memory_rows *policy = &state->tables[WARD_TABLE_POLICY];
    const struct builder b = {.state = state, .arena = arena};
    struct ward_store_snapshot snapshot = {
        .initialised = true, .epoch = state->head.epoch, .head = state->head};
    if (deployment->n == 0) {
        return WARD_OK;
    }
    snapshot.deployment = *(const struct ward_store_deployment *)deployment->rows[0];
    WARD_TRY(own(&b, &snapshot.deployment.origin));
    WARD_TRY(own(&b, &snapshot.deployment.log_public_key));
    if (policy->n > 0) {
        const struct ward_store_policy *newest = policy->rows[policy->n - 1];
        snapshot.policy_version = newest->version;
        snapshot.policy_text = newest->text;
        WARD_TRY(own(&b, &snapshot.policy_text));
    }
    struct ward_store_policy *policies =
        copy_rows(&b, WARD_TABLE_POLICY, sizeof(*policies), &snapshot.n_policies);
    WARD_ENSURE(policies != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < snapshot.n_policies; i++) {
        policies[i].text = (struct ward_bytes){0};
    }
    snapshot.policies = policies;
    WARD_TRY(add_keks(&b, &snapshot));
    WARD_TRY(add_rest(&b, &snapshot));
    WARD_TRY(add_log_keys(&b, &snapshot));
    *ret = snapshot;
    return WARD_OK;
}
