/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of requests between two stages. Handed over in lists, so that a turn of the loop
 * costs one lock and wakes at most one sleeper. */
#ifndef WARD_SERVER_WORK_QUEUE_H
#define WARD_SERVER_WORK_QUEUE_H

#include <pthread.h>

#include "base/list.h"

struct ward_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct ward_list items;
    size_t max;
    unsigned sleepers;
    bool closed;
};

void ward_queue_init(struct ward_queue *queue, size_t max);
void ward_queue_fini(struct ward_queue *queue); /* must be empty */
/* Moves what fits from the front of `items` into the queue; what is left over did not fit (or the
 * queue is closed). `force`: over the bound too, for requests that have already done work. */
void ward_queue_push(struct ward_queue *queue, struct ward_list *items, bool force);
/* Waits until something is there, then moves up to `most` into `ret`. False when closed and empty.
 */
bool ward_queue_pop(struct ward_queue *queue, size_t most, struct ward_list *ret);
/* Without waiting. */
void ward_queue_poll(struct ward_queue *queue, size_t most, struct ward_list *ret);
/* No more pushes; sleepers wake, drain what is left and end. */
void ward_queue_close(struct ward_queue *queue);
size_t ward_queue_size(struct ward_queue *queue);

#endif
