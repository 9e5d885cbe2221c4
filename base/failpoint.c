/* SPDX-License-Identifier: Apache-2.0 */
/* Built for tests alone: a daemon that can be told by its environment to die must not ship. */
#include "base/failpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define POINTS_MAX 16
#define NAME_MAX_SIZE 64

struct point {
    char name[NAME_MAX_SIZE];
    bool kills;
    unsigned long at; /* 0: every time */
    atomic_ulong passed;
};

static struct point points[POINTS_MAX];
static size_t n_points;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "name=kill@3"; one that is not understood ends the process, or a test would prove nothing. */
static void add(const char *text, size_t size)
{
    const char *equals = memchr(text, '=', size);
    size_t name = equals == NULL ? 0 : (size_t)(equals - text);
    if (name == 0 || name >= NAME_MAX_SIZE || n_points == POINTS_MAX) {
        ward_log(WARD_LOG_ERROR, "WARD_FAILPOINT: not understood");
        abort();
    }
    struct point *point = &points[n_points++];
    memcpy(point->name, text, name);
    const char *what = equals + 1;
    point->kills = strncmp(what, "kill", 4) == 0;
    const char *at = memchr(what, '@', size - name - 1);
    point->at = at == NULL ? 0 : strtoul(at + 1, NULL, 10);
}

static void read_environment(void)
{
    const char *text = getenv("WARD_FAILPOINT");
    while (text != NULL && *text != 0) {
        size_t size = strcspn(text, ",");
        add(text, size);
        text += size + (text[size] == ',');
    }
}

ward_status ward_failpoint(const char *name)
{
    (void)pthread_once(&once, read_environment); /* fails for misuse only */
    for (size_t i = 0; i < n_points; i++) {
        if (strcmp(points[i].name, name) != 0) {
            continue;
        }
        unsigned long passed = atomic_fetch_add(&points[i].passed, 1) + 1;
        if (points[i].at != 0 && passed != points[i].at) {
            continue;
        }
        if (points[i].kills) {
            (void)raise(SIGKILL);
        }
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    return WARD_OK;
}

int64_t ward_failpoint_offset_us(void)
{
    static atomic_llong offset_s = -1;
    if (offset_s < 0) {
        const char *text = getenv("WARD_CLOCK_OFFSET_S");
        offset_s = text == NULL ? 0 : strtoll(text, NULL, 10);
    }
    return offset_s * 1000000;
}

static int64_t wall_us(const struct ward_clock *clock)
{
    return ward_clock_system.wall_us(clock) + ward_failpoint_offset_us();
}

static int64_t monotonic_us(const struct ward_clock *clock)
{
    return ward_clock_system.monotonic_us(clock);
}

const struct ward_clock *ward_failpoint_clock(void)
{
    static const struct ward_clock shifted = {.wall_us = wall_us, .monotonic_us = monotonic_us};
    return &shifted;
}
