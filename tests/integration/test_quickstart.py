# SPDX-License-Identifier: Apache-2.0
"""deploy/quickstart from a person's side: the main job, again, and every subcommand."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest
from harness import daemon, processes

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Quickstart:
    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="ward-quickstart-", dir="/tmp"))
        self.state = self.home / "state"
        self.port = processes.free_port()
        self.environment = {**os.environ, "WARD_STATE": str(self.state), "WARD_PORT": str(self.port),
                            "WARD_BUILD": str(daemon.find_binary("wardd").parents[1])}

    def __call__(self, *arguments, check: bool = True, **environment) -> subprocess.CompletedProcess:
        result = subprocess.run([ROOT / "deploy/quickstart", *arguments], env={**self.environment, **environment}, capture_output=True,
                                text=True, timeout=300, check=False, stdin=subprocess.DEVNULL)
        if check:
            assert result.returncode == 0, result.stdout + result.stderr
        return result


@pytest.fixture(scope="module")
def quickstart():
    made = Quickstart()
    yield made
    made("reset", check=False)
    shutil.rmtree(made.home, ignore_errors=True)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fhir")
    subprocess.run([sys.executable, ROOT / "tests/support/fhir_generator.py", folder, "--patients", "5", "--seed", "99"], check=True)
    count = sum(len(json.loads(path.read_text())["entry"]) for path in folder.glob("*.json"))
    return folder, count


def test_demo_ends_in_one_line_of_json(quickstart, bundles):
    folder, count = bundles
    for _ in range(2):  # again: the same
        result = json.loads(quickstart("demo", "--fhir", str(folder)).stdout.strip().split("\n")[-1])
        assert list(result) == ["resources", "identical", "rewrapped", "audit_entries", "audit_verified", "tamper_found", "seconds"]
        assert result["resources"] == result["identical"] == count
        assert result["rewrapped"] >= 5 and result["audit_entries"] > 0 and result["seconds"] > 0
        assert result["audit_verified"] is True and result["tamper_found"] is True


def test_start_runs_the_main_job_on_patients_of_its_own(quickstart):
    result = quickstart()
    assert "identical" in result.stdout or "byte" in result.stdout
    assert quickstart("status").returncode == 0


def test_env_makes_the_cli_work(quickstart):
    quickstart()
    script = 'eval "$(deploy/quickstart env)" && ward --profile officer-a --output json key list'
    said = subprocess.run(["bash", "-c", script], cwd=ROOT, env=quickstart.environment, capture_output=True, text=True, timeout=30, check=True).stdout
    assert "phi/records" in said and json.loads(said)


def test_a_taken_port_is_named(quickstart):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = quickstart(check=False, WARD_PORT=port, WARD_STATE=str(quickstart.home / "other"))
    assert result.returncode == 1 and "WARD_PORT" in result.stdout + result.stderr
    quickstart("reset", WARD_STATE=str(quickstart.home / "other"))


def test_stop_ends_every_process_and_start_brings_all_back(quickstart):
    quickstart()
    pid = int((quickstart.state / "wardd.pid").read_text())
    postmaster = int((quickstart.state / "postgresql/data/postmaster.pid").read_text().split("\n")[0])
    quickstart("stop")
    assert not processes.alive(pid)
    processes.wait_until(lambda: not processes.alive(postmaster), 5, "the database's last process ends")
    assert quickstart("status", check=False).returncode == 1
    quickstart("stop")  # again: nothing to do
    quickstart("up")


def test_status_tells_of_a_daemon_that_died_and_up_starts_it(quickstart):
    quickstart("up")
    pid = int((quickstart.state / "wardd.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    processes.wait_until(lambda: not processes.alive(pid), 10, "it is dead")
    told = quickstart("status", check=False)
    assert told.returncode == 1 and "wardd       not running" in told.stdout and "quickstart up" in told.stdout
    assert "/proc/" not in told.stdout + told.stderr
    quickstart("up")
    assert quickstart("status").returncode == 0


@pytest.mark.parametrize("arguments", [["nonsense"], ["demo", "--fhir"], ["demo", "--nonsense"], ["stop", "now"]])
def test_misuse_is_answered_with_usage(quickstart, arguments):
    result = quickstart(*arguments, check=False)
    assert result.returncode == 2 and "usage" in result.stderr


def test_a_folder_that_is_not_there_is_named(quickstart):
    result = quickstart("demo", "--fhir", "/nonexistent", check=False)
    assert result.returncode == 1 and "/nonexistent" in result.stderr


def test_a_deep_state_folder_gets_a_short_socket(quickstart):
    state = quickstart.home / ("d" * 60) / ("e" * 60)
    try:
        quickstart(WARD_STATE=str(state), WARD_PORT=str(processes.free_port()))
    finally:
        quickstart("reset", WARD_STATE=str(state))
    assert not state.exists()


def test_a_folder_that_is_not_ours_is_left_alone(quickstart, tmp_path):
    (tmp_path / "precious").write_text("x")
    assert quickstart("start", check=False, WARD_STATE=str(tmp_path)).returncode == 1
    assert quickstart("reset", check=False, WARD_STATE=str(tmp_path)).returncode == 1
    assert (tmp_path / "precious").exists()


def test_reset_leaves_nothing(quickstart):
    quickstart("reset")
    assert not quickstart.state.exists()
