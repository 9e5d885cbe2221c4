/* SPDX-License-Identifier: Apache-2.0 */
/* One list on standard output: an object with one array for programs, a table for people; and the
 * frame of those verbs that fetch theirs page by page. */
#ifndef WARD_CLIENT_CLI_LIST_H
#define WARD_CLIENT_CLI_LIST_H

#include "client/cli/cli.h"

struct cli_list { /* one of the two is filled */
    bool json;
    struct cli_doc doc;
    struct cli_table table;
};

/* member: the array's name. columns: as for cli_table_begin. */
void cli_list_begin(struct cli_list *list, bool json, const char *member,
                    const char *const *columns, size_t n);
/* Prints and wipes it; false as cli_doc_end. */
bool cli_list_end(struct cli_list *list);

#define CLI_PAGE_TOKEN_SIZE 256

struct cli_pages {
    const char *member, *tried; /* "keys", "listing keys" */
    const char *const *columns;
    size_t n_columns;
    /* Fetches the page that `token` names (NULL: the first), adds its rows, and gives the token of
     * the next one, "" behind the last. */
    ward_rc (*fetch)(ward_client *client, const void *wanted, const char *token,
                     struct cli_list *list, char next[static CLI_PAGE_TOKEN_SIZE],
                     ward_error *error);
    const void *wanted; /* for fetch */
};

/* Connects, and prints all pages or none of them. */
int cli_list_pages(struct cli *cli, const struct cli_pages *pages);

#endif
