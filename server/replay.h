/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that their caller named: a request_id that comes again gets the answer that it got
 * before, and changes nothing a second time. The answer is kept in the transaction of the change
 * itself, 24 hours at least, by identity and request_id. A request that has failed as a whole
 * changed nothing and is not kept: it may come again. Without a name nothing here costs anything.
 *
 *   reader:  read what was answered        found, same digest   -> that answer, its own entry
 *                                          found, another       -> INVALID
 *                                          not found            -> on with the operation
 *   worker:  encode the answer             larger than can be kept -> EXHAUSTED, nothing changed
 *   commit:  the answer goes in with the rows; somebody was faster -> CONFLICT, from the start
 *
 * What is kept: u16 number of items, a bit for each (1: it succeeded), the response message. Rights
 * are asked again: what policy denies now is not answered, and nor is a batch of which it denies an
 * item that succeeded then. Whether the request would still succeed now does not matter. */
#ifndef WARD_SERVER_REPLAY_H
#define WARD_SERVER_REPLAY_H

#include "base/digest.h"
#include "server/request.h"

/* What only the wire side can do. */
struct ward_replay_hooks {
    /* Of method and message, canonical: the same whatever the order in which a map was sent. */
    ward_status (*digest)(struct ward_request *request, const void *message,
                          struct ward_digest *digest, uint8_t out[static 32]);
    /* The answer as it is sent, in the arena; its first `prefix` bytes are framing. */
    ward_status (*encode)(struct ward_request *request, struct ward_bytes *ret);
    ward_status (*frame)(struct ward_request *request, struct ward_bytes message,
                         struct ward_bytes *ret);
    size_t prefix;
};

struct ward_naming;

/* By decode, when the caller has given a request_id: arms all that follows. message lives as long
 * as the request. */
ward_status ward_replay_name(struct ward_request *request, const struct ward_replay_hooks *hooks,
                             const void *message);

/* By the pipeline, when the first step begins, perhaps again: forgets what was found and kept. */
void ward_replay_reset(struct ward_request *request);
/* By the reader, with the first step's reads: adds one. */
ward_status ward_replay_read(struct ward_request *request, struct ward_digest *digest);
/* After it: OK also when nothing was found. The answer found is request->answer, and no step of the
 * operation runs any more. */
ward_status ward_replay_found(struct ward_request *request);
/* After the last step's work: encodes the answer, and sets request->replay, which goes in with the
 * rows. */
ward_status ward_replay_keep(struct ward_request *request);

#endif
