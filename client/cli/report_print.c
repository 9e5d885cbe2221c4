/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as bytes: JSON, which is what is signed, CSV for spreadsheets, and lines for people. */
#include "client/cli/report.h"

#include <stdio.h>

#include "client/cli/audit_views.h"
#include "proto/canonical.h"

#define HEADER_SIZE 32

static void time_member(struct ward_buffer *out, const char *name, int64_t time_us)
{
    char text[WARD_TIME_TEXT_SIZE];
    ward_time_print(time_us, text);
    ward_buffer_printf(out, ",\"%s\":\"%s\"", name, text);
}

/* As a verifier key begins; a report must not look checked that was not. */
static void key_member(struct ward_buffer *out, const struct ward_note_key *key)
{
    char text[sizeof(key->name) + 2 * sizeof(key->id) + 2] = "not checked";
    if (key != NULL) {
        char id[2 * sizeof(key->id) + 1];
        ward_hex_encode(WARD_BYTES_ARRAY(key->id), id);
        (void)snprintf(text, sizeof(text), "%s+%s", key->name, id);
    }
    ward_buffer_printf(out, ",\"log_key\":");
    ward_canonical_text(out, ward_bytes_str(text));
}

void report_print_json(const struct report_table *table, const struct report_log *log,
                       const struct ward_checkpoint *checkpoint, const struct ward_note_key *key,
                       struct ward_buffer *out)
{
    char root[65];
    ward_hex_encode(WARD_BYTES_ARRAY(checkpoint->root), root);
    ward_buffer_printf(out, "{\"report\":\"%s\",\"log\":", table->name);
    ward_canonical_text(out, ward_bytes_str(checkpoint->origin));
    ward_buffer_printf(out, ",\"size\":%llu,\"root\":\"%s\"", (unsigned long long)checkpoint->size,
                       root);
    key_member(out, key);
    time_member(out, "from", log->span.from_us);
    time_member(out, "to", log->span.to_us);
    ward_buffer_printf(out, ",\"rows\":[");
    for (size_t i = 0; i < table->n_cells; i++) {
        size_t column = i % table->n_columns;
        ward_buffer_printf(out, "%s\"%s\":",
                           column > 0 ? ","
                           : i == 0   ? "\n{"
                                      : ",\n{",
                           table->columns[column]);
        ward_canonical_text(out, table->cells[i]);
        if (column + 1 == table->n_columns) {
            ward_buffer_add_u8(out, '}');
        }
    }
    ward_buffer_printf(out, "\n]}\n");
}

void report_print_csv(const struct report_table *table, struct ward_buffer *out)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        audit_csv_cell(out, ward_bytes_str(table->columns[i]),
                       i + 1 == table->n_columns ? '\n' : ',');
    }
    for (size_t i = 0; i < table->n_cells; i++) {
        audit_csv_cell(out, table->cells[i],
                       i % table->n_columns + 1 == table->n_columns ? '\n' : ',');
    }
}

/* Programs read the names of members; people read headers as those of every other table. */
static void print_header(const char *name, char out[static HEADER_SIZE])
{
    size_t i = 0;
    for (; name[i] != 0 && i + 1 < HEADER_SIZE; i++) {
        bool letter = name[i] >= 'a' && name[i] <= 'z';
        out[i] = letter ? (char)(name[i] - 'a' + 'A') : name[i] == '_' ? ' ' : name[i];
    }
    out[i] = 0;
}

bool report_print_table(const struct report_table *table)
{
    struct cli_table lines;
    char headers[CLI_COLUMNS_MAX][HEADER_SIZE];
    const char *columns[CLI_COLUMNS_MAX];
    for (size_t i = 0; i < table->n_columns; i++) {
        print_header(table->columns[i], headers[i]);
        columns[i] = headers[i];
    }
    cli_table_begin(&lines, columns, table->n_columns);
    for (size_t i = 0; i < table->n_cells; i++) {
        cli_table_cell(&lines, table->cells[i]);
    }
    return cli_table_end(&lines);
}
