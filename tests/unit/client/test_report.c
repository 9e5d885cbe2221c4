/* SPDX-License-Identifier: Apache-2.0 */
/* What a report calls late, of leaves that were made for it. */
#include "client/cli/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/client/check.h"

static struct report_log report;

static int start(void **state)
{
    (void)state;
    const struct report_span span = {0, INT64_MAX};
    return ward_ok(report_log_init(&report, &span)) ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    report_log_fini(&report);
    return 0;
}

static void leaf(const char *action, const char *object, const char *detail)
{
    char text[512];
    static uint64_t index;
    int size =
        snprintf(text, sizeof(text),
                 "{\"action\":\"%s\",\"detail\":{%s},\"identity\":\"system\",\"object\":\"%s\","
                 "\"outcome\":\"allowed\",\"time\":\"2026-01-01T00:00:00.000000Z\"}",
                 action, detail, object);
    report_log_leaf(&report, WARD_BYTES((const uint8_t *)text, (size_t)size), index++);
    assert_true(ward_ok(report.status));
}

/* Is this said of the object? */
static bool is_late(const char *what, const char *object)
{
    struct report_table table;
    bool found = false;
    assert_true(report_make("overdue", &report, &table));
    assert_true(ward_ok(table.status));
    for (size_t i = 0; i < table.n_cells; i += table.n_columns) {
        found |= ward_bytes_eq(table.cells[i], ward_bytes_str(what)) &&
                 ward_bytes_eq(table.cells[i + 1], ward_bytes_str(object));
    }
    free(table.cells);
    return found;
}

static void a_count_that_found_rows_frees_no_compromised_version(void **state)
{
    (void)state;
    leaf("key.create", "key:phi/records#1", "\"purpose\":\"records\"");
    leaf("approval.submit", "proposal:p1",
         "\"executed\":\"key.compromise\",\"key\":\"phi/records#1\"");
    leaf("system.rotate", "key:phi/records#2", "\"why\":\"compromised\"");
    assert_true(is_late("compromised version with rows", "phi/records#1"));
    leaf("system.rewrap", "key:phi/records", "\"rows_below_version\":3,\"version\":2");
    assert_true(is_late("compromised version with rows", "phi/records#1"));
    leaf("system.rewrap", "key:phi/records", "\"rows_below_version\":0,\"version\":2");
    assert_false(is_late("compromised version with rows", "phi/records#1"));
    assert_true(is_late("rekey owed after a compromise", "phi/records#1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_count_that_found_rows_frees_no_compromised_version, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
