/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/officer_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "ward/v1/approvals.pb-c.h"
#include "ward/v1/keys.pb-c.h"

#define CREATED_US INT64_C(1790000000000000)

/* ---- the daemon ---- */

static void pack(const void *message, struct ward_buffer *out)
{
    const ProtobufCMessage *base = message;
    uint8_t *to = ward_buffer_reserve(out, protobuf_c_message_get_packed_size(base));
    assert_non_null(to);
    out->size += protobuf_c_message_pack(base, to);
}

void officer_payload(struct daemon *daemon)
{
    struct ward_proposal proposal = {
        .action = ward_bytes_str(daemon->action),
        .object = ward_bytes_str(daemon->object),
        .proposer = WARD_BYTES_LITERAL("spiffe://test.ward/alice"),
        .person = WARD_BYTES_LITERAL("alice"),
        .created_us = CREATED_US,
        .expires_us = CREATED_US + INT64_C(86400000000),
        .approvals = 1,
        .reason = ward_bytes_str(daemon->reason),
        .n_consequences = 1,
    };
    for (size_t i = 0; i < daemon->n_parameters; i++) {
        proposal.parameters[proposal.n_parameters++] = daemon->parameters[i];
    }
    proposal.consequences[0] = (struct ward_proposal_param){WARD_BYTES_LITERAL("rows"), {0}, 4711};
    if (daemon->hardware) {
        proposal.terms[proposal.n_terms++] = (struct ward_proposal_param){
            WARD_BYTES_LITERAL(WARD_TERM_HARDWARE), WARD_BYTES_LITERAL("required"), 0};
    }
    assert_ok(ward_id_random(&proposal.id));
    ward_id_print(&proposal.id, daemon->id);
    assert_ok(ward_id_random(&proposal.id));
    ward_id_print(&proposal.id, daemon->other);
    assert_true(ward_id_parse(ward_bytes_str(daemon->another_id ? daemon->other : daemon->id),
                              &proposal.id));
    ward_buffer_reset(&daemon->payload);
    ward_proposal_print(&proposal, &daemon->payload);
    if (daemon->garbled) {
        ward_buffer_add_u8(&daemon->payload, ' ');
    }
}

static void fill(const struct daemon *daemon, const char *state, Ward__V1__Proposal *ret)
{
    *ret = (Ward__V1__Proposal)WARD__V1__PROPOSAL__INIT;
    ret->id = (char *)daemon->id;
    ret->payload = (ProtobufCBinaryData){daemon->payload.size, daemon->payload.data};
    ret->state = (char *)state;
    ret->approvals_needed = 1;
    ret->cannot_run = (char *)(daemon->cannot_run == NULL ? "" : daemon->cannot_run);
}

static void answer_proposal(const struct daemon *daemon, const char *state, struct ward_buffer *out)
{
    Ward__V1__Proposal proposal;
    fill(daemon, state, &proposal);
    Ward__V1__Approval no = WARD__V1__APPROVAL__INIT, *votes[] = {&no};
    no.identity = (char *)"spiffe://test.ward/bob";
    no.decision = (char *)"reject";
    no.reason = (char *)"not this week";
    proposal.approvals = votes;
    proposal.n_approvals = strcmp(state, "rejected") == 0;
    Ward__V1__ShowApprovalResponse response = WARD__V1__SHOW_APPROVAL_RESPONSE__INIT;
    response.proposal = &proposal;
    pack(&response, out);
}

static void take_signature(struct daemon *daemon, struct ward_bytes message)
{
    Ward__V1__ApproveRequest *request =
        ward__v1__approve_request__unpack(NULL, message.size, message.data);
    assert_non_null(request);
    assert_string_equal(request->id, daemon->id);
    assert_true(request->signature.len <= sizeof(daemon->signature));
    memcpy(daemon->signature, request->signature.data, request->signature.len);
    daemon->signature_size = request->signature.len;
    ward__v1__approve_request__free_unpacked(request, NULL);
}

/* With what was done or a proposal, and all of them are laid out alike. */
static bool answers_with_outcome(const char *path)
{
    return strcmp(path, "/ward.v1.Keys/CreateKey") == 0 ||
           strcmp(path, "/ward.v1.Keys/RotateKey") == 0 ||
           strcmp(path, "/ward.v1.Keys/RekeyKey") == 0;
}

static void handle(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    struct daemon *daemon = context;
    if (answers_with_outcome(call->path)) {
        Ward__V1__Proposal proposal;
        fill(daemon, "draft", &proposal);
        Ward__V1__RotateKeyResponse response = WARD__V1__ROTATE_KEY_RESPONSE__INIT;
        response.outcome_case = WARD__V1__ROTATE_KEY_RESPONSE__OUTCOME_PROPOSAL;
        response.proposal = &proposal;
        pack(&response, &reply->answer);
    } else if (strstr(call->path, ".Approvals/") == NULL) { /* laid out as Show's answer */
        answer_proposal(daemon, "draft", &reply->answer);
    } else if (strcmp(call->path, "/ward.v1.Approvals/Submit") == 0) {
        daemon->submitted++;
        take_signature(daemon, call->message);
        answer_proposal(daemon, "open", &reply->answer);
    } else if (strcmp(call->path, "/ward.v1.Approvals/Show") == 0) {
        const char *state = daemon->states[daemon->shown];
        daemon->shown += daemon->shown < 3 && daemon->states[daemon->shown + 1] != NULL;
        answer_proposal(daemon, state, &reply->answer);
    } else {
        daemon->decided++;
        take_signature(daemon, call->message);
        reply->grpc_status = daemon->grpc_status;
        reply->grpc_message =
            daemon->grpc_status == 0 ? NULL : "approval: the proposer cannot approve";
        answer_proposal(daemon, "executed", &reply->answer);
    }
}

/* ---- the rig ---- */

int officer_folder_make(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->folder = folder_make();
    pki_make(rig->folder, &rig->pki);
    *state = rig;
    return 0;
}

int officer_folder_drop(void **state)
{
    struct rig *rig = *state;
    pki_free(&rig->pki);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

int officer_start(void **state)
{
    struct rig *rig = *state;
    rig->daemon = (struct daemon){
        .action = "key.rotate", .object = "phi/records", .reason = "yearly", .states = {"open"}};
    ward_buffer_init(&rig->daemon.payload, 65536);
    officer_payload(&rig->daemon);
    rig->server = stub_start(&rig->pki, handle, &rig->daemon);
    char text[512];
    int size =
        snprintf(text, sizeof(text),
                 "profiles:\n- {name: alice, server: '%s', ca: ca.pem, certificate: alice.pem, "
                 "key: alice.key}\n"
                 "- {name: bob, server: '%s', ca: ca.pem, certificate: bob.pem, key: bob.key}\n",
                 stub_address(rig->server), stub_address(rig->server));
    (void)snprintf(rig->profiles, sizeof(rig->profiles), "%s",
                   in_folder(rig->folder, "profiles.yaml"));
    file_write(rig->profiles, WARD_BYTES(text, (size_t)size));
    return 0;
}

int officer_stop(void **state)
{
    struct rig *rig = *state;
    stub_stop(rig->server);
    ward_buffer_fini(&rig->daemon.payload);
    return 0;
}

bool officer_signed_with_reason(const struct rig *rig, const struct pki_person *person,
                                enum ward_decision_kind decision, const char *reason)
{
    const struct daemon *daemon = &rig->daemon;
    char hex[65];
    struct ward_bytes digest;
    assert_ok(ward_proposal_reason(ward_bytes_str(reason), hex, &digest));
    return ward_ok(ward_proposal_verify(ward_buffer_view(&daemon->payload), decision, digest,
                                        WARD_BYTES(person->der, person->der_size),
                                        WARD_BYTES(daemon->signature, daemon->signature_size)));
}

bool officer_signed_by(const struct rig *rig, const struct pki_person *person,
                       enum ward_decision_kind decision)
{
    return officer_signed_with_reason(rig, person, decision, "");
}

void officer_rotate(struct rig *rig, struct ran *ran)
{
    run_ward(rig->folder, ran, "--config", rig->profiles, "--profile", "alice", "key", "rotate",
             "phi/records", "--reason", "yearly", NULL);
}

void officer_approve(struct rig *rig, struct ran *ran)
{
    run_ward(rig->folder, ran, "--config", rig->profiles, "--profile", "bob", "approval", "approve",
             rig->daemon.id, "--yes", NULL);
}
