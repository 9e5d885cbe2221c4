/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. Messages come here as they were unpacked, after ward_wire_check: nothing in them
 * is unknown or given twice, so that what the descriptor names is all that there is. A message's
 * digest is over one head for each field that is set, and its bytes:
 *
 *   u32 tag, u64 the number | the size of the text | how many elements or entries
 *   the text | a message's digest | the digests of the elements, one after the other
 */
#include "server/rpc/replay_digest.h"

#include <stdlib.h>

#include "proto/grpc.h"
#include "server/replay.h"
#include "server/rpc/fields.h"
#include "server/rpc/message.h"
#include "server/rpc/method.h"

#define DOMAIN "ward replay 1"
#define FIELDS_MAX 16 /* of one message; ours have fewer */
#define HEAD_SIZE 12
#define DEPTH_MAX 8

struct canon {
    struct ward_digest *digest;
    struct ward_arena *arena;
};

/* What is hashed of one message. */
struct parts {
    uint8_t heads[FIELDS_MAX][HEAD_SIZE];
    struct ward_bytes parts[2 * FIELDS_MAX];
    size_t n_heads, n;
};

static ward_status hash_message(const struct canon *canon, const ProtobufCMessage *message,
                                unsigned depth, uint8_t out[static WARD_SHA256_SIZE]);

static ward_status add(struct parts *parts, uint32_t tag, uint64_t number, struct ward_bytes bytes)
{
    WARD_ENSURE(parts->n_heads < FIELDS_MAX, WARD_E_INTERNAL);
    uint8_t *head = parts->heads[parts->n_heads++];
    ward_put_u32(head, tag);
    ward_put_u64(head + 4, number);
    parts->parts[parts->n++] = WARD_BYTES(head, HEAD_SIZE);
    parts->parts[parts->n++] = bytes;
    return WARD_OK;
}

static bool is_text(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES;
}

static struct ward_bytes text_of(const ProtobufCFieldDescriptor *field, const void *member)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)member;
        return text == NULL ? (struct ward_bytes){0} : ward_bytes_str(text);
    }
    const ProtobufCBinaryData *data = member;
    return WARD_BYTES(data->data, data->len);
}

static ward_status number_of(const ProtobufCFieldDescriptor *field, const void *member,
                             uint64_t *ret)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_UINT64:
        *ret = *(const uint64_t *)member;
        return WARD_OK;
    case PROTOBUF_C_TYPE_UINT32:
        *ret = *(const uint32_t *)member;
        return WARD_OK;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        *ret = (uint64_t)(int64_t) * (const int32_t *)member;
        return WARD_OK;
    case PROTOBUF_C_TYPE_BOOL:
        *ret = *(const protobuf_c_boolean *)member != 0;
        return WARD_OK;
    default:
        WARD_FAIL(WARD_E_INTERNAL); /* no field of ours has another type */
    }
}

/* ---- repeated fields ---- */

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, WARD_SHA256_SIZE);
}

static bool is_map(const ProtobufCFieldDescriptor *field)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return false;
    }
    const char *name = ((const ProtobufCMessageDescriptor *)field->descriptor)->short_name;
    size_t size = strlen(name);
    return size >= 5 && strcmp(name + size - 5, "Entry") == 0;
}

/* The elements' digests; a map's sorted, since its entries have no order. */
static ward_status add_repeated(const struct canon *canon, const ProtobufCFieldDescriptor *field,
                                const uint8_t *message, unsigned depth, struct parts *parts)
{
    size_t n;
    memcpy(&n, message + field->quantifier_offset, sizeof(n));
    const void *elements = *(const void *const *)(const void *)(message + field->offset);
    if (n == 0) {
        return WARD_OK;
    }
    uint8_t *hashes = WARD_ARENA_ARRAY(canon->arena, uint8_t, n * WARD_SHA256_SIZE);
    WARD_ENSURE(hashes != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        uint8_t *out = hashes + i * WARD_SHA256_SIZE;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
            const ProtobufCMessage *const *messages = elements;
            WARD_TRY(hash_message(canon, messages[i], depth + 1, out));
        } else {
            WARD_ENSURE(is_text(field), WARD_E_INTERNAL);
            size_t size = field->type == PROTOBUF_C_TYPE_STRING ? sizeof(char *)
                                                                : sizeof(ProtobufCBinaryData);
            struct ward_bytes text = text_of(field, (const uint8_t *)elements + i * size);
            WARD_TRY(ward_sha256(canon->digest, &text, 1, out));
        }
    }
    if (is_map(field)) {
        qsort(hashes, n, WARD_SHA256_SIZE, by_bytes);
    }
    return add(parts, field->id, n, WARD_BYTES(hashes, n * WARD_SHA256_SIZE));
}

/* ---- one field, one message ---- */

/* Of the header: whom the call is for and why are part of what is asked; its name is not. */
static bool counts(const ProtobufCMessageDescriptor *type, const ProtobufCFieldDescriptor *field)
{
    return type != &ward__v1__request_header__descriptor ||
           strcmp(field->name, "on_behalf_of") == 0 || strcmp(field->name, "reason") == 0;
}

static ward_status add_field(const struct canon *canon, const ProtobufCFieldDescriptor *field,
                             const uint8_t *message, unsigned depth, struct parts *parts)
{
    const void *member = message + field->offset;
    WARD_ENSURE((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0, WARD_E_INTERNAL);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return add_repeated(canon, field, message, depth, parts);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)member;
        if (inner == NULL) {
            return WARD_OK;
        }
        uint8_t *hash = ward_arena_alloc(canon->arena, WARD_SHA256_SIZE);
        WARD_ENSURE(hash != NULL, WARD_E_EXHAUSTED);
        WARD_TRY(hash_message(canon, inner, depth + 1, hash));
        return add(parts, field->id, 1, WARD_BYTES(hash, WARD_SHA256_SIZE));
    }
    if (is_text(field)) {
        struct ward_bytes text = text_of(field, member);
        return text.size == 0 ? WARD_OK : add(parts, field->id, text.size, text);
    }
    uint64_t number;
    WARD_TRY(number_of(field, member, &number));
    return number == 0 ? WARD_OK : add(parts, field->id, number, (struct ward_bytes){0});
}

static ward_status hash_message(const struct canon *canon, const ProtobufCMessage *message,
                                unsigned depth, uint8_t out[static WARD_SHA256_SIZE])
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    WARD_ENSURE(depth < DEPTH_MAX, WARD_E_INTERNAL);
    struct parts parts;
    parts.n_heads = parts.n = 0;
    for (unsigned i = 0; i < type->n_fields; i++) { /* in the order of their tags */
        if (counts(type, &type->fields[i])) {
            WARD_TRY(add_field(canon, &type->fields[i], (const uint8_t *)message, depth, &parts));
        }
    }
    return ward_sha256(canon->digest, parts.parts, parts.n, out);
}

ward_status ward_replay_digest(struct ward_digest *digest, struct ward_arena *arena,
                               struct ward_bytes path, const ProtobufCMessage *message,
                               uint8_t out[static WARD_SHA256_SIZE])
{
    const struct canon canon = {digest, arena};
    uint8_t inner[WARD_SHA256_SIZE], size[4];
    WARD_TRY(hash_message(&canon, message, 0, inner));
    ward_put_u32(size, (uint32_t)path.size);
    const struct ward_bytes parts[] = {WARD_BYTES_LITERAL(DOMAIN), WARD_BYTES_ARRAY(size), path,
                                       WARD_BYTES_ARRAY(inner)};
    return ward_sha256(digest, parts, 4, out);
}

/* ---- hooks ---- */

static ward_status digest_request(struct ward_request *request, const void *message,
                                  struct ward_digest *digest, uint8_t out[static 32])
{
    const struct ward_method *method = request->method;
    return ward_replay_digest(digest, request->arena, method->path, message, out);
}

static ward_status encode(struct ward_request *request, struct ward_bytes *ret)
{
    const struct ward_method *method = request->method;
    const ProtobufCMessage *message = NULL;
    WARD_TRY(method->encode(request, &message));
    return ward_message_pack(request->arena, message, ret);
}

static ward_status frame(struct ward_request *request, struct ward_bytes message,
                         struct ward_bytes *ret)
{
    uint8_t *out = ward_arena_alloc(request->arena, WARD_GRPC_PREFIX_SIZE + message.size);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    ward_grpc_prefix((uint32_t)message.size, out);
    if (message.size > 0) {
        memcpy(out + WARD_GRPC_PREFIX_SIZE, message.data, message.size);
    }
    *ret = WARD_BYTES(out, WARD_GRPC_PREFIX_SIZE + message.size);
    return WARD_OK;
}

static const struct ward_replay_hooks hooks = {digest_request, encode, frame,
                                               WARD_GRPC_PREFIX_SIZE};

ward_status ward_replay_header(struct ward_request *request, const Ward__V1__RequestHeader *header,
                               const ProtobufCMessage *message)
{
    WARD_TRY(ward_fields_header(request, header));
    return request->request_id.size == 0 ? WARD_OK : ward_replay_name(request, &hooks, message);
}
