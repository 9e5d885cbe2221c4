/* SPDX-License-Identifier: Apache-2.0 */
/* Tiles and bundles: paths, widths, contents, and that the tiles together are the tree. */
#include "tests/unit/proto/vectors.h"

#include <stdlib.h>
#include <string.h>

#include "base/merkle.h"
#include "proto/tlog_tiles.h"

static struct ward_digest *digest;

static int digest_setup(void **state)
{
    (void)state;
    assert_ok(ward_digest_new(&digest));
    return 0;
}

static int digest_teardown(void **state)
{
    (void)state;
    ward_digest_free(digest);
    return 0;
}

static void leaf_of(uint32_t number, uint8_t out[static 32])
{
    uint8_t data[4];
    ward_put_u32(data, number);
    assert_ok(ward_merkle_leaf(digest, WARD_BYTES_ARRAY(data), out));
}

static void check_path(const json_t *json)
{
    struct ward_tile tile = {(uint8_t)vector_int(json, "level"), 0,
                             (uint16_t)vector_int(json, "width")},
                     back;
    tile.index = strtoull(vector_str(json, "index"), NULL, 10);
    bool entries = json_is_true(json_object_get(json, "entries")), back_entries = !entries;
    char path[WARD_TILE_PATH_MAX];
    if (entries) {
        ward_tile_entries_path(&tile, path);
    } else {
        ward_tile_path(&tile, path);
    }
    assert_string_equal(path, vector_str(json, "path"));
    assert_true(ward_tile_path_parse(path, &back, &back_entries));
    assert_int_equal(back.level, tile.level);
    assert_true(back.index == tile.index);
    assert_int_equal(back.width, tile.width);
    assert_int_equal(back_entries, entries);
}

static void check_bundle(void **state, const json_t *json)
{
    struct ward_bytes expected = vector_hex(*state, json, "bundle"), entry;
    ward_auto(ward_buffer_fini) struct ward_buffer bundle;
    ward_buffer_init(&bundle, 1 << 20);
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, expected);
    size_t i;
    json_t *text;
    json_array_foreach(json_object_get(json, "texts"), i, text)
    {
        assert_ok(ward_tile_entry_add(text_of(*state, text), &bundle));
        assert_true(ward_tile_entry_next(&cursor, &entry));
        assert_bytes(entry, text_of(*state, text));
    }
    assert_bytes(ward_buffer_view(&bundle), expected);
    assert_false(ward_tile_entry_next(&cursor, &entry));
    assert_true(ward_cursor_done(&cursor));
}

static void check_leaves(void **state, const json_t *json)
{
    uint8_t hashes[WARD_TILE_SIZE], hash[32];
    for (uint32_t i = 0; i < WARD_TILE_WIDTH; i++) {
        leaf_of(i, hashes + 32 * (size_t)i);
    }
    const struct ward_bytes all = WARD_BYTES_ARRAY(hashes);
    assert_ok(ward_sha256(digest, &all, 1, hash));
    assert_bytes(WARD_BYTES_ARRAY(hash), vector_hex(*state, json, "level0_sha256"));
    assert_ok(ward_tile_hash(digest, hashes, hash));
    assert_bytes(WARD_BYTES_ARRAY(hash), vector_hex(*state, json, "level1"));
}

static void vectors_hold(void **state)
{
    json_t *vectors = vectors_load("tiles.json"), *json;
    size_t i;
    json_array_foreach(vectors, i, json)
    {
        if (vector_str(json, "path") != NULL) {
            check_path(json);
        } else if (vector_str(json, "bundle") != NULL) {
            check_bundle(state, json);
        } else {
            check_leaves(state, json);
        }
    }
}

static void paths_of_another_spelling_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/00/001",
        "tile/01/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/0/x001",
        "tile/0/x001/",
        "tile/0/001/002",
        "tile/0/x01/002",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001.p",
        "tile/0/001.p/8/",
        "tile/0/001.p/8.p/8",
        "/tile/0/001",
        "tile/0/001 ",
        "tile/0/../001",
        "tile//001",
        "tile/entries/",
        "tile/entries/1",
        "tile/entries/0/001",
        "tile/entries/001.p/1000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x001/x000/x000/x000/x000/x000/x000/000",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ward_tile tile;
        bool entries;
        if (ward_tile_path_parse(bad[i], &tile, &entries)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

/* The example of the specification: a tree of 70,000. */
static void widths_are_those_of_the_specification(void **state)
{
    (void)state;
    assert_int_equal(ward_tile_width(70000, 0, 272), 256);
    assert_int_equal(ward_tile_width(70000, 0, 273), 112);
    assert_int_equal(ward_tile_width(70000, 0, 274), 0);
    assert_int_equal(ward_tile_width(70000, 1, 0), 256);
    assert_int_equal(ward_tile_width(70000, 1, 1), 17);
    assert_int_equal(ward_tile_width(70000, 2, 0), 1);
    assert_int_equal(ward_tile_width(70000, 3, 0), 0);
    assert_int_equal(ward_tile_width(256, 0, 0), 256);
    assert_int_equal(ward_tile_width(256, 0, 1), 0);
    assert_int_equal(ward_tile_width(256, 1, 0), 1);
    assert_int_equal(ward_tile_width(0, 0, 0), 0);
    assert_int_equal(ward_tile_width(UINT64_MAX, 7, 0), 255);
    assert_int_equal(ward_tile_width(UINT64_MAX, 8, 0), 0);
}

static void cut_bundles_are_seen(void **state)
{
    (void)state;
    static const uint8_t bundle[] = {0, 1, 'a', 0, 2, 'b', 'c'};
    for (size_t size = 0; size < sizeof(bundle); size++) {
        struct ward_cursor cursor;
        struct ward_bytes entry;
        ward_cursor_init(&cursor, WARD_BYTES(bundle, size));
        while (ward_tile_entry_next(&cursor, &entry)) {
            assert_true(entry.size <= 2);
        }
        assert_int_equal(ward_cursor_done(&cursor), size == 0 || size == 3);
    }
}

static void an_entry_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const uint8_t large[WARD_TILE_ENTRY_MAX + 1];
    ward_auto(ward_buffer_fini) struct ward_buffer bundle;
    ward_buffer_init(&bundle, 2 + WARD_TILE_ENTRY_MAX);
    assert_refusal(ward_tile_entry_add(WARD_BYTES_ARRAY(large), &bundle), WARD_E_INVALID,
                   "entry: larger than 65535 bytes");
    assert_ok(ward_tile_entry_add(WARD_BYTES(large, WARD_TILE_ENTRY_MAX), &bundle));
    assert_code(ward_tile_entry_add(WARD_BYTES(large, 0), &bundle), WARD_E_EXHAUSTED);
}

struct seen {
    uint64_t size, full[2], partial[3];
    struct ward_merkle levels[2]; /* trees over the hashes of tiles of level 0 and 1 */
};

static ward_status see(void *context, const struct ward_tile *tile, struct ward_bytes hashes)
{
    struct seen *seen = context;
    assert_int_equal(hashes.size, 32 * (size_t)tile->width);
    assert_int_equal(tile->width, ward_tile_width(seen->size, tile->level, tile->index));
    if (tile->width == WARD_TILE_WIDTH) {
        assert_true(tile->index == seen->full[tile->level]++);
    } else {
        seen->partial[tile->level] = tile->width;
    }
    if (tile->level == 0) {
        for (size_t i = 0; i < tile->width; i++) {
            WARD_TRY(ward_merkle_append(digest, &seen->levels[0], hashes.data + 32 * i));
        }
    }
    return WARD_OK;
}

static void tiles_of_a_growing_tree_are_its_leaves_and_subtrees(void **state)
{
    (void)state;
    struct seen *seen = calloc(1, sizeof(*seen));
    assert_non_null(seen);
    seen->size = 70000;
    struct ward_merkle tree = {0};
    ward_auto(ward_tile_builder_freep) struct ward_tile_builder *builder = NULL;
    assert_ok(ward_tile_builder_new(digest, see, seen, &builder));
    for (uint32_t i = 0; i < 70000; i++) {
        uint8_t leaf[32];
        leaf_of(i, leaf);
        assert_ok(ward_tile_builder_add(builder, leaf));
        assert_ok(ward_merkle_append(digest, &tree, leaf));
    }
    assert_ok(ward_tile_builder_finish(builder));
    assert_true(seen->full[0] == 273 && seen->full[1] == 1);
    assert_true(seen->partial[0] == 112 && seen->partial[1] == 17 && seen->partial[2] == 1);
    uint8_t root[32], again[32];
    assert_ok(ward_merkle_root(digest, &tree, root));
    assert_ok(ward_merkle_root(digest, &seen->levels[0], again));
    assert_memory_equal(root, again, 32);
    free(seen);
}

static ward_status refuse(void *context, const struct ward_tile *tile, struct ward_bytes hashes)
{
    (void)context;
    (void)tile;
    (void)hashes;
    WARD_FAIL(WARD_E_UNAVAILABLE);
}

static void a_tile_that_cannot_be_kept_stops_the_builder(void **state)
{
    (void)state;
    static const uint8_t leaf[32];
    ward_auto(ward_tile_builder_freep) struct ward_tile_builder *builder = NULL;
    assert_ok(ward_tile_builder_new(digest, refuse, NULL, &builder));
    for (int i = 0; i < 255; i++) {
        assert_ok(ward_tile_builder_add(builder, leaf));
    }
    assert_code(ward_tile_builder_finish(builder), WARD_E_UNAVAILABLE);
    assert_code(ward_tile_builder_add(builder, leaf), WARD_E_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vectors_hold),
        TEST(paths_of_another_spelling_are_refused),
        TEST(widths_are_those_of_the_specification),
        TEST(cut_bundles_are_seen),
        TEST(an_entry_that_does_not_fit_is_refused),
        TEST(tiles_of_a_growing_tree_are_its_leaves_and_subtrees),
        TEST(a_tile_that_cannot_be_kept_stops_the_builder),
    };
    return cmocka_run_group_tests(tests, digest_setup, digest_teardown);
}
