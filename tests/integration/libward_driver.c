/* SPDX-License-Identifier: Apache-2.0 */
/* An application of libward that does what a test tells it, a line at a time, and answers each with
 * a line: "ok ..." or the error's code, field and text. Built by the test as any application is.
 *
 *   generate | put ID | child | load MS THREADS | quit */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/wait.h>

#include <ward/ward.h>

#define THREADS_MAX 16

static const ward_pair purpose = {"purpose", "TREAT"};

static int give_pin(void *context, const char *token, char *pin, size_t size)
{
    const char *text = getenv("WARD_PIN");
    (void)context;
    (void)token;
    if (text == NULL || strlen(text) > size) {
        return -1;
    }
    memcpy(pin, text, strlen(text));
    return (int)strlen(text);
}

static ward_client *connect_to_ward(ward_error *error)
{
    ward_client *client = NULL;
    ward_config *config = ward_config_new();
    if (ward_config_set_server(config, getenv("WARD_SERVER")) == WARD_RC_OK &&
        ward_config_set_ca_file(config, getenv("WARD_CA")) == WARD_RC_OK &&
        ward_config_set_certificate_file(config, getenv("WARD_CERTIFICATE")) == WARD_RC_OK &&
        ward_config_set_key_file(config, getenv("WARD_KEY")) == WARD_RC_OK) {
        ward_config_set_pin_callback(config, give_pin, NULL);
        ward_config_set_timeout_ms(config, 20000);
        (void)ward_client_new(config, &client, error);
    }
    ward_config_free(config);
    return client;
}

static void answer(ward_rc rc, const ward_error *error, const char *text)
{
    if (rc == WARD_RC_OK) {
        (void)printf("ok %s\n", text);
    } else {
        (void)printf("%s [%s] %s\n", ward_rc_name(rc), error->field, error->message);
    }
    (void)fflush(stdout);
}

static ward_rc generate(ward_client *client, ward_error *error)
{
    ward_data_keys *keys = NULL;
    ward_rc rc = ward_generate_data_key(client, NULL, "app/demo", &purpose, 1, 32, &keys, error);
    ward_data_keys_free(keys);
    return rc;
}

static ward_rc put(ward_client *client, const char *id, unsigned *version, ward_error *error)
{
    const ward_put_request request = {"fhir", "libward", id, "{\"id\":\"x\"}", 10};
    ward_records *records = NULL;
    ward_rc rc = ward_put_record(client, NULL, &purpose, 1, &request, &records, error);
    if (rc == WARD_RC_OK) {
        *version = records->items[0]->version;
    }
    ward_records_free(records);
    return rc;
}

/* A forked child makes calls with the parent's client. */
static void child(ward_client *client)
{
    pid_t pid = fork();
    if (pid == 0) {
        ward_error error;
        int failed = generate(client, &error) != WARD_RC_OK;
        ward_client_free(client);
        _exit(failed);
    }
    int status = 1;
    (void)waitpid(pid, &status, 0);
    ward_error error = {.message = "the child failed"};
    answer(status == 0 ? WARD_RC_OK : WARD_RC_INTERNAL, &error, "child");
}

/* ---- load ---- */

struct load {
    ward_client *client;
    atomic_bool stop;
    atomic_ulong calls, failed, twice, number;
    pthread_mutex_t lock;
    ward_error first;
};

static void note(struct load *load, const ward_error *error)
{
    (void)pthread_mutex_lock(&load->lock);
    if (atomic_fetch_add(&load->failed, 1) == 0) {
        load->first = *error;
    }
    (void)pthread_mutex_unlock(&load->lock);
}

/* Every record has an id of its own: version 2 would be one that was stored twice. */
static void *run_load(void *argument)
{
    struct load *load = argument;
    while (!atomic_load(&load->stop)) {
        ward_error error;
        char id[64];
        unsigned version = 0;
        (void)snprintf(id, sizeof(id), "load-%ld-%lu", (long)getpid(),
                       atomic_fetch_add(&load->number, 1));
        if (generate(load->client, &error) != WARD_RC_OK ||
            put(load->client, id, &version, &error) != WARD_RC_OK) {
            note(load, &error);
        } else if (version != 1) {
            (void)atomic_fetch_add(&load->twice, 1);
        }
        (void)atomic_fetch_add(&load->calls, 2);
    }
    return NULL;
}

static void run_threads(ward_client *client, long ms, int n)
{
    struct load load = {.client = client, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS_MAX];
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    for (int i = 0; i < n; i++) {
        (void)pthread_create(&threads[i], NULL, run_load, &load);
    }
    (void)nanosleep(&pause, NULL);
    atomic_store(&load.stop, true);
    for (int i = 0; i < n; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    (void)printf("ok %lu calls %lu failed %lu twice %s\n", atomic_load(&load.calls),
                 atomic_load(&load.failed), atomic_load(&load.twice), load.first.message);
    (void)fflush(stdout);
}

int main(void)
{
    ward_error error = {.message = "configuration"};
    ward_client *client = connect_to_ward(&error);
    char line[256];
    answer(client == NULL ? error.code : WARD_RC_OK, &error, "ready");
    while (client != NULL && fgets(line, sizeof(line), stdin) != NULL) {
        unsigned version = 0;
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "generate") == 0) {
            answer(generate(client, &error), &error, "");
        } else if (strncmp(line, "put ", 4) == 0) {
            answer(put(client, line + 4, &version, &error), &error, "");
        } else if (strcmp(line, "child") == 0) {
            child(client);
        } else if (strncmp(line, "load ", 5) == 0) {
            char *end = NULL;
            long ms = strtol(line + 5, &end, 10), threads = strtol(end, &end, 10);
            run_threads(client, ms, (int)(threads < THREADS_MAX ? threads : THREADS_MAX));
        } else {
            break;
        }
    }
    ward_client_free(client);
    return 0;
}
