/* SPDX-License-Identifier: Apache-2.0 */
/* Wrapping and opening the index key. It is never given to anybody; only hashes under it leave. */
#include "server/index_key.h"

#include "proto/wrapped_key.h"

#define INDEX_ARENA_MAX 65536

static ward_status aad_of(const struct ward_wrapped_key *header, const struct ward_id *deployment,
                          struct ward_arena *arena, struct ward_bytes *ret)
{
    char id[WARD_ID_TEXT_SIZE];
    ward_id_print(deployment, id);
    const struct ward_context_pair pairs[] = {
        {WARD_BYTES_LITERAL("deployment"), ward_bytes_str(id)},
        {WARD_BYTES_LITERAL("index"), WARD_BYTES_LITERAL(WARD_INDEX_KEY_NAME)},
    };
    struct ward_context context;
    WARD_TRY(ward_context_build(arena, pairs, 2, &context));
    return ward_wrapped_key_aad(header, &context, arena, ret);
}

ward_status ward_index_key_make(struct ward_kek_session *session, const struct ward_kek_ref *kek,
                                const struct ward_id *deployment, struct ward_arena *arena,
                                struct ward_bytes *ret_wrapped)
{
    ward_auto(ward_secret_freep) struct ward_secret *key = NULL;
    WARD_TRY(ward_secret_random(32, &key));
    struct ward_wrapped_key header = {.use = WARD_USE_INDEX,
                                      .algorithm = WARD_ALGORITHM_PKCS11_AES_GCM,
                                      .key_id = kek->id,
                                      .version = kek->version};
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_kek_item item = {.verb = WARD_KEK_WRAP,
                                 .proof = true,
                                 .key = *kek,
                                 .in = ward_secret_view(key),
                                 .out = blob};
    WARD_TRY(aad_of(&header, deployment, arena, &item.aad));
    WARD_TRY(ward_kek_run(session, &item, 1));
    WARD_TRY(item.status);
    header.blob = WARD_BYTES(blob, item.out_size);
    return ward_wrapped_key_print(&header, arena, ret_wrapped);
}

ward_status ward_index_key_open(struct ward_kek_session *session, const struct ward_id *deployment,
                                struct ward_bytes wrapped, struct ward_index **ret)
{
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    ward_auto(ward_secret_freep) struct ward_secret *plain = NULL;
    WARD_TRY(ward_arena_new(INDEX_ARENA_MAX, &arena));
    WARD_TRY(ward_digest_new(&digest));
    WARD_TRY(ward_secret_zero(WARD_KEK_PLAIN_MAX, &plain));
    struct ward_wrapped_key header;
    WARD_TRY(ward_wrapped_key_parse(wrapped, &header));
    WARD_ENSURE(header.use == WARD_USE_INDEX, WARD_E_CIPHERTEXT);
    struct ward_kek_item item = {.verb = WARD_KEK_UNWRAP,
                                 .key = {header.key_id, header.version},
                                 .in = header.blob,
                                 .out = ward_secret_fill(plain)};
    WARD_TRY(aad_of(&header, deployment, arena, &item.aad));
    WARD_TRY(ward_kek_run(session, &item, 1));
    WARD_TRY(item.status);
    WARD_ENSURE(item.out_size == 32, WARD_E_CIPHERTEXT);
    return ward_index_new(digest, WARD_BYTES(item.out, 32), ret);
}
