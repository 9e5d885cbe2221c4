/* SPDX-License-Identifier: Apache-2.0 */
/* What several services' messages share: texts with their limits, the header, contexts, pages, keys
 * and proposals. All memory is the request's arena. */
#ifndef WARD_SERVER_RPC_FIELDS_H
#define WARD_SERVER_RPC_FIELDS_H

#include "proto/wire_limits.h"
#include "server/op/messages.h"
#include "server/request.h"
#include "ward/v1/common.pb-c.h"
#include "ward/v1/keys.pb-c.h"

/* A text of 1 to `max` bytes; `max` a plain number, so that it can stand in the refusal. */
#define WARD_REQUIRE_TEXT(bytes, name, max)                                                   \
    do {                                                                                      \
        WARD_REQUIRE((bytes).size > 0, name ": empty");                                       \
        WARD_REQUIRE((bytes).size <= (max), name ": longer than " WARD_STRING(max) " bytes"); \
    } while (0)
_Static_assert(WARD_NAME_MAX == 128 && WARD_REQUEST_ID_MAX == 64 && WARD_ON_BEHALF_OF_MAX == 128 &&
                   WARD_REASON_MAX == 256 && WARD_SIGNATURE_MAX == 512 &&
                   WARD_PAGE_SIZE_MAX == 1000 && WARD_RECORD_FIELDS_MAX == 256 &&
                   WARD_BATCH_ITEMS_MAX == 1000 && WARD_RECORD_JSON_MAX == 1024 * 1024,
               "refusal texts name these numbers");

/* protobuf-c's layout of every map<string, string>'s entry. */
struct ward_map_entry {
    ProtobufCMessage base;
    char *key, *value;
};

ward_status ward_fields_header(struct ward_request *request, const Ward__V1__RequestHeader *header);
/* entries: the generated array of pointers, cast. */
ward_status ward_fields_context(struct ward_arena *arena,
                                const struct ward_map_entry *const *entries, size_t n,
                                struct ward_context *ret);
ward_status ward_fields_page(uint32_t page_size, const char *token, uint32_t *ret_size,
                             struct ward_bytes *ret_token);
ward_status ward_fields_items(size_t n);

static inline struct ward_bytes ward_fields_bytes(const ProtobufCBinaryData *data)
{
    return (struct ward_bytes){data->data, data->len};
}
static inline void ward_fields_put(ProtobufCBinaryData *out, struct ward_bytes bytes)
{
    out->data = (uint8_t *)bytes.data;
    out->len = bytes.size;
}

/* For answers: EXHAUSTED when the arena is spent. */
ward_status ward_fields_text(struct ward_arena *arena, struct ward_bytes bytes, char **ret);
ward_status ward_fields_time(struct ward_arena *arena, int64_t wall_us, char **ret);
ward_status ward_fields_id(struct ward_arena *arena, const struct ward_id *id, char **ret);
/* Item i's refusal, of at most WARD_ITEM_ERROR_MAX bytes: "policy: field not allowed: birthDate
 * (action record.get, rule desk/names)". refused: the field that it is about, as the caller named
 * it, or empty. NULL in *ret when the status is OK. */
ward_status ward_fields_item_error(const struct ward_request *request, size_t i, ward_status status,
                                   struct ward_bytes refused, Ward__V1__ItemError **ret);
ward_status ward_fields_key(struct ward_arena *arena, const struct ward_key_view *view,
                            Ward__V1__Key **ret);
ward_status ward_fields_job(struct ward_arena *arena, const struct ward_job_view *view,
                            Ward__V1__KeyJob **ret);
ward_status ward_fields_proposal(struct ward_arena *arena, const struct ward_proposal_view *view,
                                 Ward__V1__Proposal **ret);

#endif
