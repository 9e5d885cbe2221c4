/* SPDX-License-Identifier: Apache-2.0 */
/* What officers signed, checked without the daemon: each signature over the very payload, by the
 * certificate that the log names, and for what was executed enough of them by different people's
 * keys, for this deployment and in time. */
#include <stdio.h>

#include "client/cli/audit_certificate.h"
#include "client/cli/audit_verify.h"
#include "client/cli/fhir.h"
#include "policy/action.h"
#include "proto/canonical.h"
#include "proto/proposal.h"

#define ARENA_BUDGET ((size_t)256 << 20)
/* Whether a proposal has expired is looked at when the last approval comes; then the HSM makes the
 * key, within several of its deadlines, and only what is durable has a time. */
#define RUN_MAX_US INT64_C(300000000)

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
    size_t read;        /* up to here, in the order of the file */
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

/* A signature belongs to the leaf that it names; where a leaf has several, to the next of them. */
static bool read_signature(struct votes *votes, struct ward_bytes json)
{
    struct ward_json_slice slices[8];
    size_t n = 0;
    int64_t leaf = -1;
    if (!ward_ok(ward_json_scan(json, slices, 8, &n)) ||
        !ward_canonical_read_int(member(slices, n, "leaf"), &leaf)) {
        return false;
    }
    while (votes->read < votes->approval.n) {
        struct audit_signature *signature = &votes->approval.signatures[votes->read++];
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

/* The log has the digest of the reason; what lets something run has none in its signature. */
static struct ward_bytes reason_of(const struct audit_signature *signature,
                                   enum ward_decision_kind kind)
{
    return ward_decision_kind_reasoned(kind) ? signature->leaf->reason : WARD_NO_REASON;
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
    if (!digest_is(votes->check, signature->signature, signature->digest)) {
        return "the signature is not the one that the log names";
    }
    if (!digest_is(votes->check, signature->certificate, signature->certificate_digest)) {
        return "the certificate is not the one that the log names";
    }
    if (!digest_is(votes->check, votes->approval.payload, leaf->proposal_digest)) {
        return "the payload is not the one that the log names";
    }
    if (!audit_certificate_read(signature->certificate, &vote->certificate) ||
        !ward_bytes_eq(ward_bytes_str(vote->certificate.identity), signature->identity)) {
        return "the certificate is not that of the identity in the log";
    }
    if (!ward_ok(ward_proposal_verify(votes->approval.payload, vote->kind,
                                      reason_of(signature, vote->kind), signature->certificate,
                                      signature->signature))) {
        *kind = "unsigned";
        return "the signature does not verify over the payload";
    }
    return NULL;
}

/* Named by an earlier leaf already, its own, before recovery named it again. */
static bool is_repeated(const struct votes *votes, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (votes->votes[i].sound && ward_bytes_eq(votes->approval.signatures[i].digest,
                                                   votes->approval.signatures[at].digest)) {
            return true;
        }
    }
    return false;
}

static void check_signatures(struct votes *votes)
{
    for (size_t i = 0; i < votes->approval.n; i++) {
        const struct audit_signature *signature = &votes->approval.signatures[i];
        struct vote *vote = &votes->votes[i];
        const char *kind = NULL;
        (void)ward_decision_kind_find(ward_bytes_str(signature->decision),
                                      &vote->kind); /* its name comes from that table */
        const char *fault = fault_of(votes, signature, vote, &kind);
        vote->sound = fault == NULL;
        votes->check->report->signatures += vote->sound && !is_repeated(votes, i);
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

/* Is this a sound vote of this kind for the run that the leaf tells of? The leaf of a recovery
 * names those that it counted; else each has its own leaf, the last one's being that of the run. */
static bool is_vote_for(const struct votes *votes, size_t at, const struct audit_leaf *run,
                        enum ward_decision_kind kind)
{
    const struct audit_leaf *leaf = votes->approval.signatures[at].leaf;
    bool named = audit_leaf_is_recovery(run)
                     ? leaf == run
                     : !audit_leaf_is_recovery(leaf) && leaf->index <= run->index;
    return named && votes->votes[at].sound && votes->votes[at].kind == kind;
}

static bool is_new_person(const struct votes *votes, size_t at, const struct audit_leaf *run,
                          const struct vote *proposer)
{
    if (same_person(&votes->votes[at], proposer)) {
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        if (is_vote_for(votes, i, run, WARD_DECISION_APPROVE) &&
            same_person(&votes->votes[i], &votes->votes[at])) {
            return false;
        }
    }
    return true;
}

static const struct vote *find_proposer(const struct votes *votes, const struct audit_leaf *run)
{
    for (size_t i = 0; i < votes->approval.n; i++) {
        if (is_vote_for(votes, i, run, WARD_DECISION_PROPOSE) &&
            ward_bytes_eq(ward_bytes_str(votes->votes[i].certificate.identity),
                          votes->proposal.proposer)) {
            return &votes->votes[i];
        }
    }
    return NULL;
}

/* Whoever's proposal it is, if it ran or not. */
static const struct vote *find_proposer_of(const struct votes *votes)
{
    for (size_t i = 0; i < votes->approval.n; i++) {
        const struct vote *vote = &votes->votes[i];
        if (vote->sound && vote->kind == WARD_DECISION_PROPOSE &&
            ward_bytes_eq(ward_bytes_str(vote->certificate.identity), votes->proposal.proposer)) {
            return vote;
        }
    }
    return NULL;
}

/* Approvals for the run, each of another identity and key. */
static uint32_t count_approvals(const struct votes *votes, const struct vote *proposer,
                                const struct audit_leaf *run)
{
    uint32_t n = 0;
    for (size_t i = 0; i < votes->approval.n; i++) {
        n += is_vote_for(votes, i, run, WARD_DECISION_APPROVE) &&
             is_new_person(votes, i, run, proposer);
    }
    return n;
}

/* The same version of the same key: another's was not agreed to. */
static bool is_same_key(const struct audit_leaf *leaf, const struct ward_proposal *proposal)
{
    const struct ward_proposal_param *params = proposal->parameters;
    size_t n = proposal->n_parameters;
    int64_t from = 0, version = 0;
    bool version_named = ward_proposal_number(params, n, "version", &version);
    return ward_bytes_eq(ward_proposal_text(params, n, "key_id"), leaf->key_id) &&
           ward_bytes_eq(ward_proposal_text(params, n, "from_vkey"), leaf->from_vkey) &&
           (!audit_is_rotation(leaf) || (ward_proposal_number(params, n, "from_version", &from) &&
                                         from == leaf->from_version)) &&
           (!version_named ||
            (version == leaf->version &&
             ward_bytes_eq(ward_proposal_text(params, n, "to_state"), leaf->to_state)));
}

/* From the text that was in force to the one that they read. */
static bool is_same_policy(const struct audit_leaf *leaf, const struct ward_proposal *proposal)
{
    const struct ward_proposal_param *params = proposal->parameters;
    size_t n = proposal->n_parameters;
    return ward_bytes_eq(ward_proposal_text(params, n, "from_hash"), leaf->policy) &&
           ward_bytes_eq(ward_proposal_text(params, n, "to_hash"), leaf->to_hash);
}

/* An approval is for one transition of one key, or of policy. */
static bool is_what_was_signed(const struct audit_leaf *leaf, const struct ward_proposal *proposal)
{
    enum ward_action action;
    bool of_key =
        ward_action_find(proposal->action, &action) &&
        (ward_action_object(action) == WARD_OBJECT_KEY || action == WARD_ACTION_LOG_KEY_ROTATE);
    struct ward_bytes on = of_key ? leaf->key : leaf->whom;
    if (!ward_bytes_eq(leaf->executed, proposal->action) || !ward_bytes_eq(on, proposal->object)) {
        return false;
    }
    if (ward_bytes_eq(proposal->action, WARD_BYTES_LITERAL("policy.apply"))) {
        return is_same_policy(leaf, proposal);
    }
    bool made = of_key && action == WARD_ACTION_KEY_CREATE; /* it had no id when it was signed */
    return !of_key || made || is_same_key(leaf, proposal);
}

/* What was signed for another deployment, or until another day, was not signed for this. */
static void check_scope(struct votes *votes, const struct audit_leaf *leaf)
{
    const struct ward_proposal *proposal = &votes->proposal;
    char deployment[WARD_ID_TEXT_SIZE];
    ward_id_print(&proposal->deployment, deployment);
    if (!ward_bytes_eq(ward_bytes_str(deployment), votes->check->leaves.deployment)) {
        audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                  "the proposal is for another deployment than the log's first leaf names");
    }
    int64_t time_us = 0;
    if (!ward_time_parse((const char *)leaf->time.data, leaf->time.size, &time_us)) {
        audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                  "when it ran cannot be read");
    } else if (proposal->expires_us < time_us - RUN_MAX_US) {
        char expires[WARD_TIME_TEXT_SIZE];
        ward_time_print(proposal->expires_us, expires);
        audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                  "it ran after the proposal had expired, at %s", expires);
    }
}

/* It was made under one policy, and is signed under that one; what changes the HSM may end under
 * the next. */
static void check_policy(struct votes *votes)
{
    char hex[65];
    ward_hex_encode(WARD_BYTES_ARRAY(votes->proposal.policy), hex);
    for (size_t i = 0; i < votes->approval.n && !votes->check->policies.broken; i++) {
        const struct audit_leaf *leaf = votes->approval.signatures[i].leaf;
        enum ward_decision_kind kind = votes->votes[i].kind;
        bool brings_on = kind == WARD_DECISION_PROPOSE || kind == WARD_DECISION_APPROVE ||
                         kind == WARD_DECISION_EXECUTE;
        if (!brings_on || !votes->votes[i].sound) {
            continue;
        }
        bool fits = leaf->executed.size == 0
                        ? ward_bytes_eq(leaf->policy, ward_bytes_str(hex))
                        : audit_policy_known(votes->check, votes->proposal.policy, leaf->index);
        if (!fits) {
            audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                      "it was signed under another policy than the proposal names");
        }
    }
}

/* Some acts need nobody but their proposer; of all others somebody else has to agree to each. */
static bool is_at_once(const struct ward_proposal *proposal)
{
    enum ward_action action;
    return ward_action_find(proposal->action, &action) && ward_action_at_once(action);
}

static bool is_manual(const struct ward_proposal *proposal)
{
    return ward_proposal_text(proposal->terms, proposal->n_terms, WARD_TERM_EXECUTE).size > 0;
}

static bool has_executor(const struct votes *votes, const struct audit_leaf *run)
{
    for (size_t i = 0; i < votes->approval.n; i++) {
        if (is_vote_for(votes, i, run, WARD_DECISION_EXECUTE)) {
            return true;
        }
    }
    return false;
}

/* What was closed does not run, and nobody takes back or looks back at what he may not. */
static void check_others(struct votes *votes, const struct audit_leaf *run,
                         const struct vote *proposer)
{
    bool reviewed = false,
         emergency = ward_bytes_eq(votes->proposal.action, WARD_BYTES_LITERAL("emergency.open"));
    for (size_t i = 0; i < votes->approval.n; i++) {
        const struct vote *vote = &votes->votes[i];
        const struct audit_leaf *leaf = votes->approval.signatures[i].leaf;
        if (!vote->sound) {
            continue;
        }
        bool closes = vote->kind == WARD_DECISION_REJECT || vote->kind == WARD_DECISION_WITHDRAW;
        if (closes && run != NULL && leaf->index < run->index) {
            audit_say(votes->check, "unsigned", votes->file, (int64_t)run->index,
                      "it ran after it had been rejected or withdrawn");
        }
        bool own =
            (proposer != NULL && same_person(vote, proposer)) ||
            ward_bytes_eq(ward_bytes_str(vote->certificate.identity), votes->proposal.proposer);
        if (vote->kind == WARD_DECISION_WITHDRAW && !own) {
            audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                      "another than its proposer withdrew it");
        }
        bool ran = run != NULL || emergency;
        if (vote->kind == WARD_DECISION_REVIEW && (own || !ran)) {
            audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                      own ? "its proposer reviewed it himself" : "it was reviewed and did not run");
        }
        reviewed = reviewed || (vote->kind == WARD_DECISION_REVIEW && !own && ran);
    }
    votes->check->report->emergencies_reviewed += reviewed && emergency;
    votes->check->report->reviewed += reviewed && !emergency && is_at_once(&votes->proposal);
}

static void check_executed(struct votes *votes, const struct audit_leaf *leaf)
{
    struct audit_check *check = votes->check;
    const struct ward_proposal *proposal = &votes->proposal;
    check_scope(votes, leaf);
    if (!is_what_was_signed(leaf, proposal)) {
        audit_say(check, "unsigned", votes->file, (int64_t)leaf->index,
                  "what ran is not what the proposal says");
        return;
    }
    const struct vote *proposer = find_proposer(votes, leaf);
    if (proposer == NULL) {
        audit_say(check, "unsigned", votes->file, (int64_t)leaf->index,
                  "the proposer's own signature is not here");
        return;
    }
    if (is_manual(proposal) && !has_executor(votes, leaf)) {
        audit_say(check, "unsigned", votes->file, (int64_t)leaf->index,
                  "it ran, and nobody signed that it shall run");
    }
    uint32_t n = count_approvals(votes, proposer, leaf);
    check->report->at_once += n == 0 && is_at_once(proposal);
    if ((n == 0 && !is_at_once(proposal)) || n < proposal->approvals) {
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
    const struct audit_leaf *first = NULL;
    for (size_t i = 0; i < votes->check->leaves.n; i++) {
        const struct audit_leaf *leaf = &votes->check->leaves.items[i];
        if (leaf->executed.size == 0 || !ward_bytes_eq(leaf->proposal, votes->approval.proposal)) {
            continue;
        }
        check_executed(votes, leaf);
        if (first != NULL) {
            audit_say(votes->check, "unsigned", votes->file, (int64_t)leaf->index,
                      "it was approved once and ran again");
        }
        first = first == NULL ? leaf : first;
    }
    check_policy(votes);
    check_others(votes, first, find_proposer_of(votes));
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
