/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody must hear of at once: a line in the operator's log that begins with ALARM, and a
 * counter to alert on. An operation sets its request's alarm; it is raised when the request's rows
 * are durable, and for no request that failed. */
#ifndef WARD_SERVER_ALARM_H
#define WARD_SERVER_ALARM_H

#include <stdatomic.h>

#include "base/buffer.h"

/* X(ENUM, "kind", "what is logged") */
#define WARD_ALARMS(X)                                                                           \
    X(EMERGENCY, "emergency", "ALARM emergency access opened")                                   \
    X(COMPROMISE, "compromise", "ALARM a key version is said to be compromised")                 \
    X(CLOCK, "clock",                                                                            \
      "ALARM this daemon's clock differs from the database's: no key version is destroyed")      \
    X(CERTIFICATE, "certificate",                                                                \
      "ALARM the daemon's certificate ends: put a new chain in tls.certificate, with its key, "  \
      "and send SIGHUP")                                                                         \
    X(CLIENT_CA, "client_ca",                                                                    \
      "ALARM a CA of clients ends, and whom it vouches for is not let in from then on: add its " \
      "successor to tls.client_ca, certify its clients anew, and send SIGHUP")                   \
    X(CLIENT_CRL, "client_crl",                                                                  \
      "ALARM a revocation list ends, and nobody is let in from then on: put a newer one in "     \
      "tls.client_crl and send SIGHUP")                                                          \
    X(SHARED, "shared_certificate",                                                              \
      "ALARM a client certificate is in use from two addresses at once: revoke it if its key "   \
      "may be stolen, and give each instance a certificate of its own")                          \
    X(SHARED_OFFICER, "shared_officer_certificate",                                              \
      "ALARM the certificate of an officer, auditor or administrator is in use from two "        \
      "addresses at once: ask its owner now, and revoke it unless both places are theirs")

enum ward_alarm {
    WARD_ALARM_NONE,
#define WARD_ALARM_ENUM(e, kind, text) WARD_ALARM_##e,
    WARD_ALARMS(WARD_ALARM_ENUM)
#undef WARD_ALARM_ENUM
        WARD_ALARM_COUNT
};

struct ward_alarms {
    atomic_ullong raised[WARD_ALARM_COUNT];
};

/* NONE: nothing happens. Any thread. who: the identity of its certificate; of: a key version, a
 * proposal or a certificate, never a patient. Both may be NULL. */
void ward_alarm_raise(struct ward_alarms *alarms, enum ward_alarm alarm, const char *who,
                      const char *of);
/* Constant. */
const char *ward_alarm_kind(enum ward_alarm alarm);
const char *ward_alarm_text(enum ward_alarm alarm);
/* ward_alarms_total, one line a kind. */
void ward_alarms_write(const struct ward_alarms *alarms, struct ward_buffer *out);

#endif
