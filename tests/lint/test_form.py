# SPDX-License-Identifier: Apache-2.0
"""Form: licence line, opening comment, format, shell, and words that do not belong in the tree."""
import os
import re
import shutil
import subprocess

import pytest

import tree

SPDX = "SPDX-License-Identifier: Apache-2.0"
SOURCE = (".c", ".h", ".py", ".sh", ".proto", ".sql", "meson.build", "meson_options.txt")


def needs(tool: str) -> str:
    """A missing tool is a failure in CI and a named skip elsewhere."""
    found = shutil.which(tool)
    if not found:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{tool} is not installed")
        pytest.skip(f"{tool} is not installed")
    return found


def is_script(name: str) -> bool:
    return tree.text(name).startswith("#!")


def is_shell(name: str) -> bool:
    first = tree.text(name).split("\n", 3)
    return bool(re.match(r"#!.*\b(?:ba)?sh\b", first[0])) or name.startswith("deploy/lib/") and name.endswith(".sh")


def test_every_source_carries_its_licence():
    bad = [name for name in tree.files() if (name.endswith(SOURCE) or is_script(name)) and (tree.ROOT / name).stat().st_size
           and SPDX not in "\n".join(tree.text(name).split("\n", 4)[:4])]
    assert not bad, "\n".join(bad)


def test_every_c_file_opens_with_why_it_exists():
    bad = [name for name in tree.product_c_files() if not re.match(r"/\*[^\n]*SPDX[^\n]*\*/\n\s*/[*/]\s*\S", tree.text(name))]
    assert not bad, "\n".join(bad)


def test_c_is_formatted():
    tool = needs("clang-format")
    names = tree.c_files()
    result = subprocess.run([tool, "--dry-run", "-Werror", "--style=file", *names], cwd=tree.ROOT, capture_output=True, text=True)
    bad = sorted(set(re.findall(r"^(\S+?):\d+", result.stderr, re.M)))
    assert result.returncode == 0, "run clang-format -i on:\n" + "\n".join(bad)


def test_shell_is_clean():
    tool = needs("shellcheck")
    names = [name for name in tree.files() if is_shell(name)]
    result = subprocess.run([tool, "-x", *names], cwd=tree.ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_no_marks_of_unfinished_work():
    marks = r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b"
    bad = [found for name in tree.files() if not name.endswith(".json") for found in tree.search(name, tree.text(name), marks)]
    assert not bad, "\n".join(bad)


def test_no_path_of_a_machine():
    paths = r"(?<![\w/.])/w[o]rk/\w|/f[a]rm/|/ro[o]t/\w|/hom[e]/\w|\biss[u]e #?\d+\b"
    bad = [found for name in tree.files() if not name.endswith(".json") for found in tree.search(name, tree.text(name), paths)]
    assert not bad, "\n".join(bad)


def test_no_patient_data_is_committed():
    """Synthetic patients are made by tests/support/fhir_generator.py when they are wanted."""
    bad = [name for name in tree.files() if name.endswith((".json", ".ndjson"))
           and re.search(r'"resourceType"\s*:\s*"(?:Bundle|Patient)"', tree.text(name))]
    assert not bad, "\n".join(bad)


def test_files_are_of_a_size_to_read():
    bad = [f"{name}: {lines} lines" for name in tree.c_files() if (lines := tree.text(name).count("\n")) > 800]
    assert not bad, "\n".join(bad)
