/* SPDX-License-Identifier: Apache-2.0 */
/* A file of an export: the sizes of rows in the daemon's database that stood in the place of a
 * checkpoint and that no key of the log signed. Nothing signs what it says; it is a hint that
 * somebody writes to that database, and changes nothing of what the log proves. */
#ifndef WARD_CLIENT_CLI_AUDIT_PASSED_OVER_H
#define WARD_CLIENT_CLI_AUDIT_PASSED_OVER_H

#include "base/buffer.h"

#define AUDIT_PASSED_OVER "passed-over"
#define AUDIT_PASSED_OVER_MAX 2000u

struct audit_passed_over {
    uint64_t sizes[AUDIT_PASSED_OVER_MAX]; /* ascending, each once */
    size_t n;
};
/* What there is no room for is left out. */
void audit_passed_over_add(struct audit_passed_over *rows, uint64_t size);
/* One decimal a line. */
void audit_passed_over_print(const struct audit_passed_over *rows, struct ward_buffer *out);
/* False when it is not as it is printed. */
bool audit_passed_over_parse(struct ward_bytes text, struct audit_passed_over *ret);

#endif
