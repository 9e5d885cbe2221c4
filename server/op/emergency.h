/* SPDX-License-Identifier: Apache-2.0 */
/* Break-glass. An emergency is a row that everybody decides with: for one identity, one subject in
 * one collection, some minutes. While it is open, policy's rules for emergencies hold there. It
 * gives nothing that policy does not name, and policy must still let its holder open one: what the
 * officers take away is gone with their own commit. */
#ifndef WARD_SERVER_OP_EMERGENCY_H
#define WARD_SERVER_OP_EMERGENCY_H

#include "server/op/messages.h"
#include "server/op/op.h"
#include "server/state.h"

#define WARD_EMERGENCY_PURPOSE "ETREAT" /* of HL7 PurposeOfUse */

/* About whom an item is asked. */
struct ward_emergency_place {
    struct ward_bytes subject;    /* empty: nobody; no emergency holds */
    struct ward_bytes collection; /* empty: any */
};

/* Policy's decision on an object and its fields (none in particular: all zero); where it refuses
 * and an emergency of the caller's is open for the subject, once more with the rules for
 * emergencies. One that was needed is named in the entry. */
struct ward_decision ward_emergency_ask(struct ward_request *request, enum ward_action action,
                                        struct ward_bytes object,
                                        const struct ward_context *context,
                                        const struct ward_asked_fields *fields,
                                        const struct ward_emergency_place *place);

/* Is an emergency of the caller's open for this place, whether or not it is needed there? */
bool ward_emergency_covers(const struct ward_request *request, const struct ward_context *context,
                           const struct ward_emergency_place *place);

/* Does the context say that it is one? */
bool ward_emergency_purpose(const struct ward_context *context);
bool ward_emergency_is_open(const struct ward_store_emergency *emergency, int64_t now_us);

#endif
