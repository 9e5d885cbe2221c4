/* SPDX-License-Identifier: Apache-2.0 */
/* An officer at the command line, and a daemon that may lie: what is proposed must be what was
 * asked for. */
#include "tests/unit/client/officer_rig.h"

#include <stdio.h>

static void a_rotation_is_signed_submitted_and_waits(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    officer_rotate(rig, &ran);
    assert_int_equal(ran.exit, CLI_WAITS);
    assert_int_equal(rig->daemon.submitted, 1);
    assert_true(officer_signed_by(rig, &rig->pki.alice, WARD_DECISION_PROPOSE));
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
    officer_payload(&rig->daemon);
    officer_rotate(rig, &ran);
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
    officer_payload(&rig->daemon);
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

/* Whoever does is locked out: by his name as by his certificate. */
static void nobody_revokes_himself_unasked(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    const char *const whom[][2] = {{"spiffe://test.ward/alice", NULL},
                                   {"--certificate", in_folder(rig->folder, "alice.pem")}};
    rig->daemon.action = "identity.revoke";
    rig->daemon.object = "identity:spiffe://test.ward/alice";
    officer_payload(&rig->daemon);
    for (size_t i = 0; i < 2; i++) {
        run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "identity",
                 "revoke", "--reason", "yearly", whom[i][0], whom[i][1], NULL);
        assert_int_equal(ran.exit, CLI_USAGE);
        assert_true(says(&ran.err, "This is yourself: you lock yourself out"));
        assert_int_equal(rig->daemon.submitted, 0);
        ran_fini(&ran);
    }
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "identity",
             "revoke", "--reason", "yearly", "--yes", whom[0][0], NULL);
    assert_true(says(&ran.err, "This is yourself"));
    assert_int_equal(rig->daemon.submitted, 1);
    ran_fini(&ran);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "identity", "revoke",
             "--reason", "yearly", whom[0][0], NULL);
    assert_false(says(&ran.err, "This is yourself"));
    assert_int_equal(rig->daemon.submitted, 2);
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
    officer_payload(&rig->daemon);
    officer_rotate(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_int_equal(rig->daemon.submitted, 0);
    ran_fini(&ran);
    officer_approve(rig, &ran);
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
    assert_true(says(&ran.err, " is rejected, by spiffe://test.ward/bob\n  not this week\n"));
    assert_false(says(&ran.err, "Ctrl-C")); /* there is no terminal */
    ran_fini(&ran);
    rig->daemon.shown = 0;
    rig->daemon.states[0] = "expired";
    run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "alice", "key", "rotate",
             "phi/records", "--reason", "yearly", "--wait", NULL);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.err, " is expired\n  Nothing was changed.\n"));
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

#define CASE(name) cmocka_unit_test_setup_teardown(name, officer_start, officer_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_rotation_is_signed_submitted_and_waits),
        CASE(a_proposal_for_another_key_is_not_signed),
        CASE(no_command_signs_another_thing_than_was_asked),
        CASE(what_cannot_be_taken_back_is_not_signed_unasked),
        CASE(nobody_revokes_himself_unasked),
        CASE(a_parameter_that_is_missing_is_not_signed),
        CASE(a_payload_that_is_not_canonical_is_not_signed),
        CASE(waiting_ends_as_it_was_decided),
        CASE(waiting_ends_when_it_can_never_run),
    };
    return cmocka_run_group_tests(tests, officer_folder_make, officer_folder_drop);
}
