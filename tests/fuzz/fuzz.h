/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target is: one function, as libFuzzer calls it, that must come back from any
 * bytes. With clang and -Dfuzz=true it is linked to libFuzzer; in the ordinary tests to replay.c.
 */
#ifndef WARD_TESTS_FUZZ_FUZZ_H
#define WARD_TESTS_FUZZ_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold: unlike assert(), also in a release build. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

/* Takes bytes off the front, to choose by; 0 when there are none. */
static inline uint8_t fuzz_byte(struct ward_bytes *in)
{
    if (in->size == 0) {
        return 0;
    }
    uint8_t byte = in->data[0];
    *in = WARD_BYTES(in->data + 1, in->size - 1);
    return byte;
}

#endif
