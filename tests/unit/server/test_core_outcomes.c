/* SPDX-License-Identifier: Apache-2.0 */
/* The table: every method with every outcome ends in exactly one entry, and the entry says what the
 * caller was told. */
#include <stdio.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

static const char patient[] = "{\"resourceType\":\"Patient\",\"id\":\"p1\"}";

static struct core_world world;
static struct core_node node;
static uint8_t wrapped[1024];
static size_t wrapped_size;
static struct core_proposal proposal;

/* ---- the methods ---- */

typedef struct ward_request *maker(const struct core_person *somebody);

static const struct core_person * or
    (const struct core_person *somebody, const struct core_person *usual)
{
    return somebody == NULL ? usual : somebody;
}

static struct ward_request *generate(const struct core_person *somebody)
{
    return core_generate(&world, or (somebody, &world.app), "app/keys", 2, 2);
}
static struct ward_request *unwrap(const struct core_person *somebody)
{
    return core_unwrap(&world, or (somebody, &world.app), WARD_BYTES(wrapped, wrapped_size),
                       "TREAT");
}
static struct ward_request *rewrap(const struct core_person *somebody)
{
    return core_rewrap(&world, or (somebody, &world.app), WARD_BYTES(wrapped, wrapped_size), 2);
}
static struct ward_request *put_first(const struct core_person *somebody)
{
    static unsigned n;
    char subject[32];
    (void)snprintf(subject, sizeof(subject), "fresh-%u", n++);
    return core_put(&world, or (somebody, &world.app), "fhir", subject, 2, patient);
}
static struct ward_request *put_again(const struct core_person *somebody)
{
    return core_put(&world, or (somebody, &world.app), "fhir", "known", 1, patient);
}
static struct ward_request *get(const struct core_person *somebody)
{
    return core_get(&world, or (somebody, &world.app), "fhir", "known");
}
static struct ward_request *create(const struct core_person *somebody)
{
    static unsigned n;
    char name[32];
    (void)snprintf(name, sizeof(name), "app/new-%u", n++);
    return core_create(&world, or (somebody, &world.officer_a), name, WARD_PURPOSE_DATA_KEYS);
}
static struct ward_request *create_guarded(const struct core_person *somebody)
{
    static unsigned n;
    char name[32];
    (void)snprintf(name, sizeof(name), "guarded/new-%u", n++);
    return core_create(&world, or (somebody, &world.officer_a), name, WARD_PURPOSE_DATA_KEYS);
}
static struct ward_request *rotate(const struct core_person *somebody)
{
    return core_rotate(&world, or (somebody, &world.officer_a), "app/keys");
}
static struct ward_request *describe(const struct core_person *somebody)
{
    struct ward_request *request =
        core_request(&world, or (somebody, &world.officer_a), &ward_op_key_describe,
                     sizeof(struct ward_key_describe));
    ((struct ward_key_describe *)request->in)->name = WARD_BYTES_LITERAL("phi/records");
    return request;
}
static struct ward_request *rewrap_key(const struct core_person *somebody)
{
    struct ward_request *request = core_request(&world, or (somebody, &world.officer_a),
                                                &ward_op_key_rewrap, sizeof(struct ward_key_job));
    ((struct ward_key_job *)request->in)->name = WARD_BYTES_LITERAL("phi/records");
    return request;
}
static struct ward_request *usage(const struct core_person *somebody)
{
    struct ward_request *request = core_request(&world, or (somebody, &world.officer_a),
                                                &ward_op_key_usage, sizeof(struct ward_key_usage));
    ((struct ward_key_usage *)request->in)->name = WARD_BYTES_LITERAL("phi/records");
    return request;
}
static struct ward_request *list(const struct core_person *somebody)
{
    struct ward_request *request = core_request(&world, or (somebody, &world.officer_a),
                                                &ward_op_key_list, sizeof(struct ward_key_list));
    ((struct ward_key_list *)request->in)->page_size = 3;
    return request;
}
static struct ward_request *approvals(const struct core_person *somebody)
{
    struct ward_request *request =
        core_request(&world, or (somebody, &world.auditor), &ward_op_approval_list,
                     sizeof(struct ward_approval_list));
    struct ward_approval_list *in = request->in;
    in->all = true;
    in->page_size = 3;
    return request;
}
static void fresh_proposal(bool submitted)
{
    size_t n;
    (void)core_recover_all(&node, &n); /* what the run before may have left under way */
    core_propose(&node, &world.officer_a, "app/keys", &proposal);
    if (submitted) {
        assert_ok(core_run_free(
            &node, core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal)));
    }
}
static struct ward_request *show(const struct core_person *somebody)
{
    return core_vote_with(&world, or (somebody, &world.auditor), &ward_op_approval_show,
                          &proposal.id, (struct ward_bytes){0});
}
static struct ward_request *submit(const struct core_person *somebody)
{
    fresh_proposal(false);
    return core_vote(&world, or (somebody, &world.officer_a), &ward_op_approval_submit, &proposal);
}
static struct ward_request *approve(const struct core_person *somebody)
{
    fresh_proposal(true);
    return core_vote(&world, or (somebody, &world.officer_b), &ward_op_approval_approve, &proposal);
}
static struct ward_request *reject(const struct core_person *somebody)
{
    fresh_proposal(true);
    return core_vote(&world, or (somebody, &world.officer_b), &ward_op_approval_reject, &proposal);
}
static struct ward_request *export_log(const struct core_person *somebody)
{
    struct ward_request *request =
        core_request(&world, or (somebody, &world.auditor), &ward_op_audit_export,
                     sizeof(struct ward_audit_export));
    ((struct ward_audit_export *)request->in)->end = 2;
    return request;
}
static struct ward_request *checkpoint(const struct core_person *somebody)
{
    return core_request(&world, or (somebody, &world.auditor), &ward_op_audit_checkpoint,
                        sizeof(struct ward_audit_checkpoint));
}

static const struct {
    const char *name;
    maker *make;
} methods[] = {
    {"generate", generate},   {"unwrap", unwrap},          {"rewrap", rewrap},
    {"put first", put_first}, {"put again", put_again},    {"get", get},
    {"create", create},       {"guarded", create_guarded}, {"rotate", rotate},
    {"describe", describe},   {"rewrap key", rewrap_key},  {"usage", usage},
    {"list", list},           {"approvals", approvals},    {"show", show},
    {"submit", submit},       {"approve", approve},        {"reject", reject},
    {"export", export_log},   {"checkpoint", checkpoint},
};
#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* ---- the faults ---- */

struct fault {
    const char *name;
    enum ward_commit_outcome outcome;
    bool happens, for_ever; /* for ever: while its entry says that it was allowed, or has none */
    unsigned left;
};

static enum ward_commit_outcome inject(void *arg, const struct ward_commit *commit,
                                       bool *ret_happens)
{
    struct fault *fault = arg;
    static const char allowed[] = "\"outcome\":\"allowed\"";
    bool good = commit->n_leaves == 0 ||
                memmem(commit->leaves.data, commit->leaves.size, allowed, strlen(allowed)) != NULL;
    if (fault->left == 0 || (fault->for_ever && !good)) {
        return WARD_COMMITTED;
    }
    fault->left -= !fault->for_ever;
    *ret_happens = fault->happens;
    return fault->outcome;
}

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    assert_ok(core_run_free(&node, put_again(NULL)));
    struct ward_request *made = generate(NULL);
    assert_ok(core_run(&node, made));
    struct ward_bytes key = ((struct ward_generate *)made->in)->items[0].keys[0].wrapped;
    memcpy(wrapped, key.data, key.size);
    wrapped_size = key.size;
    ward_request_free(made);
    fresh_proposal(false);
    core_sign_checkpoint(&node);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_store_memory_set_fault(world.store, NULL, NULL);
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* One entry, and it agrees with the answer. A batch is OK as a whole even when all its items
 * failed: then the entry has their code. */
static bool agrees(struct ward_request *request, const char *method, const char *fault)
{
    struct core_log log;
    core_log_open(&log, &world);
    size_t n = core_log_count(&log, request->request_id);
    if (n != 1) {
        fail_msg("%s, %s: %zu entries", method, fault, n);
    }
    const json_t *leaf = core_log_one(&log, request->request_id);
    bool allowed = strcmp(core_text(leaf, "outcome"), "allowed") == 0;
    bool coded = core_text(leaf, "code")[0] != '\0';
    bool items = request->n_leaf_items > 0;
    if (allowed == coded || (!allowed && ward_ok(request->status) && !items) ||
        (allowed && !ward_ok(request->status))) {
        fail_msg("%s, %s: answered %s, entry %s %s", method, fault,
                 ward_code_name(request->status.code), core_text(leaf, "outcome"),
                 core_text(leaf, "code"));
    }
    core_log_close(&log);
    return allowed;
}

static void run_all(struct fault *fault, const struct core_person *somebody, bool allowed,
                    bool refused_too)
{
    for (size_t i = 0; i < METHODS; i++) {
        struct ward_request *request = methods[i].make(somebody);
        if (fault != NULL) {
            fault->left = 1;
            ward_store_memory_set_fault(world.store, inject, fault);
        }
        (void)core_run(&node, request);
        ward_store_memory_set_fault(world.store, NULL, NULL);
        bool was = agrees(request, methods[i].name, fault == NULL ? "none" : fault->name);
        if (was != allowed && !refused_too) {
            fail_msg("%s, %s: entry says allowed: %d", methods[i].name,
                     fault == NULL ? "none" : fault->name, was);
        }
        ward_request_free(request);
    }
}

static void every_method_that_succeeds_has_one_entry(void **state)
{
    (void)state;
    run_all(NULL, NULL, true, false);
}

static void every_method_that_policy_refuses_has_one_entry(void **state)
{
    (void)state;
    run_all(NULL, &world.stranger, false, false);
}

static void every_method_survives_a_passing_fault_of_the_database(void **state)
{
    (void)state;
    struct fault faults[] = {
        {.name = "retry", .outcome = WARD_COMMIT_RETRY},
        {.name = "head moved", .outcome = WARD_COMMIT_HEAD_MOVED},
        {.name = "stale", .outcome = WARD_COMMIT_STALE},
        {.name = "unknown, not", .outcome = WARD_COMMIT_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        run_all(&faults[i], NULL, true, false);
    }
}

/* A vote or an intent without an entry of its own may have happened: then its second try is refused
 * and recovery finishes. Everything else is simply answered. */
static void every_method_has_one_entry_after_a_doubt_that_happened(void **state)
{
    (void)state;
    struct fault fault = {
        .name = "unknown, happened", .outcome = WARD_COMMIT_UNKNOWN, .happens = true};
    run_all(&fault, NULL, true, true);
}

static void every_method_that_the_database_will_not_have_has_one_entry(void **state)
{
    (void)state;
    struct fault faults[] = {
        {.name = "failed", .outcome = WARD_COMMIT_FAILED, .for_ever = true},
        {.name = "conflict", .outcome = WARD_COMMIT_CONFLICT, .for_ever = true},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        for (size_t m = 0; m < METHODS; m++) {
            struct ward_request *request = methods[m].make(NULL);
            faults[i].left = 1;
            ward_store_memory_set_fault(world.store, inject, &faults[i]);
            ward_status status = core_run(&node, request);
            ward_store_memory_set_fault(world.store, NULL, NULL);
            /* Without a step there is nothing to give up but the entry: no sink, no answer. */
            if (request->op->n_steps == 0) {
                assert_code(status, WARD_E_UNAVAILABLE);
            } else {
                assert_false(agrees(request, methods[m].name, faults[i].name));
                assert_false(ward_ok(status));
            }
            ward_request_free(request);
        }
    }
}

static void every_method_has_one_entry_without_an_hsm(void **state)
{
    (void)state;
    const enum fake_kek_fault faults[] = {FAKE_KEK_AWAY, FAKE_KEK_ITEMS_AWAY, FAKE_KEK_CREATE_AWAY};
    for (size_t f = 0; f < 3; f++) {
        for (size_t i = 0; i < METHODS; i++) {
            struct ward_request *request = methods[i].make(NULL);
            fake_kek_set_fault(world.kek, faults[f]);
            (void)core_run(&node, request);
            fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
            (void)agrees(request, methods[i].name, "no HSM");
            ward_request_free(request);
        }
    }
}

static void every_method_that_is_late_has_one_entry(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        struct ward_request *request = methods[i].make(NULL);
        request->deadline_us = 1;
        ward_status status = core_run(&node, request);
        /* those without work to do are answered all the same */
        assert_true(ward_ok(status) || status.code == WARD_E_DEADLINE);
        (void)agrees(request, methods[i].name, "late");
        ward_request_free(request);
    }
}

/* The log as a whole is read again and again above; this is the last time. */
static void the_log_is_whole_after_all_that(void **state)
{
    (void)state;
    struct core_log log;
    core_log_open(&log, &world);
    assert_true(log.n > METHODS * 10);
    core_log_close(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_that_succeeds_has_one_entry),
        cmocka_unit_test(every_method_that_policy_refuses_has_one_entry),
        cmocka_unit_test(every_method_survives_a_passing_fault_of_the_database),
        cmocka_unit_test(every_method_has_one_entry_after_a_doubt_that_happened),
        cmocka_unit_test(every_method_that_the_database_will_not_have_has_one_entry),
        cmocka_unit_test(every_method_has_one_entry_without_an_hsm),
        cmocka_unit_test(every_method_that_is_late_has_one_entry),
        cmocka_unit_test(the_log_is_whole_after_all_that),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
