/* SPDX-License-Identifier: Apache-2.0 */
/* wardd's side of the PKCS#11 backend: starts helpers, one a session, and starts a lost one anew.
 * What the HSM said of the PIN is kept here, for all of them. Must not load a module, read the PIN
 * or include Cryptoki; batch.c carries the items. */
#include "backends/pkcs11/kek_pkcs11.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "backends/pkcs11/batch.h"
#include "backends/pkcs11/call.h"
#include "backends/pkcs11/helper_process.h"
#include "base/clock.h"
#include "base/log.h"

#define BACKOFF_FIRST_US 20000
#define BACKOFF_MAX_US 1000000
#define CLOSE_GRACE_MS 500
#define DEADLINE_MS 2000
#define START_DEADLINE_MS 10000
#define WORKING_COPIES_MAX 1024
#define WRONG_PIN WARD_REFUSAL(WARD_E_STATE, WARD_KEK_WRONG_PIN)

struct backend {
    struct ward_kek kek;
    struct ward_pkcs11_config config; /* its strings are ours */
    pthread_mutex_t login;            /* one helper at a time tries the PIN */
    atomic_bool wrong_pin;
    struct stat tried; /* pin_file as it was before the last try; guarded by login */
    atomic_bool copies;
    atomic_uint
        destroyed; /* counts; a session that is behind has its helper look at its keys again */
};

struct session {
    struct ward_kek_session session;
    struct ward_process process;
    struct ward_batch batch;
    unsigned destroyed;    /* as of its last call */
    unsigned failures;     /* in a row */
    int64_t not_before_us; /* of the next start */
};

static struct backend *backend_of(struct session *session)
{
    return (struct backend *)(void *)session->session.kek;
}

static struct session *session_of(struct ward_kek_session *session)
{
    return (struct session *)(void *)session;
}

static int64_t now_us(void)
{
    return ward_monotonic_us(&ward_clock_system);
}

/* A helper that was lost at once is not started again at once. */
static void lost(struct session *session)
{
    ward_process_stop(&session->process, 0);
    int64_t pause = BACKOFF_FIRST_US << (session->failures < 6 ? session->failures : 6);
    session->not_before_us =
        session->failures == 0 ? 0 : now_us() + (pause < BACKOFF_MAX_US ? pause : BACKOFF_MAX_US);
    session->failures++;
}

/* What a helper says of its start, which is not to be believed beyond a code that fits. */
static ward_status start_failure(struct backend *backend, const struct ward_ring *ring)
{
    struct ward_ring_status said = ring->status;
    if (said.code == WARD_E_STATE) {
        atomic_store(&backend->wrong_pin, true);
        return WRONG_PIN;
    }
    return (ward_status){.code = WARD_E_UNAVAILABLE,
                         .domain = said.domain == WARD_DOMAIN_PKCS11 ? said.domain : 0,
                         .foreign = said.foreign,
                         .at = WARD_HERE};
}

static ward_status await_stage(struct session *session, uint32_t stage, int64_t deadline_us)
{
    struct ward_ring *ring = session->process.ring;
    ward_status status = ward_process_wait(&session->process, deadline_us);
    if (!ward_ok(status)) {
        ward_log_text(WARD_LOG_ERROR, "hsm: helper did not start in time, or died", "call",
                      ward_module_call_name(ring->in_call));
        status.code = WARD_E_UNAVAILABLE;
        return status;
    }
    uint32_t reached = ring->stage;
    if (reached == stage || reached == WARD_STAGE_READY) {
        return WARD_OK;
    }
    return start_failure(backend_of(session), ring);
}

/* Without a file nothing is tried, and all zero is unlike any file. */
static struct stat look_at_pin(const struct backend *backend)
{
    struct stat found = {0};
    return stat(backend->config.pin_file, &found) == 0 ? found : (struct stat){0};
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* To the point where the PIN was accepted; one helper at a time, so that one wrong PIN is one try.
 */
static ward_status start_and_log_in(struct session *session, int64_t deadline_us)
{
    struct backend *backend = backend_of(session);
    (void)pthread_mutex_lock(&backend->login); /* a plain mutex, always initialised */
    ward_status status = WRONG_PIN;
    if (!atomic_load(&backend->wrong_pin)) {
        backend->tried = look_at_pin(backend);
        status = ward_process_start(&session->process, &backend->config);
        if (ward_ok(status)) {
            status = await_stage(session, WARD_STAGE_LOGGED_IN, deadline_us);
        }
    }
    (void)pthread_mutex_unlock(&backend->login); /* held */
    return status;
}

static ward_status start(struct session *session)
{
    struct backend *backend = backend_of(session);
    int64_t deadline_us = now_us() + backend->config.start_deadline_ms * INT64_C(1000);
    session->destroyed = atomic_load(&backend->destroyed);
    ward_status status = start_and_log_in(session, deadline_us);
    if (ward_ok(status)) {
        status = await_stage(session, WARD_STAGE_READY, deadline_us);
    }
    if (!ward_ok(status)) {
        lost(session);
        return status;
    }
    atomic_store(&backend->copies, session->process.ring->copies != 0);
    return WARD_OK;
}

/* A helper that died while it was idle cost nobody an answer: it is replaced without a word to the
 * caller. */
static ward_status ready(struct session *session)
{
    if (ward_process_alive(&session->process)) {
        return WARD_OK;
    }
    if (session->process.pid != 0) {
        ward_log(WARD_LOG_WARN, "hsm: helper was gone while idle");
        lost(session);
    }
    bool wrong_pin = atomic_load(&backend_of(session)->wrong_pin);
    WARD_ENSURE(wrong_pin || now_us() >= session->not_before_us, WARD_E_UNAVAILABLE);
    ward_status status = wrong_pin ? WRONG_PIN : start(session);
    if (ward_ok(status) && session->failures > 0) {
        ward_log(WARD_LOG_INFO, "hsm: helper started anew");
    }
    status.code = ward_ok(status) ? WARD_E_OK : WARD_E_UNAVAILABLE;
    return status;
}

/* A helper may have died while it was idle: that is noticed at the doorbell, before anything was
 * asked. */
static ward_status exchange(struct session *session, int64_t deadline_us)
{
    struct ward_ring *ring = session->process.ring;
    unsigned destroyed = atomic_load(&backend_of(session)->destroyed);
    ring->recheck = destroyed != session->destroyed;
    ring->closing = 0;
    session->destroyed = destroyed;
    session->process.await.many = ring->n > WARD_AWAKE_FEW;
    ward_status status = ward_process_ask(&session->process, deadline_us);
    if (!ward_ok(status)) {
        ward_log_text(WARD_LOG_ERROR,
                      status.code == WARD_E_DEADLINE ? "hsm: helper missed its deadline: killed"
                                                     : "hsm: helper died",
                      "call", ward_module_call_name(ring->in_call));
    }
    return status;
}

/* Sends what is in the ring, whose deadline is its own: a slow device is not a hung one, however
 * many rings a call fills. The helper is gone afterwards when it failed, lied or asked for it. */
static ward_status crossing(struct session *session)
{
    int64_t deadline_us = now_us() + backend_of(session)->config.deadline_ms * INT64_C(1000);
    ward_status status = exchange(session, deadline_us);
    if (ward_ok(status)) {
        status = ward_batch_collect(&session->batch, session->process.ring);
    }
    if (!ward_ok(status)) {
        lost(session);
        status.code = WARD_E_UNAVAILABLE;
        ward_batch_refuse(&session->batch, status);
        return status;
    }
    if (session->process.ring->closing != 0) {
        lost(session);
    } else {
        session->failures = 0;
    }
    return WARD_OK;
}

static void refuse_rest(struct ward_kek_item *items, size_t n, ward_status status)
{
    for (size_t i = 0; i < n; i++) {
        items[i].status = ward_ok(items[i].status) ? status : items[i].status;
    }
}

static ward_status pkcs11_run(struct ward_kek_session *generic, struct ward_kek_item *items,
                              size_t n)
{
    struct session *session = session_of(generic);
    size_t done = 0;
    while (done < n) {
        ward_status status = ready(session);
        if (!ward_ok(status)) {
            refuse_rest(items + done, n - done, status);
            return done == 0 ? status : WARD_OK;
        }
        done += ward_batch_fill(&session->batch, session->process.ring, items + done, n - done);
        status = session->batch.n > 0 ? crossing(session) : WARD_OK;
        if (!ward_ok(status)) {
            refuse_rest(items + done, n - done, status);
            return WARD_OK;
        }
    }
    return WARD_OK;
}

static ward_status one(struct ward_kek_session *generic, struct ward_call *call)
{
    struct session *session = session_of(generic);
    WARD_TRY(ready(session));
    ward_batch_fill_call(&session->batch, session->process.ring, call);
    WARD_TRY(crossing(session));
    return call->status;
}

static ward_status pkcs11_create(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                                 const char *label)
{
    struct ward_call call = {.verb = WARD_RING_CREATE, .key = *ref, .in = ward_bytes_str(label)};
    return one(session, &call);
}

static ward_status pkcs11_destroy(struct ward_kek_session *session, const struct ward_kek_ref *ref)
{
    struct ward_call call = {.verb = WARD_RING_DESTROY, .key = *ref};
    ward_status status = one(session, &call);
    /* Even when it failed: it may have been done. */
    (void)atomic_fetch_add(&backend_of(session_of(session))->destroyed, 1);
    return status;
}

static ward_status pkcs11_forget(struct ward_kek_session *session, const struct ward_kek_ref *ref)
{
    struct ward_call call = {.verb = WARD_RING_FORGET, .key = *ref};
    return one(session, &call);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What is in a token anybody may have put there. */
static void describe(const struct ward_ring_object *from, struct ward_kek_object *to)
{
    *to = (struct ward_kek_object){.signer = from->signer != 0,
                                   .ours = from->id_size == sizeof(to->ref.id.bytes) + 4};
    to->id_size = (uint8_t)least(from->id_size, sizeof(to->id));
    memcpy(to->id, from->id, to->id_size);
    if (to->ours) {
        memcpy(to->ref.id.bytes, from->id, sizeof(to->ref.id.bytes));
        to->ref.version = ward_get_u32(from->id + sizeof(to->ref.id.bytes));
    }
    size_t size = least(from->label_size, WARD_KEK_OBJECT_LABEL_MAX);
    for (size_t i = 0; i < size; i++) {
        bool printable = from->label[i] >= ' ' && from->label[i] < 127;
        to->label[i] = printable ? (char)from->label[i] : '?';
    }
}

static ward_status pkcs11_list(struct ward_kek_session *session, uint32_t from,
                               struct ward_kek_object *objects, size_t *ret_n)
{
    struct ward_ring_object *found = calloc(WARD_KEK_LIST_MAX, sizeof(*found));
    WARD_ENSURE(found != NULL, WARD_E_EXHAUSTED);
    struct ward_call call = {.verb = WARD_RING_LIST,
                             .flags = from,
                             .out = (uint8_t *)found,
                             .room = WARD_KEK_LIST_MAX * sizeof(*found)};
    ward_status status = one(session, &call);
    if (ward_ok(status) && call.out_size % sizeof(*found) != 0) {
        status = WARD_STATUS(WARD_E_INTERNAL);
    }
    size_t n = ward_ok(status) ? call.out_size / sizeof(*found) : 0;
    for (size_t i = 0; i < n; i++) {
        describe(&found[i], &objects[i]);
    }
    *ret_n = n;
    free(found);
    return status;
}

static ward_status pkcs11_attest(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                                 struct ward_kek_attest *ret)
{
    struct ward_call call = {.verb = WARD_RING_ATTEST, .key = *ref};
    WARD_TRY(one(session, &call));
    *ret = (struct ward_kek_attest){
        .present = (call.flags & WARD_ATTEST_PRESENT) != 0,
        .sensitive = (call.flags & WARD_ATTEST_SENSITIVE) != 0,
        .non_extractable = (call.flags & WARD_ATTEST_NON_EXTRACTABLE) != 0,
        .never_wrap_with_decrypt = (call.flags & WARD_ATTEST_NEVER_WRAP_WITH_DECRYPT) != 0,
        .works = (call.flags & WARD_ATTEST_WORKS) != 0,
    };
    return WARD_OK;
}

static ward_status pkcs11_create_signer(struct ward_kek_session *session,
                                        const struct ward_kek_ref *ref, const char *label,
                                        uint8_t *ret_algorithm, uint8_t *public_key,
                                        size_t *ret_size)
{
    struct ward_call call = {.verb = WARD_RING_CREATE_SIGNER,
                             .key = *ref,
                             .in = ward_bytes_str(label),
                             .out = public_key,
                             .room = WARD_RING_PUBLIC_KEY_MAX};
    WARD_TRY(one(session, &call));
    WARD_ENSURE(call.flags == WARD_KEK_ED25519 || call.flags == WARD_KEK_ECDSA_P256,
                WARD_E_INTERNAL);
    *ret_algorithm = (uint8_t)call.flags;
    *ret_size = call.out_size;
    return WARD_OK;
}

static ward_status pkcs11_sign(struct ward_kek_session *session, const struct ward_kek_ref *ref,
                               uint8_t algorithm, struct ward_bytes data, uint8_t *signature,
                               size_t *ret_size)
{
    struct ward_call call = {.verb = WARD_RING_SIGN,
                             .flags = algorithm,
                             .key = *ref,
                             .in = data,
                             .out = signature,
                             .room = WARD_RING_SIGNATURE_MAX};
    WARD_TRY(one(session, &call));
    *ret_size = call.out_size;
    return WARD_OK;
}

static ward_status pkcs11_probe(struct ward_kek_session *session)
{
    struct ward_call call = {.verb = WARD_RING_PROBE};
    return one(session, &call);
}

static ward_status pkcs11_session_open(struct ward_kek *kek, struct ward_kek_session **ret)
{
    struct session *session = calloc(1, sizeof(*session));
    WARD_ENSURE(session != NULL, WARD_E_EXHAUSTED);
    session->session.kek = kek;
    ward_status status = start(session);
    if (!ward_ok(status)) {
        free(session);
        return status;
    }
    *ret = &session->session;
    return WARD_OK;
}

static void pkcs11_session_close(struct ward_kek_session *generic)
{
    struct session *session = session_of(generic);
    ward_process_stop(&session->process, CLOSE_GRACE_MS);
    free(session);
}

static void pkcs11_close(struct ward_kek *kek)
{
    struct backend *backend = (struct backend *)(void *)kek;
    const char *strings[] = {backend->config.helper_path, backend->config.module_path,
                             backend->config.token_label, backend->config.token_serial,
                             backend->config.pin_file,    backend->config.module_params};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        free((void *)(uintptr_t)strings[i]);
    }
    (void)pthread_mutex_destroy(&backend->login); /* not held: no session is left */
    free(backend);
}

static const struct ward_kek_ops pkcs11_ops = {
    .name = "pkcs11",
    .close = pkcs11_close,
    .session_open = pkcs11_session_open,
    .session_close = pkcs11_session_close,
    .run = pkcs11_run,
    .create = pkcs11_create,
    .destroy = pkcs11_destroy,
    .forget = pkcs11_forget,
    .list = pkcs11_list,
    .attest = pkcs11_attest,
    .create_signer = pkcs11_create_signer,
    .sign = pkcs11_sign,
    .probe = pkcs11_probe,
};

static ward_status copy_string(const char **string)
{
    if (*string != NULL) {
        *string = strdup(*string);
        WARD_ENSURE(*string != NULL, WARD_E_EXHAUSTED);
    }
    return WARD_OK;
}

/* Every string is ours or NULL afterwards, also when it fails. */
static ward_status copy_strings(struct ward_pkcs11_config *config)
{
    const char **strings[] = {&config->helper_path,  &config->module_path, &config->token_label,
                              &config->token_serial, &config->pin_file,    &config->module_params};
    ward_status status = WARD_OK;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        ward_status copied = copy_string(strings[i]);
        status = ward_ok(status) ? copied : status;
    }
    return status;
}

ward_status ward_kek_pkcs11_open(const struct ward_pkcs11_config *config, struct ward_kek **ret)
{
    WARD_REQUIRE(config->helper_path != NULL, "hsm.helper: missing");
    WARD_REQUIRE(config->module_path != NULL, "hsm.module: missing");
    WARD_REQUIRE(config->pin_file != NULL, "hsm.pin_file: missing");
    WARD_REQUIRE((config->token_label != NULL) != (config->token_serial != NULL),
                 "hsm: exactly one of token_label and token_serial");
    struct backend *backend = calloc(1, sizeof(*backend));
    WARD_ENSURE(backend != NULL, WARD_E_EXHAUSTED);
    backend->kek.ops = &pkcs11_ops;
    backend->config = *config;
    backend->config.deadline_ms = config->deadline_ms != 0 ? config->deadline_ms : DEADLINE_MS;
    backend->config.start_deadline_ms =
        config->start_deadline_ms != 0 ? config->start_deadline_ms : START_DEADLINE_MS;
    backend->config.working_copies_max =
        config->working_copies_max != 0 ? config->working_copies_max : WORKING_COPIES_MAX;
    ward_status status = copy_strings(&backend->config);
    if (pthread_mutex_init(&backend->login, NULL) != 0 || !ward_ok(status)) {
        pkcs11_close(&backend->kek);
        WARD_FAIL(WARD_E_EXHAUSTED);
    }
    *ret = &backend->kek;
    return WARD_OK;
}

void ward_kek_pkcs11_try_pin(struct ward_kek *kek)
{
    struct backend *backend = (struct backend *)(void *)kek;
    if (!atomic_load(&backend->wrong_pin)) {
        return; /* and waits for nobody who logs in just now */
    }
    (void)pthread_mutex_lock(&backend->login); /* a plain mutex, always initialised */
    if (atomic_load(&backend->wrong_pin)) {
        struct stat found = look_at_pin(backend);
        bool same = same_file(&found, &backend->tried);
        ward_log(WARD_LOG_WARN, same ? "hsm: pin_file is as it was when the token refused its PIN, "
                                       "which is not tried again"
                                     : "hsm: pin_file was changed: its PIN is tried, once");
        atomic_store(&backend->wrong_pin, same);
    }
    (void)pthread_mutex_unlock(&backend->login); /* held */
}

bool ward_kek_pkcs11_uses_copies(const struct ward_kek *kek)
{
    const struct backend *backend = (const struct backend *)(const void *)kek;
    return atomic_load(&backend->copies);
}
