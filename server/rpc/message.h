/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in and out of an arena by protobuf-c, bounded and wiped with the request. */
#ifndef WARD_SERVER_RPC_MESSAGE_H
#define WARD_SERVER_RPC_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

#include "base/wipe_alloc.h"

/* What unpacking a message of this size may take from its arena. */
size_t ward_message_budget(size_t size);

/* Copies all that it needs: `bytes` may go. Refusals of ward_wire_check; EXHAUSTED "message: needs
 * too much memory" over the budget. */
ward_status ward_message_unpack(struct ward_arena *arena, const ProtobufCMessageDescriptor *type,
                                struct ward_bytes bytes, const ProtobufCMessage **ret);
/* With gRPC's prefix. EXHAUSTED "response: larger than 4 MiB". */
ward_status ward_message_pack(struct ward_arena *arena, const ProtobufCMessage *message,
                              struct ward_bytes *ret);

#endif
