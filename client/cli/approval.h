/* SPDX-License-Identifier: Apache-2.0 */
/* Inside `ward approval`: listing what waits, and a proposal with its signatures as a file. */
#ifndef WARD_CLIENT_CLI_APPROVAL_H
#define WARD_CLIENT_CLI_APPROVAL_H

#include "client/cli/proposal.h"

int cli_approval_list(struct cli *cli, int argc, char **argv);
int cli_approval_export(struct cli *cli, int argc, char **argv);
int cli_approval_verify(struct cli *cli, int argc, char **argv);

/* Fetches it and opens it; *shown holds the payload's bytes, and is the caller's. */
int cli_approval_fetch(struct cli *cli, const char *id, ward_proposals **shown,
                       struct cli_proposal *proposal);

/* ---- the file: proto/FORMATS.md, "Approval file" ---- */

#define CLI_APPROVAL_FILE_MAX (4u << 20)
#define CLI_APPROVAL_SIGNATURES_MAX 256

struct cli_approval_signature {
    enum ward_decision_kind decision;
    struct ward_bytes identity, time, reason, signature, certificate;
};

struct cli_approval_file {
    struct ward_bytes payload, state;
    struct cli_approval_signature signatures[CLI_APPROVAL_SIGNATURES_MAX];
    size_t n;
};

/* Canonical: there is one text for each content. */
void cli_approval_file_print(const struct cli_approval_file *file, struct ward_buffer *out);
/* Strict: only what print would have written; views into the arena. */
bool cli_approval_file_parse(struct ward_bytes json, struct ward_arena *arena,
                             struct cli_approval_file *ret);

#endif
