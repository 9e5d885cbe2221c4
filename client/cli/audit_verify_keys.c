/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of an exported log: the folder's own, the one that was given, and what leads from one to
 * the other. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/cli/audit_verify.h"

/* What is not there is told of when an entry asks for it. */
static void read_handovers(struct audit_check *check)
{
    bool more = true;
    while (more && !check->report->broken && check->handovers.n < AUDIT_HANDOVERS_MAX) {
        char path[AUDIT_HANDOVER_PATH_MAX];
        struct ward_buffer note;
        ward_buffer_init(&note, WARD_NOTE_MAX);
        audit_handover_path(check->handovers.n + 2, path);
        more = audit_folder_read(check->folder, path, &note);
        if (more) {
            check->report->broken = !ward_ok(audit_handovers_add(
                &check->handovers, check->leaves.arena, ward_buffer_view(&note)));
        }
        ward_buffer_fini(&note);
    }
}

/* The folder's, which signed its checkpoint; without it the one given. */
bool audit_verify_find_key(struct audit_check *check, const struct ward_note_key *trusted,
                           struct ward_note_key *ret)
{
    struct ward_buffer text;
    char vkey[WARD_VKEY_MAX + 1] = "";
    ward_buffer_init(&text, 1024);
    bool loaded = audit_load(check, "log.vkey", &text);
    if (loaded && text.size > 1 && text.size < sizeof(vkey) && text.data[text.size - 1] == '\n') {
        memcpy(vkey, text.data, text.size - 1);
    }
    ward_buffer_fini(&text);
    bool readable = loaded && ward_ok(ward_note_key_parse(vkey, ret));
    if (loaded && !readable) {
        audit_say(check, "altered", "log.vkey", -1, "it is not a note verifier key");
    }
    read_handovers(check);
    if (!readable && trusted != NULL) {
        *ret = *trusted;
    }
    return readable || trusted != NULL;
}

void audit_verify_passed_over(struct audit_check *check)
{
    struct ward_buffer text;
    ward_buffer_init(&text, AUDIT_FILE_MAX);
    bool there = audit_folder_read(check->folder, AUDIT_PASSED_OVER, &text) || errno != ENOENT;
    ward_buffer_reset(&text);
    if (there && audit_load(check, AUDIT_PASSED_OVER, &text) &&
        !audit_passed_over_parse(ward_buffer_view(&text), &check->report->passed_over)) {
        check->report->passed_over.n = 0;
        audit_say(check, "altered", AUDIT_PASSED_OVER, -1, "it is not a list of sizes");
    }
    ward_buffer_fini(&text);
}

static char *copy_text(struct ward_bytes text)
{
    return strndup(text.size == 0 ? "" : (const char *)text.data, text.size);
}

static ward_status tell_changes(struct audit_check *check)
{
    struct audit_report *report = check->report;
    report->key_changes = calloc(check->handovers.n + 1, sizeof(*report->key_changes));
    WARD_ENSURE(report->key_changes != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < check->leaves.n; i++) {
        const struct audit_leaf *leaf = &check->leaves.items[i];
        if (!audit_is_log_key_change(leaf)) {
            continue;
        }
        struct audit_key_change *to = &report->key_changes[report->n_key_changes++];
        *to = (struct audit_key_change){.leaf = leaf->index,
                                        .time = copy_text(leaf->time),
                                        .proposer = copy_text(leaf->proposer),
                                        .approvers = copy_text(leaf->approvers),
                                        .vkey = copy_text(leaf->to_vkey)};
        WARD_ENSURE(to->time != NULL && to->proposer != NULL && to->approvers != NULL &&
                        to->vkey != NULL,
                    WARD_E_EXHAUSTED);
    }
    return WARD_OK;
}

/* Which of the log's keys it is does not matter; that it is one of them does. */
static void say_not_trusted(struct audit_check *check)
{
    audit_say(check, "altered", "log.vkey", -1, "it is not the key that was given");
    audit_say(check, "unsigned", "checkpoint", -1,
              "the key that was given did not sign this log, nor hand it over");
    check->report->signed_size = false;
}

ward_status audit_verify_keys(struct audit_check *check, const struct ward_note_key *trusted,
                              const struct ward_note_key *last)
{
    struct audit_log_key_fault fault;
    bool found = false;
    bool sound =
        audit_log_keys_check(&check->leaves, &check->handovers, check->report->checkpoint.size,
                             last, trusted, &found, &fault);
    if (!sound) {
        char path[AUDIT_HANDOVER_PATH_MAX] = "log.vkey";
        if (fault.version > 0) {
            audit_handover_path(fault.version, path);
        }
        audit_say(check, fault.kind, path, fault.leaf, "%s", fault.text);
    }
    if (trusted != NULL && !found) {
        say_not_trusted(check);
    }
    bool leads = sound || trusted == NULL || audit_note_key_eq(trusted, last);
    check->report->signed_size = check->report->signed_size && leads;
    return sound ? tell_changes(check) : WARD_OK;
}
