# SPDX-License-Identifier: Apache-2.0
"""Manual pages: well-formed, and complete: every function, verb and option that there is."""
import re
import shutil
import subprocess

import pytest

import tree
from test_form import needs

PAGES = [name for name in tree.files() if re.fullmatch(r"deploy/man/[\w.]+\.\d(\.in)?", name)]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_well_formed(name):
    result = subprocess.run([needs("groff"), "-mandoc", "-Tutf8", "-ww", "-z", tree.ROOT / name], capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr
    if shutil.which("mandoc"):
        result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", tree.ROOT / name], capture_output=True, text=True)
        assert not result.stdout, result.stdout


def exported() -> set:
    return set(re.findall(r"^\s+(ward_\w+);", tree.text("client/ward.map"), re.M))


def headers() -> str:
    text = "".join(tree.text(name) for name in tree.files() if name.startswith("client/include/ward/"))
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", text, flags=re.S))


def test_every_function_has_its_page_and_the_page_its_prototype():
    pages = "".join(tree.text(name) for name in PAGES if name.endswith(".3"))
    bad = []
    for function in sorted(exported() - {"ward_rc_name"}):
        written = re.search(rf"^\.Ft (.*)\n\.Fn {function} (.*)$", pages, re.M)
        declared = re.search(rf"([\w]+(?: \w+)* ?\*?){function}\(([^;]*)\);", headers())
        if not written or not declared:
            bad.append(f"{function}: {'no page' if declared else 'not in a header'}")
            continue
        arguments = re.findall(r'"([^"]*)"', written.group(2)) or [written.group(2)]
        if ", ".join(arguments) != declared.group(2) or written.group(1).replace(" ", "") != declared.group(1).replace(" ", ""):
            bad.append(f"{function}: the page says {written.group(0)!r}")
    assert not bad, "\n".join(bad)


def test_every_noun_and_verb_is_in_the_page_of_ward():
    said = {m.group(1): set(m.group(2).split(" | ")) if m.group(2) else set()
            for m in re.finditer(r"^\.It Cm ([\w-]+)(?: (.*))?$", tree.text("deploy/man/ward.1"), re.M)}
    there = {}
    for name in tree.files():
        if re.match(r"client/cli/cmd_\w+\.c$", name):
            table = re.search(r"struct cli_verb verbs\[\] = \{(.*?)\n\};", tree.text(name), re.S)
            verbs = set(re.findall(r'^\s*\{"([\w-]+)"', table.group(1), re.M)) if table else set()
            for noun, own in re.findall(r'const struct cli_noun \w+ = \{\s*"([\w-]+)",\s*(\w+)', tree.text(name)):
                there[noun] = verbs if own == "verbs" else set()
    assert len(there) > 5, "where are the nouns of the command?"
    wrong = {noun: (there.get(noun), said.get(noun)) for noun in there.keys() | said.keys() if there.get(noun) != said.get(noun)}
    assert not wrong, f"noun: (in the command, in its page): {wrong}"
