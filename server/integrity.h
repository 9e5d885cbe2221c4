/* SPDX-License-Identifier: Apache-2.0 */
/* Notices rows that somebody else than a daemon wrote. All that decisions are made of is a set of
 * facts; each is HMAC-SHA-256 of its canonical form, and the head row carries their sums modulo
 * 2^256, one for each kind of table. A commit takes away the facts that its effects end and adds
 * those that they begin, so it costs nothing but what it changes. A tag authenticates the sums
 * together with the size, the epoch and the tree of the head.
 *
 * Sums are kept masked: their differences would be the facts' own numbers, from which somebody who
 * watched for long enough could put together a set that adds up as well. Every change of a fact has
 * a mask of its own, by its number.
 *
 * After Clarke, Devadas, van Dijk, Gassend and Suh, "Incremental Multiset Hash Functions and Their
 * Application to Memory Integrity Checking" (ASIACRYPT 2003), MSet-Add-Hash; formats in
 * proto/FORMATS.md, 11. A copy of all of it that is brought back whole is found elsewhere: by the
 * size that was acknowledged and the checkpoints that were signed. */
#ifndef WARD_SERVER_INTEGRITY_H
#define WARD_SERVER_INTEGRITY_H

#include "backends/store.h"
#include "base/digest.h"

enum ward_facts { /* which of the sums */
                  WARD_FACTS_KEYS,
                  WARD_FACTS_POLICY,
                  WARD_FACTS_REVOCATIONS,
                  WARD_FACTS_DEPLOYMENT,
                  WARD_FACTS_EMERGENCIES, /* those that nobody has closed */
};

struct ward_integrity {
    struct ward_digest *digest;
    struct ward_bytes key; /* 32 bytes: ward_index's `rows` */
};

/* The sums of the head after the effects; ret_changed: does any of them change a fact? Its tag is
 * as it was. */
ward_status ward_integrity_apply(const struct ward_integrity *integrity,
                                 const struct ward_effect *effects, size_t n,
                                 struct ward_head *head, bool *ret_changed);
/* The sums of all that the snapshot shows, under the mask of that number. */
ward_status ward_integrity_sum(const struct ward_integrity *integrity,
                               const struct ward_store_snapshot *snapshot, uint64_t since,
                               struct ward_seal *ret_seal);
/* Writes the tag over the head's size, epoch, tree and sums; the head has a seal then. */
ward_status ward_integrity_seal(const struct ward_integrity *integrity, struct ward_head *head);

/* STATE, with a refusal that says what was changed and what to do. */
ward_status ward_integrity_check_head(const struct ward_integrity *integrity,
                                      const struct ward_head *head);
/* The head, and that the rows add up to its sums, and that the newest policy is the text that its
 * row names. */
ward_status ward_integrity_check(const struct ward_integrity *integrity,
                                 const struct ward_store_snapshot *snapshot);
/* How many facts the snapshot holds. */
size_t ward_integrity_facts(const struct ward_store_snapshot *snapshot);

#endif
