/* SPDX-License-Identifier: Apache-2.0 */
/* C2SP signed notes and tlog checkpoints: Ed25519 (type 0x01) and ECDSA P-256 (type 0x02, key id =
 * SHA-256(SPKI DER)[:4]). Exact format: c2sp.org/signed-note, c2sp.org/tlog-checkpoint. */
#ifndef WARD_PROTO_NOTE_H
#define WARD_PROTO_NOTE_H

#include "base/buffer.h"
#include "base/digest.h"
#include "proto/wire_limits.h"

#define WARD_NOTE_NAME_MAX 128
#define WARD_NOTE_MAX 4096

enum ward_note_algorithm { WARD_NOTE_ED25519 = 1, WARD_NOTE_ECDSA = 2 };

struct ward_note_key {
    char name[WARD_NOTE_NAME_MAX]; /* the origin, e.g. "ward.example/log" */
    uint8_t algorithm;
    uint8_t id[4];
    uint8_t public_key[128]; /* Ed25519: 32 raw bytes; ECDSA: SubjectPublicKeyInfo in DER */
    size_t public_key_size;
};

struct ward_checkpoint {
    char origin[WARD_NOTE_NAME_MAX];
    uint64_t size;
    uint8_t root[32];
};

/* Computes the key id. INVALID "note key: ..." on a bad name (white space, plus) or size. */
ward_status ward_note_key_init(const char *name, uint8_t algorithm, struct ward_bytes public_key,
                               struct ward_note_key *ret);
/* "name+hex+base64"; out is terminated. */
void ward_note_key_print(const struct ward_note_key *key, char out[static WARD_VKEY_MAX]);
ward_status ward_note_key_parse(const char *vkey, struct ward_note_key *ret);

/* The text that is signed: three lines. */
void ward_checkpoint_body(const struct ward_checkpoint *checkpoint, struct ward_buffer *out);
/* For ECDSA the digest to be signed raw is SHA-256(body); for Ed25519 the body itself. */
/* Appends the whole note: body, blank line, signature line. Ed25519: 64 bytes; ECDSA: DER. */
void ward_note_finish(struct ward_bytes body, const struct ward_note_key *key,
                      struct ward_bytes signature, struct ward_buffer *out);
/* Appends one more signature line, of another key, to a finished note. */
void ward_note_cosign(const struct ward_note_key *key, struct ward_bytes signature,
                      struct ward_buffer *out);
#define WARD_NOTE_SIGNERS_MAX 16 /* of the longest names, so many lines fit */
/* Any signed note: finds the lines by the key (name and id), verifies them, ignores other keys'
 * lines. ret_text borrows from note. INVALID "checkpoint: not a signed note", "checkpoint: not
 * signed by this key", "checkpoint: signature does not verify". */
ward_status ward_note_open(struct ward_bytes note, const struct ward_note_key *key,
                           struct ward_bytes *ret_text);
/* The same, and the text must be a checkpoint of the log that the key is named for, with no
 * extension lines. INVALID also "checkpoint: of another log", "checkpoint: not three lines" and the
 * like. */
ward_status ward_note_verify(struct ward_bytes note, const struct ward_note_key *key,
                             struct ward_checkpoint *ret);
/* PKCS#11 gives r || s; notes want DER. out has 80 bytes. INVALID when r or s is zero. */
ward_status ward_ecdsa_raw_to_der(const uint8_t raw[static 64], uint8_t *out, size_t *ret_size);

#endif
