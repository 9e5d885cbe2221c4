/* SPDX-License-Identifier: Apache-2.0 */
/* A proposal with all its signatures in one file, for whoever checks it without the daemon: DSSE
 * with a payloadType of its own for each signature, since each is over its signer's decision. Must
 * not judge what it reads. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/approval.h"
#include "client/cli/fhir.h"
#include "proto/canonical.h"
#include "proto/wire_limits.h"

#define TYPE "ward approval 1"
#define TYPE_MAX 256u

/* ---- writing ---- */

static void add_text(struct ward_buffer *out, const char *before, struct ward_bytes text)
{
    ward_buffer_add(out, ward_bytes_str(before));
    ward_canonical_text(out, text);
}

static void add_base64(struct ward_buffer *out, const char *before, struct ward_bytes bytes)
{
    ward_buffer_add(out, ward_bytes_str(before));
    ward_buffer_add_u8(out, '"');
    uint8_t *to = ward_buffer_reserve(out, WARD_BASE64_SIZE(bytes.size) + 1);
    if (to != NULL) {
        ward_base64_encode(bytes, (char *)to);
        out->size += WARD_BASE64_SIZE(bytes.size);
    }
    ward_buffer_add_u8(out, '"');
}

static void add_signature(struct ward_buffer *out, const struct cli_approval_signature *signature)
{
    struct ward_buffer type;
    struct ward_bytes reason;
    char hex[65];
    ward_buffer_init(&type, TYPE_MAX);
    bool hashed = ward_ok(ward_proposal_reason(signature->reason, hex, &reason));
    ward_proposal_payload_type(signature->decision, reason, &type);
    add_text(out, "{\"payloadType\":", ward_buffer_view(&type));
    out->failed |= type.failed || !hashed;
    ward_buffer_fini(&type);
    add_text(out, ",\"decision\":", ward_bytes_str(ward_decision_kind_name(signature->decision)));
    add_text(out, ",\"reason\":", signature->reason);
    add_text(out, ",\"identity\":", signature->identity);
    add_text(out, ",\"time\":", signature->time);
    add_base64(out, ",\"sig\":", signature->signature);
    add_base64(out, ",\"certificate\":", signature->certificate);
    ward_buffer_add_u8(out, '}');
}

void cli_approval_file_print(const struct cli_approval_file *file, struct ward_buffer *out)
{
    add_text(out, "{\"type\":", WARD_BYTES_LITERAL(TYPE));
    add_base64(out, ",\"payload\":", file->payload);
    add_text(out, ",\"state\":", file->state);
    WARD_CANONICAL_LITERAL(out, ",\"signatures\":[");
    for (size_t i = 0; i < file->n; i++) {
        if (i > 0) {
            ward_buffer_add_u8(out, ',');
        }
        add_signature(out, &file->signatures[i]);
    }
    WARD_CANONICAL_LITERAL(out, "]}\n");
}

/* ---- reading ---- */

static bool read_base64(struct ward_bytes json, struct ward_arena *arena, struct ward_bytes *ret)
{
    struct ward_bytes text;
    if (!ward_canonical_read_text(json, arena, &text)) {
        return false;
    }
    uint8_t *bytes = ward_arena_alloc(arena, text.size + 1);
    size_t size = 0;
    if (bytes == NULL || !ward_base64_decode((const char *)text.data, text.size, bytes, &size)) {
        return false;
    }
    *ret = WARD_BYTES(bytes, size);
    return true;
}

/* Members are found by their place: what stands elsewhere is not printed again as it was. */
static bool read_signature(struct ward_bytes json, struct ward_arena *arena,
                           struct cli_approval_signature *ret)
{
    enum { TYPE_AT, DECISION, REASON, IDENTITY, TIME, SIG, CERTIFICATE, COUNT };
    struct ward_json_slice slices[COUNT];
    size_t n = 0;
    struct ward_bytes decision;
    return ward_ok(ward_json_scan(json, slices, COUNT, &n)) && n == COUNT &&
           ward_canonical_read_text(slices[DECISION].value, arena, &decision) &&
           ward_decision_kind_find(decision, &ret->decision) &&
           ward_canonical_read_text(slices[REASON].value, arena, &ret->reason) &&
           ret->reason.size <= WARD_REASON_MAX &&
           ward_canonical_read_text(slices[IDENTITY].value, arena, &ret->identity) &&
           ward_canonical_read_text(slices[TIME].value, arena, &ret->time) &&
           read_base64(slices[SIG].value, arena, &ret->signature) &&
           read_base64(slices[CERTIFICATE].value, arena, &ret->certificate);
}

static bool read_signatures(struct ward_bytes array, struct ward_arena *arena,
                            struct cli_approval_file *ret)
{
    struct ward_bytes element;
    if (array.size < 2 || array.data[0] != '[') {
        return false;
    }
    struct ward_bytes rest = WARD_BYTES(array.data + 1, array.size - 2);
    while (cli_json_next_element(&rest, &element)) {
        if (ret->n == CLI_APPROVAL_SIGNATURES_MAX ||
            !read_signature(element, arena, &ret->signatures[ret->n++])) {
            return false;
        }
    }
    return true;
}

bool cli_approval_file_parse(struct ward_bytes json, struct ward_arena *arena,
                             struct cli_approval_file *ret)
{
    enum { TYPE_AT, PAYLOAD, STATE, SIGNATURES, COUNT };
    struct ward_json_slice slices[COUNT];
    size_t n = 0;
    *ret = (struct cli_approval_file){0};
    if (json.size == 0 || json.data[json.size - 1] != '\n') {
        return false;
    }
    if (!ward_ok(ward_json_scan(WARD_BYTES(json.data, json.size - 1), slices, COUNT, &n)) ||
        n != COUNT || !read_base64(slices[PAYLOAD].value, arena, &ret->payload) ||
        !ward_canonical_read_text(slices[STATE].value, arena, &ret->state) ||
        !read_signatures(slices[SIGNATURES].value, arena, ret)) {
        return false;
    }
    struct ward_buffer again;
    ward_buffer_init(&again, CLI_APPROVAL_FILE_MAX);
    cli_approval_file_print(ret, &again);
    bool same = !again.failed && ward_bytes_eq(ward_buffer_view(&again), json);
    ward_buffer_fini(&again);
    return same;
}

/* ---- export ---- */

static int fill(const ward_proposal_info *info, struct cli_approval_file *ret)
{
    *ret = (struct cli_approval_file){.payload = WARD_BYTES(info->payload, info->payload_size),
                                      .state = ward_bytes_str(info->state)};
    for (size_t i = 0; i < info->n_votes; i++) {
        const ward_vote_info *vote = info->votes[i];
        struct cli_approval_signature *signature = &ret->signatures[ret->n++];
        if (ret->n > CLI_APPROVAL_SIGNATURES_MAX ||
            !ward_decision_kind_find(ward_bytes_str(vote->decision), &signature->decision)) {
            return cli_fail(CLI_FAILED, "Nothing was written.",
                            "Compare `ward --version` with the daemon's.",
                            "the daemon's signatures are not in the form that this ward knows");
        }
        signature->identity = ward_bytes_str(vote->identity);
        signature->time = ward_bytes_str(vote->time);
        signature->reason = ward_bytes_str(vote->reason);
        signature->signature = WARD_BYTES(vote->signature, vote->signature_size);
        signature->certificate = WARD_BYTES(vote->certificate, vote->certificate_size);
    }
    return CLI_DONE;
}

static int write_new(const char *path, struct ward_bytes bytes)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool written = file >= 0;
    for (size_t at = 0; written && at < bytes.size;) {
        ssize_t n = write(file, bytes.data + at, bytes.size - at);
        written = n > 0;
        at += n > 0 ? (size_t)n : 0;
    }
    int error = errno;
    if (file >= 0 && (close(file) != 0 || !written)) {
        written = false;
        (void)unlink(path); /* half a file is none */
    }
    return written
               ? CLI_DONE
               : cli_fail(CLI_FAILED, "Nothing was exported.", "Give a file that is not there yet.",
                          "cannot write %s: %s", path, strerrordesc_np(error));
}

int cli_approval_export(struct cli *cli, int argc, char **argv)
{
    struct cli_texts ids = {.n = 0};
    const char *out = NULL;
    const struct cli_option options[] = {
        {"out", CLI_TEXT, &out, "FILE", "Write this file; it must not be there yet", 0, 0, true,
         'o'},
    };
    CLI_PARSE(cli, argc, argv, .args = "PROPOSAL",
              .doc = "Writes a proposal with its signatures and certificates into a file, for "
                     "`ward approval verify`.",
              CLI_OPTIONS(options), .positional = &ids, .min = 1, .max = 1);
    ward_proposals *shown = NULL;
    struct cli_proposal proposal;
    int exit = cli_approval_fetch(cli, ids.texts[0], &shown, &proposal);
    if (exit != CLI_DONE) {
        return exit;
    }
    static struct cli_approval_file file; /* too large for a stack */
    struct ward_buffer json;
    ward_buffer_init(&json, CLI_APPROVAL_FILE_MAX);
    exit = fill(shown->items[0], &file);
    if (exit == CLI_DONE) {
        cli_approval_file_print(&file, &json);
        exit = write_new(out, ward_buffer_view(&json));
    }
    if (exit == CLI_DONE && !cli->json) {
        exit = cli_print("%s: proposal %s with %zu signatures\n", out, proposal.id, file.n)
                   ? CLI_DONE
                   : CLI_FAILED;
    } else if (exit == CLI_DONE) {
        struct cli_doc doc;
        cli_doc_begin(&doc);
        cli_doc_text(&doc, "proposal", proposal.id);
        cli_doc_text(&doc, "file", out);
        ward_json_member_int(&doc.json, "signatures", (int64_t)file.n);
        exit = cli_doc_end(&doc) ? CLI_DONE : CLI_FAILED;
    }
    ward_buffer_fini(&json);
    cli_proposal_close(&proposal);
    ward_proposals_free(shown);
    return exit;
}
