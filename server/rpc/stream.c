/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's rules for a request (PROTOCOL-HTTP2), from the first header to the complete message. What
 * is refused here is still a request: it goes through the pipeline, refused, so that it gets its
 * entry. It must not know sockets, nor what the messages mean. */
#include "server/rpc/stream.h"

#include <stdlib.h>

#include "base/id.h"
#include "proto/wire_limits.h"
#include "server/rpc/message.h"

#define HEADER_LIST_MAX 8192u
#define DEADLINE_MAX_US (30LL * 1000000)
#define SPARE_MAX 256
#define WAITING_MAX (32u * 1024 * 1024) /* unread answers of a connection: no new calls */
#define REFUSED_BUDGET (64u * 1024)
#define STAYING_MAX 16 /* streams of a connection that go on */

static struct ward_stream *stream_of(struct ward_h2_stream *h2)
{
    return (struct ward_stream *)(void *)h2;
}

/* ---- a request is born ---- */

/* The request that stands for this call, refused or not, goes to the pipeline. */
static void submit(struct ward_stream *stream, struct ward_request *take_request)
{
    struct ward_session *session = stream->session;
    struct ward_shard *shard = session->shard;
    size_t used = ward_arena_used(take_request->arena),
           expected = ward_shard_expect(shard, stream->method);
    bool works = ward_ok(take_request->status);
    take_request->origin = (struct ward_origin){shard->index, session->connection, stream->h2.id,
                                                works && expected > used ? expected : used};
    ward_session_hold(session, take_request->origin.held);
    take_request->peer = ward_peer_ref(session->peer);
    take_request->method = stream->method;
    take_request->op = stream->method == NULL ? NULL : stream->method->op;
    take_request->deadline_us = stream->deadline_us;
    take_request->received_us = stream->begun_us;
    take_request->refused = !ward_ok(take_request->status);
    if (!take_request->refused) { /* without memory for the flag it is worked on to its end */
        take_request->cancelled = WARD_ARENA_NEW(take_request->arena, atomic_bool);
        stream->cancelled = take_request->cancelled;
    }
    session->in_flight++;
    ward_shard_count(&shard->in_flight, 1);
    ward_shard_count(&shard->requests, 1);
    stream->state = WARD_STREAM_SUBMITTED;
    ward_list_push(&shard->ready, &take_request->link);
}

static ward_status name_request(struct ward_request *request)
{
    if (request->request_id.size > 0) {
        return WARD_OK;
    }
    struct ward_id id;
    char text[WARD_ID_TEXT_SIZE];
    WARD_TRY(ward_id_random(&id));
    ward_id_print(&id, text);
    return ward_arena_copy(request->arena, ward_bytes_str(text), &request->request_id);
}

static void release_message(struct ward_stream *stream)
{
    ward_session_release(stream->session, stream->reader.message.size);
    ward_grpc_reader_reset(&stream->reader, 0);
}

void ward_stream_refuse(struct ward_stream *stream, ward_status status)
{
    release_message(stream);
    if (stream->method != NULL && !stream->method->audited) {
        ward_reply_status(stream, status);
        return;
    }
    struct ward_request *request = NULL;
    ward_status made = ward_request_new(REFUSED_BUDGET, &request);
    if (ward_ok(made)) {
        made = name_request(request);
    }
    if (!ward_ok(made)) { /* no memory for an entry: no answer but this */
        ward_request_free(request);
        ward_reply_status(stream, WARD_STATUS(WARD_E_UNAVAILABLE));
        return;
    }
    request->status = status;
    submit(stream, request);
}

static ward_status decode(struct ward_request *request, const struct ward_method *method,
                          struct ward_bytes message)
{
    const ProtobufCMessage *parsed = NULL;
    WARD_TRY(ward_message_unpack(request->arena, method->input, message, &parsed));
    return method->decode(request, parsed);
}

static void complete_message(struct ward_stream *stream)
{
    const struct ward_method *method = stream->method;
    struct ward_bytes message = ward_buffer_view(&stream->reader.message);
    if (!method->audited) {
        ward_health_call(stream, message);
        release_message(stream);
        return;
    }
    struct ward_request *request = NULL;
    ward_status made =
        ward_request_new(ward_message_budget(message.size) + method->work_max, &request);
    if (!ward_ok(made)) {
        ward_stream_refuse(stream, made);
        return;
    }
    request->status = decode(request, method, message);
    made = name_request(request);
    if (!ward_ok(made)) {
        ward_request_free(request);
        ward_stream_refuse(stream, made);
        return;
    }
    release_message(stream);
    submit(stream, request);
}

/* ---- headers ---- */

static struct ward_h2_stream *on_begin(void *context)
{
    struct ward_session *session = context;
    struct ward_shard *shard = session->shard;
    if (session->in_flight >= shard->shared->max_streams) {
        return NULL; /* resetting streams does not make room: their work goes on */
    }
    struct ward_stream *stream = shard->spare;
    if (stream != NULL) {
        shard->spare = stream->next_spare;
        shard->n_spare--;
        stream->next_spare = NULL;
    } else {
        stream = calloc(1, sizeof(*stream));
    }
    if (stream == NULL) {
        return NULL;
    }
    stream->session = session;
    stream->http_status = 200;
    stream->begun_us = shard->net.now_us(shard->net.context);
    ward_shard_count(&shard->streams, 1);
    return &stream->h2;
}

static bool is(struct ward_bytes text, const char *name)
{
    return memcmp(text.data, name, text.size) == 0; /* sizes are equal */
}

static bool is_grpc(struct ward_bytes type)
{
    static const char name[] = "application/grpc";
    const size_t size = sizeof(name) - 1;
    if (type.size < size || memcmp(type.data, name, size) != 0) {
        return false;
    }
    struct ward_bytes rest = WARD_BYTES(type.data + size, type.size - size);
    return rest.size == 0 || rest.data[0] == ';' || rest.data[0] == ' ' ||
           ward_bytes_eq(rest, WARD_BYTES_LITERAL("+proto")) ||
           (rest.size > 6 && memcmp(rest.data, "+proto;", 7) == 0);
}

static void on_header(struct ward_h2_stream *h2, struct ward_bytes name, struct ward_bytes value)
{
    struct ward_stream *stream = stream_of(h2);
    stream->header_size += name.size + value.size + 32; /* as RFC 9113 6.5.2 counts */
    if (stream->header_size > HEADER_LIST_MAX) {
        return;
    }
    switch (name.size) {
    case 2:
        stream->te |= is(name, "te") && ward_bytes_eq(value, WARD_BYTES_LITERAL("trailers"));
        break;
    case 5:
        if (is(name, ":path")) {
            const struct ward_method *method = ward_method_find(value);
            bool off = method != NULL && method->reflect &&
                       stream->session->shard->shared->handler.may_reflect == NULL;
            stream->method = off ? NULL : method;
        }
        break;
    case 7:
        stream->post |= is(name, ":method") && ward_bytes_eq(value, WARD_BYTES_LITERAL("POST"));
        break;
    case 12:
        if (is(name, "content-type")) {
            stream->grpc = is_grpc(value);
        } else if (is(name, "grpc-timeout")) {
            bool good = ward_grpc_timeout_parse(value, &stream->timeout_us);
            stream->bad_timeout |= !good;
            stream->timeout_us += good && stream->timeout_us == 0; /* none is not infinite */
        }
        break;
    case 13:
        stream->encoded |=
            is(name, "grpc-encoding") && !ward_bytes_eq(value, WARD_BYTES_LITERAL("identity"));
        break;
    default:
        break; /* no other header changes anything, a decision least of all */
    }
}

static ward_status check_headers(struct ward_stream *stream)
{
    if (stream->header_size > HEADER_LIST_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "headers: larger than 8192 bytes");
    }
    if (!stream->post) {
        stream->http_status = 405;
        return WARD_REFUSAL(WARD_E_INVALID, ":method: not POST");
    }
    if (!stream->grpc) {
        stream->http_status = 415;
        return WARD_REFUSAL(WARD_E_INVALID, "content-type: not application/grpc");
    }
    if (stream->method == NULL) {
        return WARD_REFUSAL(WARD_E_UNIMPLEMENTED, ":path: no such method");
    }
    WARD_REQUIRE(stream->te, "te: not trailers");
    WARD_REQUIRE(!stream->bad_timeout, "grpc-timeout: not 1 to 8 digits and a unit");
    return WARD_OK;
}

static void on_headers_end(struct ward_h2_stream *h2)
{
    struct ward_stream *stream = stream_of(h2);
    struct ward_session *session = stream->session;
    bool limited = stream->timeout_us > 0 && stream->timeout_us < DEADLINE_MAX_US;
    stream->deadline_us = stream->begun_us + (limited ? stream->timeout_us : DEADLINE_MAX_US);
    ward_status status = check_headers(stream);
    ward_grpc_reader_reset(&stream->reader,
                           stream->method == NULL ? 0 : stream->method->message_max);
    if (!ward_ok(session->peer->status)) {
        session->shard->requests_refused++;
        ward_reply_status(stream, session->peer->status);
    } else if (!ward_ok(status)) {
        ward_stream_refuse(stream, status);
    } else if (ward_h2_waiting(stream->h2.h2) > WAITING_MAX) {
        ward_stream_refuse(
            stream, WARD_REFUSAL(WARD_E_EXHAUSTED, "connection: too many answers wait to be read"));
    } else if (!ward_session_room(session, ward_shard_expect(session->shard, stream->method))) {
        ward_stream_refuse(stream, WARD_REFUSAL(WARD_E_EXHAUSTED,
                                                "server: calls hold too much memory; try again "
                                                "later, with fewer at once"));
    } else if (stream->method->reflect) {
        ward_reflection_begin(stream);
    } else {
        stream->state = WARD_STREAM_MESSAGE;
    }
}

ward_status ward_stream_stay(struct ward_stream *stream)
{
    if (stream->session->staying >= STAYING_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "stream: too many that go on in one connection");
    }
    stream->session->staying++;
    stream->stays = true;
    return WARD_OK;
}

/* ---- the message ---- */

static void on_data(struct ward_h2_stream *h2, struct ward_bytes data)
{
    struct ward_stream *stream = stream_of(h2);
    struct ward_session *session = stream->session;
    if (stream->state == WARD_STREAM_REFLECTING) {
        ward_reflection_data(stream, data);
        return;
    }
    if (stream->state != WARD_STREAM_MESSAGE) {
        return; /* answered or refused already: the rest is not looked at */
    }
    size_t before = stream->reader.message.size;
    ward_status status = ward_grpc_reader_feed(&stream->reader, data, stream->encoded);
    size_t grown = stream->reader.message.size - before;
    bool room = ward_session_room(session, grown);
    ward_session_hold(session, grown);
    if (ward_ok(status) && !room) {
        status = WARD_REFUSAL(WARD_E_EXHAUSTED,
                              "message: too many bytes are being received; try again later");
    }
    if (!ward_ok(status)) {
        stream->accept_encoding = stream->encoded && status.code == WARD_E_UNIMPLEMENTED;
        ward_stream_refuse(stream, status);
    }
}

static void on_end(struct ward_h2_stream *h2)
{
    struct ward_stream *stream = stream_of(h2);
    if (stream->state == WARD_STREAM_REFLECTING) {
        ward_reflection_end(stream);
        return;
    }
    if (stream->state != WARD_STREAM_MESSAGE) {
        return;
    }
    if (stream->reader.complete) {
        complete_message(stream);
    } else if (stream->reader.prefix_size == 0) {
        ward_stream_refuse(stream, WARD_REFUSAL(WARD_E_UNIMPLEMENTED, "message: none"));
    } else {
        ward_stream_refuse(stream,
                           WARD_REFUSAL(WARD_E_INVALID, "message: shorter than its prefix says"));
    }
}

static void on_close(struct ward_h2_stream *h2)
{
    struct ward_stream *stream = stream_of(h2);
    struct ward_shard *shard = stream->session->shard;
    if (stream->cancelled != NULL) { /* reset, or the connection is lost: nobody waits */
        atomic_store_explicit(stream->cancelled, true, memory_order_relaxed);
    }
    release_message(stream);
    ward_session_release(stream->session, stream->held);
    ward_request_free(stream->request);
    ward_shard_forget(stream);
    ward_reflection_close(stream);
    stream->session->staying -= stream->stays;
    struct ward_grpc_reader reader = stream->reader; /* empty; its memory is for the next call */
    explicit_bzero(stream, sizeof(*stream));
    stream->reader = reader;
    ward_shard_count(&shard->streams, (size_t)-1);
    if (shard->n_spare >= SPARE_MAX) {
        ward_grpc_reader_fini(&stream->reader);
        free(stream);
        return;
    }
    stream->next_spare = shard->spare;
    shard->spare = stream;
    shard->n_spare++;
}

const struct ward_h2_events ward_stream_events = {on_begin, on_header, on_headers_end,
                                                  on_data,  on_end,    on_close};

void ward_stream_tick(struct ward_stream *stream, int64_t now_us)
{
    switch (stream->state) {
    case WARD_STREAM_HEADERS:
        if (now_us - stream->begun_us > DEADLINE_MAX_US) {
            ward_h2_cancel(&stream->h2); /* a header block without an end */
        }
        break;
    case WARD_STREAM_MESSAGE:
        if (now_us > stream->deadline_us) {
            ward_stream_refuse(
                stream, WARD_REFUSAL(WARD_E_DEADLINE, "message: not complete before the deadline"));
        }
        break;
    case WARD_STREAM_WATCHING:
        ward_health_tick(stream, now_us);
        break;
    case WARD_STREAM_REFLECTING:
        ward_reflection_tick(stream, now_us);
        break;
    case WARD_STREAM_SUBMITTED:
        if (stream->cancelled != NULL && now_us > stream->deadline_us) {
            /* its work has begun, or waits to: nobody listens any more */
            ward_h2_cancel(&stream->h2);
        }
        break;
    case WARD_STREAM_ANSWERED:
        break;
    }
}
