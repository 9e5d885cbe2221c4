/* SPDX-License-Identifier: Apache-2.0 */
/* ShowPolicy: one version as it was put in force, or what a proposal would put in force. Nothing of
 * it is believed by whom it is shown to: text and hash are compared there. */
#include "server/op/drafting.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    return ward_drafting_ask(request, (struct ward_bytes){0});
}

static ward_status read_text(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    const struct ward_policy_show *in = request->in;
    struct ward_read *read;
    if (in->of_proposal) {
        char id[WARD_ID_TEXT_SIZE];
        ward_id_print(&in->proposal, id);
        char *object = ward_arena_printf(request->arena, "proposal:%s", id);
        WARD_ENSURE(object != NULL, WARD_E_EXHAUSTED);
        request->object = ward_bytes_str(object);
        WARD_TRY(ward_request_add_read(request, WARD_READ_PROPOSAL, &read));
        read->proposal.id = in->proposal;
        return WARD_OK;
    }
    WARD_TRY(ward_request_add_read(request, WARD_READ_POLICY, &read));
    read->policy.version = in->version;
    return WARD_OK;
}

static ward_status take_proposed(const struct ward_read *read, struct ward_worker *worker,
                                 struct ward_policy_show *in)
{
    const struct ward_store_proposal *stored = &read->proposal.proposal;
    if (read->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "proposal: no such proposal");
    }
    WARD_TRY(read->status);
    if (stored->attachment.size == 0) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "proposal: it is not of a policy");
    }
    in->policy = (struct ward_store_policy){
        .text = stored->attachment, .proposal = stored->id, .created_us = stored->created_us};
    return ward_sha256(worker->crypto.digest, &stored->attachment, 1, in->policy.hash);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    struct ward_policy_show *in = request->in;
    const struct ward_read *read = request->reads[0];
    if (in->of_proposal) {
        return take_proposed(read, worker, in);
    }
    if (read->status.code == WARD_E_NOT_FOUND) {
        return WARD_REFUSAL(WARD_E_NOT_FOUND, "version: no such version");
    }
    WARD_TRY(read->status);
    in->policy = read->policy.policy;
    char *object = ward_arena_printf(request->arena, "policy#%u", in->policy.version);
    WARD_ENSURE(object != NULL, WARD_E_EXHAUSTED);
    request->object = ward_bytes_str(object);
    return WARD_OK;
}

const struct ward_op ward_op_policy_show = {
    .action = WARD_ACTION_POLICY_SHOW,
    .decide = decide,
    .steps = {{.read = read_text, .finish = finish}},
    .n_steps = 1,
};
