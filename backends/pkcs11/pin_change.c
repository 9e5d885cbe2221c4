/* SPDX-License-Identifier: Apache-2.0 */
/* The new PIN is durable beside the old one before the token hears of it, the token proves it by a
 * fresh login, and only then it takes pin_file's place (login.c draws the states between). Running
 * sessions stay logged in: a PIN is asked for at login alone. */
#include "backends/pkcs11/pin_change.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/pkcs11/rv.h"
#include "base/id.h"
#include "base/log.h"

#define PIN_RANDOM 32u     /* characters of 5 bits */
#define PIN_RANDOM_MIN 12u /* below that a person chooses, who knows what the token counts */

/* pin_file by its folder, which is locked against another change. */
struct place {
    int folder;
    uid_t owner;
    gid_t group;
    mode_t mode;
    char name[NAME_MAX + 1], next[NAME_MAX + 1], draft[NAME_MAX + 1];
};

static ward_status errno_status(const char *what, const char *file)
{
    int error = errno;
    ward_log_text(WARD_LOG_ERROR, what, "file", file);
    return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_ERRNO, error);
}

static ward_status refuse(const char *why)
{
    ward_log(WARD_LOG_ERROR, why);
    WARD_FAIL(WARD_E_INVALID);
}

static bool names(struct place *place, const char *path)
{
    char whole[PATH_MAX];
    (void)snprintf(whole, sizeof(whole), "%s", path); /* opened before: it fits */
    const char *name = basename(whole);
    int size = snprintf(place->draft, sizeof(place->draft), "%s%s.draft", name, WARD_PIN_NEXT);
    if (size < 0 || (size_t)size >= sizeof(place->draft)) {
        return false;
    }
    (void)snprintf(place->name, sizeof(place->name), "%s", name); /* shorter than the draft's */
    (void)snprintf(place->next, sizeof(place->next), "%s%s", name, WARD_PIN_NEXT); /* likewise */
    return true;
}

static ward_status open_folder(struct place *place, const char *path)
{
    char whole[PATH_MAX];
    (void)snprintf(whole, sizeof(whole), "%s", path); /* from a configuration, which has a limit */
    place->folder = open(dirname(whole), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->folder < 0) {
        return errno_status("hsm: the folder of pin_file cannot be opened", path);
    }
    if (flock(place->folder, LOCK_EX | LOCK_NB) != 0) {
        return errno_status("hsm: the PIN is being changed by somebody else", path);
    }
    struct stat st;
    if (!names(place, path) || fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno_status("hsm: pin_file cannot be looked at", path);
    }
    if (!S_ISREG(st.st_mode)) {
        return refuse("hsm: pin_file is a link, or no regular file: name the file itself in "
                      "hsm.pin_file, since it is replaced");
    }
    place->owner = st.st_uid;
    place->group = st.st_gid;
    place->mode = st.st_mode & (S_IRWXU | S_IRWXG);
    return WARD_OK;
}

/* ---- the new PIN ---- */

static ward_status generate(size_t size, struct ward_pin *ret)
{
    static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789"; /* 32 */
    WARD_TRY(ward_secret_zero(WARD_PIN_MAX + 1, &ret->bytes));
    uint8_t *bytes = ward_secret_fill(ret->bytes);
    ret->size = size;
    WARD_TRY(ward_random(bytes, size));
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)alphabet[bytes[i] % (sizeof(alphabet) - 1)];
    }
    return WARD_OK;
}

static ward_status choose(const CK_TOKEN_INFO *info, const char *path, struct ward_pin *ret)
{
    size_t least = info->ulMinPinLen, most = info->ulMaxPinLen;
    if (most == 0 || most == CK_UNAVAILABLE_INFORMATION || most > WARD_PIN_MAX) {
        most = WARD_PIN_MAX;
    }
    if (path == NULL) {
        size_t size = PIN_RANDOM < least ? least : PIN_RANDOM > most ? most : PIN_RANDOM;
        if (size < PIN_RANDOM_MIN || size > most) {
            return refuse("hsm: the token takes short PINs only: give one in --new-pin-file");
        }
        return generate(size, ret);
    }
    ward_status status = ward_pin_read(path, ret);
    if (!ward_ok(status)) {
        ward_log_text(WARD_LOG_ERROR, "hsm: the file of --new-pin-file cannot be used", "file",
                      path);
        return status;
    }
    if (ret->size < least || ret->size > most) {
        ward_log_number(WARD_LOG_ERROR, "hsm: the new PIN is too short or too long for the token",
                        ret->size < least ? "least" : "most",
                        (long long)(ret->size < least ? least : most));
        WARD_FAIL(WARD_E_INVALID);
    }
    return WARD_OK;
}

/* ---- files ---- */

static bool put(int fd, const struct ward_pin *pin)
{
    const uint8_t *bytes = ward_secret_view(pin->bytes).data;
    size_t done = 0;
    while (done < pin->size) {
        ssize_t n = write(fd, bytes + done, pin->size - done);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return write(fd, "\n", 1) == 1;
}

static bool write_draft(const struct place *place, int fd, const struct ward_pin *pin)
{
    bool mine = place->owner == geteuid() && place->group == getegid();
    return put(fd, pin) && (mine || fchown(fd, place->owner, place->group) == 0) &&
           fchmod(fd, place->mode) == 0 && fsync(fd) == 0;
}

/* Whole or not at all, and read by the same people as pin_file. */
static ward_status write_next(const struct place *place, const struct ward_pin *pin)
{
    (void)unlinkat(place->folder, place->draft, 0); /* of a call that was killed */
    int fd = openat(place->folder, place->draft,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_draft(place, fd, pin);
    int error = errno;
    if (fd >= 0) {
        (void)close(fd); /* synced */
    }
    errno = error;
    if (!good || renameat(place->folder, place->draft, place->folder, place->next) != 0 ||
        fsync(place->folder) != 0) {
        ward_status status =
            errno_status("hsm: the new PIN cannot be written beside pin_file", place->next);
        (void)unlinkat(place->folder, place->draft, 0); /* nothing is in force of it */
        return status;
    }
    return WARD_OK;
}

static ward_status put_in_place(const struct place *place)
{
    if (renameat(place->folder, place->next, place->folder, place->name) != 0 ||
        fsync(place->folder) != 0) {
        return errno_status("hsm: the token has the new PIN, but pin_file could not be replaced: "
                            "run this again; until then the file beside it is used",
                            place->next);
    }
    return WARD_OK;
}

/* ---- the token ---- */

/* Codes after which the token has its old PIN for certain. CKR_PIN_INCORRECT is none: the old PIN
 * logged in a moment ago, so that it may be the answer to a call that a network module sent again
 * after the first had changed the PIN. */
static bool refused(CK_RV rv)
{
    switch (rv) {
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
    case CKR_FUNCTION_NOT_SUPPORTED:
    case CKR_SESSION_READ_ONLY:
    case CKR_TOKEN_WRITE_PROTECTED:
    case CKR_ARGUMENTS_BAD:
        return true;
    default:
        return false;
    }
}

static ward_status set(struct ward_hsm *hsm, const struct place *place, const struct ward_pin *old,
                       const struct ward_pin *fresh)
{
    CK_RV rv = WARD_CK(&hsm->module, C_SetPIN, hsm->session, ward_secret_fill(old->bytes),
                       old->size, ward_secret_fill(fresh->bytes), fresh->size);
    if (rv == CKR_OK) {
        return WARD_OK;
    }
    if (refused(rv)) {
        (void)unlinkat(place->folder, place->next, 0); /* left, it is only tried after pin_file's */
        ward_log_number(WARD_LOG_ERROR, "hsm: the token refuses the new PIN and keeps the old one",
                        "rv", (long long)rv);
        return WARD_FOREIGN(WARD_E_STATE, WARD_DOMAIN_PKCS11, rv);
    }
    ward_log_number(WARD_LOG_ERROR,
                    "hsm: it is not known whether the token took the new PIN: run this again, "
                    "which finds out; both are kept until then",
                    "rv", (long long)rv);
    return WARD_FOREIGN(WARD_E_UNAVAILABLE, WARD_DOMAIN_PKCS11, rv);
}

static ward_status prove(struct ward_hsm *hsm, const struct ward_pin *fresh)
{
    WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_CloseAllSessions, hsm->slot)));
    WARD_TRY(ward_session_begin(hsm));
    CK_RV rv = ward_login_with(hsm, fresh);
    if (rv != CKR_OK) {
        ward_log_number(WARD_LOG_ERROR,
                        "hsm: the token took the new PIN and refuses it at a login: pin_file is as "
                        "it was, and the new PIN is kept beside it",
                        "rv", (long long)rv);
        return WARD_FOREIGN(WARD_E_STATE, WARD_DOMAIN_PKCS11, rv);
    }
    return WARD_OK;
}

static void say(const struct ward_hsm *hsm, const char *what)
{
    (void)printf(
        "%s\n"
        "%s has it; daemons that run here go on.\n"
        "Other hosts whose daemons use this token: put a copy of that file in the place of their\n"
        "hsm.pin_file now, with the owner and mode it has there. Their daemons go on too, but a\n"
        "ward-hsm that starts before is refused, which counts as a wrong PIN, and its daemon "
        "needs\n"
        "SIGHUP once the file is there.\n",
        what, hsm->config->pin_file); /* the exit code says the same */
}

static ward_status change(struct ward_hsm *hsm, const struct place *place,
                          const struct ward_pin *old, const struct ward_pin *fresh)
{
    if (ward_pin_eq(old, fresh)) {
        return refuse("hsm: the new PIN is the old one");
    }
    WARD_TRY(write_next(place, fresh));
    WARD_TRY(set(hsm, place, old, fresh));
    WARD_TRY(prove(hsm, fresh));
    WARD_TRY(put_in_place(place));
    say(hsm, "The token has a new PIN, and a login proved it.");
    return WARD_OK;
}

static ward_status change_from(struct ward_hsm *hsm, const struct place *place,
                               const struct ward_pin *fresh)
{
    struct ward_pin old = {0};
    enum ward_pin_source source;
    WARD_TRY(ward_login(hsm, &old, &source));
    ward_status status = WARD_OK;
    switch (source) {
    case WARD_PIN_NOT_ASKED:
        status = refuse("hsm: this token asks for no PIN: there is none to change");
        break;
    case WARD_PIN_OF_FILE:
        status = change(hsm, place, &old, fresh);
        break;
    case WARD_PIN_OF_NEXT:
        status = put_in_place(place);
        if (ward_ok(status)) {
            say(hsm, "A change of the PIN that was interrupted is finished: the token had its new "
                     "one.\nNo other change was made.");
        }
        break;
    }
    ward_pin_fini(&old);
    return status;
}

ward_status ward_pin_change(struct ward_hsm *hsm)
{
    CK_TOKEN_INFO info;
    struct place place = {.folder = -1};
    struct ward_pin fresh = {0};
    WARD_TRY(ward_session_status(hsm, WARD_CK(&hsm->module, C_GetTokenInfo, hsm->slot, &info)));
    ward_status status = open_folder(&place, hsm->config->pin_file);
    if (ward_ok(status)) {
        status = choose(&info, hsm->config->new_pin_file, &fresh);
    }
    if (ward_ok(status)) {
        status = change_from(hsm, &place, &fresh);
    }
    ward_pin_fini(&fresh);
    if (place.folder >= 0) {
        (void)close(place.folder); /* and unlocked */
    }
    return status;
}
