/* SPDX-License-Identifier: Apache-2.0 */
/* Mutex and condition variable: a lock-free queue would save nothing, since whole lists move at
 * once. */
#include "server/work/queue.h"

void ward_queue_init(struct ward_queue *queue, size_t max)
{
    *queue = (struct ward_queue){.max = max};
    (void)pthread_mutex_init(&queue->lock, NULL); /* cannot fail with default attributes on Linux */
    (void)pthread_cond_init(&queue->filled, NULL);
}

void ward_queue_fini(struct ward_queue *queue)
{
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_mutex_destroy(&queue->lock);
}

void ward_queue_push(struct ward_queue *queue, struct ward_list *items, bool force)
{
    if (items->size == 0) {
        return;
    }
    (void)pthread_mutex_lock(&queue->lock);
    if (!queue->closed) {
        if (force || queue->items.size + items->size <= queue->max) {
            ward_list_splice(&queue->items, items);
        }
        while (items->size > 0 && queue->items.size < queue->max) {
            ward_list_push(&queue->items, ward_list_pop(items));
        }
        if (queue->sleepers > 0 && queue->items.size > 0) {
            (void)pthread_cond_signal(&queue->filled);
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
}

static void move(struct ward_queue *queue, size_t most, struct ward_list *ret)
{
    if (queue->items.size <= most) {
        ward_list_splice(ret, &queue->items);
        return;
    }
    for (size_t i = 0; i < most; i++) {
        ward_list_push(ret, ward_list_pop(&queue->items));
    }
}

bool ward_queue_pop(struct ward_queue *queue, size_t most, struct ward_list *ret)
{
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->items.size == 0 && !queue->closed) {
        queue->sleepers++;
        (void)pthread_cond_wait(&queue->filled, &queue->lock);
        queue->sleepers--;
    }
    bool some = queue->items.size > 0;
    move(queue, most, ret);
    if (queue->items.size > 0 && queue->sleepers > 0) {
        (void)pthread_cond_signal(&queue->filled); /* another one may take the rest */
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return some;
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
    (void)pthread_mutex_unlock(&queue->lock);
}

size_t ward_queue_size(struct ward_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    size_t size = queue->items.size;
    (void)pthread_mutex_unlock(&queue->lock);
    return size;
}
