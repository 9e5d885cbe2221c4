/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests that stand on the rig begin with: a rig of their own, made anew for each. */
#ifndef WARD_TESTS_UNIT_SERVER_WIRE_TEST_H
#define WARD_TESTS_UNIT_SERVER_WIRE_TEST_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/server/wire_rig.h"

#define L(s) WARD_BYTES_LITERAL(s)
#define LIST "/ward.v1.Keys/ListKeys"
#define EMPTY "\0\0\0\0\0" /* a prefix that announces no bytes */
/* Bytes held for a call that is refused: its own record, and nothing of its message. */
#define REFUSAL_ALONE 2048
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_open(&rig, L("spiffe://t/app"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

#endif
