/* SPDX-License-Identifier: Apache-2.0 */
/* The PIN of the token that holds a profile's key: asked for on the terminal, once a command. */
#ifndef WARD_CLIENT_CLI_PIN_H
#define WARD_CLIENT_CLI_PIN_H

#include <stddef.h>

/* As libward's ward_pin_callback; context is not used. Below 0 without a terminal. */
int cli_pin(void *context, const char *token, char *pin, size_t size);
/* Wipes it. */
void cli_pin_forget(void);

#endif
