/* SPDX-License-Identifier: Apache-2.0 */
/* A number is a serial and the place where the connection stands: finding one is an index and a
 * comparison. What a connection is, does not matter here. */
#include "server/net/conn_table.h"

#include <stdlib.h>

#define SLOT_BITS 20
#define SLOTS_MAX (1u << SLOT_BITS)
#define NONE UINT32_MAX

void ward_conn_table_init(struct ward_conn_table *table)
{
    *table = (struct ward_conn_table){.first_free = NONE};
}

void ward_conn_table_fini(struct ward_conn_table *table)
{
    free(table->slots);
    ward_conn_table_init(table);
}

static ward_status grow(struct ward_conn_table *table)
{
    uint32_t n = table->n_slots == 0 ? 16 : table->n_slots * 2;
    WARD_ENSURE(n <= SLOTS_MAX, WARD_E_EXHAUSTED);
    struct ward_conn_slot *slots = realloc(table->slots, n * sizeof(*slots));
    WARD_ENSURE(slots != NULL, WARD_E_EXHAUSTED);
    for (uint32_t i = table->n_slots; i < n; i++) {
        slots[i] = (struct ward_conn_slot){.next_free = i + 1 < n ? i + 1 : table->first_free};
    }
    table->first_free = table->n_slots;
    table->slots = slots;
    table->n_slots = n;
    return WARD_OK;
}

ward_status ward_conn_table_add(struct ward_conn_table *table, void *conn, uint64_t *ret_id)
{
    if (table->first_free == NONE) {
        WARD_TRY(grow(table));
    }
    uint32_t place = table->first_free;
    struct ward_conn_slot *slot = &table->slots[place];
    table->first_free = slot->next_free;
    slot->id = ++table->serial << SLOT_BITS | place;
    slot->conn = conn;
    table->used++;
    *ret_id = slot->id;
    return WARD_OK;
}

static struct ward_conn_slot *slot_of(const struct ward_conn_table *table, uint64_t id)
{
    uint32_t place = (uint32_t)id & (SLOTS_MAX - 1);
    if (id == 0 || place >= table->n_slots || table->slots[place].id != id) {
        return NULL;
    }
    return &table->slots[place];
}

void ward_conn_table_remove(struct ward_conn_table *table, uint64_t id)
{
    struct ward_conn_slot *slot = slot_of(table, id);
    if (slot != NULL) {
        slot->id = 0;
        slot->conn = NULL;
        slot->next_free = table->first_free;
        table->first_free = (uint32_t)(slot - table->slots);
        table->used--;
    }
}

void *ward_conn_table_find(const struct ward_conn_table *table, uint64_t id)
{
    struct ward_conn_slot *slot = slot_of(table, id);
    return slot == NULL ? NULL : slot->conn;
}

void *ward_conn_table_next(const struct ward_conn_table *table, uint32_t *at)
{
    while (*at < table->n_slots) {
        struct ward_conn_slot *slot = &table->slots[(*at)++];
        if (slot->id != 0) {
            return slot->conn;
        }
    }
    return NULL;
}
