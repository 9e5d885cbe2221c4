/* SPDX-License-Identifier: Apache-2.0 */
/* Policy as a chain from the genesis hash of the configuration: version 1 is that very text, and
 * every later one was proposed and approved, by signatures, by officers of the version before it.
 * What cannot be shown to be so is never in force, whoever wrote it into the database.
 *
 *   genesis hash == hash(text 1)
 *   text n  <-- to_hash -- proposal -- from_hash --> text n-1
 *                             ^ signed by its proposer and by as many others as the guards of
 *                               policy.apply in n-1 and in n want, all officers by n-1
 *
 * A certificate is judged as of its vote, since approvals outlive certificates; so the CAs that
 * issued the old ones stay in client_ca as long as the chain is to be read. */
#ifndef WARD_SERVER_POLICY_CHAIN_H
#define WARD_SERVER_POLICY_CHAIN_H

#include "backends/store.h"
#include "base/digest.h"
#include "policy/policy.h"
#include "server/authn/trust.h"

struct ward_policy_chain {
    uint8_t genesis[WARD_SHA256_SIZE];
    struct ward_trust *trust; /* borrowed */
    struct ward_digest *digest;
    uint32_t version;           /* the newest that was verified; it is never verified again */
    struct ward_policy *policy; /* of that version; NULL before the first */
};

ward_status ward_policy_chain_init(struct ward_policy_chain *chain,
                                   const uint8_t genesis[static WARD_SHA256_SIZE],
                                   struct ward_trust *trust);
void ward_policy_chain_fini(struct ward_policy_chain *chain);

/* One version more. deployment and revocations are looked at in the snapshot. proposal NULL: the
 * database has none. STATE with a text for the operator when it does not hold; the chain is then as
 * it was. */
ward_status ward_policy_chain_add(struct ward_policy_chain *chain,
                                  const struct ward_store_snapshot *snapshot,
                                  struct ward_arena *arena, const struct ward_store_policy *version,
                                  const struct ward_store_proposal *proposal);

/* Everything up to the version that the snapshot has in force. STATE as above, also when the
 * database went back to an older version; UNAVAILABLE when it does not answer. */
ward_status ward_policy_chain_follow(struct ward_policy_chain *chain,
                                     struct ward_store_reader *reader,
                                     const struct ward_store_snapshot *snapshot);

#endif
