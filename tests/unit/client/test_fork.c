/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the parent's in its children: they begin anew, and the parent notices nothing. */
#include "tests/unit/client/rig.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/wait.h>

/* Exit code of a child that runs `body`; it never comes back into cmocka. */
static int in_child(struct rig *rig, int (*body)(struct rig *rig))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(body(rig));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int list_twice(struct rig *rig)
{
    return rig_list(rig) == WARD_RC_OK && rig_list(rig) == WARD_RC_OK ? 0 : 1;
}

static int list_and_free(struct rig *rig)
{
    int failed = list_twice(rig);
    ward_client_free(rig->client);
    return failed;
}

static int free_only(struct rig *rig)
{
    ward_client_free(rig->client);
    return 0;
}

static void a_child_has_connections_of_its_own(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(in_child(rig, list_and_free), 0);
    assert_int_equal(stub_connections(rig->server), 2);
    assert_int_equal(rig_list(rig), WARD_RC_OK); /* the parent's is as it was */
    assert_int_equal(stub_connections(rig->server), 2);
}

static void a_child_that_ends_says_nothing_on_the_parents_connection(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(in_child(rig, free_only), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_list(rig), WARD_RC_OK);
    }
    assert_int_equal(stub_connections(rig->server), 1);
}

/* Sockets of this process that are connected to the server. */
static int count_sockets(struct rig *rig)
{
    (void)rig;
    int n = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof(peer);
        n += getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
    }
    return n;
}

static int only_its_own_sockets(struct rig *rig)
{
    int inherited = count_sockets(rig);
    if (rig_list(rig) != WARD_RC_OK) {
        return 100;
    }
    return count_sockets(rig) - inherited == 1 ? inherited : 101;
}

static void a_child_does_not_hold_the_parents_sockets_open(void **state)
{
    struct rig *rig = *state;
    int before = count_sockets(rig);
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(count_sockets(rig), before + 1);
    assert_int_equal(in_child(rig, only_its_own_sockets), before);
}

/* ---- a fork amid the calls of other threads ---- */

struct traffic {
    struct rig *rig;
    atomic_bool stop;
    atomic_int failed, done;
};

static void *call_on(void *argument)
{
    struct traffic *traffic = argument;
    while (!atomic_load(&traffic->stop)) {
        ward_keys *keys = NULL;
        ward_rc rc = ward_list_keys(traffic->rig->client, NULL, 0, NULL, &keys, NULL);
        (void)atomic_fetch_add(rc == WARD_RC_OK ? &traffic->done : &traffic->failed, 1);
        ward_keys_free(keys);
    }
    return NULL;
}

static void forks_amid_calls_disturb_nobody(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    skip(); /* its allocator, unlike glibc's, does not see to its locks when another thread forks */
#endif
    struct rig *rig = *state;
    struct traffic traffic = {.rig = rig};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_on, &traffic), 0);
    }
    for (int i = 0; i < 10; i++) {
        assert_int_equal(in_child(rig, list_twice), 0);
    }
    atomic_store(&traffic.stop, true);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&traffic.failed), 0);
    assert_true(atomic_load(&traffic.done) > 0);
    assert_true(stub_connections(rig->server) <= 4 + 10);
}

static int grandchild(struct rig *rig)
{
    return list_twice(rig) == 0 ? in_child(rig, list_and_free) : 1;
}

static void a_grandchild_begins_anew_too(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_list(rig), WARD_RC_OK);
    assert_int_equal(in_child(rig, grandchild), 0);
    assert_int_equal(stub_connections(rig->server), 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_start_apart, rig_stop)

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* the stub's; the client never raises it */
    const struct CMUnitTest tests[] = {
        CASE(a_child_has_connections_of_its_own),
        CASE(a_child_that_ends_says_nothing_on_the_parents_connection),
        CASE(a_child_does_not_hold_the_parents_sockets_open),
        CASE(forks_amid_calls_disturb_nobody),
        CASE(a_grandchild_begins_anew_too),
    };
    return cmocka_run_group_tests(tests, rig_make_folder, rig_drop_folder);
}
