/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN is changed under running sessions, is never lost when the change is killed, and no PIN is
 * tried twice. SoftHSM2 behind a module that fails on demand. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/conformance/kek/kek_suite.h"
#include "tests/support/hsm_token.h"

/* CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED */
#define SAYS_FINAL_TRY "C_GetTokenInfo flags 0x20000"
#define SAYS_LOCKED "C_GetTokenInfo flags 0x40000"

static struct hsm_token token;
static char control[PATH_MAX], counted[PATH_MAX], next[PATH_MAX], params[3 * PATH_MAX];

static int setup(void **state)
{
    char path[PATH_MAX];
    (void)state;
    assert_true(hsm_token_softhsm(&token));
    assert_true(snprintf(control, sizeof(control), "%.4000s/control", token.dir) < PATH_MAX);
    assert_true(snprintf(counted, sizeof(counted), "%.4000s/count", token.dir) < PATH_MAX);
    assert_true(snprintf(next, sizeof(next), "%.4000s.new", token.pin_file) < PATH_MAX);
    assert_true(snprintf(params, sizeof(params), "real=%s;control=%s;count=%s", SOFTHSM_MODULE,
                         control, counted) < (int)sizeof(params));
    hsm_token_file(&token, "new", "the next PIN\n", path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hsm_token_remove(&token);
    return 0;
}

static struct ward_pkcs11_config config(void)
{
    struct ward_pkcs11_config config = hsm_token_config(&token);
    config.module_path = getenv("WARD_FAULTY_MODULE");
    assert_non_null(config.module_path);
    config.module_params = params;
    return config;
}

static void obey(const char *line)
{
    char path[PATH_MAX];
    hsm_token_file(&token, "control", line, path);
}

static void behave(void)
{
    assert_true(unlink(control) == 0 || access(control, F_OK) != 0);
}

static int calls(const char *call)
{
    char line[64];
    int n = 0;
    FILE *file = fopen(counted, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        n += strncmp(line, call, strlen(call)) == 0;
    }
    if (file != NULL) {
        assert_int_equal(fclose(file), 0);
    }
    (void)unlink(counted); /* counted anew; there is none where nothing was called */
    return n;
}

/* As wardd --rotate-pin starts it. Its exit code; -1: it was killed. */
static int rotate(const char *new_pin_file)
{
    const struct ward_pkcs11_config with = config();
    const char *argv[] = {with.helper_path,
                          "--module",
                          with.module_path,
                          "--module-params",
                          params,
                          "--token-label",
                          token.label,
                          "--pin-file",
                          token.pin_file,
                          "--rotate-pin",
                          new_pin_file != NULL ? "--new-pin-file" : NULL,
                          new_pin_file,
                          NULL};
    (void)unlink(counted); /* counted anew */
    return hsm_token_run(argv);
}

static int rotate_to(const char *pin)
{
    char path[PATH_MAX];
    hsm_token_file(&token, "chosen", pin, path);
    return rotate(path);
}

static enum ward_code logs_in(int tries)
{
    const struct ward_pkcs11_config with = config();
    struct ward_kek *kek = NULL;
    struct ward_kek_session *session = NULL;
    (void)unlink(counted); /* counted anew */
    assert_true(ward_ok(ward_kek_pkcs11_open(&with, &kek)));
    enum ward_code code = ward_kek_session_open(kek, &session).code;
    if (code == WARD_E_OK) {
        ward_kek_session_close(session);
    } else if (code == WARD_E_STATE) { /* and not a second time */
        assert_int_equal(ward_kek_session_open(kek, &session).code, WARD_E_STATE);
    }
    ward_kek_close(kek);
    assert_int_equal(calls("C_Login"), tries);
    return code;
}

static bool there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void content(const char *path, char out[static 512])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, out, 511);
    assert_true(n >= 0);
    out[n] = '\0';
    assert_int_equal(close(fd), 0);
}

static void file_has(const char *path, const char *text)
{
    char found[512];
    content(path, found);
    assert_string_equal(found, text);
}

static void nothing_changed(void)
{
    file_has(token.pin_file, HSM_TOKEN_PIN "\n");
    assert_false(there(next));
    behave();
    assert_int_equal(logs_in(1), WARD_E_OK);
}

static void sessions_that_run_go_on_and_later_ones_have_the_new_pin(void **state)
{
    (void)state;
    const struct ward_pkcs11_config with = config();
    struct ward_kek *kek = NULL;
    struct ward_kek_session *session = NULL, *later = NULL;
    uint8_t blob[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    char fresh[512], old[PATH_MAX];
    struct stat st;
    assert_int_equal(chmod(token.pin_file, 0640), 0);
    assert_true(ward_ok(ward_kek_pkcs11_open(&with, &kek)));
    assert_true(ward_ok(ward_kek_session_open(kek, &session)));
    struct ward_kek_ref key = kek_new_key(session);
    assert_int_equal(rotate(NULL), 0);
    content(token.pin_file, fresh);
    assert_int_equal(strlen(fresh), 33);
    assert_int_equal(strspn(fresh, "abcdefghijkmnpqrstuvwxyz23456789"), 32);
    assert_int_equal(stat(token.pin_file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_false(there(next));
    struct ward_kek_item item = kek_wrap_item(&key, KEK_PLAIN, blob);
    assert_int_equal(kek_run_one(session, &item), WARD_E_OK);
    assert_true(ward_ok(ward_kek_session_open(kek, &later)));
    item = kek_unwrap_item(&key, WARD_BYTES(blob, item.out_size), out);
    assert_int_equal(kek_run_one(later, &item), WARD_E_OK);
    ward_kek_session_close(session);
    ward_kek_session_close(later);
    ward_kek_close(kek);
    assert_int_equal(logs_in(1), WARD_E_OK);
    hsm_token_file(&token, "pin", HSM_TOKEN_PIN "\n", old);
    assert_int_equal(logs_in(1), WARD_E_STATE);
}

static void a_pin_that_was_chosen_is_taken(void **state)
{
    (void)state;
    assert_int_equal(rotate_to("the next PIN"), 0);
    file_has(token.pin_file, "the next PIN\n");
    assert_int_equal(logs_in(1), WARD_E_OK);
    assert_int_equal(rotate_to("and another\n"), 0);
    file_has(token.pin_file, "and another\n");
    assert_int_equal(logs_in(1), WARD_E_OK);
}

static void a_bad_pin_is_refused_before_the_token_is_asked(void **state)
{
    (void)state;
    char longest[258], path[PATH_MAX];
    memset(longest, '7', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    static const char *const bad[] = {"abc", "abc\n", "", "\n"}; /* SoftHSM takes 4 to 255 */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(rotate_to(bad[i]), 1);
        assert_int_equal(calls("C_Login") + calls("C_SetPIN"), 0);
    }
    assert_int_equal(rotate_to(longest), 1);
    longest[256] = '\0'; /* what a file may hold, and the token not */
    assert_int_equal(rotate_to(longest), 1);
    assert_int_equal(rotate("/nonexistent/pin"), 1);
    assert_int_equal(calls("C_Login"), 0);
    hsm_token_file(&token, "open", "readable by all", path);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(rotate(path), 1);
    assert_int_equal(calls("C_Login"), 0);
    assert_int_equal(rotate_to(HSM_TOKEN_PIN), 1); /* the old one */
    assert_int_equal(calls("C_SetPIN"), 0);
    nothing_changed();
}

static void a_pin_file_that_cannot_be_replaced_is_refused(void **state)
{
    (void)state;
    char real[PATH_MAX];
    hsm_token_file(&token, "elsewhere", HSM_TOKEN_PIN "\n", real);
    assert_int_equal(unlink(token.pin_file), 0);
    assert_int_equal(symlink(real, token.pin_file), 0);
    assert_int_equal(rotate(NULL), 1);
    assert_int_equal(calls("C_Login"), 0);
    file_has(real, HSM_TOKEN_PIN "\n");
    assert_int_equal(unlink(token.pin_file), 0);
    assert_int_equal(rotate(NULL), 1); /* there is none */
    assert_int_equal(calls("C_Login"), 0);
}

static void two_changes_at_once_are_one(void **state)
{
    (void)state;
    int folder = open(token.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(folder, LOCK_EX), 0);
    assert_int_equal(rotate(NULL), 1);
    assert_int_equal(close(folder), 0);
    nothing_changed();
}

static void a_token_that_refuses_keeps_its_pin(void **state)
{
    (void)state;
    static const char *const faults[] = {"C_SetPIN rv 0xa2", "C_SetPIN rv 0xa1", "C_SetPIN rv 0x54",
                                         SAYS_LOCKED, "C_Login rv 0xa0"};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        obey(faults[i]);
        assert_int_equal(rotate(NULL), 1);
        assert_in_range(calls("C_Login"), 0, 1);
        nothing_changed();
    }
}

/* Killed, or left without a clear answer, at each step: both PINs are there, a helper logs in, and
 * a second call ends what the first began. */
static void a_change_that_was_cut_short_locks_nobody_out(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        int code, tries; /* of a login after it */
    } cuts[] = {
        {"C_Login crash", -1, 1},   {"C_SetPIN crash", -1, 1},
        {"C_SetPIN after", -1, 2},  {"C_CloseAllSessions crash", -1, 2},
        {"C_SetPIN rv 0x30", 1, 1}, {"C_CloseAllSessions rv 0x30", 1, 2},
        {"C_SetPIN rv 0xa0", 1, 1}, /* the second of two that the module sent may be told so */
    };
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        char before[512], after[512], left[512] = "";
        content(token.pin_file, before);
        obey(cuts[i].fault);
        assert_int_equal(rotate(NULL), cuts[i].code);
        behave();
        content(token.pin_file, after);
        assert_string_equal(before, after);
        assert_int_equal(there(next), i > 0);
        if (there(next)) {
            content(next, left);
        }
        assert_int_equal(logs_in(cuts[i].tries), WARD_E_OK);
        assert_int_equal(rotate(NULL), 0);
        assert_int_equal(calls("C_SetPIN"), cuts[i].tries == 2 ? 0 : 1);
        content(token.pin_file, after);
        assert_string_not_equal(before, after);
        if (cuts[i].tries == 2) {
            assert_string_equal(after, left);
        }
        assert_false(there(next));
        assert_int_equal(logs_in(1), WARD_E_OK);
    }
}

static void a_draft_that_was_cut_short_is_none(void **state)
{
    (void)state;
    char path[PATH_MAX];
    hsm_token_file(&token, "pin.new.draft", "half a P", path);
    assert_int_equal(logs_in(1), WARD_E_OK);
    assert_int_equal(rotate_to("the next PIN"), 0);
    assert_false(there(path));
    file_has(token.pin_file, "the next PIN\n");
}

static void no_pin_is_tried_twice(void **state)
{
    (void)state;
    char path[PATH_MAX];
    hsm_token_file(&token, "pin", "a wrong one\n", path);
    assert_int_equal(logs_in(1), WARD_E_STATE);
    hsm_token_file(&token, "pin.new", "a wrong one", path); /* the same */
    assert_int_equal(logs_in(1), WARD_E_STATE);
    hsm_token_file(&token, "pin.new", "another wrong one", path);
    assert_int_equal(logs_in(2), WARD_E_STATE);
    assert_int_equal(rotate(NULL), 1);
    assert_int_equal(calls("C_Login"), 2);
    assert_int_equal(rotate_to("the next PIN"), 1);
    assert_int_equal(calls("C_SetPIN"), 0);
    file_has(token.pin_file, "a wrong one\n");
}

static void the_last_try_is_not_spent_on_a_guess(void **state)
{
    (void)state;
    char path[PATH_MAX];
    hsm_token_file(&token, "pin", "a wrong one\n", path);
    hsm_token_file(&token, "pin.new", HSM_TOKEN_PIN, path);
    obey(SAYS_FINAL_TRY);
    assert_int_equal(logs_in(1), WARD_E_STATE);
    behave();
    assert_int_equal(logs_in(2), WARD_E_OK);
    obey(SAYS_LOCKED);
    assert_int_equal(logs_in(0), WARD_E_STATE);
}

/* ---- when another PIN is asked for ---- */

struct login {
    struct ward_kek *kek;
    struct ward_kek_session *session;
    ward_status status;
    atomic_bool ended;
};

static void *log_in(void *argument)
{
    struct login *login = argument;
    login->status = ward_kek_session_open(login->kek, &login->session);
    login->ended = true;
    return NULL;
}

static void pause_a_little(void)
{
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    (void)nanosleep(&pause, NULL); /* an early end only looks again sooner */
}

/* Who asks has more to do, whatever the HSM does meanwhile. */
static void where_none_was_refused_no_login_is_waited_for(void **state)
{
    (void)state;
    const struct ward_pkcs11_config with = config();
    struct login login = {.ended = false};
    pthread_t thread;
    assert_true(ward_ok(ward_kek_pkcs11_open(&with, &login.kek)));
    obey("C_Login hold");
    assert_int_equal(pthread_create(&thread, NULL, log_in, &login), 0);
    while (calls("C_Login") == 0 && !login.ended) {
        pause_a_little();
    }
    ward_kek_pkcs11_try_pin(login.kek);
    pause_a_little();
    assert_false(login.ended);
    behave();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(login.status.code, WARD_E_OK);
    assert_int_equal(calls("C_Login"), 0);
    ward_kek_session_close(login.session);
    ward_kek_close(login.kek);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(sessions_that_run_go_on_and_later_ones_have_the_new_pin),
        T(a_pin_that_was_chosen_is_taken),
        T(a_bad_pin_is_refused_before_the_token_is_asked),
        T(a_pin_file_that_cannot_be_replaced_is_refused),
        T(two_changes_at_once_are_one),
        T(a_token_that_refuses_keeps_its_pin),
        T(a_change_that_was_cut_short_locks_nobody_out),
        T(a_draft_that_was_cut_short_is_none),
        T(no_pin_is_tried_twice),
        T(the_last_try_is_not_spent_on_a_guess),
        T(where_none_was_refused_no_login_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
