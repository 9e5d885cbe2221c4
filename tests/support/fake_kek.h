/* SPDX-License-Identifier: Apache-2.0 */
/* A KEK backend in memory for tests: real AES-256-GCM under keys whose values are known, real
 * Ed25519, and a list of things that can go wrong. No secret of anybody is in it. */
#ifndef WARD_TESTS_SUPPORT_FAKE_KEK_H
#define WARD_TESTS_SUPPORT_FAKE_KEK_H

#include "backends/kek.h"

ward_status fake_kek_open(struct ward_kek **ret);

/* Flips one bit in the blob of every n-th wrap (rewraps too), before the proof opens it; 0: never.
 * Counting starts anew. */
void fake_kek_flip_every(struct ward_kek *kek, unsigned n);
/* How many wraps were damaged since. */
unsigned fake_kek_flipped(struct ward_kek *kek);

enum fake_kek_fault {
    FAKE_KEK_FINE,
    FAKE_KEK_AWAY,         /* every call says UNAVAILABLE, nothing is done */
    FAKE_KEK_ITEMS_AWAY,   /* run goes through, but each item is UNAVAILABLE */
    FAKE_KEK_CREATE_AWAY,  /* create says UNAVAILABLE; everything else works */
    FAKE_KEK_CREATE_DOUBT, /* create makes the key and says UNAVAILABLE */
    FAKE_KEK_CREATE_WEAK,  /* new keys are extractable */
};
void fake_kek_set_fault(struct ward_kek *kek, enum fake_kek_fault fault);
/* How long each crossing takes. */
void fake_kek_set_delay_us(struct ward_kek *kek, unsigned us);

unsigned fake_kek_crossings(struct ward_kek *kek);
/* How often a session was told to forget a key. */
unsigned fake_kek_forgotten(struct ward_kek *kek);
bool fake_kek_has(struct ward_kek *kek, const struct ward_kek_ref *ref);
/* As if somebody had deleted the object in the token. */
void fake_kek_forget(struct ward_kek *kek, const struct ward_kek_ref *ref);
/* As if somebody had made it extractable, or taken that back. */
void fake_kek_set_weak(struct ward_kek *kek, const struct ward_kek_ref *ref, bool weak);
/* KEKs in the token, without signing keys. */
size_t fake_kek_objects(struct ward_kek *kek);

#endif
