/* SPDX-License-Identifier: Apache-2.0 */
/* Reading audit leaves back. They come from a folder that may have been tampered with: everything
 * is checked to be there before it is used. Must not know files. */
#include "client/cli/audit_leaf.h"

#include <stdlib.h>

#include "proto/canonical.h"

#define ARENA_BUDGET ((size_t)1 << 30)
#define MEMBERS_MAX 32

static const struct ward_bytes seq_prefix = {(const uint8_t *)"{\"seq\":", 7};

static bool begins(struct ward_bytes text, struct ward_bytes prefix)
{
    return text.size >= prefix.size && memcmp(text.data, prefix.data, prefix.size) == 0;
}

bool audit_leaf_seq(struct ward_bytes json, uint64_t *ret)
{
    if (!begins(json, seq_prefix)) {
        return false;
    }
    size_t at = seq_prefix.size, first = at;
    uint64_t value = 0;
    while (at < json.size && at - first < 19 && json.data[at] >= '0' && json.data[at] <= '9') {
        value = value * 10 + (uint64_t)(json.data[at++] - '0');
    }
    *ret = value;
    return at > first && at < json.size && json.data[at] == ',';
}

struct text_member {
    const char *name;
    size_t offset; /* of a ward_bytes in struct audit_leaf */
};
#define TEXT(member)                                 \
    {                                                \
#member, offsetof(struct audit_leaf, member) \
    }

static const struct text_member top_members[] = {TEXT(time),   TEXT(identity), TEXT(cert),
                                                 TEXT(action), TEXT(object),   TEXT(outcome),
                                                 TEXT(policy), TEXT(reason)};
static const struct text_member detail_members[] = {
    TEXT(executed),         TEXT(key),          TEXT(whom),
    TEXT(key_id),           TEXT(to_state),     TEXT(proposal),
    TEXT(proposal_digest),  TEXT(proposer),     TEXT(approvers),
    TEXT(signature_digest), TEXT(vote_digests), TEXT(vote_certificates),
    TEXT(executor),         TEXT(reviewed),     TEXT(deployment),
    TEXT(to_hash),          TEXT(why),          TEXT(from_vkey),
    TEXT(to_vkey)};

static bool read_texts(const struct ward_json_slice *slices, size_t n,
                       const struct text_member *members, size_t n_members,
                       struct ward_arena *arena, struct audit_leaf *ret)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t m = 0; m < n_members; m++) {
            struct ward_bytes *to = (struct ward_bytes *)(void *)((char *)ret + members[m].offset);
            if (ward_bytes_eq(slices[i].name, ward_bytes_str(members[m].name)) &&
                !ward_canonical_read_text(slices[i].value, arena, to)) {
                return false;
            }
        }
    }
    return true;
}

static bool read_detail(struct ward_bytes json, struct ward_arena *arena, struct audit_leaf *ret)
{
    struct ward_json_slice slices[MEMBERS_MAX];
    size_t n = 0;
    if (!ward_ok(ward_json_scan(json, slices, MEMBERS_MAX, &n)) ||
        !read_texts(slices, n, detail_members, sizeof(detail_members) / sizeof(detail_members[0]),
                    arena, ret)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, WARD_BYTES_LITERAL("from_version")) &&
            !ward_canonical_read_int(slices[i].value, &ret->from_version)) {
            return false;
        }
        if (ward_bytes_eq(slices[i].name, WARD_BYTES_LITERAL("to_version")) &&
            !ward_canonical_read_int(slices[i].value, &ret->to_version)) {
            return false;
        }
        if (ward_bytes_eq(slices[i].name, WARD_BYTES_LITERAL("version")) &&
            !ward_canonical_read_int(slices[i].value, &ret->version)) {
            return false;
        }
    }
    return true;
}

bool audit_leaf_read(struct ward_bytes json, struct ward_arena *arena, struct audit_leaf *ret,
                     uint64_t *ret_seq)
{
    struct ward_json_slice slices[MEMBERS_MAX];
    size_t n = 0;
    *ret = (struct audit_leaf){0};
    if (!audit_leaf_seq(json, ret_seq) || !ward_ok(ward_json_scan(json, slices, MEMBERS_MAX, &n)) ||
        !read_texts(slices, n, top_members, sizeof(top_members) / sizeof(top_members[0]), arena,
                    ret)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (ward_bytes_eq(slices[i].name, WARD_BYTES_LITERAL("detail")) &&
            !read_detail(slices[i].value, arena, ret)) {
            return false;
        }
    }
    static const struct ward_bytes prefix = {(const uint8_t *)"proposal:", 9};
    if (ret->proposal.size == 0 && begins(ret->object, prefix)) {
        ret->proposal = WARD_BYTES(ret->object.data + prefix.size, ret->object.size - prefix.size);
    }
    return true;
}

ward_status audit_leaves_init(struct audit_leaves *leaves)
{
    *leaves = (struct audit_leaves){0};
    return ward_arena_new(ARENA_BUDGET, &leaves->arena);
}

void audit_leaves_fini(struct audit_leaves *leaves)
{
    ward_arena_free(leaves->arena);
    free(leaves->items);
    *leaves = (struct audit_leaves){0};
}

/* Most leaves tell of none of these, and are not read further. */
static bool may_matter(struct ward_bytes json)
{
    static const char signature[] = "\"signature_digest\":", executed[] = "\"executed\":",
                      rotated[] = "\"action\":\"system.rotate\"",
                      opened[] = "\"action\":\"emergency.open\"";
    return memmem(json.data, json.size, signature, sizeof(signature) - 1) != NULL ||
           memmem(json.data, json.size, executed, sizeof(executed) - 1) != NULL ||
           memmem(json.data, json.size, rotated, sizeof(rotated) - 1) != NULL ||
           memmem(json.data, json.size, opened, sizeof(opened) - 1) != NULL;
}

/* Genesis: the daemon's own start, before anybody could ask it for anything. */
static ward_status read_genesis(struct audit_leaves *leaves, struct ward_bytes json)
{
    struct ward_bytes copy;
    WARD_TRY(ward_arena_copy(leaves->arena, json, &copy));
    struct audit_leaf leaf;
    uint64_t seq = 0;
    if (audit_leaf_read(copy, leaves->arena, &leaf, &seq) &&
        ward_bytes_eq(leaf.identity, WARD_BYTES_LITERAL("system")) &&
        ward_bytes_eq(leaf.action, WARD_BYTES_LITERAL("system.start"))) {
        leaves->deployment = leaf.deployment;
    }
    return WARD_OK;
}

ward_status audit_leaves_add(struct audit_leaves *leaves, struct ward_bytes json, uint64_t index,
                             const uint8_t hash[static 32])
{
    if (index == 0) {
        WARD_TRY(read_genesis(leaves, json));
    }
    if (!may_matter(json)) {
        return WARD_OK;
    }
    struct ward_bytes copy;
    WARD_TRY(ward_arena_copy(leaves->arena, json, &copy));
    struct audit_leaf leaf;
    uint64_t seq = 0;
    if (!audit_leaf_read(copy, leaves->arena, &leaf, &seq) ||
        !ward_bytes_eq(leaf.outcome, WARD_BYTES_LITERAL("allowed"))) {
        return WARD_OK;
    }
    leaves->emergencies += ward_bytes_eq(leaf.action, WARD_BYTES_LITERAL("emergency.open"));
    if (leaf.executed.size == 0 && leaf.signature_digest.size == 0 &&
        !audit_leaf_is_own_rotation(&leaf)) {
        return WARD_OK;
    }
    if (leaves->n == leaves->capacity) {
        size_t capacity = leaves->capacity == 0 ? 64 : leaves->capacity * 2;
        struct audit_leaf *items = realloc(leaves->items, capacity * sizeof(*items));
        WARD_ENSURE(items != NULL, WARD_E_EXHAUSTED);
        leaves->items = items;
        leaves->capacity = capacity;
    }
    leaf.index = index;
    memcpy(leaf.hash, hash, 32);
    leaves->items[leaves->n++] = leaf;
    return WARD_OK;
}

bool audit_leaf_is_recovery(const struct audit_leaf *leaf)
{
    return leaf->executed.size > 0 &&
           ward_bytes_eq(leaf->action, WARD_BYTES_LITERAL("system.recover"));
}

bool audit_leaf_is_own_rotation(const struct audit_leaf *leaf)
{
    return leaf->executed.size == 0 &&
           ward_bytes_eq(leaf->action, WARD_BYTES_LITERAL("system.rotate")) &&
           ward_bytes_eq(leaf->identity, WARD_BYTES_LITERAL("system"));
}

const char *audit_leaf_decision(const struct audit_leaf *leaf)
{
    if (leaf->signature_digest.size == 0) {
        return NULL;
    }
    static const struct {
        const char *action, *decision;
    } decisions[] = {{"approval.submit", "propose"},  {"approval.approve", "approve"},
                     {"approval.reject", "reject"},   {"approval.withdraw", "withdraw"},
                     {"approval.execute", "execute"}, {"approval.review", "review"}};
    for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
        if (ward_bytes_eq(leaf->action, ward_bytes_str(decisions[i].action))) {
            return decisions[i].decision;
        }
    }
    return NULL;
}
