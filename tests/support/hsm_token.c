/* SPDX-License-Identifier: Apache-2.0 */
/* Makes and removes tokens for tests with the vendors' own tools. Must not know the code under test
 * beyond its configuration. */
#include "tests/support/hsm_token.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NSS_MODULE "/usr/lib/x86_64-linux-gnu/libsoftokn3.so"
#define CERTUTIL "/usr/bin/certutil"
#define SOFTHSM_UTIL "/usr/bin/softhsm2-util"

extern char **environ;

int hsm_token_run(const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, 1, 2), 0);
    pid_t pid;
    int failed =
        posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    int result;
    if (failed != 0 || waitpid(pid, &result, 0) != pid || !WIFEXITED(result)) {
        return -1;
    }
    return WEXITSTATUS(result);
}

static void join(char *out, const char *dir, const char *name)
{
    assert_true(snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX);
}

void hsm_token_file(const struct hsm_token *token, const char *name, const char *content,
                    char *path)
{
    join(path, token->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    assert_int_equal(close(fd), 0);
}

static void make_dir(struct hsm_token *token)
{
    const char *base = getenv("TMPDIR");
    *token = (struct hsm_token){0};
    join(token->dir, base != NULL ? base : "/tmp", "ward-token-XXXXXX");
    assert_non_null(mkdtemp(token->dir));
    hsm_token_file(token, "pin", HSM_TOKEN_PIN "\n", token->pin_file);
}

/* The one folder inside `dir`. */
static void only_folder(const char *dir, char *out)
{
    DIR *folder = opendir(dir);
    assert_non_null(folder);
    size_t found = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            join(out, dir, entry->d_name);
            found++;
        }
    }
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(found, 1);
}

bool hsm_token_softhsm(struct hsm_token *ret)
{
    if (access(SOFTHSM_MODULE, R_OK) != 0 || access(SOFTHSM_UTIL, X_OK) != 0) {
        return false;
    }
    make_dir(ret);
    char tokens[PATH_MAX], conf[PATH_MAX], content[PATH_MAX + 128];
    join(tokens, ret->dir, "tokens");
    assert_int_equal(mkdir(tokens, 0700), 0);
    assert_true(
        snprintf(content, sizeof(content),
                 "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
                 tokens) < (int)sizeof(content));
    hsm_token_file(ret, "softhsm2.conf", content, conf);
    assert_int_equal(setenv("SOFTHSM2_CONF", conf, 1), 0);
    const char *init[] = {
        SOFTHSM_UTIL, "--init-token",      "--free", "--label",     HSM_TOKEN_LABEL,
        "--so-pin",   "so-" HSM_TOKEN_PIN, "--pin",  HSM_TOKEN_PIN, NULL};
    assert_int_equal(hsm_token_run(init), 0);
    only_folder(tokens, ret->store);
    ret->module = SOFTHSM_MODULE;
    ret->label = HSM_TOKEN_LABEL;
    return true;
}

bool hsm_token_nss(struct hsm_token *ret)
{
    if (access(NSS_MODULE, R_OK) != 0 || access(CERTUTIL, X_OK) != 0) {
        return false;
    }
    make_dir(ret);
    char database[PATH_MAX];
    assert_true(snprintf(database, sizeof(database), "sql:%.4000s", ret->dir) <
                (int)sizeof(database));
    const char *init[] = {CERTUTIL, "-N", "-d", database, "-f", ret->pin_file, NULL};
    assert_int_equal(hsm_token_run(init), 0);
    assert_true(snprintf(ret->params, sizeof(ret->params),
                         "configdir='%.4000s' certPrefix='' keyPrefix='' secmod='secmod.db' "
                         "flags= ",
                         database) < (int)sizeof(ret->params));
    ret->module = NSS_MODULE;
    ret->label = "NSS Certificate DB";
    return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void hsm_token_remove(struct hsm_token *token)
{
    if (token->dir[0] != '\0') {
        assert_int_equal(nftw(token->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

struct ward_pkcs11_config hsm_token_config(const struct hsm_token *token)
{
    const char *helper = getenv("WARD_HSM");
    assert_non_null(helper);
    return (struct ward_pkcs11_config){.helper_path = helper,
                                       .module_path = token->module,
                                       .token_label = token->label,
                                       .pin_file = token->pin_file,
                                       .deadline_ms = 30000,
                                       .start_deadline_ms = 20000,
                                       .working_copies = true,
                                       .module_params =
                                           token->params[0] != '\0' ? token->params : NULL};
}
