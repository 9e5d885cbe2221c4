/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.reflection.v1: a stream of questions, each answered here from what was built in. It says
 * nothing about anybody's data, so it has no audit entry, but only those whom policy allows may
 * ask.
 *
 * Questions are put by as they come and answered at the end of the loop's turn, once what was
 * answered before has been sent: that the peer does not read keeps us from reading on. */
#include "server/rpc/reflection.h"

#include <stdlib.h>

#include "server/rpc/message.h"
#include "server/rpc/stream.h"

#include "grpc/reflection/v1/reflection.pb-c.h"

#define QUESTION_MAX 4096
#define QUESTIONS_MAX 1000 /* of one stream */
#define INPUT_MAX (64u * 1024)
#define OUTPUT_MAX (512u * 1024)  /* answers that wait to be sent */
#define OUTPUT_FULL (256u * 1024) /* no more questions until they are */
#define TOO_MUCH "stream: too many questions at once; try again later"
#define IDLE_US (60LL * 1000000)

typedef Grpc__Reflection__V1__ServerReflectionRequest question_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer_t;

struct ward_reflection {
    struct ward_buffer input, output;
    unsigned questions;
    bool begun;   /* response headers were sent */
    bool ended;   /* the peer has asked all */
    bool closing; /* trailers follow what is being sent */
    ward_status status;
    int64_t active_us;
    size_t held; /* bytes that its connection answers for */
    struct ward_buffer text;
    struct ward_h2_field trailers[2];
};

/* ---- one question ---- */

static ward_status refuse(struct ward_arena *arena, answer_t *answer, enum ward_grpc_code code,
                          const char *text)
{
    Grpc__Reflection__V1__ErrorResponse *error =
        WARD_ARENA_NEW(arena, Grpc__Reflection__V1__ErrorResponse);
    WARD_ENSURE(error != NULL, WARD_E_EXHAUSTED);
    grpc__reflection__v1__error_response__init(error);
    error->error_code = (int32_t)code;
    error->error_message = (char *)text; /* constant, and only read */
    answer->error_response = error;
    answer->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    return WARD_OK;
}

static ward_status give_files(struct ward_arena *arena, answer_t *answer,
                              const struct ward_bytes *files, size_t n)
{
    Grpc__Reflection__V1__FileDescriptorResponse *response =
        WARD_ARENA_NEW(arena, Grpc__Reflection__V1__FileDescriptorResponse);
    ProtobufCBinaryData *bytes = WARD_ARENA_ARRAY(arena, ProtobufCBinaryData, n);
    WARD_ENSURE(response != NULL && bytes != NULL, WARD_E_EXHAUSTED);
    grpc__reflection__v1__file_descriptor_response__init(response);
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (ProtobufCBinaryData){files[i].size, (uint8_t *)(uintptr_t)files[i].data};
    }
    response->file_descriptor_proto = bytes;
    response->n_file_descriptor_proto = n;
    answer->file_descriptor_response = response;
    answer->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    return WARD_OK;
}

static ward_status give_services(struct ward_arena *arena, answer_t *answer)
{
    char(*names)[WARD_REFLECTION_NAME_MAX] =
        ward_arena_alloc(arena, WARD_REFLECTION_SERVICES_MAX * WARD_REFLECTION_NAME_MAX);
    WARD_ENSURE(names != NULL, WARD_E_EXHAUSTED);
    size_t n = ward_reflection_services(names);
    Grpc__Reflection__V1__ListServiceResponse *list =
        WARD_ARENA_NEW(arena, Grpc__Reflection__V1__ListServiceResponse);
    Grpc__Reflection__V1__ServiceResponse *services =
        WARD_ARENA_ARRAY(arena, Grpc__Reflection__V1__ServiceResponse, n);
    Grpc__Reflection__V1__ServiceResponse **pointers =
        WARD_ARENA_ARRAY(arena, Grpc__Reflection__V1__ServiceResponse *, n);
    WARD_ENSURE(list != NULL && services != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    grpc__reflection__v1__list_service_response__init(list);
    for (size_t i = 0; i < n; i++) {
        if (ward_method_service_known(ward_bytes_str(names[i]), true)) {
            Grpc__Reflection__V1__ServiceResponse *service = &services[list->n_service];
            grpc__reflection__v1__service_response__init(service);
            service->name = names[i];
            pointers[list->n_service++] = service;
        }
    }
    list->service = pointers;
    answer->list_services_response = list;
    answer->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    return WARD_OK;
}

/* Nothing of ours is extended: a type that exists has none. */
static ward_status give_extensions(struct ward_arena *arena, answer_t *answer, char *type)
{
    struct ward_bytes files[WARD_REFLECTION_FILES_MAX];
    if (ward_reflection_symbol(ward_bytes_str(type), files) == 0) {
        return refuse(arena, answer, WARD_GRPC_NOT_FOUND, "symbol: not known");
    }
    Grpc__Reflection__V1__ExtensionNumberResponse *numbers =
        WARD_ARENA_NEW(arena, Grpc__Reflection__V1__ExtensionNumberResponse);
    WARD_ENSURE(numbers != NULL, WARD_E_EXHAUSTED);
    grpc__reflection__v1__extension_number_response__init(numbers);
    numbers->base_type_name = type;
    answer->all_extension_numbers_response = numbers;
    answer->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    return WARD_OK;
}

static ward_status fill(struct ward_arena *arena, const question_t *question, answer_t *answer)
{
    struct ward_bytes files[WARD_REFLECTION_FILES_MAX];
    size_t n = 0;
    switch ((int)question->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        n = ward_reflection_file(ward_bytes_str(question->file_by_filename), files);
        return n > 0 ? give_files(arena, answer, files, n)
                     : refuse(arena, answer, WARD_GRPC_NOT_FOUND, "file: not known");
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        n = ward_reflection_symbol(ward_bytes_str(question->file_containing_symbol), files);
        return n > 0 ? give_files(arena, answer, files, n)
                     : refuse(arena, answer, WARD_GRPC_NOT_FOUND, "symbol: not known");
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        return refuse(arena, answer, WARD_GRPC_NOT_FOUND, "extension: not known");
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        return give_extensions(arena, answer, question->all_extension_numbers_of_type);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        return give_services(arena, answer);
    default:
        return refuse(arena, answer, WARD_GRPC_INVALID_ARGUMENT, "message_request: none");
    }
}

static ward_status answer_one(struct ward_stream *stream, struct ward_bytes message)
{
    struct ward_reflection *reflection = stream->reflection;
    const struct ward_rpc_handler *handler = &stream->session->shard->shared->handler;
    WARD_TRY(handler->may_reflect(handler->context, stream->session->peer));
    if (++reflection->questions > QUESTIONS_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "stream: more than 1000 questions");
    }
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(ward_message_budget(message.size) + OUTPUT_FULL, &arena));
    const ProtobufCMessage *parsed = NULL;
    WARD_TRY(ward_message_unpack(arena, stream->method->input, message, &parsed));
    question_t *question = (question_t *)(uintptr_t)parsed;
    answer_t answer;
    grpc__reflection__v1__server_reflection_response__init(&answer);
    answer.valid_host = question->host;
    answer.original_request = question;
    WARD_TRY(fill(arena, question, &answer));
    struct ward_bytes packed;
    WARD_TRY(ward_message_pack(arena, &answer.base, &packed));
    ward_buffer_add(&reflection->output, packed);
    WARD_ENSURE(!reflection->output.failed, WARD_E_EXHAUSTED);
    return WARD_OK;
}

/* ---- the stream ---- */

/* The size of the first message in the input with its prefix; 0 when it is not all there. */
static ward_status first_message(const struct ward_stream *stream, size_t *ret_size)
{
    struct ward_bytes input = ward_buffer_view(&stream->reflection->input);
    *ret_size = 0;
    if (input.size < WARD_GRPC_PREFIX_SIZE) {
        return WARD_OK;
    }
    struct ward_grpc_reader reader;
    ward_grpc_reader_init(&reader, QUESTION_MAX);
    ward_status status = ward_grpc_reader_feed(
        &reader, WARD_BYTES(input.data, WARD_GRPC_PREFIX_SIZE), stream->encoded);
    size_t size = WARD_GRPC_PREFIX_SIZE + reader.expected;
    ward_grpc_reader_fini(&reader);
    WARD_TRY(status);
    *ret_size = size <= input.size ? size : 0;
    return WARD_OK;
}

/* As many questions as there are, and as there is room for answers. */
static ward_status answer_all(struct ward_stream *stream)
{
    struct ward_reflection *reflection = stream->reflection;
    while (reflection->output.size < OUTPUT_FULL) {
        size_t size;
        WARD_TRY(first_message(stream, &size));
        if (size == 0 && reflection->ended && reflection->input.size > 0) {
            return WARD_REFUSAL(WARD_E_INVALID, "message: shorter than its prefix says");
        }
        if (size == 0) {
            reflection->closing = reflection->ended;
            return WARD_OK;
        }
        WARD_TRY(answer_one(stream, WARD_BYTES(reflection->input.data + WARD_GRPC_PREFIX_SIZE,
                                               size - WARD_GRPC_PREFIX_SIZE)));
        ward_buffer_consume(&reflection->input, size);
    }
    return WARD_OK;
}

/* Counts what the stream holds now; false: there is no room for more. */
static bool hold(struct ward_stream *stream)
{
    struct ward_reflection *reflection = stream->reflection;
    size_t now = reflection->input.size + reflection->output.size;
    bool room =
        now <= reflection->held || ward_session_room(stream->session, now - reflection->held);
    ward_session_release(stream->session, reflection->held);
    ward_session_hold(stream->session, now);
    reflection->held = now;
    return room;
}

static void send_what_there_is(struct ward_stream *stream)
{
    struct ward_reflection *reflection = stream->reflection;
    struct ward_bytes body = ward_buffer_view(&reflection->output);
    if (!reflection->begun && reflection->closing && body.size == 0) {
        stream->accept_encoding =
            stream->encoded && reflection->status.code == WARD_E_UNIMPLEMENTED;
        ward_reply_status(stream, reflection->status);
        return;
    }
    size_t n = 0;
    if (reflection->closing) {
        n = ward_reply_trailers(reflection->status, &reflection->text, reflection->trailers);
    } else if (body.size == 0) {
        return;
    }
    bool first = !reflection->begun;
    reflection->begun = true;
    ward_reply_part(stream, body, first, reflection->trailers, n);
}

bool ward_reflection_turn(struct ward_stream *stream)
{
    struct ward_reflection *reflection = stream->reflection;
    if (stream->state != WARD_STREAM_REFLECTING) {
        return false;
    }
    if (!ward_h2_sent(&stream->h2)) {
        return true;
    }
    ward_buffer_reset(&reflection->output);
    ward_status status = reflection->closing ? WARD_OK : answer_all(stream);
    if (ward_ok(status) && !hold(stream)) {
        status = WARD_REFUSAL(WARD_E_EXHAUSTED, TOO_MUCH);
    }
    if (!ward_ok(status)) {
        reflection->closing = true;
        reflection->status = status;
    }
    send_what_there_is(stream);
    return stream->state == WARD_STREAM_REFLECTING && reflection->output.size > 0;
}

static void close_with(struct ward_stream *stream, ward_status status)
{
    stream->reflection->closing = true;
    stream->reflection->status = status;
    ward_shard_later(stream);
}

void ward_reflection_begin(struct ward_stream *stream)
{
    struct ward_session *session = stream->session;
    const struct ward_rpc_handler *handler = &session->shard->shared->handler;
    ward_status status = handler->may_reflect(handler->context, session->peer);
    if (ward_ok(status)) {
        status = ward_stream_stay(stream);
    }
    if (ward_ok(status)) {
        stream->reflection = calloc(1, sizeof(*stream->reflection));
        status = stream->reflection == NULL ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
    }
    if (!ward_ok(status)) {
        ward_reply_status(stream, status);
        return;
    }
    struct ward_reflection *reflection = stream->reflection;
    ward_buffer_init(&reflection->input, INPUT_MAX);
    ward_buffer_init(&reflection->output, OUTPUT_MAX);
    ward_buffer_init(&reflection->text, WARD_REPLY_TEXT_MAX);
    reflection->active_us = stream->begun_us;
    stream->state = WARD_STREAM_REFLECTING;
}

void ward_reflection_data(struct ward_stream *stream, struct ward_bytes data)
{
    struct ward_reflection *reflection = stream->reflection;
    struct ward_shard *shard = stream->session->shard;
    if (reflection->closing || data.size == 0) {
        return;
    }
    reflection->active_us = shard->net.now_us(shard->net.context);
    ward_buffer_add(&reflection->input, data);
    if (reflection->input.failed || !hold(stream)) {
        close_with(stream, WARD_REFUSAL(WARD_E_EXHAUSTED, TOO_MUCH));
        return;
    }
    ward_shard_later(stream);
}

void ward_reflection_end(struct ward_stream *stream)
{
    stream->reflection->ended = true;
    ward_shard_later(stream);
}

void ward_reflection_tick(struct ward_stream *stream, int64_t now_us)
{
    struct ward_reflection *reflection = stream->reflection;
    struct ward_shard *shard = stream->session->shard;
    if (stream->timeout_us > 0 && now_us - stream->begun_us > stream->timeout_us) {
        stream->state = WARD_STREAM_ANSWERED;
        ward_h2_cancel(&stream->h2); /* the caller's own deadline */
    } else if (reflection->closing) {
        return;
    } else if (shard->net.draining(shard->net.context)) {
        close_with(stream, WARD_REFUSAL(WARD_E_UNAVAILABLE, "server: shutting down"));
    } else if (now_us - reflection->active_us > IDLE_US) {
        close_with(stream, WARD_REFUSAL(WARD_E_DEADLINE, "stream: no question for 60 seconds"));
    }
}

void ward_reflection_close(struct ward_stream *stream)
{
    struct ward_reflection *reflection = stream->reflection;
    if (reflection != NULL) {
        ward_session_release(stream->session, reflection->held);
        ward_buffer_fini(&reflection->input);
        ward_buffer_fini(&reflection->output);
        ward_buffer_fini(&reflection->text);
        free(reflection);
    }
}
