/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for one nghttp2 session: it asks a dozen times a call for blocks of a few sizes, which a
 * connection keeps for itself. Header fields and frames' heads pass through it; messages never do,
 * so nothing here is wiped. */
#ifndef WARD_CLIENT_SESSION_MEMORY_H
#define WARD_CLIENT_SESSION_MEMORY_H

#include <nghttp2/nghttp2.h>

#define WARD_SESSION_CLASSES 16

struct ward_session_memory {
    nghttp2_mem functions; /* for nghttp2_session_client_new3 */
    struct ward_session_block *spare[WARD_SESSION_CLASSES];
    unsigned n_spare[WARD_SESSION_CLASSES];
};

/* Stays where it is until fini, which comes after the session's end. */
void ward_session_memory_init(struct ward_session_memory *memory);
void ward_session_memory_fini(struct ward_session_memory *memory);

#endif
