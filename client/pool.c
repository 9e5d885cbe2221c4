/* SPDX-License-Identifier: Apache-2.0 */
/* Places for connections, under one lock that is held for a few instructions: connecting, waiting
 * and closing happen outside it. Must not know what calls say, nor when they are repeated.
 *
 *   place: empty -> lent -> waiting (on the stack) -> lent ... -> empty */
#include "client/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "client/fork.h"
#include "client/servers.h"

#define IDLE_MAX_US INT64_C(300000000) /* less than daemons allow by default */
#define CLOSE_AT_ONCE 16
#define DOUBT_MS 50

struct place {
    struct ward_transport *transport;
    size_t server;
    int64_t idle_since_us;
};

struct ward_pool {
    struct ward_fork_hook fork; /* first */
    struct ward_credentials *credentials;
    uint32_t connect_timeout_ms;
    size_t max;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t freed;
    struct ward_servers servers;
    struct place *places; /* max of them */
    size_t *empty;        /* a stack of those without a connection */
    size_t *idle;         /* a stack of those that wait: the last is the warmest */
    size_t n_empty, n_idle;
};

static int64_t now_us(void)
{
    return ward_monotonic_us(&ward_clock_system);
}

static void lock(struct ward_pool *pool)
{
    int failed = pthread_mutex_lock(&pool->lock);
    assert(failed == 0);
    (void)failed;
}

static void unlock(struct ward_pool *pool)
{
    int failed = pthread_mutex_unlock(&pool->lock);
    assert(failed == 0);
    (void)failed;
}

static void all_empty(struct ward_pool *pool)
{
    pool->n_idle = 0;
    pool->n_empty = pool->max;
    for (size_t i = 0; i < pool->max; i++) {
        pool->places[i] = (struct place){0};
        pool->empty[i] = pool->max - 1 - i;
    }
}

/* ---- fork ---- */

static void fork_before(struct ward_fork_hook *hook)
{
    lock((struct ward_pool *)hook);
}

static void fork_parent(struct ward_fork_hook *hook)
{
    unlock((struct ward_pool *)hook);
}

/* The parent goes on with its connections: not a byte is sent on them from here. */
static void fork_child(struct ward_fork_hook *hook)
{
    struct ward_pool *pool = (struct ward_pool *)hook;
    for (size_t i = 0; i < pool->max; i++) {
        if (pool->places[i].transport != NULL) {
            ward_transport_abandon(pool->places[i].transport);
        }
    }
    all_empty(pool);
    for (size_t i = 0; i < pool->servers.n; i++) {
        pool->servers.all[i].connections = 0;
    }
    ward_condition_init(&pool->freed);
    ward_credentials_forked(pool->credentials);
    unlock(pool);
}

/* ---- the pool ---- */

static void release(struct ward_pool *pool)
{
    ward_servers_fini(&pool->servers);
    free(pool->places);
    free(pool->empty);
    free(pool->idle);
    free(pool);
}

ward_rc ward_pool_new(const struct ward_config *config, struct ward_credentials *credentials,
                      struct ward_pool **ret, ward_error *error)
{
    struct ward_pool *pool = calloc(1, sizeof(*pool));
    if (pool == NULL) {
        return ward_error_memory(error);
    }
    pool->fork = (struct ward_fork_hook){fork_before, fork_parent, fork_child, NULL, NULL};
    pool->credentials = credentials;
    pool->connect_timeout_ms = config->connect_timeout_ms;
    pool->max = config->max_connections;
    pool->places = calloc(pool->max, sizeof(*pool->places));
    pool->empty = calloc(pool->max, sizeof(*pool->empty));
    pool->idle = calloc(pool->max, sizeof(*pool->idle));
    ward_rc rc = pool->places == NULL || pool->empty == NULL || pool->idle == NULL
                     ? ward_error_memory(error)
                     : ward_servers_init(config, credentials, &pool->servers, error);
    if (rc != WARD_RC_OK) {
        release(pool);
        return rc;
    }
    all_empty(pool);
    (void)pthread_mutex_init(&pool->lock, NULL); /* cannot fail on Linux */
    ward_condition_init(&pool->freed);
    ward_fork_watch(&pool->fork);
    *ret = pool;
    return WARD_RC_OK;
}

void ward_pool_free(struct ward_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    ward_fork_unwatch(&pool->fork);
    assert(pool->n_idle + pool->n_empty == pool->max); /* a call is under way */
    for (size_t i = 0; i < pool->max; i++) {
        ward_transport_free(pool->places[i].transport);
    }
    (void)pthread_cond_destroy(&pool->freed);
    (void)pthread_mutex_destroy(&pool->lock);
    release(pool);
}

const struct ward_endpoint *ward_pool_endpoint(const struct ward_pool *pool, size_t server)
{
    return &pool->servers.all[server].endpoint;
}

bool ward_pool_other(struct ward_pool *pool, uint32_t tried)
{
    int64_t now = now_us();
    lock(pool);
    bool other = ward_servers_other(&pool->servers, tried, now);
    unlock(pool);
    return other;
}

/* ---- taking ---- */

/* The warmest connection to a server that neither rests nor was tried; pool->n_idle: none. With
 * one server there is nothing to choose. */
static size_t warmest(const struct ward_pool *pool, uint32_t tried, int64_t now)
{
    for (size_t i = pool->n_idle; i > 0; i--) {
        size_t server = pool->places[pool->idle[i - 1]].server;
        if (pool->servers.n == 1 ||
            ((tried >> server & 1) == 0 && !ward_server_rests(&pool->servers.all[server], now))) {
            return i - 1;
        }
    }
    return pool->n_idle;
}

/* Takes the i-th of the waiting connections off the stack, which keeps its order. */
static size_t take_idle(struct ward_pool *pool, size_t i)
{
    size_t place = pool->idle[i];
    for (pool->n_idle--; i < pool->n_idle; i++) {
        pool->idle[i] = pool->idle[i + 1];
    }
    return place;
}

/* No waiting connection will do: the best server, by a connection that waits or in an empty place.
 * Where no place is empty the coldest connection leaves. */
static size_t second_best(struct ward_pool *pool, uint32_t tried, int64_t now,
                          struct ward_transport **ret_unwanted)
{
    size_t server = ward_servers_choose(&pool->servers, tried, now), place = 0;
    for (size_t i = pool->n_idle; i > 0; i--) {
        if (pool->places[pool->idle[i - 1]].server == server) {
            return take_idle(pool, i - 1);
        }
    }
    if (pool->n_empty > 0) {
        place = pool->empty[--pool->n_empty];
    } else {
        place = take_idle(pool, 0);
        *ret_unwanted = pool->places[place].transport;
        pool->servers.all[pool->places[place].server].connections--;
    }
    pool->servers.all[server].connections++;
    pool->places[place] = (struct place){.server = server};
    return place;
}

bool ward_pool_take(struct ward_pool *pool, uint32_t tried, int64_t deadline_us,
                    struct ward_lease *ret)
{
    struct timespec until = {.tv_sec = deadline_us / 1000000,
                             .tv_nsec = deadline_us % 1000000 * 1000};
    int waited = 0;
    struct ward_transport *unwanted = NULL;
    lock(pool);
    while (pool->n_idle + pool->n_empty == 0 && waited == 0) {
        waited = pthread_cond_timedwait(&pool->freed, &pool->lock, &until);
    }
    bool taken = pool->n_idle + pool->n_empty > 0;
    if (taken) {
        int64_t now = pool->servers.n == 1 ? 0 : now_us();
        size_t i = warmest(pool, tried, now);
        size_t place =
            i < pool->n_idle ? take_idle(pool, i) : second_best(pool, tried, now, &unwanted);
        *ret =
            (struct ward_lease){place, pool->places[place].server, pool->places[place].transport};
    }
    unlock(pool);
    ward_transport_free(unwanted);
    return taken;
}

/* ---- connecting ---- */

/* So that a forked child knows it. */
static void note_transport(struct ward_pool *pool, const struct ward_lease *lease)
{
    lock(pool);
    pool->places[lease->place].transport = lease->transport;
    unlock(pool);
}

static void drop_transport(struct ward_pool *pool, struct ward_lease *lease)
{
    struct ward_transport *transport = lease->transport;
    lease->transport = NULL;
    note_transport(pool, lease);
    ward_transport_free(transport);
}

/* Until the daemon's first frame is here. One of several servers gets a share of the time only. */
static ward_rc wait_ready(const struct ward_pool *pool, struct ward_transport *transport,
                          int64_t deadline_us, ward_error *error)
{
    int64_t share_us = now_us() + (int64_t)pool->connect_timeout_ms * 1000;
    bool alone = pool->servers.n == 1 || share_us > deadline_us;
    int64_t until_us = alone ? deadline_us : share_us;
    while (!ward_transport_ready(transport)) {
        if (ward_transport_closed(transport)) {
            const ward_error *why = ward_transport_error(transport);
            return ward_error_set(error, why->code, "%s", why->message);
        }
        int64_t left_us = until_us - now_us();
        if (left_us <= 0) {
            return ward_error_set(error, alone ? WARD_RC_DEADLINE_EXCEEDED : WARD_RC_UNAVAILABLE,
                                  "%s: no connection in time", ward_transport_authority(transport));
        }
        ward_transport_wait(transport, (int)(left_us / 1000 + 1));
    }
    return WARD_RC_OK;
}

ward_rc ward_pool_connect(struct ward_pool *pool, struct ward_lease *lease, int64_t deadline_us,
                          ward_error *error)
{
    if (lease->transport != NULL) {
        /* What the daemon said while nobody listened; one that was silent must say something. */
        ward_transport_wait(lease->transport,
                            ward_transport_doubted(lease->transport) ? DOUBT_MS : 0);
        if (ward_transport_usable(lease->transport) && !ward_transport_doubted(lease->transport)) {
            return WARD_RC_OK;
        }
        drop_transport(pool, lease);
    }
    WARD_CLIENT_TRY(
        ward_transport_open(ward_pool_endpoint(pool, lease->server), &lease->transport, error));
    note_transport(pool, lease);
    return wait_ready(pool, lease->transport, deadline_us, error);
}

/* ---- giving back ---- */

/* With the lock held: those that have waited too long, or whose daemon went away, leave. */
static size_t take_stale(struct ward_pool *pool, size_t server, bool gone, int64_t now,
                         struct ward_transport *ret[static CLOSE_AT_ONCE])
{
    size_t n = 0;
    for (size_t i = 0; i < pool->n_idle && n < CLOSE_AT_ONCE;) {
        struct place *place = &pool->places[pool->idle[i]];
        bool fresh = now - place->idle_since_us < IDLE_MAX_US;
        if (fresh && !gone) { /* and those above it are fresher */
            break;
        }
        if (fresh && place->server != server) {
            i++;
            continue;
        }
        ret[n++] = place->transport;
        pool->servers.all[place->server].connections--;
        pool->empty[pool->n_empty++] = take_idle(pool, i);
        *place = (struct place){0};
    }
    return n;
}

void ward_pool_give(struct ward_pool *pool, struct ward_lease *lease,
                    enum ward_pool_outcome outcome)
{
    struct ward_transport *stale[CLOSE_AT_ONCE], *transport = lease->transport;
    bool usable = transport != NULL && ward_transport_usable(transport);
    bool gone = transport != NULL && ward_transport_closed(transport);
    int64_t now = now_us();
    lock(pool);
    struct ward_server *server = &pool->servers.all[lease->server];
    struct place *place = &pool->places[lease->place];
    *place = (struct place){0};
    if (usable) {
        *place = (struct place){transport, lease->server, now};
        pool->idle[pool->n_idle++] = lease->place;
    } else {
        server->connections--;
        pool->empty[pool->n_empty++] = lease->place;
    }
    if (outcome == WARD_POOL_ANSWERED) {
        ward_server_answered(server);
    } else if (outcome == WARD_POOL_FAILED) {
        ward_server_failed(server, now);
    }
    size_t n = take_stale(pool, lease->server, gone, now, stale);
    (void)pthread_cond_signal(&pool->freed);
    unlock(pool);
    if (!usable) {
        ward_transport_free(transport);
    }
    while (n > 0) {
        ward_transport_free(stale[--n]);
    }
    lease->transport = NULL;
}
