/* SPDX-License-Identifier: Apache-2.0 */
/* The key that signs the log changes: who signs which checkpoint, whatever the order in which
 * daemons come to it, and what is left when the HSM is away half-way. */
#include "server/jobs/internal.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static struct core_world world;
static struct core_node node, second;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_node_start(&second, &world, "node-2");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&second);
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static struct ward_request *rotate(const struct core_person *person)
{
    return core_request(&world, person, &ward_op_log_key_rotate,
                        sizeof(struct ward_log_key_rotate));
}

static void propose(struct core_proposal *proposal)
{
    struct ward_request *request = rotate(&world.officer_a);
    assert_ok(core_run(&node, request));
    core_take_proposal(((struct ward_log_key_rotate *)request->in)->proposal, proposal);
    ward_request_free(request);
    assert_ok(core_run_free(
        &node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, proposal)));
}

static ward_status approve(struct core_node *on, const struct core_proposal *proposal)
{
    return core_run_free(on,
                         core_vote(&world, &world.officer_b, &ward_op_approval_approve, proposal));
}

static void rotate_fully(void)
{
    struct core_proposal proposal;
    propose(&proposal);
    assert_ok(approve(&node, &proposal));
}

/* As the newest state of the node has it; valid as long as nothing changes. */
static const struct ward_state *now(struct core_node *of)
{
    core_node_refresh_now(of);
    struct ward_state *state = ward_state_slot_get(&of->states);
    ward_state_unref(state);
    return state;
}

static struct ward_merkle tree_of(struct core_node *of)
{
    struct ward_merkle tree;
    ward_committer_tree(of->committer, &tree);
    return tree;
}

static void add_entry(struct core_node *on)
{
    assert_ok(core_run_free(on, core_generate(&world, &world.app, "app/none", 1, 1)));
}

static ward_status sign(struct core_node *on, const struct ward_merkle *tree)
{
    struct ward_request *request;
    assert_ok(ward_internal_new(&ward_op_sign_checkpoint, sizeof(struct ward_sign_checkpoint),
                                1u << 20, &request));
    ((struct ward_sign_checkpoint *)request->in)->tree = *tree;
    ward_status status = ward_internal_run(&on->pipeline, request);
    ward_request_free(request);
    return status;
}

/* The stored note of that size, in its own arena. */
static struct ward_bytes note_of(uint64_t size, struct ward_arena **ret_arena)
{
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_arena_new(1u << 20, ret_arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    struct ward_read read = {.kind = WARD_READ_CHECKPOINTS, .arena = *ret_arena},
                     *reads[] = {&read};
    read.checkpoints.from = size;
    read.checkpoints.limit = 1;
    read.checkpoints.max_note = WARD_NOTE_MAX;
    assert_ok(ward_store_read(reader, reads, 1));
    assert_ok(read.status);
    assert_int_equal(read.checkpoints.n, 1);
    assert_int_equal(read.checkpoints.rows[0].size, size);
    ward_store_reader_close(reader);
    return read.checkpoints.rows[0].note;
}

/* The stored checkpoint of that size is signed by exactly the versions from `first` to `last`. */
static void signed_by(uint64_t size, size_t first, size_t last)
{
    struct ward_arena *arena = NULL;
    struct ward_bytes note = note_of(size, &arena);
    const struct ward_state *state = now(&node);
    for (size_t i = 0; i < state->n_log_keys; i++) {
        struct ward_checkpoint checkpoint;
        bool good = ward_ok(ward_note_verify(note, &state->log_keys[i].public, &checkpoint));
        assert_int_equal(good, i + 1 >= first && i + 1 <= last);
    }
    ward_arena_free(arena);
}

static void sign_now(struct core_node *on, size_t first, size_t last)
{
    struct ward_merkle tree = tree_of(on);
    assert_ok(sign(on, &tree));
    signed_by(tree.size, first, last);
}

/* ---- who may ---- */

static void only_officers_propose_it(void **state)
{
    (void)state;
    assert_code(core_run_free(&node, rotate(&world.app)), WARD_E_DENIED);
    assert_code(core_run_free(&node, rotate(&world.auditor)), WARD_E_DENIED);
    assert_code(core_run_free(&node, rotate(&world.stranger)), WARD_E_DENIED);
    struct core_proposal proposal;
    propose(&proposal);
    assert_code(core_run_free(&node, core_vote(&world, &world.officer_a, &ward_op_approval_approve,
                                               &proposal)),
                WARD_E_DENIED);
    assert_int_equal(now(&node)->n_log_keys, 1);
}

static void of_two_that_are_open_one_runs(void **state)
{
    (void)state;
    struct core_proposal first, other;
    propose(&first);
    propose(&other);
    assert_ok(approve(&node, &first));
    assert_code(approve(&second, &other), WARD_E_STATE);
    assert_int_equal(now(&node)->n_log_keys, 2);
}

/* ---- which key signs ---- */

static void the_first_checkpoint_behind_it_has_both(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    sign_now(&node, 1, 2);
    add_entry(&node);
    sign_now(&node, 2, 2);
    add_entry(&second);
    sign_now(&second, 2, 2);
    rotate_fully();
    sign_now(&node, 2, 3);
    struct ward_request *asked = core_request(&world, &world.auditor, &ward_op_audit_checkpoint,
                                              sizeof(struct ward_audit_checkpoint));
    assert_ok(core_run(&node, asked));
    const struct ward_audit_checkpoint *answer = asked->in;
    char vkey[WARD_VKEY_MAX];
    ward_note_key_print(&now(&node)->log_keys[2].public, vkey);
    assert_string_equal(answer->vkey, vkey);
    assert_int_equal(answer->n_handovers, 2);
    ward_request_free(asked);
}

static void the_entry_names_both_keys(void **state)
{
    (void)state;
    rotate_fully();
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    const struct ward_state *state_now = now(&node);
    char from[WARD_VKEY_MAX], to[WARD_VKEY_MAX];
    ward_note_key_print(&state_now->log_keys[0].public, from);
    ward_note_key_print(&state_now->log_keys[1].public, to);
    assert_string_equal(core_detail(leaf, "executed"), "audit.rotate-log-key");
    assert_string_equal(core_detail(leaf, "key"), "ward/log");
    assert_string_equal(core_detail(leaf, "from_vkey"), from);
    assert_string_equal(core_detail(leaf, "to_vkey"), to);
    assert_int_equal(core_detail_number(leaf, "to_version"), 2);
    assert_int_equal(state_now->log_keys[1].since, log.n);
    core_log_close(&log);
}

static void what_was_there_before_it_is_signed_by_the_old_key(void **state)
{
    (void)state;
    add_entry(&node);
    struct ward_merkle before = tree_of(&node);
    rotate_fully();
    assert_ok(sign(&node, &before));
    signed_by(before.size, 1, 1);
    sign_now(&node, 1, 2);
}

/* Of a daemon that was slow: it is the first one behind the change then. */
static void a_smaller_one_that_comes_late_has_both_too(void **state)
{
    (void)state;
    rotate_fully();
    struct ward_merkle slow = tree_of(&node);
    add_entry(&second);
    sign_now(&second, 1, 2);
    assert_ok(sign(&node, &slow));
    signed_by(slow.size, 1, 2);
    add_entry(&node);
    sign_now(&node, 2, 2);
}

static void two_changes_between_two_checkpoints_have_all_three(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    rotate_fully();
    sign_now(&second, 1, 1); /* it has committed nothing since it began */
    sign_now(&node, 1, 3);
}

/* ---- rows that somebody else wrote ---- */

static void put_row(uint64_t size, struct ward_bytes note)
{
    struct ward_store_writer *writer = NULL;
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    effect.checkpoint.size = size;
    effect.checkpoint.note = note;
    effect.checkpoint.created_us = 1;
    assert_ok(ward_store_writer_open(world.store, &writer));
    struct ward_commit commit = {.epoch = now(&node)->epoch, .effects = &effect, .n_effects = 1};
    ward_status status;
    assert_int_equal(ward_store_commit(writer, &commit, &status), WARD_COMMITTED);
    ward_store_writer_close(writer);
}

static void put_garbage(uint64_t size)
{
    put_row(size, ward_bytes_str("no note"));
}

static struct ward_request *ask_checkpoint(void)
{
    struct ward_request *asked = core_request(&world, &world.auditor, &ward_op_audit_checkpoint,
                                              sizeof(struct ward_audit_checkpoint));
    (void)core_run(&node, asked);
    return asked;
}

/* The checkpoint and its handovers are there, and exactly these rows were passed over. */
static void passes_over(size_t n_handovers, const uint64_t *sizes, size_t n)
{
    struct ward_request *asked = ask_checkpoint();
    const struct ward_audit_checkpoint *answer = asked->in;
    assert_ok(asked->status);
    assert_int_equal(answer->n_passed_over, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(answer->passed_over[i], sizes[i]);
    }
    const struct ward_state *state = now(&node);
    struct ward_checkpoint checkpoint;
    assert_ok(ward_note_verify(answer->note, &state->log_keys[state->n_log_keys - 1].public,
                               &checkpoint));
    assert_int_equal(answer->n_handovers, n_handovers);
    for (size_t i = 0; i < n_handovers; i++) {
        assert_ok(ward_note_verify(answer->handovers[i], &state->log_keys[i].public, &checkpoint));
        assert_ok(
            ward_note_verify(answer->handovers[i], &state->log_keys[i + 1].public, &checkpoint));
    }
    ward_request_free(asked);
}

static void a_row_that_is_no_checkpoint_hides_no_handover(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    uint64_t size = tree_of(&node).size;
    put_garbage(size);
    add_entry(&node);
    sign_now(&node, 1, 2);
    passes_over(1, &size, 1);
    add_entry(&node);
    sign_now(&node, 2, 2);
    passes_over(1, &size, 1);
}

/* A checkpoint of that size that one version alone signed. */
static void put_signed_by(uint32_t version, uint64_t size)
{
    const struct ward_log_key *key = &now(&node)->log_keys[version - 1];
    struct ward_checkpoint checkpoint = {.size = size};
    memcpy(checkpoint.origin, key->public.name, sizeof(checkpoint.origin));
    struct ward_buffer body, note;
    uint8_t signature[80];
    size_t n = 0;
    ward_buffer_init(&body, WARD_NOTE_MAX);
    ward_buffer_init(&note, WARD_NOTE_MAX);
    ward_checkpoint_body(&checkpoint, &body);
    struct ward_kek_session *session = NULL;
    assert_ok(ward_kek_session_open(world.kek, &session));
    assert_ok(ward_kek_sign(session, &key->ref, key->public.algorithm, ward_buffer_view(&body),
                            signature, &n));
    ward_kek_session_close(session);
    ward_note_finish(ward_buffer_view(&body), &key->public, WARD_BYTES(signature, n), &note);
    put_row(size, ward_buffer_view(&note));
    ward_buffer_fini(&body);
    ward_buffer_fini(&note);
}

/* Before, in several ways that look right, at its size, between it and the newest, and beyond the
 * log's end. */
static void rows_around_a_handover_hide_nothing(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    uint64_t told = tree_of(&node).size; /* the first size that a handover may have */
    for (unsigned i = 0; i < 8; i++) {
        add_entry(&node);
    }
    uint64_t true_size = tree_of(&node).size;
    put_garbage(told - 1);
    sign_now(&node, 1, 2);
    struct ward_arena *arena;
    struct ward_bytes note = note_of(true_size, &arena);
    uint8_t wrong[WARD_NOTE_MAX];
    memcpy(wrong, note.data, note.size);
    wrong[note.size - 8] ^= 1;                       /* in the last signature */
    put_row(told, note);                             /* of another size */
    put_row(told + 1, WARD_BYTES(wrong, note.size)); /* and wrongly signed */
    put_signed_by(1, told + 2);
    put_signed_by(2, told + 4); /* which is the log's key by then, and hands nothing over */
    put_row(told + 3, WARD_BYTES(note.data, note.size / 2)); /* cut */
    put_garbage(true_size);                                  /* there is one, which stays */
    add_entry(&node);
    put_garbage(true_size + 1);
    add_entry(&node);
    sign_now(&node, 2, 2);
    uint64_t beyond = tree_of(&node).size + 100;
    const uint64_t sizes[] = {told, told + 1, told + 2, told + 3, beyond};
    passes_over(1, sizes, 4); /* what hides nothing is not looked for */
    put_garbage(beyond);
    const uint64_t all[] = {told - 1, told, told + 1, told + 2, told + 3, true_size + 1, beyond};
    passes_over(1, all, 7);
    ward_arena_free(arena);
}

/* It is not signed by keys of before either, which may be gone by now. */
static void rows_that_are_no_checkpoints_ask_nothing_of_old_keys(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    sign_now(&node, 1, 2);
    put_garbage(tree_of(&node).size + 1);
    add_entry(&node);
    add_entry(&node);
    sign_now(&node, 2, 2);
}

/* So many are looked at, and no more: then the one behind them is not found, and nothing is made
 * up. */
static void as_many_rows_as_a_page_are_looked_at(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    uint64_t first = tree_of(&node).size;
    for (unsigned i = 0; i < WARD_CHECKPOINTS_PAGE_MAX; i++) {
        if (i + 1 < WARD_CHECKPOINTS_PAGE_MAX) {
            put_garbage(first + i);
        }
        add_entry(&node);
    }
    sign_now(&node, 1, 2);
    struct ward_request *asked = ask_checkpoint();
    const struct ward_audit_checkpoint *answer = asked->in;
    assert_ok(asked->status);
    assert_int_equal(answer->n_handovers, 1);
    ward_request_free(asked);
    put_garbage(first + WARD_CHECKPOINTS_PAGE_MAX - 1);
    asked = ask_checkpoint();
    answer = asked->in;
    assert_ok(asked->status);
    assert_int_equal(answer->n_handovers, 0);
    assert_int_equal(answer->n_passed_over, WARD_CHECKPOINTS_PAGE_MAX);
    ward_request_free(asked);
    for (unsigned i = 0; i < WARD_CHECKPOINTS_PAGE_MAX; i++) {
        put_garbage(first + 1000 + i);
    }
    asked = ask_checkpoint();
    assert_code(asked->status, WARD_E_UNAVAILABLE);
    assert_non_null(strstr(ward_status_refusal(asked->status), "not this log's"));
    ward_request_free(asked);
}

/* ---- half-way ---- */

static void has_keys(size_t n)
{
    size_t found;
    (void)core_recover_all(&node, &found);
    assert_int_equal(found, 1);
    assert_int_equal(now(&node)->n_log_keys, n);
    (void)core_recover_all(&node, &found);
    assert_int_equal(found, 0);
}

static void is_finished_after(enum fake_kek_fault fault)
{
    struct core_proposal proposal;
    propose(&proposal);
    fake_kek_set_fault(world.kek, fault);
    assert_code(approve(&node, &proposal), WARD_E_UNAVAILABLE);
    assert_int_equal(now(&node)->n_log_keys, 1);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    has_keys(2);
    sign_now(&node, 1, 2);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "action"), "system.recover");
    assert_string_equal(core_detail(leaf, "recovered"), "finished");
    assert_string_equal(core_detail(leaf, "executed"), "audit.rotate-log-key");
    assert_int_equal(now(&node)->log_keys[1].since, log.n);
    core_log_close(&log);
}

static void without_the_hsm_it_is_finished_later(void **state)
{
    (void)state;
    is_finished_after(FAKE_KEK_AWAY);
}

static void a_key_pair_that_was_made_in_doubt_is_made_again(void **state)
{
    (void)state;
    is_finished_after(FAKE_KEK_CREATE_DOUBT);
}

static void who_expired_meanwhile_is_undone(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose(&proposal);
    fake_kek_set_fault(world.kek, FAKE_KEK_CREATE_DOUBT);
    assert_code(approve(&node, &proposal), WARD_E_UNAVAILABLE);
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
    struct ward_kek_ref made = now(&node)->log_keys[0].ref;
    made.version = 2;
    assert_true(fake_kek_has(world.kek, &made));
    atomic_fetch_add(&world.clock.ahead_us, INT64_C(25) * 3600 * 1000000);
    has_keys(1);
    assert_false(fake_kek_has(world.kek, &made));
    made.version = 1;
    assert_true(fake_kek_has(world.kek, &made));
}

static void destroy(uint32_t version)
{
    struct ward_kek_session *session = NULL;
    struct ward_kek_ref key = {now(&node)->log_keys[0].ref.id, version};
    assert_ok(ward_kek_session_open(world.kek, &session));
    assert_ok(ward_kek_destroy(session, &key));
    ward_kek_session_close(session);
}

static void is_refused(const char *text)
{
    struct ward_request *request = rotate(&world.officer_a);
    assert_code(core_run(&node, request), WARD_E_STATE);
    assert_non_null(strstr(ward_status_refusal(request->status), text));
    ward_request_free(request);
}

static void a_key_that_does_not_sign_hands_nothing_over(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose(&proposal);
    destroy(1);
    assert_code(approve(&node, &proposal), WARD_E_STATE);
    has_keys(1);
    struct ward_kek_ref key = {now(&node)->log_keys[0].ref.id, 2};
    assert_false(fake_kek_has(world.kek, &key));
    is_refused("log key: the one in use is not in the token");
}

/* It is of no use to go on from there: the next checkpoint needs both. */
static void nothing_is_proposed_before_the_old_key_has_handed_over(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    destroy(1);
    is_refused("log key: a version of before is not in the token and has not handed over yet");
    struct ward_merkle tree = tree_of(&node);
    assert_code(sign(&node, &tree), WARD_E_NOT_FOUND);
}

static void once_it_has_handed_over_the_old_key_is_not_missed(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    rotate_fully();
    sign_now(&node, 1, 2);
    destroy(1);
    add_entry(&node);
    sign_now(&node, 2, 2);
    rotate_fully();
    sign_now(&node, 2, 3);
}

/* ---- what officers are told ---- */

static void its_consequences_are_counted(void **state)
{
    (void)state;
    sign_now(&node, 1, 1);
    uint64_t before = tree_of(&node).size;
    rotate_fully();
    uint64_t told = tree_of(&node).size - 1;
    add_entry(&node);
    sign_now(&node, 1, 2);
    uint64_t size = tree_of(&node).size;
    assert_true(told >= before);
    atomic_fetch_add(&world.clock.ahead_us, INT64_C(50) * 3600 * 1000000);
    struct ward_request *request = rotate(&world.officer_a);
    assert_ok(core_run(&node, request));
    static struct core_proposal proposal;
    core_take_proposal(((struct ward_log_key_rotate *)request->in)->proposal, &proposal);
    char expected[256];
    (void)snprintf(expected, sizeof(expected),
                   "\"consequences\":{\"days_of_the_present_key\":2,"
                   "\"entries_signed_so_far\":%llu,\"entries_since_the_present_key\":%llu,"
                   "\"new_version\":3}",
                   (unsigned long long)size, (unsigned long long)(size - told));
    char *payload = strndup((const char *)proposal.payload.data, proposal.payload.size);
    if (strstr(payload, expected) == NULL) {
        fail_msg("%s is not in %s", expected, payload);
    }
    free(payload);
    ward_request_free(request);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(only_officers_propose_it),
        T(of_two_that_are_open_one_runs),
        T(the_first_checkpoint_behind_it_has_both),
        T(the_entry_names_both_keys),
        T(what_was_there_before_it_is_signed_by_the_old_key),
        T(a_smaller_one_that_comes_late_has_both_too),
        T(two_changes_between_two_checkpoints_have_all_three),
        T(a_row_that_is_no_checkpoint_hides_no_handover),
        T(rows_around_a_handover_hide_nothing),
        T(rows_that_are_no_checkpoints_ask_nothing_of_old_keys),
        T(as_many_rows_as_a_page_are_looked_at),
        T(without_the_hsm_it_is_finished_later),
        T(a_key_pair_that_was_made_in_doubt_is_made_again),
        T(who_expired_meanwhile_is_undone),
        T(a_key_that_does_not_sign_hands_nothing_over),
        T(nothing_is_proposed_before_the_old_key_has_handed_over),
        T(once_it_has_handed_over_the_old_key_is_not_missed),
        T(its_consequences_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
