/* SPDX-License-Identifier: Apache-2.0 */
/* An ECDSA signature (r, s) is as good as (r, n - s), where n is the order of the curve, and to
 * write the one for the other takes no key. So whoever holds a certificate holds it under two
 * digests, and one that is revoked by its digest must be known by both. It must not know who is
 * revoked. */
#include "server/authn/twin.h"

#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

/* n of P-256, P-384 and P-521 (SP 800-186, 3.2.1). */
static const char *const orders[] = {
    "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF58"
    "1A0DB248B0A77AECEC196ACCC52973",
    "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
    "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409",
};

static void free_number(BIGNUM **number)
{
    BN_free(*number);
}

static void free_signature(ECDSA_SIG **signature)
{
    ECDSA_SIG_free(*signature);
}

/* The smallest curve's that the signature can be of: a larger one's numbers are that small once in
 * 2^128 times. NULL in *ret: of none. */
static ward_status order_of(const ECDSA_SIG *signature, BIGNUM **ret)
{
    const BIGNUM *r = ECDSA_SIG_get0_r(signature), *s = ECDSA_SIG_get0_s(signature);
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        ward_auto(free_number) BIGNUM *order = NULL;
        WARD_ENSURE(BN_hex2bn(&order, orders[i]) > 0, WARD_E_EXHAUSTED);
        if (BN_cmp(r, order) < 0 && BN_cmp(s, order) < 0) {
            *ret = WARD_TAKE(order);
            return WARD_OK;
        }
    }
    return WARD_OK;
}

/* (r, n - s) in DER, OpenSSL's to free; *ret_size 0 when it is no such signature. */
static ward_status twin_of(const ASN1_BIT_STRING *bits, uint8_t **ret, int *ret_size)
{
    const uint8_t *at = bits->data;
    ward_auto(free_signature) ECDSA_SIG *one = d2i_ECDSA_SIG(NULL, &at, bits->length);
    ward_auto(free_signature) ECDSA_SIG *other = ECDSA_SIG_new();
    ward_auto(free_number) BIGNUM *order = NULL;
    if (one == NULL) {
        return WARD_OK; /* whoever verifies it says so */
    }
    WARD_TRY(order_of(one, &order));
    if (order == NULL) {
        return WARD_OK;
    }
    BIGNUM *r = BN_dup(ECDSA_SIG_get0_r(one)), *s = BN_new();
    if (other == NULL || r == NULL || s == NULL || BN_sub(s, order, ECDSA_SIG_get0_s(one)) != 1 ||
        ECDSA_SIG_set0(other, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    *ret_size = i2d_ECDSA_SIG(other, ret);
    WARD_ENSURE(*ret_size > 0, WARD_E_EXHAUSTED);
    return WARD_OK;
}

/* The signature is the last of the certificate's three parts: what stands before it stays. */
static ward_status hash_with(struct ward_bytes der, const ASN1_BIT_STRING *old,
                             struct ward_bytes bits, uint8_t out[static 32])
{
    const uint8_t *parts = der.data;
    long size = 0;
    int tag, class, form;
    int old_size = ASN1_object_size(0, old->length + 1, V_ASN1_BIT_STRING);
    int new_size = ASN1_object_size(0, (int)bits.size + 1, V_ASN1_BIT_STRING);
    form = ASN1_get_object(&parts, &size, &tag, &class, (long)der.size);
    WARD_ENSURE(form == V_ASN1_CONSTRUCTED && size >= old_size, WARD_E_INTERNAL); /* it is DER */
    uint8_t *made = malloc(der.size + bits.size + 16), *at = made;
    WARD_ENSURE(made != NULL, WARD_E_EXHAUSTED);
    ASN1_put_object(&at, 1, (int)size - old_size + new_size, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
    memcpy(at, parts, (size_t)(size - old_size));
    at += size - old_size;
    ASN1_put_object(&at, 0, (int)bits.size + 1, V_ASN1_BIT_STRING, V_ASN1_UNIVERSAL);
    *at++ = 0; /* no bits are unused */
    memcpy(at, bits.data, bits.size);
    at += bits.size;
    int done = EVP_Digest(made, (size_t)(at - made), out, NULL, EVP_sha256(), NULL);
    free(made);
    WARD_ENSURE(done == 1, WARD_E_EXHAUSTED);
    return WARD_OK;
}

ward_status ward_certificate_twin(const struct x509_st *certificate, struct ward_bytes der,
                                  uint8_t out[static 32], bool *ret_has)
{
    const ASN1_BIT_STRING *bits = NULL;
    int key = NID_undef, size = 0;
    *ret_has = false;
    X509_get0_signature(&bits, NULL, certificate);
    if (OBJ_find_sigid_algs(X509_get_signature_nid(certificate), NULL, &key) != 1 ||
        key != NID_X9_62_id_ecPublicKey) {
        return WARD_OK;
    }
    uint8_t *twin = NULL;
    ward_status status = twin_of(bits, &twin, &size);
    if (ward_ok(status) && size > 0) {
        status = hash_with(der, bits, WARD_BYTES(twin, (size_t)size), out);
        *ret_has = ward_ok(status);
    }
    OPENSSL_free(twin);
    return status;
}
