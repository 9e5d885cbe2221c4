/* SPDX-License-Identifier: Apache-2.0 */
/* The vendor's module, loaded, and the one choke point for every call into it: WARD_CK names the
 * call in shared memory before it is made, so that wardd can say in which function a helper hung or
 * died. Only ward-hsm includes this. */
#ifndef WARD_BACKENDS_PKCS11_MODULE_H
#define WARD_BACKENDS_PKCS11_MODULE_H

#include <p11-kit/pkcs11.h>

#include "backends/pkcs11/call.h"
#include "base/status.h"

struct ward_module {
    CK_FUNCTION_LIST *list;
    uint32_t *in_call;            /* in the ring */
    enum ward_module_call failed; /* the last call that did not return CKR_OK, for the log */
};

/* Loads path and checks that it speaks Cryptoki 2.20 or later and has every function that we call.
 * Initializes nothing. UNAVAILABLE when it cannot be loaded, INTERNAL when it is no such module. */
ward_status ward_module_load(const char *path, uint32_t *in_call, struct ward_module *ret);
/* C_Initialize with OS locking. params: for modules that take a string in pReserved (NSS), or NULL.
 */
CK_RV ward_module_initialize(struct ward_module *module, const char *params);

#define WARD_CK(module, fn, ...)                                  \
    ({                                                            \
        *(volatile uint32_t *)(module)->in_call = WARD_CALL_##fn; \
        CK_RV ck_rv_ = (module)->list->fn(__VA_ARGS__);           \
        *(volatile uint32_t *)(module)->in_call = WARD_CALL_none; \
        if (ck_rv_ != CKR_OK) {                                   \
            (module)->failed = WARD_CALL_##fn;                    \
        }                                                         \
        ck_rv_;                                                   \
    })

#endif
