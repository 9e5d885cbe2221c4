/* SPDX-License-Identifier: Apache-2.0 */
/* A sorted array of the addresses that are connected: found by bisection, with no hash that a peer
 * could aim at. It never has more places than there are connections. Those that gave trouble stand
 * in a short list, the one whose trouble is longest ago makes room. */
#include "server/net/callers.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define STRUCK_MAX 64
#define STRIKE_US 2000000 /* for how long a strike counts */
#define PAUSE_US 250000

struct ward_callers {
    pthread_mutex_t lock;
    size_t max_each;
    struct caller {
        struct ward_ip ip;
        size_t n, proven;
    } * callers;
    size_t n, room;
    struct struck {
        struct ward_ip ip;
        int64_t until_us[WARD_STRIKES_FREE + 1]; /* of the last strikes, the latest first */
    } struck[STRUCK_MAX];
    int64_t struck_until_us; /* the latest of them */
};

ward_status ward_callers_new(size_t max_each, struct ward_callers **ret)
{
    struct ward_callers *callers = calloc(1, sizeof(*callers));
    WARD_ENSURE(callers != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&callers->lock, NULL); /* cannot fail without attributes on Linux */
    callers->max_each = max_each;
    *ret = callers;
    return WARD_OK;
}

void ward_callers_free(struct ward_callers *callers)
{
    if (callers != NULL) {
        (void)pthread_mutex_destroy(&callers->lock);
        free(callers->callers);
        free(callers);
    }
}

/* Where it stands, or would. */
static size_t place_of(const struct ward_callers *callers, const struct ward_ip *ip, bool *ret_here)
{
    size_t low = 0, high = callers->n;
    *ret_here = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(ip, &callers->callers[middle].ip, sizeof(*ip));
        if (order == 0) {
            *ret_here = true;
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static bool insert(struct ward_callers *callers, size_t place, const struct ward_ip *ip)
{
    if (callers->n == callers->room) {
        size_t room = callers->room == 0 ? 16 : callers->room * 2;
        struct caller *more = realloc(callers->callers, room * sizeof(*more));
        if (more == NULL) {
            return false;
        }
        callers->callers = more;
        callers->room = room;
    }
    struct caller *at = callers->callers + place;
    memmove(at + 1, at, (callers->n - place) * sizeof(*at));
    *at = (struct caller){.ip = *ip};
    callers->n++;
    return true;
}

bool ward_callers_take(struct ward_callers *callers, const struct ward_ip *ip)
{
    struct ward_ip key = ward_ip_place(ip);
    bool here, taken = false;
    (void)pthread_mutex_lock(&callers->lock);
    size_t place = place_of(callers, &key, &here);
    if (here || insert(callers, place, &key)) {
        struct caller *caller = &callers->callers[place];
        taken = caller->n < callers->max_each;
        caller->n += taken;
    }
    (void)pthread_mutex_unlock(&callers->lock);
    return taken;
}

void ward_callers_give(struct ward_callers *callers, const struct ward_ip *ip)
{
    struct ward_ip key = ward_ip_place(ip);
    bool here;
    (void)pthread_mutex_lock(&callers->lock);
    size_t place = place_of(callers, &key, &here);
    assert(here && callers->callers[place].n > 0);
    struct caller *caller = &callers->callers[place];
    if (--caller->n == 0) {
        callers->n--;
        memmove(caller, caller + 1, (callers->n - place) * sizeof(*caller));
    }
    (void)pthread_mutex_unlock(&callers->lock);
}

static void change_proven(struct ward_callers *callers, const struct ward_ip *ip, bool more)
{
    struct ward_ip key = ward_ip_place(ip);
    bool here;
    (void)pthread_mutex_lock(&callers->lock);
    size_t place = place_of(callers, &key, &here);
    assert(here && (more || callers->callers[place].proven > 0));
    callers->callers[place].proven += more ? 1 : (size_t)-1;
    (void)pthread_mutex_unlock(&callers->lock);
}

void ward_callers_prove(struct ward_callers *callers, const struct ward_ip *ip)
{
    change_proven(callers, ip, true);
}

void ward_callers_unprove(struct ward_callers *callers, const struct ward_ip *ip)
{
    change_proven(callers, ip, false);
}

void ward_callers_strike(struct ward_callers *callers, const struct ward_ip *ip, int64_t now_us)
{
    struct ward_ip key = ward_ip_place(ip);
    (void)pthread_mutex_lock(&callers->lock);
    struct struck *place = &callers->struck[0];
    for (size_t i = 0; i < STRUCK_MAX; i++) {
        struct struck *at = &callers->struck[i];
        if (memcmp(&at->ip, &key, sizeof(key)) == 0) {
            place = at;
            break;
        }
        place = at->until_us[0] < place->until_us[0] ? at : place;
    }
    if (memcmp(&place->ip, &key, sizeof(key)) != 0) {
        *place = (struct struck){.ip = key};
    }
    memmove(place->until_us + 1, place->until_us, sizeof(place->until_us) - sizeof(int64_t));
    place->until_us[0] = now_us + STRIKE_US;
    callers->struck_until_us = place->until_us[0];
    (void)pthread_mutex_unlock(&callers->lock);
}

static size_t free_strikes(const struct ward_callers *callers, const struct ward_ip *key)
{
    bool here;
    size_t place = place_of(callers, key, &here);
    size_t proven = here ? callers->callers[place].proven : 0;
    return proven < WARD_STRIKES_FREE ? proven : WARD_STRIKES_FREE;
}

int64_t ward_callers_pause(struct ward_callers *callers, const struct ward_ip *ip, int64_t now_us)
{
    struct ward_ip key = ward_ip_place(ip);
    bool waits = false;
    (void)pthread_mutex_lock(&callers->lock);
    for (size_t i = 0; i < STRUCK_MAX && !waits && now_us < callers->struck_until_us; i++) {
        const struct struck *at = &callers->struck[i];
        waits = now_us < at->until_us[0] && memcmp(&at->ip, &key, sizeof(key)) == 0 &&
                now_us < at->until_us[free_strikes(callers, &key)];
    }
    (void)pthread_mutex_unlock(&callers->lock);
    return waits ? PAUSE_US : 0;
}
