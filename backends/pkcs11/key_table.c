/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; removal shifts back, so that there are no tombstones and a
 * table that lives for months stays as fast as a new one. Makes no Cryptoki call. */
#include "backends/pkcs11/key_table.h"

#include <stdlib.h>

#define ROOM_MIN 64

bool ward_ring_ref_eq(const struct ward_ring_ref *a, const struct ward_ring_ref *b)
{
    return a->version == b->version && memcmp(a->id, b->id, sizeof(a->id)) == 0;
}

/* Ids are random UUIDs, so their bytes are as good as a hash. */
static size_t home(const struct ward_key_table *table, const struct ward_ring_ref *ref)
{
    uint64_t hash = ward_get_u64(ref->id + 8) + ref->version * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash ^ hash >> 32) & (table->room - 1);
}

static struct ward_key_entry *place(struct ward_key_table *table, const struct ward_ring_ref *ref)
{
    size_t i = home(table, ref);
    while (table->entries[i].taken && !ward_ring_ref_eq(&table->entries[i].ref, ref)) {
        i = (i + 1) & (table->room - 1);
    }
    return &table->entries[i];
}

void ward_key_table_fini(struct ward_key_table *table)
{
    free(table->entries);
    *table = (struct ward_key_table){0};
}

struct ward_key_entry *ward_key_table_get(struct ward_key_table *table,
                                          const struct ward_ring_ref *ref)
{
    if (table->room == 0) {
        return NULL;
    }
    struct ward_key_entry *found = place(table, ref);
    return found->taken ? found : NULL;
}

static ward_status grow(struct ward_key_table *table)
{
    struct ward_key_table bigger = {.room = table->room == 0 ? ROOM_MIN : table->room * 2};
    bigger.entries = calloc(bigger.room, sizeof(*bigger.entries));
    WARD_ENSURE(bigger.entries != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < table->room; i++) {
        if (table->entries[i].taken) {
            *place(&bigger, &table->entries[i].ref) = table->entries[i];
            bigger.size++;
        }
    }
    ward_key_table_fini(table);
    *table = bigger;
    return WARD_OK;
}

ward_status ward_key_table_put(struct ward_key_table *table, const struct ward_key_entry *entry,
                               struct ward_key_entry **ret)
{
    if ((table->size + 1) * 2 > table->room) {
        WARD_TRY(grow(table));
    }
    struct ward_key_entry *to = place(table, &entry->ref);
    table->size += to->taken ? 0 : 1;
    *to = *entry;
    to->taken = true;
    *ret = to;
    return WARD_OK;
}

void ward_key_table_remove(struct ward_key_table *table, const struct ward_ring_ref *ref)
{
    struct ward_key_entry *gone = ward_key_table_get(table, ref);
    if (gone == NULL) {
        return;
    }
    size_t mask = table->room - 1;
    size_t hole = (size_t)(gone - table->entries);
    for (size_t i = (hole + 1) & mask; table->entries[i].taken; i = (i + 1) & mask) {
        size_t wanted = home(table, &table->entries[i].ref);
        /* An entry may move into the hole unless that would put it before its home. */
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            table->entries[hole] = table->entries[i];
            hole = i;
        }
    }
    table->entries[hole] = (struct ward_key_entry){0};
    table->size--;
}
