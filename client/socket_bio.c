/* SPDX-License-Identifier: Apache-2.0 */
/* A socket BIO of our own, since OpenSSL's writes with write(2): a daemon that goes away would kill
 * the application with SIGPIPE. Must not know what passes. */
#include "client/socket_bio.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>

static int socket_write(BIO *bio, const char *data, size_t size, size_t *ret)
{
    BIO_clear_retry_flags(bio);
    ssize_t n = send((int)(intptr_t)BIO_get_data(bio), data, size, MSG_NOSIGNAL);
    if (n >= 0) {
        *ret = (size_t)n;
        return 1;
    }
    if (errno == EAGAIN || errno == EINTR) {
        BIO_set_retry_write(bio);
    }
    return 0;
}

static int socket_read(BIO *bio, char *data, size_t size, size_t *ret)
{
    BIO_clear_retry_flags(bio);
    ssize_t n = recv((int)(intptr_t)BIO_get_data(bio), data, size, 0);
    if (n > 0) {
        *ret = (size_t)n;
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_read(bio);
    } else if (n == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return 0;
}

static long socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

BIO *ward_socket_bio(int fd)
{
    /* Made once for the process and never freed: connections of any client may still hold it. */
    static BIO_METHOD *method;
    BIO_METHOD *ours = __atomic_load_n(&method, __ATOMIC_ACQUIRE);
    if (ours == NULL) {
        ours = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ward socket");
        if (ours == NULL || BIO_meth_set_write_ex(ours, socket_write) != 1 ||
            BIO_meth_set_read_ex(ours, socket_read) != 1 ||
            BIO_meth_set_ctrl(ours, socket_ctrl) != 1) {
            BIO_meth_free(ours);
            return NULL;
        }
        BIO_METHOD *first = NULL;
        if (!__atomic_compare_exchange_n(&method, &first, ours, false, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            BIO_meth_free(ours);
            ours = first;
        }
    }
    BIO *bio = BIO_new(ours);
    if (bio != NULL) {
        BIO_set_data(bio, (void *)(intptr_t)fd);
        BIO_set_init(bio, 1);
    }
    return bio;
}
