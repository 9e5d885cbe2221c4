/* SPDX-License-Identifier: Apache-2.0 */
/* The client's half is nghttp2 as a client would use it; what it is told is noted down as it comes.
 */
#include "tests/unit/server/wire_rig.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/grpc.h"
#include "server/rpc/stream.h"
#include "tests/unit/server/certificate.h"
#include "tests/unit/server/rpc_support.h"

/* ---- the server's half ---- */

static void on_submit(void *context, struct ward_list *requests)
{
    struct rig *rig = context;
    rig->submits++;
    ward_list_splice(&rig->submitted, requests);
}

static bool on_serving(void *context)
{
    return ((struct rig *)context)->serving;
}

static void on_unidentified(void *context, unsigned handshakes_failed, unsigned requests_refused)
{
    (void)handshakes_failed;
    ((struct rig *)context)->requests_refused += requests_refused;
}

static ward_status on_reflect(void *context, struct ward_peer *peer)
{
    (void)peer;
    return ((struct rig *)context)->may_reflect;
}

static bool find(void *context, uint64_t connection, struct ward_session **ret,
                 struct ward_h2 **ret_h2)
{
    struct rig *rig = context;
    *ret = rig->session;
    *ret_h2 = rig->h2;
    return connection == rig->session->connection && !rig->gone;
}

static int64_t now_us(void *context)
{
    return ((struct rig *)context)->now_us;
}

static bool draining(void *context)
{
    return ((struct rig *)context)->draining;
}

/* ---- the client's half ---- */

struct rig_answer *rig_answer_of(struct rig *rig, int32_t stream)
{
    for (size_t i = 0; i < rig->n_answers; i++) {
        if (rig->answers[i].stream == stream) {
            return &rig->answers[i];
        }
    }
    assert(rig->n_answers < RIG_ANSWERS_MAX);
    struct rig_answer *answer = &rig->answers[rig->n_answers++];
    *answer = (struct rig_answer){.stream = stream};
    ward_buffer_init(&answer->body, 16u << 20);
    return answer;
}

static void note(char *out, size_t room, const uint8_t *value, size_t size)
{
    (void)snprintf(out, room, "%.*s", (int)size, (const char *)value);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t size, uint8_t flags, void *user)
{
    (void)session;
    (void)flags;
    (void)name_size;
    struct rig_answer *answer = rig_answer_of(user, frame->hd.stream_id);
    const char *key = (const char *)name;
    if (strcmp(key, ":status") == 0) {
        note(answer->http, sizeof(answer->http), value, size);
    } else if (strcmp(key, "grpc-status") == 0) {
        note(answer->status, sizeof(answer->status), value, size);
    } else if (strcmp(key, "grpc-message") == 0) {
        note(answer->message, sizeof(answer->message), value, size);
    } else if (strcmp(key, "grpc-accept-encoding") == 0) {
        note(answer->accept_encoding, sizeof(answer->accept_encoding), value, size);
    } else if (strcmp(key, "grpc-status-details-bin") == 0) {
        note(answer->details, sizeof(answer->details), value, size);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct rig *rig = user;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        rig_answer_of(rig, frame->hd.stream_id)->headers++;
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        rig->goaways++;
        rig->goaway_error = frame->goaway.error_code;
        rig->goaway_last = frame->goaway.last_stream_id;
        note(rig->goaway_text, sizeof(rig->goaway_text), frame->goaway.opaque_data,
             frame->goaway.opaque_data_len);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *user)
{
    (void)session;
    (void)flags;
    ward_buffer_add(&rig_answer_of(user, stream)->body, WARD_BYTES(data, size));
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    (void)session;
    struct rig_answer *answer = rig_answer_of(user, stream);
    answer->closed = true;
    answer->error = error;
    return 0;
}

static void open_client(struct rig *rig)
{
    nghttp2_session_callbacks *calls = NULL;
    assert(nghttp2_session_callbacks_new(&calls) == 0);
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    assert(nghttp2_session_client_new(&rig->client, calls, rig) == 0);
    nghttp2_session_callbacks_del(calls);
    assert(nghttp2_submit_settings(rig->client, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
}

void rig_open(struct rig *rig, struct ward_bytes uri)
{
    memset(rig, 0, sizeof(*rig));
    rig->serving = true;
    rig->now_us = 1000000000;
    rig->shared.held.max = 256u << 20;
    rig->shared.handler = (struct ward_rpc_handler){.context = rig,
                                                    .submit = on_submit,
                                                    .serving = on_serving,
                                                    .unidentified = on_unidentified,
                                                    .may_reflect = on_reflect};
    rig->shared.max_streams = 100;
    const struct ward_shard_net net = {rig, find, now_us, draining};
    ward_shard_init(&rig->shard, &rig->shared, &net, 0);
    struct ward_bytes der = certificate_make(&(struct certificate_wish){.uris = &uri, .n_uris = 1});
    struct ward_peer *peer = NULL;
    ward_status status = ward_peer_new(der, "127.0.0.1:4000", &peer);
    assert(ward_ok(status));
    status = ward_session_new(&rig->shard, 42, peer, &rig->session);
    assert(ward_ok(status));
    OPENSSL_free((void *)der.data);
    status = ward_h2_memory_new(&rig->memory);
    assert(ward_ok(status));
    const struct ward_h2_limits limits = {
        100, 8192, 512 * 1024, 4 * 1024 * 1024, 300LL * 1000000, 7200LL * 1000000, 2};
    status = ward_h2_new(&limits, rig->memory, &ward_stream_events, rig->session, &rig->h2);
    assert(ward_ok(status));
    open_client(rig);
    rig_pump(rig);
}

void rig_close(struct rig *rig)
{
    nghttp2_session_del(rig->client);
    ward_h2_free(rig->h2);
    for (struct ward_link *link; (link = ward_list_pop(&rig->submitted)) != NULL;) {
        ward_request_free(WARD_CONTAINER(link, struct ward_request, link));
    }
    ward_session_free(rig->session);
    ward_shard_fini(&rig->shard);
    ward_h2_memory_free(rig->memory);
    for (size_t i = 0; i < rig->n_answers; i++) {
        ward_buffer_fini(&rig->answers[i].body);
    }
}

void rig_lose(struct rig *rig)
{
    rig->gone = true;
    ward_h2_free(WARD_TAKE(rig->h2));
}

void rig_raw(struct rig *rig, struct ward_bytes bytes)
{
    if (rig->gone) {
        return;
    }
    size_t step = rig->step == 0 ? bytes.size : rig->step;
    for (size_t at = 0; at < bytes.size && ward_ok(rig->received); at += step) {
        size_t size = bytes.size - at < step ? bytes.size - at : step;
        rig->received = ward_h2_receive(rig->h2, WARD_BYTES(bytes.data + at, size), rig->now_us);
    }
}

void rig_feed(struct rig *rig)
{
    const uint8_t *bytes = NULL;
    for (ssize_t n; (n = nghttp2_session_mem_send(rig->client, &bytes)) > 0;) {
        rig_raw(rig, WARD_BYTES(bytes, (size_t)n));
    }
}

static bool deliver(struct rig *rig)
{
    struct ward_buffer out;
    if (rig->gone) {
        return false;
    }
    ward_buffer_init(&out, 1u << 20);
    ward_status status = ward_h2_send(rig->h2, &out, 64 * 1024);
    bool any = ward_ok(status) && out.size > 0;
    if (any) {
        (void)nghttp2_session_mem_recv(rig->client, out.data, out.size);
    }
    ward_buffer_fini(&out);
    return any;
}

void rig_pump(struct rig *rig)
{
    bool moved = true;
    for (int i = 0; moved && i < 1000; i++) {
        rig_feed(rig);
        ward_shard_turn(&rig->shard);
        moved = deliver(rig) || nghttp2_session_want_write(rig->client) != 0;
    }
}

void rig_answer(struct rig *rig)
{
    for (struct ward_link *link = rig->submitted.head; link != NULL; link = link->next) {
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        if (ward_ok(request->status)) {
            canned_answer(request);
        }
    }
    ward_shard_post(&rig->shard, &rig->submitted);
    rig_pump(rig);
}

struct ward_request *rig_first(struct rig *rig)
{
    return rig->submitted.head == NULL
               ? NULL
               : WARD_CONTAINER(rig->submitted.head, struct ward_request, link);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)stream;
    (void)user;
    struct rig_body *body = source->ptr;
    size_t left = body->bytes.size - body->sent;
    if (left == 0 && body->open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t size = body->frame != 0 && body->frame < room ? body->frame : room;
    size = left < size ? left : size;
    if (size > 0) {
        memcpy(out, body->bytes.data + body->sent, size);
    }
    body->sent += size;
    if (size == left && !body->open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)size;
}

static size_t put_field(nghttp2_nv *fields, size_t n, const char *name, const char *value,
                        const char *usual)
{
    const char *text = value != NULL ? value : usual;
    if (text == NULL || text[0] == '\0') {
        return n;
    }
    fields[n] = (nghttp2_nv){(uint8_t *)name, (uint8_t *)text, strlen(name), strlen(text),
                             NGHTTP2_NV_FLAG_NONE};
    return n + 1;
}

int32_t rig_call(struct rig *rig, const struct rig_call *call, struct rig_body *body)
{
    nghttp2_nv fields[32];
    size_t n = put_field(fields, 0, ":method", call->method, "POST");
    n = put_field(fields, n, ":scheme", NULL, "https");
    n = put_field(fields, n, ":path", call->path, "/ward.v1.Keys/ListKeys");
    n = put_field(fields, n, ":authority", NULL, "ward");
    n = put_field(fields, n, "content-type", call->content_type, "application/grpc");
    n = put_field(fields, n, "te", call->te, "trailers");
    n = put_field(fields, n, "grpc-timeout", call->timeout, NULL);
    n = put_field(fields, n, "grpc-encoding", call->encoding, NULL);
    for (size_t i = 0; i < call->n_more; i++) {
        fields[n++] = call->more[i];
    }
    nghttp2_data_provider provider = {.source.ptr = body, .read_callback = read_body};
    int32_t stream =
        nghttp2_submit_request(rig->client, NULL, fields, n, body == NULL ? NULL : &provider, NULL);
    assert(stream > 0);
    return stream;
}

struct ward_bytes rig_message(struct ward_bytes message, uint8_t *out)
{
    ward_grpc_prefix((uint32_t)message.size, out);
    if (message.size > 0) {
        memcpy(out + WARD_GRPC_PREFIX_SIZE, message.data, message.size);
    }
    return WARD_BYTES(out, WARD_GRPC_PREFIX_SIZE + message.size);
}

struct rig_answer *rig_simple(struct rig *rig, const char *path, struct ward_bytes message)
{
    uint8_t *framed = malloc(WARD_GRPC_PREFIX_SIZE + message.size);
    assert(framed != NULL);
    struct rig_body body = {.bytes = rig_message(message, framed)};
    int32_t stream = rig_call(rig, &(struct rig_call){.path = path}, &body);
    rig_pump(rig);
    rig_answer(rig);
    free(framed);
    return rig_answer_of(rig, stream);
}
