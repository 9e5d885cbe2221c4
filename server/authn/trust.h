/* SPDX-License-Identifier: Apache-2.0 */
/* The CAs that vouch for clients, outside of TLS: a certificate that comes out of the database,
 * with a vote, is held against them again. Any thread. */
#ifndef WARD_SERVER_AUTHN_TRUST_H
#define WARD_SERVER_AUTHN_TRUST_H

#include "base/bytes.h"
#include "base/status.h"

struct ward_trust;

/* pem: one or more CA certificates. lists: PEM revocation lists, one of every CA in a chain; data
 * NULL: none are looked at. INVALID when there is no CA, or something does not parse. */
ward_status ward_trust_new(struct ward_bytes pem, struct ward_bytes lists, struct ward_trust **ret);
void ward_trust_free(struct ward_trust *trust);
/* The CAs and lists of take_fresh, which is freed, from now on. It cannot fail, so that what else
 * has to change with them can be made ready first. */
void ward_trust_replace(struct ward_trust *trust, struct ward_trust *take_fresh);
/* OK when the certificate (DER) is a client's, valid now, one of the CAs issued it and none revoked
 * it; DENIED otherwise, and when trust is NULL. A list that is out of date still revokes. */
ward_status ward_trust_check(struct ward_trust *trust, struct ward_bytes der);
/* The same, but valid at another time: wall time, microseconds. Lists are not looked at. */
ward_status ward_trust_check_at(struct ward_trust *trust, struct ward_bytes der, int64_t at_us);

#endif
