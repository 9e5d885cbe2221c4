/* SPDX-License-Identifier: Apache-2.0 */
/* A command opens its token twice, to connect and to sign: the PIN is kept in locked memory in
 * between, so that a person types it once. It is read from the terminal itself and never from
 * standard input, a variable or the command line. */
#include "client/cli/pin.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/secret.h"

#define PIN_MAX 255

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ward_secret *kept; /* PIN_MAX + 1 bytes, of which kept_size are the PIN */
static size_t kept_size;

static bool ask(int terminal, const char *token)
{
    char prompt[128];
    int n = snprintf(prompt, sizeof(prompt), "PIN of %.64s: ", token);
    if (write(terminal, prompt, (size_t)n) != n) {
        return false;
    }
    uint8_t *pin = ward_secret_fill(kept);
    ssize_t got = read(terminal, pin, PIN_MAX + 1);
    bool whole = got > 1 && pin[got - 1] == '\n';
    kept_size = whole ? (size_t)got - 1 : 0;
    return write(terminal, "\n", 1) == 1 && whole;
}

/* Without echo; the terminal is left as it was. */
static bool ask_silently(int terminal, const char *token)
{
    struct termios before, silent;
    if (tcgetattr(terminal, &before) != 0) {
        return false;
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    silent.c_lflag |= ICANON;
    if (tcsetattr(terminal, TCSAFLUSH, &silent) != 0) {
        return false;
    }
    bool asked = ask(terminal, token);
    (void)tcsetattr(terminal, TCSAFLUSH, &before); /* what else could be done */
    return asked;
}

static bool get(const char *token)
{
    if (kept != NULL) {
        return kept_size > 0;
    }
    int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) {
        return false;
    }
    bool asked = ward_ok(ward_secret_zero(PIN_MAX + 1, &kept)) && ask_silently(terminal, token);
    (void)close(terminal); /* nothing is lost with it */
    return asked;
}

int cli_pin(void *context, const char *token, char *pin, size_t size)
{
    (void)context;
    int n = -1;
    (void)pthread_mutex_lock(&lock); /* a plain mutex */
    if (get(token) && kept_size <= size) {
        memcpy(pin, ward_secret_view(kept).data, kept_size);
        n = (int)kept_size;
    }
    (void)pthread_mutex_unlock(&lock); /* held */
    return n;
}

void cli_pin_forget(void)
{
    ward_secret_free(kept);
    kept = NULL;
    kept_size = 0;
}
