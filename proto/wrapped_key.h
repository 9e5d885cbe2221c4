/* SPDX-License-Identifier: Apache-2.0 */
/* The wrapped data key, format 1, big-endian:
 *
 *   0      format     0x01
 *   1      use        enum ward_key_use
 *   2..17  key id     UUID of the KEK
 *   18..21 version    of the KEK, u32, from 1
 *   22     algorithm  0x01 AES-256-GCM in a PKCS#11 token
 *   23..   blob       opaque per algorithm; for 0x01: IV (12), ciphertext, tag (16)
 *
 * AAD = the first 23 bytes and the canonical context. Vectors in FORMATS.md. */
#ifndef WARD_PROTO_WRAPPED_KEY_H
#define WARD_PROTO_WRAPPED_KEY_H

#include "base/id.h"
#include "proto/context.h"

#define WARD_WRAPPED_HEADER_SIZE 23
#define WARD_WRAPPED_BLOB_MAX 512
#define WARD_WRAPPED_MAX (WARD_WRAPPED_HEADER_SIZE + WARD_WRAPPED_BLOB_MAX)

enum ward_key_use {
    WARD_USE_ISSUED = 1,  /* given to applications */
    WARD_USE_SUBJECT = 2, /* a patient's; never leaves */
    WARD_USE_INDEX = 3,
    WARD_USE_INTERNAL = 4,
    WARD_USE_BACKUP = 5,
};
#define WARD_ALGORITHM_PKCS11_AES_GCM 1

struct ward_wrapped_key {
    uint8_t use, algorithm;
    struct ward_id key_id;
    uint32_t version;
    struct ward_bytes blob; /* borrowed */
};

/* CIPHERTEXT on anything that is not exactly such a key: callers cannot tell why. */
ward_status ward_wrapped_key_parse(struct ward_bytes bytes, struct ward_wrapped_key *ret);
void ward_wrapped_key_header(const struct ward_wrapped_key *key,
                             uint8_t out[static WARD_WRAPPED_HEADER_SIZE]);
/* Header and blob, into the arena. */
ward_status ward_wrapped_key_print(const struct ward_wrapped_key *key, struct ward_arena *arena,
                                   struct ward_bytes *ret);
/* header || context->canonical, into the arena. */
ward_status ward_wrapped_key_aad(const struct ward_wrapped_key *key,
                                 const struct ward_context *context, struct ward_arena *arena,
                                 struct ward_bytes *ret);
/* The text form "ward:1:<base64>"; out has WARD_WRAPPED_TEXT_MAX bytes. */
#define WARD_WRAPPED_TEXT_MAX (7 + WARD_BASE64_SIZE(WARD_WRAPPED_MAX) + 1)
void ward_wrapped_key_to_text(struct ward_bytes wrapped, char *out);
/* out has WARD_WRAPPED_MAX bytes. INVALID "wrapped key: not ward:1:<base64>". */
ward_status ward_wrapped_key_from_text(struct ward_bytes text, uint8_t *out, size_t *ret_size);

#endif
