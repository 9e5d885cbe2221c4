/* SPDX-License-Identifier: Apache-2.0 */
/* One batch: from slots in shared memory to calls, and the answers back. */
#ifndef WARD_BACKENDS_PKCS11_SERVE_H
#define WARD_BACKENDS_PKCS11_SERVE_H

#include "backends/pkcs11/session.h"

/* Answers every slot of the batch. Offsets and sizes are checked first; a slot that is out of
 * bounds gets INTERNAL, and more slots than there are answer nothing. */
void ward_serve(struct ward_hsm *hsm, struct ward_ring *ring);

#endif
