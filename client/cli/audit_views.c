/* SPDX-License-Identifier: Apache-2.0 */
/* Views of the log, as pure functions of its leaves and of the signatures that they name. Must not
 * know files or the network. */
#include "client/cli/audit_views.h"

#include <stdio.h>

#include "base/id.h"
#include "client/cli/audit_log_keys.h"
#include "proto/canonical.h"

bool audit_is_rotation(const struct audit_leaf *leaf)
{
    return ward_bytes_eq(leaf->executed, WARD_BYTES_LITERAL("key.rotate")) ||
           audit_is_log_key_change(leaf) || audit_leaf_is_own_rotation(leaf);
}

/* RFC 4180. A cell that a spreadsheet would take for a formula gets a quote in front. */
void audit_csv_cell(struct ward_buffer *out, struct ward_bytes text, char end)
{
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        quoted = quoted || c == ',' || c == '"' || c == '\n' || c == '\r';
    }
    bool formula = text.size > 0 && memchr("=+-@\t", text.data[0], 5) != NULL;
    if (quoted) {
        ward_buffer_add_u8(out, '"');
    }
    if (formula) {
        ward_buffer_add_u8(out, '\'');
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"') {
            ward_buffer_add_u8(out, '"');
        }
        ward_buffer_add_u8(out, text.data[i]);
    }
    if (quoted) {
        ward_buffer_add_u8(out, '"');
    }
    ward_buffer_add_u8(out, (uint8_t)end);
}

void audit_rotations_csv(const struct audit_leaves *leaves, struct ward_buffer *out)
{
    ward_buffer_printf(
        out, "seq,time,key,from_version,to_version,proposer,approvers,proposal,leaf_hash\n");
    for (size_t i = 0; i < leaves->n; i++) {
        const struct audit_leaf *leaf = &leaves->items[i];
        if (!audit_is_rotation(leaf)) {
            continue;
        }
        char hash[65];
        ward_hex_encode(WARD_BYTES_ARRAY(leaf->hash), hash);
        ward_buffer_printf(out, "%llu,", (unsigned long long)leaf->index);
        audit_csv_cell(out, leaf->time, ',');
        audit_csv_cell(out, leaf->key, ',');
        ward_buffer_printf(out, "%lld,%lld,", (long long)leaf->from_version,
                           (long long)leaf->to_version);
        audit_csv_cell(out, audit_leaf_is_own_rotation(leaf) ? leaf->identity : leaf->proposer,
                       ',');
        audit_csv_cell(out, leaf->approvers, ',');
        audit_csv_cell(out, leaf->proposal, ',');
        audit_csv_cell(out, ward_bytes_str(hash), '\n');
    }
}

/* ---- approvals ---- */

void audit_approval_path(struct ward_bytes proposal, char out[static AUDIT_APPROVAL_PATH_MAX])
{
    (void)snprintf(out, AUDIT_APPROVAL_PATH_MAX, "approvals/%.*s.json", (int)proposal.size,
                   (const char *)proposal.data);
}

static void add_base64(struct ward_buffer *out, struct ward_bytes bytes)
{
    ward_buffer_add_u8(out, '"');
    uint8_t *to = ward_buffer_reserve(out, WARD_BASE64_SIZE(bytes.size) + 1);
    if (to != NULL) {
        ward_base64_encode(bytes, (char *)to);
        out->size += WARD_BASE64_SIZE(bytes.size);
    }
    ward_buffer_add_u8(out, '"');
}

void audit_approval_json(const struct audit_approval *approval, struct ward_buffer *out)
{
    WARD_CANONICAL_LITERAL(out, "{\"proposal\":");
    ward_canonical_text(out, approval->proposal);
    WARD_CANONICAL_LITERAL(out, ",\n\"payload\":");
    add_base64(out, approval->payload);
    WARD_CANONICAL_LITERAL(out, ",\n\"signatures\":[");
    for (size_t i = 0; i < approval->n; i++) {
        const struct audit_signature *signature = &approval->signatures[i];
        ward_buffer_printf(
            out, "%s\n{\"leaf\":%llu,\"decision\":\"%s\",\"identity\":", i == 0 ? "" : ",",
            (unsigned long long)signature->leaf->index, signature->decision);
        ward_canonical_text(out, signature->identity);
        WARD_CANONICAL_LITERAL(out, ",\"signature\":");
        add_base64(out, signature->signature);
        WARD_CANONICAL_LITERAL(out, ",\"certificate\":");
        add_base64(out, signature->certificate);
        ward_buffer_add_u8(out, '}');
    }
    WARD_CANONICAL_LITERAL(out, "\n]}\n");
}

/* The next of a list with one space between two; empty at its end. */
static struct ward_bytes next_word(struct ward_bytes *list)
{
    if (list->size == 0) {
        return *list;
    }
    const uint8_t *space = memchr(list->data, ' ', list->size);
    size_t size = space == NULL ? list->size : (size_t)(space - list->data);
    struct ward_bytes word = WARD_BYTES(list->data, size);
    size_t skip = size + (space != NULL);
    *list = WARD_BYTES(list->data + skip, list->size - skip);
    return word;
}

static size_t signatures_of_recovery(const struct audit_leaf *leaf, struct audit_signature *ret)
{
    if (ret != NULL && signatures_of_recovery(leaf, NULL) == 0) {
        return 0; /* there is no room for what does not count */
    }
    struct ward_bytes digests = leaf->vote_digests, certificates = leaf->vote_certificates;
    struct ward_bytes approvers = leaf->approvers, identity = leaf->proposer;
    struct ward_bytes executor = leaf->executor;
    size_t n = 0;
    while (identity.size > 0) {
        bool last = identity.data == leaf->executor.data;
        struct ward_bytes digest = next_word(&digests), certificate = next_word(&certificates);
        if (digest.size == 0 || certificate.size == 0) {
            return 0;
        }
        if (ret != NULL) {
            ret[n] = (struct audit_signature){.leaf = leaf,
                                              .decision = n == 0 ? "propose"
                                                          : last ? "execute"
                                                                 : "approve",
                                              .identity = identity,
                                              .digest = digest,
                                              .certificate_digest = certificate};
        }
        n++;
        identity = next_word(&approvers);
        if (identity.size == 0) {
            identity = executor;
            executor = (struct ward_bytes){0};
        }
    }
    return approvers.size == 0 && digests.size == 0 && certificates.size == 0 ? n : 0;
}

/* How many this leaf names; filled in when ret is not NULL. */
static size_t signatures_of(const struct audit_leaf *leaf, struct audit_signature *ret)
{
    if (audit_leaf_is_recovery(leaf)) {
        return signatures_of_recovery(leaf, ret);
    }
    const char *decision = audit_leaf_decision(leaf);
    if (decision != NULL && ret != NULL) {
        *ret = (struct audit_signature){.leaf = leaf,
                                        .decision = decision,
                                        .identity = leaf->identity,
                                        .digest = leaf->signature_digest,
                                        .certificate_digest = leaf->cert};
    }
    return decision != NULL;
}

ward_status audit_approval_from_leaves(const struct audit_leaves *leaves,
                                       struct ward_bytes proposal, struct ward_arena *arena,
                                       struct audit_approval *ret)
{
    *ret = (struct audit_approval){.proposal = proposal};
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (size_t i = 0; i < leaves->n; i++) {
            const struct audit_leaf *leaf = &leaves->items[i];
            if (ward_bytes_eq(leaf->proposal, proposal)) {
                n += signatures_of(leaf, pass == 0 ? NULL : &ret->signatures[n]);
            }
        }
        if (pass == 0) {
            ret->n = n;
            ret->signatures = WARD_ARENA_ARRAY(arena, struct audit_signature, n);
            WARD_ENSURE(ret->signatures != NULL, WARD_E_EXHAUSTED);
        }
    }
    return WARD_OK;
}

static bool seen_before(const struct audit_leaves *leaves, size_t before,
                        struct ward_bytes proposal)
{
    for (size_t i = 0; i < before; i++) {
        if (ward_bytes_eq(leaves->items[i].proposal, proposal)) {
            return true;
        }
    }
    return false;
}

ward_status audit_each_proposal(const struct audit_leaves *leaves,
                                ward_status (*each)(void *context, struct ward_bytes proposal),
                                void *context)
{
    for (size_t i = 0; i < leaves->n; i++) {
        struct ward_bytes proposal = leaves->items[i].proposal;
        struct ward_id id;
        if (!ward_id_parse(proposal, &id) || seen_before(leaves, i, proposal)) {
            continue; /* what is no UUID is no file's name either */
        }
        WARD_TRY(each(context, proposal));
    }
    return WARD_OK;
}

/* ---- manifest ---- */

void audit_manifest_json(const struct ward_checkpoint *checkpoint, const struct audit_files *files,
                         struct ward_buffer *out)
{
    WARD_CANONICAL_LITERAL(out, "{\"format\":\"ward audit export 1\",\"log\":");
    ward_canonical_text(out, ward_bytes_str(checkpoint->origin));
    ward_buffer_printf(out, ",\"size\":%llu,\"files\":[", (unsigned long long)checkpoint->size);
    bool first = true;
    for (size_t i = 0; i < files->n; i++) {
        const struct audit_file *file = &files->items[i];
        if (!file->regular || strcmp(file->path, AUDIT_MANIFEST) == 0) {
            continue;
        }
        char hex[65];
        ward_hex_encode(WARD_BYTES_ARRAY(file->sha256), hex);
        ward_buffer_printf(out, "%s\n{\"path\":", first ? "" : ",");
        ward_canonical_text(out, ward_bytes_str(file->path));
        ward_buffer_printf(out, ",\"size\":%llu,\"sha256\":\"%s\"}", (unsigned long long)file->size,
                           hex);
        first = false;
    }
    WARD_CANONICAL_LITERAL(out, "\n]}\n");
}
