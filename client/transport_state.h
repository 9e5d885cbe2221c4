/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the transport: what its socket half (transport.c) and its HTTP/2 half (transport_http2.c)
 * share. */
#ifndef WARD_CLIENT_TRANSPORT_STATE_H
#define WARD_CLIENT_TRANSPORT_STATE_H

#include <netdb.h>
#include <nghttp2/nghttp2.h>

#include "client/session_memory.h"
#include "client/transport.h"

enum ward_transport_stage { WARD_CONNECTING, WARD_HANDSHAKING, WARD_OPEN, WARD_CLOSED };

struct ward_transport {
    const struct ward_endpoint *endpoint;
    enum ward_transport_stage stage;
    int fd;
    struct addrinfo *addresses, *next_address;
    SSL *ssl;
    struct ward_session_memory memory; /* the session's */
    nghttp2_session *session;
    struct ward_buffer out; /* frames for TLS; wiped */
    size_t out_sent;        /* of out */
    uint8_t *in;            /* one TLS record; wiped */
    bool tls_wants_write, pending;
    bool ready, going_away, doubted, introduced;
    bool has_ghosts;                   /* a call was cancelled before it was all sent */
    struct ward_transport_call *calls; /* under way */
    ward_error error;
};

/* Frames wait for TLS up to this many bytes, then nghttp2 has to wait. */
#define WARD_TRANSPORT_OUT_MAX (64u * 1024)

/* An nghttp2 session with our callbacks and settings; NULL when memory is short. */
nghttp2_session *ward_transport_session(struct ward_transport *transport);
/* Takes the call out of the list and runs its `done`. text may be the call's own. */
void ward_transport_finish(struct ward_transport_call *call, ward_rc code, bool answered,
                           const char *text);

#endif
