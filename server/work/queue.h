/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded queue of requests between two stages. Handed over in lists, so that a turn of the loop
 * costs one lock and wakes at most one sleeper of each kind.
 *
 * Sleepers are of two kinds. One that pops takes whatever there is. One that pops as a spare leaves
 * what comes in to the others and joins when they cannot keep up: two that share little work make
 * two small batches of it, which costs everybody behind them twice. */
#ifndef WARD_SERVER_WORK_QUEUE_H
#define WARD_SERVER_WORK_QUEUE_H

#include <pthread.h>
#include <stdint.h>

#include "base/list.h"

struct ward_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct ward_list items;
    size_t max;
    uint32_t (*weigh)(const struct ward_link *link); /* how much work one is; NULL: 1 */
    size_t weight, spare_from; /* what waits; how much of it a spare is woken for */
    pthread_cond_t spared;
    unsigned sleepers, spares, watching, pops; /* watching: spares that wait for somebody to take */
    unsigned kicks;
    bool closed;
};

#define WARD_QUEUE_STUCK_MS 10 /* nobody has taken anything for so long: a spare does */

void ward_queue_init(struct ward_queue *queue, size_t max);
void ward_queue_fini(struct ward_queue *queue); /* must be empty */
/* Moves what fits from the front of `items` into the queue; what is left over did not fit (or the
 * queue is closed). `force`: over the bound too, for requests that have already done work. */
void ward_queue_push(struct ward_queue *queue, struct ward_list *items, bool force);
/* Waits until something is there, then moves up to `most` into `ret`. False when closed and empty.
 */
bool ward_queue_pop(struct ward_queue *queue, size_t most, struct ward_list *ret);
/* As a spare: once `spare_from` waits, or nobody else has taken anything of it for a while. */
bool ward_queue_pop_spare(struct ward_queue *queue, size_t most, struct ward_list *ret);
void ward_queue_spare_from(struct ward_queue *queue, size_t weight);
/* Wakes every sleeper once, though there may be nothing: each pops an empty list, and has a moment
 * for what else it has to do. Those that are awake are not told. */
void ward_queue_kick(struct ward_queue *queue);
/* Without waiting. */
void ward_queue_poll(struct ward_queue *queue, size_t most, struct ward_list *ret);
/* No more pushes; sleepers wake, drain what is left and end. */
void ward_queue_close(struct ward_queue *queue);
size_t ward_queue_size(struct ward_queue *queue);

#endif
