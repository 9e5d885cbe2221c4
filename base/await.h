/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for an answer that is due within microseconds: awake at first, asleep when it is late.
 * To be woken costs 20 to 100 us where an idle core has gone to sleep, most of all in a virtual
 * machine, whose core has to be given back first; a call to Ward waits for its HSM and for
 * PostgreSQL in turn, and so pays it twice. */
#ifndef WARD_BASE_AWAIT_H
#define WARD_BASE_AWAIT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define WARD_AWAKE_US 500 /* a commit on a local disk is over by then */
#define WARD_AWAKE_FEW 4

/* What the waits for one peer have shown; zeroed means nothing yet. One thread's at a time. */
struct ward_await {
    uint8_t late;   /* rises with answers that came later than WARD_AWAKE_US */
    uint8_t asleep; /* waits to come that are slept through from the start */
    bool many;      /* set by who waits: for more than WARD_AWAKE_FEW answers */
};

/* poll(2) of one descriptor, with its result and errno. The core is given to whoever can run
 * meanwhile, and where somebody did the rest is slept through: a core in use need not be woken.
 * Many answers are waited for asleep, whose work is long against being woken. Who answers late is
 * soon waited for asleep, but for one wait in 64; await NULL: always. */
int ward_await(struct ward_await *await, struct pollfd *what, int timeout_ms);

#endif
