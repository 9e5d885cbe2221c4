/* SPDX-License-Identifier: Apache-2.0 */
/* Reads back what the HSM says of every KEK version that is in use: at start and hourly. One that
 * is missing, or whose attributes are not those that Ward gave it, is named in the entry and no
 * longer used, on every daemon that sees it, until the attributes are right again. */
#include "server/work/attestation.h"
#include "server/op/op.h"
#include "server/op/system.h"
#include "server/work/worker.h"

static ward_status decide(struct ward_request *request)
{
    ward_request_detail(request, "keys", (int64_t)request->state->n_keys);
    return WARD_OK;
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    const struct ward_attest *in = request->in;
    size_t bad = 0;
    WARD_TRY(ward_attestation_check(in->attestation, worker->session, request->state, &bad));
    ward_request_detail(request, "not_as_made", (int64_t)bad);
    return WARD_OK;
}

const struct ward_op ward_op_attest = {
    .action = WARD_ACTION_SYSTEM_ATTEST,
    .decide = decide,
    .steps = {{.finish = finish}},
    .n_steps = 1,
};
