/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's rules for calls, each met by a client that keeps or breaks it; how calls end is in
 * stream_end_test.c. */
#include <stdlib.h>

#include "proto/wire_limits.h"
#include "server/rpc/message.h"
#include "server/rpc/stream.h"
#include "tests/unit/server/wire_test.h"

/* Calls, answers, and expects the status and the start of its text. The call was submitted, once.
 */
static struct rig_answer *expect(const struct rig_call *call, struct ward_bytes bytes,
                                 const char *status, const char *text)
{
    struct rig_body body = {.bytes = bytes};
    unsigned before = rig.submits;
    int32_t stream = rig_call(&rig, call, &body);
    rig_pump(&rig);
    assert_int_equal(rig.submits, before + 1);
    if (strcmp(status, "0") != 0) {
        assert_true(rig_first(&rig)->refused);
    }
    rig_answer(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    assert_string_equal(answer->status, status);
    assert_string_equal(answer->message, text);
    assert_true(answer->closed);
    assert_int_equal(answer->error, NGHTTP2_NO_ERROR);
    return answer;
}

static void a_call_is_submitted_whole_and_answered_once(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){.path = LIST, .timeout = "5S"}, &body);
    rig_pump(&rig);
    assert_int_equal(rig.submitted.size, 1);
    struct ward_request *request = rig_first(&rig);
    assert_true(ward_ok(request->status));
    assert_false(request->refused);
    assert_ptr_equal(request->op, &ward_op_key_list);
    assert_ptr_equal(request->peer, rig.session->peer);
    assert_int_equal(request->origin.connection, 42);
    assert_int_equal(request->origin.stream, stream);
    assert_int_equal(request->deadline_us, rig.now_us + 5000000);
    assert_int_equal(request->request_id.size, 36);
    rig_answer(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    assert_string_equal(answer->http, "200");
    assert_string_equal(answer->status, "0");
    assert_int_equal(answer->headers, 2); /* headers, trailers */
    assert_true(answer->closed && answer->body.size > WARD_GRPC_PREFIX_SIZE);
    assert_int_equal(rig.session->in_flight, 0);
    assert_int_equal(ward_h2_streams(rig.h2), 0);
    assert_int_equal(ward_h2_waiting(rig.h2), 0);
}

static void a_missing_or_longer_timeout_is_thirty_seconds(void **state)
{
    (void)state;
    const char *timeouts[] = {NULL, "99999999H", "31S", "30000001u"};
    for (size_t i = 0; i < 4; i++) {
        struct rig_body body = {.bytes = L(EMPTY)};
        (void)rig_call(&rig, &(struct rig_call){.timeout = timeouts[i]}, &body);
        rig_pump(&rig);
        assert_int_equal(rig_first(&rig)->deadline_us, rig.now_us + 30000000);
        rig_answer(&rig);
    }
}

static void a_timeout_of_nothing_is_not_infinite(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    (void)rig_call(&rig, &(struct rig_call){.timeout = "0n"}, &body);
    rig_pump(&rig);
    assert_true(rig_first(&rig)->deadline_us <= rig.now_us + 1);
}

static void a_malformed_timeout_is_refused(void **state)
{
    (void)state;
    const char *timeouts[] = {"1", "S", "123456789S", "1s", "-1S", "1 S", "1.5S"};
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        expect(&(struct rig_call){.timeout = timeouts[i]}, L(EMPTY), "3",
               "grpc-timeout: not 1 to 8 digits and a unit");
    }
}

static void a_message_may_come_in_frames_of_any_size(void **state)
{
    (void)state;
    uint8_t message[] = {0x0a, 0x05, 0x0a, 0x03, 'r',
                         '-',  '1',  0x10, 0x07}; /* header.request_id, page_size */
    uint8_t framed[WARD_GRPC_PREFIX_SIZE + sizeof(message)];
    for (size_t frame = 1; frame <= sizeof(framed); frame++) {
        rig.step = frame % 4; /* and the transport cuts where it likes */
        struct rig_body body = {.bytes = rig_message(WARD_BYTES_ARRAY(message), framed),
                                .frame = frame};
        (void)rig_call(&rig, &(struct rig_call){0}, &body);
        rig_pump(&rig);
        struct ward_request *request = rig_first(&rig);
        assert_non_null(request);
        assert_true(ward_bytes_eq(request->request_id, L("r-1")));
        rig_answer(&rig);
    }
}

static void other_methods_and_content_types_get_http_errors(void **state)
{
    (void)state;
    const char *types[] = {"application/json",     "application/grp",   "text/plain",
                           "application/grpc-web", "application/grpcx", "application/grpc+json",
                           "Application/grpc"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct rig_answer *answer = expect(&(struct rig_call){.content_type = types[i]}, L(EMPTY),
                                           "3", "content-type: not application/grpc");
        assert_string_equal(answer->http, "415");
    }
    assert_string_equal(expect(&(struct rig_call){.content_type = ""}, L(EMPTY), "3",
                               "content-type: not application/grpc")
                            ->http,
                        "415");
    assert_string_equal(
        expect(&(struct rig_call){.method = "PUT"}, L(EMPTY), "3", ":method: not POST")->http,
        "405");
    const char *good[] = {"application/grpc", "application/grpc+proto",
                          "application/grpc;charset=utf-8"};
    for (size_t i = 0; i < 3; i++) {
        expect(&(struct rig_call){.content_type = good[i]}, L(EMPTY), "0", "");
    }
}

static void te_must_say_trailers(void **state)
{
    (void)state;
    expect(&(struct rig_call){.te = ""}, L(EMPTY), "3", "te: not trailers");
}

static void paths_are_compared_byte_by_byte(void **state)
{
    (void)state;
    const char *paths[] = {
        "/ward.v1.Keys/listKeys",
        "/ward.v1.Keys/ListKeys/",
        "/ward.v1.Keys/ListKey",
        "//ward.v1.Keys/ListKeys",
        "/ward.v1.Keys/ListKeys?x",
        "/ward.v1.Keys/../Keys/ListKeys",
        "/ward.v1.Keys/ListKeys%00",
        "/",
        "/ward.v1.keys/ListKeys",
        "/ward.v1.Keys.ListKeys",
        "/ward.v2.Keys/ListKeys",
        "/ward.v1.Keys/ListKeysX",
        "/grpc.reflection.v2.ServerReflection/ServerReflectionInfo",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct rig_body body = {.bytes = L(EMPTY)};
        (void)rig_call(&rig, &(struct rig_call){.path = paths[i]}, &body);
        rig_pump(&rig);
        assert_null(rig_first(&rig)->op);
        rig_answer(&rig);
        expect(&(struct rig_call){.path = paths[i]}, L(EMPTY), "12", ":path: no such method");
    }
}

static void no_message_or_two_are_not_unary(void **state)
{
    (void)state;
    expect(&(struct rig_call){0}, L(""), "12", "message: none");
    expect(&(struct rig_call){0}, L(EMPTY EMPTY), "12", "message: more than one");
    struct rig_body none = {0};
    (void)none;
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, NULL); /* END_STREAM on the headers */
    rig_pump(&rig);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "12");
}

static void a_message_that_ends_too_early_is_refused(void **state)
{
    (void)state;
    const struct ward_bytes cut[] = {L("\0"), L("\0\0\0\0"), L("\0\0\0\0\2\x0a"), L("\0\0\0\0\1")};
    for (size_t i = 0; i < 4; i++) {
        expect(&(struct rig_call){0}, cut[i], "3", "message: shorter than its prefix says");
    }
}

static void a_compressed_message_is_refused_with_the_encodings_we_take(void **state)
{
    (void)state;
    struct rig_answer *answer = expect(&(struct rig_call){.encoding = "gzip"}, L("\1\0\0\0\1x"),
                                       "12", "message: compressed with an encoding not offered");
    assert_string_equal(answer->accept_encoding, "identity");
    expect(&(struct rig_call){0}, L("\1\0\0\0\1x"), "13",
           "message: marked compressed without an encoding");
    expect(&(struct rig_call){.encoding = "identity"}, L("\1\0\0\0\1x"), "13",
           "message: marked compressed without an encoding");
    expect(&(struct rig_call){.encoding = "gzip"}, L(EMPTY), "0", ""); /* named, but not used */
}

static void the_size_is_refused_from_the_prefix_alone(void **state)
{
    (void)state;
    const struct ward_bytes prefixes[] = {L("\0\0\x10\0\1"), L("\0\xff\xff\xff\xff"),
                                          L("\0\x7f\xff\xff\xff")};
    for (size_t i = 0; i < 3; i++) {
        struct rig_body body = {.bytes = prefixes[i], .open = true};
        int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
        rig_pump(&rig);
        assert_in_range(rig.session->held, 0, REFUSAL_ALONE);
        rig_answer(&rig);
        struct rig_answer *answer = rig_answer_of(&rig, stream);
        assert_string_equal(answer->status, "8");
        assert_true(answer->closed); /* by RST_STREAM(NO_ERROR): the rest need not be sent */
        assert_int_equal(answer->error, NGHTTP2_NO_ERROR);
    }
}

static void all_connections_together_hold_a_bounded_amount(void **state)
{
    (void)state;
    static uint8_t framed[5 + 200000] = {0, 0, 3, 0x0d, 0x40};
    struct rig_body bodies[8];
    int32_t streams[8];
    rig.shared.held.max = 1u << 20;
    for (size_t i = 0; i < 8; i++) { /* each stops a byte before its end */
        bodies[i] =
            (struct rig_body){.bytes = WARD_BYTES(framed, sizeof(framed) - 1), .open = true};
        streams[i] = rig_call(&rig, &(struct rig_call){0}, &bodies[i]);
        rig_pump(&rig);
    }
    /* One connection may have as much as it leaves, halved: a third. */
    assert_in_range(atomic_load(&rig.shared.held.bytes), 1, (1u << 20) / 2);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, streams[7])->status, "8");
    rig.shared.held.max = 256u << 20;
    struct rig_body small = {.bytes = L(EMPTY)};
    int32_t after = rig_call(&rig, &(struct rig_call){0}, &small);
    rig_pump(&rig);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, after)->status, "0");
}

static void the_largest_message_is_taken(void **state)
{
    (void)state;
    uint8_t *message = calloc(1, WARD_MESSAGE_MAX),
            *framed = malloc(WARD_GRPC_PREFIX_SIZE + WARD_MESSAGE_MAX);
    assert_true(message != NULL && framed != NULL);
    struct rig_body body = {.bytes = rig_message(WARD_BYTES(message, WARD_MESSAGE_MAX), framed)};
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->message, "message: does not parse");
    assert_int_equal(rig.session->held, 0);
    assert_int_equal(atomic_load(&rig.shared.held.bytes), 0);
    free(message);
    free(framed);
}

static void too_many_headers_are_refused(void **state)
{
    (void)state;
    char value[3000];
    memset(value, 'v', sizeof(value));
    nghttp2_nv more[3];
    for (size_t i = 0; i < 3; i++) {
        more[i] = (nghttp2_nv){(uint8_t *)"x-more", (uint8_t *)value, 6, sizeof(value),
                               NGHTTP2_NV_FLAG_NONE};
    }
    expect(&(struct rig_call){.more = more, .n_more = 2}, L(EMPTY), "0", "");
    expect(&(struct rig_call){.more = more, .n_more = 3}, L(EMPTY), "8",
           "headers: larger than 8192 bytes");
}

static void headers_that_are_not_ours_change_nothing(void **state)
{
    (void)state;
    nghttp2_nv more[] = {
        {(uint8_t *)"authorization", (uint8_t *)"Bearer x", 13, 8, NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)"x-forwarded-for", (uint8_t *)"10.0.0.1", 15, 8, NGHTTP2_NV_FLAG_NONE},
        {(uint8_t *)"data-bin", (uint8_t *)"not base64!", 8, 11, NGHTTP2_NV_FLAG_NONE},
    };
    expect(&(struct rig_call){.more = more, .n_more = 3}, L(EMPTY), "0", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_call_is_submitted_whole_and_answered_once),
        T(a_missing_or_longer_timeout_is_thirty_seconds),
        T(a_timeout_of_nothing_is_not_infinite),
        T(a_malformed_timeout_is_refused),
        T(a_message_may_come_in_frames_of_any_size),
        T(other_methods_and_content_types_get_http_errors),
        T(te_must_say_trailers),
        T(paths_are_compared_byte_by_byte),
        T(no_message_or_two_are_not_unary),
        T(a_message_that_ends_too_early_is_refused),
        T(a_compressed_message_is_refused_with_the_encodings_we_take),
        T(the_size_is_refused_from_the_prefix_alone),
        T(all_connections_together_hold_a_bounded_amount),
        T(the_largest_message_is_taken),
        T(too_many_headers_are_refused),
        T(headers_that_are_not_ours_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
