/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed data of any size, format 1, big-endian: files and streams that applications encrypt under
 * a data key of their own, in chunks, in constant memory. After STREAM (Hoang, Reyhanitabar,
 * Rogaway, Vizar 2015), with a key commitment before it.
 *
 *   0        "WARDSEAL"
 *   8        format 0x01
 *   9..10    size of the wrapped data key (u16, 1 to 1,024)
 *   11..     the wrapped data key, as the daemon gave it out
 *   then 32  salt, random for every seal
 *        32  commitment: compared, in constant time, before anything is decrypted
 *         4  chunk size (u32): a power of two, 4 KiB to 1 MiB
 *   then the chunks, each ciphertext and tag; nothing behind them
 *
 *   okm (64) = HKDF-SHA-256(data key, salt, info); chunk key = okm[0..31], commitment = okm[32..63]
 *   info = "ward seal 1", then, each with its size (u32) before it: suite (the text
 *          "AES-256-GCM HKDF-SHA-256"), chunk size (u32), SHA-256 of the associated data
 *
 * Every chunk but the last has chunk size bytes of plaintext; the last one has 1 to chunk size, or
 * none when it is the only one. A chunk is AES-256-GCM under the chunk key with
 *
 *   nonce = 0 (u32), chunk number from 0 (u64) with bit 63 set on the last one
 *   AAD   = "ward seal 1", chunk size (u32), SHA-256 of the associated data
 *
 * The wrapped key stands outside of all that: wrapping the same data key anew changes these bytes
 * alone. Exchanged for another data key's, the commitment does not hold. Everything else is held by
 * the key (salt, chunk size, associated data) or by the nonces (order, number, end). */
#ifndef WARD_PROTO_SEAL_H
#define WARD_PROTO_SEAL_H

#include "base/aead.h"
#include "base/digest.h"

#define WARD_SEAL_PREFIX_SIZE 11 /* up to and with the wrapped key's size */
#define WARD_SEAL_WRAPPED_MAX 1024u
#define WARD_SEAL_SALT_SIZE 32
#define WARD_SEAL_COMMITMENT_SIZE 32
#define WARD_SEAL_HEADER_SIZE(wrapped_size) \
    (WARD_SEAL_PREFIX_SIZE + (wrapped_size) + WARD_SEAL_SALT_SIZE + WARD_SEAL_COMMITMENT_SIZE + 4)
#define WARD_SEAL_HEADER_MAX WARD_SEAL_HEADER_SIZE(WARD_SEAL_WRAPPED_MAX)
#define WARD_SEAL_KEY_SIZE 32 /* of the data key */
#define WARD_SEAL_CHUNK_MIN 4096u
#define WARD_SEAL_CHUNK_MAX (1024u * 1024u)
#define WARD_SEAL_CHUNK_DEFAULT 65536u
#define WARD_SEAL_PLAIN_MAX ((uint64_t)1 << 39)
#define WARD_SEAL_AAD_SIZE (11 + 4 + WARD_SHA256_SIZE)

struct ward_seal_header {
    struct ward_bytes wrapped; /* borrowed */
    uint8_t salt[WARD_SEAL_SALT_SIZE], commitment[WARD_SEAL_COMMITMENT_SIZE];
    uint32_t chunk_size;
};

/* How large the header is that begins with these bytes: WARD_SEAL_PREFIX_SIZE while there are fewer
 * than that, its whole size from then on. CIPHERTEXT when nothing sealed begins so. */
ward_status ward_seal_header_measure(struct ward_bytes begin, size_t *ret);
/* Exactly one header. CIPHERTEXT on anything else. */
ward_status ward_seal_header_parse(struct ward_bytes bytes, struct ward_seal_header *ret);
/* out has WARD_SEAL_HEADER_SIZE(wrapped.size) bytes. */
void ward_seal_header_print(const struct ward_seal_header *header, uint8_t *out);
/* INVALID "chunk size: not a power of two, 4096 to 1048576". */
ward_status ward_seal_check_chunk_size(uint32_t chunk_size);

/* One thing being sealed or opened: the key is set up once, for all chunks. For one thread. */
struct ward_seal_chunks {
    struct ward_aead *aead; /* owned; has the chunk key from begin or resume until fini */
    uint8_t aad[WARD_SEAL_AAD_SIZE];
    uint32_t chunk_size;
    uint64_t number, total; /* of the next chunk; of plaintext so far */
    bool ended;             /* after the last chunk, and after one that did not open */
};

/* Sealing: salt, chunk size and wrapped key are set in the header; puts the commitment there.
 * associated is SHA-256 of the associated data. */
ward_status ward_seal_begin(struct ward_seal_chunks *chunks,
                            const uint8_t data_key[static WARD_SEAL_KEY_SIZE],
                            const uint8_t associated[static WARD_SHA256_SIZE],
                            struct ward_seal_header *header);
/* Opening. CIPHERTEXT when the commitment is another. */
ward_status ward_seal_resume(struct ward_seal_chunks *chunks,
                             const uint8_t data_key[static WARD_SEAL_KEY_SIZE],
                             const uint8_t associated[static WARD_SHA256_SIZE],
                             const struct ward_seal_header *header);
/* Wipes the key. Fine on zeros, and after a begin that failed. */
void ward_seal_chunks_fini(struct ward_seal_chunks *chunks);

/* The next chunk; out: plain.size + WARD_AEAD_TAG_SIZE. INVALID "input: larger than 2^39 bytes".
 * INTERNAL when the chunk has not the size that it must have. */
ward_status ward_seal_chunk(struct ward_seal_chunks *chunks, struct ward_bytes plain, bool last,
                            uint8_t *out);
/* The next chunk; out: sealed.size - WARD_AEAD_TAG_SIZE, zeroed on failure. CIPHERTEXT. */
ward_status ward_seal_open_chunk(struct ward_seal_chunks *chunks, struct ward_bytes sealed,
                                 bool last, uint8_t *out);

#endif
