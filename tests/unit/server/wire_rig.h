/* SPDX-License-Identifier: Apache-2.0 */
/* A client session of nghttp2 and our server side, joined in memory: no socket, no thread, and a
 * clock that stands still. */
#ifndef WARD_TESTS_UNIT_SERVER_WIRE_RIG_H
#define WARD_TESTS_UNIT_SERVER_WIRE_RIG_H

#include "server/rpc/shard.h"

#define RIG_ANSWERS_MAX 512

struct rig_answer {
    int32_t stream;
    char http[8], status[8], message[256], accept_encoding[32], details[1536];
    struct ward_buffer body;
    unsigned headers; /* HEADERS frames */
    bool closed;
    uint32_t error; /* with which it was closed */
};

struct rig {
    struct ward_rpc_shared shared;
    struct ward_shard shard;
    struct ward_session *session;
    struct ward_h2_memory *memory;
    struct ward_h2 *h2;
    nghttp2_session *client;
    int64_t now_us;
    bool gone, draining, serving;
    ward_status may_reflect;
    struct ward_list submitted;
    unsigned submits, requests_refused;
    ward_status received; /* of the last ward_h2_receive */
    struct rig_answer answers[RIG_ANSWERS_MAX];
    size_t n_answers;
    uint32_t goaway_error;
    char goaway_text[64];
    int goaways;
    int32_t goaway_last;
    size_t step; /* bytes fed at once; 0: all */
};

struct rig_body { /* what a call sends; must live until it is sent */
    struct ward_bytes bytes;
    size_t sent, frame; /* frame: bytes in a DATA frame, 0: as many as fit */
    bool open;          /* no END_STREAM */
};

struct rig_call {
    const char *path, *method, *content_type, *te, *timeout,
        *encoding; /* NULL: as it should be, or none */
    const nghttp2_nv *more;
    size_t n_more;
};

void rig_open(struct rig *rig, struct ward_bytes uri); /* the client's SAN URI */
void rig_close(struct rig *rig);
/* The connection is lost. */
void rig_lose(struct rig *rig);
/* Until both sides are quiet; the handler's submits collect in rig->submitted. */
void rig_pump(struct rig *rig);
/* Only client to server. */
void rig_feed(struct rig *rig);
/* Bytes of our own making, as if from the client. */
void rig_raw(struct rig *rig, struct ward_bytes bytes);
/* Answers all that was submitted from canned outputs, and pumps. */
void rig_answer(struct rig *rig);
int32_t rig_call(struct rig *rig, const struct rig_call *call, struct rig_body *body);
/* One whole call with a message, pumped. */
struct rig_answer *rig_simple(struct rig *rig, const char *path, struct ward_bytes message);
struct rig_answer *rig_answer_of(struct rig *rig, int32_t stream);
struct ward_request *rig_first(struct rig *rig); /* the first submitted, or NULL */
/* Prefix and message. */
struct ward_bytes rig_message(struct ward_bytes message, uint8_t *out);

#endif
