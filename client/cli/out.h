/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to standard output: JSON documents for programs, tables for people. It is written from
 * wiped buffers straight to the descriptor, since keys and PHI may be in it. Tables escape whatever
 * could move a terminal's cursor or reorder its text. */
#ifndef WARD_CLIENT_CLI_OUT_H
#define WARD_CLIENT_CLI_OUT_H

#include "base/json.h"

/* Appends the text with control characters, bidirectional overrides and broken UTF-8 made visible.
 */
void cli_escape(struct ward_bytes text, struct ward_buffer *out);

/* False, with a message on standard error, when it could not be written. */
bool cli_write(struct ward_bytes bytes);
bool cli_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct cli_doc {
    struct ward_buffer buffer;
    struct ward_json json;
};
/* A JSON object is open. */
void cli_doc_begin(struct cli_doc *doc);
/* Closes it, prints it with a line end, wipes it. */
bool cli_doc_end(struct cli_doc *doc);
/* A member whose value is base64 of the bytes. */
void cli_doc_base64(struct cli_doc *doc, const char *name, struct ward_bytes bytes);
static inline void cli_doc_text(struct cli_doc *doc, const char *name, const char *text)
{
    ward_json_member(&doc->json, name, ward_bytes_str(text));
}
/* Three digits after the point. */
void cli_doc_decimal(struct cli_doc *doc, const char *name, double value);

#define CLI_COLUMNS_MAX 16
struct cli_table {
    const char *const *columns;
    size_t n_columns, n_cells;
    size_t widths[CLI_COLUMNS_MAX]; /* in characters */
    struct ward_buffer cells;       /* u32 size and escaped text of each */
};
/* columns: n headings, at most CLI_COLUMNS_MAX; they must outlive the table. */
void cli_table_begin(struct cli_table *table, const char *const *columns, size_t n);
void cli_table_cell(struct cli_table *table, struct ward_bytes text);
void cli_table_text(struct cli_table *table, const char *text);
void cli_table_number(struct cli_table *table, uint64_t number);
/* Prints and wipes it. */
bool cli_table_end(struct cli_table *table);

#endif
