/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections each address has: nobody may take them all. And which addresses gave trouble
 * just now: a handshake costs a millisecond, and who is thrown out must not spend them at our
 * expense as fast as it can connect. But behind one address there may be many, and a balancer that
 * looks whether we live: where peers that have proven who they are have connections open, it takes
 * as many strikes more until the address waits, WARD_STRIKES_FREE at most. That is less in two
 * seconds than an address that waits gets through. IPv6 counts by /64, since whoever has one
 * address there has them all. Thread-safe; times are microseconds of the monotonic clock. */
#ifndef WARD_SERVER_NET_CALLERS_H
#define WARD_SERVER_NET_CALLERS_H

#include "base/status.h"
#include "server/net/address.h"

#define WARD_STRIKES_FREE 4

struct ward_callers;

/* max_each: an address' connections. */
ward_status ward_callers_new(size_t max_each, struct ward_callers **ret);
void ward_callers_free(struct ward_callers *callers);
/* False when the address has its share already, or memory is out. True: give it back once. */
bool ward_callers_take(struct ward_callers *callers, const struct ward_ip *ip);
void ward_callers_give(struct ward_callers *callers, const struct ward_ip *ip);
/* One that was taken has proven who it is; before it is given back, once: it is over. */
void ward_callers_prove(struct ward_callers *callers, const struct ward_ip *ip);
void ward_callers_unprove(struct ward_callers *callers, const struct ward_ip *ip);
/* A connection of that address failed in its handshake, or was thrown out for what it sent. */
void ward_callers_strike(struct ward_callers *callers, const struct ward_ip *ip, int64_t now_us);
/* How long a new connection of that address waits before its handshake; 0 for nearly all. */
int64_t ward_callers_pause(struct ward_callers *callers, const struct ward_ip *ip, int64_t now_us);

#endif
