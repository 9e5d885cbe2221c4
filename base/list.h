/* SPDX-License-Identifier: Apache-2.0 */
/* A singly linked FIFO of items that embed their link: how requests queue and move. No locking. */
#ifndef WARD_BASE_LIST_H
#define WARD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ward_link {
    struct ward_link *next;
};

struct ward_list {
    struct ward_link *head, *tail;
    size_t size;
};

#define WARD_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void ward_list_push(struct ward_list *list, struct ward_link *link)
{
    link->next = NULL;
    if (list->tail == NULL) {
        list->head = link;
    } else {
        list->tail->next = link;
    }
    list->tail = link;
    list->size++;
}

static inline struct ward_link *ward_list_pop(struct ward_list *list)
{
    struct ward_link *link = list->head;
    if (link != NULL) {
        list->head = link->next;
        if (list->head == NULL) {
            list->tail = NULL;
        }
        list->size--;
        link->next = NULL;
    }
    return link;
}

/* Appends all of `from` and leaves it empty. */
static inline void ward_list_splice(struct ward_list *to, struct ward_list *from)
{
    if (from->head == NULL) {
        return;
    }
    if (to->tail == NULL) {
        to->head = from->head;
    } else {
        to->tail->next = from->head;
    }
    to->tail = from->tail;
    to->size += from->size;
    *from = (struct ward_list){0};
}

#endif
