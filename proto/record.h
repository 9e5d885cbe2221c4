/* SPDX-License-Identifier: Apache-2.0 */
/* The sealed record, format 1, big-endian. A record key is derived from the patient's subject key:
 *
 *   okm (64) = HKDF-SHA-256(subject key, salt, info)
 *   key = okm[0..31], commitment = okm[32..63]
 *   info = "ward record 1", then, each with its size (u32) before it: suite (the text
 *          "AES-256-GCM HKDF-SHA-256"), collection, record id hash, version (u32)
 *
 *   0       format 0x01
 *   1..32   salt, random for every seal
 *   33..64  commitment: compared, in constant time, before anything is decrypted
 *   65..68  size of the sealed legend (u32)
 *   69..    sealed legend, then the sealed fields one after the other in the legend's
 *           order; nothing behind them
 *
 * The legend (ordinal 0) and each field (ordinals from 1) are cut into chunks of 1 MiB, of which
 * only the last may be shorter. A chunk is AES-256-GCM (ciphertext, then tag) with
 *
 *   key   = the record key
 *   nonce = ordinal (u32), chunk number from 0 (u64) with bit 63 set on the last one
 *   AAD   = each with its size (u32) before it: collection, record id hash, version (u32),
 *           schema version (u32), field name (empty for the legend)
 *
 * Legend: the subject's name and the record's id as the application gave them, each with its size
 * (u16, 1 to 128) before it: elsewhere there are only keyed hashes of them. Then count of fields
 * (u16); for each: name size (u16), name, type (u8, 1: JSON value), size of the value (u32), cut
 * (u32); then the size of the skeleton (u32) and the skeleton: the input with each value cut out.
 * `cut` is where in the skeleton the value belongs; cuts never go back.
 *
 * So a value cannot be moved to another field (ordinal, name), record, version or collection (key
 * and AAD), nor be cut, doubled or reordered (last-chunk bit, chunk number, sizes in the legend,
 * exact total), and sealed bytes open under one subject key only (commitment). */
#ifndef WARD_PROTO_RECORD_H
#define WARD_PROTO_RECORD_H

#include "base/aead.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/wipe_alloc.h"

#define WARD_RECORD_HASH_SIZE 32
#define WARD_RECORD_CHUNK_SIZE (1024u * 1024u)
/* The format's own bounds; what a request may carry is in proto/wire_limits.h. */
#define WARD_RECORD_FIELD_NAME_MAX 1024u
#define WARD_RECORD_SEAL_MAX (256u * 1024 * 1024)

/* Whose record it is and which, in the application's words: 1 to WARD_NAME_MAX bytes of UTF-8. */
struct ward_record_names {
    struct ward_bytes subject, id;
};

/* What a record is bound to: none of it can be changed without the seal breaking. */
struct ward_record_binding {
    struct ward_bytes collection;           /* at most WARD_NAME_MAX */
    uint8_t id_hash[WARD_RECORD_HASH_SIZE]; /* keyed hash of collection, subject and record id */
    uint32_t version;                       /* from 1 */
    uint32_t schema_version;
    /* Kept inside the seal. Opening compares them; left empty, any will do: who goes by the hash
     * alone does not know them. */
    struct ward_record_names names;
};

struct ward_record_field {
    struct ward_bytes name; /* as it stands between the quotes */
    struct ward_bytes value;
};

struct ward_record_crypto { /* one per thread */
    struct ward_aead *aead;
    struct ward_digest *digest;
};

/* Seals one JSON object. The result lies in the arena. INVALID as ward_json_scan, and "record:
 * member name longer than 1024 bytes", "record: larger than 256 MiB", "record: collection name
 * longer than 128 bytes", "record: subject must be 1 to 128 bytes of UTF-8", "record: id must be 1
 * to 128 bytes of UTF-8"; EXHAUSTED when the arena's budget is spent. */
ward_status ward_record_seal(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes json,
                             struct ward_arena *arena, struct ward_bytes *ret);
/* Opens the whole record: the same bytes that were sealed, and (unless NULL) the names sealed with
 * them. CIPHERTEXT when it does not open, other names than the binding's included. */
ward_status ward_record_open(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes sealed,
                             struct ward_arena *arena, struct ward_record_names *ret_names,
                             struct ward_bytes *ret_json);
/* Only the names: no field is decrypted. */
ward_status ward_record_open_names(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                                   const struct ward_record_binding *binding,
                                   struct ward_bytes sealed, struct ward_arena *arena,
                                   struct ward_record_names *ret);
/* Decrypts only the named fields; one that the record lacks is left out. fields has room for n. */
ward_status ward_record_open_fields(struct ward_record_crypto *crypto,
                                    struct ward_bytes subject_key,
                                    const struct ward_record_binding *binding,
                                    struct ward_bytes sealed, const struct ward_bytes *names,
                                    size_t n, struct ward_arena *arena,
                                    struct ward_record_field *fields, size_t *ret_n);
/* SHA-256 of the sealed bytes: what the audit entry keeps. */
ward_status ward_record_digest(struct ward_record_crypto *crypto, struct ward_bytes sealed,
                               uint8_t out[static WARD_SHA256_SIZE]);

#endif
