/* SPDX-License-Identifier: Apache-2.0 */
/* A ward_blob with room for what will be in it. */
#ifndef WARD_CLIENT_SEAL_BLOB_H
#define WARD_CLIENT_SEAL_BLOB_H

#include "client/include/ward/ward.h"

struct ward_seal_blob {
    ward_blob blob; /* first: what the application holds; its size is what was filled */
    size_t capacity;
    _Alignas(16) uint8_t bytes[];
};

/* NULL when memory is short. Release with ward_blob_free(&blob->blob). */
struct ward_seal_blob *ward_seal_blob_new(size_t capacity);

#endif
