/* SPDX-License-Identifier: Apache-2.0 */
/* That a KEK cannot be read, that one which could be is not used, and that the helper holds nothing
 * it does not need. Looks at the token with Cryptoki itself and at the helper through /proc, not
 * with Ward's own eyes. */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <p11-kit/pkcs11.h>

#include "tests/conformance/kek/kek_suite.h"
#include "tests/support/hsm_token.h"

static struct hsm_token token;
static struct ward_kek *kek;
static struct ward_kek_session *session;
static CK_FUNCTION_LIST *p11;
static CK_SESSION_HANDLE raw;

static void raw_open(void)
{
    CK_SLOT_ID slots[8];
    CK_ULONG n = 8;
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    void *library = dlopen(SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    CK_C_GetFunctionList get = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    assert_int_equal(get(&p11), CKR_OK);
    assert_int_equal(p11->C_Initialize(&args), CKR_OK);
    assert_int_equal(p11->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    assert_int_equal(
        p11->C_OpenSession(slots[0], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &raw),
        CKR_OK);
    CK_UTF8CHAR pin[] = HSM_TOKEN_PIN;
    assert_int_equal(p11->C_Login(raw, CKU_USER, pin, sizeof(pin) - 1), CKR_OK);
}

static void raw_id(const struct ward_kek_ref *ref, CK_BYTE id[static 20])
{
    memcpy(id, ref->id.bytes, 16);
    ward_put_u32(id + 16, ref->version);
}

static CK_OBJECT_HANDLE raw_find(const struct ward_kek_ref *ref)
{
    CK_BYTE id[20];
    raw_id(ref, id);
    CK_ATTRIBUTE template[] = {{CKA_ID, id, sizeof(id)}};
    CK_OBJECT_HANDLE found[2];
    CK_ULONG n = 0;
    assert_int_equal(p11->C_FindObjectsInit(raw, template, 1), CKR_OK);
    assert_int_equal(p11->C_FindObjects(raw, found, 2, &n), CKR_OK);
    assert_int_equal(p11->C_FindObjectsFinal(raw), CKR_OK);
    assert_int_equal(n, 1);
    return found[0];
}

static bool raw_flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 2;
    CK_ATTRIBUTE attribute = {type, &value, sizeof(value)};
    assert_int_equal(p11->C_GetAttributeValue(raw, object, &attribute, 1), CKR_OK);
    assert_in_range(value, 0, 1);
    return value != 0;
}

static void kek_cannot_be_read_and_never_could(void **state)
{
    (void)state;
    struct ward_kek_ref ref = kek_new_key(session);
    CK_OBJECT_HANDLE object = raw_find(&ref);
    CK_BYTE value[64];
    CK_ATTRIBUTE attribute = {CKA_VALUE, value, sizeof(value)};
    assert_int_equal(p11->C_GetAttributeValue(raw, object, &attribute, 1), CKR_ATTRIBUTE_SENSITIVE);
    static const CK_ATTRIBUTE_TYPE yes[] = {CKA_TOKEN,   CKA_PRIVATE,          CKA_SENSITIVE,
                                            CKA_ENCRYPT, CKA_DECRYPT,          CKA_ALWAYS_SENSITIVE,
                                            CKA_LOCAL,   CKA_NEVER_EXTRACTABLE};
    static const CK_ATTRIBUTE_TYPE no[] = {CKA_EXTRACTABLE, CKA_WRAP,   CKA_UNWRAP,
                                           CKA_SIGN,        CKA_VERIFY, CKA_DERIVE};
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        assert_true(raw_flag(object, yes[i]));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(raw_flag(object, no[i]));
    }
    CK_BBOOL off = CK_FALSE, on = CK_TRUE;
    CK_ATTRIBUTE readable = {CKA_SENSITIVE, &off, sizeof(off)},
                 extractable = {CKA_EXTRACTABLE, &on, sizeof(on)};
    assert_int_not_equal(p11->C_SetAttributeValue(raw, object, &readable, 1), CKR_OK);
    assert_int_not_equal(p11->C_SetAttributeValue(raw, object, &extractable, 1), CKR_OK);
}

static struct ward_kek_ref make_unsafe(CK_ATTRIBUTE_TYPE type, CK_BBOOL value)
{
    struct ward_kek_ref ref = kek_new_ref();
    CK_BYTE id[20];
    raw_id(&ref, id);
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG size = 32;
    CK_ATTRIBUTE template[] = {{CKA_TOKEN, &yes, 1},     {CKA_PRIVATE, &yes, 1},
                               {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &no, 1},
                               {CKA_ENCRYPT, &yes, 1},   {CKA_DECRYPT, &yes, 1},
                               {CKA_WRAP, &no, 1},       {CKA_UNWRAP, &no, 1},
                               {CKA_ID, id, 20},         {CKA_VALUE_LEN, &size, sizeof(size)}};
    for (size_t i = 0; i < 8; i++) {
        template[i].pValue = template[i].type == type ? &value : template[i].pValue;
    }
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_OBJECT_HANDLE object;
    assert_int_equal(p11->C_GenerateKey(raw, &mechanism, template, 10, &object), CKR_OK);
    return ref;
}

static void assert_not_used(const struct ward_kek_ref *ref)
{
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_kek_item item = kek_wrap_item(ref, KEK_PLAIN, blob);
    assert_int_equal(kek_run_one(session, &item), WARD_E_INTERNAL);
}

static void key_that_could_be_read_is_not_used(void **state)
{
    (void)state;
    struct ward_kek_attest attest;
    struct ward_kek_ref ref = make_unsafe(CKA_SENSITIVE, CK_FALSE);
    assert_not_used(&ref);
    assert_true(ward_ok(ward_kek_attest(session, &ref, &attest)));
    assert_true(attest.present && !attest.sensitive && attest.non_extractable);
    ref = make_unsafe(CKA_EXTRACTABLE, CK_TRUE);
    assert_not_used(&ref);
    assert_true(ward_ok(ward_kek_attest(session, &ref, &attest)));
    assert_true(attest.sensitive && !attest.non_extractable && attest.never_wrap_with_decrypt);
}

static void key_that_both_wraps_and_decrypts_is_not_used(void **state)
{
    (void)state;
    struct ward_kek_attest attest;
    static const CK_ATTRIBUTE_TYPE types[] = {CKA_WRAP, CKA_UNWRAP};
    for (size_t i = 0; i < 2; i++) {
        struct ward_kek_ref ref = make_unsafe(types[i], CK_TRUE);
        assert_not_used(&ref);
        assert_true(ward_ok(ward_kek_attest(session, &ref, &attest)));
        assert_true(attest.present && attest.sensitive && !attest.never_wrap_with_decrypt);
    }
}

static void wrong_key_under_a_known_id_is_not_used(void **state)
{
    (void)state;
    struct ward_kek_ref ref = kek_new_key(session), twin = make_unsafe(CKA_TOKEN, CK_TRUE);
    CK_BYTE id[20];
    raw_id(&ref, id);
    CK_ATTRIBUTE attribute = {CKA_ID, id, sizeof(id)};
    assert_int_equal(p11->C_SetAttributeValue(raw, raw_find(&twin), &attribute, 1), CKR_OK);
    assert_not_used(&ref); /* two keys with one id: neither can be trusted to be the one */
}

/* The pid of a child of `parent` that runs ward-hsm, 0 when there is none. */
static pid_t helper_of(pid_t parent)
{
    DIR *proc = opendir("/proc");
    pid_t found = 0;
    assert_non_null(proc);
    for (struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        char path[64], line[256] = "", state;
        int pid = 0, ppid = 0;
        if (!isdigit((unsigned char)entry->d_name[0])) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "/proc/%.16s/stat", entry->d_name);
        FILE *file = fopen(path, "re");
        if (file != NULL) {
            if (fgets(line, sizeof(line), file) != NULL &&
                sscanf(line, "%d (ward-hsm) %c %d", &pid, &state, &ppid) == 3 && ppid == parent &&
                state != 'Z') {
                found = pid;
            }
            assert_int_equal(fclose(file), 0);
        }
    }
    assert_int_equal(closedir(proc), 0);
    return found;
}

static size_t read_proc(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        skip(); /* the helper is not dumpable: its /proc is root's */
    }
    size_t got = fread(out, 1, size - 1, file);
    out[got] = '\0';
    assert_int_equal(fclose(file), 0);
    return got;
}

static void helper_inherits_nothing_and_leaves_no_core(void **state)
{
    (void)state;
    char text[8192], path[64], link[PATH_MAX];
    pid_t pid = helper_of(getpid());
    assert_true(pid > 0);
    size_t size = read_proc(pid, "environ", text, sizeof(text));
    assert_int_equal(strncmp(text, "GLIBC_TUNABLES=", 15), 0);
    const char *second = text + strlen(text) + 1;
    assert_int_equal(strncmp(second, "SOFTHSM2_CONF=", 14), 0);
    assert_int_equal(second + strlen(second) + 1 - text, size); /* these two alone */
    (void)read_proc(pid, "limits", text, sizeof(text));
    unsigned long soft = 1, hard = 1;
    const char *core = strstr(text, "Max core file size");
    assert_non_null(core);
    assert_int_equal(sscanf(core, "Max core file size %lu %lu", &soft, &hard), 2);
    assert_true(soft == 0 && hard == 0);
    (void)read_proc(pid, "status", text, sizeof(text));
    assert_non_null(strstr(text, "NoNewPrivs:\t1"));
    for (int fd = 3; fd < 64; fd++) {
        (void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
        ssize_t got = readlink(path, link, sizeof(link) - 1);
        link[got > 0 ? got : 0] = '\0';
        /* SoftHSM's own lock files and libraries' random device are the module's affair. */
        assert_true(got < 0 || (fd == 3 && strncmp(link, "socket:", 7) == 0) ||
                    (fd > 3 && strncmp(link, "socket:", 7) != 0 && strstr(link, "memfd") == NULL));
    }
}

static void pin_is_in_no_command_line_or_environment(void **state)
{
    (void)state;
    char text[8192];
    pid_t pid = helper_of(getpid());
    static const char *const files[] = {"cmdline", "environ"};
    for (size_t i = 0; i < 2; i++) {
        size_t size = read_proc(pid, files[i], text, sizeof(text));
        assert_null(memmem(text, size, HSM_TOKEN_PIN, sizeof(HSM_TOKEN_PIN) - 1));
    }
}

static void helper_that_died_while_idle_is_replaced_without_a_word(void **state)
{
    (void)state;
    uint8_t blob[WARD_KEK_BLOB_MAX];
    struct ward_kek_ref ref = kek_new_key(session);
    for (int i = 0; i < 3; i++) {
        pid_t pid = helper_of(getpid());
        assert_true(pid > 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        for (int tries = 0; helper_of(getpid()) == pid && tries < 100; tries++) {
            usleep(10000);
        }
        struct ward_kek_item item = kek_wrap_item(&ref, KEK_PLAIN, blob);
        assert_int_equal(kek_run_one(session, &item), WARD_E_OK);
    }
}

static void helper_dies_with_its_wardd(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t wardd = fork();
    if (wardd == 0) {
        struct ward_pkcs11_config config = hsm_token_config(&token);
        struct ward_kek *own = NULL;
        struct ward_kek_session *own_session = NULL;
        bool good = ward_ok(ward_kek_pkcs11_open(&config, &own)) &&
                    ward_ok(ward_kek_session_open(own, &own_session));
        (void)!write(ready[1], good ? "1" : "0", 1);
        (void)pause();
        _exit(0);
    }
    char byte = 0;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, '1');
    pid_t helper = helper_of(wardd);
    assert_true(helper > 0);
    assert_int_equal(kill(wardd, SIGKILL), 0);
    assert_int_equal(waitpid(wardd, NULL, 0), wardd);
    bool gone = false;
    for (int tries = 0; !gone && tries < 200; tries++) {
        char path[64], line[64] = "";
        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)helper);
        FILE *file = fopen(path, "re");
        gone =
            file == NULL || fgets(line, sizeof(line), file) == NULL || strstr(line, ") Z") != NULL;
        if (file != NULL) {
            assert_int_equal(fclose(file), 0);
        }
        usleep(10000);
    }
    assert_true(gone);
    (void)close(ready[0]); /* the child is gone */
    (void)close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kek_cannot_be_read_and_never_could),
        cmocka_unit_test(key_that_could_be_read_is_not_used),
        cmocka_unit_test(key_that_both_wraps_and_decrypts_is_not_used),
        cmocka_unit_test(wrong_key_under_a_known_id_is_not_used),
        cmocka_unit_test(helper_inherits_nothing_and_leaves_no_core),
        cmocka_unit_test(pin_is_in_no_command_line_or_environment),
        cmocka_unit_test(helper_that_died_while_idle_is_replaced_without_a_word),
        cmocka_unit_test(helper_dies_with_its_wardd),
    };
    if (!hsm_token_softhsm(&token)) {
        print_message("SoftHSM2 is not installed here\n");
        return 77;
    }
    struct ward_pkcs11_config config = hsm_token_config(&token);
    if (!ward_ok(ward_kek_pkcs11_open(&config, &kek)) ||
        !ward_ok(ward_kek_session_open(kek, &session))) {
        return 1;
    }
    raw_open();
    int failed = cmocka_run_group_tests_name("secrecy", tests, NULL, NULL);
    ward_kek_session_close(session);
    ward_kek_close(kek);
    hsm_token_remove(&token);
    return failed;
}
