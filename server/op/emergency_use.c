/* SPDX-License-Identifier: Apache-2.0 */
/* What an open emergency lets its holder do. It costs nothing where the caller has none. */
#include "server/op/emergency.h"
#include "server/op/record.h"

bool ward_emergency_purpose(const struct ward_context *context)
{
    for (size_t i = 0; context != NULL && i < context->n; i++) {
        if (ward_bytes_eq(context->pairs[i].key, WARD_BYTES_LITERAL("purpose"))) {
            return ward_bytes_eq(context->pairs[i].value,
                                 WARD_BYTES_LITERAL(WARD_EMERGENCY_PURPOSE));
        }
    }
    return false;
}

bool ward_emergency_is_open(const struct ward_store_emergency *emergency, int64_t now_us)
{
    return emergency->closed_us == 0 && now_us < emergency->expires_us;
}

/* The subject's keyed hash in the emergency's own collection is its subject's. */
static ward_status is_about(const struct ward_request *request,
                            const struct ward_store_emergency *emergency, struct ward_bytes subject,
                            bool *ret)
{
    uint8_t hash[WARD_HASH_SIZE];
    ward_auto(ward_digest_freep) struct ward_digest *digest = NULL;
    WARD_TRY(ward_digest_new(&digest));
    WARD_TRY(ward_record_subject_hash(request->state->index, digest, emergency->collection, subject,
                                      hash));
    *ret = memcmp(hash, emergency->subject_hash, sizeof(hash)) == 0;
    return WARD_OK;
}

static bool holds(const struct ward_request *request, const struct ward_store_emergency *emergency,
                  const struct ward_context *context, const struct ward_emergency_place *place)
{
    bool about = false;
    return ward_emergency_is_open(emergency, request->received_wall_us) &&
           (place->collection.size == 0 ||
            ward_bytes_eq(place->collection, emergency->collection)) &&
           ward_request_ask(request, WARD_ACTION_EMERGENCY_OPEN, emergency->collection, context)
               .allowed &&
           ward_ok(is_about(request, emergency, place->subject, &about)) && about;
}

static const struct ward_store_emergency *find(const struct ward_request *request,
                                               const struct ward_context *context,
                                               const struct ward_emergency_place *place)
{
    const struct ward_state *state = request->state;
    if (state->n_emergencies == 0 || request->peer == NULL || place->subject.size == 0 ||
        !ward_emergency_purpose(context)) {
        return NULL;
    }
    struct ward_bytes identity = ward_bytes_str(request->peer->identity);
    for (size_t i = 0; i < state->n_emergencies; i++) {
        const struct ward_store_emergency *emergency = &state->emergencies[i];
        if (ward_bytes_eq(emergency->identity, identity) &&
            holds(request, emergency, context, place)) {
            return emergency;
        }
    }
    return NULL;
}

bool ward_emergency_covers(const struct ward_request *request, const struct ward_context *context,
                           const struct ward_emergency_place *place)
{
    return find(request, context, place) != NULL;
}

/* One entry may name several: "emergency" lists them, each once. */
static ward_status tell(struct ward_request *request, const struct ward_id *id)
{
    char text[WARD_ID_TEXT_SIZE];
    ward_id_print(id, text);
    struct ward_bytes one = ward_bytes_str(text), all;
    for (size_t i = 0; i < request->n_detail; i++) {
        struct ward_leaf_pair *pair = &request->detail[i];
        if (strcmp(pair->name, "emergency") != 0) {
            continue;
        }
        if (memmem(pair->text.data, pair->text.size, one.data, one.size) != NULL) {
            return WARD_OK;
        }
        char *joined = ward_arena_printf(request->arena, "%.*s %s", (int)pair->text.size,
                                         (const char *)pair->text.data, text);
        WARD_ENSURE(joined != NULL, WARD_E_EXHAUSTED);
        pair->text = ward_bytes_str(joined);
        return WARD_OK;
    }
    WARD_TRY(ward_arena_copy(request->arena, one, &all));
    ward_request_detail_text(request, "emergency", all);
    return WARD_OK;
}

struct ward_decision ward_emergency_ask(struct ward_request *request, enum ward_action action,
                                        struct ward_bytes object,
                                        const struct ward_context *context,
                                        const struct ward_asked_fields *fields,
                                        const struct ward_emergency_place *place)
{
    struct ward_decision decision =
        ward_request_ask_fields(request, action, object, context, fields);
    if (decision.status.code != WARD_E_DENIED) {
        return decision;
    }
    const struct ward_store_emergency *emergency = find(request, context, place);
    if (emergency == NULL) {
        return decision;
    }
    struct ward_asked_fields with = *fields;
    with.emergency = true;
    struct ward_decision in_emergency =
        ward_request_ask_fields(request, action, object, context, &with);
    if (!in_emergency.allowed) {
        return decision;
    }
    in_emergency.status = tell(request, &emergency->id);
    in_emergency.allowed = ward_ok(in_emergency.status);
    return in_emergency;
}
