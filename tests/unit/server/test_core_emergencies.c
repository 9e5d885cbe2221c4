/* SPDX-License-Identifier: Apache-2.0 */
/* Break-glass: what it opens, for whom, until when, and what it leaves behind. */
#include <stdio.h>

#include "server/op/emergency.h"
#include "server/throttle.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DOMAIN "spiffe://unit.test/"
#define MINUTE_US (60 * 1000000LL)

static struct core_world world;
static struct core_node node;
static struct core_person ward_b; /* a second application with the same rights */

/* The applications may write, and read only in an emergency. */
#define PEOPLE                                                                             \
    "version: 1\n"                                                                         \
    "deployment: unit.test\n"                                                              \
    "persons:\n"                                                                           \
    "  - {name: alice, identities: [\"" DOMAIN "officer-a\", \"" DOMAIN "officer-a2\"]}\n" \
    "  - {name: bob, identities: [\"" DOMAIN "officer-b\"]}\n"                             \
    "  - {name: cid, identities: [\"" DOMAIN "officer-c\"]}\n"                             \
    "roles:\n"                                                                             \
    "  - name: apps\n"                                                                     \
    "    kind: application\n"                                                              \
    "    members: [\"" DOMAIN "app\", \"" DOMAIN "ward-b\"]\n"                             \
    "    rules:\n"                                                                         \
    "      - {name: keys, actions: [data-key.generate], keys: [\"app/**\"]}\n"             \
    "      - {name: write, actions: [record.put], collections: [fhir, notes]}\n"           \
    "      - name: emergency-read\n"                                                       \
    "        emergency: true\n"                                                            \
    "        actions: [record.get]\n"                                                      \
    "        collections: [fhir, notes]\n"                                                 \
    "        context: [{key: purpose, values: [ETREAT]}]\n"                                \
    "      - name: emergency-keys\n"                                                       \
    "        emergency: true\n"                                                            \
    "        actions: [data-key.unwrap]\n"                                                 \
    "        keys: [\"app/**\"]\n"                                                         \
    "        context: [{key: purpose, values: [ETREAT]}]\n"                                \
    "      - {name: close, actions: [emergency.close]}\n"
#define MAY_OPEN                           \
    "      - name: open\n"                 \
    "        actions: [emergency.open]\n"  \
    "        collections: [fhir, notes]\n" \
    "        context: [{key: purpose, values: [ETREAT]}]\n"
#define REST                                                                               \
    "  - name: officers\n"                                                                 \
    "    kind: officer\n"                                                                  \
    "    members: [\"person:alice\", \"person:bob\", \"person:cid\"]\n"                    \
    "    rules:\n"                                                                         \
    "      - {name: keys, actions: [key.create], keys: [\"**\"]}\n"                        \
    "      - name: people\n"                                                               \
    "        actions: [identity.revoke, approval.submit, approval.show, approval.review, " \
    "emergency.list, doctor.run,\n"                                                        \
    "                  emergency.close]\n"                                                 \
    "collections:\n"                                                                       \
    "  - {name: fhir, key: phi/records, default_fields: [id]}\n"                           \
    "  - {name: notes, key: phi/notes, default_fields: [id]}\n"                            \
    "settings: {emergency: {minutes_max: 120}}\n"                                          \
    "public_context: [purpose]\n"

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_world_set_policy(&world, PEOPLE MAY_OPEN REST);
    core_person_init(&ward_b, &world.ca, NULL, DOMAIN "ward-b", 30);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    core_make_key(&node, "phi/notes", WARD_PURPOSE_RECORDS);
    core_make_key(&node, "app/key", WARD_PURPOSE_DATA_KEYS);
    static const char *const places[][2] = {{"fhir", "p1"}, {"fhir", "p2"}, {"notes", "p1"}};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(core_run_free(
            &node, core_put(&world, &world.app, places[i][0], places[i][1], 1, "{\"id\":\"x\"}")));
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_person_fini(&ward_b);
    core_world_fini(&world);
    return 0;
}

/* ---- asking ---- */

struct wish {
    const char *collection, *subject, *purpose;
    uint32_t minutes;
};
static const struct wish usual = {"fhir", "p1", "ETREAT", 30};

static struct ward_bytes copy(struct ward_request *request, const char *text)
{
    struct ward_bytes bytes;
    assert_ok(ward_arena_copy(request->arena, ward_bytes_str(text), &bytes));
    return bytes;
}

static struct ward_request *ask_open(const struct core_person *person, struct wish wish)
{
    struct ward_request *request =
        core_request(&world, person, &ward_op_emergency_open, sizeof(struct ward_emergency_open));
    struct ward_emergency_open *in = request->in;
    in->collection = copy(request, wish.collection);
    in->subject = copy(request, wish.subject);
    in->minutes = wish.minutes;
    in->context = core_context(request, wish.purpose);
    request->reason = WARD_BYTES_LITERAL("unconscious in the emergency room");
    request->on_behalf_of = WARD_BYTES_LITERAL("clinician-7");
    return request;
}

static struct ward_id opened(struct core_node *at, const struct core_person *person,
                             struct wish wish)
{
    struct ward_request *request = ask_open(person, wish);
    assert_ok(core_run(at, request));
    struct ward_id id = ((struct ward_emergency_open *)request->in)->emergency.row.id;
    ward_request_free(request);
    return id;
}

static struct ward_request *ask_close(const struct core_person *person, const struct ward_id *id)
{
    struct ward_request *request =
        core_request(&world, person, &ward_op_emergency_close, sizeof(struct ward_emergency_close));
    ((struct ward_emergency_close *)request->in)->id = *id;
    request->reason = WARD_BYTES_LITERAL("it is over");
    return request;
}

static struct ward_request *ask_get(const struct core_person *person, struct wish wish)
{
    struct ward_request *request = core_get(&world, person, wish.collection, wish.subject);
    ((struct ward_get *)request->in)->context = core_context(request, wish.purpose);
    return request;
}

static bool reads(struct core_node *at, const struct core_person *person, struct wish wish)
{
    struct ward_request *request = ask_get(person, wish);
    (void)core_run(at, request); /* the item says it */
    const struct ward_get_item *item = &((struct ward_get *)request->in)->items[0];
    bool good = ward_ok(request->status) && ward_ok(item->status) && item->json.size > 0;
    assert_true(good || request->status.code == WARD_E_DENIED ||
                item->status.code == WARD_E_DENIED);
    ward_request_free(request);
    return good;
}

static void refused(struct ward_request *request, enum ward_code code, const char *text)
{
    ward_status status = core_run(&node, request);
    assert_code(status, code);
    assert_non_null(ward_status_refusal(status));
    assert_string_equal(ward_status_refusal(status), text);
    ward_request_free(request);
}

/* ---- what it opens ---- */

static void it_opens_one_subject_in_one_collection_for_one_identity(void **state)
{
    (void)state;
    assert_false(reads(&node, &world.app, usual));
    (void)opened(&node, &world.app, usual);
    assert_true(reads(&node, &world.app, usual));
    assert_false(reads(&node, &world.app, (struct wish){"fhir", "p2", "ETREAT", 0}));
    assert_false(reads(&node, &world.app, (struct wish){"notes", "p1", "ETREAT", 0}));
    assert_false(reads(&node, &world.app, (struct wish){"fhir", "p1", "TREAT", 0}));
    assert_false(reads(&node, &ward_b, usual));
    assert_false(reads(&node, &world.officer_a, usual));
}

static void it_is_over_when_its_time_is(void **state)
{
    (void)state;
    (void)opened(&node, &world.app, usual);
    atomic_fetch_add(&world.clock.ahead_us, 29 * MINUTE_US);
    assert_true(reads(&node, &world.app, usual));
    (void)opened(&node, &world.app, usual); /* to go on, another one is opened */
    atomic_fetch_add(&world.clock.ahead_us, 2 * MINUTE_US);
    assert_true(reads(&node, &world.app, usual));
    atomic_fetch_add(&world.clock.ahead_us, 30 * MINUTE_US);
    assert_false(reads(&node, &world.app, usual));
}

static void it_is_closed_by_its_holder_or_an_officer(void **state)
{
    (void)state;
    struct ward_id id = opened(&node, &world.app, usual);
    refused(ask_close(&ward_b, &id), WARD_E_NOT_FOUND, "id: no such emergency is open");
    assert_true(reads(&node, &world.app, usual));
    assert_ok(core_run_free(&node, ask_close(&world.app, &id)));
    assert_false(reads(&node, &world.app, usual));
    refused(ask_close(&world.app, &id), WARD_E_NOT_FOUND, "id: no such emergency is open");
    id = opened(&node, &world.app, usual);
    struct ward_request *request = ask_close(&world.officer_b, &id);
    request->reason = (struct ward_bytes){0};
    refused(request, WARD_E_INVALID, "reason: empty, for what another identity has opened");
    request = ask_close(&world.officer_b, &id);
    assert_ok(core_run(&node, request));
    assert_true(((struct ward_emergency_close *)request->in)->emergency.row.closed_us > 0);
    core_expect_entry(&world, request, "allowed", "");
    ward_request_free(request);
    assert_false(reads(&node, &world.app, usual));
}

static void keys_open_that_name_the_subject(void **state)
{
    (void)state;
    static const struct ward_context_pair mine[] = {
        {WARD_BYTES_LITERAL("purpose"), WARD_BYTES_LITERAL("ETREAT")},
        {WARD_BYTES_LITERAL("subject"), WARD_BYTES_LITERAL("p1")}};
    struct ward_request *made = core_generate(&world, &world.app, "app/key", 1, 1);
    struct ward_generate_item *issued = ((struct ward_generate *)made->in)->items;
    assert_ok(ward_context_build(made->arena, mine, 2, &issued->context));
    assert_ok(core_run(&node, made));
    for (unsigned round = 0; round < 2; round++) {
        struct ward_request *request =
            core_unwrap(&world, &world.app, issued->keys[0].wrapped, "ETREAT");
        struct ward_unwrap_item *item = ((struct ward_unwrap *)request->in)->items;
        assert_ok(ward_context_build(request->arena, mine, 2, &item->context));
        (void)core_run(&node, request); /* the item says it */
        assert_int_equal(item->status.code, round == 0 ? WARD_E_DENIED : WARD_E_OK);
        if (round == 0) {
            (void)opened(&node, &world.app, usual);
        } else {
            assert_int_equal(item->plaintext.size, 32);
        }
        ward_request_free(request);
    }
    ward_request_free(made);
}

/* ---- where the share of the day is used up ---- */

#define SPENT_DAY "share of the day"

static void held_back(struct ward_request *request)
{
    assert_code(core_run(&node, request), WARD_E_EXHAUSTED);
    assert_non_null(strstr(ward_status_refusal(request->status), SPENT_DAY));
    ward_request_free(request);
}

static void no_quota_of_the_day_holds_it_back(void **state)
{
    (void)state;
    static const char text[] = PEOPLE MAY_OPEN REST;
    static char limited[sizeof(text) + 64];
    const char *rules = strstr(text, "    rules:\n");
    (void)snprintf(limited, sizeof(limited), "%.*s    limits: {per_day: 2, batch: 2}\n%s",
                   (int)(rules - text), text, rules);
    core_world_set_policy(&world, limited);
    core_node_refresh_now(&node);
    struct ward_throttle *throttle;
    assert_ok(ward_throttle_new(100, &throttle));
    node.pipeline.throttle = throttle;
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(core_run_free(&node, core_generate(&world, &world.app, "app/key", 1, 1)));
    }
    held_back(ask_get(&world.app, usual)); /* none is open yet */
    held_back(ask_open(&world.app, (struct wish){"labs", "p1", "ETREAT", 30}));
    (void)opened(&node, &world.app, usual);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(reads(&node, &world.app, usual));
    }
    held_back(ask_get(&world.app, (struct wish){"fhir", "p2", "ETREAT", 0}));
    held_back(ask_get(&world.app, (struct wish){"fhir", "p1", "TREAT", 0}));
    held_back(core_generate(&world, &world.app, "app/key", 1, 1));
    atomic_fetch_add(&world.clock.ahead_us, 31 * MINUTE_US);
    held_back(ask_get(&world.app, usual));
    node.pipeline.throttle = NULL;
    ward_throttle_free(throttle);
}

/* ---- what it asks for ---- */

static void it_is_refused_without_its_purpose_its_place_or_a_time_that_policy_allows(void **state)
{
    (void)state;
    refused(ask_open(&world.app, (struct wish){"fhir", "p1", "TREAT", 30}), WARD_E_INVALID,
            "context: purpose is not ETREAT");
    refused(ask_open(&world.app, (struct wish){"fhir", "p1", "", 30}), WARD_E_INVALID,
            "context: purpose is not ETREAT");
    struct ward_request *longer = ask_open(&world.app, (struct wish){"fhir", "p1", "ETREAT", 121});
    ward_status status = core_run(&node, longer);
    assert_code(status, WARD_E_INVALID);
    assert_string_equal(ward_status_refusal(status),
                        "minutes: more than policy lets an emergency last");
    assert_true(longer->tells_detail);
    assert_string_equal(longer->detail[0].name, "minutes_max");
    assert_int_equal(longer->detail[0].number, 120);
    ward_request_free(longer);
    refused(ask_open(&world.app, (struct wish){"BAD", "p1", "ETREAT", 30}), WARD_E_INVALID,
            "collection: not a name: [a-z0-9][a-z0-9._-]* parts joined by /, at most 128 bytes");
    refused(ask_open(&world.app, (struct wish){"labs", "p1", "ETREAT", 30}), WARD_E_DENIED,
            "policy: not allowed");
    refused(ask_open(&world.officer_a, usual), WARD_E_DENIED, "policy: not allowed");
    refused(ask_open(&world.stranger, usual), WARD_E_DENIED, "policy: not allowed");
    (void)opened(&node, &world.app, (struct wish){"fhir", "p1", "ETREAT", 120});
}

static void one_identity_has_so_many_open_and_those_that_are_over_make_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WARD_EMERGENCIES_OF_ONE; i++) {
        (void)opened(&node, &world.app, usual);
    }
    refused(ask_open(&world.app, usual), WARD_E_EXHAUSTED,
            "emergency: 32 of this identity are open; close some");
    (void)opened(&node, &ward_b, usual);
    atomic_fetch_add(&world.clock.ahead_us, 31 * MINUTE_US);
    (void)opened(&node, &world.app, usual);
    struct ward_state *now = ward_state_slot_get(&node.states);
    core_node_refresh_now(&node);
    ward_state_unref(now);
    now = ward_state_slot_get(&node.states);
    assert_int_equal(now->n_emergencies, 1);
    ward_state_unref(now);
}

/* ---- what ends it ---- */

static void it_ends_with_the_right_to_open_one(void **state)
{
    (void)state;
    (void)opened(&node, &world.app, usual);
    assert_true(reads(&node, &world.app, usual));
    core_world_set_policy(&world, PEOPLE REST);
    core_node_refresh_now(&node);
    assert_false(reads(&node, &world.app, usual));
}

static void it_ends_with_its_holders_revocation(void **state)
{
    (void)state;
    (void)opened(&node, &world.app, usual);
    const struct ward_effect effect = {.kind = WARD_EFFECT_REVOCATION,
                                       .revocation = {.kind = WARD_REVOKED_IDENTITY,
                                                      .value = WARD_BYTES_LITERAL(DOMAIN "app"),
                                                      .created_us = 1}};
    assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    core_node_refresh_now(&node);
    assert_false(reads(&node, &world.app, usual));
}

/* ---- two daemons, and one that was away ---- */

static void every_daemon_decides_with_it_from_its_commit_on(void **state)
{
    (void)state;
    struct core_node other;
    core_node_start(&other, &world, "node-2");
    struct ward_id id = opened(&node, &world.app, usual);
    assert_true(reads(&other, &world.app, usual));
    assert_ok(core_run_free(&other, ask_close(&world.officer_a, &id)));
    assert_false(reads(&node, &world.app, usual));
    core_node_stop(&other);
}

static void a_daemon_that_starts_again_knows_it(void **state)
{
    (void)state;
    (void)opened(&node, &world.app, usual);
    core_node_stop(&node);
    core_node_start(&node, &world, "node-1");
    assert_true(reads(&node, &world.app, usual));
    assert_false(reads(&node, &ward_b, usual));
}

/* ---- what it leaves behind ---- */

static void it_is_told_once_and_alarms(void **state)
{
    (void)state;
    struct ward_request *request = ask_open(&world.app, usual);
    assert_ok(core_run(&node, request));
    assert_int_equal(node.pipeline.alarms.raised[WARD_ALARM_EMERGENCY], 1);
    core_expect_entry(&world, request, "allowed", "");
    const struct ward_emergency_view *view =
        &((struct ward_emergency_open *)request->in)->emergency;
    char id[WARD_ID_TEXT_SIZE], hash[65];
    ward_id_print(&view->row.id, id);
    ward_hex_encode(WARD_BYTES_ARRAY(view->row.subject_hash), hash);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_text(leaf, "action"), "emergency.open");
    assert_string_equal(core_text(leaf, "object"), "collection:fhir");
    assert_string_equal(core_text(leaf, "end_user"), "clinician-7");
    assert_int_equal(strlen(core_text(leaf, "reason")), 64);
    assert_string_equal(core_detail(leaf, "proposal"), id);
    assert_string_equal(core_detail(leaf, "subject"), hash);
    assert_int_equal(core_detail_number(leaf, "minutes"), 30);
    core_log_close(&log);
    ward_request_free(request);
    refused(ask_open(&world.officer_a, usual), WARD_E_DENIED, "policy: not allowed");
    assert_int_equal(node.pipeline.alarms.raised[WARD_ALARM_EMERGENCY], 1);
}

static void what_was_read_in_one_names_it(void **state)
{
    (void)state;
    struct ward_id id = opened(&node, &world.app, usual);
    char text[WARD_ID_TEXT_SIZE];
    ward_id_print(&id, text);
    struct ward_request *request = ask_get(&world.app, usual);
    assert_ok(core_run(&node, request));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = core_log_one(&log, request->request_id);
    assert_string_equal(core_detail(leaf, "emergency"), text);
    const json_t *item = json_array_get(json_object_get(leaf, "items"), 0);
    assert_string_equal(core_text(item, "rule"), "apps/emergency-read");
    core_log_close(&log);
    ward_request_free(request);
}

/* Nobody needs to be reached for it; what an officer reviews is there at once. */
static void its_proposal_has_run_and_says_what_for(void **state)
{
    (void)state;
    struct ward_id id = opened(&node, &world.app, usual);
    struct ward_request *request = core_request(&world, &world.officer_b, &ward_op_approval_show,
                                                sizeof(struct ward_approval));
    struct ward_approval *in = request->in;
    in->id = id;
    assert_ok(core_run(&node, request));
    assert_string_equal(in->proposal.state, "executed");
    struct ward_proposal parsed;
    assert_ok(ward_proposal_parse(in->proposal.payload, request->arena, &parsed));
    assert_true(ward_bytes_eq(parsed.action, WARD_BYTES_LITERAL("emergency.open")));
    assert_true(ward_bytes_eq(parsed.object, WARD_BYTES_LITERAL("fhir")));
    assert_true(ward_bytes_eq(parsed.proposer, WARD_BYTES_LITERAL(DOMAIN "app")));
    assert_true(
        ward_bytes_eq(parsed.reason, WARD_BYTES_LITERAL("unconscious in the emergency room")));
    assert_true(
        ward_bytes_eq(ward_proposal_text(parsed.parameters, parsed.n_parameters, "on_behalf_of"),
                      WARD_BYTES_LITERAL("clinician-7")));
    assert_int_equal(parsed.expires_us - parsed.created_us < 31 * MINUTE_US, 1);
    ward_request_free(request);
}

static struct ward_request *ask_review(const struct core_person *person, const struct ward_id *id)
{
    struct ward_request *shown = core_request(&world, &world.officer_b, &ward_op_approval_show,
                                              sizeof(struct ward_approval));
    ((struct ward_approval *)shown->in)->id = *id;
    assert_ok(core_run(&node, shown));
    struct core_proposal proposal = {.id = *id};
    struct ward_bytes payload = ((struct ward_approval *)shown->in)->proposal.payload;
    assert_string_equal(((struct ward_approval *)shown->in)->proposal.standing.review, "pending");
    memcpy(proposal.memory, payload.data, payload.size);
    proposal.payload = WARD_BYTES(proposal.memory, payload.size);
    ward_request_free(shown);
    return core_vote(&world, person, &ward_op_approval_review, &proposal);
}

/* What a diagnosis says of reviews. */
static void diagnosed(enum ward_finding_level level, const char *text)
{
    struct ward_request *request =
        core_request(&world, &world.officer_a, &ward_op_diagnose, sizeof(struct ward_diagnose));
    assert_ok(core_run(&node, request));
    const struct ward_diagnose *out = request->in;
    size_t found = 0;
    for (size_t i = 0; i < out->n; i++) {
        const struct ward_finding *finding = &out->findings[i];
        found += ward_bytes_eq(finding->check, ward_bytes_str("reviews")) &&
                 finding->level == level &&
                 memmem(finding->text.data, finding->text.size, text, strlen(text)) != NULL;
    }
    assert_int_equal(found, 1);
    ward_request_free(request);
}

static void an_officer_reviews_it_once(void **state)
{
    (void)state;
    diagnosed(WARD_FINDING_OK, "no act of one officer waits");
    struct ward_id id = opened(&node, &world.app, usual);
    diagnosed(WARD_FINDING_WARNING, "1 acts or emergencies");
    atomic_fetch_add(&world.clock.ahead_us, 24 * 60 * MINUTE_US); /* when there is time */
    assert_ok(core_run_free(&node, ask_review(&world.officer_b, &id)));
    diagnosed(WARD_FINDING_OK, "no act of one officer waits");
    struct ward_request *request = core_request(&world, &world.officer_a, &ward_op_emergency_list,
                                                sizeof(struct ward_emergency_list));
    ((struct ward_emergency_list *)request->in)->page_size = 10;
    assert_ok(core_run(&node, request));
    assert_true(((struct ward_emergency_list *)request->in)->emergencies[0].row.reviewed);
    ward_request_free(request);
}

static struct ward_request *ask_list(const struct core_person *person, bool open)
{
    struct ward_request *request =
        core_request(&world, person, &ward_op_emergency_list, sizeof(struct ward_emergency_list));
    struct ward_emergency_list *in = request->in;
    in->page_size = 2;
    in->open = open;
    return request;
}

static void officers_list_what_is_open_page_by_page(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        (void)opened(&node, &world.app, usual);
    }
    struct ward_request *first = ask_list(&world.officer_a, true);
    assert_ok(core_run(&node, first));
    const struct ward_emergency_list *page = first->in;
    assert_int_equal(page->n, 2);
    assert_true(page->emergencies[0].open && !page->emergencies[0].row.reviewed);
    struct ward_request *second = ask_list(&world.officer_a, true);
    ((struct ward_emergency_list *)second->in)->page_token = page->next_page_token;
    assert_ok(core_run(&node, second));
    assert_int_equal(((struct ward_emergency_list *)second->in)->n, 1);
    assert_int_equal(((struct ward_emergency_list *)second->in)->next_page_token.size, 0);
    ward_request_free(second);
    ward_request_free(first);
    atomic_fetch_add(&world.clock.ahead_us, 31 * MINUTE_US);
    struct ward_request *over = ask_list(&world.officer_a, true);
    assert_ok(core_run(&node, over));
    assert_int_equal(((struct ward_emergency_list *)over->in)->n, 0);
    ward_request_free(over);
    over = ask_list(&world.officer_a, false);
    ((struct ward_emergency_list *)over->in)->page_token = WARD_BYTES_LITERAL("7");
    refused(over, WARD_E_INVALID, "page_token: not one that List gave");
    refused(ask_list(&world.app, false), WARD_E_DENIED, "policy: not allowed");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(it_opens_one_subject_in_one_collection_for_one_identity),
        T(it_is_over_when_its_time_is),
        T(it_is_closed_by_its_holder_or_an_officer),
        T(keys_open_that_name_the_subject),
        T(no_quota_of_the_day_holds_it_back),
        T(it_is_refused_without_its_purpose_its_place_or_a_time_that_policy_allows),
        T(one_identity_has_so_many_open_and_those_that_are_over_make_room),
        T(it_ends_with_the_right_to_open_one),
        T(it_ends_with_its_holders_revocation),
        T(every_daemon_decides_with_it_from_its_commit_on),
        T(a_daemon_that_starts_again_knows_it),
        T(it_is_told_once_and_alarms),
        T(what_was_read_in_one_names_it),
        T(its_proposal_has_run_and_says_what_for),
        T(an_officer_reviews_it_once),
        T(officers_list_what_is_open_page_by_page),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
