/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where the client packs and unpacks protobuf. Must not know what the messages mean.
 */
#include "client/message.h"

#include <assert.h>

#include "base/id.h"

ward_rc ward_message_arena(struct ward_arena **ret, ward_error *error)
{
    ward_status status = ward_arena_new(WARD_ANSWER_BUDGET, ret);
    return ward_ok(status) ? WARD_RC_OK : ward_error_memory(error);
}

ward_rc ward_message_pack(const ProtobufCMessage *message, struct ward_buffer *out,
                          ward_error *error)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > out->max) {
        return ward_error_set(error, WARD_RC_RESOURCE_EXHAUSTED,
                              "request: %zu bytes, larger than %zu; send fewer items at a time",
                              size, out->max);
    }
    uint8_t *to = size == 0 ? NULL : ward_buffer_reserve(out, size);
    if (size > 0 && to == NULL) {
        return ward_error_memory(error);
    }
    if (size > 0) {
        out->size += protobuf_c_message_pack(message, to);
    }
    return WARD_RC_OK;
}

static void *arena_alloc(void *arena, size_t size)
{
    return ward_arena_alloc(arena, size);
}

/* The arena is wiped as a whole. */
static void arena_free(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

ward_rc ward_message_unpack(struct ward_bytes bytes, const ProtobufCMessageDescriptor *type,
                            struct ward_arena *arena, ProtobufCMessage **ret, ward_error *error)
{
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, bytes.size, bytes.data);
    if (message == NULL) {
        return ward_error_set(error, WARD_RC_INTERNAL,
                              "the daemon's answer is not a %s of at most %u bytes in memory",
                              type->short_name, WARD_ANSWER_BUDGET);
    }
    *ret = message;
    return WARD_RC_OK;
}

char *ward_message_text(const char *text)
{
    return (char *)(text == NULL ? "" : text);
}

Ward__V1__RequestHeader *ward_message_header(struct ward_arena *arena, const ward_call *call)
{
    if (call == NULL ||
        (call->request_id == NULL && call->on_behalf_of == NULL && call->reason == NULL)) {
        return NULL;
    }
    Ward__V1__RequestHeader *header = WARD_ARENA_NEW(arena, Ward__V1__RequestHeader);
    if (header != NULL) {
        *header = (Ward__V1__RequestHeader)WARD__V1__REQUEST_HEADER__INIT;
        header->request_id = ward_message_text(call->request_id);
        header->on_behalf_of = ward_message_text(call->on_behalf_of);
        header->reason = ward_message_text(call->reason);
    }
    return header;
}

ward_rc ward_message_name(struct ward_arena *arena, ProtobufCMessage *request, ward_error *error)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "header");
    assert(field != NULL && field->descriptor == &ward__v1__request_header__descriptor);
    Ward__V1__RequestHeader **header =
        (Ward__V1__RequestHeader **)(void *)((uint8_t *)request + field->offset);
    if (*header == NULL) {
        *header = WARD_ARENA_NEW(arena, Ward__V1__RequestHeader);
        if (*header == NULL) {
            return ward_error_memory(error);
        }
        **header = (Ward__V1__RequestHeader)WARD__V1__REQUEST_HEADER__INIT;
    }
    if ((*header)->request_id[0] != 0) {
        return WARD_RC_OK;
    }
    struct ward_id id;
    char *text = ward_arena_alloc(arena, WARD_ID_TEXT_SIZE);
    if (text == NULL || !ward_ok(ward_id_random(&id))) {
        return ward_error_memory(error);
    }
    ward_id_print(&id, text);
    (*header)->request_id = text;
    return WARD_RC_OK;
}

ward_rc ward_message_item_code(const Ward__V1__ItemError *error, const char **ret_text)
{
    *ret_text = error == NULL ? "" : error->message;
    if (error == NULL) {
        return WARD_RC_OK;
    }
    bool known = error->code > WARD_RC_OK && error->code <= WARD_RC_UNAUTHENTICATED;
    return known ? (ward_rc)error->code : WARD_RC_UNKNOWN;
}
