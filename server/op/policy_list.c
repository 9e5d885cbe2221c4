/* SPDX-License-Identifier: Apache-2.0 */
/* ListPolicies: every version that was ever in force, newest first, with its times and the proposal
 * that brought it. */
#include "server/op/drafting.h"

static ward_status decide(struct ward_request *request)
{
    return ward_drafting_ask(request, (struct ward_bytes){0});
}

static ward_status read_all(struct ward_request *request, struct ward_digest *digest)
{
    (void)digest;
    struct ward_read *read;
    return ward_request_add_read(request, WARD_READ_POLICIES, &read);
}

static ward_status finish(struct ward_request *request, struct ward_worker *worker)
{
    (void)worker;
    struct ward_policy_list *in = request->in;
    const struct ward_read *read = request->reads[0];
    WARD_TRY(read->status);
    struct ward_store_policy *page =
        WARD_ARENA_ARRAY(request->arena, struct ward_store_policy, in->page_size);
    WARD_ENSURE(page != NULL, WARD_E_EXHAUSTED);
    in->n = 0;
    in->next_before = 0;
    for (size_t i = read->policies.n; i > 0; i--) {
        const struct ward_store_policy *version = &read->policies.policies[i - 1];
        if (in->before > 0 && version->version >= in->before) {
            continue;
        }
        if (in->n == in->page_size) {
            in->next_before = page[in->n - 1].version;
            break;
        }
        page[in->n++] = *version;
    }
    in->policies = page;
    ward_request_detail(request, "policies", (int64_t)in->n);
    return WARD_OK;
}

const struct ward_op ward_op_policy_list = {
    .action = WARD_ACTION_POLICY_SHOW,
    .decide = decide,
    .steps = {{.read = read_all, .finish = finish}},
    .n_steps = 1,
};
