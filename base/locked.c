/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that asks the kernel for memory fit for keys. All four protections or none: a
 * mapping that could be swapped, dumped or inherited is given back. */
#include "base/locked.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

static ward_status protect(void *ptr, size_t size)
{
    if (mlock(ptr, size) != 0 || madvise(ptr, size, MADV_DONTDUMP) != 0 ||
        madvise(ptr, size, MADV_WIPEONFORK) != 0) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    }
    return WARD_OK;
}

ward_status ward_locked_map(size_t *size, void **ret)
{
    size_t page = page_size();
    WARD_ENSURE(*size > 0 && *size <= SIZE_MAX / 2, WARD_E_INTERNAL);
    size_t inner = (*size + page - 1) / page * page;
    /* Reserved without access, then opened in the middle: the two ends stay guards. */
    char *base = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    }
    ward_status status = WARD_OK;
    if (mprotect(base + page, inner, PROT_READ | PROT_WRITE) != 0) {
        status = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    } else {
        status = protect(base + page, inner);
    }
    if (!ward_ok(status)) {
        (void)munmap(base, inner + 2 * page); /* nothing was written to it */
        return status;
    }
    *size = inner;
    *ret = base + page;
    return WARD_OK;
}

ward_status ward_locked_again(void *ptr, size_t size)
{
    return protect(ptr, size);
}

void ward_locked_unmap(void *ptr, size_t size)
{
    if (ptr == NULL) {
        return;
    }
    size_t page = page_size();
    OPENSSL_cleanse(ptr, size);
    (void)munmap((char *)ptr - page, size + 2 * page); /* wiped already: nothing to do about it */
}
