/* SPDX-License-Identifier: Apache-2.0 */
/* Two policies beside each other for the person who is to agree to the change: line by line, and
 * what it means for whom. */
#ifndef WARD_CLIENT_CLI_POLICY_DIFF_H
#define WARD_CLIENT_CLI_POLICY_DIFF_H

#include "client/cli/proposal.h"

struct cli_policy_text {
    const char *name; /* "policy#3", or a file's */
    struct ward_bytes text;
};

/* As `diff -u` prints it, three lines of context; nothing for equal texts. What could move a
 * terminal's cursor is made visible. */
void cli_policy_diff(const struct cli_policy_text *from, const struct cli_policy_text *to,
                     struct ward_buffer *out);
/* Who gains and loses what, guards, persons, and what else is different. CLI_DONE, or the exit code
 * of what was said: a text that is no policy. */
int cli_policy_meaning(const struct cli_policy_text *from, const struct cli_policy_text *to,
                       struct ward_buffer *out);
int cli_policy_meaning_json(const struct cli_policy_text *from, const struct cli_policy_text *to,
                            struct cli_doc *doc);

/* SHA-256 of a text against the hex digits that something signed names. */
bool cli_policy_hash_is(struct ward_bytes text, struct ward_bytes hex);

/* Of a proposal of policy.apply: fetches both texts, holds them against the hashes in the payload,
 * and appends difference and meaning; of any other it appends nothing. CLI_FAILED when the texts
 * are not what the payload names: then nothing may be signed. */
int cli_policy_show_proposed(struct cli *cli, const struct cli_proposal *proposal,
                             struct ward_buffer *out);

#endif
