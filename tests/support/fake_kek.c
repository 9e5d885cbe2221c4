/* SPDX-License-Identifier: Apache-2.0 */
/* A key's value is SHA-256 of its id and version, so that a test can do the HSM's work again by
 * itself. The blob has the shape of the PKCS#11 backend's: IV, ciphertext, tag. */
#include "tests/support/fake_kek.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/aead.h"
#include "base/digest.h"

#define OBJECTS_MAX 4096

struct object {
    struct ward_kek_ref ref;
    bool signer, weak;
};

struct fake {
    struct ward_kek base;
    pthread_mutex_t mutex;
    struct object objects[OBJECTS_MAX];
    size_t n;
    enum fake_kek_fault fault;
    unsigned delay_us, flip_every, wraps, flipped, crossings, forgotten;
};

struct session {
    struct ward_kek_session base;
    struct ward_aead *aead;
    struct ward_digest *digest;
};

static struct fake *lock(struct ward_kek *kek)
{
    struct fake *fake = (struct fake *)kek;
    (void)pthread_mutex_lock(&fake->mutex); /* fails for misuse only */
    return fake;
}

static void unlockp(struct fake **fake)
{
    (void)pthread_mutex_unlock(&(*fake)->mutex);
}
#define LOCKED(kek) ward_auto(unlockp) struct fake *fake = lock(kek)

static bool same(const struct ward_kek_ref *a, const struct ward_kek_ref *b)
{
    return a->version == b->version && ward_id_eq(&a->id, &b->id);
}

static struct object *find(struct fake *fake, const struct ward_kek_ref *ref)
{
    for (size_t i = 0; i < fake->n; i++) {
        if (same(&fake->objects[i].ref, ref)) {
            return &fake->objects[i];
        }
    }
    return NULL;
}

static ward_status value_of(struct ward_digest *digest, const struct ward_kek_ref *ref,
                            uint8_t out[static 32])
{
    uint8_t version[4];
    ward_put_u32(version, ref->version);
    const struct ward_bytes parts[] = {WARD_BYTES_LITERAL("fake kek"), ward_id_view(&ref->id),
                                       WARD_BYTES_ARRAY(version)};
    return ward_sha256(digest, parts, 3, out);
}

static void close_kek(struct ward_kek *kek)
{
    struct fake *fake = (struct fake *)kek;
    (void)pthread_mutex_destroy(&fake->mutex);
    free(fake);
}

static void session_close(struct ward_kek_session *base)
{
    struct session *session = (struct session *)base;
    ward_aead_free(session->aead);
    ward_digest_free(session->digest);
    free(session);
}

static ward_status session_open(struct ward_kek *kek, struct ward_kek_session **ret)
{
    struct session *session = calloc(1, sizeof(*session));
    WARD_ENSURE(session != NULL, WARD_E_EXHAUSTED);
    session->base.kek = kek;
    ward_status status = ward_aead_new(&session->aead);
    if (ward_ok(status)) {
        status = ward_digest_new(&session->digest);
    }
    if (!ward_ok(status)) {
        session_close(&session->base);
        return status;
    }
    *ret = &session->base;
    return WARD_OK;
}

/* ---- items ---- */

struct plain {
    uint8_t bytes[WARD_KEK_PLAIN_MAX];
    size_t size;
};

static ward_status open_blob(struct session *session, const struct ward_kek_ref *ref,
                             struct ward_bytes aad, struct ward_bytes blob, struct plain *ret)
{
    WARD_ENSURE(blob.size > WARD_AEAD_IV_SIZE + WARD_AEAD_TAG_SIZE &&
                    blob.size <= WARD_AEAD_IV_SIZE + WARD_AEAD_TAG_SIZE + WARD_KEK_PLAIN_MAX,
                WARD_E_CIPHERTEXT);
    uint8_t key[32];
    WARD_TRY(value_of(session->digest, ref, key));
    struct ward_bytes sealed =
        WARD_BYTES(blob.data + WARD_AEAD_IV_SIZE, blob.size - WARD_AEAD_IV_SIZE);
    ret->size = sealed.size - WARD_AEAD_TAG_SIZE;
    return ward_aead_open(session->aead, key, blob.data, aad, sealed, ret->bytes);
}

/* One bit of every n-th, somewhere in the blob. */
static void damage(struct ward_kek *kek, uint8_t *blob, size_t size)
{
    LOCKED(kek);
    fake->wraps++;
    if (fake->flip_every != 0 && fake->wraps % fake->flip_every == 0) {
        size_t bit = (fake->flipped * 37) % (size * 8);
        blob[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        fake->flipped++;
    }
}

static ward_status wrap(struct session *session, const struct ward_kek_item *item,
                        struct ward_bytes plain, size_t *ret_size)
{
    uint8_t key[32];
    WARD_TRY(value_of(session->digest, &item->key, key));
    WARD_TRY(ward_random(item->out, WARD_AEAD_IV_SIZE));
    WARD_TRY(ward_aead_seal(session->aead, key, item->out, item->aad, plain,
                            item->out + WARD_AEAD_IV_SIZE));
    *ret_size = WARD_AEAD_IV_SIZE + plain.size + WARD_AEAD_TAG_SIZE;
    damage(session->base.kek, item->out, *ret_size);
    if (!item->proof) {
        return WARD_OK;
    }
    struct plain again;
    ward_status status =
        open_blob(session, &item->key, item->aad, WARD_BYTES(item->out, *ret_size), &again);
    if (!ward_ok(status) || !ward_bytes_eq_ct(WARD_BYTES(again.bytes, again.size), plain)) {
        OPENSSL_cleanse(item->out, *ret_size);
        *ret_size = 0;
        WARD_FAIL(WARD_E_INTERNAL);
    }
    return WARD_OK;
}

static bool is_there(struct ward_kek *kek, const struct ward_kek_ref *ref)
{
    LOCKED(kek);
    const struct object *object = find(fake, ref);
    return object != NULL && !object->signer;
}

static ward_status run_item(struct session *session, struct ward_kek_item *item)
{
    struct ward_kek *kek = session->base.kek;
    struct plain plain;
    WARD_ENSURE(is_there(kek, &item->key), WARD_E_NOT_FOUND);
    switch (item->verb) {
    case WARD_KEK_WRAP:
        return wrap(session, item, item->in, &item->out_size);
    case WARD_KEK_UNWRAP:
        WARD_TRY(open_blob(session, &item->key, item->aad, item->in, &plain));
        memcpy(item->out, plain.bytes, plain.size);
        item->out_size = plain.size;
        return WARD_OK;
    case WARD_KEK_REWRAP:
        WARD_ENSURE(is_there(kek, &item->from), WARD_E_NOT_FOUND);
        WARD_TRY(open_blob(session, &item->from, item->from_aad, item->in, &plain));
        return wrap(session, item, WARD_BYTES(plain.bytes, plain.size), &item->out_size);
    }
    WARD_FAIL(WARD_E_INTERNAL);
}

static enum fake_kek_fault fault_of(struct ward_kek *kek, unsigned *ret_delay_us)
{
    LOCKED(kek);
    fake->crossings++;
    *ret_delay_us = fake->delay_us;
    return fake->fault;
}

static ward_status run(struct ward_kek_session *base, struct ward_kek_item *items, size_t n)
{
    unsigned delay_us;
    enum fake_kek_fault fault = fault_of(base->kek, &delay_us);
    struct timespec pause = {.tv_sec = delay_us / 1000000,
                             .tv_nsec = (long)(delay_us % 1000000) * 1000};
    if (delay_us > 0) {
        (void)nanosleep(&pause, NULL); /* an early end only makes it faster */
    }
    for (size_t i = 0; i < n; i++) {
        if (fault == FAKE_KEK_AWAY || fault == FAKE_KEK_ITEMS_AWAY) {
            items[i].status = WARD_STATUS(WARD_E_UNAVAILABLE);
        } else if (ward_ok(items[i].status)) {
            items[i].status = run_item((struct session *)base, &items[i]);
        }
    }
    return fault == FAKE_KEK_AWAY ? WARD_STATUS(WARD_E_UNAVAILABLE) : WARD_OK;
}

/* ---- objects ---- */

static ward_status add(struct fake *fake, const struct ward_kek_ref *ref, bool signer)
{
    WARD_ENSURE(find(fake, ref) == NULL, WARD_E_EXISTS);
    WARD_ENSURE(fake->n < OBJECTS_MAX, WARD_E_EXHAUSTED);
    fake->objects[fake->n++] =
        (struct object){.ref = *ref, .signer = signer, .weak = fake->fault == FAKE_KEK_CREATE_WEAK};
    return WARD_OK;
}

static ward_status create(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                          const char *label)
{
    (void)label;
    LOCKED(session->kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY && fake->fault != FAKE_KEK_CREATE_AWAY,
                WARD_E_UNAVAILABLE);
    WARD_TRY(add(fake, ref, false));
    WARD_ENSURE(fake->fault != FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE);
    return WARD_OK;
}

static ward_status destroy(struct ward_kek_session *session, const struct ward_kek_ref *ref)
{
    LOCKED(session->kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY, WARD_E_UNAVAILABLE);
    struct object *object = find(fake, ref);
    WARD_ENSURE(object != NULL, WARD_E_NOT_FOUND);
    *object = fake->objects[--fake->n];
    return WARD_OK;
}

static ward_status forget(struct ward_kek_session *session, const struct ward_kek_ref *ref)
{
    (void)ref;
    LOCKED(session->kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY, WARD_E_UNAVAILABLE);
    fake->forgotten++;
    return WARD_OK;
}

static ward_status list(struct ward_kek_session *session, uint32_t from,
                        struct ward_kek_object *objects, size_t *ret_n)
{
    LOCKED(session->kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY, WARD_E_UNAVAILABLE);
    size_t n = 0;
    for (; n < WARD_KEK_LIST_MAX && from + n < fake->n; n++) {
        const struct object *object = &fake->objects[from + n];
        objects[n] = (struct ward_kek_object){
            .ours = true, .ref = object->ref, .signer = object->signer, .id_size = 20};
        memcpy(objects[n].id, object->ref.id.bytes, sizeof(object->ref.id.bytes));
        ward_put_u32(objects[n].id + sizeof(object->ref.id.bytes), object->ref.version);
    }
    *ret_n = n;
    return WARD_OK;
}

static ward_status attest(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                          struct ward_kek_attest *ret)
{
    LOCKED(session->kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY, WARD_E_UNAVAILABLE);
    const struct object *object = find(fake, ref);
    bool there = object != NULL;
    *ret = (struct ward_kek_attest){.present = there,
                                    .sensitive = there,
                                    .non_extractable = there && !object->weak,
                                    .never_wrap_with_decrypt = there,
                                    .works = there};
    return WARD_OK;
}

static ward_status signer_of(struct session *session, const struct ward_kek_ref *ref,
                             EVP_PKEY **ret)
{
    uint8_t seed[32];
    WARD_TRY(value_of(session->digest, ref, seed));
    *ret = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
    WARD_ENSURE(*ret != NULL, WARD_E_INTERNAL);
    return WARD_OK;
}

static ward_status add_signer(struct ward_kek *kek, const struct ward_kek_ref *ref)
{
    LOCKED(kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY && fake->fault != FAKE_KEK_CREATE_AWAY,
                WARD_E_UNAVAILABLE);
    WARD_TRY(add(fake, ref, true));
    WARD_ENSURE(fake->fault != FAKE_KEK_CREATE_DOUBT, WARD_E_UNAVAILABLE);
    return WARD_OK;
}

static ward_status create_signer(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                                 const char *label, uint8_t *ret_algorithm, uint8_t *public_key,
                                 size_t *ret_size)
{
    (void)label;
    EVP_PKEY *key = NULL;
    WARD_TRY(add_signer(session->kek, ref));
    WARD_TRY(signer_of((struct session *)session, ref, &key));
    *ret_size = 32;
    bool good = EVP_PKEY_get_raw_public_key(key, public_key, ret_size) == 1;
    EVP_PKEY_free(key);
    WARD_ENSURE(good, WARD_E_INTERNAL);
    *ret_algorithm = WARD_KEK_ED25519;
    return WARD_OK;
}

static bool has_signer(struct ward_kek *kek, const struct ward_kek_ref *ref, bool *ret_away)
{
    LOCKED(kek);
    const struct object *object = find(fake, ref);
    *ret_away = fake->fault == FAKE_KEK_AWAY;
    return object != NULL && object->signer;
}

static ward_status sign(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                        uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                        size_t *ret_size)
{
    bool away, there = has_signer(session->kek, ref, &away);
    WARD_ENSURE(!away, WARD_E_UNAVAILABLE);
    WARD_ENSURE(there && algorithm == WARD_KEK_ED25519, WARD_E_NOT_FOUND);
    EVP_PKEY *key = NULL;
    WARD_TRY(signer_of((struct session *)session, ref, &key));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = 64;
    bool good = context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, signature, &size, data.data, data.size) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    WARD_ENSURE(good, WARD_E_INTERNAL);
    *ret_size = size;
    return WARD_OK;
}

static ward_status probe(struct ward_kek_session *session)
{
    LOCKED(session->kek);
    WARD_ENSURE(fake->fault != FAKE_KEK_AWAY, WARD_E_UNAVAILABLE);
    return WARD_OK;
}

static const struct ward_kek_ops ops = {
    .name = "fake",
    .close = close_kek,
    .session_open = session_open,
    .session_close = session_close,
    .run = run,
    .create = create,
    .destroy = destroy,
    .forget = forget,
    .list = list,
    .attest = attest,
    .create_signer = create_signer,
    .sign = sign,
    .probe = probe,
};

ward_status fake_kek_open(struct ward_kek **ret)
{
    struct fake *fake = calloc(1, sizeof(*fake));
    WARD_ENSURE(fake != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&fake->mutex, NULL); /* cannot fail with default attributes on Linux */
    fake->base.ops = &ops;
    *ret = &fake->base;
    return WARD_OK;
}

void fake_kek_flip_every(struct ward_kek *kek, unsigned n)
{
    LOCKED(kek);
    fake->flip_every = n;
    fake->wraps = fake->flipped = 0;
}

unsigned fake_kek_flipped(struct ward_kek *kek)
{
    LOCKED(kek);
    return fake->flipped;
}

void fake_kek_set_fault(struct ward_kek *kek, enum fake_kek_fault fault)
{
    LOCKED(kek);
    fake->fault = fault;
}

void fake_kek_set_delay_us(struct ward_kek *kek, unsigned us)
{
    LOCKED(kek);
    fake->delay_us = us;
}

unsigned fake_kek_crossings(struct ward_kek *kek)
{
    LOCKED(kek);
    return fake->crossings;
}

unsigned fake_kek_forgotten(struct ward_kek *kek)
{
    LOCKED(kek);
    return fake->forgotten;
}

bool fake_kek_has(struct ward_kek *kek, const struct ward_kek_ref *ref)
{
    LOCKED(kek);
    return find(fake, ref) != NULL;
}

void fake_kek_forget(struct ward_kek *kek, const struct ward_kek_ref *ref)
{
    LOCKED(kek);
    struct object *object = find(fake, ref);
    if (object != NULL) {
        *object = fake->objects[--fake->n];
    }
}

void fake_kek_set_weak(struct ward_kek *kek, const struct ward_kek_ref *ref, bool weak)
{
    LOCKED(kek);
    struct object *object = find(fake, ref);
    if (object != NULL) {
        object->weak = weak;
    }
}

size_t fake_kek_objects(struct ward_kek *kek)
{
    LOCKED(kek);
    size_t n = 0;
    for (size_t i = 0; i < fake->n; i++) {
        n += !fake->objects[i].signer;
    }
    return n;
}
