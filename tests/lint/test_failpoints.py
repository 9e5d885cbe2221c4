# SPDX-License-Identifier: Apache-2.0
"""Failpoints are for tests: nobody gets them who did not ask."""
import re

import tree


def test_failpoints_are_off_unless_asked_for():
    options = tree.text("meson_options.txt")
    assert re.search(r"option\('failpoints', type: 'boolean', value: false", options)


def test_what_ships_is_built_without_them():
    asked = [name for name in tree.files() if name.startswith(("deploy/", ".ci/")) and "failpoints=true" in tree.text(name)]
    assert not asked, asked


def test_every_failpoint_is_tried():
    """A name is in the code once, and in a test that kills the daemon there."""
    tried = "".join(tree.text(f"tests/integration/{name}.py") for name in ("test_kill_points", "test_kill_points_rows", "harness/kill_points"))
    names = [name for file in tree.product_c_files()
             for name in re.findall(r'ward_failpoint\(\s*"([^"]+)"\)', tree.text(file))]
    assert names and len(names) == len(set(names)), names
    assert [name for name in names if f'"{name}' not in tried] == []
