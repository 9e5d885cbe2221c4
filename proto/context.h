/* SPDX-License-Identifier: Apache-2.0 */
/* The encryption context: pairs of UTF-8 strings, sorted by the bytes of their keys. Its canonical
 * form, u16 count then for each pair u16 size, key, u16 size, value (big-endian); it is bound as
 * AAD. */
#ifndef WARD_PROTO_CONTEXT_H
#define WARD_PROTO_CONTEXT_H

#include "base/buffer.h"
#include "base/wipe_alloc.h"

struct ward_context_pair {
    struct ward_bytes key, value;
};

struct ward_context {
    const struct ward_context_pair *pairs; /* sorted, no key twice */
    size_t n;
    struct ward_bytes canonical;
};

/* Sorts a copy of the pairs into the arena and builds the canonical form; keys and values stay
 * borrowed. INVALID: "context: more than 32 pairs", "context: larger than 8192 bytes" (the
 * canonical form), "context: empty key", "context: not UTF-8" (a NUL too), "context: duplicate
 * key". */
ward_status ward_context_build(struct ward_arena *arena, const struct ward_context_pair *pairs,
                               size_t n, struct ward_context *ret);
/* The value of a key, or NULL data. */
struct ward_bytes ward_context_get(const struct ward_context *context, struct ward_bytes key);

#endif
