/* SPDX-License-Identifier: Apache-2.0 */
/* Where modules differ. Each flag is found by the probe at start, never guessed from a module's
 * name. */
#ifndef WARD_BACKENDS_PKCS11_QUIRKS_H
#define WARD_BACKENDS_PKCS11_QUIRKS_H

#include <stdbool.h>

#include <p11-kit/pkcs11.h>

struct ward_quirks {
    /* What C_Decrypt says of a tag that does not fit. SoftHSM 2.6.1: CKR_GENERAL_ERROR. */
    CK_RV bad_tag;
    /* C_CopyObject gives a session object that stays SENSITIVE and non-EXTRACTABLE and works. */
    bool copies;
    /* It does so of a key with CKA_MODIFIABLE=FALSE too. Not SoftHSM 2.6.1
     * (CKR_ATTRIBUTE_READ_ONLY). */
    bool copies_unmodifiable;
};

#endif
