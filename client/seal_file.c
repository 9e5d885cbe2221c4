/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and opening from descriptor to descriptor and into files, in constant memory. Must not
 * know how a chunk is made. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wipe_alloc.h"
#include "client/error.h"
#include "client/new_file.h"

#define BLOCK ((size_t)256 * 1024)

/* What a stream writes to. */
struct to {
    int fd, error; /* errno of the write that failed; 0: none has */
};

/* False: not ready, and errno says why. A descriptor of the caller may be non-blocking. */
static bool wait_for(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    return errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) &&
                              (poll(&ready, 1, -1) > 0 || errno == EINTR));
}

static int write_all(void *context, const void *data, size_t size)
{
    struct to *to = context;
    const uint8_t *at = data;
    while (size > 0) {
        ssize_t n = write(to->fd, at, size);
        if (n < 0 && !wait_for(to->fd, POLLOUT)) {
            to->error = errno;
            return -1;
        }
        at += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static ward_rc system_error(ward_error *error, const char *what, int number)
{
    return ward_error_set(error, WARD_RC_ABORTED, "%s: %s", what, strerrordesc_np(number));
}

static ward_rc pump(ward_stream *stream, int in, uint8_t *block, ward_error *error)
{
    for (;;) {
        ssize_t n = read(in, block, BLOCK);
        if (n == 0) {
            return ward_stream_finish(stream, error);
        }
        if (n < 0 && !wait_for(in, POLLIN)) {
            return system_error(error, "input: cannot read it", errno);
        }
        if (n > 0) {
            WARD_CLIENT_TRY(ward_stream_update(stream, block, (size_t)n, error));
        }
    }
}

static ward_rc run(ward_client *client, const ward_call *call, const ward_seal_options *options,
                   bool opening, int in, int out, ward_sizes *sizes, ward_error *error)
{
    struct to to = {.fd = out};
    ward_stream *stream = NULL;
    uint8_t *block = ward_wipe_malloc(BLOCK);
    if (block == NULL) {
        return ward_error_memory(error);
    }
    ward_rc rc = opening ? ward_stream_open(client, call, options, write_all, &to, &stream, error)
                         : ward_stream_seal(client, call, options, write_all, &to, &stream, error);
    if (rc == WARD_RC_OK) {
        rc = pump(stream, in, block, error);
    }
    if (to.error != 0) {
        rc = system_error(error, "output: cannot write it", to.error);
    }
    if (sizes != NULL && stream != NULL) {
        ward_stream_sizes(stream, sizes);
    }
    ward_stream_free(stream);
    ward_wipe_free(block);
    return rc;
}

ward_rc ward_seal_fd(ward_client *client, const ward_call *call, const ward_seal_options *options,
                     int in, int out, ward_sizes *sizes, ward_error *error)
{
    return run(client, call, options, false, in, out, sizes, error);
}

ward_rc ward_open_fd(ward_client *client, const ward_call *call, const ward_seal_options *options,
                     int in, int out, ward_sizes *sizes, ward_error *error)
{
    return run(client, call, options, true, in, out, sizes, error);
}

/* ---- files ---- */

static ward_rc run_file(ward_client *client, const ward_call *call,
                        const ward_seal_options *options, bool opening, int in, const char *to,
                        mode_t mode, bool replace, ward_sizes *sizes, ward_error *error)
{
    struct ward_new_file file;
    WARD_CLIENT_TRY(ward_new_file_open(to, mode, replace, &file, error));
    ward_rc rc = run(client, call, options, opening, in, file.fd, sizes, error);
    if (rc != WARD_RC_OK) {
        ward_new_file_abandon(&file);
        return rc;
    }
    return ward_new_file_commit(&file, replace, error);
}

ward_rc ward_seal_file(ward_client *client, const ward_call *call, const ward_seal_options *options,
                       int in, const char *to, int replace, ward_sizes *sizes, ward_error *error)
{
    struct stat from;
    mode_t mode = 0600;
    if (fstat(in, &from) == 0 && S_ISREG(from.st_mode)) {
        mode |= from.st_mode & 0044;
    }
    return run_file(client, call, options, false, in, to, mode, replace != 0, sizes, error);
}

ward_rc ward_open_file(ward_client *client, const ward_call *call, const ward_seal_options *options,
                       int in, const char *to, int replace, ward_sizes *sizes, ward_error *error)
{
    return run_file(client, call, options, true, in, to, 0600, replace != 0, sizes, error);
}
