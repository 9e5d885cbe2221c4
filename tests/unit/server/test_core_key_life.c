/* SPDX-License-Identifier: Apache-2.0 */
/* Every command on a key and its versions: who may, from where it leads where, what it says before
 * it runs, and what keeps a version from being destroyed. */
#include <stdio.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DAY_US (24LL * 3600 * 1000000)

static struct core_world world;
static struct core_node node;
static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}";

static const struct ward_op *const all_ops[] = {
    &ward_op_key_change,     &ward_op_key_disable,          &ward_op_key_enable,
    &ward_op_key_suspend,    &ward_op_key_resume,           &ward_op_key_deactivate,
    &ward_op_key_compromise, &ward_op_key_schedule_destroy, &ward_op_key_cancel_destroy,
};
#define N_OPS (sizeof(all_ops) / sizeof(all_ops[0]))

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void change(const struct ward_op *op, const char *key, uint32_t version)
{
    core_change_fully(&node, op, key, version);
}

static void expect_state(const char *key, uint32_t version, enum ward_key_state expected)
{
    assert_string_equal(ward_key_state_name(core_state(&node, key, version)),
                        ward_key_state_name(expected));
}

/* The key as the newest state has it; to be released with its state. */
static const struct ward_key *find(const char *name, struct ward_state **ret)
{
    *ret = ward_state_slot_get(&node.states);
    const struct ward_key *key = ward_state_key(*ret, ward_bytes_str(name));
    assert_non_null(key);
    return key;
}

static void refuses(struct ward_request *request, enum ward_code code, const char *text)
{
    ward_status status = core_run(&node, request);
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
    struct core_log log;
    core_log_open(&log, &world);
    assert_string_not_equal(core_text(core_log_one(&log, request->request_id), "outcome"),
                            "allowed");
    core_log_close(&log);
    ward_request_free(request);
}

static void refuses_change(const struct ward_op *op, const char *key, uint32_t version,
                           enum ward_code code, const char *text)
{
    refuses(core_change(&world, &world.officer_a, op, key, version), code, text);
}

static struct ward_request *vote(const struct core_person *person, const struct ward_op *op,
                                 const struct core_proposal *proposal)
{
    return core_vote(&world, person, op, proposal);
}

static ward_status approve(const struct core_person *person, const struct core_proposal *proposal)
{
    return core_run_free(&node, vote(person, &ward_op_approval_approve, proposal));
}

static void submit(const struct core_proposal *proposal)
{
    assert_ok(core_run_free(&node, vote(&world.officer_a, &ward_op_approval_submit, proposal)));
}

static void propose(const struct ward_op *op, const char *key, uint32_t version,
                    struct core_proposal *ret)
{
    core_propose_change(&node, &world.officer_a, op, key, version, ret);
}

/* A number of what the proposal says it would bring about; -1: it says nothing of it. */
static int64_t consequence(const struct core_proposal *proposal, const char *name)
{
    struct ward_arena *arena = NULL;
    struct ward_proposal parsed;
    int64_t number = -1;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(proposal->payload, arena, &parsed));
    (void)ward_proposal_number(parsed.consequences, parsed.n_consequences, name, &number);
    ward_arena_free(arena);
    return number;
}

static void put(const char *subject)
{
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", subject, 1, patient)));
}

static void generate(size_t n)
{
    struct ward_request *request = core_generate(&world, &world.app, "app/keys", n, 1);
    assert_ok(core_run(&node, request));
    assert_ok(((struct ward_generate *)request->in)->items[0].status);
    ward_request_free(request);
}

/* ---- who ---- */

static void only_officers_move_keys(void **state)
{
    (void)state;
    const struct core_person *others[] = {&world.app, &world.auditor, &world.stranger};
    for (size_t p = 0; p < 3; p++) {
        for (size_t i = 0; i < N_OPS; i++) {
            refuses(core_change(&world, others[p], all_ops[i], "app/keys", 1), WARD_E_DENIED,
                    "policy: not allowed");
        }
    }
}

static void what_lets_go_on_waits_for_another_officer(void **state)
{
    (void)state;
    change(&ward_op_key_suspend, "app/keys", 0);
    struct core_proposal proposal;
    propose(&ward_op_key_resume, "app/keys", 0, &proposal);
    submit(&proposal);
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
    refuses(vote(&world.officer_a, &ward_op_approval_approve, &proposal), WARD_E_DENIED,
            "approval: the proposer cannot approve");
    refuses(vote(&world.officer_a2, &ward_op_approval_approve, &proposal), WARD_E_DENIED,
            "approval: the proposer cannot approve");
    refuses(vote(&world.app, &ward_op_approval_approve, &proposal), WARD_E_DENIED,
            "policy: not allowed");
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
    assert_ok(approve(&world.officer_b, &proposal));
    expect_state("app/keys", 1, WARD_KEY_ACTIVE);
    assert_code(approve(&world.officer_c, &proposal), WARD_E_STATE);
}

static void what_stops_runs_on_one_signature(void **state)
{
    (void)state;
    struct core_proposal proposal;
    propose(&ward_op_key_suspend, "app/keys", 0, &proposal);
    expect_state("app/keys", 1, WARD_KEY_ACTIVE); /* a draft is nothing yet */
    refuses(vote(&world.officer_b, &ward_op_approval_submit, &proposal), WARD_E_DENIED,
            "proposal: only its proposer may submit it");
    struct ward_request *submitted = vote(&world.officer_a, &ward_op_approval_submit, &proposal);
    assert_ok(core_run(&node, submitted));
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, submitted->request_id);
    assert_string_equal(core_detail(leaf, "executed"), "key.suspend");
    assert_string_equal(core_detail(leaf, "key"), "app/keys");
    assert_int_equal(core_detail_number(leaf, "version"), 1);
    assert_string_equal(core_detail(leaf, "to_state"), "suspended");
    core_log_close(&log);
    ward_request_free(submitted);
    assert_code(core_run_free(&node, vote(&world.officer_a, &ward_op_approval_submit, &proposal)),
                WARD_E_STATE);
}

static void a_compromise_raises_an_alarm_once_it_stands(void **state)
{
    (void)state;
    struct core_proposal proposal;
    atomic_ullong *raised = &node.pipeline.alarms.raised[WARD_ALARM_COMPROMISE];
    change(&ward_op_key_suspend, "app/keys", 0);
    assert_int_equal(atomic_load(raised), 0);
    propose(&ward_op_key_compromise, "app/keys", 1, &proposal);
    assert_int_equal(atomic_load(raised), 0);
    struct ward_request *submitted = vote(&world.officer_a, &ward_op_approval_submit, &proposal);
    assert_ok(core_run(&node, submitted));
    assert_int_equal(atomic_load(raised), 1);
    struct core_log log;
    core_log_open(&log, &world);
    assert_string_equal(core_detail(core_log_one(&log, submitted->request_id), "alarm"),
                        "compromise");
    core_log_close(&log);
    ward_request_free(submitted);
    assert_false(
        ward_ok(core_run_free(&node, vote(&world.officer_a, &ward_op_approval_submit, &proposal))));
    assert_int_equal(atomic_load(raised), 1);
}

/* ---- where it leads ---- */

static void a_version_goes_through_its_life(void **state)
{
    (void)state;
    change(&ward_op_key_suspend, "app/keys", 0);
    change(&ward_op_key_resume, "app/keys", 0);
    expect_state("app/keys", 1, WARD_KEY_ACTIVE);
    core_rotate_fully(&node, "app/keys");
    expect_state("app/keys", 1, WARD_KEY_DEACTIVATED);
    change(&ward_op_key_schedule_destroy, "app/keys", 1);
    expect_state("app/keys", 1, WARD_KEY_PENDING_DESTRUCTION);
    change(&ward_op_key_cancel_destroy, "app/keys", 1);
    expect_state("app/keys", 1, WARD_KEY_DEACTIVATED);
    change(&ward_op_key_compromise, "app/keys", 1);
    change(&ward_op_key_schedule_destroy, "app/keys", 1);
    change(&ward_op_key_cancel_destroy, "app/keys", 1);
    expect_state("app/keys", 1, WARD_KEY_COMPROMISED);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    change(&ward_op_key_deactivate, "app/keys", 0);
    expect_state("app/keys", 2, WARD_KEY_DEACTIVATED);
    assert_int_equal(core_active_version(&node, "app/keys"), 0);
    core_rotate_fully(&node, "app/keys");
    expect_state("app/keys", 2, WARD_KEY_DEACTIVATED);
    assert_int_equal(core_active_version(&node, "app/keys"), 3);
}

static void a_suspended_version_stays_suspended_when_another_comes(void **state)
{
    (void)state;
    change(&ward_op_key_suspend, "app/keys", 0);
    core_rotate_fully(&node, "app/keys");
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
    assert_int_equal(core_active_version(&node, "app/keys"), 2);
    change(&ward_op_key_resume, "app/keys", 1); /* two must not be active */
    expect_state("app/keys", 1, WARD_KEY_DEACTIVATED);
    expect_state("app/keys", 2, WARD_KEY_ACTIVE);
}

static void a_key_as_a_whole_is_disabled_and_enabled(void **state)
{
    (void)state;
    struct ward_state *held;
    refuses_change(&ward_op_key_enable, "app/keys", 0, WARD_E_STATE, "key: it is enabled already");
    change(&ward_op_key_disable, "app/keys", 0);
    assert_false(find("app/keys", &held)->enabled);
    ward_state_unref(held);
    refuses_change(&ward_op_key_disable, "app/keys", 0, WARD_E_STATE,
                   "key: it is disabled already");
    refuses(core_rotate(&world, &world.officer_a, "app/keys"), WARD_E_STATE, "key: disabled");
    change(&ward_op_key_enable, "app/keys", 0);
    assert_true(find("app/keys", &held)->enabled);
    ward_state_unref(held);
}

static void a_rotation_period_is_changed(void **state)
{
    (void)state;
    struct ward_state *held;
    change(&ward_op_key_change, "app/keys", 0);
    assert_int_equal(find("app/keys", &held)->rotation_period_days, 90);
    ward_state_unref(held);
    refuses_change(&ward_op_key_change, "app/keys", 0, WARD_E_STATE,
                   "rotation_period_days: it is that already");
}

/* ---- what is refused ---- */

static void a_state_that_forbids_it_is_named(void **state)
{
    (void)state;
    refuses_change(&ward_op_key_resume, "app/keys", 1, WARD_E_STATE,
                   "version: it is active; only a suspended one can be resumed");
    refuses_change(&ward_op_key_schedule_destroy, "app/keys", 1, WARD_E_STATE,
                   "version: it is active; only a pre-active, deactivated or compromised one can "
                   "be scheduled for destruction");
    refuses_change(&ward_op_key_cancel_destroy, "app/keys", 1, WARD_E_STATE,
                   "version: it is active; there is no destruction to cancel");
    change(&ward_op_key_suspend, "app/keys", 1);
    refuses_change(&ward_op_key_suspend, "app/keys", 0, WARD_E_STATE,
                   "version: it is suspended; only an active one can be suspended");
    refuses_change(&ward_op_key_schedule_destroy, "app/keys", 1, WARD_E_STATE,
                   "version: it is suspended; only a pre-active, deactivated or compromised one "
                   "can be scheduled for destruction");
    change(&ward_op_key_compromise, "app/keys", 1);
    refuses_change(&ward_op_key_compromise, "app/keys", 1, WARD_E_STATE,
                   "version: it is compromised; it cannot become compromised");
    refuses_change(&ward_op_key_deactivate, "app/keys", 0, WARD_E_STATE,
                   "version: it is compromised; only an active or suspended one can be "
                   "deactivated");
    refuses_change(&ward_op_key_resume, "app/keys", 0, WARD_E_STATE,
                   "version: it is compromised; only a suspended one can be resumed");
}

static void names_that_name_nothing_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_OPS; i++) {
        refuses_change(all_ops[i], "app/none", 1, WARD_E_NOT_FOUND, "key: no such key");
        refuses_change(all_ops[i], "ward/system", 1, WARD_E_STATE,
                       "key: Ward's own key is not changed this way");
        if (i >= 3) {
            refuses_change(all_ops[i], "app/keys", 2, WARD_E_NOT_FOUND,
                           "version: no such version of this key");
            refuses_change(all_ops[i], "app/keys", UINT32_MAX, WARD_E_NOT_FOUND,
                           "version: no such version of this key");
        }
        if (i >= 6) {
            refuses_change(all_ops[i], "app/keys", 0, WARD_E_INVALID,
                           "version: zero; this is done to a version that is named");
        }
        refuses_change(all_ops[i], "App/keys", 1, WARD_E_INVALID,
                       "key: not a name: [a-z0-9][a-z0-9._-]* parts joined by /, at most 128 "
                       "bytes");
    }
}

static void a_key_that_moved_on_is_not_moved_from_where_it_was(void **state)
{
    (void)state;
    struct core_proposal first, second, period, later;
    const char *text = "proposal: the key has moved on since it was made; propose again";
    propose(&ward_op_key_suspend, "app/keys", 0, &first);
    propose(&ward_op_key_deactivate, "app/keys", 0, &second);
    submit(&second);
    submit(&first);
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &second), WARD_E_STATE, text);
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
    propose(&ward_op_key_change, "app/keys", 0, &period);
    propose(&ward_op_key_change, "app/keys", 0, &later);
    submit(&period);
    submit(&later);
    assert_ok(approve(&world.officer_b, &period));
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &later), WARD_E_STATE, text);
}

/* The version's newer sibling changes what a resume would mean, and that is not what was signed. */
static void a_resume_that_would_mean_something_else_by_now_is_refused(void **state)
{
    (void)state;
    struct core_proposal proposal;
    change(&ward_op_key_suspend, "app/keys", 0);
    propose(&ward_op_key_resume, "app/keys", 0, &proposal);
    submit(&proposal);
    core_rotate_fully(&node, "app/keys");
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &proposal), WARD_E_STATE,
            "proposal: the key has moved on since it was made; propose again");
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
}

/* ---- the numbers ---- */

/* Two were proposed; what stopped it since was no reason yet when the second one was signed. */
static void a_resume_of_before_does_not_end_another_suspension(void **state)
{
    (void)state;
    struct core_proposal first, second;
    change(&ward_op_key_suspend, "app/keys", 0);
    propose(&ward_op_key_resume, "app/keys", 0, &first);
    propose(&ward_op_key_resume, "app/keys", 0, &second);
    submit(&first);
    submit(&second);
    assert_ok(approve(&world.officer_b, &first));
    expect_state("app/keys", 1, WARD_KEY_ACTIVE);
    change(&ward_op_key_suspend, "app/keys", 0);
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &second), WARD_E_STATE,
            "proposal: the key has moved on since it was made; propose again");
    expect_state("app/keys", 1, WARD_KEY_SUSPENDED);
}

static void nor_does_an_enabling_of_before(void **state)
{
    (void)state;
    struct core_proposal first, second;
    change(&ward_op_key_disable, "app/keys", 0);
    propose(&ward_op_key_enable, "app/keys", 0, &first);
    propose(&ward_op_key_enable, "app/keys", 0, &second);
    submit(&first);
    submit(&second);
    assert_ok(approve(&world.officer_b, &first));
    generate(1);
    change(&ward_op_key_disable, "app/keys", 0);
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &second), WARD_E_STATE,
            "proposal: the key has moved on since it was made; propose again");
    propose(&ward_op_key_enable, "app/keys", 0, &second);
    submit(&second);
    assert_ok(approve(&world.officer_b, &second));
    generate(1);
}

static void a_proposal_says_what_it_would_stop(void **state)
{
    (void)state;
    struct core_proposal proposal;
    put("alpha");
    put("beta");
    propose(&ward_op_key_suspend, "phi/records", 0, &proposal);
    assert_int_equal(consequence(&proposal, "rows"), 2);
    assert_int_equal(consequence(&proposal, "rows_that_cannot_be_read"), 2);
    assert_int_equal(consequence(&proposal, "key_can_wrap_afterwards"), 0);
    propose(&ward_op_key_deactivate, "phi/records", 0, &proposal);
    assert_int_equal(consequence(&proposal, "rows_that_cannot_be_read"), 0);
    assert_int_equal(consequence(&proposal, "key_can_wrap_afterwards"), 0);
    propose(&ward_op_key_disable, "phi/records", 0, &proposal);
    assert_int_equal(consequence(&proposal, "rows_that_cannot_be_read"), 2);
    generate(3);
    propose(&ward_op_key_suspend, "app/keys", 0, &proposal);
    assert_int_equal(consequence(&proposal, "keys_issued"), 3);
    assert_int_equal(consequence(&proposal, "issued_keys_that_cannot_be_opened"), 3);
    assert_int_equal(consequence(&proposal, "days_since_last_opened"), -1);
    propose(&ward_op_key_compromise, "app/keys", 1, &proposal);
    assert_int_equal(consequence(&proposal, "key_can_wrap_afterwards"), 1); /* it is followed */
    core_rotate_fully(&node, "app/keys");
    propose(&ward_op_key_compromise, "app/keys", 1, &proposal);
    assert_int_equal(consequence(&proposal, "issued_keys_that_cannot_be_opened"), 0);
    assert_int_equal(consequence(&proposal, "key_can_wrap_afterwards"), 1);
}

/* ---- destruction ---- */

static long long told(const struct ward_request *request, const char *name)
{
    assert_true(request->tells_detail);
    for (size_t i = 0; i < request->n_detail; i++) {
        if (strcmp(request->detail[i].name, name) == 0) {
            return request->detail[i].number;
        }
    }
    return -1;
}

static void a_version_that_rows_need_is_not_destroyed(void **state)
{
    (void)state;
    put("alpha");
    put("beta");
    core_rotate_fully(&node, "phi/records");
    struct ward_request *asked =
        core_change(&world, &world.officer_a, &ward_op_key_schedule_destroy, "phi/records", 1);
    ward_status status = core_run(&node, asked);
    assert_code(status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status),
                        "version: stored rows still need it; they must be rewrapped first");
    assert_int_equal(told(asked, "rows"), 2);
    struct core_log log;
    core_log_open(&log, &world);
    assert_string_equal(core_detail(core_log_one(&log, asked->request_id), "collections"),
                        "fhir 2");
    core_log_close(&log);
    ward_request_free(asked);
    core_rewrap_all(&node, "phi/records");
    atomic_fetch_add(&world.clock.ahead_us, 31 * DAY_US);
    change(&ward_op_key_schedule_destroy, "phi/records", 1);
    expect_state("phi/records", 1, WARD_KEY_PENDING_DESTRUCTION);
}

/* Opens a fresh key of the version as another daemon would: n issued, and opened at that time. */
static void used(const char *key, uint32_t version, uint64_t issued, uint64_t opened,
                 int64_t opened_us)
{
    struct ward_state *held;
    const struct ward_new_use use = {.kek = find(key, &held)->id,
                                     .version = version,
                                     .issued = issued,
                                     .opened = opened,
                                     .last_opened_us = opened_us};
    struct ward_commit commit = {
        .uses = &use, .n_uses = 1, .node = WARD_BYTES_LITERAL("elsewhere")};
    ward_state_unref(held);
    assert_int_equal(core_world_commit(&world, &commit, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

static void a_version_that_opened_something_lately_is_not_destroyed(void **state)
{
    (void)state;
    core_rotate_fully(&node, "app/keys");
    used("app/keys", 1, 5, 7, ward_wall_us(&world.clock.base));
    atomic_fetch_add(&world.clock.ahead_us, 29 * DAY_US);
    struct ward_request *asked =
        core_change(&world, &world.officer_a, &ward_op_key_schedule_destroy, "app/keys", 1);
    ward_status status = core_run(&node, asked);
    assert_code(status, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status),
                        "version: keys were opened with it too lately");
    assert_int_equal(told(asked, "times_opened"), 7);
    assert_int_equal(told(asked, "days_since_last_opened"), 29);
    assert_int_equal(told(asked, "days_unused_needed"), 30);
    ward_request_free(asked);
    atomic_fetch_add(&world.clock.ahead_us, 2 * DAY_US);
    struct core_proposal proposal;
    propose(&ward_op_key_schedule_destroy, "app/keys", 1, &proposal);
    assert_int_equal(consequence(&proposal, "days_since_last_opened"), 31);
    assert_int_equal(consequence(&proposal, "issued_keys_that_cannot_be_opened"), 5);
}

static void what_has_changed_since_is_looked_at_when_it_runs(void **state)
{
    (void)state;
    core_rotate_fully(&node, "app/keys");
    struct core_proposal opened, issued;
    propose(&ward_op_key_schedule_destroy, "app/keys", 1, &issued);
    submit(&issued);
    used("app/keys", 1, 1, 0, 0);
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &issued), WARD_E_STATE,
            "proposal: keys were issued under the version since it was made; propose again");
    propose(&ward_op_key_schedule_destroy, "app/keys", 1, &opened);
    submit(&opened);
    used("app/keys", 1, 0, 1, ward_wall_us(&world.clock.base));
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &opened), WARD_E_STATE,
            "version: keys were opened with it too lately");
    expect_state("app/keys", 1, WARD_KEY_DEACTIVATED);
}

static void a_pending_destruction_knows_its_day_and_the_state_before(void **state)
{
    (void)state;
    core_rotate_fully(&node, "app/keys");
    change(&ward_op_key_compromise, "app/keys", 1);
    struct ward_request *asked =
        core_change(&world, &world.officer_a, &ward_op_key_schedule_destroy, "app/keys", 1);
    ((struct ward_key_state_change *)asked->in)->waiting_days = 7;
    assert_ok(core_run(&node, asked));
    struct core_proposal proposal = {.id =
                                         ((struct ward_key_state_change *)asked->in)->proposal->id};
    struct ward_bytes payload = ((struct ward_key_state_change *)asked->in)->proposal->payload;
    memcpy(proposal.memory, payload.data, payload.size);
    proposal.payload = WARD_BYTES(proposal.memory, payload.size);
    ward_request_free(asked);
    submit(&proposal);
    int64_t before = ward_wall_us(&world.clock.base);
    assert_ok(approve(&world.officer_b, &proposal));
    struct ward_state *held;
    const struct ward_key_version *version = ward_key_version_find(find("app/keys", &held), 1);
    assert_int_equal(version->prior, WARD_KEY_COMPROMISED);
    assert_true(version->due_us >= before + 7 * DAY_US);
    assert_true(version->due_us <= ward_wall_us(&world.clock.base) + 7 * DAY_US);
    assert_true(version->changed_us >= before);
    ward_state_unref(held);
    change(&ward_op_key_cancel_destroy, "app/keys", 1);
    version = ward_key_version_find(find("app/keys", &held), 1);
    assert_int_equal(version->prior, 0);
    assert_int_equal(version->due_us, 0);
    ward_state_unref(held);
}

/* An attacker who can write rows takes the words of a real proposal with other numbers. */
static void a_payload_with_other_numbers_is_not_what_was_signed(void **state)
{
    (void)state;
    core_rotate_fully(&node, "app/keys");
    struct core_proposal proposal;
    propose(&ward_op_key_schedule_destroy, "app/keys", 1, &proposal);
    uint8_t *at = memmem(proposal.memory, proposal.payload.size, "\"waiting_days\":30", 17);
    assert_non_null(at);
    submit(&proposal);
    memcpy(at, "\"waiting_days\":07", 17);
    refuses(vote(&world.officer_b, &ward_op_approval_approve, &proposal), WARD_E_INVALID,
            "signature: does not verify");
    expect_state("app/keys", 1, WARD_KEY_DEACTIVATED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(only_officers_move_keys),
        T(what_lets_go_on_waits_for_another_officer),
        T(what_stops_runs_on_one_signature),
        T(a_compromise_raises_an_alarm_once_it_stands),
        T(a_version_goes_through_its_life),
        T(a_suspended_version_stays_suspended_when_another_comes),
        T(a_key_as_a_whole_is_disabled_and_enabled),
        T(a_rotation_period_is_changed),
        T(a_state_that_forbids_it_is_named),
        T(names_that_name_nothing_are_refused),
        T(a_key_that_moved_on_is_not_moved_from_where_it_was),
        T(a_resume_that_would_mean_something_else_by_now_is_refused),
        T(a_resume_of_before_does_not_end_another_suspension),
        T(nor_does_an_enabling_of_before),
        T(a_proposal_says_what_it_would_stop),
        T(a_version_that_rows_need_is_not_destroyed),
        T(a_version_that_opened_something_lately_is_not_destroyed),
        T(what_has_changed_since_is_looked_at_when_it_runs),
        T(a_pending_destruction_knows_its_day_and_the_state_before),
        T(a_payload_with_other_numbers_is_not_what_was_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
