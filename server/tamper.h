/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon does about rows that somebody else wrote: it says which, once, and stops. */
#ifndef WARD_SERVER_TAMPER_H
#define WARD_SERVER_TAMPER_H

#include "server/integrity.h"
#include "server/state.h"

struct ward_tamper {
    atomic_bool found; /* nothing is answered any more */
    void (*stop)(void *context);
    void *context;
    unsigned looks;
};

/* STATE, with a refusal, when the snapshot does not add up. */
ward_status ward_tamper_check(const struct ward_index *index,
                              const struct ward_store_snapshot *snapshot);
/* Somebody wrote: tells it and stops, the first time. Any thread. */
void ward_tamper_tell(struct ward_tamper *tamper, ward_status status);
/* Called every 5 s by one thread: reads all anew and checks it; where there is much of it, only
 * every minute. */
void ward_tamper_look(struct ward_tamper *tamper, struct ward_store_reader *reader,
                      const struct ward_index *index);
/* For a database that has no seal: the sums of what is there now. What there is goes to the log. */
ward_status ward_tamper_adopt(const struct ward_index *index,
                              const struct ward_store_snapshot *snapshot,
                              struct ward_seal *ret_seal);

#endif
