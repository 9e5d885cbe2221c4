/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. A change of the PIN cannot reach the token and the file in one step, and a crash
 * may fall between, so there may be two PINs to try, each once:
 *
 *   pin_file  pin_file.new  the token has
 *   old       -             old            no change is under way
 *   old       new           old            the token was not asked yet
 *   old       new           new            the file was not replaced yet: the second try is right
 *   new       -             new            done
 *
 * The right PIN sets the token's count of wrong ones back. */
#include "backends/pkcs11/login.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/pkcs11/rv.h"
#include "base/log.h"

void ward_pin_fini(struct ward_pin *pin)
{
    ward_secret_free(pin->bytes);
    *pin = (struct ward_pin){0};
}

bool ward_pin_eq(const struct ward_pin *a, const struct ward_pin *b)
{
    return a->size == b->size && ward_secret_eq(a->bytes, b->bytes);
}

static ward_status read_line(int fd, struct ward_pin *pin)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & S_IRWXO) != 0) {
        ward_log(WARD_LOG_ERROR,
                 "hsm: pin_file is no regular file, or others may use it: chmod o=");
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    uint8_t *bytes = ward_secret_fill(pin->bytes);
    size_t size = 0;
    ssize_t got;
    while (size <= WARD_PIN_MAX && (got = read(fd, bytes + size, WARD_PIN_MAX + 1 - size)) != 0) {
        if (got < 0 && errno != EINTR) {
            return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, errno);
        }
        size += got > 0 ? (size_t)got : 0;
    }
    if (size > 0 && size <= WARD_PIN_MAX && bytes[size - 1] == '\n') {
        bytes[--size] = 0;
    }
    if (size == 0 || size > WARD_PIN_MAX) {
        ward_log(WARD_LOG_ERROR, "hsm: pin_file must hold 1 to 256 bytes");
        WARD_FAIL(WARD_E_UNAVAILABLE);
    }
    pin->size = size;
    return WARD_OK;
}

ward_status ward_pin_read(const char *path, struct ward_pin *ret)
{
    struct ward_pin pin = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return WARD_FOREIGN(errno == ENOENT ? WARD_E_NOT_FOUND : WARD_E_UNAVAILABLE,
                            WARD_DOMAIN_ERRNO, errno);
    }
    ward_status status = ward_secret_zero(WARD_PIN_MAX + 1, &pin.bytes);
    if (ward_ok(status)) {
        status = read_line(fd, &pin);
    }
    (void)close(fd); /* only read from */
    if (!ward_ok(status)) {
        ward_pin_fini(&pin);
        return status;
    }
    *ret = pin;
    return WARD_OK;
}

static ward_status read_file(const char *path, struct ward_pin *ret)
{
    ward_status status = ward_pin_read(path, ret);
    if (!ward_ok(status)) {
        ward_log_text(WARD_LOG_ERROR, "hsm: pin_file cannot be used", "file", path);
        status.code = WARD_E_UNAVAILABLE;
    }
    return status;
}

CK_RV ward_login_with(struct ward_hsm *hsm, const struct ward_pin *pin)
{
    return WARD_CK(&hsm->module, C_Login, hsm->session, CKU_USER, ward_secret_fill(pin->bytes),
                   pin->size);
}

/* Another PIN than the one that was refused. The change's is looked for first: where it is gone,
 * because the change was completed meanwhile, pin_file has it by then. */
static bool another(const struct ward_hsm *hsm, const struct ward_pin *refused,
                    struct ward_pin *ret, enum ward_pin_source *ret_source)
{
    char next[PATH_MAX];
    int size = snprintf(next, sizeof(next), "%s%s", hsm->config->pin_file, WARD_PIN_NEXT);
    const char *const paths[] = {next, hsm->config->pin_file};
    for (size_t i = 0; size > 0 && (size_t)size < sizeof(next) && i < 2; i++) {
        if (!ward_ok(ward_pin_read(paths[i], ret))) {
            continue;
        }
        if (!ward_pin_eq(ret, refused)) {
            *ret_source = i == 0 ? WARD_PIN_OF_NEXT : WARD_PIN_OF_FILE;
            return true;
        }
        ward_pin_fini(ret);
    }
    return false;
}

/* Is there a try to spare? The last one is not ours to spend on a guess. */
static bool may_guess(struct ward_hsm *hsm)
{
    CK_TOKEN_INFO info;
    return WARD_CK(&hsm->module, C_GetTokenInfo, hsm->slot, &info) == CKR_OK &&
           (info.flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY)) == 0;
}

static CK_RV try_other(struct ward_hsm *hsm, struct ward_pin *pin, enum ward_pin_source *source)
{
    struct ward_pin other = {0};
    if (!another(hsm, pin, &other, source)) {
        return CKR_PIN_INCORRECT;
    }
    if (!may_guess(hsm)) {
        ward_log(WARD_LOG_ERROR, "hsm: the token has one try left, and two PINs to choose from: "
                                 "none is tried; log in with the right one by the vendor's tool");
        ward_pin_fini(&other);
        return CKR_PIN_INCORRECT;
    }
    ward_pin_fini(pin);
    *pin = other;
    CK_RV rv = ward_login_with(hsm, pin);
    if (rv == CKR_OK && *source == WARD_PIN_OF_NEXT && !hsm->config->change_pin) {
        ward_log(WARD_LOG_WARN, "hsm: a change of the PIN was interrupted: pin_file has the old "
                                "one; run wardd --rotate-pin to finish it");
    }
    return rv;
}

static ward_status log_in(struct ward_hsm *hsm, struct ward_pin *pin, enum ward_pin_source *source)
{
    CK_RV rv = ward_login_with(hsm, pin);
    *source = WARD_PIN_OF_FILE;
    if (rv == CKR_PIN_INCORRECT) {
        rv = try_other(hsm, pin, source);
    }
    if (ward_rv_class(rv) == WARD_RV_WRONG_PIN) {
        ward_log_number(WARD_LOG_ERROR,
                        "hsm: the token refuses the PIN; it is not tried again: put the right one "
                        "in pin_file, then send SIGHUP to wardd",
                        "rv", (long long)rv);
    }
    return ward_session_status(hsm, rv);
}

ward_status ward_login(struct ward_hsm *hsm, struct ward_pin *ret_pin,
                       enum ward_pin_source *ret_source)
{
    CK_TOKEN_INFO info;
    enum ward_pin_source source = WARD_PIN_NOT_ASKED;
    struct ward_pin pin = {0};
    WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_GetTokenInfo, hsm->slot, &info)));
    if ((info.flags & CKF_USER_PIN_LOCKED) != 0) {
        ward_log(WARD_LOG_ERROR, "hsm: the token's PIN is locked");
        return WARD_FOREIGN(WARD_E_STATE, WARD_DOMAIN_PKCS11, CKR_PIN_LOCKED);
    }
    if ((info.flags & CKF_LOGIN_REQUIRED) == 0) {
        ward_log(WARD_LOG_WARN, "hsm: this token asks for no PIN: anybody on the host can use it");
    } else {
        WARD_TRY(read_file(hsm->config->pin_file, &pin));
        ward_status status = log_in(hsm, &pin, &source);
        if (!ward_ok(status)) {
            ward_pin_fini(&pin);
            return status;
        }
    }
    if (ret_source != NULL) {
        *ret_source = source;
    }
    if (ret_pin != NULL) {
        *ret_pin = pin;
    } else {
        ward_pin_fini(&pin);
    }
    return WARD_OK;
}
