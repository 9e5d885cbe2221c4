/* SPDX-License-Identifier: Apache-2.0 */
/* The profiles file: whom to call and as whom, by name.
 *
 *   profiles:
 *     - name: officer-a
 *       server: 127.0.0.1:7443
 *       server_name: localhost      # optional: the host of `server`
 *       ca: ca.pem                  # paths are absolute, or relative to this file
 *       certificate: officer-a.pem
 *       key: officer-a.key          # a file, or a key in a token: "pkcs11:token=staff;id=%01"
 */
#ifndef WARD_CLIENT_CLI_PROFILE_H
#define WARD_CLIENT_CLI_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/ending.h"

#define CLI_PATH_MAX 4096

struct cli_profile {
    bool loaded;
    char name[128], server[300], server_name[256];
    char ca[CLI_PATH_MAX], certificate[CLI_PATH_MAX], key[CLI_PATH_MAX];
};

/* name NULL: the one that there is, or the one called "default". False with one line of text. */
bool cli_profile_load(const char *path, const char *name, struct cli_profile *ret, char *text,
                      size_t text_size);
/* $WARD_CONFIG, else ~/.config/ward/profiles.yaml. False when neither is to be had. */
bool cli_profile_default_path(char path[static CLI_PATH_MAX]);
/* Others than its owner may read the file. */
bool cli_profile_key_is_open(const char *path);
/* How near its end the first certificate of a PEM file is, and when that is, UTC in microseconds.
 * FAR where the file holds none. */
enum ward_ending_step cli_profile_certificate_ending(const char *path,
                                                     const struct ward_clock *clock,
                                                     int64_t *ret_end_us);

#endif
