/* SPDX-License-Identifier: Apache-2.0 */
/* Who is not let in any more, whom that takes along, and how it is undone. */
#include <stdio.h>

#include "server/op/revoking.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DOMAIN "spiffe://unit.test/"

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/key", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "one/key", WARD_PURPOSE_DATA_KEYS);
    core_make_key(&node, "two/key", WARD_PURPOSE_DATA_KEYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

/* ---- asking ---- */

struct whom {
    const char *identity;         /* or */
    const struct core_person *of; /* the certificate of */
    bool undo, force;
};

static struct ward_request *ask(const struct core_person *person, struct whom whom)
{
    struct ward_request *request = core_request(
        &world, person, whom.undo ? &ward_op_identity_unrevoke : &ward_op_identity_revoke,
        sizeof(struct ward_identity_change));
    struct ward_identity_change *in = request->in;
    in->kind = whom.identity != NULL ? WARD_REVOKED_IDENTITY : WARD_REVOKED_CERTIFICATE;
    in->force = whom.force;
    char hex[65];
    if (whom.identity == NULL) {
        ward_hex_encode(WARD_BYTES_ARRAY(whom.of->peer->certificate_hash), hex);
    }
    assert_ok(ward_arena_copy(
        request->arena, ward_bytes_str(whom.identity != NULL ? whom.identity : hex), &in->value));
    request->reason = WARD_BYTES_LITERAL("a lost card");
    return request;
}

static void draft(const struct core_person *person, struct whom whom, struct core_proposal *ret)
{
    struct ward_request *request = ask(person, whom);
    assert_ok(core_run(&node, request));
    const struct ward_proposal_view *view = ((struct ward_identity_change *)request->in)->proposal;
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

/* Draft and the proposer's own signature. */
static void revoke(const struct core_person *person, struct whom whom)
{
    struct core_proposal proposal;
    draft(person, whom, &proposal);
    assert_ok(vote(person, &ward_op_approval_submit, &proposal));
}

static void refused(struct ward_request *request, enum ward_code code, const char *text)
{
    ward_status status = core_run(&node, request);
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
    ward_request_free(request);
}

static bool works(const struct core_person *person)
{
    struct ward_request *request = core_generate(&world, person, "app/key", 1, 1);
    bool good = ward_ok(core_run(&node, request));
    ward_request_free(request);
    return good;
}

static bool officer_works(const struct core_person *person)
{
    struct ward_request *request =
        core_request(&world, person, &ward_op_revocation_list, sizeof(struct ward_revocation_list));
    ((struct ward_revocation_list *)request->in)->page_size = 10;
    ward_status status = core_run(&node, request);
    assert_true(ward_ok(status) || status.code == WARD_E_DENIED);
    ward_request_free(request);
    return ward_ok(status);
}

/* ---- at once ---- */

static void an_identity_is_revoked_by_one_signature(void **state)
{
    (void)state;
    struct core_proposal proposal;
    assert_true(works(&world.app));
    draft(&world.officer_a, (struct whom){.identity = DOMAIN "app"}, &proposal);
    assert_true(works(&world.app)); /* a draft is not signed yet */
    struct ward_request *submitted =
        core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal);
    assert_ok(core_run(&node, submitted));
    const struct ward_approval *shown = submitted->in;
    assert_string_equal(shown->proposal.state, "executed");
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, submitted->request_id);
    assert_string_equal(core_text(leaf, "outcome"), "allowed");
    assert_string_equal(core_detail(leaf, "executed"), "identity.revoke");
    assert_string_equal(core_detail(leaf, "whom"), "identity:" DOMAIN "app");
    assert_string_equal(core_detail(leaf, "proposer"), DOMAIN "officer-a");
    assert_string_equal(core_detail(leaf, "approvers"), "");
    core_log_close(&log);
    ward_request_free(submitted);
    struct ward_request *request = core_generate(&world, &world.app, "app/key", 1, 1);
    assert_code(core_run(&node, request), WARD_E_DENIED);
    assert_string_equal(ward_status_refusal(request->status), "identity: revoked");
    core_expect_entry(&world, request, "refused", "PERMISSION_DENIED");
    ward_request_free(request);
}

static void what_cannot_even_be_decoded_says_no_more_to_the_revoked(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    struct ward_request *request = core_generate(&world, &world.app, "app/key", 1, 1);
    request->status = WARD_REFUSAL(WARD_E_INVALID, "items: none");
    refused(request, WARD_E_DENIED, "identity: revoked");
    request = core_request(&world, &world.app, NULL, 1);
    request->status = WARD_REFUSAL(WARD_E_UNIMPLEMENTED, ":path: no such method");
    refused(request, WARD_E_DENIED, "identity: revoked");
}

static void a_certificate_is_revoked_and_its_identity_goes_on(void **state)
{
    (void)state;
    struct core_person spare;
    core_person_init(&spare, &world.ca, NULL, DOMAIN "app", 30);
    revoke(&world.officer_a, (struct whom){.of = &world.app});
    assert_false(works(&world.app));
    assert_true(works(&spare));
    core_person_fini(&spare);
}

/* Neither a new certificate and key nor a policy that calls somebody else by it. */
static void a_revoked_identity_is_given_to_nobody_again(void **state)
{
    (void)state;
    static const char persons[] = "persons:\n";
    struct core_person heir;
    char text[8192];
    const char *at = strstr(core_policy, persons) + strlen(persons);
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    int size =
        snprintf(text, sizeof(text), "%.*s  - name: heir\n    identities: [\"" DOMAIN "app\"]\n%s",
                 (int)(at - core_policy), core_policy, at);
    assert_in_range(size, 1, sizeof(text) - 1);
    core_world_set_policy(&world, text);
    core_node_refresh_now(&node);
    core_person_init(&heir, &world.ca, NULL, DOMAIN "app", 30);
    refused(core_generate(&world, &heir, "app/key", 1, 1), WARD_E_DENIED, "identity: revoked");
    core_person_fini(&heir);
}

static void an_officer_may_revoke_himself(void **state)
{
    (void)state;
    revoke(&world.officer_a2, (struct whom){.identity = DOMAIN "officer-a2"});
    assert_false(officer_works(&world.officer_a2));
    assert_true(officer_works(&world.officer_a));
}

static void a_submitted_revocation_is_not_submitted_again(void **state)
{
    (void)state;
    struct core_proposal proposal, other;
    draft(&world.officer_a, (struct whom){.identity = DOMAIN "app"}, &proposal);
    draft(&world.officer_b, (struct whom){.identity = DOMAIN "app"}, &other);
    refused(core_vote(&world, &world.officer_b, &ward_op_approval_submit, &proposal), WARD_E_DENIED,
            "proposal: only its proposer may submit it");
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    refused(core_vote(&world, &world.officer_a, &ward_op_approval_submit, &proposal), WARD_E_STATE,
            "proposal: it has been decided already: it was executed");
    refused(core_vote(&world, &world.officer_b, &ward_op_approval_submit, &other), WARD_E_STATE,
            "proposal: others have revoked or unrevoked it since; propose again");
}

/* The signature of another decision, or none, runs nothing. */
static void a_revocation_needs_its_proposers_signature(void **state)
{
    (void)state;
    struct core_proposal proposal;
    uint8_t bytes[128];
    draft(&world.officer_a, (struct whom){.identity = DOMAIN "app"}, &proposal);
    refused(core_vote_with(&world, &world.officer_a, &ward_op_approval_submit, &proposal.id,
                           (struct ward_bytes){0}),
            WARD_E_INVALID, "signature: missing");
    size_t size =
        core_person_sign(&world.officer_a, proposal.payload, WARD_DECISION_APPROVE, bytes);
    refused(core_vote_with(&world, &world.officer_a, &ward_op_approval_submit, &proposal.id,
                           WARD_BYTES(bytes, size)),
            WARD_E_INVALID, "signature: does not verify");
    refused(core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal), WARD_E_STATE,
            "proposal: its proposer has not signed it");
    assert_true(works(&world.app));
}

/* ---- who, and whom ---- */

static void only_officers_revoke(void **state)
{
    (void)state;
    const struct core_person *others[] = {&world.app, &world.auditor, &world.stranger};
    for (size_t i = 0; i < 3; i++) {
        for (unsigned undo = 0; undo < 2; undo++) {
            refused(ask(others[i], (struct whom){.identity = DOMAIN "app", .undo = undo != 0}),
                    WARD_E_DENIED, "policy: not allowed");
        }
    }
    assert_false(officer_works(&world.app));
    assert_true(officer_works(&world.auditor)); /* who may read the list */
}

static void a_slip_of_the_pen_does_not_pass_for_a_revocation(void **state)
{
    (void)state;
    const char *unknown = "identity: policy names no such identity";
    refused(ask(&world.officer_a, (struct whom){.identity = DOMAIN "ap"}), WARD_E_NOT_FOUND,
            unknown);
    refused(ask(&world.officer_a, (struct whom){.identity = DOMAIN "app "}), WARD_E_NOT_FOUND,
            unknown);
    refused(ask(&world.officer_a, (struct whom){.identity = DOMAIN "stranger"}), WARD_E_NOT_FOUND,
            unknown);
    refused(ask(&world.officer_a, (struct whom){.identity = DOMAIN "app", .undo = true}),
            WARD_E_NOT_FOUND, "identity: it is not revoked");
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    refused(ask(&world.officer_b, (struct whom){.identity = DOMAIN "app"}), WARD_E_EXISTS,
            "identity: it is revoked already");
}

/* ---- the quorum that is left: three persons, and a key that needs two besides its proposer ----
 */

static const char too_few[] =
    "identity: fewer officers would be left than the largest quorum needs; revoke the certificate "
    "alone, or ask with force, which needs approval";

static void too_few_officers_are_not_left(void **state)
{
    (void)state;
    refused(ask(&world.officer_a, (struct whom){.identity = DOMAIN "officer-b"}), WARD_E_STATE,
            too_few);
    refused(ask(&world.officer_b, (struct whom){.identity = DOMAIN "officer-b"}), WARD_E_STATE,
            too_few);
    revoke(&world.officer_a, (struct whom){.of = &world.officer_b}); /* but a new card helps */
    assert_false(officer_works(&world.officer_b));
}

static void two_drafts_do_not_do_what_one_must_not(void **state)
{
    (void)state;
    struct core_proposal first, second;
    draft(&world.officer_b, (struct whom){.identity = DOMAIN "officer-a"}, &first);
    draft(&world.officer_c, (struct whom){.identity = DOMAIN "officer-a2"}, &second);
    assert_ok(vote(&world.officer_b, &ward_op_approval_submit, &first));
    refused(core_vote(&world, &world.officer_c, &ward_op_approval_submit, &second), WARD_E_STATE,
            too_few);
    assert_true(officer_works(&world.officer_a2));
}

static void two_drafts_signed_at_once_do_not_either(void **state)
{
    (void)state;
    struct core_proposal first, second;
    draft(&world.officer_b, (struct whom){.identity = DOMAIN "officer-a"}, &first);
    draft(&world.officer_c, (struct whom){.identity = DOMAIN "officer-a2"}, &second);
    struct ward_request *votes[] = {
        core_vote(&world, &world.officer_b, &ward_op_approval_submit, &first),
        core_vote(&world, &world.officer_c, &ward_op_approval_submit, &second)};
    core_submit(&node, votes, 2);
    core_wait(&node, 2);
    bool one = ward_ok(votes[0]->status);
    assert_ok(votes[!one]->status);
    assert_code(votes[one]->status, WARD_E_STATE);
    ward_request_free(votes[0]);
    ward_request_free(votes[1]);
}

static void force_waits_for_another_officer(void **state)
{
    (void)state;
    struct core_proposal proposal;
    draft(&world.officer_a, (struct whom){.identity = DOMAIN "officer-b", .force = true},
          &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_true(officer_works(&world.officer_b));
    refused(core_vote(&world, &world.officer_a2, &ward_op_approval_approve, &proposal),
            WARD_E_DENIED, "approval: the proposer cannot approve");
    assert_ok(vote(&world.officer_c, &ward_op_approval_approve, &proposal));
    assert_false(officer_works(&world.officer_b));
}

static void force_without_need_changes_nothing(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app", .force = true});
    assert_false(works(&world.app));
}

/* ---- undoing ---- */

static void undoing_needs_another_officer(void **state)
{
    (void)state;
    struct core_proposal proposal;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    draft(&world.officer_a, (struct whom){.identity = DOMAIN "app", .undo = true}, &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_false(works(&world.app));
    refused(core_vote(&world, &world.officer_a, &ward_op_approval_approve, &proposal),
            WARD_E_DENIED, "approval: the proposer cannot approve");
    assert_false(works(&world.app));
    struct ward_request *last =
        core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal);
    assert_ok(core_run(&node, last));
    assert_true(works(&world.app));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, last->request_id);
    assert_string_equal(core_detail(leaf, "executed"), "identity.unrevoke");
    assert_string_equal(core_detail(leaf, "approvers"), DOMAIN "officer-b");
    core_log_close(&log);
    ward_request_free(last);
}

static void an_undoing_of_before_does_not_undo_what_came_after(void **state)
{
    (void)state;
    struct core_proposal first, second;
    struct whom whom = {.identity = DOMAIN "app"}, undo = {.identity = DOMAIN "app", .undo = true};
    revoke(&world.officer_a, whom);
    draft(&world.officer_a, undo, &first);
    draft(&world.officer_a, undo, &second);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &first));
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &second));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &first));
    assert_true(works(&world.app));
    revoke(&world.officer_b, whom);
    refused(core_vote(&world, &world.officer_c, &ward_op_approval_approve, &second), WARD_E_STATE,
            "proposal: others have revoked or unrevoked it since; propose again");
    assert_false(works(&world.app));
}

/* ---- what the revoked had signed ---- */

static void the_votes_of_the_revoked_stop_counting(void **state)
{
    (void)state;
    struct core_proposal proposal;
    core_propose(&node, &world.officer_a, "two/key", &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    revoke(&world.officer_a, (struct whom){.of = &world.officer_b});
    assert_ok(vote(&world.officer_c, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "two/key"), 1);
}

static void what_the_revoked_proposed_does_not_run(void **state)
{
    (void)state;
    struct core_proposal proposal, undo;
    core_propose(&node, &world.officer_a, "one/key", &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    revoke(&world.officer_b, (struct whom){.of = &world.officer_a});
    refused(core_vote(&world, &world.officer_b, &ward_op_approval_approve, &proposal), WARD_E_STATE,
            "proposal: its proposer was revoked");
    draft(&world.officer_b, (struct whom){.of = &world.officer_a, .undo = true}, &undo);
    assert_ok(vote(&world.officer_b, &ward_op_approval_submit, &undo));
    assert_ok(vote(&world.officer_c, &ward_op_approval_approve, &undo));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    assert_int_equal(core_active_version(&node, "one/key"), 2);
}

/* ---- when ---- */

/* Another daemon revokes while this one still decides under the old state: the commit knows. */
static void what_was_decided_before_is_decided_again(void **state)
{
    (void)state;
    struct ward_effect effect = {.kind = WARD_EFFECT_REVOCATION};
    effect.revocation = (struct ward_store_revocation){
        .kind = WARD_REVOKED_IDENTITY, .value = WARD_BYTES_LITERAL(DOMAIN "app"), .created_us = 1};
    assert_true(works(&world.app));
    assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    struct ward_request *request = core_generate(&world, &world.app, "app/key", 1, 1);
    assert_code(core_run(&node, request), WARD_E_DENIED);
    core_expect_entry(&world, request, "refused", "PERMISSION_DENIED");
    ward_request_free(request);
}

static void a_revocation_outlives_the_daemon(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    core_node_stop(&node);
    core_node_start(&node, &world, "node-1");
    assert_false(works(&world.app));
}

/* ---- rows taken out of the database by hand ---- */

static void take_out(const struct core_person *person, bool certificate)
{
    char hex[65];
    ward_hex_encode(WARD_BYTES_ARRAY(person->peer->certificate_hash), hex);
    struct ward_effect effect = {.kind = WARD_EFFECT_UNREVOCATION};
    effect.unrevocation.kind = certificate ? WARD_REVOKED_CERTIFICATE : WARD_REVOKED_IDENTITY;
    effect.unrevocation.value = ward_bytes_str(certificate ? hex : person->peer->identity);
    struct ward_state *now = ward_state_slot_get(&node.states);
    const struct ward_store_revocation *row =
        ward_state_revocation(now, effect.unrevocation.kind, effect.unrevocation.value);
    assert_non_null(row);
    effect.unrevocation.proposal = row->proposal;
    effect.unrevocation.created_us = row->created_us;
    ward_state_unref(now);
    assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
}

static void unrevoke(struct whom whom)
{
    struct core_proposal proposal;
    whom.undo = true;
    draft(&world.officer_a, whom, &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_c, &ward_op_approval_approve, &proposal));
}

static void a_row_taken_out_by_hand_lets_nobody_in(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    revoke(&world.officer_a, (struct whom){.of = &world.officer_b});
    take_out(&world.app, false);
    assert_false(works(&world.app));
    take_out(&world.officer_b, true);
    assert_false(officer_works(&world.officer_b));
    assert_false(works(&world.app)); /* and that lasts, whatever moves the epoch */
}

/* It was undone once, by officers; what they signed then does not undo what came after it. */
static void an_old_undoing_does_not_prove_a_new_one(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    unrevoke((struct whom){.identity = DOMAIN "app"});
    assert_true(works(&world.app));
    revoke(&world.officer_b, (struct whom){.identity = DOMAIN "app"});
    take_out(&world.app, false);
    assert_false(works(&world.app));
}

/* Nor at a daemon that was started in between and knows no epoch of the revocation. */
static void nor_does_it_after_a_restart(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    unrevoke((struct whom){.identity = DOMAIN "app"});
    revoke(&world.officer_b, (struct whom){.identity = DOMAIN "app"});
    core_node_stop(&node);
    core_node_start(&node, &world, "node-1");
    take_out(&world.app, false);
    assert_false(works(&world.app));
}

/* Both at once, as seen by a daemon that looks only afterwards. */
static void another_daemon_follows_what_officers_signed(void **state)
{
    (void)state;
    struct core_node other;
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    revoke(&world.officer_a, (struct whom){.of = &world.officer_c});
    core_node_start(&other, &world, "node-2");
    struct core_proposal proposal;
    draft(&world.officer_a, (struct whom){.of = &world.officer_c, .undo = true}, &proposal);
    assert_ok(vote(&world.officer_a, &ward_op_approval_submit, &proposal));
    assert_ok(vote(&world.officer_b, &ward_op_approval_approve, &proposal));
    unrevoke((struct whom){.identity = DOMAIN "app"}); /* officer_c votes on it */
    struct ward_request *request = core_generate(&world, &world.app, "app/key", 1, 1);
    assert_ok(core_run(&other, request));
    ward_request_free(request);
    core_node_stop(&other);
}

/* ---- the list ---- */

static void the_list_comes_in_pages(void **state)
{
    (void)state;
    revoke(&world.officer_a, (struct whom){.of = &world.app});
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "app"});
    revoke(&world.officer_a, (struct whom){.identity = DOMAIN "auditor"});
    const char *expected[] = {DOMAIN "app", DOMAIN "auditor", NULL};
    char token[WARD_REVOKED_OBJECT_MAX + 1] = "";
    for (size_t i = 0; i < 3; i++) {
        struct ward_request *request =
            core_request(&world, &world.officer_b, &ward_op_revocation_list,
                         sizeof(struct ward_revocation_list));
        struct ward_revocation_list *in = request->in;
        in->page_size = 1;
        in->page_token = ward_bytes_str(token);
        assert_ok(core_run(&node, request));
        assert_int_equal(in->n, 1);
        if (expected[i] != NULL) {
            assert_true(ward_bytes_eq(in->revocations[0].value, ward_bytes_str(expected[i])));
        } else {
            assert_int_equal(in->revocations[0].kind, WARD_REVOKED_CERTIFICATE);
        }
        assert_int_equal(in->next_page_token.size > 0, i < 2);
        char next[WARD_REVOKED_OBJECT_MAX + 1];
        (void)snprintf(next, sizeof(next), "%.*s", (int)in->next_page_token.size,
                       in->next_page_token.size == 0 ? "" : (const char *)in->next_page_token.data);
        ward_request_free(request);
        memcpy(token, next, sizeof(token));
    }
    struct ward_request *request = core_request(&world, &world.officer_b, &ward_op_revocation_list,
                                                sizeof(struct ward_revocation_list));
    ((struct ward_revocation_list *)request->in)->page_size = 1;
    ((struct ward_revocation_list *)request->in)->page_token = WARD_BYTES_LITERAL("identity:");
    refused(request, WARD_E_INVALID, "page_token: not one that ListRevocations gave");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(an_identity_is_revoked_by_one_signature),
        T(what_cannot_even_be_decoded_says_no_more_to_the_revoked),
        T(a_certificate_is_revoked_and_its_identity_goes_on),
        T(a_revoked_identity_is_given_to_nobody_again),
        T(an_officer_may_revoke_himself),
        T(a_submitted_revocation_is_not_submitted_again),
        T(a_revocation_needs_its_proposers_signature),
        T(only_officers_revoke),
        T(a_slip_of_the_pen_does_not_pass_for_a_revocation),
        T(too_few_officers_are_not_left),
        T(two_drafts_do_not_do_what_one_must_not),
        T(two_drafts_signed_at_once_do_not_either),
        T(force_waits_for_another_officer),
        T(force_without_need_changes_nothing),
        T(undoing_needs_another_officer),
        T(an_undoing_of_before_does_not_undo_what_came_after),
        T(the_votes_of_the_revoked_stop_counting),
        T(what_the_revoked_proposed_does_not_run),
        T(what_was_decided_before_is_decided_again),
        T(a_revocation_outlives_the_daemon),
        T(a_row_taken_out_by_hand_lets_nobody_in),
        T(an_old_undoing_does_not_prove_a_new_one),
        T(nor_does_it_after_a_restart),
        T(another_daemon_follows_what_officers_signed),
        T(the_list_comes_in_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
