/* SPDX-License-Identifier: Apache-2.0 */
/* The sealed record, format 1. A record key is derived from the patient's subject key:
 *
 *   okm (64) = HKDF-SHA-256(subject key, salt, info)   key = okm[0..31], commitment = okm[32..63]
 *   info = "ward record 1" then, each with a u32 length before it: suite, collection, record id
 *          hash, version (u32)
 *
 * Layout, big-endian: format 0x01, salt (32), commitment (32), legend size (u32), sealed legend, then
 * the sealed fields one after the other in the legend's order. A field (and the legend, ordinal 0) is
 * AES-256-GCM under the record key with nonce = ordinal (u32), last-chunk bit and chunk (u64: bit 63 is
 * set on the last chunk; 1 MiB chunks). AAD, each with a u32 length before it: collection, record id
 * hash, version (u32), field name, schema version (u32); the legend's field name is empty.
 * Legend: u16 count of fields, then for each u16 name size, name, u8 type (1: JSON slice), u32 size;
 * then u32 skeleton size and the skeleton: the input with each member's value cut out; where a cut
 * was is a u32 offset per field, before the skeleton. */
#ifndef WARD_PROTO_RECORD_H
#define WARD_PROTO_RECORD_H

#include "base/aead.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/wipe_alloc.h"

#define WARD_RECORD_HASH_SIZE 32

/* What a record is bound to: none of it can be changed without the seal breaking. */
struct ward_record_binding {
    struct ward_bytes collection;
    uint8_t id_hash[WARD_RECORD_HASH_SIZE]; /* keyed hash of collection, subject and record id */
    uint32_t version;                       /* from 1 */
    uint32_t schema_version;
};

struct ward_record_field {
    struct ward_bytes name; /* as it stands between the quotes */
    struct ward_bytes value;
};

struct ward_record_crypto { /* one per thread */
    struct ward_aead *aead;
    struct ward_digest *digest;
};

/* Seals one JSON object. The result lies in the arena. INVALID as ward_json_scan. */
ward_status ward_record_seal(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes json,
                             struct ward_arena *arena, struct ward_bytes *ret);
/* Opens the whole record: the same bytes that were sealed. CIPHERTEXT when it does not open. */
ward_status ward_record_open(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes sealed,
                             struct ward_arena *arena, struct ward_bytes *ret_json);
/* Decrypts only the named fields; one that the record lacks is left out. fields has room for n. */
ward_status ward_record_open_fields(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                                    const struct ward_record_binding *binding, struct ward_bytes sealed,
                                    const struct ward_bytes *names, size_t n, struct ward_arena *arena,
                                    struct ward_record_field *fields, size_t *ret_n);
/* SHA-256 of the sealed bytes: what the audit entry keeps. */
ward_status ward_record_digest(struct ward_record_crypto *crypto, struct ward_bytes sealed,
                               uint8_t out[static WARD_SHA256_SIZE]);

#endif
