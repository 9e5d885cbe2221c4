/* SPDX-License-Identifier: Apache-2.0 */
/* The KEKs that a helper has found, by reference: C_FindObjects is far too slow for a request. An
 * open hash table; pointers into it live until the next put or remove. */
#ifndef WARD_BACKENDS_PKCS11_KEY_TABLE_H
#define WARD_BACKENDS_PKCS11_KEY_TABLE_H

#include <p11-kit/pkcs11.h>

#include "backends/pkcs11/ring.h"

struct ward_key_entry {
    struct ward_ring_ref ref;
    bool taken;
    bool ready;             /* attributes were read back and a known answer was right */
    CK_OBJECT_HANDLE token; /* the key on the token */
    CK_OBJECT_HANDLE use;   /* its working copy, or the same; 0 until it was made ready */
    bool used_lately;       /* of one with a copy: since the hand last passed */
    uint8_t waited;         /* of one without: uses since it last asked for a copy */
    uint16_t copied;        /* how often it was */
    int64_t checked_us;     /* when the token object was last seen to be this key */
    uint32_t checked_round;
};

struct ward_key_table {
    struct ward_key_entry *entries;
    size_t room, size; /* room: 0 or a power of two */
};

void ward_key_table_fini(struct ward_key_table *table);
/* NULL when it is not there. */
struct ward_key_entry *ward_key_table_get(struct ward_key_table *table,
                                          const struct ward_ring_ref *ref);
/* A copy of the entry, in place of one with the same ref. EXHAUSTED without memory. */
ward_status ward_key_table_put(struct ward_key_table *table, const struct ward_key_entry *entry,
                               struct ward_key_entry **ret);
void ward_key_table_remove(struct ward_key_table *table, const struct ward_ring_ref *ref);

bool ward_ring_ref_eq(const struct ward_ring_ref *a, const struct ward_ring_ref *b);

#endif
