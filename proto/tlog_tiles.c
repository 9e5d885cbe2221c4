/* SPDX-License-Identifier: Apache-2.0 */
/* Names and contents of the files of an exported log. An auditor's tool for transparency logs reads
 * them without knowing us. Must not touch a file, nor know what an entry says. */
#include "proto/tlog_tiles.h"

#include <stdlib.h>

static char *put_str(char *p, const char *text)
{
    size_t size = strlen(text);
    memcpy(p, text, size);
    return p + size;
}

static char *put_decimal(char *p, unsigned value)
{
    if (value >= 100) {
        *p++ = (char)('0' + value / 100);
    }
    if (value >= 10) {
        *p++ = (char)('0' + value / 10 % 10);
    }
    *p++ = (char)('0' + value % 10);
    return p;
}

/* Three digits an element, all but the last begun with x; seven elements hold 64 bits. */
static char *put_index(char *p, uint64_t index)
{
    unsigned groups[7];
    size_t n = 0;
    do {
        groups[n++] = (unsigned)(index % 1000);
        index /= 1000;
    } while (index > 0);
    while (n-- > 0) {
        if (n > 0) {
            *p++ = 'x';
        }
        *p++ = (char)('0' + groups[n] / 100);
        *p++ = (char)('0' + groups[n] / 10 % 10);
        *p++ = (char)('0' + groups[n] % 10);
        if (n > 0) {
            *p++ = '/';
        }
    }
    return p;
}

static void put_rest(char *p, const struct ward_tile *tile)
{
    p = put_index(p, tile->index);
    if (tile->width < WARD_TILE_WIDTH) {
        p = put_str(p, ".p/");
        p = put_decimal(p, tile->width);
    }
    *p = '\0';
}

void ward_tile_path(const struct ward_tile *tile, char out[static WARD_TILE_PATH_MAX])
{
    char *p = put_decimal(put_str(out, "tile/"), tile->level);
    *p++ = '/';
    put_rest(p, tile);
}

void ward_tile_entries_path(const struct ward_tile *tile, char out[static WARD_TILE_PATH_MAX])
{
    put_rest(put_str(out, "tile/entries/"), tile);
}

/* Up to three digits; NULL when there is none or it is more than max. */
static const char *take_number(const char *p, unsigned max, unsigned *ret)
{
    unsigned value = 0;
    const char *start = p;
    while (*p >= '0' && *p <= '9' && p - start < 3) {
        value = value * 10 + (unsigned)(*p++ - '0');
    }
    if (p == start || value > max) {
        return NULL;
    }
    *ret = value;
    return p;
}

static const char *take_index(const char *p, uint64_t *ret)
{
    uint64_t index = 0;
    bool more = true;
    while (more) {
        more = *p == 'x';
        unsigned group = 0;
        const char *digits = more ? p + 1 : p;
        p = take_number(digits, 999, &group);
        if (p == NULL || __builtin_mul_overflow(index, (uint64_t)1000, &index) ||
            __builtin_add_overflow(index, (uint64_t)group, &index)) {
            return NULL;
        }
        if (more && *p++ != '/') {
            return NULL;
        }
    }
    *ret = index;
    return p;
}

static bool parse_loosely(const char *path, struct ward_tile *tile, bool *entries)
{
    const char *p = path;
    unsigned number = 0;
    if (strncmp(p, "tile/", 5) != 0) {
        return false;
    }
    p += 5;
    *entries = strncmp(p, "entries/", 8) == 0;
    if (*entries) {
        p += 8;
    } else {
        p = take_number(p, 63, &number);
        if (p == NULL || *p++ != '/') {
            return false;
        }
        tile->level = (uint8_t)number;
    }
    p = take_index(p, &tile->index);
    tile->width = WARD_TILE_WIDTH;
    if (p != NULL && strncmp(p, ".p/", 3) == 0) {
        p = take_number(p + 3, WARD_TILE_WIDTH - 1, &number);
        tile->width = (uint16_t)number;
    }
    return p != NULL && *p == '\0' && tile->width > 0;
}

/* There is one spelling: what is read is written again and must be the same. */
bool ward_tile_path_parse(const char *path, struct ward_tile *ret, bool *ret_entries)
{
    struct ward_tile tile = {0};
    bool entries = false;
    char again[WARD_TILE_PATH_MAX];
    if (!parse_loosely(path, &tile, &entries)) {
        return false;
    }
    if (entries) {
        ward_tile_entries_path(&tile, again);
    } else {
        ward_tile_path(&tile, again);
    }
    if (strcmp(again, path) != 0) {
        return false;
    }
    *ret = tile;
    *ret_entries = entries;
    return true;
}

uint16_t ward_tile_width(uint64_t tree_size, uint8_t level, uint64_t index)
{
    uint64_t hashes = level < WARD_TILE_LEVELS ? tree_size >> (8 * level) : 0;
    uint64_t full = hashes / WARD_TILE_WIDTH;
    if (index < full) {
        return WARD_TILE_WIDTH;
    }
    return index == full ? (uint16_t)(hashes % WARD_TILE_WIDTH) : 0;
}

ward_status ward_tile_entry_add(struct ward_bytes entry, struct ward_buffer *bundle)
{
    WARD_REQUIRE(entry.size <= WARD_TILE_ENTRY_MAX, "entry: larger than 65535 bytes");
    ward_buffer_add_u16(bundle, (uint16_t)entry.size);
    if (entry.size > 0) {
        ward_buffer_add(bundle, entry);
    }
    WARD_ENSURE(!bundle->failed, WARD_E_EXHAUSTED);
    return WARD_OK;
}

bool ward_tile_entry_next(struct ward_cursor *bundle, struct ward_bytes *ret)
{
    if (bundle->failed || ward_cursor_left(bundle) == 0) {
        return false;
    }
    struct ward_bytes entry = ward_cursor_take(bundle, ward_cursor_u16(bundle));
    if (bundle->failed) {
        return false;
    }
    *ret = entry;
    return true;
}

/* Pairs into parents, 256 to 128 to ... to 1, in place. */
ward_status ward_tile_hash(struct ward_digest *digest, const uint8_t hashes[static WARD_TILE_SIZE],
                           uint8_t out[static 32])
{
    static const uint8_t node = 1;
    uint8_t row[WARD_TILE_SIZE];
    memcpy(row, hashes, sizeof(row));
    for (size_t width = WARD_TILE_WIDTH / 2; width > 0; width /= 2) {
        for (size_t i = 0; i < width; i++) {
            const struct ward_bytes parts[] = {WARD_BYTES(&node, 1), WARD_BYTES(row + 64 * i, 64)};
            uint8_t parent[WARD_SHA256_SIZE];
            WARD_TRY(ward_sha256(digest, parts, 2, parent));
            memcpy(row + 32 * i, parent, 32);
        }
    }
    memcpy(out, row, 32);
    return WARD_OK;
}

struct ward_tile_builder {
    struct ward_digest *digest;
    ward_tile_emit emit;
    void *context;
    struct {
        struct ward_tile tile; /* the one being filled */
        uint8_t hashes[WARD_TILE_SIZE];
    } levels[WARD_TILE_LEVELS];
};

ward_status ward_tile_builder_new(struct ward_digest *digest, ward_tile_emit emit, void *context,
                                  struct ward_tile_builder **ret)
{
    struct ward_tile_builder *builder = calloc(1, sizeof(*builder));
    WARD_ENSURE(builder != NULL, WARD_E_EXHAUSTED);
    builder->digest = digest;
    builder->emit = emit;
    builder->context = context;
    for (uint8_t level = 0; level < WARD_TILE_LEVELS; level++) {
        builder->levels[level].tile.level = level;
    }
    *ret = builder;
    return WARD_OK;
}

void ward_tile_builder_free(struct ward_tile_builder *builder)
{
    free(builder);
}

ward_status ward_tile_builder_add(struct ward_tile_builder *builder,
                                  const uint8_t leaf_hash[static 32])
{
    uint8_t hash[32];
    memcpy(hash, leaf_hash, 32);
    for (size_t level = 0; level < WARD_TILE_LEVELS; level++) {
        struct ward_tile *tile = &builder->levels[level].tile;
        uint8_t *hashes = builder->levels[level].hashes;
        memcpy(hashes + 32 * (size_t)tile->width, hash, 32);
        tile->width++;
        if (tile->width < WARD_TILE_WIDTH) {
            return WARD_OK;
        }
        WARD_TRY(builder->emit(builder->context, tile, WARD_BYTES(hashes, WARD_TILE_SIZE)));
        WARD_TRY(ward_tile_hash(builder->digest, hashes, hash));
        tile->index++;
        tile->width = 0;
    }
    return WARD_OK;
}

ward_status ward_tile_builder_finish(struct ward_tile_builder *builder)
{
    for (size_t level = 0; level < WARD_TILE_LEVELS; level++) {
        const struct ward_tile *tile = &builder->levels[level].tile;
        if (tile->width > 0) {
            struct ward_bytes hashes =
                WARD_BYTES(builder->levels[level].hashes, 32 * (size_t)tile->width);
            WARD_TRY(builder->emit(builder->context, tile, hashes));
        }
    }
    return WARD_OK;
}
