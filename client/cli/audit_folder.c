/* SPDX-License-Identifier: Apache-2.0 */
/* Files of an export. The folder may come from anybody: links are not followed, sizes are bounded,
 * depth is bounded. Must not know what the files say. */
#include "client/cli/audit_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#define DEPTH_MAX 16
#define BLOCK 65536

int audit_folder_open(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_empty(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (dir == NULL) {
        return false;
    }
    bool empty = true;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    }
    (void)closedir(dir);
    return empty;
}

int audit_folder_create(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        return -1;
    }
    int folder = audit_folder_open(path);
    if (folder >= 0 && !is_empty(folder)) {
        (void)close(folder);
        errno = ENOTEMPTY;
        return -1;
    }
    return folder;
}

static bool make_parents(int folder, const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        int size = snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (size <= 0 || (size_t)size >= sizeof(part) ||
            (mkdirat(folder, part, 0777) != 0 && errno != EEXIST)) {
            return false;
        }
    }
    return true;
}

bool audit_folder_write(int folder, const char *path, struct ward_bytes content)
{
    if (!make_parents(folder, path)) {
        return false;
    }
    int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0) {
        return false;
    }
    while (content.size > 0) {
        ssize_t n = write(fd, content.data, content.size);
        if (n < 0 && errno != EINTR) {
            break;
        }
        if (n > 0) {
            content = WARD_BYTES(content.data + n, content.size - (size_t)n);
        }
    }
    int error = errno;
    bool closed = close(fd) == 0; /* a full disk may say so only now */
    if (content.size > 0) {
        errno = error;
    }
    return content.size == 0 && closed;
}

static int open_regular(int folder, const char *path, struct stat *about)
{
    int fd = openat(folder, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, about) != 0 || !S_ISREG(about->st_mode))) {
        (void)close(fd);
        errno = EINVAL;
        return -1;
    }
    return fd;
}

bool audit_folder_read(int folder, const char *path, struct ward_buffer *out)
{
    struct stat about;
    int fd = open_regular(folder, path, &about);
    if (fd < 0) {
        return false;
    }
    ssize_t n = 0;
    for (;;) {
        size_t left = out->max - out->size;
        uint8_t *to = left == 0 ? NULL : ward_buffer_reserve(out, left < BLOCK ? left : BLOCK);
        if (to == NULL) {
            errno = EFBIG;
            n = -1;
            break;
        }
        n = read(fd, to, left < BLOCK ? left : BLOCK);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        out->size += n > 0 ? (size_t)n : 0;
    }
    int error = errno;
    (void)close(fd);
    errno = error;
    return n == 0;
}

/* ---- listing ---- */

static bool digest_file(int folder, const char *path, struct ward_digest *digest,
                        struct audit_file *file)
{
    struct ward_buffer content;
    ward_buffer_init(&content, AUDIT_FILE_MAX);
    bool fine = audit_folder_read(folder, path, &content);
    if (fine) {
        struct ward_bytes part = ward_buffer_view(&content);
        file->size = part.size;
        fine = ward_ok(ward_sha256(digest, &part, 1, file->sha256));
    }
    ward_buffer_fini(&content);
    return fine;
}

static struct audit_file *add_file(struct audit_files *files, const char *path)
{
    if (files->n == files->capacity) {
        size_t capacity = files->capacity == 0 ? 256 : files->capacity * 2;
        struct audit_file *items = realloc(files->items, capacity * sizeof(*items));
        if (items == NULL) {
            return NULL;
        }
        files->items = items;
        files->capacity = capacity;
    }
    struct audit_file *file = &files->items[files->n];
    *file = (struct audit_file){.path = strdup(path)};
    if (file->path == NULL) {
        return NULL;
    }
    files->n++;
    return file;
}

static bool list_folder(int root, const char *path, unsigned depth, struct ward_digest *digest,
                        struct audit_files *ret);

static bool list_entry(int root, const char *path, unsigned depth, struct ward_digest *digest,
                       struct audit_files *ret)
{
    struct stat about;
    if (fstatat(root, path, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return false;
    }
    if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX) {
        return list_folder(root, path, depth + 1, digest, ret);
    }
    struct audit_file *file = add_file(ret, path);
    if (file == NULL) {
        return false;
    }
    file->regular = S_ISREG(about.st_mode) && digest_file(root, path, digest, file);
    return true;
}

static bool list_folder(int root, const char *path, unsigned depth, struct ward_digest *digest,
                        struct audit_files *ret)
{
    int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        return false;
    }
    bool fine = true;
    for (struct dirent *entry = readdir(dir); fine && entry != NULL; entry = readdir(dir)) {
        char child[PATH_MAX];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int size = strcmp(path, ".") == 0
                       ? snprintf(child, sizeof(child), "%s", entry->d_name)
                       : snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
        fine =
            size > 0 && (size_t)size < sizeof(child) && list_entry(root, child, depth, digest, ret);
    }
    (void)closedir(dir);
    return fine;
}

static int compare_files(const void *left, const void *right)
{
    const struct audit_file *a = left, *b = right;
    return strcmp(a->path, b->path);
}

bool audit_folder_list(int folder, struct ward_digest *digest, struct audit_files *ret)
{
    *ret = (struct audit_files){0};
    if (!list_folder(folder, ".", 0, digest, ret)) {
        return false;
    }
    if (ret->n > 0) {
        qsort(ret->items, ret->n, sizeof(*ret->items), compare_files);
    }
    return true;
}

void audit_files_fini(struct audit_files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        free(files->items[i].path);
    }
    free(files->items);
    *files = (struct audit_files){0};
}

const struct audit_file *audit_files_find(const struct audit_files *files, const char *path)
{
    const struct audit_file wanted = {.path = (char *)path};
    return files->n == 0 ? NULL
                         : bsearch(&wanted, files->items, files->n, sizeof(wanted), compare_files);
}
