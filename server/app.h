/* SPDX-License-Identifier: Apache-2.0 */
/* Builds everything and hands it down; takes it apart in the reverse order. */
#ifndef WARD_SERVER_APP_H
#define WARD_SERVER_APP_H

#include "backends/kek.h"
#include "server/config.h"

struct ward_app;

/* Opens HSM and database, checks both, writes the first entry, then listens: ready when it returns
 * OK. What went wrong has been logged. */
ward_status ward_app_start(const struct ward_config *config, struct ward_app **ret);
/* SIGHUP: certificates and log level from a configuration read anew. */
void ward_app_reload(struct ward_app *app, const struct ward_config *config);
/* GOAWAY, finish what runs, close. NULL is fine. */
void ward_app_stop(struct ward_app *app);
/* True once something was found that forbids going on (a database that was rolled back). */
bool ward_app_must_stop(const struct ward_app *app);

/* The operator's command: the process becomes the helper that does it. Returns when it failed. */
ward_status ward_app_rotate_pin(const struct ward_config *config, const char *new_pin_file);
ward_status ward_app_open_kek(const struct ward_config *config, struct ward_kek **ret);

#endif
