/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's rules for an answer: headers, one message, trailers; or headers that are trailers at the
 * same time. The answer's bytes lie in the request's memory until the stream closes, then all of it
 * is wiped. */
#include "server/rpc/stream.h"

#include "server/rpc/details.h"
#include "server/rpc/message.h"

#define UNREAD_MAX (64u * 1024 * 1024)

static const struct ward_h2_field ok_headers[] = {
    {WARD_BYTES_LITERAL(":status"), WARD_BYTES_LITERAL("200")},
    {WARD_BYTES_LITERAL("content-type"), WARD_BYTES_LITERAL("application/grpc")},
};
static const struct ward_h2_field ok_trailers[] = {
    {WARD_BYTES_LITERAL("grpc-status"), WARD_BYTES_LITERAL("0")},
};
static const struct ward_h2_field unavailable_trailers[] = {
    {WARD_BYTES_LITERAL("grpc-status"), WARD_BYTES_LITERAL("14")},
    {WARD_BYTES_LITERAL("grpc-message"), WARD_BYTES_LITERAL("server: shutting down")},
};

static struct ward_bytes code_text(enum ward_grpc_code code)
{
    static const char *const texts[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                        "9", "10", "11", "12", "13", "14", "15", "16"};
    return ward_bytes_str(texts[code]);
}

static struct ward_bytes http_text(unsigned status)
{
    return ward_bytes_str(status == 415 ? "415" : status == 405 ? "405" : "200");
}

/* A stream that cannot even be answered is reset. */
static void answered(struct ward_stream *stream, ward_status status)
{
    stream->state = WARD_STREAM_ANSWERED;
    if (!ward_ok(status)) {
        ward_h2_cancel(&stream->h2);
    }
}

static void reply_refusal(struct ward_stream *stream, ward_status status,
                          const struct ward_details *with)
{
    char details[WARD_DETAILS_TEXT_MAX];
    size_t details_size = ward_details_text(status, with, details);
    ward_auto(ward_buffer_fini) struct ward_buffer text;
    ward_buffer_init(&text, WARD_REPLY_TEXT_MAX);
    ward_grpc_percent_encode(ward_bytes_str(ward_grpc_message_of(status)), &text);
    struct ward_h2_field fields[6] = {
        {WARD_BYTES_LITERAL(":status"), http_text(stream->http_status)},
        {WARD_BYTES_LITERAL("content-type"), WARD_BYTES_LITERAL("application/grpc")},
        {WARD_BYTES_LITERAL("grpc-status"), code_text(ward_grpc_code_of(status))},
        {WARD_BYTES_LITERAL("grpc-message"), ward_buffer_view(&text)},
    };
    size_t n = 4;
    if (details_size > 0) {
        fields[n++] = (struct ward_h2_field){WARD_BYTES_LITERAL("grpc-status-details-bin"),
                                             WARD_BYTES(details, details_size)};
    }
    if (stream->accept_encoding) {
        fields[n++] = (struct ward_h2_field){WARD_BYTES_LITERAL("grpc-accept-encoding"),
                                             WARD_BYTES_LITERAL("identity")};
    }
    answered(stream, ward_h2_end(&stream->h2, fields, n));
}

void ward_reply_status(struct ward_stream *stream, ward_status status)
{
    reply_refusal(stream, status, &(const struct ward_details){0});
}

static ward_status encode(struct ward_request *request, struct ward_bytes *ret)
{
    if (request->answer.size > 0) { /* kept, or given before */
        *ret = request->answer;
        return WARD_OK;
    }
    const struct ward_method *method = request->method;
    const ProtobufCMessage *message = NULL;
    WARD_TRY(method->encode(request, &message));
    return ward_message_pack(request->arena, message, ret);
}

void ward_reply_request(struct ward_stream *stream, struct ward_request *take_request)
{
    struct ward_bytes body = {0};
    ward_status status = take_request->status;
    if (ward_ok(status)) {
        status = encode(take_request, &body);
    }
    size_t held = ward_ok(status) ? ward_arena_used(take_request->arena) : 0;
    if (ward_ok(status)) {
        ward_shard_learn(stream->session->shard, take_request->method, held);
    }
    if (ward_ok(status) && (ward_h2_waiting(stream->h2.h2) + body.size > UNREAD_MAX ||
                            (body.size > WARD_HELD_MODEST && /* what changes has small answers */
                             !ward_session_room(stream->session, held)))) {
        status = WARD_REFUSAL(WARD_E_EXHAUSTED, "connection: too many answers wait to be read");
    }
    if (!ward_ok(status)) {
        struct ward_leaf_pair rule[2];
        struct ward_details with = {.retry_after_ms = take_request->retry_after_ms,
                                    .facts = take_request->detail,
                                    .n_facts =
                                        take_request->tells_detail ? take_request->n_detail : 0};
        if (with.n_facts == 0) {
            with.facts = rule;
            with.n_facts =
                ward_details_rule(status, take_request->action, take_request->rule, rule);
        }
        reply_refusal(stream, status, &with);
        ward_request_free(take_request);
        return;
    }
    stream->request = take_request; /* until the stream closes */
    stream->held = held;
    ward_session_hold(stream->session, held);
    answered(stream, ward_h2_respond(&stream->h2, ok_headers, 2, body, true, ok_trailers, 1));
}

size_t ward_reply_trailers(ward_status status, struct ward_buffer *text,
                           struct ward_h2_field out[static 2])
{
    out[0] = (struct ward_h2_field){WARD_BYTES_LITERAL("grpc-status"),
                                    code_text(ward_grpc_code_of(status))};
    if (ward_ok(status)) {
        return 1;
    }
    ward_grpc_percent_encode(ward_bytes_str(ward_grpc_message_of(status)), text);
    out[1] = (struct ward_h2_field){WARD_BYTES_LITERAL("grpc-message"), ward_buffer_view(text)};
    return 2;
}

void ward_reply_part(struct ward_stream *stream, struct ward_bytes body, bool first,
                     const struct ward_h2_field *trailers, size_t n)
{
    ward_status status = first
                             ? ward_h2_respond(&stream->h2, ok_headers, 2, body, n > 0, trailers, n)
                             : ward_h2_more(&stream->h2, body, n > 0, trailers, n);
    if (n > 0 || !ward_ok(status)) {
        answered(stream, status);
    }
}

void ward_reply_more(struct ward_stream *stream, struct ward_bytes body, bool first)
{
    ward_reply_part(stream, body, first, NULL, 0);
}

void ward_reply_last(struct ward_stream *stream)
{
    ward_reply_part(stream, (struct ward_bytes){0}, false, unavailable_trailers, 2);
}
