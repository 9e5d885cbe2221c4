/* SPDX-License-Identifier: Apache-2.0 */
/* Files and standard input, straight into wiped buffers: stdio would keep a copy. */
#include "client/cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/cli.h"

#define BLOCK 65536

/* One block, never past the limit. The bytes read, 0 at the end, -1 with errno. */
static ssize_t read_block(int fd, struct ward_buffer *out)
{
    size_t left = out->max - out->size;
    size_t size = left < BLOCK ? left : BLOCK;
    uint8_t *to = ward_buffer_reserve(out, size);
    if (to == NULL) {
        errno = ENOMEM;
        return -1;
    }
    ssize_t n = read(fd, to, size);
    if (n > 0) {
        out->size += (size_t)n;
    }
    return n;
}

static int read_all(int fd, const char *name, struct ward_buffer *out)
{
    while (out->size < out->max) {
        ssize_t n = read_block(fd, out);
        if (n == 0) {
            return CLI_DONE;
        }
        if (n < 0 && errno != EINTR) {
            return cli_fail(CLI_FAILED, NULL, NULL, "cannot read %s: %s", name,
                            strerrordesc_np(errno));
        }
    }
    return cli_fail(CLI_FAILED, NULL, NULL, "%s: too large, %zu bytes or more", name, out->max);
}

int cli_read(const char *path, struct ward_buffer *out)
{
    if (path == NULL || strcmp(path, "-") == 0) {
        return read_all(STDIN_FILENO, "standard input", out);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return cli_fail(CLI_FAILED, NULL, NULL, "cannot open %s: %s", path, strerrordesc_np(errno));
    }
    int exit = read_all(fd, path, out);
    (void)close(fd);
    return exit;
}

bool cli_next_line(struct ward_bytes *rest, struct ward_bytes *line)
{
    if (rest->size == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    *line = WARD_BYTES(rest->data, size);
    size_t taken = end == NULL ? size : size + 1;
    *rest = WARD_BYTES(rest->data + taken, rest->size - taken);
    if (line->size > 0 && line->data[line->size - 1] == '\r') {
        line->size--;
    }
    return true;
}
