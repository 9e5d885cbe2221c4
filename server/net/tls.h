/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3, or 1.2 where it is allowed, with a certificate on both sides, ALPN "h2", no tickets and
 * no resumption: one context, which reload replaces, and the few calls on a connection. Plaintext
 * stays in the caller's memory; OpenSSL wipes what it decrypted. */
#ifndef WARD_SERVER_NET_TLS_H
#define WARD_SERVER_NET_TLS_H

#include <openssl/ssl.h>

#include "base/bytes.h"
#include "base/status.h"
#include "server/net/endings.h"

struct ward_tls_files {
    const char *certificate_file, *key_file, *client_ca_file; /* PEM */
    const char *client_crl_file; /* PEM; a list of every CA in a client's chain; NULL: none */
    bool tls_1_2;                /* with ECDHE and an AEAD only */
};

struct ward_tls;

/* INVALID with a refusal text: "certificate_file: not a readable PEM chain", "key_file: not a
 * readable PEM key", "key_file: not the key of certificate_file", "client_ca_file: not readable PEM
 * certificates", "client_crl_file: not readable PEM revocation lists". */
ward_status ward_tls_new(const struct ward_tls_files *files, struct ward_tls **ret);
void ward_tls_free(struct ward_tls *tls);
/* The same files read anew, as a context of its own that nobody uses yet. INVALID as above. */
ward_status ward_tls_again(const struct ward_tls *tls, struct ward_tls **ret);
/* What take_fresh read is in force from now on; it is freed. Any thread. It cannot fail, so that
 * what else has to change with it can be made ready first. */
void ward_tls_replace(struct ward_tls *tls, struct ward_tls *take_fresh);
/* UTC, microseconds: when the first of the revocation lists is out of date, and handshakes are
 * refused; INT64_MAX without lists. */
int64_t ward_tls_crl_end_us(struct ward_tls *tls);
/* When our own certificate ends. */
int64_t ward_tls_certificate_end_us(struct ward_tls *tls);
/* Of all that is in force, our own chain, the CAs of clients and their lists. Any thread. */
void ward_tls_endings(struct ward_tls *tls, struct ward_endings *ret);

enum ward_tls_result {
    WARD_TLS_DONE,
    WARD_TLS_WANT_READ,
    WARD_TLS_WANT_WRITE,
    WARD_TLS_CLOSED, /* the peer said goodbye */
    WARD_TLS_FAILED,
};

enum ward_tls_fault { /* of a handshake, as far as an operator can do something about it */
                      WARD_TLS_FAULT_OTHER,
                      WARD_TLS_FAULT_REVOKED,
                      WARD_TLS_FAULT_CRL_EXPIRED,
                      WARD_TLS_FAULT_CRL_MISSING, /* there is none of the certificate's CA */
};

/* Any thread. The descriptor stays the caller's. NULL when memory is out. */
SSL *ward_tls_session(struct ward_tls *tls, int fd, unsigned *ret_generation);
/* Why the handshake failed. */
enum ward_tls_fault ward_tls_fault(const SSL *session);
/* Would the peer be let in under the files that are in force now? Verifies again only when
 * *generation is not theirs, and sets it. Lists that are out of date still revoke whom they name,
 * and end nobody else's connection. */
bool ward_tls_trusts(struct ward_tls *tls, const SSL *session, unsigned *generation);
/* The peer has said anything at all. */
bool ward_tls_heard(SSL *session);
/* FAILED too when the peer did not agree to h2. */
enum ward_tls_result ward_tls_handshake(SSL *session);
enum ward_tls_result ward_tls_read(SSL *session, uint8_t *out, size_t size, size_t *ret_size);
/* DONE with *ret_size > 0, perhaps less than all. After WANT_* the same bytes must come again. */
enum ward_tls_result ward_tls_write(SSL *session, struct ward_bytes bytes, size_t *ret_size);
/* Bytes that were read from the socket and wait inside. */
bool ward_tls_pending(const SSL *session);
/* A busy session keeps its buffers between reads. One that is not gives them back each time, which
 * wipes all of their 16 KiB: dear, but only where thousands are idle is memory dearer. New ones are
 * not busy. */
void ward_tls_busy(SSL *session, bool busy);
/* Sends close_notify, if it can at once, and frees. NULL is fine. */
void ward_tls_session_free(SSL *session, bool say_goodbye);

/* The peer's leaf certificate, which lives as long as the session, and the time after which it is
 * not valid: UTC, microseconds. */
ward_status ward_tls_peer(const SSL *session, X509 **ret_certificate, int64_t *ret_not_after_us);

#endif
