/* SPDX-License-Identifier: Apache-2.0 */
/* Every decision in every state of a proposal: what may be decided when, walked completely. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DOMAIN "spiffe://unit.test/"
#define HOUR_US (3600LL * 1000000)

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "one/key", WARD_PURPOSE_DATA_KEYS);
    const char *at = strstr(core_policy, "guards:\n") + strlen("guards:\n");
    size_t size = strlen(core_policy) + 256;
    char *text = malloc(size);
    assert_non_null(text);
    (void)snprintf(text, size,
                   "%.*s  - action: key.rotate\n    keys: [\"one/**\"]\n    approvals: 1\n"
                   "    expires_hours: 24\n    execute: manual\n%s",
                   (int)(at - core_policy), core_policy, at);
    core_world_set_policy(&world, text);
    core_node_refresh_now(&node);
    free(text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static void decide(const struct core_person *person, const struct ward_op *op,
                   const struct core_proposal *proposal)
{
    assert_ok(core_run_free(&node, core_vote(&world, person, op, proposal)));
}

/* ---- the states, each with a proposal of officer_a's in it ---- */

static void draft(struct core_proposal *ret)
{
    core_propose(&node, &world.officer_a, "one/key", ret);
}
static void open_it(struct core_proposal *ret)
{
    draft(ret);
    decide(&world.officer_a, &ward_op_approval_submit, ret);
}
static void approved(struct core_proposal *ret)
{
    open_it(ret);
    decide(&world.officer_b, &ward_op_approval_approve, ret);
}
static void executing(struct core_proposal *ret)
{
    open_it(ret);
    struct ward_effect row = {.kind = WARD_EFFECT_PROPOSAL_STATE};
    row.proposal_state.id = ret->id;
    row.proposal_state.from = WARD_PROPOSAL_OPEN;
    row.proposal_state.to = WARD_PROPOSAL_EXECUTING;
    assert_int_equal(core_world_write(&world, &row, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}
static void executed(struct core_proposal *ret)
{
    approved(ret);
    decide(&world.officer_b, &ward_op_approval_execute, ret);
}
static void rejected(struct core_proposal *ret)
{
    open_it(ret);
    decide(&world.officer_b, &ward_op_approval_reject, ret);
}
static void withdrawn(struct core_proposal *ret)
{
    open_it(ret);
    decide(&world.officer_a, &ward_op_approval_withdraw, ret);
}
static void expired(struct core_proposal *ret)
{
    open_it(ret);
    atomic_fetch_add(&world.clock.ahead_us, 24 * HOUR_US);
}
static void at_once(struct core_proposal *ret)
{
    static unsigned n;
    struct ward_request *request = core_request(&world, &world.officer_a, &ward_op_identity_revoke,
                                                sizeof(struct ward_identity_change));
    struct ward_identity_change *in = request->in;
    char hex[65];
    (void)snprintf(hex, sizeof(hex), "%064x", ++n);
    in->kind = WARD_REVOKED_CERTIFICATE;
    assert_ok(ward_arena_copy(request->arena, ward_bytes_str(hex), &in->value));
    assert_ok(core_run(&node, request));
    memcpy(ret->memory, in->proposal->payload.data, in->proposal->payload.size);
    ret->payload = WARD_BYTES(ret->memory, in->proposal->payload.size);
    ret->id = in->proposal->id;
    ward_request_free(request);
    decide(&world.officer_a, &ward_op_approval_submit, ret);
}
static void reviewed(struct core_proposal *ret)
{
    at_once(ret);
    decide(&world.officer_b, &ward_op_approval_review, ret);
}

/* ---- the table ---- */

enum decision { SUBMIT, APPROVE, REJECT, WITHDRAW, EXECUTE, REVIEW, DECISIONS };

static const struct ward_op *const ops[DECISIONS] = {
    [SUBMIT] = &ward_op_approval_submit,   [APPROVE] = &ward_op_approval_approve,
    [REJECT] = &ward_op_approval_reject,   [WITHDRAW] = &ward_op_approval_withdraw,
    [EXECUTE] = &ward_op_approval_execute, [REVIEW] = &ward_op_approval_review,
};

/* What each of three makes of it: its proposer, another officer who has not signed, and an auditor,
 * who may decide nothing. The state afterwards, or NULL: refused for its state. "!": refused for
 * who he is. */
static const struct row {
    const char *state;
    void (*make)(struct core_proposal *ret);
    const char *proposer[DECISIONS], *other[DECISIONS];
} rows[] = {
    /*                        submit  approve     reject      withdraw     execute     review */
    {"draft",
     draft,
     {"open", NULL, "rejected", "withdrawn", NULL, NULL},
     {"!", NULL, "rejected", "!", NULL, NULL}},
    {"open",
     open_it,
     {NULL, "!", "rejected", "withdrawn", NULL, NULL},
     {"!", "approved", "rejected", "!", NULL, NULL}},
    {"approved",
     approved,
     {NULL, "!", "rejected", "withdrawn", "executed", NULL},
     {"!", "approved", "rejected", "!", "executed", NULL}},
    {"executing",
     executing,
     {NULL, NULL, NULL, NULL, NULL, NULL},
     {NULL, NULL, NULL, NULL, NULL, NULL}},
    {"executed",
     executed,
     {NULL, NULL, NULL, NULL, NULL, NULL},
     {NULL, NULL, NULL, NULL, NULL, NULL}},
    {"rejected",
     rejected,
     {NULL, NULL, NULL, NULL, NULL, NULL},
     {NULL, NULL, NULL, NULL, NULL, NULL}},
    {"withdrawn",
     withdrawn,
     {NULL, NULL, NULL, NULL, NULL, NULL},
     {NULL, NULL, NULL, NULL, NULL, NULL}},
    {"at once",
     at_once,
     {NULL, NULL, NULL, NULL, NULL, "!"},
     {NULL, NULL, NULL, NULL, NULL, "executed"}},
    {"reviewed",
     reviewed,
     {NULL, NULL, NULL, NULL, NULL, "!"},
     {NULL, NULL, NULL, NULL, NULL, NULL}},
    /* Last: it moves the clock past what certificates are good for. */
    {"expired",
     expired,
     {NULL, NULL, NULL, NULL, NULL, NULL},
     {NULL, NULL, NULL, NULL, NULL, NULL}},
};

static void walk(const struct row *row, enum decision decision, const struct core_person *person,
                 const char *expected)
{
    struct core_proposal proposal;
    row->make(&proposal);
    struct ward_request *request = core_vote(&world, person, ops[decision], &proposal);
    ward_status status = core_run(&node, request);
    const char *state = ((struct ward_approval *)request->in)->proposal.state;
    bool good = expected == NULL     ? status.code == WARD_E_STATE
                : expected[0] == '!' ? status.code == WARD_E_DENIED
                                     : ward_ok(status) && strcmp(state, expected) == 0;
    if (!good) {
        fail_msg("%s by %s in state %s: %s %s", ward_action_name(ops[decision]->action),
                 person->peer->identity, row->state, ward_code_name(status.code),
                 ward_ok(status) ? state : "");
    }
    core_expect_entry(&world, request,
                      expected == NULL     ? "failed"
                      : expected[0] == '!' ? "refused"
                                           : "allowed",
                      expected == NULL     ? "FAILED_PRECONDITION"
                      : expected[0] == '!' ? "PERMISSION_DENIED"
                                           : "");
    ward_request_free(request);
    size_t n;
    (void)core_recover_all(&node, &n); /* nothing is left for the next */
}

static void every_decision_in_every_state_is_what_it_must_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (enum decision d = SUBMIT; d < DECISIONS; d++) {
            walk(&rows[i], d, &world.officer_a, rows[i].proposer[d]);
            walk(&rows[i], d, &world.officer_c, rows[i].other[d]);
            walk(&rows[i], d, &world.auditor, "!");
            walk(&rows[i], d, &world.app, "!");
            walk(&rows[i], d, &world.stranger, "!");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_decision_in_every_state_is_what_it_must_be),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
