/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a proposal but being approved: withdrawn, executed when somebody asks for it, and
 * reviewed after it ran at once. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DOMAIN "spiffe://unit.test/"
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

static ward_status vote(const struct core_person *person, const struct ward_op *op,
                        const struct core_proposal *proposal)
{
    return core_run_free(&node, core_vote(&world, person, op, proposal));
}

static void propose_and_submit(const char *key, struct core_proposal *ret)
{
    core_propose(&node, &world.officer_a, key, ret);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, ret));
}

/* Refused with this text; its one entry says so. */
static void refuses(const struct core_person *person, const struct ward_op *op,
                    const struct core_proposal *proposal, enum ward_code code, const char *text,
                    const char *outcome)
{
    struct ward_request *request = core_vote(&world, person, op, proposal);
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
}

/* Shown to somebody; to be freed. */
static struct ward_request *show(const struct core_person *person,
                                 const struct core_proposal *proposal)
{
    struct ward_request *request = core_vote_with(&world, person, &ward_op_approval_show,
                                                  &proposal->id, (struct ward_bytes){0});
    assert_ok(core_run(&node, request));
    return request;
}

static const struct ward_proposal_view *view_of(const struct ward_request *request)
{
    return &((const struct ward_approval *)request->in)->proposal;
}

static void shows(const struct core_person *person, const struct core_proposal *proposal,
                  const char *proposal_state, const char *review, const char *waits_for_you)
{
    struct ward_request *request = show(person, proposal);
    const struct ward_proposal_view *view = view_of(request);
    const struct ward_proposal_standing *standing = &view->standing;
    assert_string_equal(view->state, proposal_state);
    assert_string_equal(standing->review == NULL ? "" : standing->review, review);
    assert_string_equal(standing->waits_for_you == NULL ? "" : standing->waits_for_you,
                        waits_for_you);
    ward_request_free(request);
}

/* ---- withdrawing ---- */

static void its_proposer_withdraws_it_and_nobody_else(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    refuses(&world.officer_b, &ward_op_approval_withdraw, &proposal, WARD_E_DENIED,
            "proposal: only its proposer may withdraw it", "refused");
    refuses(&world.officer_a2, &ward_op_approval_withdraw, &proposal, WARD_E_DENIED,
            "proposal: only its proposer may withdraw it", "refused");
    refuses(&world.auditor, &ward_op_approval_withdraw, &proposal, WARD_E_DENIED,
            "policy: not allowed", "refused");
    struct ward_request *request =
        core_vote(&world, &world.officer_a, &ward_op_approval_withdraw, &proposal);
    assert_ok(core_run(&node, request));
    assert_string_equal(view_of(request)->state, "withdrawn");
    core_expect_entry(&world, request, "allowed", "");
    ward_request_free(request);
    refuses(&world.officer_b, &ward_op_approval_approve, &proposal, WARD_E_STATE,
            "proposal: it has been decided already: it was withdrawn", "failed");
    refuses(&world.officer_a, &ward_op_approval_withdraw, &proposal, WARD_E_STATE,
            "proposal: it has been decided already: it was withdrawn", "failed");
    assert_int_equal(core_active_version(&node, "one/key"), 1);
}

static void a_draft_is_withdrawn_too(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    shows(&world.officer_a, &proposal, "draft", "", "submit");
    shows(&world.officer_b, &proposal, "draft", "", "");
    assert_ok(vote(&world.officer_a, &ward_op_approval_withdraw, &proposal));
    refuses(&world.officer_a, &ward_op_approval_submit, &proposal, WARD_E_STATE,
            "proposal: it has been decided already: it was withdrawn", "failed");
}

/* To stop is always good; to go on needs the policy that it was proposed under. */
static void it_is_withdrawn_and_rejected_under_another_policy_too(void **state)
{
    (void)state;
    struct core_proposal first, second;
    propose_and_submit("one/key", &first);
    propose_and_submit("one/key", &second);
    char *changed = malloc(strlen(core_policy) + 32);
    assert_non_null(changed);
    (void)snprintf(changed, strlen(core_policy) + 32, "%s# changed\n", core_policy);
    core_world_set_policy(&world, changed);
    free(changed);
    shows(&world.officer_b, &first, "open", "", "");
    assert_ok(vote(&world.officer_a, &ward_op_approval_withdraw, &first));
    assert_ok(vote(&world.officer_b, &ward_op_approval_reject, &second));
}

static void what_expired_is_over(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    atomic_store(&world.clock.ahead_us, 24 * HOUR_US);
    refuses(&world.officer_a, &ward_op_approval_withdraw, &proposal, WARD_E_STATE,
            "proposal: it has expired; propose again", "failed");
    shows(&world.officer_b, &proposal, "expired", "", "");
}

static void a_signature_of_another_decision_withdraws_nothing(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    for (int kind = WARD_DECISION_PROPOSE; kind <= WARD_DECISION_REVIEW; kind++) {
        uint8_t bytes[128];
        size_t size = core_person_sign(&world.officer_a, proposal.payload,
                                       (enum ward_decision_kind)kind, bytes);
        struct ward_request *request =
            core_vote_with(&world, &world.officer_a, &ward_op_approval_withdraw, &proposal.id,
                           WARD_BYTES(bytes, size));
        ward_status status = core_run(&node, request);
        assert_int_equal(ward_ok(status), kind == WARD_DECISION_WITHDRAW);
        ward_request_free(request);
        if (kind == WARD_DECISION_WITHDRAW) {
            break;
        }
    }
}

/* ---- who may still approve ---- */

static void the_missing_and_those_who_may_are_told(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("two/key", &proposal);
    struct ward_request *request = show(&world.officer_b, &proposal);
    const struct ward_proposal_standing *standing = &view_of(request)->standing;
    assert_int_equal(standing->missing, 2);
    assert_int_equal(standing->n_may_approve, 2);
    assert_true(ward_bytes_eq(standing->may_approve[0], WARD_BYTES_LITERAL("bob")));
    assert_true(ward_bytes_eq(standing->may_approve[1], WARD_BYTES_LITERAL("cid")));
    assert_string_equal(standing->waits_for_you, "approve");
    ward_request_free(request);
    shows(&world.officer_a2, &proposal, "open", "", "");
    shows(&world.auditor, &proposal, "open", "", "");
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    shows(&world.officer_b, &proposal, "open", "", "");
    request = show(&world.officer_c, &proposal);
    standing = &view_of(request)->standing;
    assert_int_equal(standing->missing, 1);
    assert_int_equal(standing->n_may_approve, 1);
    assert_true(ward_bytes_eq(standing->may_approve[0], WARD_BYTES_LITERAL("cid")));
    ward_request_free(request);
}

/* ---- what can never run ---- */

static void cannot_run(const struct core_person *person, const struct core_proposal *proposal,
                       const char *why)
{
    struct ward_request *request = show(person, proposal);
    const struct ward_proposal_standing *standing = &view_of(request)->standing;
    assert_string_equal(view_of(request)->state, "open");
    assert_string_equal(standing->cannot_run == NULL ? "" : standing->cannot_run, why);
    if (why[0] != 0) {
        assert_null(standing->waits_for_you);
    }
    ward_request_free(request);
}

static void a_second_rotation_is_stale_once_the_first_ran(void **state)
{
    (void)state;
    struct core_proposal first, second, elsewhere;
    propose_and_submit("one/key", &first);
    propose_and_submit("one/key", &second);
    propose_and_submit("two/key", &elsewhere);
    cannot_run(&world.officer_b, &second, "");
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &first));
    cannot_run(&world.officer_b, &second, "the key has moved on since it was made; propose again");
    cannot_run(&world.officer_b, &elsewhere, "");
    refuses(&world.officer_b, &ward_op_approval_approve, &second, WARD_E_STATE,
            "proposal: the key has moved on since it was made; propose again", "failed");
}

static void what_was_proposed_under_another_policy_is_stale(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    char *changed = malloc(strlen(core_policy) + 32);
    assert_non_null(changed);
    (void)snprintf(changed, strlen(core_policy) + 32, "%s# changed\n", core_policy);
    core_world_set_policy(&world, changed);
    free(changed);
    cannot_run(&world.officer_b, &proposal, "policy has changed since it was made; propose again");
    assert_ok(vote(&world.officer_a, &ward_op_approval_withdraw, &proposal));
    shows(&world.officer_b, &proposal, "withdrawn", "", "");
}

/* ---- reviewing ---- */

/* An at-once act of officer_a's, which has run. */
static void revoke(const char *identity, struct core_proposal *ret)
{
    struct ward_request *request = core_request(&world, &world.officer_a, &ward_op_identity_revoke,
                                                sizeof(struct ward_identity_change));
    struct ward_identity_change *in = request->in;
    in->kind = WARD_REVOKED_IDENTITY;
    assert_ok(ward_arena_copy(request->arena, ward_bytes_str(identity), &in->value));
    assert_ok(core_run(&node, request));
    memcpy(ret->memory, in->proposal->payload.data, in->proposal->payload.size);
    ret->payload = WARD_BYTES(ret->memory, in->proposal->payload.size);
    ret->id = in->proposal->id;
    ward_request_free(request);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, ret));
}

static size_t count_unreviewed(void)
{
    struct ward_request *request = core_request(&world, &world.officer_b, &ward_op_approval_list,
                                                sizeof(struct ward_approval_list));
    struct ward_approval_list *in = request->in;
    in->unreviewed = true;
    in->page_size = 100;
    assert_ok(core_run(&node, request));
    size_t n = in->n;
    ward_request_free(request);
    return n;
}

static void what_ran_at_once_waits_for_the_review_of_somebody_else(void **state)
{
    (void)state;
    struct core_proposal proposal, other;
    propose_and_submit("one/key", &other);
    revoke(DOMAIN "app", &proposal);
    assert_int_equal(count_unreviewed(), 1);
    shows(&world.officer_b, &proposal, "executed", "pending", "review");
    shows(&world.officer_a, &proposal, "executed", "pending", "");
    const char *own = "approval: the proposer cannot review";
    refuses(&world.officer_a, &ward_op_approval_review, &proposal, WARD_E_DENIED, own, "refused");
    refuses(&world.officer_a2, &ward_op_approval_review, &proposal, WARD_E_DENIED, own, "refused");
    refuses(&world.officer_bk, &ward_op_approval_review, &proposal, WARD_E_DENIED, own, "refused");
    refuses(&world.auditor, &ward_op_approval_review, &proposal, WARD_E_DENIED,
            "policy: not allowed", "refused");
    struct ward_request *request =
        core_vote(&world, &world.officer_b, &ward_op_approval_review, &proposal);
    assert_ok(core_run(&node, request));
    assert_string_equal(view_of(request)->standing.review, "done");
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_detail(leaf, "reviewed"), "identity.revoke");
    assert_string_equal(core_detail(leaf, "proposer"), DOMAIN "officer-a");
    core_log_close(&log);
    ward_request_free(request);
    shows(&world.officer_c, &proposal, "executed", "done", "");
    assert_int_equal(count_unreviewed(), 0);
    refuses(&world.officer_c, &ward_op_approval_review, &proposal, WARD_E_STATE,
            "proposal: it has been reviewed already", "failed");
}

static void what_a_quorum_agreed_to_is_not_reviewed(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_and_submit("one/key", &proposal);
    const char *none = "proposal: it has not run on one signature alone";
    refuses(&world.officer_b, &ward_op_approval_review, &proposal, WARD_E_STATE, none, "failed");
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    shows(&world.officer_c, &proposal, "executed", "", "");
    refuses(&world.officer_c, &ward_op_approval_review, &proposal, WARD_E_STATE, none, "failed");
}

static void insert_vote(const struct core_proposal *proposal, const struct core_person *person,
                        const char *identity, enum ward_decision_kind kind,
                        enum ward_decision_kind signed_as)
{
    uint8_t signature[128];
    size_t size = core_person_sign(person, proposal->payload, signed_as, signature);
    struct ward_effect row = {.kind = WARD_EFFECT_VOTE};
    row.vote.proposal = proposal->id;
    row.vote.vote = (struct ward_store_vote){.identity = ward_bytes_str(identity),
                                             .signature = WARD_BYTES(signature, size),
                                             .certificate = person->peer->certificate,
                                             .decision = (uint8_t)kind,
                                             .created_us = ward_wall_us(&ward_clock_system)};
    assert_int_equal(core_world_write(&world, &row, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

static void a_review_written_into_the_database_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_ca other;
    struct core_person impostor;
    core_ca_init(&other, "unit test clients");
    core_person_init(&impostor, &other, NULL, DOMAIN "officer-b", 30);
    revoke(DOMAIN "app", &proposal);
    insert_vote(&proposal, &impostor, DOMAIN "x1", WARD_DECISION_REVIEW, WARD_DECISION_REVIEW);
    insert_vote(&proposal, &world.officer_a, DOMAIN "x2", WARD_DECISION_REVIEW,
                WARD_DECISION_REVIEW);
    insert_vote(&proposal, &world.officer_a2, DOMAIN "x3", WARD_DECISION_REVIEW,
                WARD_DECISION_REVIEW);
    insert_vote(&proposal, &world.officer_bk, DOMAIN "x4", WARD_DECISION_REVIEW,
                WARD_DECISION_REVIEW);
    insert_vote(&proposal, &world.officer_b, DOMAIN "x5", WARD_DECISION_REVIEW,
                WARD_DECISION_APPROVE);
    shows(&world.officer_b, &proposal, "executed", "pending", "review");
    assert_int_equal(count_unreviewed(), 1);
    assert_ok(vote(&world.officer_b, &ward_op_approval_review, &proposal));
    shows(&world.officer_b, &proposal, "executed", "done", "");
    core_person_fini(&impostor);
    core_ca_fini(&other);
}

/* ---- executing ---- */

/* A proposal of officer_a's with terms, as a policy that asks for them makes it: printed anew from
 * one that was proposed, under an id of its own. */
static void propose_with(const char *key, const char *term, const char *value,
                         struct core_proposal *ret)
{
    struct core_proposal plain;
    struct ward_proposal proposal;
    struct ward_arena *arena = NULL;
    struct ward_buffer payload;
    core_propose(&node, &world.officer_a, key, &plain);
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(plain.payload, arena, &proposal));
    assert_ok(ward_id_random(&proposal.id));
    proposal.terms[proposal.n_terms++] =
        (struct ward_proposal_param){.name = ward_bytes_str(term), .text = ward_bytes_str(value)};
    ward_buffer_init(&payload, WARD_PROPOSAL_MAX);
    ward_proposal_print(&proposal, &payload);
    memcpy(ret->memory, payload.data, payload.size);
    ret->payload = WARD_BYTES(ret->memory, payload.size);
    ret->id = proposal.id;
    struct ward_effect row = {.kind = WARD_EFFECT_PROPOSAL,
                              .proposal = {.id = ret->id,
                                           .payload = ret->payload,
                                           .proposer = proposal.proposer,
                                           .state = WARD_PROPOSAL_DRAFT,
                                           .created_us = proposal.created_us,
                                           .expires_us = proposal.expires_us}};
    assert_int_equal(core_world_write(&world, &row, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    ward_buffer_fini(&payload);
    ward_arena_free(arena);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, ret));
}

static void what_waits_for_it_runs_when_it_is_executed(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_with("one/key", WARD_TERM_EXECUTE, "manual", &proposal);
    const char *early = "proposal: not enough officers have approved it";
    refuses(&world.officer_c, &ward_op_approval_execute, &proposal, WARD_E_STATE, early, "failed");
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 1);
    shows(&world.officer_c, &proposal, "approved", "", "execute");
    shows(&world.officer_a, &proposal, "approved", "", "execute");
    refuses(&world.auditor, &ward_op_approval_execute, &proposal, WARD_E_DENIED,
            "policy: not allowed", "refused");
    struct ward_request *request =
        core_vote(&world, &world.officer_a, &ward_op_approval_execute, &proposal);
    assert_ok(core_run(&node, request));
    assert_string_equal(view_of(request)->state, "executed");
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_detail(leaf, "executed"), "key.rotate");
    assert_string_equal(core_detail(leaf, "approvers"), DOMAIN "officer-b");
    core_log_close(&log);
    ward_request_free(request);
    assert_int_equal(core_active_version(&node, "one/key"), 2);
    refuses(&world.officer_c, &ward_op_approval_execute, &proposal, WARD_E_STATE,
            "proposal: it has been decided already: it was executed", "failed");
}

static void what_was_approved_is_still_withdrawn_and_rejected(void **state)
{
    (void)state;
    struct core_proposal first, second;
    propose_with("one/key", WARD_TERM_EXECUTE, "manual", &first);
    propose_with("one/key", WARD_TERM_EXECUTE, "manual", &second);
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &first));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &second));
    assert_ok(vote(&world.officer_a, &ward_op_approval_withdraw, &first));
    assert_ok(vote(&world.officer_c, &ward_op_approval_reject, &second));
    refuses(&world.officer_c, &ward_op_approval_execute, &first, WARD_E_STATE,
            "proposal: it has been decided already: it was withdrawn", "failed");
    refuses(&world.officer_c, &ward_op_approval_execute, &second, WARD_E_STATE,
            "proposal: it has been decided already: it was rejected", "failed");
    assert_int_equal(core_active_version(&node, "one/key"), 1);
}

static void an_approver_who_was_revoked_since_takes_his_approval_along(void **state)
{
    (void)state;
    struct core_proposal proposal, gone;
    propose_with("one/key", WARD_TERM_EXECUTE, "manual", &proposal);
    assert_ok(vote(&world.officer_c, &ward_op_approval_approve, &proposal));
    shows(&world.officer_b, &proposal, "approved", "", "execute");
    /* his certificate alone: the quorum would suffer otherwise */
    struct ward_request *request = core_request(&world, &world.officer_a, &ward_op_identity_revoke,
                                                sizeof(struct ward_identity_change));
    struct ward_identity_change *in = request->in;
    char hex[65];
    ward_hex_encode(WARD_BYTES_ARRAY(world.officer_c.peer->certificate_hash), hex);
    in->kind = WARD_REVOKED_CERTIFICATE;
    assert_ok(ward_arena_copy(request->arena, ward_bytes_str(hex), &in->value));
    assert_ok(core_run(&node, request));
    memcpy(gone.memory, in->proposal->payload.data, in->proposal->payload.size);
    gone.payload = WARD_BYTES(gone.memory, in->proposal->payload.size);
    gone.id = in->proposal->id;
    ward_request_free(request);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &gone));
    refuses(&world.officer_b, &ward_op_approval_execute, &proposal, WARD_E_STATE,
            "proposal: not enough officers' signatures on it stand", "failed");
    shows(&world.officer_b, &proposal, "approved", "", "approve");
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_ok(vote(&world.officer_b, &ward_op_approval_execute, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

static void a_state_written_into_the_database_lets_nothing_run(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_with("one/key", WARD_TERM_EXECUTE, "manual", &proposal);
    struct ward_effect row = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    row.proposal_state.id = proposal.id;
    row.proposal_state.from = WARD_PROPOSAL_OPEN;
    row.proposal_state.to = WARD_PROPOSAL_APPROVED;
    assert_int_equal(core_world_write(&world, &row, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    refuses(&world.officer_b, &ward_op_approval_execute, &proposal, WARD_E_STATE,
            "proposal: not enough officers' signatures on it stand", "failed");
    assert_int_equal(core_active_version(&node, "one/key"), 1);
}

static void two_who_execute_at_once_run_it_once(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose_with("one/key", WARD_TERM_EXECUTE, "manual", &proposal);
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    struct ward_request *votes[] = {
        core_vote(&world, &world.officer_a, &ward_op_approval_execute, &proposal),
        core_vote(&world, &world.officer_c, &ward_op_approval_execute, &proposal)};
    core_submit(&node, votes, 2);
    core_wait(&node, 2);
    bool first = ward_ok(votes[0]->status);
    assert_code(votes[first]->status, WARD_E_STATE);
    assert_ok(votes[!first]->status);
    assert_int_equal(core_active_version(&node, "one/key"), 2);
    ward_request_free(votes[0]);
    ward_request_free(votes[1]);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(its_proposer_withdraws_it_and_nobody_else),
        T(a_draft_is_withdrawn_too),
        T(it_is_withdrawn_and_rejected_under_another_policy_too),
        T(what_expired_is_over),
        T(a_signature_of_another_decision_withdraws_nothing),
        T(the_missing_and_those_who_may_are_told),
        T(a_second_rotation_is_stale_once_the_first_ran),
        T(what_was_proposed_under_another_policy_is_stale),
        T(what_ran_at_once_waits_for_the_review_of_somebody_else),
        T(what_a_quorum_agreed_to_is_not_reviewed),
        T(a_review_written_into_the_database_does_not_count),
        T(what_waits_for_it_runs_when_it_is_executed),
        T(what_was_approved_is_still_withdrawn_and_rejected),
        T(an_approver_who_was_revoked_since_takes_his_approval_along),
        T(a_state_written_into_the_database_lets_nothing_run),
        T(two_who_execute_at_once_run_it_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
