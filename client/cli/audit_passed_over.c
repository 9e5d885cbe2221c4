/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "client/cli/audit_passed_over.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/input.h"

void audit_passed_over_add(struct audit_passed_over *rows, uint64_t size)
{
    size_t at = 0;
    while (at < rows->n && rows->sizes[at] < size) {
        at++;
    }
    if (rows->n == AUDIT_PASSED_OVER_MAX || (at < rows->n && rows->sizes[at] == size)) {
        return;
    }
    memmove(&rows->sizes[at + 1], &rows->sizes[at], (rows->n - at) * sizeof(rows->sizes[0]));
    rows->sizes[at] = size;
    rows->n++;
}

void audit_passed_over_print(const struct audit_passed_over *rows, struct ward_buffer *out)
{
    for (size_t i = 0; i < rows->n; i++) {
        ward_buffer_printf(out, "%llu\n", (unsigned long long)rows->sizes[i]);
    }
}

bool audit_passed_over_parse(struct ward_bytes text, struct audit_passed_over *ret)
{
    struct ward_bytes rest = text, line;
    *ret = (struct audit_passed_over){.n = 0};
    while (cli_next_line(&rest, &line)) {
        char digits[21] = "";
        if (line.size == 0 || line.size >= sizeof(digits) || ret->n == AUDIT_PASSED_OVER_MAX) {
            return false;
        }
        memcpy(digits, line.data, line.size);
        audit_passed_over_add(ret, strtoull(digits, NULL, 10));
    }
    struct ward_buffer again;
    ward_buffer_init(&again, AUDIT_PASSED_OVER_MAX * sizeof("18446744073709551615"));
    audit_passed_over_print(ret, &again);
    bool same = ret->n > 0 && ward_bytes_eq(ward_buffer_view(&again), text);
    ward_buffer_fini(&again);
    return same;
}
