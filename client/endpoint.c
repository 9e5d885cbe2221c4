/* SPDX-License-Identifier: Apache-2.0 */
/* One daemon's address and name, and a TLS connection that insists on that name. Must not know what
 * is said over the connection. */
#include "client/endpoint.h"

#include <string.h>

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "client/socket_bio.h"

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

ward_rc ward_endpoint_init(const char *server, const char *server_name,
                           struct ward_credentials *credentials, struct ward_endpoint *ret,
                           ward_error *error)
{
    *ret = (struct ward_endpoint){.credentials = credentials};
    WARD_CLIENT_TRY(parse_server(server, ret, error));
    return set_name(server_name == NULL ? ret->host : server_name, ret, error);
}

SSL *ward_endpoint_connect(const struct ward_endpoint *endpoint, int fd)
{
    SSL_CTX *tls = ward_credentials_tls(endpoint->credentials);
    SSL *ssl = SSL_new(tls);
    SSL_CTX_free(tls); /* the connection has a reference of its own */
    BIO *bio = ssl == NULL ? NULL : ward_socket_bio(fd);
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
