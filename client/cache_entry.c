/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table of chains and two queues over the same entries. Must not know limits, clocks or
 * calls. */
#include "client/cache_entry.h"

#include <stdlib.h>
#include <string.h>

void ward_cached_key_free(ward_cached_key *key)
{
    if (key != NULL && atomic_fetch_sub_explicit(&key->holders, 1, memory_order_acq_rel) == 1) {
        ward_secret_free(key->plaintext);
        free(key);
    }
}

void ward_cache_entry_free(struct ward_cache_entry *entry)
{
    ward_cached_key_free(entry->key);
    free(entry);
}

void ward_cache_entries_free(struct ward_cache_queue *garbage)
{
    struct ward_cache_entry *entry = NULL;
    while ((entry = TAILQ_FIRST(garbage)) != NULL) {
        TAILQ_REMOVE(garbage, entry, by_age);
        ward_cache_entry_free(entry);
    }
}

ward_rc ward_cache_table_init(struct ward_cache_table *table, size_t max_entries, ward_error *error)
{
    size_t n = 16;
    while (n < max_entries) {
        n *= 2;
    }
    *table = (struct ward_cache_table){.n_chains = n};
    table->chains = calloc(n, sizeof(*table->chains));
    TAILQ_INIT(&table->by_age);
    TAILQ_INIT(&table->by_use);
    return table->chains == NULL ? ward_error_memory(error) : WARD_RC_OK;
}

void ward_cache_table_fini(struct ward_cache_table *table)
{
    free(table->chains);
    table->chains = NULL;
}

/* A digest's bytes are as good as any hash of them. */
static struct ward_cache_chain *chain_of(struct ward_cache_table *table,
                                         const struct ward_cache_id *id)
{
    return &table->chains[ward_get_u32(id->bytes) & (table->n_chains - 1)];
}

struct ward_cache_entry *ward_cache_find(struct ward_cache_table *table,
                                         const struct ward_cache_id *id)
{
    struct ward_cache_entry *entry = LIST_FIRST(chain_of(table, id));
    while (entry != NULL && memcmp(entry->id.bytes, id->bytes, sizeof(id->bytes)) != 0) {
        entry = LIST_NEXT(entry, chain);
    }
    return entry;
}

struct ward_cache_entry *ward_cache_add(struct ward_cache_table *table,
                                        const struct ward_cache_id *id)
{
    struct ward_cache_entry *entry = calloc(1, sizeof(*entry));
    if (entry != NULL) {
        entry->id = *id;
        entry->listed = true;
        LIST_INSERT_HEAD(chain_of(table, id), entry, chain);
    }
    return entry;
}

void ward_cache_fill(struct ward_cache_table *table, struct ward_cache_entry *entry,
                     struct ward_cached_key *take_key, int64_t born_us)
{
    entry->key = take_key;
    entry->born_us = born_us;
    TAILQ_INSERT_TAIL(&table->by_use, entry, by_use);
    struct ward_cache_entry *older = TAILQ_LAST(&table->by_age, ward_cache_queue);
    while (older != NULL && older->born_us > born_us) { /* calls may overtake one another */
        older = TAILQ_PREV(older, ward_cache_queue, by_age);
    }
    if (older != NULL) {
        TAILQ_INSERT_AFTER(&table->by_age, older, entry, by_age);
    } else {
        TAILQ_INSERT_HEAD(&table->by_age, entry, by_age);
    }
    table->n++;
}

void ward_cache_touch(struct ward_cache_table *table, struct ward_cache_entry *entry)
{
    TAILQ_REMOVE(&table->by_use, entry, by_use);
    TAILQ_INSERT_TAIL(&table->by_use, entry, by_use);
}

void ward_cache_drop(struct ward_cache_table *table, struct ward_cache_entry *entry,
                     struct ward_cache_queue *garbage)
{
    LIST_REMOVE(entry, chain);
    entry->listed = false;
    if (entry->key != NULL) {
        TAILQ_REMOVE(&table->by_age, entry, by_age);
        TAILQ_REMOVE(&table->by_use, entry, by_use);
        table->n--;
    }
    if (entry->waiting == 0 && (entry->key != NULL || entry->error.code != WARD_RC_OK)) {
        TAILQ_INSERT_TAIL(garbage, entry, by_age);
    }
}
