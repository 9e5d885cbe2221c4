/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the profiles file; unknown members are refused. Must not know what is called. */
#include "client/cli/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>
#include <sys/stat.h>

#include "base/buffer.h"
#include "client/pkcs11/private_key.h"
#include "policy/yaml_read.h"

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

/* Adds the file's text; false with what is wrong. */
static bool read_file(const char *path, struct ward_buffer *out, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = 1;
    while (file != NULL && n > 0 && out->size < out->max && !out->failed) {
        uint8_t block[4096];
        n = fread(block, 1, sizeof(block), file);
        ward_buffer_add(out, WARD_BYTES(block, n));
    }
    bool read = file != NULL && ferror(file) == 0;
    if (!read) {
        (void)snprintf(text, size, "%s: %s", path, strerrordesc_np(errno));
    } else if (out->failed || n > 0) {
        (void)snprintf(text, size, "%s: larger than %u bytes", path, WARD_YAML_TEXT_MAX);
    }
    if (file != NULL) {
        (void)fclose(file); /* only read from */
    }
    if (read && out->size == 0) {
        (void)snprintf(text, size, "%s: the file is empty", path);
    }
    return read && n == 0 && out->size > 0 && !out->failed;
}

static bool find(const char *path, const char *name, const struct file *file,
                 struct cli_profile *ret, char *text, size_t size)
{
    const struct entry *entry = choose(file, name);
    bool found = entry != NULL && take(path, entry, ret);
    if (entry == NULL) {
        (void)snprintf(text, size, "%s has no profile \"%s\"; it has: ", path,
                       name == NULL ? "default" : name);
        list_names(file, text, size);
    } else if (!found) {
        (void)snprintf(text, size, "%s: profile \"%s\": a value is too long", path, entry->name);
    }
    return found;
}

bool cli_profile_load(const char *path, const char *name, struct cli_profile *ret, char *text,
                      size_t text_size)
{
    struct ward_buffer yaml;
    struct ward_policy_error error;
    void *file = NULL;
    ward_buffer_init(&yaml, WARD_YAML_TEXT_MAX + 1);
    bool found = read_file(path, &yaml, text, text_size);
    if (found && !ward_ok(ward_yaml_load(ward_buffer_view(&yaml), &file_schema, &file, &error))) {
        (void)snprintf(text, text_size, "%s:%u:%u: %s", path, error.line, error.column, error.text);
        found = false;
    }
    found = found && find(path, name, file, ret, text, text_size);
    ward_yaml_free(&file_schema, file);
    ward_buffer_fini(&yaml);
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
