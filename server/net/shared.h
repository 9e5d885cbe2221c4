/* SPDX-License-Identifier: Apache-2.0 */
/* A client certificate that was in use in two places at once, and one that is in use at all. Plain
 * values: whoever looks at them need not see connections. */
#ifndef WARD_SERVER_NET_SHARED_H
#define WARD_SERVER_NET_SHARED_H

#include "server/net/address.h"

/* Remembered at once; who comes when all are of this hour takes the oldest's place. */
#define WARD_SHARED_MAX 128

struct ward_shared {
    uint8_t certificate[32]; /* SHA-256 */
    char identity[512];
    char first[64], second[64]; /* addresses, without ports; second came later */
    int64_t found_us;           /* monotonic */
};

/* Told to other daemons at once; more than that waits until the next time. */
#define WARD_SIGHTINGS_MAX 1000u

struct ward_sighting {
    uint8_t certificate[32];
    char identity[512];
    struct ward_ip ip, place;   /* what ward_ip_place says of ip */
    int64_t since_us, heard_us; /* monotonic */
};

#endif
