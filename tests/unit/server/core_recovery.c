/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/server/core_recovery.h"

#include "server/jobs/recovery.h"

struct core_recovery recovery;

int recovery_start(void **state)
{
    (void)state;
    core_world_init(&recovery.world);
    core_node_start(&recovery.node, &recovery.world, "node-1");
    core_make_key(&recovery.node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

int recovery_stop(void **state)
{
    (void)state;
    ward_store_memory_set_fault(recovery.world.store, NULL, NULL);
    core_node_stop(&recovery.node);
    core_world_fini(&recovery.world);
    return 0;
}

const json_t *recovery_newest(struct core_log *log)
{
    core_log_open(log, &recovery.world);
    return log->leaves[log->n - 1];
}

void recovery_tells(size_t n, const char *outcome, const char *how)
{
    size_t found;
    (void)core_recover_all(&recovery.node, &found);
    assert_int_equal(found, n);
    struct core_log log;
    const json_t *leaf = recovery_newest(&log);
    assert_string_equal(core_text(leaf, "action"), "system.recover");
    assert_string_equal(core_text(leaf, "identity"), "system");
    assert_string_equal(core_text(leaf, "outcome"), outcome);
    assert_string_equal(core_detail(leaf, "recovered"), how);
    core_log_close(&log);
}

void recovery_has_intents(size_t n)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(recovery.world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    assert_int_equal(snapshot.n_intents, n);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
}

void recovery_look(struct core_node *by)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(recovery.world.store, &reader));
    ward_recovery_tick(&by->pipeline, reader, NULL);
    ward_store_reader_close(reader);
}

void recovery_create_fails(enum fake_kek_fault fault, enum ward_code code, const char *name)
{
    fake_kek_set_fault(recovery.world.kek, fault);
    struct ward_request *request =
        core_create(&recovery.world, &recovery.world.officer_a, "app/new", 1);
    assert_code(core_run(&recovery.node, request), code);
    core_expect_entry(&recovery.world, request, "failed", name);
    ward_request_free(request);
    fake_kek_set_fault(recovery.world.kek, FAKE_KEK_FINE);
    assert_int_equal(core_active_version(&recovery.node, "app/new"), 0);
    recovery_has_intents(1);
}

struct ward_request *recovery_last_approval(struct core_proposal *proposal)
{
    core_propose(&recovery.node, &recovery.world.officer_a, "app/keys", proposal);
    assert_ok(core_run_free(&recovery.node, core_vote(&recovery.world, &recovery.world.officer_a,
                                                      &ward_op_approval_submit, proposal)));
    return core_vote(&recovery.world, &recovery.world.officer_b, &ward_op_approval_approve,
                     proposal);
}

void recovery_shows(const struct core_proposal *proposal, const char *state)
{
    struct ward_request *show =
        core_vote_with(&recovery.world, &recovery.world.officer_c, &ward_op_approval_show,
                       &proposal->id, (struct ward_bytes){0});
    assert_ok(core_run(&recovery.node, show));
    assert_string_equal(((struct ward_approval *)show->in)->proposal.state, state);
    ward_request_free(show);
}

enum ward_commit_outcome recovery_on_outcome(void *arg, const struct ward_commit *commit,
                                             bool *ret_happens)
{
    struct recovery_fault *fault = arg;
    bool ends_intent = false;
    for (size_t i = 0; i < commit->n_effects; i++) {
        ends_intent |= commit->effects[i].kind == WARD_EFFECT_INTENT_DONE;
    }
    if (!ends_intent || fault->times == 0) {
        return WARD_COMMITTED;
    }
    fault->times--;
    *ret_happens = fault->happens;
    return fault->outcome;
}
