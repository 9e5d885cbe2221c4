/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: a thread with an HSM process of its own. It takes up to 64 requests, lets each plan its
 * items, crosses to the HSM once for all of them, and lets each look at what came back. */
#ifndef WARD_SERVER_WORK_WORKER_H
#define WARD_SERVER_WORK_WORKER_H

#include "server/rpc/pipeline.h"

struct ward_worker {
    pthread_t thread;
    struct ward_pipeline *pipeline;
    struct ward_kek_session *session;
    bool spare;
    double us_per_item; /* the device's pace of late; 0: not known yet */
    struct ward_record_crypto crypto;
    struct ward_id_run ids;      /* of subject keys */
    struct ward_kek_item *items; /* WARD_KEK_BATCH_MAX */
    size_t n_items;
    struct ward_budget_need *needs; /* of one request, WARD_KEK_BATCH_MAX */
    atomic_bool device_ok;          /* the last crossing went through */
    /* Its HSM process holds no copy of a key that may not be used as of this epoch. */
    atomic_ullong settled_epoch;
    int64_t settled_wall_us; /* when that was; at first, its start */
};

/* Takes the session over, also on failure. Does not start the thread. spare: it joins when the
 * others cannot keep up, see queue.h; the first one must not be. */
ward_status ward_worker_new(struct ward_pipeline *pipeline, struct ward_kek_session *take_session,
                            bool spare, struct ward_worker **ret);
ward_status ward_worker_start(struct ward_worker *worker);
void ward_worker_join(struct ward_worker *worker); /* after the queue was closed; NULL is fine */

/* Drops what the worker's HSM process holds of versions that are of no use any more under the state
 * that is in force. A copy works on after its key was destroyed, so this has to come first. On the
 * worker's own thread. */
void ward_worker_settle(struct ward_worker *worker);

/* For an operation's plan: the next item of the batch, zeroed; EXHAUSTED when a request wants more
 * than a whole batch holds. The request finds its items at ward_worker_item(worker, request, i). */
ward_status ward_worker_add(struct ward_worker *worker, struct ward_request *request,
                            struct ward_kek_item **ret);
static inline struct ward_kek_item *ward_worker_item(struct ward_worker *worker,
                                                     const struct ward_request *request, size_t i)
{
    return &worker->items[request->first_item + i];
}

#endif
