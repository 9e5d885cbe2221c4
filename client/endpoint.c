/* SPDX-License-Identifier: Apache-2.0 */
/* The TLS side of a client: TLS 1.3 only, the daemon's certificate checked against one CA file and
 * one name, our own certificate always shown. Must not know what is said over the connection. */
#include "client/endpoint.h"

#include <errno.h>
#include <string.h>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

/* A socket BIO of our own, since OpenSSL's writes with write(2): a daemon that goes away would kill
 * the application with SIGPIPE. */
static int socket_write(BIO *bio, const char *data, size_t size, size_t *ret)
{
    BIO_clear_retry_flags(bio);
    ssize_t n = send((int)(intptr_t)BIO_get_data(bio), data, size, MSG_NOSIGNAL);
    if (n >= 0) {
        *ret = (size_t)n;
        return 1;
    }
    if (errno == EAGAIN || errno == EINTR) {
        BIO_set_retry_write(bio);
    }
    return 0;
}

static int socket_read(BIO *bio, char *data, size_t size, size_t *ret)
{
    BIO_clear_retry_flags(bio);
    ssize_t n = recv((int)(intptr_t)BIO_get_data(bio), data, size, 0);
    if (n > 0) {
        *ret = (size_t)n;
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_read(bio);
    } else if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return 0;
}

static long socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

static BIO *socket_bio(int fd)
{
    /* Made once for the process and never freed: connections of any client may still hold it. */
    static BIO_METHOD *method;
    BIO_METHOD *ours = __atomic_load_n(&method, __ATOMIC_ACQUIRE);
    if (ours == NULL) {
        ours = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ward socket");
        if (ours == NULL || BIO_meth_set_write_ex(ours, socket_write) != 1 ||
            BIO_meth_set_read_ex(ours, socket_read) != 1 ||
            BIO_meth_set_ctrl(ours, socket_ctrl) != 1) {
            BIO_meth_free(ours);
            return NULL;
        }
        BIO_METHOD *first = NULL;
        if (!__atomic_compare_exchange_n(&method, &first, ours, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            BIO_meth_free(ours);
            ours = first;
        }
    }
    BIO *bio = BIO_new(ours);
    if (bio != NULL) {
        BIO_set_data(bio, (void *)(intptr_t)fd);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* "host:port" or "[v6]:port"; a port is 1 to 65535. */
static ward_rc parse_server(const char *server, struct ward_endpoint *ret, ward_error *error)
{
    const char *host = server, *colon = strrchr(server, ':');
    size_t host_size = colon == NULL ? 0 : (size_t)(colon - server);
    if (host_size > 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
    } else if (strcspn(host, "[]:") < host_size) {
        host_size = 0; /* an IPv6 address wants brackets */
    }
    size_t port_size = colon == NULL ? 0 : strlen(colon + 1);
    unsigned port = 0;
    for (size_t i = 0; i < port_size && port <= 65535; i++) {
        char c = colon[1 + i];
        port = c >= '0' && c <= '9' ? port * 10 + (unsigned)(c - '0') : 65536;
    }
    if (host_size == 0 || host_size >= WARD_HOST_MAX || port == 0 || port > 65535 ||
        port_size > 5) {
        return ward_error_set(
            error, WARD_RC_INVALID_ARGUMENT,
            "server: \"%s\" is not host:port (an IPv6 address stands in brackets)", server);
    }
    memcpy(ret->host, host, host_size);
    memcpy(ret->port, colon + 1, port_size);
    memcpy(ret->authority, server, strlen(server));
    return WARD_RC_OK;
}

static ward_rc set_name(const char *name, struct ward_endpoint *ret, ward_error *error)
{
    size_t size = strlen(name);
    if (size == 0 || size >= WARD_HOST_MAX) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "server_name: not 1 to 255 bytes");
    }
    memcpy(ret->server_name, name, size);
    uint8_t address[16];
    ret->server_name_is_address =
        inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    return WARD_RC_OK;
}

/* A library must not ask a terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static ward_rc bad_file(ward_error *error, const char *what, const char *path)
{
    return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "%s: %s: %s", what, path,
                          ward_error_openssl());
}

static ward_rc load_files(const struct ward_endpoint_in *in, SSL_CTX *tls, ward_error *error)
{
    if (SSL_CTX_load_verify_file(tls, in->ca_file) != 1) {
        return bad_file(error, "ca", in->ca_file);
    }
    if (SSL_CTX_use_certificate_chain_file(tls, in->certificate_file) != 1) {
        return bad_file(error, "certificate", in->certificate_file);
    }
    if (SSL_CTX_use_PrivateKey_file(tls, in->key_file, SSL_FILETYPE_PEM) != 1) {
        unsigned long code = ERR_peek_last_error();
        if (ERR_GET_LIB(code) != ERR_LIB_X509 ||
            ERR_GET_REASON(code) != X509_R_KEY_VALUES_MISMATCH) {
            return bad_file(error, "key", in->key_file);
        }
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: %s does not belong to the certificate %s", in->key_file,
                              in->certificate_file);
    }
    return WARD_RC_OK;
}

static ward_rc make_context(const struct ward_endpoint_in *in, struct ward_endpoint *ret,
                            ward_error *error)
{
    static const uint8_t protocols[] = {2, 'h', '2'};
    ret->tls = SSL_CTX_new(TLS_client_method());
    if (ret->tls == NULL || SSL_CTX_set_min_proto_version(ret->tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(ret->tls, protocols, sizeof(protocols)) != 0) {
        return ward_error_memory(error);
    }
    /* OpenSSL decrypts in place: its buffers held keys and PHI. */
    SSL_CTX_set_options(ret->tls, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ret->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ret->tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ret->tls, no_password);
    SSL_CTX_set_verify(ret->tls, SSL_VERIFY_PEER, NULL);
    return load_files(in, ret->tls, error);
}

ward_rc ward_endpoint_init(const struct ward_endpoint_in *in, struct ward_endpoint *ret,
                           ward_error *error)
{
    *ret = (struct ward_endpoint){0};
    const char *missing = in->server == NULL             ? "server"
                          : in->ca_file == NULL          ? "ca"
                          : in->certificate_file == NULL ? "certificate"
                          : in->key_file == NULL         ? "key"
                                                         : NULL;
    if (missing != NULL) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "%s: not given", missing);
    }
    WARD_CLIENT_TRY(parse_server(in->server, ret, error));
    WARD_CLIENT_TRY(set_name(in->server_name == NULL ? ret->host : in->server_name, ret, error));
    ERR_clear_error();
    ward_rc rc = make_context(in, ret, error);
    if (rc != WARD_RC_OK) {
        ward_endpoint_fini(ret);
    }
    return rc;
}

void ward_endpoint_fini(struct ward_endpoint *endpoint)
{
    SSL_CTX_free(endpoint->tls);
    endpoint->tls = NULL;
}

SSL *ward_endpoint_connect(const struct ward_endpoint *endpoint, int fd)
{
    SSL *ssl = SSL_new(endpoint->tls);
    BIO *bio = ssl == NULL ? NULL : socket_bio(fd);
    if (bio == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    SSL_set_read_ahead(ssl, 1);
    bool named =
        endpoint->server_name_is_address
            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), endpoint->server_name) == 1
            : SSL_set1_host(ssl, endpoint->server_name) == 1 &&
                  SSL_set_tlsext_host_name(ssl, endpoint->server_name) == 1;
    if (!named) {
        SSL_free(ssl);
        return NULL;
    }
    return ssl;
}
