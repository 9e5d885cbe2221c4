/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6962 Merkle tree: leaf = SHA-256(0x00 || data), node = SHA-256(0x01 || left || right).
 * The frontier is all that is needed to append: the roots of the full subtrees, largest first,
 * one for each set bit of the size. */
#ifndef WARD_BASE_MERKLE_H
#define WARD_BASE_MERKLE_H

#include "base/digest.h"

#define WARD_MERKLE_HASH_SIZE 32
#define WARD_MERKLE_DEPTH_MAX 63

struct ward_merkle {
    uint64_t size;
    uint8_t frontier[WARD_MERKLE_DEPTH_MAX][WARD_MERKLE_HASH_SIZE];
};

ward_status ward_merkle_leaf(struct ward_digest *digest, struct ward_bytes data,
                             uint8_t out[static WARD_MERKLE_HASH_SIZE]);
ward_status ward_merkle_node(struct ward_digest *digest, const uint8_t left[static 32],
                             const uint8_t right[static 32], uint8_t out[static 32]);
/* Appends one leaf hash. */
ward_status ward_merkle_append(struct ward_digest *digest, struct ward_merkle *tree,
                               const uint8_t leaf[static WARD_MERKLE_HASH_SIZE]);
/* The root; of the empty tree SHA-256(""). */
ward_status ward_merkle_root(struct ward_digest *digest, const struct ward_merkle *tree,
                             uint8_t out[static WARD_MERKLE_HASH_SIZE]);
/* The frontier as stored: popcount(size) hashes of 32 bytes. Sizes are in bytes. */
size_t ward_merkle_frontier_size(uint64_t size);
void ward_merkle_store(const struct ward_merkle *tree, uint8_t *out);
ward_status ward_merkle_load(uint64_t size, struct ward_bytes frontier, struct ward_merkle *ret);

/* Proofs over leaf hashes held in memory (32 * size bytes), RFC 6962 2.1.1 and 2.1.2.
 * proof has room for WARD_MERKLE_DEPTH_MAX + 1 hashes. INVALID when index or sizes are off. */
ward_status ward_merkle_inclusion(struct ward_digest *digest, const uint8_t (*leaves)[32],
                                  uint64_t size, uint64_t index, uint8_t (*proof)[32],
                                  size_t *ret_n);
ward_status ward_merkle_consistency(struct ward_digest *digest, const uint8_t (*leaves)[32],
                                    uint64_t old_size, uint64_t size, uint8_t (*proof)[32],
                                    size_t *ret_n);
/* CIPHERTEXT is never returned here: a proof that does not hold is INVALID. */
ward_status ward_merkle_verify_inclusion(struct ward_digest *digest, const uint8_t leaf[static 32],
                                         uint64_t index, uint64_t size, const uint8_t (*proof)[32],
                                         size_t n, const uint8_t root[static 32]);
ward_status ward_merkle_verify_consistency(struct ward_digest *digest, uint64_t old_size,
                                           const uint8_t old_root[static 32], uint64_t size,
                                           const uint8_t root[static 32],
                                           const uint8_t (*proof)[32], size_t n);

#endif
