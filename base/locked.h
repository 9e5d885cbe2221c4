/* SPDX-License-Identifier: Apache-2.0 */
/* Pages for secrets: between two guard pages, locked, left out of core files, and zero in a forked
 * child. Inside base only: everybody else holds a ward_secret. */
#ifndef WARD_BASE_LOCKED_H
#define WARD_BASE_LOCKED_H

#include "base/status.h"

/* size is rounded up to pages and written back. Memory comes zeroed. UNAVAILABLE when the kernel
 * does not give, lock or protect it. */
ward_status ward_locked_map(size_t *size, void **ret);
/* A fork hands on the pages, zeroed, but not the lock. */
ward_status ward_locked_again(void *ptr, size_t size);
/* Wipes. size as written back by ward_locked_map. */
void ward_locked_unmap(void *ptr, size_t size);

#endif
