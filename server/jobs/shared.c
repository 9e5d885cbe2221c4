/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. How it was noticed, what counts as a place, and how often it is told,
 * server/net/sharing.h knows. */
#include "server/jobs/shared.h"

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/op/system.h"

#define ALARM_ARENA (1u << 20)
#define EXCHANGE_ARENA (4u << 20)
/* A connection that lives is heard within two and a half minutes, if only by an answer to a ping.
 */
#define LIFE_US (300LL * 1000000)
/* Ages are a little too young when they come to the database, by as much as a statement may take.
 * So who has just left one place for another must not seem to be in both. */
#define APART_US (4LL * 1000000)

_Static_assert(WARD_SIGHTINGS_MAX <= WARD_STORE_SIGHTINGS_MAX, "all fit into one read");

static ward_status tell(struct ward_pipeline *pipeline, const struct ward_shared *shared)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_shared, sizeof(struct ward_shared_alarm), ALARM_ARENA,
                               &request));
    *(struct ward_shared_alarm *)request->in =
        (struct ward_shared_alarm){.sha256 = shared->certificate,
                                   .identity = shared->identity,
                                   .first = shared->first,
                                   .second = shared->second};
    ward_status status = ward_internal_run(pipeline, request);
    ward_request_free(request);
    return status;
}

bool ward_shared_tell(struct ward_pipeline *pipeline, const struct ward_shared *shared)
{
    ward_status status = tell(pipeline, shared);
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_WARN,
                        "an alarm of a shared certificate could not be written; it is tried again",
                        status);
    }
    return ward_ok(status);
}

static void describe(const struct ward_sighting *heard, int64_t now_us,
                     struct ward_store_sighting *out)
{
    memcpy(out->certificate, heard->certificate, sizeof(out->certificate));
    memcpy(out->place, heard->place.bytes, sizeof(out->place));
    int64_t heard_us = now_us - heard->heard_us;
    out->heard_us = heard_us > 0 ? heard_us : 0; /* a loop's clock may be ahead of this look */
    out->since_us = now_us - heard->since_us;
    out->since_us = out->since_us > out->heard_us ? out->since_us : out->heard_us;
}

static ward_status exchange(const struct ward_jobs_config *config, struct ward_store_reader *reader,
                            struct ward_bytes node, const struct ward_sighting *heard, size_t n)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(EXCHANGE_ARENA, &arena));
    struct ward_store_sighting *sightings = WARD_ARENA_ARRAY(arena, struct ward_store_sighting, n);
    WARD_ENSURE(sightings != NULL, WARD_E_EXHAUSTED);
    int64_t now_us = ward_monotonic_us(config->pipeline->clock);
    for (size_t i = 0; i < n; i++) {
        describe(&heard[i], now_us, &sightings[i]);
    }
    struct ward_read read = {.kind = WARD_READ_SIGHTINGS, .arena = arena}, *reads[] = {&read};
    read.sightings.node = node;
    read.sightings.sightings = sightings;
    read.sightings.n = n;
    read.sightings.life_us = LIFE_US;
    read.sightings.apart_us = APART_US;
    WARD_TRY(ward_store_read(reader, reads, 1));
    WARD_TRY(read.status);
    for (size_t i = 0; i < read.sightings.n_elsewhere; i++) {
        const struct ward_store_elsewhere *other = &read.sightings.elsewhere[i];
        struct ward_ip ip;
        memcpy(ip.bytes, other->place, sizeof(ip.bytes));
        config->elsewhere(config->context, &heard[other->sighting], &ip, other->earlier);
    }
    return WARD_OK;
}

void ward_shared_exchange(const struct ward_jobs_config *config, struct ward_store_reader *reader,
                          const struct ward_sighting *heard, size_t n)
{
    if (n == 0) {
        return;
    }
    struct ward_state *state = ward_state_slot_get(config->pipeline->states);
    ward_status status = exchange(config, reader, state->node, heard, n);
    ward_state_unref(state);
    if (!ward_ok(status) && status.code != WARD_E_UNAVAILABLE) {
        ward_log_status(WARD_LOG_WARN, "other daemons were not told where certificates are in use",
                        status);
    }
}
