/* SPDX-License-Identifier: Apache-2.0 */
/* What policy asks for besides a number of approvals: members of roles, keys on hardware, and that
 * somebody asks for it to run. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DOMAIN "spiffe://unit.test/"
#define OID "1.3.6.1.4.1.99999.1"

static struct core_world world;
static struct core_node node;

static const char privacy[] = "  - name: privacy\n    kind: officer\n"
                              "    members: [\"person:bob\", \"person:cid\"]\n    rules:\n"
                              "      - {name: look, actions: [approval.show]}\n";

/* The policy of the other tests, with these guards before its own. */
static int start_with(const char *guards, const char *rest)
{
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "one/key", WARD_PURPOSE_DATA_KEYS);
    char *text = malloc(strlen(core_policy) + 4096);
    assert_non_null(text);
    const char *at = strstr(core_policy, "guards:\n");
    assert_non_null(at);
    (void)snprintf(text, strlen(core_policy) + 4096, "%.*s%sguards:\n%s%s%s",
                   (int)(at - core_policy), core_policy, privacy, guards, at + strlen("guards:\n"),
                   rest);
    core_world_set_policy(&world, text);
    core_node_refresh_now(&node);
    free(text);
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

static void refuses(const struct core_person *person, const struct ward_op *op,
                    const struct core_proposal *proposal, enum ward_code code, const char *text)
{
    struct ward_request *request = core_vote(&world, person, op, proposal);
    ward_status status = core_run(&node, request);
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
    core_expect_entry(&world, request, code == WARD_E_DENIED ? "refused" : "failed",
                      code == WARD_E_DENIED ? "PERMISSION_DENIED" : "FAILED_PRECONDITION");
    ward_request_free(request);
}

static bool says(const struct core_proposal *proposal, const char *text)
{
    return memmem(proposal->payload.data, proposal->payload.size, text, strlen(text)) != NULL;
}

/* ---- execute: manual ---- */

static int start_manual(void **state)
{
    (void)state;
    return start_with("  - action: key.rotate\n    keys: [\"one/**\"]\n    approvals: 1\n"
                      "    expires_hours: 24\n    execute: manual\n",
                      "");
}

static void a_policy_may_let_it_wait_for_somebody_to_execute_it(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    assert_true(says(&proposal, "\"type\":\"ward proposal 2\""));
    assert_true(says(&proposal, "\"terms\":{\"execute\":\"manual\"}"));
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 1);
    assert_ok(vote(&world.officer_c, &ward_op_approval_execute, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

/* ---- members of roles ---- */

static int start_shares(void **state)
{
    (void)state;
    return start_with("  - action: key.rotate\n    keys: [\"one/**\"]\n    approvals: 1\n"
                      "    expires_hours: 24\n    from: [{role: privacy, approvals: 1}]\n",
                      "");
}

static void it_takes_a_member_of_the_role(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_c, "one/key", &proposal);
    assert_true(says(&proposal, "\"terms\":{\"approvals.privacy\":1}"));
    assert_ok(vote(&world.officer_c, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_a, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 1);
    struct ward_request *request = core_vote_with(&world, &world.officer_b, &ward_op_approval_show,
                                                  &proposal.id, (struct ward_bytes){0});
    assert_ok(core_run(&node, request));
    const struct ward_proposal_standing *standing =
        &((struct ward_approval *)request->in)->proposal.standing;
    assert_int_equal(standing->missing, 1);
    assert_int_equal(standing->n_missing_of, 1);
    assert_true(ward_bytes_eq(standing->missing_of[0].role, WARD_BYTES_LITERAL("privacy")));
    assert_string_equal(standing->waits_for_you, "approve");
    ward_request_free(request);
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

/* ---- hardware ---- */

#define HARDWARE "hardware:\n  certificate_policies: [\"" OID "\"]\n"

static int start_hardware(void **state)
{
    (void)state;
    return start_with("  - action: key.rotate\n    keys: [\"one/**\"]\n    approvals: 1\n"
                      "    expires_hours: 24\n    hardware: true\n",
                      HARDWARE);
}

static const char not_on_hardware[] =
    "signature: it must be made by a key on hardware, and this certificate does not say that its "
    "key is on one";

static void a_key_in_a_file_does_not_count_where_hardware_is_asked_for(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_person card_a, card_b, other;
    core_person_certify(&card_a, &world.ca, NULL, DOMAIN "officer-a", 30, OID);
    core_person_certify(&card_b, &world.ca, NULL, DOMAIN "officer-b", 30, "2.5.29.32.0," OID);
    core_person_certify(&other, &world.ca, NULL, DOMAIN "officer-b", 30, OID "1,1.3.6");
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    assert_true(says(&proposal, "\"terms\":{\"hardware\":\"required\"}"));
    refuses(&world.officer_a, &ward_op_approval_submit, &proposal, WARD_E_DENIED, not_on_hardware);
    assert_ok(vote(&card_a, &ward_op_approval_submit, &proposal));
    refuses(&world.officer_b, &ward_op_approval_approve, &proposal, WARD_E_DENIED, not_on_hardware);
    refuses(&other, &ward_op_approval_approve, &proposal, WARD_E_DENIED, not_on_hardware);
    assert_int_equal(core_active_version(&node, "one/key"), 1);
    assert_ok(vote(&card_b, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
    core_person_fini(&card_a);
    core_person_fini(&card_b);
    core_person_fini(&other);
}

static void a_vote_row_by_a_key_in_a_file_does_not_count(void **state)
{
    (void)state;
    struct core_proposal proposal;
    struct core_person card_a;
    core_person_certify(&card_a, &world.ca, NULL, DOMAIN "officer-a", 30, OID);
    core_propose(&node, &card_a, "one/key", &proposal);
    uint8_t signature[128];
    size_t size =
        core_person_sign(&world.officer_a, proposal.payload, WARD_DECISION_PROPOSE, signature);
    struct ward_effect rows[] = {{.kind = WARD_EFFECT_VOTE}, {.kind = WARD_EFFECT_PROPOSAL_STATE}};
    rows[0].vote.proposal = proposal.id;
    rows[0].vote.vote = (struct ward_store_vote){.identity = WARD_BYTES_LITERAL(DOMAIN "officer-a"),
                                                 .signature = WARD_BYTES(signature, size),
                                                 .certificate = world.officer_a.peer->certificate,
                                                 .decision = WARD_DECISION_PROPOSE,
                                                 .created_us = 1};
    rows[1].proposal_state.id = proposal.id;
    rows[1].proposal_state.from = WARD_PROPOSAL_DRAFT;
    rows[1].proposal_state.to = WARD_PROPOSAL_OPEN;
    assert_int_equal(core_world_write(&world, rows, 2, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    struct core_person card_b;
    core_person_certify(&card_b, &world.ca, NULL, DOMAIN "officer-b", 30, OID);
    refuses(&card_b, &ward_op_approval_approve, &proposal, WARD_E_STATE,
            "proposal: its proposer has not signed it");
    core_person_fini(&card_a);
    core_person_fini(&card_b);
}

/* Closing needs no card: a lost one must not keep anybody from it. */
static void a_key_in_a_file_may_still_reject_and_withdraw(void **state)
{
    (void)state;
    struct core_proposal first, second;
    struct core_person card_a;
    core_person_certify(&card_a, &world.ca, NULL, DOMAIN "officer-a", 30, OID);
    core_propose(&node, &card_a, "one/key", &first);
    core_propose(&node, &card_a, "one/key", &second);
    assert_ok(vote(&card_a, &ward_op_approval_submit, &first));
    assert_ok(vote(&card_a, &ward_op_approval_submit, &second));
    assert_ok(vote(&world.officer_b, &ward_op_approval_reject, &first));
    assert_ok(vote(&world.officer_a, &ward_op_approval_withdraw, &second));
    core_person_fini(&card_a);
}

int main(void)
{
#define T(name, setup) cmocka_unit_test_setup_teardown(name, setup, stop)
    const struct CMUnitTest tests[] = {
        T(a_policy_may_let_it_wait_for_somebody_to_execute_it, start_manual),
        T(it_takes_a_member_of_the_role, start_shares),
        T(a_key_in_a_file_does_not_count_where_hardware_is_asked_for, start_hardware),
        T(a_vote_row_by_a_key_in_a_file_does_not_count, start_hardware),
        T(a_key_in_a_file_may_still_reject_and_withdraw, start_hardware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
