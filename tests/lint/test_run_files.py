# SPDX-License-Identifier: Apache-2.0
"""The second run of a file that failed: alone, once, told, and only where few failed."""
import os
import pathlib
import subprocess
import sys

RUNNER = pathlib.Path(__file__).resolve().parents[1] / "support" / "run_files.py"
# Fails as often as it is told to: every run leaves a line.
CONTENT = """import pathlib
def test_it():
    runs = pathlib.Path(__file__).with_suffix(".runs")
    runs.write_text((runs.read_text() if runs.exists() else "") + "x")
    assert len(runs.read_text()) > {failures}
"""


def run(folder: pathlib.Path, jobs: int, **failures: int) -> tuple:
    """What it says, and how often each file ran."""
    files = [folder / f"test_{name}.py" for name in failures]
    for file, times in zip(files, failures.values()):
        file.write_text(CONTENT.format(failures=times))
    ran = subprocess.run([sys.executable, RUNNER, folder / "results", *files], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, timeout=300, check=True, env={**os.environ, "WARD_TEST_JOBS": str(jobs)})
    return ran.stdout, {name: len((folder / f"test_{name}.runs").read_text()) for name in failures}


def failed(folder: pathlib.Path, name: str) -> bool:
    return "<failure" in (folder / "results" / f"test_{name}.junit.xml").read_text()


def test_one_that_fails_runs_once_more_and_what_it_said_is_kept(tmp_path):
    said, runs = run(tmp_path, 2, good=0, unsteady=1, bad=9)
    assert runs == {"good": 1, "unsteady": 2, "bad": 2}, said
    assert "test_unsteady.py again, alone" in said and "test_unsteady.py failed beside others" in said
    assert "test_bad.py again, alone" in said and "test_bad.py failed beside others" not in said
    assert not failed(tmp_path, "unsteady") and failed(tmp_path, "bad")
    for name in ("unsteady", "bad"):
        assert "FAILED" in (tmp_path / "results" / f"test_{name}.unsteady.log").read_text()
        assert "<failure" in (tmp_path / "results" / f"test_{name}.unsteady.junit.xml").read_text()


def test_more_than_two_are_no_accident(tmp_path):
    said, runs = run(tmp_path, 2, a=1, b=1, c=1)
    assert set(runs.values()) == {1} and "again, alone" not in said
    assert all(failed(tmp_path, name) for name in runs)


def test_one_that_ran_alone_has_no_excuse(tmp_path):
    said, runs = run(tmp_path, 1, a=1)
    assert runs == {"a": 1} and "again, alone" not in said and failed(tmp_path, "a")
