/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf messages in memory that is wiped: requests are built in an arena and packed into a wiped
 * buffer, answers are unpacked into an arena, whose budget bounds what a hostile daemon can cost.
 */
#ifndef WARD_CLIENT_MESSAGE_H
#define WARD_CLIENT_MESSAGE_H

#include "base/buffer.h"
#include "base/wipe_alloc.h"
#include "client/error.h"
#include "ward/v1/common.pb-c.h"

/* An answer holds at most this many bytes, and takes at most that many when it is unpacked. */
#define WARD_ANSWER_MAX (4u * 1024 * 1024)
#define WARD_ANSWER_BUDGET (64u * 1024 * 1024)

ward_rc ward_message_arena(struct ward_arena **ret, ward_error *error);
/* RESOURCE_EXHAUSTED when the message is larger than out->max. */
ward_rc ward_message_pack(const ProtobufCMessage *message, struct ward_buffer *out,
                          ward_error *error);
/* INTERNAL when the bytes are no such message. The message lies in the arena. */
ward_rc ward_message_unpack(struct ward_bytes bytes, const ProtobufCMessageDescriptor *type,
                            struct ward_arena *arena, ProtobufCMessage **ret, ward_error *error);
/* The common header, in the arena; NULL when call says nothing or memory is short. */
Ward__V1__RequestHeader *ward_message_header(struct ward_arena *arena, const ward_call *call);
/* A request that changes something has a name of its own, the same in all its attempts: the daemon
 * does it once. Gives it a random one where the caller gave none. */
ward_rc ward_message_name(struct ward_arena *arena, ProtobufCMessage *request, ward_error *error);
/* The outcome of a batch's item. */
ward_rc ward_message_item_code(const Ward__V1__ItemError *error, const char **ret_text);
/* A text that is sent: NULL becomes "". Protobuf-c does not write through it. */
char *ward_message_text(const char *text);

/* The entries of a context map: `Entry` is the generated type. *ret is NULL when memory is short.
 */
#define WARD_MESSAGE_CONTEXT(arena, Entry, ENTRY_INIT, pairs, n, ret)  \
    do {                                                               \
        Entry *entries_ = WARD_ARENA_ARRAY((arena), Entry, (n));       \
        Entry **pointers_ = WARD_ARENA_ARRAY((arena), Entry *, (n));   \
        *(ret) = entries_ == NULL ? NULL : pointers_;                  \
        for (size_t i_ = 0; *(ret) != NULL && i_ < (n); i_++) {        \
            entries_[i_] = (Entry)ENTRY_INIT;                          \
            entries_[i_].key = ward_message_text((pairs)[i_].key);     \
            entries_[i_].value = ward_message_text((pairs)[i_].value); \
            pointers_[i_] = &entries_[i_];                             \
        }                                                              \
    } while (0)

#endif
