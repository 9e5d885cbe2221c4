/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets in a table by name. Levels are in millionths of a token, so that refilling at n a
 * second is exact: n for each microsecond. It knows neither requests nor the log; what is limited
 * is the policy's to say. */
#include "server/throttle.h"

#include <pthread.h>
#include <stdlib.h>

#define CHAINS 4096u
#define TOKEN 1000000u
#define DAY_US (24LL * 3600 * 1000000)

enum kind { IDENTITY, ROLE };

struct entry {
    struct entry *next;         /* in its chain */
    struct entry *next_counted; /* among those that have something to tell */
    bool counted, telling;      /* telling: taken out of the count, and may come back to it */
    struct ward_rate rate;      /* when it was last asked for: how soon it is at rest */
    uint64_t level;             /* millionths of a token, as of at_us */
    int64_t at_us;
    int64_t day;              /* by UTC, since 1970 */
    uint64_t used;            /* on that day, while a daily limit held */
    uint64_t requests, items; /* held back, not told yet */
    enum kind kind;
    size_t size;
    uint8_t name[];
};

struct ward_throttle {
    pthread_mutex_t lock;
    struct entry *chains[CHAINS];
    struct entry *counted;
    size_t n, max;
};

ward_status ward_throttle_new(size_t max, struct ward_throttle **ret)
{
    struct ward_throttle *throttle = calloc(1, sizeof(*throttle));
    WARD_ENSURE(throttle != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&throttle->lock, NULL); /* cannot fail with default attributes */
    throttle->max = max;
    *ret = throttle;
    return WARD_OK;
}

void ward_throttle_free(struct ward_throttle *throttle)
{
    if (throttle == NULL) {
        return;
    }
    for (size_t i = 0; i < CHAINS; i++) {
        for (struct entry *entry = throttle->chains[i], *next; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    (void)pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

/* ---- the table ---- */

/* FNV-1a: names come from the policy, not from strangers. */
static struct entry **chain_of(struct ward_throttle *throttle, enum kind kind,
                               struct ward_bytes name)
{
    uint32_t hash = 2166136261u ^ (uint32_t)kind;
    for (size_t i = 0; i < name.size; i++) {
        hash = (hash ^ name.data[i]) * 16777619u;
    }
    return &throttle->chains[(hash ^ hash >> 16) % CHAINS];
}

static struct entry *find(struct ward_throttle *throttle, enum kind kind, struct ward_bytes name)
{
    struct entry *entry = *chain_of(throttle, kind, name);
    while (entry != NULL &&
           !(entry->kind == kind && ward_bytes_eq(WARD_BYTES(entry->name, entry->size), name))) {
        entry = entry->next;
    }
    return entry;
}

static void refill(struct entry *entry, int64_t now_us)
{
    uint64_t full = (uint64_t)entry->rate.burst * TOKEN;
    uint64_t elapsed = now_us > entry->at_us ? (uint64_t)(now_us - entry->at_us) : 0;
    bool over = entry->rate.per_second == 0 || elapsed > full / entry->rate.per_second;
    uint64_t level = over ? full : entry->level + elapsed * entry->rate.per_second;
    entry->level = level < full ? level : full;
    entry->at_us = now_us > entry->at_us ? now_us : entry->at_us;
}

static int64_t day_of(int64_t wall_us)
{
    return wall_us / DAY_US;
}

/* Nothing would be lost with it: its bucket is full and its day is over or untouched. */
static bool at_rest(struct entry *entry, const struct ward_throttle_ask *ask)
{
    refill(entry, ask->now_us);
    return entry->level == (uint64_t)entry->rate.burst * TOKEN && !entry->counted &&
           !entry->telling && (entry->used == 0 || entry->day != day_of(ask->wall_us));
}

static void make_room(struct ward_throttle *throttle, const struct ward_throttle_ask *ask)
{
    for (size_t i = 0; i < CHAINS; i++) {
        for (struct entry **at = &throttle->chains[i]; *at != NULL;) {
            struct entry *entry = *at;
            if (at_rest(entry, ask)) {
                *at = entry->next;
                free(entry);
                throttle->n--;
            } else {
                at = &entry->next;
            }
        }
    }
}

/* The entry, made full when it is new, as of now and under this rate; NULL when there is no room.
 */
static struct entry *entry_for(struct ward_throttle *throttle, enum kind kind,
                               struct ward_bytes name, struct ward_rate rate,
                               const struct ward_throttle_ask *ask)
{
    struct entry *entry = find(throttle, kind, name);
    if (entry == NULL) {
        entry = throttle->n < throttle->max ? calloc(1, sizeof(*entry) + name.size) : NULL;
        if (entry == NULL) {
            return NULL;
        }
        struct entry **chain = chain_of(throttle, kind, name);
        *entry =
            (struct entry){.next = *chain, .kind = kind, .size = name.size, .at_us = ask->now_us};
        memcpy(entry->name, name.data, name.size);
        *chain = entry;
        throttle->n++;
    }
    bool first = entry->rate.per_second == 0;
    entry->rate = rate; /* a policy may have changed it */
    refill(entry, ask->now_us);
    if (first) {
        entry->level = (uint64_t)rate.burst * TOKEN;
    }
    return entry;
}

/* ---- asking ---- */

/* What holds a request back, and for how long. */
struct hold {
    int64_t wait_us;
    enum { BY_IDENTITY, BY_ROLE, BY_DAY } by;
};

static void hold_longer(struct hold *hold, int64_t wait_us, int by)
{
    if (wait_us > hold->wait_us) {
        *hold = (struct hold){.wait_us = wait_us, .by = by};
    }
}

static int64_t wait_for(const struct entry *entry, uint32_t cost)
{
    uint64_t wanted = (uint64_t)cost * TOKEN;
    if (entry->rate.per_second == 0 || wanted <= entry->level) {
        return 0;
    }
    return (int64_t)((wanted - entry->level + entry->rate.per_second - 1) / entry->rate.per_second);
}

static void take_from(struct entry *entry, uint32_t cost)
{
    if (entry->rate.per_second != 0) {
        entry->level -= (uint64_t)cost * TOKEN;
    }
}

static void count(struct ward_throttle *throttle, struct entry *entry, uint64_t requests,
                  uint64_t items)
{
    entry->requests += requests;
    entry->items += items;
    if (!entry->counted) {
        entry->counted = true;
        entry->next_counted = throttle->counted;
        throttle->counted = entry;
    }
}

/* Constant texts, since a refusal's must be: the hint says the rest. */
static ward_status held_back(const struct hold *hold, uint32_t *ret_retry_ms)
{
#define TEXTS(who)                                                           \
    {                                                                        \
        "rate: " who " asks for too much; try again in a tenth of a second", \
            "rate: " who " asks for too much; try again in a second",        \
            "rate: " who " asks for too much; try again in ten seconds",     \
            "rate: " who " asks for too much; try again in a minute",        \
            "rate: " who " asks for too much; try again in an hour",         \
    }
    static const char *const texts[2][5] = {TEXTS("this identity"), TEXTS("this role")};
#undef TEXTS
    static const int64_t up_to_ms[] = {100, 1000, 10000, 60000};
    int64_t ms = (hold->wait_us + 999) / 1000;
    *ret_retry_ms = ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
    if (hold->by == BY_DAY) {
        return WARD_REFUSAL(
            WARD_E_EXHAUSTED,
            "rate: this identity has had its share of the day; try again after midnight UTC");
    }
    size_t i = 0;
    while (i < sizeof(up_to_ms) / sizeof(up_to_ms[0]) && ms > up_to_ms[i]) {
        i++;
    }
    return (ward_status){
        .code = WARD_E_EXHAUSTED, .domain = WARD_DOMAIN_REFUSAL, .at = texts[hold->by][i]};
}

static ward_status take(struct ward_throttle *throttle, const struct ward_throttle_ask *ask,
                        uint32_t cost, uint32_t *ret_retry_ms)
{
    const struct ward_limits *limits = ask->limits;
    struct hold hold = {0};
    if (throttle->n + 1 + limits->n_roles > throttle->max) {
        make_room(throttle, ask); /* before any entry is held */
    }
    struct entry *own = entry_for(throttle, IDENTITY, ask->identity, limits->rate, ask);
    bool room = own != NULL;
    for (size_t i = 0; i < limits->n_roles && room; i++) {
        const struct entry *role =
            entry_for(throttle, ROLE, limits->roles[i].role, limits->roles[i].rate, ask);
        room = role != NULL;
        if (room) {
            hold_longer(&hold, wait_for(role, cost), BY_ROLE);
        }
    }
    if (!room) {
        *ret_retry_ms = 1000;
        return WARD_REFUSAL(WARD_E_EXHAUSTED,
                            "rate: too many identities are counted; try again in a second");
    }
    hold_longer(&hold, wait_for(own, cost), BY_IDENTITY);
    if (own->day != day_of(ask->wall_us)) {
        own->day = day_of(ask->wall_us);
        own->used = 0;
    }
    if (limits->per_day != 0 && !ask->urgent && own->used + cost > limits->per_day) {
        hold_longer(&hold, (own->day + 1) * DAY_US - ask->wall_us, BY_DAY);
    }
    if (hold.wait_us > 0) {
        count(throttle, own, 1, cost);
        return held_back(&hold, ret_retry_ms);
    }
    own->used += limits->per_day == 0 ? 0 : cost;
    take_from(own, cost);
    for (size_t i = 0; i < limits->n_roles; i++) {
        take_from(find(throttle, ROLE, limits->roles[i].role), cost);
    }
    return WARD_OK;
}

ward_status ward_throttle_take(struct ward_throttle *throttle, const struct ward_throttle_ask *ask,
                               uint32_t *ret_retry_ms)
{
    bool never = ask->cost > ask->limits->batch;
    (void)pthread_mutex_lock(&throttle->lock);
    ward_status status = take(throttle, ask, never ? 1 : ask->cost, ret_retry_ms);
    (void)pthread_mutex_unlock(&throttle->lock);
    WARD_TRY(status);
    return never ? WARD_REFUSAL(WARD_E_DENIED,
                                "batch: more in one request than policy allows this identity")
                 : WARD_OK;
}

/* ---- telling ---- */

size_t ward_throttle_counted(struct ward_throttle *throttle, struct ward_throttled *ret, size_t n)
{
    size_t found = 0;
    (void)pthread_mutex_lock(&throttle->lock);
    while (found < n && throttle->counted != NULL) {
        struct entry *entry = throttle->counted;
        throttle->counted = entry->next_counted;
        ret[found] = (struct ward_throttled){.requests = entry->requests, .items = entry->items};
        memcpy(ret[found].identity, entry->name,
               entry->size < WARD_IDENTITY_MAX ? entry->size : WARD_IDENTITY_MAX);
        entry->counted = false;
        entry->telling = true;
        entry->requests = entry->items = 0;
        found++;
    }
    (void)pthread_mutex_unlock(&throttle->lock);
    return found;
}

void ward_throttle_told(struct ward_throttle *throttle, const struct ward_throttled *one, bool told)
{
    (void)pthread_mutex_lock(&throttle->lock);
    struct entry *entry = find(throttle, IDENTITY, ward_bytes_str(one->identity));
    if (entry != NULL) {
        entry->telling = false;
        if (!told) {
            count(throttle, entry, one->requests, one->items);
        }
    }
    (void)pthread_mutex_unlock(&throttle->lock);
}
