/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that nghttp2 works in. It copies headers and frames as it likes, so every block is
 * wiped when it gives it back; blocks of the usual sizes are kept, since a request costs a dozen of
 * them. One for each loop thread. */
#ifndef WARD_SERVER_NET_H2_MEMORY_H
#define WARD_SERVER_NET_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "base/status.h"

struct ward_h2_memory;

ward_status ward_h2_memory_new(struct ward_h2_memory **ret);
/* After every session that used it. */
void ward_h2_memory_free(struct ward_h2_memory *memory);
nghttp2_mem *ward_h2_memory_calls(struct ward_h2_memory *memory);

#endif
