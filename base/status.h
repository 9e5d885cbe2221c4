/* SPDX-License-Identifier: Apache-2.0 */
/* The one return type of everything that can fail. 16 bytes, returned in registers, no thread-local
 * state, so it survives a hop between threads. What goes to a client is decided from `code` alone
 * (proto/grpc_code.c) plus, for a refusal, its constant text; the rest stays inside. */
#ifndef WARD_BASE_STATUS_H
#define WARD_BASE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each code is a decision that a caller can take. */
enum ward_code {
    WARD_E_OK = 0,
    WARD_E_INVALID,         /* bad input; the text names the field and the rule */
    WARD_E_CIPHERTEXT,      /* wrong key, context or bytes: one error, no detail */
    WARD_E_UNAUTHENTICATED, /* no usable identity */
    WARD_E_DENIED,          /* policy refused */
    WARD_E_NOT_FOUND,
    WARD_E_EXISTS,
    WARD_E_STATE,          /* the object's state forbids it */
    WARD_E_CONFLICT,       /* somebody else was faster: prepare again */
    WARD_E_STALE,          /* decided under an older epoch: decide again */
    WARD_E_EXHAUSTED,      /* a quota, a queue or a size limit */
    WARD_E_DEADLINE,       /* the caller's deadline passed */
    WARD_E_CANCELLED,      /* the caller went away */
    WARD_E_UNAVAILABLE,    /* HSM, database or audit away: try again later */
    WARD_E_UNKNOWN_COMMIT, /* the connection died in COMMIT: read back before anything else */
    WARD_E_UNIMPLEMENTED,  /* no such method, or an encoding we do not speak */
    WARD_E_INTERNAL,       /* our bug, or a dependency's */
};

/* Whose number `foreign` is. */
enum ward_domain {
    WARD_DOMAIN_NONE = 0,
    WARD_DOMAIN_REFUSAL, /* `at` is the constant text for the caller: "field: rule" */
    WARD_DOMAIN_ERRNO,
    WARD_DOMAIN_OPENSSL,
    WARD_DOMAIN_PKCS11,   /* CK_RV */
    WARD_DOMAIN_SQLSTATE, /* five characters packed base 64, see backends/postgres/sqlstate.h */
    WARD_DOMAIN_NGHTTP2,
    WARD_DOMAIN_PROTOBUF,
    WARD_DOMAIN_YAML,
};

/* Must-use, as a property of the type, in each compiler's own words. */
#ifdef __clang__
#define WARD_MUST_USE __attribute__((warn_unused_result))
#else
#define WARD_MUST_USE [[nodiscard]]
#endif

typedef struct WARD_MUST_USE ward_status {
    uint16_t code;    /* enum ward_code */
    uint16_t domain;  /* enum ward_domain */
    uint32_t foreign; /* the foreign library's own number */
    const char *at;   /* static: "file:line" of the first failure, or a refusal's text */
} ward_status;

#define WARD_OK ((ward_status){0})

static inline bool ward_ok(ward_status status)
{
    return status.code == WARD_E_OK;
}

#define WARD_STRING_(x) #x
#define WARD_STRING(x) WARD_STRING_(x)
#define WARD_HERE __FILE_NAME__ ":" WARD_STRING(__LINE__)
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

/* A status with its place; `WARD_FOREIGN` also carries a library's own number. */
#define WARD_STATUS(c) ((ward_status){.code = (c), .at = WARD_HERE})
#define WARD_FOREIGN(c, d, n) \
    ((ward_status){.code = (c), .domain = (d), .foreign = (uint32_t)(n), .at = WARD_HERE})
/* A refusal: `text` is a string literal, "field: rule", and is shown to the caller. */
#define WARD_REFUSAL(c, text) \
    ((ward_status){.code = (c), .domain = WARD_DOMAIN_REFUSAL, .at = ("" text)})

/* The macros that hide control flow; there are no others. */
#define WARD_TRY(call)                    \
    do {                                  \
        ward_status try_status_ = (call); \
        if (!ward_ok(try_status_)) {      \
            return try_status_;           \
        }                                 \
    } while (0)
#define WARD_ENSURE(cond, code)       \
    do {                              \
        if (!(cond)) {                \
            return WARD_STATUS(code); \
        }                             \
    } while (0)
/* Bad input: INVALID with "field: rule". */
#define WARD_REQUIRE(cond, text)                       \
    do {                                               \
        if (!(cond)) {                                 \
            return WARD_REFUSAL(WARD_E_INVALID, text); \
        }                                              \
    } while (0)
#define WARD_FAIL(code) return WARD_STATUS(code)

/* Cleanup at scope exit, and the move that disarms it. */
#define ward_auto(fn) __attribute__((cleanup(fn)))
#define WARD_TAKE(x)                \
    ({                              \
        __typeof__(x) taken_ = (x); \
        (x) = NULL;                 \
        taken_;                     \
    })

/* The code's name, e.g. "DENIED"; for logs. */
const char *ward_code_name(enum ward_code code);
/* The refusal's text, or NULL when the status carries none that a caller may see. */
const char *ward_status_refusal(ward_status status);
/* "DENIED at decide.c:12 (pkcs11 0x5)" for our own log; returns buf, always terminated. */
const char *ward_status_describe(ward_status status, char *buf, size_t size);

#endif
