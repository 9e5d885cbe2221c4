/* SPDX-License-Identifier: Apache-2.0 */
/* One ward-hsm process as wardd sees it: started, waited for with a deadline, killed by pid,
 * reaped. */
#ifndef WARD_BACKENDS_PKCS11_HELPER_PROCESS_H
#define WARD_BACKENDS_PKCS11_HELPER_PROCESS_H

#include <sys/types.h>

#include "backends/pkcs11/kek_pkcs11.h"
#include "backends/pkcs11/ring.h"

#define WARD_PROCESS_UNREAPED_MAX 8

struct ward_process {
    pid_t pid;               /* 0: none */
    int socket;              /* valid while pid is */
    struct ward_ring *ring;  /* likewise; a new one for each process */
    struct ward_await await; /* how soon it answers */
    /* Killed, but held in the kernel by a device: to be reaped when it lets go. */
    pid_t unreaped[WARD_PROCESS_UNREAPED_MAX];
};

/* Starts the helper; the caller then waits for its doorbells. The thread that calls must live as
 * long as the process shall: its death is the helper's (PR_SET_PDEATHSIG). UNAVAILABLE when it
 * cannot be started. */
ward_status ward_process_start(struct ward_process *process,
                               const struct ward_pkcs11_config *config);
/* False when there is none, or it hung up (or spoke) while nothing was asked of it. */
bool ward_process_alive(const struct ward_process *process);
/* Rings and waits until deadline_us (monotonic). DEADLINE or UNAVAILABLE: kill it. */
ward_status ward_process_ask(struct ward_process *process, int64_t deadline_us);
ward_status ward_process_wait(struct ward_process *process, int64_t deadline_us);
/* Hangs up, gives it grace_ms to leave by itself (0: none), kills it, reaps it, wipes the ring. */
void ward_process_stop(struct ward_process *process, int grace_ms);

#endif
