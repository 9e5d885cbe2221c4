/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 only, the daemon's certificate checked against one CA file, our own certificate always
 * shown. Must not know which daemon is called, nor what is said to it. */
#include "client/credentials.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pemerr.h>
#include <openssl/x509err.h>
#include <sys/stat.h>

#include "base/wipe_alloc.h"
#include "client/fork.h"
#include "client/pkcs11/private_key.h"

/* What tells that a file is another one than before. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

enum { CA, CERTIFICATE, KEY, N_FILES };

struct ward_credentials {
    char *names[N_FILES]; /* wiped: a PKCS#11 URI may hold a PIN */
    ward_pin_callback pin;
    void *pin_context;
    pthread_mutex_t lock; /* of what follows */
    SSL_CTX *tls;
    struct stamp stamps[N_FILES]; /* of the files of which tls was made */
    bool forked;
};

/* A library must not ask a terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* Each loader has its own word for a file that holds nothing of what it looks for. */
static bool holds_none(void)
{
    unsigned long first = ERR_peek_error();
    int library = ERR_GET_LIB(first), reason = ERR_GET_REASON(first);
    return (library == ERR_LIB_PEM && reason == PEM_R_NO_START_LINE) ||
           (library == ERR_LIB_X509 && reason == X509_R_NO_CERTIFICATE_OR_CRL_FOUND) ||
           (library == ERR_LIB_OSSL_DECODER && reason == ERR_R_UNSUPPORTED);
}

static ward_rc bad_file(ward_error *error, const char *what, const char *path)
{
    if (holds_none()) {
        ERR_clear_error();
        return ward_error_set(
            error, WARD_RC_INVALID_ARGUMENT, "%s: %s: not PEM, or not a %s", what, path,
            strcmp(what, "key") == 0 ? "private key without a password" : "certificate");
    }
    return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "%s: %s: %s", what, path,
                          ward_error_openssl());
}

static ward_rc load_key_file(const struct ward_credentials *credentials, SSL_CTX *tls,
                             ward_error *error)
{
    const char *path = credentials->names[KEY];
    if (SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM) == 1) {
        return WARD_RC_OK;
    }
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) != ERR_LIB_X509 || ERR_GET_REASON(code) != X509_R_KEY_VALUES_MISMATCH) {
        return bad_file(error, "key", path);
    }
    return ward_error_set(error, WARD_RC_INVALID_ARGUMENT,
                          "key: %s does not belong to the certificate %s", path,
                          credentials->names[CERTIFICATE]);
}

static ward_rc load_key_token(const struct ward_credentials *credentials, SSL_CTX *tls,
                              ward_error *error)
{
    const struct ward_private_key_in in = {credentials->names[KEY],
                                           X509_get0_pubkey(SSL_CTX_get0_certificate(tls)),
                                           credentials->pin, credentials->pin_context};
    EVP_PKEY *key = NULL;
    WARD_CLIENT_TRY(ward_private_key_open(&in, &key, error));
    int used = SSL_CTX_use_PrivateKey(tls, key);
    EVP_PKEY_free(key);
    return used == 1
               ? WARD_RC_OK
               : ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "key: %s", ward_error_openssl());
}

static ward_rc load_files(const struct ward_credentials *credentials, SSL_CTX *tls,
                          ward_error *error)
{
    if (SSL_CTX_load_verify_file(tls, credentials->names[CA]) != 1) {
        return bad_file(error, "ca", credentials->names[CA]);
    }
    if (SSL_CTX_use_certificate_chain_file(tls, credentials->names[CERTIFICATE]) != 1) {
        return bad_file(error, "certificate", credentials->names[CERTIFICATE]);
    }
    return ward_private_key_is_uri(credentials->names[KEY])
               ? load_key_token(credentials, tls, error)
               : load_key_file(credentials, tls, error);
}

static ward_rc make_context(const struct ward_credentials *credentials, SSL_CTX **ret,
                            ward_error *error)
{
    static const uint8_t protocols[] = {2, 'h', '2'};
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(tls, protocols, sizeof(protocols)) != 0) {
        SSL_CTX_free(tls);
        return ward_error_memory(error);
    }
    /* OpenSSL decrypts in place: its buffers held keys and PHI. */
    SSL_CTX_set_options(tls, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
    /* No CA is added to what the certificate file holds: the daemon has it, and every certificate
     * that it must parse is a sixth of its handshake. */
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(tls, no_password);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    ward_rc rc = load_files(credentials, tls, error);
    if (rc != WARD_RC_OK) {
        SSL_CTX_free(tls);
        return rc;
    }
    *ret = tls;
    return WARD_RC_OK;
}

/* A key in a token has no file, and one that cannot be looked at is as it was. */
static void take_stamps(const struct ward_credentials *credentials, struct stamp stamps[N_FILES])
{
    for (size_t i = 0; i < N_FILES; i++) {
        struct stat about;
        stamps[i] = credentials->stamps[i];
        bool is_file = i != KEY || !ward_private_key_is_uri(credentials->names[i]);
        if (is_file && stat(credentials->names[i], &about) == 0) {
            stamps[i] = (struct stamp){about.st_dev, about.st_ino, about.st_size, about.st_mtim};
        }
    }
}

static bool same_stamps(const struct stamp *a, const struct stamp *b)
{
    for (size_t i = 0; i < N_FILES; i++) {
        if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
            a[i].modified.tv_sec != b[i].modified.tv_sec ||
            a[i].modified.tv_nsec != b[i].modified.tv_nsec) {
            return false;
        }
    }
    return true;
}

/* With the lock held. The stamps are older than what is read, so that a change in between is seen
 * the next time. */
static ward_rc refresh(struct ward_credentials *credentials, ward_error *error)
{
    struct stamp stamps[N_FILES];
    take_stamps(credentials, stamps);
    if (credentials->tls != NULL && !credentials->forked &&
        same_stamps(stamps, credentials->stamps)) {
        return WARD_RC_OK;
    }
    SSL_CTX *tls = NULL;
    WARD_CLIENT_TRY(make_context(credentials, &tls, error));
    /* A lock inside the parent's may be held for ever. And should another thread fork now, its
     * child must not find one that is freed. */
    SSL_CTX *old = credentials->forked ? NULL : credentials->tls;
    credentials->tls = tls;
    credentials->forked = false;
    memcpy(credentials->stamps, stamps, sizeof(stamps));
    SSL_CTX_free(old);
    return WARD_RC_OK;
}

static char *copy_name(const char *name)
{
    size_t size = strlen(name) + 1;
    char *copy = ward_wipe_malloc(size);
    if (copy != NULL) {
        memcpy(copy, name, size);
    }
    return copy;
}

ward_rc ward_credentials_new(const struct ward_credentials_in *in, struct ward_credentials **ret,
                             ward_error *error)
{
    const char *names[N_FILES] = {in->ca_file, in->certificate_file, in->key};
    static const char *const what[N_FILES] = {"ca", "certificate", "key"};
    for (size_t i = 0; i < N_FILES; i++) {
        if (names[i] == NULL) {
            return ward_error_set(error, WARD_RC_INVALID_ARGUMENT, "%s: not given", what[i]);
        }
    }
    struct ward_credentials *credentials = calloc(1, sizeof(*credentials));
    if (credentials == NULL) {
        return ward_error_memory(error);
    }
    credentials->pin = in->pin;
    credentials->pin_context = in->pin_context;
    (void)pthread_mutex_init(&credentials->lock, NULL); /* cannot fail on Linux */
    ward_rc rc = WARD_RC_OK;
    for (size_t i = 0; i < N_FILES && rc == WARD_RC_OK; i++) {
        credentials->names[i] = copy_name(names[i]);
        rc = credentials->names[i] == NULL ? ward_error_memory(error) : WARD_RC_OK;
    }
    if (rc == WARD_RC_OK) {
        ward_fork_enter();
        rc = refresh(credentials, error);
        ward_fork_leave();
    }
    if (rc != WARD_RC_OK) {
        ward_credentials_free(credentials);
        return rc;
    }
    *ret = credentials;
    return WARD_RC_OK;
}

void ward_credentials_free(struct ward_credentials *credentials)
{
    if (credentials == NULL) {
        return;
    }
    SSL_CTX_free(credentials->tls);
    for (size_t i = 0; i < N_FILES; i++) {
        ward_wipe_free(credentials->names[i]);
    }
    (void)pthread_mutex_destroy(&credentials->lock);
    free(credentials);
}

SSL_CTX *ward_credentials_tls(struct ward_credentials *credentials)
{
    ward_fork_enter();
    (void)pthread_mutex_lock(&credentials->lock);
    (void)refresh(credentials, NULL); /* what is in force stays so */
    SSL_CTX *tls = credentials->tls;
    (void)SSL_CTX_up_ref(tls);
    (void)pthread_mutex_unlock(&credentials->lock);
    ward_fork_leave();
    return tls;
}

void ward_credentials_forked(struct ward_credentials *credentials)
{
    (void)pthread_mutex_init(&credentials->lock, NULL);
    credentials->forked = true;
}
