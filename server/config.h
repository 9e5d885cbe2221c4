/* SPDX-License-Identifier: Apache-2.0 */
/* wardd's configuration: YAML, unknown keys refused, every fault with line and column. Relative
 * paths are relative to the file. deploy/config/wardd.yaml is its manual. */
#ifndef WARD_SERVER_CONFIG_H
#define WARD_SERVER_CONFIG_H

#include "base/log.h"
#include "base/wipe_alloc.h"
#include "policy/policy.h"
#include "server/net/settings.h"

struct ward_config {
    struct ward_arena *arena; /* all strings */
    const char *node;
    const char *listen;
    const char *metrics_listen; /* NULL: none */
    enum ward_log_level log_level;
    bool reflection; /* grpc.reflection.v1, for whom policy allows it */
    const char *tls_certificate, *tls_key, *tls_client_ca;
    const char *tls_client_crl; /* NULL: none */
    bool tls_1_2;               /* allowed beside 1.3 */
    struct ward_net_settings net;
    const char *database_conninfo;
    unsigned database_readers;
    const char *hsm_module, *hsm_token_label, *hsm_token_serial, *hsm_pin_file, *hsm_helper;
    unsigned hsm_workers, hsm_deadline_ms;
    bool hsm_working_copies;
    unsigned hsm_working_copies_max;
    bool hsm_wrap_proof;
    uint64_t wrap_soft_limit, wrap_hard_limit, wrap_block; /* as in server/work/budget.h */
    unsigned rewrap_share;                                 /* percent */
    const char *policy_genesis;
    uint8_t policy_genesis_sha256[32];
    bool adopt_database; /* from the command line: once, for one that nothing authenticates yet */
};

/* INVALID with error filled; UNAVAILABLE when the file cannot be read. helper: used when the file
 * names none. */
ward_status ward_config_load(const char *path, const char *helper, struct ward_config **ret,
                             struct ward_policy_error *error);
void ward_config_free(struct ward_config *config);

/* A whole file, at most max bytes, into the arena. */
ward_status ward_config_read_file(const char *path, size_t max, struct ward_arena *arena,
                                  struct ward_bytes *ret);

#endif
