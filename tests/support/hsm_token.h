/* SPDX-License-Identifier: Apache-2.0 */
/* A token of a test's own, in a new folder under TMPDIR: SoftHSM2, or an NSS softokn database. */
#ifndef WARD_TESTS_SUPPORT_HSM_TOKEN_H
#define WARD_TESTS_SUPPORT_HSM_TOKEN_H

#include <limits.h>
#include <stdbool.h>

#include "backends/pkcs11/kek_pkcs11.h"

#define HSM_TOKEN_PIN "ward-test-pin"
#define HSM_TOKEN_LABEL "ward-test"
#define SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"

struct hsm_token {
    char dir[PATH_MAX];   /* holds all of it */
    char store[PATH_MAX]; /* SoftHSM: the folder of the one token */
    char pin_file[PATH_MAX];
    char params[PATH_MAX]; /* NSS: what C_Initialize takes */
    const char *module, *label;
};

/* False when the software for it is not installed. Fails the test on anything else. Sets
 * SOFTHSM2_CONF. */
bool hsm_token_softhsm(struct hsm_token *ret);
bool hsm_token_nss(struct hsm_token *ret);
/* Removes the folder. */
void hsm_token_remove(struct hsm_token *token);
/* A configuration for it, with a helper path from the environment variable WARD_HSM. */
struct ward_pkcs11_config hsm_token_config(const struct hsm_token *token);
/* Writes a file in the token's folder, mode 0600. path has room for PATH_MAX. */
void hsm_token_file(const struct hsm_token *token, const char *name, const char *content,
                    char *path);
/* Runs a command (argv ends in NULL), output discarded; its exit code, -1 when it cannot run. */
int hsm_token_run(const char *const *argv);

#endif
