/* SPDX-License-Identifier: Apache-2.0 */
/* A walk over tags, guided by the generated descriptors, as deep as the schema and no deeper.
 * protobuf-c 1.4.1 keeps unknown fields, merges what is given twice, cuts texts at a NUL, and does
 * not look at UTF-8; each of these would let two readers see two different requests. */
#include "server/rpc/wire_check.h"

#include <assert.h>

#include "base/cursor.h"
#include "proto/wire_limits.h"

#define DEPTH_MAX 8
#define FIELDS_MAX 16 /* of one message: a bit each; small, for it is cleared for each message */

static const struct words {
    const char *field, *not_utf8, *too_many;
} words[] = {
    {"collection", "collection: not UTF-8", NULL},
    {"context", NULL, "context: more than 32 pairs"},
    {"fields", "fields: not UTF-8", "fields: more than 256"},
    {"id", "id: not UTF-8", NULL},
    {"identity", "identity: not UTF-8", NULL},
    {"items", NULL, "items: more than 1000"},
    {"key", "key: not UTF-8", NULL},
    {"name", "name: not UTF-8", NULL},
    {"on_behalf_of", "on_behalf_of: not UTF-8", NULL},
    {"page_token", "page_token: not UTF-8", NULL},
    {"proposal", "proposal: not UTF-8", NULL},
    {"reason", "reason: not UTF-8", NULL},
    {"request_id", "request_id: not UTF-8", NULL},
    {"service", "service: not UTF-8", NULL},
    {"subject", "subject: not UTF-8", NULL},
};

static const struct words *words_of(const ProtobufCFieldDescriptor *field)
{
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].field, field->name) == 0) {
            return &words[i];
        }
    }
    return NULL;
}

static ward_status refuse(const char *text)
{
    ward_status status = WARD_REFUSAL(WARD_E_INVALID, "message: not valid");
    status.at = text == NULL ? status.at : text;
    return status;
}

static bool is_map_entry(const ProtobufCMessageDescriptor *type)
{
    size_t size = strlen(type->short_name);
    return size >= 5 && strcmp(type->short_name + size - 5, "Entry") == 0;
}

static ward_status not_utf8(const ProtobufCMessageDescriptor *type,
                            const ProtobufCFieldDescriptor *field)
{
    const struct words *known = words_of(field);
    return refuse(is_map_entry(type) ? "context: not UTF-8"
                  : known == NULL    ? NULL
                                     : known->not_utf8);
}

static ward_status malformed(void)
{
    return WARD_REFUSAL(WARD_E_INTERNAL, "message: does not parse");
}

/* Ten bytes at most, and no bit lost in the tenth. */
static uint64_t varint(struct ward_cursor *cursor)
{
    if (cursor->at < cursor->end && *cursor->at < 0x80) {
        return *cursor->at++; /* nearly all of them */
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte = ward_cursor_u8(cursor);
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    cursor->failed = true;
    return 0;
}

static ward_status check_number(ProtobufCType type, uint64_t value)
{
    bool fits = false;
    switch ((int)type) {
    case PROTOBUF_C_TYPE_UINT64:
        fits = true;
        break;
    case PROTOBUF_C_TYPE_UINT32:
        fits = value <= UINT32_MAX;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        fits = value <= 1;
        break;
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
        fits = value <= INT32_MAX || value >= (uint64_t)INT32_MIN;
        break;
    default:
        return malformed(); /* a wire type that is not this field's */
    }
    return fits ? WARD_OK : refuse("message: number out of range");
}

static ward_status check_message(const ProtobufCMessageDescriptor *type, struct ward_bytes bytes,
                                 unsigned depth);

static ward_status check_bytes(const ProtobufCMessageDescriptor *type,
                               const ProtobufCFieldDescriptor *field, struct ward_bytes bytes,
                               unsigned depth)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_BYTES:
        return WARD_OK;
    case PROTOBUF_C_TYPE_STRING:
        return ward_utf8_valid(bytes) ? WARD_OK : not_utf8(type, field);
    case PROTOBUF_C_TYPE_MESSAGE:
        return check_message(field->descriptor, bytes, depth + 1);
    default:
        return malformed();
    }
}

struct seen { /* of one message */
    uint16_t once;
    uint16_t counts[FIELDS_MAX]; /* up to WARD_BATCH_ITEMS_MAX */
};

static ward_status count(const ProtobufCMessageDescriptor *type,
                         const ProtobufCFieldDescriptor *field, struct seen *seen)
{
    size_t index = (size_t)(field - type->fields);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        bool again = (seen->once >> index & 1) != 0;
        seen->once |= (uint16_t)(1u << index);
        return again ? refuse("message: field given twice") : WARD_OK;
    }
    if (++seen->counts[index] > WARD_BATCH_ITEMS_MAX) {
        const struct words *known = words_of(field);
        return refuse(known == NULL ? NULL : known->too_many);
    }
    return WARD_OK;
}

static ward_status check_field(const ProtobufCMessageDescriptor *type, struct ward_cursor *cursor,
                               struct seen *seen, unsigned depth)
{
    uint64_t tag = varint(cursor);
    uint64_t number = tag >> 3;
    if (cursor->failed || number == 0 || number > 0x1fffffff) {
        return malformed();
    }
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(type, (unsigned)number);
    WARD_REQUIRE(field != NULL, "message: unknown field");
    switch (tag & 7) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: {
        uint64_t value = varint(cursor);
        if (cursor->failed) {
            return malformed();
        }
        WARD_TRY(count(type, field, seen));
        return check_number(field->type, value);
    }
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: {
        uint64_t size = varint(cursor);
        struct ward_bytes bytes = ward_cursor_take(cursor, size);
        if (cursor->failed) {
            return malformed();
        }
        WARD_TRY(count(type, field, seen));
        return check_bytes(type, field, bytes, depth);
    }
    default:
        return malformed(); /* groups and fixed sizes: no field of ours has them */
    }
}

static ward_status check_message(const ProtobufCMessageDescriptor *type, struct ward_bytes bytes,
                                 unsigned depth)
{
    assert(type->n_fields <= FIELDS_MAX && depth < DEPTH_MAX);
    struct seen seen = {0};
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, bytes);
    while (ward_cursor_left(&cursor) > 0) {
        WARD_TRY(check_field(type, &cursor, &seen, depth));
    }
    return WARD_OK;
}

ward_status ward_wire_check(const ProtobufCMessageDescriptor *type, struct ward_bytes message)
{
    return check_message(type, message, 0);
}
