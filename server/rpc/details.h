/* SPDX-License-Identifier: Apache-2.0 */
/* A refusal for programs: google.rpc.Status with ErrorInfo, and BadRequest or RetryInfo where they
 * apply. It says nothing that the plain message does not say, but for when to come again. */
#ifndef WARD_SERVER_RPC_DETAILS_H
#define WARD_SERVER_RPC_DETAILS_H

#include "base/bytes.h"
#include "base/status.h"

#define WARD_DETAILS_MAX 1024 /* bytes of the message */
#define WARD_DETAILS_TEXT_MAX (WARD_BASE64_SIZE(WARD_DETAILS_MAX) + 1)

/* The value of grpc-status-details-bin: unpadded base64, terminated; its size, and 0 when there is
 * nothing to say or it would be too large. retry_after_ms: 0 when it is not known. */
size_t ward_details_text(ward_status status, uint32_t retry_after_ms,
                         char out[static WARD_DETAILS_TEXT_MAX]);

#endif
