/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration, the pool, and a blocking call with its deadline and its one retry. Each call has a
 * connection to itself while it lasts, so that threads never share one. Must not know what the
 * calls say: that is in calls_*.c. */
#include "client/client.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "client/transport.h"
#include "proto/wire_limits.h"

#define TIMEOUT_DEFAULT_MS 10000u
#define TIMEOUT_MAX_MS 3600000u
#define CONNECTIONS_DEFAULT 32u
#define CONNECTIONS_MAX 1024u
#define RETRY_PAUSE_MS 20u /* and up to five times as much more */

struct ward_config {
    char *server, *server_name, *ca_file, *certificate_file, *key_file;
    uint32_t timeout_ms, max_connections;
};

struct ward_client {
    struct ward_endpoint endpoint;
    uint32_t timeout_ms, max_connections;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    struct ward_transport **idle; /* a stack: the last one used is the warmest */
    size_t n_idle, n_busy;
};

const char *ward_version(void)
{
    return WARD_VERSION;
}

/* ---- configuration ---- */

ward_config *ward_config_new(void)
{
    ward_config *config = calloc(1, sizeof(*config));
    if (config != NULL) {
        config->timeout_ms = TIMEOUT_DEFAULT_MS;
        config->max_connections = CONNECTIONS_DEFAULT;
    }
    return config;
}

void ward_config_free(ward_config *config)
{
    if (config != NULL) {
        free(config->server);
        free(config->server_name);
        free(config->ca_file);
        free(config->certificate_file);
        free(config->key_file);
        free(config);
    }
}

static ward_rc set_text(char **to, const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);
    if (text != NULL && copy == NULL) {
        return WARD_RC_RESOURCE_EXHAUSTED;
    }
    free(*to);
    *to = copy;
    return WARD_RC_OK;
}

ward_rc ward_config_set_server(ward_config *config, const char *server)
{
    return set_text(&config->server, server);
}

ward_rc ward_config_set_server_name(ward_config *config, const char *name)
{
    return set_text(&config->server_name, name);
}

ward_rc ward_config_set_ca_file(ward_config *config, const char *path)
{
    return set_text(&config->ca_file, path);
}

ward_rc ward_config_set_certificate_file(ward_config *config, const char *path)
{
    return set_text(&config->certificate_file, path);
}

ward_rc ward_config_set_key_file(ward_config *config, const char *path)
{
    return set_text(&config->key_file, path);
}

static uint32_t clamp(uint32_t value, uint32_t max)
{
    return value == 0 ? 1 : value > max ? max : value;
}

void ward_config_set_timeout_ms(ward_config *config, uint32_t timeout_ms)
{
    config->timeout_ms = clamp(timeout_ms, TIMEOUT_MAX_MS);
}

void ward_config_set_max_connections(ward_config *config, uint32_t n)
{
    config->max_connections = clamp(n, CONNECTIONS_MAX);
}

/* ---- the client ---- */

ward_rc ward_client_new(const ward_config *config, ward_client **ret, ward_error *error)
{
    ward_client *client = calloc(1, sizeof(*client));
    if (client != NULL) {
        client->idle = calloc(config->max_connections, sizeof(*client->idle));
    }
    if (client == NULL || client->idle == NULL) {
        free(client);
        return ward_error_memory(error);
    }
    struct ward_endpoint_in in = {config->server, config->server_name, config->ca_file,
                                  config->certificate_file, config->key_file};
    ward_rc rc = ward_endpoint_init(&in, &client->endpoint, error);
    if (rc != WARD_RC_OK) {
        free(client->idle);
        free(client);
        return rc;
    }
    client->timeout_ms = config->timeout_ms;
    client->max_connections = config->max_connections;
    pthread_condattr_t monotonic;
    int failed = pthread_mutex_init(&client->lock, NULL) | pthread_condattr_init(&monotonic) |
                 pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) |
                 pthread_cond_init(&client->freed, &monotonic);
    assert(failed == 0); /* none of these can fail on Linux */
    (void)failed;
    (void)pthread_condattr_destroy(&monotonic);
    *ret = client;
    return WARD_RC_OK;
}

void ward_client_free(ward_client *client)
{
    if (client == NULL) {
        return;
    }
    assert(client->n_busy == 0);
    for (size_t i = 0; i < client->n_idle; i++) {
        ward_transport_free(client->idle[i]);
    }
    (void)pthread_cond_destroy(&client->freed);
    (void)pthread_mutex_destroy(&client->lock);
    ward_endpoint_fini(&client->endpoint);
    free(client->idle);
    free(client);
}

const struct ward_endpoint *ward_client_endpoint(const ward_client *client)
{
    return &client->endpoint;
}

/* ---- the pool ---- */

static int64_t now_us(void)
{
    return ward_monotonic_us(&ward_clock_system);
}

/* Takes the right to one connection, and an idle one when there is one. */
static bool pool_take(ward_client *client, int64_t deadline_us, struct ward_transport **ret)
{
    struct timespec until = {.tv_sec = deadline_us / 1000000,
                             .tv_nsec = deadline_us % 1000000 * 1000};
    int waited = 0;
    *ret = NULL;
    (void)pthread_mutex_lock(&client->lock);
    while (client->n_busy >= client->max_connections && waited == 0) {
        waited = pthread_cond_timedwait(&client->freed, &client->lock, &until);
    }
    bool taken = client->n_busy < client->max_connections;
    if (taken) {
        client->n_busy++;
        if (client->n_idle > 0) {
            *ret = client->idle[--client->n_idle];
        }
    }
    (void)pthread_mutex_unlock(&client->lock);
    return taken;
}

static void pool_give(ward_client *client, struct ward_transport *transport)
{
    struct ward_transport
        *stale[16]; /* a daemon that left one connection has left the idle ones too */
    size_t n_stale = 0;
    bool usable = transport != NULL && ward_transport_usable(transport);
    (void)pthread_mutex_lock(&client->lock);
    client->n_busy--;
    if (usable) { /* there is room: idle and busy ones are never more than the maximum */
        client->idle[client->n_idle++] = transport;
    }
    while (!usable && client->n_idle > 0 && n_stale < sizeof(stale) / sizeof(stale[0])) {
        stale[n_stale++] = client->idle[--client->n_idle];
    }
    (void)pthread_cond_signal(&client->freed);
    (void)pthread_mutex_unlock(&client->lock);
    if (!usable) {
        ward_transport_free(transport);
    }
    while (n_stale > 0) {
        ward_transport_free(stale[--n_stale]);
    }
}

/* A connection that is alive as far as can be seen; one that ended while it was idle is replaced.
 */
static ward_rc pool_connect(ward_client *client, struct ward_transport **transport,
                            ward_error *error)
{
    if (*transport != NULL) {
        ward_transport_wait(*transport, 0);
        if (ward_transport_usable(*transport)) {
            return WARD_RC_OK;
        }
        ward_transport_free(*transport);
        *transport = NULL;
    }
    return ward_transport_open(&client->endpoint, transport, error);
}

/* ---- one call ---- */

static void on_done(struct ward_transport_call *call)
{
    bool *done = call->context;
    *done = true;
}

static void drive(struct ward_transport *transport, struct ward_transport_call *call,
                  int64_t deadline_us)
{
    const bool *done = call->context;
    ward_transport_turn(transport, 0);
    while (!*done) {
        int64_t left_us = deadline_us - now_us();
        if (left_us <= 0) {
            ward_transport_cancel(call, WARD_RC_DEADLINE_EXCEEDED,
                                  "no answer in time; it is not known whether the daemon did it");
            ward_transport_turn(transport, 0); /* tells it that we no longer wait */
            return;
        }
        ward_transport_wait(transport, (int)(left_us / 1000 + 1));
    }
}

static ward_rc attempt(ward_client *client, struct ward_transport_call *call, int64_t deadline_us)
{
    bool done = false;
    char timeout[12];
    int64_t left_us = deadline_us - now_us();
    struct ward_transport *transport = NULL;
    if (left_us <= 0 || !pool_take(client, deadline_us, &transport)) {
        call->unprocessed = true;
        return ward_error_set(&call->error, WARD_RC_DEADLINE_EXCEEDED,
                              "no connection became free in time");
    }
    ward_grpc_timeout_print(left_us, timeout);
    call->timeout = timeout;
    call->done = on_done;
    call->context = &done;
    ward_rc rc = pool_connect(client, &transport, &call->error);
    call->unprocessed = rc != WARD_RC_OK;
    if (rc == WARD_RC_OK) {
        rc = ward_transport_submit(transport, call);
    }
    if (rc == WARD_RC_OK) {
        drive(transport, call, deadline_us);
        rc = call->error.code;
    }
    pool_give(client, transport);
    return rc;
}

/* A random pause, so that a thousand clients do not come back as one. False: no time is left. */
static bool pause_before_retry(int64_t deadline_us)
{
    uint8_t random = 128;
    (void)ward_random(&random, 1); /* the middle will do */
    int64_t pause_us = (RETRY_PAUSE_MS + RETRY_PAUSE_MS * 5 * random / 255) * INT64_C(1000);
    if (now_us() + pause_us >= deadline_us) {
        return false;
    }
    struct timespec pause = {.tv_nsec = pause_us * 1000};
    (void)nanosleep(&pause, NULL);
    return true;
}

static bool may_retry(const struct ward_method *method, const struct ward_transport_call *call)
{
    return call->error.code == WARD_RC_UNAVAILABLE && (call->unprocessed || method->safe);
}

static ward_rc transact(ward_client *client, const struct ward_method *method,
                        const ward_call *call, struct ward_bytes message,
                        struct ward_transport_call *out)
{
    uint32_t timeout_ms = call != NULL && call->timeout_ms != 0
                              ? clamp(call->timeout_ms, TIMEOUT_MAX_MS)
                              : client->timeout_ms;
    int64_t deadline_us = now_us() + timeout_ms * INT64_C(1000);
    out->path = method->path;
    out->message = message;
    ward_rc rc = attempt(client, out, deadline_us);
    if (rc != WARD_RC_OK && may_retry(method, out) && pause_before_retry(deadline_us)) {
        rc = attempt(client, out, deadline_us);
    }
    return rc;
}

static void free_call(struct ward_transport_call *call)
{
    ward_transport_call_fini(call);
}

ward_rc ward_client_call(ward_client *client, const struct ward_method *method,
                         const ward_call *call, const ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *answer_type, struct ward_arena *arena,
                         ProtobufCMessage **ret, ward_error *error)
{
    ward_auto(ward_buffer_fini) struct ward_buffer message;
    ward_buffer_init(&message, WARD_MESSAGE_RECORDS_MAX);
    ward_auto(free_call) struct ward_transport_call out;
    ward_transport_call_init(&out, WARD_ANSWER_MAX);
    WARD_CLIENT_TRY(ward_message_pack(request, &message, error));
    ward_rc rc = transact(client, method, call, ward_buffer_view(&message), &out);
    if (rc != WARD_RC_OK) {
        if (error != NULL) {
            *error = out.error;
        }
        return rc;
    }
    return ward_message_unpack(ward_buffer_view(&out.answer.message), answer_type, arena, ret,
                               error);
}
