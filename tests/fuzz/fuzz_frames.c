/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's length-prefixed messages out of DATA frames of any size: however the bytes are cut, the
 * same message or the same refusal comes out. */
#include "proto/grpc.h"
#include "tests/fuzz/fuzz.h"

#define MESSAGE_MAX 4096

static ward_status feed(struct ward_grpc_reader *reader, struct ward_bytes in, size_t step,
                        bool encoded)
{
    ward_status status = WARD_OK;
    for (size_t at = 0; at < in.size && ward_ok(status); at += step) {
        size_t size = in.size - at < step ? in.size - at : step;
        status = ward_grpc_reader_feed(reader, WARD_BYTES(in.data + at, size), encoded);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ward_bytes in = WARD_BYTES(data, size);
    uint8_t choice = fuzz_byte(&in);
    struct ward_grpc_reader whole, parts;
    ward_grpc_reader_init(&whole, MESSAGE_MAX);
    ward_grpc_reader_init(&parts, MESSAGE_MAX);
    ward_status a = feed(&whole, in, SIZE_MAX / 2, choice & 1);
    ward_status b = feed(&parts, in, 1 + (choice >> 1) % 32, choice & 1);
    FUZZ_CHECK(a.code == b.code && whole.complete == parts.complete);
    FUZZ_CHECK(whole.message.size <= MESSAGE_MAX);
    if (ward_ok(a) && whole.complete) {
        FUZZ_CHECK(whole.message.size == whole.expected);
        FUZZ_CHECK(ward_bytes_eq(WARD_BYTES(whole.message.data, whole.message.size),
                                 WARD_BYTES(parts.message.data, parts.message.size)));
    }
    ward_grpc_reader_fini(&whole);
    ward_grpc_reader_fini(&parts);
    return 0;
}
