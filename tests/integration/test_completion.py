# SPDX-License-Identifier: Apache-2.0
"""Shell completion: made from the command's own tables, so it knows each noun, verb and option. No daemon is needed."""
import os
import pathlib
import re
import subprocess

import pytest

from harness.daemon import find_binary

WARD = pathlib.Path(find_binary("ward"))


def ward(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([WARD, *arguments], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def listed(*arguments) -> dict:
    """name -> help of the lines that a --help lists."""
    return dict(re.findall(r"^  ([a-z][\w-]*) +(\S.*)$", ward(*arguments).stdout, re.M))


NOUNS = sorted(set(listed("--help")))
VERBS = {noun: sorted(listed(noun, "--help")) for noun in NOUNS
         if ward(noun, "--help").stdout.startswith(f"usage: ward {noun} VERB")}


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    made = tmp_path_factory.mktemp("completion") / "ward.bash"
    made.write_text(ward("completion", "bash").stdout)
    return made


def offered(script, *words, cwd=None) -> set:
    """What bash's own machinery is offered when TAB is pressed after these words."""
    line = " ".join(f"'{word}'" for word in ("ward", *words))
    code = (f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
            "$(complete -p ward | sed 's/.*-F \\([^ ]*\\).*/\\1/'); printf '%s\\n' \"${COMPREPLY[@]}\"")
    result = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, timeout=30, cwd=cwd)
    assert result.returncode == 0 and not result.stderr, result.stderr
    return set(result.stdout.split())


def test_there_are_nouns_with_verbs_and_without():
    assert {"key", "approval", "status", "completion"} <= set(NOUNS)
    assert {"key", "approval", "audit"} <= set(VERBS) and "status" not in VERBS


def test_every_noun_is_offered_and_a_prefix_narrows(script):
    assert set(NOUNS) <= offered(script, "")
    assert offered(script, "data") == {"data-key"}
    assert offered(script, "--profile", "officer-a", "data") == {"data-key"}


@pytest.mark.parametrize("noun", sorted(VERBS))
def test_every_verb_is_offered(script, noun):
    assert set(VERBS[noun]) <= offered(script, noun, "")
    assert set(VERBS[noun]) <= offered(script, "--output", "json", noun, "")


@pytest.mark.parametrize("noun", NOUNS)
def test_every_option_is_offered(script, noun):
    for verb in VERBS.get(noun, [None]):
        words = [noun] if verb is None else [noun, verb]
        there = set(re.findall(r"(?:^|\s)(--[a-z][\w-]*)", ward(*words, "--help").stdout)) - {"--usage", "--version"}
        assert "--profile" in there
        assert there <= offered(script, *words, "--"), words


def test_values_are_not_taken_for_words(script, tmp_path):
    (tmp_path / "some-file").touch()
    assert offered(script, "--output", "") == {"table", "json"}
    assert offered(script, "key", "create", "--reason", "") == set()
    assert offered(script, "--config", "some", cwd=tmp_path) == {"some-file"}
    assert offered(script, "audit", "verify", "some", cwd=tmp_path) == {"some-file"}
    assert offered(script, "key", "show", "some", cwd=tmp_path) == set()


def test_a_verb_beside_a_noun_that_is_one_itself_is_offered(script, tmp_path):
    (tmp_path / "some-file").touch()
    assert offered(script, "seal", "", cwd=tmp_path) == {"some-file", "rewrap"}
    assert offered(script, "seal", "re", cwd=tmp_path) == {"rewrap"}
    assert offered(script, "seal", "--force", "", cwd=tmp_path) == {"some-file"}
    assert "--new-context" in offered(script, "seal", "rewrap", "--") and "--force" not in offered(script, "seal", "rewrap", "--")
    assert "--force" in offered(script, "seal", "--") and "--new-context" not in offered(script, "seal", "--")
    assert offered(script, "seal", "rewrap", "so", cwd=tmp_path) == {"some-file"}
    assert "'seal rewrap')" in ward("completion", "zsh").stdout and "__ward_wants_verb seal' -a rewrap -d" in ward("completion", "fish").stdout


def test_help_is_offered_what_it_can_tell_of(script):
    assert offered(script, "he") == {"help"}
    assert set(NOUNS) <= offered(script, "help", "") and offered(script, "help", "data") == {"data-key"}
    assert set(VERBS["key"]) <= offered(script, "help", "key", "")


def test_the_other_shells_know_every_noun_and_verb():
    zsh, fish = ward("completion", "zsh").stdout, ward("completion", "fish").stdout
    assert zsh.startswith("#compdef ward\n")
    for noun in NOUNS:
        assert f"'{noun}:" in zsh and f"-a {noun} -d" in fish
        for verb in VERBS.get(noun, []):
            assert f"'{noun} {verb}')" in zsh and f"__ward_wants_verb {noun}' -a {verb} -d" in fish


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])])
def test_a_script_is_its_shells_language(shell, check, tmp_path):
    path = tmp_path / "script"
    path.write_text(ward("completion", shell).stdout)
    try:
        result = subprocess.run([*check, path], capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{shell} is not installed")
        pytest.skip(f"{shell} is not installed")
    assert result.returncode == 0, result.stderr


def test_two_runs_print_the_same():
    for shell in ("bash", "zsh", "fish"):
        assert ward("completion", shell).stdout == ward("completion", shell).stdout != ""


def test_an_unknown_shell_is_misuse():
    result = ward("completion", "tcsh")
    assert result.returncode == 2 and 'has no verb "tcsh"' in result.stderr
