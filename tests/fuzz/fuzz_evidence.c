/* SPDX-License-Identifier: Apache-2.0 */
/* What auditors and officers read from strangers: notes, proposals, tile paths and bundles, JSON,
 * and sealed records. The first byte chooses. */
#include <string.h>

#include "proto/note.h"
#include "proto/proposal.h"
#include "proto/tlog_tiles.h"
#include "tests/fuzz/fuzz.h"

static void note(struct ward_bytes in)
{
    static const uint8_t nobody[32] = {1};
    struct ward_note_key key;
    FUZZ_CHECK(ward_ok(
        ward_note_key_init("ward.example/log", WARD_NOTE_ED25519, WARD_BYTES_ARRAY(nobody), &key)));
    struct ward_checkpoint checkpoint;
    FUZZ_CHECK(!ward_ok(ward_note_verify(in, &key, &checkpoint))); /* nobody has that key */
}

static void vkey(struct ward_bytes in)
{
    char text[512] = "";
    memcpy(text, in.data, in.size < sizeof(text) ? in.size : sizeof(text) - 1);
    struct ward_note_key key;
    (void)ward_note_key_parse(text, &key); /* only that it comes back */
}

static void proposal(struct ward_bytes in)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_proposal parsed;
    FUZZ_CHECK(ward_ok(ward_arena_new(1u << 20, &arena)));
    if (!ward_ok(ward_proposal_parse(in, arena, &parsed))) {
        return;
    }
    struct ward_buffer again;
    ward_buffer_init(&again, WARD_PROPOSAL_MAX);
    ward_proposal_print(&parsed, &again);
    FUZZ_CHECK(ward_bytes_eq(WARD_BYTES(again.data, again.size), in));
    ward_buffer_fini(&again);
}

static void tiles(struct ward_bytes in)
{
    char path[WARD_TILE_PATH_MAX] = "", again[WARD_TILE_PATH_MAX];
    memcpy(path, in.data, in.size < sizeof(path) ? in.size : sizeof(path) - 1);
    struct ward_tile tile;
    bool entries = false;
    if (ward_tile_path_parse(path, &tile, &entries)) {
        (entries ? ward_tile_entries_path : ward_tile_path)(&tile, again);
        FUZZ_CHECK(strcmp(path, again) == 0);
    }
    struct ward_cursor bundle;
    ward_cursor_init(&bundle, in);
    struct ward_bytes entry;
    while (ward_tile_entry_next(&bundle, &entry)) {
        FUZZ_CHECK(entry.data >= in.data && entry.size <= in.size);
    }
}

static void json(struct ward_bytes in)
{
    struct ward_json_slice slices[64];
    size_t n = 0;
    if (!ward_ok(ward_json_scan(in, slices, 64, &n))) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(slices[i].value.data > in.data &&
                   slices[i].value.data + slices[i].value.size < in.data + in.size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ward_bytes in = WARD_BYTES(data, size);
    static void (*const readers[])(struct ward_bytes) = {note, vkey, proposal, tiles, json};
    uint8_t choice = fuzz_byte(&in);
    if (in.size > 0) {
        readers[choice % (sizeof(readers) / sizeof(readers[0]))](in);
    }
    return 0;
}
