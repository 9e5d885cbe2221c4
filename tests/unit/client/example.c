/* SPDX-License-Identifier: Apache-2.0 */
/* What an application has: the installed header, C11 and the shared library, and nothing of ours.
 */
#include <stdio.h>

#include <ward/ward.h>

int main(void)
{
    ward_error error;
    ward_client *client = NULL;
    ward_config *config = ward_config_new();
    if (config == NULL || ward_client_new(config, &client, &error) != WARD_RC_INVALID_ARGUMENT) {
        return 1;
    }
    printf("libward %s: %s (%s)\n", ward_version(), error.message, ward_rc_name(error.code));
    ward_config_free(config);
    ward_client_free(client);
    ward_data_keys_free(NULL);
    ward_records_free(NULL);
    ward_proposals_free(NULL);
    ward_keys_free(NULL);
    ward_leaves_free(NULL);
    ward_checkpoint_info_free(NULL);
    return 0;
}
