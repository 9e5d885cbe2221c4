/* SPDX-License-Identifier: Apache-2.0 */
/* One entry of the data-key cache, and the table that finds, ages and bounds entries. No lock: the
 * cache's guards it. Nothing here frees a key: what leaves is put on a list, and freed when the
 * lock is not held. */
#ifndef WARD_CLIENT_CACHE_ENTRY_H
#define WARD_CLIENT_CACHE_ENTRY_H

#include <stdatomic.h>

#include <sys/queue.h>

#include "base/digest.h"
#include "base/secret.h"
#include "client/error.h"

/* Shared by the cache and those who hold it; freed with the last of them. */
struct ward_cached_key {
    atomic_uint holders;
    struct ward_secret *plaintext;
    size_t wrapped_size;
    uint8_t wrapped[];
};

struct ward_cache_id {
    uint8_t bytes[WARD_SHA256_SIZE]; /* of all that makes two requests the same */
};

struct ward_cache_entry {
    struct ward_cache_id id;
    struct ward_cached_key *key; /* NULL: being fetched, or it failed */
    ward_error error;            /* code OK: not failed */
    bool listed;                 /* in the table */
    unsigned waiting;            /* threads that look at it while it is fetched */
    int64_t born_us;
    uint64_t uses, bytes;
    LIST_ENTRY(ward_cache_entry) chain;
    TAILQ_ENTRY(ward_cache_entry) by_age, by_use; /* only with a key */
};

LIST_HEAD(ward_cache_chain, ward_cache_entry);
TAILQ_HEAD(ward_cache_queue, ward_cache_entry);

struct ward_cache_table {
    struct ward_cache_chain *chains;
    size_t n_chains;                        /* a power of two */
    struct ward_cache_queue by_age, by_use; /* the first is the oldest; is used longest ago */
    size_t n;                               /* with a key */
};

ward_rc ward_cache_table_init(struct ward_cache_table *table, size_t max_entries,
                              ward_error *error);
/* Empty, or its content is lost. */
void ward_cache_table_fini(struct ward_cache_table *table);
/* NULL when there is none. */
struct ward_cache_entry *ward_cache_find(struct ward_cache_table *table,
                                         const struct ward_cache_id *id);
/* A listed entry without a key; NULL when memory is short. */
struct ward_cache_entry *ward_cache_add(struct ward_cache_table *table,
                                        const struct ward_cache_id *id);
/* Gives it its key (taken). */
void ward_cache_fill(struct ward_cache_table *table, struct ward_cache_entry *entry,
                     struct ward_cached_key *take_key, int64_t born_us);
void ward_cache_touch(struct ward_cache_table *table, struct ward_cache_entry *entry);
/* Out of the table and onto the list of what is to be freed, unless threads still look at it: the
 * last of them frees it. */
void ward_cache_drop(struct ward_cache_table *table, struct ward_cache_entry *entry,
                     struct ward_cache_queue *garbage);
void ward_cache_entries_free(struct ward_cache_queue *garbage);
void ward_cache_entry_free(struct ward_cache_entry *entry);

#endif
