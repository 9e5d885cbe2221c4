/* SPDX-License-Identifier: Apache-2.0 */
/* A diagnosis by libward: what is sent, and findings as they came, few, many or odd. */
#include <stdio.h>

#include "tests/unit/client/rig.h"
#include "ward/v1/admin.pb-c.h"

#define MANY 256

/* What the server saw, and what it answers. */
static struct {
    char path[64], request_id[64];
    size_t n;
    bool refuses;
} desk;

static void answer(struct stub_reply *reply)
{
    static char text[MANY][32];
    static Ward__V1__Finding findings[MANY], *pointers[MANY];
    Ward__V1__DiagnoseResponse response = WARD__V1__DIAGNOSE_RESPONSE__INIT;
    for (size_t i = 0; i < desk.n; i++) {
        ward__v1__finding__init(&findings[i]);
        (void)snprintf(text[i], sizeof(text[i]), "finding %zu", i);
        findings[i].check = (char *)(uintptr_t) "rotation";
        findings[i].level = (char *)(uintptr_t)(i == 0 ? "gap" : i == 1 ? "of next year" : "");
        findings[i].text = text[i];
        findings[i].advice = (char *)(uintptr_t)(i == 0 ? "do something" : "");
        pointers[i] = &findings[i];
    }
    response.findings = pointers;
    response.n_findings = desk.n;
    response.left_out = desk.n == MANY ? 7 : 0;
    size_t size = protobuf_c_message_get_packed_size(&response.base);
    uint8_t *to = size == 0 ? NULL : ward_buffer_reserve(&reply->answer, size);
    if (to != NULL) {
        reply->answer.size += protobuf_c_message_pack(&response.base, to);
    }
}

static void handle(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    (void)context;
    (void)snprintf(desk.path, sizeof(desk.path), "%s", call->path);
    Ward__V1__DiagnoseRequest *request =
        ward__v1__diagnose_request__unpack(NULL, call->message.size, call->message.data);
    assert_non_null(request);
    if (request->header != NULL) {
        (void)snprintf(desk.request_id, sizeof(desk.request_id), "%s", request->header->request_id);
    }
    ward__v1__diagnose_request__free_unpacked(request, NULL);
    if (desk.refuses) {
        reply->grpc_status = 7;
        reply->grpc_message = "policy:%20not%20allowed";
    } else {
        answer(reply);
    }
}

static int start(void **state)
{
    memset(&desk, 0, sizeof(desk));
    int failed = rig_start(state);
    struct rig *rig = *state;
    ward_client_free(rig->client);
    stub_stop(rig->server);
    rig->server = stub_start(&rig->pki, handle, NULL);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", NULL);
    return failed;
}

static void findings_come_as_they_were_sent(void **state)
{
    struct rig *rig = *state;
    ward_findings *findings = NULL;
    desk.n = 3;
    assert_int_equal(ward_diagnose(rig->client, NULL, &findings, &rig->error), WARD_RC_OK);
    assert_int_equal(findings->n, 3);
    assert_string_equal(findings->items[0]->check, "rotation");
    assert_string_equal(findings->items[0]->level, "gap");
    assert_string_equal(findings->items[0]->text, "finding 0");
    assert_string_equal(findings->items[0]->advice, "do something");
    assert_string_equal(findings->items[1]->level, "of next year"); /* a newer daemon's */
    assert_string_equal(findings->items[2]->level, "");
    assert_string_equal(findings->items[2]->advice, "");
    assert_int_equal(findings->left_out, 0);
    ward_findings_free(findings);
    stub_sync(rig->server);
    assert_string_equal(desk.path, "/ward.v1.Admin/Diagnose");
}

static void none_and_many_are_fine(void **state)
{
    struct rig *rig = *state;
    ward_findings *findings = NULL;
    assert_int_equal(ward_diagnose(rig->client, NULL, &findings, &rig->error), WARD_RC_OK);
    assert_int_equal(findings->n, 0);
    assert_non_null(findings->items);
    ward_findings_free(findings);
    desk.n = MANY;
    assert_int_equal(ward_diagnose(rig->client, NULL, &findings, &rig->error), WARD_RC_OK);
    assert_int_equal(findings->n, MANY);
    assert_string_equal(findings->items[MANY - 1]->text, "finding 255");
    assert_int_equal(findings->left_out, 7);
    ward_findings_free(findings);
    ward_findings_free(NULL);
}

static void a_refusal_leaves_nothing(void **state)
{
    struct rig *rig = *state;
    ward_findings *findings = (ward_findings *)(uintptr_t)1;
    desk.refuses = true;
    assert_int_equal(ward_diagnose(rig->client, NULL, &findings, &rig->error),
                     WARD_RC_PERMISSION_DENIED);
    assert_null(findings);
    assert_string_equal(rig->error.message, "policy: not allowed");
}

static void what_the_caller_names_is_sent(void **state)
{
    struct rig *rig = *state;
    ward_findings *findings = NULL;
    const ward_call call = {.request_id = "morning-round"};
    assert_int_equal(ward_diagnose(rig->client, &call, &findings, &rig->error), WARD_RC_OK);
    ward_findings_free(findings);
    stub_sync(rig->server);
    assert_string_equal(desk.request_id, "morning-round");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, rig_stop)
    const struct CMUnitTest tests[] = {
        T(findings_come_as_they_were_sent),
        T(none_and_many_are_fine),
        T(a_refusal_leaves_nothing),
        T(what_the_caller_names_is_sent),
    };
    return cmocka_run_group_tests(tests, rig_make_folder, rig_drop_folder);
}
