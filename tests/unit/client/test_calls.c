/* SPDX-License-Identifier: Apache-2.0 */
/* libward against a server that misbehaves in every way that gRPC over HTTP/2 allows. */
#include "tests/unit/client/rig.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include <nghttp2/nghttp2.h>

#include "base/secret.h"

/* ---- what should work ---- */

static void a_batch_answers_each_item_on_its_own(void **state)
{
    struct rig *rig = *state;
    const ward_pair context[] = {{"purpose", "TREAT"}};
    const ward_generate_request requests[] = {{"app/demo", context, 1, 32, 1, 0},
                                              {"none", context, 1, 0, 0, 0}};
    size_t before = ward_secret_pool_used(), size = 0;
    ward_data_keys *keys = NULL;
    assert_int_equal(ward_generate_data_keys(rig->client, NULL, requests, 2, &keys, &rig->error),
                     WARD_RC_OK);
    assert_string_equal(rig->script.path, "/ward.v1.DataKeys/GenerateDataKeys");
    assert_int_equal(ward_data_keys_items(keys), 2);
    assert_int_equal(ward_data_keys_count(keys, 0), 1);
    const uint8_t *plaintext = ward_data_keys_plaintext(keys, 0, 0, &size);
    assert_int_equal(size, 32);
    assert_int_equal(plaintext[31], 0x5a);
    assert_true(ward_secret_pool_used() > before);
    assert_non_null(ward_data_keys_wrapped(keys, 0, 0, &size));
    assert_null(ward_data_keys_plaintext(keys, 0, 1, &size));
    const char *text = NULL;
    assert_int_equal(ward_data_keys_code(keys, 1, &text), WARD_RC_NOT_FOUND);
    assert_string_equal(text, "key: no such key");
    assert_int_equal(ward_data_keys_count(keys, 1), 0);
    ward_data_keys_free(keys);
    assert_int_equal(ward_secret_pool_used(), before);
}

static void an_answer_in_frames_of_one_byte_is_put_together(void **state)
{
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_BYTE_BY_BYTE;
    ward_keys *keys = NULL;
    assert_int_equal(ward_list_keys(rig->client, NULL, 0, NULL, &keys, &rig->error), WARD_RC_OK);
    assert_int_equal(keys->n, 1);
    assert_string_equal(keys->items[0]->name, "app/demo");
    assert_string_equal(keys->items[0]->purpose, "data-keys");
    assert_string_equal(keys->next_page, "app/demo");
    ward_keys_free(keys);
}

static void connections_are_used_again(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(rig_list(rig), WARD_RC_OK);
    }
    assert_int_equal(stub_connections(rig->server), 1);
}

static void a_request_larger_than_the_flow_control_window_goes_through(void **state)
{
    struct rig *rig = *state;
    size_t size = 900 * 1024;
    char *json = malloc(size);
    memset(json, ' ', size);
    json[0] = '{';
    json[size - 1] = '}';
    const ward_put_request request = {"fhir", "p1", "r1", json, size};
    ward_records *records = NULL;
    assert_int_equal(ward_put_record(rig->client, NULL, NULL, 0, &request, &records, &rig->error),
                     WARD_RC_OK);
    assert_true(rig->script.largest > size);
    ward_records_free(records);
    free(json);
}

static void *list_many(void *argument)
{
    struct rig *rig = argument;
    for (int i = 0; i < 25; i++) {
        ward_keys *keys = NULL;
        if (ward_list_keys(rig->client, NULL, 0, NULL, &keys, NULL) != WARD_RC_OK) {
            return rig;
        }
        ward_keys_free(keys);
    }
    return NULL;
}

static void threads_share_a_client(void **state)
{
    struct rig *rig = *state;
    pthread_t threads[6];
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, list_many, rig), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(stub_connections(rig->server) <= 6);
}

/* ---- refusals and faults ---- */

static void a_refusal_carries_code_and_text(void **state)
{
    struct rig *rig = *state;
    rig->script.grpc_status = 7;
    rig->script.grpc_message = "policy%3A refused %C3%A9 %zz %0A.";
    assert_int_equal(rig_list(rig), WARD_RC_PERMISSION_DENIED);
    assert_string_equal(rig->error.message, "policy: refused \xc3\xa9 %zz  .");
    assert_int_equal(rig->error.answered, 1);
    assert_int_equal(rig->script.calls, 1);
}

static void a_code_that_gRPC_does_not_know_is_unknown(void **state)
{
    struct rig *rig = *state;
    rig->script.grpc_status = 99;
    assert_int_equal(rig_list(rig), WARD_RC_UNKNOWN);
}

static void ok_without_a_message_is_no_success(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_NO_MESSAGE;
    assert_int_equal(rig_list(rig), WARD_RC_INTERNAL);
}

static void ok_with_half_a_message_is_no_success(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_CUT;
    assert_int_equal(rig_list(rig), WARD_RC_INTERNAL);
}

static void two_messages_are_refused(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_TWO_MESSAGES;
    assert_int_equal(rig_list(rig), WARD_RC_INTERNAL);
}

static void an_answer_that_is_too_large_is_refused_by_its_prefix(void **state)
{
    struct rig *rig = *state;
    rig->script.first = STUB_HUGE;
    assert_int_equal(rig_list(rig), WARD_RC_RESOURCE_EXHAUSTED);
    rig->script.calls = 0;
    rig->script.first = STUB_ANSWER;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
}

static void http_statuses_become_codes(void **state)
{
    static const struct {
        const char *status;
        ward_rc rc;
    } cases[] = {{"400", WARD_RC_INTERNAL},
                 {"401", WARD_RC_UNAUTHENTICATED},
                 {"403", WARD_RC_PERMISSION_DENIED},
                 {"404", WARD_RC_UNIMPLEMENTED},
                 {"418", WARD_RC_UNKNOWN}};
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_HTTP_STATUS;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig->script.http_status = cases[i].status;
        assert_int_equal(rig_list(rig), cases[i].rc);
    }
}

static void resets_become_codes(void **state)
{
    static const struct {
        uint32_t error;
        ward_rc rc;
    } cases[] = {{NGHTTP2_PROTOCOL_ERROR, WARD_RC_INTERNAL},
                 {NGHTTP2_CANCEL, WARD_RC_CANCELLED},
                 {NGHTTP2_ENHANCE_YOUR_CALM, WARD_RC_RESOURCE_EXHAUSTED},
                 {NGHTTP2_INADEQUATE_SECURITY, WARD_RC_PERMISSION_DENIED}};
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_RESET;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig->script.http2_error = cases[i].error;
        assert_int_equal(rig_list(rig), cases[i].rc);
    }
}

static void garbage_is_an_error_and_not_the_end(void **state)
{
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_GARBAGE;
    assert_int_equal(rig_put(rig), WARD_RC_UNAVAILABLE);
    rig->script.then = STUB_ANSWER;
    assert_int_equal(rig_put(rig), WARD_RC_OK);
}

static void silence_ends_with_the_deadline(void **state)
{
    struct rig *rig = *state;
    rig->script.first = rig->script.then = STUB_SILENT;
    const ward_call call = {.timeout_ms = 200};
    ward_keys *keys = NULL;
    assert_int_equal(ward_list_keys(rig->client, &call, 0, NULL, &keys, &rig->error),
                     WARD_RC_DEADLINE_EXCEEDED);
    stub_sync(rig->server);
    assert_int_equal(rig->script.calls, 1);
    assert_int_equal(rig->error.answered, 0);
    assert_true(strlen(rig->script.timeout) > 1);
    rig->script.then = STUB_ANSWER;
    assert_int_equal(rig_list(rig), WARD_RC_OK); /* the same connection still serves */
    assert_int_equal(stub_connections(rig->server), 1);
}

static void a_request_that_is_not_taken_ends_with_the_deadline(void **state)
{
    struct rig *rig = *state;
    stub_stall(rig->server);
    size_t size = 500 * 1024;
    char *json = calloc(1, size);
    memset(json, ' ', size);
    const ward_call call = {.timeout_ms = 200};
    const ward_put_request request = {"fhir", "p1", "r1", json, size};
    ward_records *records = NULL;
    assert_int_equal(ward_put_record(rig->client, &call, NULL, 0, &request, &records, &rig->error),
                     WARD_RC_DEADLINE_EXCEEDED);
    free(json); /* nothing may still point to it */
    assert_int_equal(rig_put(rig), WARD_RC_OK);
    assert_int_equal(stub_connections(rig->server), 2);
}

static void a_listener_that_never_speaks_ends_with_the_deadline(void **state)
{
    struct rig *rig = *state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    char text[32];
    (void)snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(address.sin_port));
    ward_client_free(rig->client);
    rig->client = rig_client(rig, text, "alice", NULL);
    const ward_call call = {.timeout_ms = 200};
    ward_keys *keys = NULL;
    assert_int_equal(ward_list_keys(rig->client, &call, 0, NULL, &keys, &rig->error),
                     WARD_RC_DEADLINE_EXCEEDED);
    (void)close(listener);
}

/* ---- who is there ---- */

static void nobody_listening_is_unavailable(void **state)
{
    struct rig *rig = *state;
    char address[32];
    (void)snprintf(address, sizeof(address), "%s", stub_address(rig->server));
    rig_stop(state);
    rig->client = rig_client(rig, address, "alice", NULL);
    assert_int_equal(rig_put(rig), WARD_RC_UNAVAILABLE);
    assert_non_null(strstr(rig->error.message, "cannot connect"));
    ward_client_free(rig->client);
    rig_start(state);
}

static void a_certificate_of_another_CA_is_not_taken(void **state)
{
    struct rig *rig = *state;
    ward_client_free(rig->client);
    rig->client = rig_client(rig, stub_address(rig->server), "stranger", NULL);
    assert_int_equal(rig_list(rig), WARD_RC_UNAUTHENTICATED);
    assert_int_equal(rig->script.calls, 0);
}

static void a_daemon_of_another_name_is_not_believed(void **state)
{
    struct rig *rig = *state;
    ward_client_free(rig->client);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", "ward.example");
    assert_int_equal(rig_list(rig), WARD_RC_UNAUTHENTICATED);
    ward_client_free(rig->client);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", "127.0.0.2");
    assert_int_equal(rig_list(rig), WARD_RC_UNAUTHENTICATED);
    ward_client_free(rig->client);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", "localhost");
    assert_int_equal(rig_list(rig), WARD_RC_OK);
}

static void refuses_config(struct rig *rig, const char *server, const char *certificate,
                           const char *key, const char *text)
{
    ward_config *config = ward_config_new();
    assert_int_equal(ward_config_set_server(config, server), WARD_RC_OK);
    assert_int_equal(ward_config_set_ca_file(config, in_folder(rig->folder, "ca.pem")), WARD_RC_OK);
    assert_int_equal(ward_config_set_certificate_file(config, in_folder(rig->folder, certificate)),
                     WARD_RC_OK);
    assert_int_equal(ward_config_set_key_file(config, in_folder(rig->folder, key)), WARD_RC_OK);
    ward_client *client = NULL;
    assert_int_equal(ward_client_new(config, &client, &rig->error), WARD_RC_INVALID_ARGUMENT);
    assert_non_null(strstr(rig->error.message, text));
    ward_config_free(config);
}

static void a_bad_configuration_is_named(void **state)
{
    struct rig *rig = *state;
    refuses_config(rig, NULL, "alice.pem", "alice.key", "server: not given");
    refuses_config(rig, "localhost", "alice.pem", "alice.key", "host:port");
    refuses_config(rig, "localhost:0", "alice.pem", "alice.key", "host:port");
    refuses_config(rig, "localhost:65536", "alice.pem", "alice.key", "host:port");
    refuses_config(rig, "localhost:70x", "alice.pem", "alice.key", "host:port");
    refuses_config(rig, "::1:7443", "alice.pem", "alice.key", "host:port");
    refuses_config(rig, "[]:7443", "alice.pem", "alice.key", "host:port");
    refuses_config(rig, "localhost:7443", "none.pem", "alice.key", "certificate: ");
    refuses_config(rig, "localhost:7443", "alice.pem", "none.key", "key: ");
    refuses_config(rig, "localhost:7443", "alice.pem", "bob.key", "does not belong");
}

static void nothing_asked_is_refused_here(void **state)
{
    struct rig *rig = *state;
    ward_data_keys *keys = NULL;
    ward_records *records = NULL;
    assert_int_equal(ward_generate_data_keys(rig->client, NULL, NULL, 0, &keys, &rig->error),
                     WARD_RC_INVALID_ARGUMENT);
    assert_int_equal(ward_put_records(rig->client, NULL, NULL, 0, NULL, 0, &records, NULL),
                     WARD_RC_INVALID_ARGUMENT);
    assert_int_equal(rig->script.calls, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_start, rig_stop)

int main(void)
{
    (void)signal(SIGPIPE,
                 SIG_IGN); /* the stub writes to closed connections; the client never does */
    const struct CMUnitTest tests[] = {
        CASE(a_batch_answers_each_item_on_its_own),
        CASE(an_answer_in_frames_of_one_byte_is_put_together),
        CASE(connections_are_used_again),
        CASE(a_request_larger_than_the_flow_control_window_goes_through),
        CASE(threads_share_a_client),
        CASE(a_refusal_carries_code_and_text),
        CASE(a_code_that_gRPC_does_not_know_is_unknown),
        CASE(ok_without_a_message_is_no_success),
        CASE(ok_with_half_a_message_is_no_success),
        CASE(two_messages_are_refused),
        CASE(an_answer_that_is_too_large_is_refused_by_its_prefix),
        CASE(http_statuses_become_codes),
        CASE(resets_become_codes),
        CASE(garbage_is_an_error_and_not_the_end),
        CASE(silence_ends_with_the_deadline),
        CASE(a_request_that_is_not_taken_ends_with_the_deadline),
        CASE(a_listener_that_never_speaks_ends_with_the_deadline),
        CASE(nobody_listening_is_unavailable),
        CASE(a_certificate_of_another_CA_is_not_taken),
        CASE(a_daemon_of_another_name_is_not_believed),
        CASE(a_bad_configuration_is_named),
        CASE(nothing_asked_is_refused_here),
    };
    return cmocka_run_group_tests(tests, rig_make_folder, rig_drop_folder);
}
