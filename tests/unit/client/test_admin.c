/* SPDX-License-Identifier: Apache-2.0 */
/* Revoking by libward: what is sent, what comes back, and answers that are not what was asked for.
 */
#include <stdio.h>

#include "tests/unit/client/rig.h"
#include "ward/v1/admin.pb-c.h"

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* What the server saw, and what it answers. */
struct desk {
    char path[64], identity[64], reason[64];
    uint8_t certificate[32];
    size_t certificate_size;
    bool force, empty;
};
static struct desk desk;

static void pack(const ProtobufCMessage *message, struct stub_reply *reply)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *to = size == 0 ? NULL : ward_buffer_reserve(&reply->answer, size);
    if (to != NULL) {
        reply->answer.size += protobuf_c_message_pack(message, to);
    }
}

static void saw(const Ward__V1__RevokeIdentityRequest *request)
{
    (void)snprintf(desk.identity, sizeof(desk.identity), "%s", request->identity);
    (void)snprintf(desk.reason, sizeof(desk.reason), "%s", request->header->reason);
    desk.certificate_size = request->certificate_sha256.len;
    if (desk.certificate_size == sizeof(desk.certificate)) {
        memcpy(desk.certificate, request->certificate_sha256.data, sizeof(desk.certificate));
    }
    desk.force = request->force != 0;
}

/* Both kinds of request have the same fields, but for force. */
static void answer_proposal(const struct stub_call *call, struct stub_reply *reply)
{
    Ward__V1__RevokeIdentityRequest *request =
        ward__v1__revoke_identity_request__unpack(NULL, call->message.size, call->message.data);
    assert_non_null(request);
    saw(request);
    ward__v1__revoke_identity_request__free_unpacked(request, NULL);
    Ward__V1__Proposal proposal = WARD__V1__PROPOSAL__INIT;
    Ward__V1__RevokeIdentityResponse response = WARD__V1__REVOKE_IDENTITY_RESPONSE__INIT;
    proposal.id = (char *)(uintptr_t) "an-id";
    proposal.state = (char *)(uintptr_t) "draft";
    response.proposal = desk.empty ? NULL : &proposal;
    pack(&response.base, reply);
}

static void answer_list(struct stub_reply *reply)
{
    uint8_t hash[32] = {0xab};
    Ward__V1__Revocation rows[] = {WARD__V1__REVOCATION__INIT, WARD__V1__REVOCATION__INIT};
    Ward__V1__Revocation *pointers[] = {&rows[0], &rows[1]};
    Ward__V1__ListRevocationsResponse response = WARD__V1__LIST_REVOCATIONS_RESPONSE__INIT;
    rows[0].identity = (char *)(uintptr_t) "spiffe://a/b";
    rows[1].certificate_sha256 = (ProtobufCBinaryData){desk.empty ? 31 : 32, hash};
    rows[1].created = (char *)(uintptr_t) "2026-01-01T00:00:00.000000Z";
    response.revocations = pointers;
    response.n_revocations = 2;
    response.next_page_token = (char *)(uintptr_t) "identity:x";
    pack(&response.base, reply);
}

static void handle(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    (void)context;
    (void)snprintf(desk.path, sizeof(desk.path), "%s", call->path);
    if (strcmp(call->path, "/ward.v1.Admin/ListRevocations") == 0) {
        answer_list(reply);
    } else {
        answer_proposal(call, reply);
    }
}

static int start(void **state)
{
    desk = (struct desk){.force = false};
    int failed = rig_start(state);
    struct rig *rig = *state;
    ward_client_free(rig->client);
    stub_stop(rig->server);
    rig->server = stub_start(&rig->pki, handle, NULL);
    rig->client = rig_client(rig, stub_address(rig->server), "alice", NULL);
    return failed;
}

static const ward_call call = {.reason = "a lost card"};

static void an_identity_is_named_and_a_draft_comes_back(void **state)
{
    struct rig *rig = *state;
    ward_proposals *proposals = NULL;
    assert_int_equal(
        ward_revoke_identity(rig->client, &call, "spiffe://a/b", NULL, 1, &proposals, &rig->error),
        WARD_RC_OK);
    assert_int_equal(proposals->n, 1);
    assert_string_equal(proposals->items[0]->id, "an-id");
    assert_string_equal(proposals->items[0]->state, "draft");
    assert_string_equal(proposals->next_page, "");
    ward_proposals_free(proposals);
    stub_sync(rig->server);
    assert_string_equal(desk.path, "/ward.v1.Admin/RevokeIdentity");
    assert_string_equal(desk.identity, "spiffe://a/b");
    assert_string_equal(desk.reason, "a lost card");
    assert_int_equal(desk.certificate_size, 0);
    assert_true(desk.force);
}

static void a_certificate_is_named_by_its_digest(void **state)
{
    struct rig *rig = *state;
    ward_proposals *proposals = NULL;
    assert_int_equal(
        ward_unrevoke_identity(rig->client, &call, NULL, HEX64, &proposals, &rig->error),
        WARD_RC_OK);
    ward_proposals_free(proposals);
    stub_sync(rig->server);
    assert_string_equal(desk.path, "/ward.v1.Admin/UnrevokeIdentity");
    assert_string_equal(desk.identity, "");
    assert_int_equal(desk.certificate_size, 32);
    assert_int_equal(desk.certificate[0], 0x00);
    assert_int_equal(desk.certificate[31], 0xff);
}

static void neither_both_and_no_digest_are_refused_before_anything_is_sent(void **state)
{
    struct rig *rig = *state;
    const char *const cases[][2] = {{NULL, NULL},      {"spiffe://a/b", HEX64}, {NULL, ""},
                                    {NULL, HEX64 "0"}, {NULL, &HEX64[1]},       {NULL, "x" HEX64}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ward_proposals *proposals = NULL;
        assert_int_equal(ward_revoke_identity(rig->client, &call, cases[i][0], cases[i][1], 0,
                                              &proposals, &rig->error),
                         WARD_RC_INVALID_ARGUMENT);
        assert_int_equal(ward_unrevoke_identity(rig->client, &call, cases[i][0], cases[i][1],
                                                &proposals, &rig->error),
                         WARD_RC_INVALID_ARGUMENT);
        assert_null(proposals);
    }
    assert_int_equal(stub_connections(rig->server), 0);
}

static void an_answer_without_a_proposal_is_an_error(void **state)
{
    struct rig *rig = *state;
    ward_proposals *proposals = NULL;
    desk.empty = true;
    assert_int_equal(
        ward_revoke_identity(rig->client, &call, "spiffe://a/b", NULL, 0, &proposals, &rig->error),
        WARD_RC_INTERNAL);
    assert_null(proposals);
}

static void revocations_are_listed(void **state)
{
    struct rig *rig = *state;
    for (unsigned odd = 0; odd < 2; odd++) {
        desk.empty = odd != 0;
        ward_revocations *revocations = NULL;
        assert_int_equal(
            ward_list_revocations(rig->client, NULL, 0, NULL, &revocations, &rig->error),
            WARD_RC_OK);
        assert_int_equal(revocations->n, 2);
        assert_string_equal(revocations->items[0]->identity, "spiffe://a/b");
        assert_string_equal(revocations->items[0]->certificate_sha256, "");
        assert_string_equal(revocations->items[1]->identity, "");
        assert_int_equal(strlen(revocations->items[1]->certificate_sha256), odd ? 0 : 64);
        assert_string_equal(revocations->next_page, "identity:x");
        ward_revocations_free(revocations);
    }
    ward_revocations_free(NULL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, rig_stop)
    const struct CMUnitTest tests[] = {
        T(an_identity_is_named_and_a_draft_comes_back),
        T(a_certificate_is_named_by_its_digest),
        T(neither_both_and_no_digest_are_refused_before_anything_is_sent),
        T(an_answer_without_a_proposal_is_an_error),
        T(revocations_are_listed),
    };
    return cmocka_run_group_tests(tests, rig_make_folder, rig_drop_folder);
}
