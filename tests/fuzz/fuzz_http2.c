/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's bytes after the preface, cut anywhere: frames, HPACK, streams put together,
 * requests submitted, answered and reset. */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/server/wire_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig rig;
    struct ward_bytes in = WARD_BYTES(data, size);
    uint8_t choice = fuzz_byte(&in);
    rig_open(&rig, WARD_BYTES_LITERAL("spiffe://test/app"));
    size_t half = in.size / 2;
    rig.step = choice % 64;
    rig_raw(&rig, WARD_BYTES(in.data, half));
    rig_answer(&rig);
    rig.now_us += 2000000;
    if (ward_ok(rig.received)) {
        rig_raw(&rig, WARD_BYTES(in.data + half, in.size - half));
    }
    FUZZ_CHECK(ward_h2_streams(rig.h2) <= 100);
    rig_answer(&rig);
    rig_close(&rig);
    return 0;
}
