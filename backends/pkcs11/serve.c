/* SPDX-License-Identifier: Apache-2.0 */
/* What a slot asks for, done. A rewrap opens and seals here, so that the data key is never in plain
 * in memory that wardd can read; a wrap with proof is opened again here before its blob is
 * released. Must not know who asked. */
#include "backends/pkcs11/serve.h"

#include <openssl/crypto.h>

#include "backends/pkcs11/object.h"
#include "backends/pkcs11/probe.h"
#include "backends/pkcs11/signer.h"
#include "backends/pkcs11/wrap.h"
#include "base/clock.h"
#include "base/log.h"

#define ANSWER_US 1000000 /* bad ciphertext asks for the known answer at most this often */
#define SEARCH_US 500000  /* of a batch's time, for searching the token */

/* A request with its spans resolved. */
struct call {
    enum ward_ring_verb verb;
    bool proof;
    struct ward_ring_ref key, from;
    struct ward_bytes aad, from_aad, in;
    uint8_t *out;
    size_t room;
};

static bool blob_fits(struct ward_bytes blob)
{
    return blob.size > WARD_GCM_OVERHEAD && blob.size <= WARD_GCM_OVERHEAD + WARD_KEK_PLAIN_MAX;
}

/* Plain text into out, whose room is the size of the blob without its IV. */
static ward_status open_blob(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                             struct ward_bytes aad, struct ward_bytes blob, uint8_t *out)
{
    struct ward_bytes sealed = {blob.data + WARD_GCM_IV_SIZE, blob.size - WARD_GCM_IV_SIZE};
    CK_OBJECT_HANDLE key;
    WARD_TRY(ward_object_use(hsm, ref, &key));
    ward_status status = ward_gcm_open(hsm, key, blob.data, aad, sealed, out);
    if (status.code == WARD_E_NOT_FOUND) { /* the handle is gone: the key may still be there */
        ward_object_forget(hsm, ref);
        WARD_TRY(ward_object_use(hsm, ref, &key));
        status = ward_gcm_open(hsm, key, blob.data, aad, sealed, out);
    }
    /* SoftHSM has one code for a bad tag and for a broken token. */
    if (status.code == WARD_E_CIPHERTEXT && hsm->now_us - hsm->answered_us >= ANSWER_US) {
        WARD_TRY(ward_probe_known_answer(hsm));
    }
    return status;
}

static ward_status seal_blob(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                             struct ward_bytes aad, struct ward_bytes plain, uint8_t *out)
{
    CK_OBJECT_HANDLE key;
    WARD_TRY(ward_object_use(hsm, ref, &key));
    WARD_TRY(ward_session_random(hsm, out, WARD_GCM_IV_SIZE));
    ward_status status = ward_gcm_seal(hsm, key, out, aad, plain, out + WARD_GCM_IV_SIZE);
    if (status.code == WARD_E_NOT_FOUND) {
        ward_object_forget(hsm, ref);
        WARD_TRY(ward_object_use(hsm, ref, &key));
        /* A new IV: the first may have been used. */
        WARD_TRY(ward_session_random(hsm, out, WARD_GCM_IV_SIZE));
        status = ward_gcm_seal(hsm, key, out, aad, plain, out + WARD_GCM_IV_SIZE);
    }
    return status;
}

/* What was sealed must open to the same, or it is not given out. */
static ward_status prove(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                         struct ward_bytes aad, struct ward_bytes plain, struct ward_bytes blob)
{
    uint8_t *proven = ward_secret_fill(hsm->proven);
    ward_status status = open_blob(hsm, ref, aad, blob, proven);
    if (ward_ok(status) && !ward_bytes_eq_ct(plain, WARD_BYTES(proven, plain.size))) {
        status = WARD_STATUS(WARD_E_INTERNAL);
    }
    OPENSSL_cleanse(proven, blob.size);
    if (status.code == WARD_E_CIPHERTEXT) {
        status.code = WARD_E_INTERNAL;
    }
    if (status.code == WARD_E_INTERNAL && !hsm->broken) {
        ward_log(WARD_LOG_ERROR, "hsm: a wrapped key did not open: withheld, starting anew");
        hsm->broken = true;
    }
    return status;
}

static ward_status wrap(struct ward_hsm *hsm, const struct call *call, struct ward_bytes plain,
                        size_t *ret_size)
{
    size_t size = plain.size + WARD_GCM_OVERHEAD;
    WARD_ENSURE(plain.size > 0 && plain.size <= WARD_KEK_PLAIN_MAX && call->room >= size,
                WARD_E_INTERNAL);
    ward_status status = seal_blob(hsm, &call->key, call->aad, plain, call->out);
    if (ward_ok(status) && call->proof) {
        status = prove(hsm, &call->key, call->aad, plain, WARD_BYTES(call->out, size));
    }
    if (!ward_ok(status)) {
        OPENSSL_cleanse(call->out, size);
        return status;
    }
    *ret_size = size;
    return WARD_OK;
}

static ward_status unwrap(struct ward_hsm *hsm, const struct call *call, size_t *ret_size)
{
    WARD_ENSURE(blob_fits(call->in), WARD_E_CIPHERTEXT);
    WARD_ENSURE(call->room >= call->in.size - WARD_GCM_IV_SIZE, WARD_E_INTERNAL);
    WARD_TRY(open_blob(hsm, &call->key, call->aad, call->in, call->out));
    *ret_size = call->in.size - WARD_GCM_OVERHEAD;
    return WARD_OK;
}

static ward_status rewrap(struct ward_hsm *hsm, const struct call *call, size_t *ret_size)
{
    WARD_ENSURE(blob_fits(call->in), WARD_E_CIPHERTEXT);
    WARD_ENSURE(call->from_aad.size > 0, WARD_E_INTERNAL);
    uint8_t *opened = ward_secret_fill(hsm->opened);
    ward_status status = open_blob(hsm, &call->from, call->from_aad, call->in, opened);
    if (ward_ok(status)) {
        status = wrap(hsm, call, WARD_BYTES(opened, call->in.size - WARD_GCM_OVERHEAD), ret_size);
    }
    OPENSSL_cleanse(opened, call->in.size);
    return status;
}

static ward_status create_signer(struct ward_hsm *hsm, const struct call *call, uint32_t *flags,
                                 size_t *ret_size)
{
    WARD_ENSURE(call->room >= WARD_RING_PUBLIC_KEY_MAX, WARD_E_INTERNAL);
    uint8_t algorithm = 0;
    WARD_TRY(ward_signer_create(hsm, &call->key, call->in, &algorithm, call->out, ret_size));
    *flags = algorithm;
    return WARD_OK;
}

static ward_status sign(struct ward_hsm *hsm, const struct call *call, uint32_t algorithm,
                        size_t *ret_size)
{
    WARD_ENSURE(call->room >= WARD_RING_SIGNATURE_MAX && call->in.size > 0, WARD_E_INTERNAL);
    WARD_ENSURE(algorithm == WARD_KEK_ED25519 || algorithm == WARD_KEK_ECDSA_P256, WARD_E_INTERNAL);
    return ward_signer_sign(hsm, &call->key, (uint8_t)algorithm, call->in, call->out, ret_size);
}

static ward_status dispatch(struct ward_hsm *hsm, const struct call *call, uint32_t *flags,
                            size_t *ret_size)
{
    WARD_ENSURE(!hsm->broken, WARD_E_UNAVAILABLE);
    switch (call->verb) {
    case WARD_RING_WRAP:
        WARD_ENSURE(call->aad.size > 0, WARD_E_INTERNAL);
        return wrap(hsm, call, call->in, ret_size);
    case WARD_RING_UNWRAP:
        WARD_ENSURE(call->aad.size > 0, WARD_E_INTERNAL);
        return unwrap(hsm, call, ret_size);
    case WARD_RING_REWRAP:
        WARD_ENSURE(call->aad.size > 0, WARD_E_INTERNAL);
        return rewrap(hsm, call, ret_size);
    case WARD_RING_CREATE:
        return ward_object_create(hsm, &call->key, call->in);
    case WARD_RING_DESTROY:
        return ward_object_destroy(hsm, &call->key);
    case WARD_RING_FORGET:
        ward_object_forget(hsm, &call->key);
        return WARD_OK;
    case WARD_RING_LIST:
        return ward_object_list(hsm, *flags, call->out, call->room, ret_size);
    case WARD_RING_ATTEST:
        return ward_object_attest(hsm, &call->key, flags);
    case WARD_RING_CREATE_SIGNER:
        return create_signer(hsm, call, flags, ret_size);
    case WARD_RING_SIGN:
        return sign(hsm, call, *flags, ret_size);
    case WARD_RING_PROBE:
        return ward_probe_known_answer(hsm);
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

static bool resolve(uint8_t *data, const struct ward_ring_span *span, uint8_t **ret)
{
    bool inside = span->at <= WARD_RING_DATA && span->size <= WARD_RING_DATA - span->at;
    *ret = inside ? data + span->at : NULL;
    return inside;
}

static bool resolve_bytes(uint8_t *data, const struct ward_ring_span *span, struct ward_bytes *ret)
{
    uint8_t *at;
    bool inside = resolve(data, span, &at);
    *ret = WARD_BYTES(at, span->size);
    return inside;
}

static void serve_slot(struct ward_hsm *hsm, struct ward_ring_slot *slot, uint8_t *data)
{
    struct ward_ring_slot asked = *slot;
    struct call call = {.verb = asked.verb,
                        .proof = asked.proof != 0,
                        .key = asked.key,
                        .from = asked.from,
                        .room = asked.out.size};
    uint32_t flags = asked.flags;
    size_t size = 0;
    ward_status status;
    if (resolve_bytes(data, &asked.aad, &call.aad) &&
        resolve_bytes(data, &asked.from_aad, &call.from_aad) &&
        resolve_bytes(data, &asked.in, &call.in) && resolve(data, &asked.out, &call.out)) {
        status = dispatch(hsm, &call, &flags, &size);
    } else {
        status = WARD_STATUS(WARD_E_INTERNAL);
    }
    slot->status = (struct ward_ring_status){status.code, status.domain, status.foreign};
    slot->out_size = ward_ok(status) ? (uint32_t)size : 0;
    slot->flags = flags;
}

void ward_serve(struct ward_hsm *hsm, struct ward_ring *ring)
{
    uint32_t n = ring->n;
    if (n > WARD_RING_SLOTS) {
        ward_log(WARD_LOG_ERROR, "hsm: a batch of more slots than there are");
        hsm->broken = true;
        n = 0;
    }
    hsm->now_us = ward_monotonic_us(&ward_clock_system);
    hsm->search_until_us = hsm->now_us + SEARCH_US;
    hsm->round += ring->recheck != 0 ? 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        serve_slot(hsm, &ring->slots[i], ring->data);
    }
    ring->closing = hsm->broken;
}
