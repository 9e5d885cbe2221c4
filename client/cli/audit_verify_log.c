/* SPDX-License-Identifier: Apache-2.0 */
/* The tree, computed twice: once from the entries and once from the level-0 tiles. The signed root
 * tells which of the two is the true one where they differ, so that what was altered can be named.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/merkle.h"
#include "client/cli/audit_verify.h"
#include "proto/tlog_tiles.h"

#define BUNDLE_MAX ((size_t)WARD_TILE_WIDTH * (WARD_TILE_ENTRY_MAX + 2))
#define MISMATCHES_MAX 1000
#define HOLES_MAX 1000 /* bundles that are wholly gone, before the rest is given up */

struct mismatch {
    uint64_t leaf;
    bool upper; /* a tile above level 0, named by `tile` */
    struct ward_tile tile;
};

/* One way of computing the tree. */
struct side {
    struct audit_check *check;
    bool whole, matches;
    struct ward_merkle tree;
    struct ward_tile_builder *builder;
    struct mismatch upper[MISMATCHES_MAX];
    size_t n_upper;
};

struct log {
    struct audit_check *check;
    uint64_t size;
    struct side entries, tiles;
    uint64_t differing[MISMATCHES_MAX]; /* leaves whose entry and tile hash differ */
    size_t n_differing;
    uint64_t holes;
};

/* ---- upper tiles ---- */

static ward_status on_tile(void *context, const struct ward_tile *tile, struct ward_bytes hashes)
{
    struct side *side = context;
    if (tile->level == 0 || side->n_upper == MISMATCHES_MAX) {
        return WARD_OK;
    }
    char path[WARD_TILE_PATH_MAX];
    ward_tile_path(tile, path);
    struct ward_buffer content;
    ward_buffer_init(&content, WARD_TILE_SIZE + 1);
    bool same = audit_folder_read(side->check->folder, path, &content) &&
                ward_bytes_eq(ward_buffer_view(&content), hashes);
    ward_buffer_fini(&content);
    if (!same) {
        side->upper[side->n_upper++] = (struct mismatch){.upper = true, .tile = *tile};
    }
    return WARD_OK;
}

static void say_upper(struct audit_check *check, const struct side *side)
{
    for (size_t i = 0; i < side->n_upper; i++) {
        char path[WARD_TILE_PATH_MAX];
        ward_tile_path(&side->upper[i].tile, path);
        struct ward_buffer content;
        ward_buffer_init(&content, WARD_TILE_SIZE + 1);
        if (audit_load(check, path, &content)) {
            audit_say(check, "altered", path, -1, "the tile is not what the leaves below give");
        }
        ward_buffer_fini(&content);
    }
}

/* ---- one bundle and its tile ---- */

struct pair {
    struct ward_buffer entries, tile;
    char entries_path[WARD_TILE_PATH_MAX], tile_path[WARD_TILE_PATH_MAX];
    bool has_entries, has_tile;
};

static void load_pair(struct log *log, uint64_t index, uint16_t width, struct pair *pair)
{
    struct ward_tile tile = {.index = index, .width = width};
    ward_tile_entries_path(&tile, pair->entries_path);
    ward_tile_path(&tile, pair->tile_path);
    ward_buffer_init(&pair->entries, BUNDLE_MAX);
    ward_buffer_init(&pair->tile, WARD_TILE_SIZE + 1);
    pair->has_entries = audit_load(log->check, pair->entries_path, &pair->entries);
    pair->has_tile = audit_load(log->check, pair->tile_path, &pair->tile);
    size_t size = (size_t)width * 32;
    if (pair->has_tile && pair->tile.size != size) {
        audit_say(log->check, pair->tile.size < size ? "cut" : "altered", pair->tile_path, -1,
                  "the tile has %zu bytes instead of %zu", pair->tile.size, size);
        pair->has_tile = false;
    }
}

static void side_add(struct side *side, const uint8_t hash[static 32], ward_status *status)
{
    if (side->whole && ward_ok(*status)) {
        *status = ward_merkle_append(side->check->digest, &side->tree, hash);
    }
    if (side->whole && ward_ok(*status)) {
        *status = ward_tile_builder_add(side->builder, hash);
    }
}

/* What can be said of one entry on its own: its number. */
static void check_number(struct log *log, const struct pair *pair, struct ward_bytes entry,
                         uint64_t leaf)
{
    uint64_t seq = 0;
    if (!audit_leaf_seq(entry, &seq)) {
        audit_say(log->check, "altered", pair->entries_path, (int64_t)leaf,
                  "the entry is not an audit leaf");
    } else if (seq != leaf) {
        audit_say(log->check, "altered", pair->entries_path, (int64_t)leaf,
                  "the entry says that it is leaf %llu", (unsigned long long)seq);
    }
}

static ward_status check_leaf(struct log *log, struct pair *pair, struct ward_cursor *cursor,
                              uint64_t leaf, uint16_t at)
{
    uint8_t hash[32];
    const uint8_t *tile = pair->has_tile ? pair->tile.data + (size_t)at * 32 : NULL;
    struct ward_bytes entry;
    ward_status status = WARD_OK;
    if (pair->has_entries && !ward_tile_entry_next(cursor, &entry)) {
        audit_say(log->check, "cut", pair->entries_path, (int64_t)leaf,
                  "the bundle ends before leaf %llu", (unsigned long long)leaf);
        pair->has_entries = false;
    }
    if (pair->has_entries) {
        WARD_TRY(ward_merkle_leaf(log->check->digest, entry, hash));
        check_number(log, pair, entry, leaf);
        WARD_TRY(audit_leaves_add(&log->check->leaves, entry, leaf, hash));
        WARD_TRY(audit_verify_policy(log->check, entry, leaf));
        if (log->check->reading.each != NULL) {
            log->check->reading.each(log->check->reading.context, entry, leaf);
        }
        side_add(&log->entries, hash, &status);
        if (log->entries.whole && ward_ok(status)) {
            status = audit_handovers_follow(&log->check->handovers, log->check->digest,
                                            &log->entries.tree);
        }
        if (tile != NULL && memcmp(hash, tile, 32) != 0 && log->n_differing < MISMATCHES_MAX) {
            log->differing[log->n_differing++] = leaf;
        }
    }
    log->entries.whole = log->entries.whole && pair->has_entries;
    log->tiles.whole = log->tiles.whole && tile != NULL;
    if (tile != NULL) {
        side_add(&log->tiles, tile, &status);
    }
    return status;
}

static ward_status check_bundle(struct log *log, uint64_t index)
{
    uint16_t width = ward_tile_width(log->size, 0, index);
    struct pair pair;
    load_pair(log, index, width, &pair);
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, ward_buffer_view(&pair.entries));
    log->holes += !pair.has_entries && !pair.has_tile;
    ward_status status = WARD_OK;
    for (uint16_t at = 0; at < width && ward_ok(status); at++) {
        status = check_leaf(log, &pair, &cursor, index * WARD_TILE_WIDTH + at, at);
    }
    if (pair.has_entries && ward_cursor_left(&cursor) > 0) {
        audit_say(log->check, "altered", pair.entries_path, -1, "%zu bytes follow the last entry",
                  ward_cursor_left(&cursor));
    }
    ward_buffer_fini(&pair.entries);
    ward_buffer_fini(&pair.tile);
    return status;
}

/* ---- the root ---- */

static ward_status finish_side(struct side *side, const struct ward_checkpoint *checkpoint)
{
    uint8_t root[32];
    side->whole = side->whole && side->tree.size == checkpoint->size;
    if (!side->whole) {
        return WARD_OK;
    }
    WARD_TRY(ward_tile_builder_finish(side->builder));
    WARD_TRY(ward_merkle_root(side->check->digest, &side->tree, root));
    side->matches = memcmp(root, checkpoint->root, 32) == 0;
    return WARD_OK;
}

static void say_differing(const struct log *log)
{
    for (size_t i = 0; i < log->n_differing; i++) {
        uint64_t leaf = log->differing[i], index = leaf / WARD_TILE_WIDTH;
        struct ward_tile tile = {.index = index, .width = ward_tile_width(log->size, 0, index)};
        char path[WARD_TILE_PATH_MAX];
        if (log->entries.matches) {
            ward_tile_path(&tile, path);
            audit_say(log->check, "altered", path, (int64_t)leaf,
                      "the tile's hash of leaf %llu is not that of its entry",
                      (unsigned long long)leaf);
        } else if (log->tiles.matches) {
            ward_tile_entries_path(&tile, path);
            audit_say(log->check, "altered", path, (int64_t)leaf,
                      "leaf %llu is not the entry that was signed", (unsigned long long)leaf);
        } else {
            ward_tile_entries_path(&tile, path);
            audit_say(log->check, "altered", path, (int64_t)leaf,
                      "leaf %llu and its hash in the tree do not belong together",
                      (unsigned long long)leaf);
        }
    }
}

static void say_root(const struct log *log)
{
    say_differing(log);
    if (log->entries.matches || log->tiles.matches) {
        say_upper(log->check, log->entries.matches ? &log->entries : &log->tiles);
        return;
    }
    if (log->entries.whole || log->tiles.whole) {
        audit_say(log->check, "altered", "checkpoint", -1,
                  "the %llu leaves here do not give the root of the checkpoint",
                  (unsigned long long)log->size);
        say_upper(log->check, log->entries.whole ? &log->entries : &log->tiles);
    } else {
        audit_say(log->check, "cut", "checkpoint", -1,
                  "the leaves are not all here, so that the root cannot be computed");
    }
}

static ward_status read_log(struct log *log)
{
    uint64_t bundles = log->size / WARD_TILE_WIDTH + (log->size % WARD_TILE_WIDTH != 0);
    for (uint64_t i = 0; i < bundles && log->holes < HOLES_MAX; i++) {
        WARD_TRY(check_bundle(log, i));
    }
    WARD_TRY(finish_side(&log->entries, &log->check->report->checkpoint));
    WARD_TRY(finish_side(&log->tiles, &log->check->report->checkpoint));
    say_root(log);
    return WARD_OK;
}

ward_status audit_verify_log(struct audit_check *check)
{
    struct log *log = calloc(1, sizeof(*log));
    WARD_ENSURE(log != NULL, WARD_E_EXHAUSTED);
    log->check = log->entries.check = log->tiles.check = check;
    log->entries.whole = log->tiles.whole = true;
    log->size = check->report->checkpoint.size;
    ward_status status =
        ward_tile_builder_new(check->digest, on_tile, &log->entries, &log->entries.builder);
    if (ward_ok(status)) {
        status = ward_tile_builder_new(check->digest, on_tile, &log->tiles, &log->tiles.builder);
    }
    if (ward_ok(status)) {
        status = read_log(log);
    }
    ward_tile_builder_free(log->entries.builder);
    ward_tile_builder_free(log->tiles.builder);
    free(log);
    return status;
}
