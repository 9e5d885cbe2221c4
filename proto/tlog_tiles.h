/* SPDX-License-Identifier: Apache-2.0 */
/* C2SP tlog-tiles v0.1.0: how a tree and its entries are cut into files that never change, without
 * any file I/O. A tile is up to 256 hashes of one level: level 0 holds leaf hashes, above it each
 * hash is the root of a full tile below. Exact format: c2sp.org/tlog-tiles. */
#ifndef WARD_PROTO_TLOG_TILES_H
#define WARD_PROTO_TLOG_TILES_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/digest.h"

#define WARD_TILE_WIDTH 256
#define WARD_TILE_SIZE (WARD_TILE_WIDTH * 32) /* bytes of a full one */
#define WARD_TILE_LEVELS 8                    /* enough for 2^64 leaves */
#define WARD_TILE_PATH_MAX 64
#define WARD_TILE_ENTRY_MAX 65535

struct ward_tile {
    uint8_t level;
    uint64_t index;
    uint16_t width; /* 1 to 256; below 256 it is partial */
};

/* "tile/<level>/<index>[.p/<width>]", index as x001/x234/067. Terminated. */
void ward_tile_path(const struct ward_tile *tile, char out[static WARD_TILE_PATH_MAX]);
/* "tile/entries/<index>[.p/<width>]"; the level is not looked at. */
void ward_tile_entries_path(const struct ward_tile *tile, char out[static WARD_TILE_PATH_MAX]);
/* Either of them, exactly as they are written; false on anything else. */
bool ward_tile_path_parse(const char *path, struct ward_tile *ret, bool *ret_entries);

/* How many hashes the tile has in a tree of that size: 0 (there is none) to 256. */
uint16_t ward_tile_width(uint64_t tree_size, uint8_t level, uint64_t index);

/* One entry of a bundle: u16 size and the entry. INVALID "entry: larger than 65535 bytes". */
ward_status ward_tile_entry_add(struct ward_bytes entry, struct ward_buffer *bundle);
/* The next entry of a bundle; false at its end, and when it is cut (then cursor->failed). */
bool ward_tile_entry_next(struct ward_cursor *bundle, struct ward_bytes *ret);

/* The hash that a full tile has in the level above: RFC 6962 over its 256 hashes. */
ward_status ward_tile_hash(struct ward_digest *digest, const uint8_t hashes[static WARD_TILE_SIZE],
                           uint8_t out[static 32]);

/* Cuts a growing tree into tiles: leaf hashes in, tiles out through a function. */
struct ward_tile_builder;
typedef ward_status (*ward_tile_emit)(void *context, const struct ward_tile *tile,
                                      struct ward_bytes hashes);

/* digest is borrowed. */
ward_status ward_tile_builder_new(struct ward_digest *digest, ward_tile_emit emit, void *context,
                                  struct ward_tile_builder **ret);
/* Emits every tile that becomes full. */
ward_status ward_tile_builder_add(struct ward_tile_builder *builder,
                                  const uint8_t leaf_hash[static 32]);
/* Emits the partial tiles, lowest level first. */
ward_status ward_tile_builder_finish(struct ward_tile_builder *builder);
void ward_tile_builder_free(struct ward_tile_builder *builder);
static inline void ward_tile_builder_freep(struct ward_tile_builder **builder)
{
    ward_tile_builder_free(*builder);
}

#endif
