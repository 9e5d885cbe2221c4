/* SPDX-License-Identifier: Apache-2.0 */
/* What a change that its caller named asks, as one digest, and its answer as bytes. */
#ifndef WARD_SERVER_RPC_REPLAY_DIGEST_H
#define WARD_SERVER_RPC_REPLAY_DIGEST_H

#include <protobuf-c/protobuf-c.h>

#include "base/digest.h"
#include "server/request.h"
#include "ward/v1/common.pb-c.h"

/* The header of a change: as ward_fields_header, and a request_id that the caller gave makes the
 * request one that may come again. */
ward_status ward_replay_header(struct ward_request *request, const Ward__V1__RequestHeader *header,
                               const ProtobufCMessage *message);

/* SHA-256 over path and message by its descriptor: fields in the order of their tags, absent and
 * zero alike, the entries of a map in an order of their own, of the header only on_behalf_of and
 * reason. Two messages have the same one exactly when they ask for the same. */
ward_status ward_replay_digest(struct ward_digest *digest, struct ward_arena *arena,
                               struct ward_bytes path, const ProtobufCMessage *message,
                               uint8_t out[static WARD_SHA256_SIZE]);

#endif
