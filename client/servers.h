/* SPDX-License-Identifier: Apache-2.0 */
/* The daemons that a client may call, and which one the next connection goes to. A daemon that
 * failed is left alone for a while that grows, with jitter, and is asked all the same when no other
 * is better. No lock: the pool's guards it. */
#ifndef WARD_CLIENT_SERVERS_H
#define WARD_CLIENT_SERVERS_H

#include "client/config.h"
#include "client/endpoint.h"

struct ward_server {
    struct ward_endpoint endpoint;
    unsigned connections; /* open ones */
    unsigned failures;    /* in a row */
    int64_t rests_until_us;
};

struct ward_servers {
    struct ward_server *all;
    size_t n, first; /* first: where a choice among equals begins */
};

/* INVALID_ARGUMENT with the server that is wrong. The credentials are borrowed. */
ward_rc ward_servers_init(const struct ward_config *config, struct ward_credentials *credentials,
                          struct ward_servers *ret, ward_error *error);
void ward_servers_fini(struct ward_servers *servers);

/* Not resting; among those the one with the fewest connections; else the one whose rest ends first.
 * tried: a bit for each server that this call has failed on, taken only when all of them are. */
size_t ward_servers_choose(struct ward_servers *servers, uint32_t tried, int64_t now_us);
bool ward_server_rests(const struct ward_server *server, int64_t now_us);
/* There is a server that neither rests nor was tried. */
bool ward_servers_other(const struct ward_servers *servers, uint32_t tried, int64_t now_us);
void ward_server_failed(struct ward_server *server, int64_t now_us);
void ward_server_answered(struct ward_server *server);

#endif
