/* SPDX-License-Identifier: Apache-2.0 */
/* Where records are and what their keys are bound to. It sees no database and no HSM session. */
#include "server/op/record.h"

#include <stdio.h>

#include "base/random.h"
#include "policy/name.h"
#include "server/audit/entry.h"
#include "server/op/emergency.h"
#include "server/work/worker.h"

static ward_status keyed_hash(struct ward_digest *digest, const struct ward_secret *key,
                              const struct ward_bytes *parts, size_t n,
                              uint8_t out[static WARD_HASH_SIZE])
{
    uint8_t sizes[3][4];
    struct ward_bytes prefixed[6];
    for (size_t i = 0; i < n; i++) {
        ward_put_u32(sizes[i], (uint32_t)parts[i].size);
        prefixed[2 * i] = WARD_BYTES(sizes[i], 4);
        prefixed[2 * i + 1] = parts[i];
    }
    return ward_hmac_sha256(digest, ward_secret_view(key), prefixed, 2 * n, out);
}

ward_status ward_record_subject_hash(const struct ward_index *index, struct ward_digest *digest,
                                     struct ward_bytes collection, struct ward_bytes subject,
                                     uint8_t ret[static WARD_HASH_SIZE])
{
    const struct ward_bytes parts[2] = {collection, subject};
    return keyed_hash(digest, index->subject, parts, 2, ret);
}

ward_status ward_record_place(const struct ward_index *index, struct ward_digest *digest,
                              struct ward_bytes collection, struct ward_bytes subject,
                              struct ward_bytes id, struct ward_record_place *ret)
{
    const struct ward_bytes parts[3] = {collection, subject, id};
    WARD_TRY(ward_record_subject_hash(index, digest, collection, subject, ret->subject_hash));
    return keyed_hash(digest, index->record, parts, 3, ret->id_hash);
}

ward_status ward_subject_key_aad(const struct ward_wrapped_key *header,
                                 const uint8_t subject_hash[static WARD_HASH_SIZE],
                                 const struct ward_id *id, struct ward_arena *arena,
                                 struct ward_bytes *ret)
{
    char hash[2 * WARD_HASH_SIZE + 1], uuid[WARD_ID_TEXT_SIZE];
    ward_hex_encode(WARD_BYTES(subject_hash, WARD_HASH_SIZE), hash);
    ward_id_print(id, uuid);
    const struct ward_context_pair pairs[] = {
        {WARD_BYTES_LITERAL("subject_hash"), ward_bytes_str(hash)},
        {WARD_BYTES_LITERAL("subject_key"), ward_bytes_str(uuid)},
    };
    struct ward_context context;
    WARD_TRY(ward_context_build(arena, pairs, 2, &context));
    return ward_wrapped_key_aad(header, &context, arena, ret);
}

ward_status ward_subject_key_plan(struct ward_request *request, struct ward_worker *worker,
                                  const struct ward_store_subject_key *row,
                                  const uint8_t subject_hash[static WARD_HASH_SIZE],
                                  uint8_t **ret_plain, struct ward_kek_ref *ret_kek)
{
    struct ward_wrapped_key parsed;
    WARD_TRY(ward_wrapped_key_parse(row->wrapped, &parsed));
    WARD_ENSURE(parsed.use == WARD_USE_SUBJECT, WARD_E_CIPHERTEXT);
    const struct ward_key *key = ward_state_key_by_id(request->state, &parsed.key_id);
    WARD_ENSURE(key != NULL, WARD_E_CIPHERTEXT);
    const struct ward_key_version *version = ward_key_version_find(key, parsed.version);
    WARD_ENSURE(version != NULL, WARD_E_CIPHERTEXT);
    if (!key->enabled) {
        return WARD_REFUSAL(WARD_E_STATE, "key: disabled");
    }
    WARD_TRY(ward_key_state_check(version->state, WARD_KEY_UNWRAP));
    if (version->state == WARD_KEY_COMPROMISED &&
        !ward_policy_settings(request->state->policy)->compromised_reads) {
        return WARD_REFUSAL(WARD_E_STATE,
                            "key: this version is compromised and policy stops reading under it");
    }
    struct ward_kek_item *kek;
    WARD_TRY(ward_worker_add(worker, request, &kek));
    kek->verb = WARD_KEK_UNWRAP;
    kek->key = (struct ward_kek_ref){parsed.key_id, parsed.version};
    WARD_TRY(ward_subject_key_aad(&parsed, subject_hash, &row->id, request->arena, &kek->aad));
    kek->in = parsed.blob;
    kek->out = ward_arena_alloc(request->arena, WARD_KEK_PLAIN_MAX);
    WARD_ENSURE(kek->out != NULL, WARD_E_EXHAUSTED);
    *ret_plain = kek->out;
    *ret_kek = kek->key;
    return WARD_OK;
}

ward_status ward_subject_key_plan_fresh(struct ward_request *request, struct ward_worker *worker,
                                        struct ward_new_subject_key *row, uint8_t **ret_plain)
{
    const struct ward_wrapped_key header = {.use = WARD_USE_SUBJECT,
                                            .algorithm = WARD_ALGORITHM_PKCS11_AES_GCM,
                                            .key_id = row->kek,
                                            .version = row->kek_version};
    WARD_TRY(ward_id_next(&worker->ids, ward_wall_us(worker->pipeline->clock), &row->id));
    uint8_t *wrapped = ward_arena_alloc(request->arena, WARD_WRAPPED_MAX);
    *ret_plain = ward_arena_alloc(request->arena, WARD_KEK_PLAIN_MAX);
    WARD_ENSURE(wrapped != NULL && *ret_plain != NULL, WARD_E_EXHAUSTED);
    WARD_TRY(ward_random_private(*ret_plain, WARD_AEAD_KEY_SIZE));
    ward_wrapped_key_header(&header, wrapped);
    row->wrapped = WARD_BYTES(wrapped, WARD_WRAPPED_HEADER_SIZE);
    struct ward_kek_item *kek;
    WARD_TRY(ward_worker_add(worker, request, &kek));
    kek->verb = WARD_KEK_WRAP;
    kek->key = (struct ward_kek_ref){header.key_id, header.version};
    WARD_TRY(ward_subject_key_aad(&header, row->subject_hash, &row->id, request->arena, &kek->aad));
    kek->in = WARD_BYTES(*ret_plain, WARD_AEAD_KEY_SIZE);
    kek->out = wrapped + WARD_WRAPPED_HEADER_SIZE;
    return WARD_OK;
}

ward_status ward_record_object(struct ward_arena *arena, struct ward_bytes collection,
                               const struct ward_record_place *place, uint32_t version,
                               struct ward_bytes *ret)
{
    char *text = ward_arena_alloc(arena, collection.size + 64);
    WARD_ENSURE(text != NULL, WARD_E_EXHAUSTED);
    char *at = text;
    memcpy(at, "record:", 7);
    at += 7;
    memcpy(at, collection.data, collection.size);
    at += collection.size;
    if (place != NULL) {
        *at++ = '/';
        ward_hex_encode(WARD_BYTES(place->subject_hash, 8), at);
        at += 16;
        *at++ = '/';
        ward_hex_encode(WARD_BYTES(place->id_hash, 8), at);
        at += 16;
    }
    if (version != 0) {
        at += snprintf(at, 12, "#%u", version);
    }
    *ret = WARD_BYTES(text, (size_t)(at - text));
    return WARD_OK;
}

static ward_status find_target(const struct ward_state *state, struct ward_bytes collection,
                               struct ward_record_target *ret)
{
    ret->collection = ward_policy_collection_find(state->policy, collection);
    if (ret->collection == NULL) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "collection: no such collection");
    }
    ret->key = ward_state_key(state, ret->collection->key);
    if (ret->key == NULL) {
        return WARD_REFUSAL(WARD_E_STATE, "collection: its key has not been created");
    }
    if (ret->key->purpose != WARD_PURPOSE_RECORDS) {
        return WARD_REFUSAL(WARD_E_STATE, "collection: its key is not for records");
    }
    return WARD_OK;
}

ward_status ward_record_decide(struct ward_request *request, enum ward_action action, size_t item,
                               const struct ward_emergency_place *place,
                               const struct ward_context *context,
                               const struct ward_asked_fields *fields,
                               struct ward_record_target *ret, struct ward_bytes *ret_refused)
{
    struct ward_bytes collection = place->collection;
    struct ward_decision decision =
        ward_emergency_ask(request, action, collection, context, fields, place);
    request->leaf_items[item].rule = decision.rule;
    *ret_refused = decision.field;
    ward_status status = decision.status;
    if (ward_ok(status)) {
        status = find_target(request->state, collection, ret);
    }
    if (!ward_ok(status) && ward_name_valid(collection)) {
        WARD_TRY(ward_record_object(request->arena, collection, NULL, 0,
                                    &request->leaf_items[item].object));
    }
    return status;
}

bool ward_record_limits_fields(const struct ward_request *request, enum ward_action action)
{
    const struct ward_subject *subject =
        ward_policy_subject(request->state->policy, ward_bytes_str(request->peer->identity));
    return subject != NULL && ward_subject_limits_fields(subject, action);
}
