/* SPDX-License-Identifier: Apache-2.0 */
/* Looks over a serialised message before protobuf-c sees it, without allocating: what passes is
 * well formed, of bounded counts, and says nothing twice and nothing that we do not know. */
#ifndef WARD_SERVER_RPC_WIRE_CHECK_H
#define WARD_SERVER_RPC_WIRE_CHECK_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"
#include "base/status.h"

/* INTERNAL "message: does not parse" (gRPC's rule); INVALID "message: unknown field", "message:
 * field given twice", "message: number out of range", "items: more than 1000", and for a text that
 * is not UTF-8 or holds a NUL "<field>: not UTF-8". */
ward_status ward_wire_check(const ProtobufCMessageDescriptor *type, struct ward_bytes message);

#endif
