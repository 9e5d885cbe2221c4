/* SPDX-License-Identifier: Apache-2.0 */
/* The only place where TLS is configured, so that what is allowed can be read in one function. Who
 * the peer is, is decided elsewhere (server/authn) from the certificate that is verified here. */
#include "server/net/tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define CHAIN_DEPTH_MAX 4
#define READ_AHEAD (32 * 1024)

struct ward_tls {
    pthread_mutex_t lock; /* over current */
    SSL_CTX *current;
    char *certificate_file, *key_file, *client_ca_file;
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

static bool configure(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_alpn_select_cb(context, select_h2, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_purpose(context, X509_PURPOSE_SSL_CLIENT) == 1;
}

static ward_status load(SSL_CTX *context, const struct ward_tls *tls)
{
    WARD_REQUIRE(SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) == 1,
                 "certificate_file: not a readable PEM chain");
    WARD_REQUIRE(SSL_CTX_use_PrivateKey_file(context, tls->key_file, SSL_FILETYPE_PEM) == 1 ||
                     ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH,
                 "key_file: not a readable PEM key");
    WARD_REQUIRE(SSL_CTX_check_private_key(context) == 1,
                 "key_file: not the key of certificate_file");
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->client_ca_file);
    WARD_REQUIRE(names != NULL && SSL_CTX_load_verify_file(context, tls->client_ca_file) == 1,
                 "client_ca_file: not readable PEM certificates");
    SSL_CTX_set_client_CA_list(context, names);
    return WARD_OK;
}

static ward_status context_new(const struct ward_tls *tls, SSL_CTX **ret)
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        return openssl_failed();
    }
    if (!configure(context)) {
        SSL_CTX_free(context);
        return openssl_failed();
    }
    ward_status status = load(context, tls);
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
    ward_status status = WARD_STATUS(WARD_E_EXHAUSTED);
    if (tls->certificate_file != NULL && tls->key_file != NULL && tls->client_ca_file != NULL) {
        status = context_new(tls, &tls->current);
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
    free(tls);
}

ward_status ward_tls_reload(struct ward_tls *tls)
{
    SSL_CTX *fresh = NULL;
    WARD_TRY(context_new(tls, &fresh));
    (void)pthread_mutex_lock(&tls->lock);
    SSL_CTX *old = tls->current;
    tls->current = fresh;
    (void)pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old); /* open connections hold their own reference */
    return WARD_OK;
}

SSL *ward_tls_session(struct ward_tls *tls, int fd)
{
    (void)pthread_mutex_lock(&tls->lock);
    SSL *session = SSL_new(tls->current);
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

ward_status ward_tls_peer(const SSL *session, uint8_t **ret_der, size_t *ret_size,
                          int64_t *ret_not_after_us)
{
    X509 *certificate = SSL_get0_peer_certificate(session);
    WARD_ENSURE(certificate != NULL, WARD_E_UNAUTHENTICATED);
    struct tm end = {0};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) {
        return openssl_failed();
    }
    uint8_t *der = NULL;
    int size = i2d_X509(certificate, &der);
    if (size <= 0) {
        return openssl_failed();
    }
    uint8_t *copy = malloc((size_t)size); /* so that it can be freed without OpenSSL */
    if (copy != NULL) {
        memcpy(copy, der, (size_t)size);
    }
    OPENSSL_free(der);
    WARD_ENSURE(copy != NULL, WARD_E_EXHAUSTED);
    *ret_der = copy;
    *ret_size = (size_t)size;
    *ret_not_after_us = (int64_t)timegm(&end) * 1000000;
    return WARD_OK;
}
