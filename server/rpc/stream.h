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
 *      +-- no identity, health: at once --------------------------------->+ (WATCHING, for Watch)
 */
enum ward_stream_state {
    WARD_STREAM_HEADERS,
    WARD_STREAM_MESSAGE,
    WARD_STREAM_SUBMITTED,
    WARD_STREAM_WATCHING,
    WARD_STREAM_ANSWERED,
};

struct ward_stream {
    struct ward_h2_stream h2; /* first */
    struct ward_session *session;
    struct ward_stream *next_spare;
    const struct ward_method *method;
    struct ward_request *request; /* answered: what is being sent lies in its memory */
    atomic_bool *cancelled; /* submitted: the request's own flag; it outlives its way back here */
    struct ward_grpc_reader reader;
    enum ward_stream_state state;
    unsigned http_status; /* of the answer; 200, or 415, 405 */
    bool post, grpc, te, encoded, bad_timeout;
    bool accept_encoding; /* say which encodings we take */
    uint8_t health;       /* the status that a watcher was told last */
    uint8_t health_body[16];
    bool health_known;
    size_t header_size, held; /* held: of the answer, until it is sent */
    int64_t begun_us, deadline_us, timeout_us;
};

extern const struct ward_h2_events ward_stream_events; /* context: struct ward_session */

/* Refuses: through the pipeline when the call would be audited, else at once. */
void ward_stream_refuse(struct ward_stream *stream, ward_status status);
void ward_stream_tick(struct ward_stream *stream, int64_t now_us);

/* reply.c: answers, on the loop's thread. */
void ward_reply_status(struct ward_stream *stream, ward_status status);
void ward_reply_request(struct ward_stream *stream, struct ward_request *take_request);
/* One message of a stream that goes on. */
void ward_reply_more(struct ward_stream *stream, struct ward_bytes body, bool first);
/* Ends a stream that went on. */
void ward_reply_last(struct ward_stream *stream);

/* health_rpc.c: grpc.health.v1, answered here and not audited. */
void ward_health_call(struct ward_stream *stream, struct ward_bytes message);
void ward_health_tick(struct ward_stream *stream, int64_t now_us);

#endif
