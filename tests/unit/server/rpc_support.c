/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, operations and outputs without the rest of the daemon. */
#include "tests/unit/server/rpc_support.h"

#include "server/op/messages.h"
#include "server/replay.h"

const struct ward_op ward_op_generate, ward_op_unwrap, ward_op_data_key_rewrap;
const struct ward_op ward_op_key_create, ward_op_key_rotate, ward_op_key_describe, ward_op_key_list,
    ward_op_key_rewrap, ward_op_rewrap_progress, ward_op_key_rekey, ward_op_rekey_progress,
    ward_op_key_usage;
const struct ward_op ward_op_key_change, ward_op_key_disable, ward_op_key_enable,
    ward_op_key_suspend, ward_op_key_resume, ward_op_key_deactivate, ward_op_key_compromise,
    ward_op_key_schedule_destroy, ward_op_key_cancel_destroy;
const struct ward_op ward_op_record_put, ward_op_record_get;
const struct ward_op ward_op_approval_list, ward_op_approval_show, ward_op_approval_submit,
    ward_op_approval_approve, ward_op_approval_reject, ward_op_approval_withdraw,
    ward_op_approval_execute, ward_op_approval_review;
const struct ward_op ward_op_identity_revoke, ward_op_identity_unrevoke, ward_op_revocation_list;
const struct ward_op ward_op_emergency_open, ward_op_emergency_close, ward_op_emergency_list;
const struct ward_op ward_op_policy_show, ward_op_policy_list, ward_op_policy_apply;
const struct ward_op ward_op_diagnose;
const struct ward_op ward_op_audit_export, ward_op_audit_checkpoint, ward_op_log_key_rotate;

/* Nothing is answered twice here. */
ward_status ward_replay_name(struct ward_request *request, const struct ward_replay_hooks *hooks,
                             const void *message)
{
    (void)request;
    (void)hooks;
    (void)message;
    return WARD_OK;
}

ward_status ward_request_new(size_t budget, struct ward_request **ret)
{
    struct ward_arena *arena = NULL;
    WARD_TRY(ward_arena_new(budget, &arena));
    struct ward_request *request = WARD_ARENA_NEW(arena, struct ward_request);
    if (request == NULL) {
        ward_arena_free(arena);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    request->arena = arena;
    *ret = request;
    return WARD_OK;
}

void ward_request_free(struct ward_request *request)
{
    if (request != NULL) {
        ward_peer_unref(request->peer);
        ward_arena_free(request->arena);
    }
}

static struct ward_bytes filled(struct ward_request *request, size_t size, int byte)
{
    uint8_t *bytes = ward_arena_alloc(request->arena, size);
    if (bytes == NULL) {
        return (struct ward_bytes){0};
    }
    memset(bytes, byte, size);
    return WARD_BYTES(bytes, size);
}

static void generate(struct ward_request *request)
{
    struct ward_generate *in = request->in;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_generate_item *item = &in->items[i];
        if (ward_bytes_eq(item->key, WARD_BYTES_LITERAL("refused"))) {
            item->status = WARD_STATUS(WARD_E_DENIED);
        }
        if (!ward_ok(item->status)) {
            continue;
        }
        item->keys = WARD_ARENA_ARRAY(request->arena, struct ward_data_key, item->count);
        for (uint32_t k = 0; item->keys != NULL && k < item->count; k++) {
            item->keys[k].plaintext = filled(request, item->size, 'p');
            item->keys[k].wrapped = filled(request, 83, 'w');
        }
    }
}

static void unwrap(struct ward_request *request)
{
    struct ward_unwrap *in = request->in;
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].plaintext = filled(request, 32, 'p');
        in->items[i].key = WARD_BYTES_LITERAL("app/canned");
        in->items[i].version = 3;
    }
}

static void rewrap(struct ward_request *request)
{
    struct ward_data_key_rewrap *in = request->in;
    for (size_t i = 0; i < in->n; i++) {
        in->items[i].rewrapped = filled(request, 83, 'w');
        in->items[i].key = WARD_BYTES_LITERAL("app/canned");
        in->items[i].version = 4;
    }
}

static void get(struct ward_request *request)
{
    static const struct ward_record_field field = {WARD_BYTES_LITERAL("id"),
                                                   WARD_BYTES_LITERAL("\"1\"")};
    struct ward_get *in = request->in;
    for (size_t i = 0; i < in->n; i++) {
        struct ward_get_item *item = &in->items[i];
        item->version = 7;
        if (ward_bytes_eq(item->id, WARD_BYTES_LITERAL("large"))) {
            item->json = filled(request, 1024 * 1024, 'j');
        } else if (item->whole) {
            item->json = WARD_BYTES_LITERAL("{\"id\":\"1\"}");
        } else {
            item->values = (struct ward_record_field *)&field;
            item->n_values = 1;
        }
    }
}

static struct ward_key_view *key_view(struct ward_request *request, struct ward_bytes name)
{
    struct ward_key_view *key = WARD_ARENA_NEW(request->arena, struct ward_key_view);
    struct ward_key_version_view *version =
        WARD_ARENA_NEW(request->arena, struct ward_key_version_view);
    if (key == NULL || version == NULL) {
        return NULL;
    }
    *version = (struct ward_key_version_view){.version = 1, .state = 2, .created_us = 1};
    *key = (struct ward_key_view){.name = name,
                                  .backend = WARD_BYTES_LITERAL("pkcs11"),
                                  .purpose = 1,
                                  .enabled = true,
                                  .created_us = 1,
                                  .versions = version,
                                  .n_versions = 1};
    return key;
}

static void fill_proposal(struct ward_proposal_view *proposal)
{
    static struct ward_vote_view vote = {.identity = WARD_BYTES_LITERAL("spiffe://t/officer-b"),
                                         .signature = WARD_BYTES_LITERAL("s"),
                                         .decision = 1};
    *proposal = (struct ward_proposal_view){.payload = WARD_BYTES_LITERAL("{}"),
                                            .state = "open",
                                            .proposer = WARD_BYTES_LITERAL("spiffe://t/officer-a"),
                                            .approvals_needed = 1,
                                            .votes = &vote,
                                            .n_votes = 1};
}

static void key_outcome(struct ward_request *request, bool proposal)
{
    struct ward_key_outcome *out = request->out =
        WARD_ARENA_NEW(request->arena, struct ward_key_outcome);
    if (out == NULL) {
        return;
    }
    if (proposal) {
        out->proposal = WARD_ARENA_NEW(request->arena, struct ward_proposal_view);
        fill_proposal(out->proposal);
    } else {
        out->key = key_view(request, ((struct ward_key_create *)request->in)->name);
    }
}

static void lists(struct ward_request *request)
{
    static const struct ward_bytes leaf = WARD_BYTES_LITERAL("{\"seq\":0}");
    if (request->op == &ward_op_key_list) {
        struct ward_key_list *in = request->in;
        in->keys = key_view(request, WARD_BYTES_LITERAL("app/canned"));
        in->n = 1;
    } else if (request->op == &ward_op_approval_list) {
        struct ward_approval_list *in = request->in;
        in->proposals = WARD_ARENA_NEW(request->arena, struct ward_proposal_view);
        fill_proposal(in->proposals);
        in->n = 1;
    } else if (request->op == &ward_op_revocation_list) {
        static const struct ward_store_revocation revocation = {
            .kind = 1, .value = WARD_BYTES_LITERAL("spiffe://t/app"), .created_us = 1};
        struct ward_revocation_list *in = request->in;
        in->revocations = &revocation;
        in->n = 1;
    } else if (request->op == &ward_op_policy_show) {
        ((struct ward_policy_show *)request->in)->policy =
            (struct ward_store_policy){.version = 3, .text = WARD_BYTES_LITERAL("version: 1\n")};
    } else if (request->op == &ward_op_policy_list) {
        static const struct ward_store_policy versions[] = {{.version = 3},
                                                            {.version = 2, .ceased_us = 1}};
        struct ward_policy_list *in = request->in;
        in->policies = versions;
        in->n = 2;
        in->next_before = 2;
    } else if (request->op == &ward_op_audit_export) {
        struct ward_audit_export *in = request->in;
        in->leaves = &leaf;
        in->n = in->start < in->end;
    } else {
        ((struct ward_audit_checkpoint *)request->in)->note = WARD_BYTES_LITERAL("note\n");
    }
}

void canned_answer(struct ward_request *request)
{
    if (request->op == &ward_op_generate) {
        generate(request);
    } else if (request->op == &ward_op_unwrap) {
        unwrap(request);
    } else if (request->op == &ward_op_data_key_rewrap) {
        rewrap(request);
    } else if (request->op == &ward_op_identity_revoke ||
               request->op == &ward_op_identity_unrevoke) {
        struct ward_identity_change *in = request->in;
        in->proposal = WARD_ARENA_NEW(request->arena, struct ward_proposal_view);
        fill_proposal(in->proposal);
    } else if (request->op == &ward_op_log_key_rotate) {
        struct ward_log_key_rotate *in = request->in;
        in->proposal = WARD_ARENA_NEW(request->arena, struct ward_proposal_view);
        fill_proposal(in->proposal);
    } else if (request->op == &ward_op_policy_apply) {
        struct ward_policy_apply *in = request->in;
        in->proposal = WARD_ARENA_NEW(request->arena, struct ward_proposal_view);
        fill_proposal(in->proposal);
    } else if (request->op == &ward_op_record_put) {
        struct ward_put *in = request->in;
        for (size_t i = 0; i < in->n; i++) {
            in->items[i].version = 1;
        }
    } else if (request->op == &ward_op_record_get) {
        get(request);
    } else if (request->op == &ward_op_key_create || request->op == &ward_op_key_rotate) {
        key_outcome(request, request->op == &ward_op_key_rotate);
    } else if (request->op == &ward_op_key_describe) {
        struct ward_key_describe *in = request->in;
        in->key = *key_view(request, in->name);
    } else if (request->op == &ward_op_key_rewrap || request->op == &ward_op_rewrap_progress ||
               request->op == &ward_op_rekey_progress) {
        ((struct ward_key_job *)request->in)->job = (struct ward_job_view){
            .state = "running", .version = 2, .total = 10, .done = 4, .created_us = 1};
    } else if (request->op == &ward_op_key_rekey) {
        ((struct ward_key_rekey *)request->in)->job =
            (struct ward_job_view){.state = "running", .version = 1, .total = 10, .created_us = 1};
    } else if (request->op == &ward_op_key_usage) {
        struct ward_key_usage *in = request->in;
        in->versions = WARD_ARENA_NEW(request->arena, struct ward_version_usage);
        in->n_versions = in->versions != NULL;
    } else if (request->op == &ward_op_approval_show || request->op == &ward_op_approval_submit ||
               request->op == &ward_op_approval_approve ||
               request->op == &ward_op_approval_reject ||
               request->op == &ward_op_approval_withdraw ||
               request->op == &ward_op_approval_execute ||
               request->op == &ward_op_approval_review) {
        fill_proposal(&((struct ward_approval *)request->in)->proposal);
    } else {
        lists(request);
    }
}
