/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a ward-hsm. It inherits nothing: no descriptor but the two that it works with and
 * stderr for its log, no signal mask, no environment but what SoftHSM needs to find its
 * configuration. Must not know what is in the ring. */
#include "backends/pkcs11/helper_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define CONF_VARIABLE "SOFTHSM2_CONF"
/* SoftHSM makes and frees many small blocks a call; with room for them in the thread's own
 * cache a call costs 7 % fewer instructions. */
#define MALLOC_TUNING "GLIBC_TUNABLES=glibc.malloc.tcache_count=127"
#define KILL_WAIT_MS 200 /* for SIGKILL to take effect, unless the kernel holds the process */
#define ARGUMENTS_MAX 20

/* Remembers a pid whose process will not go. False when there are too many: something is badly
 * wrong. */
static bool remember(struct ward_process *process, pid_t pid)
{
    for (size_t i = 0; i < WARD_PROCESS_UNREAPED_MAX; i++) {
        if (process->unreaped[i] == 0) {
            process->unreaped[i] = pid;
            return true;
        }
    }
    return false;
}

/* True when there is room for one more. */
static bool reap_remembered(struct ward_process *process)
{
    size_t held = 0;
    for (size_t i = 0; i < WARD_PROCESS_UNREAPED_MAX; i++) {
        if (process->unreaped[i] != 0 && waitpid(process->unreaped[i], NULL, WNOHANG) != 0) {
            process->unreaped[i] = 0;
        }
        held += process->unreaped[i] != 0 ? 1 : 0;
    }
    return held < WARD_PROCESS_UNREAPED_MAX;
}

struct spawn {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int socket, memory; /* above the numbers that they are moved to */
    const char *argv[ARGUMENTS_MAX];
    char *conf;
    char copies_max[16];
    const char *environment[3];
};

/* How many there are now. */
static size_t spawn_arguments(struct spawn *spawn, const struct ward_pkcs11_config *config)
{
    const char *pairs[][2] = {{"--module", config->module_path},
                              {"--module-params", config->module_params},
                              {"--token-label", config->token_label},
                              {"--token-serial", config->token_serial},
                              {"--pin-file", config->pin_file}};
    size_t n = 0;
    spawn->argv[n++] = config->helper_path;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i][1] != NULL) {
            spawn->argv[n++] = pairs[i][0];
            spawn->argv[n++] = pairs[i][1];
        }
    }
    if (config->working_copies) {
        (void)snprintf(spawn->copies_max, sizeof(spawn->copies_max), "%u",
                       config->working_copies_max); /* ten digits at most */
        spawn->argv[n++] = "--copies-max";
        spawn->argv[n++] = spawn->copies_max;
    } else {
        spawn->argv[n++] = "--no-copies";
    }
    if (config->require_unmodifiable) {
        spawn->argv[n++] = "--unmodifiable";
    }
    spawn->argv[n] = NULL;
    return n;
}

static bool spawn_environment(struct spawn *spawn)
{
    const char *conf = getenv(CONF_VARIABLE);
    if (conf != NULL && asprintf(&spawn->conf, CONF_VARIABLE "=%s", conf) < 0) {
        spawn->conf = NULL;
        return false;
    }
    spawn->environment[0] = MALLOC_TUNING;
    spawn->environment[1] = spawn->conf;
    return true;
}

/* Errors of the set-up calls are all lack of memory or a bad constant: gathered, not told apart. */
static int spawn_prepare(struct spawn *spawn)
{
    posix_spawn_file_actions_t *actions = &spawn->actions;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int failed = 0;
    failed |= posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    failed |= posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    failed |= posix_spawn_file_actions_adddup2(actions, spawn->socket, WARD_RING_SOCKET_FD);
    failed |= posix_spawn_file_actions_adddup2(actions, spawn->memory, WARD_RING_MEMORY_FD);
    failed |= posix_spawn_file_actions_addclosefrom_np(actions, WARD_RING_MEMORY_FD + 1);
    failed |= posix_spawnattr_setsigmask(&spawn->attributes, &none);
    failed |= posix_spawnattr_setsigdefault(&spawn->attributes, &all);
    failed |= posix_spawnattr_setpgroup(&spawn->attributes, 0);
    failed |= posix_spawnattr_setflags(
        &spawn->attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return failed | (spawn_environment(spawn) ? 0 : ENOMEM);
}

static int spawn_run(struct spawn *spawn, pid_t *ret_pid)
{
    if (posix_spawn_file_actions_init(&spawn->actions) != 0) {
        return ENOMEM;
    }
    if (posix_spawnattr_init(&spawn->attributes) != 0) {
        (void)posix_spawn_file_actions_destroy(&spawn->actions); /* cannot fail */
        return ENOMEM;
    }
    int failed = spawn_prepare(spawn);
    if (failed == 0) {
        failed = posix_spawn(ret_pid, spawn->argv[0], &spawn->actions, &spawn->attributes,
                             (char *const *)(uintptr_t)spawn->argv,
                             (char *const *)(uintptr_t)spawn->environment);
    }
    free(spawn->conf);
    (void)posix_spawnattr_destroy(&spawn->attributes);       /* cannot fail */
    (void)posix_spawn_file_actions_destroy(&spawn->actions); /* cannot fail */
    return failed;
}

/* Moves a descriptor out of the way of the numbers that the child is given. */
static int moved(int fd)
{
    int up = fcntl(fd, F_DUPFD_CLOEXEC, WARD_RING_MEMORY_FD + 1);
    (void)close(fd); /* the duplicate is what counts */
    return up;
}

ward_status ward_process_start(struct ward_process *process,
                               const struct ward_pkcs11_config *config)
{
    WARD_ENSURE(reap_remembered(process), WARD_E_UNAVAILABLE);
    int pair[2], memory;
    struct ward_ring *ring = NULL;
    WARD_TRY(ward_ring_new(&ring, &memory));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        ward_status status = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
        ward_ring_unmap(ring);
        (void)close(memory); /* nothing is in it */
        return status;
    }
    struct spawn spawn = {.socket = moved(pair[1]), .memory = moved(memory)};
    (void)spawn_arguments(&spawn, config); /* how many does not matter here */
    pid_t pid = 0;
    int failed = spawn.socket < 0 || spawn.memory < 0 ? EMFILE : spawn_run(&spawn, &pid);
    (void)close(spawn.socket); /* the child has its own */
    (void)close(spawn.memory); /* likewise */
    if (failed != 0) {
        (void)close(pair[0]); /* nobody is at the other end */
        ward_ring_unmap(ring);
        ward_log_text(WARD_LOG_ERROR, "hsm: helper cannot be started", "path", config->helper_path);
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, failed);
    }
    process->pid = pid;
    process->socket = pair[0];
    process->ring = ring;
    return WARD_OK;
}

ward_status ward_pkcs11_rotate_pin(const struct ward_pkcs11_config *config,
                                   const char *new_pin_file)
{
    struct spawn spawn = {0};
    size_t n = spawn_arguments(&spawn, config);
    spawn.argv[n++] = "--rotate-pin";
    if (new_pin_file != NULL) {
        spawn.argv[n++] = "--new-pin-file";
        spawn.argv[n++] = new_pin_file;
    }
    spawn.argv[n] = NULL;
    WARD_ENSURE(spawn_environment(&spawn), WARD_E_EXHAUSTED);
    (void)execve(spawn.argv[0], (char *const *)(uintptr_t)spawn.argv,
                 (char *const *)(uintptr_t)spawn.environment); /* returns only when it failed */
    ward_status status = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    ward_log_text(WARD_LOG_ERROR, "hsm: helper cannot be started", "path", config->helper_path);
    free(spawn.conf);
    return status;
}

bool ward_process_alive(const struct ward_process *process)
{
    uint8_t byte;
    return process->pid != 0 && recv(process->socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           errno == EAGAIN;
}

ward_status ward_process_wait(struct ward_process *process, int64_t deadline_us)
{
    ward_status status;
    int64_t left_us;
    do {
        /* Looked at once more when the time is over: when all of the machine stood still, the
         * answer may be there. */
        left_us = deadline_us - ward_monotonic_us(&ward_clock_system);
        status = ward_ring_wait(process->socket, &process->await,
                                left_us > 0 ? (int)(left_us / 1000) + 1 : 0);
    } while (status.code == WARD_E_DEADLINE && left_us > 0); /* a signal may have come early */
    return status;
}

ward_status ward_process_ask(struct ward_process *process, int64_t deadline_us)
{
    WARD_TRY(ward_ring_wake(process->socket));
    return ward_process_wait(process, deadline_us);
}

/* True when it is gone and reaped. */
static bool gone_within(pid_t pid, int timeout_ms)
{
    int fd = pidfd_open(pid, 0);
    if (fd >= 0) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        (void)poll(&waiting, 1, timeout_ms); /* cut short by a signal: then it is killed sooner */
        (void)close(fd);                     /* only watched */
    }
    return waitpid(pid, NULL, WNOHANG) != 0;
}

void ward_process_stop(struct ward_process *process, int grace_ms)
{
    if (process->pid == 0) {
        return;
    }
    (void)close(process->socket); /* the hang-up is the message */
    bool gone = grace_ms > 0 && gone_within(process->pid, grace_ms);
    if (!gone) {
        (void)kill(process->pid, SIGKILL); /* our own child, not reaped: the pid is its */
        if (!gone_within(process->pid, KILL_WAIT_MS) && !remember(process, process->pid)) {
            ward_log(WARD_LOG_ERROR, "hsm: helpers cannot be killed: the device holds them");
        }
    }
    ward_ring_unmap(process->ring);
    process->pid = 0;
    process->socket = -1;
    process->ring = NULL;
}
