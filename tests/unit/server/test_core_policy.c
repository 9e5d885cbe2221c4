/* SPDX-License-Identifier: Apache-2.0 */
/* Policy is changed by officers alone, together, and is in force everywhere with its own commit. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "server/op/policy_changing.h"
#include "server/policy_chain.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#if defined(__SANITIZE_THREAD__)
#define CHANGES \
    100 /* what is looked for there shows in the first few, and each takes ten times as long */
#else
#define CHANGES 1000
#endif
#define KEPT_MAX (96 * 1024) /* rows and leaves of one change, which the store in memory keeps */

static struct core_world world;
static struct core_node node, other;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_node_start(&other, &world, "node-2");
    core_make_key(&node, "app/key", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&other);
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* ---- asking ---- */

/* The policy that the world began with, `old` replaced by `new` once. */
static const char *with(const char *old, const char *new)
{
    static char text[16384];
    const char *at = strstr(core_policy, old);
    assert_non_null(at);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - core_policy), core_policy, new,
                   at + strlen(old));
    return text;
}

#define NO_UNWRAP \
    with("[data-key.generate, data-key.unwrap, data-key.", "[data-key.generate, data-key.")

static uint32_t in_force(void)
{
    struct ward_state *state = ward_state_slot_get(&node.states);
    uint32_t version = state->policy_version;
    ward_state_unref(state);
    return version;
}

static struct ward_request *ask(const struct core_person *person, const char *text, uint32_t base)
{
    struct ward_request *request =
        core_request(&world, person, &ward_op_policy_apply, sizeof(struct ward_policy_apply));
    struct ward_policy_apply *in = request->in;
    assert_ok(ward_arena_copy(request->arena, ward_bytes_str(text), &in->text));
    in->base_version = base;
    request->reason = WARD_BYTES_LITERAL("because");
    return request;
}

static void draft(const struct core_person *person, const char *text, struct core_proposal *ret)
{
    struct ward_request *request = ask(person, text, in_force());
    ward_status status = core_run(&node, request);
    if (!ward_ok(status)) {
        fail_msg("%s", ward_status_refusal(status));
    }
    const struct ward_proposal_view *view = ((struct ward_policy_apply *)request->in)->proposal;
    assert_string_equal(view->state, "draft");
    memcpy(ret->memory, view->payload.data, view->payload.size);
    ret->payload = WARD_BYTES(ret->memory, view->payload.size);
    ret->id = view->id;
    ward_request_free(request);
}

static ward_status vote(const struct core_person *person, const struct ward_op *op,
                        const struct core_proposal *proposal)
{
    return core_run_free(&node, core_vote(&world, person, op, proposal));
}

static void change(const char *text)
{
    struct core_proposal proposal;
    draft(&world.officer_a, text, &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
}

static void expect_refusal(const struct core_person *person, const char *text, uint32_t base,
                           enum ward_code code, const char *words)
{
    struct ward_request *request = ask(person, text, base);
    ward_status status = core_run(&node, request);
    assert_code(status, code);
    if (words != NULL && (ward_status_refusal(status) == NULL ||
                          strstr(ward_status_refusal(status), words) == NULL)) {
        fail_msg("expected \"%s\", got: %s", words, ward_status_refusal(status));
    }
    ward_request_free(request);
    assert_int_equal(in_force(), base == 9 ? 1 : base);
}

/* ---- drafts ---- */

static void a_text_that_is_no_policy_is_refused_at_its_place(void **state)
{
    (void)state;
    expect_refusal(&world.officer_a, with("kind: officer", "kind: king"), 1, WARD_E_INVALID,
                   "text: 23:11: ");
    expect_refusal(&world.officer_a, "version: 1\n", 1, WARD_E_INVALID, "text: 1:1: ");
}

static void what_changes_nothing_or_another_deployment_is_refused(void **state)
{
    (void)state;
    expect_refusal(&world.officer_a, core_policy, 1, WARD_E_INVALID, "the same as");
    expect_refusal(&world.officer_a, with("deployment: unit.test", "deployment: other.test"), 1,
                   WARD_E_INVALID, "deployment");
}

static void a_base_that_is_not_in_force_is_refused(void **state)
{
    (void)state;
    expect_refusal(&world.officer_a, NO_UNWRAP, 9, WARD_E_STATE, "base_version");
}

static void nobody_but_an_officer_proposes(void **state)
{
    (void)state;
    expect_refusal(&world.app, NO_UNWRAP, 1, WARD_E_DENIED, NULL);
    expect_refusal(&world.auditor, NO_UNWRAP, 1, WARD_E_DENIED, NULL);
    expect_refusal(&world.stranger, NO_UNWRAP, 1, WARD_E_DENIED, NULL);
}

static void a_policy_that_nobody_could_undo_is_refused(void **state)
{
    (void)state;
    expect_refusal(&world.officer_a, with("policy.apply, policy.show", "policy.show"), 1,
                   WARD_E_STATE, "nobody could undo it");
}

static void the_draft_binds_both_texts_and_says_what_it_means(void **state)
{
    (void)state;
    struct core_proposal drafted;
    draft(&world.officer_a, NO_UNWRAP, &drafted);
    struct ward_arena *arena = NULL;
    struct ward_proposal proposal;
    struct ward_policy_step step;
    struct ward_policy *to = NULL;
    int64_t number = 0;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(drafted.payload, arena, &proposal));
    assert_true(ward_policy_step_read(&proposal, &step));
    assert_ok(ward_policy_parse(ward_bytes_str(NO_UNWRAP), &to, NULL));
    assert_int_equal(step.from_version, 1);
    assert_memory_equal(step.from_hash, proposal.policy, 32);
    assert_memory_equal(step.to_hash, ward_policy_hash(to), 32);
    assert_true(ward_bytes_eq(proposal.object, WARD_BYTES_LITERAL("policy#2")));
    assert_true(ward_proposal_number(proposal.consequences, proposal.n_consequences,
                                     "identities_that_lose_rights", &number));
    assert_int_equal(number, 1);
    assert_true(ward_proposal_number(proposal.consequences, proposal.n_consequences,
                                     "officers_who_may_approve_after", &number));
    assert_int_equal(number, 3);
    ward_policy_unref(to);
    ward_arena_free(arena);
}

/* ---- in force ---- */

static ward_status unwrap(struct core_node *at, struct ward_bytes wrapped)
{
    struct ward_request *request = core_unwrap(&world, &world.app, wrapped, "TREAT");
    ward_status status = core_run(at, request);
    if (ward_ok(status)) {
        status = ((struct ward_unwrap *)request->in)->items[0].status;
    }
    ward_request_free(request);
    return status;
}

static void a_change_is_in_force_everywhere_with_its_own_commit(void **state)
{
    (void)state;
    struct ward_request *request = core_generate(&world, &world.app, "app/key", 1, 1);
    assert_ok(core_run(&other, request));
    struct ward_bytes wrapped = ((struct ward_generate *)request->in)->items[0].keys[0].wrapped;
    assert_ok(unwrap(&other, wrapped));
    struct core_proposal proposal;
    draft(&world.officer_a, NO_UNWRAP, &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(unwrap(&other, wrapped)); /* nothing is in force before the last signature */
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_code(unwrap(&node, wrapped), WARD_E_DENIED);
    assert_code(unwrap(&other, wrapped), WARD_E_DENIED); /* which nobody has told */
    change(core_policy);
    assert_int_equal(in_force(), 3);
    assert_ok(unwrap(&other, wrapped));
    ward_request_free(request);
}

static void a_proposal_of_an_older_policy_does_not_run(void **state)
{
    (void)state;
    struct core_proposal late;
    draft(&world.officer_a, NO_UNWRAP, &late);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &late));
    change(with("app/**", "app/*"));
    assert_code(vote(&world.officer_b, &ward_op_approval_approve, &late), WARD_E_STATE);
    assert_int_equal(in_force(), 2);
}

static uint32_t approvals_of(const char *text)
{
    struct core_proposal drafted;
    struct ward_arena *arena = NULL;
    struct ward_proposal proposal;
    draft(&world.officer_a, text, &drafted);
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_proposal_parse(drafted.payload, arena, &proposal));
    ward_arena_free(arena);
    return proposal.approvals;
}

#define TWO_FOR_POLICY "guards:\n  - action: policy.apply\n    approvals: 2\n"

static void who_raises_the_number_of_approvals_needs_it_and_so_does_who_lowers_it(void **state)
{
    (void)state;
    assert_int_equal(approvals_of(NO_UNWRAP), 1);
    assert_int_equal(approvals_of(with("guards:\n", TWO_FOR_POLICY)), 2);
    struct core_proposal proposal;
    draft(&world.officer_a, with("guards:\n", TWO_FOR_POLICY), &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_int_equal(in_force(), 1);
    assert_ok(vote(&world.officer_c, &ward_op_approval_approve, &proposal));
    assert_int_equal(in_force(), 2);
    assert_int_equal(approvals_of(core_policy), 2);
}

static void the_entry_of_a_change_names_it(void **state)
{
    (void)state;
    struct core_proposal proposal;
    draft(&world.officer_a, NO_UNWRAP, &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    struct ward_request *request =
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal);
    assert_ok(core_run(&node, request));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_detail(leaf, "executed"), "policy.apply");
    assert_string_equal(core_detail(leaf, "whom"), "policy#2");
    assert_int_equal(strlen(core_detail(leaf, "to_hash")), 64);
    core_log_close(&log);
    ward_request_free(request);
}

/* ---- reading ---- */

static struct ward_request *show(const struct core_person *person, uint32_t version,
                                 const struct ward_id *proposal)
{
    struct ward_request *request =
        core_request(&world, person, &ward_op_policy_show, sizeof(struct ward_policy_show));
    struct ward_policy_show *in = request->in;
    in->version = version;
    in->of_proposal = proposal != NULL;
    if (proposal != NULL) {
        in->proposal = *proposal;
    }
    return request;
}

static void expect_text(uint32_t version, const struct ward_id *proposal, const char *text)
{
    struct ward_request *request = show(&world.auditor, version, proposal);
    assert_ok(core_run(&node, request));
    const struct ward_policy_show *in = request->in;
    assert_true(ward_bytes_eq(in->policy.text, ward_bytes_str(text)));
    assert_int_equal(in->policy.version, proposal != NULL ? 0 : version);
    ward_request_free(request);
}

static void every_version_and_every_proposed_text_is_shown(void **state)
{
    (void)state;
    struct core_proposal proposal;
    draft(&world.officer_a, NO_UNWRAP, &proposal);
    expect_text(0, &proposal.id, NO_UNWRAP);
    change(with("app/**", "app/*"));
    expect_text(1, NULL, core_policy);
    expect_text(2, NULL, with("app/**", "app/*"));
    expect_text(0, &proposal.id, NO_UNWRAP); /* it will not run any more, but was proposed */
    assert_code(core_run_free(&node, show(&world.auditor, 3, NULL)), WARD_E_NOT_FOUND);
    const struct ward_id nobodys = {{1}};
    assert_code(core_run_free(&node, show(&world.auditor, 0, &nobodys)), WARD_E_NOT_FOUND);
    assert_code(core_run_free(&node, show(&world.app, 1, NULL)), WARD_E_DENIED);
}

static void the_list_has_every_version_with_its_times(void **state)
{
    (void)state;
    change(NO_UNWRAP);
    change(core_policy);
    struct ward_request *request = core_request(&world, &world.officer_a, &ward_op_policy_list,
                                                sizeof(struct ward_policy_list));
    struct ward_policy_list *in = request->in;
    in->page_size = 2;
    assert_ok(core_run(&node, request));
    static const struct ward_id none;
    assert_int_equal(in->n, 2);
    assert_int_equal(in->next_before, 2);
    assert_int_equal(in->policies[0].version, 3);
    assert_int_equal(in->policies[0].ceased_us, 0);
    assert_int_equal(in->policies[0].text.size, 0);
    assert_int_equal(in->policies[1].ceased_us, in->policies[0].created_us);
    assert_false(ward_id_eq(&in->policies[1].proposal, &none));
    ward_request_free(request);
    request = core_request(&world, &world.officer_a, &ward_op_policy_list,
                           sizeof(struct ward_policy_list));
    in = request->in;
    in->page_size = 2;
    in->before = 2;
    assert_ok(core_run(&node, request));
    assert_int_equal(in->n, 1);
    assert_int_equal(in->next_before, 0);
    assert_true(ward_id_eq(&in->policies[0].proposal, &none));
    ward_request_free(request);
}

/* ---- many ---- */

/* Follows from nothing, or from where it is, to the database's newest. */
static ward_status follow(struct ward_policy_chain *chain)
{
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    struct ward_store_snapshot snapshot;
    assert_ok(ward_arena_new(64u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    assert_ok(ward_store_snapshot(reader, arena, &snapshot));
    ward_status status = ward_policy_chain_follow(chain, reader, &snapshot);
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    return status;
}

static void a_thousand_changes_leave_nothing_behind_and_are_verified_from_the_start(void **state)
{
    (void)state;
    struct ward_policy *genesis = NULL;
    struct ward_policy_chain chain;
    size_t used[2] = {0};
    assert_ok(ward_policy_parse(ward_bytes_str(core_policy), &genesis, NULL));
    assert_ok(ward_policy_chain_init(&chain, ward_policy_hash(genesis), world.trust));
    for (unsigned i = 0; i < CHANGES; i++) {
        change(i % 2 == 0 ? NO_UNWRAP : core_policy);
        if (i % 10 == 0) {
            core_node_refresh_now(&other);
            assert_ok(follow(&chain));
            assert_int_equal(chain.version, i + 2);
        }
        if (i == CHANGES / 2 || i == CHANGES - 1) {
            used[i == CHANGES - 1] = mallinfo2().uordblks;
        }
    }
    assert_true(used[1] < used[0] + (size_t)CHANGES / 2 * KEPT_MAX);
    ward_policy_chain_fini(&chain);
    clock_t began = clock();
    assert_ok(ward_policy_chain_init(&chain, ward_policy_hash(genesis), world.trust));
    assert_ok(follow(&chain));
    assert_int_equal(chain.version, CHANGES + 1);
    print_message("%d versions verified in %lld ms of CPU, %zu bytes kept a change\n", CHANGES,
                  (long long)(clock() - began) * 1000 / CLOCKS_PER_SEC,
                  (used[1] - used[0]) / (CHANGES / 2));
    ward_policy_chain_fini(&chain);
    ward_policy_unref(genesis);
}

static void a_policy_without_signatures_is_never_taken(void **state)
{
    (void)state;
    struct ward_policy *genesis = NULL;
    struct ward_policy_chain chain;
    assert_ok(ward_policy_parse(ward_bytes_str(core_policy), &genesis, NULL));
    assert_ok(ward_policy_chain_init(&chain, ward_policy_hash(genesis), world.trust));
    assert_ok(follow(&chain));
    core_world_set_policy(&world, NO_UNWRAP); /* as whoever writes into the database */
    ward_status status = follow(&chain);
    assert_code(status, WARD_E_STATE);
    assert_non_null(strstr(ward_status_refusal(status), "no proposal"));
    assert_int_equal(chain.version, 1);
    ward_policy_chain_fini(&chain);
    ward_policy_unref(genesis);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_that_is_no_policy_is_refused_at_its_place),
        TEST(what_changes_nothing_or_another_deployment_is_refused),
        TEST(a_base_that_is_not_in_force_is_refused),
        TEST(nobody_but_an_officer_proposes),
        TEST(a_policy_that_nobody_could_undo_is_refused),
        TEST(the_draft_binds_both_texts_and_says_what_it_means),
        TEST(a_change_is_in_force_everywhere_with_its_own_commit),
        TEST(a_proposal_of_an_older_policy_does_not_run),
        TEST(who_raises_the_number_of_approvals_needs_it_and_so_does_who_lowers_it),
        TEST(the_entry_of_a_change_names_it),
        TEST(every_version_and_every_proposed_text_is_shown),
        TEST(the_list_has_every_version_with_its_times),
        TEST(a_thousand_changes_leave_nothing_behind_and_are_verified_from_the_start),
        TEST(a_policy_without_signatures_is_never_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
