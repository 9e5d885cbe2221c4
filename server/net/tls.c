/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where TLS is configured, so that what is allowed can be read in one function. Who
 * the peer is, is decided elsewhere (server/authn) from the certificate that is verified here. */
#include "server/net/tls.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "server/net/tls_endings.h"
#include "server/net/tls_known.h"
#include "server/net/tls_library.h"

#define CHAIN_DEPTH_MAX 4
#define SECURITY_LEVEL 2
#define CRL_FLAGS (X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)

struct ward_tls {
    pthread_mutex_t lock; /* over current, generation, crl_end_us, endings */
    SSL_CTX *current;
    unsigned generation;
    int64_t crl_end_us;
    struct ward_endings endings;
    char *certificate_file, *key_file, *client_ca_file, *client_crl_file;
    bool tls_1_2;
};

static ward_status openssl_failed(void)
{
    unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    return WARD_FOREIGN(WARD_E_INTERNAL, WARD_DOMAIN_OPENSSL, error);
}

static int select_h2(SSL *session, const unsigned char **out, unsigned char *out_size,
                     const unsigned char *in, unsigned int in_size, void *unused)
{
    (void)session;
    (void)unused;
    for (unsigned at = 0; at < in_size && in_size - at > in[at]; at += 1u + in[at]) {
        if (in[at] == 2 && in[at + 1] == 'h' && in[at + 2] == '2') {
            *out = in + at + 1;
            *out_size = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A daemon has nobody to ask for a pass phrase. */
static int no_passphrase(char *out, int size, int writing, void *unused)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

static bool configure(SSL_CTX *context, bool tls_1_2)
{
    SSL_CTX_set_keylog_callback(context, NULL); /* whatever the environment asks for */
    SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* No automatic chain: OpenSSL would seek and verify our own at every handshake, a seventh of
     * its cost, and among the clients' authorities. What certificate_file holds is what is sent. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    SSL_CTX_set_security_level(context, SECURITY_LEVEL);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(context, select_h2, NULL);
    return SSL_CTX_set_min_proto_version(context, tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 && /* of 1.2 */
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1;
}

/* Read in OpenSSL's own library context, since the one for handshakes reads no private keys. */
static bool use_key(SSL_CTX *context, const char *path)
{
    BIO *in = BIO_new_file(path, "r");
    EVP_PKEY *read = in == NULL ? NULL : PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    EVP_PKEY *key = read == NULL ? NULL : ward_tls_library_key(read);
    bool used = key != NULL && (SSL_CTX_use_PrivateKey(context, key) == 1 ||
                                ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH);
    EVP_PKEY_free(key);
    EVP_PKEY_free(read);
    (void)BIO_free(in); /* read only */
    return used;
}

static ward_status load(SSL_CTX *context, const struct ward_tls *tls)
{
    WARD_REQUIRE(SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) == 1,
                 "certificate_file: not a readable PEM chain");
    WARD_REQUIRE(use_key(context, tls->key_file), "key_file: not a readable PEM key");
    WARD_REQUIRE(SSL_CTX_check_private_key(context) == 1,
                 "key_file: not the key of certificate_file");
    STACK_OF(X509_NAME) *names =
        SSL_load_client_CA_file_ex(tls->client_ca_file, ward_tls_library(), NULL);
    WARD_REQUIRE(names != NULL && SSL_CTX_load_verify_file(context, tls->client_ca_file) == 1,
                 "client_ca_file: not readable PEM certificates");
    SSL_CTX_set_client_CA_list(context, names);
    return WARD_OK;
}

static X509_CRL *next_crl(BIO *in)
{
    X509_CRL *crl = X509_CRL_new_ex(ward_tls_library(), NULL);
    if (crl != NULL && PEM_read_bio_X509_CRL(in, &crl, NULL, NULL) == NULL) {
        X509_CRL_free(crl); /* NULL already when it was half read */
        crl = NULL;
    }
    return crl;
}

/* A list without an end would be in force for ever: it counts as one that has ended. */
static bool add_crls(X509_STORE *store, BIO *in, int64_t *ret_end_us)
{
    unsigned n = 0;
    for (X509_CRL *crl = next_crl(in); crl != NULL; crl = next_crl(in)) {
        int64_t end_us = ward_tls_time_us(X509_CRL_get0_nextUpdate(crl));
        *ret_end_us = end_us < *ret_end_us ? end_us : *ret_end_us;
        bool added = X509_STORE_add_crl(store, crl) == 1;
        X509_CRL_free(crl);
        if (!added) {
            return false;
        }
        n++;
    }
    return n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static ward_status load_crls(SSL_CTX *context, const char *path, int64_t *ret_end_us)
{
    *ret_end_us = INT64_MAX;
    if (path == NULL) {
        return WARD_OK;
    }
    BIO *in = BIO_new_file(path, "r");
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    bool added = in != NULL && add_crls(store, in, ret_end_us) &&
                 X509_STORE_set_flags(store, CRL_FLAGS) == 1;
    (void)BIO_free(in); /* read only */
    WARD_REQUIRE(added, "client_crl_file: not readable PEM revocation lists");
    return WARD_OK;
}

static ward_status context_new(const struct ward_tls *tls, SSL_CTX **ret, int64_t *ret_crl_end_us,
                               struct ward_endings *ret_endings)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new_ex(ward_tls_library(), NULL, TLS_server_method());
    if (context == NULL) {
        return openssl_failed();
    }
    if (!configure(context, tls->tls_1_2)) {
        SSL_CTX_free(context);
        return openssl_failed();
    }
    ward_status status = load(context, tls);
    if (ward_ok(status)) {
        status = load_crls(context, tls->client_crl_file, ret_crl_end_us);
    }
    if (ward_ok(status)) {
        status = ward_tls_known_attach(context, *ret_crl_end_us);
    }
    if (ward_ok(status)) {
        status = ward_tls_endings_read(context, ret_endings);
    }
    ERR_clear_error();
    if (!ward_ok(status)) {
        SSL_CTX_free(context);
        return status;
    }
    *ret = context;
    return WARD_OK;
}

ward_status ward_tls_new(const struct ward_tls_files *files, struct ward_tls **ret)
{
    struct ward_tls *tls = calloc(1, sizeof(*tls));
    WARD_ENSURE(tls != NULL, WARD_E_EXHAUSTED);
    (void)pthread_mutex_init(&tls->lock, NULL); /* cannot fail without attributes on Linux */
    tls->certificate_file = strdup(files->certificate_file);
    tls->key_file = strdup(files->key_file);
    tls->client_ca_file = strdup(files->client_ca_file);
    tls->client_crl_file = files->client_crl_file == NULL ? NULL : strdup(files->client_crl_file);
    tls->tls_1_2 = files->tls_1_2;
    ward_status status = WARD_STATUS(WARD_E_EXHAUSTED);
    if (tls->certificate_file != NULL && tls->key_file != NULL && tls->client_ca_file != NULL &&
        (tls->client_crl_file != NULL || files->client_crl_file == NULL)) {
        status = context_new(tls, &tls->current, &tls->crl_end_us, &tls->endings);
    }
    if (!ward_ok(status)) {
        ward_tls_free(tls);
        return status;
    }
    *ret = tls;
    return WARD_OK;
}

void ward_tls_free(struct ward_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->current);
    (void)pthread_mutex_destroy(&tls->lock);
    free(tls->certificate_file);
    free(tls->key_file);
    free(tls->client_ca_file);
    free(tls->client_crl_file);
    free(tls);
}

ward_status ward_tls_again(const struct ward_tls *tls, struct ward_tls **ret)
{
    const struct ward_tls_files files = {.certificate_file = tls->certificate_file,
                                         .key_file = tls->key_file,
                                         .client_ca_file = tls->client_ca_file,
                                         .client_crl_file = tls->client_crl_file,
                                         .tls_1_2 = tls->tls_1_2};
    return ward_tls_new(&files, ret);
}

void ward_tls_replace(struct ward_tls *tls, struct ward_tls *take_fresh)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->current;
    tls->current = take_fresh->current;
    tls->crl_end_us = take_fresh->crl_end_us;
    tls->endings = take_fresh->endings;
    tls->generation++;
    (void)pthread_mutex_unlock(&tls->lock);
    take_fresh->current = old; /* open connections hold their own reference */
    ward_tls_free(take_fresh);
}

int64_t ward_tls_crl_end_us(struct ward_tls *tls)
{
    (void)pthread_mutex_lock(&tls->lock);
    int64_t end_us = tls->crl_end_us;
    (void)pthread_mutex_unlock(&tls->lock);
    return end_us;
}

int64_t ward_tls_certificate_end_us(struct ward_tls *tls)
{
    (void)pthread_mutex_lock(&tls->lock);
    int64_t end_us = ward_tls_time_us(X509_get0_notAfter(SSL_CTX_get0_certificate(tls->current)));
    (void)pthread_mutex_unlock(&tls->lock);
    return end_us;
}

void ward_tls_endings(struct ward_tls *tls, struct ward_endings *ret)
{
    (void)pthread_mutex_lock(&tls->lock);
    *ret = tls->endings;
    (void)pthread_mutex_unlock(&tls->lock);
}

SSL *ward_tls_session(struct ward_tls *tls, int fd, unsigned *ret_generation)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL *session = SSL_new(tls->current);
    *ret_generation = tls->generation;
    (void)pthread_mutex_unlock(&tls->lock);
    if (session != NULL && SSL_set_fd(session, fd) != 1) {
        SSL_free(session);
        session = NULL;
    }
    if (session != NULL) {
        SSL_set_accept_state(session);
    }
    return session;
}

static enum ward_tls_result result_of(const SSL *session, int rv)
{
    switch (SSL_get_error(session, rv)) {
    case SSL_ERROR_NONE:
        return WARD_TLS_DONE;
    case SSL_ERROR_WANT_READ:
        return WARD_TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return WARD_TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return WARD_TLS_CLOSED;
    default:
        ERR_clear_error();
        return WARD_TLS_FAILED;
    }
}

enum ward_tls_result ward_tls_handshake(SSL *session)
{
    ERR_clear_error();
    int rv = SSL_do_handshake(session);
    if (rv != 1) {
        return result_of(session, rv);
    }
    const unsigned char *protocol = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(session, &protocol, &size);
    return size == 2 && memcmp(protocol, "h2", 2) == 0 ? WARD_TLS_DONE : WARD_TLS_FAILED;
}

bool ward_tls_heard(SSL *session)
{
    return BIO_number_read(SSL_get_rbio(session)) > 0;
}

enum ward_tls_result ward_tls_read(SSL *session, uint8_t *out, size_t size, size_t *ret_size)
{
    ERR_clear_error();
    int rv = SSL_read_ex(session, out, size, ret_size);
    return rv == 1 ? WARD_TLS_DONE : result_of(session, rv);
}

enum ward_tls_result ward_tls_write(SSL *session, struct ward_bytes bytes, size_t *ret_size)
{
    ERR_clear_error();
    int rv = SSL_write_ex(session, bytes.data, bytes.size, ret_size);
    return rv == 1 ? WARD_TLS_DONE : result_of(session, rv);
}

bool ward_tls_pending(const SSL *session)
{
    return SSL_has_pending(session) == 1;
}

void ward_tls_busy(SSL *session, bool busy)
{
    if (busy) {
        (void)SSL_clear_mode(session, SSL_MODE_RELEASE_BUFFERS); /* gives the modes that are left */
        return;
    }
    (void)SSL_set_mode(session, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_free_buffers(session); /* fails when there is something in them: they stay */
    ERR_clear_error();
}

void ward_tls_session_free(SSL *session, bool say_goodbye)
{
    if (session == NULL) {
        return;
    }
    if (say_goodbye) {
        (void)SSL_shutdown(session); /* one try; the socket is closed after it anyhow */
        ERR_clear_error();
    }
    SSL_free(session);
}

enum ward_tls_fault ward_tls_fault(const SSL *session)
{
    switch (SSL_get_verify_result(session)) {
    case X509_V_ERR_CERT_REVOKED:
        return WARD_TLS_FAULT_REVOKED;
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return WARD_TLS_FAULT_CRL_EXPIRED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
        return WARD_TLS_FAULT_CRL_MISSING;
    default:
        return WARD_TLS_FAULT_OTHER;
    }
}

/* ---- once more ---- */

static int forgive_old_lists(int ok, X509_STORE_CTX *verification)
{
    int error = X509_STORE_CTX_get_error(verification);
    return ok == 1 || error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID;
}

static bool verify_again(SSL_CTX *context, const SSL *session)
{
    X509_STORE_CTX *verification = X509_STORE_CTX_new();
    X509 *leaf = SSL_get0_peer_certificate(session);
    bool good = verification != NULL && leaf != NULL &&
                X509_STORE_CTX_init(verification, SSL_CTX_get_cert_store(context), leaf,
                                    SSL_get_peer_cert_chain(session)) == 1 &&
                X509_STORE_CTX_set_purpose(verification, X509_PURPOSE_SSL_CLIENT) == 1;
    if (good) {
        X509_STORE_CTX_set_depth(verification, CHAIN_DEPTH_MAX);
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(verification), SECURITY_LEVEL);
        X509_STORE_CTX_set_verify_cb(verification, forgive_old_lists);
        good = X509_verify_cert(verification) == 1;
    }
    X509_STORE_CTX_free(verification);
    ERR_clear_error();
    return good;
}

bool ward_tls_trusts(struct ward_tls *tls, const SSL *session, unsigned *generation)
{
    SSL_CTX *context = NULL;
    (void)pthread_mutex_lock(&tls->lock);
    unsigned now = tls->generation;
    if (now != *generation && SSL_CTX_up_ref(tls->current) == 1) {
        context = tls->current;
    }
    (void)pthread_mutex_unlock(&tls->lock);
    if (now == *generation) {
        return true;
    }
    bool trusted = context != NULL && verify_again(context, session);
    SSL_CTX_free(context);
    *generation = now;
    return trusted;
}

ward_status ward_tls_peer(const SSL *session, X509 **ret_certificate, int64_t *ret_not_after_us)
{
    X509 *certificate = SSL_get0_peer_certificate(session);
    WARD_ENSURE(certificate != NULL, WARD_E_UNAUTHENTICATED);
    *ret_certificate = certificate;
    *ret_not_after_us = ward_tls_time_us(X509_get0_notAfter(certificate));
    return WARD_OK;
}
