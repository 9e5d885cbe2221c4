/* SPDX-License-Identifier: Apache-2.0 */
/* What libward repeats, under which name, how often and where; and what it does not. */
#include "tests/unit/client/rig.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <nghttp2/nghttp2.h>

#include "base/bytes.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

static int64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- what provably did not begin ---- */

static void a_refused_stream_is_repeated_even_for_a_put(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_RESET;
    rig->script.http2_error = NGHTTP2_REFUSED_STREAM;
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(rig->script.calls, 2);
}

static void a_call_above_goaway_is_repeated_on_a_new_connection(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_GOAWAY_BELOW;
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(rig->script.calls, 2);
    assert_int_equal(stub_connections(rig->server), 2);
}

static void a_call_that_goaway_lets_finish_is_not_repeated(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_GOAWAY;
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(rig->script.calls, 1);
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(stub_connections(rig->server), 2);
}

/* ---- what may have been done ---- */

static void a_put_whose_connection_is_lost_is_repeated_under_its_name(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_CLOSE;
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(rig->script.calls, 2);
    assert_true(strlen(rig->script.request_ids[0]) == 36);
    assert_string_equal(rig->script.request_ids[0], rig->script.request_ids[1]);
}

static void two_puts_have_two_names(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_string_not_equal(rig->script.request_ids[0], rig->script.request_ids[1]);
}

static void the_callers_name_is_kept(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_CLOSE;
    const ward_call call = {.request_id = "import-17", .reason = "a test"};
    const ward_put_request request = {"fhir", "p1", "r1", "{}", 2};
    ward_records *records = NULL;
    assert_int_equal(ward_put_record(rig->client, &call, NULL, 0, &request, &records, &rig->error),
                     WARD_RC_OK);
    ward_records_free(records);
    assert_string_equal(rig->script.request_ids[0], "import-17");
    assert_string_equal(rig->script.request_ids[1], "import-17");
}

static void a_call_that_is_never_answered_is_tried_so_often_and_no_more(void **state)
{
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_CLOSE;
    assert_int_equal(rig_list(rig), WARD_RC_UNAVAILABLE);
    assert_int_equal(rig->script.calls, 4);
    assert_int_equal(rig->error.attempts, 4);
    ward_client_free(rig->client);
    ward_config *config = rig_config(rig, stub_address(rig->server), "alice", NULL);
    ward_config_set_max_attempts(config, 1);
    assert_int_equal(ward_client_new(config, &rig->client, &rig->error), WARD_RC_OK);
    ward_config_free(config);
    rig->script.calls = 0;
    assert_int_equal(rig_list(rig), WARD_RC_UNAVAILABLE);
    assert_int_equal(rig->script.calls, 1);
}

static void what_the_daemon_refused_is_not_repeated(void **state)
{
    static const int codes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        rig->script.grpc_status = codes[i];
        rig->script.calls = 0;
        assert_int_equal(rig_list(rig), codes[i]);
        assert_int_equal(rig->script.calls, 1);
        assert_int_equal(rig->error.attempts, 1);
        assert_int_equal(rig->error.answered, 1);
    }
}

static void no_pause_goes_past_the_deadline(void **state)
{
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_CLOSE;
    const ward_call call = {.timeout_ms = 300};
    ward_keys *keys = NULL;
    int64_t begun = now_ms();
    assert_int_not_equal(ward_list_keys(rig->client, &call, 0, NULL, &keys, &rig->error),
                         WARD_RC_OK);
    assert_true(now_ms() - begun < 2000);
}

/* ---- the daemon's hint ---- */

/* google.rpc.Status with one RetryInfo, as the header has it; released by free. */
static char *retry_details(int64_t seconds, int32_t nanos)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    delay.seconds = seconds;
    delay.nanos = nanos;
    Google__Rpc__RetryInfo info = GOOGLE__RPC__RETRY_INFO__INIT;
    info.retry_delay = &delay;
    uint8_t inner[64], outer[256];
    char url[] = "type.googleapis.com/google.rpc.RetryInfo";
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT, *details = &any;
    any.type_url = url;
    any.value.len = google__rpc__retry_info__pack(&info, inner);
    any.value.data = inner;
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    status.code = 8;
    status.details = &details;
    status.n_details = 1;
    size_t size = google__rpc__status__pack(&status, outer);
    char *text = malloc(WARD_BASE64_SIZE(size) + 1);
    ward_base64_encode(WARD_BYTES(outer, size), text);
    text[strcspn(text, "=")] = 0; /* gRPC sends it unpadded */
    return text;
}

static void a_throttled_put_comes_again_when_it_was_told(void **state)
{
    struct rig *rig = *state;
    char *details = retry_details(0, 120000000);
    rig->script.then = STUB_BYTE_BY_BYTE; /* the second answer is another */
    rig->script.grpc_status = 8;
    rig->script.grpc_message = "rate: slower";
    rig->script.grpc_details = details;
    int64_t begun = now_ms();
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_true(now_ms() - begun >= 120);
    assert_int_equal(rig->script.calls, 2);
    assert_string_equal(rig->script.request_ids[0], rig->script.request_ids[1]);
    free(details);
}

static void a_hint_past_the_deadline_is_told_and_not_waited_for(void **state)
{
    struct rig *rig = *state;
    char *details = retry_details(3600, 0);
    rig->script.grpc_status = 8;
    rig->script.grpc_message = "rate: slower";
    rig->script.grpc_details = details;
    int64_t begun = now_ms();
    assert_int_equal(rig_put(rig), WARD_RC_RESOURCE_EXHAUSTED);
    assert_true(now_ms() - begun < 2000);
    assert_int_equal(rig->error.retry_after_ms, 3600000);
    assert_string_equal(rig->error.field, "rate");
    assert_int_equal(rig->script.calls, 1);
    free(details);
}

/* ---- several servers ---- */

struct pair {
    struct script script;
    struct stub_server *server;
    char both[80];
};

static void start_pair(struct rig *rig, struct pair *pair, const char *first)
{
    pair->script = (struct script){.http_status = "503"};
    pair->server = stub_start(&rig->pki, rig_handle, &pair->script);
    (void)snprintf(pair->both, sizeof(pair->both), "%s, %s", first, stub_address(pair->server));
    ward_client_free(rig->client);
    rig->client = rig_client(rig, pair->both, "alice", NULL);
}

static void a_server_that_nobody_listens_on_is_passed_by(void **state)
{
    struct rig *rig = *state;
    struct pair pair;
    start_pair(rig, &pair, "127.0.0.1:1");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rig_put(rig), WARD_RC_OK);
    }
    assert_int_equal(pair.script.calls, 20);
    assert_int_equal(stub_connections(pair.server), 1);
    ward_client_free(rig->client);
    rig->client = NULL;
    stub_stop(pair.server);
}

static void a_server_that_cannot_work_sends_its_calls_to_the_other(void **state)
{
    struct rig *rig = *state;
    struct pair pair;
    rig->script.first = rig->script.then = STUB_ANSWER;
    rig->script.grpc_status = 14;
    start_pair(rig, &pair, stub_address(rig->server));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rig_put(rig), WARD_RC_OK);
    }
    assert_int_equal(pair.script.calls, 10);
    assert_true(rig->script.calls <= 2); /* it is left alone */
    ward_client_free(rig->client);
    rig->client = NULL;
    stub_stop(pair.server);
}

static void a_server_with_the_wrong_certificate_is_passed_by(void **state)
{
    struct rig *rig = *state;
    struct pair pair;
    struct pki other;
    char *folder = folder_make();
    pki_make(folder, &other); /* another CA */
    struct script script = {.http_status = "503"};
    struct stub_server *imposter = stub_start(&other, rig_handle, &script);
    start_pair(rig, &pair, stub_address(imposter));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rig_put(rig), WARD_RC_OK);
    }
    assert_int_equal(script.calls, 0);
    ward_client_free(rig->client);
    rig->client = rig_client(rig, stub_address(imposter), "alice", NULL); /* alone it is an error */
    assert_int_equal(rig_put(rig), WARD_RC_UNAUTHENTICATED);
    ward_client_free(rig->client);
    rig->client = NULL;
    stub_stop(imposter);
    stub_stop(pair.server);
    pki_free(&other);
    folder_remove(folder);
}

static void when_all_are_away_the_last_word_is_unavailable(void **state)
{
    struct rig *rig = *state;
    ward_client_free(rig->client);
    rig->client = rig_client(rig, "127.0.0.1:1,127.0.0.1:2", "alice", NULL);
    assert_int_equal(rig_put(rig), WARD_RC_UNAVAILABLE);
    assert_non_null(strstr(rig->error.message, "cannot connect"));
    assert_int_equal(rig->error.attempts, 4 + 1); /* one was passed by */
}

static void many_servers_that_are_away_are_passed_by(void **state)
{
    struct rig *rig = *state;
    ward_client_free(rig->client);
    ward_config *config = rig_config(rig, stub_address(rig->server), "alice", NULL);
    for (int port = 1; port <= 9; port++) {
        char server[32];
        (void)snprintf(server, sizeof(server), "127.0.0.1:%d", port);
        assert_int_equal(ward_config_add_server(config, server), WARD_RC_OK);
    }
    ward_config_set_max_attempts(config, 1);
    assert_int_equal(ward_client_new(config, &rig->client, &rig->error), WARD_RC_OK);
    ward_config_free(config);
    assert_int_equal(rig_put(rig), WARD_RC_OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* the stub's; the client never raises it */
    const struct CMUnitTest tests[] = {
        CASE(a_refused_stream_is_repeated_even_for_a_put),
        CASE(a_call_above_goaway_is_repeated_on_a_new_connection),
        CASE(a_call_that_goaway_lets_finish_is_not_repeated),
        CASE(a_put_whose_connection_is_lost_is_repeated_under_its_name),
        CASE(two_puts_have_two_names),
        CASE(the_callers_name_is_kept),
        CASE(a_call_that_is_never_answered_is_tried_so_often_and_no_more),
        CASE(what_the_daemon_refused_is_not_repeated),
        CASE(no_pause_goes_past_the_deadline),
        CASE(a_throttled_put_comes_again_when_it_was_told),
        CASE(a_hint_past_the_deadline_is_told_and_not_waited_for),
        CASE(a_server_that_nobody_listens_on_is_passed_by),
        CASE(a_server_that_cannot_work_sends_its_calls_to_the_other),
        CASE(a_server_with_the_wrong_certificate_is_passed_by),
        CASE(when_all_are_away_the_last_word_is_unavailable),
        CASE(many_servers_that_are_away_are_passed_by),
    };
    return cmocka_run_group_tests(tests, rig_make_folder, rig_drop_folder);
}
