/* SPDX-License-Identifier: Apache-2.0 */
/* Inside verify: the log itself (audit_verify_log.c), what officers signed (audit_verify_votes.c),
 * and the views with the folder's inventory (audit_verify.c). */
#ifndef WARD_CLIENT_CLI_AUDIT_VERIFY_H
#define WARD_CLIENT_CLI_AUDIT_VERIFY_H

#include "client/cli/audit.h"
#include "client/cli/audit_views.h"

struct audit_check {
    int folder;
    struct ward_digest *digest;
    struct audit_report *report;
    struct audit_leaves leaves; /* collected while the log is read */
    struct audit_reading reading;
};

/* leaf -1: none in particular. */
void audit_say(struct audit_check *check, const char *kind, const char *file, int64_t leaf,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Reads a file of the export whole; says what is wrong when it cannot be read. */
bool audit_load(struct audit_check *check, const char *file, struct ward_buffer *out);

/* Entries, tiles and root against report->checkpoint. */
ward_status audit_verify_log(struct audit_check *check);
/* One proposal's file: signatures, their certificates, and the operation that they allowed. */
ward_status audit_verify_votes(struct audit_check *check, struct ward_bytes proposal);

#endif
