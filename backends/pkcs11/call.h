/* SPDX-License-Identifier: Apache-2.0 */
/* The Cryptoki functions that ward-hsm calls, by number and name: what crosses to wardd is the
 * number. Names only, so that wardd needs no Cryptoki. */
#ifndef WARD_BACKENDS_PKCS11_CALL_H
#define WARD_BACKENDS_PKCS11_CALL_H

#include <stdint.h>

#define WARD_CALLS(X)      \
    X(C_Initialize)        \
    X(C_Finalize)          \
    X(C_GetSlotList)       \
    X(C_GetTokenInfo)      \
    X(C_OpenSession)       \
    X(C_Login)             \
    X(C_SetPIN)            \
    X(C_CloseAllSessions)  \
    X(C_CreateObject)      \
    X(C_CopyObject)        \
    X(C_DestroyObject)     \
    X(C_GetAttributeValue) \
    X(C_FindObjectsInit)   \
    X(C_FindObjects)       \
    X(C_FindObjectsFinal)  \
    X(C_EncryptInit)       \
    X(C_Encrypt)           \
    X(C_DecryptInit)       \
    X(C_Decrypt)           \
    X(C_SignInit)          \
    X(C_Sign)              \
    X(C_GenerateKey)       \
    X(C_GenerateKeyPair)   \
    X(C_GenerateRandom)

enum ward_module_call {
    WARD_CALL_none,
#define X(fn) WARD_CALL_##fn,
    WARD_CALLS(X)
#undef X
};

/* "C_Decrypt"; "none" for 0 and for numbers out of range. */
static inline const char *ward_module_call_name(uint32_t call)
{
    static const char *const names[] = {"none",
#define X(fn) #fn,
                                        WARD_CALLS(X)
#undef X
    };
    return call < sizeof(names) / sizeof(names[0]) ? names[call] : names[0];
}

#endif
