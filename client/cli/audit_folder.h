/* SPDX-License-Identifier: Apache-2.0 */
/* The export's folder: files are made once and never overwritten, and read whole within a limit. */
#ifndef WARD_CLIENT_CLI_AUDIT_FOLDER_H
#define WARD_CLIENT_CLI_AUDIT_FOLDER_H

#include "base/buffer.h"
#include "base/digest.h"

#define AUDIT_FILE_MAX ((size_t)64 * 1024 * 1024)

/* Makes the folder, or takes it when it is empty. -1 with errno (ENOTEMPTY when it is not). */
int audit_folder_create(const char *path);
int audit_folder_open(const char *path);
/* path: relative, its folders are made. False with errno; never follows links, never overwrites. */
bool audit_folder_write(int folder, const char *path, struct ward_bytes content);
/* Appends. False with errno: ENOENT, EFBIG over `max`, ELOOP or EINVAL for anything but a regular
 * file. */
bool audit_folder_read(int folder, const char *path, struct ward_buffer *out);

struct audit_file {
    char *path; /* relative to the folder */
    bool regular;
    uint64_t size;
    uint8_t sha256[32];
};
struct audit_files {
    struct audit_file *items; /* sorted by path */
    size_t n, capacity;
};
/* Every file below the folder with its digest, links and other odd things as not regular. False
 * with errno. */
bool audit_folder_list(int folder, struct ward_digest *digest, struct audit_files *ret);
void audit_files_fini(struct audit_files *files);
const struct audit_file *audit_files_find(const struct audit_files *files, const char *path);

#endif
