/* SPDX-License-Identifier: Apache-2.0 */
/* The index key: 32 random bytes from which the keyed hashes of ids and context values are derived.
 * It is stored wrapped by Ward's own KEK, "ward/system", and unwrapped by the HSM at start. */
#ifndef WARD_SERVER_INDEX_KEY_H
#define WARD_SERVER_INDEX_KEY_H

#include "server/state.h"

#define WARD_SYSTEM_KEK_NAME "ward/system"
#define WARD_INDEX_KEY_NAME "index-1"

/* Makes and wraps one; the wrapped form lies in the arena. */
ward_status ward_index_key_make(struct ward_kek_session *session, const struct ward_kek_ref *kek,
                                const struct ward_id *deployment, struct ward_arena *arena,
                                struct ward_bytes *ret_wrapped);
/* CIPHERTEXT when it does not open: the database and the HSM do not belong together. */
ward_status ward_index_key_open(struct ward_kek_session *session, const struct ward_id *deployment,
                                struct ward_bytes wrapped, struct ward_index **ret);

#endif
