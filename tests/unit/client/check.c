/* SPDX-License-Identifier: Apache-2.0 */
/* Folders, files and children for the client's tests. */
#include "tests/unit/client/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>
#include <sys/wait.h>

char *folder_make(void)
{
    char *path = strdup("/tmp/ward-client-test.XXXXXX");
    assert_non_null(path);
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void folder_remove(char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(folder);
}

const char *in_folder(const char *folder, const char *name)
{
    static char paths[4][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    assert_true(snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
    return path;
}

void file_write(const char *path, struct ward_bytes content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content.data, content.size), content.size);
    assert_int_equal(close(fd), 0);
}

void file_read(const char *path, struct ward_buffer *out)
{
    ward_buffer_init(out, (size_t)64 << 20);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = 0;
    do {
        uint8_t *to = ward_buffer_reserve(out, 65536);
        assert_non_null(to);
        n = read(fd, to, 65536);
        assert_true(n >= 0);
        out->size += (size_t)n;
    } while (n > 0);
    assert_int_equal(close(fd), 0);
}

/* The real program: a fork of this process, which has threads, could inherit a lock that is held.
 */
static pid_t spawn(char **argv, const char *out, const char *err)
{
    /* The program is not dumpable, so that a leak checker cannot look into it. */
    char path[] = "PATH=/usr/bin:/bin", leaks[] = "ASAN_OPTIONS=detect_leaks=0",
         *environment[] = {path, leaks, NULL};
    posix_spawn_file_actions_t files;
    pid_t child = -1;
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    assert_int_equal(posix_spawn_file_actions_init(&files), 0);
    assert_int_equal(
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out, flags, 0600), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err, flags, 0600), 0);
    assert_int_equal(posix_spawn(&child, WARD_PROGRAM, &files, NULL, argv, environment), 0);
    (void)posix_spawn_file_actions_destroy(&files);
    return child;
}

void run_ward(const char *folder, struct ran *ran, ...)
{
    char *argv[32] = {strdup("ward")};
    int argc = 1;
    va_list arguments;
    va_start(arguments, ran);
    for (const char *next = va_arg(arguments, const char *); next != NULL && argc < 31;
         next = va_arg(arguments, const char *)) {
        argv[argc++] = strdup(next);
    }
    va_end(arguments);
    const char *out = in_folder(folder, "stdout"), *err = in_folder(folder, "stderr");
    pid_t child = spawn(argv, out, err);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    ran->exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    file_read(out, &ran->out);
    file_read(err, &ran->err);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
}

void ran_fini(struct ran *ran)
{
    ward_buffer_fini(&ran->out);
    ward_buffer_fini(&ran->err);
}

bool says(const struct ward_buffer *buffer, const char *text)
{
    return memmem(buffer->data, buffer->size, text, strlen(text)) != NULL;
}
