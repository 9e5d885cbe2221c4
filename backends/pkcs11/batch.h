/* SPDX-License-Identifier: Apache-2.0 */
/* Items into ring slots, and answers out of them. What the helper wrote is untrusted: places are
 * taken from the batch's own notes, sizes must be those that the request implies. */
#ifndef WARD_BACKENDS_PKCS11_BATCH_H
#define WARD_BACKENDS_PKCS11_BATCH_H

#include "backends/pkcs11/ring.h"

/* A request that is no item: key management, signatures, the probe. */
struct ward_call {
    enum ward_ring_verb verb;
    struct ward_kek_ref key;
    struct ward_bytes in;
    uint8_t *out;
    size_t room;
    uint32_t flags;     /* asked and answered */
    size_t out_size;    /* answered */
    ward_status status; /* answered */
};

struct ward_batch_place {
    struct ward_kek_item *item;
    struct ward_ring_span out;
};

/* What is in the ring now. */
struct ward_batch {
    uint32_t n, data_used;
    struct ward_call *call; /* or NULL: items */
    struct ward_batch_place places[WARD_RING_SLOTS];
};

/* As many items as fit, at least one; those that are refused already are passed over. Returns how
 * many it took from the front. */
size_t ward_batch_fill(struct ward_batch *batch, struct ward_ring *ring,
                       struct ward_kek_item *items, size_t n);
void ward_batch_fill_call(struct ward_batch *batch, struct ward_ring *ring, struct ward_call *call);
/* Copies the answers out and wipes what was used of the ring. INTERNAL, and nothing may be
 * believed, when the helper answered what cannot be. */
ward_status ward_batch_collect(struct ward_batch *batch, struct ward_ring *ring);
/* Gives every item (or the call) this status, and wipes what was given out. */
void ward_batch_refuse(struct ward_batch *batch, ward_status status);

#endif
