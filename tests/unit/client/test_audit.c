/* SPDX-License-Identifier: Apache-2.0 */
/* Exports are made through libward from a log that is served here, then tampered with in every way,
 * and each must be found. Over 500 lines, since every way of tampering stands on the same export.
 */
#include "tests/unit/client/check.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include "base/id.h"
#include "client/cli/audit.h"
#include "client/cli/audit_certificate.h"
#include "client/cli/audit_folder.h"
#include "client/cli/audit_leaf.h"
#include "client/cli/audit_passed_over.h"
#include "tests/unit/client/audit_log.h"

/* A prime, so that all kinds of places get their turn; more of them where checks are cheap. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SWEEP_STEP 61
#else
#define SWEEP_STEP 7
#endif

struct rig {
    char *folder;
    struct pki pki;
    struct audit_log *log;
    struct stub_server *server;
    char vkey_path[128], profiles[128], export[128];
    int exported; /* the exit code of the export */
};

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

static void write_profiles(struct rig *rig)
{
    char text[512];
    int size =
        snprintf(text, sizeof(text),
                 "profiles:\n- name: alice\n  server: %s\n  ca: ca.pem\n  certificate: alice.pem\n"
                 "  key: alice.key\n",
                 stub_address(rig->server));
    (void)snprintf(rig->profiles, sizeof(rig->profiles), "%s",
                   in_folder(rig->folder, "profiles.yaml"));
    file_write(rig->profiles, WARD_BYTES(text, (size_t)size));
}

/* Serves such a log and exports it with the command itself. */
static void export(struct rig *rig, enum audit_fault fault, size_t size)
{
    rig->log = calloc(1, sizeof(*rig->log));
    audit_log_make(&rig->pki, fault, size, rig->log);
    rig->server = stub_start(&rig->pki, audit_log_serve, rig->log);
    write_profiles(rig);
    char vkey[513];
    ward_note_key_print(&rig->log->note_key, vkey);
    size_t vkey_size = strlen(vkey);
    vkey[vkey_size++] = '\n';
    (void)snprintf(rig->vkey_path, sizeof(rig->vkey_path), "%s",
                   in_folder(rig->folder, "given.vkey"));
    file_write(rig->vkey_path, WARD_BYTES(vkey, vkey_size));
    (void)snprintf(rig->export, sizeof(rig->export), "%s", in_folder(rig->folder, "export"));
    struct ran ran;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "audit", "export", rig->export, "--vkey",
             rig->vkey_path, NULL);
    rig->exported = ran.exit;
    ran_fini(&ran);
}

static void drop_export(struct rig *rig)
{
    char *path = strdup(rig->export);
    folder_remove(path);
    stub_stop(rig->server);
    audit_log_free(rig->log);
    free(rig->log);
}

static size_t verify(struct rig *rig, struct audit_report *report)
{
    int folder = audit_folder_open(rig->export);
    assert_true(folder >= 0);
    audit_verify(folder, &rig->log->note_key, report);
    (void)close(folder);
    assert_false(report->broken);
    return report->total;
}

/* Is there a problem of this kind, with the file (a part of its name) and the leaf (-1: any)? */
static bool found(struct rig *rig, const char *kind, const char *file, int64_t leaf)
{
    struct audit_report report;
    (void)verify(rig, &report);
    bool seen = false;
    for (size_t i = 0; i < report.n_problems; i++) {
        seen = seen || (strcmp(report.problems[i].kind, kind) == 0 &&
                        strstr(report.problems[i].file, file) != NULL &&
                        (leaf < 0 || report.problems[i].leaf == leaf));
    }
    audit_report_fini(&report);
    return seen;
}

static bool sound(struct rig *rig)
{
    struct audit_report report;
    size_t problems = verify(rig, &report);
    audit_report_fini(&report);
    return problems == 0;
}

static void list_files(const struct rig *rig, struct audit_files *files)
{
    int folder = audit_folder_open(rig->export);
    struct ward_digest *digest = NULL;
    assert_ok(ward_digest_new(&digest));
    assert_true(audit_folder_list(folder, digest, files));
    ward_digest_free(digest);
    (void)close(folder);
}

static const char *exported(const struct rig *rig, const char *name)
{
    return in_folder(rig->export, name);
}

/* ---- what is sound ---- */

static void a_log_of_many_tiles_is_exported_and_verifies(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 700);
    assert_int_equal(rig->exported, CLI_DONE);
    struct audit_report report;
    assert_int_equal(verify(rig, &report), 0);
    assert_true(report.signed_size);
    assert_true(report.checkpoint.size > 700);
    assert_int_equal(report.rotations, 1);
    assert_int_equal(report.signatures, 2);
    audit_report_fini(&report);
    struct ward_buffer csv;
    file_read(exported(rig, "rotations.csv"), &csv);
    assert_true(says(&csv, ",phi/records,1,2,spiffe://test.ward/alice,spiffe://test.ward/bob,"));
    ward_buffer_fini(&csv);
    assert_int_equal(access(exported(rig, "tile/1/000.p/2"), F_OK), 0);
    drop_export(rig);
}

static void a_rotation_that_recovery_finished_verifies_by_its_votes(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_RECOVERED, 10);
    assert_int_equal(rig->exported, CLI_DONE);
    struct audit_report report;
    assert_int_equal(verify(rig, &report), 0);
    assert_int_equal(report.rotations, 1);
    assert_int_equal(report.recovered, 1);
    assert_int_equal(report.signatures, 2); /* alice's is named twice */
    audit_report_fini(&report);
    struct ward_buffer csv;
    char line[256];
    (void)snprintf(line, sizeof(line),
                   ",phi/records,1,2,spiffe://test.ward/alice,spiffe://test.ward/bob,%s,",
                   rig->log->proposal_id);
    file_read(exported(rig, "rotations.csv"), &csv);
    assert_true(says(&csv, line));
    ward_buffer_fini(&csv);
    drop_export(rig);
}

static void a_rotation_at_the_limit_of_wraps_is_listed_and_nobody_signs_it(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_AT_LIMIT, 10);
    struct audit_report report;
    assert_int_equal(verify(rig, &report), 0);
    assert_int_equal(report.rotations, 2);
    assert_int_equal(report.own, 1);
    assert_int_equal(report.own_limit, 1);
    assert_int_equal(report.own_period + report.own_compromised, 0);
    audit_report_fini(&report);
    struct ward_buffer csv;
    file_read(exported(rig, "rotations.csv"), &csv);
    assert_true(says(&csv, ",app/keys,3,4,system,,,"));
    ward_buffer_fini(&csv);
    drop_export(rig);
}

static void a_run_may_end_a_little_after_its_proposal(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_BARELY_IN_TIME, 10);
    assert_true(sound(rig));
    drop_export(rig);
    export(rig, AUDIT_BARELY_IN_TIME | AUDIT_RECOVERED, 10);
    assert_true(sound(rig));
    drop_export(rig);
}

static void the_command_says_what_it_found(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 10);
    struct ran ran;
    run_ward(rig->folder, &ran, "audit", "verify", rig->export, "--vkey", rig->vkey_path, NULL);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_true(says(&ran.out, "\"verified\":true"));
    assert_true(says(&ran.out, "\"problems\":[]"));
    ran_fini(&ran);
    run_ward(rig->folder, &ran, "audit", "verify", rig->export, NULL); /* by its own key */
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.out, "\"verified\":false,\"consistent\":true"));
    assert_true(says(&ran.out, "\"problems\":[]"));
    ran_fini(&ran);
    assert_int_equal(unlink(exported(rig, "rotations.csv")), 0);
    run_ward(rig->folder, &ran, "audit", "verify", rig->export, NULL);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.out, "\"verified\":false"));
    assert_true(says(&ran.out, "\"kind\":\"missing\",\"file\":\"rotations.csv\""));
    ran_fini(&ran);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "audit", "export", rig->export, NULL);
    assert_int_equal(ran.exit, CLI_FAILED); /* not into a folder with files in it */
    assert_true(says(&ran.err, "not empty"));
    ran_fini(&ran);
    drop_export(rig);
}

static void rows_that_were_passed_over_are_exported_up_to_a_limit(void **state)
{
    struct rig *rig = *state;
    struct ran ran;
    export(rig, AUDIT_SOUND, 10);
    char other[128];
    (void)snprintf(other, sizeof(other), "%s", in_folder(rig->folder, "other"));
    rig->log->n_passed_over = AUDIT_PASSED_OVER_MAX + 1;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "audit", "export", other, NULL);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.err, "passed_over: more than 2,000 sizes"));
    ran_fini(&ran);
    assert_int_not_equal(access(in_folder(other, AUDIT_PASSED_OVER), F_OK), 0);
    folder_remove(strdup(other));
    rig->log->n_passed_over = AUDIT_PASSED_OVER_MAX;
    run_ward(rig->folder, &ran, "--config", rig->profiles, "audit", "export", other, NULL);
    assert_int_equal(ran.exit, CLI_DONE);
    assert_true(says(&ran.out, "\"passed_over\":2000"));
    ran_fini(&ran);
    drop_export(rig);
}

/* ---- tampering with files ---- */

static void sweep(struct rig *rig, enum audit_fault fault)
{
    export(rig, fault, 6);
    struct audit_files files;
    list_files(rig, &files);
    assert_int_equal(files.n, 7);
    for (size_t f = 0; f < files.n; f++) {
        struct ward_buffer content;
        const char *path = exported(rig, files.items[f].path);
        char kept[256];
        (void)snprintf(kept, sizeof(kept), "%s", path);
        file_read(kept, &content);
        for (size_t i = 0; i < content.size; i += SWEEP_STEP) {
            struct audit_report report;
            content.data[i] ^= 1;
            file_write(kept, ward_buffer_view(&content));
            if (verify(rig, &report) == 0) {
                fail_msg("%s: byte %zu was altered unseen", files.items[f].path, i);
            }
            audit_report_fini(&report);
            content.data[i] ^= 1;
        }
        file_write(kept, ward_buffer_view(&content));
        ward_buffer_fini(&content);
    }
    assert_true(sound(rig));
    audit_files_fini(&files);
    drop_export(rig);
}

static void an_altered_byte_is_found_wherever_it_is(void **state)
{
    sweep(*state, AUDIT_SOUND);
}

static void an_altered_byte_of_a_recovery_is_found_wherever_it_is(void **state)
{
    sweep(*state, AUDIT_RECOVERED);
}

static void every_file_that_is_gone_or_cut_is_named(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 700);
    struct audit_files files;
    list_files(rig, &files);
    for (size_t f = 0; f < files.n; f++) {
        struct ward_buffer content;
        char path[256];
        (void)snprintf(path, sizeof(path), "%s", exported(rig, files.items[f].path));
        file_read(path, &content);
        assert_int_equal(unlink(path), 0);
        assert_true(found(rig, "missing", files.items[f].path, -1));
        file_write(path, WARD_BYTES(content.data, content.size - 1));
        assert_false(sound(rig));
        file_write(path, WARD_BYTES(content.data, 0));
        assert_false(sound(rig));
        ward_buffer_add_u8(&content, '\n');
        file_write(path, ward_buffer_view(&content));
        assert_false(sound(rig));
        file_write(path, WARD_BYTES(content.data, content.size - 1));
        ward_buffer_fini(&content);
    }
    assert_true(sound(rig));
    audit_files_fini(&files);
    drop_export(rig);
}

static void a_file_too_many_is_named(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 10);
    file_write(exported(rig, "notes.txt"), WARD_BYTES_LITERAL("hello"));
    assert_true(found(rig, "extra", "notes.txt", -1));
    assert_int_equal(unlink(exported(rig, "notes.txt")), 0);
    assert_int_equal(mkdir(exported(rig, "tile/7"), 0700), 0);
    file_write(exported(rig, "tile/7/000"), WARD_BYTES_LITERAL("hello"));
    assert_true(found(rig, "extra", "tile/7/000", -1));
    assert_int_equal(unlink(exported(rig, "tile/7/000")), 0);
    assert_int_equal(symlink("/etc/passwd", exported(rig, "link")), 0);
    assert_true(found(rig, "altered", "link", -1));
    assert_int_equal(unlink(exported(rig, "link")), 0);
    assert_true(sound(rig));
    drop_export(rig);
}

static void an_altered_entry_is_told_from_an_altered_tile(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 700);
    struct ward_buffer content;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", exported(rig, "tile/entries/001"));
    file_read(path, &content);
    content.data[100] ^= 4; /* in the first entry of the bundle, leaf 256 */
    file_write(path, ward_buffer_view(&content));
    assert_true(found(rig, "altered", "tile/entries/001", 256));
    content.data[100] ^= 4;
    file_write(path, ward_buffer_view(&content));
    ward_buffer_fini(&content);
    (void)snprintf(path, sizeof(path), "%s", exported(rig, "tile/0/001"));
    file_read(path, &content);
    content.data[32 * 3 + 5] ^= 1;
    file_write(path, ward_buffer_view(&content));
    assert_true(found(rig, "altered", "tile/0/001", 259));
    ward_buffer_fini(&content);
    drop_export(rig);
}

static void entries_that_change_places_are_found(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 600);
    char a[256], b[256], c[256];
    (void)snprintf(a, sizeof(a), "%s", exported(rig, "tile/entries/000"));
    (void)snprintf(b, sizeof(b), "%s", exported(rig, "tile/entries/001"));
    (void)snprintf(c, sizeof(c), "%s", exported(rig, "other"));
    assert_int_equal(rename(a, c) | rename(b, a) | rename(c, b), 0);
    assert_true(found(rig, "altered", "tile/entries/000", 0));
    drop_export(rig);
}

/* ---- tampering by somebody who can write a whole export ---- */

static void another_logs_export_is_not_signed_by_the_key_given(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_SOUND, 10);
    struct audit_log *other = calloc(1, sizeof(*other));
    audit_log_make(&rig->pki, AUDIT_SOUND, 10, other);
    struct ward_note_key ours = rig->log->note_key;
    rig->log->note_key = other->note_key;
    assert_true(found(rig, "unsigned", "checkpoint", -1));
    assert_true(found(rig, "altered", "log.vkey", -1));
    rig->log->note_key = ours;
    audit_log_free(other);
    free(other);
    drop_export(rig);
}

static void leaves_that_were_not_signed_are_not_exported(void **state)
{
    struct rig *rig = *state;
    export(rig, AUDIT_LEAF_EXCHANGED, 10);
    assert_int_equal(rig->exported, CLI_FAILED);
    assert_false(sound(rig));
    drop_export(rig);
}

/* ---- what officers did not sign ---- */

static void check_unsigned(struct rig *rig, enum audit_fault fault, const char *file)
{
    export(rig, fault, 10);
    assert_int_equal(rig->exported, CLI_DONE);
    assert_true(found(rig, "unsigned", file, -1));
    drop_export(rig);
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
static void check_chain(struct rig *rig, enum audit_fault fault, int64_t leaf, const char *what)
{
    export(rig, fault, 6);
    struct audit_report report;
    assert_int_equal(verify(rig, &report), 1);
    assert_string_equal(report.problems[0].kind, "unsigned");
    assert_int_equal(report.problems[0].leaf, leaf);
    assert_non_null(strstr(report.problems[0].text, what));
    audit_report_fini(&report);
    drop_export(rig);
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
    struct rig *rig = *state;
    export(rig, AUDIT_POLICY, 6);
    struct audit_report report;
    assert_int_equal(verify(rig, &report), 0);
    assert_int_equal(report.policies, 2);
    assert_int_equal(report.policy_genesis[0], 1);
    assert_int_equal(report.policy[0], 2);
    audit_report_fini(&report);
    drop_export(rig);
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
    struct rig *rig = *state;
    export(rig, AUDIT_PROPOSED_ELSEWHERE, 6);
    struct audit_report report;
    assert_int_equal(verify(rig, &report), 2); /* both who signed it */
    assert_int_equal(report.problems[0].leaf, 4);
    assert_int_equal(report.problems[1].leaf, 5);
    assert_non_null(strstr(report.problems[0].text, "under another policy"));
    audit_report_fini(&report);
    drop_export(rig);
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
    struct rig *rig = *state;
    export(rig, AUDIT_NO_PROPOSE | AUDIT_RECOVERED, 10);
    assert_true(sound(rig));
    drop_export(rig);
}

/* ---- parts ---- */

static void a_leaf_is_read_or_refused(void **state)
{
    (void)state;
    uint64_t seq = 0;
    assert_true(audit_leaf_seq(WARD_BYTES_LITERAL("{\"seq\":17,\"time\":1}"), &seq));
    assert_int_equal(seq, 17);
    assert_false(audit_leaf_seq(WARD_BYTES_LITERAL("{\"seq\":,"), &seq));
    assert_false(audit_leaf_seq(WARD_BYTES_LITERAL("{\"seq\":1"), &seq));
    assert_false(audit_leaf_seq(WARD_BYTES_LITERAL("{\"seq\":-1,"), &seq));
    assert_false(audit_leaf_seq(WARD_BYTES_LITERAL("{\"seq\":99999999999999999999,"), &seq));
    assert_false(audit_leaf_seq(WARD_BYTES_LITERAL(""), &seq));
    struct ward_arena *arena = NULL;
    struct audit_leaf leaf;
    assert_ok(ward_arena_new(65536, &arena));
    assert_false(
        audit_leaf_read(WARD_BYTES_LITERAL("{\"seq\":1,\"identity\":5}"), arena, &leaf, &seq));
    assert_false(audit_leaf_read(
        WARD_BYTES_LITERAL("{\"seq\":1,\"detail\":{\"to_version\":\"x\"}}"), arena, &leaf, &seq));
    assert_true(audit_leaf_read(
        WARD_BYTES_LITERAL("{\"seq\":1,\"object\":\"proposal:abc\",\"detail\":{\"key\":\"k\"}}"),
        arena, &leaf, &seq));
    assert_true(ward_bytes_eq(leaf.proposal, WARD_BYTES_LITERAL("abc")));
    assert_null(audit_leaf_decision(&leaf));
    ward_arena_free(arena);
}

static void a_certificate_names_one_identity_or_its_key(void **state)
{
    struct rig *rig = *state;
    struct audit_certificate certificate;
    assert_true(
        audit_certificate_read(WARD_BYTES(rig->pki.bob.der, rig->pki.bob.der_size), &certificate));
    assert_string_equal(certificate.identity, "spiffe://test.ward/bob");
    assert_true(
        audit_certificate_read(WARD_BYTES(rig->pki.ca.der, rig->pki.ca.der_size), &certificate));
    assert_memory_equal(certificate.identity, "key:sha256:", 11);
    assert_false(audit_certificate_read(WARD_BYTES(rig->pki.bob.der, rig->pki.bob.der_size - 1),
                                        &certificate));
    assert_false(audit_certificate_read(WARD_BYTES_LITERAL("nothing of the kind"), &certificate));
    assert_false(audit_certificate_read((struct ward_bytes){0}, &certificate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_of_many_tiles_is_exported_and_verifies),
        cmocka_unit_test(a_rotation_that_recovery_finished_verifies_by_its_votes),
        cmocka_unit_test(a_rotation_at_the_limit_of_wraps_is_listed_and_nobody_signs_it),
        cmocka_unit_test(a_run_may_end_a_little_after_its_proposal),
        cmocka_unit_test(the_command_says_what_it_found),
        cmocka_unit_test(rows_that_were_passed_over_are_exported_up_to_a_limit),
        cmocka_unit_test(an_altered_byte_is_found_wherever_it_is),
        cmocka_unit_test(an_altered_byte_of_a_recovery_is_found_wherever_it_is),
        cmocka_unit_test(every_file_that_is_gone_or_cut_is_named),
        cmocka_unit_test(a_file_too_many_is_named),
        cmocka_unit_test(an_altered_entry_is_told_from_an_altered_tile),
        cmocka_unit_test(entries_that_change_places_are_found),
        cmocka_unit_test(another_logs_export_is_not_signed_by_the_key_given),
        cmocka_unit_test(leaves_that_were_not_signed_are_not_exported),
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
        cmocka_unit_test(a_leaf_is_read_or_refused),
        cmocka_unit_test(a_certificate_names_one_identity_or_its_key),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
