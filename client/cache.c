/* SPDX-License-Identifier: Apache-2.0 */
/* The data-key cache: who may have which key, and for how long. One lock, never held during a call
 * to the daemon nor while a key is wiped. Must not know how keys are fetched or stored.
 *
 *   asked for -> found -> within limits: hit
 *             |         `-> past one: dropped, as if not found
 *             |-> being fetched by another thread: wait, then ask again
 *             `-> not found: fetch; those who wait are woken */
#include "client/cache.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cache_entry.h"
#include "client/client.h"
#include "client/fork.h"
#include "proto/context.h"

#define AGE_MAX_MS 86400000u
#define ENTRIES_MAX 10000u
#define USES_MAX (UINT64_C(1) << 32) /* SP 800-38D: messages under one key with random nonces */
#define BYTES_MAX (UINT64_C(1) << 40)
#define ID_BUDGET ((size_t)64 * 1024)

struct ward_cache {
    struct ward_fork_hook fork; /* first */
    ward_client *client;
    const struct ward_clock *clock;
    ward_cache_limits limits;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t fetched;
    struct ward_cache_table table;
    ward_cache_stats stats;
    bool forked; /* all in the table is the parent's */
};

/* What is asked for: the request that is sent when it is not here. */
struct wanted {
    const ward_call *call;
    const char *key;           /* sealing: the key-encryption key's name; NULL: unwrapping */
    uint32_t size;             /* sealing: of the data key */
    uint64_t bytes;            /* sealing: that will be encrypted */
    struct ward_bytes wrapped; /* unwrapping */
    const ward_pair *context;
    size_t n_context;
};

/* Time that goes on while the machine sleeps: a key does not outlive its age in a suspended one. */
static int64_t boot_us(const struct ward_clock *clock)
{
    (void)clock;
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* fails only for a bad id */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static const struct ward_clock boot_clock = {.monotonic_us = boot_us};

static void lock(ward_cache *cache)
{
    int failed = pthread_mutex_lock(&cache->lock);
    assert(failed == 0);
    (void)failed;
}

static void unlock(ward_cache *cache)
{
    int failed = pthread_mutex_unlock(&cache->lock);
    assert(failed == 0);
    (void)failed;
}

/* ---- fork ---- */

static void fork_before(struct ward_fork_hook *hook)
{
    lock((ward_cache *)hook);
}

static void fork_parent(struct ward_fork_hook *hook)
{
    unlock((ward_cache *)hook);
}

/* The keys themselves are zeros here already. Freeing what held them waits for the next call, since
 * the pool of secrets may still be locked. */
static void fork_child(struct ward_fork_hook *hook)
{
    ward_cache *cache = (ward_cache *)hook;
    cache->forked = true;
    ward_condition_init(&cache->fetched);
    unlock(cache);
}

/* ---- leaving ---- */

/* With the lock held. All: whatever its age. */
static void drop_old(ward_cache *cache, bool all, struct ward_cache_queue *garbage)
{
    int64_t now = ward_monotonic_us(cache->clock);
    struct ward_cache_entry *entry = NULL;
    while ((entry = TAILQ_FIRST(&cache->table.by_age)) != NULL &&
           (all || now - entry->born_us >= (int64_t)cache->limits.max_age_ms * 1000)) {
        cache->stats.expired += !all;
        ward_cache_drop(&cache->table, entry, garbage);
    }
}

/* Those being fetched: their threads keep what they fetch for themselves. */
static void disown_fetches(ward_cache *cache, struct ward_cache_queue *garbage)
{
    for (size_t i = 0; i < cache->table.n_chains; i++) {
        struct ward_cache_entry *entry = NULL;
        while ((entry = LIST_FIRST(&cache->table.chains[i])) != NULL) {
            ward_cache_drop(&cache->table, entry, garbage);
            if (cache->forked && entry->key == NULL && entry->waiting == 0) {
                TAILQ_INSERT_TAIL(garbage, entry, by_age); /* its thread is not here */
            }
        }
    }
}

static void forget_parent(ward_cache *cache, struct ward_cache_queue *garbage)
{
    if (cache->forked) {
        for (size_t i = 0; i < cache->table.n_chains; i++) {
            struct ward_cache_entry *entry = LIST_FIRST(&cache->table.chains[i]);
            for (; entry != NULL; entry = LIST_NEXT(entry, chain)) {
                entry->waiting = 0; /* those who waited are not here */
            }
        }
        drop_old(cache, true, garbage);
        disown_fetches(cache, garbage);
        cache->stats = (ward_cache_stats){0};
        cache->forked = false;
    }
}

static bool used_up(const ward_cache *cache, const struct ward_cache_entry *entry,
                    const struct wanted *wanted)
{
    return wanted->key != NULL && (entry->uses >= cache->limits.max_uses ||
                                   wanted->bytes > cache->limits.max_bytes_sealed - entry->bytes);
}

/* ---- fetching ---- */

static ward_rc fetch(ward_cache *cache, const struct wanted *wanted, ward_data_keys **ret,
                     ward_error *error)
{
    return wanted->key != NULL
               ? ward_generate_data_key(cache->client, wanted->call, wanted->key, wanted->context,
                                        wanted->n_context, wanted->size, ret, error)
               : ward_unwrap_data_key(cache->client, wanted->call, wanted->wrapped.data,
                                      wanted->wrapped.size, wanted->context, wanted->n_context, ret,
                                      error);
}

/* Held once, by whoever made it. */
static ward_rc make_key(const struct wanted *wanted, const ward_data_keys *keys,
                        struct ward_cached_key **ret, ward_error *error)
{
    size_t size = 0, wrapped_size = wanted->wrapped.size;
    const void *plaintext = ward_data_keys_plaintext(keys, 0, 0, &size);
    const void *wrapped = wanted->key != NULL ? ward_data_keys_wrapped(keys, 0, 0, &wrapped_size)
                                              : wanted->wrapped.data;
    if (size == 0 || wrapped_size == 0) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon's answer holds no data key");
    }
    struct ward_cached_key *key = malloc(sizeof(*key) + wrapped_size);
    if (key == NULL) {
        return ward_error_memory(error);
    }
    if (!ward_ok(ward_secret_new(WARD_BYTES(plaintext, size), &key->plaintext))) {
        free(key);
        return ward_error_set(error, WARD_RC_RESOURCE_EXHAUSTED,
                              "no locked memory for the data keys; free some, or raise ulimit -l");
    }
    atomic_init(&key->holders, 1);
    key->wrapped_size = wrapped_size;
    memcpy(key->wrapped, wrapped, wrapped_size);
    *ret = key;
    return WARD_RC_OK;
}

static ward_rc fetch_key(ward_cache *cache, const struct wanted *wanted,
                         struct ward_cached_key **ret, ward_error *error)
{
    ward_data_keys *keys = NULL;
    ward_rc rc = fetch(cache, wanted, &keys, error);
    if (rc == WARD_RC_OK) {
        rc = make_key(wanted, keys, ret, error);
    }
    ward_data_keys_free(keys);
    return rc;
}

/* ---- giving out ---- */

/* With the lock held: the key within its limits, one more holder. */
static ward_cached_key *hand_out(ward_cache *cache, struct ward_cache_entry *entry,
                                 const struct wanted *wanted)
{
    if (wanted->key != NULL) {
        entry->uses++;
        entry->bytes += wanted->bytes;
    }
    if (entry->listed) {
        ward_cache_touch(&cache->table, entry);
    }
    (void)atomic_fetch_add_explicit(&entry->key->holders, 1, memory_order_relaxed);
    return entry->key;
}

/* With the lock held, around a call without it. The entry may have been disowned meanwhile. */
static ward_rc fetch_entry(ward_cache *cache, const struct wanted *wanted,
                           struct ward_cache_entry *entry, ward_cached_key **ret, ward_error *error,
                           struct ward_cache_queue *garbage)
{
    struct ward_cached_key *key = NULL;
    ward_error said = {0};
    cache->stats.fetches++;
    unlock(cache);
    int64_t born_us = ward_monotonic_us(cache->clock);
    ward_rc rc = fetch_key(cache, wanted, &key, &said);
    lock(cache);
    if (rc == WARD_RC_OK && entry->listed) {
        ward_cache_fill(&cache->table, entry, key, born_us);
        *ret = hand_out(cache, entry, wanted);
        if (cache->table.n > cache->limits.max_entries) {
            cache->stats.displaced++;
            ward_cache_drop(&cache->table, TAILQ_FIRST(&cache->table.by_use), garbage);
        }
    } else {
        if (rc == WARD_RC_OK) { /* ours alone */
            *ret = key;
            entry->error.code = WARD_RC_ABORTED;
        } else {
            cache->stats.failures++;
            entry->error = said;
            entry->error.code = rc;
            if (error != NULL) {
                *error = said;
            }
        }
        if (entry->listed) {
            ward_cache_drop(&cache->table, entry, garbage);
        } else if (entry->waiting == 0) {
            TAILQ_INSERT_TAIL(garbage, entry, by_age);
        }
    }
    (void)pthread_cond_broadcast(&cache->fetched);
    return rc;
}

/* With the lock held: until another thread has fetched it. OK: look again. What the daemon refused
 * is refused to all who waited; what failed on the way is tried again by one of them. */
static ward_rc wait_for(ward_cache *cache, struct ward_cache_entry *entry, int64_t deadline_us,
                        ward_error *error, struct ward_cache_queue *garbage)
{
    struct timespec until = {.tv_sec = deadline_us / 1000000,
                             .tv_nsec = deadline_us % 1000000 * 1000};
    int late = 0;
    entry->waiting++;
    while (entry->key == NULL && entry->error.code == WARD_RC_OK && late == 0) {
        late = pthread_cond_timedwait(&cache->fetched, &cache->lock, &until);
    }
    entry->waiting--;
    bool fetching = entry->key == NULL && entry->error.code == WARD_RC_OK;
    ward_rc rc = WARD_RC_OK;
    if (fetching) {
        rc = ward_error_set(error, WARD_RC_DEADLINE_EXCEEDED,
                            "another thread's call for the same data key did not end in time");
    } else if (entry->error.code != WARD_RC_OK && entry->error.answered) {
        rc = entry->error.code;
        if (error != NULL) {
            *error = entry->error;
        }
    }
    if (!fetching && !entry->listed && entry->waiting == 0) {
        TAILQ_INSERT_TAIL(garbage, entry, by_age);
    }
    return rc;
}

/* With the lock held. */
static ward_rc get_locked(ward_cache *cache, const struct wanted *wanted,
                          const struct ward_cache_id *id, ward_cached_key **ret, ward_error *error,
                          struct ward_cache_queue *garbage)
{
    int64_t deadline_us = ward_client_deadline_us(cache->client, wanted->call);
    bool waited = false;
    forget_parent(cache, garbage);
    for (;;) {
        drop_old(cache, false, garbage);
        struct ward_cache_entry *entry = ward_cache_find(&cache->table, id);
        if (entry != NULL && entry->key == NULL) {
            waited = true;
            WARD_CLIENT_TRY(wait_for(cache, entry, deadline_us, error, garbage));
            continue;
        }
        if (entry != NULL && !used_up(cache, entry, wanted)) {
            cache->stats.hits++;
            cache->stats.waits += waited;
            *ret = hand_out(cache, entry, wanted);
            return WARD_RC_OK;
        }
        if (entry != NULL) {
            cache->stats.used_up++;
            ward_cache_drop(&cache->table, entry, garbage);
        }
        entry = ward_cache_add(&cache->table, id);
        return entry == NULL ? ward_error_memory(error)
                             : fetch_entry(cache, wanted, entry, ret, error, garbage);
    }
}

/* ---- what is asked for ---- */

/* Every part has its size before it, so that no two requests run into one another. */
static ward_status digest_wanted(const struct wanted *wanted, struct ward_bytes context,
                                 struct ward_cache_id *ret)
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    uint8_t head[16];
    struct ward_bytes what = wanted->key != NULL ? ward_bytes_str(wanted->key) : wanted->wrapped;
    ward_put_u32(head, wanted->key != NULL ? 1 : 2);
    ward_put_u32(head + 4, wanted->size);
    ward_put_u64(head + 8, what.size);
    const struct ward_bytes parts[] = {WARD_BYTES_ARRAY(head), what, context};
    WARD_TRY(ward_digest_new(&digest));
    return ward_sha256(digest, parts, 3, ret->bytes);
}

static ward_status make_id(const struct wanted *wanted, struct ward_arena *arena,
                           struct ward_cache_id *ret)
{
    struct ward_context_pair *pairs =
        WARD_ARENA_ARRAY(arena, struct ward_context_pair, wanted->n_context);
    WARD_ENSURE(pairs != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < wanted->n_context; i++) {
        pairs[i] = (struct ward_context_pair){ward_bytes_str(wanted->context[i].key),
                                              ward_bytes_str(wanted->context[i].value)};
    }
    struct ward_context context;
    WARD_TRY(ward_context_build(arena, pairs, wanted->n_context, &context));
    return digest_wanted(wanted, context.canonical, ret);
}

static ward_rc get(ward_cache *cache, const struct wanted *wanted, ward_cached_key **ret,
                   ward_error *error)
{
    struct ward_cache_id id;
    struct ward_arena *arena = NULL;
    ward_status status = ward_arena_new(ID_BUDGET, &arena);
    if (ward_ok(status)) {
        status = make_id(wanted, arena, &id);
    }
    ward_arena_free(arena);
    if (!ward_ok(status)) {
        return ward_error_status(error, status);
    }
    struct ward_cache_queue garbage = TAILQ_HEAD_INITIALIZER(garbage);
    lock(cache);
    ward_rc rc = get_locked(cache, wanted, &id, ret, error, &garbage);
    unlock(cache);
    ward_cache_entries_free(&garbage);
    return rc;
}

ward_rc ward_cache_data_key(ward_cache *cache, const ward_call *call, const char *key,
                            const ward_pair *context, size_t n_context, uint32_t size,
                            uint64_t bytes, ward_cached_key **ret, ward_error *error)
{
    if (key == NULL) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: not given");
    }
    if (bytes > cache->limits.max_bytes_sealed) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "bytes: more than max_bytes_sealed, %llu",
                              (unsigned long long)cache->limits.max_bytes_sealed);
    }
    const struct wanted wanted = {.call = call,
                                  .key = key,
                                  .size = size == 0 ? 32 : size,
                                  .bytes = bytes,
                                  .context = context,
                                  .n_context = n_context};
    return get(cache, &wanted, ret, error);
}

ward_rc ward_cache_unwrap(ward_cache *cache, const ward_call *call, const void *wrapped,
                          size_t wrapped_size, const ward_pair *context, size_t n_context,
                          ward_cached_key **ret, ward_error *error)
{
    const struct wanted wanted = {.call = call,
                                  .wrapped = WARD_BYTES(wrapped, wrapped_size),
                                  .context = context,
                                  .n_context = n_context};
    return get(cache, &wanted, ret, error);
}

const void *ward_cached_key_plaintext(const ward_cached_key *key, size_t *size)
{
    struct ward_bytes view = ward_secret_view(key->plaintext);
    *size = view.size;
    return view.size == 0 ? NULL : view.data;
}

const void *ward_cached_key_wrapped(const ward_cached_key *key, size_t *size)
{
    *size = key->wrapped_size;
    return key->wrapped;
}

/* ---- the cache ---- */

static ward_rc check_limit(const char *name, uint64_t *value, uint64_t most, ward_error *error)
{
    if (*value == 0) {
        *value = most;
    }
    return *value <= most ? WARD_RC_OK
                          : ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "%s: not 1 to %llu",
                                           name, (unsigned long long)most);
}

static ward_rc check_limits(ward_cache_limits *limits, ward_error *error)
{
    uint64_t entries = limits->max_entries;
    if (limits->max_age_ms == 0 || limits->max_age_ms > AGE_MAX_MS) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "max_age_ms: not 1 to %u",
                              AGE_MAX_MS);
    }
    WARD_CLIENT_TRY(check_limit("max_entries", &entries, ENTRIES_MAX, error));
    limits->max_entries = (uint32_t)entries;
    WARD_CLIENT_TRY(check_limit("max_uses", &limits->max_uses, USES_MAX, error));
    return check_limit("max_bytes_sealed", &limits->max_bytes_sealed, BYTES_MAX, error);
}

ward_rc ward_cache_new_by(ward_client *client, const ward_cache_limits *limits,
                          const struct ward_clock *clock, ward_cache **ret, ward_error *error)
{
    ward_cache_limits checked = *limits;
    WARD_CLIENT_TRY(check_limits(&checked, error));
    ward_cache *cache = calloc(1, sizeof(*cache));
    if (cache == NULL) {
        return ward_error_memory(error);
    }
    ward_rc rc = ward_cache_table_init(&cache->table, checked.max_entries, error);
    if (rc != WARD_RC_OK) {
        free(cache);
        return rc;
    }
    cache->fork = (struct ward_fork_hook){fork_before, fork_parent, fork_child, NULL, NULL};
    cache->client = client;
    cache->clock = clock;
    cache->limits = checked;
    (void)pthread_mutex_init(&cache->lock, NULL); /* cannot fail on Linux */
    ward_condition_init(&cache->fetched);
    ward_fork_watch(&cache->fork);
    *ret = cache;
    return WARD_RC_OK;
}

ward_rc ward_cache_new(ward_client *client, const ward_cache_limits *limits, ward_cache **ret,
                       ward_error *error)
{
    return ward_cache_new_by(client, limits, &boot_clock, ret, error);
}

void ward_cache_clear(ward_cache *cache)
{
    struct ward_cache_queue garbage = TAILQ_HEAD_INITIALIZER(garbage);
    lock(cache);
    forget_parent(cache, &garbage);
    drop_old(cache, true, &garbage);
    disown_fetches(cache, &garbage);
    unlock(cache);
    ward_cache_entries_free(&garbage);
}

void ward_cache_expire(ward_cache *cache)
{
    struct ward_cache_queue garbage = TAILQ_HEAD_INITIALIZER(garbage);
    lock(cache);
    forget_parent(cache, &garbage);
    drop_old(cache, false, &garbage);
    unlock(cache);
    ward_cache_entries_free(&garbage);
}

void ward_cache_get_stats(ward_cache *cache, ward_cache_stats *ret)
{
    ward_cache_expire(cache);
    lock(cache);
    *ret = cache->stats;
    ret->entries = cache->table.n;
    unlock(cache);
}

void ward_cache_free(ward_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    ward_fork_unwatch(&cache->fork);
    ward_cache_clear(cache);
    ward_cache_table_fini(&cache->table);
    (void)pthread_cond_destroy(&cache->fetched);
    (void)pthread_mutex_destroy(&cache->lock);
    free(cache);
}
