/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the daemon, driven by its owner: submit calls, poll, turn. Nothing here blocks
 * (but the look-up of a host name) or locks; a transport belongs to one thread at a time.
 *
 *   ward_transport_open -> { ward_transport_submit* -> poll(fd, events) -> ward_transport_turn }*
 * -> free turn runs the `done` of calls that ended
 *
 * Messages go in and answers come out as plain bytes without the gRPC prefix. A call costs no
 * memory of its own: its struct and its answer's buffer are the owner's and are used again. */
#ifndef WARD_CLIENT_TRANSPORT_H
#define WARD_CLIENT_TRANSPORT_H

#include "client/endpoint.h"
#include "proto/grpc.h"

struct ward_transport;

struct ward_transport_call {
    /* Set by the owner, borrowed until `done`. */
    const char *path;          /* "/ward.v1.Keys/ListKeys" */
    struct ward_bytes message; /* at most 4 MiB */
    const char *timeout;       /* as grpc-timeout, or NULL */
    void (*done)(
        struct ward_transport_call *call); /* may submit again; must not free the transport */
    void *context;                         /* the owner's */

    /* The outcome. */
    struct ward_grpc_reader answer; /* answer.message is the message when error.code is OK */
    ward_error error;
    bool unprocessed; /* the daemon provably never began it */

    /* The transport's own. */
    struct ward_transport *owner; /* NULL: not under way */
    struct ward_transport_call *prev, *next;
    int32_t stream;
    size_t sent;
    uint8_t prefix[WARD_GRPC_PREFIX_SIZE];
    unsigned http_status;
    int grpc_status; /* -1: not seen */
};

/* answer_max: the largest answer that is taken, in bytes. */
void ward_transport_call_init(struct ward_transport_call *call, size_t answer_max);
/* Wipes. The call must not be under way. */
void ward_transport_call_fini(struct ward_transport_call *call);

/* Looks the host up and begins to connect. The endpoint is borrowed. */
ward_rc ward_transport_open(const struct ward_endpoint *endpoint, struct ward_transport **ret,
                            ward_error *error);
/* Ends the calls that are under way (UNAVAILABLE), closes, wipes. */
void ward_transport_free(struct ward_transport *transport);

/* UNAVAILABLE at once (unprocessed, `done` is not run) when the connection is closed or going away.
 * May be called before the connection is there. The call goes out with the next turn. */
ward_rc ward_transport_submit(struct ward_transport *transport, struct ward_transport_call *call);
/* Ends a call that is under way with this error; its stream is reset. Runs `done`. */
void ward_transport_cancel(struct ward_transport_call *call, ward_rc code, const char *text);

/* After a call that ended with its deadline: asks the daemon for a sign of life, which the next
 * turns look for. Until it comes the connection is doubted. */
void ward_transport_doubt(struct ward_transport *transport);
bool ward_transport_doubted(const struct ward_transport *transport);
/* In a forked child: closes the descriptor and says nothing on it. What OpenSSL holds is given up,
 * since its locks may be held by threads that are not here. */
void ward_transport_abandon(struct ward_transport *transport);

/* For poll(2). -1 when closed. */
int ward_transport_fd(const struct ward_transport *transport);
short ward_transport_events(const struct ward_transport *transport);
/* Reads, writes, and runs `done` of what ended. revents: from poll; 0 is fine. */
void ward_transport_turn(struct ward_transport *transport, short revents);
/* There is more to do now, whatever poll says. */
bool ward_transport_pending(const struct ward_transport *transport);
/* Polls this one connection for at most timeout_ms, then turns. */
void ward_transport_wait(struct ward_transport *transport, int timeout_ms);

/* TLS is done and the daemon's first frame, its SETTINGS, is here: it has taken our certificate. */
bool ward_transport_ready(const struct ward_transport *transport);
/* New calls are taken: neither closed nor going away. */
bool ward_transport_usable(const struct ward_transport *transport);
bool ward_transport_closed(const struct ward_transport *transport);
/* host:port. */
const char *ward_transport_authority(const struct ward_transport *transport);
/* Why it closed. */
const ward_error *ward_transport_error(const struct ward_transport *transport);

#endif
