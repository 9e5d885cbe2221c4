/* SPDX-License-Identifier: Apache-2.0 */
/* Whose certificates an auditor believes: those that a CA issued, or those that he was given. */
#ifndef WARD_CLIENT_CLI_APPROVAL_TRUST_H
#define WARD_CLIENT_CLI_APPROVAL_TRUST_H

#include "base/bytes.h"

struct cli_authorities;
struct cli_certificates;

/* pem: one CA certificate or more. False when there is none, or one that does not parse. */
bool cli_authorities_new(struct ward_bytes pem, struct cli_authorities **ret);
void cli_authorities_free(struct cli_authorities *authorities);
/* Did one of them issue this client's certificate (DER), valid at that wall time? */
bool cli_authorities_issued(const struct cli_authorities *authorities, struct ward_bytes der,
                            int64_t at_us);

/* *certificates: NULL at first, and freed by the caller in any case. pem: as above. */
bool cli_certificates_add(struct ward_bytes pem, struct cli_certificates **certificates);
void cli_certificates_free(struct cli_certificates *certificates);
/* This very certificate. */
bool cli_certificates_have(const struct cli_certificates *certificates, struct ward_bytes der);

#endif
