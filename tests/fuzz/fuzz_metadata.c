/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-timeout and grpc-message: what is taken is within its grammar, and what was encoded comes
 * back. */
#include "proto/grpc.h"
#include "tests/fuzz/fuzz.h"

static void timeout(struct ward_bytes text)
{
    int64_t us = -1;
    if (!ward_grpc_timeout_parse(text, &us)) {
        return;
    }
    FUZZ_CHECK(us >= 0 && text.size >= 2 && text.size <= 9);
    char printed[12];
    int64_t again = -1;
    ward_grpc_timeout_print(us, printed);
    FUZZ_CHECK(ward_grpc_timeout_parse(ward_bytes_str(printed), &again));
    FUZZ_CHECK(again >= us || us > INT64_C(99999999) * 1000000); /* rounded up, if at all */
}

static void message(struct ward_bytes text)
{
    struct ward_buffer coded, back;
    ward_buffer_init(&coded, text.size * 3 + 1);
    ward_buffer_init(&back, text.size * 3 + 1);
    ward_grpc_percent_encode(text, &coded);
    for (size_t i = 0; i < coded.size; i++) {
        FUZZ_CHECK(coded.data[i] >= 0x20 && coded.data[i] <= 0x7e);
    }
    ward_grpc_percent_decode(WARD_BYTES(coded.data, coded.size), &back);
    FUZZ_CHECK(ward_bytes_eq(WARD_BYTES(back.data, back.size), text));
    ward_buffer_fini(&back);
    ward_buffer_init(&back, text.size + 1);
    ward_grpc_percent_decode(text, &back); /* never fails, whatever came */
    FUZZ_CHECK(back.size <= text.size);
    ward_buffer_fini(&back);
    ward_buffer_fini(&coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    timeout(WARD_BYTES(data, size));
    message(WARD_BYTES(data, size));
    return 0;
}
