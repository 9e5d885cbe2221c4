/* SPDX-License-Identifier: Apache-2.0 */
/* Standard output, as JSON or as tables. Must not know what is printed. */
#include "client/cli/out.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"

#define OUT_MAX ((size_t)256 * 1024 * 1024)

/* The character at p, its size in bytes, or size 0 when it is not well-formed. */
static uint32_t character(const uint8_t *p, size_t left, size_t *size)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] == 0) {
        *size = 1; /* ward_utf8_valid refuses NUL */
        return 0;
    }
    if (n > left || !ward_utf8_valid(WARD_BYTES(p, n))) {
        *size = 0;
        return 0;
    }
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        c = c << 6 | (p[i] & 0x3F);
    }
    *size = n;
    return c;
}

static bool is_hidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x200B && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           c == 0x061C;
}

void cli_escape(struct ward_bytes text, struct ward_buffer *out)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = 0;
        uint32_t c = character(text.data + i, text.size - i, &size);
        if (size == 0) {
            ward_buffer_printf(out, "\\x%02x", text.data[i]);
            i++;
            continue;
        }
        if (is_hidden(c)) {
            ward_buffer_printf(out, "\\u%04x", c);
        } else {
            ward_buffer_add(out, WARD_BYTES(text.data + i, size));
        }
        i += size;
    }
}

bool cli_write(struct ward_bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes.data, bytes.size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            (void)fprintf(stderr, "ward: cannot write to standard output: %s\n",
                          strerrordesc_np(errno));
            return false;
        }
        bytes.data += n;
        bytes.size -= (size_t)n;
    }
    return true;
}

bool cli_print(const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return size >= 0 && cli_write(WARD_BYTES(text, (size_t)size < sizeof(text) ? (size_t)size
                                                                               : sizeof(text) - 1));
}

/* ---- JSON ---- */

void cli_doc_begin(struct cli_doc *doc)
{
    ward_buffer_init(&doc->buffer, OUT_MAX);
    ward_json_init(&doc->json, &doc->buffer);
    ward_json_object(&doc->json);
}

bool cli_doc_end(struct cli_doc *doc)
{
    ward_json_object_end(&doc->json);
    ward_buffer_add_u8(&doc->buffer, '\n');
    bool fine = !doc->buffer.failed && cli_write(ward_buffer_view(&doc->buffer));
    if (doc->buffer.failed) {
        (void)fputs("ward: the output does not fit into memory\n", stderr);
    }
    ward_buffer_fini(&doc->buffer);
    return fine;
}

void cli_doc_base64(struct cli_doc *doc, const char *name, struct ward_bytes bytes)
{
    struct ward_buffer text;
    ward_buffer_init(&text, OUT_MAX);
    uint8_t *to = ward_buffer_reserve(&text, WARD_BASE64_SIZE(bytes.size) + 1);
    if (to == NULL) {
        doc->buffer.failed = true;
    } else {
        ward_base64_encode(bytes, (char *)to);
        text.size += WARD_BASE64_SIZE(bytes.size);
        ward_json_member(&doc->json, name, ward_buffer_view(&text));
    }
    ward_buffer_fini(&text);
}

void cli_doc_decimal(struct cli_doc *doc, const char *name, double value)
{
    ward_json_name(&doc->json, name);
    ward_buffer_printf(&doc->buffer, "%.3f", value);
    doc->json.comma = true;
}

/* ---- tables ---- */

void cli_table_begin(struct cli_table *table, const char *const *columns, size_t n)
{
    assert(n <= CLI_COLUMNS_MAX); /* the widths would be written past their end */
    *table = (struct cli_table){.columns = columns, .n_columns = n};
    ward_buffer_init(&table->cells, OUT_MAX);
    for (size_t i = 0; i < n; i++) {
        table->widths[i] = strlen(columns[i]);
    }
}

static size_t characters(struct ward_bytes text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        n += (text.data[i] & 0xC0) != 0x80;
    }
    return n;
}

void cli_table_cell(struct cli_table *table, struct ward_bytes text)
{
    size_t at = table->cells.size;
    ward_buffer_add_u32(&table->cells, 0);
    cli_escape(text, &table->cells);
    if (table->cells.failed) {
        return;
    }
    size_t size = table->cells.size - at - 4;
    ward_put_u32(table->cells.data + at, (uint32_t)size);
    size_t width = characters(WARD_BYTES(table->cells.data + at + 4, size));
    size_t column = table->n_cells++ % table->n_columns;
    if (width > table->widths[column]) {
        table->widths[column] = width;
    }
}

void cli_table_text(struct cli_table *table, const char *text)
{
    cli_table_cell(table, ward_bytes_str(text));
}

void cli_table_number(struct cli_table *table, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    cli_table_text(table, text);
}

static void print_cell(const struct cli_table *table, size_t column, struct ward_bytes text,
                       struct ward_buffer *out)
{
    ward_buffer_add(out, text);
    if (column + 1 == table->n_columns) {
        ward_buffer_add_u8(out, '\n');
        return;
    }
    for (size_t i = characters(text); i < table->widths[column] + 2; i++) {
        ward_buffer_add_u8(out, ' ');
    }
}

bool cli_table_end(struct cli_table *table)
{
    struct ward_buffer out;
    ward_buffer_init(&out, OUT_MAX);
    for (size_t i = 0; i < table->n_columns; i++) {
        print_cell(table, i, ward_bytes_str(table->columns[i]), &out);
    }
    struct ward_cursor cursor;
    ward_cursor_init(&cursor, ward_buffer_view(&table->cells));
    for (size_t i = 0; i < table->n_cells; i++) {
        uint32_t size = ward_cursor_u32(&cursor);
        print_cell(table, i % table->n_columns, ward_cursor_take(&cursor, size), &out);
    }
    bool fine = !out.failed && !table->cells.failed && cli_write(ward_buffer_view(&out));
    ward_buffer_fini(&out);
    ward_buffer_fini(&table->cells);
    return fine;
}
