/* SPDX-License-Identifier: Apache-2.0 */
/* What the data-key operations share with those that wrap for records: settling a batch's items. */
#ifndef WARD_SERVER_OP_DATA_KEY_H
#define WARD_SERVER_OP_DATA_KEY_H

#include "server/op/op.h"

/* Tells the entry what became of each item, and of the batch as a whole: the status that all items
 * share, else OK. The caller gets each item's own in any case. items: n structs of `stride` bytes,
 * each with its ward_status as the first member. */
void ward_op_settle(struct ward_request *request, const void *items, size_t stride, size_t n);

/* What a KEK item's failure means to a caller: a missing key object is an unavailable key. */
ward_status ward_op_kek_status(ward_status status);

/* The name an item goes by in the audit entry: "key:NAME#VERSION", in the arena. */
ward_status ward_op_key_object(struct ward_arena *arena, struct ward_bytes name, uint32_t version,
                               struct ward_bytes *ret);

/* The context of the whole entry when all items have the same; otherwise each item gets the keyed
 * hash of its own as `digest`. contexts: n pointers. */
ward_status ward_op_entry_contexts(struct ward_request *request,
                                   const struct ward_context *const *contexts, size_t n,
                                   struct ward_digest *digest);

#endif
