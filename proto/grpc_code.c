/* SPDX-License-Identifier: Apache-2.0 */
/* The one place where our codes become gRPC's and where it is decided what a stranger may read: a
 * refusal's constant text or one constant sentence for each code, never a place or a foreign
 * number. */
#include "proto/grpc.h"

const char *ward_grpc_code_name(enum ward_grpc_code code)
{
    static const char *const names[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };
    return (size_t)code < sizeof(names) / sizeof(names[0]) ? names[code] : "UNKNOWN";
}

enum ward_grpc_code ward_grpc_code_of(ward_status status)
{
    switch ((enum ward_code)status.code) {
    case WARD_E_OK:
        return WARD_GRPC_OK;
    case WARD_E_INVALID:
    case WARD_E_CIPHERTEXT:
        return WARD_GRPC_INVALID_ARGUMENT;
    case WARD_E_UNAUTHENTICATED:
        return WARD_GRPC_UNAUTHENTICATED;
    case WARD_E_DENIED:
        return WARD_GRPC_PERMISSION_DENIED;
    case WARD_E_NOT_FOUND:
        return WARD_GRPC_NOT_FOUND;
    case WARD_E_EXISTS:
        return WARD_GRPC_ALREADY_EXISTS;
    case WARD_E_STATE:
        return WARD_GRPC_FAILED_PRECONDITION;
    case WARD_E_CONFLICT:
    case WARD_E_STALE:
        return WARD_GRPC_ABORTED;
    case WARD_E_EXHAUSTED:
        return WARD_GRPC_RESOURCE_EXHAUSTED;
    case WARD_E_DEADLINE:
        return WARD_GRPC_DEADLINE_EXCEEDED;
    case WARD_E_CANCELLED:
        return WARD_GRPC_CANCELLED;
    case WARD_E_UNAVAILABLE:
    case WARD_E_UNKNOWN_COMMIT:
        return WARD_GRPC_UNAVAILABLE;
    case WARD_E_UNIMPLEMENTED:
        return WARD_GRPC_UNIMPLEMENTED;
    case WARD_E_INTERNAL:
        return WARD_GRPC_INTERNAL;
    }
    return WARD_GRPC_INTERNAL;
}

static const char *sentence(enum ward_code code)
{
    switch (code) {
    case WARD_E_OK:
        return "";
    case WARD_E_INVALID:
        return "the request is not valid";
    case WARD_E_CIPHERTEXT:
        return "ciphertext does not open";
    case WARD_E_UNAUTHENTICATED:
        return "the certificate gives no identity that may be used here";
    case WARD_E_DENIED:
        return "policy does not allow this";
    case WARD_E_NOT_FOUND:
        return "not found";
    case WARD_E_EXISTS:
        return "already exists";
    case WARD_E_STATE:
        return "the object's state does not allow this";
    case WARD_E_CONFLICT:
    case WARD_E_STALE:
        return "changed by another request meanwhile; try again";
    case WARD_E_EXHAUSTED:
        return "a limit is reached; try again later or with less";
    case WARD_E_DEADLINE:
        return "the deadline passed";
    case WARD_E_CANCELLED:
        return "cancelled";
    case WARD_E_UNAVAILABLE:
        return "a part that is needed is away; try again later";
    case WARD_E_UNKNOWN_COMMIT:
        return "the outcome is not known; ask again with the same request id";
    case WARD_E_UNIMPLEMENTED:
        return "not implemented";
    case WARD_E_INTERNAL:
        return "internal error";
    }
    return "internal error";
}

const char *ward_grpc_message_of(ward_status status)
{
    /* One error for whatever kept a ciphertext closed, even if somebody gave it a reason. */
    const char *refusal = status.code == WARD_E_CIPHERTEXT ? NULL : ward_status_refusal(status);
    return refusal != NULL ? refusal : sentence((enum ward_code)status.code);
}

enum ward_grpc_code ward_grpc_code_of_http(unsigned http_status)
{
    switch (http_status) {
    case 400:
    case 431:
        return WARD_GRPC_INTERNAL;
    case 401:
        return WARD_GRPC_UNAUTHENTICATED;
    case 403:
        return WARD_GRPC_PERMISSION_DENIED;
    case 404:
        return WARD_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return WARD_GRPC_UNAVAILABLE;
    default:
        return WARD_GRPC_UNKNOWN;
    }
}

/* Codes of RFC 9113 section 7; STREAM_CLOSED (5) and HTTP_1_1_REQUIRED (13) have no mapping. */
enum ward_grpc_code ward_grpc_code_of_rst(uint32_t http2_error)
{
    switch (http2_error) {
    case 0:  /* NO_ERROR */
    case 1:  /* PROTOCOL_ERROR */
    case 2:  /* INTERNAL_ERROR */
    case 3:  /* FLOW_CONTROL_ERROR */
    case 4:  /* SETTINGS_TIMEOUT */
    case 6:  /* FRAME_SIZE_ERROR */
    case 9:  /* COMPRESSION_ERROR */
    case 10: /* CONNECT_ERROR */
        return WARD_GRPC_INTERNAL;
    case 7: /* REFUSED_STREAM */
        return WARD_GRPC_UNAVAILABLE;
    case 8: /* CANCEL */
        return WARD_GRPC_CANCELLED;
    case 11: /* ENHANCE_YOUR_CALM */
        return WARD_GRPC_RESOURCE_EXHAUSTED;
    case 12: /* INADEQUATE_SECURITY */
        return WARD_GRPC_PERMISSION_DENIED;
    default:
        return WARD_GRPC_UNKNOWN;
    }
}
