/* SPDX-License-Identifier: Apache-2.0 */
/* Handshakes in memory between a server in the library context of its own and a client in
 * OpenSSL's: every kind of certificate, group and suite that a client may come with, and what it
 * must not. */
#include "server/net/tls_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/decoder.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/unit/base/check.h"

static X509 *own_certificate(EVP_PKEY *key, const EVP_MD *digest)
{
    X509 *made = X509_new();
    assert_non_null(made);
    X509_NAME *name = X509_get_subject_name(made);
    bool good = X509_set_version(made, 2) == 1 &&
                ASN1_INTEGER_set(X509_get_serialNumber(made), 1) == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer",
                                           -1, -1, 0) == 1 &&
                X509_set_issuer_name(made, name) == 1 &&
                X509_gmtime_adj(X509_getm_notBefore(made), -3600) != NULL &&
                X509_gmtime_adj(X509_getm_notAfter(made), 3600) != NULL &&
                X509_set_pubkey(made, key) == 1 && X509_sign(made, key, digest) > 0;
    assert_true(good);
    return made;
}

/* Both sides know each other: certificates are their own issuers. */
static SSL_CTX *side(OSSL_LIB_CTX *library, const SSL_METHOD *method, X509 *own, EVP_PKEY *key,
                     const X509 *other)
{
    SSL_CTX *made = SSL_CTX_new_ex(library, NULL, method);
    assert_non_null(made);
    uint8_t *der = NULL;
    int size = i2d_X509(other, &der);
    const uint8_t *at = der;
    X509 *trusted = X509_new_ex(library, NULL);
    assert_true(size > 0 && trusted != NULL && d2i_X509(&trusted, &at, size) != NULL);
    assert_int_equal(SSL_CTX_use_certificate(made, own), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(made, key), 1);
    assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(made), trusted), 1);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_security_level(made, 2);
    SSL_CTX_set_options(made, SSL_OP_NO_TICKET);
    assert_int_equal(SSL_CTX_set_num_tickets(made, 0), 1);
    X509_free(trusted);
    OPENSSL_free(der);
    return made;
}

static void join(SSL *a, SSL *b)
{
    BIO *from_a = NULL, *from_b = NULL;
    assert_int_equal(BIO_new_bio_pair(&from_a, 0, &from_b, 0), 1);
    SSL_set_bio(a, from_a, from_a);
    SSL_set_bio(b, from_b, from_b);
}

/* Whether both sides said that it is done. */
static bool shake(SSL_CTX *server_side, SSL_CTX *client_side)
{
    SSL *server = SSL_new(server_side), *client = SSL_new(client_side);
    assert_true(server != NULL && client != NULL);
    join(server, client);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    bool served = false, connected = false;
    for (unsigned i = 0; i < 10 && !(served && connected); i++) {
        connected = SSL_do_handshake(client) == 1;
        served = SSL_do_handshake(server) == 1;
    }
    SSL_free(server);
    SSL_free(client);
    return served && connected;
}

static const char *const kinds[] = {"P-256",   "P-384",   "P-521", "RSA",
                                    "RSA-PSS", "ED25519", "ED448"};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static SSL_CTX *server_side, *client_side;

/* The server's certificate is of P-256, the client's of this key. */
static void sides(EVP_PKEY *client_key, const EVP_MD *digest)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *own = own_certificate(key, EVP_sha256());
    X509 *clients = own_certificate(client_key, digest);
    server_side = side(ward_tls_library(), TLS_server_method(), own, key, clients);
    client_side = side(NULL, TLS_client_method(), clients, client_key, own);
    X509_free(own);
    X509_free(clients);
    EVP_PKEY_free(key);
}

static void free_sides(void)
{
    SSL_CTX_free(server_side);
    SSL_CTX_free(client_side);
}

static void sides_of_p256(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    sides(key, EVP_sha256());
    EVP_PKEY_free(key);
}

static EVP_PKEY *rsa_key(const char *kind)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    assert_true(making != NULL && EVP_PKEY_keygen_init(making) == 1 &&
                EVP_PKEY_CTX_set_rsa_keygen_bits(making, 2048) == 1 &&
                EVP_PKEY_generate(making, &key) == 1);
    EVP_PKEY_CTX_free(making);
    return key;
}

static EVP_PKEY *key_of(const char *kind)
{
    if (strncmp(kind, "P-", 2) == 0) {
        return EVP_EC_gen(kind);
    }
    if (strncmp(kind, "RSA", 3) == 0) {
        return rsa_key(kind);
    }
    return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

static const EVP_MD *digest_of(const char *kind)
{
    bool pure = strncmp(kind, "ED", 2) == 0;
    return pure ? NULL : EVP_sha384();
}

static void assert_kind(const char *kind, int version)
{
    EVP_PKEY *key = key_of(kind);
    assert_non_null(key);
    sides(key, digest_of(kind));
    assert_int_equal(SSL_CTX_set_min_proto_version(client_side, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client_side, version), 1);
    if (!shake(server_side, client_side)) {
        fail_msg("%s with version %x", kind, (unsigned)version);
    }
    free_sides();
    EVP_PKEY_free(key);
}

static void there_is_one_unless_others_were_chosen(void **state)
{
    (void)state;
    assert_non_null(ward_tls_library());
    assert_ptr_equal(ward_tls_library(), ward_tls_library());
}

static void certificates_of_every_signing_key_are_verified(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        assert_kind(kinds[i], TLS1_3_VERSION);
        assert_kind(kinds[i], TLS1_2_VERSION);
    }
}

/* As it is after it was read from its file. */
static void a_server_may_have_a_key_of_any_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_KINDS; i++) {
        EVP_PKEY *key = key_of(kinds[i]), *moved = ward_tls_library_key(key);
        assert_true(moved != NULL && moved != key && EVP_PKEY_eq(key, moved) == 1);
        X509 *own = own_certificate(key, digest_of(kinds[i]));
        server_side = side(ward_tls_library(), TLS_server_method(), own, moved, own);
        client_side = side(NULL, TLS_client_method(), own, key, own);
        EVP_PKEY_free(key);
        assert_true(shake(server_side, client_side));
        free_sides();
        X509_free(own);
        EVP_PKEY_free(moved);
    }
}

static void a_key_of_no_use_here_is_not_taken(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "X448");
    assert_null(ward_tls_library_key(key));
    EVP_PKEY_free(key);
}

static void every_group_and_suite_works(void **state)
{
    (void)state;
    static const char *const groups[] = {"X25519", "P-256", "P-384"};
    static const char *const suites[] = {"TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256",
                                         "TLS_CHACHA20_POLY1305_SHA256"};
    sides_of_p256();
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 3; j++) {
            assert_int_equal(SSL_CTX_set1_groups_list(client_side, groups[i]), 1);
            assert_int_equal(SSL_CTX_set_ciphersuites(client_side, suites[j]), 1);
            assert_true(shake(server_side, client_side));
        }
    }
    free_sides();
}

static void certificates_may_be_signed_over_any_strong_digest(void **state)
{
    (void)state;
    const EVP_MD *digests[] = {EVP_sha256(), EVP_sha384(), EVP_sha512(), EVP_sha224()};
    EVP_PKEY *key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        sides(key, digests[i]);
        assert_true(shake(server_side, client_side));
        free_sides();
    }
    EVP_PKEY_free(key);
}

static void a_stranger_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *own = own_certificate(key, EVP_sha256());
    sides_of_p256();
    SSL_CTX *stranger =
        side(NULL, TLS_client_method(), own, key, SSL_CTX_get0_certificate(server_side));
    assert_true(shake(server_side, client_side));
    assert_false(shake(server_side, stranger));
    SSL_CTX_free(stranger);
    free_sides();
    X509_free(own);
    EVP_PKEY_free(key);
}

static void a_certificate_without_its_key_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *forged = own_certificate(key, EVP_sha256());
    sides_of_p256();
    EVP_PKEY *theirs = X509_get0_pubkey(SSL_CTX_get0_certificate(client_side));
    assert_int_equal(X509_set_pubkey(forged, theirs),
                     1); /* the same name and key, signed by another */
    assert_true(X509_sign(forged, key, EVP_sha256()) > 0);
    X509_STORE *store = SSL_CTX_get_cert_store(server_side);
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    assert_true(verification != NULL &&
                X509_STORE_CTX_init(verification, store, forged, NULL) == 1);
    assert_int_not_equal(X509_verify_cert(verification), 1);
    X509_STORE_CTX_free(verification);
    free_sides();
    X509_free(forged);
    EVP_PKEY_free(key);
}

static void count_reader(OSSL_DECODER *reader, void *n)
{
    (void)reader;
    ++*(unsigned *)n;
}

static void it_reads_the_keys_of_certificates_alone(void **state)
{
    (void)state;
    unsigned n = 0;
    EVP_PKEY *key = NULL;
    OSSL_DECODER_do_all_provided(ward_tls_library(), count_reader, &n);
    assert_int_equal(n, 5);
    OSSL_DECODER_CTX *reading = OSSL_DECODER_CTX_new_for_pkey(
        &key, "DER", "PrivateKeyInfo", "EC", EVP_PKEY_KEYPAIR, ward_tls_library(), NULL);
    assert_non_null(reading);
    uint8_t *der = NULL;
    EVP_PKEY *secret = EVP_EC_gen("P-256");
    PKCS8_PRIV_KEY_INFO *wrapped = EVP_PKEY2PKCS8(secret);
    int size = i2d_PKCS8_PRIV_KEY_INFO(wrapped, &der);
    const uint8_t *at = der;
    size_t left = (size_t)size;
    assert_true(size > 0);
    assert_int_not_equal(OSSL_DECODER_from_data(reading, &at, &left), 1);
    assert_null(key);
    OSSL_DECODER_CTX_free(reading);
    PKCS8_PRIV_KEY_INFO_free(wrapped);
    EVP_PKEY_free(secret);
    OPENSSL_free(der);
}

static void nothing_else_is_in_it(void **state)
{
    (void)state;
    OSSL_LIB_CTX *library = ward_tls_library();
    assert_null(EVP_CIPHER_fetch(library, "AES-128-CBC", NULL));
    assert_null(EVP_CIPHER_fetch(library, "DES-EDE3-CBC", NULL));
    assert_null(EVP_KDF_fetch(library, "PBKDF2", NULL));
    assert_null(EVP_KEYMGMT_fetch(library, "DSA", NULL));
    assert_null(EVP_KEYMGMT_fetch(library, "DH", NULL));
}

/* In a process that has no library as yet, and reads this configuration when it first asks for one:
 * from a file in memory. "" has the default provider alone. */
static bool has_one_of_its_own(const char *configuration)
{
    char path[32];
    int status = -1, file = memfd_create("openssl.cnf", 0);
    assert_true(file >= 0);
    assert_int_equal(write(file, configuration, strlen(configuration)), strlen(configuration));
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool read = setenv("OPENSSL_CONF", path, 1) == 0;
        _exit(read ? 10 + (ward_tls_library() != NULL) : 1);
    }
    (void)close(file);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) >= 10);
    return WEXITSTATUS(status) == 11;
}

#define INIT "openssl_conf = all\n[all]\n"
#define PROVIDERS INIT "providers = some\n"

static void providers_that_were_chosen_stay_in_force(void **state)
{
    (void)state;
    assert_true(has_one_of_its_own(""));
    assert_true(has_one_of_its_own(PROVIDERS "[some]\ndefault = on\n[on]\nactivate = 1\n"));
    static const char *const others[] = {"base", "null"};
    for (size_t i = 0; i < 2; i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "%s[some]\n%s = on\n[on]\nactivate = 1\n", PROVIDERS,
                       others[i]);
        assert_false(has_one_of_its_own(text));
        (void)snprintf(text, sizeof(text), "%s[some]\ndefault = on\n%s = on\n[on]\nactivate = 1\n",
                       PROVIDERS, others[i]);
        assert_false(has_one_of_its_own(text));
    }
}

static void fips_stays_in_force(void **state)
{
    (void)state;
    static const char fips[] = INIT "alg_section = properties\n[properties]\n";
    char text[256];
    (void)snprintf(text, sizeof(text), "%sdefault_properties = fips=yes\n", fips);
    assert_false(has_one_of_its_own(text));
    (void)snprintf(text, sizeof(text), "%sfips_mode = yes\n", fips);
    assert_false(has_one_of_its_own(text));
    (void)snprintf(text, sizeof(text), "%sfips_mode = no\n", fips);
    assert_true(has_one_of_its_own(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_that_were_chosen_stay_in_force), /* first: there is none yet */
        cmocka_unit_test(fips_stays_in_force),
        cmocka_unit_test(there_is_one_unless_others_were_chosen),
        cmocka_unit_test(certificates_of_every_signing_key_are_verified),
        cmocka_unit_test(a_server_may_have_a_key_of_any_kind),
        cmocka_unit_test(a_key_of_no_use_here_is_not_taken),
        cmocka_unit_test(every_group_and_suite_works),
        cmocka_unit_test(certificates_may_be_signed_over_any_strong_digest),
        cmocka_unit_test(a_stranger_is_refused),
        cmocka_unit_test(a_certificate_without_its_key_is_refused),
        cmocka_unit_test(it_reads_the_keys_of_certificates_alone),
        cmocka_unit_test(nothing_else_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
