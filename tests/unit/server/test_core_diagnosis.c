/* SPDX-License-Identifier: Apache-2.0 */
/* A diagnosis finds each thing that was made wrong, says which, and finds nothing where all is
 * well. */
#include "server/work/attestation.h"
#include "server/work/posture.h"
#include "tests/unit/server/core_ask.h"
#include "tests/unit/server/core_log.h"

#define DAY_US (24LL * 3600 * 1000000)

static struct core_world world;
static struct core_node node;
static int64_t certificate_end_us;
static bool database_away;
static bool not_signed; /* nobody signs what was written since the start */

static ward_status snapshot(void *context, struct ward_arena *arena,
                            struct ward_store_snapshot *ret)
{
    (void)context;
    WARD_ENSURE(!database_away, WARD_E_UNAVAILABLE);
    struct ward_store_reader *reader = NULL;
    WARD_TRY(ward_store_reader_open(world.store, &reader));
    ward_status status = ward_store_snapshot(reader, arena, ret);
    ward_store_reader_close(reader);
    return status;
}

static int64_t end_of_certificate(void *context)
{
    (void)context;
    return certificate_end_us;
}

static struct ward_posture posture;

static int64_t now_us(void)
{
    return ward_wall_us(&world.clock.base);
}

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    core_make_key(&node, "app/keys", WARD_PURPOSE_DATA_KEYS);
    core_sign_checkpoint(&node);
    posture = (struct ward_posture){.snapshot = snapshot,
                                    .certificate_end_us = end_of_certificate,
                                    .memory_locked = true,
                                    .wrap_soft_limit = 1u << 20,
                                    .wrap_hard_limit = 1u << 21};
    certificate_end_us = now_us() + 1000 * DAY_US;
    database_away = not_signed = false;
    node.pipeline.posture = &posture;
    core_node_refresh_now(&node);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static struct ward_request *ask(const struct core_person *person)
{
    return core_request(&world, person, &ward_op_diagnose, sizeof(struct ward_diagnose));
}

/* The one finding of this level, whose check is this and whose text has that; none other there is.
 */
static void finds(enum ward_finding_level level, const char *check, const char *text)
{
    if (!not_signed) {
        core_sign_checkpoint(&node);
    }
    struct ward_request *request = ask(&world.auditor);
    assert_ok(core_run(&node, request));
    const struct ward_diagnose *out = request->in;
    size_t found = 0;
    for (size_t i = 0; i < out->n; i++) {
        const struct ward_finding *finding = &out->findings[i];
        if (finding->level == WARD_FINDING_OK) {
            assert_int_equal(finding->advice.size, 0);
            continue;
        }
        if (check == NULL || !ward_bytes_eq(finding->check, ward_bytes_str(check))) {
            fail_msg("%.*s: %.*s", (int)finding->check.size, (const char *)finding->check.data,
                     (int)finding->text.size, (const char *)finding->text.data);
        }
        assert_int_equal(finding->level, level);
        assert_true(finding->advice.size > 0);
        assert_non_null(memmem(finding->text.data, finding->text.size, text, strlen(text)));
        found++;
    }
    assert_int_equal(found, check == NULL ? 0 : 1);
    assert_true(out->n >= 10);
    assert_int_equal(out->left_out, 0);
    ward_request_free(request);
}

/* The text of the finding that all is well with it. */
static void is_well(const char *check, const char *text)
{
    struct ward_request *request = ask(&world.auditor);
    assert_ok(core_run(&node, request));
    const struct ward_diagnose *out = request->in;
    bool found = false;
    for (size_t i = 0; i < out->n; i++) {
        const struct ward_finding *finding = &out->findings[i];
        found |= ward_bytes_eq(finding->check, ward_bytes_str(check)) &&
                 finding->level == WARD_FINDING_OK &&
                 memmem(finding->text.data, finding->text.size, text, strlen(text)) != NULL;
    }
    assert_true(found);
    ward_request_free(request);
}

static struct ward_kek_ref ref_of(const char *name)
{
    struct ward_state *state = ward_state_slot_get(&node.states);
    struct ward_kek_ref ref = {ward_state_key(state, ward_bytes_str(name))->id, 1};
    ward_state_unref(state);
    return ref;
}

/* ---- who may ask ---- */

static void an_application_may_not_ask(void **state)
{
    (void)state;
    assert_code(core_run_free(&node, ask(&world.app)), WARD_E_DENIED);
    assert_ok(core_run_free(&node, ask(&world.officer_a)));
    assert_ok(core_run_free(&node, ask(&world.auditor)));
}

static void the_entry_says_how_much_was_found(void **state)
{
    (void)state;
    posture.development_module = true;
    struct ward_request *request = ask(&world.auditor);
    assert_ok(core_run(&node, request));
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "action"), "doctor.run");
    assert_int_equal(core_detail_number(leaf, "warnings"), 1);
    assert_int_equal(core_detail_number(leaf, "gaps"), 0);
    core_log_close(&log);
    ward_request_free(request);
}

/* ---- what is found ---- */

static void where_all_is_well_nothing_is_found(void **state)
{
    (void)state;
    finds(WARD_FINDING_OK, NULL, NULL);
}

static void make_object(const struct ward_kek_ref *ref)
{
    struct ward_kek_session *session = NULL;
    assert_ok(ward_kek_session_open(world.kek, &session));
    assert_ok(ward_kek_create(session, ref, "by hand"));
    ward_kek_session_close(session);
}

static void a_key_that_nobody_remembers_is_named(void **state)
{
    (void)state;
    struct ward_kek_ref ref = {.version = 7};
    char hex[2 * sizeof(ref.id.bytes) + 1];
    assert_ok(ward_id_random(&ref.id));
    make_object(&ref);
    ward_hex_encode(WARD_BYTES_ARRAY(ref.id.bytes), hex);
    finds(WARD_FINDING_GAP, "token-orphans", hex);
}

static void a_further_version_that_no_row_names_is_an_orphan(void **state)
{
    (void)state;
    struct ward_kek_ref ref = ref_of("app/keys");
    ref.version = 2;
    make_object(&ref);
    finds(WARD_FINDING_GAP, "token-orphans", "00000002");
}

static void what_is_being_made_is_no_orphan(void **state)
{
    (void)state;
    struct ward_kek_ref ref = ref_of("app/keys");
    ref.version = 2;
    make_object(&ref);
    struct ward_effect effect = {.kind = WARD_EFFECT_INTENT};
    effect.intent = (struct ward_store_intent){.kek = ref.id,
                                               .version = 2,
                                               .effect = 1,
                                               .node = WARD_BYTES_LITERAL("node-2"),
                                               .created_us = now_us()};
    assert_ok(ward_id_random(&effect.intent.id));
    assert_int_equal(core_world_write(&world, &effect, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    finds(WARD_FINDING_OK, NULL, NULL);
    atomic_fetch_add(&world.clock.ahead_us, DAY_US / 12);
    finds(WARD_FINDING_GAP, "unfinished", "node-2");
}

static void a_version_without_its_key_is_named(void **state)
{
    (void)state;
    struct ward_kek_ref ref = ref_of("app/keys");
    fake_kek_forget(world.kek, &ref);
    finds(WARD_FINDING_GAP, "token-missing", "app/keys version 1");
}

static void a_log_key_that_the_token_lost_is_named(void **state)
{
    (void)state;
    core_sign_checkpoint(&node);
    not_signed = true; /* who would? */
    struct ward_state *now = ward_state_slot_get(&node.states);
    struct ward_kek_ref ref = now->log_keys[0].ref;
    ward_state_unref(now);
    fake_kek_forget(world.kek, &ref);
    finds(WARD_FINDING_GAP, "token-missing", "the key that signs the audit log");
}

static void a_row_that_is_no_checkpoint_is_named(void **state)
{
    (void)state;
    struct ward_effect effect = {.kind = WARD_EFFECT_CHECKPOINT};
    effect.checkpoint.size = 1000000;
    effect.checkpoint.note = ward_bytes_str("no note");
    effect.checkpoint.created_us = 1;
    assert_int_equal(core_world_write(&world, &effect, 1, false, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    finds(WARD_FINDING_GAP, "stored-checkpoints", "the row of size 1000000");
    is_well("audit-log", "the audit log is signed");
}

static void an_hsm_that_does_not_answer_is_a_finding(void **state)
{
    (void)state;
    core_sign_checkpoint(&node);
    not_signed = true; /* its key is away too */
    fake_kek_set_fault(world.kek, FAKE_KEK_AWAY);
    finds(WARD_FINDING_GAP, "token", "did not answer");
    fake_kek_set_fault(world.kek, FAKE_KEK_FINE);
}

static void changed_attributes_are_named(void **state)
{
    (void)state;
    struct ward_attestation *attestation = NULL;
    struct ward_kek_session *session = NULL;
    struct ward_kek_ref ref = ref_of("app/keys");
    size_t bad;
    assert_ok(ward_attestation_new(&attestation));
    assert_ok(ward_kek_session_open(world.kek, &session));
    node.pipeline.attestation = attestation;
    fake_kek_set_weak(world.kek, &ref, true);
    struct ward_state *now = ward_state_slot_get(&node.states);
    assert_ok(ward_attestation_check(attestation, session, now, &bad));
    ward_state_unref(now);
    finds(WARD_FINDING_GAP, "key-attributes", "app/keys version 1");
    node.pipeline.attestation = NULL;
    ward_kek_session_close(session);
    ward_attestation_free(attestation);
}

static void a_key_that_is_too_old_is_named(void **state)
{
    (void)state;
    atomic_fetch_add(&world.clock.ahead_us, 366 * DAY_US);
    finds(WARD_FINDING_WARNING, "rotation", "app/keys version 1 is 366 days old");
}

/* From the compromise until a run of a rekey that began after it is done. */
static void a_key_that_leaked_and_was_not_rekeyed_is_named(void **state)
{
    (void)state;
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    core_rotate_fully(&node, "phi/records");
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "alpha", 1, "{}")));
    is_well("rekey", "no key that leaked is owed a rekey");
    core_set_state(&node, "phi/records", 1, WARD_KEY_DEACTIVATED, WARD_KEY_COMPROMISED);
    core_node_refresh_now(&node);
    finds(WARD_FINDING_GAP, "rekey", "phi/records version 1 was compromised");
    atomic_fetch_add(&world.clock.ahead_us, 1000000);
    struct ward_request *request =
        core_request(&world, &world.officer_a, &ward_op_key_rekey, sizeof(struct ward_key_rekey));
    ((struct ward_key_rekey *)request->in)->name = WARD_BYTES_LITERAL("phi/records");
    assert_ok(core_run_free(&node, request));
    finds(WARD_FINDING_GAP, "rekey", "phi/records version 1 was compromised");
}

static void a_certificate_that_ends_is_told(void **state)
{
    (void)state;
    certificate_end_us = now_us() + 29 * DAY_US;
    finds(WARD_FINDING_WARNING, "certificate", "the daemon's");
    certificate_end_us = now_us() + 6 * DAY_US;
    finds(WARD_FINDING_WARNING, "certificate", "URGENT");
    certificate_end_us = now_us() + DAY_US / 2;
    finds(WARD_FINDING_GAP, "certificate", "URGENT");
    certificate_end_us = now_us() - DAY_US;
    finds(WARD_FINDING_GAP, "certificate", "ends in 0 days");
}

static struct ward_shared shared_one;

static size_t one_shared(void *context, struct ward_shared *out, size_t max)
{
    (void)context;
    assert_true(max > 0);
    *out = shared_one;
    return 1;
}

static void a_certificate_in_two_places_is_told_and_an_officers_is_grave(void **state)
{
    (void)state;
    shared_one = (struct ward_shared){.first = "192.0.2.1", .second = "192.0.2.2"};
    posture.shared_lately = one_shared;
    memcpy(shared_one.identity, world.app.peer->identity, sizeof(shared_one.identity));
    finds(WARD_FINDING_WARNING, "shared-certificates", "from 192.0.2.1 and 192.0.2.2 at once");
    memcpy(shared_one.identity, world.officer_b.peer->identity, sizeof(shared_one.identity));
    finds(WARD_FINDING_GAP, "shared-certificates", world.officer_b.peer->identity);
}

static void how_the_daemon_was_set_up_is_told(void **state)
{
    (void)state;
    posture.memory_locked = false;
    finds(WARD_FINDING_WARNING, "memory", "pool of keys");
    posture.memory_locked = true;
    posture.development_module = true;
    finds(WARD_FINDING_WARNING, "hsm", "SoftHSM");
    posture.development_module = false;
    node.pipeline.without_proof = true;
    finds(WARD_FINDING_GAP, "wrap-proof", "wraps wrongly");
    node.pipeline.without_proof = false;
}

/* An old one is as it should be while there was nothing to sign. */
static void a_checkpoint_is_late_when_entries_wait_for_it(void **state)
{
    (void)state;
    core_sign_checkpoint(&node);
    atomic_fetch_add(&world.clock.ahead_us, 7200 * 1000000LL);
    is_well("audit-log", "entries, is 7200 seconds old");
    not_signed = true; /* and there is an entry now: of the one who asked */
    is_well("audit-log", "entries, is 7200 seconds old");
    atomic_fetch_add(&world.clock.ahead_us, 90 * 1000000LL);
    finds(WARD_FINDING_WARNING, "audit-log",
          "is 7290 seconds old, and entries have waited 90 seconds");
    atomic_fetch_add(&world.clock.ahead_us, 3600 * 1000000LL);
    finds(WARD_FINDING_GAP, "audit-log", "entries have waited 3690 seconds");
    not_signed = false;
    finds(WARD_FINDING_OK, NULL, NULL);
}

static void a_daemon_that_is_silent_is_named(void **state)
{
    (void)state;
    struct ward_store_reader *reader = NULL;
    struct ward_arena *arena = NULL;
    assert_ok(ward_arena_new(1u << 20, &arena));
    assert_ok(ward_store_reader_open(world.store, &reader));
    struct ward_read beat = {.kind = WARD_READ_HEARTBEAT, .arena = arena}, *reads[] = {&beat};
    beat.heartbeat.node = WARD_BYTES_LITERAL("node-9");
    beat.heartbeat.epoch = 1;
    assert_ok(ward_store_read(reader, reads, 1));
    ward_store_reader_close(reader);
    ward_arena_free(arena);
    finds(WARD_FINDING_OK, NULL, NULL);
    atomic_fetch_add(&world.clock.ahead_us, 100 * 1000000LL);
    finds(WARD_FINDING_WARNING, "daemons", "node-9");
    atomic_fetch_add(&world.clock.ahead_us, 2 * DAY_US);
    finds(WARD_FINDING_OK, NULL, NULL); /* put out of service */
}

static void a_job_that_does_not_end_is_named_with_its_reason(void **state)
{
    (void)state;
    struct ward_store_job job;
    core_make_key(&node, "phi/records", WARD_PURPOSE_RECORDS);
    assert_ok(core_run_free(&node, core_put(&world, &world.app, "fhir", "s1", 1, "{\"id\":1}")));
    core_rotate_fully(&node, "phi/records");
    assert_ok(core_rewrap_open(&node, "phi/records", false));
    finds(WARD_FINDING_OK, NULL, NULL);
    atomic_fetch_add(&world.clock.ahead_us, 2 * 3600 * 1000000LL);
    finds(WARD_FINDING_WARNING, "jobs",
          "the rewrap of phi/records has done 0 of 1 in 2 hours: it will not end within a day");
    struct ward_effect enabled = {.kind = WARD_EFFECT_KEK_ENABLED};
    enabled.kek_enabled.kek = ref_of("phi/records").id;
    enabled.kek_enabled.from = true;
    assert_int_equal(core_world_write(&world, &enabled, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    core_node_refresh_now(&node);
    finds(WARD_FINDING_WARNING, "jobs", "its key is disabled");
    enabled.kek_enabled.from = false;
    enabled.kek_enabled.to = true;
    assert_int_equal(core_world_write(&world, &enabled, 1, true, ",\"outcome\":\"allowed\"}"),
                     WARD_COMMITTED);
    core_node_refresh_now(&node);
    while (core_rewrap_job(&world, &job)) {
        (void)core_rewrap_end(&node, "phi/records", &job);
    }
    finds(WARD_FINDING_GAP, "jobs", "it is stuck over 1 rows that cannot be moved");
}

static void a_clock_that_is_wrong_is_told(void **state)
{
    (void)state;
    struct ward_clock database;
    ward_clock_fake(&database, now_us() - 10 * 60 * 1000000LL);
    ward_store_memory_set_clock(world.store, &database);
    finds(WARD_FINDING_GAP, "clock", "ahead of the database's");
    ward_clock_fake(&database, now_us() + 10 * 60 * 1000000LL);
    finds(WARD_FINDING_GAP, "clock", "behind the database's");
    ward_store_memory_set_clock(world.store, &world.clock.base);
    finds(WARD_FINDING_OK, NULL, NULL);
}

static void many_orphans_are_counted(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 50; i++) {
        struct ward_kek_ref ref = {.version = i + 1};
        assert_ok(ward_id_random(&ref.id));
        make_object(&ref);
    }
    struct ward_request *request = ask(&world.auditor);
    assert_ok(core_run(&node, request));
    const struct ward_diagnose *out = request->in;
    size_t orphans = 0;
    bool more = false;
    for (size_t i = 0; i < out->n; i++) {
        orphans += ward_bytes_eq(out->findings[i].check, ward_bytes_str("token-orphans"));
        more |= ward_bytes_eq(out->findings[i].text, ward_bytes_str("30 more of them"));
    }
    assert_int_equal(orphans, 21);
    assert_true(more);
    ward_request_free(request);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(an_application_may_not_ask),
        T(the_entry_says_how_much_was_found),
        T(where_all_is_well_nothing_is_found),
        T(a_key_that_nobody_remembers_is_named),
        T(a_further_version_that_no_row_names_is_an_orphan),
        T(what_is_being_made_is_no_orphan),
        T(a_version_without_its_key_is_named),
        T(a_log_key_that_the_token_lost_is_named),
        T(a_row_that_is_no_checkpoint_is_named),
        T(an_hsm_that_does_not_answer_is_a_finding),
        T(changed_attributes_are_named),
        T(a_key_that_is_too_old_is_named),
        T(a_key_that_leaked_and_was_not_rekeyed_is_named),
        T(a_certificate_that_ends_is_told),
        T(a_certificate_in_two_places_is_told_and_an_officers_is_grave),
        T(how_the_daemon_was_set_up_is_told),
        T(a_checkpoint_is_late_when_entries_wait_for_it),
        T(a_daemon_that_is_silent_is_named),
        T(a_job_that_does_not_end_is_named_with_its_reason),
        T(a_clock_that_is_wrong_is_told),
        T(many_orphans_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
