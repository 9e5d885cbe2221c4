/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Emergencies: access in an emergency. What it must say about itself is asked for here:
 * a reason that says something, and for whom. */
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"
#include "ward/v1/emergencies.pb-c.h"

#define CONTEXT_OF(message) ((const struct ward_map_entry *const *)(const void *)(message)->context)

static ward_status fill(struct ward_arena *arena, const struct ward_emergency_view *from,
                        Ward__V1__Emergency *out)
{
    const struct ward_store_emergency *row = &from->row;
    ward__v1__emergency__init(out);
    WARD_TRY(ward_fields_id(arena, &row->id, &out->id));
    WARD_TRY(ward_fields_text(arena, row->identity, &out->identity));
    WARD_TRY(ward_fields_text(arena, row->collection, &out->collection));
    ward_fields_put(&out->subject_hash, WARD_BYTES_ARRAY(row->subject_hash));
    WARD_TRY(ward_fields_time(arena, row->opened_us, &out->opened));
    WARD_TRY(ward_fields_time(arena, row->expires_us, &out->expires));
    if (row->closed_us != 0 && row->closed_us < row->expires_us) {
        WARD_TRY(ward_fields_time(arena, row->closed_us, &out->closed));
    }
    out->open = from->open;
    out->reviewed = row->reviewed;
    return WARD_OK;
}

static ward_status make(struct ward_arena *arena, const struct ward_emergency_view *from,
                        Ward__V1__Emergency **ret)
{
    *ret = WARD_ARENA_NEW(arena, Ward__V1__Emergency);
    WARD_ENSURE(*ret != NULL, WARD_E_EXHAUSTED);
    return fill(arena, from, *ret);
}

/* ---- open ---- */

ward_status ward_emergency_open_decode(struct ward_request *request,
                                       const ProtobufCMessage *message)
{
    const Ward__V1__OpenEmergencyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    WARD_REQUIRE(request->reason.size >= WARD_EMERGENCY_REASON_MIN,
                 "reason: shorter than 10 bytes; say why");
    WARD_REQUIRE(request->on_behalf_of.size > 0, "on_behalf_of: empty; say for whom");
    struct ward_emergency_open *in = WARD_ARENA_NEW(request->arena, struct ward_emergency_open);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->collection = ward_bytes_str(from->collection);
    in->subject = ward_bytes_str(from->subject);
    WARD_REQUIRE_TEXT(in->collection, "collection", 128);
    WARD_REQUIRE_TEXT(in->subject, "subject", 128);
    WARD_REQUIRE(from->minutes > 0, "minutes: 0");
    in->minutes = from->minutes;
    WARD_TRY(ward_fields_context(request->arena, CONTEXT_OF(from), from->n_context, &in->context));
    request->in = in;
    request->context = &in->context;
    return WARD_OK;
}

ward_status ward_emergency_open_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_emergency_open *in = request->in;
    Ward__V1__OpenEmergencyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__OpenEmergencyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__open_emergency_response__init(response);
    *ret = &response->base;
    return make(request->arena, &in->emergency, &response->emergency);
}

/* ---- close ---- */

ward_status ward_emergency_close_decode(struct ward_request *request,
                                        const ProtobufCMessage *message)
{
    const Ward__V1__CloseEmergencyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    struct ward_emergency_close *in = WARD_ARENA_NEW(request->arena, struct ward_emergency_close);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    WARD_REQUIRE(ward_id_parse(ward_bytes_str(from->id), &in->id), "id: not a UUID");
    request->in = in;
    return WARD_OK;
}

ward_status ward_emergency_close_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_emergency_close *in = request->in;
    Ward__V1__CloseEmergencyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__CloseEmergencyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__close_emergency_response__init(response);
    *ret = &response->base;
    return make(request->arena, &in->emergency, &response->emergency);
}

/* ---- list ---- */

ward_status ward_emergency_list_decode(struct ward_request *request,
                                       const ProtobufCMessage *message)
{
    const Ward__V1__ListEmergenciesRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_emergency_list *in = WARD_ARENA_NEW(request->arena, struct ward_emergency_list);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    WARD_REQUIRE(from->page_size <= WARD_PAGE_SIZE_MAX, "page_size: more than 1000");
    in->page_size = from->page_size == 0 ? WARD_PAGE_SIZE_DEFAULT : from->page_size;
    in->page_token = ward_bytes_str(from->page_token);
    in->open = from->open != 0;
    in->unreviewed = from->unreviewed != 0;
    request->in = in;
    return WARD_OK;
}

ward_status ward_emergency_list_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_emergency_list *in = request->in;
    Ward__V1__ListEmergenciesResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__ListEmergenciesResponse);
    Ward__V1__Emergency **pointers = WARD_ARENA_ARRAY(request->arena, Ward__V1__Emergency *, in->n);
    WARD_ENSURE(response != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__list_emergencies_response__init(response);
    for (size_t i = 0; i < in->n; i++) {
        WARD_TRY(make(request->arena, &in->emergencies[i], &pointers[i]));
    }
    response->emergencies = pointers;
    response->n_emergencies = in->n;
    *ret = &response->base;
    return ward_fields_text(request->arena, in->next_page_token, &response->next_page_token);
}
