/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, a folder of its own for each test, and the command run as a user runs it. */
#ifndef WARD_TESTS_UNIT_CLIENT_CHECK_H
#define WARD_TESTS_UNIT_CLIENT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/status.h"

#define assert_ok(call) assert_int_equal((call).code, WARD_E_OK)

/* A fresh folder, removed with all that is in it by folder_remove. */
char *folder_make(void);
void folder_remove(char *folder);
/* "folder/name" in static memory, one of four that take turns. */
const char *in_folder(const char *folder, const char *name);
void file_write(const char *path, struct ward_bytes content);
void file_read(const char *path, struct ward_buffer *out);

struct ran {
    int exit; /* -1: it did not end by itself */
    struct ward_buffer out, err;
};
/* Runs `ward ARGUMENT...` in a child, its streams in files of the folder. The list ends with NULL.
 */
void run_ward(const char *folder, struct ran *ran, ...) __attribute__((sentinel));
void ran_fini(struct ran *ran);
bool says(const struct ward_buffer *buffer, const char *text);

#endif
