/* SPDX-License-Identifier: Apache-2.0 */
/* What decode would make of well-formed messages. */
#include "tests/unit/server/core_ask.h"

#include "server/jobs/internal.h"
#include "server/jobs/recovery.h"
#include "server/limits.h"

struct ward_context core_context(struct ward_request *request, const char *purpose)
{
    struct ward_context context;
    const struct ward_context_pair pair = {WARD_BYTES_LITERAL("purpose"), ward_bytes_str(purpose)};
    assert_ok(ward_context_build(request->arena, &pair, purpose[0] != 0, &context));
    return context;
}

struct ward_request *core_generate(struct core_world *world, const struct core_person *person,
                                   const char *key, size_t n, uint32_t count)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_generate, sizeof(struct ward_generate));
    struct ward_generate *in = request->in;
    in->n = n;
    in->items = WARD_ARENA_ARRAY(request->arena, struct ward_generate_item, n);
    assert_non_null(in->items);
    struct ward_context context = core_context(request, "TREAT");
    for (size_t i = 0; i < n; i++) {
        in->items[i] = (struct ward_generate_item){
            .key = ward_bytes_str(key), .context = context, .size = 32, .count = count};
    }
    return request;
}

struct ward_request *core_unwrap(struct core_world *world, const struct core_person *person,
                                 struct ward_bytes wrapped, const char *purpose)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_unwrap, sizeof(struct ward_unwrap));
    struct ward_unwrap *in = request->in;
    in->n = 1;
    in->items = WARD_ARENA_NEW(request->arena, struct ward_unwrap_item);
    assert_non_null(in->items);
    assert_ok(ward_arena_copy(request->arena, wrapped, &in->items[0].wrapped));
    in->items[0].context = core_context(request, purpose);
    return request;
}

struct ward_request *core_rewrap(struct core_world *world, const struct core_person *person,
                                 struct ward_bytes wrapped, size_t n)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_data_key_rewrap, sizeof(struct ward_data_key_rewrap));
    struct ward_data_key_rewrap *in = request->in;
    in->n = n;
    in->items = WARD_ARENA_ARRAY(request->arena, struct ward_data_key_rewrap_item, n);
    assert_non_null(in->items);
    for (size_t i = 0; i < n; i++) {
        assert_ok(ward_arena_copy(request->arena, wrapped, &in->items[i].wrapped));
        in->items[i].context = in->items[i].to_context = core_context(request, "TREAT");
    }
    return request;
}

static struct ward_bytes copy(struct ward_request *request, const char *text)
{
    struct ward_bytes bytes;
    assert_ok(ward_arena_copy(request->arena, ward_bytes_str(text), &bytes));
    return bytes;
}

struct ward_request *core_put(struct core_world *world, const struct core_person *person,
                              const char *collection, const char *subject, size_t n,
                              const char *json)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_record_put, sizeof(struct ward_put));
    struct ward_put *in = request->in;
    in->n = n;
    in->context = core_context(request, "TREAT");
    in->items = WARD_ARENA_ARRAY(request->arena, struct ward_put_item, n);
    assert_non_null(in->items);
    for (size_t i = 0; i < n; i++) {
        char *id = ward_arena_printf(request->arena, "r%zu", i);
        assert_non_null(id);
        in->items[i] = (struct ward_put_item){.collection = copy(request, collection),
                                              .subject = copy(request, subject),
                                              .id = ward_bytes_str(id),
                                              .json = copy(request, json)};
    }
    return request;
}

struct ward_request *core_get(struct core_world *world, const struct core_person *person,
                              const char *collection, const char *subject)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_record_get, sizeof(struct ward_get));
    struct ward_get *in = request->in;
    in->n = 1;
    in->context = core_context(request, "TREAT");
    in->items = WARD_ARENA_NEW(request->arena, struct ward_get_item);
    assert_non_null(in->items);
    in->items[0] = (struct ward_get_item){.collection = copy(request, collection),
                                          .subject = copy(request, subject),
                                          .id = WARD_BYTES_LITERAL("r0"),
                                          .whole = true};
    return request;
}

/* ---- keys and approvals ---- */

struct ward_request *core_create(struct core_world *world, const struct core_person *person,
                                 const char *name, uint8_t purpose)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_key_create, sizeof(struct ward_key_create));
    *(struct ward_key_create *)request->in = (struct ward_key_create){
        .name = copy(request, name), .purpose = purpose, .rotation_period_days = 365};
    return request;
}

struct ward_request *core_rotate(struct core_world *world, const struct core_person *person,
                                 const char *name)
{
    struct ward_request *request =
        core_request(world, person, &ward_op_key_rotate, sizeof(struct ward_key_rotate));
    ((struct ward_key_rotate *)request->in)->name = copy(request, name);
    return request;
}

void core_take_proposal(const struct ward_proposal_view *view, struct core_proposal *ret)
{
    assert_string_equal(view->state, "draft");
    assert_true(view->payload.size <= sizeof(ret->memory));
    memcpy(ret->memory, view->payload.data, view->payload.size);
    ret->payload = WARD_BYTES(ret->memory, view->payload.size);
    ret->id = view->id;
}

void core_propose(struct core_node *node, const struct core_person *person, const char *name,
                  struct core_proposal *ret)
{
    struct ward_request *request = core_rotate(node->world, person, name);
    assert_ok(core_run(node, request));
    const struct ward_key_outcome *out = request->out;
    assert_true(out != NULL && out->key == NULL && out->proposal != NULL);
    core_take_proposal(out->proposal, ret);
    ward_request_free(request);
}

struct ward_request *core_change(struct core_world *world, const struct core_person *person,
                                 const struct ward_op *op, const char *name, uint32_t version)
{
    struct ward_request *request =
        core_request(world, person, op, sizeof(struct ward_key_state_change));
    *(struct ward_key_state_change *)request->in = (struct ward_key_state_change){
        .name = copy(request, name), .version = version, .rotation_period_days = 90};
    return request;
}

void core_propose_change(struct core_node *node, const struct core_person *person,
                         const struct ward_op *op, const char *name, uint32_t version,
                         struct core_proposal *ret)
{
    struct ward_request *request = core_change(node->world, person, op, name, version);
    assert_ok(core_run(node, request));
    core_take_proposal(((struct ward_key_state_change *)request->in)->proposal, ret);
    ward_request_free(request);
}

void core_change_fully(struct core_node *node, const struct ward_op *op, const char *name,
                       uint32_t version)
{
    struct core_world *world = node->world;
    struct core_proposal proposal;
    core_propose_change(node, &world->officer_a, op, name, version, &proposal);
    assert_ok(core_run_free(
        node, core_vote(world, &world->officer_a, &ward_op_approval_submit, &proposal)));
    if (!ward_action_at_once(op->action)) {
        assert_ok(core_run_free(
            node, core_vote(world, &world->officer_b, &ward_op_approval_approve, &proposal)));
    }
}

enum ward_key_state core_state(struct core_node *node, const char *name, uint32_t version)
{
    struct ward_state *state = ward_state_slot_get(&node->states);
    const struct ward_key *key = ward_state_key(state, ward_bytes_str(name));
    const struct ward_key_version *found = key == NULL ? NULL : ward_key_version_find(key, version);
    enum ward_key_state ret = found == NULL ? 0 : found->state;
    ward_state_unref(state);
    return ret;
}

struct ward_request *core_vote_with(struct core_world *world, const struct core_person *person,
                                    const struct ward_op *op, const struct ward_id *id,
                                    struct ward_bytes signature)
{
    struct ward_request *request = core_request(world, person, op, sizeof(struct ward_approval));
    struct ward_approval *in = request->in;
    in->id = *id;
    assert_ok(ward_arena_copy(request->arena, signature, &in->signature));
    return request;
}

struct ward_request *core_vote(struct core_world *world, const struct core_person *person,
                               const struct ward_op *op, const struct core_proposal *proposal)
{
    uint8_t signature[128];
    static const struct {
        const struct ward_op *op;
        enum ward_decision_kind kind;
    } kinds[] = {
        {&ward_op_approval_submit, WARD_DECISION_PROPOSE},
        {&ward_op_approval_approve, WARD_DECISION_APPROVE},
        {&ward_op_approval_reject, WARD_DECISION_REJECT},
        {&ward_op_approval_withdraw, WARD_DECISION_WITHDRAW},
        {&ward_op_approval_execute, WARD_DECISION_EXECUTE},
        {&ward_op_approval_review, WARD_DECISION_REVIEW},
    };
    enum ward_decision_kind kind = WARD_DECISION_PROPOSE;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        kind = kinds[i].op == op ? kinds[i].kind : kind;
    }
    size_t size = core_person_sign(person, proposal->payload, kind, signature);
    return core_vote_with(world, person, op, &proposal->id, WARD_BYTES(signature, size));
}

void core_rotate_fully(struct core_node *node, const char *name)
{
    struct core_world *world = node->world;
    struct core_proposal proposal;
    core_propose(node, &world->officer_a, name, &proposal);
    assert_ok(core_run_free(
        node, core_vote(world, &world->officer_a, &ward_op_approval_submit, &proposal)));
    assert_ok(core_run_free(
        node, core_vote(world, &world->officer_b, &ward_op_approval_approve, &proposal)));
}

uint32_t core_active_version(struct core_node *node, const char *name)
{
    struct ward_state *state = ward_state_slot_get(&node->states);
    const struct ward_key *key = ward_state_key(state, ward_bytes_str(name));
    uint32_t version = key == NULL || key->active == NULL ? 0 : key->active->version;
    ward_state_unref(state);
    return version;
}

void core_set_state(struct core_node *node, const char *key, uint32_t version, uint8_t from,
                    uint8_t to)
{
    struct ward_state *now = ward_state_slot_get(&node->states);
    const struct ward_key *found = ward_state_key(now, ward_bytes_str(key));
    struct ward_effect effect = ward_key_version_move(found, ward_key_version_find(found, version),
                                                      to, 1, found->created_us + 1);
    assert_int_equal(effect.kek_state.from, from);
    ward_state_unref(now);
    assert_int_equal(core_world_write(node->world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

/* ---- by identity "system" ---- */

ward_status core_rewrap_open(struct core_node *node, const char *key, bool again)
{
    struct ward_request *request;
    assert_ok(
        ward_internal_new(&ward_op_rewrap_open, sizeof(struct ward_job_open), 1u << 20, &request));
    *(struct ward_job_open *)request->in =
        (struct ward_job_open){.key = copy(request, key), .again = again};
    ward_status status = ward_internal_run(&node->pipeline, request);
    ward_request_free(request);
    return status;
}

bool core_rewrap_job(struct core_world *world, struct ward_store_job *ret)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world->store, &reader));
    struct ward_read read = {.kind = WARD_READ_JOBS, .arena = arena, .jobs.open = true};
    struct ward_read *reads[] = {&read};
    assert_ok(ward_store_read(reader, reads, 1));
    bool runs = false;
    for (size_t i = 0; i < read.jobs.n && !runs; i++) {
        runs = read.jobs.jobs[i].state == WARD_JOB_RUNNING;
        *ret = read.jobs.jobs[i];
    }
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return runs;
}

bool core_rewrap_claim(struct core_node *node, const struct ward_store_job *job,
                       struct ward_job_place *ret)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(node->world->store, &reader));
    struct ward_read read = {.kind = WARD_READ_JOB_CLAIM, .arena = arena};
    struct ward_read *reads[] = {&read};
    read.claim.job = job->id;
    read.claim.node = node->name;
    read.claim.lease_us = WARD_JOB_LEASE_US;
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(read.status);
    *ret = read.claim.place;
    bool found = read.claim.found;
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return found;
}

ward_status core_job_page(struct core_node *node, const struct ward_op *op, const char *key,
                          const struct ward_store_job *job, const struct ward_job_place *place,
                          uint32_t limit, struct ward_job_page *ret)
{
    struct ward_request *request;
    assert_ok(ward_internal_new(op, sizeof(*ret), 64u << 20, &request));
    *(struct ward_job_page *)request->in = (struct ward_job_page){
        .key = copy(request, key), .job = *job, .place = *place, .limit = limit};
    ward_status status = ward_internal_run(&node->pipeline, request);
    *ret = *(struct ward_job_page *)request->in;
    ward_request_free(request);
    return status;
}

uint8_t core_job_end(struct core_node *node, const struct ward_op *op, const char *key,
                     const struct ward_store_job *job)
{
    struct ward_request *request;
    assert_ok(ward_internal_new(op, sizeof(struct ward_job_end), 1u << 20, &request));
    *(struct ward_job_end *)request->in =
        (struct ward_job_end){.key = copy(request, key), .job = *job};
    assert_ok(ward_internal_run(&node->pipeline, request));
    uint8_t state = ((struct ward_job_end *)request->in)->state;
    ward_request_free(request);
    return state;
}

ward_status core_rewrap_page(struct core_node *node, const char *key,
                             const struct ward_store_job *job, const struct ward_job_place *place,
                             uint32_t limit, struct ward_job_page *ret)
{
    return core_job_page(node, &ward_op_rewrap, key, job, place, limit, ret);
}

uint8_t core_rewrap_end(struct core_node *node, const char *key, const struct ward_store_job *job)
{
    return core_job_end(node, &ward_op_rewrap_end, key, job);
}

void core_rewrap_all(struct core_node *node, const char *key)
{
    struct ward_store_job job;
    struct ward_job_place place;
    assert_ok(core_rewrap_open(node, key, true));
    while (core_rewrap_job(node->world, &job)) {
        assert_true(core_rewrap_claim(node, &job, &place));
        if (place.part == job.parts) {
            (void)core_rewrap_end(node, key, &job);
            continue;
        }
        struct ward_job_page page = {.next = place};
        while (!page.finished) {
            struct ward_job_place from = page.next;
            assert_ok(core_rewrap_page(node, key, &job, &from, 50, &page));
        }
    }
}

void core_sign_checkpoint(struct core_node *node)
{
    struct ward_request *request;
    assert_ok(ward_internal_new(&ward_op_sign_checkpoint, sizeof(struct ward_sign_checkpoint),
                                1u << 20, &request));
    ward_committer_tree(node->committer, &((struct ward_sign_checkpoint *)request->in)->tree);
    assert_ok(ward_internal_run(&node->pipeline, request));
    ward_request_free(request);
}

ward_status core_recover_all(struct core_node *node, size_t *ret_n)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    ward_status status = WARD_OK;
    assert_ok(ward_arena_new(64u << 20, &arena));
    assert_ok(ward_store_reader_open(node->world->store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    for (size_t i = 0; i < snapshot.n_intents; i++) {
        status = ward_recovery_take_up(&node->pipeline, &snapshot, &snapshot.intents[i]);
    }
    *ret_n = snapshot.n_intents;
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return status;
}
