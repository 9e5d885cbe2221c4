/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences for what went wrong. Must not know what was being done, nor print anything. */
#include "client/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "proto/grpc.h"

const char *ward_rc_name(ward_rc code)
{
    return ward_grpc_code_name((enum ward_grpc_code)code);
}

/* An error is a line of text: a daemon's answer must not move the cursor of a terminal. */
static void make_line(char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = ' ';
        }
    }
}

/* Codes whose texts name what was refused; others begin with an address. */
static bool names_a_field(ward_rc code)
{
    switch (code) {
    case WARD_RC_INVALID_ARGUMENT:
    case WARD_RC_NOT_FOUND:
    case WARD_RC_ALREADY_EXISTS:
    case WARD_RC_PERMISSION_DENIED:
    case WARD_RC_RESOURCE_EXHAUSTED:
    case WARD_RC_FAILED_PRECONDITION:
    case WARD_RC_OUT_OF_RANGE:
        return true;
    default:
        return false;
    }
}

/* "field: rule" gives the field; any other text gives none. */
static void take_field(ward_error *error)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-[]";
    size_t size = strspn(error->message, letters);
    error->field[0] = 0;
    if (names_a_field(error->code) && size > 0 && size < sizeof(error->field) &&
        error->message[size] == ':' && error->message[size + 1] == ' ') {
        memcpy(error->field, error->message, size);
        error->field[size] = 0;
    }
}

ward_rc ward_error_set(ward_error *error, ward_rc code, const char *format, ...)
{
    if (error != NULL) {
        error->code = code;
        error->answered = 0;
        error->retry_after_ms = 0;
        error->attempts = 0;
        error->reason[0] = 0;
        va_list args;
        va_start(args, format);
        (void)vsnprintf(error->message, sizeof(error->message), format, args); /* cut is fine */
        va_end(args);
        make_line(error->message);
        take_field(error);
    }
    return code;
}

ward_rc ward_error_answer(ward_error *error, ward_rc code, const char *text)
{
    (void)ward_error_set(error, code, "%s", text);
    if (error != NULL) {
        error->answered = 1;
    }
    return code;
}

ward_rc ward_error_status(ward_error *error, ward_status status)
{
    return ward_error_set(error, (ward_rc)ward_grpc_code_of(status), "%s",
                          ward_grpc_message_of(status));
}

ward_rc ward_error_memory(ward_error *error)
{
    return ward_error_set(error, WARD_RC_RESOURCE_EXHAUSTED, "memory: there is no more");
}

/* The first of several is the cause; the last, as a rule the nearest, says "system lib" where the
 * system refused. */
const char *ward_error_openssl(void)
{
    unsigned long first = ERR_peek_error(), last = ERR_peek_last_error();
    const char *reason = ERR_SYSTEM_ERROR(first) ? strerrordesc_np((int)ERR_GET_REASON(first))
                                                 : ERR_reason_error_string(last);
    ERR_clear_error();
    return reason == NULL ? "unknown" : reason;
}
