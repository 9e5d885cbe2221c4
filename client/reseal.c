/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapping the data key of sealed data anew. The wrapped key stands outside of what the chunks
 * authenticate, so these bytes alone change; no chunk is opened, and no key is seen here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wipe_alloc.h"
#include "client/error.h"
#include "client/new_file.h"
#include "client/seal_blob.h"
#include "proto/seal.h"

#define BLOCK ((size_t)256 * 1024)
#define SECTOR 512u /* what a disk writes whole or not at all, should the power fail */

static void free_keys(ward_data_keys **keys)
{
    ward_data_keys_free(*keys);
}

/* The header at the beginning of these bytes. */
static ward_rc find_header(struct ward_bytes begin, struct ward_seal_header *ret, ward_error *error)
{
    size_t size = 0;
    ward_status status = ward_seal_header_measure(begin, &size);
    if (ward_ok(status)) {
        status = size <= begin.size ? ward_seal_header_parse(WARD_BYTES(begin.data, size), ret)
                                    : WARD_STATUS(WARD_E_CIPHERTEXT);
    }
    return ward_ok(status) ? WARD_RC_OK : ward_error_status(error, status);
}

/* Asks the daemon; header->wrapped is then in the keys. */
static ward_rc rewrap(ward_client *client, const ward_call *call, const ward_rewrap_request *how,
                      struct ward_seal_header *header, ward_data_keys **ret_keys,
                      ward_resealed *result, ward_error *error)
{
    ward_rewrap_request request = *how;
    request.wrapped = header->wrapped.data;
    request.wrapped_size = header->wrapped.size;
    WARD_CLIENT_TRY(ward_rewrap_data_key(client, call, &request, ret_keys, error));
    size_t size = 0;
    const void *wrapped = ward_data_keys_wrapped(*ret_keys, 0, 0, &size);
    if (size == 0 || size > WARD_SEAL_WRAPPED_MAX) {
        return ward_error_set(error, WARD_RC_INTERNAL,
                              "the daemon answered a wrapped key of %zu bytes", size);
    }
    header->wrapped = WARD_BYTES(wrapped, size);
    if (result != NULL) {
        (void)snprintf(result->key, sizeof(result->key), "%s", ward_data_keys_name(*ret_keys, 0));
        result->version = ward_data_keys_version(*ret_keys, 0);
        result->unchanged = ward_data_keys_unchanged(*ret_keys, 0);
    }
    return WARD_RC_OK;
}

/* ---- buffers ---- */

ward_rc ward_reseal(ward_client *client, const ward_call *call, const ward_rewrap_request *how,
                    const void *sealed, size_t size, ward_blob **ret, ward_resealed *result,
                    ward_error *error)
{
    struct ward_seal_header header;
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    struct ward_bytes in = WARD_BYTES(sealed, size);
    WARD_CLIENT_TRY(find_header(in, &header, error));
    size_t head = WARD_SEAL_HEADER_SIZE(header.wrapped.size);
    WARD_CLIENT_TRY(rewrap(client, call, how, &header, &keys, result, error));
    size_t new_head = WARD_SEAL_HEADER_SIZE(header.wrapped.size);
    struct ward_seal_blob *blob = ward_seal_blob_new(new_head + (size - head));
    if (blob == NULL) {
        return ward_error_memory(error);
    }
    ward_seal_header_print(&header, blob->bytes);
    if (size > head) {
        memcpy(blob->bytes + new_head, in.data + head, size - head);
    }
    blob->blob.size = new_head + (size - head);
    *ret = &blob->blob;
    return WARD_RC_OK;
}

/* ---- files ---- */

static ward_rc system_error(ward_error *error, const char *what, int number)
{
    return ward_error_set(error, WARD_RC_ABORTED, "file: %s: %s", what, strerrordesc_np(number));
}

/* As many as there are, up to size. */
static ward_rc read_at(int fd, uint8_t *to, size_t size, off_t at, size_t *ret, ward_error *error)
{
    *ret = 0;
    while (*ret < size) {
        ssize_t n = pread(fd, to + *ret, size - *ret, at + (off_t)*ret);
        if (n == 0) {
            break;
        }
        if (n < 0 && errno != EINTR) {
            return system_error(error, "cannot read it", errno);
        }
        *ret += n > 0 ? (size_t)n : 0;
    }
    return WARD_RC_OK;
}

static ward_rc write_at(int fd, struct ward_bytes from, off_t at, ward_error *error)
{
    for (size_t done = 0; done < from.size;) {
        ssize_t n = pwrite(fd, from.data + done, from.size - done, at + (off_t)done);
        if (n < 0 && errno != EINTR) {
            return system_error(error, "cannot write it", errno);
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return WARD_RC_OK;
}

/* One write, within the file's first sector: half of a wrapped key would lose the data. */
static ward_rc write_in_place(int fd, struct ward_bytes wrapped, ward_error *error)
{
    WARD_CLIENT_TRY(write_at(fd, wrapped, WARD_SEAL_PREFIX_SIZE, error));
    return fdatasync(fd) == 0 ? WARD_RC_OK
                              : system_error(error, "cannot write it to the disk", errno);
}

static ward_rc copy_from(int in, off_t from, int out, off_t to, ward_error *error)
{
    uint8_t *block = ward_wipe_malloc(BLOCK);
    ward_rc rc = block == NULL ? ward_error_memory(error) : WARD_RC_OK;
    for (size_t n = 1; rc == WARD_RC_OK && n > 0; from += (off_t)n, to += (off_t)n) {
        rc = read_at(in, block, BLOCK, from, &n, error);
        if (rc == WARD_RC_OK) {
            rc = write_at(out, WARD_BYTES(block, n), to, error);
        }
    }
    ward_wipe_free(block);
    return rc;
}

/* Everything behind the old header comes after the new one. */
static ward_rc write_copy(int fd, const char *path, const struct stat *is, size_t old_head,
                          const struct ward_seal_header *header, ward_error *error)
{
    uint8_t head[WARD_SEAL_HEADER_MAX];
    size_t size = WARD_SEAL_HEADER_SIZE(header->wrapped.size);
    struct ward_new_file file;
    ward_seal_header_print(header, head);
    WARD_CLIENT_TRY(ward_new_file_open(path, 0600, true, &file, error));
    ward_rc rc = write_at(file.fd, WARD_BYTES(head, size), 0, error);
    if (rc == WARD_RC_OK) {
        rc = copy_from(fd, (off_t)old_head, file.fd, (off_t)size, error);
    }
    /* Who may not give it to its owner leaves it to himself alone. */
    if (rc == WARD_RC_OK && fchown(file.fd, is->st_uid, is->st_gid) == 0 &&
        fchmod(file.fd, is->st_mode & 0777) != 0) {
        rc = system_error(error, "cannot set its mode", errno);
    }
    if (rc != WARD_RC_OK) {
        ward_new_file_abandon(&file);
        return rc;
    }
    return ward_new_file_commit(&file, true, error);
}

static ward_rc reseal_open_file(ward_client *client, const ward_call *call,
                                const ward_rewrap_request *how, int fd, const char *path,
                                ward_resealed *result, ward_error *error)
{
    struct stat is;
    if (fstat(fd, &is) != 0 || !S_ISREG(is.st_mode)) {
        return ward_error_set(error, WARD_RC_ABORTED, "file: %s is not a regular file", path);
    }
    uint8_t begin[WARD_SEAL_HEADER_MAX];
    size_t size = 0;
    struct ward_seal_header header;
    ward_auto(free_keys) ward_data_keys *keys = NULL;
    WARD_CLIENT_TRY(read_at(fd, begin, sizeof(begin), 0, &size, error));
    WARD_CLIENT_TRY(find_header(WARD_BYTES(begin, size), &header, error));
    struct ward_bytes old = header.wrapped;
    WARD_CLIENT_TRY(rewrap(client, call, how, &header, &keys, result, error));
    if (ward_bytes_eq(old, header.wrapped)) {
        return WARD_RC_OK;
    }
    bool in_sector = WARD_SEAL_PREFIX_SIZE + old.size <= SECTOR;
    return in_sector && old.size == header.wrapped.size
               ? write_in_place(fd, header.wrapped, error)
               : write_copy(fd, path, &is, WARD_SEAL_HEADER_SIZE(old.size), &header, error);
}

ward_rc ward_reseal_file(ward_client *client, const ward_call *call, const ward_rewrap_request *how,
                         const char *path, ward_resealed *result, ward_error *error)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return system_error(error, path, errno);
    }
    ward_rc rc = reseal_open_file(client, call, how, fd, path, result, error);
    (void)close(fd);
    return rc;
}
