/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 by nghttp2, with every bound that it offers set here and counters of our own where 1.52
 * has none. Bodies go from their owner's memory into the output once: nghttp2 never holds a copy.
 * It must not know what a header means, nor that there are sockets. */
#include "server/net/h2.h"

#include <assert.h>
#include <stdlib.h>

#define FIELDS_MAX 8
#define FRAME_HEAD 9
#define PREFACE_SIZE 24

/* Frames that carry nothing cost credit, frames that move a request on earn some. An honest client
 * stays far above zero; a flood of SETTINGS, WINDOW_UPDATE, PRIORITY or empty DATA does not. */
#define CREDIT_MAX 1000
#define CREDIT_PER_REQUEST 20
#define CREDIT_PER_DATA_SENT 4
#define CREDIT_PER_SECOND 100
/* A stream that we had to reset costs more than it earned: a peer that makes us reset them
 * (CVE-2025-8671) runs dry as one does that resets them itself. */
#define CREDIT_PER_RESET_SENT 25

#define RESETS_BURST 100
#define RESETS_PER_SECOND 10
#define CONTINUATIONS_MAX 4
#define SETTINGS_ENTRIES_MAX 16
#define ACKS_MAX 100
#define SETTINGS_NO_RFC7540_PRIORITIES 9

struct ward_h2 {
    nghttp2_session *session;
    const struct ward_h2_events *events;
    void *context;
    struct ward_h2_stream *streams;
    struct ward_h2_stream *in_headers; /* whose header block is being read: they do not mix */
    size_t n_streams, waiting;
    uint64_t begun;
    struct ward_buffer *out; /* only during ward_h2_send */
    size_t enough;
    int64_t now_us, credit_us, ping_us, ping_interval_us, ping_interval_idle_us;
    int credit;
    unsigned ping_strikes, ping_strikes_max;
    bool doomed, notice_answered, said_goaway, at_fault;
    size_t passing; /* bytes until the next frame's head */
    size_t head_size;
    uint8_t head[FRAME_HEAD];
};

static const uint8_t ping_drain[8] = "drain", ping_alive[8] = "alive";

static struct ward_h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- what a peer may cost us ---- */

static int doom(struct ward_h2 *h2, const char *debug_data)
{
    struct ward_bytes text = ward_bytes_str(debug_data);
    h2->doomed = true;
    h2->at_fault = true;
    h2->said_goaway = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_ENHANCE_YOUR_CALM, text.data, text.size);
    return NGHTTP2_ERR_CALLBACK_FAILURE; /* we close; the GOAWAY is a courtesy */
}

static void earn(struct ward_h2 *h2, int credit)
{
    h2->credit = h2->credit + credit > CREDIT_MAX ? CREDIT_MAX : h2->credit + credit;
}

static int pay(struct ward_h2 *h2)
{
    int64_t seconds = (h2->now_us - h2->credit_us) / 1000000;
    if (seconds > 0) {
        earn(h2, seconds > CREDIT_MAX ? CREDIT_MAX : (int)seconds * CREDIT_PER_SECOND);
        h2->credit_us += seconds * 1000000;
    }
    if (--h2->credit < 0) {
        return doom(h2, "too_many_frames");
    }
    return 0;
}

/* A frame that moves a request on: HEADERS or DATA of a stream that is open, or about to be, with
 * something in it. */
static bool useful(const struct ward_h2 *h2, const uint8_t head[static FRAME_HEAD])
{
    uint8_t type = head[3], flags = head[4];
    uint32_t size = ward_get_u32(head) >> 8;
    int32_t id = (int32_t)(ward_get_u32(head + 5) & INT32_MAX);
    if (id <= nghttp2_session_get_last_proc_stream_id(h2->session) &&
        stream_of(h2->session, id) == NULL) {
        return false;
    }
    return type == NGHTTP2_HEADERS || (type == NGHTTP2_DATA && (flags & NGHTTP2_FLAG_PADDED) == 0 &&
                                       (size > 0 || (flags & NGHTTP2_FLAG_END_STREAM) != 0));
}

/* Every frame, those too that nghttp2 passes over without a word to us. */
static int count_frames(struct ward_h2 *h2, struct ward_bytes bytes)
{
    while (bytes.size > 0) {
        size_t wanted = h2->passing > 0 ? h2->passing : FRAME_HEAD - h2->head_size;
        size_t n = bytes.size < wanted ? bytes.size : wanted;
        if (h2->passing > 0) {
            h2->passing -= n;
        } else {
            memcpy(h2->head + h2->head_size, bytes.data, n);
            h2->head_size += n;
        }
        bytes = WARD_BYTES(bytes.data + n, bytes.size - n);
        if (h2->head_size == FRAME_HEAD) {
            h2->head_size = 0;
            h2->passing = ward_get_u32(h2->head) >> 8;
            int rv = h2->credit >= 0 && useful(h2, h2->head) ? 0 : pay(h2);
            if (rv != 0) {
                return rv;
            }
        }
    }
    return 0;
}

static int on_ping(struct ward_h2 *h2, const nghttp2_frame *frame)
{
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
        h2->notice_answered |= memcmp(frame->ping.opaque_data, ping_drain, sizeof(ping_drain)) == 0;
        return 0;
    }
    int64_t least = h2->n_streams > 0 ? h2->ping_interval_us : h2->ping_interval_idle_us;
    bool early = h2->ping_us != 0 && h2->now_us - h2->ping_us < least;
    h2->ping_us = h2->now_us;
    if (early && ++h2->ping_strikes > h2->ping_strikes_max) {
        return doom(h2, "too_many_pings");
    }
    return 0;
}

/* ---- frames of the peer ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct ward_h2 *h2 = user;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    earn(h2, CREDIT_PER_REQUEST);
    h2->in_headers = NULL;
    struct ward_h2_stream *stream = h2->events->begin(h2->context);
    if (stream == NULL) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    stream->h2 = h2;
    stream->id = frame->hd.stream_id;
    stream->previous = NULL;
    stream->next = h2->streams;
    if (h2->streams != NULL) {
        h2->streams->previous = stream;
    }
    h2->streams = stream;
    h2->in_headers = stream;
    h2->n_streams++;
    h2->begun++;
    return nghttp2_session_set_stream_user_data(session, stream->id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user)
{
    (void)session;
    (void)flags;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0; /* a request's trailers say nothing to us */
    }
    struct ward_h2_stream *stream = ((struct ward_h2 *)user)->in_headers;
    if (stream != NULL) {
        nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
        stream->h2->events->header(stream, WARD_BYTES(n.base, n.len), WARD_BYTES(v.base, v.len));
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t size, void *user)
{
    (void)flags;
    (void)user;
    struct ward_h2_stream *stream = stream_of(session, id);
    if (stream != NULL) {
        stream->h2->events->data(stream, WARD_BYTES(data, size));
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct ward_h2 *h2 = user;
    if (frame->hd.type == NGHTTP2_PING) {
        return on_ping(h2, frame);
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) {
        return 0;
    }
    struct ward_h2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream == NULL) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        h2->events->headers_end(stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        h2->events->end(stream);
    }
    return 0;
}

static void stream_closed(struct ward_h2 *h2, struct ward_h2_stream *stream)
{
    if (stream->previous != NULL) {
        stream->previous->next = stream->next;
    } else {
        h2->streams = stream->next;
    }
    if (stream->next != NULL) {
        stream->next->previous = stream->previous;
    }
    if (h2->in_headers == stream) {
        h2->in_headers = NULL;
    }
    h2->n_streams--;
    h2->waiting -= stream->body.size - stream->sent;
    h2->events->close(stream);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)error;
    struct ward_h2_stream *stream = stream_of(session, id);
    if (stream != NULL) {
        stream_closed(user, stream);
    }
    return 0;
}

/* ---- frames of ours ---- */

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct ward_h2 *h2 = user;
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
        frame->rst_stream.error_code != NGHTTP2_CANCEL) {
        h2->credit -= CREDIT_PER_RESET_SENT; /* below zero: the next frame is one too many */
    }
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        h2->at_fault = true; /* nghttp2 says so by itself where a frame cannot be */
    }
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    h2->ping_strikes = 0;
    h2->ping_us = 0;
    bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_NO_ERROR);
    }
    return 0;
}

static size_t fill_fields(const struct ward_h2_field *fields, size_t n, uint8_t flags,
                          nghttp2_nv nv[static FIELDS_MAX])
{
    assert(n <= FIELDS_MAX);
    for (size_t i = 0; i < n; i++) {
        nv[i] = (nghttp2_nv){(uint8_t *)fields[i].name.data, (uint8_t *)fields[i].value.data,
                             fields[i].name.size, fields[i].value.size, flags};
    }
    return n;
}

static ssize_t on_body_read(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)buffer;
    (void)user;
    struct ward_h2_stream *stream = source->ptr;
    size_t left = stream->body.size - stream->sent;
    size_t taken = left < size ? left : size;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (taken == 0 && !stream->last) {
        stream->waiting = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (taken == left && stream->last) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv nv[FIELDS_MAX];
        size_t n = fill_fields(stream->trailers, stream->n_trailers,
                               NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE, nv);
        if (nghttp2_submit_trailer(session, id, nv, n) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)taken;
}

static int on_body_send(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)frame; /* never padded */
    struct ward_h2 *h2 = user;
    struct ward_h2_stream *stream = source->ptr;
    ward_buffer_add(h2->out, WARD_BYTES(head, 9));
    ward_buffer_add(h2->out, WARD_BYTES(stream->body.data + stream->sent, size));
    if (h2->out->failed) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    stream->sent += size;
    h2->waiting -= size;
    h2->ping_strikes = 0;
    h2->ping_us = 0;
    earn(h2, CREDIT_PER_DATA_SENT);
    return h2->out->size >= h2->enough ? NGHTTP2_ERR_PAUSE : 0;
}

/* ---- the session ---- */

static void options_fill(nghttp2_option *option)
{
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_reserved_remote_streams(option, 0);
    nghttp2_option_set_stream_reset_rate_limit(option, RESETS_BURST, RESETS_PER_SECOND);
    nghttp2_option_set_max_continuations(option, CONTINUATIONS_MAX);
    nghttp2_option_set_max_settings(option, SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, 4096);
}

static void callbacks_fill(nghttp2_session_callbacks *calls)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(calls, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(calls, on_body_send);
}

static int session_new(struct ward_h2 *h2, struct ward_h2_memory *memory)
{
    nghttp2_option *option = NULL;
    nghttp2_session_callbacks *calls = NULL;
    int rv = nghttp2_option_new(&option);
    if (rv == 0) {
        options_fill(option);
        rv = nghttp2_session_callbacks_new(&calls);
    }
    if (rv == 0) {
        callbacks_fill(calls);
        rv = nghttp2_session_server_new3(&h2->session, calls, h2, option,
                                         ward_h2_memory_calls(memory));
    }
    nghttp2_session_callbacks_del(calls);
    nghttp2_option_del(option);
    return rv;
}

static int announce(struct ward_h2 *h2, const struct ward_h2_limits *limits)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->header_list},
        {SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int rv = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
                                     sizeof(settings) / sizeof(settings[0]));
    if (rv == 0) {
        rv = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                   (int32_t)limits->connection_window);
    }
    return rv;
}

ward_status ward_h2_new(const struct ward_h2_limits *limits, struct ward_h2_memory *memory,
                        const struct ward_h2_events *events, void *context, struct ward_h2 **ret)
{
    struct ward_h2 *h2 = calloc(1, sizeof(*h2));
    WARD_ENSURE(h2 != NULL, WARD_E_EXHAUSTED);
    h2->events = events;
    h2->context = context;
    h2->credit = CREDIT_MAX;
    h2->passing = PREFACE_SIZE;
    h2->ping_interval_us = limits->ping_interval_us;
    h2->ping_interval_idle_us = limits->ping_interval_idle_us;
    h2->ping_strikes_max = limits->ping_strikes;
    int rv = session_new(h2, memory);
    if (rv == 0) {
        rv = announce(h2, limits);
    }
    if (rv != 0) {
        ward_h2_free(h2);
        return WARD_FOREIGN(WARD_E_EXHAUSTED, WARD_DOMAIN_NGHTTP2, -rv);
    }
    *ret = h2;
    return WARD_OK;
}

void ward_h2_free(struct ward_h2 *h2)
{
    if (h2 == NULL) {
        return;
    }
    while (h2->streams != NULL) {
        stream_closed(h2, h2->streams);
    }
    nghttp2_session_del(h2->session);
    free(h2);
}

ward_status ward_h2_receive(struct ward_h2 *h2, struct ward_bytes bytes, int64_t now_us)
{
    h2->now_us = now_us;
    if (h2->credit_us == 0) {
        h2->credit_us = now_us;
    }
    WARD_ENSURE(!h2->doomed && count_frames(h2, bytes) == 0, WARD_E_UNAVAILABLE);
    ssize_t n = nghttp2_session_mem_recv(h2->session, bytes.data, bytes.size);
    if (n < 0) {
        h2->at_fault = true;
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_NGHTTP2, -n);
    }
    return WARD_OK;
}

ward_status ward_h2_send(struct ward_h2 *h2, struct ward_buffer *out, size_t enough)
{
    h2->out = out;
    h2->enough = enough;
    while (out->size < enough) {
        size_t before = out->size;
        const uint8_t *frames = NULL;
        ssize_t n = nghttp2_session_mem_send(h2->session, &frames);
        if (n < 0) {
            return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_NGHTTP2, -n);
        }
        ward_buffer_add(out, WARD_BYTES(frames, (size_t)n));
        WARD_ENSURE(!out->failed, WARD_E_EXHAUSTED);
        if (out->size == before) {
            break;
        }
    }
    h2->out = NULL;
    return WARD_OK;
}

bool ward_h2_finished(const struct ward_h2 *h2)
{
    return h2->doomed || (nghttp2_session_want_read(h2->session) == 0 &&
                          nghttp2_session_want_write(h2->session) == 0);
}

bool ward_h2_at_fault(const struct ward_h2 *h2)
{
    return h2->at_fault;
}

size_t ward_h2_streams(const struct ward_h2 *h2)
{
    return h2->n_streams;
}

uint64_t ward_h2_begun(const struct ward_h2 *h2)
{
    return h2->begun;
}

struct ward_h2_stream *ward_h2_first(const struct ward_h2 *h2)
{
    return h2->streams;
}

struct ward_h2_stream *ward_h2_find(struct ward_h2 *h2, int32_t id)
{
    return stream_of(h2->session, id);
}

size_t ward_h2_waiting(const struct ward_h2 *h2)
{
    return h2->waiting;
}

/* ---- answers ---- */

static ward_status submitted(int rv)
{
    return rv == 0 ? WARD_OK : WARD_FOREIGN(WARD_E_EXHAUSTED, WARD_DOMAIN_NGHTTP2, -rv);
}

ward_status ward_h2_end(struct ward_h2_stream *stream, const struct ward_h2_field *fields, size_t n)
{
    assert(!stream->answered);
    nghttp2_nv nv[FIELDS_MAX];
    fill_fields(fields, n, NGHTTP2_NV_FLAG_NONE, nv);
    stream->answered = true;
    return submitted(nghttp2_submit_response(stream->h2->session, stream->id, nv, n, NULL));
}

static void body_set(struct ward_h2_stream *stream, struct ward_bytes body, bool last,
                     const struct ward_h2_field *trailers, size_t n_trailers)
{
    stream->body = body;
    stream->sent = 0;
    stream->last = last;
    stream->trailers = trailers;
    stream->n_trailers = n_trailers;
    stream->h2->waiting += body.size;
}

ward_status ward_h2_respond(struct ward_h2_stream *stream, const struct ward_h2_field *fields,
                            size_t n, struct ward_bytes body, bool last,
                            const struct ward_h2_field *trailers, size_t n_trailers)
{
    assert(!stream->answered);
    nghttp2_nv nv[FIELDS_MAX];
    fill_fields(fields, n, NGHTTP2_NV_FLAG_NONE, nv);
    stream->answered = true;
    body_set(stream, body, last, trailers, n_trailers);
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = on_body_read};
    return submitted(nghttp2_submit_response(stream->h2->session, stream->id, nv, n, &provider));
}

ward_status ward_h2_more(struct ward_h2_stream *stream, struct ward_bytes body, bool last,
                         const struct ward_h2_field *trailers, size_t n_trailers)
{
    assert(ward_h2_sent(stream) && !stream->last);
    body_set(stream, body, last, trailers, n_trailers);
    if (!stream->waiting) {
        return WARD_OK;
    }
    stream->waiting = false;
    return submitted(nghttp2_session_resume_data(stream->h2->session, stream->id));
}

bool ward_h2_sent(const struct ward_h2_stream *stream)
{
    return stream->sent == stream->body.size;
}

void ward_h2_cancel(struct ward_h2_stream *stream)
{
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, stream->id,
                                    NGHTTP2_CANCEL);
}

void ward_h2_ping(struct ward_h2 *h2)
{
    (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, ping_alive);
}

void ward_h2_notice(struct ward_h2 *h2)
{
    (void)nghttp2_submit_shutdown_notice(h2->session);
    (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, ping_drain);
}

bool ward_h2_notice_answered(const struct ward_h2 *h2)
{
    return h2->notice_answered;
}

void ward_h2_goaway(struct ward_h2 *h2, const char *debug_data)
{
    struct ward_bytes text = ward_bytes_str(debug_data);
    h2->said_goaway = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session),
                                NGHTTP2_NO_ERROR, text.data, text.size);
}

bool ward_h2_said_goaway(const struct ward_h2 *h2)
{
    return h2->said_goaway;
}
