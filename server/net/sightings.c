/* SPDX-License-Identifier: Apache-2.0 */
/* A table of fixed size, in lists by the first bytes of the certificates' digests. */
#include "server/net/sightings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTS 1024u

struct ward_sightings {
    size_t n;
    uint16_t lists[LISTS], next[WARD_SIGHTINGS_MAX]; /* of entries, from 1; 0: the end */
    struct ward_sighting entries[WARD_SIGHTINGS_MAX];
};

ward_status ward_sightings_new(struct ward_sightings **ret)
{
    *ret = calloc(1, sizeof(**ret));
    WARD_ENSURE(*ret != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

void ward_sightings_free(struct ward_sightings *sightings)
{
    free(sightings);
}

static void merge(struct ward_sighting *entry, const struct ward_sighting *other)
{
    bool at_once = entry->heard_us >= other->since_us && other->heard_us >= entry->since_us;
    int64_t since_us = entry->since_us < other->since_us ? entry->since_us : other->since_us;
    if (other->heard_us > entry->heard_us) {
        *entry = *other;
    }
    if (at_once) {
        entry->since_us = since_us;
    }
}

bool ward_sightings_note(struct ward_sightings *sightings, const uint8_t certificate[static 32],
                         const char *identity, const struct ward_ip *ip, int64_t since_us,
                         int64_t heard_us)
{
    struct ward_sighting noted = {
        .ip = *ip, .place = ward_ip_place(ip), .since_us = since_us, .heard_us = heard_us};
    memcpy(noted.certificate, certificate, sizeof(noted.certificate));
    (void)snprintf(noted.identity, sizeof(noted.identity), "%s", identity); /* fits */
    uint16_t *list = &sightings->lists[(certificate[0] | certificate[1] << 8) % LISTS];
    struct ward_sighting *oldest = NULL;
    unsigned n = 0;
    for (uint16_t at = *list; at != 0; at = sightings->next[at - 1]) {
        struct ward_sighting *entry = &sightings->entries[at - 1];
        if (memcmp(entry->certificate, certificate, sizeof(entry->certificate)) != 0) {
            continue;
        }
        if (memcmp(&entry->place, &noted.place, sizeof(noted.place)) == 0) {
            merge(entry, &noted);
            return true;
        }
        n++;
        if (oldest == NULL || entry->heard_us < oldest->heard_us) {
            oldest = entry;
        }
    }
    if (n == WARD_SIGHTINGS_OF_ONE) {
        bool later = oldest->heard_us < heard_us;
        *oldest = later ? noted : *oldest;
        return later;
    }
    if (sightings->n == WARD_SIGHTINGS_MAX) {
        return false;
    }
    sightings->entries[sightings->n] = noted;
    sightings->next[sightings->n] = *list;
    *list = (uint16_t)++sightings->n;
    return true;
}

size_t ward_sightings_take(struct ward_sightings *sightings,
                           struct ward_sighting out[static WARD_SIGHTINGS_MAX])
{
    size_t n = sightings->n;
    memcpy(out, sightings->entries, n * sizeof(*out));
    memset(sightings->lists, 0, sizeof(sightings->lists));
    sightings->n = 0;
    return n;
}
