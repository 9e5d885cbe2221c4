/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an officer's certificate out of an export. Whether it was issued by the right CA is not
 * decided here: the log's own entry names its digest, and the log is signed. */
#include "client/cli/audit_certificate.h"

#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

static bool hash_key(const X509 *certificate, uint8_t out[static 32])
{
    uint8_t *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    bool fine = size > 0 && EVP_Digest(der, (size_t)size, out, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_free(der);
    return fine;
}

/* 1: there is one, 0: none, -1: more, or one that cannot be a name. */
static int find_uri(const GENERAL_NAMES *names, char *out, size_t out_size)
{
    int found = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            continue;
        }
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        size_t size = (size_t)ASN1_STRING_length(uri);
        const uint8_t *data = ASN1_STRING_get0_data(uri);
        if (found != 0 || size == 0 || size >= out_size || memchr(data, 0, size) != NULL) {
            return -1;
        }
        memcpy(out, data, size);
        out[size] = 0;
        found = 1;
    }
    return found;
}

static bool name_it(const X509 *certificate, struct audit_certificate *ret)
{
    int critical = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    int found = names != NULL    ? find_uri(names, ret->identity, sizeof(ret->identity))
                : critical == -1 ? 0
                                 : -1;
    GENERAL_NAMES_free(names);
    if (found == 0) {
        char hex[65];
        ward_hex_encode(WARD_BYTES_ARRAY(ret->public_key_sha256), hex);
        (void)snprintf(ret->identity, sizeof(ret->identity), "key:sha256:%s", hex);
    }
    return found >= 0;
}

bool audit_certificate_read(struct ward_bytes der, struct audit_certificate *ret)
{
    const uint8_t *at = der.data;
    X509 *certificate = der.size == 0 ? NULL : d2i_X509(NULL, &at, (long)der.size);
    bool fine = certificate != NULL && at == der.data + der.size &&
                hash_key(certificate, ret->public_key_sha256) && name_it(certificate, ret);
    X509_free(certificate);
    ERR_clear_error();
    return fine;
}

/* One that cannot be printed makes all of them doubtful: then there are none. */
static bool names_policy(const CERTIFICATEPOLICIES *policies, struct ward_bytes wanted)
{
    bool found = false;
    for (int i = 0; i < sk_POLICYINFO_num(policies); i++) {
        char oid[128];
        int size = OBJ_obj2txt(oid, sizeof(oid), sk_POLICYINFO_value(policies, i)->policyid, 1);
        if (size <= 0 || (size_t)size >= sizeof(oid)) {
            return false;
        }
        found |= ward_bytes_eq(ward_bytes_str(oid), wanted);
    }
    return found;
}

bool audit_certificate_has_policy(struct ward_bytes der, struct ward_bytes oid)
{
    const uint8_t *at = der.data;
    X509 *certificate = der.size == 0 ? NULL : d2i_X509(NULL, &at, (long)der.size);
    bool found = false;
    if (certificate != NULL && at == der.data + der.size) {
        CERTIFICATEPOLICIES *policies =
            X509_get_ext_d2i(certificate, NID_certificate_policies, NULL, NULL);
        found = names_policy(policies, oid);
        CERTIFICATEPOLICIES_free(policies);
    }
    X509_free(certificate);
    ERR_clear_error();
    return found;
}
