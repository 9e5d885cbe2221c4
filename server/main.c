/* SPDX-License-Identifier: Apache-2.0 */
/* wardd's entry: arguments, hardening, configuration, signals. SIGTERM drains and ends, SIGHUP
 * reloads certificates and operational settings; everything else is server/app.c. */
#include <argp.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "server/app.h"
#include "server/genesis.h"
#include "server/hardening.h"
#include "server/patience.h"

const char *argp_program_version = "wardd " WARD_VERSION;

struct arguments {
    const char *config, *owner, *new_pin_file;
    bool genesis, check, adopt, rotate_pin;
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case 'c':
        arguments->config = value;
        return 0;
    case 'g':
        arguments->genesis = true;
        return 0;
    case 'o':
        arguments->owner = value;
        return 0;
    case 'k':
        arguments->check = true;
        return 0;
    case 'a':
        arguments->adopt = true;
        return 0;
    case 'p':
        arguments->rotate_pin = true;
        return 0;
    case 'n':
        arguments->new_pin_file = value;
        return 0;
    case ARGP_KEY_END:
        if (arguments->config == NULL) {
            argp_error(state, "--config FILE is needed");
        }
        if (arguments->genesis != (arguments->owner != NULL)) {
            argp_error(state, "--genesis and --owner CONNINFO go together");
        }
        if (arguments->new_pin_file != NULL && !arguments->rotate_pin) {
            argp_error(state, "--new-pin-file goes with --rotate-pin");
        }
        if (arguments->genesis + arguments->check + arguments->rotate_pin > 1) {
            argp_error(state, "--genesis, --check and --rotate-pin: one at a time");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "the configuration; its manual is deploy/config/wardd.yaml", 0},
    {"genesis", 'g', NULL, 0,
     "begin a deployment: schema, keys, policy; prints one line of JSON and ends", 0},
    {"owner", 'o', "CONNINFO", 0,
     "with --genesis: how the owner of the schema reaches the database", 0},
    {"adopt-database", 'a', NULL, 0,
     "once, after a migration: take the rows of keys, policy and revocations for good as they are",
     0},
    {"rotate-pin", 'p', NULL, 0,
     "change the token's PIN and the one in hsm.pin_file, and end; daemons go on", 0},
    {"new-pin-file", 'n', "FILE", 0, "with --rotate-pin: the new PIN; without it a random one", 0},
    {"check", 'k', NULL, 0, "only read and check the configuration", 0},
    {0},
};
static const struct argp argp = {
    options, parse, NULL, "The daemon that keeps the keys to patient data.", NULL, NULL, NULL};

/* ward-hsm is looked for beside wardd, then where it is installed. */
static void find_helper(char *out, size_t size)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = 0;
        const char *folder = dirname(self);
        static const char *const places[] = {"ward-hsm", "../backends/pkcs11/ward-hsm"};
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            int length = snprintf(out, size, "%s/%s", folder, places[i]);
            if (length > 0 && (size_t)length < size && access(out, X_OK) == 0) {
                return;
            }
        }
    }
    (void)snprintf(out, size, "%s", WARD_LIBEXEC "/ward-hsm");
}

static struct ward_config *load(const char *path)
{
    char helper[PATH_MAX + 64];
    struct ward_config *config = NULL;
    struct ward_policy_error error;
    find_helper(helper, sizeof(helper));
    ward_status status = ward_config_load(path, helper, &config, &error);
    if (ward_ok(status)) {
        return config;
    }
    char text[160];
    if (error.text[0] != 0) {
        (void)fprintf(stderr, "wardd: %s:%u:%u: %s\n", path, error.line, error.column, error.text);
    } else {
        const char *refusal = ward_status_refusal(status);
        (void)fprintf(stderr, "wardd: %s: %s\n", path,
                      refusal != NULL ? refusal : ward_status_describe(status, text, sizeof(text)));
    }
    return NULL;
}

static int serve(struct ward_config *config, const char *path)
{
    struct ward_app *app = NULL;
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals,
                          NULL); /* every thread inherits it; this one waits for them */
    if (!ward_ok(ward_app_start(config, &app))) {
        return ward_asked_to_end() ? 0 : 1;
    }
    (void)sd_notify(0, "READY=1"); /* without systemd nobody listens */
    int signal = 0;
    while (sigwait(&signals, &signal) == 0 && signal == SIGHUP) {
        (void)sd_notify(0, "RELOADING=1");
        struct ward_config *fresh = load(path);
        if (fresh != NULL) {
            ward_app_reload(app, fresh);
            ward_config_free(fresh);
        }
        (void)sd_notify(0, "READY=1");
    }
    (void)sd_notify(0, "STOPPING=1");
    int code = ward_app_must_stop(app) ? 1 : 0;
    ward_app_stop(app);
    ward_log(WARD_LOG_INFO, "stopped");
    return code;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &arguments); /* exits by itself on a fault */
    (void)signal(SIGPIPE, SIG_IGN);
    ward_status hardened = ward_harden();
    if (!ward_ok(hardened)) {
        const char *refusal = ward_status_refusal(hardened);
        (void)fprintf(stderr, "wardd: start refused: %s\n",
                      refusal != NULL ? refusal : "the process could not be hardened");
        return 1;
    }
    struct ward_config *config = load(arguments.config);
    if (config == NULL) {
        return 2;
    }
    config->adopt_database = arguments.adopt;
    ward_log_level_set(config->log_level);
    int code = 0;
    if (arguments.check) {
        (void)printf("%s: good\n", arguments.config);
    } else if (arguments.genesis) {
        code = ward_genesis(config, arguments.owner);
    } else if (arguments.rotate_pin) {
        (void)signal(SIGPIPE, SIG_DFL); /* it would be inherited */
        code = ward_ok(ward_app_rotate_pin(config, arguments.new_pin_file)) ? 0 : 1;
    } else {
        code = serve(config, arguments.config);
    }
    ward_config_free(config);
    return code;
}
