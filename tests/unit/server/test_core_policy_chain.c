/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever can write every row of the database, but has no officer's key, puts no policy in force:
 * one link after another, each broken in one way. */
#include <stdio.h>
#include <stdlib.h>

#include "server/op/policy_changing.h"
#include "server/policy_chain.h"
#include "tests/unit/base/check.h"
#include "tests/unit/server/core_pki.h"

#define D "spiffe://unit.test/"
#define DAY_US INT64_C(86400000000)

#define POLICY(deployment, apps, guard, members)                                 \
    "version: 1\n"                                                               \
    "deployment: " deployment "\n"                                               \
    "persons:\n"                                                                 \
    "  - {name: alice, identities: [\"" D "a\", \"" D "a2\"]}\n"                 \
    "  - {name: bob, identities: [\"" D "b\"]}\n"                                \
    "  - {name: cid, identities: [\"" D "c\"]}\n"                                \
    "  - {name: dan, identities: [\"" D "d\"]}\n"                                \
    "roles:\n"                                                                   \
    "  - name: apps\n"                                                           \
    "    kind: application\n"                                                    \
    "    members: [\"" D "app\"]\n"                                              \
    "    rules:\n"                                                               \
    "      - {name: keys, actions: [data-key.generate], keys: [\"" apps "\"]}\n" \
    "  - name: officers\n"                                                       \
    "    kind: officer\n"                                                        \
    "    members: [" members "]\n"                                               \
    "    rules:\n"                                                               \
    "      - {name: four-eyes, actions: [policy.apply, approval.submit, "        \
    "approval.approve]}\n" guard
#define ABC "\"person:alice\", \"person:bob\", \"person:cid\""

static const char first[] = POLICY("unit.test", "one/**", "", ABC);
static const char second[] = POLICY("unit.test", "two/**", "", ABC);
static const char third[] = POLICY("unit.test", "three/**", "", ABC);
static const char without_cid[] =
    POLICY("unit.test", "one/**", "", "\"person:alice\", \"person:bob\", \"person:dan\"");
static const char two_needed[] =
    POLICY("unit.test", "one/**", "guards:\n  - {action: policy.apply, approvals: 2}\n", ABC);
static const char elsewhere[] = POLICY("other.test", "one/**", "", ABC);

static struct core_ca ca, other_ca;
static struct ward_trust *trust;
static struct core_person a, a2, a_as_b, b, c, d, app, stranger, expired, foreign;
static struct ward_policy_chain chain;
static struct ward_store_snapshot snapshot;
static struct ward_arena *arena;
static int64_t now_us;

static int start_all(void **state)
{
    (void)state;
    core_ca_init(&ca, "clients");
    core_ca_init(&other_ca, "clients"); /* of the same name */
    char *pem = core_ca_pem(&ca);
    assert_ok(ward_trust_new(ward_bytes_str(pem), (struct ward_bytes){0}, &trust));
    free(pem);
    core_person_init(&a, &ca, NULL, D "a", 30);
    core_person_init(&a2, &ca, NULL, D "a2", 30);
    core_person_init(&a_as_b, &ca, a.key, D "b", 30);
    core_person_init(&b, &ca, NULL, D "b", 30);
    core_person_init(&c, &ca, NULL, D "c", 30);
    core_person_init(&d, &ca, NULL, D "d", 30);
    core_person_init(&app, &ca, NULL, D "app", 30);
    core_person_init(&stranger, &ca, NULL, D "nobody", 30);
    core_person_init(&expired, &ca, NULL, D "b", -10);
    core_person_init(&foreign, &other_ca, NULL, D "b", 30);
    now_us = ward_wall_us(&ward_clock_system);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    struct core_person *all[] = {&a, &a2, &a_as_b, &b, &c, &d, &app, &stranger, &expired, &foreign};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        core_person_fini(all[i]);
    }
    ward_trust_free(trust);
    core_ca_fini(&other_ca);
    core_ca_fini(&ca);
    return 0;
}

static void hash_of(const char *text, uint8_t out[static 32])
{
    struct ward_digest *digest = NULL;
    struct ward_bytes bytes = ward_bytes_str(text);
    assert_ok(ward_digest_new(&digest));
    assert_ok(ward_sha256(digest, &bytes, 1, out));
    ward_digest_free(digest);
}

/* ---- links ---- */

#define SIGNERS_MAX 4

/* What is signed, by whom; a test breaks one thing of it. */
struct link {
    uint32_t version;
    const char *text;               /* of the row */
    const char *from, *signed_text; /* NULL: as they should be */
    uint32_t from_version;          /* 0: as it should be */
    const char *action;
    const char *parameter; /* another name for to_hash */
    struct ward_id deployment, proposal, row_proposal;
    uint32_t approvals;
    const struct core_person *proposer;
    const struct core_person *approvers[SIGNERS_MAX];
    enum ward_decision_kind kind; /* of the approvers' signatures */
    int64_t created_us, voted_us;
    bool alter_payload, no_proposal;
};

static struct link good(uint32_t version, const char *text)
{
    return (struct link){.version = version,
                         .text = text,
                         .action = "policy.apply",
                         .parameter = "to_hash",
                         .deployment = snapshot.deployment.id,
                         .proposal = {{(uint8_t)version, 7}},
                         .row_proposal = {{(uint8_t)version, 7}},
                         .approvals = 1,
                         .proposer = &a,
                         .approvers = {&b},
                         .kind = WARD_DECISION_APPROVE,
                         .created_us = now_us,
                         .voted_us = now_us + 1000};
}

static struct ward_bytes kept(struct ward_bytes bytes)
{
    struct ward_bytes copy;
    assert_ok(ward_arena_copy(arena, bytes, &copy));
    return copy;
}

static struct ward_bytes hex_of(const char *text)
{
    uint8_t hash[32];
    char hex[65];
    hash_of(text, hash);
    ward_hex_encode(WARD_BYTES_ARRAY(hash), hex);
    return kept(ward_bytes_str(hex));
}

static struct ward_bytes print(const struct link *link, const char *from)
{
    char object[WARD_POLICY_OBJECT_SIZE];
    uint32_t from_version = link->from_version == 0 ? link->version - 1 : link->from_version;
    ward_policy_object(link->version, object);
    struct ward_proposal proposal = {
        .deployment = link->deployment,
        .id = link->proposal,
        .action = ward_bytes_str(link->action),
        .object = kept(ward_bytes_str(object)),
        .parameters = {{.name = WARD_BYTES_LITERAL("from_version"), .number = from_version},
                       {.name = WARD_BYTES_LITERAL("from_hash"), .text = hex_of(from)},
                       {.name = ward_bytes_str(link->parameter),
                        .text =
                            hex_of(link->signed_text == NULL ? link->text : link->signed_text)}},
        .n_parameters = 3,
        .epoch = 3,
        .proposer = ward_bytes_str(link->proposer->peer->identity),
        .person = WARD_BYTES_LITERAL("alice"),
        .created_us = link->created_us,
        .expires_us = link->created_us + DAY_US,
        .approvals = link->approvals,
        .reason = WARD_BYTES_LITERAL("because"),
    };
    hash_of(from, proposal.policy);
    struct ward_buffer out;
    ward_buffer_init(&out, WARD_PROPOSAL_MAX);
    ward_proposal_print(&proposal, &out);
    assert_false(out.failed);
    struct ward_bytes payload = kept(ward_buffer_view(&out));
    ward_buffer_fini(&out);
    return payload;
}

static struct ward_store_vote sign(const struct link *link, const struct core_person *person,
                                   struct ward_bytes payload, enum ward_decision_kind kind)
{
    uint8_t signature[128];
    size_t size = core_person_sign(person, payload, kind, signature);
    return (struct ward_store_vote){
        .identity = ward_bytes_str(person->peer->identity),
        .signature = kept(WARD_BYTES(signature, size)),
        .certificate = person->peer->certificate,
        .decision = (uint8_t)(kind == WARD_DECISION_PROPOSE ? kind : WARD_DECISION_APPROVE),
        .created_us = link->voted_us};
}

static ward_status add(const struct link *link)
{
    static struct ward_store_vote votes[SIGNERS_MAX + 1];
    struct ward_store_policy row = {.version = link->version,
                                    .text = ward_bytes_str(link->text),
                                    .proposal = link->row_proposal,
                                    .created_us = link->voted_us};
    hash_of(link->text, row.hash);
    if (link->version == 1 || link->no_proposal) {
        return ward_policy_chain_add(&chain, &snapshot, arena, &row, NULL);
    }
    struct ward_bytes payload = print(
        link, link->from == NULL ? (const char *)ward_policy_text(chain.policy).data : link->from);
    struct ward_store_proposal stored = {.id = link->proposal,
                                         .payload = payload,
                                         .proposer = WARD_BYTES_LITERAL("whatever"),
                                         .state = WARD_PROPOSAL_EXECUTED,
                                         .created_us = link->created_us,
                                         .votes = votes};
    votes[stored.n_votes++] = sign(link, link->proposer, payload, WARD_DECISION_PROPOSE);
    for (size_t i = 0; i < SIGNERS_MAX && link->approvers[i] != NULL; i++) {
        votes[stored.n_votes++] = sign(link, link->approvers[i], payload, link->kind);
    }
    if (link->alter_payload) {
        char *at = strstr((char *)payload.data, "because");
        assert_non_null(at);
        at[0] = 'B';
    }
    return ward_policy_chain_add(&chain, &snapshot, arena, &row, &stored);
}

static int start(void **state)
{
    (void)state;
    uint8_t genesis[32];
    hash_of(first, genesis);
    snapshot = (struct ward_store_snapshot){.deployment.id = {{1, 2, 3}}};
    assert_ok(ward_arena_new(16u << 20, &arena));
    assert_ok(ward_policy_chain_init(&chain, genesis, trust));
    struct link link = good(1, first);
    assert_ok(add(&link));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    ward_policy_chain_fini(&chain);
    ward_arena_free(arena);
    return 0;
}

/* It is refused in these words, and the chain stays where it was. */
static void refuse(const struct link *link, const char *words)
{
    uint32_t version = chain.version;
    const struct ward_policy *policy = chain.policy;
    ward_status status = add(link);
    assert_code(status, WARD_E_STATE);
    if (strstr(ward_status_refusal(status), words) == NULL) {
        fail_msg("expected \"%s\", got: %s", words, ward_status_refusal(status));
    }
    assert_int_equal(chain.version, version);
    assert_ptr_equal(chain.policy, policy);
}

/* ---- what holds ---- */

static void versions_that_officers_signed_follow_each_other(void **state)
{
    (void)state;
    struct link link = good(2, second);
    assert_ok(add(&link));
    link = good(3, first); /* back: by a proposal of its own */
    assert_ok(add(&link));
    link = good(4, third);
    link.proposer = &c;
    link.approvers[0] = &a2;
    assert_ok(add(&link));
    assert_int_equal(chain.version, 4);
}

static void an_approval_outlives_its_certificate(void **state)
{
    (void)state;
    struct link link = good(2, second);
    link.approvers[0] = &expired;
    link.created_us = now_us - 20 * DAY_US; /* when it was valid */
    link.voted_us = link.created_us + 1000;
    assert_ok(add(&link));
}

static void a_row_that_is_late_by_a_clock_is_judged_within_what_was_signed(void **state)
{
    (void)state;
    struct link link = good(2, second);
    link.voted_us = link.created_us - 5000000;
    assert_ok(add(&link));
}

static void who_was_revoked_after_it_was_proposed_had_his_say(void **state)
{
    (void)state;
    const struct ward_store_revocation later = {.kind = WARD_REVOKED_IDENTITY,
                                                .value = WARD_BYTES_LITERAL(D "b"),
                                                .created_us = now_us + 10};
    snapshot.revocations = &later;
    snapshot.n_revocations = 1;
    struct link link = good(2, second);
    assert_ok(add(&link));
}

/* ---- what does not ---- */

static void a_genesis_that_is_not_the_configured_one_is_refused(void **state)
{
    (void)state;
    ward_policy_chain_fini(&chain);
    uint8_t genesis[32];
    hash_of(first, genesis);
    assert_ok(ward_policy_chain_init(&chain, genesis, trust));
    struct link link = good(1, second);
    refuse(&link, "genesis_sha256");
}

static void a_gap_and_a_swapped_order_are_refused(void **state)
{
    (void)state;
    struct link link = good(3, second);
    refuse(&link, "missing");
    link = good(1, first);
    refuse(&link, "missing");
}

static void a_version_without_a_proposal_is_refused(void **state)
{
    (void)state;
    struct link link = good(2, second);
    link.no_proposal = true;
    refuse(&link, "no proposal");
}

static void a_text_that_is_not_the_signed_one_is_refused(void **state)
{
    (void)state;
    struct link link = good(2, second);
    link.signed_text = third;
    refuse(&link, "not the one that its proposal");
    link.signed_text = NULL;
    link.text = "version: 1\n";
    refuse(&link, "does not parse");
}

static void a_proposal_from_another_version_or_text_is_refused(void **state)
{
    (void)state;
    struct link link = good(2, second);
    assert_ok(add(&link));
    link = good(3, first);
    link.from_version = 1;
    refuse(&link, "not the one that its proposal");
    link = good(3, third);
    link.from = first; /* it was signed for the place of another text */
    refuse(&link, "not the one that its proposal");
}

static void a_proposal_of_another_deployment_action_or_id_is_refused(void **state)
{
    (void)state;
    struct link link = good(2, second);
    link.deployment.bytes[0] ^= 1;
    refuse(&link, "not the one that its proposal");
    link = good(2, second);
    link.action = "key.rotate";
    refuse(&link, "not the one that its proposal");
    link = good(2, second);
    link.row_proposal.bytes[5] ^= 1;
    refuse(&link, "not the one that its proposal");
    link = good(2, second);
    link.parameter = "to_hash2";
    refuse(&link, "not the one that its proposal");
    link = good(2, elsewhere);
    refuse(&link, "not the one that its proposal");
}

static void an_altered_payload_is_refused(void **state)
{
    (void)state;
    struct link link = good(2, second);
    link.alter_payload = true;
    refuse(&link, "not signed by enough");
}

static void too_few_or_the_same_person_twice_are_refused(void **state)
{
    (void)state;
    static const struct core_person *const alone[][SIGNERS_MAX] = {
        {NULL}, {&a},        {&a2},      {&a_as_b},      {&app},
        {&d},   {&stranger}, {&foreign}, {&a2, &a_as_b}, {&expired},
    };
    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
        struct link link = good(2, second);
        memcpy(link.approvers, alone[i], sizeof(alone[i]));
        refuse(&link, "not signed by enough");
    }
    struct link link = good(2, second);
    link.proposer = &app;
    refuse(&link, "not signed by enough");
    link = good(2, second);
    link.kind = WARD_DECISION_REJECT; /* a signature for another decision */
    refuse(&link, "not signed by enough");
}

static void who_was_revoked_before_it_was_proposed_has_no_say(void **state)
{
    (void)state;
    const struct ward_store_revocation before = {.kind = WARD_REVOKED_IDENTITY,
                                                 .value = WARD_BYTES_LITERAL(D "b"),
                                                 .created_us = now_us - 10};
    snapshot.revocations = &before;
    snapshot.n_revocations = 1;
    struct link link = good(2, second);
    refuse(&link, "not signed by enough");
}

static void a_removed_officer_counts_no_more_and_a_new_one_not_yet(void **state)
{
    (void)state;
    struct link link = good(2, without_cid);
    link.approvers[0] = &d; /* whom this very version makes an officer */
    refuse(&link, "not signed by enough");
    link.approvers[0] = &c;
    assert_ok(add(&link));
    link = good(3, second);
    link.approvers[0] = &c; /* whom the version before has removed */
    refuse(&link, "not signed by enough");
    link.approvers[0] = &d;
    assert_ok(add(&link));
}

static void the_larger_number_of_approvals_counts(void **state)
{
    (void)state;
    struct link link = good(2, two_needed);
    refuse(&link, "not the one that its proposal"); /* the payload must ask for them */
    link.approvals = 2;
    refuse(&link, "not signed by enough");
    link.approvers[1] = &c;
    assert_ok(add(&link));
    link = good(3, first);
    refuse(&link, "not the one that its proposal");
    link.approvals = 2;
    link.approvers[1] = &a2; /* the proposer's own other name */
    refuse(&link, "not signed by enough");
    link.approvers[1] = &c;
    assert_ok(add(&link));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions_that_officers_signed_follow_each_other),
        TEST(an_approval_outlives_its_certificate),
        TEST(a_row_that_is_late_by_a_clock_is_judged_within_what_was_signed),
        TEST(who_was_revoked_after_it_was_proposed_had_his_say),
        TEST(a_genesis_that_is_not_the_configured_one_is_refused),
        TEST(a_gap_and_a_swapped_order_are_refused),
        TEST(a_version_without_a_proposal_is_refused),
        TEST(a_text_that_is_not_the_signed_one_is_refused),
        TEST(a_proposal_from_another_version_or_text_is_refused),
        TEST(a_proposal_of_another_deployment_action_or_id_is_refused),
        TEST(an_altered_payload_is_refused),
        TEST(too_few_or_the_same_person_twice_are_refused),
        TEST(who_was_revoked_before_it_was_proposed_has_no_say),
        TEST(a_removed_officer_counts_no_more_and_a_new_one_not_yet),
        TEST(the_larger_number_of_approvals_counts),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
