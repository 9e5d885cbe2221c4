/* SPDX-License-Identifier: Apache-2.0 */
/* Open connections in lists by the first bytes of their certificates' digests, and a small table of
 * what was found. Of identities it knows the text. */
#include "server/net/sharing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/net/sightings.h"

#define LISTS 1024u
#define NEXT_FIRST 509u /* the list where the next time begins: all come first once */
#define AGAIN_US (3600LL * 1000000)

struct ward_sharing {
    pthread_mutex_t lock;
    const struct ward_cidr *one_source;
    size_t n_one_source;
    struct ward_sharing_place *lists[LISTS];
    unsigned first;
    struct ward_sightings *sightings;
    struct found {
        struct ward_shared shared;
        bool used, told;
    } found[WARD_SHARED_MAX];
};

ward_status ward_sharing_new(const struct ward_cidr *one_source, size_t n,
                             struct ward_sharing **ret)
{
    struct ward_sharing *sharing = calloc(1, sizeof(*sharing));
    WARD_ENSURE(sharing != NULL, WARD_E_EXHAUSTED);
    ward_status status = ward_sightings_new(&sharing->sightings);
    if (!ward_ok(status)) {
        free(sharing);
        return status;
    }
    (void)pthread_mutex_init(&sharing->lock, NULL); /* cannot fail without attributes on Linux */
    sharing->one_source = one_source;
    sharing->n_one_source = n;
    *ret = sharing;
    return WARD_OK;
}

void ward_sharing_free(struct ward_sharing *sharing)
{
    if (sharing != NULL) {
        (void)pthread_mutex_destroy(&sharing->lock);
        ward_sightings_free(sharing->sightings);
        free(sharing);
    }
}

static bool same_certificate(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 32) == 0;
}

static bool elsewhere(const struct ward_sharing *sharing, const struct ward_ip *a,
                      const struct ward_ip *b)
{
    struct ward_ip place_a = ward_ip_place(a), place_b = ward_ip_place(b);
    if (ward_ip_is_v4(a) != ward_ip_is_v4(b) || memcmp(&place_a, &place_b, sizeof(place_a)) == 0) {
        return false;
    }
    for (size_t i = 0; i < sharing->n_one_source; i++) {
        if (ward_cidr_has(&sharing->one_source[i], a) &&
            ward_cidr_has(&sharing->one_source[i], b)) {
            return false;
        }
    }
    return true;
}

/* Then nobody need be asked for another sign of life. */
static bool found_lately(const struct ward_sharing *sharing, const uint8_t *certificate,
                         int64_t now_us)
{
    for (size_t i = 0; i < WARD_SHARED_MAX; i++) {
        const struct found *found = &sharing->found[i];
        if (found->used && same_certificate(found->shared.certificate, certificate)) {
            return now_us - found->shared.found_us < AGAIN_US;
        }
    }
    return false;
}

void ward_sharing_enter(struct ward_sharing *sharing, struct ward_sharing_place *place,
                        const uint8_t certificate[static 32], const char *identity,
                        const struct ward_ip *ip, int64_t now_us)
{
    place->certificate = certificate;
    place->identity = identity;
    place->ip = *ip;
    place->entered_us = now_us;
    place->noted_us = INT64_MIN;
    place->heard_us = now_us;
    (void)pthread_mutex_lock(&sharing->lock);
    struct ward_sharing_place **list =
        &sharing->lists[(certificate[0] | certificate[1] << 8) % LISTS];
    for (struct ward_sharing_place *open = *list; open != NULL; open = open->next) {
        if (!open->suspected && same_certificate(open->certificate, certificate) &&
            elsewhere(sharing, &open->ip, ip) && !found_lately(sharing, certificate, now_us)) {
            open->other = *ip;
            open->since_us = now_us;
            open->asked = false;
            open->suspected = true;
        }
    }
    place->next = *list;
    place->at = list;
    if (*list != NULL) {
        (*list)->at = &place->next;
    }
    *list = place;
    (void)pthread_mutex_unlock(&sharing->lock);
}

/* Under the lock. */
static void note(struct ward_sharing *sharing, struct ward_sharing_place *place)
{
    int64_t heard_us = place->heard_us;
    if (heard_us > place->noted_us &&
        ward_sightings_note(sharing->sightings, place->certificate, place->identity, &place->ip,
                            place->entered_us, heard_us)) {
        place->noted_us = heard_us;
    }
}

void ward_sharing_leave(struct ward_sharing *sharing, struct ward_sharing_place *place)
{
    (void)pthread_mutex_lock(&sharing->lock);
    if (place->at != NULL) {
        note(sharing, place);
        *place->at = place->next;
        if (place->next != NULL) {
            place->next->at = place->at;
        }
        place->at = NULL;
    }
    (void)pthread_mutex_unlock(&sharing->lock);
}

/* Where it is to be kept: its own place, a free one, or the oldest's of those that were told. NULL:
 * it was found within the hour, or there is no place as yet. */
static struct found *place_for(struct ward_sharing *sharing, const uint8_t *certificate,
                               int64_t now_us)
{
    struct found *best = NULL;
    for (size_t i = 0; i < WARD_SHARED_MAX; i++) {
        struct found *found = &sharing->found[i];
        if (found->used && same_certificate(found->shared.certificate, certificate)) {
            return found->told && now_us - found->shared.found_us >= AGAIN_US ? found : NULL;
        }
        if (found->used && !found->told) {
            continue;
        }
        if (best == NULL ||
            (best->used && (!found->used || found->shared.found_us < best->shared.found_us))) {
            best = found;
        }
    }
    return best;
}

static void print(const struct ward_ip *ip, char out[static WARD_ADDRESS_SIZE])
{
    ward_ip_print(ip, 0, out);
    *strrchr(out, ':') = '\0'; /* the port */
}

static void keep(struct ward_sharing *sharing, const uint8_t *certificate, const char *identity,
                 const struct ward_ip *first, const struct ward_ip *second, int64_t now_us)
{
    struct found *found = place_for(sharing, certificate, now_us);
    if (found == NULL) {
        return;
    }
    *found = (struct found){.used = true, .shared.found_us = now_us};
    struct ward_shared *shared = &found->shared;
    memcpy(shared->certificate, certificate, sizeof(shared->certificate));
    (void)snprintf(shared->identity, sizeof(shared->identity), "%s", identity); /* fits */
    print(first, shared->first);
    print(second, shared->second);
}

bool ward_sharing_tick(struct ward_sharing *sharing, struct ward_sharing_place *place,
                       int64_t heard_us, int64_t now_us)
{
    atomic_store_explicit(&place->heard_us, heard_us, memory_order_relaxed);
    if (!place->suspected) {
        return false;
    }
    (void)pthread_mutex_lock(&sharing->lock);
    bool ask = heard_us <= place->since_us && !place->asked;
    place->asked = true;
    if (heard_us > place->since_us) {
        keep(sharing, place->certificate, place->identity, &place->ip, &place->other, now_us);
        place->suspected = false;
    }
    (void)pthread_mutex_unlock(&sharing->lock);
    return ask;
}

size_t ward_sharing_heard(struct ward_sharing *sharing,
                          struct ward_sighting out[static WARD_SIGHTINGS_MAX])
{
    (void)pthread_mutex_lock(&sharing->lock);
    sharing->first += NEXT_FIRST;
    for (unsigned i = 0; i < LISTS; i++) {
        for (struct ward_sharing_place *open = sharing->lists[(sharing->first + i) % LISTS];
             open != NULL; open = open->next) {
            note(sharing, open);
        }
    }
    size_t n = ward_sightings_take(sharing->sightings, out);
    (void)pthread_mutex_unlock(&sharing->lock);
    return n;
}

void ward_sharing_elsewhere(struct ward_sharing *sharing, const struct ward_sighting *here,
                            const struct ward_ip *other, bool earlier, int64_t now_us)
{
    if (!elsewhere(sharing, &here->ip, other)) {
        return;
    }
    (void)pthread_mutex_lock(&sharing->lock);
    keep(sharing, here->certificate, here->identity, earlier ? other : &here->ip,
         earlier ? &here->ip : other, now_us);
    (void)pthread_mutex_unlock(&sharing->lock);
}

static size_t copy(struct ward_sharing *sharing, bool untold, int64_t since_us,
                   struct ward_shared *out, size_t max)
{
    size_t n = 0;
    (void)pthread_mutex_lock(&sharing->lock);
    for (size_t i = 0; i < WARD_SHARED_MAX && n < max; i++) {
        const struct found *found = &sharing->found[i];
        if (found->used && (untold ? !found->told : found->shared.found_us >= since_us)) {
            out[n++] = found->shared;
        }
    }
    (void)pthread_mutex_unlock(&sharing->lock);
    return n;
}

size_t ward_sharing_untold(struct ward_sharing *sharing, struct ward_shared *out, size_t max)
{
    return copy(sharing, true, 0, out, max);
}

size_t ward_sharing_since(struct ward_sharing *sharing, int64_t since_us, struct ward_shared *out,
                          size_t max)
{
    return copy(sharing, false, since_us, out, max);
}

void ward_sharing_told(struct ward_sharing *sharing, const uint8_t certificate[static 32])
{
    (void)pthread_mutex_lock(&sharing->lock);
    for (size_t i = 0; i < WARD_SHARED_MAX; i++) {
        struct found *found = &sharing->found[i];
        if (found->used && same_certificate(found->shared.certificate, certificate)) {
            found->told = true;
        }
    }
    (void)pthread_mutex_unlock(&sharing->lock);
}
