/* SPDX-License-Identifier: Apache-2.0 */
/* Reflection: what is built in, who may ask for it, and a stream of questions that breaks off,
 * comes in pieces, or is not read. */
#include <stdlib.h>

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "proto/grpc.h"
#include "server/rpc/method.h"
#include "server/rpc/reflection.h"
#include "server/rpc/stream.h"
#include "tests/unit/server/wire_test.h"

#define REFLECT "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

typedef Grpc__Reflection__V1__ServerReflectionRequest question_t;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer_t;
#define QUESTION GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT
#define CASE(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define ANSWER(name) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

/* ---- what is built in ---- */

static void every_method_that_is_answered_is_described(void **state)
{
    (void)state;
    const struct ward_method *methods;
    size_t n = ward_methods(&methods);
    struct ward_bytes files[WARD_REFLECTION_FILES_MAX];
    for (size_t i = 0; i < n; i++) {
        char symbol[WARD_REFLECTION_NAME_MAX];
        size_t size = methods[i].path.size - 1;
        memcpy(symbol, methods[i].path.data + 1, size);
        *(char *)memchr(symbol, '/', size) = '.';
        bool alpha = memmem(symbol, size, "v1alpha", 7) != NULL;
        assert_int_equal(ward_reflection_symbol(WARD_BYTES(symbol, size), files) > 0, !alpha);
    }
}

static void symbols_are_found_where_they_are_declared(void **state)
{
    (void)state;
    static const char *const known[] = {
        "ward.v1.Keys",
        "ward.v1.Keys.CreateKey",
        "ward.v1.RequestHeader",
        "ward.v1.RequestHeader.request_id",
        "ward.v1.GenerateDataKeysItem.ContextEntry",
        "ward.v1.GenerateDataKeysItem.ContextEntry.key",
        "ward.v1.KeyPurpose",
        "ward.v1.KEY_PURPOSE_DATA_KEYS",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "grpc.health.v1.HealthCheckResponse.SERVING",
        "grpc.reflection.v1.ServerReflectionRequest.message_request",
        "google.rpc.BadRequest.FieldViolation", /* what the details of a refusal are made of */
    };
    struct ward_bytes files[WARD_REFLECTION_FILES_MAX];
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        assert_true(ward_reflection_symbol(ward_bytes_str(known[i]), files) > 0);
    }
}

static void other_symbols_are_not(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "",
        ".",
        "ward",
        "ward.v1",
        "ward.v1.",
        ".ward.v1.Keys",
        "ward.v",
        "Keys",
        "ward.v1.Key.",
        "ward.v1.Keys.",
        "ward.v1.keys",
        "ward.v1.Keys.x",
        "x.Keys",
        "google",
        "ward.v1.Keysx",
        "ward.v10.Keys",
        "ward.v1.Keys.CreateKey.x",
        "ward.v1.RequestHeader.request_id.x",
        "google.rpc",
        "google.rpc.Nothing",
    };
    struct ward_bytes files[WARD_REFLECTION_FILES_MAX];
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_int_equal(ward_reflection_symbol(ward_bytes_str(unknown[i]), files), 0);
    }
}

static void a_file_comes_with_what_it_imports(void **state)
{
    (void)state;
    struct ward_bytes files[WARD_REFLECTION_FILES_MAX], common[WARD_REFLECTION_FILES_MAX];
    assert_int_equal(ward_reflection_file(L("ward/v1/common.proto"), common), 1);
    assert_int_equal(ward_reflection_file(L("ward/v1/keys.proto"), files), 2);
    assert_ptr_equal(files[1].data, common[0].data);
    assert_int_equal(ward_reflection_file(L("google/rpc/error_details.proto"), files), 2);
    assert_int_equal(ward_reflection_file(L("../keys.proto"), files), 0);
    assert_int_equal(ward_reflection_file(L(""), files), 0);
}

/* ---- questions over the wire ---- */

static size_t put(uint8_t *out, size_t at, const question_t *question)
{
    uint8_t packed[512];
    size_t size = protobuf_c_message_pack(&question->base, packed);
    return at + rig_message(WARD_BYTES(packed, size), out + at).size;
}

static size_t put_symbol(uint8_t *out, size_t at, const char *symbol)
{
    question_t question = QUESTION;
    question.message_request_case = CASE(FILE_CONTAINING_SYMBOL);
    question.file_containing_symbol = (char *)symbol;
    return put(out, at, &question);
}

static size_t put_list(uint8_t *out, size_t at)
{
    question_t question = QUESTION;
    question.host = (char *)"ward";
    question.message_request_case = CASE(LIST_SERVICES);
    question.list_services = (char *)"";
    return put(out, at, &question);
}

/* The answer number i of a stream; the caller frees it. NULL: there are not so many. */
static answer_t *answer_at(const struct rig_answer *answer, size_t i)
{
    size_t at = 0;
    while (answer->body.size - at >= WARD_GRPC_PREFIX_SIZE) {
        size_t size = ward_get_u32(answer->body.data + at + 1);
        if (i-- == 0) {
            return grpc__reflection__v1__server_reflection_response__unpack(
                NULL, size, answer->body.data + at + WARD_GRPC_PREFIX_SIZE);
        }
        at += WARD_GRPC_PREFIX_SIZE + size;
    }
    return NULL;
}

static void expect_case(const struct rig_answer *answer, size_t i, int which)
{
    answer_t *one = answer_at(answer, i);
    assert_non_null(one);
    assert_int_equal((int)one->message_response_case, which);
    grpc__reflection__v1__server_reflection_response__free_unpacked(one, NULL);
}

static void expect_error(const struct rig_answer *answer, size_t i, int code)
{
    answer_t *one = answer_at(answer, i);
    assert_non_null(one);
    assert_int_equal(one->message_response_case, ANSWER(ERROR_RESPONSE));
    assert_int_equal(one->error_response->error_code, code);
    assert_true(strlen(one->error_response->error_message) > 0);
    grpc__reflection__v1__server_reflection_response__free_unpacked(one, NULL);
}

static struct rig_answer *ask(struct ward_bytes bytes, size_t frame)
{
    struct rig_body body = {.bytes = bytes, .frame = frame};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_pump(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    assert_true(answer->closed);
    assert_int_equal(rig.submits, 0); /* never audited, never in the pipeline */
    assert_int_equal(rig.session->staying, 0);
    assert_null(rig.shard.later);
    return answer;
}

static void services_are_listed_and_the_question_is_said_again(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct rig_answer *answer = ask(WARD_BYTES(bytes, put_list(bytes, 0)), 0);
    assert_string_equal(answer->status, "0");
    answer_t *one = answer_at(answer, 0);
    assert_non_null(one);
    assert_string_equal(one->valid_host, "ward");
    assert_int_equal(one->original_request->message_request_case, CASE(LIST_SERVICES));
    assert_int_equal(one->message_response_case, ANSWER(LIST_SERVICES_RESPONSE));
    assert_true(one->list_services_response->n_service >= 7);
    for (size_t i = 0; i < one->list_services_response->n_service; i++) {
        const char *name = one->list_services_response->service[i]->name;
        assert_true(ward_method_service_known(ward_bytes_str(name), true));
    }
    grpc__reflection__v1__server_reflection_response__free_unpacked(one, NULL);
}

static void questions_are_answered_in_order_in_any_pieces(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    size_t size = put_symbol(bytes, 0, "ward.v1.Keys");
    size = put_symbol(bytes, size, "no.such.Thing");
    size = put_list(bytes, size);
    static const size_t frames[] = {1, 2, 5, 7, 0};
    for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
        struct rig_answer *answer = ask(WARD_BYTES(bytes, size), frames[i]);
        assert_string_equal(answer->status, "0");
        expect_case(answer, 0, ANSWER(FILE_DESCRIPTOR_RESPONSE));
        expect_error(answer, 1, WARD_GRPC_NOT_FOUND);
        expect_case(answer, 2, ANSWER(LIST_SERVICES_RESPONSE));
        assert_null(answer_at(answer, 3));
    }
}

static void every_kind_of_question_has_an_answer(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    question_t question = QUESTION;
    size_t size = put(bytes, 0, &question); /* none at all */
    question.message_request_case = CASE(FILE_BY_FILENAME);
    question.file_by_filename = (char *)"ward/v1/keys.proto";
    size = put(bytes, size, &question);
    question.file_by_filename = (char *)"nothing.proto";
    size = put(bytes, size, &question);
    question.message_request_case = CASE(ALL_EXTENSION_NUMBERS_OF_TYPE);
    question.all_extension_numbers_of_type = (char *)"ward.v1.RequestHeader";
    size = put(bytes, size, &question);
    question.all_extension_numbers_of_type = (char *)"ward.v1.Nothing";
    size = put(bytes, size, &question);
    Grpc__Reflection__V1__ExtensionRequest extension =
        GRPC__REFLECTION__V1__EXTENSION_REQUEST__INIT;
    question.message_request_case = CASE(FILE_CONTAINING_EXTENSION);
    question.file_containing_extension = &extension;
    size = put(bytes, size, &question);
    struct rig_answer *answer = ask(WARD_BYTES(bytes, size), 0);
    assert_string_equal(answer->status, "0");
    expect_error(answer, 0, WARD_GRPC_INVALID_ARGUMENT);
    expect_case(answer, 1, ANSWER(FILE_DESCRIPTOR_RESPONSE));
    expect_error(answer, 2, WARD_GRPC_NOT_FOUND);
    expect_case(answer, 3, ANSWER(ALL_EXTENSION_NUMBERS_RESPONSE));
    expect_error(answer, 4, WARD_GRPC_NOT_FOUND);
    expect_error(answer, 5, WARD_GRPC_NOT_FOUND);
}

static void a_stream_without_questions_just_ends(void **state)
{
    (void)state;
    struct rig_answer *answer = ask(L(""), 0);
    assert_string_equal(answer->status, "0");
    assert_int_equal(answer->headers, 1);
}

static void what_is_no_question_ends_the_stream(void **state)
{
    (void)state;
    static const struct {
        struct ward_bytes bytes;
        const char *status, *message;
    } bad[] = {
        {L("\0\0\0\0\2\1"), "3", "message: shorter than its prefix says"},
        {L("\0\0\0"), "3", "message: shorter than its prefix says"},
        {L("\0\0\0\0\2\xff\xff"), "13", "message: does not parse"},
        {L("\0\0\0\0\3\xfa\x7f\0"), "3", "message: unknown field"},
        {L("\1\0\0\0\0"), "13", "message: marked compressed without an encoding"},
        {L("\0\0\0\x20\0"), "8", "message: larger than this method takes"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rig_answer *answer = ask(bad[i].bytes, 0);
        assert_string_equal(answer->status, bad[i].status);
        assert_string_equal(answer->message, bad[i].message);
        uint8_t bytes[512];
        size_t size = put_list(bytes, 0); /* and behind a good one */
        memcpy(bytes + size, bad[i].bytes.data, bad[i].bytes.size);
        answer = ask(WARD_BYTES(bytes, size + bad[i].bytes.size), 0);
        expect_case(answer, 0, ANSWER(LIST_SERVICES_RESPONSE));
        assert_string_equal(answer->status, bad[i].status);
        assert_string_equal(answer->message, bad[i].message);
    }
}

static void only_those_who_may_are_answered(void **state)
{
    (void)state;
    uint8_t bytes[512];
    rig.may_reflect = WARD_STATUS(WARD_E_DENIED);
    struct rig_answer *answer = ask(WARD_BYTES(bytes, put_list(bytes, 0)), 0);
    assert_string_equal(answer->status, "7");
    assert_int_equal(answer->body.size, 0);
    assert_int_equal(answer->headers, 1);
}

static void who_may_no_more_is_told_at_the_next_question(void **state)
{
    (void)state;
    uint8_t bytes[512];
    size_t size = put_list(bytes, 0);
    struct rig_body body = {.bytes = WARD_BYTES(bytes, size), .open = true};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_pump(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    expect_case(answer, 0, ANSWER(LIST_SERVICES_RESPONSE));
    rig.may_reflect = WARD_STATUS(WARD_E_DENIED);
    body.sent = 0;
    assert_int_equal(nghttp2_session_resume_data(rig.client, stream), 0);
    rig_pump(&rig);
    assert_null(answer_at(answer, 1));
    assert_string_equal(answer->status, "7");
    assert_true(answer->closed);
}

static void without_reflection_there_is_no_such_method(void **state)
{
    (void)state;
    rig.shared.handler.may_reflect = NULL;
    uint8_t bytes[512];
    struct rig_body body = {.bytes = WARD_BYTES(bytes, put_list(bytes, 0))};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_pump(&rig);
    assert_int_equal(rig.submits, 1); /* a refusal with its entry, as for any unknown path */
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "12");
    assert_false(ward_method_service_known(L("grpc.reflection.v1.ServerReflection"), false));
}

static void questions_of_a_stream_are_counted(void **state)
{
    (void)state;
    enum { MANY = 1001 };
    uint8_t *bytes = malloc(MANY * 16);
    assert_non_null(bytes);
    size_t size = 0;
    for (int i = 0; i < MANY; i++) {
        size = put_symbol(bytes, size, "x");
    }
    struct rig_answer *answer = ask(WARD_BYTES(bytes, size), 0);
    assert_non_null(rig.client);
    answer_t *last = answer_at(answer, MANY - 2);
    assert_non_null(last);
    grpc__reflection__v1__server_reflection_response__free_unpacked(last, NULL);
    assert_null(answer_at(answer, MANY - 1));
    assert_string_equal(answer->status, "8");
    free(bytes);
}

/* A peer that asks and does not read: what waits is bounded, and it is told all in the end. */
static void who_does_not_read_is_not_read_from(void **state)
{
    (void)state;
    enum { MANY = 400 };
    uint8_t *bytes = malloc(MANY * 32);
    assert_non_null(bytes);
    size_t size = 0;
    for (int i = 0; i < MANY; i++) {
        size = put_symbol(bytes, size, "ward.v1.Records");
    }
    struct rig_body body = {.bytes = WARD_BYTES(bytes, size)};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_feed(&rig);
    for (int i = 0; i < 5; i++) {
        ward_shard_turn(&rig.shard);
        assert_true(ward_h2_waiting(rig.h2) < 300u * 1024);
    }
    rig_pump(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    for (int i = 0; i < 100 && !answer->closed; i++) { /* turns without news from the client */
        ward_session_tick(rig.session, rig.h2, rig.now_us);
        rig_pump(&rig);
    }
    assert_string_equal(answer->status, "0");
    assert_int_equal(rig.session->held, 0);
    expect_case(answer, MANY - 1, ANSWER(FILE_DESCRIPTOR_RESPONSE));
    free(bytes);
}

static void what_it_holds_counts_with_all_else(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct rig_body body = {.bytes = WARD_BYTES(bytes, put_list(bytes, 0)), .open = true};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_feed(&rig);
    assert_int_equal(rig.session->held, body.bytes.size);
    rig.shared.held.max = 0;
    rig.shared.held.bytes += 64u << 20; /* others took all there is */
    rig_pump(&rig);
    rig.shared.held.bytes -= 64u << 20;
    assert_string_equal(rig_answer_of(&rig, stream)->status, "8");
    assert_int_equal(rig.session->held, 0);
    assert_int_equal(rig.shared.held.bytes, 0);
}

static void too_many_streams_that_stay_are_refused(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(""), .open = true};
    int32_t streams[17];
    for (size_t i = 0; i < 17; i++) {
        streams[i] = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    }
    rig_pump(&rig);
    assert_string_equal(rig_answer_of(&rig, streams[16])->status, "8");
    assert_int_equal(rig.session->staying, 16);
    for (size_t i = 0; i < 16; i++) {
        assert_false(rig_answer_of(&rig, streams[i])->closed);
        assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, streams[i], NGHTTP2_CANCEL), 0);
    }
    rig_pump(&rig);
    assert_int_equal(rig.session->staying, 0);
}

static void a_stream_that_idles_ends(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(""), .open = true};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_pump(&rig);
    rig.now_us += 59000000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_false(rig_answer_of(&rig, stream)->closed);
    rig.now_us += 2000000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "4");
}

static void its_own_deadline_cancels_it(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(""), .open = true};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT, .timeout = "5S"}, &body);
    rig_pump(&rig);
    rig.now_us += 6000000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_true(rig_answer_of(&rig, stream)->closed);
    assert_int_equal(rig_answer_of(&rig, stream)->error, NGHTTP2_CANCEL);
}

static void draining_ends_it(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(""), .open = true};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
    rig_pump(&rig);
    rig.draining = true;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "14");
    rig.draining = false;
}

static void a_reset_between_question_and_answer_is_fine(void **state)
{
    (void)state;
    uint8_t bytes[512];
    struct rig_body body = {.bytes = WARD_BYTES(bytes, put_list(bytes, 0)), .open = true};
    for (int i = 0; i < 3; i++) {
        body.sent = 0;
        int32_t stream = rig_call(&rig, &(struct rig_call){.path = REFLECT}, &body);
        rig_feed(&rig); /* the question waits for the end of the turn */
        assert_non_null(rig.shard.later);
        assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, stream, NGHTTP2_CANCEL), 0);
        rig_feed(&rig);
        assert_null(rig.shard.later);
        rig_pump(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_that_is_answered_is_described),
        cmocka_unit_test(symbols_are_found_where_they_are_declared),
        cmocka_unit_test(other_symbols_are_not),
        cmocka_unit_test(a_file_comes_with_what_it_imports),
        T(services_are_listed_and_the_question_is_said_again),
        T(questions_are_answered_in_order_in_any_pieces),
        T(every_kind_of_question_has_an_answer),
        T(a_stream_without_questions_just_ends),
        T(what_is_no_question_ends_the_stream),
        T(only_those_who_may_are_answered),
        T(who_may_no_more_is_told_at_the_next_question),
        T(without_reflection_there_is_no_such_method),
        T(questions_of_a_stream_are_counted),
        T(who_does_not_read_is_not_read_from),
        T(what_it_holds_counts_with_all_else),
        T(too_many_streams_that_stay_are_refused),
        T(a_stream_that_idles_ends),
        T(its_own_deadline_cancels_it),
        T(draining_ends_it),
        T(a_reset_between_question_and_answer_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
