/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a token and a key by URI, and signing with it, over one session under one lock: a
 * handshake signs once, and cards do one thing at a time anyway. Must not know TLS. */
#include "client/pkcs11/token_key.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/pkcs11/p11kit.h"
#include "client/pkcs11/pin.h"

#define SLOTS_MAX 64

struct ward_token_key {
    const struct ward_p11kit *p11;
    P11KitUri *uri;
    struct ward_pin_source pin;
    pid_t pid;                         /* whose sessions these are */
    CK_FUNCTION_LIST **modules, *only; /* all that are configured, or the one that the URI names */
    pthread_mutex_t lock;              /* of what follows */
    CK_FUNCTION_LIST *module;          /* where the token is */
    char token[sizeof(((CK_TOKEN_INFO *)NULL)->label) + 1];
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE object;
    bool open, asks_again; /* asks_again: CKA_ALWAYS_AUTHENTICATE */
    bool pin_refused;      /* never tried twice: a card that is asked too often locks itself */
};

static ward_rc refuse(ward_error *error, const char *rule)
{
    return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: %s", rule);
}

static ward_rc failed(ward_error *error, const char *what, CK_RV rv)
{
    return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: %s: PKCS#11 error 0x%lx", what,
                          rv);
}

/* ---- the URI and its modules ---- */

static ward_rc parse_uri(struct ward_token_key *key, const char *text, ward_error *error)
{
    key->uri = key->p11->uri_new();
    if (key->uri == NULL) {
        return ward_error_memory(error);
    }
    int result = key->p11->uri_parse(text, P11_KIT_URI_FOR_ANY, key->uri);
    if (result != P11_KIT_URI_OK) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: not a PKCS#11 URI: %s",
                              key->p11->uri_message(result));
    }
    if (key->p11->uri_any_unrecognized(key->uri) != 0) {
        return refuse(error, "the PKCS#11 URI has an attribute that is not known");
    }
    key->pin.file = key->p11->uri_get_pin_source(key->uri);
    key->pin.value = key->p11->uri_get_pin_value(key->uri);
    return WARD_RC_OK;
}

static ward_rc load_modules(struct ward_token_key *key, ward_error *error)
{
    const char *path = key->p11->uri_get_module_path(key->uri);
    if (path == NULL) {
        key->modules = key->p11->modules_load_and_initialize(0);
        return key->modules != NULL ? WARD_RC_OK
                                    : refuse(error, "no PKCS#11 module is configured in p11-kit");
    }
    CK_FUNCTION_LIST *module = key->p11->module_load(path, 0);
    if (module == NULL) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: module-path: %s is no PKCS#11 module", path);
    }
    CK_RV rv = key->p11->module_initialize(module);
    if (rv != CKR_OK) {
        key->p11->module_release(module);
        return failed(error, "module-path: the module does not start", rv);
    }
    key->only = module;
    return WARD_RC_OK;
}

/* ---- the token ---- */

static bool slot_fits(const struct ward_token_key *key, CK_FUNCTION_LIST *module, CK_SLOT_ID slot,
                      CK_TOKEN_INFO *token)
{
    CK_SLOT_ID wanted = key->p11->uri_get_slot_id(key->uri);
    CK_SLOT_INFO info;
    return (wanted == (CK_SLOT_ID)-1 || wanted == slot) &&
           module->C_GetSlotInfo(slot, &info) == CKR_OK &&
           key->p11->uri_match_slot_info(key->uri, &info) == 1 &&
           module->C_GetTokenInfo(slot, token) == CKR_OK &&
           (token->flags & CKF_TOKEN_INITIALIZED) != 0 &&
           key->p11->uri_match_token_info(key->uri, token) == 1;
}

struct found {
    unsigned tokens;
    CK_FUNCTION_LIST *module;
    CK_SLOT_ID slot;
    CK_TOKEN_INFO info;
};

static void look_in(const struct ward_token_key *key, CK_FUNCTION_LIST *module, struct found *found)
{
    CK_INFO about;
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n = SLOTS_MAX;
    if (module->C_GetInfo(&about) != CKR_OK ||
        key->p11->uri_match_module_info(key->uri, &about) != 1 ||
        module->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK) {
        return;
    }
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        if (slot_fits(key, module, slots[i], &info)) {
            found->tokens++;
            found->module = module;
            found->slot = slots[i];
            found->info = info;
        }
    }
}

/* Exactly one: a PIN is not tried on every token in sight. */
static ward_rc find_token(struct ward_token_key *key, struct found *found, ward_error *error)
{
    *found = (struct found){0};
    if (key->only != NULL) {
        look_in(key, key->only, found);
    }
    for (size_t i = 0; key->modules != NULL && key->modules[i] != NULL; i++) {
        look_in(key, key->modules[i], found);
    }
    if (found->tokens != 1) {
        return refuse(error, found->tokens == 0 ? "no token is there that the PKCS#11 URI names"
                                                : "the PKCS#11 URI names more than one token");
    }
    size_t size = sizeof(found->info.label); /* padded with blanks, without a NUL */
    memcpy(key->token, found->info.label, size);
    while (size > 0 && key->token[size - 1] == ' ') {
        size--;
    }
    key->token[size] = 0;
    return WARD_RC_OK;
}

static ward_rc log_in(struct ward_token_key *key, CK_USER_TYPE user, CK_FLAGS flags,
                      ward_error *error)
{
    ward_auto(ward_secret_freep) struct ward_secret *pin = NULL;
    size_t size = 0;
    CK_UTF8CHAR *bytes = NULL;
    if (key->pin_refused) {
        return refuse(error, "the token refused the PIN; it is not tried again");
    }
    if ((flags & CKF_PROTECTED_AUTHENTICATION_PATH) == 0) { /* else the reader asks for it */
        WARD_CLIENT_TRY(ward_pin_get(&key->pin, key->token, &pin, &size, error));
        bytes = ward_secret_fill(pin);
    }
    CK_RV rv = key->module->C_Login(key->session, user, bytes, size);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        return WARD_RC_OK;
    }
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ||
        rv == CKR_PIN_INVALID) {
        key->pin_refused = true;
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              "key: the token %s refuses the PIN%s", key->token,
                              rv == CKR_PIN_LOCKED ? "; it is locked" : "");
    }
    return failed(error, "login", rv);
}

/* ---- the key ---- */

static ward_rc find_key(struct ward_token_key *key, ward_error *error)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[3] = {{CKA_CLASS, &class, sizeof(class)}};
    CK_ULONG n = 1, found = 0;
    const CK_ATTRIBUTE_TYPE named[] = {CKA_ID, CKA_LABEL};
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
        const CK_ATTRIBUTE *attribute = key->p11->uri_get_attribute(key->uri, named[i]);
        if (attribute != NULL) {
            template[n++] = *attribute;
        }
    }
    CK_OBJECT_HANDLE objects[2];
    CK_RV rv = key->module->C_FindObjectsInit(key->session, template, n);
    if (rv == CKR_OK) {
        rv = key->module->C_FindObjects(key->session, objects, 2, &found);
        (void)key->module->C_FindObjectsFinal(key->session);
    }
    if (rv != CKR_OK) {
        return failed(error, "looking for it", rv);
    }
    if (found != 1) {
        return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                              found == 0 ? "key: the token %s has no such private key"
                                         : "key: the token %s has more than one such private key; "
                                           "name it with id= or object=",
                              key->token);
    }
    key->object = objects[0];
    CK_BBOOL again = CK_FALSE;
    CK_ATTRIBUTE ask = {CKA_ALWAYS_AUTHENTICATE, &again, sizeof(again)};
    key->asks_again =
        key->module->C_GetAttributeValue(key->session, key->object, &ask, 1) == CKR_OK &&
        again == CK_TRUE;
    return WARD_RC_OK;
}

static void close_session(struct ward_token_key *key)
{
    if (key->open) {
        (void)key->module->C_CloseSession(key->session); /* it may be gone with its token */
        key->open = false;
    }
}

static ward_rc open_session(struct ward_token_key *key, ward_error *error)
{
    struct found found;
    WARD_CLIENT_TRY(find_token(key, &found, error));
    key->module = found.module;
    CK_RV rv =
        found.module->C_OpenSession(found.slot, CKF_SERIAL_SESSION, NULL, NULL, &key->session);
    if (rv != CKR_OK) {
        return failed(error, "opening a session", rv);
    }
    key->open = true;
    ward_rc rc = (found.info.flags & CKF_LOGIN_REQUIRED) == 0
                     ? WARD_RC_OK
                     : log_in(key, CKU_USER, found.info.flags, error);
    if (rc == WARD_RC_OK) {
        rc = find_key(key, error);
    }
    if (rc != WARD_RC_OK) {
        close_session(key);
    }
    return rc;
}

/* ---- signing ---- */

static CK_RV sign_once(struct ward_token_key *key, CK_MECHANISM_TYPE type, struct ward_bytes in,
                       uint8_t *out, size_t *size)
{
    CK_MECHANISM mechanism = {type, NULL, 0};
    CK_ULONG n = *size;
    CK_RV rv = key->module->C_SignInit(key->session, &mechanism, key->object);
    if (rv == CKR_OK && key->asks_again &&
        log_in(key, CKU_CONTEXT_SPECIFIC, 0, NULL) != WARD_RC_OK) {
        return CKR_PIN_INCORRECT;
    }
    if (rv == CKR_OK) {
        rv = key->module->C_Sign(key->session, (CK_BYTE *)in.data, in.size, out, &n);
    }
    *size = rv == CKR_OK ? n : 0;
    return rv;
}

/* After these the same session will not do; others are about this signature. */
static bool session_is_lost(CK_RV rv)
{
    return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED ||
           rv == CKR_DEVICE_REMOVED || rv == CKR_DEVICE_ERROR || rv == CKR_TOKEN_NOT_PRESENT ||
           rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_KEY_HANDLE_INVALID ||
           rv == CKR_USER_NOT_LOGGED_IN || rv == CKR_CRYPTOKI_NOT_INITIALIZED;
}

bool ward_token_key_sign(struct ward_token_key *key, enum ward_token_sign what,
                         struct ward_bytes in, uint8_t *out, size_t *size)
{
    static const CK_MECHANISM_TYPE mechanisms[] = {[WARD_TOKEN_ECDSA] = CKM_ECDSA,
                                                   [WARD_TOKEN_RSA_RAW] = CKM_RSA_X_509,
                                                   [WARD_TOKEN_RSA_PKCS1] = CKM_RSA_PKCS};
    if (key->pid != getpid()) {
        return false;
    }
    size_t room = *size;
    (void)pthread_mutex_lock(&key->lock);
    CK_RV rv = key->open ? sign_once(key, mechanisms[what], in, out, size) : CKR_SESSION_CLOSED;
    if (session_is_lost(rv)) {
        close_session(key);
        if (open_session(key, NULL) == WARD_RC_OK) {
            *size = room;
            rv = sign_once(key, mechanisms[what], in, out, size);
        }
    }
    (void)pthread_mutex_unlock(&key->lock);
    return rv == CKR_OK;
}

/* ---- opening and closing ---- */

ward_rc ward_token_key_open(const char *uri, ward_pin_callback pin, void *pin_context,
                            struct ward_token_key **ret, ward_error *error)
{
    const struct ward_p11kit *p11 = ward_p11kit();
    if (p11 == NULL) {
        return refuse(error, "a key in a token needs libp11-kit, which is not installed");
    }
    struct ward_token_key *key = calloc(1, sizeof(*key));
    if (key == NULL) {
        return ward_error_memory(error);
    }
    key->p11 = p11;
    key->pin = (struct ward_pin_source){.callback = pin, .context = pin_context};
    key->pid = getpid();
    (void)pthread_mutex_init(&key->lock, NULL); /* cannot fail on Linux */
    ward_rc rc = parse_uri(key, uri, error);
    if (rc == WARD_RC_OK) {
        rc = load_modules(key, error);
    }
    if (rc == WARD_RC_OK) {
        rc = open_session(key, error);
    }
    if (rc != WARD_RC_OK) {
        ward_token_key_close(key);
        return rc;
    }
    *ret = key;
    return WARD_RC_OK;
}

void ward_token_key_close(struct ward_token_key *key)
{
    if (key == NULL) {
        return;
    }
    if (key->pid == getpid()) {
        close_session(key);
        if (key->modules != NULL) {
            key->p11->modules_finalize_and_release(key->modules);
        }
        if (key->only != NULL) {
            (void)key->p11->module_finalize(key->only);
            key->p11->module_release(key->only);
        }
    }
    if (key->uri != NULL) {
        key->p11->uri_free(key->uri);
    }
    (void)pthread_mutex_destroy(&key->lock);
    free(key);
}
