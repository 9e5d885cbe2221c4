/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates as they should be, and as they should not. */
#include "tests/unit/server/certificate.h"

#include <assert.h>

#include <openssl/evp.h>

EVP_PKEY *certificate_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert(key != NULL);
    return key;
}

static void add_san(X509 *certificate, const struct certificate_wish *wish)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    for (size_t i = 0; i < wish->n_uris; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *uri = ASN1_IA5STRING_new();
        assert(ASN1_STRING_set(uri, wish->uris[i].data, (int)wish->uris[i].size) == 1);
        GENERAL_NAME_set0_value(name, GEN_URI, uri);
        sk_GENERAL_NAME_push(names, name);
    }
    if (wish->dns != NULL) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
        assert(ASN1_STRING_set(dns, wish->dns, -1) == 1);
        GENERAL_NAME_set0_value(name, GEN_DNS, dns);
        sk_GENERAL_NAME_push(names, name);
    }
    unsigned long flags = wish->two_sans ? X509V3_ADD_APPEND : X509V3_ADD_DEFAULT;
    for (int i = 0; i < (wish->two_sans ? 2 : 1); i++) {
        assert(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, flags) == 1);
    }
    GENERAL_NAMES_free(names);
}

static void add_broken_san(X509 *certificate)
{
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    assert(ASN1_OCTET_STRING_set(bytes, (const uint8_t *)"\x30\x7f\x86", 3) == 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, bytes);
    assert(X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(bytes);
}

struct ward_bytes certificate_make(const struct certificate_wish *wish)
{
    EVP_PKEY *key = wish->key != NULL ? wish->key : certificate_key();
    X509 *certificate = X509_new();
    assert(certificate != NULL && X509_set_version(certificate, 2) == 1);
    assert(ASN1_INTEGER_set(X509_get_serialNumber(certificate), wish->serial + 1) == 1);
    assert(X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != NULL);
    assert(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
    assert(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                      (const uint8_t *)"test", -1, -1, 0) == 1);
    assert(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1);
    assert(X509_set_pubkey(certificate, key) == 1);
    if (wish->broken_san) {
        add_broken_san(certificate);
    } else if (wish->n_uris > 0 || wish->dns != NULL) {
        add_san(certificate, wish);
    }
    assert(X509_sign(certificate, key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    assert(size > 0);
    X509_free(certificate);
    if (wish->key == NULL) {
        EVP_PKEY_free(key);
    }
    return WARD_BYTES(der, (size_t)size);
}
