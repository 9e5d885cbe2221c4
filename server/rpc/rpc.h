/* SPDX-License-Identifier: Apache-2.0 */
/* The network side of the daemon: loop threads that accept, speak TLS, HTTP/2 and gRPC, decode
 * messages into requests, and encode answers. It knows the pipeline only by the three calls below.
 */
#ifndef WARD_SERVER_RPC_RPC_H
#define WARD_SERVER_RPC_RPC_H

#include "server/net/endings.h"
#include "server/net/settings.h"
#include "server/net/shared.h"
#include "server/request.h"

struct ward_rpc_config {
    const char *listen; /* "127.0.0.1:7443", "[::1]:7443"; port 0: any, see ward_rpc_port */
    const char *certificate_file; /* PEM chain */
    const char *key_file;         /* PEM */
    const char *client_ca_file;   /* PEM */
    const char *client_crl_file;  /* PEM; NULL: none */
    bool tls_1_2;                 /* allowed beside 1.3 */
    unsigned loops;               /* 1 .. 64 */
    struct ward_net_settings net;
};

struct ward_rpc_handler {
    void *context;
    /* On a loop thread, at the end of its turn: all requests that became complete in it, in order.
     * Each has peer, op, method, in, header fields and deadline; or a status and refused = true.
     * Ownership moves. */
    void (*submit)(void *context, struct ward_list *requests);
    /* Any thread: for grpc.health.v1. */
    bool (*serving)(void *context);
    /* Counted, not audited one by one. */
    void (*unidentified)(void *context, unsigned handshakes_failed, unsigned requests_refused);
    /* On a loop thread, when a connection opens and after ward_rpc_recheck: false closes it at
     * once. NULL: everybody is. */
    bool (*still_welcome)(void *context, const struct ward_peer *peer);
    /* On a loop thread, when a connection opens: does it end after officer_max_age? NULL: none
     * does. */
    bool (*officer)(void *context, const struct ward_peer *peer);
    /* On a loop thread, for each question of grpc.reflection.v1: OK or a refusal. NULL: there is no
     * such service. */
    ward_status (*may_reflect)(void *context, struct ward_peer *peer);
};

struct ward_rpc_stats { /* all loops together; any thread */
    uint64_t connections, connections_total, handshakes_failed, requests, streams;
    uint64_t handshakes;  /* under way */
    uint64_t turned_away; /* for want of a place */
    uint64_t dead;        /* connections of peers that did not answer a ping */
    uint64_t held_bytes;  /* messages, requests and answers */
    uint64_t vanished;    /* requests whose work was done although their caller had gone */
};

struct ward_rpc;

/* Binds and loads certificates; starts nothing. Errors: UNAVAILABLE for the socket, INVALID with
 * text for files. */
ward_status ward_rpc_new(const struct ward_rpc_config *config,
                         const struct ward_rpc_handler *handler, struct ward_rpc **ret);
/* UTC, microseconds: when the daemon's own certificate ends. */
int64_t ward_rpc_certificate_end_us(const struct ward_rpc *rpc);
/* When that, the CAs of clients and their revocation lists end. Any thread. */
void ward_rpc_endings(const struct ward_rpc *rpc, struct ward_endings *ret);
/* Client certificates in use here since the last time, to be told to other daemons; how many. Any
 * thread. */
size_t ward_rpc_heard(const struct ward_rpc *rpc,
                      struct ward_sighting out[static WARD_SIGHTINGS_MAX]);
/* What another daemon says of one: see server/net/sharing.h. Any thread. */
void ward_rpc_elsewhere(const struct ward_rpc *rpc, const struct ward_sighting *here,
                        const struct ward_ip *other, bool earlier);
/* Client certificates in use in two places at once: those that nobody was told of yet, and all that
 * were found since then (monotonic). How many. Any thread. */
size_t ward_rpc_shared_untold(const struct ward_rpc *rpc, struct ward_shared *out, size_t max);
void ward_rpc_shared_told(const struct ward_rpc *rpc, const uint8_t certificate[static 32]);
size_t ward_rpc_shared_since(const struct ward_rpc *rpc, int64_t since_us, struct ward_shared *out,
                             size_t max);
unsigned ward_rpc_port(const struct ward_rpc *rpc);
ward_status ward_rpc_start(struct ward_rpc *rpc); /* starts the loop threads */
/* Any thread: answers move to the loops of their origins, which encode, write and free them. */
void ward_rpc_complete(struct ward_rpc *rpc, struct ward_list *requests);
/* The certificates' files read anew, not in force yet; to be freed with ward_tls_free, or used. */
struct ward_tls;
ward_status ward_rpc_read_certificates(const struct ward_rpc *rpc, struct ward_tls **ret);
/* New connections use them, and open ones are held against them. It cannot fail. */
void ward_rpc_use_certificates(struct ward_rpc *rpc, struct ward_tls *take_fresh);
/* Any thread, once what still_welcome looks at has changed: every loop asks it for each open
 * connection, within its next turn, and closes those that it refuses. */
void ward_rpc_recheck(struct ward_rpc *rpc);
/* Stops accepting, sends GOAWAY, returns when all streams have ended or timeout_ms passed. */
void ward_rpc_drain(struct ward_rpc *rpc, unsigned timeout_ms);
void ward_rpc_stats(const struct ward_rpc *rpc, struct ward_rpc_stats *ret);
void ward_rpc_free(struct ward_rpc *rpc); /* joins the threads */

#endif
