/* SPDX-License-Identifier: Apache-2.0 */
/* A PIN in locked memory, for as long as one login takes. Must not know Cryptoki. */
#include "client/pkcs11/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIN_ROOM 256

/* A whole small file, without the newline that editors leave. */
static ward_rc read_file(const char *path, uint8_t *to, size_t *size, ward_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, to, PIN_ROOM);
    int failed = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n < 0) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: pin-source: %s: %s", path,
                              strerrordesc_np(failed));
    }
    while (n > 0 && (to[n - 1] == '\n' || to[n - 1] == '\r')) {
        n--;
    }
    *size = (size_t)n;
    return WARD_RC_OK;
}

static ward_rc from_source(const char *source, uint8_t *to, size_t *size, ward_error *error)
{
    const char *path = strncmp(source, "file:", 5) == 0 ? source + 5 : source;
    path = strncmp(path, "///", 3) == 0 ? path + 2 : path;
    if (path[0] != '/') {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: pin-source: neither file:/PATH nor an absolute path");
    }
    return read_file(path, to, size, error);
}

static ward_rc from_callback(const struct ward_pin_source *source, const char *token, uint8_t *to,
                             size_t *size, ward_error *error)
{
    int n = source->callback(source->context, token, (char *)to, PIN_ROOM);
    if (n < 0 || n > PIN_ROOM) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: the PIN callback gives no PIN for the token %s", token);
    }
    *size = (size_t)n;
    return WARD_RC_OK;
}

static ward_rc fill(const struct ward_pin_source *source, const char *token, uint8_t *to,
                    size_t *size, ward_error *error)
{
    if (source->file != NULL) {
        return from_source(source->file, to, size, error);
    }
    if (source->value != NULL) {
        size_t n = strlen(source->value);
        *size = n < PIN_ROOM ? n : PIN_ROOM;
        memcpy(to, source->value, *size);
        return WARD_RC_OK;
    }
    if (source->callback != NULL) {
        return from_callback(source, token, to, size, error);
    }
    return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                          "key: the token %s asks for a PIN: add ?pin-source=file:/PATH to the URI "
                          "or set a PIN callback",
                          token);
}

ward_rc ward_pin_get(const struct ward_pin_source *source, const char *token,
                     struct ward_secret **ret, size_t *size, ward_error *error)
{
    ward_auto(ward_secret_freep) struct ward_secret *secret = NULL;
    if (!ward_ok(ward_secret_zero(PIN_ROOM, &secret))) {
        return ward_error_set(error, WARD_RC_RESOURCE_EXHAUSTED, "no locked memory for the PIN");
    }
    *size = 0;
    WARD_CLIENT_TRY(fill(source, token, ward_secret_fill(secret), size, error));
    if (*size == 0 || *size >= PIN_ROOM) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: the PIN for the token %s is not 1 to %d bytes", token,
                              PIN_ROOM - 1);
    }
    *ret = WARD_TAKE(secret);
    return WARD_RC_OK;
}
