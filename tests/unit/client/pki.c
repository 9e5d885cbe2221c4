/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for the client's tests, by OpenSSL. */
#include "tests/unit/client/pki.h"

#include <stdio.h>

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "tests/unit/client/check.h"

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void save(const char *folder, const char *name, const struct pki_person *person)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s.pem", name);
    FILE *file = fopen(in_folder(folder, path), "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, person->certificate), 1);
    (void)fclose(file);
    (void)snprintf(path, sizeof(path), "%s.key", name);
    file = fopen(in_folder(folder, path), "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, person->key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(file);
}

static void make(const char *folder, const char *name, const struct pki_person *issuer,
                 const char *san, struct pki_person *ret)
{
    ret->key = EVP_EC_gen("P-256");
    ret->certificate = X509_new();
    assert_non_null(ret->key);
    assert_non_null(ret->certificate);
    X509 *certificate = ret->certificate, *by = issuer == NULL ? certificate : issuer->certificate;
    uint32_t serial = 0;
    assert_int_equal(RAND_bytes((uint8_t *)&serial, sizeof(serial)), 1);
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, ret->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(by));
    add_extension(certificate, by, NID_basic_constraints,
                  issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (san != NULL) {
        add_extension(certificate, by, NID_subject_alt_name, san);
    }
    assert_true(X509_sign(certificate, issuer == NULL ? ret->key : issuer->key, EVP_sha256()) > 0);
    uint8_t *at = ret->der;
    ret->der_size = (size_t)i2d_X509(certificate, &at);
    if (san != NULL && strncmp(san, "URI:", 4) == 0) {
        (void)snprintf(ret->identity, sizeof(ret->identity), "%s", san + 4);
    }
    save(folder, name, ret);
}

void pki_make(const char *folder, struct pki *ret)
{
    *ret = (struct pki){.folder = folder};
    make(folder, "ca", NULL, NULL, &ret->ca);
    make(folder, "other-ca", NULL, NULL, &ret->other_ca);
    make(folder, "server", &ret->ca, "DNS:localhost,IP:127.0.0.1", &ret->server);
    make(folder, "alice", &ret->ca, "URI:spiffe://test.ward/alice", &ret->alice);
    make(folder, "bob", &ret->ca, "URI:spiffe://test.ward/bob", &ret->bob);
    make(folder, "stranger", &ret->other_ca, "URI:spiffe://test.ward/stranger", &ret->stranger);
}

static void drop(struct pki_person *person)
{
    EVP_PKEY_free(person->key);
    X509_free(person->certificate);
}

void pki_free(struct pki *pki)
{
    drop(&pki->ca);
    drop(&pki->other_ca);
    drop(&pki->server);
    drop(&pki->alice);
    drop(&pki->bob);
    drop(&pki->stranger);
}

size_t pki_sign(const struct pki_person *person, struct ward_bytes payload,
                enum ward_decision_kind decision, uint8_t out[static 128])
{
    struct ward_buffer pae;
    ward_buffer_init(&pae, 65536);
    ward_proposal_pae(payload, decision, WARD_NO_REASON, &pae);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = 128;
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, person->key), 1);
    assert_int_equal(EVP_DigestSign(context, out, &size, pae.data, pae.size), 1);
    EVP_MD_CTX_free(context);
    ward_buffer_fini(&pae);
    return size;
}
