/* SPDX-License-Identifier: Apache-2.0 */
/* The socket and TLS half of a connection: connecting to each address in turn, the handshake, and
 * moving bytes between the socket and nghttp2 through buffers that are wiped. Must not know what
 * the calls say. */
#include "client/transport_state.h"

#include "client/fork.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wipe_alloc.h"

#define RECORD_SIZE 16384
#define READS_A_TURN 64
#define OUT_LIMIT (8u * 1024 * 1024)

void ward_transport_call_init(struct ward_transport_call *call, size_t answer_max)
{
    *call = (struct ward_transport_call){.grpc_status = -1};
    ward_grpc_reader_init(&call->answer, answer_max);
}

void ward_transport_call_fini(struct ward_transport_call *call)
{
    ward_grpc_reader_fini(&call->answer);
}

/* ---- closing ---- */

static void release(struct ward_transport *transport)
{
    SSL_free(transport->ssl);
    transport->ssl = NULL;
    if (transport->fd >= 0) {
        (void)close(transport->fd);
        transport->fd = -1;
    }
    if (transport->addresses != NULL) {
        freeaddrinfo(transport->addresses);
        transport->addresses = transport->next_address = NULL;
    }
}

/* Every call that is under way ends with the connection's error. Never from inside nghttp2. */
static void close_with(struct ward_transport *transport, ward_rc code, const char *format,
                       const char *what)
{
    if (transport->stage == WARD_CLOSED) {
        return;
    }
    bool never_spoke = transport->stage != WARD_OPEN;
    char text[sizeof(transport->error.message)];
    (void)snprintf(text, sizeof(text), "%s: ", transport->endpoint->authority);
    size_t used = strlen(text);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* from the constants below */
    (void)snprintf(text + used, sizeof(text) - used, format, what);
#pragma GCC diagnostic pop
    (void)ward_error_set(&transport->error, code, "%s", text);
    transport->stage = WARD_CLOSED;
    transport->pending = false;
    release(transport);
    nghttp2_session_del(transport->session);
    transport->session = NULL;
    while (transport->calls != NULL) {
        struct ward_transport_call *call = transport->calls;
        call->unprocessed = never_spoke;
        ward_transport_finish(call, code, false, transport->error.message);
    }
}

/* ---- connecting ---- */

/* The next address that a connection can be begun to; false when there is none left. */
static bool connect_next(struct ward_transport *transport)
{
    while (transport->next_address != NULL) {
        const struct addrinfo *address = transport->next_address;
        transport->next_address = address->ai_next;
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* slower without */
        if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS) {
            transport->fd = fd;
            transport->stage = WARD_CONNECTING;
            return true;
        }
        int error = errno;
        (void)close(fd);
        errno = error;
    }
    return false;
}

static void finish_connect(struct ward_transport *transport)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(transport->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    if (error != 0) {
        (void)close(transport->fd);
        transport->fd = -1;
        if (!connect_next(transport)) {
            close_with(transport, WARD_RC_UNAVAILABLE, "cannot connect: %s",
                       strerrordesc_np(error));
        }
        return;
    }
    transport->ssl = ward_endpoint_connect(transport->endpoint, transport->fd);
    if (transport->ssl == NULL) {
        close_with(transport, WARD_RC_RESOURCE_EXHAUSTED, "no memory for %s", "TLS");
        return;
    }
    transport->stage = WARD_HANDSHAKING;
}

/* ---- TLS ---- */

/* The daemon's alert about our certificate, or ours about its: no use in trying again. */
static bool about_certificates(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return ERR_GET_LIB(error) == ERR_LIB_SSL;
    default:
        return false;
    }
}

static void tls_failed(struct ward_transport *transport)
{
    unsigned long error = ERR_peek_last_error();
    long verified = SSL_get_verify_result(transport->ssl);
    ERR_clear_error();
    if (verified != X509_V_OK) {
        close_with(transport, WARD_RC_UNAUTHENTICATED,
                   "the daemon's certificate is not accepted: %s",
                   X509_verify_cert_error_string(verified));
    } else if (about_certificates(error)) {
        close_with(transport, WARD_RC_UNAUTHENTICATED,
                   "the daemon does not accept our certificate: %s",
                   ERR_reason_error_string(error));
    } else if (error != 0 && ERR_GET_REASON(error) != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        const char *reason = ERR_reason_error_string(error);
        close_with(transport, WARD_RC_UNAVAILABLE, "TLS failed: %s",
                   reason == NULL ? "unknown" : reason);
    } else {
        close_with(transport, WARD_RC_UNAVAILABLE, "connection %s", "lost");
    }
}

/* What a TLS call of ours that did not succeed asks for; false when the connection is over. */
static bool tls_retry(struct ward_transport *transport, int result)
{
    switch (SSL_get_error(transport->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return true;
    case SSL_ERROR_WANT_WRITE:
        transport->tls_wants_write = true;
        return true;
    case SSL_ERROR_ZERO_RETURN:
        close_with(transport, WARD_RC_UNAVAILABLE, "connection %s", "closed by the daemon");
        return false;
    default:
        tls_failed(transport);
        return false;
    }
}

static void handshake(struct ward_transport *transport)
{
    transport->tls_wants_write = false;
    ERR_clear_error();
    int result = SSL_connect(transport->ssl);
    if (result != 1) {
        (void)tls_retry(transport, result);
        return;
    }
    const uint8_t *protocol = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(transport->ssl, &protocol, &size);
    if (!ward_bytes_eq(WARD_BYTES(protocol, size), WARD_BYTES_LITERAL("h2"))) {
        close_with(transport, WARD_RC_UNAVAILABLE, "it does not speak %s", "HTTP/2");
        return;
    }
    freeaddrinfo(transport->addresses);
    transport->addresses = transport->next_address = NULL;
    transport->stage = WARD_OPEN;
}

static void read_all(struct ward_transport *transport)
{
    transport->pending = false;
    for (int i = 0; i < READS_A_TURN; i++) {
        size_t size = 0;
        ERR_clear_error();
        int result = SSL_read_ex(transport->ssl, transport->in, RECORD_SIZE, &size);
        if (result != 1) {
            (void)tls_retry(transport, result);
            return;
        }
        transport->doubted = false;
        ssize_t taken = nghttp2_session_mem_recv(transport->session, transport->in, size);
        OPENSSL_cleanse(transport->in, size);
        if (taken < 0) {
            close_with(transport, WARD_RC_UNAVAILABLE, "HTTP/2: %s", nghttp2_strerror((int)taken));
            return;
        }
    }
    transport->pending = true; /* others want their turn */
}

/* False when nothing more can be written now. */
static bool flush(struct ward_transport *transport)
{
    while (transport->out_sent < transport->out.size) {
        size_t size = transport->out.size - transport->out_sent, written = 0;
        ERR_clear_error();
        int result = SSL_write_ex(transport->ssl, transport->out.data + transport->out_sent,
                                  size < RECORD_SIZE ? size : RECORD_SIZE, &written);
        if (result != 1) {
            (void)tls_retry(transport, result);
            return false;
        }
        transport->out_sent += written;
    }
    ward_buffer_reset(&transport->out);
    transport->out_sent = 0;
    return true;
}

static void write_all(struct ward_transport *transport)
{
    transport->tls_wants_write = false;
    do {
        int result = nghttp2_session_send(transport->session);
        if (result != 0) {
            close_with(transport, WARD_RC_UNAVAILABLE, "HTTP/2: %s", nghttp2_strerror(result));
            return;
        }
    } while (transport->out.size > 0 && flush(transport) &&
             nghttp2_session_want_write(transport->session));
    if (transport->stage == WARD_OPEN && transport->out.size == 0 &&
        !nghttp2_session_want_read(transport->session) &&
        !nghttp2_session_want_write(transport->session)) {
        close_with(transport, WARD_RC_UNAVAILABLE, "connection %s", "ended by the daemon");
    }
}

/* ---- the owner's side ---- */

void ward_transport_turn(struct ward_transport *transport, short revents)
{
    ward_fork_enter();
    if (transport->stage == WARD_CONNECTING && revents != 0) {
        finish_connect(transport);
    }
    if (transport->stage == WARD_HANDSHAKING) {
        handshake(transport);
    }
    if (transport->stage == WARD_OPEN && (revents != 0 || transport->pending)) {
        read_all(transport);
    }
    if (transport->stage == WARD_OPEN) {
        write_all(transport);
    }
    ward_fork_leave();
}

int ward_transport_fd(const struct ward_transport *transport)
{
    return transport->fd;
}

short ward_transport_events(const struct ward_transport *transport)
{
    bool writes = transport->stage == WARD_CONNECTING || transport->tls_wants_write;
    return (short)(transport->stage == WARD_CONNECTING ? POLLOUT : POLLIN | (writes ? POLLOUT : 0));
}

bool ward_transport_pending(const struct ward_transport *transport)
{
    return transport->pending;
}

void ward_transport_wait(struct ward_transport *transport, int timeout_ms)
{
    struct pollfd fd = {.fd = transport->fd, .events = ward_transport_events(transport)};
    int n = poll(&fd, 1, transport->pending ? 0 : timeout_ms);
    ward_transport_turn(transport, n > 0 ? fd.revents : 0);
}

bool ward_transport_ready(const struct ward_transport *transport)
{
    return transport->stage == WARD_OPEN && transport->ready;
}

bool ward_transport_usable(const struct ward_transport *transport)
{
    return transport->stage != WARD_CLOSED && !transport->going_away;
}

bool ward_transport_closed(const struct ward_transport *transport)
{
    return transport->stage == WARD_CLOSED;
}

const ward_error *ward_transport_error(const struct ward_transport *transport)
{
    return &transport->error;
}

const char *ward_transport_authority(const struct ward_transport *transport)
{
    return transport->endpoint->authority;
}

void ward_transport_doubt(struct ward_transport *transport)
{
    if (transport->session != NULL) {
        transport->doubted = true;
        (void)nghttp2_submit_ping(transport->session, NGHTTP2_FLAG_NONE, NULL); /* or it stays so */
    }
}

bool ward_transport_doubted(const struct ward_transport *transport)
{
    return transport->doubted;
}

void ward_transport_abandon(struct ward_transport *transport)
{
    if (transport->fd >= 0) {
        (void)close(transport->fd);
        transport->fd = -1;
    }
    transport->stage = WARD_CLOSED;
}

static ward_rc look_up(struct ward_transport *transport, ward_error *error)
{
    const struct ward_endpoint *endpoint = transport->endpoint;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int result = getaddrinfo(endpoint->host, endpoint->port, &hints, &transport->addresses);
    if (result != 0) {
        transport->addresses = NULL;
        return ward_error_set(error, WARD_RC_UNAVAILABLE, "%s: %s", endpoint->authority,
                              gai_strerror(result));
    }
    transport->next_address = transport->addresses;
    if (!connect_next(transport)) {
        return ward_error_set(error, WARD_RC_UNAVAILABLE, "%s: cannot connect: %s",
                              endpoint->authority, strerrordesc_np(errno));
    }
    return WARD_RC_OK;
}

ward_rc ward_transport_open(const struct ward_endpoint *endpoint, struct ward_transport **ret,
                            ward_error *error)
{
    struct ward_transport *transport = calloc(1, sizeof(*transport));
    if (transport == NULL) {
        return ward_error_memory(error);
    }
    transport->endpoint = endpoint;
    transport->fd = -1;
    ward_buffer_init(&transport->out, OUT_LIMIT);
    transport->in = ward_wipe_malloc(RECORD_SIZE);
    transport->session = ward_transport_session(transport);
    ward_rc rc = transport->in == NULL || transport->session == NULL ? ward_error_memory(error)
                                                                     : look_up(transport, error);
    if (rc != WARD_RC_OK) {
        ward_transport_free(transport);
        return rc;
    }
    *ret = transport;
    return WARD_RC_OK;
}

void ward_transport_free(struct ward_transport *transport)
{
    if (transport == NULL) {
        return;
    }
    ward_fork_enter();
    if (transport->ssl != NULL && transport->stage == WARD_OPEN) {
        (void)SSL_shutdown(transport->ssl); /* a courtesy; the daemon sees the close anyway */
        ERR_clear_error();
    }
    close_with(transport, WARD_RC_CANCELLED, "connection %s", "closed here");
    release(transport);
    nghttp2_session_del(transport->session);
    ward_session_memory_fini(&transport->memory);
    ward_buffer_fini(&transport->out);
    ward_wipe_free(transport->in);
    free(transport);
    ward_fork_leave();
}
