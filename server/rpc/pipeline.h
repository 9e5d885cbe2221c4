/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator: it alone knows the order of the stages. A stage does its part on the requests
 * that it popped, says so, and pushes what came of it.
 *
 *   over its role's limits: DONE at once, counted for the audit log (server/throttle.h)
 *
 *   DECIDE --refused--------------------------------------------------> COMMIT (entry only) -> DONE
 *      | allowed
 *      v                  step has read      plan or finish
 *   step 0 ------------------> READ ------------> WORK ------------> COMMIT --- more steps: step +
 * 1 any failure on the way ----------------------------------------> COMMIT (entry only) -> DONE
 *   WORK: a version's wraps are used up -> READ reserves more -> WORK again
 *   COMMIT: conflict -> step 0 again, at most 16 times; epoch moved -> DECIDE again
 */
#ifndef WARD_SERVER_RPC_PIPELINE_H
#define WARD_SERVER_RPC_PIPELINE_H

#include "base/clock.h"
#include "server/authn/trust.h"
#include "server/op/op.h"
#include "server/state.h"
#include "server/throttle.h"
#include "server/work/posture.h"
#include "server/work/queue.h"

struct ward_pipeline {
    struct ward_queue reads, work, commits;
    struct ward_state_slot *states;
    const struct ward_clock *clock;
    struct ward_attestation *attestation; /* NULL: every key is as it was made */
    const struct ward_posture *posture;   /* NULL: a diagnosis knows nothing of it */
    struct ward_budget *budget;           /* NULL: wraps are not counted */
    void (*complete)(void *context, struct ward_list *requests); /* answers go out; any thread */
    void *complete_context;
    bool without_proof;             /* what is wrapped is not opened again before it is given out */
    atomic_ullong callers;          /* requests of peers for which the HSM is asked */
    struct ward_throttle *throttle; /* NULL: the limits of roles are not looked at */
    struct ward_trust *trust;       /* the CAs of clients, for stored votes; NULL: none counts */
    /* Counters for metrics. */
    atomic_ullong allowed, refused, failed, overloaded, latency_us, completed;
    atomic_ullong throttled;          /* held back by the limits of their roles */
    atomic_ullong cancelled, expired; /* ended before work was begun for them */
    struct ward_alarms alarms;
};

/* What a stage sends on at the end of its batch. */
struct ward_routes {
    struct ward_list reads, work, commits, done;
};

void ward_pipeline_init(struct ward_pipeline *pipeline, struct ward_state_slot *states,
                        const struct ward_clock *clock);
void ward_pipeline_fini(struct ward_pipeline *pipeline);

/* From a loop, or for an internal request: decides all and sends them on. */
void ward_pipeline_submit(struct ward_pipeline *pipeline, struct ward_list *requests);
/* From the stages. The reader asks the first for what its step reads; false: nothing, or it failed
 * meanwhile. */
bool ward_pipeline_read(struct ward_request *request, struct ward_digest *digest);
void ward_pipeline_after_read(struct ward_request *request, struct ward_routes *routes);
/* It has planned its HSM calls and wants a block of wraps before they are made. */
void ward_pipeline_wants_wraps(struct ward_request *request, struct ward_routes *routes);
void ward_pipeline_after_work(struct ward_request *request, struct ward_routes *routes);
/* The step's rows are durable. */
void ward_pipeline_after_commit(struct ward_pipeline *pipeline, struct ward_request *request,
                                struct ward_routes *routes);
/* Again from the decision, under the newest state; `from_step0` false: an administrative request
 * that has changed the HSM keeps its step and only commits again. */
void ward_pipeline_again(struct ward_pipeline *pipeline, struct ward_request *request,
                         bool from_step0, struct ward_routes *routes);
/* Without an entry, when no entry can be written. */
void ward_pipeline_done(struct ward_pipeline *pipeline, struct ward_request *request,
                        struct ward_routes *routes);
void ward_pipeline_flush(struct ward_pipeline *pipeline, struct ward_routes *routes);

/* Asked by reader and worker before they begin: CANCELLED or DEADLINE when nobody waits for the
 * answer any more, and nothing has been changed for it yet. Its entry is written all the same. */
void ward_pipeline_check_caller(struct ward_pipeline *pipeline, struct ward_request *request);

/* Does the coming commit write the entry and end the request? */
bool ward_pipeline_is_final(const struct ward_request *request);
const struct ward_step *
ward_pipeline_step(const struct ward_request *request); /* NULL when it failed or has none */

#endif
