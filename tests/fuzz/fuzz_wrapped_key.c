/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapped keys, binary and as text: what parses is printed the same again. */
#include <string.h>

#include "proto/wrapped_key.h"
#include "tests/fuzz/fuzz.h"

static void binary(struct ward_bytes in)
{
    struct ward_wrapped_key key;
    ward_status status = ward_wrapped_key_parse(in, &key);
    FUZZ_CHECK(ward_ok(status) || status.code == WARD_E_CIPHERTEXT);
    if (!ward_ok(status)) {
        return;
    }
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_bytes printed;
    FUZZ_CHECK(ward_ok(ward_arena_new(65536, &arena)));
    FUZZ_CHECK(ward_ok(ward_wrapped_key_print(&key, arena, &printed)));
    FUZZ_CHECK(ward_bytes_eq(printed, in));
}

static void text(struct ward_bytes in)
{
    uint8_t raw[WARD_WRAPPED_MAX];
    size_t size = 0;
    if (!ward_ok(ward_wrapped_key_from_text(in, raw, &size))) {
        return;
    }
    char again[WARD_WRAPPED_TEXT_MAX];
    FUZZ_CHECK(size <= sizeof(raw));
    ward_wrapped_key_to_text(WARD_BYTES(raw, size), again);
    FUZZ_CHECK(ward_bytes_eq(ward_bytes_str(again), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    binary(WARD_BYTES(data, size));
    text(WARD_BYTES(data, size));
    return 0;
}
