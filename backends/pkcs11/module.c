/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the vendor's module into ward-hsm. The module stays until the process ends: unloading is
 * where many of them crash. Must not know what the calls are for. */
#include "backends/pkcs11/module.h"

#include <dlfcn.h>

#include "base/log.h"

/* PKCS#11 5.4: what C_Initialize takes, with room behind it, for NSS reads a pointer past the end
 * of the standard's structure when it is given a string. */
struct initialize_args {
    CK_C_INITIALIZE_ARGS standard;
    void *past_the_end;
};

static bool complete(const CK_FUNCTION_LIST *list)
{
    bool all = true;
#define X(fn) all = all && list->fn != NULL;
    WARD_CALLS(X)
#undef X
    return all;
}

ward_status ward_module_load(const char *path, uint32_t *in_call, struct ward_module *ret)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        ward_log_text(WARD_LOG_ERROR, "hsm: module cannot be loaded", "reason", dlerror());
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    CK_FUNCTION_LIST *list = NULL;
    if (get == NULL || get(&list) != CKR_OK || list == NULL) {
        ward_log_text(WARD_LOG_ERROR, "hsm: not a PKCS#11 module", "module", path);
        WARD_FAIL(WARD_E_INTERNAL);
    }
    if (list->version.major < 2 || (list->version.major == 2 && list->version.minor < 20) ||
        !complete(list)) {
        ward_log_text(WARD_LOG_ERROR, "hsm: module lacks functions of PKCS#11 2.20", "module",
                      path);
        WARD_FAIL(WARD_E_INTERNAL);
    }
    *ret = (struct ward_module){.list = list, .in_call = in_call};
    return WARD_OK;
}

CK_RV ward_module_initialize(struct ward_module *module, const char *params)
{
    struct initialize_args args = {
        .standard = {.flags = CKF_OS_LOCKING_OK, .pReserved = (void *)(uintptr_t)params}};
    return WARD_CK(module, C_Initialize, &args);
}
