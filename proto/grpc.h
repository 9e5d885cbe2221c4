/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's wire rules without any I/O: the message prefix, timeouts, percent-encoding, and the one
 * table that turns our codes into gRPC's. */
#ifndef WARD_PROTO_GRPC_H
#define WARD_PROTO_GRPC_H

#include "base/buffer.h"
#include "base/status.h"

#define WARD_GRPC_PREFIX_SIZE 5

enum ward_grpc_code {
    WARD_GRPC_OK = 0,
    WARD_GRPC_CANCELLED = 1,
    WARD_GRPC_UNKNOWN = 2,
    WARD_GRPC_INVALID_ARGUMENT = 3,
    WARD_GRPC_DEADLINE_EXCEEDED = 4,
    WARD_GRPC_NOT_FOUND = 5,
    WARD_GRPC_ALREADY_EXISTS = 6,
    WARD_GRPC_PERMISSION_DENIED = 7,
    WARD_GRPC_RESOURCE_EXHAUSTED = 8,
    WARD_GRPC_FAILED_PRECONDITION = 9,
    WARD_GRPC_ABORTED = 10,
    WARD_GRPC_OUT_OF_RANGE = 11,
    WARD_GRPC_UNIMPLEMENTED = 12,
    WARD_GRPC_INTERNAL = 13,
    WARD_GRPC_UNAVAILABLE = 14,
    WARD_GRPC_DATA_LOSS = 15,
    WARD_GRPC_UNAUTHENTICATED = 16,
};

const char *ward_grpc_code_name(enum ward_grpc_code code); /* "PERMISSION_DENIED" */
enum ward_grpc_code ward_grpc_code_of(ward_status status);
/* What a client may read: the refusal's text or a constant sentence for the code. CIPHERTEXT:
 * "ciphertext does not open". Never NULL. */
const char *ward_grpc_message_of(ward_status status);
/* A client's way back: an HTTP status without grpc-status, or an HTTP/2 error code. */
enum ward_grpc_code ward_grpc_code_of_http(unsigned http_status);
enum ward_grpc_code ward_grpc_code_of_rst(uint32_t http2_error);

/* A message being put together out of DATA frames that align with nothing. The limit is checked on
 * the length prefix, before anything is buffered. */
struct ward_grpc_reader {
    uint8_t prefix[WARD_GRPC_PREFIX_SIZE];
    size_t prefix_size;
    struct ward_buffer message; /* wiped */
    size_t expected;
    bool complete;
};
void ward_grpc_reader_init(struct ward_grpc_reader *reader, size_t message_max);
void ward_grpc_reader_fini(struct ward_grpc_reader *reader);
/* For another message: what was read is wiped, and small memory is kept. All zero is fine too. */
void ward_grpc_reader_reset(struct ward_grpc_reader *reader, size_t message_max);
/* EXHAUSTED "message: larger than this method takes" over the limit; UNIMPLEMENTED "message: more
 * than one" for a second message; INTERNAL for flag 1 without an encoding and for any other flag;
 * UNIMPLEMENTED for flag 1 when `encoded` is true (the request named a grpc-encoding other than
 * identity). A refusal stays one if more is fed. */
ward_status ward_grpc_reader_feed(struct ward_grpc_reader *reader, struct ward_bytes data,
                                  bool encoded);

void ward_grpc_prefix(uint32_t message_size, uint8_t out[static WARD_GRPC_PREFIX_SIZE]);
/* grpc-timeout: 1-8 digits and one of H M S m u n. False when malformed. */
bool ward_grpc_timeout_parse(struct ward_bytes text, int64_t *ret_us);
/* At most 9 characters and NUL. */
void ward_grpc_timeout_print(int64_t us, char out[static 12]);
/* grpc-message. Decoding never fails and never drops. */
void ward_grpc_percent_encode(struct ward_bytes text, struct ward_buffer *out);
void ward_grpc_percent_decode(struct ward_bytes text, struct ward_buffer *out);

#endif
