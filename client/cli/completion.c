/* SPDX-License-Identifier: Apache-2.0 */
/* A verb's options stand in its own function and nowhere else. It is run on a thread of its own,
 * where cli_parse writes them down in place of parsing and ends the thread: one line for the
 * arguments, one for each option, tabs between the parts. */
#include "client/cli/completion.h"

#include <pthread.h>
#include <string.h>

#define TEXT_MAX 65536

struct describing {
    cli_run run;
    struct ward_buffer *text;
    bool went_on; /* past cli_parse, or never to it */
};

static void *describe(void *context)
{
    struct describing *describing = context;
    char name[] = "ward";
    char *argv[] = {name, NULL};
    struct cli cli = {.describe = describing->text};
    (void)describing->run(&cli, 1, argv);
    describing->went_on = true;
    return NULL;
}

static struct ward_bytes until(struct ward_bytes *rest, char end)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, end, rest->size);
    size_t size = at == NULL ? rest->size : (size_t)(at - rest->data);
    struct ward_bytes part = WARD_BYTES(rest->data, size);
    size_t used = at == NULL ? size : size + 1;
    *rest = WARD_BYTES(rest->data + used, rest->size - used);
    return part;
}

static bool split(struct completion_verb *verb)
{
    struct ward_bytes rest = ward_buffer_view(&verb->text);
    verb->args = until(&rest, '\n');
    for (verb->n_options = 0; rest.size > 0; verb->n_options++) {
        if (verb->n_options == COMPLETION_OPTIONS_MAX) {
            return false;
        }
        struct ward_bytes line = until(&rest, '\n');
        struct completion_option *option = &verb->options[verb->n_options];
        option->name = until(&line, '\t');
        struct ward_bytes letter = until(&line, '\t');
        option->letter = letter.size == 0 ? 0 : (char)letter.data[0];
        option->value = until(&line, '\t');
        option->help = line;
    }
    return true;
}

bool completion_describe(cli_run run, struct completion_verb *ret)
{
    struct describing describing = {.run = run, .text = &ret->text};
    ward_buffer_init(&ret->text, TEXT_MAX);
    pthread_t thread;
    if (pthread_create(&thread, NULL, describe, &describing) != 0) {
        return false;
    }
    (void)pthread_join(thread, NULL); /* cannot fail for a thread that is ours and not detached */
    return !describing.went_on && !ret->text.failed && split(ret);
}

bool completion_is_path(struct ward_bytes value)
{
    static const char *const words[] = {"FILE", "DIR", "FOLDER"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (value.size > 0 && memmem(value.data, value.size, words[i], strlen(words[i])) != NULL) {
            return true;
        }
    }
    return false;
}

static bool visit(const struct cli_noun *noun, cli_run run, struct completion_verb *verb,
                  completion_each *each, struct ward_buffer *out)
{
    bool described = completion_describe(run, verb);
    if (described) {
        each(noun, verb, out);
    }
    ward_buffer_fini(&verb->text);
    return described;
}

bool completion_verbs(const struct cli_noun *noun, completion_each *each, struct ward_buffer *out)
{
    if (noun->verbs == NULL) {
        struct completion_verb verb = {.name = "", .help = noun->help};
        if (!visit(noun, noun->run, &verb, each, out)) {
            return false;
        }
    }
    const struct cli_verb *from = noun->verbs == NULL ? noun->besides : noun->verbs;
    for (; from != NULL && from->name != NULL; from++) {
        struct completion_verb verb = {.name = from->name, .help = from->help};
        if (!visit(noun, from->run, &verb, each, out)) {
            return false;
        }
    }
    return true;
}
