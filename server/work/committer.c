/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: numbers the leaves, grows the tree, writes everything in one transaction, and deals
 * with every way in which that can end. It decides nothing about keys, policy or content.
 *
 *   committed -> answers go out            epoch moved  -> decide again
 *   head moved -> number again             conflict, failed -> halve; alone: prepare again, or fail
 *   unknown -> read back under the head's lock; no word within a second -> UNAVAILABLE
 *
 * Over 500 lines, since building a transaction and the ways in which it ends are one idea. */
#include "server/work/committer.h"

#include <stdlib.h>
#include <time.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "server/audit/entry.h"
#include "server/integrity.h"
#include "server/limits.h"
#include "server/work/batch.h"

#define LEAVES_MAX (64u << 20)
#define TRIES_MAX 100u

struct ward_committer {
    struct ward_committer_config config;
    pthread_t thread;
    struct ward_store_writer *writer;
    struct ward_store_reader *reader;
    struct ward_digest *digest;
    struct ward_index *index; /* a reference, for the head's seal */
    struct ward_integrity integrity;
    struct ward_batch batch;
    struct ward_buffer leaves;
    struct ward_head head, next; /* as stored; as it will be after this commit */
    struct ward_commit commit;
    bool head_known;
    int64_t contended_until_us, last_wall_us;
    uint64_t acknowledged; /* the largest size that any answer relied on */
    struct ward_list deferred;
    struct ward_routes routes;
    pthread_mutex_t lock; /* guards published */
    struct ward_merkle published;
    atomic_bool healthy;
    atomic_ullong commits;
};

struct group {
    struct ward_request **requests;
    size_t n;
};

static int64_t now_us(const struct ward_committer *c)
{
    return ward_monotonic_us(c->config.pipeline->clock);
}

static bool halted(const struct ward_committer *c)
{
    return c->config.halted != NULL && *c->config.halted;
}

static bool contended(const struct ward_committer *c)
{
    return now_us(c) < c->contended_until_us;
}

static bool needs_entry(const struct ward_request *request)
{
    return ward_pipeline_is_final(request) && (request->op == NULL || !request->op->silent);
}

/* ---- what a transaction is made of ---- */

/* Decided under a later epoch than that of the head that we know: another daemon moved it, and the
 * jobs heard of it before we did. */
static bool outrun(const struct ward_committer *c, const struct group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        if (group->requests[i]->state->epoch > c->head.epoch) {
            return true;
        }
    }
    return false;
}

/* Behind what was acknowledged, or as long and another log: a copy that lagged was written on. Of
 * one that is longer the auditor's older checkpoints tell. */
static bool rolled_back(const struct ward_committer *c)
{
    const struct ward_merkle *head = &c->head.tree;
    return head->size < c->acknowledged ||
           (head->size == c->published.size && memcmp(head->frontier, c->published.frontier,
                                                      ward_merkle_frontier_size(head->size)) != 0);
}

static ward_status know_head(struct ward_committer *c, const struct group *group)
{
    bool lock = contended(c);
    if (c->head_known && !lock && !outrun(c, group)) {
        return WARD_OK;
    }
    WARD_TRY(ward_store_head(c->writer, lock, &c->head));
    ward_status altered = ward_integrity_check_head(&c->integrity, &c->head);
    if (!ward_ok(altered)) {
        c->config.altered(c->config.refresh_context, altered);
        ward_store_unlock(c->writer);
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    c->head_known = true;
    if (rolled_back(c)) {
        c->config.rolled_back(c->config.refresh_context, c->head.tree.size, c->acknowledged);
        c->head_known = false;
        ward_store_unlock(c->writer);
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    return WARD_OK;
}

static void fail_request(struct ward_committer *c, struct ward_request *request, ward_status status)
{
    request->status = status;
    request->refused = false;
    ward_entry_describe(request, c->digest);
}

/* What a proposal or a name was found to be under a state that is over may be otherwise now: a key
 * that another daemon made a moment ago, a revocation that was just undone. */
static bool judged(const struct ward_request *request)
{
    bool administrative = request->op != NULL && request->op->alone && request->step == 0;
    enum ward_code code = (enum ward_code)request->status.code;
    return ward_ok(request->status) || request->refused ||
           (administrative && (code == WARD_E_NOT_FOUND || code == WARD_E_EXISTS ||
                               code == WARD_E_STATE || code == WARD_E_DENIED));
}

/* Whatever was judged under another epoch than the head's is decided again. What has failed stays
 * failed; and while nobody can read what is in force now, nobody is answered under what was. */
static void prune_stale(struct ward_committer *c, struct group *group)
{
    size_t kept = 0;
    bool refreshed = false;
    ward_status status = WARD_OK;
    for (size_t i = 0; i < group->n; i++) {
        struct ward_request *request = group->requests[i];
        if (request->state->epoch == c->head.epoch || !judged(request)) {
            group->requests[kept++] = request;
            continue;
        }
        if (!refreshed) {
            refreshed = true;
            status = c->config.refresh(c->config.refresh_context, c->reader);
            if (!ward_ok(status)) {
                ward_log_status(WARD_LOG_WARN, "reading the new policy and keys failed", status);
            }
        }
        if (!ward_ok(status)) {
            fail_request(c, request, WARD_STATUS(WARD_E_UNAVAILABLE));
            group->requests[kept++] = request;
            continue;
        }
        bool from_step0 = request->op == NULL || !request->op->alone || request->step == 0;
        ward_pipeline_again(c->config.pipeline, request, from_step0, &c->routes);
    }
    group->n = kept;
}

/* False: an object of the request is in the batch already, so it is prepared again after this
 * commit. */
static bool add_rows(struct ward_committer *c, struct ward_request *request,
                     const struct ward_batch_mark *mark)
{
    const struct ward_step *step = ward_pipeline_step(request);
    if (step == NULL) {
        return true;
    }
    ward_status status = step->commit == NULL ? WARD_OK : step->commit(request, &c->batch);
    if (ward_ok(status) && request->replay != NULL && ward_pipeline_is_final(request)) {
        status = ward_batch_replay(&c->batch, c->digest, request->replay);
    }
    if (ward_ok(status)) {
        return true;
    }
    ward_batch_back_out(&c->batch, mark);
    if (status.code == WARD_E_CONFLICT) {
        return false;
    }
    fail_request(c, request, status);
    return true;
}

static ward_status add_leaves(struct ward_committer *c, const struct ward_request *request)
{
    for (size_t i = 0; i < request->n_leaf_bodies; i++) {
        size_t start = c->leaves.size;
        ward_buffer_add_u16(&c->leaves, 0);
        ward_leaf_finish(c->next.tree.size, c->last_wall_us, c->config.node,
                         request->leaf_bodies[i], &c->leaves);
        WARD_ENSURE(!c->leaves.failed && c->leaves.size - start - 2 <= UINT16_MAX,
                    WARD_E_EXHAUSTED);
        ward_put_u16(c->leaves.data + start, (uint16_t)(c->leaves.size - start - 2));
        uint8_t hash[WARD_MERKLE_HASH_SIZE];
        WARD_TRY(ward_merkle_leaf(
            c->digest, WARD_BYTES(c->leaves.data + start + 2, c->leaves.size - start - 2), hash));
        WARD_TRY(ward_merkle_append(c->digest, &c->next.tree, hash));
    }
    return WARD_OK;
}

static size_t batch_bytes(const struct ward_committer *c)
{
    size_t bytes = c->leaves.size;
    for (size_t i = 0; i < c->batch.n_records; i++) {
        bytes += c->batch.records[i].sealed.size;
    }
    for (size_t i = 0; i < c->batch.n_rekeyed_records; i++) {
        bytes += c->batch.rekeyed_records[i].sealed.size;
    }
    for (size_t i = 0; i < c->batch.n_replays; i++) {
        bytes += c->batch.replays[i].response.size;
    }
    return bytes;
}

/* True when the request stays in the group. One whose entry cannot even be told is not answered,
 * and the others do not suffer for it. */
static bool place(struct ward_committer *c, struct ward_request *request, ward_status *status)
{
    struct ward_batch_mark mark = ward_batch_mark(&c->batch);
    c->batch.leaf = c->next.tree.size;
    if (!add_rows(c, request, &mark)) {
        ward_pipeline_again(c->config.pipeline, request, true, &c->routes);
        return false;
    }
    if (!needs_entry(request)) {
        return true;
    }
    if (request->n_leaf_bodies == 0) {
        ward_entry_describe(request, c->digest);
    }
    if (request->n_leaf_bodies == 0) {
        ward_log(WARD_LOG_ERROR, "no memory for an audit entry: its request is not answered");
        ward_batch_back_out(&c->batch, &mark);
        request->status = WARD_STATUS(WARD_E_UNAVAILABLE);
        ward_pipeline_done(c->config.pipeline, request, &c->routes);
        return false;
    }
    *status = add_leaves(c, request);
    return true;
}

/* Fills batch and leaves; what does not fit or meets an object twice leaves the group. After a
 * failure the rest stays in the group untouched, so that all of it can be given up. */
static ward_status fill(struct ward_committer *c, struct group *group)
{
    ward_batch_reset(&c->batch);
    ward_buffer_reset(&c->leaves);
    c->next = c->head;
    int64_t wall = ward_wall_us(c->config.pipeline->clock);
    c->last_wall_us = wall > c->last_wall_us ? wall : c->last_wall_us;
    ward_status status = WARD_OK;
    size_t kept = 0, bytes = 0;
    for (size_t i = 0; i < group->n; i++) {
        struct ward_request *request = group->requests[i];
        if ((i & 15) == 0) {
            bytes = batch_bytes(c);
        }
        if (!ward_ok(status)) {
            group->requests[kept++] = request;
        } else if (kept > 0 && bytes > WARD_COMMIT_BYTES_MAX) {
            ward_list_push(&c->deferred, &request->link);
        } else if (place(c, request, &status)) {
            group->requests[kept++] = request;
        }
    }
    group->n = kept;
    return status;
}

static bool administrative(const struct group *group)
{
    return group->n == 1 && group->requests[0]->op != NULL && group->requests[0]->op->alone;
}

/* What the head row says after this commit, and what authenticates that. */
static ward_status seal(struct ward_committer *c, bool *ret_sealed)
{
    bool changed = false;
    c->next.epoch += c->batch.bump_epoch;
    WARD_TRY(ward_integrity_apply(&c->integrity, c->batch.effects, c->batch.n_effects, &c->next,
                                  &changed));
    *ret_sealed = changed || c->next.tree.size > c->head.tree.size;
    return *ret_sealed ? ward_integrity_seal(&c->integrity, &c->next) : WARD_OK;
}

static enum ward_commit_outcome attempt(struct ward_committer *c, struct group *group,
                                        ward_status *status)
{
    *status = halted(c) ? WARD_STATUS(WARD_E_UNAVAILABLE) : know_head(c, group);
    if (!ward_ok(*status)) {
        return WARD_COMMIT_UNAVAILABLE;
    }
    prune_stale(c, group);
    *status = fill(c, group);
    if (!ward_ok(*status) || group->n == 0) {
        ward_store_unlock(c->writer);
        return ward_ok(*status) ? WARD_COMMITTED : WARD_COMMIT_UNAVAILABLE;
    }
    bool sealed = false;
    *status = seal(c, &sealed);
    if (!ward_ok(*status)) {
        ward_store_unlock(c->writer);
        return WARD_COMMIT_FAILED;
    }
    c->commit = (struct ward_commit){
        .subject_keys = c->batch.subject_keys,
        .n_subject_keys = c->batch.n_subject_keys,
        .records = c->batch.records,
        .n_records = c->batch.n_records,
        .rewrapped = c->batch.rewrapped,
        .n_rewrapped = c->batch.n_rewrapped,
        .rekeyed_keys = c->batch.rekeyed_keys,
        .n_rekeyed_keys = c->batch.n_rekeyed_keys,
        .rekeyed_records = c->batch.rekeyed_records,
        .n_rekeyed_records = c->batch.n_rekeyed_records,
        .replays = c->batch.replays,
        .n_replays = c->batch.n_replays,
        .uses = c->batch.uses,
        .n_uses = c->batch.n_uses,
        .node = c->config.node,
        .effects = c->batch.effects,
        .n_effects = c->batch.n_effects,
        .bump_epoch = c->batch.bump_epoch,
        .first_seq = c->head.tree.size,
        .n_leaves = (uint32_t)(c->next.tree.size - c->head.tree.size),
        .leaves = ward_buffer_view(&c->leaves),
        .epoch = c->head.epoch,
        .tree = &c->next.tree,
        .seal = sealed ? &c->next.seal : NULL,
        .ret_rewrapped = &c->batch.rewrapped_done,
    };
    if (administrative(group)) {
        *status = ward_failpoint("administrative.before-commit");
        if (!ward_ok(*status)) {
            ward_store_unlock(c->writer);
            return WARD_COMMIT_UNAVAILABLE;
        }
    }
    return ward_store_commit(c->writer, &c->commit, status);
}

/* ---- how it can end ---- */

static void settle(struct ward_committer *c, struct group *group)
{
    if (group->n == 0) {
        return;
    }
    if (administrative(group)) {
        (void)ward_failpoint("administrative.after-commit"); /* only a kill means anything here */
    }
    c->head = c->next;
    c->acknowledged = c->head.tree.size;
    (void)pthread_mutex_lock(&c->lock);
    c->published = c->head.tree;
    (void)pthread_mutex_unlock(&c->lock);
    atomic_store_explicit(&c->healthy, true, memory_order_relaxed);
    c->commits++;
    if (c->batch.bump_epoch) {
        ward_status status = c->config.refresh(c->config.refresh_context, c->reader);
        if (!ward_ok(status)) {
            ward_log_status(WARD_LOG_WARN, "reading the new policy and keys failed", status);
        }
        if (administrative(group)) {
            (void)ward_failpoint("administrative.in-force");
        }
    }
    for (size_t i = 0; i < group->n; i++) {
        ward_pipeline_after_commit(c->config.pipeline, group->requests[i], &c->routes);
    }
}

/* No sink, no answer: the secrets die with the request's arena. */
static void give_up(struct ward_committer *c, struct group *group)
{
    c->head_known = false;
    atomic_store_explicit(&c->healthy, false, memory_order_relaxed);
    for (size_t i = 0; i < group->n; i++) {
        group->requests[i]->status = WARD_STATUS(WARD_E_UNAVAILABLE);
        ward_pipeline_done(c->config.pipeline, group->requests[i], &c->routes);
    }
}

/* Waits for the doubtful transaction to end, and for the database to come back, but not for ever.
 */
static ward_status resolve(struct ward_committer *c, bool *ret_committed)
{
    int64_t until = now_us(c) + WARD_RESOLVE_MS * 1000;
    for (;;) {
        ward_status status = ward_store_resolve(c->writer, &c->commit, ret_committed);
        if (ward_ok(status) || now_us(c) >= until) {
            return status;
        }
        struct timespec pause = {.tv_nsec = 20 * 1000000};
        (void)nanosleep(&pause, NULL); /* an early end only asks again sooner */
    }
}

/* One request alone in its transaction, and the database will not have it. Conflict: somebody was
 * faster, so prepare again, unless it changed the HSM already. Otherwise it fails, with its entry.
 */
static bool fail_alone(struct ward_committer *c, struct ward_request *request, bool conflict,
                       ward_status status)
{
    bool rows = ward_pipeline_step(request) != NULL;
    bool effects_done = request->op != NULL && request->op->alone && request->step > 0;
    if (rows && conflict && !effects_done && request->attempts < WARD_ATTEMPTS_MAX) {
        request->attempts++;
        ward_pipeline_again(c->config.pipeline, request, true, &c->routes);
        return false;
    }
    if (!rows) {
        ward_log_status(WARD_LOG_ERROR, "the database refuses the audit entry", status);
        struct group one = {&request, 1};
        give_up(c, &one);
        return false;
    }
    if (!conflict) {
        ward_log_status(WARD_LOG_ERROR, "the database refused a request's rows", status);
    }
    fail_request(c, request,
                 conflict ? WARD_REFUSAL(WARD_E_CONFLICT, "request: others were faster; try again")
                          : WARD_STATUS(WARD_E_INTERNAL));
    return true;
}

/* Halving: the request at fault ends up alone, all others are committed. A stack of at most 2
 * log2(1024). */
static void commit_group(struct ward_committer *c, struct group group)
{
    struct group todo[32];
    size_t depth = 0;
    todo[depth++] = group;
    unsigned tries = 0;
    while (depth > 0) {
        struct group *top = &todo[depth - 1];
        ward_status status = WARD_OK;
        enum ward_commit_outcome outcome = attempt(c, top, &status);
        bool committed = outcome == WARD_COMMITTED;
        if (outcome == WARD_COMMIT_UNKNOWN) {
            c->head_known = false;
            if (!ward_ok(resolve(c, &committed))) {
                outcome = WARD_COMMIT_UNAVAILABLE;
            } else {
                outcome = committed ? WARD_COMMITTED : WARD_COMMIT_RETRY;
                c->head_known = committed;
            }
        }
        bool again = outcome == WARD_COMMIT_RETRY || outcome == WARD_COMMIT_STALE ||
                     outcome == WARD_COMMIT_HEAD_MOVED;
        if (again) {
            c->head_known = false;
            if (outcome == WARD_COMMIT_HEAD_MOVED) {
                c->contended_until_us = now_us(c) + WARD_CONTENDED_MS * 1000;
            }
        }
        if (committed) {
            settle(c, top);
            depth--;
            tries = 0;
        } else if (outcome == WARD_COMMIT_UNAVAILABLE || (again && tries++ > TRIES_MAX)) {
            ward_log_status(WARD_LOG_WARN, "no commit: requests are answered UNAVAILABLE", status);
            while (depth > 0) {
                give_up(c, &todo[--depth]);
            }
        } else if (!again && top->n == 1) {
            if (!fail_alone(c, top->requests[0], outcome == WARD_COMMIT_CONFLICT, status)) {
                depth--;
            }
        } else if (!again) {
            size_t half = top->n / 2;
            todo[depth] = (struct group){top->requests, half};
            top->requests += half;
            top->n -= half;
            depth++;
        }
        ward_pipeline_flush(c->config.pipeline, &c->routes);
    }
}

static void round_of(struct ward_committer *c, struct ward_list *batch)
{
    struct ward_request *together[WARD_COMMIT_BATCH_MAX], *alone[WARD_COMMIT_BATCH_MAX];
    size_t n_together = 0, n_alone = 0;
    for (size_t i = 0; i < WARD_COMMIT_BATCH_MAX; i++) {
        struct ward_link *link = ward_list_pop(batch);
        if (link == NULL) {
            break;
        }
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        bool apart = request->op != NULL && (request->op->alone || request->op->silent);
        if (apart) {
            alone[n_alone++] = request;
        } else {
            together[n_together++] = request;
        }
    }
    if (n_together > 0) {
        commit_group(c, (struct group){together, n_together});
    }
    for (size_t i = 0; i < n_alone; i++) {
        commit_group(c, (struct group){&alone[i], 1});
    }
}

static void *run(void *argument)
{
    struct ward_committer *c = argument;
    for (;;) {
        struct ward_list batch = {0};
        ward_list_splice(&batch, &c->deferred);
        if (batch.size > 0) {
            ward_queue_poll(&c->config.pipeline->commits, WARD_COMMIT_BATCH_MAX, &batch);
        } else if (!ward_queue_pop(&c->config.pipeline->commits, WARD_COMMIT_BATCH_MAX, &batch)) {
            return NULL;
        }
        while (batch.size > 0) {
            round_of(c, &batch);
        }
    }
}

/* ---- life ---- */

static void committer_free(struct ward_committer *c)
{
    ward_store_writer_close(c->writer);
    ward_store_reader_close(c->reader);
    ward_digest_free(c->digest);
    ward_index_unref(c->index);
    ward_batch_fini(&c->batch);
    ward_buffer_fini(&c->leaves);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static ward_status open_all(struct ward_committer *c, uint64_t floor)
{
    WARD_TRY(ward_digest_new(&c->digest));
    WARD_TRY(ward_store_writer_open(c->config.store, &c->writer));
    WARD_TRY(ward_store_reader_open(c->config.store, &c->reader));
    struct ward_state *state = ward_state_slot_get(c->config.pipeline->states);
    c->index = ward_index_ref(state->index);
    ward_state_unref(state);
    c->integrity = (struct ward_integrity){c->digest, ward_secret_view(c->index->rows)};
    WARD_TRY(ward_store_head(c->writer, false, &c->head));
    if (c->config.adopt != NULL && !c->head.seal.set && !c->head.damaged) {
        c->head.seal = *c->config.adopt; /* the first commit authenticates it */
        WARD_TRY(ward_integrity_seal(&c->integrity, &c->head));
    }
    WARD_TRY(ward_integrity_check_head(&c->integrity, &c->head));
    if (c->head.tree.size < floor) {
        return WARD_REFUSAL(
            WARD_E_STATE,
            "database: the audit log is shorter than its newest signed checkpoint; it "
            "was rolled back or cut, and nothing may run on it");
    }
    c->head_known = true;
    c->acknowledged = c->head.tree.size;
    c->published = c->head.tree;
    return WARD_OK;
}

ward_status ward_committer_start(const struct ward_committer_config *config, uint64_t floor,
                                 struct ward_committer **ret)
{
    struct ward_committer *c = calloc(1, sizeof(*c));
    WARD_ENSURE(c != NULL, WARD_E_EXHAUSTED);
    c->config = *config;
    ward_buffer_init(&c->leaves, LEAVES_MAX);
    (void)pthread_mutex_init(&c->lock, NULL); /* cannot fail with default attributes on Linux */
    atomic_init(&c->healthy, true);
    ward_status status = open_all(c, floor);
    if (ward_ok(status) && pthread_create(&c->thread, NULL, run, c) != 0) {
        status = WARD_STATUS(WARD_E_UNAVAILABLE);
    }
    if (!ward_ok(status)) {
        committer_free(c);
        return status;
    }
    *ret = c;
    return WARD_OK;
}

void ward_committer_join(struct ward_committer *committer)
{
    if (committer == NULL) {
        return;
    }
    (void)pthread_join(committer->thread, NULL);
    committer_free(committer);
}

void ward_committer_tree(struct ward_committer *committer, struct ward_merkle *ret)
{
    (void)pthread_mutex_lock(&committer->lock);
    *ret = committer->published;
    (void)pthread_mutex_unlock(&committer->lock);
}

bool ward_committer_healthy(struct ward_committer *committer)
{
    return atomic_load_explicit(&committer->healthy, memory_order_relaxed);
}

uint64_t ward_committer_commits(struct ward_committer *committer)
{
    return committer->commits;
}
