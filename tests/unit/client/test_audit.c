/* SPDX-License-Identifier: Apache-2.0 */
/* Exports are made through libward from a log that is served here, then tampered with in every way,
 * and each must be found. */
#include "tests/unit/client/audit_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include "client/cli/audit_certificate.h"
#include "client/cli/audit_folder.h"
#include "client/cli/audit_leaf.h"
#include "client/cli/audit_passed_over.h"

/* A prime, so that all kinds of places get their turn; more of them where checks are cheap. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define SWEEP_STEP 61
#else
#define SWEEP_STEP 7
#endif

static void list_files(const struct audit_rig *rig, struct audit_files *files)
{
    int folder = audit_folder_open(rig->export);
    struct ward_digest *digest = NULL;
    assert_ok(ward_digest_new(&digest));
    assert_true(audit_folder_list(folder, digest, files));
    ward_digest_free(digest);
    (void)close(folder);
}

/* ---- what is sound ---- */

static void a_log_of_many_tiles_is_exported_and_verifies(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 700);
    assert_int_equal(rig->exported, CLI_DONE);
    struct audit_report report;
    assert_int_equal(audit_rig_verify(rig, &report), 0);
    assert_true(report.signed_size);
    assert_true(report.checkpoint.size > 700);
    assert_int_equal(report.rotations, 1);
    assert_int_equal(report.signatures, 2);
    audit_report_fini(&report);
    struct ward_buffer csv;
    file_read(audit_rig_file(rig, "rotations.csv"), &csv);
    assert_true(says(&csv, ",phi/records,1,2,spiffe://test.ward/alice,spiffe://test.ward/bob,"));
    ward_buffer_fini(&csv);
    assert_int_equal(access(audit_rig_file(rig, "tile/1/000.p/2"), F_OK), 0);
    audit_rig_drop(rig);
}

static void a_rotation_that_recovery_finished_verifies_by_its_votes(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_RECOVERED, 10);
    assert_int_equal(rig->exported, CLI_DONE);
    struct audit_report report;
    assert_int_equal(audit_rig_verify(rig, &report), 0);
    assert_int_equal(report.rotations, 1);
    assert_int_equal(report.recovered, 1);
    assert_int_equal(report.signatures, 2); /* alice's is named twice */
    audit_report_fini(&report);
    struct ward_buffer csv;
    char line[256];
    (void)snprintf(line, sizeof(line),
                   ",phi/records,1,2,spiffe://test.ward/alice,spiffe://test.ward/bob,%s,",
                   rig->log->proposal_id);
    file_read(audit_rig_file(rig, "rotations.csv"), &csv);
    assert_true(says(&csv, line));
    ward_buffer_fini(&csv);
    audit_rig_drop(rig);
}

static void a_rotation_at_the_limit_of_wraps_is_listed_and_nobody_signs_it(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_AT_LIMIT, 10);
    struct audit_report report;
    assert_int_equal(audit_rig_verify(rig, &report), 0);
    assert_int_equal(report.rotations, 2);
    assert_int_equal(report.own, 1);
    assert_int_equal(report.own_limit, 1);
    assert_int_equal(report.own_period + report.own_compromised, 0);
    audit_report_fini(&report);
    struct ward_buffer csv;
    file_read(audit_rig_file(rig, "rotations.csv"), &csv);
    assert_true(says(&csv, ",app/keys,3,4,system,,,"));
    ward_buffer_fini(&csv);
    audit_rig_drop(rig);
}

static void a_run_may_end_a_little_after_its_proposal(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_BARELY_IN_TIME, 10);
    assert_true(audit_rig_sound(rig));
    audit_rig_drop(rig);
    audit_rig_export(rig, AUDIT_BARELY_IN_TIME | AUDIT_RECOVERED, 10);
    assert_true(audit_rig_sound(rig));
    audit_rig_drop(rig);
}

static void the_command_says_what_it_found(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 10);
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
    assert_int_equal(unlink(audit_rig_file(rig, "rotations.csv")), 0);
    run_ward(rig->folder, &ran, "audit", "verify", rig->export, NULL);
    assert_int_equal(ran.exit, CLI_FAILED);
    assert_true(says(&ran.out, "\"verified\":false"));
    assert_true(says(&ran.out, "\"kind\":\"missing\",\"file\":\"rotations.csv\""));
    ran_fini(&ran);
    run_ward(rig->folder, &ran, "--config", rig->profiles, "audit", "export", rig->export, NULL);
    assert_int_equal(ran.exit, CLI_FAILED); /* not into a folder with files in it */
    assert_true(says(&ran.err, "not empty"));
    ran_fini(&ran);
    audit_rig_drop(rig);
}

static void rows_that_were_passed_over_are_exported_up_to_a_limit(void **state)
{
    struct audit_rig *rig = *state;
    struct ran ran;
    audit_rig_export(rig, AUDIT_SOUND, 10);
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
    audit_rig_drop(rig);
}

/* ---- tampering with files ---- */

static void sweep(struct audit_rig *rig, enum audit_fault fault)
{
    audit_rig_export(rig, fault, 6);
    struct audit_files files;
    list_files(rig, &files);
    assert_int_equal(files.n, 7);
    for (size_t f = 0; f < files.n; f++) {
        struct ward_buffer content;
        const char *path = audit_rig_file(rig, files.items[f].path);
        char kept[256];
        (void)snprintf(kept, sizeof(kept), "%s", path);
        file_read(kept, &content);
        for (size_t i = 0; i < content.size; i += SWEEP_STEP) {
            struct audit_report report;
            content.data[i] ^= 1;
            file_write(kept, ward_buffer_view(&content));
            if (audit_rig_verify(rig, &report) == 0) {
                fail_msg("%s: byte %zu was altered unseen", files.items[f].path, i);
            }
            audit_report_fini(&report);
            content.data[i] ^= 1;
        }
        file_write(kept, ward_buffer_view(&content));
        ward_buffer_fini(&content);
    }
    assert_true(audit_rig_sound(rig));
    audit_files_fini(&files);
    audit_rig_drop(rig);
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
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 700);
    struct audit_files files;
    list_files(rig, &files);
    for (size_t f = 0; f < files.n; f++) {
        struct ward_buffer content;
        char path[256];
        (void)snprintf(path, sizeof(path), "%s", audit_rig_file(rig, files.items[f].path));
        file_read(path, &content);
        assert_int_equal(unlink(path), 0);
        assert_true(audit_rig_found(rig, "missing", files.items[f].path, -1));
        file_write(path, WARD_BYTES(content.data, content.size - 1));
        assert_false(audit_rig_sound(rig));
        file_write(path, WARD_BYTES(content.data, 0));
        assert_false(audit_rig_sound(rig));
        ward_buffer_add_u8(&content, '\n');
        file_write(path, ward_buffer_view(&content));
        assert_false(audit_rig_sound(rig));
        file_write(path, WARD_BYTES(content.data, content.size - 1));
        ward_buffer_fini(&content);
    }
    assert_true(audit_rig_sound(rig));
    audit_files_fini(&files);
    audit_rig_drop(rig);
}

static void a_file_too_many_is_named(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 10);
    file_write(audit_rig_file(rig, "notes.txt"), WARD_BYTES_LITERAL("hello"));
    assert_true(audit_rig_found(rig, "extra", "notes.txt", -1));
    assert_int_equal(unlink(audit_rig_file(rig, "notes.txt")), 0);
    assert_int_equal(mkdir(audit_rig_file(rig, "tile/7"), 0700), 0);
    file_write(audit_rig_file(rig, "tile/7/000"), WARD_BYTES_LITERAL("hello"));
    assert_true(audit_rig_found(rig, "extra", "tile/7/000", -1));
    assert_int_equal(unlink(audit_rig_file(rig, "tile/7/000")), 0);
    assert_int_equal(symlink("/etc/passwd", audit_rig_file(rig, "link")), 0);
    assert_true(audit_rig_found(rig, "altered", "link", -1));
    assert_int_equal(unlink(audit_rig_file(rig, "link")), 0);
    assert_true(audit_rig_sound(rig));
    audit_rig_drop(rig);
}

static void an_altered_entry_is_told_from_an_altered_tile(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 700);
    struct ward_buffer content;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s", audit_rig_file(rig, "tile/entries/001"));
    file_read(path, &content);
    content.data[100] ^= 4; /* in the first entry of the bundle, leaf 256 */
    file_write(path, ward_buffer_view(&content));
    assert_true(audit_rig_found(rig, "altered", "tile/entries/001", 256));
    content.data[100] ^= 4;
    file_write(path, ward_buffer_view(&content));
    ward_buffer_fini(&content);
    (void)snprintf(path, sizeof(path), "%s", audit_rig_file(rig, "tile/0/001"));
    file_read(path, &content);
    content.data[32 * 3 + 5] ^= 1;
    file_write(path, ward_buffer_view(&content));
    assert_true(audit_rig_found(rig, "altered", "tile/0/001", 259));
    ward_buffer_fini(&content);
    audit_rig_drop(rig);
}

static void entries_that_change_places_are_found(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 600);
    char a[256], b[256], c[256];
    (void)snprintf(a, sizeof(a), "%s", audit_rig_file(rig, "tile/entries/000"));
    (void)snprintf(b, sizeof(b), "%s", audit_rig_file(rig, "tile/entries/001"));
    (void)snprintf(c, sizeof(c), "%s", audit_rig_file(rig, "other"));
    assert_int_equal(rename(a, c) | rename(b, a) | rename(c, b), 0);
    assert_true(audit_rig_found(rig, "altered", "tile/entries/000", 0));
    audit_rig_drop(rig);
}

/* ---- tampering by somebody who can write a whole export ---- */

static void another_logs_export_is_not_signed_by_the_key_given(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_SOUND, 10);
    struct audit_log *other = calloc(1, sizeof(*other));
    audit_log_make(&rig->pki, AUDIT_SOUND, 10, other);
    struct ward_note_key ours = rig->log->note_key;
    rig->log->note_key = other->note_key;
    assert_true(audit_rig_found(rig, "unsigned", "checkpoint", -1));
    assert_true(audit_rig_found(rig, "altered", "log.vkey", -1));
    rig->log->note_key = ours;
    audit_log_free(other);
    free(other);
    audit_rig_drop(rig);
}

static void leaves_that_were_not_signed_are_not_exported(void **state)
{
    struct audit_rig *rig = *state;
    audit_rig_export(rig, AUDIT_LEAF_EXCHANGED, 10);
    assert_int_equal(rig->exported, CLI_FAILED);
    assert_false(audit_rig_sound(rig));
    audit_rig_drop(rig);
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
    struct audit_rig *rig = *state;
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
        cmocka_unit_test(a_leaf_is_read_or_refused),
        cmocka_unit_test(a_certificate_names_one_identity_or_its_key),
    };
    return cmocka_run_group_tests(tests, audit_rig_setup, audit_rig_teardown);
}
