/* SPDX-License-Identifier: Apache-2.0 */
/* What only the PKCS#11 backend promises: a helper that crashes, hangs or loses its token is
 * replaced, others go on, the PIN is tried once, no KEK can be read. SoftHSM2 behind a module that
 * fails on demand. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tests/conformance/kek/kek_suite.h"
#include "tests/support/hsm_token.h"

#define DEADLINE_MS 3000 /* also for what works, on a machine that others load */
#define TRIES 200        /* of 20 ms */

static struct hsm_token token;
static char control[PATH_MAX], counted[PATH_MAX], params[3 * PATH_MAX];

/* A backend and two sessions over the faulty module. */
struct fixture {
    struct ward_kek *kek;
    struct ward_kek_session *session, *other;
    struct ward_kek_ref key;
};

static struct ward_pkcs11_config faulty_config(void)
{
    struct ward_pkcs11_config config = hsm_token_config(&token);
    config.module_path = getenv("WARD_FAULTY_MODULE");
    assert_non_null(config.module_path);
    config.module_params = params;
    config.deadline_ms = DEADLINE_MS;
    config.start_deadline_ms = 20000;
    return config;
}

static void obey(const char *line)
{
    char path[PATH_MAX], after[PATH_MAX];
    /* Renamed into place: the module may be reading. */
    hsm_token_file(&token, "control.new", line, path);
    assert_true(snprintf(after, sizeof(after), "%.4000s/control", token.dir) < (int)sizeof(after));
    assert_int_equal(rename(path, after), 0);
}

static void behave(void)
{
    assert_true(unlink(control) == 0 || access(control, F_OK) != 0);
}

/* How often the module was told to do that, by any helper, since the last forget(). */
static int counted_calls(const char *call)
{
    char line[64];
    int n = 0;
    FILE *file = fopen(counted, "re");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        n += strncmp(line, call, strlen(call)) == 0;
    }
    assert_int_equal(fclose(file), 0);
    return n;
}

static void forget(void)
{
    assert_true(unlink(counted) == 0 || access(counted, F_OK) != 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    struct ward_pkcs11_config config = faulty_config();
    behave();
    forget();
    assert_true(ward_ok(ward_kek_pkcs11_open(&config, &f->kek)));
    assert_true(ward_ok(ward_kek_session_open(f->kek, &f->session)));
    assert_true(ward_ok(ward_kek_session_open(f->kek, &f->other)));
    f->key = kek_new_key(f->session);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    behave();
    ward_kek_session_close(f->session);
    ward_kek_session_close(f->other);
    ward_kek_close(f->kek);
    free(f);
    return 0;
}

static enum ward_code wrap(struct ward_kek_session *session, const struct ward_kek_ref *key,
                           uint8_t *blob, size_t *ret_size)
{
    struct ward_kek_item item = kek_wrap_item(key, KEK_PLAIN, blob);
    enum ward_code code = kek_run_one(session, &item);
    *ret_size = item.out_size;
    return code;
}

static enum ward_code try_wrap(struct ward_kek_session *session, const struct ward_kek_ref *key)
{
    uint8_t blob[WARD_KEK_BLOB_MAX];
    size_t size;
    return wrap(session, key, blob, &size);
}

static void nap(void)
{
    struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    (void)nanosleep(&pause, NULL); /* cut short by a signal: one more try */
}

/* Restarts are spaced out after failures in a row: UNAVAILABLE for a while is right. */
static void assert_recovers(struct ward_kek_session *session, const struct ward_kek_ref *key)
{
    enum ward_code code = WARD_E_UNAVAILABLE;
    for (int i = 0; i < TRIES && code == WARD_E_UNAVAILABLE; i++) {
        code = try_wrap(session, key);
        if (code == WARD_E_UNAVAILABLE) {
            nap();
        }
    }
    assert_int_equal(code, WARD_E_OK);
}

static void helper_that_crashes_is_replaced_and_others_go_on(void **state)
{
    struct fixture *f = *state;
    static const char *const calls[] = {"C_EncryptInit crash", "C_Encrypt crash",
                                        "C_DecryptInit crash", "C_Decrypt crash"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        assert_int_equal(try_wrap(f->other, &f->key), WARD_E_OK);
        obey(calls[i]);
        assert_int_equal(try_wrap(f->session, &f->key), WARD_E_UNAVAILABLE);
        behave();
        assert_int_equal(try_wrap(f->other, &f->key), WARD_E_OK);
        assert_recovers(f->session, &f->key);
    }
    assert_int_equal(counted_calls("C_Initialize"), 2 + 4);
}

static void helper_that_hangs_is_killed_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    obey("C_Encrypt hang");
    int64_t before = ward_monotonic_us(&ward_clock_system);
    assert_int_equal(try_wrap(f->session, &f->key), WARD_E_UNAVAILABLE);
    int64_t took_ms = (ward_monotonic_us(&ward_clock_system) - before) / 1000;
    assert_in_range(took_ms, DEADLINE_MS - 1, DEADLINE_MS * 4);
    behave();
    assert_int_equal(try_wrap(f->other, &f->key), WARD_E_OK);
    assert_recovers(f->session, &f->key);
}

/* Three rings of 128, 1.3 s each: no ring misses the deadline, all together do. */
static void helper_that_is_slow_is_waited_for(void **state)
{
    struct fixture *f = *state;
    enum { N = 384 };
    static uint8_t blobs[N][WARD_KEK_BLOB_MAX];
    static struct ward_kek_item items[N];
    for (size_t i = 0; i < N; i++) {
        items[i] = kek_wrap_item(&f->key, KEK_PLAIN, blobs[i]);
    }
    obey("C_Encrypt slow 10");
    int64_t before = ward_monotonic_us(&ward_clock_system);
    assert_int_equal(ward_kek_run(f->session, items, N).code, WARD_E_OK);
    assert_true(ward_monotonic_us(&ward_clock_system) - before > DEADLINE_MS * INT64_C(1000));
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(items[i].status.code, WARD_E_OK);
    }
    assert_int_equal(counted_calls("C_Initialize"), 2);
}

static void every_item_of_a_lost_batch_is_answered_unavailable(void **state)
{
    struct fixture *f = *state;
    enum { N = 300 };
    static uint8_t blobs[N][WARD_KEK_BLOB_MAX];
    static struct ward_kek_item items[N];
    for (size_t i = 0; i < N; i++) {
        items[i] = kek_wrap_item(&f->key, KEK_PLAIN, blobs[i]);
    }
    items[7].in.size = 0;
    obey("C_Encrypt crash");
    (void)ward_kek_run(f->session, items, N); /* each item tells */
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(items[i].status.code, i == 7 ? WARD_E_INTERNAL : WARD_E_UNAVAILABLE);
        assert_int_equal(items[i].out_size, 0);
    }
}

static void any_unknown_error_loses_the_session_and_is_recovered_from(void **state)
{
    struct fixture *f = *state;
    static const char *const faults[] = {
        "C_EncryptInit once 0x32",  /* CKR_DEVICE_REMOVED */
        "C_Encrypt once 0x30",      /* CKR_DEVICE_ERROR */
        "C_DecryptInit once 0xb3",  /* CKR_SESSION_HANDLE_INVALID */
        "C_Decrypt once 0x101",     /* CKR_USER_NOT_LOGGED_IN */
        "C_EncryptInit once 0x90",  /* CKR_OPERATION_ACTIVE */
        "C_Encrypt once 0x80000042" /* a vendor's own */
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        int before = counted_calls("C_Initialize");
        obey(faults[i]);
        assert_int_equal(try_wrap(f->session, &f->key), WARD_E_UNAVAILABLE);
        assert_recovers(f->session, &f->key);
        assert_int_equal(counted_calls("C_Initialize"), before + 1);
    }
}

static void stale_handle_is_looked_up_again_without_losing_the_session(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(try_wrap(f->session, &f->key), WARD_E_OK);
    obey("C_EncryptInit once 0x82"); /* CKR_OBJECT_HANDLE_INVALID */
    assert_int_equal(try_wrap(f->session, &f->key), WARD_E_OK);
    obey("C_DecryptInit once 0x60"); /* CKR_KEY_HANDLE_INVALID */
    assert_int_equal(try_wrap(f->session, &f->key), WARD_E_OK);
    assert_int_equal(counted_calls("C_Initialize"), 2);
}

static void forged_blobs_cost_no_reconnect(void **state)
{
    struct fixture *f = *state;
    enum { N = 256, ROUNDS = 40 };
    static uint8_t blobs[N][WARD_KEK_BLOB_MAX], out[N][WARD_KEK_PLAIN_MAX];
    static struct ward_kek_item items[N];
    size_t size = 0;
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(wrap(f->session, &f->key, blobs[i], &size), WARD_E_OK);
        blobs[i][i % size] ^= (uint8_t)(1u << i / size % 8);
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < N; i++) {
            items[i] = kek_unwrap_item(&f->key, WARD_BYTES(blobs[i], size), out[i]);
        }
        assert_true(ward_ok(ward_kek_run(f->session, items, N)));
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(items[i].status.code, WARD_E_CIPHERTEXT);
        }
    }
    assert_int_equal(counted_calls("C_Initialize"), 2);
}

static void bad_tag_code_from_a_broken_token_is_found_out(void **state)
{
    struct fixture *f = *state;
    uint8_t blob[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    size_t size;
    assert_int_equal(wrap(f->session, &f->key, blob, &size), WARD_E_OK);
    sleep(1); /* the known answer is asked for at most once a second */
    obey("C_Decrypt rv 0x5");
    struct ward_kek_item item = kek_unwrap_item(&f->key, WARD_BYTES(blob, size), out);
    assert_int_equal(kek_run_one(f->session, &item), WARD_E_UNAVAILABLE);
    behave();
    assert_recovers(f->session, &f->key);
}

static void wrap_that_does_not_open_is_withheld(void **state)
{
    struct fixture *f = *state;
    static const char *const faults[] = {"C_Encrypt flip", "C_Decrypt flip"};
    for (size_t i = 0; i < 2; i++) {
        uint8_t blob[WARD_KEK_BLOB_MAX] = {0};
        static const uint8_t nothing[WARD_KEK_BLOB_MAX];
        size_t size;
        assert_recovers(f->session, &f->key);
        obey(faults[i]);
        assert_int_equal(wrap(f->session, &f->key, blob, &size), WARD_E_INTERNAL);
        assert_memory_equal(blob, nothing, sizeof(blob));
        behave();
    }
}

/* More keys in turn than there is room for copies: none is refused, and copies are not made and
 * given up at every use. */
static void keys_beyond_the_working_copies_are_used_as_they_are(void **state)
{
    (void)state;
    enum { KEYS = 12, ROUNDS = 100 };
    struct ward_pkcs11_config config = faulty_config();
    config.working_copies = true;
    config.working_copies_max = 2;
    struct ward_kek *kek = NULL;
    struct ward_kek_session *session = NULL;
    struct ward_kek_ref keys[KEYS];
    assert_true(ward_ok(ward_kek_pkcs11_open(&config, &kek)));
    assert_true(ward_ok(ward_kek_session_open(kek, &session)));
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = kek_new_key(session);
    }
    forget();
    for (size_t i = 0; i < KEYS * ROUNDS; i++) {
        assert_int_equal(try_wrap(session, &keys[i % KEYS]), WARD_E_OK);
    }
    /* A wrap with its proof uses a key twice; one use in 16 may ask. */
    assert_in_range(counted_calls("C_CopyObject"), 2, KEYS * (ROUNDS * 2 / 16 + 1));
    forget();
    for (size_t i = 0; i < ROUNDS; i++) {
        assert_int_equal(try_wrap(session, &keys[0]), WARD_E_OK);
    }
    assert_in_range(counted_calls("C_CopyObject"), 0, 1);
    ward_kek_session_close(session);
    ward_kek_close(kek);
}

/* The module changes a bit of one wrap in 500: not one of those comes out. */
static void no_flipped_wrap_escapes(void **state)
{
    struct fixture *f = *state;
    enum { WRAPS = 3000 };
    uint8_t blob[WARD_KEK_BLOB_MAX], out[WARD_KEK_PLAIN_MAX];
    size_t size, good = 0, withheld = 0;
    obey("C_Encrypt flip 500");
    for (int i = 0; i < WRAPS; i++) {
        enum ward_code code = wrap(f->session, &f->key, blob, &size);
        withheld += code == WARD_E_INTERNAL ? 1 : 0;
        if (code == WARD_E_UNAVAILABLE) {
            nap(); /* its helper is being started anew */
        }
        if (code == WARD_E_OK) {
            struct ward_kek_item item = kek_unwrap_item(&f->key, WARD_BYTES(blob, size), out);
            assert_int_equal(kek_run_one(f->other, &item), WARD_E_OK);
            good++;
        }
    }
    behave();
    assert_in_range(withheld, 2, WRAPS / 250);
    assert_in_range(good, WRAPS / 2, WRAPS);
}

static void start_fails(const struct ward_pkcs11_config *config, enum ward_code code)
{
    struct ward_kek *kek = NULL;
    struct ward_kek_session *session = NULL;
    assert_true(ward_ok(ward_kek_pkcs11_open(config, &kek)));
    assert_int_equal(ward_kek_session_open(kek, &session).code, code);
    assert_null(session);
    ward_kek_close(kek);
}

static void module_that_opens_anything_is_not_used(void **state)
{
    (void)state;
    struct ward_pkcs11_config config = faulty_config();
    obey("C_Decrypt forge");
    start_fails(&config, WARD_E_UNAVAILABLE);
    obey("C_Encrypt flip");
    start_fails(&config, WARD_E_UNAVAILABLE);
    behave();
}

static void start_that_hangs_or_crashes_ends_in_time(void **state)
{
    (void)state;
    struct ward_pkcs11_config config = faulty_config();
    config.start_deadline_ms = 300;
    static const char *const faults[] = {"C_Initialize hang", "C_Login hang", "C_GetSlotList crash",
                                         "C_FindObjects hang"};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        obey(faults[i]);
        start_fails(&config, WARD_E_UNAVAILABLE);
    }
    behave();
}

static void configuration_faults_are_refused(void **state)
{
    (void)state;
    struct ward_pkcs11_config good = hsm_token_config(&token), config = good;
    struct ward_kek *kek = NULL;
    char path[PATH_MAX];
    config.token_serial = "0000";
    assert_int_equal(ward_kek_pkcs11_open(&config, &kek).code, WARD_E_INVALID);
    config.token_label = config.token_serial = NULL;
    assert_int_equal(ward_kek_pkcs11_open(&config, &kek).code, WARD_E_INVALID);
    config = good;
    config.helper_path = "/nonexistent/ward-hsm";
    start_fails(&config, WARD_E_UNAVAILABLE);
    config.helper_path = "/bin/true"; /* ends at once */
    start_fails(&config, WARD_E_UNAVAILABLE);
    config = good;
    config.module_path = "/nonexistent/module.so";
    start_fails(&config, WARD_E_UNAVAILABLE);
    config.module_path = "/lib/x86_64-linux-gnu/libc.so.6"; /* no PKCS#11 module */
    start_fails(&config, WARD_E_UNAVAILABLE);
    config = good;
    config.token_label = "ward-tes"; /* a prefix of the right one */
    start_fails(&config, WARD_E_UNAVAILABLE);
    config = good;
    config.pin_file = "/nonexistent/pin";
    start_fails(&config, WARD_E_UNAVAILABLE);
    hsm_token_file(&token, "open-pin", HSM_TOKEN_PIN, path);
    assert_int_equal(chmod(path, 0644), 0);
    config.pin_file = path;
    start_fails(&config, WARD_E_UNAVAILABLE);
    assert_int_equal(chmod(path, 0600), 0);
    hsm_token_file(&token, "open-pin", "\n", path);
    start_fails(&config, WARD_E_UNAVAILABLE);
}

static void *open_in_thread(void *kek)
{
    struct ward_kek_session *session = NULL;
    ward_status status = ward_kek_session_open(kek, &session);
    return (void *)(uintptr_t)status.code;
}

static void wrong_pin_is_tried_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct ward_pkcs11_config config = faulty_config();
    struct ward_kek *kek = NULL;
    struct ward_kek_session *session = NULL;
    pthread_t threads[THREADS];
    char path[PATH_MAX];
    hsm_token_file(&token, "wrong-pin", "not the pin\n", path);
    config.pin_file = path;
    forget();
    assert_true(ward_ok(ward_kek_pkcs11_open(&config, &kek)));
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_in_thread, kek), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *code;
        assert_int_equal(pthread_join(threads[i], &code), 0);
        assert_int_equal((uintptr_t)code, WARD_E_STATE);
    }
    ward_status status = ward_kek_session_open(kek, &session);
    assert_int_equal(status.code, WARD_E_STATE);
    assert_string_equal(ward_status_refusal(status), WARD_KEK_WRONG_PIN);
    assert_int_equal(counted_calls("C_Login"), 1);
    ward_kek_pkcs11_try_pin(kek); /* the file is as it was */
    assert_int_equal(ward_kek_session_open(kek, &session).code, WARD_E_STATE);
    assert_int_equal(counted_calls("C_Login"), 1);
    hsm_token_file(&token, "wrong-pin", "neither this one\n", path);
    assert_int_equal(ward_kek_session_open(kek, &session).code, WARD_E_STATE); /* not asked to */
    assert_int_equal(counted_calls("C_Login"), 1);
    for (int i = 0; i < 2; i++) { /* once for each change */
        ward_kek_pkcs11_try_pin(kek);
        assert_int_equal(ward_kek_session_open(kek, &session).code, WARD_E_STATE);
        assert_int_equal(counted_calls("C_Login"), 2);
    }
    ward_kek_close(kek);
}

static void pin_that_became_wrong_is_not_tried_again_by_running_sessions(void **state)
{
    struct fixture *f = *state;
    forget();
    obey("C_Login rv 0xa0");
    struct ward_kek_session *sessions[] = {f->session, f->other};
    for (size_t i = 0; i < 2; i++) {
        char pid_line[64];
        (void)snprintf(pid_line, sizeof(pid_line), "C_Encrypt once 0x30");
        obey(pid_line);
        assert_int_equal(try_wrap(sessions[i], &f->key), WARD_E_UNAVAILABLE);
    }
    obey("C_Login rv 0xa0");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(try_wrap(sessions[i % 2], &f->key), WARD_E_UNAVAILABLE);
        nap();
    }
    assert_int_equal(counted_calls("C_Login"), 1);
}

static void token_that_goes_away_and_comes_back_is_recovered(void **state)
{
    struct fixture *f = *state;
    char away[PATH_MAX];
    assert_true(snprintf(away, sizeof(away), "%.4000s/away", token.dir) < (int)sizeof(away));
    assert_int_equal(try_wrap(f->session, &f->key), WARD_E_OK);
    assert_int_equal(rename(token.store, away), 0);
    enum ward_code code = WARD_E_OK;
    for (int i = 0; i < TRIES && code == WARD_E_OK; i++) { /* the copy works for up to a second */
        nap();
        code = try_wrap(f->session, &f->key);
    }
    assert_int_equal(code, WARD_E_UNAVAILABLE);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(try_wrap(f->session, &f->key), WARD_E_UNAVAILABLE);
        assert_int_equal(ward_kek_probe(f->other).code, WARD_E_UNAVAILABLE);
        nap();
    }
    assert_int_equal(rename(away, token.store), 0);
    assert_recovers(f->session, &f->key);
    assert_recovers(f->other, &f->key);
}

static void key_destroyed_by_another_process_is_gone_within_a_second(void **state)
{
    struct fixture *f = *state;
    struct ward_pkcs11_config config = hsm_token_config(&token);
    struct ward_kek *stranger =
        NULL; /* its sessions are other processes, and so is its knowledge */
    struct ward_kek_session *session = NULL;
    assert_true(ward_ok(ward_kek_pkcs11_open(&config, &stranger)));
    assert_true(ward_ok(ward_kek_session_open(stranger, &session)));
    struct ward_kek_ref key = kek_new_key(session);
    assert_int_equal(try_wrap(f->session, &key), WARD_E_OK); /* found though made elsewhere */
    assert_true(ward_ok(ward_kek_destroy(session, &key)));
    sleep(1);
    assert_int_equal(try_wrap(f->session, &key), WARD_E_NOT_FOUND);
    assert_int_equal(counted_calls("C_Initialize"), 2);
    ward_kek_session_close(session);
    ward_kek_close(stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
        WITH(helper_that_crashes_is_replaced_and_others_go_on),
        WITH(helper_that_hangs_is_killed_at_its_deadline),
        WITH(helper_that_is_slow_is_waited_for),
        WITH(every_item_of_a_lost_batch_is_answered_unavailable),
        WITH(any_unknown_error_loses_the_session_and_is_recovered_from),
        WITH(stale_handle_is_looked_up_again_without_losing_the_session),
        WITH(forged_blobs_cost_no_reconnect),
        WITH(bad_tag_code_from_a_broken_token_is_found_out),
        WITH(wrap_that_does_not_open_is_withheld),
        WITH(no_flipped_wrap_escapes),
        cmocka_unit_test(keys_beyond_the_working_copies_are_used_as_they_are),
        cmocka_unit_test(module_that_opens_anything_is_not_used),
        cmocka_unit_test(start_that_hangs_or_crashes_ends_in_time),
        cmocka_unit_test(configuration_faults_are_refused),
        cmocka_unit_test(wrong_pin_is_tried_once),
        WITH(pin_that_became_wrong_is_not_tried_again_by_running_sessions),
        WITH(token_that_goes_away_and_comes_back_is_recovered),
        WITH(key_destroyed_by_another_process_is_gone_within_a_second),
    };
    if (!hsm_token_softhsm(&token)) {
        print_message("SoftHSM2 is not installed here\n");
        return 77;
    }
    hsm_token_file(&token, "control", "", control);
    hsm_token_file(&token, "counted", "", counted);
    if (snprintf(params, sizeof(params), "real=%s;control=%s;count=%s", SOFTHSM_MODULE, control,
                 counted) >= (int)sizeof(params)) {
        return 1;
    }
    int failed = cmocka_run_group_tests_name("pkcs11", tests, NULL, NULL);
    hsm_token_remove(&token);
    return failed;
}
