/* SPDX-License-Identifier: Apache-2.0 */
/* nghttp2's server half over blocking TLS, a thread for each connection. Nothing here is fit for
 * use: it exists to say right and wrong things to the client. */
#include "tests/unit/client/stub_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tests/unit/client/check.h"

#define CONNECTIONS_MAX 256
#define PREFIX 5

struct stub_server {
    SSL_CTX *tls;
    stub_handler handler;
    void *context;
    int listener;
    char address[32];
    pthread_t acceptor, threads[CONNECTIONS_MAX];
    pid_t process; /* its own; 0: a thread of ours */
    atomic_uint connections, calls;
    atomic_long last_serial;
    atomic_bool stopping, stalling;
    pthread_mutex_t lock; /* the handler is called by one thread at a time */
};

struct connection {
    struct stub_server *server;
    SSL *ssl;
    nghttp2_session *session;
    int fd;
    bool over;
};

struct stream {
    int32_t id;
    char path[128], timeout[32];
    struct ward_buffer request, body;
    size_t sent;
    struct stub_reply reply;
    char status_text[12];
};

/* ---- answering ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static void submit_trailers(nghttp2_session *session, struct stream *stream)
{
    (void)snprintf(stream->status_text, sizeof(stream->status_text), "%d",
                   stream->reply.grpc_status);
    nghttp2_nv trailers[] = {header("grpc-status", stream->status_text),
                             header("grpc-message", stream->reply.grpc_message == NULL
                                                        ? ""
                                                        : stream->reply.grpc_message)};
    (void)nghttp2_submit_trailer(session, stream->id, trailers,
                                 stream->reply.grpc_message == NULL ? 1 : 2);
}

static ssize_t on_read(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)id;
    (void)user;
    struct stream *stream = source->ptr;
    size_t left = stream->body.size - stream->sent;
    size_t n = left < size ? left : size;
    if (stream->reply.behaviour == STUB_BYTE_BY_BYTE && n > 1) {
        n = 1;
    }
    if (n > 0) {
        memcpy(to, stream->body.data + stream->sent, n);
    }
    stream->sent += n;
    if (stream->sent == stream->body.size) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        submit_trailers(session, stream);
    }
    return (ssize_t)n;
}

static void add_message(struct ward_buffer *body, struct ward_bytes message)
{
    ward_buffer_add_u8(body, 0);
    ward_buffer_add_u32(body, (uint32_t)message.size);
    ward_buffer_add(body, message);
}

static void make_body(struct stream *stream)
{
    struct ward_bytes answer = ward_buffer_view(&stream->reply.answer);
    switch (stream->reply.behaviour) {
    case STUB_NO_MESSAGE:
        return;
    case STUB_HUGE:
        ward_buffer_add_u8(&stream->body, 0);
        ward_buffer_add_u32(&stream->body, 64u << 20);
        return;
    case STUB_CUT:
        add_message(&stream->body, answer);
        stream->body.size -= answer.size / 2 + 1;
        return;
    case STUB_TWO_MESSAGES:
        add_message(&stream->body, answer);
        add_message(&stream->body, answer);
        return;
    default:
        if (stream->reply.grpc_status == 0) {
            add_message(&stream->body, answer);
        }
    }
}

static void submit_answer(struct connection *connection, struct stream *stream)
{
    const struct stub_reply *reply = &stream->reply;
    (void)snprintf(stream->status_text, sizeof(stream->status_text), "%d", reply->grpc_status);
    nghttp2_nv headers[] = {
        header(":status", "200"), header("content-type", "application/grpc"),
        header("grpc-status", stream->status_text),
        header("grpc-message", reply->grpc_message == NULL ? "" : reply->grpc_message),
        header("grpc-status-details-bin", reply->grpc_details == NULL ? "" : reply->grpc_details)};
    make_body(stream);
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = on_read};
    if (reply->grpc_status != 0) { /* trailers only */
        (void)nghttp2_submit_response(connection->session, stream->id, headers,
                                      reply->grpc_message == NULL   ? 3
                                      : reply->grpc_details == NULL ? 4
                                                                    : 5,
                                      NULL);
    } else {
        (void)nghttp2_submit_response(connection->session, stream->id, headers, 2, &provider);
    }
}

static void answer(struct connection *connection, struct stream *stream)
{
    nghttp2_session *session = connection->session;
    switch (stream->reply.behaviour) {
    case STUB_SILENT:
        break;
    case STUB_CLOSE:
        connection->over = true;
        break;
    case STUB_GARBAGE:
        (void)SSL_write(connection->ssl, "this is not HTTP/2, not at all, not even nearly", 47);
        break;
    case STUB_RESET:
        (void)nghttp2_submit_rst_stream(session, 0, stream->id, stream->reply.http2_error);
        break;
    case STUB_GOAWAY_BELOW:
        (void)nghttp2_submit_goaway(session, 0, stream->id < 2 ? 0 : stream->id - 2,
                                    NGHTTP2_NO_ERROR, NULL, 0);
        break; /* the client leaves: closing here could reset the GOAWAY away */
    case STUB_GOAWAY:
        (void)nghttp2_submit_goaway(session, 0, stream->id, NGHTTP2_NO_ERROR, NULL, 0);
        submit_answer(connection, stream);
        break;
    case STUB_HTTP_STATUS: {
        nghttp2_nv status[] = {header(":status", stream->reply.http_status)};
        (void)nghttp2_submit_response(session, stream->id, status, 1, NULL);
        break;
    }
    default:
        submit_answer(connection, stream);
    }
}

/* ---- receiving ---- */

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    struct stream *stream = calloc(1, sizeof(*stream));
    stream->id = frame->hd.stream_id;
    ward_buffer_init(&stream->request, (size_t)8 << 20);
    ward_buffer_init(&stream->body, (size_t)16 << 20);
    ward_buffer_init(&stream->reply.answer, (size_t)8 << 20);
    return nghttp2_session_set_stream_user_data(session, stream->id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    (void)flags;
    (void)user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct ward_bytes n = WARD_BYTES(name, name_size);
    if (stream != NULL && ward_bytes_eq(n, WARD_BYTES_LITERAL(":path"))) {
        (void)snprintf(stream->path, sizeof(stream->path), "%.*s", (int)value_size,
                       (const char *)value);
    } else if (stream != NULL && ward_bytes_eq(n, WARD_BYTES_LITERAL("grpc-timeout"))) {
        (void)snprintf(stream->timeout, sizeof(stream->timeout), "%.*s", (int)value_size,
                       (const char *)value);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *user)
{
    (void)flags;
    (void)user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    ward_buffer_add(&stream->request, WARD_BYTES(data, size));
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct connection *connection = user;
    struct stub_server *server = connection->server;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (stream == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        stream->request.size < PREFIX) {
        return 0;
    }
    struct stub_call call = {
        .path = stream->path,
        .message = WARD_BYTES(stream->request.data + PREFIX, stream->request.size - PREFIX),
        .timeout = stream->timeout,
        .number = atomic_fetch_add(&server->calls, 1),
    };
    (void)pthread_mutex_lock(&server->lock);
    server->handler(server->context, &call, &stream->reply);
    (void)pthread_mutex_unlock(&server->lock);
    answer(connection, stream);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
    (void)error;
    (void)user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream != NULL) {
        ward_buffer_fini(&stream->request);
        ward_buffer_fini(&stream->body);
        ward_buffer_fini(&stream->reply.answer);
        free(stream);
    }
    return 0;
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t size, int flags,
                       void *user)
{
    (void)session;
    (void)flags;
    struct connection *connection = user;
    int n = SSL_write(connection->ssl, data, (int)size);
    return n > 0 ? n : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* ---- connections ---- */

static void serve(struct connection *connection)
{
    uint8_t bytes[16384];
    while (!connection->over && !atomic_load(&connection->server->stopping)) {
        if (nghttp2_session_send(connection->session) != 0 || connection->over) {
            break;
        }
        struct pollfd fd = {.fd = connection->fd, .events = POLLIN};
        if (SSL_pending(connection->ssl) == 0 && poll(&fd, 1, 20) <= 0) {
            continue;
        }
        int n = SSL_read(connection->ssl, bytes, sizeof(bytes));
        if (n <= 0 || nghttp2_session_mem_recv(connection->session, bytes, (size_t)n) < 0) {
            break;
        }
    }
}

static nghttp2_session *make_session(struct connection *connection)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) {
        return NULL;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_option *option = NULL;
    if (nghttp2_option_new(&option) == 0) {
        nghttp2_option_set_no_auto_window_update(option,
                                                 atomic_load(&connection->server->stalling));
        (void)nghttp2_session_server_new2(&session, callbacks, connection, option);
        nghttp2_option_del(option);
    }
    nghttp2_session_callbacks_del(callbacks);
    (void)nghttp2_submit_settings(session, 0, NULL, 0);
    return session;
}

struct start {
    struct stub_server *server;
    int fd;
};

static void free_streams(nghttp2_session *session)
{
    for (int32_t id = 1; id < 4096;
         id += 2) { /* nghttp2 tells of no stream when a session is freed */
        struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
        if (stream != NULL) {
            (void)on_close(session, id, 0, NULL);
        }
    }
}

static void *run_connection(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    struct connection connection = {.server = start.server, .fd = start.fd};
    connection.ssl = SSL_new(start.server->tls);
    SSL_set_fd(connection.ssl, start.fd);
    if (SSL_accept(connection.ssl) == 1) {
        X509 *client = SSL_get0_peer_certificate(connection.ssl);
        atomic_store(&start.server->last_serial, ASN1_INTEGER_get(X509_get0_serialNumber(client)));
        connection.session = make_session(&connection);
        serve(&connection);
        free_streams(connection.session);
        nghttp2_session_del(connection.session);
    }
    SSL_free(connection.ssl);
    (void)close(start.fd);
    return NULL;
}

static void *accept_all(void *argument)
{
    struct stub_server *server = argument;
    while (!atomic_load(&server->stopping)) {
        struct pollfd fd = {.fd = server->listener, .events = POLLIN};
        if (poll(&fd, 1, 20) <= 0) {
            continue;
        }
        int connection = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        unsigned n = atomic_load(&server->connections);
        struct start *start = malloc(sizeof(*start));
        if (connection < 0 || n == CONNECTIONS_MAX || start == NULL) {
            free(start);
            continue;
        }
        const int on = 1; /* or each answer of two writes waits for 40 ms */
        (void)setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        const struct timeval patience = {.tv_sec = 5}; /* a hung test ends all the same */
        (void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        (void)setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        *start = (struct start){server, connection};
        if (pthread_create(&server->threads[n], NULL, run_connection, start) == 0) {
            atomic_store(&server->connections, n + 1);
        }
    }
    return NULL;
}

static int choose_h2(SSL *ssl, const uint8_t **out, uint8_t *out_size, const uint8_t *in,
                     unsigned in_size, void *user)
{
    (void)ssl;
    (void)user;
    static const uint8_t wanted[] = {2, 'h', '2'};
    return SSL_select_next_proto((uint8_t **)out, out_size, wanted, sizeof(wanted), in, in_size) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Shared with a process of its own, should it get one. */
static struct stub_server *make_server(void)
{
    void *made = mmap(NULL, sizeof(struct stub_server), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(made != MAP_FAILED);
    return made;
}

static struct stub_server *listen_as(const struct pki *pki, stub_handler handler, void *context)
{
    struct stub_server *server = make_server();
    server->handler = handler;
    server->context = context;
    (void)pthread_mutex_init(&server->lock, NULL);
    server->tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(server->tls, TLS1_3_VERSION);
    SSL_CTX_set_num_tickets(server->tls, 0);
    SSL_CTX_set_alpn_select_cb(server->tls, choose_h2, NULL);
    assert_int_equal(SSL_CTX_use_certificate(server->tls, pki->server.certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->tls, pki->server.key), 1);
    assert_int_equal(SSL_CTX_load_verify_file(server->tls, in_folder(pki->folder, "ca.pem")), 1);
    SSL_CTX_set_verify(server->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 64), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(server->address, sizeof(server->address), "127.0.0.1:%u",
                   ntohs(address.sin_port));
    return server;
}

struct stub_server *stub_start(const struct pki *pki, stub_handler handler, void *context)
{
    struct stub_server *server = listen_as(pki, handler, context);
    assert_int_equal(pthread_create(&server->acceptor, NULL, accept_all, server), 0);
    return server;
}

struct stub_server *stub_start_apart(const struct pki *pki, stub_handler handler, void *context)
{
    struct stub_server *server = listen_as(pki, handler, context);
    pid_t process = fork();
    assert_true(process >= 0);
    if (process == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)accept_all(server);
        for (unsigned i = 0; i < atomic_load(&server->connections); i++) {
            (void)pthread_join(server->threads[i], NULL);
        }
        _exit(0);
    }
    server->process = process;
    return server;
}

const char *stub_address(const struct stub_server *server)
{
    return server->address;
}

unsigned stub_connections(const struct stub_server *server)
{
    return atomic_load(&server->connections);
}

void stub_sync(struct stub_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    (void)pthread_mutex_unlock(&server->lock);
}

long stub_last_serial(const struct stub_server *server)
{
    return atomic_load(&server->last_serial);
}

void stub_stall(struct stub_server *server)
{
    atomic_store(&server->stalling, true);
}

void stub_stop(struct stub_server *server)
{
    atomic_store(&server->stopping, true);
    if (server->process != 0) {
        (void)waitpid(server->process, NULL, 0);
    } else {
        (void)pthread_join(server->acceptor, NULL);
        for (unsigned i = 0; i < atomic_load(&server->connections); i++) {
            (void)pthread_join(server->threads[i], NULL);
        }
    }
    (void)close(server->listener);
    SSL_CTX_free(server->tls);
    (void)pthread_mutex_destroy(&server->lock);
    (void)munmap(server, sizeof(*server));
}
