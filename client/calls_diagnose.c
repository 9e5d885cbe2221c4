/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnose: findings as they came, in the answer's own memory. */
#include "client/client.h"
#include "ward/v1/admin.pb-c.h"

struct findings {
    ward_findings view; /* first: what the caller holds */
    struct ward_arena *arena;
};

void ward_findings_free(ward_findings *findings)
{
    if (findings != NULL) {
        ward_arena_free(((struct findings *)findings)->arena); /* it lies in it */
    }
}

static ward_rc take(const Ward__V1__DiagnoseResponse *answer, struct ward_arena *arena,
                    ward_findings *ret, ward_error *error)
{
    size_t n = answer->n_findings;
    ward_finding_info *items = WARD_ARENA_ARRAY(arena, ward_finding_info, n);
    const ward_finding_info **pointers = WARD_ARENA_ARRAY(arena, const ward_finding_info *, n);
    if (items == NULL || pointers == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        const Ward__V1__Finding *from = answer->findings[i];
        items[i] = (ward_finding_info){
            .check = from->check, .level = from->level, .text = from->text, .advice = from->advice};
        pointers[i] = &items[i];
    }
    *ret = (ward_findings){.items = pointers, .n = n, .left_out = answer->left_out};
    return WARD_RC_OK;
}

ward_rc ward_diagnose(ward_client *client, const ward_call *call, ward_findings **ret,
                      ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Admin/Diagnose", true};
    *ret = NULL;
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    struct findings *findings = WARD_ARENA_NEW(arena, struct findings);
    if (findings == NULL) {
        return ward_error_memory(error);
    }
    Ward__V1__DiagnoseRequest request = WARD__V1__DIAGNOSE_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__diagnose_response__descriptor, arena, &message,
                                     error));
    WARD_CLIENT_TRY(
        take((const Ward__V1__DiagnoseResponse *)message, arena, &findings->view, error));
    findings->arena = WARD_TAKE(arena);
    *ret = &findings->view;
    return WARD_RC_OK;
}
