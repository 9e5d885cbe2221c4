/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6962 trees: growing one from its frontier, and making and checking proofs. Nothing here
 * recurses: a subtree's root is that of a tree grown from its leaves alone. Knows hashes, not what
 * a leaf says. */
#include "base/merkle.h"

#define SIZE_LIMIT (((uint64_t)1 << WARD_MERKLE_DEPTH_MAX) - 1)

static const uint8_t leaf_prefix = 0x00, node_prefix = 0x01;

static size_t popcount(uint64_t v)
{
    return (size_t)__builtin_popcountll(v);
}

static bool hash_eq(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, WARD_MERKLE_HASH_SIZE) == 0;
}

ward_status ward_merkle_leaf(struct ward_digest *digest, struct ward_bytes data,
                             uint8_t out[static WARD_MERKLE_HASH_SIZE])
{
    struct ward_bytes parts[] = {{&leaf_prefix, 1}, data};
    return ward_sha256(digest, parts, 2, out);
}

ward_status ward_merkle_node(struct ward_digest *digest, const uint8_t left[static 32],
                             const uint8_t right[static 32], uint8_t out[static 32])
{
    struct ward_bytes parts[] = {
        {&node_prefix, 1}, {left, WARD_MERKLE_HASH_SIZE}, {right, WARD_MERKLE_HASH_SIZE}};
    return ward_sha256(digest, parts, 3, out);
}

/* As adding one to a binary number: each trailing set bit of the size is a full subtree that the
 * new one joins. */
ward_status ward_merkle_append(struct ward_digest *digest, struct ward_merkle *tree,
                               const uint8_t leaf[static WARD_MERKLE_HASH_SIZE])
{
    WARD_ENSURE(tree->size < SIZE_LIMIT, WARD_E_EXHAUSTED);
    uint8_t hash[WARD_MERKLE_HASH_SIZE];
    memcpy(hash, leaf, sizeof(hash));
    size_t n = popcount(tree->size);
    for (uint64_t rest = tree->size; (rest & 1) != 0; rest >>= 1) {
        n--;
        WARD_TRY(ward_merkle_node(digest, tree->frontier[n], hash, hash));
    }
    memcpy(tree->frontier[n], hash, sizeof(hash));
    tree->size++;
    return WARD_OK;
}

ward_status ward_merkle_root(struct ward_digest *digest, const struct ward_merkle *tree,
                             uint8_t out[static WARD_MERKLE_HASH_SIZE])
{
    size_t n = popcount(tree->size);
    if (n == 0) {
        return ward_sha256(digest, NULL, 0, out);
    }
    uint8_t hash[WARD_MERKLE_HASH_SIZE];
    memcpy(hash, tree->frontier[n - 1], sizeof(hash));
    for (size_t i = n - 1; i-- > 0;) {
        WARD_TRY(ward_merkle_node(digest, tree->frontier[i], hash, hash));
    }
    memcpy(out, hash, sizeof(hash));
    return WARD_OK;
}

size_t ward_merkle_frontier_size(uint64_t size)
{
    return popcount(size) * WARD_MERKLE_HASH_SIZE;
}

void ward_merkle_store(const struct ward_merkle *tree, uint8_t *out)
{
    memcpy(out, tree->frontier, ward_merkle_frontier_size(tree->size));
}

ward_status ward_merkle_load(uint64_t size, struct ward_bytes frontier, struct ward_merkle *ret)
{
    WARD_REQUIRE(size <= SIZE_LIMIT, "tree: too large");
    WARD_REQUIRE(frontier.size == ward_merkle_frontier_size(size),
                 "tree: frontier does not fit its size");
    ret->size = size;
    if (frontier.size > 0) {
        memcpy(ret->frontier, frontier.data, frontier.size);
    }
    return WARD_OK;
}

/* MTH(leaves[0:n]). */
static ward_status range_root(struct ward_digest *digest, const uint8_t (*leaves)[32], uint64_t n,
                              uint8_t out[static 32])
{
    struct ward_merkle tree;
    tree.size = 0;
    for (uint64_t i = 0; i < n; i++) {
        WARD_TRY(ward_merkle_append(digest, &tree, leaves[i]));
    }
    return ward_merkle_root(digest, &tree, out);
}

/* The largest power of two below n, for n > 1. */
static uint64_t split(uint64_t n)
{
    return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

static void reverse(uint8_t (*proof)[32], size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t hash[WARD_MERKLE_HASH_SIZE];
        memcpy(hash, proof[i], sizeof(hash));
        memcpy(proof[i], proof[n - 1 - i], sizeof(hash));
        memcpy(proof[n - 1 - i], hash, sizeof(hash));
    }
}

/* PATH(index, leaves), collected from the root down and turned round at the end. */
ward_status ward_merkle_inclusion(struct ward_digest *digest, const uint8_t (*leaves)[32],
                                  uint64_t size, uint64_t index, uint8_t (*proof)[32],
                                  size_t *ret_n)
{
    WARD_REQUIRE(size <= SIZE_LIMIT, "tree: too large");
    WARD_REQUIRE(index < size, "index: outside the tree");
    size_t n = 0;
    while (size > 1) {
        uint64_t k = split(size);
        if (index < k) {
            WARD_TRY(range_root(digest, leaves + k, size - k, proof[n]));
            size = k;
        } else {
            WARD_TRY(range_root(digest, leaves, k, proof[n]));
            leaves += k;
            index -= k;
            size -= k;
        }
        n++;
    }
    reverse(proof, n);
    *ret_n = n;
    return WARD_OK;
}

/* PROOF(old_size, leaves); empty when old_size is 0 or the size itself. */
ward_status ward_merkle_consistency(struct ward_digest *digest, const uint8_t (*leaves)[32],
                                    uint64_t old_size, uint64_t size, uint8_t (*proof)[32],
                                    size_t *ret_n)
{
    WARD_REQUIRE(size <= SIZE_LIMIT, "tree: too large");
    WARD_REQUIRE(old_size <= size, "old_size: larger than the tree");
    size_t n = 0;
    bool whole = true; /* the old tree is still the left edge: its root is known to the reader */
    uint64_t old = old_size;
    while (old > 0 && old < size) {
        uint64_t k = split(size);
        if (old <= k) {
            WARD_TRY(range_root(digest, leaves + k, size - k, proof[n]));
            size = k;
        } else {
            WARD_TRY(range_root(digest, leaves, k, proof[n]));
            leaves += k;
            old -= k;
            size -= k;
            whole = false;
        }
        n++;
    }
    if (old > 0 && !whole) {
        WARD_TRY(range_root(digest, leaves, size, proof[n]));
        n++;
    }
    reverse(proof, n);
    *ret_n = n;
    return WARD_OK;
}

/* RFC 9162, 2.1.3.2. */
ward_status ward_merkle_verify_inclusion(struct ward_digest *digest, const uint8_t leaf[static 32],
                                         uint64_t index, uint64_t size, const uint8_t (*proof)[32],
                                         size_t n, const uint8_t root[static 32])
{
    WARD_REQUIRE(index < size, "index: outside the tree");
    uint8_t hash[WARD_MERKLE_HASH_SIZE];
    memcpy(hash, leaf, sizeof(hash));
    uint64_t at = index, last = size - 1;
    for (size_t i = 0; i < n; i++) {
        WARD_REQUIRE(last != 0, "proof: too long");
        if ((at & 1) != 0 || at == last) {
            WARD_TRY(ward_merkle_node(digest, proof[i], hash, hash));
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            WARD_TRY(ward_merkle_node(digest, hash, proof[i], hash));
        }
        at >>= 1;
        last >>= 1;
    }
    WARD_REQUIRE(last == 0, "proof: too short");
    WARD_REQUIRE(hash_eq(hash, root), "proof: does not hold");
    return WARD_OK;
}

/* Both roots from a proof between two trees, 0 < old_size < size (RFC 9162, 2.1.4.2). */
static ward_status roots_from_proof(struct ward_digest *digest, uint64_t old_size, uint64_t size,
                                    const uint8_t (*proof)[32], size_t n,
                                    uint8_t old_hash[static 32], uint8_t hash[static 32])
{
    uint64_t at = old_size - 1, last = size - 1;
    while ((at & 1) != 0) {
        at >>= 1;
        last >>= 1;
    }
    for (size_t i = 0; i < n; i++) {
        WARD_REQUIRE(last != 0, "proof: too long");
        if ((at & 1) != 0 || at == last) {
            WARD_TRY(ward_merkle_node(digest, proof[i], old_hash, old_hash));
            WARD_TRY(ward_merkle_node(digest, proof[i], hash, hash));
            while ((at & 1) == 0 && at != 0) {
                at >>= 1;
                last >>= 1;
            }
        } else {
            WARD_TRY(ward_merkle_node(digest, hash, proof[i], hash));
        }
        at >>= 1;
        last >>= 1;
    }
    WARD_REQUIRE(last == 0, "proof: too short");
    return WARD_OK;
}

ward_status ward_merkle_verify_consistency(struct ward_digest *digest, uint64_t old_size,
                                           const uint8_t old_root[static 32], uint64_t size,
                                           const uint8_t root[static 32],
                                           const uint8_t (*proof)[32], size_t n)
{
    WARD_REQUIRE(old_size <= size, "old_size: larger than the tree");
    if (old_size == size) {
        WARD_REQUIRE(n == 0, "proof: too long");
        WARD_REQUIRE(hash_eq(old_root, root), "proof: does not hold");
        return WARD_OK;
    }
    uint8_t old_hash[WARD_MERKLE_HASH_SIZE], hash[WARD_MERKLE_HASH_SIZE];
    if (old_size == 0) { /* every tree grows out of the empty one */
        WARD_REQUIRE(n == 0, "proof: too long");
        WARD_TRY(ward_sha256(digest, NULL, 0, old_hash));
        WARD_REQUIRE(hash_eq(old_hash, old_root), "proof: does not hold");
        return WARD_OK;
    }
    /* An old tree that is one full subtree stands for itself; else the proof begins with one. */
    const uint8_t *first = old_root;
    if ((old_size & (old_size - 1)) != 0) {
        WARD_REQUIRE(n > 0, "proof: too short");
        first = proof[0];
        proof++;
        n--;
    }
    memcpy(old_hash, first, sizeof(old_hash));
    memcpy(hash, first, sizeof(hash));
    WARD_TRY(roots_from_proof(digest, old_size, size, proof, n, old_hash, hash));
    WARD_REQUIRE(hash_eq(old_hash, old_root) && hash_eq(hash, root), "proof: does not hold");
    return WARD_OK;
}
