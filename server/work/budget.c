/* SPDX-License-Identifier: Apache-2.0 */
/* Counting wraps: a table of versions under one mutex, held for a few lookups a request. It knows
 * no operation and makes no call to HSM or database; it only says what has to be reserved. */
#include "server/work/budget.h"

#include <pthread.h>
#include <stdlib.h>

#define FIRST_BLOCK 1024u /* doubles with each block: a key that is hardly used wastes little */
#define TABLE_MIN 64u
#define ROTATION_PAUSE_US (60LL * 1000000)
#define ROTATION_SOON_US (2LL * 1000000)

struct entry {
    struct ward_kek_ref key; /* version 0: the slot is free */
    uint64_t left;           /* reserved and not taken */
    uint64_t total;          /* reserved by all nodes, when we last heard */
    uint64_t block;          /* the next one's size */
    int64_t rotation_tried_us;
    uint64_t asked_in; /* the round that asked last, and which of its reads it is */
    size_t read;
};

struct ward_budget {
    struct ward_budget_limits limits;
    pthread_mutex_t lock;
    struct entry *table; /* open addressing, at most half full */
    size_t size, n;
    uint64_t rounds;
    bool reached; /* a soft limit, and nobody was told yet */
};

struct pending {
    struct ward_budget_need *needs;
    size_t n;
};

struct ward_budget_round {
    struct ward_budget *budget;
    struct ward_read *reads;
    size_t n_reads, max_reads;
    uint64_t number;
    struct pending *pending;
    size_t n_pending, max_pending;
};

static bool same_key(const struct ward_kek_ref *a, const struct ward_kek_ref *b)
{
    return a->version == b->version && ward_id_eq(&a->id, &b->id);
}

/* ---- the table ---- */

/* Ids are random: their bytes are the hash. The slot of the key, or the free one where it goes. */
static struct entry *slot_of(struct entry *table, size_t size, const struct ward_kek_ref *key)
{
    size_t i = (size_t)(ward_get_u64(key->id.bytes + 8) + key->version) & (size - 1);
    while (table[i].key.version != 0 && !same_key(&table[i].key, key)) {
        i = (i + 1) & (size - 1);
    }
    return &table[i];
}

/* NULL when it is not there. */
static struct entry *find(struct ward_budget *budget, const struct ward_kek_ref *key)
{
    if (budget->size == 0) {
        return NULL;
    }
    struct entry *entry = slot_of(budget->table, budget->size, key);
    return entry->key.version == 0 ? NULL : entry;
}

/* Moves those that `wraps` keeps (all when NULL) into a table of `size`. */
static bool resize(struct ward_budget *budget, size_t size, ward_budget_wraps *wraps, void *context)
{
    struct entry *table = calloc(size, sizeof(*table));
    if (table == NULL) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < budget->size; i++) {
        const struct entry *old = &budget->table[i];
        if (old->key.version != 0 && (wraps == NULL || wraps(context, &old->key))) {
            *slot_of(table, size, &old->key) = *old;
            n++;
        }
    }
    free(budget->table);
    budget->table = table;
    budget->size = size;
    budget->n = n;
    return true;
}

/* NULL when there is no memory. */
static struct entry *find_or_add(struct ward_budget *budget, const struct ward_kek_ref *key)
{
    struct entry *entry = find(budget, key);
    if (entry != NULL) {
        return entry;
    }
    if (2 * (budget->n + 1) > budget->size &&
        !resize(budget, budget->size == 0 ? TABLE_MIN : budget->size * 2, NULL, NULL)) {
        return NULL;
    }
    entry = slot_of(budget->table, budget->size, key);
    uint64_t first = budget->limits.block < FIRST_BLOCK ? budget->limits.block : FIRST_BLOCK;
    *entry = (struct entry){.key = *key, .block = first, .rotation_tried_us = INT64_MIN};
    budget->n++;
    return entry;
}

/* ---- life ---- */

ward_status ward_budget_new(const struct ward_budget_limits *limits, struct ward_budget **ret)
{
    bool sound = limits->soft > 0 && limits->soft <= limits->hard &&
                 limits->hard <= WARD_WRAP_HARD_MAX && limits->block > 0;
    WARD_ENSURE(sound, WARD_E_INTERNAL);
    struct ward_budget *budget = calloc(1, sizeof(*budget));
    WARD_ENSURE(budget != NULL, WARD_E_EXHAUSTED);
    budget->limits = *limits;
    (void)pthread_mutex_init(&budget->lock,
                             NULL); /* cannot fail with default attributes on Linux */
    *ret = budget;
    return WARD_OK;
}

void ward_budget_free(struct ward_budget *budget)
{
    if (budget != NULL) {
        (void)pthread_mutex_destroy(&budget->lock);
        free(budget->table);
        free(budget);
    }
}

const struct ward_budget_limits *ward_budget_limits(const struct ward_budget *budget)
{
    return &budget->limits;
}

/* ---- taking ---- */

static ward_status spent(void)
{
    return WARD_REFUSAL(WARD_E_STATE,
                        "key: this version has wrapped as often as it may; rotate it");
}

static void serve(struct ward_budget_need *need, ward_status status)
{
    need->status = status;
    need->served = true;
}

/* Whether the need can be decided here and now; `entry` may be NULL. */
static bool decidable(const struct ward_budget *budget, const struct entry *entry, uint64_t n)
{
    return entry != NULL && (entry->left >= n || entry->total >= budget->limits.hard);
}

static void decide(struct entry *entry, struct ward_budget_need *need)
{
    if (entry->left < need->n) {
        serve(need, spent());
        return;
    }
    entry->left -= need->n;
    serve(need, WARD_OK);
}

bool ward_budget_take(struct ward_budget *budget, struct ward_budget_need *needs, size_t n)
{
    bool all = true;
    (void)pthread_mutex_lock(&budget->lock);
    for (size_t i = 0; all && i < n; i++) {
        all = needs[i].served || decidable(budget, find(budget, &needs[i].key), needs[i].n);
    }
    for (size_t i = 0; all && i < n; i++) {
        if (!needs[i].served) {
            decide(find(budget, &needs[i].key), &needs[i]);
        }
    }
    (void)pthread_mutex_unlock(&budget->lock);
    return all;
}

/* ---- a round of reservations ---- */

ward_status ward_budget_round_new(struct ward_budget *budget, struct ward_budget_round **ret)
{
    struct ward_budget_round *round = calloc(1, sizeof(*round));
    WARD_ENSURE(round != NULL, WARD_E_EXHAUSTED);
    round->budget = budget;
    *ret = round;
    return WARD_OK;
}

void ward_budget_round_free(struct ward_budget_round *round)
{
    if (round != NULL) {
        free(round->reads);
        free(round->pending);
        free(round);
    }
}

void ward_budget_round_begin(struct ward_budget_round *round)
{
    round->n_reads = round->n_pending = 0;
    if (round->budget == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&round->budget->lock);
    round->number = ++round->budget->rounds;
    (void)pthread_mutex_unlock(&round->budget->lock);
}

static ward_status room(void **array, size_t *max, size_t n, size_t item)
{
    if (n < *max) {
        return WARD_OK;
    }
    size_t more = *max == 0 ? 16 : *max * 2;
    void *larger = reallocarray(*array, more, item);
    WARD_ENSURE(larger != NULL, WARD_E_EXHAUSTED);
    *array = larger;
    *max = more;
    return WARD_OK;
}

/* Under the lock. The block is at least what all those want together who ask for it. */
static ward_status want(struct ward_budget_round *round, struct ward_budget_need *need,
                        struct ward_arena *arena)
{
    struct entry *entry = find_or_add(round->budget, &need->key);
    WARD_ENSURE(entry != NULL, WARD_E_EXHAUSTED);
    if (entry->asked_in == round->number) {
        need->read = entry->read;
        round->reads[need->read].reserve.block += need->n;
        return WARD_OK;
    }
    WARD_TRY(
        room((void **)&round->reads, &round->max_reads, round->n_reads, sizeof(*round->reads)));
    struct ward_read *read = &round->reads[round->n_reads];
    *read = (struct ward_read){.kind = WARD_READ_RESERVE, .arena = arena};
    read->reserve.kek = need->key.id;
    read->reserve.version = need->key.version;
    read->reserve.block = need->n > entry->block ? need->n : entry->block;
    read->reserve.limit = round->budget->limits.hard;
    need->read = entry->read = round->n_reads++;
    entry->asked_in = round->number;
    return WARD_OK;
}

static ward_status add(struct ward_budget_round *round, struct ward_budget_need *needs, size_t n,
                       struct ward_arena *arena)
{
    struct ward_budget *budget = round->budget;
    for (size_t i = 0; i < n; i++) {
        struct entry *entry = find(budget, &needs[i].key);
        if (needs[i].served) {
            continue;
        }
        if (decidable(budget, entry, needs[i].n)) {
            decide(entry, &needs[i]); /* somebody else's block came meanwhile */
        } else {
            WARD_TRY(want(round, &needs[i], arena));
        }
    }
    return WARD_OK;
}

ward_status ward_budget_round_add(struct ward_budget_round *round, struct ward_budget_need *needs,
                                  size_t n, struct ward_arena *arena)
{
    WARD_TRY(room((void **)&round->pending, &round->max_pending, round->n_pending,
                  sizeof(*round->pending)));
    (void)pthread_mutex_lock(&round->budget->lock);
    ward_status status = add(round, needs, n, arena);
    (void)pthread_mutex_unlock(&round->budget->lock);
    if (ward_ok(status)) {
        round->pending[round->n_pending++] = (struct pending){needs, n};
    }
    return status;
}

struct ward_read *ward_budget_round_read(struct ward_budget_round *round, size_t i)
{
    return &round->reads[i];
}

size_t ward_budget_round_reads(const struct ward_budget_round *round)
{
    return round->n_reads;
}

/* What was granted is ours, whatever becomes of those who asked. */
static void credit(struct ward_budget *budget, const struct ward_read *read)
{
    const struct ward_kek_ref key = {read->reserve.kek, read->reserve.version};
    struct entry *entry = ward_ok(read->status) ? find_or_add(budget, &key) : NULL;
    if (entry == NULL) {
        return;
    }
    entry->left += read->reserve.granted;
    uint64_t before = entry->total;
    entry->total = read->reserve.total > entry->total ? read->reserve.total : entry->total;
    budget->reached |= before < budget->limits.soft && entry->total >= budget->limits.soft;
    uint64_t next = entry->block * 2;
    entry->block = next < budget->limits.block ? next : budget->limits.block;
}

static void settle_need(struct ward_budget_round *round, struct ward_budget_need *need)
{
    struct entry *entry = find(round->budget, &need->key);
    if (need->served) {
        return;
    }
    if (entry != NULL && entry->left >= need->n) {
        decide(entry, need);
    } else if (!ward_ok(round->reads[need->read].status)) {
        serve(need, WARD_STATUS(WARD_E_UNAVAILABLE));
    } else {
        serve(need, spent()); /* what was granted is less than was asked for: the limit is near */
    }
}

void ward_budget_round_settle(struct ward_budget_round *round)
{
    if (round->n_pending == 0) {
        return;
    }
    (void)pthread_mutex_lock(&round->budget->lock);
    for (size_t i = 0; i < round->n_reads; i++) {
        credit(round->budget, &round->reads[i]);
    }
    for (size_t p = 0; p < round->n_pending; p++) {
        for (size_t i = 0; i < round->pending[p].n; i++) {
            settle_need(round, &round->pending[p].needs[i]);
        }
    }
    (void)pthread_mutex_unlock(&round->budget->lock);
}

/* ---- what the jobs and the metrics ask ---- */

uint64_t ward_budget_total(struct ward_budget *budget, const struct ward_kek_ref *key,
                           uint64_t stored)
{
    (void)pthread_mutex_lock(&budget->lock);
    const struct entry *entry = find(budget, key);
    uint64_t total = entry != NULL && entry->total > stored ? entry->total : stored;
    (void)pthread_mutex_unlock(&budget->lock);
    return total;
}

bool ward_budget_try_rotation(struct ward_budget *budget, const struct ward_kek_ref *key,
                              int64_t now_us)
{
    (void)pthread_mutex_lock(&budget->lock);
    struct entry *entry = find_or_add(budget, key);
    bool now = entry != NULL && (entry->rotation_tried_us == INT64_MIN ||
                                 now_us - entry->rotation_tried_us >= ROTATION_PAUSE_US);
    if (now) {
        entry->rotation_tried_us = now_us;
    }
    (void)pthread_mutex_unlock(&budget->lock);
    return now;
}

void ward_budget_rotation_soon(struct ward_budget *budget, const struct ward_kek_ref *key)
{
    (void)pthread_mutex_lock(&budget->lock);
    struct entry *entry = find(budget, key);
    if (entry != NULL && entry->rotation_tried_us != INT64_MIN) {
        entry->rotation_tried_us -= ROTATION_PAUSE_US - ROTATION_SOON_US;
    }
    (void)pthread_mutex_unlock(&budget->lock);
}

bool ward_budget_reached(struct ward_budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock);
    bool reached = budget->reached;
    budget->reached = false;
    (void)pthread_mutex_unlock(&budget->lock);
    return reached;
}

void ward_budget_trim(struct ward_budget *budget, ward_budget_wraps *wraps, void *context)
{
    (void)pthread_mutex_lock(&budget->lock);
    size_t kept = 0, size = TABLE_MIN;
    for (size_t i = 0; i < budget->size; i++) {
        kept += budget->table[i].key.version != 0 && wraps(context, &budget->table[i].key);
    }
    while (size < 2 * (kept + 1)) {
        size *= 2;
    }
    if (kept < budget->n) {
        (void)resize(budget, size, wraps, context); /* without memory it stays as it is */
    }
    (void)pthread_mutex_unlock(&budget->lock);
}

size_t ward_budget_size(struct ward_budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock);
    size_t n = budget->n;
    (void)pthread_mutex_unlock(&budget->lock);
    return n;
}
