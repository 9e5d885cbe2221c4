/* SPDX-License-Identifier: Apache-2.0 */
/* Envelope encryption of fields. Reads lines and writes lines: a line is a field of a patient, e.g.
 * a column of a table.
 *
 *   fields seal KEY TENANT  < plain  > sealed      each line sealed, in hex
 *   fields open TENANT      < sealed > plain
 *
 * A thousand lines cost a few calls to the daemon: data keys come out of a cache, which gives a key
 * up after a minute, a hundred messages or a megabyte. The tenant is the encryption context: the
 * daemon decides and audits by it, and a field opens for its own tenant alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ward/ward.h>

#define LINE_MAX_SIZE 16384

struct app {
    ward_client *client;
    ward_cache *cache;
    ward_pair context[2];
    const char *key;
};

static int say(const char *what, const ward_error *error)
{
    (void)fprintf(stderr, "%s: %s: %s\n", what, ward_rc_name(error->code), error->message);
    return 1;
}

static int connect_to_ward(struct app *app)
{
    const ward_cache_limits limits = {
        .max_age_ms = 60000, .max_entries = 100, .max_uses = 100, .max_bytes_sealed = 1 << 20};
    ward_error error = {.message = "no memory"};
    ward_config *config = ward_config_new();
    if (config == NULL || ward_config_set_server(config, getenv("WARD_SERVER")) != WARD_RC_OK ||
        ward_config_set_ca_file(config, getenv("WARD_CA")) != WARD_RC_OK ||
        ward_config_set_certificate_file(config, getenv("WARD_CERTIFICATE")) != WARD_RC_OK ||
        ward_config_set_key_file(config, getenv("WARD_KEY")) != WARD_RC_OK ||
        ward_client_new(config, &app->client, &error) != WARD_RC_OK ||
        ward_cache_new(app->client, &limits, &app->cache, &error) != WARD_RC_OK) {
        ward_config_free(config);
        return say("connecting", &error);
    }
    ward_config_free(config);
    return 0;
}

static void print_hex(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        (void)printf("%02x", data[i]);
    }
    (void)printf("\n");
}

static int seal_line(struct app *app, const char *line, size_t size)
{
    ward_cached_key *key = NULL;
    ward_blob *sealed = NULL;
    ward_error error;
    if (ward_cache_data_key(app->cache, NULL, app->key, app->context, 2, 32, size, &key, &error) !=
        WARD_RC_OK) {
        return say("a data key", &error);
    }
    ward_seal_options options = {.chunk_size = 4096};
    size_t key_size = 0;
    options.data_key = ward_cached_key_plaintext(key, &key_size);
    options.wrapped = ward_cached_key_wrapped(key, &options.wrapped_size);
    int failed = 0;
    if (ward_seal(NULL, NULL, &options, line, size, &sealed, &error) != WARD_RC_OK) {
        failed = say("sealing", &error);
    } else {
        print_hex(sealed->data, sealed->size);
    }
    ward_blob_free(sealed);
    ward_cached_key_free(key);
    return failed;
}

/* Half of the characters, or 0 when they are not hex. */
static size_t parse_hex(const char *line, size_t size, unsigned char *out)
{
    for (size_t i = 0; i + 1 < size; i += 2) {
        char pair[3] = {line[i], line[i + 1], 0}, *end = NULL;
        out[i / 2] = (unsigned char)strtoul(pair, &end, 16);
        if (end != pair + 2) {
            return 0;
        }
    }
    return size / 2;
}

static int open_line(struct app *app, const char *line, size_t size)
{
    unsigned char sealed[LINE_MAX_SIZE];
    const void *wrapped = NULL;
    size_t wrapped_size = 0, sealed_size = parse_hex(line, size, sealed);
    ward_cached_key *key = NULL;
    ward_blob *plain = NULL;
    ward_error error;
    if (ward_sealed_key(sealed, sealed_size, &wrapped, &wrapped_size, &error) != WARD_RC_OK ||
        ward_cache_unwrap(app->cache, NULL, wrapped, wrapped_size, app->context, 2, &key, &error) !=
            WARD_RC_OK) {
        return say("the data key", &error);
    }
    ward_seal_options options = {0};
    size_t key_size = 0;
    options.data_key = ward_cached_key_plaintext(key, &key_size);
    int failed = 0;
    if (ward_open(NULL, NULL, &options, sealed, sealed_size, &plain, &error) != WARD_RC_OK) {
        failed = say("opening", &error);
    } else {
        (void)fwrite(plain->data, 1, plain->size, stdout);
        (void)printf("\n");
    }
    ward_blob_free(plain);
    ward_cached_key_free(key);
    return failed;
}

static int each_line(struct app *app)
{
    char line[LINE_MAX_SIZE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        size_t size = strcspn(line, "\n");
        int failed = app->key != NULL ? seal_line(app, line, size) : open_line(app, line, size);
        if (failed != 0) {
            return failed;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct app app = {0};
    int sealing = argc == 4 && strcmp(argv[1], "seal") == 0;
    if (!sealing && !(argc == 3 && strcmp(argv[1], "open") == 0)) {
        (void)fprintf(stderr, "usage: fields seal KEY TENANT | fields open TENANT\n");
        return 2;
    }
    app.key = sealing ? argv[2] : NULL;
    app.context[0] = (ward_pair){"tenant", argv[argc - 1]};
    app.context[1] = (ward_pair){"purpose", "TREAT"};
    int failed = connect_to_ward(&app);
    if (failed == 0) {
        failed = each_line(&app);
        ward_cache_stats stats;
        ward_cache_get_stats(app.cache, &stats);
        (void)fprintf(stderr, "%llu lines from the cache, %llu calls\n",
                      (unsigned long long)stats.hits, (unsigned long long)stats.fetches);
    }
    ward_cache_free(app.cache);
    ward_client_free(app.client);
    return failed;
}
