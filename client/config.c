/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's setters. Must not know what the values do: files are read and names are
 * checked when a client is made. */
#include "client/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/wipe_alloc.h"

#define TIMEOUT_DEFAULT_MS 10000u
#define TIMEOUT_MAX_MS 3600000u
#define CONNECT_TIMEOUT_DEFAULT_MS 2000u
#define CONNECTIONS_DEFAULT 32u
#define CONNECTIONS_MAX 1024u
#define ATTEMPTS_DEFAULT 4u
#define ATTEMPTS_MAX 16u

const char *ward_version(void)
{
    return WARD_VERSION;
}

ward_config *ward_config_new(void)
{
    ward_config *config = calloc(1, sizeof(*config));
    if (config != NULL) {
        config->timeout_ms = TIMEOUT_DEFAULT_MS;
        config->connect_timeout_ms = CONNECT_TIMEOUT_DEFAULT_MS;
        config->max_connections = CONNECTIONS_DEFAULT;
        config->max_attempts = ATTEMPTS_DEFAULT;
    }
    return config;
}

static void forget_servers(ward_config *config)
{
    while (config->n_servers > 0) {
        free(config->servers[--config->n_servers]);
    }
}

void ward_config_free(ward_config *config)
{
    if (config != NULL) {
        forget_servers(config);
        free(config->server_name);
        free(config->ca_file);
        free(config->certificate_file);
        ward_wipe_free(config->key);
        free(config);
    }
}

static ward_rc set_text(char **to, const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);
    if (text != NULL && copy == NULL) {
        return WARD_RC_RESOURCE_EXHAUSTED;
    }
    free(*to);
    *to = copy;
    return WARD_RC_OK;
}

/* ---- servers ---- */

static ward_rc add_one(ward_config *config, const char *server, size_t size)
{
    if (config->n_servers == WARD_SERVERS_MAX) {
        return WARD_RC_INVALID_ARGUMENT;
    }
    char *copy = strndup(server, size);
    if (copy == NULL) {
        return WARD_RC_RESOURCE_EXHAUSTED;
    }
    config->servers[config->n_servers++] = copy;
    return WARD_RC_OK;
}

ward_rc ward_config_add_server(ward_config *config, const char *servers)
{
    while (servers != NULL) {
        size_t size = strcspn(servers, ",");
        const char *next = servers[size] == ',' ? servers + size + 1 : NULL;
        size_t blanks = strspn(servers, " ");
        blanks = blanks < size ? blanks : size;
        size_t end = size;
        while (end > blanks && servers[end - 1] == ' ') {
            end--;
        }
        WARD_CLIENT_TRY(add_one(config, servers + blanks, end - blanks));
        servers = next;
    }
    return WARD_RC_OK;
}

ward_rc ward_config_set_server(ward_config *config, const char *servers)
{
    forget_servers(config);
    return ward_config_add_server(config, servers);
}

ward_rc ward_config_set_server_name(ward_config *config, const char *name)
{
    return set_text(&config->server_name, name);
}

/* ---- files ---- */

ward_rc ward_config_set_ca_file(ward_config *config, const char *path)
{
    return set_text(&config->ca_file, path);
}

ward_rc ward_config_set_certificate_file(ward_config *config, const char *path)
{
    return set_text(&config->certificate_file, path);
}

ward_rc ward_config_set_key_file(ward_config *config, const char *path)
{
    char *copy = NULL;
    if (path != NULL) {
        size_t size = strlen(path) + 1;
        copy = ward_wipe_malloc(size);
        if (copy == NULL) {
            return WARD_RC_RESOURCE_EXHAUSTED;
        }
        memcpy(copy, path, size);
    }
    ward_wipe_free(config->key);
    config->key = copy;
    return WARD_RC_OK;
}

void ward_config_set_pin_callback(ward_config *config, ward_pin_callback callback, void *context)
{
    config->pin = callback;
    config->pin_context = context;
}

/* ---- bounds ---- */

static uint32_t clamp(uint32_t value, uint32_t max)
{
    return value == 0 ? 1 : value > max ? max : value;
}

uint32_t ward_config_clamp_timeout(uint32_t timeout_ms)
{
    return clamp(timeout_ms, TIMEOUT_MAX_MS);
}

void ward_config_set_timeout_ms(ward_config *config, uint32_t timeout_ms)
{
    config->timeout_ms = ward_config_clamp_timeout(timeout_ms);
}

void ward_config_set_connect_timeout_ms(ward_config *config, uint32_t timeout_ms)
{
    config->connect_timeout_ms = ward_config_clamp_timeout(timeout_ms);
}

void ward_config_set_max_connections(ward_config *config, uint32_t n)
{
    config->max_connections = clamp(n, CONNECTIONS_MAX);
}

void ward_config_set_max_attempts(ward_config *config, uint32_t n)
{
    config->max_attempts = clamp(n, ATTEMPTS_MAX);
}
