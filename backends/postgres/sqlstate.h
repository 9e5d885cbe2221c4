/* SPDX-License-Identifier: Apache-2.0 */
/* What a SQLSTATE means to us: a status, and what became of a commit that met it. The only place
 * that knows; the server's text is never read, since it may name rows. */
#ifndef WARD_BACKENDS_POSTGRES_SQLSTATE_H
#define WARD_BACKENDS_POSTGRES_SQLSTATE_H

#include "backends/store.h"

/* Five characters of [0-9A-Z], six bits each, the first lowest (as PostgreSQL packs them); 0 for
 * anything else, NULL included: an error that has no SQLSTATE is libpq's own, a lost connection. */
uint32_t ward_sqlstate_pack(const char *text);
/* Five characters and NUL. */
void ward_sqlstate_unpack(uint32_t sqlstate, char out[static 6]);

/* The status, with sqlstate as its foreign number; 0 gives UNAVAILABLE. */
ward_status ward_sqlstate_status(uint32_t sqlstate);
/* What became of a transaction in which a statement before COMMIT failed so. */
enum ward_commit_outcome ward_sqlstate_outcome(uint32_t sqlstate);

#endif
