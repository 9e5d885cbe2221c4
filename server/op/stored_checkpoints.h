/* SPDX-License-Identifier: Apache-2.0 */
/* Stored checkpoints, held against the log's keys. Whoever writes to the database can put rows
 * among them that none of these keys signed; such a row hides no checkpoint of ours: it is passed
 * over and told of, for as many rows as are looked at. Reading takes two looks: the first row is
 * nearly always the right one, and only where it is not are those beside it read. */
#ifndef WARD_SERVER_OP_STORED_CHECKPOINTS_H
#define WARD_SERVER_OP_STORED_CHECKPOINTS_H

#include "server/op/op.h"
#include "server/state.h"

#define WARD_HANDOVERS_SOUGHT_MAX 8u /* of which more than the first row is looked at */

/* For an operation's read: the newest, or the newest below a size (0: of any), and `rows` of them
 * are looked at in any case. For its read_more: looks on. */
ward_status ward_stored_newest_read(struct ward_request *request, uint64_t below, uint32_t rows);
ward_status ward_stored_newest_read_more(struct ward_request *request);
/* After that. NULL: none of those looked at is the log's, or there is none. */
ward_status ward_stored_newest(const struct ward_request *request,
                               const struct ward_store_checkpoint **ret);

/* The size of the newest one at a start, of a log that cannot be shorter; 0: there is none. STATE
 * when all that may be looked at are not the log's. */
ward_status ward_stored_floor(const struct ward_state *state, struct ward_store_reader *reader,
                              uint64_t *ret);

/* After a checkpoint of that size was signed: is a row there that kept it from being stored? One
 * that another daemon signed is as good. Of a state under which it was signed, or later. */
ward_status ward_stored_in_the_way(const struct ward_state *state, struct ward_store_reader *reader,
                                   uint64_t size, bool *ret);

ward_status ward_stored_handovers_read(struct ward_request *request);
ward_status ward_stored_handovers_read_more(struct ward_request *request);

struct ward_stored_checkpoints {
    const struct ward_store_checkpoint *newest; /* or NULL */
    /* Of the changes that the newest covers, from version 2 on and none left out. */
    const struct ward_bytes *handovers;
    size_t n_handovers;
    uint32_t missing; /* the first version whose handover was not found though it should be; or 0 */
    const uint64_t *passed_over; /* the sizes of rows, ascending */
    size_t n_passed_over;
};
/* After both. In the request's arena. */
ward_status ward_stored_checkpoints(struct ward_request *request,
                                    struct ward_stored_checkpoints *ret);

/* The version of the log's key that signed last, which the next checkpoint is signed by too, as is
 * each behind it. Where no checkpoint says so it was the first one, or as far back from `now` as a
 * note has room for. */
const struct ward_log_key *ward_stored_signed_last(const struct ward_state *state,
                                                   const struct ward_store_checkpoint *newest,
                                                   const struct ward_log_key *now);

#endif
