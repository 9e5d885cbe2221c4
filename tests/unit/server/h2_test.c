/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that keep HTTP/2's grammar and mean ill, or break it: each costs us a bounded amount, then
 * the connection. And draining, and the memory that nghttp2 works in. */
#include <stdlib.h>

#include "proto/grpc.h"
#include "tests/unit/server/wire_test.h"

static struct ward_bytes frame_of(uint8_t type, uint8_t flags, uint32_t stream,
                                  struct ward_bytes payload, uint8_t out[static 64])
{
    ward_put_u32(out, (uint32_t)payload.size << 8);
    out[3] = type;
    out[4] = flags;
    ward_put_u32(out + 5, stream);
    memcpy(out + 9, payload.data, payload.size);
    return WARD_BYTES(out, 9 + payload.size);
}

/* How many such frames it takes until the connection is given up; at most `most`. */
static unsigned flood(uint8_t type, uint8_t flags, uint32_t stream, struct ward_bytes payload,
                      unsigned most)
{
    uint8_t frame[64];
    struct ward_bytes bytes = frame_of(type, flags, stream, payload, frame);
    unsigned n = 0;
    while (n < most && ward_ok(rig.received)) {
        rig_raw(&rig, bytes);
        n++;
        if (n % 50 == 0) { /* the peer takes our acknowledgements: it is not they that pile up */
            struct ward_buffer out;
            ward_buffer_init(&out, 1u << 20);
            (void)ward_h2_send(rig.h2, &out, 1u << 16);
            ward_buffer_fini(&out);
        }
    }
    return n;
}

static void is_over(void)
{
    assert_false(ward_ok(rig.received));
    struct ward_buffer out;
    ward_buffer_init(&out, 1u << 20);
    (void)ward_h2_send(rig.h2, &out, 1u << 16);
    (void)nghttp2_session_mem_recv(rig.client, out.data, out.size);
    ward_buffer_fini(&out);
}

static int32_t open_stream(struct rig_body *body)
{
    int32_t stream = rig_call(&rig, &(struct rig_call){0}, body);
    rig_pump(&rig);
    return stream;
}

static void pings_without_traffic_are_strikes(void **state)
{
    (void)state;
    for (int i = 0; i < 4 && ward_ok(rig.received); i++) {
        rig.now_us += 10000000;
        assert_int_equal(nghttp2_submit_ping(rig.client, 0, NULL), 0);
        rig_pump(&rig);
    }
    assert_false(ward_ok(rig.received));
    assert_true(ward_h2_finished(rig.h2));
    assert_int_equal(rig.goaway_error, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_string_equal(rig.goaway_text, "too_many_pings");
}

static void pings_between_answers_are_welcome(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct rig_body body = {.bytes = L(EMPTY)};
        (void)rig_call(&rig, &(struct rig_call){0}, &body);
        rig_pump(&rig);
        rig_answer(&rig);
        assert_int_equal(nghttp2_submit_ping(rig.client, 0, NULL), 0);
        rig_pump(&rig);
    }
    assert_true(ward_ok(rig.received));
    assert_int_equal(rig.goaways, 0);
}

static void slow_pings_are_welcome_while_a_call_is_open(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY)};
    (void)open_stream(&body);
    for (int i = 0; i < 10; i++) {
        rig.now_us += 301000000;
        assert_int_equal(nghttp2_submit_ping(rig.client, 0, NULL), 0);
        rig_pump(&rig);
    }
    assert_true(ward_ok(rig.received));
}

static void pings_may_come_as_often_as_the_operator_says(void **state)
{
    (void)state;
    static const struct ward_h2_events none;
    const struct ward_h2_limits limits = {100, 8192, 65536, 1u << 20, 10000000, 20000000, 5};
    ward_h2_free(rig.h2);
    assert_true(ward_ok(ward_h2_new(&limits, rig.memory, &none, NULL, &rig.h2)));
    rig_raw(&rig, L("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    uint8_t frame[64];
    struct ward_bytes ping = frame_of(NGHTTP2_PING, 0, 0, L("abcdefgh"), frame);
    for (int i = 0; i < 15; i++) {
        assert_true(ward_ok(rig.received));
        rig.now_us += i < 9 ? 20000001 : 19000000; /* the first nine are in time */
        rig_raw(&rig, ping);
    }
    assert_false(ward_ok(rig.received));
    assert_true(ward_h2_finished(rig.h2));
}

static void our_own_ping_is_not_an_answered_notice(void **state)
{
    (void)state;
    ward_h2_ping(rig.h2);
    rig_pump(&rig);
    assert_false(ward_h2_notice_answered(rig.h2));
    ward_h2_notice(rig.h2);
    rig_pump(&rig);
    assert_true(ward_h2_notice_answered(rig.h2));
}

static void a_flood_of_settings_ends_the_connection(void **state)
{
    (void)state;
    assert_in_range(flood(NGHTTP2_SETTINGS, 0, 0, L(""), 5000), 500, 1100);
    is_over();
}

static void a_flood_of_window_updates_ends_the_connection(void **state)
{
    (void)state;
    assert_in_range(flood(NGHTTP2_WINDOW_UPDATE, 0, 0, L("\0\0\0\1"), 5000), 500, 1100);
    is_over();
    assert_string_equal(rig.goaway_text, "too_many_frames");
}

static void a_flood_of_priorities_ends_the_connection(void **state)
{
    (void)state;
    assert_in_range(flood(NGHTTP2_PRIORITY, 0, 1, L("\0\0\0\0\1"), 5000), 500, 1100);
    is_over();
}

static void a_flood_of_unknown_frames_ends_the_connection(void **state)
{
    (void)state;
    assert_in_range(flood(0xbe, 0, 0, L("x"), 5000), 500, 1100);
    is_over();
}

static void a_flood_of_empty_data_ends_the_connection(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L("\0"), .open = true};
    int32_t stream = open_stream(&body);
    assert_in_range(flood(NGHTTP2_DATA, 0, (uint32_t)stream, L(""), 5000), 500, 1100);
    is_over();
}

static void credit_comes_back_with_time(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        rig.now_us += 1000000;
        assert_int_equal(flood(NGHTTP2_WINDOW_UPDATE, 0, 0, L("\0\0\0\1"), 90), 90);
    }
    assert_true(ward_ok(rig.received));
}

static void rapid_resets_end_the_connection(void **state)
{
    (void)state;
    unsigned n = 0;
    while (n < 200 && ward_ok(rig.received) && rig.goaways == 0) {
        struct rig_body body = {.bytes = L(EMPTY), .open = true};
        int32_t stream = rig_call(&rig, &(struct rig_call){0}, &body);
        rig_feed(&rig);
        assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, stream, NGHTTP2_CANCEL), 0);
        rig_pump(&rig);
        n++;
    }
    assert_in_range(n, 100, 120);
}

static void continuations_are_counted(void **state)
{
    (void)state;
    uint8_t frame[64];
    rig_raw(&rig, frame_of(NGHTTP2_HEADERS, 0, 1, L("\x83"), frame)); /* no END_HEADERS */
    assert_true(ward_ok(rig.received));
    assert_in_range(flood(NGHTTP2_CONTINUATION, 0, 1, L("\x87"), 100), 1, 6);
    is_over();
}

static void a_header_block_without_an_end_is_given_up(void **state)
{
    (void)state;
    uint8_t frame[64];
    rig_raw(&rig, frame_of(NGHTTP2_HEADERS, 0, 1, L("\x83"), frame));
    assert_int_equal(ward_h2_streams(rig.h2), 1);
    rig.now_us += 31000000;
    ward_session_tick(rig.session, rig.h2, rig.now_us);
    struct ward_buffer out;
    ward_buffer_init(&out, 1u << 20);
    assert_true(ward_ok(ward_h2_send(rig.h2, &out, 1u << 16)));
    ward_buffer_fini(&out);
    assert_int_equal(ward_h2_streams(rig.h2), 0);
    assert_int_equal(rig.submits, 0);
}

static void padding_alone_is_no_message(void **state)
{
    (void)state;
    struct rig_body body = {.bytes = L(EMPTY), .open = true};
    int32_t stream = open_stream(&body);
    assert_in_range(flood(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, (uint32_t)stream, L("\3\0\0\0"), 5000),
                    500, 1100);
    is_over();
}

static void streams_that_we_must_reset_run_dry(void **state)
{
    (void)state;
    unsigned n = 0;
    while (n < 1000 && ward_ok(rig.received)) { /* a window that overflows (CVE-2025-8671) */
        struct rig_body body = {.bytes = L(EMPTY), .open = true};
        int32_t stream = open_stream(&body);
        uint8_t frame[64];
        rig_raw(&rig,
                frame_of(NGHTTP2_WINDOW_UPDATE, 0, (uint32_t)stream, L("\x7f\xff\xff\xff"), frame));
        rig_pump(&rig);
        rig_answer(&rig);
        n++;
    }
    assert_in_range(n, 50, 400);
    is_over();
}

/* Each asks for a frame of ours, which cannot go: what waits is bounded by the streams. */
static void refused_streams_do_not_pile_up(void **state)
{
    (void)state;
    rig.shared.max_streams = 0;
    for (unsigned n = 0; n < 10000 && ward_ok(rig.received); n++) {
        uint8_t frame[64];
        rig_raw(&rig, frame_of(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                               2 * n + 1, L("\x83\x87\x84"), frame));
    }
    struct ward_buffer out;
    ward_buffer_init(&out, 1u << 20);
    assert_true(ward_ok(ward_h2_send(rig.h2, &out, 1u << 20)));
    assert_in_range(out.size, 1, 120 * 13);
    ward_buffer_fini(&out);
    assert_true(ward_h2_finished(rig.h2));
    assert_int_equal(rig.submits, 0);
}

static void what_is_not_http2_is_refused(void **state)
{
    (void)state;
    const struct ward_bytes starts[] = {L("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                                        L("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"),
                                        L("\x16\x03\x01\x02\x00")};
    for (size_t i = 0; i < 3; i++) {
        struct rig other;
        rig_open(&other, L("spiffe://t/app"));
        ward_h2_free(other.h2);
        const struct ward_h2_limits limits = {100, 8192, 65536, 1u << 20};
        static const struct ward_h2_events none;
        assert_true(ward_ok(ward_h2_new(&limits, other.memory, &none, NULL, &other.h2)));
        rig_raw(&other, starts[i]);
        assert_false(ward_ok(other.received));
        rig_close(&other);
    }
}

static void a_peer_that_reads_nothing_gets_no_new_answers(void **state)
{
    (void)state;
    const nghttp2_settings_entry closed = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    assert_int_equal(nghttp2_submit_settings(rig.client, 0, &closed, 1), 0);
    rig_pump(&rig);
    static uint8_t framed[64];
    uint8_t message[45];
    for (size_t i = 0; i < 3; i++) {
        memcpy(message + i * 15, "\x1a\x0d\x0a\1c\x12\1s\x1a\5large", 15);
    }
    struct rig_body bodies[40];
    int32_t streams[40];
    for (size_t i = 0; i < 40; i++) { /* 3 MiB each */
        bodies[i] = (struct rig_body){.bytes = rig_message(WARD_BYTES_ARRAY(message), framed)};
        streams[i] =
            rig_call(&rig, &(struct rig_call){.path = "/ward.v1.Records/GetRecords"}, &bodies[i]);
        rig_pump(&rig);
        rig_answer(&rig);
    }
    assert_in_range(ward_h2_waiting(rig.h2), 32u << 20, 36u << 20);
    assert_string_equal(rig_answer_of(&rig, streams[39])->status, "8");
    assert_string_equal(rig_answer_of(&rig, streams[39])->message,
                        "connection: too many answers wait to be read");
    const nghttp2_settings_entry open = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16u << 20};
    assert_int_equal(nghttp2_submit_settings(rig.client, 0, &open, 1), 0);
    rig_pump(&rig);
    for (int i = 0; i < 20 && ward_h2_waiting(rig.h2) > 0; i++) {
        rig_pump(&rig);
    }
    assert_int_equal(ward_h2_waiting(rig.h2), 0);
    assert_string_equal(rig_answer_of(&rig, streams[0])->status, "0");
}

static void draining_lets_calls_finish_and_takes_no_new_ones(void **state)
{
    (void)state;
    struct rig_body bodies[3] = {{.bytes = L(EMPTY)}, {.bytes = L(EMPTY)}, {.bytes = L(EMPTY)}};
    int32_t first = open_stream(&bodies[0]);
    ward_h2_notice(rig.h2);
    rig_pump(&rig);
    assert_int_equal(rig.goaway_last, INT32_MAX);
    assert_true(ward_h2_notice_answered(rig.h2));
    ward_h2_goaway(rig.h2, "drain");
    int32_t late =
        rig_call(&rig, &(struct rig_call){0}, &bodies[1]); /* on its way when we said the last id */
    rig_pump(&rig);
    assert_int_equal(rig.goaway_last, first);
    assert_string_equal(rig.goaway_text, "drain");
    assert_int_equal(rig.submitted.size, 1);
    assert_false(ward_h2_finished(rig.h2));
    rig_answer(&rig);
    assert_string_equal(rig_answer_of(&rig, first)->status, "0");
    assert_int_equal(rig_answer_of(&rig, late)->error, NGHTTP2_REFUSED_STREAM);
    assert_true(ward_h2_finished(rig.h2));
}

static void damaged_streams_never_crash(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (unsigned round = 0; round < 400; round++) {
        struct rig other;
        rig_open(&other, L("spiffe://t/app"));
        struct rig_body body = {.bytes = L("\0\0\0\0\7\x0a\5\x0a\3abc"), .frame = 3};
        (void)rig_call(&other, &(struct rig_call){.timeout = "1S"}, &body);
        uint8_t bytes[1024];
        size_t size = 0;
        const uint8_t *part = NULL;
        for (ssize_t n; (n = nghttp2_session_mem_send(other.client, &part)) > 0;
             size += (size_t)n) {
            assert_true(size + (size_t)n <= sizeof(bytes));
            memcpy(bytes + size, part, (size_t)n);
        }
        for (unsigned change = 0; change < round % 8; change++) {
            random = random * 1664525u + 1013904223u;
            bytes[(random >> 8) % size] = (uint8_t)(random >> 24);
        }
        other.step = 1 + round % 17;
        rig_raw(&other, WARD_BYTES(bytes, size));
        ward_shard_turn(&other.shard);
        rig_answer(&other);
        rig_close(&other);
    }
}

static void memory_given_back_is_wiped(void **state)
{
    (void)state;
    struct ward_h2_memory *memory = NULL;
    assert_true(ward_ok(ward_h2_memory_new(&memory)));
    nghttp2_mem *calls = ward_h2_memory_calls(memory);
    for (size_t size = 1; size <= 1024; size *= 2) {
        uint8_t *block = calls->malloc(size, calls->mem_user_data);
        assert_non_null(block);
        memset(block, 's', size);
        calls->free(block, calls->mem_user_data);
        uint8_t *again = calls->malloc(size, calls->mem_user_data);
        assert_ptr_equal(block, again); /* kept for the next one */
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(again[i], 0);
        }
        again = calls->realloc(again, size * 3, calls->mem_user_data);
        assert_non_null(again);
        calls->free(again, calls->mem_user_data);
    }
    assert_null(calls->calloc(SIZE_MAX / 2, 3, calls->mem_user_data));
    assert_null(calls->malloc(SIZE_MAX, calls->mem_user_data));
    calls->free(NULL, calls->mem_user_data);
    ward_h2_memory_free(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pings_without_traffic_are_strikes),
        T(pings_between_answers_are_welcome),
        T(slow_pings_are_welcome_while_a_call_is_open),
        T(pings_may_come_as_often_as_the_operator_says),
        T(our_own_ping_is_not_an_answered_notice),
        T(a_flood_of_settings_ends_the_connection),
        T(a_flood_of_window_updates_ends_the_connection),
        T(a_flood_of_priorities_ends_the_connection),
        T(a_flood_of_unknown_frames_ends_the_connection),
        T(a_flood_of_empty_data_ends_the_connection),
        T(credit_comes_back_with_time),
        T(rapid_resets_end_the_connection),
        T(continuations_are_counted),
        T(a_header_block_without_an_end_is_given_up),
        T(padding_alone_is_no_message),
        T(streams_that_we_must_reset_run_dry),
        T(refused_streams_do_not_pile_up),
        cmocka_unit_test(what_is_not_http2_is_refused),
        T(a_peer_that_reads_nothing_gets_no_new_answers),
        T(draining_lets_calls_finish_and_takes_no_new_ones),
        cmocka_unit_test(damaged_streams_never_crash),
        cmocka_unit_test(memory_given_back_is_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
