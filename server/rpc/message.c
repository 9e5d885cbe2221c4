/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c between arenas. Its allocator never frees, hands out zeroed memory (1.4.1 reads some
 * that it never wrote) and counts, so that a small message cannot become a large one. */
#include "server/rpc/message.h"

#include "proto/grpc.h"
#include "proto/wire_limits.h"
#include "server/rpc/wire_check.h"

#define BUDGET_BASE (64u * 1024)
#define BUDGET_TIMES 4
#define BUDGET_SMALL_TIMES 24 /* of many small items: their structs are larger than their bytes */
#define BUDGET_SMALL_MAX (12u * 1024 * 1024)

size_t ward_message_budget(size_t size)
{
    size_t small =
        size > BUDGET_SMALL_MAX / BUDGET_SMALL_TIMES ? BUDGET_SMALL_MAX : size * BUDGET_SMALL_TIMES;
    return BUDGET_BASE + size * BUDGET_TIMES + small;
}

struct allowance {
    struct ward_arena *arena;
    size_t end; /* of what the arena may have handed out */
    bool spent;
};

static void *take(void *context, size_t size)
{
    struct allowance *allowance = context;
    size_t used = ward_arena_used(allowance->arena);
    void *piece = NULL;
    if (used < allowance->end && size <= allowance->end - used) {
        piece = ward_arena_alloc(allowance->arena, size);
    }
    allowance->spent = piece == NULL;
    return piece;
}

static void give(void *context, void *piece)
{
    (void)context; /* the arena goes as a whole */
    (void)piece;
}

ward_status ward_message_unpack(struct ward_arena *arena, const ProtobufCMessageDescriptor *type,
                                struct ward_bytes bytes, const ProtobufCMessage **ret)
{
    WARD_TRY(ward_wire_check(type, bytes));
    struct allowance allowance = {.arena = arena,
                                  .end = ward_arena_used(arena) + ward_message_budget(bytes.size)};
    ProtobufCAllocator allocator = {take, give, &allowance};
    *ret = protobuf_c_message_unpack(type, &allocator, bytes.size,
                                     bytes.size == 0 ? (const uint8_t *)"" : bytes.data);
    if (*ret == NULL && allowance.spent) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "message: needs too much memory");
    }
    if (*ret == NULL) {
        return WARD_REFUSAL(WARD_E_INTERNAL, "message: does not parse");
    }
    return WARD_OK;
}

ward_status ward_message_pack(struct ward_arena *arena, const ProtobufCMessage *message,
                              struct ward_bytes *ret)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > WARD_RESPONSE_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "response: larger than 4 MiB");
    }
    uint8_t *out = ward_arena_alloc(arena, WARD_GRPC_PREFIX_SIZE + size);
    WARD_ENSURE(out != NULL, WARD_E_EXHAUSTED);
    ward_grpc_prefix((uint32_t)size, out);
    WARD_ENSURE(protobuf_c_message_pack(message, out + WARD_GRPC_PREFIX_SIZE) == size,
                WARD_E_INTERNAL);
    *ret = WARD_BYTES(out, WARD_GRPC_PREFIX_SIZE + size);
    return WARD_OK;
}
