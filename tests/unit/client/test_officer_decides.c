/* SPDX-License-Identifier: Apache-2.0 */
/* An officer at the command line, and a daemon that may lie: what is decided must be what was asked
 * for and shown. */
#include "tests/unit/client/officer_rig.h"

#include <ctype.h>
#include <stdio.h>

static void an_approval_is_signed_over_what_was_shown(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    officer_approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_int_equal(rig->daemon.decided, 1);
    assert_true(officer_signed_by(rig, &rig->pki.bob, WARD_DECISION_APPROVE));
    assert_false(officer_signed_by(rig, &rig->pki.bob, WARD_DECISION_REJECT));
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
    assert_true(officer_signed_by(rig, &rig->pki.bob, WARD_DECISION_APPROVE));
    ran_fini(&ran);
    digest[0] = (char)toupper(digest[0]);
    decide_digest(rig, &ran, "reject", digest);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_true(officer_signed_with_reason(rig, &rig->pki.bob, WARD_DECISION_REJECT, "not now"));
    ran_fini(&ran);
}

/* Before the daemon is asked for anything but the proposal; closing one needs no card. */
static void a_key_in_a_file_signs_nothing_where_hardware_is_asked_for(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.hardware = true;
    officer_payload(&rig->daemon);
    static const char *const verbs[] = {"approve", "execute"};
    for (size_t i = 0; i < 2; i++) {
        run_ward(rig->folder, &ran, "--config", rig->profiles, "--profile", "bob", "approval",
                 verbs[i], rig->daemon.id, "--yes", NULL);
        assert_int_equal(ran.exit, CLI_FAILED);
        assert_true(says(&ran.err, "made in hardware"));
        ran_fini(&ran);
    }
    officer_rotate(rig, &ran);
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
        assert_true(officer_signed_with_reason(rig, &rig->pki.bob, verbs[i].decision, "not now"));
        assert_false(officer_signed_with_reason(rig, &rig->pki.bob, verbs[i].decision, "now"));
        assert_false(officer_signed_by(rig, &rig->pki.bob, verbs[i].decision));
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
    officer_payload(&rig->daemon);
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
    officer_payload(&rig->daemon);
    officer_approve(rig, &ran);
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
    officer_approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.err, "approval: the proposer cannot approve (PERMISSION_DENIED)"));
    ran_fini(&ran);
}

static void a_reason_cannot_paint_over_the_screen(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    rig->daemon.reason = "fine\x1b[2J\nconsequences none \xe2\x80\xae";
    officer_payload(&rig->daemon);
    officer_approve(rig, &ran);
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
    officer_approve(rig, &ran);
    assert_int_equal(ran.exit, CLI_USAGE);
    assert_int_equal(rig->daemon.decided, 0);
    assert_true(says(&ran.err, "bob.key"));
    ran_fini(&ran);
    file_write(in_folder(rig->folder, "bob.key"), ward_buffer_view(&kept));
    ward_buffer_fini(&kept);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, officer_start, officer_stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    return cmocka_run_group_tests(tests, officer_folder_make, officer_folder_drop);
}
