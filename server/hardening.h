/* SPDX-License-Identifier: Apache-2.0 */
/* What the process does to itself before it reads anything: no core files, not to be traced, no new
 * privileges, memory locked. */
#ifndef WARD_SERVER_HARDENING_H
#define WARD_SERVER_HARDENING_H

#include "base/status.h"

/* STATE with a refusal text when swap is on and memory cannot be locked: then keys could reach a
 * disk. */
ward_status ward_harden(void);
/* Was all memory locked, and not only the pool of keys? */
bool ward_hardening_locked_all(void);

#endif
