/* SPDX-License-Identifier: Apache-2.0 */
/* How often each key version may still wrap on this node. Random 96-bit IVs under one AES-GCM key
 * are capped: SP 800-38D allows 2^32 in all instances together. So every node reserves blocks of
 * the version's persisted counter ahead of use; what it reserved and did not use when it ends is
 * lost, and the counter is never below what was wrapped.
 *
 *   worker: take --all there--> HSM
 *             \--a block is missing--> reader: round (reserve, take) --> worker again, served or
 *                                                                        refused for good
 */
#ifndef WARD_SERVER_WORK_BUDGET_H
#define WARD_SERVER_WORK_BUDGET_H

#include "backends/kek.h"
#include "backends/store.h"

/* 2^32, less what is not counted: known answers when a helper first uses a key, at start and every
 * hour. */
#define WARD_WRAP_HARD_MAX ((1ULL << 32) - (1ULL << 24))

struct ward_budget_limits {
    uint64_t soft;  /* at so many wraps the version is rotated */
    uint64_t hard;  /* past so many it does not wrap; at most WARD_WRAP_HARD_MAX */
    uint64_t block; /* the largest that is reserved at once, but for a larger request */
};

/* What a request wants of one version. */
struct ward_budget_need {
    struct ward_kek_ref key;
    uint64_t n;
    ward_status status; /* written: OK, n are the request's; else why not */
    bool served;        /* written: status is final */
    size_t read;        /* the round's own: which of its reads reserves for it */
};

/* A request whose wraps were not all there: what it wants, and its items meanwhile. */
struct ward_budget_ask {
    struct ward_budget_need *needs;
    size_t n_needs;
    struct ward_kek_item *items;
    size_t n_items;
};

struct ward_budget;       /* any thread */
struct ward_budget_round; /* one reader's */

ward_status ward_budget_new(const struct ward_budget_limits *limits, struct ward_budget **ret);
void ward_budget_free(struct ward_budget *budget);
const struct ward_budget_limits *ward_budget_limits(const struct ward_budget *budget);

/* True: every need is served, which may mean that it is refused. False: a block has to be reserved
 * first, and nothing was taken. */
bool ward_budget_take(struct ward_budget *budget, struct ward_budget_need *needs, size_t n);

/* budget NULL: wraps are not counted, and nobody asks. A round: begin, add the needs of every
 * request that waits, read `reads` with whatever else is read, settle. Needs are served in the
 * order in which they were added; one reservation is made for each version that lacks something. */
ward_status ward_budget_round_new(struct ward_budget *budget, struct ward_budget_round **ret);
void ward_budget_round_free(struct ward_budget_round *round);
void ward_budget_round_begin(struct ward_budget_round *round);
/* The needs and the arena live until the round is settled. */
ward_status ward_budget_round_add(struct ward_budget_round *round, struct ward_budget_need *needs,
                                  size_t n, struct ward_arena *arena);
/* Valid until the next add. */
struct ward_read *ward_budget_round_read(struct ward_budget_round *round, size_t i);
size_t ward_budget_round_reads(const struct ward_budget_round *round);
void ward_budget_round_settle(struct ward_budget_round *round);

/* What all nodes have reserved of the version, as far as this node knows; `stored` is what the
 * caller read of it. */
uint64_t ward_budget_total(struct ward_budget *budget, const struct ward_kek_ref *key,
                           uint64_t stored);
/* Whether a rotation that is due may be tried now; true at most once a minute for each version. */
bool ward_budget_try_rotation(struct ward_budget *budget, const struct ward_kek_ref *key,
                              int64_t now_us);
/* It could not be tried after all, or what it needs was away: true again in some seconds. */
void ward_budget_rotation_soon(struct ward_budget *budget, const struct ward_kek_ref *key);
/* Has a version come to its soft limit since this was last asked? Then nobody need wait for the
 * next look at what is due. */
bool ward_budget_reached(struct ward_budget *budget);
/* Forgets the versions that `wraps` does not vouch for: they wrap no more. */
typedef bool ward_budget_wraps(void *context, const struct ward_kek_ref *key);
void ward_budget_trim(struct ward_budget *budget, ward_budget_wraps *wraps, void *context);
size_t ward_budget_size(struct ward_budget *budget); /* versions remembered */

#endif
