/* SPDX-License-Identifier: Apache-2.0 */
/* Which versions are due is read off the state; what stands against a destruction for now (a daemon
 * that has not let go, an intent, no proposal) is looked for before anything is asked, so that
 * waiting makes no entries. The destruction itself is a request, and looks at all of it again. */
#include "server/jobs/destruction.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "proto/proposal.h"
#include "proto/wrapped_key.h"
#include "server/jobs/internal.h"
#include "server/limits.h"
#include "server/op/destroying.h"
#include "server/op/record.h"
#include "server/op/system.h"

#define TICK_MS 100
#define LOOK_TICKS 10
#define SMALL_ARENA (1u << 20)
#define SNAPSHOT_ARENA (256u << 20)
#define PAGE_ARENA (64u << 20)
#define PROPOSALS_PAGE 100u
#define AGAIN_US (60LL * 1000000)

struct ward_destroyer {
    struct ward_jobs_config config;
    pthread_t thread;
    struct ward_store_reader *reader;
    struct ward_destruction_memory memory;
    atomic_bool stopping;
};

/* ---- what was tried lately ---- */

static int compare(const struct ward_kek_ref *a, const struct ward_kek_ref *b)
{
    int order = memcmp(a->id.bytes, b->id.bytes, sizeof(a->id.bytes));
    return order != 0 ? order : (a->version > b->version) - (a->version < b->version);
}

/* Where it is, or would be. */
static size_t place_of(const struct ward_destruction_memory *memory, const struct ward_kek_ref *ref)
{
    size_t from = 0, to = memory->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (compare(&memory->tried[middle].ref, ref) < 0) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static bool room(struct ward_destruction_memory *memory)
{
    if (memory->n < memory->max) {
        return true;
    }
    size_t max = memory->max == 0 ? 16 : memory->max * 2;
    struct ward_destruction_tried *more = reallocarray(memory->tried, max, sizeof(*more));
    if (more == NULL) {
        return false;
    }
    memory->tried = more;
    memory->max = max;
    return true;
}

bool ward_destruction_may_try(struct ward_destruction_memory *memory,
                              const struct ward_kek_ref *ref, int64_t now_us)
{
    size_t at = place_of(memory, ref);
    bool known = at < memory->n && compare(&memory->tried[at].ref, ref) == 0;
    if (known ? now_us < memory->tried[at].again_us : !room(memory)) {
        return false; /* without memory it waits for the next look */
    }
    struct ward_destruction_tried *tried = &memory->tried[at];
    if (!known) {
        memmove(tried + 1, tried, (memory->n++ - at) * sizeof(*tried));
    }
    *tried = (struct ward_destruction_tried){*ref, now_us + AGAIN_US};
    return true;
}

/* Those that may be tried again need not be remembered, and some of them are no more. */
static void trim(struct ward_destruction_memory *memory, int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < memory->n; i++) {
        if (now_us < memory->tried[i].again_us) {
            memory->tried[kept++] = memory->tried[i];
        }
    }
    memory->n = kept;
}

void ward_destruction_forget(struct ward_destruction_memory *memory)
{
    free(memory->tried);
    *memory = (struct ward_destruction_memory){0};
}

/* ---- what stands against it for now ---- */

/* A destruction or a making that is under way, or that a crash left. */
static ward_status no_intent(struct ward_store_reader *reader, const struct ward_id *key)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    WARD_TRY(ward_arena_new(SNAPSHOT_ARENA, &arena));
    WARD_TRY(ward_store_snapshot(reader, arena, &snapshot));
    for (size_t i = 0; i < snapshot.n_intents; i++) {
        if (ward_id_eq(&snapshot.intents[i].kek, key)) {
            return WARD_REFUSAL(WARD_E_STATE, "key: another change of it is under way");
        }
    }
    return WARD_OK;
}

static bool is_of(const struct ward_store_proposal *row, struct ward_arena *arena,
                  const struct ward_key *key, const struct ward_kek_ref *ref)
{
    struct ward_proposal proposal;
    enum ward_action action;
    int64_t version = 0;
    if (row->state != WARD_PROPOSAL_EXECUTED ||
        !ward_ok(ward_proposal_parse(row->payload, arena, &proposal))) {
        return false;
    }
    return ward_action_find(proposal.action, &action) && action == WARD_ACTION_KEY_DESTROY &&
           ward_bytes_eq(proposal.object, key->name) &&
           ward_proposal_number(proposal.parameters, proposal.n_parameters, "version", &version) &&
           version == ref->version;
}

/* The newest that was executed: one that was cancelled and agreed to again has two. */
static ward_status find_proposal(struct ward_store_reader *reader, const struct ward_key *key,
                                 const struct ward_kek_ref *ref, struct ward_id *ret)
{
    int64_t before_us = 0;
    struct ward_id before_id = {0};
    for (;;) {
        ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
        WARD_TRY(ward_arena_new(PAGE_ARENA, &arena));
        struct ward_read page = {.kind = WARD_READ_PROPOSALS, .arena = arena}, *reads[] = {&page};
        page.proposals.all = true;
        page.proposals.before_us = before_us;
        page.proposals.before_id = before_id;
        page.proposals.limit = PROPOSALS_PAGE;
        WARD_TRY(ward_store_read(reader, reads, 1));
        WARD_TRY(page.status);
        for (size_t i = 0; i < page.proposals.n; i++) {
            const struct ward_store_proposal *row = &page.proposals.proposals[i];
            if (is_of(row, arena, key, ref)) {
                *ret = row->id;
                return WARD_OK;
            }
            before_us = row->created_us;
            before_id = row->id;
        }
        if (page.proposals.n < PROPOSALS_PAGE) {
            return WARD_REFUSAL(WARD_E_STATE, "proposal: no officer agreed to it");
        }
    }
}

/* ---- the proof that nothing is lost ---- */

static ward_status plan_row(const struct ward_read *page, size_t i, const struct ward_kek_ref *ref,
                            struct ward_arena *arena, struct ward_kek_item *ret)
{
    const struct ward_store_subject_key *row = &page->rewrap.keys[i];
    struct ward_wrapped_key wrapped;
    WARD_TRY(ward_wrapped_key_parse(row->wrapped, &wrapped));
    WARD_ENSURE(ward_id_eq(&wrapped.key_id, &ref->id) && wrapped.version != ref->version,
                WARD_E_STATE);
    struct ward_bytes aad;
    WARD_TRY(ward_subject_key_aad(&wrapped, page->rewrap.subject_hashes[i], &row->id, arena, &aad));
    *ret = (struct ward_kek_item){.verb = WARD_KEK_UNWRAP,
                                  .key = {wrapped.key_id, wrapped.version},
                                  .aad = aad,
                                  .in = wrapped.blob,
                                  .out = ward_arena_alloc(arena, WARD_KEK_PLAIN_MAX)};
    WARD_ENSURE(ret->out != NULL, WARD_E_EXHAUSTED);
    return WARD_OK;
}

/* The arena, which is wiped, holds what was opened. */
static ward_status open_page(struct ward_kek_session *session, const struct ward_read *page,
                             const struct ward_kek_ref *ref, struct ward_arena *arena)
{
    struct ward_kek_item *items = WARD_ARENA_ARRAY(arena, struct ward_kek_item, page->rewrap.n);
    WARD_ENSURE(items != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < page->rewrap.n; i++) {
        WARD_TRY(plan_row(page, i, ref, arena, &items[i]));
    }
    WARD_TRY(ward_kek_run(session, items, page->rewrap.n));
    for (size_t i = 0; i < page->rewrap.n; i++) {
        WARD_TRY(items[i].status);
    }
    return WARD_OK;
}

static ward_status open_rows(struct ward_kek_session *session, struct ward_store_reader *reader,
                             const struct ward_kek_ref *ref, const atomic_bool *stopping,
                             uint64_t *ret_opened)
{
    struct ward_id after = {0};
    *ret_opened = 0;
    while (!*stopping) {
        ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
        WARD_TRY(ward_arena_new(PAGE_ARENA, &arena));
        struct ward_read page = {.kind = WARD_READ_REWRAP_PAGE, .arena = arena}, *reads[] = {&page};
        page.rewrap.kek = ref->id;
        page.rewrap.after = after;
        page.rewrap.below = INT32_MAX;
        page.rewrap.limit = WARD_REWRAP_PAGE;
        WARD_TRY(ward_store_read(reader, reads, 1));
        WARD_TRY(page.status);
        if (page.rewrap.n == 0) {
            return WARD_OK;
        }
        WARD_TRY(open_page(session, &page, ref, arena));
        *ret_opened += page.rewrap.n;
        after = page.rewrap.keys[page.rewrap.n - 1].id;
    }
    WARD_FAIL(WARD_E_CANCELLED);
}

/* A process of its own knows nothing that another one might still hold. */
static ward_status every_row_opens(struct ward_kek *kek, struct ward_store_reader *reader,
                                   const struct ward_kek_ref *ref, const atomic_bool *stopping,
                                   uint64_t *ret_opened)
{
    struct ward_kek_session *session = NULL;
    WARD_TRY(ward_kek_session_open(kek, &session));
    ward_status status = open_rows(session, reader, ref, stopping, ret_opened);
    ward_kek_session_close(session);
    return status;
}

/* ---- one version ---- */

static ward_status destroy(struct ward_pipeline *pipeline, const struct ward_destroy_due *due)
{
    struct ward_request *request;
    WARD_TRY(ward_internal_new(&ward_op_destroy_due, sizeof(*due), SMALL_ARENA, &request));
    *(struct ward_destroy_due *)request->in = *due;
    ward_status status = ward_internal_run(pipeline, request);
    ward_request_free(request);
    return status;
}

static ward_status try_version(struct ward_pipeline *pipeline, struct ward_kek *kek,
                               struct ward_store_reader *reader, const atomic_bool *stopping,
                               const struct ward_state *state, const struct ward_key *key,
                               uint32_t version)
{
    struct ward_destroy_due due = {.ref = {key->id, version}, .epoch = state->epoch};
    WARD_TRY(no_intent(reader, &key->id));
    WARD_TRY(find_proposal(reader, key, &due.ref, &due.proposal));
    WARD_TRY(every_row_opens(kek, reader, &due.ref, stopping, &due.rows_opened));
    return destroy(pipeline, &due);
}

static bool one_is_pending(const struct ward_state *state)
{
    for (size_t k = 0; k < state->n_keys; k++) {
        for (size_t v = 0; v < state->keys[k].n_versions; v++) {
            if (state->keys[k].versions[v].state == WARD_KEY_PENDING_DESTRUCTION) {
                return true;
            }
        }
    }
    return false;
}

/* Tells of a clock that is wrong while officers still wait, and once. */
static bool clocks_agree(struct ward_pipeline *pipeline, const struct ward_read *nodes,
                         int64_t now_us, struct ward_destruction_memory *memory)
{
    bool agree = ward_destroying_clocks_agree(now_us, nodes->nodes.now_us);
    if (!agree && !memory->told_of_clock) {
        ward_alarm_raise(&pipeline->alarms, WARD_ALARM_CLOCK, NULL, NULL);
    }
    memory->told_of_clock = !agree;
    return agree;
}

/* What one look goes by: the state, which daemons live, and the earlier of the two clocks. */
struct look {
    const struct ward_state *state;
    const struct ward_read *nodes;
    int64_t now_us;
};

static void look_at(struct ward_pipeline *pipeline, struct ward_kek *kek,
                    struct ward_store_reader *reader, const atomic_bool *stopping,
                    const struct look *look, const struct ward_key *key,
                    struct ward_destruction_memory *memory)
{
    for (size_t v = 0; v < key->n_versions && !*stopping; v++) {
        const struct ward_key_version *version = &key->versions[v];
        const struct ward_kek_ref ref = {key->id, version->version};
        bool due = version->state == WARD_KEY_PENDING_DESTRUCTION && version->due_us != 0 &&
                   version->due_us <= look->now_us;
        /* Daemons let go within a second or two, this one among them. */
        if (!due || !ward_destroying_all_let_go(look->nodes, look->state->epoch) ||
            !ward_destruction_may_try(memory, &ref, ward_monotonic_us(pipeline->clock))) {
            continue;
        }
        ward_status status =
            try_version(pipeline, kek, reader, stopping, look->state, key, version->version);
        ward_log_status(ward_ok(status) ? WARD_LOG_INFO : WARD_LOG_WARN,
                        "a key version whose waiting is over is destroyed", status);
    }
}

static ward_status look_at_all(struct ward_pipeline *pipeline, struct ward_kek *kek,
                               struct ward_store_reader *reader, const atomic_bool *stopping,
                               const struct ward_state *state,
                               struct ward_destruction_memory *memory)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(SMALL_ARENA, &arena));
    struct ward_read nodes = {.kind = WARD_READ_NODES, .arena = arena}, *reads[] = {&nodes};
    WARD_TRY(ward_store_read(reader, reads, 1));
    WARD_TRY(nodes.status);
    int64_t now_us = ward_wall_us(pipeline->clock), database_us = nodes.nodes.now_us;
    if (!clocks_agree(pipeline, &nodes, now_us, memory)) {
        return WARD_OK;
    }
    const struct look look = {state, &nodes, now_us < database_us ? now_us : database_us};
    for (size_t k = 0; k < state->n_keys && !*stopping; k++) {
        look_at(pipeline, kek, reader, stopping, &look, &state->keys[k], memory);
    }
    return WARD_OK;
}

void ward_destruction_tick(struct ward_pipeline *pipeline, struct ward_kek *kek,
                           struct ward_store_reader *reader, const atomic_bool *stopping,
                           struct ward_destruction_memory *memory)
{
    struct ward_state *state = ward_state_slot_get(pipeline->states);
    trim(memory, ward_monotonic_us(pipeline->clock));
    if (one_is_pending(state)) {
        /* A database that is away is looked at again in a second. */
        (void)look_at_all(pipeline, kek, reader, stopping, state, memory);
    }
    ward_state_unref(state);
}

/* ---- the thread ---- */

static void *run(void *argument)
{
    struct ward_destroyer *destroyer = argument;
    for (unsigned n = 1; !destroyer->stopping; n++) {
        const struct timespec pause = {.tv_nsec = TICK_MS * 1000000L};
        (void)nanosleep(&pause, NULL); /* an early end only makes a tick shorter */
        if (n % LOOK_TICKS == 0) {
            ward_destruction_tick(destroyer->config.pipeline, destroyer->config.kek,
                                  destroyer->reader, &destroyer->stopping, &destroyer->memory);
        }
    }
    return NULL;
}

ward_status ward_destroyer_start(const struct ward_jobs_config *config, struct ward_destroyer **ret)
{
    struct ward_destroyer *destroyer = calloc(1, sizeof(*destroyer));
    WARD_ENSURE(destroyer != NULL, WARD_E_EXHAUSTED);
    destroyer->config = *config;
    ward_status status = ward_store_reader_open(config->store, &destroyer->reader);
    if (ward_ok(status) && pthread_create(&destroyer->thread, NULL, run, destroyer) != 0) {
        ward_store_reader_close(destroyer->reader);
        status = WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    if (!ward_ok(status)) {
        free(destroyer);
        return status;
    }
    *ret = destroyer;
    return WARD_OK;
}

void ward_destroyer_stop(struct ward_destroyer *destroyer)
{
    if (destroyer == NULL) {
        return;
    }
    destroyer->stopping = true;
    (void)pthread_join(destroyer->thread, NULL);
    ward_store_reader_close(destroyer->reader);
    ward_destruction_forget(&destroyer->memory);
    free(destroyer);
}
