/* SPDX-License-Identifier: Apache-2.0 */
/* The purposes for which health data may be used, as HL7 names them. */
#ifndef WARD_POLICY_PURPOSE_H
#define WARD_POLICY_PURPOSE_H

#include "base/bytes.h"

/* The context key whose values are such codes. */
#define WARD_PURPOSE_KEY "purpose"

/* Is this a code of HL7's value set PurposeOfUse, byte for byte? */
bool ward_purpose_known(struct ward_bytes code);

#endif
