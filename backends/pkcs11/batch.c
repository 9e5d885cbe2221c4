/* SPDX-License-Identifier: Apache-2.0 */
/* The wire between wardd and ward-hsm, seen from wardd. Only the part of the ring that was used is
 * wiped, so that a batch of one does not pay for the largest. Must not know how the helper is kept
 * alive. */
#include "backends/pkcs11/batch.h"

#include <openssl/crypto.h>

#include "base/log.h"

#define ALIGNMENT 8u

_Static_assert(2 * WARD_KEK_AAD_MAX + 2 * WARD_KEK_BLOB_MAX + 4 * ALIGNMENT <= WARD_RING_DATA,
               "the largest item fits");
_Static_assert(WARD_KEK_LIST_MAX * sizeof(struct ward_ring_object) <= WARD_RING_DATA,
               "a page of a list fits");
_Static_assert(WARD_KEK_SIGN_MAX + WARD_RING_PUBLIC_KEY_MAX + 4 * ALIGNMENT <= WARD_RING_DATA,
               "the largest call fits");

static uint32_t aligned(size_t size)
{
    return (uint32_t)((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
}

static struct ward_ring_ref ring_ref(const struct ward_kek_ref *ref)
{
    struct ward_ring_ref to = {.version = ref->version};
    memcpy(to.id, ref->id.bytes, sizeof(to.id));
    return to;
}

static struct ward_ring_span reserve(struct ward_batch *batch, size_t size)
{
    struct ward_ring_span span = {batch->data_used, (uint32_t)size};
    batch->data_used += aligned(size);
    return span;
}

static struct ward_ring_span put(struct ward_batch *batch, struct ward_ring *ring,
                                 struct ward_bytes bytes)
{
    struct ward_ring_span span = reserve(batch, bytes.size);
    if (bytes.size > 0) {
        memcpy(ring->data + span.at, bytes.data, bytes.size);
    }
    return span;
}

/* UNWRAP: modules want room for the tag too. */
static size_t room_of(const struct ward_kek_item *item)
{
    return item->verb == WARD_KEK_WRAP ? item->in.size + WARD_GCM_OVERHEAD : item->in.size;
}

/* The one size that a right answer has: GCM neither pads nor compresses. */
static size_t answer_size(const struct ward_kek_item *item)
{
    return item->verb == WARD_KEK_UNWRAP ? item->in.size - WARD_GCM_OVERHEAD : room_of(item);
}

static bool item_fits(const struct ward_batch *batch, const struct ward_kek_item *item)
{
    size_t from = item->verb == WARD_KEK_REWRAP ? item->from_aad.size : 0;
    size_t need =
        aligned(item->aad.size) + aligned(from) + aligned(item->in.size) + aligned(room_of(item));
    return batch->n < WARD_RING_SLOTS && need <= WARD_RING_DATA - batch->data_used;
}

static void fill_item(struct ward_batch *batch, struct ward_ring *ring, struct ward_kek_item *item)
{
    struct ward_ring_slot slot = {
        .verb = (uint8_t)item->verb, .proof = item->proof, .key = ring_ref(&item->key)};
    slot.aad = put(batch, ring, item->aad);
    if (item->verb == WARD_KEK_REWRAP) {
        slot.from = ring_ref(&item->from);
        slot.from_aad = put(batch, ring, item->from_aad);
    }
    slot.in = put(batch, ring, item->in);
    slot.out = reserve(batch, room_of(item));
    ring->slots[batch->n] = slot;
    batch->places[batch->n++] = (struct ward_batch_place){item, slot.out};
}

size_t ward_batch_fill(struct ward_batch *batch, struct ward_ring *ring,
                       struct ward_kek_item *items, size_t n)
{
    batch->n = batch->data_used = 0;
    batch->call = NULL;
    size_t taken = 0;
    for (; taken < n; taken++) {
        struct ward_kek_item *item = &items[taken];
        if (!ward_ok(item->status)) {
            continue;
        }
        if (item->verb != WARD_KEK_WRAP && item->in.size <= WARD_GCM_OVERHEAD) {
            item->status = WARD_STATUS(WARD_E_CIPHERTEXT);
            continue;
        }
        if (!item_fits(batch, item)) {
            break;
        }
        fill_item(batch, ring, item);
    }
    ring->n = batch->n;
    return taken;
}

void ward_batch_fill_call(struct ward_batch *batch, struct ward_ring *ring, struct ward_call *call)
{
    batch->n = batch->data_used = 0;
    batch->call = call;
    struct ward_ring_slot slot = {
        .verb = (uint8_t)call->verb, .flags = call->flags, .key = ring_ref(&call->key)};
    slot.in = put(batch, ring, call->in);
    slot.out = reserve(batch, call->room);
    ring->slots[0] = slot;
    batch->places[0] = (struct ward_batch_place){NULL, slot.out};
    ring->n = batch->n = 1;
}

/* A code that this request can end in, or INTERNAL. */
static ward_status answer_status(const struct ward_ring_slot *slot)
{
    switch (slot->status.code) {
    case WARD_E_OK:
        return WARD_OK;
    case WARD_E_CIPHERTEXT:
    case WARD_E_NOT_FOUND:
    case WARD_E_EXISTS:
    case WARD_E_UNAVAILABLE:
        return (ward_status){.code = slot->status.code,
                             .domain = slot->status.domain == WARD_DOMAIN_PKCS11
                                           ? WARD_DOMAIN_PKCS11
                                           : WARD_DOMAIN_NONE,
                             .foreign = slot->status.foreign,
                             .at = WARD_HERE};
    case WARD_E_EXHAUSTED:
        WARD_FAIL(WARD_E_UNAVAILABLE);
    default:
        WARD_FAIL(WARD_E_INTERNAL);
    }
}

static ward_status collect_item(const struct ward_batch_place *place,
                                const struct ward_ring_slot *slot, const uint8_t *data)
{
    struct ward_kek_item *item = place->item;
    item->status = answer_status(slot);
    if (!ward_ok(item->status)) {
        return WARD_OK;
    }
    size_t size = answer_size(item);
    size_t room = item->verb == WARD_KEK_UNWRAP ? WARD_KEK_PLAIN_MAX : WARD_KEK_BLOB_MAX;
    WARD_ENSURE(slot->out_size == size && size <= room, WARD_E_INTERNAL);
    memcpy(item->out, data + place->out.at, size);
    item->out_size = size;
    return WARD_OK;
}

static ward_status collect_call(struct ward_call *call, const struct ward_batch_place *place,
                                const struct ward_ring_slot *slot, const uint8_t *data)
{
    call->status = answer_status(slot);
    if (!ward_ok(call->status)) {
        return WARD_OK;
    }
    WARD_ENSURE(slot->out_size <= call->room, WARD_E_INTERNAL);
    if (slot->out_size > 0) {
        memcpy(call->out, data + place->out.at, slot->out_size);
    }
    call->out_size = slot->out_size;
    call->flags = slot->flags;
    return WARD_OK;
}

ward_status ward_batch_collect(struct ward_batch *batch, struct ward_ring *ring)
{
    ward_status status = WARD_OK;
    for (uint32_t i = 0; i < batch->n && ward_ok(status); i++) {
        /* Read once: the helper can write while we look. */
        struct ward_ring_slot slot;
        memcpy(&slot, &ring->slots[i], sizeof(slot));
        status = batch->call != NULL
                     ? collect_call(batch->call, &batch->places[i], &slot, ring->data)
                     : collect_item(&batch->places[i], &slot, ring->data);
    }
    OPENSSL_cleanse(ring->data, batch->data_used);
    OPENSSL_cleanse(ring->slots, batch->n * sizeof(ring->slots[0]));
    if (!ward_ok(status)) {
        ward_log(WARD_LOG_ERROR, "hsm: helper gave an answer that cannot be: killed");
    }
    return status;
}

void ward_batch_refuse(struct ward_batch *batch, ward_status status)
{
    if (batch->call != NULL) {
        batch->call->status = status;
        return;
    }
    for (uint32_t i = 0; i < batch->n; i++) {
        struct ward_kek_item *item = batch->places[i].item;
        OPENSSL_cleanse(item->out, item->out_size);
        item->out_size = 0;
        item->status = status;
    }
}
