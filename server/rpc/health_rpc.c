/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.health.v1 (gRPC's health-checking document): Check answers now, Watch answers now and at
 * every change. It is about the daemon, not about anybody's data: no policy, no audit entry. */
#include "server/rpc/message.h"
#include "server/rpc/stream.h"

#include "grpc/health/v1/health.pb-c.h"

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

static uint8_t health_now(const struct ward_stream *stream)
{
    struct ward_shard *shard = stream->session->shard;
    const struct ward_rpc_handler *handler = &shard->shared->handler;
    if (!stream->health_known) {
        return SERVICE_UNKNOWN;
    }
    bool serving = !shard->net.draining(shard->net.context) && handler->serving(handler->context);
    return serving ? SERVING : NOT_SERVING;
}

/* The whole response with its prefix: field 1, a number below 128. */
static struct ward_bytes health_body(struct ward_stream *stream, uint8_t health)
{
    ward_grpc_prefix(2, stream->health_body);
    stream->health_body[WARD_GRPC_PREFIX_SIZE] = 1 << 3;
    stream->health_body[WARD_GRPC_PREFIX_SIZE + 1] = health;
    return WARD_BYTES(stream->health_body, WARD_GRPC_PREFIX_SIZE + 2);
}

static ward_status read_service(struct ward_request *request, struct ward_stream *stream,
                                struct ward_bytes message)
{
    const ProtobufCMessage *parsed = NULL;
    WARD_TRY(ward_message_unpack(request->arena, stream->method->input, message, &parsed));
    const Grpc__Health__V1__HealthCheckRequest *in = (const void *)parsed;
    bool reflection = stream->session->shard->shared->handler.may_reflect != NULL;
    stream->health_known = ward_method_service_known(ward_bytes_str(in->service), reflection);
    if (!stream->health_known && !stream->method->watch) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "service: not known");
    }
    return WARD_OK;
}

static void check(struct ward_stream *stream)
{
    static const struct ward_h2_field headers[] = {
        {WARD_BYTES_LITERAL(":status"), WARD_BYTES_LITERAL("200")},
        {WARD_BYTES_LITERAL("content-type"), WARD_BYTES_LITERAL("application/grpc")},
    };
    static const struct ward_h2_field trailers[] = {
        {WARD_BYTES_LITERAL("grpc-status"), WARD_BYTES_LITERAL("0")},
    };
    stream->state = WARD_STREAM_ANSWERED;
    struct ward_bytes body = health_body(stream, health_now(stream));
    if (!ward_ok(ward_h2_respond(&stream->h2, headers, 2, body, true, trailers, 1))) {
        ward_h2_cancel(&stream->h2);
    }
}

void ward_health_call(struct ward_stream *stream, struct ward_bytes message)
{
    struct ward_request *memory = NULL;
    ward_status status =
        ward_request_new(ward_message_budget(message.size) + stream->method->work_max, &memory);
    if (ward_ok(status)) {
        status = read_service(memory, stream, message);
    }
    if (ward_ok(status) && stream->method->watch) {
        status = ward_stream_stay(stream);
    }
    ward_request_free(memory);
    if (!ward_ok(status)) {
        ward_reply_status(stream, status);
    } else if (!stream->method->watch) {
        check(stream);
    } else {
        stream->state = WARD_STREAM_WATCHING;
        stream->health = health_now(stream);
        ward_reply_more(stream, health_body(stream, stream->health), true);
    }
}

void ward_health_tick(struct ward_stream *stream, int64_t now_us)
{
    struct ward_shard *shard = stream->session->shard;
    if (stream->timeout_us > 0 && now_us - stream->begun_us > stream->timeout_us) {
        stream->state = WARD_STREAM_ANSWERED;
        ward_h2_cancel(&stream->h2); /* the caller's own deadline */
        return;
    }
    if (!ward_h2_sent(&stream->h2)) {
        return;
    }
    uint8_t health = health_now(stream);
    if (health != stream->health) {
        stream->health = health;
        ward_reply_more(stream, health_body(stream, health), false);
    } else if (shard->net.draining(shard->net.context)) {
        ward_reply_last(stream); /* it was told NOT_SERVING */
    }
}
