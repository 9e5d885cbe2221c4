/* SPDX-License-Identifier: Apache-2.0 */
/* Votes: one person, one identity and one key each, and never the proposer's. */
#include "policy_support.h"

#define POLICY                                                                              \
    L("version: 1")                                                                         \
    L("deployment: test.ward")                                                              \
    L("persons:")                                                                           \
    L("  - {name: alice, identities: [\"spiffe://t.w/a1\", \"spiffe://t.w/a2\"]}")          \
    L("  - {name: bob, identities: [\"spiffe://t.w/b\"]}")                                  \
    L("  - {name: carol, identities: [\"spiffe://t.w/c1\", \"spiffe://t.w/c2\"]}")          \
    L("  - {name: dora, identities: [\"spiffe://t.w/d\"]}")                                 \
    L("  - {name: otto, identities: [\"spiffe://t.w/o\"]}")                                 \
    L("roles:")                                                                             \
    L("  - name: officers")                                                                 \
    L("    kind: officer")                                                                  \
    L("    members: [\"person:alice\", \"person:bob\", \"person:carol\", \"person:dora\"]") \
    L("    rules:")                                                                         \
    L("      - {name: keys, actions: [key.rotate], keys: [\"**\"]}")                        \
    L("      - {name: vote, actions: [approval.approve]}")                                  \
    L("  - name: suspended")                                                                \
    L("    kind: officer")                                                                  \
    L("    members: [\"person:dora\"]")                                                     \
    L("    rules: [{name: no-vote, effect: deny, actions: [approval.approve]}]")            \
    L("  - name: proposers")                                                                \
    L("    kind: officer")                                                                  \
    L("    members: [\"person:otto\"]")                                                     \
    L("    rules: [{name: keys, actions: [key.rotate], keys: [\"**\"]}]")                   \
    L("  - {name: apps, kind: application, members: [\"spiffe://t.w/app\"], rules: []}")    \
    L("  - {name: audit, kind: auditor, members: [\"spiffe://t.w/aud\"],")                  \
    L("     rules: [{name: look, actions: [approval.list]}]}")                              \
    L("  - {name: adm, kind: administrator, members: [\"spiffe://t.w/adm\"], rules: []}")

/* Keys by number: a vote names an identity and which of these signed. */
static const uint8_t keys[8][WARD_SHA256_SIZE] = {{1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}};

static struct ward_vote vote(const char *identity, unsigned key)
{
    return (struct ward_vote){ward_bytes_str(identity), keys[key]};
}

static int set_up(void **state)
{
    *state = policy_of(POLICY);
    return 0;
}

static int tear_down(void **state)
{
    ward_policy_unref(*state);
    return 0;
}

static void refused(const struct ward_policy *policy, struct ward_vote proposer,
                    const struct ward_vote *votes, size_t n, struct ward_vote voter,
                    const char *text)
{
    ward_status status = ward_quorum_may_vote(policy, &proposer, votes, n, &voter);
    assert_int_equal(status.code, WARD_E_DENIED);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
    /* And if it were stored all the same, it would not count. */
    struct ward_vote all[8];
    if (n > 0) {
        memcpy(all, votes, n * sizeof(all[0]));
    }
    all[n] = voter;
    assert_int_equal(ward_quorum_count(policy, &proposer, all, n + 1),
                     ward_quorum_count(policy, &proposer, votes, n));
}

static void another_officer_may_approve(void **state)
{
    struct ward_vote proposer = vote("spiffe://t.w/a1", 0), bob = vote("spiffe://t.w/b", 1);
    assert_true(ward_ok(ward_quorum_may_vote(*state, &proposer, NULL, 0, &bob)));
    assert_int_equal(ward_quorum_count(*state, &proposer, &bob, 1), 1);
    assert_int_equal(ward_quorum_count(*state, &proposer, NULL, 0), 0);
}

static void the_proposer_cannot_approve(void **state)
{
    struct ward_vote proposer = vote("spiffe://t.w/a1", 0);
    refused(*state, proposer, NULL, 0, proposer, "approval: the proposer cannot approve");
}

static void the_proposer_cannot_approve_under_another_identity(void **state)
{
    refused(*state, vote("spiffe://t.w/a1", 0), NULL, 0, vote("spiffe://t.w/a2", 1),
            "approval: the proposer cannot approve");
}

static void the_proposer_cannot_approve_with_another_key(void **state)
{
    refused(*state, vote("spiffe://t.w/a1", 0), NULL, 0, vote("spiffe://t.w/a1", 1),
            "approval: the proposer cannot approve");
}

static void the_proposers_key_under_another_name_cannot_approve(void **state)
{
    refused(*state, vote("spiffe://t.w/a1", 0), NULL, 0, vote("spiffe://t.w/b", 0),
            "approval: the proposer cannot approve");
}

static void two_identities_of_one_person_are_one_vote(void **state)
{
    const struct ward_vote first = vote("spiffe://t.w/c1", 1);
    refused(*state, vote("spiffe://t.w/a1", 0), &first, 1, vote("spiffe://t.w/c2", 2),
            "approval: already given by this person");
}

static void voting_twice_is_one_vote(void **state)
{
    const struct ward_vote first = vote("spiffe://t.w/b", 1);
    refused(*state, vote("spiffe://t.w/a1", 0), &first, 1, first,
            "approval: already given by this person");
    refused(*state, vote("spiffe://t.w/a1", 0), &first, 1, vote("spiffe://t.w/b", 2),
            "approval: already given by this person");
}

static void one_key_under_two_names_is_one_vote(void **state)
{
    const struct ward_vote first = vote("spiffe://t.w/b", 1);
    refused(*state, vote("spiffe://t.w/a1", 0), &first, 1, vote("spiffe://t.w/c1", 1),
            "approval: already given by this person");
}

static void who_is_not_an_officer_cannot_approve(void **state)
{
    static const char *const others[] = {"spiffe://t.w/app",
                                         "spiffe://t.w/aud",
                                         "spiffe://t.w/adm",
                                         "spiffe://t.w/unknown",
                                         "spiffe://t.w/B",
                                         "spiffe://t.w/b/",
                                         "spiffe://t.w/bb",
                                         "person:bob",
                                         "bob",
                                         "system",
                                         ""};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        refused(*state, vote("spiffe://t.w/a1", 0), NULL, 0, vote(others[i], 1),
                "approval: not an officer");
    }
}

static void an_officer_without_the_right_cannot_approve(void **state)
{
    refused(*state, vote("spiffe://t.w/a1", 0), NULL, 0, vote("spiffe://t.w/o", 1),
            "approval: not an officer");
    /* Denied by a second role: deny beats allow here too. */
    refused(*state, vote("spiffe://t.w/a1", 0), NULL, 0, vote("spiffe://t.w/d", 1),
            "approval: not an officer");
}

static void who_may_only_propose_needs_others_to_approve(void **state)
{
    struct ward_vote proposer = vote("spiffe://t.w/o", 0);
    const struct ward_vote votes[] = {vote("spiffe://t.w/o", 0), vote("spiffe://t.w/a1", 1),
                                      vote("spiffe://t.w/b", 2)};
    assert_int_equal(ward_quorum_count(*state, &proposer, votes, 3), 2);
}

static void nothing_counts_for_a_proposer_who_is_no_officer(void **state)
{
    static const char *const others[] = {"spiffe://t.w/app", "spiffe://t.w/aud",
                                         "spiffe://t.w/adm", "spiffe://t.w/gone",
                                         "system",           ""};
    const struct ward_vote bob = vote("spiffe://t.w/b", 1);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct ward_vote proposer = vote(others[i], 0);
        assert_int_equal(ward_quorum_count(*state, &proposer, &bob, 1), 0);
        assert_int_equal(ward_quorum_may_vote(*state, &proposer, NULL, 0, &bob).code,
                         WARD_E_DENIED);
    }
}

static void a_vote_without_a_key_does_not_count(void **state)
{
    struct ward_vote proposer = vote("spiffe://t.w/a1", 0), keyless = vote("spiffe://t.w/b", 1);
    keyless.public_key_hash = NULL;
    assert_int_equal(ward_quorum_count(*state, &proposer, &keyless, 1), 0);
    struct ward_vote bob = vote("spiffe://t.w/b", 1);
    assert_int_equal(ward_quorum_count(*state, &keyless, &bob, 1), 0);
}

/* A vote that does not count must not stand in the way of one that does. */
static void a_void_vote_blocks_nobody(void **state)
{
    struct ward_vote proposer = vote("spiffe://t.w/a1", 0);
    const struct ward_vote votes[] = {vote("spiffe://t.w/app", 1), vote("spiffe://t.w/d", 2),
                                      vote("spiffe://t.w/a2", 3)};
    const struct ward_vote bob[] = {vote("spiffe://t.w/b", 1), vote("spiffe://t.w/b", 2),
                                    vote("spiffe://t.w/b", 3)};
    for (size_t i = 0; i < 3; i++) {
        assert_true(ward_ok(ward_quorum_may_vote(*state, &proposer, votes, 3, &bob[i])));
    }
}

static void sibling_identities_are_not_confused(void **state)
{
    struct ward_vote proposer = vote("spiffe://t.w/b", 0);
    const struct ward_vote votes[] = {vote("spiffe://t.w/a1", 1), vote("spiffe://t.w/a2", 2),
                                      vote("spiffe://t.w/c2", 3), vote("spiffe://t.w/c1", 4),
                                      vote("spiffe://t.w/c", 5)};
    assert_int_equal(ward_quorum_count(*state, &proposer, votes, 5), 2);
}

/* Every pair of members and keys: a vote counts exactly when person and key both differ. */
static void every_pair_counts_only_when_all_differs(void **state)
{
    static const struct {
        const char *identity, *person;
        bool approves;
    } all[] = {
        {"spiffe://t.w/a1", "alice", true}, {"spiffe://t.w/a2", "alice", true},
        {"spiffe://t.w/b", "bob", true},    {"spiffe://t.w/c1", "carol", true},
        {"spiffe://t.w/c2", "carol", true}, {"spiffe://t.w/d", "dora", false},
        {"spiffe://t.w/o", "otto", false},
    };
    const size_t n = sizeof(all) / sizeof(all[0]);
    for (size_t i = 0; i < n * n * 4; i++) {
        size_t p = i / (n * 4), v = i / 4 % n;
        unsigned proposer_key = i / 2 % 2, key = i % 2;
        struct ward_vote proposer = vote(all[p].identity, proposer_key);
        struct ward_vote voter = vote(all[v].identity, key);
        bool good =
            all[v].approves && strcmp(all[p].person, all[v].person) != 0 && proposer_key != key;
        assert_int_equal(ward_quorum_count(*state, &proposer, &voter, 1), good);
        assert_int_equal(ward_ok(ward_quorum_may_vote(*state, &proposer, NULL, 0, &voter)), good);
    }
}

static void a_flood_of_votes_counts_each_person_once(void **state)
{
    static struct ward_vote votes[5000];
    static const char *const identities[] = {"spiffe://t.w/b", "spiffe://t.w/c1", "spiffe://t.w/c2",
                                             "spiffe://t.w/d", "spiffe://t.w/x"};
    for (size_t i = 0; i < 5000; i++) {
        votes[i] = vote(identities[i % 5], (unsigned)(1 + i % 7));
    }
    struct ward_vote proposer = vote("spiffe://t.w/a1", 0);
    assert_int_equal(ward_quorum_count(*state, &proposer, votes, 5000), 2);
}

struct gone {
    const char *identities[3];
};

static bool is_gone(void *context, struct ward_bytes identity)
{
    const struct gone *gone = context;
    for (size_t i = 0; i < 3 && gone->identities[i] != NULL; i++) {
        if (ward_bytes_eq(identity, ward_bytes_str(gone->identities[i]))) {
            return true;
        }
    }
    return false;
}

/* Alice, Bob and Carol may approve; Dora is denied it, and Otto has no rule for it. */
static void a_person_may_approve_until_all_of_his_identities_are_gone(void **state)
{
    const struct gone cases[] = {{{NULL}},
                                 {{"spiffe://t.w/a1"}},
                                 {{"spiffe://t.w/a1", "spiffe://t.w/a2"}},
                                 {{"spiffe://t.w/a2", "spiffe://t.w/c1", "spiffe://t.w/b"}},
                                 {{"spiffe://t.w/d", "spiffe://t.w/o", "spiffe://t.w/nobody"}}};
    const size_t left[] = {3, 3, 2, 2, 3};
    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        struct gone gone = cases[i];
        assert_int_equal(ward_policy_approvers(*state, is_gone, &gone), left[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_officer_may_approve),
        cmocka_unit_test(the_proposer_cannot_approve),
        cmocka_unit_test(the_proposer_cannot_approve_under_another_identity),
        cmocka_unit_test(the_proposer_cannot_approve_with_another_key),
        cmocka_unit_test(the_proposers_key_under_another_name_cannot_approve),
        cmocka_unit_test(two_identities_of_one_person_are_one_vote),
        cmocka_unit_test(voting_twice_is_one_vote),
        cmocka_unit_test(one_key_under_two_names_is_one_vote),
        cmocka_unit_test(who_is_not_an_officer_cannot_approve),
        cmocka_unit_test(an_officer_without_the_right_cannot_approve),
        cmocka_unit_test(who_may_only_propose_needs_others_to_approve),
        cmocka_unit_test(nothing_counts_for_a_proposer_who_is_no_officer),
        cmocka_unit_test(a_vote_without_a_key_does_not_count),
        cmocka_unit_test(a_void_vote_blocks_nobody),
        cmocka_unit_test(sibling_identities_are_not_confused),
        cmocka_unit_test(every_pair_counts_only_when_all_differs),
        cmocka_unit_test(a_flood_of_votes_counts_each_person_once),
        cmocka_unit_test(a_person_may_approve_until_all_of_his_identities_are_gone),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
