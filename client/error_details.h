/* SPDX-License-Identifier: Apache-2.0 */
/* What programs can read of a daemon's refusal: grpc-status-details-bin. */
#ifndef WARD_CLIENT_ERROR_DETAILS_H
#define WARD_CLIENT_ERROR_DETAILS_H

#include "base/bytes.h"
#include "client/error.h"

/* Takes field, reason and retry_after_ms of google.rpc.BadRequest, ErrorInfo and RetryInfo out of
 * the header's value, base64 with or without padding. What is malformed or unknown is passed over:
 * the status and its text count without it. */
void ward_error_details(struct ward_bytes value, ward_error *error);

#endif
