/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs (RFC 9562 versions 4 and 8) as 16 bytes, and their text form. Never reused. */
#ifndef WARD_BASE_ID_H
#define WARD_BASE_ID_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/status.h"

#define WARD_ID_TEXT_SIZE 37 /* 36 and NUL */

struct ward_id {
    uint8_t bytes[16];
};

ward_status ward_id_random(struct ward_id *ret);

/* Ids of rows that are rewritten together: neighbours in an index are those made one after the
 * other, whose rows share pages. A run of them has one first byte; runs are spread evenly over all
 * first bytes, so that work can be divided by it. Begins as zeros; one for each thread. */
#define WARD_ID_RUN 128u
struct ward_id_run {
    bool begun;
    uint8_t number, left;
};
/* Version 8, with 74 random bits; wall_us: now. */
ward_status ward_id_next(struct ward_id_run *run, int64_t wall_us, struct ward_id *ret);
void ward_id_print(const struct ward_id *id, char out[static WARD_ID_TEXT_SIZE]);
/* Lower-case canonical form only. */
bool ward_id_parse(struct ward_bytes text, struct ward_id *ret);
bool ward_id_eq(const struct ward_id *a, const struct ward_id *b);
static inline struct ward_bytes ward_id_view(const struct ward_id *id)
{
    return (struct ward_bytes){id->bytes, sizeof(id->bytes)};
}

/* Public random bytes (ids, IVs, salts), drawn 4 KiB at a time per thread from OpenSSL's DRBG. */
ward_status ward_random(uint8_t *out, size_t size);

#endif
