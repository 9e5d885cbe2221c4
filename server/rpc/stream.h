/* SPDX-License-Identifier: Apache-2.0 */
/* One gRPC call: from its headers over its message to its answer. */
#ifndef WARD_SERVER_RPC_STREAM_H
#define WARD_SERVER_RPC_STREAM_H

#include "proto/grpc.h"
#include "server/rpc/method.h"
#include "server/rpc/shard.h"

/*   HEADERS --headers end--> MESSAGE --end--> SUBMITTED --complete--> ANSWERED
 *      |                        |                                        ^
 *      +------- refused --------+------> SUBMITTED (for its entry) ------+
 *      +-- no identity, health: at once --------------------------------->+
 *      |                        (WATCHING for Watch, REFLECTING for reflection: as long as it
 * lasts)
 */
enum ward_stream_state {
    WARD_STREAM_HEADERS,
    WARD_STREAM_MESSAGE,
    WARD_STREAM_SUBMITTED,
    WARD_STREAM_WATCHING,
    WARD_STREAM_REFLECTING,
    WARD_STREAM_ANSWERED,
};

struct ward_reflection;

struct ward_stream {
    struct ward_h2_stream h2; /* first */
    struct ward_session *session;
    struct ward_stream *next_spare, *next_later;
    const struct ward_method *method;
    struct ward_request *request; /* answered: what is being sent lies in its memory */
    /* Submitted: the flag in the request's memory, which lives until its answer comes to this
     * stream, or to none because the stream was closed before. */
    atomic_bool *cancelled;
    struct ward_grpc_reader reader;
    enum ward_stream_state state;
    unsigned http_status; /* of the answer; 200, or 415, 405 */
    bool post, grpc, te, encoded, bad_timeout;
    bool accept_encoding; /* say which encodings we take */
    uint8_t health;       /* the status that a watcher was told last */
    uint8_t health_body[16];
    bool health_known;
    size_t header_size, held;           /* held: of the answer, until it is sent */
    struct ward_reflection *reflection; /* NULL: it is no such stream */
    bool is_later, stays;
    int64_t begun_us, deadline_us, timeout_us;
};

extern const struct ward_h2_events ward_stream_events; /* context: struct ward_session */

/* Refuses: through the pipeline when the call would be audited, else at once. */
void ward_stream_refuse(struct ward_stream *stream, ward_status status);
/* A stream that goes on: EXHAUSTED when its connection has enough of them. */
ward_status ward_stream_stay(struct ward_stream *stream);
void ward_stream_tick(struct ward_stream *stream, int64_t now_us);

/* reply.c: answers, on the loop's thread. */
void ward_reply_status(struct ward_stream *stream, ward_status status);
void ward_reply_request(struct ward_stream *stream, struct ward_request *take_request);
/* One message of a stream that goes on. */
void ward_reply_more(struct ward_stream *stream, struct ward_bytes body, bool first);
/* Ends a stream that went on. */
void ward_reply_last(struct ward_stream *stream);

/* Any part of it, and its end when there are trailers, which live until the stream closes. */
void ward_reply_part(struct ward_stream *stream, struct ward_bytes body, bool first,
                     const struct ward_h2_field *trailers, size_t n);
#define WARD_REPLY_TEXT_MAX 1024 /* of a grpc-message, encoded */
/* The trailers of a status; its text goes into the buffer. */
size_t ward_reply_trailers(ward_status status, struct ward_buffer *text,
                           struct ward_h2_field out[static 2]);

/* health_rpc.c: grpc.health.v1, answered here and not audited. */
void ward_health_call(struct ward_stream *stream, struct ward_bytes message);
void ward_health_tick(struct ward_stream *stream, int64_t now_us);

/* reflection_rpc.c: grpc.reflection.v1, answered at the end of the turn, and not audited. */
void ward_reflection_begin(struct ward_stream *stream);
void ward_reflection_data(struct ward_stream *stream, struct ward_bytes data);
void ward_reflection_end(struct ward_stream *stream);
/* True: again in the next turn. */
bool ward_reflection_turn(struct ward_stream *stream);
void ward_reflection_tick(struct ward_stream *stream, int64_t now_us);
void ward_reflection_close(struct ward_stream *stream); /* any stream */

#endif
