/* SPDX-License-Identifier: Apache-2.0 */
/* Just enough X.509 for officers to sign with. Failures end the test at once. */
#include "tests/unit/server/core_pki.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/base/check.h"

#define DAY_S 86400

static EVP_PKEY *new_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static X509 *draft(const char *name, const X509_NAME *issuer, EVP_PKEY *key, int days)
{
    static long serial = 1000;
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_NAME_new();
    assert_true(certificate != NULL && subject != NULL);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    bool good = X509_set_version(certificate, 2) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(certificate), -400L * DAY_S) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(certificate), (long)days * DAY_S) != NULL &&
                X509_set_subject_name(certificate, subject) == 1 &&
                X509_set_issuer_name(certificate, issuer == NULL ? subject : issuer) == 1 &&
                X509_set_pubkey(certificate, key) == 1;
    assert_true(good);
    X509_NAME_free(subject);
    return certificate;
}

static void extend(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

/* By hand: reading this extension from a text needs a whole configuration. */
static void extend_policies(X509 *certificate, const char *oids)
{
    CERTIFICATEPOLICIES *policies = CERTIFICATEPOLICIES_new();
    char list[256], *rest = list;
    (void)snprintf(list, sizeof(list), "%s", oids);
    for (const char *oid = strsep(&rest, ","); oid != NULL; oid = strsep(&rest, ",")) {
        POLICYINFO *policy = POLICYINFO_new();
        assert_non_null(policy);
        policy->policyid = OBJ_txt2obj(oid, 1);
        assert_true(policy->policyid != NULL && sk_POLICYINFO_push(policies, policy) > 0);
    }
    assert_int_equal(X509_add1_ext_i2d(certificate, NID_certificate_policies, policies, 0, 0), 1);
    CERTIFICATEPOLICIES_free(policies);
}

void core_ca_init(struct core_ca *ca, const char *name)
{
    ca->key = new_key();
    ca->certificate = draft(name, NULL, ca->key, 3650);
    extend(ca->certificate, NID_basic_constraints, "critical,CA:TRUE");
    extend(ca->certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    assert_true(X509_sign(ca->certificate, ca->key, EVP_sha256()) > 0);
}

void core_ca_fini(struct core_ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
}

char *core_ca_pem(const struct core_ca *ca)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *data = NULL;
    assert_true(out != NULL && PEM_write_bio_X509(out, ca->certificate) == 1);
    long size = BIO_get_mem_data(out, &data);
    char *pem = strndup(data, (size_t)size);
    assert_non_null(pem);
    BIO_free(out);
    return pem;
}

static void list_one(X509_CRL *list, struct ward_bytes der, const ASN1_TIME *when)
{
    const uint8_t *at = der.data;
    X509 *certificate = d2i_X509(NULL, &at, (long)der.size);
    X509_REVOKED *entry = X509_REVOKED_new();
    assert_true(certificate != NULL && entry != NULL);
    assert_int_equal(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate)), 1);
    assert_int_equal(X509_REVOKED_set_revocationDate(entry, (ASN1_TIME *)(uintptr_t)when), 1);
    assert_int_equal(X509_CRL_add0_revoked(list, entry), 1);
    X509_free(certificate);
}

char *core_ca_list(const struct core_ca *ca, struct ward_bytes revoked, int days)
{
    X509_CRL *list = X509_CRL_new();
    ASN1_TIME *begin = X509_gmtime_adj(NULL, -400L * DAY_S),
              *end = X509_gmtime_adj(NULL, (long)days * DAY_S);
    bool good = list != NULL && X509_CRL_set_version(list, 1) == 1 &&
                X509_CRL_set_issuer_name(list, X509_get_subject_name(ca->certificate)) == 1 &&
                X509_CRL_set1_lastUpdate(list, begin) == 1 &&
                X509_CRL_set1_nextUpdate(list, end) == 1;
    assert_true(good);
    if (revoked.size > 0) {
        list_one(list, revoked, begin);
    }
    BIO *out = BIO_new(BIO_s_mem());
    char *data = NULL;
    assert_true(X509_CRL_sign(list, ca->key, EVP_sha256()) > 0 && out != NULL &&
                PEM_write_bio_X509_CRL(out, list) == 1);
    long size = BIO_get_mem_data(out, &data);
    char *pem = strndup(data, (size_t)size);
    assert_non_null(pem);
    BIO_free(out);
    ASN1_TIME_free(begin);
    ASN1_TIME_free(end);
    X509_CRL_free(list);
    return pem;
}

void core_person_init(struct core_person *person, const struct core_ca *ca, EVP_PKEY *key,
                      const char *uri, int days)
{
    core_person_certify(person, ca, key, uri, days, NULL);
}

void core_person_certify(struct core_person *person, const struct core_ca *ca, EVP_PKEY *key,
                         const char *uri, int days, const char *policies)
{
    if (key != NULL) {
        assert_int_equal(EVP_PKEY_up_ref(key), 1);
    }
    person->key = key == NULL ? new_key() : key;
    X509 *certificate =
        draft("somebody", X509_get_subject_name(ca->certificate), person->key, days);
    extend(certificate, NID_key_usage, "critical,digitalSignature");
    extend(certificate, NID_ext_key_usage, "clientAuth");
    if (uri != NULL) {
        char san[600];
        (void)snprintf(san, sizeof(san), "URI:%s", uri);
        extend(certificate, NID_subject_alt_name, san);
    }
    if (policies != NULL) {
        extend_policies(certificate, policies);
    }
    assert_true(X509_sign(certificate, ca->key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    assert_true(size > 0);
    assert_ok(ward_peer_new(WARD_BYTES(der, (size_t)size), "192.0.2.7:4711", &person->peer));
    OPENSSL_free(der);
    X509_free(certificate);
}

void core_person_fini(struct core_person *person)
{
    EVP_PKEY_free(person->key);
    ward_peer_unref(person->peer);
}

size_t core_person_sign(const struct core_person *person, struct ward_bytes payload,
                        enum ward_decision_kind decision, uint8_t *out)
{
    ward_auto(ward_buffer_fini) struct ward_buffer pae;
    ward_buffer_init(&pae, 2 * WARD_PROPOSAL_MAX);
    ward_proposal_pae(payload, decision, WARD_NO_REASON, &pae);
    assert_false(pae.failed);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = 128;
    bool good = context != NULL &&
                EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, person->key) == 1 &&
                EVP_DigestSign(context, out, &size, pae.data, pae.size) == 1;
    EVP_MD_CTX_free(context);
    assert_true(good);
    return size;
}
