/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. It decides nothing about rights: that was done before, under the state as it is
 * now, and is only compared with what was allowed then. */
#include "server/replay.h"

#include "proto/grpc.h"
#include "proto/wire_limits.h"
#include "server/op/op.h"
#include "server/state.h"

#define ITEMS_SIZE 2 /* how many items: u16 */

_Static_assert(WARD_BATCH_ITEMS_MAX *(WARD_ITEM_ERROR_MAX + 1) < WARD_REPLAY_RESPONSE_MAX,
               "a batch of which policy refuses all but one item must be kept");

struct ward_naming {
    const struct ward_replay_hooks *hooks;
    const void *message;
    bool digested;
    uint8_t digest[WARD_SHA256_SIZE];
    struct ward_read *read;
    struct ward_new_replay row;
};

ward_status ward_replay_name(struct ward_request *request, const struct ward_replay_hooks *hooks,
                             const void *message)
{
    struct ward_naming *naming = WARD_ARENA_NEW(request->arena, struct ward_naming);
    WARD_ENSURE(naming != NULL, WARD_E_EXHAUSTED);
    naming->hooks = hooks;
    naming->message = message;
    request->naming = naming;
    return WARD_OK;
}

void ward_replay_reset(struct ward_request *request)
{
    request->replay = NULL;
    request->replayed = false;
    request->answer = (struct ward_bytes){0};
    if (request->naming != NULL) {
        request->naming->read = NULL;
    }
}

ward_status ward_replay_read(struct ward_request *request, struct ward_digest *digest)
{
    struct ward_naming *naming = request->naming;
    if (!naming->digested) {
        uint8_t hash[WARD_SHA256_SIZE];
        WARD_TRY(naming->hooks->digest(request, naming->message, digest, hash));
        /* Keyed: it is of patients' data too, and what can be guessed could be checked by it. No
         * context has a NUL, so this is the digest of none. */
        const struct ward_bytes parts[] = {WARD_BYTES_LITERAL("\0replay"), WARD_BYTES_ARRAY(hash)};
        WARD_TRY(ward_hmac_sha256(digest, ward_secret_view(request->state->index->context), parts,
                                  2, naming->digest));
        naming->digested = true;
    }
    WARD_TRY(ward_request_add_read(request, WARD_READ_REPLAY, &naming->read));
    naming->read->replay.identity = ward_bytes_str(request->peer->identity);
    naming->read->replay.request_id = request->request_id;
    return WARD_OK;
}

/* ---- what is kept ---- */

static size_t head_size(size_t n_items)
{
    return ITEMS_SIZE + (n_items + 7) / 8;
}

static bool good(const struct ward_request *request, size_t i)
{
    return request->leaf_items[i].code == NULL;
}

static bool denied(const struct ward_request *request, size_t i)
{
    const char *code = request->leaf_items[i].code;
    return code != NULL && strcmp(code, ward_grpc_code_name(WARD_GRPC_PERMISSION_DENIED)) == 0;
}

static void write_head(const struct ward_request *request, uint8_t *out)
{
    ward_put_u16(out, (uint16_t)request->n_leaf_items);
    for (size_t i = 0; i < request->n_leaf_items; i++) {
        if (good(request, i)) {
            out[ITEMS_SIZE + i / 8] |= (uint8_t)(1u << (i % 8));
        }
    }
}

/* By the rule that refuses the item now, which the entry and the caller are told of. */
static ward_status refuse_now(struct ward_request *request, size_t i)
{
    request->rule = request->leaf_items[i].rule;
    return request->rule != NULL
               ? WARD_REFUSAL(
                     WARD_E_DENIED,
                     "policy: what was answered to this request_id is not allowed any more")
               : WARD_REFUSAL(WARD_E_DENIED,
                              "request_id: what was answered then is not allowed any more");
}

/* The message behind the head; INTERNAL when it is not of this request's shape. */
static ward_status read_head(struct ward_request *request, struct ward_bytes kept,
                             struct ward_bytes *ret)
{
    size_t n = request->n_leaf_items, head = head_size(n);
    WARD_ENSURE(kept.size >= head && ward_get_u16(kept.data) == n, WARD_E_INTERNAL);
    for (size_t i = 0; i < n; i++) {
        bool then = (kept.data[ITEMS_SIZE + i / 8] >> (i % 8) & 1) != 0;
        if (then && denied(request, i)) {
            return refuse_now(request, i);
        }
    }
    *ret = WARD_BYTES(kept.data + head, kept.size - head);
    return WARD_OK;
}

ward_status ward_replay_found(struct ward_request *request)
{
    const struct ward_naming *naming = request->naming;
    const struct ward_read *read = naming->read;
    if (read == NULL) {
        return WARD_OK; /* it failed before it could be asked */
    }
    WARD_TRY(read->status);
    if (!read->replay.found) {
        return WARD_OK;
    }
    if (memcmp(read->replay.digest, naming->digest, sizeof(naming->digest)) != 0) {
        return WARD_REFUSAL(
            WARD_E_INVALID,
            "request_id: was used for another request; one names one request for 24 "
            "hours");
    }
    struct ward_bytes message;
    WARD_TRY(read_head(request, read->replay.response, &message));
    WARD_TRY(naming->hooks->frame(request, message, &request->answer));
    request->replayed = true;
    ward_request_detail(request, "replayed", 1);
    return WARD_OK;
}

ward_status ward_replay_keep(struct ward_request *request)
{
    struct ward_naming *naming = request->naming;
    struct ward_bytes answer;
    WARD_TRY(naming->hooks->encode(request, &answer));
    WARD_ENSURE(answer.size >= naming->hooks->prefix, WARD_E_INTERNAL);
    size_t head = head_size(request->n_leaf_items), size = answer.size - naming->hooks->prefix;
    if (head + size > WARD_REPLAY_RESPONSE_MAX) {
        return WARD_REFUSAL(WARD_E_EXHAUSTED, "request_id: the answer is larger than 512 KiB and "
                                              "cannot be kept; ask for less at once");
    }
    uint8_t *kept = ward_arena_alloc(request->arena, head + size);
    WARD_ENSURE(kept != NULL, WARD_E_EXHAUSTED);
    write_head(request, kept);
    if (size > 0) {
        memcpy(kept + head, answer.data + naming->hooks->prefix, size);
    }
    naming->row = (struct ward_new_replay){.identity = ward_bytes_str(request->peer->identity),
                                           .request_id = request->request_id,
                                           .response = WARD_BYTES(kept, head + size),
                                           .created_us = request->received_wall_us};
    memcpy(naming->row.digest, naming->digest, sizeof(naming->digest));
    request->answer = answer;
    request->replay = &naming->row;
    return WARD_OK;
}
