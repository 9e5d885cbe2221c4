/* SPDX-License-Identifier: Apache-2.0 */
/* A gRPC server on loopback that answers as a test tells it, and misbehaves as a test tells it. One
 * thread, one connection at a time is enough for most; several are served in turn. */
#ifndef WARD_TESTS_UNIT_CLIENT_STUB_SERVER_H
#define WARD_TESTS_UNIT_CLIENT_STUB_SERVER_H

#include "base/buffer.h"
#include "tests/unit/client/pki.h"

enum stub_behaviour {
    STUB_ANSWER,     /* with grpc_status, grpc_message and answer */
    STUB_NO_MESSAGE, /* grpc-status 0 and nothing else */
    STUB_TWO_MESSAGES,
    STUB_BYTE_BY_BYTE, /* the answer in DATA frames of one byte */
    STUB_CUT,          /* half of the answer, then OK */
    STUB_RESET,        /* RST_STREAM with http2_error */
    STUB_HTTP_STATUS,  /* no gRPC answer but this HTTP status */
    STUB_GOAWAY_BELOW, /* GOAWAY that says the call was never looked at, then the connection ends */
    STUB_GOAWAY,       /* GOAWAY that lets the call finish, and its answer */
    STUB_CLOSE,        /* the connection ends in the middle of the call */
    STUB_SILENT,       /* never answers */
    STUB_GARBAGE,      /* bytes that are not HTTP/2 */
    STUB_HUGE,         /* a message prefix that promises 64 MiB */
};

struct stub_reply {
    enum stub_behaviour behaviour;
    int grpc_status;
    const char *grpc_message;  /* NULL: none; as it goes over the wire */
    const char *grpc_details;  /* NULL: none; grpc-status-details-bin */
    struct ward_buffer answer; /* initialised; wiped by the server */
    uint32_t http2_error;
    const char *http_status;
};

struct stub_call {
    const char *path;
    struct ward_bytes message; /* without the prefix */
    const char *timeout;       /* grpc-timeout, "" when there was none */
    unsigned number;           /* calls before this one */
};

typedef void (*stub_handler)(void *context, const struct stub_call *call, struct stub_reply *reply);

/* Handlers of one server run one at a time, on its connections' threads. */
struct stub_server;
struct stub_server *stub_start(const struct pki *pki, stub_handler handler, void *context);
/* In a process of its own, for tests that fork: a child would find OpenSSL's locks as the server's
 * threads left them. Counts come back, what the handler changes does not. */
struct stub_server *stub_start_apart(const struct pki *pki, stub_handler handler, void *context);
/* "127.0.0.1:PORT". */
const char *stub_address(const struct stub_server *server);
unsigned stub_connections(const struct stub_server *server); /* accepted so far */
/* What the handler wrote until now may be read after this, though no answer came. */
void stub_sync(struct stub_server *server);
/* Of the client's certificate on the newest of them. */
long stub_last_serial(const struct stub_server *server);
/* From now on its connections give no window back: larger requests never end. */
void stub_stall(struct stub_server *server);
void stub_stop(struct stub_server *server);

#endif
