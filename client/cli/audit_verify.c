/* SPDX-License-Identifier: Apache-2.0 */
/* Checks an export with nothing but a public key: checkpoint, log, views, signatures, and that the
 * folder holds these files and no others. Uses no network. Every byte of the folder is either
 * computed again from the log or named in the manifest, which itself is computed again. */
#include "client/cli/audit_verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "client/cli/input.h"
#include "proto/tlog_tiles.h"

void audit_say(struct audit_check *check, const char *kind, const char *file, int64_t leaf,
               const char *format, ...)
{
    struct audit_report *report = check->report;
    report->total++;
    if (report->n_problems == AUDIT_PROBLEMS_MAX) {
        return;
    }
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct audit_problem *problem = &report->problems[report->n_problems];
    *problem = (struct audit_problem){kind, strdup(file), leaf, strdup(text)};
    report->broken = report->broken || problem->file == NULL || problem->text == NULL;
    report->n_problems += problem->file != NULL && problem->text != NULL;
}

bool audit_load(struct audit_check *check, const char *file, struct ward_buffer *out)
{
    if (audit_folder_read(check->folder, file, out)) {
        return true;
    }
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        audit_say(check, "missing", file, -1, "the file is not here");
        break;
    case EFBIG:
        audit_say(check, "altered", file, -1, "the file is larger than it can be");
        break;
    case ELOOP:
    case EINVAL:
        audit_say(check, "altered", file, -1, "it is not a regular file");
        break;
    default:
        audit_say(check, "missing", file, -1, "the file cannot be read: %s",
                  strerrordesc_np(errno));
        break;
    }
    return false;
}

/* ---- checkpoint ---- */

static bool check_checkpoint(struct audit_check *check, const struct ward_note_key *key)
{
    struct ward_buffer note;
    ward_buffer_init(&note, WARD_NOTE_MAX);
    bool loaded = audit_load(check, "checkpoint", &note);
    if (loaded) {
        ward_status status =
            key == NULL
                ? WARD_REFUSAL(WARD_E_INVALID, "checkpoint: no key to verify it with")
                : ward_note_verify(ward_buffer_view(&note), key, &check->report->checkpoint);
        check->report->signed_size = ward_ok(status);
        if (!ward_ok(status)) {
            const char *refusal = ward_status_refusal(status);
            audit_say(check, "unsigned", "checkpoint", -1, "%s",
                      refusal == NULL ? "checkpoint: not readable" : refusal);
            audit_guess_checkpoint(ward_buffer_view(&note), &check->report->checkpoint);
        }
    }
    ward_buffer_fini(&note);
    return loaded;
}

/* ---- views ---- */

static void check_rotations(struct audit_check *check)
{
    struct ward_buffer made, found;
    ward_buffer_init(&made, AUDIT_FILE_MAX);
    ward_buffer_init(&found, AUDIT_FILE_MAX);
    audit_rotations_csv(&check->leaves, &made);
    if (audit_load(check, "rotations.csv", &found) &&
        !ward_bytes_eq(ward_buffer_view(&made), ward_buffer_view(&found))) {
        struct ward_bytes a = ward_buffer_view(&made), b = ward_buffer_view(&found), x = {0},
                          y = {0};
        unsigned line = 0;
        bool more_a = true, more_b = true;
        do {
            line++;
            more_a = cli_next_line(&a, &x);
            more_b = cli_next_line(&b, &y);
        } while (more_a && more_b && ward_bytes_eq(x, y));
        audit_say(check, more_b ? "altered" : "cut", "rotations.csv", -1,
                  "line %u is not what the log gives", line);
    }
    ward_buffer_fini(&made);
    ward_buffer_fini(&found);
}

/* By the reason that the daemon wrote down. */
static void count_own(struct audit_report *report, const struct audit_leaf *leaf, bool own)
{
    report->own += own;
    report->own_limit += own && ward_bytes_eq(leaf->why, WARD_BYTES_LITERAL("budget"));
    report->own_period += own && ward_bytes_eq(leaf->why, WARD_BYTES_LITERAL("period"));
    report->own_compromised += own && ward_bytes_eq(leaf->why, WARD_BYTES_LITERAL("compromised"));
}

/* What needs a proposal and names none. What names one is held against its signatures. */
static void check_unsigned_runs(struct audit_check *check)
{
    for (size_t i = 0; i < check->leaves.n; i++) {
        const struct audit_leaf *leaf = &check->leaves.items[i];
        struct ward_id id;
        bool rotation = audit_is_rotation(leaf), recovery = audit_leaf_is_recovery(leaf);
        bool own = audit_leaf_is_own_rotation(leaf);
        check->report->rotations += rotation;
        count_own(check->report, leaf, own);
        check->report->recovered += rotation && recovery;
        if ((rotation || recovery) && !own && !ward_id_parse(leaf->proposal, &id)) {
            audit_say(check, "unsigned", rotation ? "rotations.csv" : "approvals/",
                      (int64_t)leaf->index, "%s without a proposal that officers signed",
                      recovery ? "recovery finished it" : "a rotation ran");
        }
    }
}

static ward_status on_proposal(void *context, struct ward_bytes proposal)
{
    return audit_verify_votes(context, proposal);
}

/* ---- the inventory ---- */

static bool is_proposal_of_log(const struct audit_check *check, const char *path)
{
    for (size_t i = 0; i < check->leaves.n; i++) {
        char expected[AUDIT_APPROVAL_PATH_MAX];
        audit_approval_path(check->leaves.items[i].proposal, expected);
        if (strcmp(expected, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_handover_of_log(const struct audit_check *check, const char *path)
{
    size_t version = 1;
    bool may = strncmp(path, AUDIT_HANDOVERS, strlen(AUDIT_HANDOVERS)) == 0;
    for (size_t i = 0; may && i < check->leaves.n; i++) {
        char expected[AUDIT_HANDOVER_PATH_MAX];
        version += audit_is_log_key_change(&check->leaves.items[i]);
        audit_handover_path(version, expected);
        if (version > 1 && strcmp(expected, path) == 0) {
            return true;
        }
    }
    return false;
}

static bool belongs(const struct audit_check *check, const char *path)
{
    static const char *const names[] = {"checkpoint", "log.vkey", "rotations.csv", AUDIT_MANIFEST,
                                        AUDIT_PASSED_OVER};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(path, names[i]) == 0) {
            return true;
        }
    }
    struct ward_tile tile;
    bool entries = false;
    if (ward_tile_path_parse(path, &tile, &entries)) {
        return tile.width == ward_tile_width(check->report->checkpoint.size,
                                             entries ? 0 : tile.level, tile.index);
    }
    return is_handover_of_log(check, path) || is_proposal_of_log(check, path);
}

static bool next_manifest_line(struct ward_bytes *text, struct ward_bytes *line)
{
    while (cli_next_line(text, line)) {
        if (line->size > 0 && line->data[line->size - 1] == ',') {
            line->size--;
        }
        if (line->size > 10 && memcmp(line->data, "{\"path\":\"", 9) == 0) {
            return true;
        }
    }
    return false;
}

static struct ward_bytes manifest_path(struct ward_bytes line)
{
    const uint8_t *start = line.data + 9, *end = memchr(start, '"', line.size - 9);
    return end == NULL ? (struct ward_bytes){0} : WARD_BYTES(start, (size_t)(end - start));
}

static bool said_before(const struct audit_check *check, const char *file)
{
    for (size_t i = 0; i < check->report->n_problems; i++) {
        if (strcmp(check->report->problems[i].file, file) == 0) {
            return true;
        }
    }
    return false;
}

/* Both are sorted by path: a walk along both tells what each lacks. */
static void compare_manifests(struct audit_check *check, struct ward_bytes made,
                              struct ward_bytes found)
{
    struct ward_bytes a = {0}, b = {0};
    bool more_a = next_manifest_line(&made, &a), more_b = next_manifest_line(&found, &b);
    while (more_a || more_b) {
        int order = !more_a ? 1 : !more_b ? -1 : ward_bytes_cmp(manifest_path(a), manifest_path(b));
        struct ward_bytes path = manifest_path(order <= 0 ? a : b);
        char name[512];
        (void)snprintf(name, sizeof(name), "%.*s", (int)path.size, (const char *)path.data);
        if (said_before(check, name)) {
            /* once is enough */
        } else if (order == 0 && !ward_bytes_eq(a, b)) {
            audit_say(check, "altered", name, -1,
                      "its size or SHA-256 is not that of the manifest");
        } else if (order < 0) {
            audit_say(check, "extra", name, -1, "the manifest does not name it");
        } else if (order > 0) {
            audit_say(check, "missing", name, -1, "the manifest names it");
        }
        if (order <= 0) {
            more_a = next_manifest_line(&made, &a);
        }
        if (order >= 0) {
            more_b = next_manifest_line(&found, &b);
        }
    }
}

static void check_manifest(struct audit_check *check, const struct audit_files *files)
{
    struct ward_buffer made, found;
    ward_buffer_init(&made, AUDIT_FILE_MAX);
    ward_buffer_init(&found, AUDIT_FILE_MAX);
    audit_manifest_json(&check->report->checkpoint, files, &made);
    if (audit_load(check, AUDIT_MANIFEST, &found) &&
        !ward_bytes_eq(ward_buffer_view(&made), ward_buffer_view(&found))) {
        compare_manifests(check, ward_buffer_view(&made), ward_buffer_view(&found));
        if (check->report->total == 0) {
            audit_say(check, "altered", AUDIT_MANIFEST, -1, "it is not as the folder makes it");
        }
    }
    ward_buffer_fini(&made);
    ward_buffer_fini(&found);
}

static void check_inventory(struct audit_check *check)
{
    struct audit_files files;
    if (!audit_folder_list(check->folder, check->digest, &files)) {
        check->report->broken = true;
    } else {
        for (size_t i = 0; i < files.n; i++) {
            if (!files.items[i].regular) {
                audit_say(check, "altered", files.items[i].path, -1, "it is not a regular file");
            } else if (!belongs(check, files.items[i].path)) {
                audit_say(check, "extra", files.items[i].path, -1, "it is no part of this log");
            }
        }
        check_manifest(check, &files);
    }
    audit_files_fini(&files);
}

/* ---- the whole ---- */

static ward_status verify(struct audit_check *check, const struct ward_note_key *trusted)
{
    struct ward_note_key key;
    bool has_key = audit_verify_find_key(check, trusted, &key);
    if (check_checkpoint(check, has_key ? &key : NULL)) {
        WARD_TRY(audit_verify_log(check));
        if (has_key) {
            WARD_TRY(audit_verify_keys(check, trusted, &key));
        }
        check_rotations(check);
        check_unsigned_runs(check);
        check->report->emergencies = check->leaves.emergencies;
        WARD_TRY(audit_each_proposal(&check->leaves, on_proposal, check));
    }
    audit_verify_passed_over(check);
    check_inventory(check);
    return WARD_OK;
}

static void tell_policies(const struct audit_check *check)
{
    const struct audit_policies *policies = &check->policies;
    check->report->policies = policies->n;
    if (policies->n > 0) {
        memcpy(check->report->policy_genesis, policies->items[0].hash, 32);
        memcpy(check->report->policy, policies->items[policies->n - 1].hash, 32);
    }
}

void audit_verify(int folder, const struct ward_note_key *trusted, struct audit_report *ret)
{
    audit_verify_reading(folder, trusted, &(struct audit_reading){.each = NULL}, ret);
}

void audit_verify_reading(int folder, const struct ward_note_key *trusted,
                          const struct audit_reading *reading, struct audit_report *ret)
{
    *ret = (struct audit_report){0};
    ret->problems = calloc(AUDIT_PROBLEMS_MAX, sizeof(*ret->problems));
    struct audit_check check = {.folder = folder, .report = ret, .reading = *reading};
    ret->broken = ret->problems == NULL || !ward_ok(ward_digest_new(&check.digest)) ||
                  !ward_ok(audit_leaves_init(&check.leaves)) || !ward_ok(verify(&check, trusted)) ||
                  ret->broken;
    tell_policies(&check);
    audit_leaves_fini(&check.leaves);
    audit_policies_fini(&check.policies);
    ward_digest_free(check.digest);
}

void audit_report_fini(struct audit_report *report)
{
    for (size_t i = 0; i < report->n_problems; i++) {
        free(report->problems[i].file);
        free(report->problems[i].text);
    }
    free(report->problems);
    for (size_t i = 0; i < report->n_key_changes; i++) {
        free(report->key_changes[i].time);
        free(report->key_changes[i].proposer);
        free(report->key_changes[i].approvers);
        free(report->key_changes[i].vkey);
    }
    free(report->key_changes);
    *report = (struct audit_report){0};
}
