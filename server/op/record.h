/* SPDX-License-Identifier: Apache-2.0 */
/* What put, get, rewrap and rekey share: the keyed hashes under which rows are found, and the
 * context that binds a wrapped subject key to its row. */
#ifndef WARD_SERVER_OP_RECORD_H
#define WARD_SERVER_OP_RECORD_H

#include "proto/wrapped_key.h"
#include "server/op/op.h"
#include "server/state.h"

struct ward_record_place {
    uint8_t subject_hash[WARD_HASH_SIZE]; /* of collection and subject */
    uint8_t id_hash[WARD_HASH_SIZE];      /* of collection, subject and record id */
};

/* Of collection and subject. */
ward_status ward_record_subject_hash(const struct ward_index *index, struct ward_digest *digest,
                                     struct ward_bytes collection, struct ward_bytes subject,
                                     uint8_t ret[static WARD_HASH_SIZE]);
/* HMAC-SHA-256 under the index keys, every input with its length before it. */
ward_status ward_record_place(const struct ward_index *index, struct ward_digest *digest,
                              struct ward_bytes collection, struct ward_bytes subject,
                              struct ward_bytes id, struct ward_record_place *ret);

/* The AAD of a wrapped subject key: its header and {subject_hash, subject_key}. A row's wrapped key
 * moved to another subject does not open. */
ward_status ward_subject_key_aad(const struct ward_wrapped_key *header,
                                 const uint8_t subject_hash[static WARD_HASH_SIZE],
                                 const struct ward_id *id, struct ward_arena *arena,
                                 struct ward_bytes *ret);

/* Plans the unwrapping of a stored subject key. STATE when its version's state forbids it.
 * ret_plain: where it will be; ret_kek: under which version it lies. */
ward_status ward_subject_key_plan(struct ward_request *request, struct ward_worker *worker,
                                  const struct ward_store_subject_key *row,
                                  const uint8_t subject_hash[static WARD_HASH_SIZE],
                                  uint8_t **ret_plain, struct ward_kek_ref *ret_kek);

/* Plans the making of one: the row says whose it is, its generation, and under which version of
 * which KEK. Sets its id, and its wrapped key but for what the HSM answers, which goes behind:
 * wrapped.size is then to be made larger by that. */
ward_status ward_subject_key_plan_fresh(struct ward_request *request, struct ward_worker *worker,
                                        struct ward_new_subject_key *row, uint8_t **ret_plain);

/* "record:COLLECTION/<16 hex of subject>/<16 hex of record>#VERSION" in the arena; version 0:
 * without; place NULL: the collection alone. */
ward_status ward_record_object(struct ward_arena *arena, struct ward_bytes collection,
                               const struct ward_record_place *place, uint32_t version,
                               struct ward_bytes *ret);

struct ward_emergency_place;
/* Policy, collection and KEK of one item. Its place has a subject where an emergency may open it.
 */
struct ward_record_target {
    const struct ward_policy_collection *collection;
    const struct ward_key *key;
};
/* ret_refused: the field that was refused, when it was one. */
ward_status ward_record_decide(struct ward_request *request, enum ward_action action, size_t item,
                               const struct ward_emergency_place *place,
                               const struct ward_context *context,
                               const struct ward_asked_fields *fields,
                               struct ward_record_target *ret, struct ward_bytes *ret_refused);
/* Has the caller a rule that speaks of some fields alone? */
bool ward_record_limits_fields(const struct ward_request *request, enum ward_action action);

#endif
