/* SPDX-License-Identifier: Apache-2.0 */
/* KEK objects: found by CKA_ID (id, then version, big-endian), never by slot, label or a kept
 * handle. */
#ifndef WARD_BACKENDS_PKCS11_OBJECT_H
#define WARD_BACKENDS_PKCS11_OBJECT_H

#include "backends/pkcs11/session.h"

#define WARD_OBJECT_ID_SIZE 20

/* Lists the token's AES keys once, so that a first use need not search. */
ward_status ward_object_enumerate(struct ward_hsm *hsm);
/* The handle to encrypt and decrypt with: the working copy where there is one. A key is read back
 * and proven before its first use, and its token object is looked at again every second. NOT_FOUND:
 * the token is there, the key is not. INTERNAL: the key must not be used. UNAVAILABLE: the token is
 * away. */
ward_status ward_object_use(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                            CK_OBJECT_HANDLE *ret);
/* Drops what is known of the key, and its working copy. */
void ward_object_forget(struct ward_hsm *hsm, const struct ward_ring_ref *ref);
/* Looks at some token objects whose copies are held, when there is nothing else to do: a copy
 * outlives its key, and must not. */
void ward_object_sweep(struct ward_hsm *hsm);

/* See ward_kek_ops. */
ward_status ward_object_create(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                               struct ward_bytes label);
ward_status ward_object_destroy(struct ward_hsm *hsm, const struct ward_ring_ref *ref);
/* Writes at most `room` bytes of struct ward_ring_object. */
ward_status ward_object_list(struct ward_hsm *hsm, uint32_t from, uint8_t *out, size_t room,
                             size_t *ret_size);
ward_status ward_object_attest(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                               uint32_t *ret_flags);

/* Token objects of a class with that reference. NOT_FOUND: none, and the token is there. */
ward_status ward_object_find(struct ward_hsm *hsm, CK_OBJECT_CLASS class,
                             const struct ward_ring_ref *ref, CK_OBJECT_HANDLE *ret);
/* The KEK's token object, for one that is to be read back. Searched for, so that a second object of
 * that reference is noticed, unless the token is so large that a search takes long: then from what
 * is known. */
ward_status ward_object_look_up(struct ward_hsm *hsm, const struct ward_ring_ref *ref,
                                CK_OBJECT_HANDLE *ret);
void ward_object_id(const struct ward_ring_ref *ref, uint8_t out[static WARD_OBJECT_ID_SIZE]);
/* Is the object there, and does it still bear that reference? NOT_FOUND otherwise. */
ward_status ward_object_check(struct ward_hsm *hsm, CK_OBJECT_HANDLE object,
                              const struct ward_ring_ref *ref);
/* What the object says of itself, WARD_ATTEST_SENSITIVE, _NON_EXTRACTABLE,
 * _NEVER_WRAP_WITH_DECRYPT. */
ward_status ward_object_read_back(struct ward_hsm *hsm, CK_OBJECT_HANDLE object,
                                  uint32_t *ret_flags);
/* A session object with a KEK's attributes, for the probe. */
ward_status ward_object_session_key(struct ward_hsm *hsm, CK_BBOOL modifiable,
                                    CK_OBJECT_HANDLE *ret);
/* A working copy: a session object that was read back. Any failure is only a reason to do without.
 */
ward_status ward_object_copy(struct ward_hsm *hsm, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE *ret);

#endif
