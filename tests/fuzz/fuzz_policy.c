/* SPDX-License-Identifier: Apache-2.0 */
/* Policy files: refused with a place and a reason, or a policy that decides. */
#include <string.h>

#include "policy/decide.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ward_policy *policy = NULL;
    struct ward_policy_error error = {0};
    ward_status status = ward_policy_parse(WARD_BYTES(data, size), &policy, &error);
    if (!ward_ok(status)) {
        FUZZ_CHECK(policy == NULL && memchr(error.text, '\0', sizeof(error.text)) != NULL);
        return 0;
    }
    struct ward_bytes identity = WARD_BYTES_LITERAL("spiffe://test.ward/app");
    const struct ward_decide_pair pair = {WARD_BYTES_LITERAL("purpose"),
                                          WARD_BYTES_LITERAL("TREAT")};
    for (int action = 0; action < WARD_ACTION_COUNT; action++) {
        const struct ward_decide_in in = {.subject = ward_policy_subject(policy, identity),
                                          .action = (enum ward_action)action,
                                          .object = WARD_BYTES_LITERAL("app/demo"),
                                          .context = &pair,
                                          .n_context = 1};
        struct ward_decision decision = ward_decide(policy, &in);
        FUZZ_CHECK(decision.rule != NULL && decision.allowed == ward_ok(decision.status));
        FUZZ_CHECK(in.subject != NULL || !decision.allowed);
    }
    ward_policy_unref(policy);
    return 0;
}
