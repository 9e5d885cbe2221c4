/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears under its name when it is whole and on the disk, or never. */
#ifndef WARD_CLIENT_NEW_FILE_H
#define WARD_CLIENT_NEW_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "client/error.h"

struct ward_new_file {
    int fd, folder;     /* -1: not open */
    const char *name;   /* its last part, borrowed from the path */
    char temporary[32]; /* the name that it has until it is whole; "" while it has none */
};

/* mode: exactly, whatever the umask. replace: whether a regular file may be there already. Close
 * with commit or abandon. ALREADY_EXISTS, ABORTED with the system's reason. */
ward_rc ward_new_file_open(const char *path, mode_t mode, bool replace, struct ward_new_file *ret,
                           ward_error *error);
/* To the disk, then under its name. Whatever is answered, the file is closed, and gone when it
 * failed. */
ward_rc ward_new_file_commit(struct ward_new_file *file, bool replace, ward_error *error);
void ward_new_file_abandon(struct ward_new_file *file);

#endif
