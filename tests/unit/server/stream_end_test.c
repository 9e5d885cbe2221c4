/* SPDX-License-Identifier: Apache-2.0 */
/* How calls end: answers, deadlines, callers that have gone, and streams of health. */
#include <stdlib.h>

#include "proto/wire_limits.h"
#include "server/rpc/message.h"
#include "server/rpc/stream.h"
#include "tests/unit/server/wire_test.h"

static void who_has_no_identity_is_answered_at_once_and_counted(void **state)
{
    (void)state;
    struct rig other;
    rig_open(&other, L("system"));
    const char *paths[] = {LIST, "/no/such", "/grpc.health.v1.Health/Check"};
    for (size_t i = 0; i < 3; i++) {
        struct rig_body body = {.bytes = L(EMPTY)};
        int32_t stream = rig_call(&other, &(struct rig_call){.path = paths[i]}, &body);
        rig_pump(&other);
        assert_string_equal(rig_answer_of(&other, stream)->status, "16");
        assert_string_equal(rig_answer_of(&other, stream)->message,
                            "certificate: SAN URI without a scheme");
    }
    assert_int_equal(other.submits, 0);
    assert_int_equal(other.requests_refused, 3);
    rig_close(&other);
}

static void a_message_that_never_ends_meets_its_deadline(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L("\0\0\0\0\x09"
                                       "abc"),
                            .open = true};
    int32_t stream = rig_call(&rig, &(struct rig_call){.timeout = "2S"}, &body);
    rig_pump(&rig);
    rig.now_us += 1900000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    assert_int_equal(rig.shard.ready.size, 0);
    rig.now_us += 200000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    assert_in_range(atomic_load(&rig.shared.held.bytes), 0, REFUSAL_ALONE);
    rig_pump(&rig);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "4");
}

static void a_request_knows_that_its_caller_has_gone(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stays = rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    struct rig_body again = {.bytes = L(EMPTY)};
    int32_t goes = rig_call(&rig, &(struct rig_call){0}, &again);
    rig_pump(&rig);
    struct ward_request *first = rig_first(&rig);
    struct ward_request *second = WARD_CONTAINER(first->link.next, struct ward_request, link);
    assert_false(*first->cancelled || *second->cancelled);
    assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, goes, NGHTTP2_CANCEL), 0);
    rig_pump(&rig);
    assert_false(*first->cancelled);
    assert_true(*second->cancelled);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stays)->status, "0");
    assert_int_equal(rig.shard.vanished, 1); /* it was answered all the same */
}

static void what_ended_as_cancelled_is_no_work_for_nobody(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, stream, NGHTTP2_CANCEL), 0);
    rig_pump(&rig);
    rig_first(&rig)->status = WARD_STATUS(WARD_E_CANCELLED);
    rig_answer(&rig);
    assert_int_equal(rig.shard.vanished, 0);
}

static void a_call_that_is_late_is_reset_and_its_answer_dropped(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){.timeout = "2S"}, &body);
    rig_pump(&rig);
    rig.now_us += 1900000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_false(rig_answer_of(&rig, stream)->closed);
    rig.now_us += 200000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_true(rig_answer_of(&rig, stream)->closed);
    assert_int_equal(rig_answer_of(&rig, stream)->error, NGHTTP2_CANCEL);
    assert_true(*rig_first(&rig)->cancelled);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "");
}

static void a_refusal_is_told_however_late(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){.timeout = "x"}, &body);
    rig_pump(&rig);
    rig.now_us += 60000000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "3");
}

static void an_answer_that_crosses_its_deadline_is_sent_or_dropped(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){.timeout = "2S"}, &body);
    rig_pump(&rig);
    rig.now_us += 2100000;
    ward_session_tick(rig.session, rig.h2, rig.now_us); /* the reset waits to be sent */
    rig_answer(&rig);
    assert_true(rig_answer_of(&rig, stream)->closed);
    assert_int_equal(ward_h2_streams(rig.h2), 0);
    assert_int_equal(ward_h2_waiting(rig.h2), 0);
}

static void a_refusal_carries_its_details(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){.timeout = "x"}, &body);
    rig_pump(&rig);
    rig_answer(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    assert_string_equal(answer->status, "3");
    assert_true(strlen(answer->details) > 0 && strchr(answer->details, '=') == NULL);
    assert_string_equal(rig_simple(&rig, LIST, L(""))->details, "");
}

static void an_answer_to_a_stream_that_was_reset_is_dropped(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, stream, NGHTTP2_CANCEL), 0);
    rig_pump(&rig);
    assert_int_equal(ward_h2_streams(rig.h2), 0);
    assert_int_equal(rig.session->in_flight, 1);
    rig_answer(&rig);
    assert_int_equal(rig.session->in_flight, 0);
    assert_string_equal(rig_answer_of(&rig, stream)->status, "");
}

static void an_answer_to_a_connection_that_is_gone_is_dropped(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    (void)rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    rig_lose(&rig);
    assert_true(*rig_first(&rig)->cancelled);
    rig_answer(&rig);
    assert_int_equal(rig.shard.vanished, 1);
    assert_int_equal(atomic_load(&rig.shard.in_flight), 0);
}

static void resetting_streams_makes_no_room_for_more_work(void **state)
{
    (void)state;
    struct rig_body bodies[102];
    for (size_t i = 0; i < 100; i++) {
        bodies[i] = (struct rig_body){.bytes = L(EMPTY)};
        int32_t stream = rig_call(&rig, &(struct rig_call){0}, &bodies[i]);
        rig_pump(&rig);
        if (i < 50) { /* below the limit on resets */
            assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, stream, NGHTTP2_CANCEL), 0);
        }
        rig_pump(&rig);
    }
    assert_int_equal(rig.session->in_flight, 100);
    assert_int_equal(ward_h2_streams(rig.h2), 50);
    bodies[100] = (struct rig_body){.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, &bodies[100]);
    rig_pump(&rig);
    assert_int_equal(rig_answer_of(&rig, stream)->error, NGHTTP2_REFUSED_STREAM);
    assert_int_equal(rig.submitted.size, 100);
    rig_answer(&rig);
    bodies[101] = (struct rig_body){.bytes = L(EMPTY)};
    stream = rig_call(&rig, &(struct rig_call){0}, &bodies[101]);
    rig_pump(&rig);
    assert_int_equal(rig.submitted.size, 1);
}

static void a_turn_submits_all_its_requests_once_and_in_order(void **state)
{
    (void)state;
    struct rig_body bodies[20];
    unsigned before = rig.submits;
    int32_t streams[20];
    for (size_t i = 0; i < 20; i++) {
        bodies[i] = (struct rig_body){.bytes = L(EMPTY)};
        streams[i] = rig_call(&rig, &(struct rig_call){0}, &bodies[i]);
    }
    rig_pump(&rig);
    assert_int_equal(rig.submits, before + 1);
    size_t i = 0;
    for (struct ward_link *link = rig.submitted.head; link != NULL; link = link->next) {
        assert_int_equal(WARD_CONTAINER(link, struct ward_request, link)->origin.stream,
                         streams[i++]);
    }
    assert_int_equal(i, 20);
}

static void a_failure_after_submit_is_told_in_trailers_only(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    rig_first(&rig)->status = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_PKCS11, 0x30);
    rig_answer(&rig);
    struct rig_answer *answer = rig_answer_of(&rig, stream);
    assert_string_equal(answer->status, "14");
    assert_string_equal(answer->message, "a part that is needed is away; try again later");
    assert_int_equal(answer->headers, 1);
    assert_int_equal(answer->body.size, 0);
}

static void grpc_messages_are_percent_encoded(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
    rig_pump(&rig);
    rig_first(&rig)->status = WARD_REFUSAL(WARD_E_INVALID, "x: 100% \xc3\xa9\n");
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, stream)->message, "x: 100%25 %C3%A9%0A");
}

static void health_answers_without_the_pipeline(void **state)
{
    (void)state;
    struct rig_answer *answer = rig_simple(&rig, "/grpc.health.v1.Health/Check", L(""));
    assert_true(ward_bytes_eq(ward_buffer_view(&answer->body), L("\0\0\0\0\2\x08\1")));
    rig.serving = false;
    answer = rig_simple(&rig, "/grpc.health.v1.Health/Check", L("\x0a\x0cward.v1.Keys"));
    assert_true(ward_bytes_eq(ward_buffer_view(&answer->body), L("\0\0\0\0\2\x08\2")));
    answer = rig_simple(&rig, "/grpc.health.v1.Health/Check", L("\x0a\x08ward.v1."));
    assert_string_equal(answer->status, "5");
    answer = rig_simple(&rig, "/grpc.health.v1.Health/Check",
                        L("\x0a\x05"
                          "ab"));
    assert_string_equal(answer->status, "13");
    assert_int_equal(rig.submits, 0);
}

static void a_watcher_is_told_every_change_and_the_end(void **state)
{
    (void)state;
    struct rig_answer *answer = rig_simple(&rig, "/grpc.health.v1.Health/Watch", L(""));
    assert_int_equal(answer->body.size, 7);
    assert_int_equal(answer->body.data[6], 1);
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_int_equal(answer->body.size, 7);
    rig.serving = false;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_int_equal(answer->body.size, 14);
    assert_int_equal(answer->body.data[13], 2);
    rig.serving = true;
    rig.draining = true;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    rig_pump(&rig);
    assert_string_equal(answer->status, "14");
    assert_true(answer->closed);
    rig.draining = false;
}

static void an_answer_of_four_megabytes_respects_the_window(void **state)
{
    (void)state;
    /* Three records of 1 MiB: far over the client's window of 64 KiB, which it opens as it reads.
     */
    uint8_t message[64] = {0};
    size_t size = 0;
    for (int i = 0; i < 3; i++) {
        memcpy(message + size, "\x1a\x0d\x0a\1c\x12\1s\x1a\5large", 15);
        size += 15;
    }
    struct rig_answer *answer =
        rig_simple(&rig, "/ward.v1.Records/GetRecords", WARD_BYTES(message, size));
    assert_string_equal(answer->status, "0");
    assert_true(answer->body.size > 3u << 20);
    assert_int_equal(ward_h2_waiting(rig.h2), 0);
}

static void every_method_answers_and_every_method_refuses_what_it_does_not_know(void **state)
{
    (void)state;
    const struct ward_method *methods = NULL;
    size_t n = ward_methods(&methods);
    for (size_t i = 0; i < n; i++) {
        struct rig_answer *answer = rig_simple(&rig, (const char *)methods[i].path.data,
                                               L("\xfa\x01\0")); /* field 31, empty */
        assert_string_equal(answer->status, "3");
        assert_string_equal(answer->message, "message: unknown field");
        answer = rig_simple(&rig, (const char *)methods[i].path.data, L("\x0a"));
        assert_string_equal(answer->status, "13");
        assert_ptr_equal(ward_method_find(methods[i].path), &methods[i]);
        for (size_t k = 0; k < i; k++) {
            assert_false(ward_bytes_eq(methods[i].path, methods[k].path));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_has_no_identity_is_answered_at_once_and_counted),
        T(a_message_that_never_ends_meets_its_deadline),
        T(a_request_knows_that_its_caller_has_gone),
        T(what_ended_as_cancelled_is_no_work_for_nobody),
        T(a_call_that_is_late_is_reset_and_its_answer_dropped),
        T(a_refusal_is_told_however_late),
        T(an_answer_that_crosses_its_deadline_is_sent_or_dropped),
        T(a_refusal_carries_its_details),
        T(an_answer_to_a_stream_that_was_reset_is_dropped),
        T(an_answer_to_a_connection_that_is_gone_is_dropped),
        T(resetting_streams_makes_no_room_for_more_work),
        T(a_turn_submits_all_its_requests_once_and_in_order),
        T(a_failure_after_submit_is_told_in_trailers_only),
        T(grpc_messages_are_percent_encoded),
        T(health_answers_without_the_pipeline),
        T(a_watcher_is_told_every_change_and_the_end),
        T(an_answer_of_four_megabytes_respects_the_window),
        T(every_method_answers_and_every_method_refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
