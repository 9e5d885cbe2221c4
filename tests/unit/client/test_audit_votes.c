/* SPDX-License-Identifier: Apache-2.0 */
/* Exports that say truly what was logged, of a log in which something ran that officers did not
 * sign, or that was decided under a policy that nobody put in force. */
#include "tests/unit/client/audit_rig.h"

/* ---- what officers did not sign ---- */

static void check_unsigned(struct audit_rig *rig, enum audit_fault fault, const char *file)
{
    audit_rig_export(rig, fault, 10);
    assert_int_equal(rig->exported, CLI_DONE);
    assert_true(audit_rig_found(rig, "unsigned", file, -1));
    audit_rig_drop(rig);
}

static void a_rotation_approved_by_its_proposer_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_PROPOSER_APPROVES, "approvals/");
}

static void a_rotation_that_nobody_proposed_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_NO_PROPOSE, "approvals/");
}

static void a_signature_for_another_decision_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_WRONG_DECISION, "approvals/");
}

static void a_rotation_of_another_key_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_OTHER_KEY_ROTATED, "approvals/");
}

static void a_rotation_of_another_version_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_OTHER_VERSION_ROTATED, "approvals/");
}

static void an_approval_runs_once(void **state)
{
    check_unsigned(*state, AUDIT_RAN_TWICE, "approvals/");
}

static void a_signature_that_is_withheld_is_missed(void **state)
{
    check_unsigned(*state, AUDIT_WITHHELD, "approvals/");
}

static void a_rotation_without_a_proposal_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_NO_PROPOSAL, "rotations.csv");
}

static void a_run_for_another_deployment_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_OTHER_DEPLOYMENT, "approvals/");
    check_unsigned(*state, AUDIT_OTHER_DEPLOYMENT | AUDIT_RECOVERED, "approvals/");
    check_unsigned(*state, AUDIT_NO_DEPLOYMENT, "approvals/");
}

static void a_run_after_its_proposal_expired_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_EXPIRED, "approvals/");
    check_unsigned(*state, AUDIT_EXPIRED | AUDIT_RECOVERED, "approvals/");
}

/* ---- the policy that decided ---- */

/* One problem alone, with this leaf, whatever follows it. */
static void check_chain(struct audit_rig *rig, enum audit_fault fault, int64_t leaf,
                        const char *what)
{
    audit_rig_export(rig, fault, 6);
    struct audit_report report;
    assert_int_equal(audit_rig_verify(rig, &report), 1);
    assert_string_equal(report.problems[0].kind, "unsigned");
    assert_int_equal(report.problems[0].leaf, leaf);
    assert_non_null(strstr(report.problems[0].text, what));
    audit_report_fini(&report);
    audit_rig_drop(rig);
}

/* Leaves: 0 genesis, 1 to 3, 4 submitted, 5 approved and run, 6 and so on behind it. */
static void
an_entry_under_a_policy_that_nobody_put_in_force_is_the_first_that_is_named(void **state)
{
    check_chain(*state, AUDIT_OTHER_POLICY, 6,
                "leaf 6: it was decided under a policy that was not");
    check_chain(*state, AUDIT_NO_POLICY, 0, "leaf 0: it does not name the policy");
}

static void a_change_of_policy_is_followed(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_POLICY, 6);
    struct audit_report report;
    assert_int_equal(audit_rig_verify(rig, &report), 0);
    assert_int_equal(report.policies, 2);
    assert_int_equal(report.policy_genesis[0], 1);
    assert_int_equal(report.policy[0], 2);
    audit_report_fini(&report);
    audit_rig_drop(rig);
}

static void a_change_of_policy_that_was_not_signed_is_found(void **state)
{
    check_chain(*state, AUDIT_POLICY_OTHER_TEXT, 5, "what ran is not what the proposal says");
    check_chain(*state, AUDIT_POLICY_FROM_ANOTHER, 5, "what ran is not what the proposal says");
    check_chain(*state, AUDIT_POLICY_OTHER_VERSION, 5, "does not make the version after");
    check_chain(*state, AUDIT_POLICY_NOT_FOLLOWED, 6, "a policy that was not in force");
}

static void a_proposal_of_another_policy_is_not_signed_under_this_one(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_PROPOSED_ELSEWHERE, 6);
    struct audit_report report;
    assert_int_equal(audit_rig_verify(rig, &report), 2); /* both who signed it */
    assert_int_equal(report.problems[0].leaf, 4);
    assert_int_equal(report.problems[1].leaf, 5);
    assert_non_null(strstr(report.problems[0].text, "under another policy"));
    audit_report_fini(&report);
    audit_rig_drop(rig);
}

static void a_recovery_that_names_no_votes_is_unsigned(void **state)
{
    check_unsigned(*state, AUDIT_VOTES_NOT_NAMED | AUDIT_RECOVERED, "approvals/");
    check_unsigned(*state, AUDIT_VOTES_CUT | AUDIT_RECOVERED, "approvals/");
    check_unsigned(*state, AUDIT_NO_PROPOSAL | AUDIT_RECOVERED, "rotations.csv");
}

static void a_recovery_whose_votes_are_not_good_is_unsigned(void **state)
{
    static const enum audit_fault faults[] = {
        AUDIT_PROPOSER_APPROVES, AUDIT_WRONG_DECISION,      AUDIT_OTHER_KEY_ROTATED,
        AUDIT_WITHHELD,          AUDIT_VOTE_OF_ANOTHER,     AUDIT_OTHER_VOTE_NAMED,
        AUDIT_RAN_TWICE,         AUDIT_CERTIFICATE_SWAPPED, AUDIT_PAYLOAD_SWAPPED};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        check_unsigned(*state, faults[i] | AUDIT_RECOVERED, "approvals/");
    }
}

/* Every vote is in its leaf, so that it stands without the proposer's own. */
static void a_recovery_needs_no_other_leaf(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_NO_PROPOSE | AUDIT_RECOVERED, 10);
    assert_true(audit_rig_sound(rig));
    audit_rig_drop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotation_approved_by_its_proposer_is_unsigned),
        cmocka_unit_test(a_rotation_that_nobody_proposed_is_unsigned),
        cmocka_unit_test(a_signature_for_another_decision_is_unsigned),
        cmocka_unit_test(a_rotation_of_another_key_is_unsigned),
        cmocka_unit_test(a_rotation_of_another_version_is_unsigned),
        cmocka_unit_test(an_approval_runs_once),
        cmocka_unit_test(a_signature_that_is_withheld_is_missed),
        cmocka_unit_test(a_rotation_without_a_proposal_is_unsigned),
        cmocka_unit_test(a_run_for_another_deployment_is_unsigned),
        cmocka_unit_test(a_run_after_its_proposal_expired_is_unsigned),
        cmocka_unit_test(
            an_entry_under_a_policy_that_nobody_put_in_force_is_the_first_that_is_named),
        cmocka_unit_test(a_change_of_policy_is_followed),
        cmocka_unit_test(a_change_of_policy_that_was_not_signed_is_found),
        cmocka_unit_test(a_proposal_of_another_policy_is_not_signed_under_this_one),
        cmocka_unit_test(a_recovery_that_names_no_votes_is_unsigned),
        cmocka_unit_test(a_recovery_whose_votes_are_not_good_is_unsigned),
        cmocka_unit_test(a_recovery_needs_no_other_leaf),
    };
    return cmocka_run_group_tests(tests, audit_rig_setup, audit_rig_teardown);
}
