/* SPDX-License-Identifier: Apache-2.0 */
/* The network side of the daemon alone, with canned answers from another thread: for third-party
 * gRPC clients and for measuring the loop. Arguments: listen, certificate, key, client CA, loops,
 * and "direct" to answer on the loop's own thread. Prints its port. SIGHUP reloads, SIGTERM drains.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/op/messages.h"
#include "server/rpc/rpc.h"
#include "tests/unit/server/rpc_support.h"

static struct {
    struct ward_rpc *rpc;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct ward_list waiting;
    bool direct, stop;
    atomic_uint handshakes_failed, requests_refused;
} echo = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

/* A generate whose first key is "slow" takes 300 ms. */
static bool slow(const struct ward_request *request)
{
    const struct ward_generate *in = request->in;
    return request->op == &ward_op_generate && ward_ok(request->status) &&
           ward_bytes_eq(in->items[0].key, WARD_BYTES_LITERAL("slow"));
}

static void answer_all(struct ward_list *requests)
{
    for (struct ward_link *link = requests->head; link != NULL; link = link->next) {
        struct ward_request *request = WARD_CONTAINER(link, struct ward_request, link);
        if (slow(request) && !echo.direct) {
            const struct timespec pause = {.tv_nsec = 300000000};
            (void)nanosleep(&pause, NULL);
        }
        if (ward_ok(request->status)) {
            canned_answer(request);
        }
    }
    ward_rpc_complete(echo.rpc, requests);
}

static void on_submit(void *context, struct ward_list *requests)
{
    (void)context;
    if (echo.direct) {
        answer_all(requests);
        return;
    }
    (void)pthread_mutex_lock(&echo.lock);
    ward_list_splice(&echo.waiting, requests);
    (void)pthread_cond_signal(&echo.filled);
    (void)pthread_mutex_unlock(&echo.lock);
}

static void *work(void *unused)
{
    (void)unused;
    for (;;) {
        (void)pthread_mutex_lock(&echo.lock);
        while (echo.waiting.head == NULL && !echo.stop) {
            (void)pthread_cond_wait(&echo.filled, &echo.lock);
        }
        struct ward_list requests = echo.waiting;
        echo.waiting = (struct ward_list){0};
        bool stop = echo.stop;
        (void)pthread_mutex_unlock(&echo.lock);
        if (requests.head == NULL && stop) {
            return NULL;
        }
        answer_all(&requests);
    }
}

static bool on_serving(void *context)
{
    (void)context;
    return true;
}

static void on_unidentified(void *context, unsigned handshakes_failed, unsigned requests_refused)
{
    (void)context;
    echo.handshakes_failed += handshakes_failed;
    echo.requests_refused += requests_refused;
}

static void wait_for_end(const sigset_t *signals)
{
    for (int number = 0; sigwait(signals, &number) == 0 && number == SIGHUP;) {
        struct ward_tls *fresh = NULL;
        ward_status status = ward_rpc_read_certificates(echo.rpc, &fresh);
        if (ward_ok(status)) {
            ward_rpc_use_certificates(echo.rpc, fresh);
        }
        printf("reload %s\n", ward_ok(status) ? "done" : status.at);
    }
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        return 2;
    }
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    struct ward_rpc_config config = {.listen = argv[1],
                                     .certificate_file = argv[2],
                                     .key_file = argv[3],
                                     .client_ca_file = argv[4],
                                     .loops = (unsigned)strtoul(argv[5], NULL, 10),
                                     .net = WARD_NET_SETTINGS_DEFAULT};
    config.net.handshake_timeout_s = 3;
    const struct ward_rpc_handler handler = {
        .submit = on_submit, .serving = on_serving, .unidentified = on_unidentified};
    echo.direct = argc > 6;
    ward_status status = ward_rpc_new(&config, &handler, &echo.rpc);
    if (!ward_ok(status) || !ward_ok(ward_rpc_start(echo.rpc))) {
        fprintf(stderr, "not started: %s\n", status.at);
        return 1;
    }
    pthread_t worker;
    if (pthread_create(&worker, NULL, work, NULL) != 0) {
        return 1;
    }
    printf("port %u\n", ward_rpc_port(echo.rpc));
    wait_for_end(&signals);
    ward_rpc_drain(echo.rpc, 5000);
    struct ward_rpc_stats stats;
    ward_rpc_stats(echo.rpc, &stats);
    (void)pthread_mutex_lock(&echo.lock);
    echo.stop = true;
    (void)pthread_cond_signal(&echo.filled);
    (void)pthread_mutex_unlock(&echo.lock);
    (void)pthread_join(worker, NULL);
    printf("drained connections=%llu total=%llu requests=%llu streams=%llu handshakes_failed=%u "
           "refused=%u\n",
           (unsigned long long)stats.connections, (unsigned long long)stats.connections_total,
           (unsigned long long)stats.requests, (unsigned long long)stats.streams,
           echo.handshakes_failed, echo.requests_refused);
    ward_rpc_free(echo.rpc);
    return 0;
}
