/* SPDX-License-Identifier: Apache-2.0 */
/* The command `ward`. */
#include <sys/prctl.h>
#include <sys/resource.h>

#include "client/cli/cli.h"

int main(int argc, char **argv)
{
    /* Keys and PHI pass through: leave no core file, and let nobody attach. */
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return cli_main(argc, argv);
}
