/* SPDX-License-Identifier: Apache-2.0 */
/* The Emergencies service. The purpose of an emergency is always the same one, and is set here. */
#include "client/client.h"
#include "ward/v1/emergencies.pb-c.h"

#define SHA256_SIZE 32

struct emergencies {
    ward_emergencies view; /* first: what the caller holds */
    struct ward_arena *arena;
};

void ward_emergencies_free(ward_emergencies *emergencies)
{
    if (emergencies != NULL) {
        ward_arena_free(((struct emergencies *)emergencies)->arena); /* it lies in it */
    }
}

static bool view_of(struct ward_arena *arena, const Ward__V1__Emergency *from,
                    ward_emergency_info *ret)
{
    char *hex = ward_arena_alloc(arena, 2 * SHA256_SIZE + 1);
    if (hex == NULL) {
        return false;
    }
    hex[0] = 0;
    if (from->subject_hash.len == SHA256_SIZE) {
        ward_hex_encode(WARD_BYTES(from->subject_hash.data, SHA256_SIZE), hex);
    }
    *ret = (ward_emergency_info){.id = from->id,
                                 .identity = from->identity,
                                 .collection = from->collection,
                                 .subject_hash = hex,
                                 .opened = from->opened,
                                 .expires = from->expires,
                                 .closed = from->closed,
                                 .open = from->open != 0,
                                 .reviewed = from->reviewed != 0};
    return true;
}

/* The items lie in the arena, which the result takes. */
static ward_rc take(struct ward_arena **take_arena, Ward__V1__Emergency **from, size_t n,
                    const char *next_page, ward_emergencies **ret, ward_error *error)
{
    struct ward_arena *arena = *take_arena;
    struct emergencies *emergencies = WARD_ARENA_NEW(arena, struct emergencies);
    ward_emergency_info *items = WARD_ARENA_ARRAY(arena, ward_emergency_info, n);
    const ward_emergency_info **pointers = WARD_ARENA_ARRAY(arena, const ward_emergency_info *, n);
    bool good = emergencies != NULL && items != NULL && pointers != NULL;
    for (size_t i = 0; i < n && good; i++) {
        good = view_of(arena, from[i], &items[i]);
        pointers[i] = &items[i];
    }
    if (!good) {
        return ward_error_memory(error);
    }
    emergencies->view = (ward_emergencies){pointers, n, next_page};
    emergencies->arena = WARD_TAKE(*take_arena);
    *ret = &emergencies->view;
    return WARD_RC_OK;
}

static ward_rc take_one(struct ward_arena **take_arena, Ward__V1__Emergency *from,
                        ward_emergencies **ret, ward_error *error)
{
    if (from == NULL) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon answered without an emergency");
    }
    return take(take_arena, &from, 1, "", ret, error);
}

ward_rc ward_open_emergency(ward_client *client, const ward_call *call, const char *collection,
                            const char *subject, uint32_t minutes, ward_emergencies **ret,
                            ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Emergencies/Open", false};
    const ward_pair purpose = {"purpose", "ETREAT"};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__OpenEmergencyRequest request = WARD__V1__OPEN_EMERGENCY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.collection = ward_message_text(collection);
    request.subject = ward_message_text(subject);
    request.minutes = minutes;
    WARD_MESSAGE_CONTEXT(arena, Ward__V1__OpenEmergencyRequest__ContextEntry,
                         WARD__V1__OPEN_EMERGENCY_REQUEST__CONTEXT_ENTRY__INIT, &purpose, 1,
                         &request.context);
    if (request.context == NULL) {
        return ward_error_memory(error);
    }
    request.n_context = 1;
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__open_emergency_response__descriptor, arena,
                                     &message, error));
    return take_one(&arena, ((const Ward__V1__OpenEmergencyResponse *)message)->emergency, ret,
                    error);
}

ward_rc ward_close_emergency(ward_client *client, const ward_call *call, const char *id,
                             ward_emergencies **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Emergencies/Close", false};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__CloseEmergencyRequest request = WARD__V1__CLOSE_EMERGENCY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.id = ward_message_text(id);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__close_emergency_response__descriptor, arena,
                                     &message, error));
    return take_one(&arena, ((const Ward__V1__CloseEmergencyResponse *)message)->emergency, ret,
                    error);
}

ward_rc ward_list_emergencies(ward_client *client, const ward_call *call, int open, int unreviewed,
                              uint32_t page_size, const char *page, ward_emergencies **ret,
                              ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Emergencies/List", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__ListEmergenciesRequest request = WARD__V1__LIST_EMERGENCIES_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.open = open != 0;
    request.unreviewed = unreviewed != 0;
    request.page_size = page_size;
    request.page_token = ward_message_text(page);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__list_emergencies_response__descriptor, arena,
                                     &message, error));
    const Ward__V1__ListEmergenciesResponse *answer = (const void *)message;
    return take(&arena, answer->emergencies, answer->n_emergencies, answer->next_page_token, ret,
                error);
}
