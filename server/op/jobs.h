/* SPDX-License-Identifier: Apache-2.0 */
/* What operations on jobs share. */
#ifndef WARD_SERVER_OP_JOBS_H
#define WARD_SERVER_OP_JOBS_H

#include "server/op/messages.h"
#include "server/state.h"

/* "running", "done", "stuck", "superseded"; "none" for what is no state. */
const char *ward_job_state_name(unsigned state);
/* The newest job of that kind among those read; state "none" when there is none. */
void ward_job_view_of(const struct ward_read *read, uint8_t kind, int64_t now_us,
                      struct ward_job_view *ret);
/* How many versions are compromised: a job is begun anew when there are more than it knew of. */
uint32_t ward_rewrap_urgent(const struct ward_key *key);

#endif
