/* SPDX-License-Identifier: Apache-2.0 */
/* ward.v1.Keys: what is done with keys' rows, and what keys were used for. */
#include "policy/key_state.h"
#include "server/rpc/fields.h"
#include "server/rpc/method.h"
#include "server/rpc/replay_digest.h"

#define DAY_US (24LL * 3600 * 1000000)

/* Empty for a time that has not been. */
static ward_status fill_time(struct ward_arena *arena, int64_t wall_us, char **ret)
{
    return wall_us == 0 ? WARD_OK : ward_fields_time(arena, wall_us, ret);
}

ward_status ward_fields_job(struct ward_arena *arena, const struct ward_job_view *view,
                            Ward__V1__KeyJob **ret)
{
    Ward__V1__KeyJob *job = WARD_ARENA_NEW(arena, Ward__V1__KeyJob);
    WARD_ENSURE(job != NULL, WARD_E_EXHAUSTED);
    ward__v1__key_job__init(job);
    job->state = (char *)(view->state == NULL ? "none" : view->state); /* constant, only read */
    job->version = view->version;
    job->total = view->total;
    job->done = view->done;
    job->failed = view->failed;
    job->left = view->left;
    job->rows_per_second = view->rate;
    job->owed_for = view->owed_for;
    WARD_TRY(fill_time(arena, view->created_us, &job->started));
    WARD_TRY(fill_time(arena, view->ended_us, &job->ended));
    *ret = job;
    return WARD_OK;
}

/* ---- rewrap ---- */

static ward_status take_name(struct ward_request *request, const char *name)
{
    struct ward_key_job *in = WARD_ARENA_NEW(request->arena, struct ward_key_job);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    request->in = in;
    return WARD_OK;
}

ward_status ward_key_rewrap_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__RewrapKeyRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    return take_name(request, from->name);
}

ward_status ward_key_rewrap_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_job *in = request->in;
    Ward__V1__RewrapKeyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RewrapKeyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__rewrap_key_response__init(response);
    *ret = &response->base;
    return ward_fields_job(request->arena, &in->job, &response->job);
}

ward_status ward_rewrap_progress_decode(struct ward_request *request,
                                        const ProtobufCMessage *message)
{
    const Ward__V1__RewrapProgressRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    return take_name(request, from->name);
}

ward_status ward_rewrap_progress_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_job *in = request->in;
    Ward__V1__RewrapProgressResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RewrapProgressResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__rewrap_progress_response__init(response);
    *ret = &response->base;
    return ward_fields_job(request->arena, &in->job, &response->job);
}

/* ---- rekey ---- */

ward_status ward_key_rekey_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__RekeyKeyRequest *from = (const void *)message;
    WARD_TRY(ward_replay_header(request, from->header, message));
    struct ward_key_rekey *in = WARD_ARENA_NEW(request->arena, struct ward_key_rekey);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(from->name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    request->in = in;
    return WARD_OK;
}

ward_status ward_key_rekey_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_rekey *in = request->in;
    Ward__V1__RekeyKeyResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RekeyKeyResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__rekey_key_response__init(response);
    *ret = &response->base;
    if (in->proposal != NULL) {
        response->outcome_case = WARD__V1__REKEY_KEY_RESPONSE__OUTCOME_PROPOSAL;
        return ward_fields_proposal(request->arena, in->proposal, &response->proposal);
    }
    response->outcome_case = WARD__V1__REKEY_KEY_RESPONSE__OUTCOME_JOB;
    return ward_fields_job(request->arena, &in->job, &response->job);
}

ward_status ward_rekey_progress_decode(struct ward_request *request,
                                       const ProtobufCMessage *message)
{
    const Ward__V1__RekeyProgressRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    return take_name(request, from->name);
}

ward_status ward_rekey_progress_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_job *in = request->in;
    Ward__V1__RekeyProgressResponse *response =
        WARD_ARENA_NEW(request->arena, Ward__V1__RekeyProgressResponse);
    WARD_ENSURE(response != NULL, WARD_E_EXHAUSTED);
    ward__v1__rekey_progress_response__init(response);
    *ret = &response->base;
    return ward_fields_job(request->arena, &in->job, &response->job);
}

/* ---- usage ---- */

ward_status ward_key_usage_decode(struct ward_request *request, const ProtobufCMessage *message)
{
    const Ward__V1__KeyUsageRequest *from = (const void *)message;
    WARD_TRY(ward_fields_header(request, from->header));
    struct ward_key_usage *in = WARD_ARENA_NEW(request->arena, struct ward_key_usage);
    WARD_ENSURE(in != NULL, WARD_E_EXHAUSTED);
    in->name = ward_bytes_str(from->name);
    WARD_REQUIRE_TEXT(in->name, "name", 128);
    request->in = in;
    return WARD_OK;
}

static ward_status fill_collections(struct ward_arena *arena, const struct ward_version_usage *view,
                                    Ward__V1__KeyVersionUsage *out)
{
    Ward__V1__KeyCollectionRows *rows =
        WARD_ARENA_ARRAY(arena, Ward__V1__KeyCollectionRows, view->n_held);
    out->collections = WARD_ARENA_ARRAY(arena, Ward__V1__KeyCollectionRows *, view->n_held);
    WARD_ENSURE(rows != NULL && out->collections != NULL, WARD_E_EXHAUSTED);
    out->n_collections = view->n_held;
    for (size_t i = 0; i < view->n_held; i++) {
        ward__v1__key_collection_rows__init(&rows[i]);
        WARD_TRY(ward_fields_text(arena, view->held[i].collection, &rows[i].collection));
        rows[i].rows = view->held[i].rows;
        out->collections[i] = &rows[i];
    }
    return WARD_OK;
}

static ward_status fill_usage(struct ward_arena *arena, const struct ward_version_usage *view,
                              int64_t now_us, Ward__V1__KeyVersionUsage *out)
{
    ward__v1__key_version_usage__init(out);
    out->version = view->version;
    out->state = (char *)ward_key_state_name((enum ward_key_state)view->state);
    out->issued = view->issued;
    out->opened = view->opened;
    out->rows = view->rows;
    out->wraps = view->wraps;
    out->wraps_left = view->wraps_left;
    int64_t age = now_us - view->created_us;
    out->age_days = age < 0 ? 0 : (uint32_t)(age / DAY_US);
    WARD_TRY(fill_collections(arena, view, out));
    WARD_TRY(fill_time(arena, view->last_opened_us, &out->last_opened));
    return ward_fields_time(arena, view->created_us, &out->created);
}

ward_status ward_key_usage_encode(struct ward_request *request, const ProtobufCMessage **ret)
{
    const struct ward_key_usage *in = request->in;
    struct ward_arena *arena = request->arena;
    Ward__V1__KeyUsageResponse *response = WARD_ARENA_NEW(arena, Ward__V1__KeyUsageResponse);
    Ward__V1__KeyVersionUsage *versions =
        WARD_ARENA_ARRAY(arena, Ward__V1__KeyVersionUsage, in->n_versions);
    Ward__V1__KeyVersionUsage **pointers =
        WARD_ARENA_ARRAY(arena, Ward__V1__KeyVersionUsage *, in->n_versions);
    WARD_ENSURE(response != NULL && versions != NULL && pointers != NULL, WARD_E_EXHAUSTED);
    ward__v1__key_usage_response__init(response);
    WARD_TRY(ward_fields_text(arena, in->name, &response->name));
    response->purpose = (Ward__V1__KeyPurpose)in->purpose;
    response->rotation_period_days = in->period_days;
    WARD_TRY(fill_time(arena, in->next_rotation_us, &response->next_rotation));
    WARD_TRY(ward_fields_job(arena, &in->rewrap, &response->rewrap));
    WARD_TRY(ward_fields_job(arena, &in->rekey, &response->rekey));
    for (size_t i = 0; i < in->n_versions; i++) {
        WARD_TRY(fill_usage(arena, &in->versions[i], in->now_us, &versions[i]));
        pointers[i] = &versions[i];
    }
    response->versions = pointers;
    response->n_versions = in->n_versions;
    *ret = &response->base;
    return WARD_OK;
}
