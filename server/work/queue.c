/* SPDX-License-Identifier: Apache-2.0 */
/* Mutex and condition variable: a lock-free queue would save nothing, since whole lists move at
 * once. */
#include "server/work/queue.h"

#include <errno.h>
#include <time.h>

void ward_queue_init(struct ward_queue *queue, size_t max)
{
    *queue = (struct ward_queue){.max = max, .spare_from = SIZE_MAX};
    pthread_condattr_t monotonic; /* none of these can fail with what they are given on Linux */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->filled, NULL);
    (void)pthread_cond_init(&queue->spared, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
}

void ward_queue_fini(struct ward_queue *queue)
{
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_cond_destroy(&queue->spared);
    (void)pthread_mutex_destroy(&queue->lock);
}

static size_t weight_of(const struct ward_queue *queue, const struct ward_list *items)
{
    size_t weight = queue->weigh == NULL ? items->size : 0;
    for (const struct ward_link *i = items->head; queue->weigh != NULL && i != NULL; i = i->next) {
        weight += queue->weigh(i);
    }
    return weight;
}

static void add(struct ward_queue *queue, struct ward_list *items)
{
    queue->weight += weight_of(queue, items);
    ward_list_splice(&queue->items, items);
}

/* A sleeper for what there is; a spare to take its share, or to see to it that somebody does. */
static void wake(struct ward_queue *queue)
{
    if (queue->items.size == 0) {
        return;
    }
    bool taken = queue->sleepers > 0;
    if (taken) {
        (void)pthread_cond_signal(&queue->filled);
    }
    bool unwatched = !taken && queue->watching == 0;
    if (queue->spares > 0 && (unwatched || queue->weight >= queue->spare_from)) {
        (void)pthread_cond_signal(&queue->spared);
    }
}

void ward_queue_push(struct ward_queue *queue, struct ward_list *items, bool force)
{
    if (items->size == 0) {
        return;
    }
    (void)pthread_mutex_lock(&queue->lock);
    if (!queue->closed) {
        if (force || queue->items.size + items->size <= queue->max) {
            add(queue, items);
        }
        while (items->size > 0 && queue->items.size < queue->max) {
            struct ward_list one = {0};
            ward_list_push(&one, ward_list_pop(items));
            add(queue, &one);
        }
        wake(queue);
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

static void move(struct ward_queue *queue, size_t most, struct ward_list *ret)
{
    struct ward_list moved = {0};
    if (queue->items.size <= most) {
        ward_list_splice(&moved, &queue->items);
    }
    while (moved.size < most && queue->items.size > 0) {
        ward_list_push(&moved, ward_list_pop(&queue->items));
    }
    queue->pops++;
    queue->weight = queue->items.size == 0 ? 0 : queue->weight - weight_of(queue, &moved);
    ward_list_splice(ret, &moved);
}

bool ward_queue_pop(struct ward_queue *queue, size_t most, struct ward_list *ret)
{
    (void)pthread_mutex_lock(&queue->lock);
    unsigned kicks = queue->kicks;
    while (queue->items.size == 0 && !queue->closed && queue->kicks == kicks) {
        queue->sleepers++;
        (void)pthread_cond_wait(&queue->filled, &queue->lock);
        queue->sleepers--;
    }
    bool some = queue->items.size > 0;
    move(queue, most, ret);
    wake(queue); /* another one may take the rest */
    bool open = !queue->closed;
    (void)pthread_mutex_unlock(&queue->lock);
    return some || open;
}

/* Until somebody has taken something or the time is over; true: nobody has. */
static bool stuck(struct ward_queue *queue)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    long ns = until.tv_nsec + WARD_QUEUE_STUCK_MS * 1000000L;
    until.tv_sec += ns / 1000000000L;
    until.tv_nsec = ns % 1000000000L;
    unsigned pops = queue->pops;
    queue->watching++;
    int rc = pthread_cond_timedwait(&queue->spared, &queue->lock, &until);
    queue->watching--;
    return rc == ETIMEDOUT && queue->items.size > 0 && queue->pops == pops;
}

bool ward_queue_pop_spare(struct ward_queue *queue, size_t most, struct ward_list *ret)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->spares++;
    bool needed = false;
    unsigned kicks = queue->kicks;
    while (!needed && !queue->closed && queue->weight < queue->spare_from &&
           queue->kicks == kicks) {
        if (queue->items.size == 0 || queue->sleepers > 0) {
            (void)pthread_cond_wait(&queue->spared, &queue->lock);
        } else {
            needed = stuck(queue);
        }
    }
    queue->spares--;
    bool some = queue->items.size > 0, open = !queue->closed;
    if (needed || !open || queue->kicks == kicks) { /* else the others take it */
        move(queue, most, ret);
    }
    wake(queue);
    (void)pthread_mutex_unlock(&queue->lock);
    return some || open;
}

void ward_queue_kick(struct ward_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->kicks++;
    (void)pthread_cond_broadcast(&queue->filled);
    (void)pthread_cond_broadcast(&queue->spared);
    (void)pthread_mutex_unlock(&queue->lock);
}

void ward_queue_spare_from(struct ward_queue *queue, size_t weight)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->spare_from = weight;
    (void)pthread_mutex_unlock(&queue->lock);
}

void ward_queue_poll(struct ward_queue *queue, size_t most, struct ward_list *ret)
{
    (void)pthread_mutex_lock(&queue->lock);
    move(queue, most, ret);
    (void)pthread_mutex_unlock(&queue->lock);
}

void ward_queue_close(struct ward_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->filled);
    (void)pthread_cond_broadcast(&queue->spared);
    (void)pthread_mutex_unlock(&queue->lock);
}

size_t ward_queue_size(struct ward_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    size_t size = queue->items.size;
    (void)pthread_mutex_unlock(&queue->lock);
    return size;
}
