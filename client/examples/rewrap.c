/* SPDX-License-Identifier: Apache-2.0 */
/* After a rotation: moves stored wrapped data keys to the newest version of their key-encryption
 * key. No plaintext comes or goes, so the application's data stays as it is.
 *
 *   rewrap FOLDER TENANT       every file FOLDER/NAME.wrapped holds one wrapped data key
 *
 * Batches of a hundred keys a call. Each file is replaced by a rename, so that the program may be
 * stopped at any moment and run again: what is at the newest version already is left alone. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ward/ward.h>

#define BATCH 100
#define WRAPPED_MAX_SIZE 1024
#define PATH_MAX_SIZE 4096

struct batch {
    size_t n;
    char paths[BATCH][PATH_MAX_SIZE];
    unsigned char wrapped[BATCH][WRAPPED_MAX_SIZE];
    ward_rewrap_request requests[BATCH];
};

struct counts {
    unsigned long moved, unchanged, failed;
};

static int say(const char *what, const ward_error *error)
{
    (void)fprintf(stderr, "%s: %s: %s\n", what, ward_rc_name(error->code), error->message);
    return 1;
}

static ward_client *connect_to_ward(void)
{
    ward_client *client = NULL;
    ward_error error = {.message = "no memory"};
    ward_config *config = ward_config_new();
    if (config == NULL || ward_config_set_server(config, getenv("WARD_SERVER")) != WARD_RC_OK ||
        ward_config_set_ca_file(config, getenv("WARD_CA")) != WARD_RC_OK ||
        ward_config_set_certificate_file(config, getenv("WARD_CERTIFICATE")) != WARD_RC_OK ||
        ward_config_set_key_file(config, getenv("WARD_KEY")) != WARD_RC_OK ||
        ward_client_new(config, &client, &error) != WARD_RC_OK) {
        (void)say("connecting", &error);
    }
    ward_config_free(config);
    return client;
}

/* On the disk before it has its name: a crash leaves the old key or the new one. */
static int replace(const char *path, const void *data, size_t size)
{
    char temporary[PATH_MAX_SIZE + 8];
    (void)snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = fopen(temporary, "wb");
    int fine = file != NULL && fwrite(data, 1, size, file) == size && fflush(file) == 0 &&
               fsync(fileno(file)) == 0;
    if (file != NULL) {
        fine = fclose(file) == 0 && fine;
    }
    if (!fine || rename(temporary, path) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

static int finish(const struct batch *batch, const ward_data_keys *keys, struct counts *counts)
{
    for (size_t i = 0; i < batch->n; i++) {
        const char *text = "";
        size_t size = 0;
        const void *wrapped = NULL;
        if (ward_data_keys_code(keys, i, &text) != WARD_RC_OK) {
            (void)fprintf(stderr, "%s: %s\n", batch->paths[i], text);
            counts->failed++;
        } else if (ward_data_keys_unchanged(keys, i)) {
            counts->unchanged++;
        } else {
            wrapped = ward_data_keys_wrapped(keys, i, 0, &size);
            if (replace(batch->paths[i], wrapped, size) != 0) {
                return 1;
            }
            counts->moved++;
        }
    }
    return 0;
}

static int send_batch(ward_client *client, struct batch *batch, struct counts *counts)
{
    ward_data_keys *keys = NULL;
    ward_error error;
    if (batch->n == 0) {
        return 0;
    }
    if (ward_rewrap_data_keys(client, NULL, batch->requests, batch->n, &keys, &error) !=
        WARD_RC_OK) {
        return say("rewrapping", &error);
    }
    int failed = finish(batch, keys, counts);
    ward_data_keys_free(keys);
    batch->n = 0;
    return failed;
}

static int add(struct batch *batch, const char *folder, const char *name, const ward_pair *context,
               size_t n_context)
{
    size_t i = batch->n;
    int length = snprintf(batch->paths[i], PATH_MAX_SIZE, "%s/%s", folder, name);
    FILE *file = length > 0 && length < PATH_MAX_SIZE ? fopen(batch->paths[i], "rb") : NULL;
    if (file == NULL) {
        perror(name);
        return 1;
    }
    size_t size = fread(batch->wrapped[i], 1, WRAPPED_MAX_SIZE, file);
    (void)fclose(file);
    batch->requests[i] = (ward_rewrap_request){.wrapped = batch->wrapped[i],
                                               .wrapped_size = size,
                                               .context = context,
                                               .n_context = n_context};
    batch->n++;
    return 0;
}

static int each_file(ward_client *client, const char *folder, const char *tenant,
                     struct counts *counts)
{
    static const char suffix[] = ".wrapped";
    const ward_pair context[] = {{"tenant", tenant}, {"purpose", "TREAT"}};
    struct batch *batch = calloc(1, sizeof(*batch));
    DIR *files = opendir(folder);
    int failed = batch == NULL || files == NULL;
    struct dirent *entry = NULL;
    if (files == NULL) {
        perror(folder);
    }
    while (!failed && (entry = readdir(files)) != NULL) {
        size_t size = strlen(entry->d_name);
        if (size < sizeof(suffix) ||
            strcmp(entry->d_name + size - (sizeof(suffix) - 1), suffix) != 0) {
            continue;
        }
        failed = add(batch, folder, entry->d_name, context, 2);
        if (!failed && batch->n == BATCH) {
            failed = send_batch(client, batch, counts);
        }
    }
    if (!failed) {
        failed = send_batch(client, batch, counts);
    }
    if (files != NULL) {
        (void)closedir(files);
    }
    free(batch);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: rewrap FOLDER TENANT\n");
        return 2;
    }
    ward_client *client = connect_to_ward();
    if (client == NULL) {
        return 1;
    }
    struct counts counts = {0};
    int failed = each_file(client, argv[1], argv[2], &counts);
    (void)printf("%lu moved, %lu unchanged, %lu failed\n", counts.moved, counts.unchanged,
                 counts.failed);
    ward_client_free(client);
    return failed != 0 || counts.failed > 0;
}
