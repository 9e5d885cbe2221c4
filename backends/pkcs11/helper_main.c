/* SPDX-License-Identifier: Apache-2.0 */
/* ward-hsm: the one process that holds the vendor's module and the PIN. wardd starts it with a
 * socket and a shared memory, and it serves batches until the session is lost or wardd hangs up. It
 * opens no listening socket, reads no request from a network, writes nothing but its log, and never
 * forks. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/pkcs11/login.h"
#include "backends/pkcs11/object.h"
#include "backends/pkcs11/pin_change.h"
#include "backends/pkcs11/probe.h"
#include "backends/pkcs11/serve.h"
#include "base/clock.h"
#include "base/log.h"

#define SECRET_POOL 65536
#define IDLE_MS 1000
#define START_SEARCH_US 60000000 /* wardd's start deadline is what counts */

static bool arguments(int argc, char **argv, struct ward_hsm_config *ret)
{
    enum {
        MODULE = 1,
        PARAMS,
        LABEL,
        SERIAL,
        PIN_FILE,
        NO_COPIES,
        COPIES_MAX,
        UNMODIFIABLE,
        ROTATE_PIN,
        NEW_PIN_FILE
    };
    static const struct option options[] = {{"module", required_argument, NULL, MODULE},
                                            {"module-params", required_argument, NULL, PARAMS},
                                            {"token-label", required_argument, NULL, LABEL},
                                            {"token-serial", required_argument, NULL, SERIAL},
                                            {"pin-file", required_argument, NULL, PIN_FILE},
                                            {"no-copies", no_argument, NULL, NO_COPIES},
                                            {"copies-max", required_argument, NULL, COPIES_MAX},
                                            {"unmodifiable", no_argument, NULL, UNMODIFIABLE},
                                            {"rotate-pin", no_argument, NULL, ROTATE_PIN},
                                            {"new-pin-file", required_argument, NULL, NEW_PIN_FILE},
                                            {0}};
    *ret = (struct ward_hsm_config){.copies = true, .copies_max = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case MODULE:
            ret->module_path = optarg;
            break;
        case PARAMS:
            ret->module_params = optarg;
            break;
        case LABEL:
            ret->token_label = optarg;
            break;
        case SERIAL:
            ret->token_serial = optarg;
            break;
        case PIN_FILE:
            ret->pin_file = optarg;
            break;
        case NO_COPIES:
            ret->copies = false;
            break;
        case COPIES_MAX:
            ret->copies_max = strtoul(optarg, NULL, 10); /* from wardd, which has checked it */
            break;
        case UNMODIFIABLE:
            ret->unmodifiable = true;
            break;
        case ROTATE_PIN:
            ret->change_pin = true;
            break;
        case NEW_PIN_FILE:
            ret->new_pin_file = optarg;
            break;
        default:
            return false;
        }
    }
    return optind == argc && ret->module_path != NULL && ret->pin_file != NULL &&
           (ret->token_label != NULL || ret->token_serial != NULL);
}

/* No core file, no ptrace by others, no new privileges. */
static ward_status harden(void)
{
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return WARD_FOREIGN(WARD_E_INTERNAL, WARD_DOMAIN_ERRNO, errno);
    }
    (void)umask(077);
    return ward_secret_pool_init(SECRET_POOL);
}

/* No life after wardd's. Signals that a terminal or a service manager sends to the whole group are
 * for wardd to act on: it still needs its helpers then. */
static ward_status follow_wardd(void)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        return WARD_FOREIGN(WARD_E_INTERNAL, WARD_DOMAIN_ERRNO, errno);
    }
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        (void)signal(ignored[i], SIG_IGN); /* fails for numbers that do not exist */
    }
    return WARD_OK;
}

/* wardd waits for two doorbells: the PIN was right, and ready. */
static void report(struct ward_ring *ring, enum ward_ring_stage stage, ward_status status)
{
    ring->status = (struct ward_ring_status){status.code, status.domain, status.foreign};
    ring->stage = stage;
    (void)ward_ring_wake(
        WARD_RING_SOCKET_FD); /* a wardd that is gone is noticed at the next wait */
}

static ward_status start(struct ward_hsm *hsm, const struct ward_hsm_config *config,
                         struct ward_ring *ring)
{
    hsm->now_us = ward_monotonic_us(&ward_clock_system);
    hsm->search_until_us = hsm->now_us + START_SEARCH_US;
    WARD_TRY(ward_session_open(hsm, config, &ring->in_call));
    WARD_TRY(ward_login(hsm, NULL, NULL));
    report(ring, WARD_STAGE_LOGGED_IN, WARD_OK);
    WARD_TRY(ward_probe_start(hsm));
    WARD_TRY(ward_object_enumerate(hsm));
    ring->copies = hsm->quirks.copies && (!config->unmodifiable || hsm->quirks.copies_unmodifiable);
    return WARD_OK;
}

static void serve(struct ward_hsm *hsm, struct ward_ring *ring)
{
    while (!hsm->broken) {
        /* Asleep: nobody knows when the next call comes. */
        int timeout_ms = hsm->quirks.copies ? IDLE_MS : -1;
        ward_status status = ward_ring_wait(WARD_RING_SOCKET_FD, NULL, timeout_ms);
        if (status.code == WARD_E_DEADLINE) {
            ward_object_sweep(hsm);
        } else if (!ward_ok(status)) {
            return;
        } else {
            ward_serve(hsm, ring);
            if (!ward_ok(ward_ring_wake(WARD_RING_SOCKET_FD))) {
                return;
            }
        }
    }
}

/* An operator's command, in wardd's place: there is no ring and nobody to follow. */
static int change_pin(struct ward_hsm *hsm, const struct ward_hsm_config *config)
{
    static uint32_t in_call;
    ward_status status = harden();
    if (ward_ok(status)) {
        status = ward_session_open(hsm, config, &in_call);
    }
    if (ward_ok(status)) {
        status = ward_pin_change(hsm);
    }
    ward_session_close(hsm);
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_ERROR, "hsm: the PIN was not changed, or not to the end", status);
    }
    (void)fflush(stdout); /* what it says is also in the exit code */
    _exit(ward_ok(status) ? 0 : 1);
}

int main(int argc, char **argv)
{
    static struct ward_hsm hsm;
    struct ward_hsm_config config;
    struct ward_ring *ring = NULL;
    if (!arguments(argc, argv, &config)) {
        (void)fputs("ward-hsm is started by wardd; it is no command for people.\n", stderr);
        return 2;
    }
    if (config.change_pin) {
        return change_pin(&hsm, &config);
    }
    ward_status status = harden();
    if (ward_ok(status)) {
        status = follow_wardd();
    }
    if (ward_ok(status)) {
        status = ward_ring_map(WARD_RING_MEMORY_FD, &ring);
    }
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_ERROR, "hsm: cannot run without locked memory shared with wardd",
                        status);
        return 1;
    }
    (void)close(WARD_RING_MEMORY_FD);                      /* mapped */
    (void)fcntl(WARD_RING_SOCKET_FD, F_SETFD, FD_CLOEXEC); /* should the module start something */
    if ((uint32_t)getppid() != ring->parent) {
        return 0; /* wardd died before the parent-death signal was set */
    }
    status = start(&hsm, &config, ring);
    if (!ward_ok(status)) {
        ward_log_status(WARD_LOG_ERROR, "hsm: start failed",
                        status); /* wardd kills who reports it */
    }
    report(ring, ward_ok(status) ? WARD_STAGE_READY : WARD_STAGE_FAILED, status);
    if (ward_ok(status)) {
        serve(&hsm, ring);
    }
    ward_session_close(&hsm);
    /* The ring is wardd's to wipe: the last answer in it may not have been read yet. */
    /* Not exit(): the handlers that a module leaves behind are its own risk. */
    _exit(ward_ok(status) ? 0 : 1);
}
