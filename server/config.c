/* SPDX-License-Identifier: Apache-2.0 */
/* Reads and checks the configuration. Every leaf is read as text, so that a fault can be shown
 * where it stands; nothing is opened or started here. */
#include "server/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/yaml_read.h"
#include "server/work/budget.h"

#define CONFIG_ARENA_MAX (4u << 20)

/* Whole numbers about connections: key, member of struct ward_net_settings, least, most. */
#define CONNECTION_NUMBERS(X)                                         \
    X("max", max_connections, 4, 100000)                              \
    X("max_per_address", max_per_address, 1, 100000)                  \
    X("max_streams", max_streams, 1, 1000)                            \
    X("memory_mib", memory_mib, 16, 1000000)                          \
    X("handshake_timeout_s", handshake_timeout_s, 1, 300)             \
    X("idle_timeout_s", idle_timeout_s, 1, 86400)                     \
    X("max_age_s", max_age_s, 0, 2592000)                             \
    X("officer_max_age_s", officer_max_age_s, 0, 86400)               \
    X("age_grace_s", age_grace_s, 1, 3600)                            \
    X("keepalive_s", keepalive_s, 1, 86400)                           \
    X("keepalive_timeout_s", keepalive_timeout_s, 1, 300)             \
    X("min_ping_interval_s", min_ping_interval_s, 0, 86400)           \
    X("min_ping_interval_idle_s", min_ping_interval_idle_s, 0, 86400) \
    X("ping_strikes", ping_strikes, 0, 1000)
#define NETWORKS_MAX 64

struct doc_tls {
    char *certificate, *key, *client_ca, *client_crl, *minimum_version;
};
struct doc_connections {
#define MEMBER(key, member, least, most) char *member;
    CONNECTION_NUMBERS(MEMBER)
#undef MEMBER
    char **proxy_from, **one_source;
    uint32_t proxy_from_count, one_source_count;
};
struct doc_database {
    char *conninfo, *readers;
};
struct doc_hsm {
    char *module, *token_label, *token_serial, *pin_file, *helper, *workers, *deadline_ms,
        *working_copies, *working_copies_max, *wrap_proof;
};
struct doc_keys {
    char *wrap_soft_limit, *wrap_hard_limit, *wrap_block, *rewrap_share;
};
struct doc_policy {
    char *genesis, *genesis_sha256;
};
struct doc_config {
    char *node, *listen, *metrics_listen, *log_level, *reflection;
    struct doc_tls tls;
    struct doc_connections *connections;
    struct doc_database database;
    struct doc_hsm hsm;
    struct doc_keys keys;
    struct doc_policy policy;
};

#define TEXT(key, type, member) \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, struct type, member, 1, 1024)
#define TEXT_OR_NONE(key, type, member)                                                           \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct type, member, 1, \
                           1024)

static const cyaml_schema_field_t tls_fields[] = {
    TEXT("certificate", doc_tls, certificate),
    TEXT("key", doc_tls, key),
    TEXT("client_ca", doc_tls, client_ca),
    TEXT_OR_NONE("client_crl", doc_tls, client_crl),
    TEXT_OR_NONE("minimum_version", doc_tls, minimum_version),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t text_entry = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 64),
};
static const cyaml_schema_field_t connection_fields[] = {
#define FIELD(key, member, least, most) TEXT_OR_NONE(key, doc_connections, member),
    CONNECTION_NUMBERS(FIELD)
#undef FIELD
        CYAML_FIELD_SEQUENCE("proxy_from", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                             struct doc_connections, proxy_from, &text_entry, 0, NETWORKS_MAX),
    CYAML_FIELD_SEQUENCE("one_source", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                         struct doc_connections, one_source, &text_entry, 0, NETWORKS_MAX),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t database_fields[] = {
    TEXT("conninfo", doc_database, conninfo),
    TEXT_OR_NONE("readers", doc_database, readers),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t hsm_fields[] = {
    TEXT("module", doc_hsm, module),
    TEXT_OR_NONE("token_label", doc_hsm, token_label),
    TEXT_OR_NONE("token_serial", doc_hsm, token_serial),
    TEXT("pin_file", doc_hsm, pin_file),
    TEXT_OR_NONE("helper", doc_hsm, helper),
    TEXT_OR_NONE("workers", doc_hsm, workers),
    TEXT_OR_NONE("deadline_ms", doc_hsm, deadline_ms),
    TEXT_OR_NONE("working_copies", doc_hsm, working_copies),
    TEXT_OR_NONE("working_copies_max", doc_hsm, working_copies_max),
    TEXT_OR_NONE("wrap_proof", doc_hsm, wrap_proof),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t keys_fields[] = {
    TEXT_OR_NONE("wrap_soft_limit", doc_keys, wrap_soft_limit),
    TEXT_OR_NONE("wrap_hard_limit", doc_keys, wrap_hard_limit),
    TEXT_OR_NONE("wrap_block", doc_keys, wrap_block),
    TEXT_OR_NONE("rewrap_share", doc_keys, rewrap_share),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t policy_fields[] = {
    TEXT("genesis", doc_policy, genesis),
    TEXT("genesis_sha256", doc_policy, genesis_sha256),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t config_fields[] = {
    TEXT("node", doc_config, node),
    TEXT("listen", doc_config, listen),
    TEXT_OR_NONE("metrics_listen", doc_config, metrics_listen),
    TEXT_OR_NONE("log_level", doc_config, log_level),
    TEXT_OR_NONE("reflection", doc_config, reflection),
    CYAML_FIELD_MAPPING("tls", CYAML_FLAG_DEFAULT, struct doc_config, tls, tls_fields),
    CYAML_FIELD_MAPPING_PTR("connections", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                            struct doc_config, connections, connection_fields),
    CYAML_FIELD_MAPPING("database", CYAML_FLAG_DEFAULT, struct doc_config, database,
                        database_fields),
    CYAML_FIELD_MAPPING("hsm", CYAML_FLAG_DEFAULT, struct doc_config, hsm, hsm_fields),
    CYAML_FIELD_MAPPING("keys", CYAML_FLAG_OPTIONAL, struct doc_config, keys, keys_fields),
    CYAML_FIELD_MAPPING("policy", CYAML_FLAG_DEFAULT, struct doc_config, policy, policy_fields),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t config_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct doc_config, config_fields),
};

/* What the checks below need to say where a value stands. */
struct reading {
    struct ward_bytes text;
    struct ward_policy_error *error;
    struct ward_arena *arena;
    const char *folder;
};

ward_status ward_config_read_file(const char *path, size_t max, struct ward_arena *arena,
                                  struct ward_bytes *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
    }
    struct stat about;
    ward_status status = WARD_OK;
    uint8_t *data = NULL;
    size_t size = 0;
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size < 0 ||
        (size_t)about.st_size > max) {
        status = WARD_REFUSAL(WARD_E_INVALID, "file: not a regular file of an acceptable size");
    } else {
        data = ward_arena_alloc(arena, (size_t)about.st_size + 1);
        status = data == NULL ? WARD_STATUS(WARD_E_EXHAUSTED) : WARD_OK;
    }
    while (ward_ok(status) && size < (size_t)about.st_size) {
        ssize_t n = read(fd, data + size, (size_t)about.st_size - size);
        if (n <= 0) {
            status = WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
        } else {
            size += (size_t)n;
        }
    }
    (void)close(fd); /* read only: nothing can be lost */
    *ret = WARD_BYTES(data, size);
    return status;
}

static ward_status keep(const struct reading *reading, const char *value, const char **ret)
{
    struct ward_bytes copy;
    if (value == NULL) {
        return WARD_OK;
    }
    WARD_TRY(ward_arena_copy(reading->arena, ward_bytes_str(value), &copy));
    *ret = (const char *)copy.data;
    return WARD_OK;
}

static ward_status keep_path(const struct reading *reading, const char *value, const char **ret)
{
    if (value == NULL || value[0] == '/') {
        return keep(reading, value, ret);
    }
    char *path = ward_arena_printf(reading->arena, "%s/%s", reading->folder, value);
    WARD_ENSURE(path != NULL, WARD_E_EXHAUSTED);
    *ret = path;
    return WARD_OK;
}

static ward_status keep_number(const struct reading *reading, const char *value, unsigned min,
                               unsigned max, unsigned *ret)
{
    if (value == NULL) {
        return WARD_OK;
    }
    unsigned long number = 0;
    size_t size = strlen(value);
    bool digits = size <= 7 && strspn(value, "0123456789") == size;
    if (digits) {
        number = strtoul(value, NULL, 10);
    }
    if (!digits || number < min || number > max) {
        return ward_yaml_refuse(reading->text, value, reading->error,
                                "not a whole number from %u to %u", min, max);
    }
    *ret = (unsigned)number;
    return WARD_OK;
}

static ward_status keep_bool(const struct reading *reading, const char *value, bool *ret)
{
    if (value == NULL) {
        return WARD_OK;
    }
    bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0) {
        return ward_yaml_refuse(reading->text, value, reading->error, "neither true nor false");
    }
    *ret = yes;
    return WARD_OK;
}

static ward_status keep_level(const struct reading *reading, const char *value,
                              enum ward_log_level *ret)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (value == NULL) {
        return WARD_OK;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            *ret = (enum ward_log_level)i;
            return WARD_OK;
        }
    }
    return ward_yaml_refuse(reading->text, value, reading->error,
                            "none of debug, info, warn, error");
}

static ward_status take_tls(const struct reading *reading, const struct doc_tls *doc,
                            struct ward_config *config)
{
    WARD_TRY(keep_path(reading, doc->certificate, &config->tls_certificate));
    WARD_TRY(keep_path(reading, doc->key, &config->tls_key));
    WARD_TRY(keep_path(reading, doc->client_ca, &config->tls_client_ca));
    WARD_TRY(keep_path(reading, doc->client_crl, &config->tls_client_crl));
    const char *version = doc->minimum_version;
    config->tls_1_2 = version != NULL && strcmp(version, "1.2") == 0;
    if (version != NULL && !config->tls_1_2 && strcmp(version, "1.3") != 0) {
        return ward_yaml_refuse(reading->text, version, reading->error, "neither 1.3 nor 1.2");
    }
    return WARD_OK;
}

static ward_status take_networks(const struct reading *reading, char *const *texts, size_t n,
                                 const struct ward_cidr **ret)
{
    struct ward_cidr *cidrs = WARD_ARENA_ARRAY(reading->arena, struct ward_cidr, n);
    WARD_ENSURE(cidrs != NULL, WARD_E_EXHAUSTED);
    for (size_t i = 0; i < n; i++) {
        if (!ward_cidr_parse(texts[i], &cidrs[i])) {
            return ward_yaml_refuse(reading->text, texts[i], reading->error,
                                    "not an address or a network such as 10.0.0.0/8");
        }
    }
    *ret = cidrs;
    return WARD_OK;
}

static ward_status take_connections(const struct reading *reading,
                                    const struct doc_connections *doc, struct ward_config *config)
{
    config->net = WARD_NET_SETTINGS_DEFAULT;
    if (doc == NULL) {
        return WARD_OK;
    }
#define TAKE(key, member, least, most) \
    WARD_TRY(keep_number(reading, doc->member, least, most, &config->net.member));
    CONNECTION_NUMBERS(TAKE)
#undef TAKE
    config->net.n_proxy_from = doc->proxy_from_count;
    config->net.n_one_source = doc->one_source_count;
    WARD_TRY(
        take_networks(reading, doc->proxy_from, doc->proxy_from_count, &config->net.proxy_from));
    return take_networks(reading, doc->one_source, doc->one_source_count, &config->net.one_source);
}

static ward_status take_hsm(const struct reading *reading, const struct doc_hsm *doc,
                            struct ward_config *config)
{
    if ((doc->token_label == NULL) == (doc->token_serial == NULL)) {
        return ward_yaml_refuse(reading->text, doc->module, reading->error,
                                "hsm: give one of token_label and token_serial");
    }
    config->hsm_workers = 2;
    config->hsm_deadline_ms = 2000;
    config->hsm_working_copies = true;
    config->hsm_working_copies_max = 1024;
    config->hsm_wrap_proof = true;
    WARD_TRY(keep_path(reading, doc->module, &config->hsm_module));
    WARD_TRY(keep(reading, doc->token_label, &config->hsm_token_label));
    WARD_TRY(keep(reading, doc->token_serial, &config->hsm_token_serial));
    WARD_TRY(keep_path(reading, doc->pin_file, &config->hsm_pin_file));
    WARD_TRY(keep_path(reading, doc->helper, &config->hsm_helper));
    WARD_TRY(keep_number(reading, doc->workers, 1, 16, &config->hsm_workers));
    WARD_TRY(keep_number(reading, doc->deadline_ms, 100, 60000, &config->hsm_deadline_ms));
    WARD_TRY(
        keep_number(reading, doc->working_copies_max, 1, 1000000, &config->hsm_working_copies_max));
    WARD_TRY(keep_bool(reading, doc->wrap_proof, &config->hsm_wrap_proof));
    return keep_bool(reading, doc->working_copies, &config->hsm_working_copies);
}

static ward_status keep_wraps(const struct reading *reading, const char *value, uint64_t max,
                              uint64_t *ret)
{
    if (value == NULL) {
        return WARD_OK;
    }
    size_t size = strlen(value);
    bool digits = size <= 12 && strspn(value, "0123456789") == size;
    uint64_t number = digits ? strtoull(value, NULL, 10) : 0;
    if (number < 1 || number > max) {
        return ward_yaml_refuse(reading->text, value, reading->error,
                                "not a whole number from 1 to %llu", (unsigned long long)max);
    }
    *ret = number;
    return WARD_OK;
}

/* The soft limit follows a hard one that is set lower than it; set itself, it must be below. */
static ward_status take_keys(const struct reading *reading, const struct doc_keys *doc,
                             struct ward_config *config)
{
    config->wrap_hard_limit = WARD_WRAP_HARD_MAX;
    config->wrap_block = 65536;
    config->rewrap_share = 50;
    WARD_TRY(keep_number(reading, doc->rewrap_share, 1, 100, &config->rewrap_share));
    WARD_TRY(
        keep_wraps(reading, doc->wrap_hard_limit, WARD_WRAP_HARD_MAX, &config->wrap_hard_limit));
    uint64_t half = 1ULL << 31, hard = config->wrap_hard_limit;
    config->wrap_soft_limit = half < hard ? half : hard / 2 + 1;
    WARD_TRY(keep_wraps(reading, doc->wrap_soft_limit, hard, &config->wrap_soft_limit));
    return keep_wraps(reading, doc->wrap_block, hard, &config->wrap_block);
}

static ward_status take_policy(const struct reading *reading, const struct doc_policy *doc,
                               struct ward_config *config)
{
    WARD_TRY(keep_path(reading, doc->genesis, &config->policy_genesis));
    if (!ward_hex_decode(doc->genesis_sha256, strlen(doc->genesis_sha256),
                         config->policy_genesis_sha256, 32)) {
        return ward_yaml_refuse(reading->text, doc->genesis_sha256, reading->error,
                                "not 64 hex digits of a SHA-256");
    }
    return WARD_OK;
}

/* As the start will do it, so that a check says what a start would. */
static ward_status take_listen(const struct reading *reading, const struct doc_config *doc,
                               struct ward_config *config)
{
    struct sockaddr_in loopback;
    if (!ward_address_valid(doc->listen)) {
        return ward_yaml_refuse(reading->text, doc->listen, reading->error,
                                "listen: not an address and port");
    }
    ward_status status = doc->metrics_listen == NULL
                             ? WARD_OK
                             : ward_address_loopback(doc->metrics_listen, &loopback);
    if (!ward_ok(status)) {
        return ward_yaml_refuse(reading->text, doc->metrics_listen, reading->error, "%s",
                                ward_status_refusal(status));
    }
    WARD_TRY(keep(reading, doc->listen, &config->listen));
    return keep(reading, doc->metrics_listen, &config->metrics_listen);
}

static ward_status take(const struct reading *reading, const struct doc_config *doc,
                        struct ward_config *config)
{
    size_t size = strlen(doc->node);
    if (size > 32 || strspn(doc->node, "abcdefghijklmnopqrstuvwxyz0123456789-") != size) {
        return ward_yaml_refuse(reading->text, doc->node, reading->error,
                                "node: 1 to 32 of [a-z0-9-]");
    }
    config->log_level = WARD_LOG_INFO;
    config->database_readers = 2;
    WARD_TRY(keep(reading, doc->node, &config->node));
    WARD_TRY(take_listen(reading, doc, config));
    WARD_TRY(keep_level(reading, doc->log_level, &config->log_level));
    WARD_TRY(keep_bool(reading, doc->reflection, &config->reflection));
    WARD_TRY(take_tls(reading, &doc->tls, config));
    WARD_TRY(take_connections(reading, doc->connections, config));
    WARD_TRY(keep(reading, doc->database.conninfo, &config->database_conninfo));
    WARD_TRY(keep_number(reading, doc->database.readers, 1, 16, &config->database_readers));
    WARD_TRY(take_hsm(reading, &doc->hsm, config));
    WARD_TRY(take_keys(reading, &doc->keys, config));
    return take_policy(reading, &doc->policy, config);
}

static ward_status load(const char *path, struct ward_config *config,
                        struct ward_policy_error *error)
{
    struct reading reading = {.error = error, .arena = config->arena};
    struct ward_bytes path_copy;
    WARD_TRY(ward_arena_copy(config->arena, ward_bytes_str(path), &path_copy));
    reading.folder = dirname((char *)(uintptr_t)path_copy.data);
    WARD_TRY(ward_config_read_file(path, WARD_YAML_TEXT_MAX, config->arena, &reading.text));
    void *document = NULL;
    WARD_TRY(ward_yaml_load(reading.text, &config_schema, &document, error));
    ward_status status = take(&reading, document, config);
    ward_yaml_free(&config_schema, document);
    return status;
}

ward_status ward_config_load(const char *path, const char *helper, struct ward_config **ret,
                             struct ward_policy_error *error)
{
    *error = (struct ward_policy_error){0};
    struct ward_config *config = calloc(1, sizeof(*config));
    WARD_ENSURE(config != NULL, WARD_E_EXHAUSTED);
    ward_status status = ward_arena_new(CONFIG_ARENA_MAX, &config->arena);
    if (ward_ok(status)) {
        status = load(path, config, error);
    }
    if (ward_ok(status) && config->hsm_helper == NULL) {
        struct ward_bytes copy;
        status = ward_arena_copy(config->arena, ward_bytes_str(helper), &copy);
        config->hsm_helper = (const char *)copy.data;
    }
    if (!ward_ok(status)) {
        ward_config_free(config);
        return status;
    }
    *ret = config;
    return WARD_OK;
}

void ward_config_free(struct ward_config *config)
{
    if (config != NULL) {
        ward_arena_free(config->arena);
        free(config);
    }
}
