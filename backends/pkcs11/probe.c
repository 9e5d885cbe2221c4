/* SPDX-License-Identifier: Apache-2.0 */
/* The known answer is test case 16 of McGrew and Viega, "The Galois/Counter Mode of Operation": a
 * published key, in a session object. A token that lets no key value in (FIPS mode) makes a key of
 * its own, and then what it sealed must open. Must not touch a KEK. */
#include "backends/pkcs11/probe.h"

#include <openssl/crypto.h>

#include "backends/pkcs11/object.h"
#include "backends/pkcs11/rv.h"
#include "backends/pkcs11/wrap.h"
#include "base/log.h"

static const uint8_t vector_key[32] = {
    0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
    0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
static const uint8_t vector_iv[WARD_GCM_IV_SIZE] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
                                                    0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
static const uint8_t vector_aad[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
                                       0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
static const uint8_t vector_plain[60] = {
    0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5, 0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26,
    0x9a, 0x86, 0xa7, 0xa9, 0x53, 0x15, 0x34, 0xf7, 0xda, 0x2e, 0x4c, 0x30, 0x3d, 0x8a, 0x31,
    0x8a, 0x72, 0x1c, 0x3c, 0x0c, 0x95, 0x95, 0x68, 0x09, 0x53, 0x2f, 0xcf, 0x0e, 0x24, 0x49,
    0xa6, 0xb5, 0x25, 0xb1, 0x6a, 0xed, 0xf5, 0xaa, 0x0d, 0xe6, 0x57, 0xba, 0x63, 0x7b, 0x39};
static const uint8_t vector_sealed[76] = {
    0x52, 0x2d, 0xc1, 0xf0, 0x99, 0x56, 0x7d, 0x07, 0xf4, 0x7f, 0x37, 0xa3, 0x2a, 0x84, 0x42, 0x7d,
    0x64, 0x3a, 0x8c, 0xdc, 0xbf, 0xe5, 0xc0, 0xc9, 0x75, 0x98, 0xa2, 0xbd, 0x25, 0x55, 0xd1, 0xaa,
    0x8c, 0xb0, 0x8e, 0x48, 0x59, 0x0d, 0xbb, 0x3d, 0xa7, 0xb0, 0x8b, 0x10, 0x56, 0x82, 0x88, 0x38,
    0xc5, 0xf6, 0x1e, 0x63, 0x93, 0xba, 0x7a, 0x0a, 0xbc, 0xc9, 0xf6, 0x62, 0x76, 0xfc, 0x6e, 0xce,
    0x0f, 0x4e, 0x17, 0x68, 0xcd, 0xdf, 0x88, 0x53, 0xbb, 0x2d, 0x55, 0x1b};

static ward_status test_key_make(struct ward_hsm *hsm)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &no, sizeof(no)},
        {CKA_ENCRYPT, &yes, sizeof(yes)},
        {CKA_DECRYPT, &yes, sizeof(yes)},
        {CKA_VALUE, (void *)(uintptr_t)vector_key, sizeof(vector_key)},
    };
    CK_RV rv = WARD_CK(&hsm->module, C_CreateObject, hsm->session, template,
                       sizeof(template) / sizeof(template[0]), &hsm->test_key);
    hsm->test_key_known = rv == CKR_OK;
    return hsm->test_key_known ? WARD_OK : ward_object_session_key(hsm, CK_TRUE, &hsm->test_key);
}

/* Seals and opens the vector's plaintext; `to` may be another handle on the same key. */
static ward_status round_trip(struct ward_hsm *hsm, CK_OBJECT_HANDLE from, CK_OBJECT_HANDLE to,
                              uint8_t sealed[static sizeof(vector_sealed)])
{
    uint8_t opened[sizeof(vector_sealed)];
    WARD_TRY(ward_gcm_seal(hsm, from, vector_iv, WARD_BYTES_ARRAY(vector_aad),
                           WARD_BYTES_ARRAY(vector_plain), sealed));
    WARD_TRY(ward_gcm_open(hsm, to, vector_iv, WARD_BYTES_ARRAY(vector_aad),
                           WARD_BYTES(sealed, sizeof(vector_sealed)), opened));
    WARD_ENSURE(memcmp(opened, vector_plain, sizeof(vector_plain)) == 0, WARD_E_CIPHERTEXT);
    return WARD_OK;
}

ward_status ward_probe_known_answer(struct ward_hsm *hsm)
{
    uint8_t sealed[sizeof(vector_sealed)];
    ward_status status = ward_session_token(hsm);
    if (ward_ok(status)) {
        status = round_trip(hsm, hsm->test_key, hsm->test_key, sealed);
    }
    if (ward_ok(status) && hsm->test_key_known &&
        memcmp(sealed, vector_sealed, sizeof(sealed)) != 0) {
        status = WARD_STATUS(WARD_E_INTERNAL);
    }
    if (ward_ok(status)) {
        hsm->answered_us = hsm->now_us;
        return WARD_OK;
    }
    if (!hsm->broken) {
        ward_log_status(WARD_LOG_ERROR, "hsm: known answer was wrong, starting anew", status);
        hsm->broken = true;
    }
    status.code = WARD_E_UNAVAILABLE;
    return status;
}

/* Codes that a module may well give for a bad tag though they say no such thing. */
static bool may_mean_bad_tag(CK_RV rv)
{
    return ward_rv_class(rv) == WARD_RV_BAD_DATA || rv == CKR_GENERAL_ERROR ||
           rv == CKR_FUNCTION_FAILED || rv == CKR_DEVICE_ERROR || rv == CKR_DATA_INVALID ||
           rv == CKR_DATA_LEN_RANGE || rv == CKR_SIGNATURE_INVALID;
}

/* A flipped tag must be refused, and with a code that we then know. */
static ward_status find_bad_tag(struct ward_hsm *hsm)
{
    uint8_t sealed[sizeof(vector_sealed)], opened[sizeof(vector_sealed)];
    WARD_TRY(round_trip(hsm, hsm->test_key, hsm->test_key, sealed));
    sealed[sizeof(sealed) - 1] ^= 1;
    hsm->probing = true;
    ward_status status = ward_gcm_open(hsm, hsm->test_key, vector_iv, WARD_BYTES_ARRAY(vector_aad),
                                       WARD_BYTES_ARRAY(sealed), opened);
    hsm->probing = false;
    if (ward_ok(status) || !may_mean_bad_tag(status.foreign)) {
        ward_log_number(WARD_LOG_ERROR, "hsm: altered ciphertext is not refused as it should be",
                        "rv", status.foreign);
        WARD_FAIL(WARD_E_INTERNAL);
    }
    hsm->quirks.bad_tag = status.foreign;
    return ward_probe_known_answer(hsm);
}

/* Whether copies work is only asked: no answer loses the session, the known answer afterwards
 * decides. */
static ward_status try_copy(struct ward_hsm *hsm, CK_BBOOL modifiable, bool *ret)
{
    *ret = false;
    CK_OBJECT_HANDLE key, copy;
    WARD_TRY(ward_object_session_key(hsm, modifiable, &key));
    uint8_t sealed[sizeof(vector_sealed)];
    hsm->probing = true;
    if (ward_ok(ward_object_copy(hsm, key, &copy))) {
        *ret = ward_ok(round_trip(hsm, copy, key, sealed));
        (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session,
                      copy); /* dies with the session */
    }
    (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session, key); /* likewise */
    hsm->probing = false;
    return WARD_OK;
}

ward_status ward_probe_start(struct ward_hsm *hsm)
{
    WARD_TRY(test_key_make(hsm));
    WARD_TRY(find_bad_tag(hsm));
    if (hsm->config->copies) {
        WARD_TRY(try_copy(hsm, CK_TRUE, &hsm->quirks.copies));
        WARD_TRY(try_copy(hsm, CK_FALSE, &hsm->quirks.copies_unmodifiable));
    }
    return ward_probe_known_answer(hsm);
}
