/* SPDX-License-Identifier: Apache-2.0 */
/* A blocking call: its deadline, its attempts and the pauses between them. Each attempt has a
 * connection to itself, so that threads never share one. Must not know what the calls say: that is
 * in calls_*.c. */
#include "client/client.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "client/config.h"
#include "client/fork.h"
#include "client/pool.h"
#include "proto/wire_limits.h"

#define PAUSE_MS 25u
#define PAUSE_MAX_MS 1000u

struct ward_client {
    struct ward_credentials *credentials;
    struct ward_pool *pool;
    uint32_t timeout_ms, max_attempts;
};

/* ---- the client ---- */

ward_rc ward_client_new(const ward_config *config, ward_client **ret, ward_error *error)
{
    ward_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return ward_error_memory(error);
    }
    const struct ward_credentials_in in = {config->ca_file, config->certificate_file, config->key,
                                           config->pin, config->pin_context};
    client->timeout_ms = config->timeout_ms;
    client->max_attempts = config->max_attempts;
    ward_rc rc = config->n_servers == 0
                     ? ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "server: not given")
                     : ward_credentials_new(&in, &client->credentials, error);
    if (rc == WARD_RC_OK) {
        rc = ward_pool_new(config, client->credentials, &client->pool, error);
    }
    if (rc != WARD_RC_OK) {
        ward_client_free(client);
        return rc;
    }
    *ret = client;
    return WARD_RC_OK;
}

void ward_client_free(ward_client *client)
{
    if (client != NULL) {
        ward_pool_free(client->pool);
        ward_credentials_free(client->credentials);
        free(client);
    }
}

const struct ward_endpoint *ward_client_endpoint(const ward_client *client)
{
    return ward_pool_endpoint(client->pool, 0);
}

/* ---- one attempt ---- */

/* A call on its way through its attempts. */
struct journey {
    ward_client *client;
    struct ward_transport_call *call;
    int64_t deadline_us;
    uint32_t attempts,
        passed_by;   /* passed_by: of attempts, servers not reached while others were */
    uint32_t tried;  /* a bit for each server that failed */
    bool unfinished; /* the last attempt ended before a daemon could be called */
    bool handed;     /* some attempt gave it to a daemon, which may have done it */
};

static int64_t now_us(void)
{
    return ward_monotonic_us(&ward_clock_system);
}

int64_t ward_client_deadline_us(const ward_client *client, const ward_call *call)
{
    uint32_t timeout_ms = call != NULL && call->timeout_ms != 0
                              ? ward_config_clamp_timeout(call->timeout_ms)
                              : client->timeout_ms;
    return now_us() + timeout_ms * INT64_C(1000);
}

static void on_done(struct ward_transport_call *call)
{
    bool *done = call->context;
    *done = true;
}

static const char in_doubt[] = "no answer in time; it is not known whether the daemon did it";

static void drive(struct ward_transport *transport, struct ward_transport_call *call,
                  int64_t deadline_us)
{
    const bool *done = call->context;
    ward_transport_turn(transport, 0);
    while (!*done) {
        int64_t left_us = deadline_us - now_us();
        if (left_us <= 0) {
            ward_transport_cancel(call, WARD_RC_DEADLINE_EXCEEDED, in_doubt);
            ward_transport_doubt(transport);
            ward_transport_turn(transport, 0); /* tells it that we no longer wait */
            return;
        }
        ward_transport_wait(transport, (int)(left_us / 1000 + 1));
    }
}

static enum ward_pool_outcome outcome_of(const struct ward_transport_call *call)
{
    switch (call->error.code) {
    case WARD_RC_UNAVAILABLE: /* where it is answered too: its HSM or database is away */
        return WARD_POOL_FAILED;
    case WARD_RC_UNAUTHENTICATED:
        return call->error.answered ? WARD_POOL_ANSWERED : WARD_POOL_FAILED;
    default:
        return call->error.answered ? WARD_POOL_ANSWERED : WARD_POOL_UNDECIDED;
    }
}

static void call_over(struct ward_transport *transport, struct ward_transport_call *call,
                      int64_t deadline_us)
{
    bool done = false;
    char timeout[12];
    ward_grpc_timeout_print(deadline_us - now_us(), timeout);
    call->timeout = timeout;
    call->done = on_done;
    call->context = &done;
    if (ward_transport_submit(transport, call) == WARD_RC_OK) {
        drive(transport, call, deadline_us);
    }
}

static ward_rc attempt(struct journey *journey)
{
    struct ward_transport_call *call = journey->call;
    struct ward_pool *pool = journey->client->pool;
    struct ward_lease lease;
    call->error.answered = 0;
    if (now_us() >= journey->deadline_us ||
        !ward_pool_take(pool, journey->tried, journey->deadline_us, &lease)) {
        call->unprocessed = true;
        return ward_error_set(&call->error, WARD_RC_DEADLINE_EXCEEDED,
                              "no connection became free in time");
    }
    ward_rc rc = ward_pool_connect(pool, &lease, journey->deadline_us, &call->error);
    journey->unfinished = rc != WARD_RC_OK;
    call->unprocessed = rc != WARD_RC_OK;
    journey->handed |= rc == WARD_RC_OK;
    if (rc == WARD_RC_OK) {
        call_over(lease.transport, call, journey->deadline_us);
    }
    enum ward_pool_outcome outcome = outcome_of(call);
    if (outcome == WARD_POOL_FAILED) {
        journey->tried |= UINT32_C(1) << lease.server;
    }
    ward_pool_give(pool, &lease, outcome);
    return call->error.code;
}

/* ---- attempts ---- */

/* A call that changes something may have been done when the connection was lost: under the same
 * request id the daemon answers as it did then. What a server's certificate refuses, another may
 * take. */
static bool may_repeat(const struct journey *journey)
{
    const struct ward_transport_call *call = journey->call;
    switch (call->error.code) {
    case WARD_RC_UNAVAILABLE:
        return true; /* safe to repeat, or done once under its request id */
    case WARD_RC_UNAUTHENTICATED:
        return journey->unfinished && ward_pool_other(journey->client->pool, journey->tried);
    case WARD_RC_RESOURCE_EXHAUSTED: /* refused before it began, and told when to come again */
        return call->error.answered && call->error.retry_after_ms > 0;
    default:
        return false;
    }
}

/* Longer with each attempt, and by chance between nothing and all of it, so that a thousand clients
 * do not come back as one. The daemon's own hint is waited for in full. */
static int64_t pause_us(const struct journey *journey)
{
    uint8_t random[2] = {0x80, 0};
    (void)ward_fork_random(random, sizeof(random)); /* the middle will do */
    uint32_t ms = PAUSE_MS;
    for (uint32_t i = 1; i < journey->attempts && ms < PAUSE_MAX_MS; i++) {
        ms *= 2;
    }
    ms = ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
    int64_t us = (int64_t)ms * 1000 * ward_get_u16(random) / 65535;
    const ward_error *said = &journey->call->error;
    if (said->code != WARD_RC_RESOURCE_EXHAUSTED &&
        ward_pool_other(journey->client->pool, journey->tried)) {
        return 0; /* another server need not be waited for */
    }
    return (int64_t)said->retry_after_ms * 1000 + us;
}

/* False: no time is left. */
static bool pause_before_repeat(const struct journey *journey)
{
    int64_t us = pause_us(journey);
    if (now_us() + us >= journey->deadline_us) {
        return false;
    }
    struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (us > 0 && nanosleep(&pause, &pause) != 0) { /* a signal */
    }
    return true;
}

static ward_rc transact(struct journey *journey)
{
    ward_rc rc = WARD_RC_OK;
    do {
        journey->attempts++;
        rc = attempt(journey);
        if (journey->unfinished && ward_pool_other(journey->client->pool, journey->tried)) {
            journey->passed_by++; /* each server once: the next one is not tried yet */
        }
    } while (rc != WARD_RC_OK &&
             journey->attempts - journey->passed_by < journey->client->max_attempts &&
             may_repeat(journey) && pause_before_repeat(journey));
    return rc;
}

static void free_call(struct ward_transport_call *call)
{
    ward_transport_call_fini(call);
}

ward_rc ward_client_call(ward_client *client, const struct ward_method *method,
                         const ward_call *call, ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *answer_type, struct ward_arena *arena,
                         ProtobufCMessage **ret, ward_error *error)
{
    ward_auto(ward_buffer_fini) struct ward_buffer message;
    ward_buffer_init(&message, WARD_MESSAGE_RECORDS_MAX);
    ward_auto(free_call) struct ward_transport_call out;
    ward_transport_call_init(&out, WARD_ANSWER_MAX);
    if (!method->safe) {
        WARD_CLIENT_TRY(ward_message_name(arena, request, error));
    }
    WARD_CLIENT_TRY(ward_message_pack(request, &message, error));
    out.path = method->path;
    out.message = ward_buffer_view(&message);
    struct journey journey = {
        .client = client, .call = &out, .deadline_us = ward_client_deadline_us(client, call)};
    ward_rc rc = transact(&journey);
    if (rc == WARD_RC_DEADLINE_EXCEEDED && journey.unfinished && journey.handed) {
        (void)ward_error_set(&out.error, rc, in_doubt);
    }
    if (rc != WARD_RC_OK) {
        if (error != NULL) {
            *error = out.error;
            error->attempts = journey.attempts;
        }
        return rc;
    }
    return ward_message_unpack(ward_buffer_view(&out.answer.message), answer_type, arena, ret,
                               error);
}
