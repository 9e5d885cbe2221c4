/* SPDX-License-Identifier: Apache-2.0 */
/* When what TLS stands on ends. Plain values: whoever looks at them need not see X.509. */
#ifndef WARD_SERVER_NET_ENDINGS_H
#define WARD_SERVER_NET_ENDINGS_H

#include <stddef.h>
#include <stdint.h>

#define WARD_ENDINGS_MAX 32

enum ward_ending_of {
    WARD_ENDING_OF_CERTIFICATE, /* our own, and what is sent with it */
    WARD_ENDING_OF_CLIENT_CA,
    WARD_ENDING_OF_CLIENT_CRL,
    WARD_ENDING_OF_COUNT,
};

struct ward_ending {
    uint8_t sha256[32];       /* of the certificate or the list, DER */
    int64_t begin_us, end_us; /* UTC, microseconds; 0: cannot be read, or there is none */
};

/* Of each kind those that end first, in that order. */
struct ward_endings {
    struct ward_ending of[WARD_ENDING_OF_COUNT][WARD_ENDINGS_MAX];
    size_t n[WARD_ENDING_OF_COUNT];
};

#endif
