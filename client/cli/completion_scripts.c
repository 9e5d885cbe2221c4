/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts themselves. Each is a frame with one branch for every verb. Names are lower-case
 * letters and dashes, so that only help texts are quoted. */
#include <string.h>

#include "client/cli/completion.h"
#include "client/cli/options.h"

static void add(struct ward_buffer *out, const char *text)
{
    ward_buffer_add(out, ward_bytes_str(text));
}

static void add_option(struct ward_buffer *out, const struct completion_option *option)
{
    ward_buffer_printf(out, " --%.*s", (int)option->name.size, (const char *)option->name.data);
    if (option->letter != 0) {
        ward_buffer_printf(out, " -%c", option->letter);
    }
}

/* ---- bash ---- */

enum which { ALL, TAKING, PATHS };

static void add_options(struct ward_buffer *out, const struct completion_verb *verb,
                        enum which which)
{
    for (size_t i = 0; i < verb->n_options; i++) {
        struct ward_bytes value = verb->options[i].value;
        if (which == ALL || (which == TAKING && value.size > 0) ||
            (which == PATHS && completion_is_path(value))) {
            add_option(out, &verb->options[i]);
        }
    }
}

static void bash_verb(const struct cli_noun *noun, const struct completion_verb *verb,
                      struct ward_buffer *out)
{
    ward_buffer_printf(out, "    '%s %s')\n        words+=\"", noun->name, verb->name);
    add_options(out, verb, ALL);
    add(out, " --help\"\n        values+=\"");
    add_options(out, verb, TAKING);
    add(out, " \"\n        paths+=\"");
    add_options(out, verb, PATHS);
    ward_buffer_printf(out, " \"\n        files=%s\n", completion_is_path(verb->args) ? "yes" : "");
    if (verb->name[0] == 0 && noun->besides != NULL) {
        ward_buffer_printf(out, "        [[ $prev == %s ]] && also='", noun->name);
        for (const struct cli_verb *other = noun->besides; other->name != NULL; other++) {
            ward_buffer_printf(out, " %s", other->name);
        }
        add(out, "'\n");
    }
    add(out, "        ;;\n");
}

/* One without verbs: what follows is an argument, unless it is a verb beside the noun's own. */
static void bash_alone(const struct cli_noun *noun, struct ward_buffer *out)
{
    ward_buffer_printf(out, "                %s)\n                    verb=-\n", noun->name);
    for (const struct cli_verb *verb = noun->besides; verb != NULL && verb->name != NULL; verb++) {
        ward_buffer_printf(out,
                           "                    ((at + 1 < COMP_CWORD)) && "
                           "[[ ${COMP_WORDS[at + 1]} == %s ]] && verb=%s\n",
                           verb->name, verb->name);
    }
    add(out, "                    ;;\n");
}

static const char bash_head[] =
    "# Completion of ward for bash; made by `ward completion bash`.\n"
    "_ward() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local at noun='' verb='' files='' also='' words=' --profile --config --output --timeout'\n"
    "    local values=' --profile --config --output --timeout ' paths=' --config '\n"
    "    COMPREPLY=()\n"
    "    for ((at = 1; at < COMP_CWORD; at++)); do\n"
    "        case ${COMP_WORDS[at]} in\n"
    "        --profile | --config | --output | --timeout) ((++at)) ;;\n"
    "        -*) ;;\n"
    "        *)\n"
    "            if [[ -z $noun ]]; then\n"
    "                noun=${COMP_WORDS[at]}\n"
    "                case $noun in\n"
    "                help) noun='' ;;\n"; /* what is asked about follows */

static const char bash_middle[] = "                esac\n"
                                  "            else\n"
                                  "                verb=${COMP_WORDS[at]}\n"
                                  "            fi\n"
                                  "            [[ -n $verb ]] && break\n"
                                  "            ;;\n"
                                  "        esac\n"
                                  "    done\n"
                                  "    [[ $verb == - ]] && verb=''\n"
                                  "    case \"$noun $verb\" in\n";

static const char bash_tail[] =
    "    esac\n"
    "    if [[ $prev == --output ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W 'table json' -- \"$cur\")\n"
    "    elif [[ $paths == *\" $prev \"* || ( -n $files && $cur != -* && $values != *\" $prev \"* "
    ") "
    "]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"; compgen -W \"$also\" -- \"$cur\")\n"
    "    elif [[ $values != *\" $prev \"* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
    "    fi\n"
    "}\n"
    "complete -F _ward ward\n";

static void bash_words(const struct cli_noun *const *nouns, size_t n, struct ward_buffer *out)
{
    add(out, "    ' ')\n        words+=\"");
    for (size_t i = 0; i < n; i++) {
        ward_buffer_printf(out, " %s", nouns[i]->name);
    }
    add(out, " help --version --help\"\n        ;;\n");
    for (size_t i = 0; i < n; i++) {
        if (nouns[i]->verbs == NULL) {
            continue;
        }
        ward_buffer_printf(out, "    '%s ')\n        words=\"", nouns[i]->name);
        for (const struct cli_verb *verb = nouns[i]->verbs; verb->name != NULL; verb++) {
            ward_buffer_printf(out, " %s", verb->name);
        }
        add(out, " --help\"\n        ;;\n");
    }
}

bool completion_bash(struct ward_buffer *out)
{
    size_t n;
    const struct cli_noun *const *nouns = cli_nouns(&n);
    add(out, bash_head);
    for (size_t i = 0; i < n; i++) {
        if (nouns[i]->verbs == NULL) {
            bash_alone(nouns[i], out);
        }
    }
    add(out, bash_middle);
    bash_words(nouns, n, out);
    for (size_t i = 0; i < n; i++) {
        if (!completion_verbs(nouns[i], bash_verb, out)) {
            return false;
        }
    }
    add(out, bash_tail);
    return true;
}

/* ---- zsh ---- */

/* In single quotes. In brackets, as zsh's _arguments takes help, a bracket or colon is escaped. */
static void zsh_help(struct ward_buffer *out, struct ward_bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = (char)text.data[i];
        if (c == '\'') {
            add(out, "'\\''");
            continue;
        }
        if (c == '[' || c == ']' || c == ':' || c == '\\') {
            ward_buffer_add_u8(out, '\\');
        }
        ward_buffer_add_u8(out, (uint8_t)c);
    }
}

static void zsh_option(struct ward_buffer *out, struct ward_bytes name, struct ward_bytes value,
                       struct ward_bytes help)
{
    ward_buffer_printf(out, "            '*--%.*s[", (int)name.size, (const char *)name.data);
    zsh_help(out, help);
    add(out, "]");
    if (value.size > 0) {
        add(out, ":");
        zsh_help(out, value);
        bool output = ward_bytes_eq(name, WARD_BYTES_LITERAL("output"));
        add(out, completion_is_path(value) ? ":_files" : output ? ":(table json)" : ": ");
    }
    add(out, "' \\\n");
}

static void zsh_globals(struct ward_buffer *out)
{
    for (const struct argp_option *option = cli_global_argp.options; option->name != NULL;
         option++) {
        zsh_option(out, ward_bytes_str(option->name), ward_bytes_str(option->arg),
                   ward_bytes_str(option->doc));
    }
}

static void zsh_verb(const struct cli_noun *noun, const struct completion_verb *verb,
                     struct ward_buffer *out)
{
    ward_buffer_printf(out, "    '%s %s')\n        _arguments \\\n", noun->name, verb->name);
    for (size_t i = 0; i < verb->n_options; i++) {
        const struct completion_option *option = &verb->options[i];
        zsh_option(out, option->name, option->value, option->help);
    }
    zsh_globals(out);
    add(out,
        completion_is_path(verb->args) ? "            '*:file:_files'\n" : "            '*: :'\n");
    add(out, "        ;;\n");
}

static void zsh_describe(struct ward_buffer *out, const char *name, const char *help)
{
    ward_buffer_printf(out, " '%s:", name);
    zsh_help(out, ward_bytes_str(help));
    add(out, "'");
}

/* What follows is an argument, unless it is a verb beside the noun's own. */
static void zsh_alone(const struct cli_noun *noun, struct ward_buffer *out)
{
    if (noun->besides == NULL) {
        ward_buffer_printf(out, "%s) verb= ;;\n", noun->name);
        return;
    }
    ward_buffer_printf(out, "%s)\n    case $verb in\n", noun->name);
    for (const struct cli_verb *verb = noun->besides; verb->name != NULL; verb++) {
        ward_buffer_printf(out, "    %s) ;;\n", verb->name);
    }
    ward_buffer_printf(out,
                       "    *) verb= ;;\n    esac\n"
                       "    if [[ $words[CURRENT-1] == %s ]]; then\n        found=(",
                       noun->name);
    for (const struct cli_verb *verb = noun->besides; verb->name != NULL; verb++) {
        zsh_describe(out, verb->name, verb->help);
    }
    add(out, ")\n        _describe verb found\n    fi\n    ;;\n");
}

bool completion_zsh(struct ward_buffer *out)
{
    size_t n;
    const struct cli_noun *const *nouns = cli_nouns(&n);
    add(out,
        "#compdef ward\n"
        "# Completion of ward for zsh; made by `ward completion zsh`.\n"
        "local -a found\n"
        "local word noun verb\n"
        "integer at skip\n"
        "for ((at = 2; at < CURRENT; at++)); do\n"
        "    word=$words[at]\n"
        "    if ((skip)); then skip=0; continue; fi\n"
        "    case $word in\n"
        "    --profile | --config | --output | --timeout) skip=1 ;;\n"
        "    -*) ;;\n"
        "    help) [[ -n $noun && -z $verb ]] && verb=$word ;;\n"
        "    *) if [[ -z $noun ]]; then noun=$word; elif [[ -z $verb ]]; then verb=$word; fi ;;\n"
        "    esac\n"
        "done\n"
        "case $noun in\n");
    for (size_t i = 0; i < n; i++) {
        if (nouns[i]->verbs == NULL) {
            zsh_alone(nouns[i], out);
            continue;
        }
        ward_buffer_printf(out, "%s)\n    if [[ -z $verb ]]; then\n        found=(",
                           nouns[i]->name);
        for (const struct cli_verb *verb = nouns[i]->verbs; verb->name != NULL; verb++) {
            zsh_describe(out, verb->name, verb->help);
        }
        add(out, ")\n        _describe verb found\n        return\n    fi\n    ;;\n");
    }
    add(out, "'')\n    found=(");
    for (size_t i = 0; i < n; i++) {
        zsh_describe(out, nouns[i]->name, nouns[i]->help);
    }
    zsh_describe(out, "help", "What a noun or a verb does.");
    add(out, ")\n    _describe noun found\n    _arguments \\\n");
    zsh_globals(out);
    add(out, "            '*: :'\n    return\n    ;;\nesac\ncase \"$noun $verb\" in\n");
    for (size_t i = 0; i < n; i++) {
        if (!completion_verbs(nouns[i], zsh_verb, out)) {
            return false;
        }
    }
    add(out, "esac\n");
    return true;
}

/* ---- fish ---- */

static void fish_text(struct ward_buffer *out, struct ward_bytes text)
{
    ward_buffer_add_u8(out, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'' || text.data[i] == '\\') {
            ward_buffer_add_u8(out, '\\');
        }
        ward_buffer_add_u8(out, text.data[i]);
    }
    ward_buffer_add_u8(out, '\'');
}

static void fish_option(struct ward_buffer *out, const char *when, struct ward_bytes name,
                        struct ward_bytes value, struct ward_bytes help)
{
    ward_buffer_printf(out, "complete -c ward%s -l %.*s", when, (int)name.size,
                       (const char *)name.data);
    if (ward_bytes_eq(name, WARD_BYTES_LITERAL("output"))) {
        add(out, " -x -a 'table json'");
    } else if (value.size > 0) {
        add(out, completion_is_path(value) ? " -r -F" : " -x");
    }
    add(out, " -d ");
    fish_text(out, help);
    add(out, "\n");
}

static void fish_verb(const struct cli_noun *noun, const struct completion_verb *verb,
                      struct ward_buffer *out)
{
    char when[256];
    (void)snprintf(when, sizeof(when), " -n '__fish_seen_subcommand_from %s%s%s'", noun->name,
                   verb->name[0] == 0 ? "" : "; and __fish_seen_subcommand_from ", verb->name);
    if (verb->name[0] != 0) {
        ward_buffer_printf(out, "complete -c ward -n '__ward_wants_verb %s' -a %s -d ", noun->name,
                           verb->name);
        fish_text(out, ward_bytes_str(verb->help));
        add(out, "\n");
    }
    if (verb->name[0] == 0 && noun->besides != NULL) {
        (void)snprintf(when, sizeof(when),
                       " -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from",
                       noun->name);
        for (const struct cli_verb *other = noun->besides; other->name != NULL; other++) {
            size_t used = strlen(when);
            (void)snprintf(when + used, sizeof(when) - used, " %s%s", other->name,
                           (other + 1)->name == NULL ? "'" : "");
        }
    }
    for (size_t i = 0; i < verb->n_options; i++) {
        const struct completion_option *option = &verb->options[i];
        fish_option(out, when, option->name, option->value, option->help);
    }
    if (completion_is_path(verb->args)) {
        ward_buffer_printf(out, "complete -c ward%s -F\n", when);
    }
}

bool completion_fish(struct ward_buffer *out)
{
    size_t n;
    const struct cli_noun *const *nouns = cli_nouns(&n);
    add(out,
        "# Completion of ward for fish; made by `ward completion fish`.\n"
        "function __ward_wants_verb\n"
        "    set -l words (commandline -opc)\n"
        "    test \"$words[-1]\" = $argv[1]\n"
        "end\n"
        "complete -c ward -f\n"
        "complete -c ward -n __fish_use_subcommand -a help -d 'What a noun or a verb does.'\n");
    for (const struct argp_option *option = cli_global_argp.options; option->name != NULL;
         option++) {
        fish_option(out, "", ward_bytes_str(option->name), ward_bytes_str(option->arg),
                    ward_bytes_str(option->doc));
    }
    for (size_t i = 0; i < n; i++) {
        ward_buffer_printf(out,
                           "complete -c ward -n '__fish_use_subcommand; or __ward_wants_verb help' "
                           "-a %s -d ",
                           nouns[i]->name);
        fish_text(out, ward_bytes_str(nouns[i]->help));
        add(out, "\n");
        if (!completion_verbs(nouns[i], fish_verb, out)) {
            return false;
        }
    }
    return true;
}
