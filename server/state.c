/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the immutable state from what the store holds. It must not be changed afterwards by
 * anybody: threads read it without locks. */
#include "server/state.h"

#include <stdlib.h>

#include "base/wipe_alloc.h"

#define STATE_ARENA_MAX (256u << 20) /* 10^5 keys are about 30 MiB */

static ward_status copy_keys(struct ward_state *state, const struct ward_store_snapshot *snapshot)
{
    struct ward_key *keys = WARD_ARENA_ARRAY(state->arena, struct ward_key, snapshot->n_keks);
    state->by_id = WARD_ARENA_ARRAY(state->arena, const struct ward_key *, snapshot->n_keks);
    WARD_ENSURE(keys != NULL && state->by_id != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < snapshot->n_keks; i++) {
        const struct ward_store_kek *row = &snapshot->keks[i];
        keys[i] = (struct ward_key){.id = row->id,
                                    .purpose = row->purpose,
                                    .enabled = row->enabled,
                                    .rotation_period_days = row->rotation_period_days,
                                    .created_us = row->created_us};
        WARD_TRY(ward_arena_copy(state->arena, row->name, &keys[i].name));
        WARD_TRY(ward_arena_copy(state->arena, row->backend, &keys[i].backend));
        state->by_id[i] = &keys[i];
    }
    state->keys = keys;
    state->n_keys = snapshot->n_keks;
    return WARD_OK;
}

static int by_id(const void *a, const void *b)
{
    const struct ward_key *const *x = (const struct ward_key *const *)a;
    const struct ward_key *const *y = (const struct ward_key *const *)b;
    return memcmp((*x)->id.bytes, (*y)->id.bytes, sizeof((*x)->id.bytes));
}

/* Versions come sorted by key id: each key gets its run of them. */
static void attach_versions(struct ward_state *state, const struct ward_store_snapshot *snapshot,
                            const struct ward_key_version *versions)
{
    for (size_t i = 0; i < snapshot->n_versions;) {
        size_t end = i + 1;
        while (end < snapshot->n_versions &&
               ward_id_eq(&snapshot->versions[end].kek, &snapshot->versions[i].kek)) {
            end++;
        }
        struct ward_key *key =
            (struct ward_key *)(uintptr_t)ward_state_key_by_id(state, &snapshot->versions[i].kek);
        if (key != NULL) {
            key->versions = &versions[i];
            key->n_versions = end - i;
            for (size_t v = i; v < end; v++) {
                if (versions[v].state == WARD_KEY_ACTIVE) {
                    key->active = &versions[v];
                }
            }
        }
        i = end;
    }
}

static ward_status copy_log_keys(struct ward_state *state,
                                 const struct ward_store_snapshot *snapshot, const char *origin)
{
    const struct ward_store_deployment *first = &snapshot->deployment;
    size_t n = 1 + snapshot->n_log_keys;
    struct ward_log_key *keys = WARD_ARENA_ARRAY(state->arena, struct ward_log_key, n);
    WARD_ENSURE(keys != NULL, WARD_E_EXHAUSTED);
    keys[0] = (struct ward_log_key){.ref = {.id = first->log_key, .version = 1},
                                    .created_us = first->created_us};
    WARD_TRY(
        ward_note_key_init(origin, first->log_algorithm, first->log_public_key, &keys[0].public));
    for (size_t i = 1; i < n; i++) {
        const struct ward_store_log_key *row = &snapshot->log_keys[i - 1];
        WARD_ENSURE(row->version == i + 1 && row->leaf >= keys[i - 1].since, WARD_E_STATE);
        keys[i] = (struct ward_log_key){.ref = {.id = first->log_key, .version = row->version},
                                        .created_us = row->created_us,
                                        .since = row->leaf + 1};
        WARD_TRY(ward_note_key_init(origin, row->algorithm, row->public_key, &keys[i].public));
    }
    state->log_keys = keys;
    state->n_log_keys = n;
    return WARD_OK;
}

static ward_status copy_deployment(struct ward_state *state,
                                   const struct ward_store_snapshot *snapshot)
{
    const struct ward_store_deployment *row = &snapshot->deployment;
    char origin[WARD_NOTE_NAME_MAX];
    WARD_ENSURE(row->origin.size > 0 && row->origin.size < sizeof(origin), WARD_E_STATE);
    memcpy(origin, row->origin.data, row->origin.size);
    origin[row->origin.size] = 0;
    state->deployment = row->id;
    return copy_log_keys(state, snapshot, origin);
}

static ward_status copy_revocations(struct ward_state *state,
                                    const struct ward_store_snapshot *snapshot)
{
    struct ward_store_revocation *revocations =
        WARD_ARENA_ARRAY(state->arena, struct ward_store_revocation, snapshot->n_revocations);
    WARD_ENSURE(revocations != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < snapshot->n_revocations; i++) {
        revocations[i] = snapshot->revocations[i];
        WARD_TRY(ward_arena_copy(state->arena, revocations[i].value, &revocations[i].value));
    }
    state->revocations = revocations;
    state->n_revocations = snapshot->n_revocations;
    return WARD_OK;
}

static ward_status copy_emergencies(struct ward_state *state,
                                    const struct ward_store_snapshot *snapshot)
{
    size_t n = snapshot->n_emergencies;
    struct ward_store_emergency *rows =
        WARD_ARENA_ARRAY(state->arena, struct ward_store_emergency, n);
    WARD_ENSURE(rows != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        rows[i] = snapshot->emergencies[i];
        WARD_TRY(ward_arena_copy(state->arena, rows[i].identity, &rows[i].identity));
        WARD_TRY(ward_arena_copy(state->arena, rows[i].collection, &rows[i].collection));
    }
    state->emergencies = rows;
    state->n_emergencies = n;
    return WARD_OK;
}

static ward_status fill(struct ward_state *state, const struct ward_store_snapshot *snapshot)
{
    WARD_TRY(ward_arena_new(STATE_ARENA_MAX, &state->arena));
    WARD_TRY(copy_deployment(state, snapshot));
    WARD_TRY(copy_keys(state, snapshot));
    qsort(state->by_id, state->n_keys, sizeof(*state->by_id), by_id);
    struct ward_key_version *versions =
        WARD_ARENA_ARRAY(state->arena, struct ward_key_version, snapshot->n_versions);
    WARD_ENSURE(versions != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < snapshot->n_versions; i++) {
        WARD_ENSURE(ward_key_state_valid(snapshot->versions[i].state) &&
                        (snapshot->versions[i].prior == 0 ||
                         ward_key_state_valid(snapshot->versions[i].prior)),
                    WARD_E_STATE);
        versions[i] = (struct ward_key_version){.version = snapshot->versions[i].version,
                                                .state = snapshot->versions[i].state,
                                                .created_us = snapshot->versions[i].created_us,
                                                .wraps = snapshot->versions[i].wraps,
                                                .changed_us = snapshot->versions[i].changed_us,
                                                .prior = snapshot->versions[i].prior,
                                                .due_us = snapshot->versions[i].due_us};
    }
    attach_versions(state, snapshot, versions);
    WARD_TRY(copy_emergencies(state, snapshot));
    return copy_revocations(state, snapshot);
}

ward_status ward_state_new(const struct ward_store_snapshot *snapshot, struct ward_policy *policy,
                           struct ward_bytes node, struct ward_index *take_index,
                           struct ward_state **ret)
{
    struct ward_state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        ward_index_unref(take_index);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    atomic_init(&state->refs, 1);
    state->index = take_index;
    state->epoch = snapshot->epoch;
    state->node = node;
    state->policy = ward_policy_ref(policy);
    state->policy_version = snapshot->policy_version;
    ward_status status = fill(state, snapshot);
    if (!ward_ok(status)) {
        ward_state_unref(state);
        return status;
    }
    *ret = state;
    return WARD_OK;
}

void ward_state_date_keys(struct ward_state *state, const struct ward_state *before)
{
    for (size_t i = 0; i < state->n_keys; i++) {
        struct ward_key *key = (struct ward_key *)(uintptr_t)&state->keys[i];
        const struct ward_key *old = ward_state_key_by_id(before, &key->id);
        bool same = old != NULL && old->enabled == key->enabled &&
                    old->rotation_period_days == key->rotation_period_days;
        key->same_since = same ? old->same_since : before->epoch + 1;
    }
}

struct ward_state *ward_state_ref(struct ward_state *state)
{
    atomic_fetch_add_explicit(&state->refs, 1, memory_order_relaxed);
    return state;
}

void ward_state_unref(struct ward_state *state)
{
    if (state == NULL || atomic_fetch_sub_explicit(&state->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ward_index_unref(state->index);
    ward_policy_unref(state->policy);
    ward_arena_free(state->arena);
    free(state);
}

const struct ward_log_key *ward_state_log_key(const struct ward_state *state, uint64_t size)
{
    size_t n = state->n_log_keys;
    while (n > 1 && state->log_keys[n - 1].since > size) {
        n--;
    }
    return &state->log_keys[n - 1];
}

bool ward_state_is_log_key(const struct ward_state *state, const struct ward_kek_ref *ref)
{
    return ward_id_eq(&state->log_keys[0].ref.id, &ref->id) && ref->version > 0 &&
           ref->version <= state->n_log_keys;
}

const struct ward_key *ward_state_key(const struct ward_state *state, struct ward_bytes name)
{
    size_t low = 0, high = state->n_keys;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ward_bytes_cmp(name, state->keys[middle].name);
        if (order == 0) {
            return &state->keys[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct ward_key *ward_state_key_by_id(const struct ward_state *state,
                                            const struct ward_id *id)
{
    const struct ward_key wanted = {.id = *id}, *pointer = &wanted;
    const struct ward_key **found = (const struct ward_key **)bsearch(
        &pointer, state->by_id, state->n_keys, sizeof(*state->by_id), by_id);
    return found == NULL ? NULL : *found;
}

static int compare_revocation(const struct ward_store_revocation *revocation, uint8_t kind,
                              struct ward_bytes value)
{
    return revocation->kind != kind ? (revocation->kind > kind) - (revocation->kind < kind)
                                    : ward_bytes_cmp(revocation->value, value);
}

const struct ward_store_revocation *ward_state_revocation(const struct ward_state *state,
                                                          uint8_t kind, struct ward_bytes value)
{
    size_t low = 0, high = state->n_revocations;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_revocation(&state->revocations[middle], kind, value);
        if (order == 0) {
            return &state->revocations[middle];
        }
        if (order > 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static bool revoked_digest(const struct ward_state *state, const uint8_t hash[static 32])
{
    char hex[2 * 32 + 1];
    ward_hex_encode(WARD_BYTES(hash, 32), hex);
    return ward_state_revocation(state, WARD_REVOKED_CERTIFICATE, ward_bytes_str(hex)) != NULL;
}

bool ward_state_revoked(const struct ward_state *state, const struct ward_peer *peer)
{
    if (state->n_revocations == 0) {
        return false;
    }
    return ward_state_revocation(state, WARD_REVOKED_IDENTITY, ward_bytes_str(peer->identity)) !=
               NULL ||
           revoked_digest(state, peer->certificate_hash) ||
           (peer->has_twin && revoked_digest(state, peer->twin_hash));
}

const struct ward_key_version *ward_key_version_find(const struct ward_key *key, uint32_t version)
{
    for (size_t i = key->n_versions; i > 0; i--) {
        if (key->versions[i - 1].version == version) {
            return &key->versions[i - 1];
        }
    }
    return NULL;
}

struct ward_effect ward_key_version_move(const struct ward_key *key,
                                         const struct ward_key_version *version,
                                         enum ward_key_state to, int64_t due_us, int64_t now_us)
{
    bool pending = to == WARD_KEY_PENDING_DESTRUCTION;
    struct ward_effect effect = {.kind = WARD_EFFECT_KEK_STATE};
    effect.kek_state.kek = key->id;
    effect.kek_state.version = version->version;
    effect.kek_state.from = (uint8_t)version->state;
    effect.kek_state.from_prior = (uint8_t)version->prior;
    effect.kek_state.from_due_us = version->due_us;
    effect.kek_state.from_changed_us = version->changed_us;
    effect.kek_state.to = (uint8_t)to;
    effect.kek_state.prior = pending ? (uint8_t)version->state : 0;
    effect.kek_state.due_us = pending ? due_us : 0;
    effect.kek_state.changed_us = now_us;
    return effect;
}

#define DAY_US (24LL * 3600 * 1000000)
#define PERIOD_DAYS_MAX 1000000u /* as good as for ever, and microseconds can count it */

int64_t ward_key_period_us(const struct ward_key *key)
{
    uint32_t days = key->rotation_period_days;
    return (days < PERIOD_DAYS_MAX ? days : PERIOD_DAYS_MAX) * DAY_US;
}

int64_t ward_rotation_due_us(const struct ward_key *key)
{
    if (key->active == NULL || key->rotation_period_days == 0) {
        return INT64_MAX;
    }
    /* Ids are random, so their bytes are as good as a hash. */
    uint64_t early = ward_get_u64(key->id.bytes + 8) % (uint64_t)(ward_key_period_us(key) / 10);
    return key->active->created_us + ward_key_period_us(key) - (int64_t)early;
}

bool ward_state_successor_due(const struct ward_key *key)
{
    return key->enabled && key->purpose != WARD_PURPOSE_SYSTEM && key->active == NULL &&
           key->n_versions > 0 && key->versions[key->n_versions - 1].state == WARD_KEY_COMPROMISED;
}

ward_status ward_state_wrapping_version(const struct ward_key *key,
                                        const struct ward_key_version **ret)
{
    if (!key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: disabled");
    }
    if (ward_state_successor_due(key)) {
        return WARD_REFUSAL(WARD_E_UNAVAILABLE,
                            "key: a new version of this key is being made; try again");
    }
    if (key->active == NULL) { /* the newest one's state says why */
        WARD_ENSURE(key->n_versions > 0, WARD_E_STATE);
        return ward_key_state_check(key->versions[key->n_versions - 1].state, WARD_KEY_WRAP);
    }
    *ret = key->active;
    return WARD_OK;
}

static ward_status derive(struct ward_digest *digest, struct ward_bytes key,
                          struct ward_bytes label, struct ward_secret **ret)
{
    ward_auto(ward_secret_freep) struct ward_secret *derived = NULL;
    WARD_TRY(ward_secret_zero(32, &derived));
    WARD_TRY(ward_hkdf_sha256(digest, key, WARD_BYTES_LITERAL("ward index 1"), label,
                              ward_secret_fill(derived), 32));
    *ret = WARD_TAKE(derived);
    return WARD_OK;
}

ward_status ward_index_new(struct ward_digest *digest, struct ward_bytes index_key,
                           struct ward_index **ret)
{
    struct ward_index *index = calloc(1, sizeof(*index));
    WARD_ENSURE(index != NULL, WARD_E_EXHAUSTED);
    atomic_init(&index->refs, 1);
    ward_status status = derive(digest, index_key, WARD_BYTES_LITERAL("subject"), &index->subject);
    if (ward_ok(status)) {
        status = derive(digest, index_key, WARD_BYTES_LITERAL("record"), &index->record);
    }
    if (ward_ok(status)) {
        status = derive(digest, index_key, WARD_BYTES_LITERAL("context"), &index->context);
    }
    if (ward_ok(status)) {
        status = derive(digest, index_key, WARD_BYTES_LITERAL("rows"), &index->rows);
    }
    if (!ward_ok(status)) {
        ward_index_unref(index);
        return status;
    }
    *ret = index;
    return WARD_OK;
}

struct ward_index *ward_index_ref(struct ward_index *index)
{
    atomic_fetch_add_explicit(&index->refs, 1, memory_order_relaxed);
    return index;
}

void ward_index_unref(struct ward_index *index)
{
    if (index == NULL || atomic_fetch_sub_explicit(&index->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    ward_secret_free(index->subject);
    ward_secret_free(index->record);
    ward_secret_free(index->context);
    ward_secret_free(index->rows);
    free(index);
}

void ward_state_slot_init(struct ward_state_slot *slot, struct ward_state *take_first)
{
    (void)pthread_mutex_init(&slot->lock, NULL); /* cannot fail with default attributes on Linux */
    slot->current = take_first;
    atomic_init(&slot->epoch, take_first->epoch);
}

void ward_state_slot_fini(struct ward_state_slot *slot)
{
    ward_state_unref(slot->current);
    slot->current = NULL;
    (void)pthread_mutex_destroy(&slot->lock);
}

struct ward_state *ward_state_slot_get(struct ward_state_slot *slot)
{
    (void)pthread_mutex_lock(&slot->lock);
    struct ward_state *state = ward_state_ref(slot->current);
    (void)pthread_mutex_unlock(&slot->lock);
    return state;
}

void ward_state_slot_put(struct ward_state_slot *slot, struct ward_state *take_state)
{
    (void)pthread_mutex_lock(&slot->lock);
    struct ward_state *old = take_state;
    if (take_state->epoch > slot->current->epoch) {
        old = slot->current;
        slot->current = take_state;
        atomic_store_explicit(&slot->epoch, take_state->epoch, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&slot->lock);
    ward_state_unref(old);
}
