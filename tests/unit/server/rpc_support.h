/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of net and rpc stand on: operations without a pipeline, and canned outputs for
 * each. */
#ifndef WARD_TESTS_UNIT_SERVER_RPC_SUPPORT_H
#define WARD_TESTS_UNIT_SERVER_RPC_SUPPORT_H

#include "server/op/op.h"

/* Fills the outputs of a request that was decoded, as an operation would. A generate item whose key
 * is "refused" gets DENIED, a get item whose id is "large" a megabyte of JSON. */
void canned_answer(struct ward_request *request);

#endif
