/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 6962: known roots, the seven-leaf proofs of its section 2.1.3, and proofs that must not hold.
 * The reference below follows the RFC's recursive definitions word by word. */
#include "tests/unit/base/check.h"

#include "base/merkle.h"

#define LEAVES 40

static struct ward_digest *digest;
static uint8_t leaves[LEAVES][32];

static const char *const known_leaves[8] = {"",
                                            "00",
                                            "10",
                                            "2021",
                                            "3031",
                                            "40414243",
                                            "5051525354555657",
                                            "606162636465666768696a6b6c6d6e6f"};
static const char *const known_roots[9] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

static int set_up(void **state)
{
    (void)state;
    if (!ward_ok(ward_digest_new(&digest))) {
        return -1;
    }
    for (size_t i = 0; i < LEAVES; i++) {
        uint8_t data[16] = {(uint8_t)i};
        struct ward_bytes bytes = i < 8 ? from_hex(known_leaves[i], data) : WARD_BYTES(data, 3);
        if (!ward_ok(ward_merkle_leaf(digest, bytes, leaves[i]))) {
            return -1;
        }
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ward_digest_free(digest);
    return 0;
}

/* MTH(leaves[from:to]) as the RFC writes it. */
static void reference_root(size_t from, size_t to, uint8_t out[static 32])
{
    if (to == from) {
        assert_ok(ward_sha256(digest, NULL, 0, out));
    } else if (to - from == 1) {
        memcpy(out, leaves[from], 32);
    } else {
        size_t k = 1;
        while (2 * k < to - from) {
            k *= 2;
        }
        uint8_t left[32], right[32];
        reference_root(from, from + k, left);
        reference_root(from + k, to, right);
        assert_ok(ward_merkle_node(digest, left, right, out));
    }
}

static void grow(struct ward_merkle *tree, size_t size)
{
    memset(tree, 0, sizeof(*tree));
    for (size_t i = 0; i < size; i++) {
        assert_ok(ward_merkle_append(digest, tree, leaves[i]));
    }
}

static void roots_are_the_known_ones(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 8; size++) {
        struct ward_merkle tree;
        uint8_t root[32];
        grow(&tree, size);
        assert_int_equal(tree.size, size);
        assert_ok(ward_merkle_root(digest, &tree, root));
        assert_hex(root, 32, known_roots[size]);
    }
}

static void appending_agrees_with_the_definition(void **state)
{
    (void)state;
    struct ward_merkle tree = {0};
    for (size_t size = 0; size <= LEAVES; size++) {
        uint8_t root[32], reference[32];
        assert_ok(ward_merkle_root(digest, &tree, root));
        reference_root(0, size, reference);
        assert_memory_equal(root, reference, 32);
        if (size < LEAVES) {
            assert_ok(ward_merkle_append(digest, &tree, leaves[size]));
        }
    }
}

static void leaf_and_node_are_told_apart(void **state)
{
    (void)state;
    uint8_t both[64], as_leaf[32], as_node[32];
    memcpy(both, leaves[0], 32);
    memcpy(both + 32, leaves[1], 32);
    assert_ok(ward_merkle_leaf(digest, WARD_BYTES_ARRAY(both), as_leaf));
    assert_ok(ward_merkle_node(digest, leaves[0], leaves[1], as_node));
    assert_memory_not_equal(as_leaf, as_node, 32);
}

static void stored_frontier_goes_on_where_it_stopped(void **state)
{
    (void)state;
    for (size_t size = 0; size < LEAVES; size++) {
        struct ward_merkle tree, loaded;
        uint8_t stored[WARD_MERKLE_DEPTH_MAX * 32], a[32], b[32];
        grow(&tree, size);
        size_t stored_size = ward_merkle_frontier_size(size);
        assert_int_equal(stored_size, 32 * (size_t)__builtin_popcountll(size));
        ward_merkle_store(&tree, stored);
        assert_ok(ward_merkle_load(size, WARD_BYTES(stored, stored_size), &loaded));
        assert_ok(ward_merkle_append(digest, &tree, leaves[size]));
        assert_ok(ward_merkle_append(digest, &loaded, leaves[size]));
        assert_ok(ward_merkle_root(digest, &tree, a));
        assert_ok(ward_merkle_root(digest, &loaded, b));
        assert_memory_equal(a, b, 32);
    }
}

static void a_frontier_of_another_size_is_refused(void **state)
{
    (void)state;
    uint8_t stored[64 * 32] = {0};
    struct ward_merkle tree;
    const char *text = "tree: frontier does not fit its size";
    assert_refused(ward_merkle_load(0, WARD_BYTES(stored, 32), &tree), text);
    assert_refused(ward_merkle_load(7, WARD_BYTES(stored, 95), &tree), text);
    assert_refused(ward_merkle_load(7, WARD_BYTES(stored, 97), &tree), text);
    assert_refused(ward_merkle_load(7, WARD_BYTES(stored, 128), &tree), text);
    assert_refused(ward_merkle_load(7, (struct ward_bytes){0}, &tree), text);
    assert_refused(ward_merkle_load(UINT64_MAX, WARD_BYTES(stored, 64 * 32), &tree),
                   "tree: too large");
}

static void a_full_tree_takes_no_more(void **state)
{
    (void)state;
    uint8_t stored[63 * 32] = {0};
    struct ward_merkle tree;
    uint64_t most = ((uint64_t)1 << 63) - 1;
    assert_ok(ward_merkle_load(most, WARD_BYTES_ARRAY(stored), &tree));
    assert_code(ward_merkle_append(digest, &tree, leaves[0]), WARD_E_EXHAUSTED);
    assert_true(tree.size == most);
}

/* The tree of RFC 6962, 2.1.3: k = (g,h), l = (i,j), g = (a,b), h = (c,d), i = (e,f), j = d6. */
static void seven_leaf_inclusion_paths_are_those_of_the_rfc(void **state)
{
    (void)state;
    uint8_t g[32], h[32], i[32], k[32], l[32], proof[64][32];
    reference_root(0, 2, g);
    reference_root(2, 4, h);
    reference_root(4, 6, i);
    reference_root(0, 4, k);
    reference_root(4, 7, l);
    const uint8_t *j = leaves[6];
    const struct {
        size_t index, n;
        const uint8_t *path[3];
    } expected[] = {
        {0, 3, {leaves[1], h, l}},
        {3, 3, {leaves[2], g, l}},
        {4, 3, {leaves[5], j, k}},
        {6, 2, {i, k, NULL}},
    };
    for (size_t e = 0; e < 4; e++) {
        size_t n = 0;
        assert_ok(ward_merkle_inclusion(digest, leaves, 7, expected[e].index, proof, &n));
        assert_int_equal(n, expected[e].n);
        for (size_t p = 0; p < n; p++) {
            assert_memory_equal(proof[p], expected[e].path[p], 32);
        }
    }
}

static void seven_leaf_consistency_proofs_are_those_of_the_rfc(void **state)
{
    (void)state;
    uint8_t g[32], i[32], k[32], l[32], proof[64][32];
    reference_root(0, 2, g);
    reference_root(4, 6, i);
    reference_root(0, 4, k);
    reference_root(4, 7, l);
    const struct {
        size_t old_size, n;
        const uint8_t *path[4];
    } expected[] = {
        {3, 4, {leaves[2], leaves[3], g, l}},
        {4, 1, {l}},
        {6, 3, {i, leaves[6], k}},
    };
    for (size_t e = 0; e < 3; e++) {
        size_t n = 0;
        assert_ok(ward_merkle_consistency(digest, leaves, expected[e].old_size, 7, proof, &n));
        assert_int_equal(n, expected[e].n);
        for (size_t p = 0; p < n; p++) {
            assert_memory_equal(proof[p], expected[e].path[p], 32);
        }
    }
}

/* Each change that can be made to a proof, its place or its size must break it. */
static void check_inclusion(size_t size, size_t index)
{
    uint8_t root[32], proof[66][32] = {0};
    size_t n = 0;
    reference_root(0, size, root);
    assert_ok(ward_merkle_inclusion(digest, leaves, size, index, proof, &n));
    const uint8_t(*p)[32] = proof;
    assert_ok(ward_merkle_verify_inclusion(digest, leaves[index], index, size, p, n, root));
    for (size_t other = 0; other < size; other++) {
        if (other != index) {
            assert_code(
                ward_merkle_verify_inclusion(digest, leaves[index], other, size, p, n, root),
                WARD_E_INVALID);
            assert_code(
                ward_merkle_verify_inclusion(digest, leaves[other], index, size, p, n, root),
                WARD_E_INVALID);
        }
    }
    for (size_t i = 0; i < n; i++) {
        proof[i][31] ^= 1;
        assert_code(ward_merkle_verify_inclusion(digest, leaves[index], index, size, p, n, root),
                    WARD_E_INVALID);
        proof[i][31] ^= 1;
    }
    root[0] ^= 1;
    assert_refused(ward_merkle_verify_inclusion(digest, leaves[index], index, size, p, n, root),
                   "proof: does not hold");
    root[0] ^= 1;
    assert_refused(ward_merkle_verify_inclusion(digest, leaves[index], index, size, p, n + 1, root),
                   "proof: too long");
    if (n > 0) {
        assert_refused(
            ward_merkle_verify_inclusion(digest, leaves[index], index, size, p, n - 1, root),
            "proof: too short");
    }
}

static void every_inclusion_proof_holds_and_no_altered_one(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 20; size++) {
        for (size_t index = 0; index < size; index++) {
            check_inclusion(size, index);
        }
    }
}

static void check_consistency(size_t old_size, size_t size)
{
    uint8_t old_root[32], root[32], proof[66][32] = {0};
    size_t n = 0;
    reference_root(0, old_size, old_root);
    reference_root(0, size, root);
    assert_ok(ward_merkle_consistency(digest, leaves, old_size, size, proof, &n));
    const uint8_t(*p)[32] = proof;
    assert_ok(ward_merkle_verify_consistency(digest, old_size, old_root, size, root, p, n));
    for (size_t i = 0; i < n; i++) {
        proof[i][0] ^= 1;
        assert_code(ward_merkle_verify_consistency(digest, old_size, old_root, size, root, p, n),
                    WARD_E_INVALID);
        proof[i][0] ^= 1;
    }
    old_root[5] ^= 1;
    assert_refused(ward_merkle_verify_consistency(digest, old_size, old_root, size, root, p, n),
                   "proof: does not hold");
    old_root[5] ^= 1;
    if (old_size > 0) { /* any tree grows out of the empty one */
        root[5] ^= 1;
        assert_refused(ward_merkle_verify_consistency(digest, old_size, old_root, size, root, p, n),
                       "proof: does not hold");
        root[5] ^= 1;
    }
    assert_refused(ward_merkle_verify_consistency(digest, old_size, old_root, size, root, p, n + 1),
                   "proof: too long");
    if (n > 0) {
        assert_refused(
            ward_merkle_verify_consistency(digest, old_size, old_root, size, root, p, n - 1),
            "proof: too short");
    }
}

static void every_consistency_proof_holds_and_no_altered_one(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 20; size++) {
        for (size_t old_size = 0; old_size <= size; old_size++) {
            check_consistency(old_size, size);
        }
    }
}

static void a_tree_that_was_rewritten_is_not_consistent(void **state)
{
    (void)state;
    uint8_t other[9][32], old_root[32], root[32], proof[64][32];
    for (size_t changed = 0; changed < 5; changed++) {
        struct ward_merkle tree = {0};
        size_t n = 0;
        memcpy(other, leaves, sizeof(other));
        other[changed][0] ^= 1;
        for (size_t i = 0; i < 9; i++) {
            assert_ok(ward_merkle_append(digest, &tree, other[i]));
        }
        reference_root(0, 5, old_root);
        assert_ok(ward_merkle_root(digest, &tree, root));
        assert_ok(ward_merkle_consistency(digest, (const uint8_t(*)[32])other, 5, 9, proof, &n));
        assert_code(ward_merkle_verify_consistency(digest, 5, old_root, 9, root,
                                                   (const uint8_t(*)[32])proof, n),
                    WARD_E_INVALID);
    }
}

static void places_outside_the_tree_are_refused(void **state)
{
    (void)state;
    uint8_t proof[64][32], root[32] = {0};
    size_t n = 77;
    const uint8_t(*p)[32] = proof;
    assert_refused(ward_merkle_inclusion(digest, leaves, 0, 0, proof, &n),
                   "index: outside the tree");
    assert_refused(ward_merkle_inclusion(digest, leaves, 7, 7, proof, &n),
                   "index: outside the tree");
    assert_refused(ward_merkle_inclusion(digest, leaves, UINT64_MAX, 0, proof, &n),
                   "tree: too large");
    assert_refused(ward_merkle_consistency(digest, leaves, 8, 7, proof, &n),
                   "old_size: larger than the tree");
    assert_refused(ward_merkle_consistency(digest, leaves, 1, UINT64_MAX, proof, &n),
                   "tree: too large");
    assert_int_equal(n, 77);
    assert_refused(ward_merkle_verify_inclusion(digest, leaves[0], 7, 7, p, 0, root),
                   "index: outside the tree");
    assert_refused(ward_merkle_verify_inclusion(digest, leaves[0], 0, 0, p, 0, root),
                   "index: outside the tree");
    assert_refused(ward_merkle_verify_consistency(digest, 8, root, 7, root, p, 0),
                   "old_size: larger than the tree");
}

static void proofs_for_enormous_trees_are_bounded(void **state)
{
    (void)state;
    static uint8_t proof[100][32];
    uint8_t root[32] = {0};
    const uint8_t(*p)[32] = (const uint8_t(*)[32])proof;
    assert_refused(ward_merkle_verify_inclusion(digest, leaves[0], 0, UINT64_MAX, p, 100, root),
                   "proof: too long");
    assert_refused(ward_merkle_verify_consistency(digest, 1, root, UINT64_MAX, root, p, 100),
                   "proof: too long");
    assert_refused(ward_merkle_verify_consistency(digest, 3, root, 5, root, p, 0),
                   "proof: too short");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_are_the_known_ones),
        cmocka_unit_test(appending_agrees_with_the_definition),
        cmocka_unit_test(leaf_and_node_are_told_apart),
        cmocka_unit_test(stored_frontier_goes_on_where_it_stopped),
        cmocka_unit_test(a_frontier_of_another_size_is_refused),
        cmocka_unit_test(a_full_tree_takes_no_more),
        cmocka_unit_test(seven_leaf_inclusion_paths_are_those_of_the_rfc),
        cmocka_unit_test(seven_leaf_consistency_proofs_are_those_of_the_rfc),
        cmocka_unit_test(every_inclusion_proof_holds_and_no_altered_one),
        cmocka_unit_test(every_consistency_proof_holds_and_no_altered_one),
        cmocka_unit_test(a_tree_that_was_rewritten_is_not_consistent),
        cmocka_unit_test(places_outside_the_tree_are_refused),
        cmocka_unit_test(proofs_for_enormous_trees_are_bounded),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
