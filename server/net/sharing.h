/* SPDX-License-Identifier: Apache-2.0 */
/* One client certificate in two places at once: its key was copied, by a thief or for convenience.
 * It is noticed and told, and nobody is refused for it. Two places are two addresses of IPv4, or
 * two /64 of IPv6, of open connections. An address of IPv4 and one of IPv6 may be one host's, and
 * are not held against each other.
 *
 *   A is open   B comes, with A's certificate, from elsewhere   A's peer is heard: both are in use
 *   ----------- ----------------------------------------------- --------------------------------
 *               A is suspected, and asked by a ping             told, once an hour at most
 *
 * A peer that moved to another address leaves a connection behind that is never heard again, and of
 * which nothing is told.
 *
 * Other daemons see other connections. What was heard here is taken from time to time to be told to
 * them, and what they say is held against it by the same rules. Nobody is asked by a ping for it.
 * Any thread. */
#ifndef WARD_SERVER_NET_SHARING_H
#define WARD_SERVER_NET_SHARING_H

#include <stdatomic.h>

#include "base/status.h"
#include "server/net/address.h"
#include "server/net/shared.h"

struct ward_sharing;

/* A connection's part, zeroed at first; it stays where it is until it has left. */
struct ward_sharing_place {
    struct ward_sharing_place *next, **at; /* at NULL: it did not enter */
    const uint8_t *certificate;
    const char *identity;
    struct ward_ip ip, other;     /* other: from where the certificate was used as well */
    int64_t entered_us, noted_us; /* noted: what was heard until then is told, or to be told */
    atomic_int_fast64_t heard_us;
    int64_t since_us; /* other came */
    bool asked;
    atomic_bool suspected;
};

/* one_source: networks, each of which counts as one place; they outlive it. */
ward_status ward_sharing_new(const struct ward_cidr *one_source, size_t n,
                             struct ward_sharing **ret);
void ward_sharing_free(struct ward_sharing *sharing);

/* The certificate's SHA-256 and the identity live as long as the connection does. now_us here and
 * below: monotonic. */
void ward_sharing_enter(struct ward_sharing *sharing, struct ward_sharing_place *place,
                        const uint8_t certificate[static 32], const char *identity,
                        const struct ward_ip *ip, int64_t now_us);
/* heard_us: when the connection's peer was heard last. True, once for a suspicion: ask it for a
 * sign of life. */
bool ward_sharing_tick(struct ward_sharing *sharing, struct ward_sharing_place *place,
                       int64_t heard_us, int64_t now_us);
void ward_sharing_leave(struct ward_sharing *sharing, struct ward_sharing_place *place);

/* What was heard since the last time, connections that have left among it; how many. */
size_t ward_sharing_heard(struct ward_sharing *sharing,
                          struct ward_sighting out[static WARD_SIGHTINGS_MAX]);
/* Another daemon heard the certificate from elsewhere at the same time. earlier: it came there
 * before it came here. */
void ward_sharing_elsewhere(struct ward_sharing *sharing, const struct ward_sighting *here,
                            const struct ward_ip *other, bool earlier, int64_t now_us);

/* Those that nobody was told of yet; how many. */
size_t ward_sharing_untold(struct ward_sharing *sharing, struct ward_shared *out, size_t max);
void ward_sharing_told(struct ward_sharing *sharing, const uint8_t certificate[static 32]);
/* All that were found in this time. */
size_t ward_sharing_since(struct ward_sharing *sharing, int64_t since_us, struct ward_shared *out,
                          size_t max);

#endif
