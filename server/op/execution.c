/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what can be proposed. An action that is not in it is never run on votes, whatever a
 * payload says. It knows no vote and no row. */
#include "server/op/execution.h"

static const struct {
    enum ward_action action;
    const struct ward_execution *execution;
} executions[] = {
    {WARD_ACTION_KEY_CREATE, &ward_execution_key},
    {WARD_ACTION_KEY_ROTATE, &ward_execution_key},
    {WARD_ACTION_KEY_CHANGE, &ward_execution_key_state},
    {WARD_ACTION_KEY_DISABLE, &ward_execution_key_state},
    {WARD_ACTION_KEY_ENABLE, &ward_execution_key_state},
    {WARD_ACTION_KEY_SUSPEND, &ward_execution_key_state},
    {WARD_ACTION_KEY_RESUME, &ward_execution_key_state},
    {WARD_ACTION_KEY_DEACTIVATE, &ward_execution_key_state},
    {WARD_ACTION_KEY_COMPROMISE, &ward_execution_key_state},
    {WARD_ACTION_KEY_DESTROY, &ward_execution_key_state},
    {WARD_ACTION_KEY_CANCEL_DESTROY, &ward_execution_key_state},
    {WARD_ACTION_KEY_REKEY, &ward_execution_rekey},
    {WARD_ACTION_POLICY_APPLY, &ward_execution_policy},
    {WARD_ACTION_IDENTITY_REVOKE, &ward_execution_revocation},
    {WARD_ACTION_IDENTITY_UNREVOKE, &ward_execution_revocation},
    {WARD_ACTION_LOG_KEY_ROTATE, &ward_execution_log_key},
};

ward_status ward_execution_find(struct ward_bytes action, const struct ward_execution **ret)
{
    enum ward_action found;
    WARD_ENSURE(ward_action_find(action, &found), WARD_E_STATE);
    for (size_t i = 0; i < sizeof(executions) / sizeof(executions[0]); i++) {
        if (executions[i].action == found) {
            *ret = executions[i].execution;
            return WARD_OK;
        }
    }
    WARD_FAIL(WARD_E_STATE);
}
