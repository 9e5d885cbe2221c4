/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed files under a known data key (32 bytes of 0x42, no associated data): nothing opens but
 * what was sealed, and whoever is handed rubbish reads no byte too many. */
#include <string.h>

#include "proto/seal.h"
#include "tests/fuzz/fuzz.h"

static void open_chunks(struct ward_seal_chunks *chunks, struct ward_bytes rest)
{
    size_t full = chunks->chunk_size + WARD_AEAD_TAG_SIZE;
    uint8_t *plain = malloc(full);
    FUZZ_CHECK(plain != NULL);
    ward_status status = WARD_OK;
    while (ward_ok(status) && !chunks->ended) {
        size_t size = rest.size < full ? rest.size : full;
        bool last = size == rest.size;
        status = ward_seal_open_chunk(chunks, WARD_BYTES(rest.data, size), last, plain);
        FUZZ_CHECK(ward_ok(status) || status.code == WARD_E_CIPHERTEXT);
        rest = WARD_BYTES(rest.data + size, rest.size - size);
    }
    free(plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t empty_sha256[WARD_SHA256_SIZE] = {
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
        0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
        0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    uint8_t key[WARD_SEAL_KEY_SIZE];
    memset(key, 0x42, sizeof(key));
    size_t header_size = 0;
    if (!ward_ok(ward_seal_header_measure(WARD_BYTES(data, size), &header_size)) ||
        header_size > size) {
        return 0;
    }
    struct ward_seal_header header;
    if (!ward_ok(ward_seal_header_parse(WARD_BYTES(data, header_size), &header))) {
        return 0;
    }
    uint8_t printed[WARD_SEAL_HEADER_MAX];
    ward_seal_header_print(&header, printed);
    FUZZ_CHECK(memcmp(printed, data, header_size) == 0);
    struct ward_seal_chunks chunks = {0};
    if (ward_ok(ward_seal_resume(&chunks, key, empty_sha256, &header))) {
        open_chunks(&chunks, WARD_BYTES(data + header_size, size - header_size));
    }
    ward_seal_chunks_fini(&chunks);
    return 0;
}
