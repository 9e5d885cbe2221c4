/* SPDX-License-Identifier: Apache-2.0 */
/* What officers signed, checked without the daemon: each signature over the very payload, by the
 * certificate that the log names, and for what was executed enough of them by different people's
 * keys. */
#include <stdio.h>

#include "client/cli/audit_certificate.h"
#include "client/cli/audit_verify.h"
#include "client/cli/fhir.h"
#include "proto/canonical.h"
#include "proto/proposal.h"

#define ARENA_BUDGET ((size_t)256 << 20)

struct vote {
    bool sound;
    enum ward_decision_kind kind;
    struct audit_certificate certificate;
};

struct votes {
    struct audit_check *check;
    struct ward_arena *arena;
    const char *file;
    struct audit_approval approval;
    struct ward_proposal proposal;
    struct vote *votes; /* one for each signature */
};

/* ---- reading the file ---- */

static bool read_base64(struct ward_bytes json, struct ward_arena *arena, struct ward_bytes *ret)
{
    struct ward_bytes text;
    if (!ward_canonical_read_text(json, arena, &text)) {
        return false;
    }
    uint8_t *bytes = ward_arena_alloc(arena, text.size);
    size_t size = 0;
    if (bytes == NULL || !ward_base64_decode((const char *)text.data, text.size, bytes, &size)) {
        return false;
    }
    *ret = WARD_BYTES(bytes, size);
    return true;
}

static struct ward_bytes member(const struct ward_json_slice *slices, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, ward_bytes_str(name))) {
            return slices[i].value;
        }
    }
    return (struct ward_bytes){0};
}

/* A signature belongs to the leaf that it names. */
static bool read_signature(struct votes *votes, struct ward_bytes json)
{
    struct ward_json_slice slices[8];
    size_t n = 0;
    int64_t leaf = -1;
    if (!ward_ok(ward_json_scan(json, slices, 8, &n)) ||
        !ward_canonical_read_int(member(slices, n, "leaf"), &leaf)) {
        return false;
    }
    for (size_t i = 0; i < votes->approval.n; i++) {
        struct audit_signature *signature = &votes->approval.signatures[i];
        if ((int64_t)signature->leaf->index == leaf) {
            return read_base64(member(slices, n, "signature"), votes->arena,
                               &signature->signature) &&
                   read_base64(member(slices, n, "certificate"), votes->arena,
                               &signature->certificate);
        }
    }
    return false;
}

static bool read_file(struct votes *votes, struct ward_bytes json)
{
    struct ward_json_slice slices[8];
    size_t n = 0;
    if (!ward_ok(ward_json_scan(json, slices, 8, &n)) ||
        !read_base64(member(slices, n, "payload"), votes->arena, &votes->approval.payload)) {
        return false;
    }
    struct ward_bytes array = member(slices, n, "signatures"), element;
    if (array.size < 2 || array.data[0] != '[') {
        return false;
    }
    struct ward_bytes rest = WARD_BYTES(array.data + 1, array.size - 2);
    while (cli_json_next_element(&rest, &element)) {
        if (!read_signature(votes, element)) {
            return false;
        }
    }
    return true;
}

/* ---- signatures ---- */

static bool digest_is(struct audit_check *check, struct ward_bytes bytes, struct ward_bytes hex)
{
    uint8_t digest[32];
    char text[65];
    if (!ward_ok(ward_sha256(check->digest, &bytes, 1, digest))) {
        return false;
    }
    ward_hex_encode(WARD_BYTES_ARRAY(digest), text);
    return ward_bytes_eq(ward_bytes_str(text), hex);
}

static enum ward_decision_kind kind_of(const struct audit_leaf *leaf)
{
    const char *decision = audit_leaf_decision(leaf);
    return strcmp(decision, "propose") == 0   ? WARD_DECISION_PROPOSE
           : strcmp(decision, "approve") == 0 ? WARD_DECISION_APPROVE
                                              : WARD_DECISION_REJECT;
}

/* NULL when the signature stands; else what is wrong, and of which kind. */
static const char *fault_of(const struct votes *votes, const struct audit_signature *signature,
                            struct vote *vote, const char **kind)
{
    const struct audit_leaf *leaf = signature->leaf;
    *kind = "altered";
    if (signature->signature.size == 0) {
        *kind = "unsigned";
        return "the log names a signature that is not here";
    }
    if (!digest_is(votes->check, signature->signature, leaf->signature_digest)) {
        return "the signature is not the one that the log names";
    }
    if (!digest_is(votes->check, signature->certificate, leaf->cert)) {
        return "the certificate is not the one that the log names";
    }
    if (!digest_is(votes->check, votes->approval.payload, leaf->proposal_digest)) {
        return "the payload is not the one that the log names";
    }
    if (!audit_certificate_read(signature->certificate, &vote->certificate) ||
        !ward_bytes_eq(ward_bytes_str(vote->certificate.identity), leaf->identity)) {
        return "the certificate is not that of the identity in the log";
    }
    if (!ward_ok(ward_proposal_verify(votes->approval.payload, vote->kind, signature->certificate,
                                      signature->signature))) {
        *kind = "unsigned";
        return "the signature does not verify over the payload";
    }
    return NULL;
}

static void check_signatures(struct votes *votes)
{
    for (size_t i = 0; i < votes->approval.n; i++) {
        const struct audit_signature *signature = &votes->approval.signatures[i];
        struct vote *vote = &votes->votes[i];
        const char *kind = NULL;
        vote->kind = kind_of(signature->leaf);
        const char *fault = fault_of(votes, signature, vote, &kind);
        vote->sound = fault == NULL;
        votes->check->report->signatures += vote->sound;
        if (fault != NULL) {
            audit_say(votes->check, kind, votes->file, (int64_t)signature->leaf->index, "%s",
                      fault);
        }
    }
}

/* ---- what was executed ---- */

static bool same_person(const struct vote *a, const struct vote *b)
{
    return strcmp(a->certificate.identity, b->certificate.identity) == 0 ||
           memcmp(a->certificate.public_key_sha256, b->certificate.public_key_sha256, 32) == 0;
}

static bool is_new_person(const struct votes *votes, size_t at, const struct vote *proposer)
{
    if (same_person(&votes->votes[at], proposer)) {
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        if (votes->votes[i].sound && votes->votes[i].kind == WARD_DECISION_APPROVE &&
            same_person(&votes->votes[i], &votes->votes[at])) {
            return false;
        }
    }
    return true;
}

static const struct vote *find_proposer(const struct votes *votes, uint64_t before)
{
    for (size_t i = 0; i < votes->approval.n; i++) {
        if (votes->votes[i].sound && votes->votes[i].kind == WARD_DECISION_PROPOSE &&
            votes->approval.signatures[i].leaf->index < before &&
            ward_bytes_eq(ward_bytes_str(votes->votes[i].certificate.identity),
                          votes->proposal.proposer)) {
            return &votes->votes[i];
        }
    }
    return NULL;
}

/* Sound approvals up to the leaf that ran it, each of another identity and key. */
static uint32_t count_approvals(const struct votes *votes, const struct vote *proposer,
                                uint64_t upto)
{
    uint32_t n = 0;
    for (size_t i = 0; i < votes->approval.n; i++) {
        n += votes->votes[i].sound && votes->votes[i].kind == WARD_DECISION_APPROVE &&
             votes->approval.signatures[i].leaf->index <= upto && is_new_person(votes, i, proposer);
    }
    return n;
}

/* An approval is for one transition of one key: that of another version was not agreed to. */
static bool is_what_was_signed(const struct audit_leaf *leaf, const struct ward_proposal *proposal)
{
    if (!ward_bytes_eq(leaf->executed, proposal->action) ||
        !ward_bytes_eq(leaf->key, proposal->object)) {
        return false;
    }
    int64_t from = 0;
    return !audit_is_rotation(leaf) ||
           (ward_proposal_number(proposal->parameters, proposal->n_parameters, "from_version",
                                 &from) &&
            from == leaf->from_version &&
            ward_bytes_eq(
                ward_proposal_text(proposal->parameters, proposal->n_parameters, "key_id"),
                leaf->key_id));
}

static void check_executed(struct votes *votes, const struct audit_leaf *leaf)
{
    struct audit_check *check = votes->check;
    const struct ward_proposal *proposal = &votes->proposal;
    if (!is_what_was_signed(leaf, proposal)) {
        audit_say(check, "unsigned", votes->file, (int64_t)leaf->index,
                  "what ran is not what the proposal says");
        return;
    }
    const struct vote *proposer = find_proposer(votes, leaf->index);
    if (proposer == NULL) {
        audit_say(check, "unsigned", votes->file, (int64_t)leaf->index,
                  "the proposer's own signature is not here");
        return;
    }
    uint32_t n = count_approvals(votes, proposer, leaf->index);
    if (n == 0 || n < proposal->approvals) {
        audit_say(check, "unsigned", votes->file, (int64_t)leaf->index,
                  "it ran with %u approvals by other people; %u were needed", n,
                  proposal->approvals);
    }
}

/* ---- the whole file ---- */

static void check_payload(struct votes *votes)
{
    char id[WARD_ID_TEXT_SIZE];
    if (!ward_ok(ward_proposal_parse(votes->approval.payload, votes->arena, &votes->proposal))) {
        audit_say(votes->check, "altered", votes->file, -1, "the payload is not a proposal");
        return;
    }
    ward_id_print(&votes->proposal.id, id);
    if (!ward_bytes_eq(ward_bytes_str(id), votes->approval.proposal)) {
        audit_say(votes->check, "altered", votes->file, -1, "the payload is another proposal's");
        return;
    }
    bool ran = false;
    for (size_t i = 0; i < votes->check->leaves.n; i++) {
        const struct audit_leaf *leaf = &votes->check->leaves.items[i];
        if (leaf->executed.size == 0 || !ward_bytes_eq(leaf->proposal, votes->approval.proposal)) {
            continue;
        }
        check_executed(votes, leaf);
        if (ran) {
            audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                      "it was approved once and ran again");
        }
        ran = true;
    }
}

static void check_bytes(struct votes *votes, struct ward_bytes json)
{
    struct ward_buffer again;
    ward_buffer_init(&again, AUDIT_FILE_MAX);
    audit_approval_json(&votes->approval, &again);
    if (!ward_bytes_eq(ward_buffer_view(&again), json)) {
        audit_say(votes->check, "altered", votes->file, -1,
                  "the file is not as the log and the signatures make it");
    }
    ward_buffer_fini(&again);
}

static ward_status check_file(struct votes *votes, struct ward_bytes json)
{
    votes->votes = WARD_ARENA_ARRAY(votes->arena, struct vote, votes->approval.n);
    WARD_ENSURE(votes->votes != NULL, WARD_E_EXHAUSTED);
    if (!read_file(votes, json)) {
        audit_say(votes->check, "altered", votes->file, -1,
                  "the file is not readable as signatures of this log");
        return WARD_OK;
    }
    check_signatures(votes);
    check_payload(votes);
    check_bytes(votes, json);
    return WARD_OK;
}

ward_status audit_verify_votes(struct audit_check *check, struct ward_bytes proposal)
{
    char path[AUDIT_APPROVAL_PATH_MAX];
    audit_approval_path(proposal, path);
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(ARENA_BUDGET, &arena));
    struct votes votes = {.check = check, .arena = arena, .file = path};
    WARD_TRY(audit_approval_from_leaves(&check->leaves, proposal, arena, &votes.approval));
    struct ward_buffer json;
    ward_buffer_init(&json, AUDIT_FILE_MAX);
    ward_status status = WARD_OK;
    if (audit_load(check, path, &json)) {
        status = check_file(&votes, ward_buffer_view(&json));
    }
    ward_buffer_fini(&json);
    return status;
}
