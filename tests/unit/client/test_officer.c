/* SPDX-License-Identifier: Apache-2.0 */
/* An officer at the command line, and a daemon that may lie: what is signed must be what was asked
 * for and shown. */
#include "tests/unit/client/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/cli.h"
#include "tests/unit/client/pki.h"
#include "tests/unit/client/stub_server.h"
#include "ward/v1/approvals.pb-c.h"
#include "ward/v1/keys.pb-c.h"

#define CREATED_US INT64_C(1790000000000000)

struct daemon {
    const char *action, *object, *reason; /* what the proposal says */
    struct ward_proposal_param parameters[4];
    size_t n_parameters;
    bool garbled, another_id; /* the payload is not canonical; Show answers with another proposal */
    bool hardware;            /* it asks for signatures made in hardware */
    const char *states[4];    /* what Show says, in turn; the last one again and again */
    const char *cannot_run;   /* said with it; NULL: it may */
    int grpc_status;          /* of Approve and Reject */
    char id[WARD_ID_TEXT_SIZE], other[WARD_ID_TEXT_SIZE];
    struct ward_buffer payload;
    unsigned shown, submitted, decided;
    uint8_t signature[256];
    size_t signature_size;
};

struct rig {
    char *folder;
    struct pki pki;
    struct daemon daemon;
    struct stub_server *server;
    char profiles[128];
};

/* ---- the daemon ---- */

static void pack(const void *message, struct ward_buffer *out)
{
    const ProtobufCMessage *base = message;
    uint8_t *to = ward_buffer_reserve(out, protobuf_c_message_get_packed_size(base));
    assert_non_null(to);
    out->size += protobuf_c_message_pack(base, to);
}

static void make_payload(struct daemon *daemon)
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

static int make_folder(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    rig->folder = folder_make();
    pki_make(rig->folder, &rig->pki);
    *state = rig;
    return 0;
}

static int drop_folder(void **state)
{
    struct rig *rig = *state;
    pki_free(&rig->pki);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

static int start(void **state)
{
    struct rig *rig = *state;
    rig->daemon = (struct daemon){
        .action = "key.rotate", .object = "phi/records", .reason = "yearly", .states = {"open"}};
    ward_buffer_init(&rig->daemon.payload, 65536);
    make_payload(&rig->daemon);
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

static int stop(void **state)
{
    struct rig *rig = *state;
    stub_stop(rig->server);
    ward_buffer_fini(&rig->daemon.payload);
    return 0;
}

static bool signed_with_reason(const struct rig *rig, const struct pki_person *person,
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

static bool signed_by(const struct rig *rig, const struct pki_person *person,
                      enum ward_decision_kind decision)
{
    return signed_with_reason(rig, person, decision, "");
}

static void rotate(struct rig *rig, struct ran *ran)
{
    run_ward(rig->folder, ran, "--config", rig->profiles, "--profile", "alice", "key", "rotate",
             "phi/records", "--reason", "yearly", NULL);
}

static void approve(struct rig *rig, struct ran *ran)
{
    run_ward(rig->folder, ran, "--config", rig->profiles, "--profile", "bob", "approval", "approve",
             rig->daemon.id, "--yes", NULL);
}

/* ---- proposing ---- */

static void a_rotation_is_signed_submitted_and_waits(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rotate(rig, &ran);
    assert_int_equal(ran.exit, CLI_WAITS);
    assert_int_equal(rig->daemon.submitted, 1);
    assert_true(signed_by(rig, &rig->pki.alice, WARD_DECISION_PROPOSE));
    assert_true(says(&ran.out, rig->daemon.id));
    assert_true(says(&ran.out, "\"state\":\"open\""));
    assert_true(says(&ran.err, "rows: 4711"));
    char command[128];
    (void)snprintf(command, sizeof(command), "approval approve %s", rig->daemon.id);
    assert_true(says(&ran.err, command));
    ran_fini(&ran);
}

static void a_proposal_for_another_key_is_not_signed(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.object = "phi/other";
    make_payload(&rig->daemon);
    rotate(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_int_equal(rig->daemon.submitted, 0);
    assert_true(says(&ran.err, "the proposal is not key.rotate of phi/records"));
    ran_fini(&ran);
}

/* Every command that signs what the daemon proposes, and what it asks for. */
static const struct commanded {
    const char *noun, *verb, *object;
    const char *more[4]; /* of the command line; NULL ends them */
    const char *action, *proposed;
    struct {
        const char *name;
        int64_t number;
    } parameters[2];
} commands[] = {
#define KEY "key"
#define NAME "phi/records"
#define WHO "spiffe://test.ward/eve"
    {KEY,
     "create",
     NAME,
     {"--purpose", "records", "--rotation-days", "90"},
     "key.create",
     NAME,
     {{"purpose", 2}, {"rotation_period_days", 90}}},
    {KEY,
     "create",
     NAME,
     {"--purpose", "data-keys"},
     "key.create",
     NAME,
     {{"purpose", 1}, {"rotation_period_days", 365}}},
    {KEY, "rotate", NAME, {NULL}, "key.rotate", NAME, {{NULL}}},
    {KEY, "rekey", NAME, {NULL}, "key.rekey", NAME, {{NULL}}},
    {KEY,
     "change",
     NAME,
     {"--rotation-days", "90"},
     "key.change",
     NAME,
     {{"rotation_period_days", 90}}},
    {KEY, "disable", NAME, {NULL}, "key.disable", NAME, {{NULL}}},
    {KEY, "enable", NAME, {NULL}, "key.enable", NAME, {{NULL}}},
    {KEY, "suspend", NAME, {"2"}, "key.suspend", NAME, {{"version", 2}}},
    {KEY, "resume", NAME, {"2"}, "key.resume", NAME, {{"version", 2}}},
    {KEY, "deactivate", NAME, {"2"}, "key.deactivate", NAME, {{"version", 2}}},
    {KEY, "compromise", NAME, {"2", "--yes"}, "key.compromise", NAME, {{"version", 2}}},
    {KEY,
     "schedule-destroy",
     NAME,
     {"2", "--days", "8"},
     "key.destroy",
     NAME,
     {{"version", 2}, {"waiting_days", 8}}},
    {KEY, "cancel-destroy", NAME, {"2"}, "key.cancel-destroy", NAME, {{"version", 2}}},
    {"identity", "revoke", WHO, {NULL}, "identity.revoke", "identity:" WHO, {{NULL}}},
    {"identity", "unrevoke", WHO, {NULL}, "identity.unrevoke", "identity:" WHO, {{NULL}}},
};

static void tell_truth(struct daemon *daemon, const struct commanded *commanded)
{
    daemon->action = commanded->action;
    daemon->object = commanded->proposed;
    daemon->reason = "yearly";
    daemon->n_parameters = 0;
    for (size_t i = 0; i < 2 && commanded->parameters[i].name != NULL; i++) {
        daemon->parameters[daemon->n_parameters++] =
            (struct ward_proposal_param){.name = ward_bytes_str(commanded->parameters[i].name),
                                         .number = commanded->parameters[i].number};
    }
}

static void is_signed(struct rig *rig, const struct commanded *commanded, bool expected)
{
    struct ran ran;
    unsigned before = rig->daemon.submitted;
    const char *const *more = commanded->more;
    make_payload(&rig->daemon);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", commanded->noun,
             commanded->verb, commanded->object, "--reason", "yearly", more[0], more[1], more[2],
             more[3], NULL);
    if (ran.exit != (expected ? CLI_WAITS : CLI_FAILED) ||
        rig->daemon.submitted - before != expected) {
        fail_msg("%s %s: exit %d, %s", commanded->noun, commanded->verb, ran.exit,
                 expected ? "not signed" : "signed");
    }
    if (!expected) {
        assert_true(says(&ran.err, "the proposal "));
        assert_true(says(&ran.err, "It was not signed, so it cannot run."));
    }
    ran_fini(&ran);
}

static void no_command_signs_another_thing_than_was_asked(void **state)
{
    struct rig *rig = *state;
    struct daemon *daemon = &rig->daemon;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        const struct commanded *commanded = &commands[i];
        tell_truth(daemon, commanded);
        is_signed(rig, commanded, true);
        for (size_t p = 0; p < daemon->n_parameters; p++) {
            daemon->parameters[p].number++;
            is_signed(rig, commanded, false);
            daemon->parameters[p].number--;
        }
        daemon->reason = "to widen what it does";
        is_signed(rig, commanded, false);
        tell_truth(daemon, commanded);
        daemon->action = "policy.apply";
        is_signed(rig, commanded, false);
        tell_truth(daemon, commanded);
        daemon->object = "phi/other";
        is_signed(rig, commanded, false);
    }
}

static void what_cannot_be_taken_back_is_not_signed_unasked(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    unsigned before = rig->daemon.submitted;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "key",
             "compromise", NAME, "2", "--reason", "yearly", NULL);
    assert_int_equal(ran.exit, CLI_USAGE);
    assert_true(says(&ran.err, "there is no terminal to ask on"));
    assert_true(says(&ran.err, "or give --yes"));
    assert_int_equal(rig->daemon.submitted, before);
    ran_fini(&ran);
}

static void a_parameter_that_is_missing_is_not_signed(void **state)
{
    struct rig *rig = *state;
    tell_truth(&rig->daemon, &commands[0]);
    rig->daemon.n_parameters = 1;
    is_signed(rig, &commands[0], false);
    rig->daemon.n_parameters = 0;
    is_signed(rig, &commands[0], false);
}

static void a_payload_that_is_not_canonical_is_not_signed(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.garbled = true;
    make_payload(&rig->daemon);
    rotate(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_int_equal(rig->daemon.submitted, 0);
    ran_fini(&ran);
    approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_int_equal(rig->daemon.decided, 0);
    ran_fini(&ran);
}

static void waiting_ends_as_it_was_decided(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.states[0] = "open";
    rig->daemon.states[1] = "executed";
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "key", "rotate",
             "phi/records", "--reason", "yearly", "--wait", NULL);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_true(says(&ran.out, "\"state\":\"executed\""));
    ran_fini(&ran);
    rig->daemon.shown = 0;
    rig->daemon.states[0] = "rejected";
    rig->daemon.states[1] = NULL;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "key", "rotate",
             "phi/records", "--reason", "yearly", "--wait", NULL);
    assert_int_equal(ran.exit, CLI_FAILED);
    ran_fini(&ran);
}

/* What can never run is waited for no longer, and whoever looks at it is told why. */
static void waiting_ends_when_it_can_never_run(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.cannot_run = "policy: it was changed since";
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "key", "rotate",
             "phi/records", "--reason", "yearly", "--wait", NULL);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.err, "policy: it was changed since"));
    assert_true(says(&ran.err, "It will never run; nothing was changed."));
    ran_fini(&ran);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "--output", "table",
             "approval", "show", rig->daemon.id, NULL);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_true(says(&ran.out, "  stale          policy: it was changed since\n"));
    ran_fini(&ran);
}

/* ---- deciding ---- */

static void an_approval_is_signed_over_what_was_shown(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_int_equal(rig->daemon.decided, 1);
    assert_true(signed_by(rig, &rig->pki.bob, WARD_DECISION_APPROVE));
    assert_false(signed_by(rig, &rig->pki.bob, WARD_DECISION_REJECT));
    assert_true(says(&ran.err, "spiffe://test.ward/alice"));
    assert_true(says(&ran.out, "\"state\":\"executed\""));
    ran_fini(&ran);
}

static void decide_digest(struct rig *rig, struct ran *ran, const char *verb, const char *digest)
{
    bool reasoned = strcmp(verb, "reject") == 0;
    run_ward(rig->folder, ran, "--config", rig->profiles, "--profile", "bob", "approval", verb,
             rig->daemon.id, "--yes", "--digest", digest, reasoned ? "--reason" : NULL, "not now",
             NULL);
}

static void payload_digest(const struct rig *rig, char out[static 65])
{
    uint8_t digest[32];
    assert_ok(ward_proposal_digest(ward_buffer_view(&rig->daemon.payload), digest));
    ward_hex_encode(WARD_BYTES_ARRAY(digest), out);
}

static void the_digest_that_was_shown_is_signed(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    char digest[65], said[80];
    payload_digest(rig, digest);
    (void)snprintf(said, sizeof(said), "\"digest\":\"%s\"", digest);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval", "show",
             rig->daemon.id, NULL);
    assert_true(says(&ran.out, said));
    ran_fini(&ran);
    decide_digest(rig, &ran, "approve", digest);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_int_equal(rig->daemon.decided, 1);
    assert_true(signed_by(rig, &rig->pki.bob, WARD_DECISION_APPROVE));
    ran_fini(&ran);
    digest[0] = (char)toupper(digest[0]);
    decide_digest(rig, &ran, "reject", digest);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_true(signed_with_reason(rig, &rig->pki.bob, WARD_DECISION_REJECT, "not now"));
    ran_fini(&ran);
}

/* Before the daemon is asked for anything but the proposal; closing one needs no card. */
static void a_key_in_a_file_signs_nothing_where_hardware_is_asked_for(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.hardware = true;
    make_payload(&rig->daemon);
    static const char *const verbs[] = {"approve", "execute"};
    for (size_t i = 0; i < 2; i++) {
        run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval",
                 verbs[i], rig->daemon.id, "--yes", NULL);
        assert_int_equal(ran.exit, CLI_FAILED);
        assert_true(says(&ran.err, "made in hardware"));
        ran_fini(&ran);
    }
    rotate(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    ran_fini(&ran);
    assert_int_equal(rig->daemon.decided + rig->daemon.submitted, 0);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval", "reject",
             rig->daemon.id, "--yes", "--reason", "not now", NULL);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_int_equal(rig->daemon.decided, 1);
    ran_fini(&ran);
}

static void a_reason_is_signed(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *verb;
        enum ward_decision_kind decision;
    } verbs[] = {{"reject", WARD_DECISION_REJECT},
                 {"withdraw", WARD_DECISION_WITHDRAW},
                 {"review", WARD_DECISION_REVIEW}};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        struct ran ran;
        run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval",
                 verbs[i].verb, rig->daemon.id, "--yes", "--reason", "not now", NULL);
        assert_int_equal(ran.exit, CLI_DONE);
        ran_fini(&ran);
        assert_true(signed_with_reason(rig, &rig->pki.bob, verbs[i].decision, "not now"));
        assert_false(signed_with_reason(rig, &rig->pki.bob, verbs[i].decision, "now"));
        assert_false(signed_by(rig, &rig->pki.bob, verbs[i].decision));
    }
}

/* Between reading and signing the daemon puts another payload. */
static void another_payload_than_was_read_is_not_signed(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    char digest[65], cut[64];
    payload_digest(rig, digest);
    rig->daemon.reason = "another";
    make_payload(&rig->daemon);
    decide_digest(rig, &ran, "approve", digest);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.err, "Nothing was signed"));
    assert_true(says(&ran.err, digest));
    ran_fini(&ran);
    decide_digest(rig, &ran, "reject", digest);
    assert_int_equal(ran.exit, CLI_FAILED);
    ran_fini(&ran);
    payload_digest(rig, digest);
    (void)snprintf(cut, sizeof(cut), "%.63s", digest);
    const char *const no_digests[] = {"", cut, "x"};
    for (size_t i = 0; i < 3; i++) {
        decide_digest(rig, &ran, "approve", no_digests[i]);
        assert_int_equal(ran.exit, CLI_FAILED);
        ran_fini(&ran);
    }
    assert_int_equal(rig->daemon.decided, 0);
}

static void a_rejection_says_why(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval", "reject",
             rig->daemon.id, "--yes", NULL);
    assert_int_equal(ran.exit, CLI_USAGE);
    assert_true(says(&ran.err, "--reason TEXT is needed"));
    assert_int_equal(rig->daemon.decided, 0);
    ran_fini(&ran);
}

static void another_proposal_than_asked_for_is_not_signed(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.another_id = true;
    make_payload(&rig->daemon);
    approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_int_equal(rig->daemon.decided, 0);
    ran_fini(&ran);
}

static void without_a_terminal_nobody_is_asked(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval",
             "approve", rig->daemon.id, NULL);
    assert_int_equal(ran.exit, CLI_USAGE);
    assert_int_equal(rig->daemon.shown + rig->daemon.decided, 0);
    ran_fini(&ran);
}

static void a_refusal_is_exit_code_1_with_its_words(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.grpc_status = 7;
    approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.err, "approval: the proposer cannot approve (PERMISSION_DENIED)"));
    ran_fini(&ran);
}

static void a_reason_cannot_paint_over_the_screen(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.reason = "fine\x1b[2J\nconsequences none \xe2\x80\xae";
    make_payload(&rig->daemon);
    approve(rig, &ran);
    assert_false(says(&ran.err, "\x1b"));
    assert_true(says(&ran.err, "fine\\u001b[2J\\u000aconsequences none \\u202e"));
    ran_fini(&ran);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "--output", "table",
             "approval", "show", rig->daemon.id, NULL);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_false(says(&ran.out, "\x1b"));
    ran_fini(&ran);
}

static void a_key_that_cannot_be_read_signs_nothing(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    struct ward_buffer kept;
    file_read(in_folder(rig->folder, "bob.key"), &kept);
    file_write(in_folder(rig->folder, "bob.key"), WARD_BYTES_LITERAL("-----BEGIN nothing\n"));
    approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_USAGE);
    assert_int_equal(rig->daemon.decided, 0);
    assert_true(says(&ran.err, "bob.key"));
    ran_fini(&ran);
    file_write(in_folder(rig->folder, "bob.key"), ward_buffer_view(&kept));
    ward_buffer_fini(&kept);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_rotation_is_signed_submitted_and_waits),
        CASE(a_proposal_for_another_key_is_not_signed),
        CASE(no_command_signs_another_thing_than_was_asked),
        CASE(what_cannot_be_taken_back_is_not_signed_unasked),
        CASE(a_parameter_that_is_missing_is_not_signed),
        CASE(a_payload_that_is_not_canonical_is_not_signed),
        CASE(waiting_ends_as_it_was_decided),
        CASE(waiting_ends_when_it_can_never_run),
        CASE(an_approval_is_signed_over_what_was_shown),
        CASE(the_digest_that_was_shown_is_signed),
        CASE(a_key_in_a_file_signs_nothing_where_hardware_is_asked_for),
        CASE(a_reason_is_signed),
        CASE(another_payload_than_was_read_is_not_signed),
        CASE(a_rejection_says_why),
        CASE(another_proposal_than_asked_for_is_not_signed),
        CASE(without_a_terminal_nobody_is_asked),
        CASE(a_refusal_is_exit_code_1_with_its_words),
        CASE(a_reason_cannot_paint_over_the_screen),
        CASE(a_key_that_cannot_be_read_signs_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
