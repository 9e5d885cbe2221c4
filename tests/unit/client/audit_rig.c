/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/audit_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/audit_folder.h"

int audit_rig_setup(void **state)
{
    struct audit_rig *rig = calloc(1, sizeof(*rig));
    rig->folder = folder_make();
    pki_make(rig->folder, &rig->pki);
    *state = rig;
    return 0;
}

int audit_rig_teardown(void **state)
{
    struct audit_rig *rig = *state;
    pki_free(&rig->pki);
    folder_remove(rig->folder);
    free(rig);
    return 0;
}

static void write_profiles(struct audit_rig *rig)
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

void audit_rig_export(struct audit_rig *rig, enum audit_fault fault, size_t size)
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

void audit_rig_drop(struct audit_rig *rig)
{
    char *path = strdup(rig->export);
    folder_remove(path);
    stub_stop(rig->server);
    audit_log_free(rig->log);
    free(rig->log);
}

size_t audit_rig_verify(struct audit_rig *rig, struct audit_report *report)
{
    int folder = audit_folder_open(rig->export);
    assert_true(folder >= 0);
    audit_verify(folder, &rig->log->note_key, report);
    (void)close(folder);
    assert_false(report->broken);
    return report->total;
}

bool audit_rig_found(struct audit_rig *rig, const char *kind, const char *file, int64_t leaf)
{
    struct audit_report report;
    (void)audit_rig_verify(rig, &report);
    bool seen = false;
    for (size_t i = 0; i < report.n_problems; i++) {
        seen = seen || (strcmp(report.problems[i].kind, kind) == 0 &&
                        strstr(report.problems[i].file, file) != NULL &&
                        (leaf < 0 || report.problems[i].leaf == leaf));
    }
    audit_report_fini(&report);
    return seen;
}

bool audit_rig_sound(struct audit_rig *rig)
{
    struct audit_report report;
    size_t problems = audit_rig_verify(rig, &report);
    audit_report_fini(&report);
    return problems == 0;
}

const char *audit_rig_file(const struct audit_rig *rig, const char *name)
{
    return in_folder(rig->export, name);
}
