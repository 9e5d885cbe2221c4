/* SPDX-License-Identifier: Apache-2.0 */
/* Whose rows the versions of a key hold: in words for a refusal, in numbers for officers. */
#ifndef WARD_SERVER_OP_KEY_HELD_H
#define WARD_SERVER_OP_KEY_HELD_H

#include "server/op/drafting.h"

/* How much of it is named; the rest is a number. A proposal has room for
 * WARD_PROPOSAL_PARAMS_MAX consequences in all. */
struct ward_held_room {
    size_t collections, versions;
};

ward_status ward_key_held_read(struct ward_request *request, const struct ward_id *kek);

/* Adds the detail "collections", "fhir 12, labs 3 and 2 more", of one version. */
ward_status ward_key_held_tell(struct ward_request *request, const struct ward_read *held,
                               uint32_t version);

/* Adds "rows_in.<collection>", the fullest first, and "rows_of_version.<number>", the newest first,
 * for as many as there is room for, and what is left of `rows` as "rows_in_other_collections" and
 * "rows_of_other_versions". version 0: all of the key's; else its versions are not told apart. */
ward_status ward_key_held_describe(struct ward_request *request, const struct ward_read *held,
                                   uint32_t version, uint64_t rows, struct ward_held_room room,
                                   struct ward_draft *draft);

#endif
