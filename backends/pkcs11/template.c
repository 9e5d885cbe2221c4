/* SPDX-License-Identifier: Apache-2.0 */
/* What a KEK is made as, and reading back whether it is so. Modules fill what is left out with the
 * worst (SoftHSM: SENSITIVE false, WRAP true), hence every attribute is given, and none is
 * believed. */
#include "backends/pkcs11/template.h"

#include <openssl/crypto.h>

#include "backends/pkcs11/object.h"
#include "backends/pkcs11/wrap.h"
#include "base/log.h"

#define KEY_SIZE 32
#define SAFE \
    (WARD_ATTEST_SENSITIVE | WARD_ATTEST_NON_EXTRACTABLE | WARD_ATTEST_NEVER_WRAP_WITH_DECRYPT)

void ward_object_id(const struct ward_ring_ref *ref, uint8_t out[static WARD_OBJECT_ID_SIZE])
{
    memcpy(out, ref->id, sizeof(ref->id));
    ward_put_u32(out + sizeof(ref->id), ref->version);
}

static ward_status generate(struct ward_hsm *hsm, CK_BBOOL on_token, CK_BBOOL modifiable,
                            struct ward_bytes id, struct ward_bytes label, CK_OBJECT_HANDLE *ret)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG size = KEY_SIZE;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_VALUE_LEN, &size, sizeof(size)},
        {CKA_TOKEN, &on_token, sizeof(on_token)},
        {CKA_PRIVATE, &yes, sizeof(yes)},
        {CKA_SENSITIVE, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, &no, sizeof(no)},
        {CKA_ENCRYPT, &yes, sizeof(yes)},
        {CKA_DECRYPT, &yes, sizeof(yes)},
        {CKA_WRAP, &no, sizeof(no)},
        {CKA_UNWRAP, &no, sizeof(no)},
        {CKA_SIGN, &no, sizeof(no)},
        {CKA_VERIFY, &no, sizeof(no)},
        {CKA_DERIVE, &no, sizeof(no)},
        {CKA_MODIFIABLE, &modifiable, sizeof(modifiable)},
        {CKA_ID, (void *)(uintptr_t)id.data, id.size},
        {CKA_LABEL, (void *)(uintptr_t)label.data, label.size},
    };
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    return ward_session_status(hsm, WARD_CK(&hsm->module, C_GenerateKey, hsm->session, &mechanism,
                                            template, sizeof(template) / sizeof(template[0]), ret));
}

ward_status ward_object_session_key(struct ward_hsm *hsm, CK_BBOOL modifiable,
                                    CK_OBJECT_HANDLE *ret)
{
    return generate(hsm, CK_FALSE, modifiable, WARD_BYTES_LITERAL("ward-probe"),
                    WARD_BYTES_LITERAL("ward probe"), ret);
}

/* An attribute that cannot be read counts as the worse of its two values. */
static ward_status flag(struct ward_hsm *hsm, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
                        bool worse, bool *ret)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE attribute = {type, &value, sizeof(value)};
    CK_RV rv = WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, object, &attribute, 1);
    bool unreadable = rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE;
    *ret = unreadable || attribute.ulValueLen != sizeof(value) ? worse : value != CK_FALSE;
    return unreadable ? WARD_OK : ward_session_status(hsm, rv);
}

/* The attributes may lie: the value itself must be out of reach. */
static ward_status value_hidden(struct ward_hsm *hsm, CK_OBJECT_HANDLE object, bool *ret)
{
    uint8_t value[128];
    CK_ATTRIBUTE attribute = {CKA_VALUE, value, sizeof(value)};
    CK_RV rv = WARD_CK(&hsm->module, C_GetAttributeValue, hsm->session, object, &attribute, 1);
    OPENSSL_cleanse(value, sizeof(value));
    *ret = rv == CKR_ATTRIBUTE_SENSITIVE || rv == CKR_ATTRIBUTE_TYPE_INVALID;
    return *ret ? WARD_OK : ward_session_status(hsm, rv);
}

ward_status ward_object_read_back(struct ward_hsm *hsm, CK_OBJECT_HANDLE object,
                                  uint32_t *ret_flags)
{
    bool sensitive, extractable, wrap, unwrap, decrypt, hidden;
    WARD_TRY(flag(hsm, object, CKA_SENSITIVE, false, &sensitive));
    WARD_TRY(flag(hsm, object, CKA_EXTRACTABLE, true, &extractable));
    WARD_TRY(flag(hsm, object, CKA_WRAP, true, &wrap));
    WARD_TRY(flag(hsm, object, CKA_UNWRAP, true, &unwrap));
    WARD_TRY(flag(hsm, object, CKA_DECRYPT, true, &decrypt));
    WARD_TRY(value_hidden(hsm, object, &hidden));
    *ret_flags = (sensitive && hidden ? WARD_ATTEST_SENSITIVE : 0u) |
                 (extractable ? 0u : WARD_ATTEST_NON_EXTRACTABLE) |
                 (decrypt && (wrap || unwrap) ? 0u : WARD_ATTEST_NEVER_WRAP_WITH_DECRYPT);
    return WARD_OK;
}

/* Seals with one handle and opens with the other. */
static ward_status works(struct ward_hsm *hsm, CK_OBJECT_HANDLE seal, CK_OBJECT_HANDLE open)
{
    static const uint8_t plain[16] = {0};
    uint8_t iv[WARD_GCM_IV_SIZE], sealed[sizeof(plain) + WARD_GCM_TAG_SIZE], opened[sizeof(sealed)];
    struct ward_bytes aad = WARD_BYTES_LITERAL("ward known answer");
    WARD_TRY(ward_session_random(hsm, iv, sizeof(iv)));
    WARD_TRY(ward_gcm_seal(hsm, seal, iv, aad, WARD_BYTES_ARRAY(plain), sealed));
    WARD_TRY(ward_gcm_open(hsm, open, iv, aad, WARD_BYTES_ARRAY(sealed), opened));
    WARD_ENSURE(memcmp(opened, plain, sizeof(plain)) == 0, WARD_E_INTERNAL);
    return WARD_OK;
}

ward_status ward_object_copy(struct ward_hsm *hsm, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE *ret)
{
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, sizeof(no)}, {CKA_MODIFIABLE, &no, sizeof(no)}};
    CK_OBJECT_HANDLE copy;
    /* Not ward_session_status: a module that makes no copies has lost nothing. */
    CK_RV rv = WARD_CK(&hsm->module, C_CopyObject, hsm->session, key, template,
                       sizeof(template) / sizeof(template[0]), &copy);
    if (rv != CKR_OK) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_PKCS11, rv);
    }
    uint32_t flags = 0;
    ward_status status = ward_object_read_back(hsm, copy, &flags);
    if (ward_ok(status) && flags != SAFE) {
        status = WARD_STATUS(WARD_E_INTERNAL);
    }
    if (ward_ok(status)) {
        status = works(hsm, copy, key);
    }
    if (ward_ok(status)) {
        *ret = copy;
        return WARD_OK;
    }
    (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session, copy); /* dies with the session */
    return status;
}

ward_status ward_object_make_ready(struct ward_hsm *hsm, struct ward_key_entry *entry)
{
    uint32_t flags = 0;
    WARD_TRY(ward_object_read_back(hsm, entry->token, &flags));
    if (flags != SAFE) {
        ward_log_number(WARD_LOG_ERROR, "hsm: a key's attributes are unsafe; its use is stopped",
                        "attributes", flags);
        WARD_FAIL(WARD_E_INTERNAL);
    }
    ward_status status = works(hsm, entry->token, entry->token);
    if (ward_ok(status)) {
        entry->use = entry->token;
        entry->ready = true;
        return WARD_OK;
    }
    ward_log_status(WARD_LOG_ERROR, "hsm: a key does not open what it sealed", status);
    return status.code == WARD_E_CIPHERTEXT ? WARD_STATUS(WARD_E_INTERNAL) : status;
}

ward_status ward_object_create(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                               struct ward_bytes label)
{
    CK_OBJECT_HANDLE key;
    ward_status status = ward_object_find(hsm, CKO_SECRET_KEY, ref, &key);
    WARD_ENSURE(!ward_ok(status), WARD_E_EXISTS);
    if (status.code != WARD_E_NOT_FOUND) {
        return status;
    }
    /* Unmodifiable is better, but not where it would cost the working copies. */
    CK_BBOOL modifiable =
        !hsm->config->unmodifiable && (hsm->quirks.copies && !hsm->quirks.copies_unmodifiable);
    uint8_t id[WARD_OBJECT_ID_SIZE];
    ward_object_id(ref, id);
    WARD_TRY(generate(hsm, CK_TRUE, modifiable, WARD_BYTES_ARRAY(id), label, &key));
    uint32_t flags = 0;
    status = ward_object_read_back(hsm, key, &flags);
    if (ward_ok(status) && flags != SAFE) {
        status = WARD_STATUS(WARD_E_INTERNAL);
    }
    if (ward_ok(status)) {
        status = works(hsm, key, key);
    }
    if (ward_ok(status)) {
        return WARD_OK;
    }
    ward_log_status(WARD_LOG_ERROR, "hsm: the token made a key that must not be used", status);
    (void)WARD_CK(&hsm->module, C_DestroyObject, hsm->session,
                  key); /* unused, whether or not it goes */
    return status;
}

ward_status ward_object_attest(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                               uint32_t *ret_flags)
{
    *ret_flags = 0;
    CK_OBJECT_HANDLE key;
    ward_status status = ward_object_look_up(hsm, ref, &key);
    bool is_kek = ward_ok(status);
    if (status.code == WARD_E_NOT_FOUND) {
        status = ward_object_find(hsm, CKO_PRIVATE_KEY, ref, &key);
    }
    if (status.code == WARD_E_NOT_FOUND) {
        return WARD_OK;
    }
    WARD_TRY(status);
    uint32_t flags = 0;
    WARD_TRY(ward_object_read_back(hsm, key, &flags));
    *ret_flags = flags | WARD_ATTEST_PRESENT;
    if (is_kek) {
        status = works(hsm, key, key);
        *ret_flags |= ward_ok(status) ? WARD_ATTEST_WORKS : 0u;
        WARD_ENSURE(!hsm->broken, WARD_E_UNAVAILABLE);
    }
    return WARD_OK;
}
