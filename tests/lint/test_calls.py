# SPDX-License-Identifier: Apache-2.0
"""Calls that Ward does not make, and what it does instead."""
import re

import pytest

import tree

FORBIDDEN = {
    r"(?:strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|alloca)": "no bound; use a buffer or snprintf",
    r"(?:atoi|atol|atoll|atof|scanf|sscanf|fscanf)": "no error; parse with a cursor or strtoul and a check",
    r"(?:system|popen|wordexp)": "no shell",
    r"(?:fork|vfork|daemon)": "posix_spawn: a PKCS#11 module must never be forked",
    r"(?:rand|srand|random|srandom|drand48)": "base/random",
    r"(?:tmpnam|mktemp|tempnam)": "mkstemp or memfd_create",
    r"bzero": "OPENSSL_cleanse, through ward_secret or a wiping buffer",
    r"(?:EVP_Cipher|RAND_pseudo_bytes|DES_\w+|RC4\w*)": "see base/aead",
    r"(?:getenv)": "configuration comes from its file; an environment can be set by others",
    r"(?:setjmp|longjmp|siglongjmp)": "hides control flow",
}
# file prefix -> calls that it may make, with the reason.
ALLOWED = {
    "client/": {"getenv"},  # $WARD_CONFIG and $HOME are the user's own
    "backends/pkcs11/helper": {"getenv"},
    "base/failpoint.c": {"getenv"},  # in builds for tests alone
}
# The one place where each of these may be called.
CHOKE_POINTS = {
    r"(?:EVP_EncryptInit_ex2?|EVP_DecryptInit_ex2?)": ["base/"],
    r"(?:PQexecParams|PQsendQueryParams|PQprepare|PQsendPrepare|PQexec|PQsendQuery)": ["backends/postgres/"],
    r"(?:posix_spawn|posix_spawnp|execv\w*)": ["backends/pkcs11/"],
    r"(?:dlopen|dlsym)": ["backends/pkcs11/", "client/pkcs11/"],
}


def calls(name: str, pattern: str) -> list:
    return tree.search(name, tree.code(name), rf"(?<![\w.>]){pattern}\s*\(")


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_forbidden_calls_are_not_made(pattern):
    bad = []
    for name in tree.product_c_files():
        free = {call for prefix, given in ALLOWED.items() if name.startswith(prefix) for call in given}
        bad += [found for found in calls(name, pattern) if not any(f"{call}(" in found for call in free)]
    assert not bad, FORBIDDEN[pattern] + "\n" + "\n".join(bad)


@pytest.mark.parametrize("pattern", CHOKE_POINTS)
def test_dangerous_calls_have_one_home(pattern):
    bad = [found for name in tree.product_c_files() if not name.startswith(tuple(CHOKE_POINTS[pattern]))
           for found in calls(name, pattern)]
    assert not bad, "\n".join(bad)


def test_no_goto():
    bad = [found for name in tree.c_files() for found in tree.search(name, tree.code(name), r"\bgoto\b")]
    assert not bad, "\n".join(bad)


def test_query_text_is_constant():
    """PQexec and its kind take a literal or a constant's name, never something put together."""
    bad = []
    for name in tree.product_c_files():
        if re.search(r"(?:printf|ward_buffer_add\w*)\s*\([^;]*\"\s*(?:SELECT|INSERT|UPDATE|DELETE|ALTER|CREATE)\b", tree.text(name)):
            bad.append(f"{name}: SQL is put together at run time")
    assert not bad, "\n".join(bad)


SECRET = r"(?:\w+(?:->|\.))*(?:secret|plaintext|dek|pin|okm|commitment|record_key|subject_key)(?:\.data|->data)?"


def test_secrets_are_not_compared_by_memcmp():
    compare = rf"(?<!\w)(?:memcmp|strcmp|strncmp|ward_bytes_eq)\s*\((?:[^;]*,)?\s*{SECRET}\s*,"
    bad = [found for name in tree.product_c_files() for found in tree.search(name, tree.code(name), compare)]
    assert not bad, "compare in constant time (ward_secret_eq, CRYPTO_memcmp)\n" + "\n".join(bad)


def test_secrets_are_not_freed_raw():
    free = rf"(?<!\w)free\s*\(\s*{SECRET}\s*\)"
    bad = [found for name in tree.product_c_files() for found in tree.search(name, tree.code(name), free)]
    assert not bad, "\n".join(bad)
