/* SPDX-License-Identifier: Apache-2.0 */
/* A client certificate that was in use in two places at once. Plain values: whoever looks at them
 * need not see connections. */
#ifndef WARD_SERVER_NET_SHARED_H
#define WARD_SERVER_NET_SHARED_H

#include <stdint.h>

/* Remembered at once; who comes when all are of this hour takes the oldest's place. */
#define WARD_SHARED_MAX 128

struct ward_shared {
    uint8_t certificate[32]; /* SHA-256 */
    char identity[512];
    char first[64], second[64]; /* addresses, without ports; second came later */
    int64_t found_us;           /* monotonic */
};

#endif
