/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It walks keys and pages; what a page does is an operation, decided and audited
 * like any request. */
#include "server/jobs/rewrap.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "server/jobs/internal.h"
#include "server/op/system.h"

#define TICK_MS 100
#define REWRAP_ARENA (64u << 20)

struct ward_rewrapper {
    struct ward_jobs_config config;
    pthread_t thread;
    atomic_bool stopping;
    atomic_ullong rewrapped;
};

/* One page; ret_in holds what it found. */
static ward_status rewrap_page(struct ward_rewrapper *rewrapper, struct ward_bytes key,
                               const struct ward_id *after, bool from_start,
                               struct ward_rewrap *ret_in)
{
    struct ward_request *request;
    WARD_TRY(
        ward_internal_new(&ward_op_rewrap, sizeof(struct ward_rewrap), REWRAP_ARENA, &request));
    struct ward_rewrap *in = request->in;
    in->key = key;
    in->after = *after;
    in->from_start = from_start;
    ward_status status = ward_internal_run(rewrapper->config.pipeline, request);
    *ret_in = *in;
    ward_request_free(request);
    return status;
}

/* From the first row to the last, then once more from the start: rows that were written under the
 * old version while we walked cannot exist (the epoch forbids it), but the statement is proven, not
 * inferred. */
static bool rewrap_key(struct ward_rewrapper *rewrapper, const struct ward_key *key)
{
    struct ward_id after = {0};
    bool from_start = true;
    unsigned rounds = 0;
    while (!rewrapper->stopping) {
        struct ward_rewrap page;
        ward_status status = rewrap_page(rewrapper, key->name, &after, from_start, &page);
        if (!ward_ok(status)) {
            ward_log_status(WARD_LOG_WARN, "a page of the rewrap failed; it is tried again",
                            status);
            return false;
        }
        rewrapper->rewrapped += page.rows;
        if (page.rows == 0 && from_start) {
            return true;
        }
        from_start = page.rows == 0;
        after = page.rows == 0 ? (struct ward_id){0} : page.after;
        if (from_start && ++rounds > 3) {
            ward_log(WARD_LOG_ERROR,
                     "some subject keys cannot be rewrapped; their old key version stays needed");
            return true;
        }
    }
    return false;
}

/* The versions that each key was last brought up to, by its place in the keyring. */
struct rewrap_memory {
    struct ward_id *ids;
    uint32_t *versions;
    size_t n, max;
};

static bool up_to_date(const struct rewrap_memory *memory, const struct ward_key *key)
{
    for (size_t i = 0; i < memory->n; i++) {
        if (ward_id_eq(&memory->ids[i], &key->id)) {
            return memory->versions[i] == key->active->version;
        }
    }
    return false;
}

static void remember(struct rewrap_memory *memory, const struct ward_key *key)
{
    for (size_t i = 0; i < memory->n; i++) {
        if (ward_id_eq(&memory->ids[i], &key->id)) {
            memory->versions[i] = key->active->version;
            return;
        }
    }
    if (memory->n == memory->max) {
        size_t more = memory->max == 0 ? 16 : memory->max * 2;
        struct ward_id *ids = reallocarray(memory->ids, more, sizeof(*ids));
        if (ids != NULL) {
            memory->ids = ids;
        }
        uint32_t *versions = reallocarray(memory->versions, more, sizeof(*versions));
        if (versions != NULL) {
            memory->versions = versions;
        }
        if (ids == NULL || versions == NULL) {
            return; /* only means that the key is looked at again */
        }
        memory->max = more;
    }
    memory->ids[memory->n] = key->id;
    memory->versions[memory->n++] = key->active->version;
}

static void *run(void *argument)
{
    struct ward_rewrapper *rewrapper = argument;
    struct rewrap_memory memory = {0};
    while (!rewrapper->stopping) {
        struct ward_state *state = ward_state_slot_get(rewrapper->config.pipeline->states);
        for (size_t i = 0; i < state->n_keys && !rewrapper->stopping; i++) {
            const struct ward_key *key = &state->keys[i];
            bool candidate = key->purpose == WARD_PURPOSE_RECORDS && key->n_versions > 1 &&
                             key->enabled && key->active != NULL && !up_to_date(&memory, key);
            if (candidate && rewrap_key(rewrapper, key)) {
                remember(&memory, key);
            }
        }
        ward_state_unref(state);
        const struct timespec pause = {.tv_nsec = TICK_MS * 1000000L};
        (void)nanosleep(&pause, NULL); /* an early end only looks again sooner */
    }
    free(memory.ids);
    free(memory.versions);
    return NULL;
}

ward_status ward_rewrapper_start(const struct ward_jobs_config *config, struct ward_rewrapper **ret)
{
    struct ward_rewrapper *rewrapper = calloc(1, sizeof(*rewrapper));
    WARD_ENSURE(rewrapper != NULL, WARD_E_EXHAUSTED);
    rewrapper->config = *config;
    if (pthread_create(&rewrapper->thread, NULL, run, rewrapper) != 0) {
        free(rewrapper);
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    *ret = rewrapper;
    return WARD_OK;
}

void ward_rewrapper_stop(struct ward_rewrapper *rewrapper)
{
    if (rewrapper == NULL) {
        return;
    }
    rewrapper->stopping = true;
    (void)pthread_join(rewrapper->thread, NULL);
    free(rewrapper);
}

uint64_t ward_rewrapper_rows(const struct ward_rewrapper *rewrapper)
{
    return rewrapper->rewrapped;
}
