/* SPDX-License-Identifier: Apache-2.0 */
/* A PKCS#11 module for tests: passes every call on to a real one, but does what a control file
 * says. C_Initialize takes "real=PATH;control=PATH;count=PATH". The control file holds one line,
 * read anew at every call, "C_Name ACTION [N]":
 *
 *   crash   die of SIGSEGV
 *   hang    never return
 *   rv      return N
 *   once    return N, the first time only
 *   flip    do it, then change a bit of what came out; with N, of every Nth
 *   forge   C_Decrypt: say yes to what the real module refuses
 *   known   C_GenerateKey: an AES key whose value is its CKA_ID, over and over
 *   count   add a line to the count file, and do it
 *   slow    do it N milliseconds later
 *   hold    do it when this is not said any more
 *   after   do it, then die of SIGKILL
 *   flags   C_GetTokenInfo: do it, with the flags N besides
 *
 * Each C_Initialize, C_Login, C_SetPIN, C_CopyObject and C_FindObjectsInit adds a line to the count
 * file. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

static CK_FUNCTION_LIST *real, list;
static char real_path[512], control_path[512], count_path[512];

enum action {
    NONE,
    CRASH,
    HANG,
    RETURN,
    ONCE,
    FLIP,
    FORGE,
    KNOWN,
    COUNT,
    SLOW,
    HOLD,
    AFTER,
    FLAGS
};

static enum action asked(const char *call, CK_RV *rv)
{
    static const char *const names[] = {"",      "crash", "hang", "rv",   "once",  "flip", "forge",
                                        "known", "count", "slow", "hold", "after", "flags"};
    char text[128] = "", name[64] = "", action[16] = "";
    unsigned long number = 0;
    int fd = open(control_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NONE;
    }
    ssize_t got = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (got <= 0 || sscanf(text, "%63s %15s %li", name, action, (long *)&number) < 2 ||
        strcmp(name, call) != 0) {
        return NONE;
    }
    *rv = number;
    for (int i = CRASH; i <= FLAGS; i++) {
        if (strcmp(action, names[i]) == 0) {
            return (enum action)i;
        }
    }
    return NONE;
}

static void count(const char *call)
{
    int fd = open(count_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        if (dprintf(fd, "%s\n", call) < 0) {
            (void)fputs("faulty module: cannot count\n", stderr);
        }
        (void)close(fd);
    }
}

/* True when the call is not to be passed on. */
static bool fault(const char *call, CK_RV *rv, enum action *ret)
{
    *ret = asked(call, rv);
    switch (*ret) {
    case CRASH:
        (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would only be noise */
        (void)raise(SIGSEGV);
        return true;
    case HANG:
        for (;;) {
            (void)pause();
        }
    case ONCE:
        (void)unlink(control_path);
        return true;
    case RETURN:
        return true;
    case NONE:
    case FLIP:
    case FORGE:
    case KNOWN:
    case AFTER:
    case FLAGS:
        return false;
    case COUNT:
        count(call);
        return false;
    case SLOW:
        (void)usleep((useconds_t)*rv * 1000); /* an early end only makes it faster */
        return false;
    case HOLD:
        while (asked(call, rv) == HOLD) {
            (void)usleep(10000); /* an early end only asks again sooner */
        }
        return false;
    }
    return false;
}

static void parameter(const char *params, const char *name, char out[static 512])
{
    const char *at = params == NULL ? NULL : strstr(params, name);
    size_t size = at == NULL ? 0 : strcspn(at += strlen(name), ";");
    if (size > 0 && size < 512) {
        memcpy(out, at, size);
        out[size] = '\0';
    }
}

static CK_RV faulty_Initialize(void *args)
{
    CK_C_INITIALIZE_ARGS passed = *(CK_C_INITIALIZE_ARGS *)args;
    const char *params = passed.pReserved;
    parameter(params, "real=", real_path);
    parameter(params, "control=", control_path);
    parameter(params, "count=", count_path);
    count("C_Initialize");
    void *library = dlopen(real_path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get =
        library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    CK_RV rv;
    enum action action;
    if (get == NULL || get(&real) != CKR_OK) {
        return CKR_GENERAL_ERROR;
    }
    if (fault("C_Initialize", &rv, &action)) {
        return rv;
    }
    passed.pReserved = NULL;
    return real->C_Initialize(&passed);
}

static CK_RV faulty_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin,
                          CK_ULONG size)
{
    CK_RV rv;
    enum action action;
    count("C_Login");
    return fault("C_Login", &rv, &action) ? rv : real->C_Login(session, user, pin, size);
}

static CK_RV faulty_SetPIN(CK_SESSION_HANDLE session, CK_UTF8CHAR_PTR old, CK_ULONG old_size,
                           CK_UTF8CHAR_PTR fresh, CK_ULONG fresh_size)
{
    CK_RV rv;
    enum action action;
    count("C_SetPIN");
    if (fault("C_SetPIN", &rv, &action)) {
        return rv;
    }
    rv = real->C_SetPIN(session, old, old_size, fresh, fresh_size);
    if (action == AFTER) {
        (void)raise(SIGKILL);
    }
    return rv;
}

static CK_RV faulty_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv;
    enum action action;
    if (fault("C_GetTokenInfo", &rv, &action)) {
        return rv;
    }
    CK_FLAGS more = action == FLAGS ? rv : 0;
    rv = real->C_GetTokenInfo(slot, info);
    info->flags |= more;
    return rv;
}

static CK_RV faulty_Decrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_size,
                            CK_BYTE_PTR out, CK_ULONG_PTR out_size)
{
    CK_RV rv;
    enum action action;
    if (fault("C_Decrypt", &rv, &action)) {
        return rv;
    }
    rv = real->C_Decrypt(session, in, in_size, out, out_size);
    if (action == FORGE && rv != CKR_OK) {
        *out_size = in_size - 16;
        return CKR_OK;
    }
    if (action == FLIP && rv == CKR_OK) {
        out[0] ^= 1;
    }
    return rv;
}

static CK_RV faulty_Encrypt(CK_SESSION_HANDLE session, CK_BYTE_PTR in, CK_ULONG in_size,
                            CK_BYTE_PTR out, CK_ULONG_PTR out_size)
{
    CK_RV rv;
    enum action action;
    if (fault("C_Encrypt", &rv, &action)) {
        return rv;
    }
    unsigned long every = rv;
    static unsigned long calls;
    rv = real->C_Encrypt(session, in, in_size, out, out_size);
    if (action == FLIP && rv == CKR_OK && (every == 0 || ++calls % every == 0)) {
        out[0] ^= 1;
    }
    return rv;
}

/* The same key, but not made: put there with a value that a test knows. */
static CK_RV put_known(CK_SESSION_HANDLE session, const CK_ATTRIBUTE *wanted, CK_ULONG n,
                       CK_OBJECT_HANDLE *ret)
{
    CK_ATTRIBUTE template[32];
    CK_BYTE value[32] = {0};
    if (n > 32) {
        return CKR_ARGUMENTS_BAD;
    }
    memcpy(template, wanted, n * sizeof(*wanted));
    for (CK_ULONG i = 0; i < n; i++) {
        const CK_BYTE *id = template[i].pValue;
        for (size_t at = 0; template[i].type == CKA_ID && at < sizeof(value); at++) {
            value[at] = id[at % template[i].ulValueLen];
        }
    }
    for (CK_ULONG i = 0; i < n; i++) {
        if (template[i].type == CKA_VALUE_LEN) {
            template[i] = (CK_ATTRIBUTE){CKA_VALUE, value, sizeof(value)};
        }
    }
    return real->C_CreateObject(session, template, n, ret);
}

static CK_RV faulty_GenerateKey(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                                CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
    CK_RV rv;
    enum action action;
    if (fault("C_GenerateKey", &rv, &action)) {
        return rv;
    }
    return action == KNOWN ? put_known(session, template, n, ret)
                           : real->C_GenerateKey(session, mechanism, template, n, ret);
}

static CK_RV faulty_CopyObject(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                               CK_ATTRIBUTE *template, CK_ULONG n, CK_OBJECT_HANDLE *ret)
{
    CK_RV rv;
    enum action action;
    count("C_CopyObject");
    return fault("C_CopyObject", &rv, &action)
               ? rv
               : real->C_CopyObject(session, object, template, n, ret);
}

static CK_RV faulty_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG n)
{
    CK_RV rv;
    enum action action;
    count("C_FindObjectsInit");
    return fault("C_FindObjectsInit", &rv, &action) ? rv
                                                    : real->C_FindObjectsInit(session, template, n);
}

/* The rest are all alike. */
#define PASS(name, declared, passed)                                         \
    static CK_RV faulty_##name declared                                      \
    {                                                                        \
        CK_RV rv;                                                            \
        enum action action;                                                  \
        return fault("C_" #name, &rv, &action) ? rv : real->C_##name passed; \
    }

PASS(GetSlotList, (CK_BBOOL a, CK_SLOT_ID *b, CK_ULONG *c), (a, b, c))
PASS(OpenSession, (CK_SLOT_ID a, CK_FLAGS b, void *c, CK_NOTIFY d, CK_SESSION_HANDLE *e),
     (a, b, c, d, e))
PASS(CreateObject, (CK_SESSION_HANDLE a, CK_ATTRIBUTE *b, CK_ULONG c, CK_OBJECT_HANDLE *d),
     (a, b, c, d))
PASS(DestroyObject, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b), (a, b))
PASS(GetAttributeValue, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE b, CK_ATTRIBUTE *c, CK_ULONG d),
     (a, b, c, d))
PASS(FindObjects, (CK_SESSION_HANDLE a, CK_OBJECT_HANDLE *b, CK_ULONG c, CK_ULONG *d), (a, b, c, d))
PASS(FindObjectsFinal, (CK_SESSION_HANDLE a), (a))
PASS(EncryptInit, (CK_SESSION_HANDLE a, CK_MECHANISM *b, CK_OBJECT_HANDLE c), (a, b, c))
PASS(DecryptInit, (CK_SESSION_HANDLE a, CK_MECHANISM *b, CK_OBJECT_HANDLE c), (a, b, c))
PASS(SignInit, (CK_SESSION_HANDLE a, CK_MECHANISM *b, CK_OBJECT_HANDLE c), (a, b, c))
PASS(Sign, (CK_SESSION_HANDLE a, CK_BYTE *b, CK_ULONG c, CK_BYTE *d, CK_ULONG *e), (a, b, c, d, e))
PASS(GenerateKeyPair,
     (CK_SESSION_HANDLE a, CK_MECHANISM *b, CK_ATTRIBUTE *c, CK_ULONG d, CK_ATTRIBUTE *e,
      CK_ULONG f, CK_OBJECT_HANDLE *g, CK_OBJECT_HANDLE *h),
     (a, b, c, d, e, f, g, h))
PASS(GenerateRandom, (CK_SESSION_HANDLE a, CK_BYTE *b, CK_ULONG c), (a, b, c))
PASS(Finalize, (void *a), (a))
PASS(CloseAllSessions, (CK_SLOT_ID a), (a))

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **ret)
{
    list = (CK_FUNCTION_LIST){
        .version = {2, 40},
        .C_Initialize = faulty_Initialize,
        .C_Finalize = faulty_Finalize,
        .C_GetSlotList = faulty_GetSlotList,
        .C_GetTokenInfo = faulty_GetTokenInfo,
        .C_OpenSession = faulty_OpenSession,
        .C_Login = faulty_Login,
        .C_SetPIN = faulty_SetPIN,
        .C_CloseAllSessions = faulty_CloseAllSessions,
        .C_CreateObject = faulty_CreateObject,
        .C_CopyObject = faulty_CopyObject,
        .C_DestroyObject = faulty_DestroyObject,
        .C_GetAttributeValue = faulty_GetAttributeValue,
        .C_FindObjectsInit = faulty_FindObjectsInit,
        .C_FindObjects = faulty_FindObjects,
        .C_FindObjectsFinal = faulty_FindObjectsFinal,
        .C_EncryptInit = faulty_EncryptInit,
        .C_Encrypt = faulty_Encrypt,
        .C_DecryptInit = faulty_DecryptInit,
        .C_Decrypt = faulty_Decrypt,
        .C_SignInit = faulty_SignInit,
        .C_Sign = faulty_Sign,
        .C_GenerateKey = faulty_GenerateKey,
        .C_GenerateKeyPair = faulty_GenerateKeyPair,
        .C_GenerateRandom = faulty_GenerateRandom,
    };
    *ret = &list;
    return CKR_OK;
}
