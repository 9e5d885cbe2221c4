/* SPDX-License-Identifier: Apache-2.0 */
/* How a status reads in our own log. What a client reads is decided in proto/grpc_code.c: nothing
 * here may be sent to one, but for the constant text of a refusal. */
#include "base/status.h"

#include <stdio.h>

const char *ward_code_name(enum ward_code code)
{
    switch (code) {
    case WARD_E_OK:
        return "OK";
    case WARD_E_INVALID:
        return "INVALID";
    case WARD_E_CIPHERTEXT:
        return "CIPHERTEXT";
    case WARD_E_UNAUTHENTICATED:
        return "UNAUTHENTICATED";
    case WARD_E_DENIED:
        return "DENIED";
    case WARD_E_NOT_FOUND:
        return "NOT_FOUND";
    case WARD_E_EXISTS:
        return "EXISTS";
    case WARD_E_STATE:
        return "STATE";
    case WARD_E_CONFLICT:
        return "CONFLICT";
    case WARD_E_STALE:
        return "STALE";
    case WARD_E_EXHAUSTED:
        return "EXHAUSTED";
    case WARD_E_DEADLINE:
        return "DEADLINE";
    case WARD_E_CANCELLED:
        return "CANCELLED";
    case WARD_E_UNAVAILABLE:
        return "UNAVAILABLE";
    case WARD_E_UNKNOWN_COMMIT:
        return "UNKNOWN_COMMIT";
    case WARD_E_UNIMPLEMENTED:
        return "UNIMPLEMENTED";
    case WARD_E_INTERNAL:
        return "INTERNAL";
    }
    return "UNNAMED";
}

static const char *domain_name(enum ward_domain domain)
{
    switch (domain) {
    case WARD_DOMAIN_NONE:
        return "none";
    case WARD_DOMAIN_REFUSAL:
        return "refusal";
    case WARD_DOMAIN_ERRNO:
        return "errno";
    case WARD_DOMAIN_OPENSSL:
        return "openssl";
    case WARD_DOMAIN_PKCS11:
        return "pkcs11";
    case WARD_DOMAIN_SQLSTATE:
        return "sqlstate";
    case WARD_DOMAIN_NGHTTP2:
        return "nghttp2";
    case WARD_DOMAIN_PROTOBUF:
        return "protobuf";
    case WARD_DOMAIN_YAML:
        return "yaml";
    }
    return "unnamed";
}

const char *ward_status_refusal(ward_status status)
{
    return status.domain == WARD_DOMAIN_REFUSAL ? status.at : NULL;
}

const char *ward_status_describe(ward_status status, char *buf, size_t size)
{
    if (size == 0) {
        return "";
    }
    const char *name = ward_code_name((enum ward_code)status.code);
    const char *at = status.at == NULL ? "" : status.at;
    if (status.domain == WARD_DOMAIN_REFUSAL) {
        (void)snprintf(buf, size, "%s (%s)", name, at); /* cut off where buf ends: a log line */
    } else if (status.domain == WARD_DOMAIN_NONE) {
        (void)snprintf(buf, size, "%s%s%s", name, *at == '\0' ? "" : " at ", at);
    } else {
        (void)snprintf(buf, size, "%s%s%s (%s 0x%x)", name, *at == '\0' ? "" : " at ", at,
                       domain_name((enum ward_domain)status.domain), status.foreign);
    }
    return buf;
}
