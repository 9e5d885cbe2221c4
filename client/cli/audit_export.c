/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an export: leaves up to one signed checkpoint, cut into tiles and bundles; then the views
 * and the signatures that those leaves name. The root is computed on the way and must be the signed
 * one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "base/merkle.h"
#include "client/cli/audit.h"
#include "client/cli/audit_log_keys.h"
#include "client/cli/audit_views.h"
#include "proto/tlog_tiles.h"

#define FRESH_TRIES 20
#define FRESH_PAUSE_MS 250
#define BUNDLE_MAX ((size_t)WARD_TILE_WIDTH * (WARD_TILE_ENTRY_MAX + 2))

struct export
{
    struct cli *cli;
    const char *path;
    int folder;
    struct ward_digest *digest;
    struct ward_merkle tree;
    struct ward_tile_builder *builder;
    struct ward_buffer bundle;
    struct audit_leaves leaves;
    struct ward_note_key key;         /* that signed the checkpoint */
    struct audit_handovers handovers; /* in the arena of leaves */
    struct audit_passed_over passed_over;
    struct audit_exported *out;
    int exit; /* of what was said inside a callback */
};

static int fail_write(const struct export *export, const char *path)
{
    return cli_fail(CLI_FAILED, "The export is not whole.", "Remove the folder and export again.",
                    "cannot write %s/%s: %s", export->path, path, strerrordesc_np(errno));
}

static int write_file(const struct export *export, const char *path, struct ward_bytes content)
{
    return audit_folder_write(export->folder, path, content) ? CLI_DONE : fail_write(export, path);
}

static int write_buffer(const struct export *export, const char *path, struct ward_buffer *content)
{
    if (content->failed) {
        errno = ENOMEM;
    }
    int exit = content->failed ? fail_write(export, path)
                               : write_file(export, path, ward_buffer_view(content));
    ward_buffer_fini(content);
    return exit;
}

static int fail_status(ward_status status)
{
    char text[128];
    return cli_fail(CLI_FAILED, "The export is not whole.", NULL, "exporting: %s",
                    ward_status_describe(status, text, sizeof(text)));
}

/* ---- leaves ---- */

static ward_status on_tile(void *context, const struct ward_tile *tile, struct ward_bytes hashes)
{
    struct export *export = context;
    char path[WARD_TILE_PATH_MAX];
    ward_tile_path(tile, path);
    export->exit = write_file(export, path, hashes);
    return export->exit == CLI_DONE ? WARD_OK : WARD_STATUS(WARD_E_UNAVAILABLE);
}

static int write_bundle(struct export *export, uint64_t size)
{
    struct ward_tile tile = {.index = (size - 1) / WARD_TILE_WIDTH,
                             .width = (uint16_t)((size - 1) % WARD_TILE_WIDTH + 1)};
    char path[WARD_TILE_PATH_MAX];
    ward_tile_entries_path(&tile, path);
    int exit = write_file(export, path, ward_buffer_view(&export->bundle));
    ward_buffer_reset(&export->bundle);
    return exit;
}

static ward_status hash_leaf(struct export *export, struct ward_bytes leaf)
{
    uint8_t hash[32];
    WARD_TRY(ward_merkle_leaf(export->digest, leaf, hash));
    WARD_TRY(audit_leaves_add(&export->leaves, leaf, export->tree.size, hash));
    WARD_TRY(ward_merkle_append(export->digest, &export->tree, hash));
    WARD_TRY(audit_handovers_follow(&export->handovers, export->digest, &export->tree));
    WARD_TRY(ward_tile_entry_add(leaf, &export->bundle));
    return ward_tile_builder_add(export->builder, hash);
}

static int add_leaf(struct export *export, struct ward_bytes leaf, uint64_t size)
{
    ward_status status = hash_leaf(export, leaf);
    if (!ward_ok(status)) {
        return export->exit != CLI_DONE ? export->exit : fail_status(status);
    }
    bool full = export->tree.size % WARD_TILE_WIDTH == 0 || export->tree.size == size;
    return full ? write_bundle(export, export->tree.size) : CLI_DONE;
}

static int add_page(struct export *export, uint64_t size)
{
    ward_leaves *page = NULL;
    ward_error error;
    if (ward_audit_export(export->cli->client, NULL, export->tree.size, size, &page, &error) !=
        WARD_RC_OK) {
        return cli_fail_call("exporting the log", &error);
    }
    int exit = CLI_DONE;
    if (page->n == 0 || page->n > size - export->tree.size) {
        exit = cli_fail(CLI_FAILED, "The daemon does not give out what its checkpoint promises.",
                        "Tell your security team.", "%zu leaves came from leaf %llu on, of %llu",
                        page->n, (unsigned long long)export->tree.size, (unsigned long long)size);
    }
    for (size_t i = 0; i < page->n && exit == CLI_DONE; i++) {
        exit = add_leaf(export, WARD_BYTES(page->items[i].json, page->items[i].size), size);
    }
    ward_leaves_free(page);
    return exit;
}

static int add_leaves(struct export *export, const struct ward_checkpoint *checkpoint)
{
    int exit = CLI_DONE;
    while (exit == CLI_DONE && export->tree.size < checkpoint->size) {
        exit = add_page(export, checkpoint->size);
    }
    if (exit != CLI_DONE) {
        return exit;
    }
    uint8_t root[32];
    ward_status status = ward_tile_builder_finish(export->builder);
    if (ward_ok(status)) {
        status = ward_merkle_root(export->digest, &export->tree, root);
    }
    if (!ward_ok(status)) {
        return export->exit != CLI_DONE ? export->exit : fail_status(status);
    }
    if (!ward_bytes_eq(WARD_BYTES_ARRAY(root), WARD_BYTES_ARRAY(checkpoint->root))) {
        return cli_fail(CLI_FAILED, "What the daemon gave out is not what it signed.",
                        "Keep the folder and tell your security team.",
                        "the %llu leaves do not give the signed root",
                        (unsigned long long)checkpoint->size);
    }
    return CLI_DONE;
}

/* ---- signatures ---- */

/* Finds the votes again by the digests that the log names. */
static void match_votes(struct export *export, const ward_proposal_info *info,
                        struct audit_approval *approval)
{
    for (size_t i = 0; i < approval->n; i++) {
        struct audit_signature *signature = &approval->signatures[i];
        for (size_t v = 0; v < info->n_votes && signature->signature.size == 0; v++) {
            const ward_vote_info *vote = info->votes[v];
            struct ward_bytes bytes = WARD_BYTES(vote->signature, vote->signature_size);
            uint8_t digest[32];
            char hex[65];
            if (!ward_ok(ward_sha256(export->digest, &bytes, 1, digest))) {
                continue;
            }
            ward_hex_encode(WARD_BYTES_ARRAY(digest), hex);
            if (ward_bytes_eq(ward_bytes_str(hex), signature->digest)) {
                signature->signature = bytes;
                signature->certificate = WARD_BYTES(vote->certificate, vote->certificate_size);
            }
        }
    }
}

static int write_approval(struct export *export, struct ward_bytes proposal,
                          const ward_proposal_info *info)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct audit_approval approval;
    ward_status status = ward_arena_new((size_t)16 << 20, &arena);
    if (ward_ok(status)) {
        status = audit_approval_from_leaves(&export->leaves, proposal, arena, &approval);
    }
    if (!ward_ok(status)) {
        return fail_status(status);
    }
    approval.payload = WARD_BYTES(info->payload, info->payload_size);
    match_votes(export, info, &approval);
    char path[AUDIT_APPROVAL_PATH_MAX];
    audit_approval_path(proposal, path);
    struct ward_buffer json;
    ward_buffer_init(&json, AUDIT_FILE_MAX);
    audit_approval_json(&approval, &json);
    return write_buffer(export, path, &json);
}

static ward_status on_proposal(void *context, struct ward_bytes proposal)
{
    struct export *export = context;
    char id[WARD_ID_TEXT_SIZE];
    (void)snprintf(id, sizeof(id), "%.*s", (int)proposal.size, (const char *)proposal.data);
    ward_proposals *shown = NULL;
    ward_error error;
    if (ward_show_proposal(export->cli->client, NULL, id, &shown, &error) != WARD_RC_OK) {
        export->exit = cli_fail_call("exporting the signatures of a proposal", &error);
        return WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    export->exit = write_approval(export, proposal, shown->items[0]);
    ward_proposals_free(shown);
    export->out->proposals++;
    return export->exit == CLI_DONE ? WARD_OK : WARD_STATUS(WARD_E_UNAVAILABLE);
}

/* ---- views ---- */

static int write_views(struct export *export)
{
    struct ward_buffer csv;
    ward_buffer_init(&csv, AUDIT_FILE_MAX);
    audit_rotations_csv(&export->leaves, &csv);
    int exit = write_buffer(export, "rotations.csv", &csv);
    if (exit != CLI_DONE) {
        return exit;
    }
    for (size_t i = 0; i < export->leaves.n; i++) {
        export->out->rotations += audit_is_rotation(&export->leaves.items[i]);
    }
    ward_status status = audit_each_proposal(&export->leaves, on_proposal, export);
    if (!ward_ok(status)) {
        return export->exit != CLI_DONE ? export->exit : fail_status(status);
    }
    struct audit_files files;
    if (!audit_folder_list(export->folder, export->digest, &files)) {
        audit_files_fini(&files);
        return fail_write(export, AUDIT_MANIFEST);
    }
    struct ward_buffer manifest;
    ward_buffer_init(&manifest, AUDIT_FILE_MAX);
    audit_manifest_json(&export->out->checkpoint, &files, &manifest);
    export->out->files = files.n + 1;
    audit_files_fini(&files);
    return write_buffer(export, AUDIT_MANIFEST, &manifest);
}

/* ---- checkpoint ---- */

static int write_key(const struct export *export, const struct ward_note_key *key)
{
    char vkey[WARD_VKEY_MAX + 1];
    ward_note_key_print(key, vkey);
    size_t size = strlen(vkey);
    vkey[size] = '\n';
    return write_file(export, "log.vkey", WARD_BYTES(vkey, size + 1));
}

static int fail_key(const char *why)
{
    return cli_fail(CLI_FAILED,
                    "The log is not the one that this key belongs to, or was tampered with.",
                    "Compare the --vkey file with the one from the deployment's genesis.",
                    "the checkpoint does not verify: %s", why);
}

/* By the key given; by the daemon's own where there is none, or where the log changed its key, and
 * then its entries have to lead from the one to the other. */
static int verify_note(struct export *export, const ward_checkpoint_info *info,
                       const struct ward_note_key *trusted)
{
    ward_status status = WARD_OK;
    if (trusted != NULL && info->n_handovers == 0) {
        export->key = *trusted;
    } else {
        status = ward_note_key_parse(info->vkey, &export->key);
    }
    if (ward_ok(status)) {
        status =
            ward_note_verify(ward_bytes_str(info->note), &export->key, &export->out->checkpoint);
    }
    if (ward_ok(status)) {
        return CLI_DONE;
    }
    const char *refusal = ward_status_refusal(status);
    return fail_key(refusal == NULL ? "unreadable" : refusal);
}

static int take_handovers(struct export *export, const ward_checkpoint_info *info)
{
    for (size_t i = 0; i < info->n_handovers; i++) {
        ward_status status = audit_handovers_add(&export->handovers, export->leaves.arena,
                                                 ward_bytes_str(info->handovers[i]));
        if (!ward_ok(status)) {
            return fail_status(status);
        }
    }
    audit_handovers_sort(&export->handovers);
    if (info->n_passed_over > AUDIT_PASSED_OVER_MAX) {
        return fail_key("passed_over: more than 2,000 sizes");
    }
    for (size_t i = 0; i < info->n_passed_over; i++) {
        audit_passed_over_add(&export->passed_over, info->passed_over[i]);
    }
    return CLI_DONE;
}

/* Not signed by anybody; an auditor should hear of it all the same. */
static int write_passed_over(struct export *export)
{
    export->out->passed_over = export->passed_over.n;
    if (export->passed_over.n == 0) {
        return CLI_DONE;
    }
    struct ward_buffer text;
    ward_buffer_init(&text, AUDIT_FILE_MAX);
    audit_passed_over_print(&export->passed_over, &text);
    return write_buffer(export, AUDIT_PASSED_OVER, &text);
}

static int write_handovers(struct export *export, const struct ward_note_key *trusted)
{
    struct audit_log_key_fault fault;
    audit_handovers_sift(&export->leaves, &export->handovers, export->out->checkpoint.size,
                         &export->passed_over);
    bool found = false, sound = audit_log_keys_check(&export->leaves, &export->handovers,
                                                     export->out->checkpoint.size, &export->key,
                                                     trusted, &found, &fault);
    if (!sound || (trusted != NULL && !found)) {
        return fail_key(sound ? "checkpoint: not signed by this key" : fault.text);
    }
    int exit = CLI_DONE;
    for (size_t i = 0; i < export->handovers.n && exit == CLI_DONE; i++) {
        char path[AUDIT_HANDOVER_PATH_MAX];
        audit_handover_path(i + 2, path);
        exit = write_file(export, path, export->handovers.items[i].note);
    }
    export->out->key_changes = export->handovers.n;
    return exit == CLI_DONE ? write_passed_over(export) : exit;
}

static int fetch_checkpoint(struct export *export, const char *request_id,
                            ward_checkpoint_info **ret)
{
    const ward_call call = {.request_id = request_id};
    ward_error error;
    return ward_audit_checkpoint(export->cli->client, &call, ret, &error) == WARD_RC_OK
               ? CLI_DONE
               : cli_fail_call("fetching the newest checkpoint", &error);
}

/* Is the leaf of the request with this id among those from `start` to `end`? */
static bool has_request(struct export *export, uint64_t start, uint64_t end, const char *request_id)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "\"request\":\"%s\"", request_id);
    ward_leaves *page = NULL;
    bool found = false;
    while (!found && start < end &&
           ward_audit_export(export->cli->client, NULL, start, end, &page, NULL) == WARD_RC_OK) {
        for (size_t i = 0; i < page->n && !found; i++) {
            found = memmem(page->items[i].json, page->items[i].size, text, strlen(text)) != NULL;
        }
        start = page->n == 0 ? end : start + page->n;
        ward_leaves_free(page);
    }
    return found;
}

/* Checkpoints are signed about once a second: waits for one that covers the moment at which the
 * export was asked for, which the first question for a checkpoint marks in the log with its id. */
static int fresh_checkpoint(struct export *export, const struct ward_note_key *trusted,
                            ward_checkpoint_info **ret)
{
    struct ward_id id;
    char request_id[WARD_ID_TEXT_SIZE];
    if (!ward_ok(ward_id_random(&id))) {
        return cli_fail(CLI_FAILED, NULL, NULL, "there is no randomness");
    }
    ward_id_print(&id, request_id);
    uint64_t first = 0;
    for (int i = 0;; i++) {
        int exit = fetch_checkpoint(export, i == 0 ? request_id : NULL, ret);
        if (exit == CLI_DONE) {
            exit = verify_note(export, *ret, trusted);
        }
        if (exit != CLI_DONE) {
            return exit;
        }
        uint64_t size = export->out->checkpoint.size;
        first = i == 0 ? size : first;
        if (has_request(export, first, size, request_id)) {
            return CLI_DONE;
        }
        if (i == FRESH_TRIES) {
            (void)cli_fail(CLI_DONE, "The last seconds of the log are not in this export.", NULL,
                           "warning: no newer checkpoint came in time");
            return CLI_DONE;
        }
        ward_checkpoint_info_free(*ret);
        *ret = NULL;
        struct timespec pause = {.tv_nsec = FRESH_PAUSE_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}

static int take_checkpoint(struct export *export, const struct ward_note_key *trusted)
{
    ward_checkpoint_info *info = NULL;
    int exit = fresh_checkpoint(export, trusted, &info);
    if (exit == CLI_DONE) {
        exit = write_file(export, "checkpoint", ward_bytes_str(info->note));
    }
    if (exit == CLI_DONE) {
        exit = write_key(export, &export->key);
    }
    if (exit == CLI_DONE) {
        exit = take_handovers(export, info);
    }
    ward_checkpoint_info_free(info);
    return exit;
}

static int run(struct export *export, const struct ward_note_key *trusted)
{
    ward_status status = ward_digest_new(&export->digest);
    if (ward_ok(status)) {
        status = ward_tile_builder_new(export->digest, on_tile, export, &export->builder);
    }
    if (ward_ok(status)) {
        status = audit_leaves_init(&export->leaves);
    }
    if (!ward_ok(status)) {
        return fail_status(status);
    }
    int exit = take_checkpoint(export, trusted);
    if (exit == CLI_DONE) {
        exit = add_leaves(export, &export->out->checkpoint);
    }
    if (exit == CLI_DONE) {
        exit = write_handovers(export, trusted);
    }
    return exit == CLI_DONE ? write_views(export) : exit;
}

int audit_export(struct cli *cli, const char *path, const struct ward_note_key *trusted,
                 struct audit_exported *ret)
{
    *ret = (struct audit_exported){0};
    struct export export = {.cli = cli, .path = path, .out = ret, .exit = CLI_DONE};
    export.folder = audit_folder_create(path);
    if (export.folder < 0) {
        return cli_fail(CLI_FAILED,
                        "An export is never mixed with other files; nothing was written.",
                        "Give a folder that is empty or does not exist yet.",
                        "cannot export into %s: %s", path, strerrordesc_np(errno));
    }
    ward_buffer_init(&export.bundle, BUNDLE_MAX);
    int exit = run(&export, trusted);
    ward_buffer_fini(&export.bundle);
    audit_leaves_fini(&export.leaves);
    ward_tile_builder_free(export.builder);
    ward_digest_free(export.digest);
    (void)close(export.folder);
    return exit;
}
