/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites of faults of PostgreSQL share: one cluster, a fixture over it, and a thread that
 * appends numbered entries through whatever happens to the server. */
#ifndef WARD_TESTS_CONFORMANCE_STORE_POSTGRES_SUPPORT_H
#define WARD_TESTS_CONFORMANCE_STORE_POSTGRES_SUPPORT_H

#include "tests/conformance/store/store_fixture.h"
#include "tests/support/postgres.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

extern struct postgres pg;

int over_postgres_setup(void **state);
/* Lets go on what a test left stopped, and undoes what it set. */
int over_postgres_teardown(void **state);

void assert_refused(ward_status status, enum ward_code code, const char *text);
/* What a writer that connects now is told. */
ward_status new_head(struct fixture *fx);

/* Milliseconds of a clock that only goes forward. */
int64_t now_ms(void);
void pause_ms(int ms);
/* The server process of the fixture's writer, or of the first connection named so. */
pid_t backend_of(const char *application_name);
/* SIGSTOP; the teardown continues it where the test did not get so far. */
void hold(pid_t pid);
void let_go(pid_t pid);
void terminate_writers(void);
/* Changes a setting of the whole server and waits until it is in force. */
void set_server(const char *name, const char *value);

struct ledger {
    struct ward_store *store;
    atomic_bool stop;
    pthread_t thread;
    unsigned entries; /* acknowledged, or found by resolve */
    unsigned unknown, unknown_done, unavailable;
    unsigned faults; /* what must not be: an outcome out of place, a wait without end */
    int64_t longest_ms;
};

void ledger_start(struct ledger *ledger, struct ward_store *store);
void ledger_stop(struct ledger *ledger);
/* The log holds entries 0 .. ledger->entries - 1, each once, in order, and its tree is the head's.
 */
void ledger_check(struct fixture *fx, const struct ledger *ledger);

int postgres_suite_faults(void);
int postgres_suite_rules(void);
int postgres_suite_migration(void);

#endif
