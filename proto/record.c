/* SPDX-License-Identifier: Apache-2.0 */
/* Seals a JSON object member by member, so that one field can be opened without the others and what
 * comes back is the same bytes. The layout is drawn in record.h. Must not know who asks, where the
 * bytes are kept or how the subject key came here. */
#include "proto/record.h"

#include "base/cursor.h"
#include "base/id.h"
#include "base/secret.h"
#include "proto/wire_limits.h"

#define FORMAT 1
#define TYPE_JSON 1
#define SUITE "AES-256-GCM HKDF-SHA-256"
#define LABEL "ward record 1"

#define SALT_SIZE 32
#define COMMITMENT_SIZE 32
#define HEAD_SIZE (1 + SALT_SIZE + COMMITMENT_SIZE + 4)
#define OKM_SIZE (WARD_AEAD_KEY_SIZE + COMMITMENT_SIZE)
#define CHUNK WARD_RECORD_CHUNK_SIZE
#define TAG WARD_AEAD_TAG_SIZE
#define LAST_CHUNK ((uint64_t)1 << 63)

/* Collection, id hash, version, schema version; each behind its size. */
#define AAD_PREFIX_MAX (4 + WARD_NAME_MAX + 4 + WARD_RECORD_HASH_SIZE + 8 + 8)
#define INFO_MAX (sizeof(LABEL) + 4 + sizeof(SUITE) + AAD_PREFIX_MAX)

/* One record being sealed or opened: from begin() to end() the AEAD has its key. */
struct seal {
    struct ward_aead *aead;
    uint8_t aad[AAD_PREFIX_MAX + 4 + WARD_RECORD_FIELD_NAME_MAX];
    size_t aad_prefix;
};

struct legend_field {
    struct ward_bytes name;
    uint32_t size, cut;
    size_t sealed_at; /* in the sealed record */
};

struct legend {
    struct ward_record_names names;
    struct legend_field *fields;
    size_t n;
    struct ward_bytes skeleton;
    size_t json_size;
};

static uint8_t *put_sized(uint8_t *p, struct ward_bytes bytes)
{
    ward_put_u32(p, (uint32_t)bytes.size);
    if (bytes.size > 0) {
        memcpy(p + 4, bytes.data, bytes.size);
    }
    return p + 4 + bytes.size;
}

static uint8_t *put_sized_u32(uint8_t *p, uint32_t v)
{
    ward_put_u32(p, 4);
    ward_put_u32(p + 4, v);
    return p + 8;
}

static size_t sealed_size(size_t plain_size)
{
    size_t chunks = plain_size == 0 ? 1 : (plain_size + CHUNK - 1) / CHUNK;
    return plain_size + chunks * TAG;
}

/* The record key and the commitment to it. */
static ward_status derive(struct ward_digest *digest, struct ward_bytes subject_key,
                          const struct ward_record_binding *binding, struct ward_bytes salt,
                          uint8_t okm[static OKM_SIZE])
{
    uint8_t info[INFO_MAX];
    uint8_t *p = info;
    memcpy(p, LABEL, sizeof(LABEL) - 1);
    p += sizeof(LABEL) - 1;
    p = put_sized(p, WARD_BYTES_LITERAL(SUITE));
    p = put_sized(p, binding->collection);
    p = put_sized(p, WARD_BYTES_ARRAY(binding->id_hash));
    p = put_sized_u32(p, binding->version);
    return ward_hkdf_sha256(digest, subject_key, salt, WARD_BYTES(info, (size_t)(p - info)), okm,
                            OKM_SIZE);
}

/* Gives the AEAD the record's key. end() must follow, whatever is answered. */
static ward_status begin(struct seal *seal, struct ward_record_crypto *crypto,
                         struct ward_bytes subject_key, const struct ward_record_binding *binding,
                         struct ward_bytes salt, uint8_t commitment[static COMMITMENT_SIZE])
{
    ward_auto(ward_secret_freep) struct ward_secret *okm = NULL;
    WARD_TRY(ward_secret_zero(OKM_SIZE, &okm));
    WARD_TRY(derive(crypto->digest, subject_key, binding, salt, ward_secret_fill(okm)));
    const uint8_t *key = ward_secret_view(okm).data;
    memcpy(commitment, key + WARD_AEAD_KEY_SIZE, COMMITMENT_SIZE);
    WARD_TRY(ward_aead_key(crypto->aead, key));

    seal->aead = crypto->aead;
    uint8_t *p = put_sized(seal->aad, binding->collection);
    p = put_sized(p, WARD_BYTES_ARRAY(binding->id_hash));
    p = put_sized_u32(p, binding->version);
    p = put_sized_u32(p, binding->schema_version);
    seal->aad_prefix = (size_t)(p - seal->aad);
    return WARD_OK;
}

/* What failed first is told. */
static ward_status end(struct ward_record_crypto *crypto, ward_status status)
{
    ward_status forgotten = ward_aead_forget(crypto->aead);
    return ward_ok(status) ? forgotten : status;
}

static struct ward_bytes field_aad(struct seal *seal, struct ward_bytes name)
{
    uint8_t *end = put_sized(seal->aad + seal->aad_prefix, name);
    return WARD_BYTES(seal->aad, (size_t)(end - seal->aad));
}

static void nonce(uint32_t ordinal, uint64_t chunk, bool last,
                  uint8_t out[static WARD_AEAD_IV_SIZE])
{
    ward_put_u32(out, ordinal);
    ward_put_u64(out + 4, chunk | (last ? LAST_CHUNK : 0));
}

static ward_status seal_field(struct seal *seal, uint32_t ordinal, struct ward_bytes name,
                              struct ward_bytes plain, uint8_t *out)
{
    struct ward_bytes aad = field_aad(seal, name);
    uint8_t iv[WARD_AEAD_IV_SIZE];
    uint64_t chunk = 0;
    while (plain.size > CHUNK) {
        nonce(ordinal, chunk++, false, iv);
        WARD_TRY(ward_aead_seal_next(seal->aead, iv, aad, WARD_BYTES(plain.data, CHUNK), out));
        plain = WARD_BYTES(plain.data + CHUNK, plain.size - CHUNK);
        out += CHUNK + TAG;
    }
    nonce(ordinal, chunk, true, iv);
    return ward_aead_seal_next(seal->aead, iv, aad, plain, out);
}

/* sealed is exactly sealed_size(plain size) bytes; out has room for the plain ones. */
static ward_status open_field(struct seal *seal, uint32_t ordinal, struct ward_bytes name,
                              struct ward_bytes sealed, uint8_t *out)
{
    struct ward_bytes aad = field_aad(seal, name);
    uint8_t iv[WARD_AEAD_IV_SIZE];
    uint64_t chunk = 0;
    while (sealed.size > CHUNK + TAG) {
        nonce(ordinal, chunk++, false, iv);
        WARD_TRY(
            ward_aead_open_next(seal->aead, iv, aad, WARD_BYTES(sealed.data, CHUNK + TAG), out));
        sealed = WARD_BYTES(sealed.data + CHUNK + TAG, sealed.size - CHUNK - TAG);
        out += CHUNK;
    }
    WARD_ENSURE(sealed.size >= TAG, WARD_E_CIPHERTEXT);
    nonce(ordinal, chunk, true, iv);
    return ward_aead_open_next(seal->aead, iv, aad, sealed, out);
}

static bool is_name(struct ward_bytes name)
{
    return name.size >= 1 && name.size <= WARD_NAME_MAX && ward_utf8_valid(name);
}

static ward_status check_names(const struct ward_record_names *names)
{
    WARD_REQUIRE(is_name(names->subject), "record: subject must be 1 to 128 bytes of UTF-8");
    WARD_REQUIRE(is_name(names->id), "record: id must be 1 to 128 bytes of UTF-8");
    return WARD_OK;
}

static ward_status check_binding(const struct ward_record_binding *binding)
{
    WARD_REQUIRE(binding->collection.size <= WARD_NAME_MAX,
                 "record: collection name longer than 128 bytes");
    return WARD_OK;
}

/* Sizes of the legend and of all sealed fields together. */
static ward_status measure(const struct ward_record_names *names, struct ward_bytes json,
                           const struct ward_json_slice *slices, size_t n, size_t *ret_legend,
                           size_t *ret_fields)
{
    size_t values = 0, legend = 2 + names->subject.size + 2 + names->id.size + 2 + 4, fields = 0;
    for (size_t i = 0; i < n; i++) {
        WARD_REQUIRE(slices[i].name.size <= WARD_RECORD_FIELD_NAME_MAX,
                     "record: member name longer than 1024 bytes");
        legend += 2 + slices[i].name.size + 1 + 4 + 4;
        values += slices[i].value.size;
        fields += sealed_size(slices[i].value.size);
    }
    *ret_legend = legend + json.size - values;
    *ret_fields = fields;
    return WARD_OK;
}

static uint8_t *put_name(uint8_t *p, struct ward_bytes name)
{
    ward_put_u16(p, (uint16_t)name.size);
    if (name.size > 0) {
        memcpy(p + 2, name.data, name.size);
    }
    return p + 2 + name.size;
}

/* p has room for the measured size. */
static void write_legend(const struct ward_record_names *names, struct ward_bytes json,
                         const struct ward_json_slice *slices, size_t n, uint8_t *p)
{
    p = put_name(p, names->subject);
    p = put_name(p, names->id);
    ward_put_u16(p, (uint16_t)n);
    p += 2;
    size_t cut_out = 0;
    for (size_t i = 0; i < n; i++) {
        struct ward_bytes value = slices[i].value;
        p = put_name(p, slices[i].name);
        *p++ = TYPE_JSON;
        ward_put_u32(p, (uint32_t)value.size);
        ward_put_u32(p + 4, (uint32_t)((size_t)(value.data - json.data) - cut_out));
        p += 8;
        cut_out += value.size;
    }
    ward_put_u32(p, (uint32_t)(json.size - cut_out));
    p += 4;
    const uint8_t *from = json.data;
    for (size_t i = 0; i < n; i++) {
        size_t size = (size_t)(slices[i].value.data - from);
        memcpy(p, from, size);
        p += size;
        from = slices[i].value.data + slices[i].value.size;
    }
    memcpy(p, from, (size_t)(json.data + json.size - from));
}

static ward_status seal_parts(struct seal *seal, struct ward_bytes legend,
                              const struct ward_json_slice *slices, size_t n, uint8_t *out)
{
    WARD_TRY(seal_field(seal, 0, WARD_BYTES_LITERAL(""), legend, out));
    out += sealed_size(legend.size);
    for (size_t i = 0; i < n; i++) {
        WARD_TRY(seal_field(seal, (uint32_t)i + 1, slices[i].name, slices[i].value, out));
        out += sealed_size(slices[i].value.size);
    }
    return WARD_OK;
}

ward_status ward_record_seal(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes json,
                             struct ward_arena *arena, struct ward_bytes *ret)
{
    WARD_TRY(check_binding(binding));
    WARD_TRY(check_names(&binding->names));
    WARD_REQUIRE(json.size <= WARD_RECORD_SEAL_MAX, "record: larger than 256 MiB");
    struct ward_json_slice slices[WARD_RECORD_FIELDS_MAX];
    size_t n = 0, legend_size = 0, fields_size = 0;
    WARD_TRY(ward_json_scan(json, slices, WARD_RECORD_FIELDS_MAX, &n));
    WARD_TRY(measure(&binding->names, json, slices, n, &legend_size, &fields_size));

    size_t total = HEAD_SIZE + sealed_size(legend_size) + fields_size;
    uint8_t *legend = ward_arena_alloc(arena, legend_size);
    uint8_t *sealed = ward_arena_alloc(arena, total);
    WARD_ENSURE(legend != NULL && sealed != NULL, WARD_E_EXHAUSTED);
    write_legend(&binding->names, json, slices, n, legend);
    sealed[0] = FORMAT;
    WARD_TRY(ward_random(sealed + 1, SALT_SIZE));
    ward_put_u32(sealed + HEAD_SIZE - 4, (uint32_t)sealed_size(legend_size));

    struct seal seal;
    ward_status status = begin(&seal, crypto, subject_key, binding,
                               WARD_BYTES(sealed + 1, SALT_SIZE), sealed + 1 + SALT_SIZE);
    if (ward_ok(status)) {
        status = seal_parts(&seal, WARD_BYTES(legend, legend_size), slices, n, sealed + HEAD_SIZE);
    }
    WARD_TRY(end(crypto, status));
    *ret = WARD_BYTES(sealed, total);
    return WARD_OK;
}

/* How many plain bytes a sealed size stands for; false when no plain size seals to it. */
static bool plain_size(size_t sealed, size_t *ret)
{
    size_t chunks = (sealed + CHUNK + TAG - 1) / (CHUNK + TAG);
    if (chunks == 0 || sealed < chunks * TAG || sealed_size(sealed - chunks * TAG) != sealed) {
        return false;
    }
    *ret = sealed - chunks * TAG;
    return true;
}

/* The legend is authentic, but what it says is still checked against the bytes that are there. */
static ward_status parse_legend(struct ward_bytes plain, size_t fields_at, size_t total,
                                struct ward_arena *arena, struct legend *ret)
{
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, plain);
    struct legend legend = {0};
    legend.names.subject = ward_cursor_take(&cursor, ward_cursor_u16(&cursor));
    legend.names.id = ward_cursor_take(&cursor, ward_cursor_u16(&cursor));
    WARD_ENSURE(is_name(legend.names.subject) && is_name(legend.names.id), WARD_E_CIPHERTEXT);
    legend.n = ward_cursor_u16(&cursor);
    WARD_ENSURE(legend.n <= WARD_RECORD_FIELDS_MAX, WARD_E_CIPHERTEXT);
    legend.fields = WARD_ARENA_ARRAY(arena, struct legend_field, legend.n);
    WARD_ENSURE(legend.fields != NULL, WARD_E_EXHAUSTED);
    size_t at = fields_at;
    uint32_t cut = 0;
    for (size_t i = 0; i < legend.n; i++) {
        struct legend_field *field = &legend.fields[i];
        field->name = ward_cursor_take(&cursor, ward_cursor_u16(&cursor));
        uint8_t type = ward_cursor_u8(&cursor);
        field->size = ward_cursor_u32(&cursor);
        field->cut = ward_cursor_u32(&cursor);
        field->sealed_at = at;
        WARD_ENSURE(!cursor.failed && type == TYPE_JSON && field->cut >= cut &&
                        field->name.size <= WARD_RECORD_FIELD_NAME_MAX,
                    WARD_E_CIPHERTEXT);
        cut = field->cut;
        at += sealed_size(field->size);
        legend.json_size += field->size;
    }
    legend.skeleton = ward_cursor_take(&cursor, ward_cursor_u32(&cursor));
    legend.json_size += legend.skeleton.size;
    WARD_ENSURE(ward_cursor_done(&cursor) && cut <= legend.skeleton.size && at == total,
                WARD_E_CIPHERTEXT);
    *ret = legend;
    return WARD_OK;
}

/* Names that are left out are not asked for. */
static bool names_fit(const struct ward_record_names *asked, const struct ward_record_names *found)
{
    return (asked->subject.size == 0 || ward_bytes_eq(asked->subject, found->subject)) &&
           (asked->id.size == 0 || ward_bytes_eq(asked->id, found->id));
}

/* Checks the commitment, opens the legend and leaves `seal` ready for the fields. end() must
 * follow, whatever is answered. */
static ward_status open_head(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes sealed,
                             struct ward_arena *arena, struct seal *seal, struct legend *ret_legend)
{
    WARD_TRY(check_binding(binding));
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, sealed);
    uint8_t format = ward_cursor_u8(&cursor);
    struct ward_bytes salt = ward_cursor_take(&cursor, SALT_SIZE);
    struct ward_bytes commitment = ward_cursor_take(&cursor, COMMITMENT_SIZE);
    struct ward_bytes legend = ward_cursor_take(&cursor, ward_cursor_u32(&cursor));
    size_t legend_size = 0;
    WARD_ENSURE(!cursor.failed && format == FORMAT && sealed.size <= WARD_RECORD_SEAL_MAX * 2ul &&
                    plain_size(legend.size, &legend_size),
                WARD_E_CIPHERTEXT);

    uint8_t expected[COMMITMENT_SIZE];
    WARD_TRY(begin(seal, crypto, subject_key, binding, salt, expected));
    WARD_ENSURE(ward_bytes_eq_ct(WARD_BYTES_ARRAY(expected), commitment), WARD_E_CIPHERTEXT);

    uint8_t *plain = ward_arena_alloc(arena, legend_size);
    WARD_ENSURE(plain != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(open_field(seal, 0, WARD_BYTES_LITERAL(""), legend, plain));
    size_t fields_at = sealed.size - ward_cursor_left(&cursor);
    WARD_TRY(
        parse_legend(WARD_BYTES(plain, legend_size), fields_at, sealed.size, arena, ret_legend));
    WARD_ENSURE(names_fit(&binding->names, &ret_legend->names), WARD_E_CIPHERTEXT);
    return WARD_OK;
}

static ward_status open_ith(struct seal *seal, const struct legend *legend, size_t i,
                            struct ward_bytes sealed, uint8_t *out)
{
    const struct legend_field *field = &legend->fields[i];
    struct ward_bytes bytes = WARD_BYTES(sealed.data + field->sealed_at, sealed_size(field->size));
    return open_field(seal, (uint32_t)i + 1, field->name, bytes, out);
}

static ward_status open_all(struct seal *seal, const struct legend *legend,
                            struct ward_bytes sealed, struct ward_arena *arena,
                            struct ward_bytes *ret_json)
{
    uint8_t *json = ward_arena_alloc(arena, legend->json_size);
    WARD_ENSURE(json != NULL, WARD_E_EXHAUSTED);
    uint8_t *p = json;
    size_t copied = 0;
    for (size_t i = 0; i < legend->n; i++) {
        size_t piece = legend->fields[i].cut - copied;
        memcpy(p, legend->skeleton.data + copied, piece);
        p += piece;
        copied += piece;
        WARD_TRY(open_ith(seal, legend, i, sealed, p));
        p += legend->fields[i].size;
    }
    memcpy(p, legend->skeleton.data + copied, legend->skeleton.size - copied);
    *ret_json = WARD_BYTES(json, legend->json_size);
    return WARD_OK;
}

ward_status ward_record_open(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                             const struct ward_record_binding *binding, struct ward_bytes sealed,
                             struct ward_arena *arena, struct ward_record_names *ret_names,
                             struct ward_bytes *ret_json)
{
    struct seal seal;
    struct legend legend = {0};
    ward_status status = open_head(crypto, subject_key, binding, sealed, arena, &seal, &legend);
    if (ward_ok(status)) {
        status = open_all(&seal, &legend, sealed, arena, ret_json);
    }
    if (ward_ok(status) && ret_names != NULL) {
        *ret_names = legend.names;
    }
    return end(crypto, status);
}

ward_status ward_record_open_names(struct ward_record_crypto *crypto, struct ward_bytes subject_key,
                                   const struct ward_record_binding *binding,
                                   struct ward_bytes sealed, struct ward_arena *arena,
                                   struct ward_record_names *ret)
{
    struct seal seal;
    struct legend legend = {0};
    WARD_TRY(end(crypto, open_head(crypto, subject_key, binding, sealed, arena, &seal, &legend)));
    *ret = legend.names;
    return WARD_OK;
}

static ward_status open_some(struct seal *seal, const struct legend *legend,
                             struct ward_bytes sealed, const struct ward_bytes *names, size_t n,
                             struct ward_arena *arena, struct ward_record_field *fields,
                             size_t *ret_n)
{
    size_t found = 0;
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < legend->n; i++) {
            const struct legend_field *field = &legend->fields[i];
            if (!ward_bytes_eq(field->name, names[k])) {
                continue;
            }
            uint8_t *value = ward_arena_alloc(arena, field->size);
            WARD_ENSURE(value != NULL, WARD_E_EXHAUSTED);
            WARD_TRY(open_ith(seal, legend, i, sealed, value));
            fields[found++] =
                (struct ward_record_field){field->name, WARD_BYTES(value, field->size)};
            break;
        }
    }
    *ret_n = found;
    return WARD_OK;
}

ward_status ward_record_open_fields(struct ward_record_crypto *crypto,
                                    struct ward_bytes subject_key,
                                    const struct ward_record_binding *binding,
                                    struct ward_bytes sealed, const struct ward_bytes *names,
                                    size_t n, struct ward_arena *arena,
                                    struct ward_record_field *fields, size_t *ret_n)
{
    struct seal seal;
    struct legend legend = {0};
    ward_status status = open_head(crypto, subject_key, binding, sealed, arena, &seal, &legend);
    if (ward_ok(status)) {
        status = open_some(&seal, &legend, sealed, names, n, arena, fields, ret_n);
    }
    return end(crypto, status);
}

ward_status ward_record_digest(struct ward_record_crypto *crypto, struct ward_bytes sealed,
                               uint8_t out[static WARD_SHA256_SIZE])
{
    return ward_sha256(crypto->digest, &sealed, 1, out);
}
