/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It knows no row. */
#include "client/cli/list.h"

#include <string.h>

void cli_list_begin(struct cli_list *list, bool json, const char *member,
                    const char *const *columns, size_t n)
{
    list->json = json;
    if (json) {
        cli_doc_begin(&list->doc);
        ward_json_name(&list->doc.json, member);
        ward_json_array(&list->doc.json);
    } else {
        cli_table_begin(&list->table, columns, n);
    }
}

bool cli_list_end(struct cli_list *list)
{
    if (!list->json) {
        return cli_table_end(&list->table);
    }
    ward_json_array_end(&list->doc.json);
    return cli_doc_end(&list->doc);
}

static void drop(struct cli_list *list)
{
    ward_buffer_fini(list->json ? &list->doc.buffer : &list->table.cells);
}

int cli_list_pages(struct cli *cli, const struct cli_pages *pages)
{
    int exit = cli_connect(cli);
    if (exit != CLI_DONE) {
        return exit;
    }
    struct cli_list list;
    cli_list_begin(&list, cli->json, pages->member, pages->columns, pages->n_columns);
    char token[CLI_PAGE_TOKEN_SIZE] = "";
    do {
        char next[CLI_PAGE_TOKEN_SIZE];
        ward_error error;
        if (pages->fetch(cli->client, pages->wanted, token[0] == 0 ? NULL : token, &list, next,
                         &error) != WARD_RC_OK) {
            drop(&list);
            return cli_fail_call(pages->tried, &error);
        }
        memcpy(token, next, sizeof(token));
    } while (token[0] != 0);
    return cli_list_end(&list) ? CLI_DONE : CLI_FAILED;
}
