/* SPDX-License-Identifier: Apache-2.0 */
/* Finds libp11-kit where the system's loader finds it, once, and never lets it go: modules under it
 * may have threads. Must not know what is done with it. */
#include "client/pkcs11/p11kit.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

static struct {
    pthread_once_t once;
    bool ready;
    struct ward_p11kit functions;
} loaded = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
    void *library = dlopen("libp11-kit.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        return;
    }
    loaded.ready = true;
#define LOAD(name)                                                                               \
    loaded.functions.name = (__typeof__(loaded.functions.name))dlsym(library, "p11_kit_" #name); \
    loaded.ready = loaded.ready && loaded.functions.name != NULL;
    WARD_P11KIT_FUNCTIONS(LOAD)
#undef LOAD
}

const struct ward_p11kit *ward_p11kit(void)
{
    (void)pthread_once(&loaded.once, load);
    return loaded.ready ? &loaded.functions : NULL;
}
