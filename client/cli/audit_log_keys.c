/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Pure: leaves, notes and keys in, a verdict out. */
#include "client/cli/audit_log_keys.h"

#include <stdio.h>
#include <stdlib.h>

#include "client/cli/input.h"

void audit_handover_path(size_t version, char out[static AUDIT_HANDOVER_PATH_MAX])
{
    (void)snprintf(out, AUDIT_HANDOVER_PATH_MAX, AUDIT_HANDOVERS "%zu", version);
}

void audit_guess_checkpoint(struct ward_bytes note, struct ward_checkpoint *ret)
{
    struct ward_bytes line;
    char digits[21] = "";
    *ret = (struct ward_checkpoint){0};
    if (cli_next_line(&note, &line) && line.size < sizeof(ret->origin)) {
        memcpy(ret->origin, line.data, line.size);
    }
    if (cli_next_line(&note, &line) && line.size > 0 && line.size < sizeof(digits)) {
        memcpy(digits, line.data, line.size);
        ret->size = strtoull(digits, NULL, 10);
    }
    size_t size = 0;
    uint8_t root[48];
    if (cli_next_line(&note, &line) && line.size == WARD_BASE64_SIZE(32) &&
        ward_base64_decode((const char *)line.data, line.size, root, &size) && size == 32) {
        memcpy(ret->root, root, 32);
    }
}

ward_status audit_handovers_add(struct audit_handovers *handovers, struct ward_arena *arena,
                                struct ward_bytes note)
{
    if (handovers->items == NULL) {
        handovers->items = WARD_ARENA_ARRAY(arena, struct audit_handover, AUDIT_HANDOVERS_MAX);
    }
    WARD_ENSURE(handovers->items != NULL && handovers->n < AUDIT_HANDOVERS_MAX, WARD_E_EXHAUSTED);
    struct audit_handover *to = &handovers->items[handovers->n];
    struct ward_checkpoint says;
    audit_guess_checkpoint(note, &says);
    *to = (struct audit_handover){.size = says.size};
    WARD_TRY(ward_arena_copy(arena, note, &to->note));
    handovers->n++;
    return WARD_OK;
}

static int by_size(const void *a, const void *b)
{
    const struct audit_handover *x = a, *y = b;
    return (x->size > y->size) - (x->size < y->size);
}

void audit_handovers_sort(struct audit_handovers *handovers)
{
    if (handovers->n > 0) {
        qsort(handovers->items, handovers->n, sizeof(*handovers->items), by_size);
    }
}

ward_status audit_handovers_follow(struct audit_handovers *handovers, struct ward_digest *digest,
                                   const struct ward_merkle *tree)
{
    while (handovers->reached < handovers->n &&
           handovers->items[handovers->reached].size <= tree->size) {
        struct audit_handover *at = &handovers->items[handovers->reached++];
        if (at->size == tree->size) { /* else they are in no order, and it has none */
            WARD_TRY(ward_merkle_root(digest, tree, at->root));
            at->has_root = true;
        }
    }
    return WARD_OK;
}

bool audit_is_log_key_change(const struct audit_leaf *leaf)
{
    return ward_bytes_eq(leaf->executed, WARD_BYTES_LITERAL("audit.rotate-log-key"));
}

bool audit_note_key_eq(const struct ward_note_key *a, const struct ward_note_key *b)
{
    return strcmp(a->name, b->name) == 0 && a->algorithm == b->algorithm &&
           a->public_key_size == b->public_key_size &&
           memcmp(a->public_key, b->public_key, a->public_key_size) == 0;
}

static bool read_key(struct ward_bytes vkey, struct ward_note_key *ret)
{
    char text[WARD_VKEY_MAX] = "";
    if (vkey.size >= sizeof(text) || (vkey.size > 0 && memchr(vkey.data, 0, vkey.size) != NULL)) {
        return false;
    }
    memcpy(text, vkey.data, vkey.size);
    return ward_ok(ward_note_key_parse(text, ret));
}

/* NULL: it is the checkpoint of these leaves, and both keys say so. */
static const char *fault_of_handover(const struct audit_handover *handover,
                                     const struct ward_note_key *from,
                                     const struct ward_note_key *to, uint64_t leaf, uint64_t size)
{
    struct ward_checkpoint by_from, by_to;
    if (!ward_ok(ward_note_verify(handover->note, from, &by_from))) {
        return "it is not signed by the log's key of before the change";
    }
    if (!ward_ok(ward_note_verify(handover->note, to, &by_to))) {
        return "it is not signed by the log's key of after the change";
    }
    if (by_to.size <= leaf || by_to.size > size) {
        return "it does not cover the entry that tells of the change";
    }
    if (!handover->has_root || by_to.size != handover->size ||
        memcmp(by_to.root, handover->root, sizeof(by_to.root)) != 0) {
        return "its root is not that of the entries";
    }
    return NULL;
}

/* The first from `at` on by which the keys of that entry hand over; n: none. */
static size_t find_handover(const struct audit_handovers *handovers, size_t at,
                            const struct audit_leaf *leaf, uint64_t size)
{
    struct ward_note_key from, to;
    if (!read_key(leaf->from_vkey, &from) || !read_key(leaf->to_vkey, &to)) {
        return handovers->n;
    }
    while (at < handovers->n &&
           fault_of_handover(&handovers->items[at], &from, &to, leaf->index, size) != NULL) {
        at++;
    }
    return at;
}

void audit_handovers_sift(const struct audit_leaves *leaves, struct audit_handovers *handovers,
                          uint64_t size, struct audit_passed_over *dropped)
{
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < leaves->n && at < handovers->n; i++) {
        if (!audit_is_log_key_change(&leaves->items[i])) {
            continue;
        }
        size_t found = find_handover(handovers, at, &leaves->items[i], size);
        if (found == handovers->n) {
            break; /* the check says of what is left what is wrong with it */
        }
        for (; at < found; at++) {
            audit_passed_over_add(dropped, handovers->items[at].size);
        }
        handovers->items[kept++] = handovers->items[at++];
    }
    while (at < handovers->n) {
        handovers->items[kept++] = handovers->items[at++];
    }
    handovers->n = kept;
}

/* Where it stands: the key so far, and how many changes led to it. */
struct walk {
    const struct audit_handovers *handovers;
    uint64_t size;
    struct ward_note_key key;
    size_t version;
};

static bool follow(struct walk *walk, const struct audit_leaf *leaf,
                   struct audit_log_key_fault *ret)
{
    struct ward_note_key from, to;
    *ret = (struct audit_log_key_fault){.kind = "unsigned", .leaf = (int64_t)leaf->index};
    bool named = read_key(leaf->from_vkey, &from) && read_key(leaf->to_vkey, &to);
    if (!named || !audit_note_key_eq(&from, &walk->key) || strcmp(from.name, to.name) != 0 ||
        audit_note_key_eq(&from, &to) || leaf->from_version != (int64_t)walk->version ||
        leaf->to_version != (int64_t)walk->version + 1) {
        ret->text = "it changes the log's key, and not from the one before it to the next";
        return false;
    }
    ret->version = walk->version + 1;
    if (walk->version - 1 >= walk->handovers->n) {
        ret->kind = "missing";
        ret->text = "the handover from one key of the log to the next is not here";
        return false;
    }
    ret->text = fault_of_handover(&walk->handovers->items[walk->version - 1], &from, &to,
                                  leaf->index, walk->size);
    walk->key = to;
    walk->version++;
    return ret->text == NULL;
}

static const struct audit_leaf *first_change(const struct audit_leaves *leaves)
{
    for (size_t i = 0; i < leaves->n; i++) {
        if (audit_is_log_key_change(&leaves->items[i])) {
            return &leaves->items[i];
        }
    }
    return NULL;
}

bool audit_log_keys_check(const struct audit_leaves *leaves,
                          const struct audit_handovers *handovers, uint64_t size,
                          const struct ward_note_key *last, const struct ward_note_key *trusted,
                          bool *ret_trusted, struct audit_log_key_fault *ret_fault)
{
    struct walk walk = {.handovers = handovers, .size = size, .key = *last, .version = 1};
    const struct audit_leaf *first = first_change(leaves);
    *ret_trusted = false;
    if (first != NULL && !read_key(first->from_vkey, &walk.key)) {
        walk.key = *last; /* and so the first change does not follow */
    }
    *ret_trusted = trusted != NULL && audit_note_key_eq(trusted, &walk.key);
    for (size_t i = 0; i < leaves->n; i++) {
        if (!audit_is_log_key_change(&leaves->items[i])) {
            continue;
        }
        if (!follow(&walk, &leaves->items[i], ret_fault)) {
            return false;
        }
        *ret_trusted = *ret_trusted || (trusted != NULL && audit_note_key_eq(trusted, &walk.key));
    }
    *ret_fault = (struct audit_log_key_fault){.kind = "unsigned", .leaf = -1};
    if (!audit_note_key_eq(&walk.key, last)) {
        ret_fault->text = "the entries lead to another key of the log than signed the checkpoint";
        return false;
    }
    if (handovers->n >= walk.version) {
        *ret_fault = (struct audit_log_key_fault){
            "extra", "no entry tells of this change of the log's key", walk.version + 1, -1};
        return false;
    }
    return true;
}
