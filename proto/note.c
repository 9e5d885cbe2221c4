/* SPDX-License-Identifier: Apache-2.0 */
/* Signed notes and checkpoints, so that any tool for transparency logs can check ours. Strict where
 * the specification leaves room (our own log writes no extension lines, and its key is named as its
 * origin): an auditor should not have to wonder. Must not know where notes are kept. */
#include "proto/note.h"

#include "proto/canonical.h"
#include "proto/signature.h"

#define EM_DASH "\xe2\x80\x94 "
#define SIGNATURE_MAX 512

/* SubjectPublicKeyInfo of an uncompressed P-256 point: all but the point's 64 bytes. */
static const uint8_t p256_spki[27] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

/* Narrower than the specification: visible ASCII without plus. */
static bool name_valid(struct ward_bytes name)
{
    if (name.size == 0 || name.size >= WARD_NOTE_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] <= 0x20 || name.data[i] >= 0x7f || name.data[i] == '+') {
            return false;
        }
    }
    return true;
}

static ward_status key_id(const struct ward_note_key *key, uint8_t out[static 4])
{
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    struct ward_bytes public_key = WARD_BYTES(key->public_key, key->public_key_size);
    const uint8_t separator[2] = {'\n', key->algorithm};
    const struct ward_bytes ed25519[] = {ward_bytes_str(key->name), WARD_BYTES_ARRAY(separator),
                                         public_key};
    uint8_t hash[WARD_SHA256_SIZE];
    if (key->algorithm == WARD_NOTE_ED25519) {
        WARD_TRY(ward_sha256(digest, ed25519, 3, hash));
    } else {
        WARD_TRY(ward_sha256(digest, &public_key, 1, hash));
    }
    memcpy(out, hash, 4);
    return WARD_OK;
}

static ward_status key_init(struct ward_bytes name, uint8_t algorithm, struct ward_bytes public_key,
                            struct ward_note_key *ret)
{
    WARD_REQUIRE(name_valid(name), "note key: name is not 1 to 127 visible ASCII without plus");
    WARD_REQUIRE(algorithm == WARD_NOTE_ED25519 || algorithm == WARD_NOTE_ECDSA,
                 "note key: neither Ed25519 nor ECDSA");
    bool good = algorithm == WARD_NOTE_ED25519
                    ? public_key.size == 32
                    : public_key.size == sizeof(p256_spki) + 64 &&
                          memcmp(public_key.data, p256_spki, sizeof(p256_spki)) == 0;
    WARD_REQUIRE(good, "note key: neither 32 bytes of Ed25519 nor a P-256 key in DER");
    struct ward_note_key key = {.algorithm = algorithm, .public_key_size = public_key.size};
    memcpy(key.name, name.data, name.size);
    memcpy(key.public_key, public_key.data, public_key.size);
    WARD_TRY(key_id(&key, key.id));
    *ret = key;
    return WARD_OK;
}

ward_status ward_note_key_init(const char *name, uint8_t algorithm, struct ward_bytes public_key,
                               struct ward_note_key *ret)
{
    return key_init(ward_bytes_str(name), algorithm, public_key, ret);
}

/* 127 + 1 + 8 + 1 + 172 characters at most. */
void ward_note_key_print(const struct ward_note_key *key, char out[static WARD_VKEY_MAX])
{
    size_t size = strlen(key->name);
    memcpy(out, key->name, size);
    out[size++] = '+';
    ward_hex_encode(WARD_BYTES_ARRAY(key->id), out + size);
    size += 8;
    out[size++] = '+';
    uint8_t typed[1 + sizeof(key->public_key)] = {key->algorithm};
    memcpy(typed + 1, key->public_key, key->public_key_size);
    ward_base64_encode(WARD_BYTES(typed, 1 + key->public_key_size), out + size);
}

ward_status ward_note_key_parse(const char *vkey, struct ward_note_key *ret)
{
    size_t size = strnlen(vkey, WARD_VKEY_MAX);
    const char *plus = memchr(vkey, '+', size);
    WARD_REQUIRE(plus != NULL && size < WARD_VKEY_MAX, "note key: not name+hex+base64");
    size_t name_size = (size_t)(plus - vkey);
    size_t rest = size - name_size - 1;
    uint8_t typed[1 + sizeof(ret->public_key)];
    WARD_REQUIRE(rest > 9 && rest - 9 <= sizeof(typed) / 3 * 4 && plus[9] == '+',
                 "note key: not name+hex+base64");
    size_t typed_size = 0;
    WARD_REQUIRE(ward_base64_decode(plus + 10, rest - 9, typed, &typed_size) && typed_size > 1,
                 "note key: not name+hex+base64");
    struct ward_note_key key;
    WARD_TRY(key_init(WARD_BYTES(vkey, name_size), typed[0], WARD_BYTES(typed + 1, typed_size - 1),
                      &key));
    char again[WARD_VKEY_MAX];
    ward_note_key_print(&key, again);
    WARD_REQUIRE(strcmp(again, vkey) == 0, "note key: id does not belong to the key");
    *ret = key;
    return WARD_OK;
}

void ward_checkpoint_body(const struct ward_checkpoint *checkpoint, struct ward_buffer *out)
{
    char root[WARD_BASE64_SIZE(32) + 1];
    ward_base64_encode(WARD_BYTES_ARRAY(checkpoint->root), root);
    ward_buffer_add(out, ward_bytes_str(checkpoint->origin));
    ward_buffer_add_u8(out, '\n');
    ward_canonical_uint(out, checkpoint->size);
    ward_buffer_add_u8(out, '\n');
    ward_buffer_add(out, ward_bytes_str(root));
    ward_buffer_add_u8(out, '\n');
}

void ward_note_cosign(const struct ward_note_key *key, struct ward_bytes signature,
                      struct ward_buffer *out)
{
    uint8_t identified[4 + SIGNATURE_MAX];
    char text[WARD_BASE64_SIZE(sizeof(identified)) + 1];
    if (signature.size == 0 || signature.size > SIGNATURE_MAX) {
        out->failed = true;
        return;
    }
    memcpy(identified, key->id, 4);
    memcpy(identified + 4, signature.data, signature.size);
    ward_base64_encode(WARD_BYTES(identified, 4 + signature.size), text);
    ward_buffer_add(out, WARD_BYTES_LITERAL(EM_DASH));
    ward_buffer_add(out, ward_bytes_str(key->name));
    ward_buffer_add_u8(out, ' ');
    ward_buffer_add(out, ward_bytes_str(text));
    ward_buffer_add_u8(out, '\n');
}

void ward_note_finish(struct ward_bytes body, const struct ward_note_key *key,
                      struct ward_bytes signature, struct ward_buffer *out)
{
    ward_buffer_add(out, body);
    ward_buffer_add_u8(out, '\n');
    ward_note_cosign(key, signature, out);
}

/* One line without its newline, and the rest behind it. False when there is no newline. */
static bool take_line(struct ward_bytes *text, struct ward_bytes *ret_line)
{
    const uint8_t *end = text->size == 0 ? NULL : memchr(text->data, '\n', text->size);
    if (end == NULL) {
        return false;
    }
    size_t size = (size_t)(end - text->data);
    *ret_line = WARD_BYTES(text->data, size);
    *text = WARD_BYTES(end + 1, text->size - size - 1);
    return true;
}

/* Splits at the last empty line. */
static bool split(struct ward_bytes note, struct ward_bytes *ret_text,
                  struct ward_bytes *ret_signatures)
{
    if (note.size < 4 || note.size > WARD_NOTE_MAX || !ward_utf8_valid(note) ||
        note.data[note.size - 1] != '\n') {
        return false;
    }
    for (size_t i = 0; i < note.size; i++) {
        if (note.data[i] < 0x20 && note.data[i] != '\n') {
            return false;
        }
    }
    for (size_t i = note.size - 2; i > 0; i--) {
        if (note.data[i] == '\n' && note.data[i - 1] == '\n') {
            *ret_text = WARD_BYTES(note.data, i);
            *ret_signatures = WARD_BYTES(note.data + i + 1, note.size - i - 1);
            return true;
        }
    }
    return false;
}

struct signature_line {
    struct ward_bytes name;
    uint8_t bytes[WARD_NOTE_MAX]; /* key id and signature */
    size_t size;
};

static bool parse_line(struct ward_bytes line, struct signature_line *ret)
{
    const size_t dash = sizeof(EM_DASH) - 1;
    if (line.size <= dash || memcmp(line.data, EM_DASH, dash) != 0) {
        return false;
    }
    const uint8_t *space = memchr(line.data + dash, ' ', line.size - dash);
    if (space == NULL || space == line.data + dash) {
        return false;
    }
    ret->name = WARD_BYTES(line.data + dash, (size_t)(space - line.data) - dash);
    size_t encoded = line.size - (size_t)(space - line.data) - 1;
    return ward_base64_decode((const char *)space + 1, encoded, ret->bytes, &ret->size) &&
           ret->size > 4;
}

static ward_status verify_line(struct ward_bytes text, const struct ward_note_key *key,
                               const struct signature_line *line)
{
    struct ward_bytes public_key = WARD_BYTES(key->public_key, key->public_key_size);
    struct ward_bytes signature = WARD_BYTES(line->bytes + 4, line->size - 4);
    ward_status status = key->algorithm == WARD_NOTE_ED25519
                             ? ward_signature_verify_ed25519(public_key, text, signature)
                             : ward_signature_verify_spki(public_key, text, signature);
    WARD_REQUIRE(status.code != WARD_E_INVALID, "checkpoint: signature does not verify");
    return status;
}

ward_status ward_note_open(struct ward_bytes note, const struct ward_note_key *key,
                           struct ward_bytes *ret_text)
{
    struct ward_bytes text, signatures, line;
    WARD_REQUIRE(split(note, &text, &signatures), "checkpoint: not a signed note");
    bool signed_by_key = false;
    struct signature_line signature;
    while (take_line(&signatures, &line)) {
        WARD_REQUIRE(parse_line(line, &signature), "checkpoint: not a signed note");
        if (ward_bytes_eq(signature.name, ward_bytes_str(key->name)) &&
            memcmp(signature.bytes, key->id, 4) == 0) {
            WARD_TRY(verify_line(text, key, &signature));
            signed_by_key = true;
        }
    }
    WARD_REQUIRE(signed_by_key, "checkpoint: not signed by this key");
    *ret_text = text;
    return WARD_OK;
}

/* Decimal, no leading zero, no more than 64 bits. */
static bool parse_size(struct ward_bytes text, uint64_t *ret)
{
    if (text.size == 0 || text.size > 20 || (text.size > 1 && text.data[0] == '0')) {
        return false;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value)) {
            return false;
        }
    }
    *ret = value;
    return true;
}

static bool parse_root(struct ward_bytes text, uint8_t out[static 32])
{
    uint8_t root[33];
    size_t size = 0;
    if (text.size != WARD_BASE64_SIZE(32) ||
        !ward_base64_decode((const char *)text.data, text.size, root, &size) || size != 32) {
        return false;
    }
    memcpy(out, root, 32);
    return true;
}

ward_status ward_note_verify(struct ward_bytes note, const struct ward_note_key *key,
                             struct ward_checkpoint *ret)
{
    struct ward_bytes text, origin, size, root;
    WARD_TRY(ward_note_open(note, key, &text));
    struct ward_checkpoint checkpoint = {0};
    WARD_REQUIRE(take_line(&text, &origin) && take_line(&text, &size) && take_line(&text, &root) &&
                     text.size == 0,
                 "checkpoint: not three lines");
    WARD_REQUIRE(ward_bytes_eq(origin, ward_bytes_str(key->name)), "checkpoint: of another log");
    WARD_REQUIRE(parse_size(size, &checkpoint.size), "checkpoint: size is not a decimal number");
    WARD_REQUIRE(parse_root(root, checkpoint.root), "checkpoint: root is not 32 bytes in base64");
    memcpy(checkpoint.origin, origin.data, origin.size);
    *ret = checkpoint;
    return WARD_OK;
}

/* DER INTEGER of a big-endian positive number: no leading zeros, but one where the top bit is set.
 */
static size_t put_integer(const uint8_t number[static 32], uint8_t *out)
{
    size_t skip = 0;
    while (skip < 31 && number[skip] == 0) {
        skip++;
    }
    size_t pad = number[skip] >> 7;
    size_t size = 32 - skip + pad;
    out[0] = 0x02;
    out[1] = (uint8_t)size;
    out[2] = 0;
    memcpy(out + 2 + pad, number + skip, 32 - skip);
    return 2 + size;
}

ward_status ward_ecdsa_raw_to_der(const uint8_t raw[static 64], uint8_t *out, size_t *ret_size)
{
    static const uint8_t zero[32];
    WARD_REQUIRE(memcmp(raw, zero, 32) != 0 && memcmp(raw + 32, zero, 32) != 0,
                 "signature: r or s is zero");
    size_t size = put_integer(raw, out + 2);
    size += put_integer(raw + 32, out + 2 + size);
    out[0] = 0x30;
    out[1] = (uint8_t)size;
    *ret_size = 2 + size;
    return WARD_OK;
}
