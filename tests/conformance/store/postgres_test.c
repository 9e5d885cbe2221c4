/* SPDX-License-Identifier: Apache-2.0 */
/* What only the store over PostgreSQL has to stand: faults of the server, and its rules. */
#include "tests/conformance/store/postgres_support.h"

const struct store_under_test *store_under_test; /* the fixture is made over postgres alone here */

int main(void)
{
    if (!postgres_new(&pg)) {
        print_message("PostgreSQL is not installed\n");
        return 77;
    }
    int failed = postgres_suite_rules() + postgres_suite_migration() + postgres_suite_faults();
    postgres_remove(&pg);
    return failed == 0 ? 0 : 1;
}
