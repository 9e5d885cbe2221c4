/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a verb works on: a file or standard input, whole, into memory that is wiped. Keys
 * and PHI come this way, never by argv. */
#ifndef WARD_CLIENT_CLI_INPUT_H
#define WARD_CLIENT_CLI_INPUT_H

#include "base/buffer.h"

/* path NULL or "-": standard input. Appends. CLI_DONE, or the exit code of what was said: not
 * readable, or more than out->max bytes. */
int cli_read(const char *path, struct ward_buffer *out);
/* Takes the next line, without its end, out of *rest; false when there is none. */
bool cli_next_line(struct ward_bytes *rest, struct ward_bytes *line);

#endif
