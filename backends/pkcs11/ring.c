/* SPDX-License-Identifier: Apache-2.0 */
/* The shared memory between wardd and a ward-hsm, and its doorbell. Used by both sides; knows
 * nothing of what the slots mean, nor of Cryptoki. */
#include "backends/pkcs11/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define ERRNO_STATUS WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno)

static ward_status map(int fd, struct ward_ring **ret)
{
    void *at = mmap(NULL, sizeof(struct ward_ring), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        return ERRNO_STATUS;
    }
    if (mlock(at, sizeof(struct ward_ring)) != 0 ||
        madvise(at, sizeof(struct ward_ring), MADV_DONTDUMP) != 0 ||
        madvise(at, sizeof(struct ward_ring), MADV_DONTFORK) != 0) {
        ward_status status = ERRNO_STATUS;
        (void)munmap(at, sizeof(struct ward_ring)); /* nothing was written to it */
        return status;
    }
    *ret = at;
    return WARD_OK;
}

ward_status ward_ring_new(struct ward_ring **ret, int *ret_fd)
{
    int fd = memfd_create("ward-hsm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return ERRNO_STATUS;
    }
    ward_status status = WARD_OK;
    if (ftruncate(fd, sizeof(struct ward_ring)) != 0 || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
        status = ERRNO_STATUS;
    } else {
        status = map(fd, ret);
    }
    if (!ward_ok(status)) {
        (void)close(fd); /* an empty memfd: nothing is lost */
        return status;
    }
    (*ret)->magic = WARD_RING_MAGIC;
    (*ret)->parent = (uint32_t)getpid();
    *ret_fd = fd;
    return WARD_OK;
}

ward_status ward_ring_map(int fd, struct ward_ring **ret)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return ERRNO_STATUS;
    }
    WARD_ENSURE(st.st_size == (off_t)sizeof(struct ward_ring), WARD_E_INTERNAL);
    WARD_ENSURE(fcntl(fd, F_GET_SEALS) == SEALS, WARD_E_INTERNAL);
    struct ward_ring *ring = NULL;
    WARD_TRY(map(fd, &ring));
    if (ring->magic != WARD_RING_MAGIC) {
        ward_ring_unmap(ring);
        WARD_FAIL(WARD_E_INTERNAL);
    }
    *ret = ring;
    return WARD_OK;
}

void ward_ring_unmap(struct ward_ring *ring)
{
    if (ring != NULL) {
        OPENSSL_cleanse(ring, sizeof(*ring));
        (void)munmap(ring, sizeof(*ring)); /* wiped already */
    }
}

ward_status ward_ring_wake(int socket_fd)
{
    ssize_t sent;
    do {
        sent = send(socket_fd, "", 1, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == 1 ? WARD_OK : ERRNO_STATUS;
}

ward_status ward_ring_wait(int socket_fd, struct ward_await *await, int timeout_ms)
{
    struct pollfd waiting = {.fd = socket_fd, .events = POLLIN};
    int ready = timeout_ms < 0 ? 1 : ward_await(await, &waiting, timeout_ms);
    if (ready < 0 && errno != EINTR) {
        return ERRNO_STATUS;
    }
    /* A signal counts as the end of the wait: the caller knows how much time is left. */
    WARD_ENSURE(ready > 0, WARD_E_DEADLINE);
    uint8_t byte;
    ssize_t got;
    do {
        got = recv(socket_fd, &byte, 1, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return ERRNO_STATUS;
    }
    WARD_ENSURE(got == 1, WARD_E_UNAVAILABLE);
    return WARD_OK;
}
