/* SPDX-License-Identifier: Apache-2.0 */
/* How much each identity and role has had: token buckets and daily counts, of this daemon alone and
 * since its start. Limits come from the policy in force at the moment of asking; what is kept here
 * is found by name and so outlives a change of policy. A request that is held back takes nothing,
 * and is counted until somebody tells the audit log. Any thread may call; time is a parameter. */
#ifndef WARD_SERVER_THROTTLE_H
#define WARD_SERVER_THROTTLE_H

#include "base/status.h"
#include "policy/identity.h"
#include "policy/policy.h"

struct ward_throttle;

/* Keeps at most `max` identities and roles; those at rest make room. EXHAUSTED without memory. */
ward_status ward_throttle_new(size_t max, struct ward_throttle **ret);
void ward_throttle_free(struct ward_throttle *throttle);

struct ward_throttle_ask {
    const struct ward_limits *limits; /* of the identity */
    struct ward_bytes identity;
    uint32_t cost; /* keys and records */
    bool urgent;   /* the share of the day is counted and holds nothing back */
    int64_t now_us, wall_us;
};
/* OK: taken from all that limits it. EXHAUSTED "rate: ...": nothing is taken, *ret_retry_ms says
 * when it may come again, and it is counted. DENIED "batch: ...": more than may ever pass at once;
 * it has taken as much as a request of one. */
ward_status ward_throttle_take(struct ward_throttle *throttle, const struct ward_throttle_ask *ask,
                               uint32_t *ret_retry_ms);

/* Requests of one identity that were held back, and the keys and records that they asked for. */
struct ward_throttled {
    char identity[WARD_IDENTITY_MAX + 1];
    uint64_t requests, items;
};
/* Takes out up to n of what was counted; how many there were. Each is given to
 * ward_throttle_told, which counts it again when nobody could be told. */
size_t ward_throttle_counted(struct ward_throttle *throttle, struct ward_throttled *ret, size_t n);
void ward_throttle_told(struct ward_throttle *throttle, const struct ward_throttled *one,
                        bool told);

#endif
