/* SPDX-License-Identifier: Apache-2.0 */
/* The Audit service and the health check. What comes back is not believed here: `ward audit verify`
 * checks it without this library. */
#include "client/client.h"
#include "client/proposal_view.h"
#include "grpc/health/v1/health.pb-c.h"
#include "ward/v1/audit.pb-c.h"

struct leaves {
    ward_leaves view; /* first: what the caller holds */
    struct ward_arena *arena;
};

struct checkpoint {
    ward_checkpoint_info view; /* first */
    struct ward_arena *arena;
};

void ward_leaves_free(ward_leaves *leaves)
{
    if (leaves != NULL) {
        ward_arena_free(((struct leaves *)leaves)->arena); /* leaves lies in it */
    }
}

void ward_checkpoint_info_free(ward_checkpoint_info *checkpoint)
{
    if (checkpoint != NULL) {
        ward_arena_free(((struct checkpoint *)checkpoint)->arena); /* checkpoint lies in it */
    }
}

ward_rc ward_audit_export(ward_client *client, const ward_call *call, uint64_t start, uint64_t end,
                          ward_leaves **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Audit/Export", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__ExportRequest request = WARD__V1__EXPORT_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.start = start;
    request.end = end;
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__export_response__descriptor, arena, &message,
                                     error));
    const Ward__V1__ExportResponse *answer = (const Ward__V1__ExportResponse *)message;
    struct leaves *leaves = WARD_ARENA_NEW(arena, struct leaves);
    ward_leaf_data *items = WARD_ARENA_ARRAY(arena, ward_leaf_data, answer->n_leaves);
    if (leaves == NULL || items == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < answer->n_leaves; i++) {
        items[i] = (ward_leaf_data){answer->leaves[i].data, answer->leaves[i].len};
    }
    *leaves = (struct leaves){.view = {items, answer->n_leaves}, .arena = WARD_TAKE(arena)};
    *ret = &leaves->view;
    return WARD_RC_OK;
}

ward_rc ward_audit_checkpoint(ward_client *client, const ward_call *call,
                              ward_checkpoint_info **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Audit/Checkpoint", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__CheckpointRequest request = WARD__V1__CHECKPOINT_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__checkpoint_response__descriptor, arena, &message,
                                     error));
    const Ward__V1__CheckpointResponse *answer = (const Ward__V1__CheckpointResponse *)message;
    struct checkpoint *checkpoint = WARD_ARENA_NEW(arena, struct checkpoint);
    if (checkpoint == NULL) {
        return ward_error_memory(error);
    }
    *checkpoint = (struct checkpoint){
        .view = {answer->note, answer->vkey, (const char *const *)answer->handovers,
                 answer->n_handovers, answer->passed_over, answer->n_passed_over},
        .arena = WARD_TAKE(arena)};
    *ret = &checkpoint->view;
    return WARD_RC_OK;
}

ward_rc ward_rotate_log_key(ward_client *client, const ward_call *call, ward_proposals **ret,
                            ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Audit/RotateLogKey", false};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__RotateLogKeyRequest request = WARD__V1__ROTATE_LOG_KEY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rotate_log_key_response__descriptor, arena,
                                     &message, error));
    Ward__V1__Proposal *proposal = ((const Ward__V1__RotateLogKeyResponse *)message)->proposal;
    return ward_proposals_of(WARD_TAKE(arena), proposal, ret, error);
}

ward_rc ward_check_health(ward_client *client, const ward_call *call, int *serving,
                          ward_error *error)
{
    static const struct ward_method method = {"/grpc.health.v1.Health/Check", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &grpc__health__v1__health_check_response__descriptor, arena,
                                     &message, error));
    *serving = ((const Grpc__Health__V1__HealthCheckResponse *)message)->status ==
               GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return WARD_RC_OK;
}
