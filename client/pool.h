/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, each lent to one call at a time, up to a number; those that wait are kept warm for a
 * while. Threads share a pool; a forked child finds its copy empty. */
#ifndef WARD_CLIENT_POOL_H
#define WARD_CLIENT_POOL_H

#include "client/config.h"
#include "client/endpoint.h"
#include "client/transport.h"

struct ward_pool;

/* One place in the pool, held by one call. */
struct ward_lease {
    size_t place, server;
    struct ward_transport *transport; /* connected, as far as can be seen; NULL: not yet */
};

enum ward_pool_outcome {
    WARD_POOL_ANSWERED,  /* the daemon works */
    WARD_POOL_UNDECIDED, /* nothing is known about the daemon */
    WARD_POOL_FAILED,    /* it could not be reached, or said that it cannot work now */
};

ward_rc ward_pool_new(const struct ward_config *config, struct ward_credentials *credentials,
                      struct ward_pool **ret, ward_error *error);
/* No lease may be out. */
void ward_pool_free(struct ward_pool *pool);

/* Waits for a place until the deadline; false when there is none. tried: a bit for each server that
 * this call has failed on. */
bool ward_pool_take(struct ward_pool *pool, uint32_t tried, int64_t deadline_us,
                    struct ward_lease *ret);
/* A transport for the lease: its own when it is alive, else a new one, which is ready: the daemon
 * took our certificate. On failure nothing was sent that could have been worked on. */
ward_rc ward_pool_connect(struct ward_pool *pool, struct ward_lease *lease, int64_t deadline_us,
                          ward_error *error);
void ward_pool_give(struct ward_pool *pool, struct ward_lease *lease,
                    enum ward_pool_outcome outcome);
/* Another server is worth a try now. */
bool ward_pool_other(struct ward_pool *pool, uint32_t tried);
const struct ward_endpoint *ward_pool_endpoint(const struct ward_pool *pool, size_t server);

#endif
