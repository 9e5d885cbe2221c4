/* SPDX-License-Identifier: Apache-2.0 */
/* Which KEK versions the HSM no longer vouches for. Asked on every path that would use a key;
 * filled by the attestation at start and every hour. */
#ifndef WARD_SERVER_WORK_ATTESTATION_H
#define WARD_SERVER_WORK_ATTESTATION_H

#include "backends/kek.h"

struct ward_attestation;
struct ward_state;

ward_status ward_attestation_new(struct ward_attestation **ret);
void ward_attestation_free(struct ward_attestation *attestation);

/* Reads every usable version's attributes back and replaces the list. UNAVAILABLE when the device
 * is away: then the list stays as it was. Worker threads only. */
ward_status ward_attestation_check(struct ward_attestation *attestation,
                                   struct ward_kek_session *session, const struct ward_state *state,
                                   size_t *ret_bad);
/* STATE with a refusal text when the version is on the list. Any thread. */
ward_status ward_attestation_allows(struct ward_attestation *attestation,
                                    const struct ward_kek_ref *ref);

#endif
