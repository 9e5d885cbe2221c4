/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP/2 and gRPC half of a connection: nghttp2's callbacks, and what the end of a stream means
 * for its call. Must not know sockets or TLS. Messages are never copied by nghttp2: sending goes
 * straight from the caller's bytes to `out`, receiving from the TLS buffer to the call's answer. */
#include "client/transport_state.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/error_details.h"

#define STREAM_WINDOW (8 * 1024 * 1024)
#define CONNECTION_WINDOW (32 * 1024 * 1024)
#define FRAME_HEADER_SIZE 9

/* The call of a stream. A call that was cancelled before it was all sent is forgotten by its owner
 * while nghttp2 still has its address queued: from then on only calls that are under way are
 * believed. */
static struct ward_transport_call *call_of(const struct ward_transport *transport, int32_t stream)
{
    if (!transport->has_ghosts) {
        return nghttp2_session_get_stream_user_data(transport->session, stream);
    }
    struct ward_transport_call *call = transport->calls;
    while (call != NULL && call->stream != stream) {
        call = call->next;
    }
    return call;
}

static size_t call_total(const struct ward_transport_call *call)
{
    return WARD_GRPC_PREFIX_SIZE + call->message.size;
}

/* ---- sending ---- */

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                       void *user)
{
    (void)session;
    (void)flags;
    struct ward_transport *transport = user;
    if (transport->out.size >= WARD_TRANSPORT_OUT_MAX) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    ward_buffer_add(&transport->out, WARD_BYTES(data, size));
    return transport->out.failed ? NGHTTP2_ERR_CALLBACK_FAILURE : (ssize_t)size;
}

static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)buffer;
    (void)source;
    const struct ward_transport_call *call = call_of(user, stream);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t left = call_total(call) - call->sent;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left <= size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)(left < size ? left : size);
}

/* One DATA frame: its header, then the next bytes of prefix and message. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                        size_t size, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)source; /* and we choose no padding */
    struct ward_transport *transport = user;
    struct ward_transport_call *call = call_of(transport, frame->hd.stream_id);
    if (call == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (transport->out.size >= WARD_TRANSPORT_OUT_MAX) {
        return NGHTTP2_ERR_WOULDBLOCK;
    }
    ward_buffer_add(&transport->out, WARD_BYTES(header, FRAME_HEADER_SIZE));
    if (call->sent < WARD_GRPC_PREFIX_SIZE) {
        size_t n = WARD_GRPC_PREFIX_SIZE - call->sent;
        n = n < size ? n : size;
        ward_buffer_add(&transport->out, WARD_BYTES(call->prefix + call->sent, n));
        call->sent += n;
        size -= n;
    }
    if (size > 0) {
        ward_buffer_add(
            &transport->out,
            WARD_BYTES(call->message.data + (call->sent - WARD_GRPC_PREFIX_SIZE), size));
        call->sent += size;
    }
    return transport->out.failed ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

/* ---- receiving ---- */

static bool name_is(struct ward_bytes name, const char *text)
{
    return ward_bytes_eq(name, ward_bytes_str(text));
}

/* A number of at most three digits, or -1. */
static int small_number(struct ward_bytes text)
{
    int number = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || text.size > 3) {
            return -1;
        }
        number = number * 10 + (text.data[i] - '0');
    }
    return text.size == 0 ? -1 : number;
}

static void take_message(struct ward_transport_call *call, struct ward_bytes text)
{
    struct ward_buffer decoded;
    ward_buffer_init(&decoded, 8192);
    ward_grpc_percent_decode(text, &decoded);
    size_t size =
        decoded.size < sizeof(call->error.message) ? decoded.size : sizeof(call->error.message) - 1;
    if (size > 0) {
        memcpy(call->error.message, decoded.data, size);
    }
    call->error.message[size] = 0;
    ward_buffer_fini(&decoded);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_data,
                     size_t name_size, const uint8_t *value_data, size_t value_size, uint8_t flags,
                     void *user)
{
    (void)session;
    (void)flags;
    struct ward_transport_call *call = call_of(user, frame->hd.stream_id);
    if (call == NULL) {
        return 0;
    }
    struct ward_bytes name = WARD_BYTES(name_data, name_size);
    struct ward_bytes value = WARD_BYTES(value_data, value_size);
    int status = 0;
    switch (name.size) { /* most names are not compared at all */
    case sizeof(":status") - 1:
        if (name_is(name, ":status")) {
            status = small_number(value);
            call->http_status = status < 0 ? 0 : (unsigned)status;
        }
        break;
    case sizeof("grpc-status") - 1:
        if (name_is(name, "grpc-status")) {
            status = small_number(value);
            call->grpc_status =
                status < 0 || status > WARD_GRPC_UNAUTHENTICATED ? WARD_GRPC_UNKNOWN : status;
        }
        break;
    case sizeof("grpc-message") - 1:
        if (name_is(name, "grpc-message")) {
            take_message(call, value);
        }
        break;
    case sizeof("grpc-status-details-bin") - 1:
        if (name_is(name, "grpc-status-details-bin")) {
            ward_error_details(value, &call->error);
        }
        break;
    default:
        break;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *user)
{
    (void)session;
    (void)flags;
    struct ward_transport_call *call = call_of(user, stream);
    if (call == NULL) {
        return 0;
    }
    ward_status status = ward_grpc_reader_feed(&call->answer, WARD_BYTES(data, size), false);
    if (!ward_ok(status)) {
        ward_rc code =
            status.code == WARD_E_EXHAUSTED ? WARD_RC_RESOURCE_EXHAUSTED : WARD_RC_INTERNAL;
        ward_transport_cancel(call, code, "the daemon's answer is too large or not well-formed");
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    struct ward_transport *transport = user;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        transport->ready = true;
        break;
    case NGHTTP2_GOAWAY:
        transport->going_away = true;
        break;
    default:
        break;
    }
    return 0;
}

/* A stream's end with HTTP/2's own error, or without a gRPC status. */
static void finish_odd(struct ward_transport_call *call, uint32_t error)
{
    char text[128];
    if (error != NGHTTP2_NO_ERROR) {
        call->unprocessed = error == NGHTTP2_REFUSED_STREAM;
        (void)snprintf(text, sizeof(text), "the daemon ended the call: %s",
                       nghttp2_http2_strerror(error));
        ward_transport_finish(call, (ward_rc)ward_grpc_code_of_rst(error), false, text);
        return;
    }
    (void)snprintf(text, sizeof(text), "no gRPC answer but HTTP status %u", call->http_status);
    ward_transport_finish(call, (ward_rc)ward_grpc_code_of_http(call->http_status), false, text);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *user)
{
    (void)session;
    struct ward_transport_call *call = call_of(user, stream);
    if (call == NULL) {
        return 0;
    }
    /* A whole answer counts, whatever the reset that may follow it says. */
    if (call->grpc_status == WARD_GRPC_OK && call->answer.complete) {
        ward_transport_finish(call, WARD_RC_OK, true, "");
    } else if (call->grpc_status == WARD_GRPC_OK) {
        ward_transport_finish(call, WARD_RC_INTERNAL, false,
                              "the daemon's answer holds no message");
    } else if (call->grpc_status > 0) {
        ward_transport_finish(call, (ward_rc)call->grpc_status, true, call->error.message);
    } else {
        finish_odd(call, error);
    }
    return 0;
}

/* A call that was queued when the daemon said GOAWAY never gets a stream that could close. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    (void)session;
    struct ward_transport *transport = user;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    for (struct ward_transport_call *call = transport->calls; call != NULL; call = call->next) {
        if (call->stream == frame->hd.stream_id) {
            call->unprocessed = true;
            ward_transport_finish(call, WARD_RC_UNAVAILABLE, false, nghttp2_strerror(error));
            break;
        }
    }
    return 0;
}

/* ---- the session and its calls ---- */

nghttp2_session *ward_transport_session(struct ward_transport *transport)
{
    nghttp2_session_callbacks *callbacks = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session *session = NULL;
    ward_session_memory_init(&transport->memory);
    int failed = nghttp2_session_client_new3(&session, callbacks, transport, NULL,
                                             &transport->memory.functions);
    nghttp2_session_callbacks_del(callbacks);
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* RFC 9218: nobody keeps a tree of streams */
    };
    if (failed == 0 && (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings,
                                                sizeof(settings) / sizeof(settings[0])) != 0 ||
                        nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0,
                                                              CONNECTION_WINDOW) != 0)) {
        nghttp2_session_del(session);
        session = NULL;
    }
    return session;
}

#define NO_COPY (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)
/* Of two literals. */
#define HEADER(name, value)                                                                       \
    {                                                                                             \
        (uint8_t *)("" name), (uint8_t *)("" value), sizeof(name) - 1, sizeof(value) - 1, NO_COPY \
    }
/* Of a literal and a text. */
#define HEADER_TEXT(name, text, flags)                                                             \
    {                                                                                              \
        (uint8_t *)("" name), (uint8_t *)(text), sizeof(name) - 1, strlen(text), NO_COPY | (flags) \
    }

static void call_begin(struct ward_transport_call *call, struct ward_transport *transport)
{
    call->error.message[0] = call->error.field[0] = call->error.reason[0] = 0;
    call->error.retry_after_ms = 0;
    call->unprocessed = false;
    call->sent = 0;
    call->http_status = 0;
    call->grpc_status = -1;
    call->answer.prefix_size = 0;
    call->answer.expected = 0;
    call->answer.complete = false;
    ward_buffer_reset(&call->answer.message);
    ward_grpc_prefix((uint32_t)call->message.size, call->prefix);
    call->owner = transport;
    call->prev = NULL;
    call->next = transport->calls;
    if (call->next != NULL) {
        call->next->prev = call;
    }
    transport->calls = call;
}

static void call_unlink(struct ward_transport_call *call)
{
    if (call->prev != NULL) {
        call->prev->next = call->next;
    } else {
        call->owner->calls = call->next;
    }
    if (call->next != NULL) {
        call->next->prev = call->prev;
    }
    call->owner = NULL;
}

ward_rc ward_transport_submit(struct ward_transport *transport, struct ward_transport_call *call)
{
    if (!ward_transport_usable(transport)) {
        call->unprocessed = true;
        return ward_error_set(&call->error, WARD_RC_UNAVAILABLE, "%s",
                              transport->stage == WARD_CLOSED ? transport->error.message
                                                              : "the daemon is going away");
    }
    const char *authority = transport->endpoint->authority;
    nghttp2_nv headers[8] = {
        HEADER(":method", "POST"),
        HEADER(":scheme", "https"),
        HEADER_TEXT(":authority", authority, 0),
        HEADER_TEXT(":path", call->path, 0),
        HEADER("te", "trailers"),
        HEADER("content-type", "application/grpc"),
    };
    size_t n = 6;
    if (call->timeout != NULL) { /* another one each time: not worth a place in HPACK's table */
        headers[n++] =
            (nghttp2_nv)HEADER_TEXT("grpc-timeout", call->timeout, NGHTTP2_NV_FLAG_NO_INDEX);
    }
    if (!transport->introduced) { /* said once to each connection */
        headers[n++] = (nghttp2_nv)HEADER("user-agent", "libward/" WARD_VERSION);
        transport->introduced = true;
    }
    call_begin(call, transport);
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = on_read};
    call->stream = nghttp2_submit_request(transport->session, NULL, headers, n, &provider, call);
    if (call->stream < 0) {
        call_unlink(call);
        call->unprocessed = true;
        transport->going_away = true; /* out of stream numbers, or of memory: time for a new one */
        return ward_error_set(&call->error, WARD_RC_UNAVAILABLE, "%s",
                              nghttp2_strerror(call->stream));
    }
    return WARD_RC_OK;
}

void ward_transport_finish(struct ward_transport_call *call, ward_rc code, bool answered,
                           const char *text)
{
    if (code == WARD_RC_OK) { /* the way of nearly every call: no text is printed */
        call->error.code = code;
        call->error.message[0] = 0;
    } else {
        const ward_error said = call->error; /* text may lie in it, and details came before */
        (void)ward_error_set(&call->error, code, "%s",
                             text == call->error.message ? said.message : text);
        if (answered) {
            call->error.retry_after_ms = said.retry_after_ms;
            memcpy(call->error.reason, said.reason, sizeof(said.reason));
            if (said.field[0] != 0) {
                memcpy(call->error.field, said.field, sizeof(said.field));
            }
        }
    }
    call->error.answered = answered;
    call_unlink(call);
    call->done(call);
}

void ward_transport_cancel(struct ward_transport_call *call, ward_rc code, const char *text)
{
    struct ward_transport *transport = call->owner;
    if (transport->session != NULL) {
        if (call->sent < call_total(call)) {
            transport->has_ghosts = true;
            transport->going_away = true; /* its window may be spent on what nobody reads */
        }
        /* Fails where there is no stream yet; a failing reset leaves the stream to the connection's
         * end. */
        (void)nghttp2_session_set_stream_user_data(transport->session, call->stream, NULL);
        (void)nghttp2_submit_rst_stream(transport->session, NGHTTP2_FLAG_NONE, call->stream,
                                        NGHTTP2_CANCEL);
    }
    ward_transport_finish(call, code, false, text);
}
