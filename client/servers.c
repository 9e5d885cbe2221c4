/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing among daemons by counts and times that are handed in. Must not know sockets. */
#include "client/servers.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "client/fork.h"

#define REST_MS 200u
#define REST_MAX_MS 10000u

/* Half of the time for certain, the other half by chance, so that clients do not come as one. */
static int64_t jitter_us(uint32_t ms)
{
    uint8_t random[2] = {0x80, 0};
    (void)ward_fork_random(random, sizeof(random)); /* the middle will do */
    return (int64_t)ms * 500 + (int64_t)ms * 500 * ward_get_u16(random) / 65535;
}

ward_rc ward_servers_init(const struct ward_config *config, struct ward_credentials *credentials,
                          struct ward_servers *ret, ward_error *error)
{
    *ret = (struct ward_servers){.n = config->n_servers};
    if (config->n_servers == 0) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "server: not given");
    }
    ret->all = calloc(config->n_servers, sizeof(*ret->all));
    if (ret->all == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < config->n_servers; i++) {
        ward_rc rc = ward_endpoint_init(config->servers[i], config->server_name, credentials,
                                        &ret->all[i].endpoint, error);
        if (rc != WARD_RC_OK) {
            ward_servers_fini(ret);
            return rc;
        }
    }
    uint8_t random = 0;
    (void)ward_fork_random(&random, 1);
    ret->first = random % ret->n;
    return WARD_RC_OK;
}

void ward_servers_fini(struct ward_servers *servers)
{
    free(servers->all);
    servers->all = NULL;
}

bool ward_server_rests(const struct ward_server *server, int64_t now_us)
{
    return server->rests_until_us > now_us;
}

static bool is_tried(uint32_t tried, size_t i)
{
    return (tried >> i & 1) != 0;
}

/* Whether a is the better choice. */
static bool better(const struct ward_servers *servers, uint32_t tried, int64_t now_us, size_t a,
                   size_t b)
{
    const struct ward_server *one = &servers->all[a], *other = &servers->all[b];
    if (is_tried(tried, a) != is_tried(tried, b)) {
        return is_tried(tried, b);
    }
    bool rests = ward_server_rests(one, now_us);
    if (rests != ward_server_rests(other, now_us)) {
        return !rests;
    }
    return rests ? one->rests_until_us < other->rests_until_us
                 : one->connections < other->connections;
}

size_t ward_servers_choose(struct ward_servers *servers, uint32_t tried, int64_t now_us)
{
    size_t best = servers->first;
    for (size_t i = 1; i < servers->n; i++) {
        size_t next = (servers->first + i) % servers->n;
        if (better(servers, tried, now_us, next, best)) {
            best = next;
        }
    }
    servers->first = (best + 1) % servers->n;
    return best;
}

bool ward_servers_other(const struct ward_servers *servers, uint32_t tried, int64_t now_us)
{
    for (size_t i = 0; i < servers->n; i++) {
        if (!is_tried(tried, i) && !ward_server_rests(&servers->all[i], now_us)) {
            return true;
        }
    }
    return false;
}

void ward_server_failed(struct ward_server *server, int64_t now_us)
{
    uint32_t ms = REST_MS;
    for (unsigned i = 0; i < server->failures && ms < REST_MAX_MS; i++) {
        ms *= 2;
    }
    server->failures++;
    server->rests_until_us = now_us + jitter_us(ms < REST_MAX_MS ? ms : REST_MAX_MS);
}

void ward_server_answered(struct ward_server *server)
{
    server->failures = 0;
    server->rests_until_us = 0;
}
