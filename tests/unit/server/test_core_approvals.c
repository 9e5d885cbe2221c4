/* SPDX-License-Identifier: Apache-2.0 */
/* Who may bring a guarded change about, and every way in which somebody might try without. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define HOUR_US (3600LL * 1000000)

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "one/key", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "two/key", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void propose_and_submit(const char *key, struct core_proposal *ret)
{
    core_propose(&node, &world.officer_a, key, ret);
    assert_ok(
        core_run_free(&node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, ret)));
}

static ward_status approve(const struct core_person *person, const struct core_proposal *proposal)
{
    return core_run_free(&node, core_vote(&world, person, &ward_op_approval_approve, proposal));
}

/* Refused with this text, its entry says so, and the key is what it was. */
static void refuses(struct ward_request *request, enum ward_code code, const char *text,
                    const char *outcome)
{
    ward_status status = core_run(&node, request);
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_text(leaf, "outcome"), outcome);
    assert_string_equal(core_detail(leaf, "executed"), "");
    core_log_close(&log);
    ward_request_free(request);
    assert_int_equal(core_active_version(&node, "one/key"), 1);
    assert_int_equal(core_active_version(&node, "two/key"), 1);
}

static void refuses_approval(const struct core_person *person, const struct core_proposal *proposal,
                             enum ward_code code, const char *text, const char *outcome)
{
    refuses(core_vote(&world, person, &ward_op_approval_approve, proposal), code, text, outcome);
}

/* ---- who ---- */

static void only_officers_propose(void **state)
{
    (void)state;
    const struct core_person *others[] = {&world.app, &world.auditor, &world.stranger};
    for (size_t i = 0; i < 3; i++) {
        refuses(core_rotate(&world, others[i], "one/key"), WARD_E_DENIED, "policy: not allowed",
                "refused");
        refuses(core_create(&world, others[i], "one/other", 1), WARD_E_DENIED,
                "policy: not allowed", "refused");
    }
}

static void only_officers_approve(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    const struct core_person *others[] = {&world.app, &world.auditor, &world.stranger};
    for (size_t i = 0; i < 3; i++) {
        refuses_approval(others[i], &proposal, WARD_E_DENIED, "policy: not allowed", "refused");
    }
}

static void the_proposer_cannot_approve(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    refuses_approval(&world.officer_a, &proposal, WARD_E_DENIED,
                     "approval: the proposer cannot approve", "refused");
}

static void the_proposer_cannot_approve_under_another_identity(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    refuses_approval(&world.officer_a2, &proposal, WARD_E_DENIED,
                     "approval: the proposer cannot approve", "refused");
}

static void the_proposers_key_cannot_approve_under_another_name(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    refuses_approval(&world.officer_bk, &proposal, WARD_E_DENIED,
                     "approval: the proposer cannot approve", "refused");
}

static void only_the_proposer_submits(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    refuses(core_vote(&world, &world.officer_b, &ward_op_approval_submit, &proposal), WARD_E_DENIED,
            "proposal: only its proposer may submit it", "refused");
    refuses_approval(&world.officer_b, &proposal, WARD_E_STATE,
                     "proposal: its proposer has not signed it", "failed");
}

/* ---- with what signature ---- */

static void refuses_signature(const struct core_proposal *proposal, struct ward_bytes signature,
                              const char *text)
{
    refuses(core_vote_with(&world, &world.officer_b, &ward_op_approval_approve, &proposal->id,
                           signature),
            WARD_E_INVALID, text, "refused");
}

static void a_signature_is_of_this_officer_this_decision_and_this_proposal(void **state)
{
    (void)state;
    struct core_proposal proposal, other;
    uint8_t bytes[128];
    propose_and_submit("one/key", &proposal);
    propose_and_submit("two/key", &other);
    const char *text = "signature: does not verify";
    size_t size =
        core_person_sign(&world.officer_c, proposal.payload, WARD_DECISION_APPROVE, bytes);
    refuses_signature(&proposal, WARD_BYTES(bytes, size), text);
    size = core_person_sign(&world.officer_b, proposal.payload, WARD_DECISION_PROPOSE, bytes);
    refuses_signature(&proposal, WARD_BYTES(bytes, size), text);
    size = core_person_sign(&world.officer_b, proposal.payload, WARD_DECISION_REJECT, bytes);
    refuses_signature(&proposal, WARD_BYTES(bytes, size), text);
    size = core_person_sign(&world.officer_b, other.payload, WARD_DECISION_APPROVE, bytes);
    refuses_signature(&proposal, WARD_BYTES(bytes, size), text);
    size = core_person_sign(&world.officer_b, proposal.payload, WARD_DECISION_APPROVE, bytes);
    for (size_t bit = 0; bit < size * 8; bit += 61) {
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        refuses_signature(&proposal, WARD_BYTES(bytes, size), text);
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    refuses_signature(&proposal, (struct ward_bytes){0}, "signature: missing");
    assert_ok(approve(&world.officer_b, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

static void an_approval_is_good_once(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    assert_ok(approve(&world.officer_b, &proposal));
    assert_code(approve(&world.officer_b, &proposal), WARD_E_STATE);
    assert_code(approve(&world.officer_c, &proposal), WARD_E_STATE);
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

/* ---- when ---- */

static void an_expired_proposal_is_refused(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    atomic_store(&world.clock.ahead_us, 24 * HOUR_US);
    refuses_approval(&world.officer_b, &proposal, WARD_E_STATE,
                     "proposal: it has expired; propose again", "failed");
}

static void a_changed_policy_ends_what_was_proposed_under_the_old_one(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    char *changed = malloc(strlen(core_policy) + 32);
    assert_non_null(changed);
    (void)snprintf(changed, strlen(core_policy) + 32, "%s# changed\n", core_policy);
    core_world_set_policy(&world, changed);
    free(changed);
    refuses_approval(&world.officer_b, &proposal, WARD_E_STATE,
                     "proposal: policy has changed since it was made; propose again", "failed");
}

static void a_rejected_proposal_is_over(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    struct ward_request *rejected =
        core_vote(&world, &world.officer_b, &ward_op_approval_reject, &proposal);
    assert_ok(core_run(&node, rejected));
    assert_string_equal(((struct ward_approval *)rejected->in)->proposal.state, "rejected");
    core_expect_entry(&world, rejected, "allowed", "");
    ward_request_free(rejected);
    refuses_approval(&world.officer_c, &proposal, WARD_E_STATE,
                     "proposal: it has been decided already: it was rejected", "failed");
}

static void the_proposer_may_withdraw(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    assert_ok(core_run_free(
        &node, core_vote(&world, &world.officer_a, &ward_op_approval_reject, &proposal)));
    refuses_approval(&world.officer_b, &proposal, WARD_E_STATE,
                     "proposal: it has been decided already: it was rejected", "failed");
}

static void a_key_that_moved_on_is_not_rotated_from_where_it_was(void **state)
{
    (void)state;
    struct core_proposal first, second;
    propose_and_submit("one/key", &first);
    propose_and_submit("one/key", &second);
    assert_ok(approve(&world.officer_b, &first));
    ward_status status = approve(&world.officer_b, &second);
    assert_code(status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status),
                        "proposal: the key has moved on since it was made; propose again");
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

/* ---- how many ---- */

static void a_quorum_of_two_takes_two(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("two/key", &proposal);
    assert_ok(approve(&world.officer_b, &proposal));
    assert_int_equal(core_active_version(&node, "two/key"), 1);
    refuses_approval(&world.officer_b, &proposal, WARD_E_DENIED,
                     "approval: already given by this person", "refused");
    struct ward_request *last =
        core_vote(&world, &world.officer_c, &ward_op_approval_approve, &proposal);
    assert_ok(core_run(&node, last));
    assert_int_equal(core_active_version(&node, "two/key"), 2);
    struct core_log log;
    core_log_open(&log, &world);
    assert_string_equal(core_detail(core_log_one(&log, last->request_id), "approvers"),
                        "spiffe://unit.test/officer-b spiffe://unit.test/officer-c");
    core_log_close(&log);
    ward_request_free(last);
}

static void two_last_approvals_at_once_run_it_once(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    struct ward_request *votes[] = {
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal),
        core_vote(&world, &world.officer_c, &ward_op_approval_approve, &proposal)};
    core_submit(&node, votes, 2);
    core_wait(&node, 2);
    bool first = ward_ok(votes[0]->status);
    assert_code(votes[first]->status, WARD_E_STATE);
    assert_ok(votes[!first]->status);
    assert_int_equal(core_active_version(&node, "one/key"), 2);
    core_expect_entry(&world, votes[!first], "allowed", "");
    core_expect_entry(&world, votes[first], "failed", "FAILED_PRECONDITION");
    ward_request_free(votes[0]);
    ward_request_free(votes[1]);
}

static void two_votes_at_once_are_both_counted(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("two/key", &proposal);
    struct ward_request *votes[] = {
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal),
        core_vote(&world, &world.officer_c, &ward_op_approval_approve, &proposal)};
    core_submit(&node, votes, 2);
    core_wait(&node, 2);
    assert_ok(votes[0]->status);
    assert_ok(votes[1]->status);
    assert_int_equal(core_active_version(&node, "two/key"), 2);
    core_expect_entry(&world, votes[0], "allowed", "");
    core_expect_entry(&world, votes[1], "allowed", "");
    ward_request_free(votes[0]);
    ward_request_free(votes[1]);
}

static void a_guarded_creation_waits_too(void **state)
{
    (void)state;
    struct ward_request *asked = core_create(&world, &world.officer_a, "guarded/key", 1);
    assert_ok(core_run(&node, asked));
    const struct ward_key_outcome *out = asked->out;
    assert_true(out->key == NULL && out->proposal != NULL);
    assert_int_equal(core_active_version(&node, "guarded/key"), 0);
    struct core_proposal proposal = {.id = out->proposal->id};
    memcpy(proposal.memory, out->proposal->payload.data, out->proposal->payload.size);
    proposal.payload = WARD_BYTES(proposal.memory, out->proposal->payload.size);
    ward_request_free(asked);
    assert_ok(core_run_free(
        &node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    assert_ok(approve(&world.officer_c, &proposal));
    assert_int_equal(core_active_version(&node, "guarded/key"), 1);
}

/* ---- rows written into the database by hand ---- */

static void forge_vote(const struct core_proposal *proposal, const struct core_person *person,
                       const char *identity, enum ward_decision_kind kind, bool damaged)
{
    uint8_t signature[128];
    size_t size = core_person_sign(person, proposal->payload, kind, signature);
    signature[size - 1] ^= damaged;
    struct ward_effect vote = {.kind = WARD_EFFECT_VOTE};
    vote.vote.proposal = proposal->id;
    vote.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str(identity),
                                              .signature = WARD_BYTES(signature, size),
                                              .certificate = person->peer->certificate,
                                              .decision = (uint8_t)kind,
                                              .created_us = 1};
    assert_int_equal(core_world_write(&world, &vote, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

/* After it officer_b's approval of a key that needs two must not have been the last one needed. */
static void does_not_count(const struct core_proposal *proposal)
{
    assert_ok(approve(&world.officer_b, proposal));
    assert_int_equal(core_active_version(&node, "two/key"), 1);
    assert_ok(approve(&world.officer_c, proposal));
    assert_int_equal(core_active_version(&node, "two/key"), 2);
}

static void a_vote_row_with_a_damaged_signature_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("two/key", &proposal);
    forge_vote(&proposal, &world.officer_c, "spiffe://unit.test/elsewhere", WARD_DECISION_APPROVE,
               true);
    does_not_count(&proposal);
}

static void a_vote_row_of_somebody_who_is_no_officer_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("two/key", &proposal);
    forge_vote(&proposal, &world.stranger, "spiffe://unit.test/officer-x", WARD_DECISION_APPROVE,
               false);
    forge_vote(&proposal, &world.officer_a2, "spiffe://unit.test/officer-y", WARD_DECISION_APPROVE,
               false);
    forge_vote(&proposal, &world.officer_a, "spiffe://unit.test/officer-z", WARD_DECISION_APPROVE,
               false);
    does_not_count(&proposal);
}

static void a_vote_row_under_a_certificate_that_our_ca_did_not_issue_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_ca other;
    struct core_person impostor;
    core_ca_init(&other, "unit test clients");
    core_person_init(&impostor, &other, NULL, "spiffe://unit.test/officer-c", 30);
    propose_and_submit("two/key", &proposal);
    forge_vote(&proposal, &impostor, "spiffe://unit.test/elsewhere", WARD_DECISION_APPROVE, false);
    does_not_count(&proposal);
    core_person_fini(&impostor);
    core_ca_fini(&other);
}

static void a_vote_row_under_an_expired_certificate_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_person late;
    core_person_init(&late, &world.ca, NULL, "spiffe://unit.test/officer-c", -1);
    propose_and_submit("two/key", &proposal);
    forge_vote(&proposal, &late, "spiffe://unit.test/elsewhere", WARD_DECISION_APPROVE, false);
    does_not_count(&proposal);
    core_person_fini(&late);
}

/* ---- revocation lists ---- */

/* From now on the CA's list names this certificate; empty: nobody. */
static void list(struct ward_bytes certificate)
{
    char *pem = core_ca_pem(&world.ca), *lists = core_ca_list(&world.ca, certificate, 30);
    struct ward_trust *fresh = NULL;
    assert_ok(ward_trust_new(ward_bytes_str(pem), ward_bytes_str(lists), &fresh));
    ward_trust_replace(world.trust, fresh);
    free(pem);
    free(lists);
}

static void an_approval_of_a_certificate_that_was_listed_since_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("two/key", &proposal);
    assert_ok(approve(&world.officer_b, &proposal));
    list(world.officer_b.peer->certificate);
    assert_ok(approve(&world.officer_c, &proposal));
    assert_int_equal(core_active_version(&node, "two/key"), 1);
    list((struct ward_bytes){0});
}

/* The officer himself is told, under whichever certificate. */
static void who_approved_with_a_listed_certificate_leaves_it_to_another(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_person renewed;
    propose_and_submit("two/key", &proposal);
    assert_ok(approve(&world.officer_b, &proposal));
    list(world.officer_b.peer->certificate);
    core_person_init(&renewed, &world.ca, NULL, world.officer_b.peer->identity, 30);
    refuses_approval(&renewed, &proposal, WARD_E_STATE,
                     "approval: this identity gave one that counts no more; another officer has to "
                     "approve, or propose anew",
                     "failed");
    core_person_fini(&renewed);
    list((struct ward_bytes){0});
}

static void a_proposer_whose_certificate_was_listed_since_has_not_signed(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    list(world.officer_a.peer->certificate);
    refuses_approval(&world.officer_b, &proposal, WARD_E_STATE,
                     "proposal: its proposer has not signed it", "failed");
    list((struct ward_bytes){0});
    assert_ok(approve(&world.officer_b, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

static void a_proposer_whose_signature_was_forged_has_not_signed(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_ca other;
    struct core_person impostor;
    core_ca_init(&other, "unit test clients");
    core_person_init(&impostor, &other, NULL, "spiffe://unit.test/officer-a", 30);
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    forge_vote(&proposal, &impostor, "spiffe://unit.test/officer-a", WARD_DECISION_PROPOSE, false);
    struct ward_effect open = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    open.proposal_state.id = proposal.id;
    open.proposal_state.from = WARD_PROPOSAL_DRAFT;
    open.proposal_state.to = WARD_PROPOSAL_OPEN;
    assert_int_equal(core_world_write(&world, &open, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    refuses_approval(&world.officer_b, &proposal, WARD_E_STATE,
                     "proposal: its proposer has not signed it", "failed");
    core_person_fini(&impostor);
    core_ca_fini(&other);
}

/* The payload of one proposal under the id of another, or altered in one number. */
static void an_altered_payload_is_not_what_was_signed(void **state)
{
    (void)state;
    struct core_proposal proposal, altered;
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    altered = proposal;
    altered.payload = WARD_BYTES(altered.memory, proposal.payload.size);
    uint8_t *at = memmem(altered.memory, altered.payload.size, "\"one/key\"", 9);
    assert_non_null(at);
    memcpy(at, "\"two/key\"", 9);
    struct ward_effect rows[] = {{.kind = WARD_EFFECT_PROPOSAL}};
    assert_ok(ward_id_random(&altered.id));
    rows[0].proposal =
        (struct ward_store_proposal){.id = altered.id,
                                     .payload = altered.payload,
                                     .proposer = WARD_BYTES_LITERAL("spiffe://unit.test/officer-a"),
                                     .state = WARD_PROPOSAL_OPEN,
                                     .created_us = 1,
                                     .expires_us = INT64_MAX};
    assert_int_equal(core_world_write(&world, rows, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    refuses_approval(&world.officer_b, &altered, WARD_E_STATE,
                     "proposal: it was not made by this deployment", "failed");
}

static void an_unknown_proposal_is_not_found(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    assert_ok(ward_id_random(&proposal.id));
    refuses_approval(&world.officer_b, &proposal, WARD_E_NOT_FOUND, "proposal: no such proposal",
                     "failed");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(only_officers_propose),
        T(only_officers_approve),
        T(the_proposer_cannot_approve),
        T(the_proposer_cannot_approve_under_another_identity),
        T(the_proposers_key_cannot_approve_under_another_name),
        T(only_the_proposer_submits),
        T(a_signature_is_of_this_officer_this_decision_and_this_proposal),
        T(an_approval_is_good_once),
        T(an_expired_proposal_is_refused),
        T(a_changed_policy_ends_what_was_proposed_under_the_old_one),
        T(a_rejected_proposal_is_over),
        T(the_proposer_may_withdraw),
        T(a_key_that_moved_on_is_not_rotated_from_where_it_was),
        T(a_quorum_of_two_takes_two),
        T(two_last_approvals_at_once_run_it_once),
        T(two_votes_at_once_are_both_counted),
        T(a_guarded_creation_waits_too),
        T(a_vote_row_with_a_damaged_signature_does_not_count),
        T(a_vote_row_of_somebody_who_is_no_officer_does_not_count),
        T(a_vote_row_under_a_certificate_that_our_ca_did_not_issue_does_not_count),
        T(a_vote_row_under_an_expired_certificate_does_not_count),
        T(an_approval_of_a_certificate_that_was_listed_since_does_not_count),
        T(who_approved_with_a_listed_certificate_leaves_it_to_another),
        T(a_proposer_whose_certificate_was_listed_since_has_not_signed),
        T(a_proposer_whose_signature_was_forged_has_not_signed),
        T(an_altered_payload_is_not_what_was_signed),
        T(an_unknown_proposal_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
