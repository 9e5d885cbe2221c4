/* SPDX-License-Identifier: Apache-2.0 */
/* The raw rates of an HSM on one thread, to which Ward's own are compared: 32 bytes sealed by
 * AES-256-GCM with 64 bytes of AAD by a token object, by a working copy of it, and by the copy with
 * every result opened again. Loads the module itself and uses none of Ward's code: what is measured
 * must not depend on what is compared. Prints one JSON object. Usage: hsm_raw --module PATH
 * --token-label LABEL --pin-file PATH [--seconds S] */
#include <dlfcn.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <p11-kit/pkcs11.h>

#define PLAIN_SIZE 32
#define AAD_SIZE 64
#define IV_SIZE 12
#define TAG_SIZE 16
#define SLOTS_MAX 64
#define PIN_MAX 256

static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE session;

static void must(CK_RV rv, const char *what)
{
    if (rv != CKR_OK) {
        (void)fprintf(stderr, "hsm_raw: %s: 0x%lx\n", what, rv);
        exit(1);
    }
}

static void usage(void)
{
    (void)fputs("usage: hsm_raw --module PATH --token-label LABEL --pin-file PATH [--seconds S]\n",
                stderr);
    exit(2);
}

static double now(void)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static CK_SLOT_ID find_slot(const char *label)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    must(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        size_t size = strlen(label);
        if (size <= sizeof(info.label) && p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
            memcmp(info.label, label, size) == 0 &&
            (size == sizeof(info.label) || info.label[size] == ' ')) {
            return slots[i];
        }
    }
    (void)fprintf(stderr, "hsm_raw: no token labelled %s\n", label);
    exit(1);
}

static void log_in(const char *pin_file)
{
    CK_UTF8CHAR pin[PIN_MAX];
    FILE *file = fopen(pin_file, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "hsm_raw: cannot open %s\n", pin_file);
        exit(1);
    }
    size_t size = fread(pin, 1, sizeof(pin), file);
    (void)fclose(file);
    size -= size > 0 && pin[size - 1] == '\n' ? 1 : 0;
    CK_RV rv = p11->C_Login(session, CKU_USER, pin, size);
    explicit_bzero(pin, sizeof(pin));
    must(rv, "C_Login");
}

static CK_OBJECT_HANDLE make_key(void)
{
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_CLASS class = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)},   {CKA_KEY_TYPE, &type, sizeof(type)},
        {CKA_VALUE_LEN, &size, sizeof(size)}, {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_PRIVATE, &yes, sizeof(yes)},     {CKA_SENSITIVE, &yes, sizeof(yes)},
        {CKA_EXTRACTABLE, &no, sizeof(no)},   {CKA_ENCRYPT, &yes, sizeof(yes)},
        {CKA_DECRYPT, &yes, sizeof(yes)},     {CKA_WRAP, &no, sizeof(no)},
        {CKA_UNWRAP, &no, sizeof(no)},        {CKA_LABEL, (void *)(size_t) "hsm_raw", 7}};
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE key;
    must(p11->C_GenerateKey(session, &mechanism, template, sizeof(template) / sizeof(template[0]),
                            &key),
         "C_GenerateKey");
    return key;
}

static CK_OBJECT_HANDLE copy_key(CK_OBJECT_HANDLE key)
{
    CK_BBOOL no = CK_FALSE;
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &no, sizeof(no)}};
    CK_OBJECT_HANDLE copy;
    return p11->C_CopyObject(session, key, template, 1, &copy) == CKR_OK ? copy : CK_INVALID_HANDLE;
}

static void one(CK_OBJECT_HANDLE key, unsigned long count, bool proof)
{
    CK_BYTE iv[IV_SIZE] = {0}, aad[AAD_SIZE] = {1}, plain[PLAIN_SIZE] = {2};
    CK_BYTE sealed[PLAIN_SIZE + TAG_SIZE], opened[PLAIN_SIZE + TAG_SIZE];
    memcpy(iv, &count, sizeof(count));
    CK_GCM_PARAMS params = {.pIv = iv,
                            .ulIvLen = IV_SIZE,
                            .ulIvBits = IV_SIZE * 8,
                            .pAAD = aad,
                            .ulAADLen = AAD_SIZE,
                            .ulTagBits = TAG_SIZE * 8};
    CK_MECHANISM mechanism = {CKM_AES_GCM, &params, sizeof(params)};
    CK_ULONG size = sizeof(sealed), opened_size = sizeof(opened);
    must(p11->C_EncryptInit(session, &mechanism, key), "C_EncryptInit");
    must(p11->C_Encrypt(session, plain, PLAIN_SIZE, sealed, &size), "C_Encrypt");
    if (proof) {
        must(p11->C_DecryptInit(session, &mechanism, key), "C_DecryptInit");
        must(p11->C_Decrypt(session, sealed, size, opened, &opened_size), "C_Decrypt");
        must(memcmp(opened, plain, PLAIN_SIZE) == 0 ? CKR_OK : CKR_GENERAL_ERROR, "proof");
    }
}

static double rate(CK_OBJECT_HANDLE key, double seconds, bool proof)
{
    if (key == CK_INVALID_HANDLE) {
        return 0;
    }
    unsigned long done = 0;
    double start = now(), end = start;
    while (end - start < seconds) {
        for (int i = 0; i < 256; i++) {
            one(key, done++, proof);
        }
        end = now();
    }
    return (double)done / (end - start);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"module", required_argument, NULL, 'm'},
                                            {"token-label", required_argument, NULL, 't'},
                                            {"pin-file", required_argument, NULL, 'p'},
                                            {"seconds", required_argument, NULL, 's'},
                                            {0}};
    const char *module = NULL, *label = NULL, *pin_file = NULL;
    double seconds = 2;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'm':
            module = optarg;
            break;
        case 't':
            label = optarg;
            break;
        case 'p':
            pin_file = optarg;
            break;
        case 's':
            seconds = strtod(optarg, NULL);
            break;
        default:
            usage();
        }
    }
    if (module == NULL || label == NULL || pin_file == NULL || optind != argc || !(seconds > 0)) {
        usage();
    }
    void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get =
        library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    must(get == NULL ? CKR_GENERAL_ERROR : get(&p11), "loading the module");
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    must(p11->C_Initialize(&args), "C_Initialize");
    must(p11->C_OpenSession(find_slot(label), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
                            &session),
         "C_OpenSession");
    log_in(pin_file);
    CK_OBJECT_HANDLE key = make_key(), copy = copy_key(key);
    double token = rate(key, seconds, false), working = rate(copy, seconds, false);
    double proven = rate(copy != CK_INVALID_HANDLE ? copy : key, seconds, true);
    must(p11->C_DestroyObject(session, key), "C_DestroyObject");
    (void)p11->C_Finalize(NULL); /* the process ends */
    return printf("{\"hsm_token_object\":%.0f,\"hsm_working_copy\":%.0f,\"hsm_wrap_proof\":%.0f}\n",
                  token, working, proven) < 0;
}
