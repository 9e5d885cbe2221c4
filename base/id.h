/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs (RFC 9562 version 4) as 16 bytes, and their text form. Never reused. */
#ifndef WARD_BASE_ID_H
#define WARD_BASE_ID_H

#include "base/bytes.h"
#include "base/status.h"

#define WARD_ID_TEXT_SIZE 37 /* 36 and NUL */

struct ward_id {
    uint8_t bytes[16];
};

ward_status ward_id_random(struct ward_id *ret);
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
