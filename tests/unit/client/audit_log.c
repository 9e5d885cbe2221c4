/* SPDX-License-Identifier: Apache-2.0 */
/* The log that the audit tests export and tamper with. */
#include "tests/unit/client/audit_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/id.h"
#include "proto/leaf.h"
#include "tests/unit/client/check.h"
#include "ward/v1/approvals.pb-c.h"
#include "ward/v1/audit.pb-c.h"

#define START_US INT64_C(1790000000000000)
static const uint8_t policies[3][32] = {{1}, {2}, {3}}; /* genesis, the next, nobody's */
#define KEY_ID "6f1c3a52-8a0e-4f7d-9c55-0d2b7f3e9a10"

/* ---- leaves ---- */

static void append(struct audit_log *log, const struct ward_leaf *without_policy)
{
    assert_true(log->n < AUDIT_LOG_MAX);
    struct ward_leaf named = *without_policy, *leaf = &named;
    named.policy = log->n == 0 && log->fault == AUDIT_NO_POLICY ? NULL : log->policy;
    struct ward_buffer body, *out = &log->leaves[log->n];
    uint8_t hash[32];
    ward_buffer_init(&body, 60000);
    ward_buffer_init(out, 60000);
    ward_leaf_body(leaf, &body);
    ward_leaf_finish(log->n, START_US + (int64_t)log->n * 1000, WARD_BYTES_LITERAL("node-1"),
                     ward_buffer_view(&body), out);
    assert_false(out->failed);
    ward_buffer_fini(&body);
    assert_ok(ward_merkle_leaf(log->digest, ward_buffer_view(out), hash));
    assert_ok(ward_merkle_append(log->digest, &log->tree, hash));
    log->n++;
}

static void append_genesis(struct audit_log *log)
{
    const struct ward_leaf_pair detail[] = {{"deployment", ward_bytes_str(log->deployment), 0}};
    const struct ward_leaf leaf = {.identity = WARD_BYTES_LITERAL("system"),
                                   .action = "system.start",
                                   .object = WARD_BYTES_LITERAL("test"),
                                   .outcome = "allowed",
                                   .detail = detail,
                                   .n_detail = log->fault == AUDIT_NO_DEPLOYMENT ? 0 : 1};
    append(log, &leaf);
}

static void append_plain(struct audit_log *log, const char *request_id)
{
    static const uint8_t certificate[32] = {7};
    const struct ward_leaf leaf = {
        .request_id = ward_bytes_str(request_id),
        .identity = WARD_BYTES_LITERAL("spiffe://test.ward/app"),
        .certificate = certificate,
        .address = WARD_BYTES_LITERAL("127.0.0.1:1"),
        .action = "data-key.generate",
        .object = WARD_BYTES_LITERAL("app/demo"),
        .outcome = "allowed",
        .rule = "apps/keys",
        .epoch = 1,
    };
    append(log, &leaf);
}

static void digest_hex(struct audit_log *log, struct ward_bytes bytes, char out[static 65])
{
    uint8_t digest[32];
    assert_ok(ward_sha256(log->digest, &bytes, 1, digest));
    ward_hex_encode(WARD_BYTES_ARRAY(digest), out);
}

static bool changes_policy(const struct audit_log *log)
{
    return log->fault >= AUDIT_POLICY && log->fault <= AUDIT_POLICY_NOT_FOLLOWED;
}

static void append_vote(struct audit_log *log, size_t vote, const char *action, bool runs)
{
    const struct pki_person *person = log->signers[vote];
    char object[64], signature[65], payload[65];
    uint8_t certificate[32];
    struct ward_bytes der = WARD_BYTES(person->der, person->der_size);
    assert_ok(ward_sha256(log->digest, &der, 1, certificate));
    (void)snprintf(object, sizeof(object), "proposal:%s", log->proposal_id);
    digest_hex(log, WARD_BYTES(log->signatures[vote], log->signature_sizes[vote]), signature);
    digest_hex(log, ward_buffer_view(&log->payload), payload);
    const char *key = log->fault == AUDIT_OTHER_KEY_ROTATED ? "phi/other" : "phi/records";
    const struct ward_leaf_pair detail[] = {
        {"signature_digest", ward_bytes_str(signature), 0},
        {"proposal_digest", ward_bytes_str(payload), 0},
        {"executed", WARD_BYTES_LITERAL("key.rotate"), 0},
        {"key", ward_bytes_str(key), 0},
        {"key_id", WARD_BYTES_LITERAL(KEY_ID), 0},
        {"from_version", {0}, log->fault == AUDIT_OTHER_VERSION_ROTATED ? 2 : 1},
        {"to_version", {0}, log->fault == AUDIT_OTHER_VERSION_ROTATED ? 3 : 2},
        {"proposal", ward_bytes_str(log->proposal_id), 0},
        {"proposer", ward_bytes_str(log->signers[0]->identity), 0},
        {"approvers", ward_bytes_str(person->identity), 0},
    };
    char to_hash[65];
    ward_hex_encode(WARD_BYTES(policies[1], 32), to_hash);
    bool other = log->fault == AUDIT_POLICY_OTHER_VERSION;
    const struct ward_leaf_pair change[] = {
        detail[0],
        detail[1],
        {"executed", WARD_BYTES_LITERAL("policy.apply"), 0},
        {"whom", ward_bytes_str(other ? "policy#3" : "policy#2"), 0},
        {"to_hash", ward_bytes_str(to_hash), 0},
        {"proposal", ward_bytes_str(log->proposal_id), 0},
        {"proposer", ward_bytes_str(log->signers[0]->identity), 0},
        {"approvers", ward_bytes_str(person->identity), 0},
    };
    size_t n = changes_policy(log) ? sizeof(change) / sizeof(change[0])
                                   : sizeof(detail) / sizeof(detail[0]);
    const struct ward_leaf leaf = {
        .identity = ward_bytes_str(person->identity),
        .certificate = certificate,
        .action = action,
        .object = ward_bytes_str(object),
        .outcome = "allowed",
        .epoch = 2,
        .detail = changes_policy(log) ? change : detail,
        .n_detail = runs ? n : 2,
    };
    append(log, &leaf);
    if (runs && changes_policy(log) && log->fault != AUDIT_POLICY_NOT_FOLLOWED) {
        log->policy = policies[1];
    }
}

/* SHA-256 of alice's and then of the approver's. */
static void two_digests(struct audit_log *log, struct ward_bytes first, struct ward_bytes second,
                        char out[static 130])
{
    digest_hex(log, first, out);
    out[64] = ' ';
    digest_hex(log, second, out + 65);
}

static void append_recovery(struct audit_log *log)
{
    const struct pki_person *a = log->signers[0], *b = log->signers[1];
    char votes[130], certificates[130], payload[65];
    two_digests(log, WARD_BYTES(log->signatures[0], log->signature_sizes[0]),
                WARD_BYTES(log->signatures[1], log->signature_sizes[1]), votes);
    two_digests(log, WARD_BYTES(a->der, a->der_size), WARD_BYTES(b->der, b->der_size),
                certificates);
    digest_hex(log, ward_buffer_view(&log->payload), payload);
    const char *approver =
        log->fault == AUDIT_VOTE_OF_ANOTHER ? "spiffe://test.ward/carol" : b->identity;
    if (log->fault == AUDIT_VOTES_CUT) {
        votes[64] = 0;
    } else if (log->fault == AUDIT_OTHER_VOTE_NAMED) {
        votes[65] = votes[65] == '0' ? '1' : '0';
    } else if (log->fault == AUDIT_CERTIFICATE_SWAPPED) {
        certificates[65] = certificates[65] == '0' ? '1' : '0';
    } else if (log->fault == AUDIT_PAYLOAD_SWAPPED) {
        payload[0] = payload[0] == '0' ? '1' : '0';
    }
    const struct ward_leaf_pair detail[] = {
        {"executed", WARD_BYTES_LITERAL("key.rotate"), 0},
        {"key", ward_bytes_str(log->fault == AUDIT_OTHER_KEY_ROTATED ? "phi/other" : "phi/records"),
         0},
        {"key_id", WARD_BYTES_LITERAL(KEY_ID), 0},
        {"from_version", {0}, 1},
        {"to_version", {0}, 2},
        {"recovered", WARD_BYTES_LITERAL("finished"), 0},
        {"proposer", ward_bytes_str(a->identity), 0},
        {"approvers", ward_bytes_str(approver), 0},
        {"proposal", ward_bytes_str(log->proposal_id), 0},
        {"proposal_digest", ward_bytes_str(payload), 0},
        {"vote_digests", ward_bytes_str(votes), 0},
        {"vote_certificates", ward_bytes_str(certificates), 0},
    };
    size_t n = sizeof(detail) / sizeof(detail[0]);
    const struct ward_leaf leaf = {
        .identity = WARD_BYTES_LITERAL("system"),
        .action = "system.recover",
        .object = WARD_BYTES_LITERAL("key-id:" KEY_ID "#2"),
        .outcome = "allowed",
        .detail = detail,
        .n_detail = log->fault == AUDIT_NO_PROPOSAL       ? n - 4
                    : log->fault == AUDIT_VOTES_NOT_NAMED ? n - 2
                                                          : n,
    };
    append(log, &leaf);
}

static void append_bare_rotation(struct audit_log *log)
{
    const struct ward_leaf_pair detail[] = {
        {"executed", WARD_BYTES_LITERAL("key.rotate"), 0},
        {"key", WARD_BYTES_LITERAL("phi/records"), 0},
        {"from_version", {0}, 1},
        {"to_version", {0}, 2},
    };
    const struct ward_leaf leaf = {.identity = WARD_BYTES_LITERAL("spiffe://test.ward/alice"),
                                   .action = "key.rotate",
                                   .object = WARD_BYTES_LITERAL("phi/records"),
                                   .outcome = "allowed",
                                   .detail = detail,
                                   .n_detail = 4};
    append(log, &leaf);
}

static void append_rotation_at_limit(struct audit_log *log)
{
    const struct ward_leaf_pair detail[] = {
        {"key", WARD_BYTES_LITERAL("app/keys"), 0},
        {"from_version", {0}, 3},
        {"to_version", {0}, 4},
        {"why", WARD_BYTES_LITERAL("budget"), 0},
        {"wraps", {0}, 2147483648},
    };
    const struct ward_leaf leaf = {.identity = WARD_BYTES_LITERAL("system"),
                                   .action = "system.rotate",
                                   .object = WARD_BYTES_LITERAL("key:app/keys#3"),
                                   .outcome = "allowed",
                                   .detail = detail,
                                   .n_detail = 5};
    append(log, &leaf);
}

/* ---- the rotation ---- */

static void make_payload(struct audit_log *log)
{
    struct ward_proposal proposal = {
        .action = WARD_BYTES_LITERAL("key.rotate"),
        .object = WARD_BYTES_LITERAL("phi/records"),
        .proposer = ward_bytes_str(log->pki->alice.identity),
        .person = WARD_BYTES_LITERAL("alice"),
        .created_us = START_US,
        .expires_us = START_US + INT64_C(86400000000),
        .approvals = 1,
        .reason = WARD_BYTES_LITERAL("a test"),
        .n_parameters = 2,
        .n_consequences = 1,
    };
    proposal.parameters[0] =
        (struct ward_proposal_param){WARD_BYTES_LITERAL("from_version"), {0}, 1};
    proposal.parameters[1] =
        (struct ward_proposal_param){WARD_BYTES_LITERAL("key_id"), WARD_BYTES_LITERAL(KEY_ID), 0};
    proposal.consequences[0] = (struct ward_proposal_param){WARD_BYTES_LITERAL("rows"), {0}, 12};
    memcpy(proposal.policy, policies[log->fault == AUDIT_PROPOSED_ELSEWHERE ? 2 : 0], 32);
    char from_hash[65], to_hash[65];
    if (changes_policy(log)) {
        bool text = log->fault == AUDIT_POLICY_OTHER_TEXT;
        ward_hex_encode(WARD_BYTES(policies[log->fault == AUDIT_POLICY_FROM_ANOTHER ? 2 : 0], 32),
                        from_hash);
        ward_hex_encode(WARD_BYTES(policies[text ? 2 : 1], 32), to_hash);
        proposal.action = WARD_BYTES_LITERAL("policy.apply");
        proposal.object =
            ward_bytes_str(log->fault == AUDIT_POLICY_OTHER_VERSION ? "policy#3" : "policy#2");
        proposal.parameters[0] = (struct ward_proposal_param){WARD_BYTES_LITERAL("from_hash"),
                                                              ward_bytes_str(from_hash), 0};
        proposal.parameters[1] =
            (struct ward_proposal_param){WARD_BYTES_LITERAL("to_hash"), ward_bytes_str(to_hash), 0};
    }
    assert_ok(ward_id_random(&proposal.id));
    assert_ok(ward_id_random(&proposal.deployment));
    ward_id_print(&proposal.deployment, log->deployment);
    if (log->fault == AUDIT_OTHER_DEPLOYMENT) {
        assert_ok(ward_id_random(&proposal.deployment));
    }
    if (log->fault == AUDIT_EXPIRED || log->fault == AUDIT_BARELY_IN_TIME) {
        proposal.created_us -= INT64_C(86400000000);
        proposal.expires_us =
            START_US - (log->fault == AUDIT_EXPIRED ? INT64_C(301000000) : INT64_C(200000000));
    }
    ward_id_print(&proposal.id, log->proposal_id);
    ward_buffer_init(&log->payload, 65536);
    ward_proposal_print(&proposal, &log->payload);
    assert_false(log->payload.failed);
}

static void sign(struct audit_log *log)
{
    struct ward_bytes payload = ward_buffer_view(&log->payload);
    log->signers[0] = &log->pki->alice;
    log->signers[1] = log->fault == AUDIT_PROPOSER_APPROVES ? &log->pki->alice : &log->pki->bob;
    log->signature_sizes[0] =
        pki_sign(log->signers[0], payload, WARD_DECISION_PROPOSE, log->signatures[0]);
    log->signature_sizes[1] =
        pki_sign(log->signers[1], payload,
                 log->fault == AUDIT_WRONG_DECISION ? WARD_DECISION_REJECT : WARD_DECISION_APPROVE,
                 log->signatures[1]);
}

void audit_log_make(const struct pki *pki, enum audit_fault fault, size_t size,
                    struct audit_log *ret)
{
    *ret = (struct audit_log){.pki = pki,
                              .policy = policies[0],
                              .fault = fault & ~AUDIT_RECOVERED,
                              .recovered = (fault & AUDIT_RECOVERED) != 0};
    fault = ret->fault;
    assert_ok(ward_digest_new(&ret->digest));
    ret->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    uint8_t public_key[32];
    size_t public_size = sizeof(public_key);
    assert_int_equal(EVP_PKEY_get_raw_public_key(ret->key, public_key, &public_size), 1);
    assert_ok(ward_note_key_init("test.ward", WARD_NOTE_ED25519, WARD_BYTES_ARRAY(public_key),
                                 &ret->note_key));
    make_payload(ret);
    sign(ret);
    append_genesis(ret);
    for (size_t i = 0; i < size / 2; i++) {
        append_plain(ret, "before");
    }
    if (fault == AUDIT_AT_LIMIT) {
        append_rotation_at_limit(ret);
    }
    if (fault != AUDIT_NO_PROPOSE) {
        append_vote(ret, 0, "approval.submit", false);
    }
    if (ret->recovered) {
        append_recovery(ret);
    } else if (fault == AUDIT_NO_PROPOSAL) {
        append_bare_rotation(ret);
    } else {
        append_vote(ret, 1, "approval.approve", true);
    }
    if (fault == AUDIT_RAN_TWICE) {
        append_vote(ret, 1, "approval.approve", true);
    }
    if (fault == AUDIT_OTHER_POLICY) {
        ret->policy = policies[2];
    }
    for (size_t i = size / 2; i < size; i++) {
        append_plain(ret, "after");
    }
}

void audit_log_free(struct audit_log *log)
{
    for (size_t i = 0; i < log->n; i++) {
        ward_buffer_fini(&log->leaves[i]);
    }
    ward_buffer_fini(&log->payload);
    EVP_PKEY_free(log->key);
    ward_digest_free(log->digest);
}

/* ---- serving ---- */

static void pack(const void *message, struct ward_buffer *out)
{
    const ProtobufCMessage *base = message;
    size_t size = protobuf_c_message_get_packed_size(base);
    if (size > 0) {
        uint8_t *to = ward_buffer_reserve(out, size);
        assert_non_null(to);
        out->size += protobuf_c_message_pack(base, to);
    }
}

static void serve_checkpoint(struct audit_log *log, struct ward_bytes message,
                             struct ward_buffer *out)
{
    struct ward_checkpoint checkpoint = {.size = log->n};
    (void)snprintf(checkpoint.origin, sizeof(checkpoint.origin), "%s", log->note_key.name);
    assert_ok(ward_merkle_root(log->digest, &log->tree, checkpoint.root));
    struct ward_buffer body, note;
    ward_buffer_init(&body, 4096);
    ward_buffer_init(&note, 4096);
    ward_checkpoint_body(&checkpoint, &body);
    uint8_t signature[64];
    size_t size = sizeof(signature);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, NULL, NULL, log->key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &size, body.data, body.size), 1);
    EVP_MD_CTX_free(context);
    ward_note_finish(ward_buffer_view(&body), &log->note_key, WARD_BYTES_ARRAY(signature), &note);
    ward_buffer_add_u8(&note, 0);
    char vkey[512];
    ward_note_key_print(&log->note_key, vkey);
    Ward__V1__CheckpointResponse response = WARD__V1__CHECKPOINT_RESPONSE__INIT;
    response.note = (char *)note.data;
    response.vkey = vkey;
    response.n_passed_over = log->n_passed_over;
    response.passed_over = calloc(log->n_passed_over + 1, sizeof(*response.passed_over));
    assert_non_null(response.passed_over);
    for (size_t i = 0; i < log->n_passed_over; i++) {
        response.passed_over[i] = i + 1;
    }
    pack(&response, out);
    free(response.passed_over);
    ward_buffer_fini(&body);
    ward_buffer_fini(&note);
    Ward__V1__CheckpointRequest *request =
        ward__v1__checkpoint_request__unpack(NULL, message.size, message.data);
    append_plain(log, request->header == NULL ? "" : request->header->request_id);
    ward__v1__checkpoint_request__free_unpacked(request, NULL);
}

static void serve_leaves(const struct audit_log *log, struct ward_bytes message,
                         struct ward_buffer *out)
{
    Ward__V1__ExportRequest *request =
        ward__v1__export_request__unpack(NULL, message.size, message.data);
    Ward__V1__ExportResponse response = WARD__V1__EXPORT_RESPONSE__INIT;
    ProtobufCBinaryData leaves[AUDIT_LOG_PAGE];
    uint8_t exchanged[] = "{\"seq\":1,\"time\":\"another\"}";
    for (uint64_t i = request->start; i < request->end && response.n_leaves < AUDIT_LOG_PAGE; i++) {
        leaves[response.n_leaves++] =
            log->fault == AUDIT_LEAF_EXCHANGED && i == 1
                ? (ProtobufCBinaryData){sizeof(exchanged) - 1, exchanged}
                : (ProtobufCBinaryData){log->leaves[i].size, log->leaves[i].data};
    }
    response.leaves = leaves;
    pack(&response, out);
    ward__v1__export_request__free_unpacked(request, NULL);
}

static void serve_proposal(struct audit_log *log, struct ward_buffer *out)
{
    static char decisions[2][8] = {"propose", "approve"}, time[] = "2026-09-21T14:13:20.000000Z",
                state[] = "executed";
    Ward__V1__Approval votes[2], *pointers[2];
    for (size_t i = 0; i < 2; i++) {
        votes[i] = (Ward__V1__Approval)WARD__V1__APPROVAL__INIT;
        votes[i].identity = (char *)log->signers[i]->identity;
        votes[i].decision = decisions[i];
        votes[i].signature = (ProtobufCBinaryData){log->signature_sizes[i], log->signatures[i]};
        votes[i].certificate =
            (ProtobufCBinaryData){log->signers[i]->der_size, (uint8_t *)log->signers[i]->der};
        votes[i].time = time;
        pointers[i] = &votes[i];
    }
    Ward__V1__Proposal proposal = WARD__V1__PROPOSAL__INIT;
    proposal.id = log->proposal_id;
    proposal.payload = (ProtobufCBinaryData){log->payload.size, log->payload.data};
    proposal.state = state;
    proposal.proposer = (char *)log->signers[0]->identity;
    proposal.approvals_needed = 1;
    proposal.approvals = pointers;
    proposal.n_approvals = log->fault == AUDIT_WITHHELD ? 1 : 2;
    Ward__V1__ShowApprovalResponse response = WARD__V1__SHOW_APPROVAL_RESPONSE__INIT;
    response.proposal = &proposal;
    pack(&response, out);
}

void audit_log_serve(void *context, const struct stub_call *call, struct stub_reply *reply)
{
    struct audit_log *log = context;
    if (strcmp(call->path, "/ward.v1.Audit/Checkpoint") == 0) {
        serve_checkpoint(log, call->message, &reply->answer);
    } else if (strcmp(call->path, "/ward.v1.Audit/Export") == 0) {
        serve_leaves(log, call->message, &reply->answer);
    } else if (strcmp(call->path, "/ward.v1.Approvals/Show") == 0) {
        serve_proposal(log, &reply->answer);
    } else {
        reply->grpc_status = 12;
    }
}
