/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and revocation lists that end: each is told when it comes within 30, 7 and 1 days of
 * its end and when it has ended (base/ending.h), once. What was told is forgotten with the file, by
 * a new start, and where the clock went back by more than a day. */
#ifndef WARD_SERVER_JOBS_ENDINGS_H
#define WARD_SERVER_JOBS_ENDINGS_H

#include "base/ending.h"
#include "server/net/endings.h"
#include "server/rpc/pipeline.h"

struct ward_endings_told {
    struct ward_ending_told {
        uint8_t sha256[32];
        enum ward_ending_of of;
        enum ward_ending_step step;
    } told[WARD_ENDING_OF_COUNT * WARD_ENDINGS_MAX];
    size_t n;
};

/* An alarm that could not be written is tried again with the next call. told: the caller's, zeroed
 * at first. */
void ward_endings_tick(struct ward_pipeline *pipeline, const struct ward_endings *endings,
                       struct ward_endings_told *told);

#endif
