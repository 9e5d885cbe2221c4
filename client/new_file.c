/* SPDX-License-Identifier: Apache-2.0 */
/* A file without a name (O_TMPFILE) gets its name when it is whole: should the process die before,
 * nothing is left, not even half of a plaintext. Where the file system has no such files, one under
 * a temporary name is renamed. Must not know what is written. */
#include "client/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "client/fork.h"

static ward_rc system_error(ward_error *error, const char *what, int number)
{
    return ward_error_set(error, WARD_RC_ABORTED, "output: %s: %s", what, strerrordesc_np(number));
}

static ward_rc there_is_one(ward_error *error, const char *name)
{
    return ward_error_set(error, WARD_RC_ALREADY_EXISTS, "output: %s exists", name);
}

static void temporary_name(struct ward_new_file *file)
{
    uint8_t random[8];
    char hex[2 * sizeof(random) + 1];
    if (!ward_ok(ward_fork_random(random, sizeof(random)))) {
        memset(random, 0, sizeof(random)); /* then the name may be taken, and that is told */
    }
    ward_hex_encode(WARD_BYTES_ARRAY(random), hex);
    (void)snprintf(file->temporary, sizeof(file->temporary), ".ward-%s", hex);
}

/* ---- open ---- */

/* What is replaced must be a plain file: neither a device nor what a link points to. */
static ward_rc check_name(const struct ward_new_file *file, bool replace, ward_error *error)
{
    struct stat there;
    if (fstatat(file->folder, file->name, &there, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? WARD_RC_OK : system_error(error, file->name, errno);
    }
    if (!replace) {
        return there_is_one(error, file->name);
    }
    return S_ISREG(there.st_mode) ? WARD_RC_OK
                                  : ward_error_set(error, WARD_RC_ABORTED,
                                                   "output: %s is not a regular file", file->name);
}

static ward_rc open_folder(const char *path, struct ward_new_file *file, ward_error *error)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
    file->name = slash == NULL ? path : slash + 1;
    if (file->name[0] == 0 || size >= sizeof(folder)) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "output: not the name of a file");
    }
    memcpy(folder, slash == NULL ? "." : path, size);
    folder[size] = 0;
    file->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return file->folder >= 0 ? WARD_RC_OK : system_error(error, folder, errno);
}

static ward_rc create(struct ward_new_file *file, mode_t mode, ward_error *error)
{
    bool nameless = access("/proc/self/fd", X_OK) == 0; /* by which it is given a name */
    file->fd = nameless ? openat(file->folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (!nameless ||
        (file->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))) {
        temporary_name(file);
        file->fd =
            openat(file->folder, file->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (file->fd < 0) {
            file->temporary[0] = 0; /* not ours to remove */
        }
    }
    if (file->fd < 0 || fchmod(file->fd, mode) != 0) {
        return system_error(error, "cannot make a file there", errno);
    }
    return WARD_RC_OK;
}

ward_rc ward_new_file_open(const char *path, mode_t mode, bool replace, struct ward_new_file *ret,
                           ward_error *error)
{
    struct ward_new_file file = {.fd = -1, .folder = -1};
    ward_rc rc = open_folder(path, &file, error);
    if (rc == WARD_RC_OK) {
        rc = check_name(&file, replace, error);
    }
    if (rc == WARD_RC_OK) {
        rc = create(&file, mode, error);
    }
    if (rc != WARD_RC_OK) {
        ward_new_file_abandon(&file);
        return rc;
    }
    *ret = file;
    return WARD_RC_OK;
}

/* ---- the end ---- */

static int link_as(const struct ward_new_file *file, const char *name)
{
    char self[32];
    (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, self, file->folder, name, AT_SYMLINK_FOLLOW);
}

/* 0, or -1 with errno; EEXIST when there is one that may not be replaced. */
static int give_name(struct ward_new_file *file, bool replace)
{
    bool unnamed = file->temporary[0] == 0;
    if (unnamed && !replace) {
        return link_as(file, file->name);
    }
    if (unnamed) {
        temporary_name(file);
        if (link_as(file, file->temporary) != 0) {
            file->temporary[0] = 0;
            return -1;
        }
    }
    if (!replace) { /* a second name, then the first is taken away: never over another file */
        return linkat(file->folder, file->temporary, file->folder, file->name, 0);
    }
    int failed = renameat(file->folder, file->temporary, file->folder, file->name);
    if (failed == 0) {
        file->temporary[0] = 0;
    }
    return failed;
}

ward_rc ward_new_file_commit(struct ward_new_file *file, bool replace, ward_error *error)
{
    ward_rc rc = WARD_RC_OK;
    if (fsync(file->fd) != 0) {
        rc = system_error(error, "cannot write it to the disk", errno);
    } else if (give_name(file, replace) != 0) {
        rc = errno == EEXIST ? there_is_one(error, file->name)
                             : system_error(error, file->name, errno);
    } else if (fsync(file->folder) != 0 && errno != EINVAL) { /* not every file system can */
        rc = system_error(error, "cannot write its folder to the disk", errno);
    }
    ward_new_file_abandon(file); /* the temporary name only, where there is one still */
    return rc;
}

void ward_new_file_abandon(struct ward_new_file *file)
{
    if (file->temporary[0] != 0) {
        (void)unlinkat(file->folder, file->temporary, 0);
    }
    if (file->fd >= 0) {
        (void)close(file->fd);
    }
    if (file->folder >= 0) {
        (void)close(file->folder);
    }
    *file = (struct ward_new_file){.fd = -1, .folder = -1};
}
