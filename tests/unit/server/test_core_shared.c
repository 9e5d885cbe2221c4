/* SPDX-License-Identifier: Apache-2.0 */
/* A certificate in two places is told with its owner and both places; an officer's is another
 * alarm. */
#include "server/jobs/shared.h"

#include <string.h>

#include "tests/unit/server/core_log.h"

static struct core_world world;
static struct core_node node;

static int start(void **state)
{
    (void)state;
    core_world_init(&world);
    core_node_start(&node, &world, "node-1");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    core_node_stop(&node);
    core_world_fini(&world);
    return 0;
}

static struct ward_shared of(const char *identity)
{
    struct ward_shared shared = {.first = "192.0.2.1", .second = "[2001:db8::1]"};
    memset(shared.certificate, 0xab, sizeof(shared.certificate));
    (void)snprintf(shared.identity, sizeof(shared.identity), "%s", identity);
    return shared;
}

static void told_as(const char *identity, enum ward_alarm alarm, const char *role)
{
    struct ward_shared shared = of(identity);
    assert_true(ward_shared_tell(&node.pipeline, &shared));
    assert_int_equal(node.pipeline.alarms.raised[alarm], 1);
    struct core_log log;
    core_log_open(&log, &world);
    const json_t *leaf = log.leaves[log.n - 1];
    assert_string_equal(core_text(leaf, "action"), "system.alarm");
    assert_string_equal(core_text(leaf, "identity"), "system");
    assert_string_equal(core_text(leaf, "outcome"), "allowed");
    assert_string_equal(core_text(leaf, "object"), "sha256:abababababababababababababababab"
                                                   "abababababababababababababababab");
    assert_string_equal(core_detail(leaf, "alarm"), ward_alarm_kind(alarm));
    assert_string_equal(core_detail(leaf, "text"), ward_alarm_text(alarm));
    assert_string_equal(core_detail(leaf, "holder"), identity);
    assert_string_equal(core_detail(leaf, "role"), role);
    assert_string_equal(core_detail(leaf, "first_address"), "192.0.2.1");
    assert_string_equal(core_detail(leaf, "second_address"), "[2001:db8::1]");
    core_log_close(&log);
}

static void an_application_has_its_alarm(void **state)
{
    (void)state;
    told_as(world.app.peer->identity, WARD_ALARM_SHARED, "application");
    assert_int_equal(node.pipeline.alarms.raised[WARD_ALARM_SHARED_OFFICER], 0);
}

static void officers_and_auditors_have_a_graver_one(void **state)
{
    (void)state;
    told_as(world.officer_a.peer->identity, WARD_ALARM_SHARED_OFFICER, "officer");
    node.pipeline.alarms.raised[WARD_ALARM_SHARED_OFFICER] = 0;
    told_as(world.auditor.peer->identity, WARD_ALARM_SHARED_OFFICER, "auditor");
    assert_int_equal(node.pipeline.alarms.raised[WARD_ALARM_SHARED], 0);
}

static void whom_policy_does_not_name_has_no_role(void **state)
{
    (void)state;
    told_as(world.stranger.peer->identity, WARD_ALARM_SHARED, "none");
}

static void the_longest_identity_is_told_whole(void **state)
{
    (void)state;
    char longest[512];
    memset(longest, 'x', sizeof(longest) - 1);
    memcpy(longest, "spiffe://", 9);
    longest[sizeof(longest) - 1] = '\0';
    told_as(longest, WARD_ALARM_SHARED, "none");
}

static enum ward_commit_outcome away(void *arg, const struct ward_commit *commit, bool *ret_happens)
{
    (void)arg;
    (void)commit;
    (void)ret_happens;
    return WARD_COMMIT_FAILED;
}

static void what_could_not_be_written_is_said(void **state)
{
    (void)state;
    struct ward_shared shared = of(world.app.peer->identity);
    ward_store_memory_set_fault(world.store, away, NULL);
    assert_false(ward_shared_tell(&node.pipeline, &shared));
    ward_store_memory_set_fault(world.store, NULL, NULL);
    assert_int_equal(node.pipeline.alarms.raised[WARD_ALARM_SHARED], 0);
}

/* ---- two daemons ---- */

static struct {
    unsigned n;
    struct ward_ip other;
    bool earlier;
} found;

static void find(void *context, const struct ward_sighting *here, const struct ward_ip *other,
                 bool earlier)
{
    assert_ptr_equal(context, &found);
    assert_int_equal(here->certificate[0], 0xab);
    found.n++;
    found.other = *other;
    found.earlier = earlier;
}

/* How many it learns of, for a certificate in use there between then and then. */
static unsigned exchange(const char *name, uint8_t place, int64_t since_s, int64_t heard_s)
{
    int64_t now_us = ward_monotonic_us(node.pipeline.clock);
    struct ward_sighting heard = {.certificate = {0xab},
                                  .since_us = now_us - since_s * 1000000,
                                  .heard_us = now_us - heard_s * 1000000};
    memset(heard.place.bytes, place, sizeof(heard.place.bytes));
    struct ward_jobs_config config = {
        .pipeline = &node.pipeline, .elsewhere = find, .context = &found};
    struct ward_store_reader *reader = NULL;
    found.n = 0;
    core_node_stop(&node);
    core_node_start(&node, &world, name);
    assert_ok(ward_store_reader_open(world.store, &reader));
    ward_shared_exchange(&config, reader, &heard, 0); /* nothing to tell */
    ward_shared_exchange(&config, reader, &heard, 1);
    ward_store_reader_close(reader);
    return found.n;
}

static void daemons_learn_of_each_others_places(void **state)
{
    (void)state;
    assert_int_equal(exchange("node-1", 1, 100, 0), 0);
    assert_int_equal(exchange("node-2", 1, 100, 0), 0); /* one place */
    assert_int_equal(exchange("node-2", 2, 50, 0), 1);
    assert_int_equal(found.other.bytes[0], 1);
    assert_true(found.earlier);
    assert_int_equal(exchange("node-1", 1, 100, -1), 1); /* heard while we looked */
    assert_int_equal(found.other.bytes[0], 2);
    assert_false(found.earlier);
    assert_int_equal(exchange("node-1", 1, 100, 49), 0); /* it was about to go */
}

static void a_database_that_is_down_is_told_nothing(void **state)
{
    (void)state;
    assert_int_equal(exchange("node-1", 1, 100, 0), 0);
    struct ward_sighting heard = {.certificate = {0xab}};
    struct ward_jobs_config config = {
        .pipeline = &node.pipeline, .elsewhere = find, .context = &found};
    struct ward_store_reader *reader = NULL;
    assert_ok(ward_store_reader_open(world.store, &reader));
    ward_store_memory_set_down(world.store, true);
    ward_shared_exchange(&config, reader, &heard, 1);
    ward_store_memory_set_down(world.store, false);
    ward_store_reader_close(reader);
    assert_int_equal(found.n, 0);
    assert_int_equal(exchange("node-2", 2, 50, 0), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        T(an_application_has_its_alarm),
        T(officers_and_auditors_have_a_graver_one),
        T(whom_policy_does_not_name_has_no_role),
        T(the_longest_identity_is_told_whole),
        T(what_could_not_be_written_is_said),
        T(daemons_learn_of_each_others_places),
        T(a_database_that_is_down_is_told_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
