/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's log: one line of JSON per event on stderr (which journald keeps). Typed fields
 * only: there is no way to hand it bytes of a request, so PHI and keys cannot reach it. */
#ifndef WARD_BASE_LOG_H
#define WARD_BASE_LOG_H

#include "base/status.h"

enum ward_log_level { WARD_LOG_DEBUG, WARD_LOG_INFO, WARD_LOG_WARN, WARD_LOG_ERROR };

/* what: a constant sentence of what happened and what to do. Thread-safe, one write(2) a line,
 * never blocks for more than that write. */
void ward_log(enum ward_log_level level, const char *what);
void ward_log_status(enum ward_log_level level, const char *what, ward_status status);
void ward_log_number(enum ward_log_level level, const char *what, const char *name,
                     long long value);
/* text: only names from our own configuration or files, never of a request. Escaped. */
void ward_log_text(enum ward_log_level level, const char *what, const char *name, const char *text);
struct ward_log_field {
    const char *name, *text; /* text NULL: left out */
};
void ward_log_fields(enum ward_log_level level, const char *what,
                     const struct ward_log_field *fields, size_t n);
void ward_log_level_set(enum ward_log_level least);

#endif
