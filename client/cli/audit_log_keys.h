/* SPDX-License-Identifier: Apache-2.0 */
/* The keys that a log was signed with, followed from one to the next. Each change is an entry that
 * names both keys; the first checkpoint behind it, the handover, is signed by both:
 *
 *   key 1 -- handover/2: signed by 1 and 2, covers the entry that names 2 -- key 2 -- ...
 *
 * So whoever trusts one of them comes by handovers to the last, which signs the checkpoint of all.
 */
#ifndef WARD_CLIENT_CLI_AUDIT_LOG_KEYS_H
#define WARD_CLIENT_CLI_AUDIT_LOG_KEYS_H

#include "base/merkle.h"
#include "client/cli/audit_leaf.h"
#include "client/cli/audit_passed_over.h"
#include "proto/note.h"

#define AUDIT_HANDOVERS_MAX 1000
#define AUDIT_HANDOVERS "handovers/" /* the folder, in an export */
#define AUDIT_HANDOVER_PATH_MAX 32
/* "handovers/<version>", of the key that came: from 2 on. */
void audit_handover_path(size_t version, char out[static AUDIT_HANDOVER_PATH_MAX]);

struct audit_handover {
    struct ward_bytes note;
    uint64_t size; /* as it says, until its signatures are checked */
    uint8_t root[32];
    bool has_root; /* of the leaves, where they were so many */
};
struct audit_handovers {
    struct audit_handover *items; /* AUDIT_HANDOVERS_MAX */
    size_t n, reached;
};

/* What a note says whose signatures were not looked at; zero where it says nothing. */
void audit_guess_checkpoint(struct ward_bytes note, struct ward_checkpoint *ret);

/* The arena keeps a copy of each. EXHAUSTED when there are too many. */
ward_status audit_handovers_add(struct audit_handovers *handovers, struct ward_arena *arena,
                                struct ward_bytes note);
/* After each leaf: takes the tree's root where a handover is of its size. */
ward_status audit_handovers_follow(struct audit_handovers *handovers, struct ward_digest *digest,
                                   const struct ward_merkle *tree);

/* Of notes as a daemon gives them, before any leaf: in the order of their sizes. */
void audit_handovers_sort(struct audit_handovers *handovers);
/* Of notes in that order, after the leaves: drops those that stand before the handover of a change
 * and are none, as far as each change has one among them. */
void audit_handovers_sift(const struct audit_leaves *leaves, struct audit_handovers *handovers,
                          uint64_t size, struct audit_passed_over *dropped);

/* What does not hold; text is constant. */
struct audit_log_key_fault {
    const char *kind, *text;
    size_t version; /* of the handover at fault; 0: an entry */
    int64_t leaf;   /* the entry that tells of the change; -1: none in particular */
};
/* From the first key to `last`, which signed the checkpoint of `size` leaves. True when every
 * change holds. *ret_trusted: is `trusted` one of the keys? NULL is never. */
bool audit_log_keys_check(const struct audit_leaves *leaves,
                          const struct audit_handovers *handovers, uint64_t size,
                          const struct ward_note_key *last, const struct ward_note_key *trusted,
                          bool *ret_trusted, struct audit_log_key_fault *ret_fault);
bool audit_is_log_key_change(const struct audit_leaf *leaf);
bool audit_note_key_eq(const struct ward_note_key *a, const struct ward_note_key *b);

#endif
