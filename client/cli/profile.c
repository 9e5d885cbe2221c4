/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the profiles file with libcyaml; unknown members are refused. Must not know what is called.
 */
#include "client/cli/profile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>
#include <sys/stat.h>

#include "client/pkcs11/private_key.h"

struct entry {
    char *name, *server, *server_name, *ca, *certificate, *key;
};

struct file {
    struct entry *profiles;
    unsigned n_profiles;
};

#define FIELD(member) \
    CYAML_FIELD_STRING_PTR(#member, CYAML_FLAG_POINTER, struct entry, member, 1, 4000)

static const cyaml_schema_field_t entry_fields[] = {
    FIELD(name),
    FIELD(server),
    CYAML_FIELD_STRING_PTR("server_name", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct entry,
                           server_name, 1, 255),
    FIELD(ca),
    FIELD(certificate),
    FIELD(key),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t entry_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct entry, entry_fields),
};
static const cyaml_schema_field_t file_fields[] = {
    CYAML_FIELD_SEQUENCE_COUNT("profiles", CYAML_FLAG_POINTER, struct file, profiles, n_profiles,
                               &entry_schema, 1, 1000),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t file_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, file_fields),
};

struct first_error {
    char *text;
    size_t size;
};

/* libcyaml explains itself through its log alone; its first sentence says what is wrong, later ones
 * where. */
static void on_log(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct first_error *error = context;
    size_t used = strlen(error->text);
    if (level < CYAML_LOG_ERROR || used + 3 >= error->size) {
        return;
    }
    if (used > 0) {
        used += (size_t)snprintf(error->text + used, error->size - used, "; ");
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)vsnprintf(error->text + used, error->size - used, format, args);
#pragma GCC diagnostic pop
    for (char *p = error->text + used; *p != 0; p++) {
        if (*p == '\n') {
            *p = *(p + 1) == 0 ? 0 : ' ';
        }
    }
}

static bool copy_text(const char *from, char *to, size_t size)
{
    return (size_t)snprintf(to, size, "%s", from) < size;
}

/* Relative paths are meant from where the profiles file lies. */
static bool copy_path(const char *folder, int folder_size, const char *from, char to[CLI_PATH_MAX])
{
    int size = from[0] == '/' ? snprintf(to, CLI_PATH_MAX, "%s", from)
                              : snprintf(to, CLI_PATH_MAX, "%.*s%s", folder_size, folder, from);
    return size > 0 && size < CLI_PATH_MAX;
}

/* A file, or a key in a token by its URI, which has no folder. */
static bool copy_key(const char *folder, int folder_size, const char *from, char to[CLI_PATH_MAX])
{
    return ward_private_key_is_uri(from) ? copy_text(from, to, CLI_PATH_MAX)
                                         : copy_path(folder, folder_size, from, to);
}

static const struct entry *choose(const struct file *file, const char *name)
{
    if (name == NULL && file->n_profiles == 1) {
        return &file->profiles[0];
    }
    for (unsigned i = 0; i < file->n_profiles; i++) {
        if (strcmp(file->profiles[i].name, name == NULL ? "default" : name) == 0) {
            return &file->profiles[i];
        }
    }
    return NULL;
}

static bool take(const char *path, const struct entry *entry, struct cli_profile *ret)
{
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int)(slash - path + 1);
    ret->server_name[0] = 0;
    ret->loaded = copy_text(entry->name, ret->name, sizeof(ret->name)) &&
                  copy_text(entry->server, ret->server, sizeof(ret->server)) &&
                  (entry->server_name == NULL ||
                   copy_text(entry->server_name, ret->server_name, sizeof(ret->server_name))) &&
                  copy_path(path, folder, entry->ca, ret->ca) &&
                  copy_path(path, folder, entry->certificate, ret->certificate) &&
                  copy_key(path, folder, entry->key, ret->key);
    return ret->loaded;
}

static void list_names(const struct file *file, char *text, size_t size)
{
    size_t used = strlen(text);
    for (unsigned i = 0; i < file->n_profiles && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : ", ",
                                 file->profiles[i].name);
    }
}

bool cli_profile_load(const char *path, const char *name, struct cli_profile *ret, char *text,
                      size_t text_size)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        (void)snprintf(text, text_size, "%s: %s", path, strerrordesc_np(errno));
        return false;
    }
    char reason[512] = "";
    struct first_error first = {reason, sizeof(reason)};
    const cyaml_config_t config = {
        .log_fn = on_log,
        .log_ctx = &first,
        .log_level = CYAML_LOG_ERROR,
        .mem_fn = cyaml_mem,
    };
    struct file *file = NULL;
    cyaml_err_t failed = cyaml_load_file(path, &config, &file_schema, (cyaml_data_t **)&file, NULL);
    if (failed != CYAML_OK || file == NULL) { /* an empty file is neither an error nor a document */
        (void)snprintf(text, text_size, "%s: %s", path,
                       reason[0] != 0                       ? reason
                       : file == NULL && failed == CYAML_OK ? "the file is empty"
                                                            : cyaml_strerror(failed));
        return false;
    }
    const struct entry *entry = choose(file, name);
    bool found = entry != NULL && take(path, entry, ret);
    if (entry == NULL) {
        (void)snprintf(text, text_size, "%s has no profile \"%s\"; it has: ", path,
                       name == NULL ? "default" : name);
        list_names(file, text, text_size);
    } else if (!found) {
        (void)snprintf(text, text_size, "%s: profile \"%s\": a value is too long", path,
                       entry->name);
    }
    (void)cyaml_free(&config, &file_schema, file, 0);
    return found;
}

bool cli_profile_default_path(char path[static CLI_PATH_MAX])
{
    const char *set = getenv("WARD_CONFIG"), *home = getenv("HOME");
    int size = -1;
    if (set != NULL && set[0] != 0) {
        size = snprintf(path, CLI_PATH_MAX, "%s", set);
    } else if (home != NULL && home[0] != 0) {
        size = snprintf(path, CLI_PATH_MAX, "%s/.config/ward/profiles.yaml", home);
    }
    return size > 0 && size < CLI_PATH_MAX;
}

bool cli_profile_key_is_open(const char *path)
{
    struct stat about;
    return !ward_private_key_is_uri(path) && stat(path, &about) == 0 &&
           (about.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}
