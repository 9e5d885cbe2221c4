/* SPDX-License-Identifier: Apache-2.0 */
/* Where certificates were in use since somebody last took what is here. Bounded: of one certificate
 * some places only, those heard last, so that a caller who comes from everywhere leaves room for
 * others. Not for several threads. */
#ifndef WARD_SERVER_NET_SIGHTINGS_H
#define WARD_SERVER_NET_SIGHTINGS_H

#include "base/status.h"
#include "server/net/shared.h"

#define WARD_SIGHTINGS_OF_ONE 8u

struct ward_sightings;

ward_status ward_sightings_new(struct ward_sightings **ret);
void ward_sightings_free(struct ward_sightings *sightings);

/* Connections of one place that were in use at the same time are one sighting; of others the later
 * stays. False: there is no room for it. */
bool ward_sightings_note(struct ward_sightings *sightings, const uint8_t certificate[static 32],
                         const char *identity, const struct ward_ip *ip, int64_t since_us,
                         int64_t heard_us);
/* Takes all, and leaves none; how many. */
size_t ward_sightings_take(struct ward_sightings *sightings,
                           struct ward_sighting out[static WARD_SIGHTINGS_MAX]);

#endif
