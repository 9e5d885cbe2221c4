/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of two texts are the same (Myers, "An O(ND) Difference Algorithm", 1986). */
#ifndef WARD_CLIENT_CLI_LINE_DIFF_H
#define WARD_CLIENT_CLI_LINE_DIFF_H

#include "base/wipe_alloc.h"

struct line_diff {
    const struct ward_bytes *from, *to; /* lines without their ends */
    size_t n_from, n_to;
    const bool *kept_from, *kept_to; /* is this line in both, in this order? */
};

/* Everything in the arena. Texts with more than 2,000 differences count as different from the first
 * one to the last. EXHAUSTED. */
ward_status line_diff(struct ward_bytes from, struct ward_bytes to, struct ward_arena *arena,
                      struct line_diff *ret);

#endif
