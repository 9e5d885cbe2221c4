/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests leave a loop and answers come back to it. Answers find their streams by number; a
 * stream or connection that is gone takes its answer with it. */
#include "server/rpc/shard.h"

#include <assert.h>
#include <stdlib.h>

#include "server/rpc/stream.h"

void ward_shard_init(struct ward_shard *shard, struct ward_rpc_shared *shared,
                     const struct ward_shard_net *net, uint32_t index)
{
    *shard = (struct ward_shard){.shared = shared, .net = *net, .index = index};
    (void)pthread_mutex_init(&shard->lock, NULL); /* cannot fail without attributes on Linux */
    const struct ward_method *methods;
    size_t n = ward_methods(&methods);
    assert(n <= WARD_METHODS_MAX);
    for (size_t i = 0; i < n; i++) {
        shard->expected[i] = methods[i].work_max / 256; /* until one was seen */
    }
}

size_t ward_shard_expect(const struct ward_shard *shard, const struct ward_method *method)
{
    const struct ward_method *methods;
    (void)ward_methods(&methods);
    return method == NULL ? 0 : shard->expected[method - methods];
}

void ward_shard_learn(struct ward_shard *shard, const struct ward_method *method, size_t held)
{
    const struct ward_method *methods;
    (void)ward_methods(&methods);
    size_t *expected = &shard->expected[method - methods];
    *expected -= *expected / 64;
    *expected = held > *expected ? held : *expected;
}

static void free_all(struct ward_list *requests)
{
    for (struct ward_link *link = ward_list_pop(requests); link != NULL;
         link = ward_list_pop(requests)) {
        ward_request_free(WARD_CONTAINER(link, struct ward_request, link));
    }
}

void ward_shard_fini(struct ward_shard *shard)
{
    free_all(&shard->ready);
    free_all(&shard->posted);
    while (shard->spare != NULL) {
        struct ward_stream *stream = shard->spare;
        shard->spare = stream->next_spare;
        ward_grpc_reader_fini(&stream->reader);
        free(stream);
    }
    (void)pthread_mutex_destroy(&shard->lock);
}

ward_status ward_session_new(struct ward_shard *shard, uint64_t connection,
                             struct ward_peer *take_peer, struct ward_session **ret)
{
    struct ward_session *session = calloc(1, sizeof(*session));
    if (session == NULL) {
        ward_peer_unref(take_peer);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    session->shard = shard;
    session->connection = connection;
    session->peer = take_peer;
    *ret = session;
    return WARD_OK;
}

void ward_session_free(struct ward_session *session)
{
    if (session != NULL) {
        ward_peer_unref(session->peer);
        free(session);
    }
}

bool ward_session_room(const struct ward_session *session, size_t more)
{
    return ward_held_room(&session->shard->shared->held, session->held, more);
}

void ward_session_hold(struct ward_session *session, size_t size)
{
    if (size > 0) { /* all loops meet at the sum */
        session->held += size;
        ward_held_add(&session->shard->shared->held, size);
    }
}

void ward_session_release(struct ward_session *session, size_t size)
{
    if (size > 0) {
        session->held -= size;
        ward_held_sub(&session->shard->shared->held, size);
    }
}

void ward_shard_post(struct ward_shard *shard, struct ward_list *requests)
{
    (void)pthread_mutex_lock(&shard->lock);
    ward_list_splice(&shard->posted, requests);
    (void)pthread_mutex_unlock(&shard->lock);
    atomic_store(&shard->has_posted, true);
}

bool ward_shard_pending(const struct ward_shard *shard)
{
    return atomic_load(&shard->has_posted) || shard->ready.head != NULL;
}

/* Work was done, or was not begun, for somebody who has gone. */
static void drop(struct ward_shard *shard, struct ward_request *take_request)
{
    if (take_request->status.code != WARD_E_CANCELLED &&
        take_request->status.code != WARD_E_DEADLINE) {
        ward_shard_count(&shard->vanished, 1);
    }
    ward_request_free(take_request);
}

static void answer(struct ward_shard *shard, struct ward_request *take_request)
{
    struct ward_session *session = NULL;
    struct ward_h2 *h2 = NULL;
    ward_shard_count(&shard->in_flight, (size_t)-1);
    ward_held_sub(&shard->shared->held, take_request->origin.held);
    if (!shard->net.find(shard->net.context, take_request->origin.connection, &session, &h2)) {
        drop(shard, take_request);
        return;
    }
    session->in_flight--;
    session->held -= take_request->origin.held;
    struct ward_stream *stream =
        (struct ward_stream *)(void *)ward_h2_find(h2, take_request->origin.stream);
    if (stream == NULL) {
        drop(shard, take_request);
        return;
    }
    stream->cancelled = NULL;
    ward_reply_request(stream, take_request);
}

void ward_shard_later(struct ward_stream *stream)
{
    struct ward_shard *shard = stream->session->shard;
    if (!stream->is_later) {
        stream->is_later = true;
        stream->next_later = shard->later;
        shard->later = stream;
    }
}

void ward_shard_forget(struct ward_stream *stream)
{
    struct ward_stream **at = &stream->session->shard->later;
    while (stream->is_later && *at != NULL) {
        if (*at == stream) {
            *at = stream->next_later;
            stream->is_later = false;
        } else {
            at = &(*at)->next_later;
        }
    }
}

/* Those that cannot go on yet wait for another turn; they do not keep the loop awake. */
static void turn_later(struct ward_shard *shard)
{
    struct ward_stream *stream = shard->later;
    shard->later = NULL;
    for (struct ward_stream *next; stream != NULL; stream = next) {
        struct ward_session *session;
        struct ward_h2 *h2;
        next = stream->next_later;
        stream->is_later = false;
        if (shard->net.find(shard->net.context, stream->session->connection, &session, &h2) &&
            ward_reflection_turn(stream)) {
            ward_shard_later(stream);
        }
    }
}

void ward_shard_turn(struct ward_shard *shard)
{
    const struct ward_rpc_handler *handler = &shard->shared->handler;
    if (atomic_exchange(&shard->has_posted, false)) {
        (void)pthread_mutex_lock(&shard->lock);
        struct ward_list posted = shard->posted;
        shard->posted = (struct ward_list){0};
        (void)pthread_mutex_unlock(&shard->lock);
        for (struct ward_link *link = ward_list_pop(&posted); link != NULL;
             link = ward_list_pop(&posted)) {
            answer(shard, WARD_CONTAINER(link, struct ward_request, link));
        }
    }
    turn_later(shard);
    if (shard->ready.head != NULL) {
        struct ward_list ready = shard->ready;
        shard->ready = (struct ward_list){0};
        handler->submit(handler->context, &ready);
    }
    if (shard->handshakes_failed > 0 || shard->requests_refused > 0) {
        (void)atomic_fetch_add_explicit(&shard->handshakes_failed_total, shard->handshakes_failed,
                                        memory_order_relaxed);
        handler->unidentified(handler->context, shard->handshakes_failed, shard->requests_refused);
        shard->handshakes_failed = 0;
        shard->requests_refused = 0;
    }
}

void ward_session_tick(struct ward_session *session, struct ward_h2 *h2, int64_t now_us)
{
    (void)session;
    for (struct ward_h2_stream *at = ward_h2_first(h2), *next; at != NULL; at = next) {
        next = at->next;
        ward_stream_tick((struct ward_stream *)(void *)at, now_us);
    }
}
