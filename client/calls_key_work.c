/* SPDX-License-Identifier: Apache-2.0 */
/* The Keys service: the rewrap of a key's stored rows, the rekey of its records, and what a key was
 * used for. */
#include "client/client.h"
#include "client/key_job_view.h"
#include "client/proposal_view.h"
#include "ward/v1/keys.pb-c.h"

struct job {
    ward_key_job view; /* first: what the caller holds */
    struct ward_arena *arena;
};

struct usage {
    ward_key_usage view; /* first */
    ward_key_job rewrap, rekey;
    struct ward_arena *arena;
};

void ward_key_job_free(ward_key_job *job)
{
    if (job != NULL) {
        ward_arena_free(((struct job *)job)->arena); /* job lies in it */
    }
}

void ward_key_usage_free(ward_key_usage *use)
{
    if (use != NULL) {
        ward_arena_free(((struct usage *)use)->arena);
    }
}

ward_key_job ward_key_job_view(const Ward__V1__KeyJob *from)
{
    if (from == NULL) {
        return (ward_key_job){.state = "none", .started = "", .ended = ""};
    }
    return (ward_key_job){.state = from->state,
                          .version = from->version,
                          .total = from->total,
                          .done = from->done,
                          .failed = from->failed,
                          .left = from->left,
                          .rows_per_second = from->rows_per_second,
                          .started = from->started,
                          .ended = from->ended,
                          .owed_for = from->owed_for};
}

static ward_rc take_job(struct ward_arena *arena, const Ward__V1__KeyJob *from, ward_key_job **ret,
                        ward_error *error)
{
    struct job *job = WARD_ARENA_NEW(arena, struct job);
    if (job == NULL) {
        return ward_error_memory(error);
    }
    if (from == NULL) {
        return ward_error_set(error, WARD_RC_INTERNAL, "the daemon's answer holds no job");
    }
    job->arena = arena;
    job->view = ward_key_job_view(from);
    *ret = &job->view;
    return WARD_RC_OK;
}

ward_rc ward_rewrap_key(ward_client *client, const ward_call *call, const char *name,
                        ward_key_job **ret, ward_error *error)
{
    /* Asking twice does no more than asking once. */
    static const struct ward_method method = {"/ward.v1.Keys/RewrapKey", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__RewrapKeyRequest request = WARD__V1__REWRAP_KEY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rewrap_key_response__descriptor, arena, &message,
                                     error));
    WARD_CLIENT_TRY(
        take_job(arena, ((const Ward__V1__RewrapKeyResponse *)message)->job, ret, error));
    arena = NULL; /* the job's now */
    return WARD_RC_OK;
}

ward_rc ward_rewrap_progress(ward_client *client, const ward_call *call, const char *name,
                             ward_key_job **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/RewrapProgress", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__RewrapProgressRequest request = WARD__V1__REWRAP_PROGRESS_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rewrap_progress_response__descriptor, arena,
                                     &message, error));
    WARD_CLIENT_TRY(
        take_job(arena, ((const Ward__V1__RewrapProgressResponse *)message)->job, ret, error));
    arena = NULL; /* the job's now */
    return WARD_RC_OK;
}

static const ward_collection_rows *const *take_collections(struct ward_arena *arena,
                                                           const Ward__V1__KeyVersionUsage *from)
{
    size_t n = from->n_collections;
    ward_collection_rows *rows = WARD_ARENA_ARRAY(arena, ward_collection_rows, n);
    const ward_collection_rows **pointers =
        WARD_ARENA_ARRAY(arena, const ward_collection_rows *, n);
    for (size_t i = 0; rows != NULL && pointers != NULL && i < n; i++) {
        rows[i] =
            (ward_collection_rows){from->collections[i]->collection, from->collections[i]->rows};
        pointers[i] = &rows[i];
    }
    return rows == NULL ? NULL : pointers;
}

/* The job, or what waits for approval. */
static ward_rc take_rekey(struct ward_arena *arena, const Ward__V1__RekeyKeyResponse *from,
                          ward_key_job **ret, ward_error *error)
{
    if (from->outcome_case != WARD__V1__REKEY_KEY_RESPONSE__OUTCOME_PROPOSAL) {
        bool runs = from->outcome_case == WARD__V1__REKEY_KEY_RESPONSE__OUTCOME_JOB;
        return take_job(arena, runs ? from->job : NULL, ret, error);
    }
    struct job *job = WARD_ARENA_NEW(arena, struct job);
    if (job == NULL) {
        return ward_error_memory(error);
    }
    job->arena = arena;
    job->view = ward_key_job_view(NULL);
    job->view.proposal = ward_proposal_view(arena, from->proposal);
    if (job->view.proposal == NULL) {
        return ward_error_memory(error);
    }
    *ret = &job->view;
    return WARD_RC_OK;
}

ward_rc ward_rekey_key(ward_client *client, const ward_call *call, const char *name,
                       ward_key_job **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/RekeyKey", false};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__RekeyKeyRequest request = WARD__V1__REKEY_KEY_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rekey_key_response__descriptor, arena, &message,
                                     error));
    WARD_CLIENT_TRY(take_rekey(arena, (const Ward__V1__RekeyKeyResponse *)message, ret, error));
    arena = NULL; /* the job's now */
    return WARD_RC_OK;
}

ward_rc ward_rekey_progress(ward_client *client, const ward_call *call, const char *name,
                            ward_key_job **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/RekeyProgress", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__RekeyProgressRequest request = WARD__V1__REKEY_PROGRESS_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__rekey_progress_response__descriptor, arena,
                                     &message, error));
    WARD_CLIENT_TRY(
        take_job(arena, ((const Ward__V1__RekeyProgressResponse *)message)->job, ret, error));
    arena = NULL; /* the job's now */
    return WARD_RC_OK;
}

static ward_rc take_use(struct ward_arena *arena, const Ward__V1__KeyUsageResponse *from,
                        ward_key_usage **ret, ward_error *error)
{
    size_t n = from->n_versions;
    struct usage *usage = WARD_ARENA_NEW(arena, struct usage);
    ward_key_version_usage *versions = WARD_ARENA_ARRAY(arena, ward_key_version_usage, n);
    const ward_key_version_usage **pointers =
        WARD_ARENA_ARRAY(arena, const ward_key_version_usage *, n);
    if (usage == NULL || versions == NULL || pointers == NULL) {
        return ward_error_memory(error);
    }
    for (size_t i = 0; i < n; i++) {
        const Ward__V1__KeyVersionUsage *version = from->versions[i];
        versions[i] = (ward_key_version_usage){.version = version->version,
                                               .state = version->state,
                                               .created = version->created,
                                               .issued = version->issued,
                                               .opened = version->opened,
                                               .last_opened = version->last_opened,
                                               .rows = version->rows,
                                               .wraps = version->wraps,
                                               .wraps_left = version->wraps_left,
                                               .age_days = version->age_days,
                                               .collections = take_collections(arena, version),
                                               .n_collections = version->n_collections};
        if (versions[i].collections == NULL) {
            return ward_error_memory(error);
        }
        pointers[i] = &versions[i];
    }
    usage->arena = arena;
    usage->rewrap = ward_key_job_view(from->rewrap);
    usage->rekey = ward_key_job_view(from->rekey);
    usage->view = (ward_key_usage){.name = from->name,
                                   .rotation_period_days = from->rotation_period_days,
                                   .next_rotation = from->next_rotation,
                                   .versions = pointers,
                                   .n_versions = n,
                                   .rewrap = &usage->rewrap,
                                   .rekey = &usage->rekey};
    *ret = &usage->view;
    return WARD_RC_OK;
}

ward_rc ward_get_key_usage(ward_client *client, const ward_call *call, const char *name,
                           ward_key_usage **ret, ward_error *error)
{
    static const struct ward_method method = {"/ward.v1.Keys/KeyUsage", true};
    ward_auto(ward_arena_freep) struct ward_arena *arena = NULL;
    WARD_CLIENT_TRY(ward_message_arena(&arena, error));
    Ward__V1__KeyUsageRequest request = WARD__V1__KEY_USAGE_REQUEST__INIT;
    request.header = ward_message_header(arena, call);
    request.name = ward_message_text(name);
    ProtobufCMessage *message = NULL;
    WARD_CLIENT_TRY(ward_client_call(client, &method, call, &request.base,
                                     &ward__v1__key_usage_response__descriptor, arena, &message,
                                     error));
    WARD_CLIENT_TRY(take_use(arena, (const Ward__V1__KeyUsageResponse *)message, ret, error));
    arena = NULL; /* the view's now */
    return WARD_RC_OK;
}
