/* SPDX-License-Identifier: Apache-2.0 */
/* A PostgreSQL cluster of a test's own, through the script beside this file (its path is in the
 * environment variable WARD_TEST_POSTGRES). Everything fails the test but a server not installed.
 */
#ifndef WARD_TESTS_SUPPORT_POSTGRES_H
#define WARD_TESTS_SUPPORT_POSTGRES_H

#include <stdbool.h>

struct postgres {
    char dir[64];
    char owner[128], daemon[128], superuser[128]; /* connection strings */
};

/* False when PostgreSQL is not installed. */
bool postgres_new(struct postgres *ret);
void postgres_remove(struct postgres *pg);
void postgres_start(const struct postgres *pg);
/* mode: "fast", "immediate" (as a crash). */
void postgres_stop(const struct postgres *pg, const char *mode);
/* As the superuser; the statement must succeed. */
void postgres_sql(const struct postgres *pg, const char *statement);
/* The number that the statement gives. */
long long postgres_number(const struct postgres *pg, const char *statement);
/* As a role; the SQLSTATE, "00000" when it succeeds. */
void postgres_try(const char *conninfo, const char *statement, char ret_sqlstate[static 6]);
/* An empty schema, migrated, with the daemon's rights; kills no connection. */
void postgres_reset(const struct postgres *pg);

#endif
