/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/2 connection, server side (RFC 9113), without a socket: bytes in, bytes out, and
 * callbacks for each stream. It bounds what a peer may make us do; what the headers mean is not its
 * business. */
#ifndef WARD_SERVER_NET_H2_H
#define WARD_SERVER_NET_H2_H

#include "base/buffer.h"
#include "server/net/h2_memory.h"

struct ward_h2;

struct ward_h2_field { /* a header or trailer; must live until the call returns */
    struct ward_bytes name, value;
};

/* Embedded in the user's own stream, which begin returns. id, h2 and links are set by h2. */
struct ward_h2_stream {
    struct ward_h2 *h2;
    struct ward_h2_stream *next, *previous; /* all of the connection */
    int32_t id;
    /* What is being sent: borrowed until the stream closes or more replaces it. */
    struct ward_bytes body;
    size_t sent;
    bool last;     /* trailers follow the body */
    bool answered; /* response headers were submitted */
    bool waiting;  /* deferred until ward_h2_more */
    const struct ward_h2_field *trailers;
    size_t n_trailers;
};

struct ward_h2_events {
    /* A request begins. NULL refuses it with REFUSED_STREAM, which the peer may try again. */
    struct ward_h2_stream *(*begin)(void *context);
    void (*header)(struct ward_h2_stream *stream, struct ward_bytes name, struct ward_bytes value);
    void (*headers_end)(struct ward_h2_stream *stream);
    void (*data)(struct ward_h2_stream *stream, struct ward_bytes data);
    void (*end)(struct ward_h2_stream *stream);   /* the peer has sent all */
    void (*close)(struct ward_h2_stream *stream); /* always, and the last: frees the stream */
};

struct ward_h2_limits {
    uint32_t streams;
    uint32_t header_list; /* announced; the user enforces it */
    uint32_t stream_window, connection_window;
    /* gRFC A8: pings more often than this, while calls are open and while none is, with nothing
     * sent in between, are strikes; more strikes than this end the connection. */
    int64_t ping_interval_us, ping_interval_idle_us;
    unsigned ping_strikes;
};

/* memory outlives it. context is for begin. */
ward_status ward_h2_new(const struct ward_h2_limits *limits, struct ward_h2_memory *memory,
                        const struct ward_h2_events *events, void *context, struct ward_h2 **ret);
/* Closes every stream that is left. */
void ward_h2_free(struct ward_h2 *h2);

/* UNAVAILABLE when the connection is beyond repair: flush what ward_h2_send still gives, then
 * close. now_us: monotonic, for the counters of abuse. */
ward_status ward_h2_receive(struct ward_h2 *h2, struct ward_bytes bytes, int64_t now_us);
/* Appends whole frames until out holds `enough` bytes or there are none. */
ward_status ward_h2_send(struct ward_h2 *h2, struct ward_buffer *out, size_t enough);
/* Nothing more to read or to send: close. */
bool ward_h2_finished(const struct ward_h2 *h2);
/* The peer broke HTTP/2's rules, or our limits, so that the connection ends. */
bool ward_h2_at_fault(const struct ward_h2 *h2);

size_t ward_h2_streams(const struct ward_h2 *h2); /* open ones */
uint64_t ward_h2_begun(const struct ward_h2 *h2); /* ever */
struct ward_h2_stream *ward_h2_first(const struct ward_h2 *h2);
struct ward_h2_stream *ward_h2_find(struct ward_h2 *h2, int32_t id);
/* Body bytes that were given and wait for the peer's window or its reading. */
size_t ward_h2_waiting(const struct ward_h2 *h2);
/* Asks a silent peer to say something. */
void ward_h2_ping(struct ward_h2 *h2);

/* Headers that end the stream. */
ward_status ward_h2_end(struct ward_h2_stream *stream, const struct ward_h2_field *fields,
                        size_t n);
/* Headers, then the body. With `last` the trailers follow it and end the stream, else ward_h2_more
 * goes on. A stream that the peer has not ended is reset with NO_ERROR after we ended it. trailers:
 * static. */
ward_status ward_h2_respond(struct ward_h2_stream *stream, const struct ward_h2_field *fields,
                            size_t n, struct ward_bytes body, bool last,
                            const struct ward_h2_field *trailers, size_t n_trailers);
/* The body so far must be sent (ward_h2_sent). */
ward_status ward_h2_more(struct ward_h2_stream *stream, struct ward_bytes body, bool last,
                         const struct ward_h2_field *trailers, size_t n_trailers);
bool ward_h2_sent(const struct ward_h2_stream *stream);
void ward_h2_cancel(struct ward_h2_stream *stream); /* RST_STREAM(CANCEL) */

/* Draining, RFC 9113 6.8: a notice that keeps every stream, then the last id, after which no stream
 * begins. */
void ward_h2_notice(struct ward_h2 *h2);
bool ward_h2_notice_answered(const struct ward_h2 *h2); /* the peer has read it */
void ward_h2_goaway(struct ward_h2 *h2, const char *debug_data);
bool ward_h2_said_goaway(const struct ward_h2 *h2);

#endif
