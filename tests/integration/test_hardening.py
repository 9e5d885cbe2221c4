# SPDX-License-Identifier: Apache-2.0
"""Binaries and processes are hardened: what the compiler can, and what the daemon does to itself."""
import os
import pathlib
import pwd
import resource
import shutil
import signal
import subprocess

import pytest
from harness import daemon, processes

BINARIES = ["wardd", "ward-hsm", "ward"]


def readelf(name: str, *flags) -> str:
    return subprocess.run(["readelf", "-W", *flags, daemon.find_binary(name)], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", BINARIES)
def test_a_binary_is_position_independent_with_a_stack_protector(name):
    assert "DYN (Position-Independent Executable file)" in readelf(name, "-h")
    stack = next(line for line in readelf(name, "-l").split("\n") if "GNU_STACK" in line)
    assert " RW " in stack and "RWE" not in stack
    assert "__stack_chk_fail" in readelf(name, "--dyn-syms")


@pytest.mark.parametrize("name", BINARIES)
def test_a_binary_has_full_relro_fortify_and_cet(name):
    if daemon.sanitized(name):
        pytest.skip("a sanitizer's build is linked in another way")
    assert "GNU_RELRO" in readelf(name, "-l")
    dynamic = readelf(name, "-d")
    assert "BIND_NOW" in dynamic or "NOW" in dynamic
    assert "_chk@" in readelf(name, "--dyn-syms"), "FORTIFY"
    # Debian's start files carry no CET note, so the linker drops it; the code has its landing pads.
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", daemon.find_binary(name)], check=True, capture_output=True, text=True).stdout
    assert code.count("endbr64") > 100, "CET"
    assert "RPATH" not in dynamic and "RUNPATH" not in dynamic


def linked(name: str) -> set:
    return {line.split("[")[1].split("]")[0].split(".so")[0] for line in readelf(name, "-d").split("\n") if "(NEEDED)" in line}


def test_each_program_links_only_what_it_may_see():
    assert "libevent_core-2.1" in linked("wardd") and not linked("wardd") & {"libevent-2.1", "libevent_extra-2.1", "libevent_openssl-2.1", "libp11", "libp11-kit", "libsofthsm2"}
    assert not linked("ward-hsm") & {"libpq", "libssl", "libevent_core-2.1", "libnghttp2", "libprotobuf-c", "libmicrohttpd", "libcyaml"}
    assert not linked("ward") & {"libpq", "libevent_core-2.1", "libmicrohttpd"}


def limits(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/limits").read_text()


def status(pid: int) -> dict:
    return dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().strip().split("\n"))


def test_the_running_processes_write_no_core_and_lock_memory(ward):
    for pid in (ward.daemons[0].pid, *ward.daemons[0].helpers()):
        core = next(line for line in limits(pid).split("\n") if line.startswith("Max core file size")).split()
        assert core[4:6] == ["0", "0"], "soft and hard"
        assert status(pid)["NoNewPrivs"].strip() == "1"
    if not daemon.sanitized("wardd"):
        assert int(status(ward.daemons[0].pid)["VmLck"].split()[0]) > 0


needs_root = pytest.mark.skipif(not processes.is_root(), reason="only root may look into a process that is not dumpable")


@needs_root
def test_the_pin_and_the_module_are_in_the_helper_alone(ward):
    def maps(pid: int) -> str:
        return pathlib.Path(f"/proc/{pid}/maps").read_text()
    assert "softhsm" not in maps(ward.daemons[0].pid)
    assert all("softhsm" in maps(pid) for pid in ward.daemons[0].helpers())


@needs_root
def test_a_helper_holds_no_socket_and_no_file_of_the_daemon(ward):
    for pid in ward.daemons[0].helpers():
        # 2 is standard error, where it says what is wrong
        held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if fd != "2"]
        assert not [name for name in held if name.endswith((".pem", ".key", ".log", ".yaml"))], held
        assert len([name for name in held if name.startswith("socket:")]) <= 1, held


@pytest.mark.skipif(processes.is_root(), reason="root may look into any process")
def test_who_runs_the_daemon_cannot_look_into_it(ward):
    for pid in (ward.daemons[0].pid, *ward.daemons[0].helpers()):
        for name in ("maps", "mem", "environ"):
            with pytest.raises(PermissionError):
                open(f"/proc/{pid}/{name}", "rb").close()


def test_an_abort_leaves_no_core_even_where_cores_are_allowed(own):
    own.daemons[0].stop()
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
        own.daemons[0].start()
        os.kill(own.daemons[0].pid, signal.SIGABRT)
        own.daemons[0].process.wait(10)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert own.daemons[0].process.returncode in (-signal.SIGABRT, 1, 134)
    assert not list(pathlib.Path.cwd().glob("core*")) and not list(own.folder.glob("core*"))
    own.daemons[0].start()


def test_helpers_die_with_their_daemon(own):
    helpers = own.daemons[0].helpers()
    assert helpers
    own.daemons[0].kill()
    processes.wait_until(lambda: not any(map(processes.alive, helpers)), 5, "helpers die")
    own.daemons[0].start()


@pytest.mark.skipif(not processes.is_root(), reason="an ordinary user's daemon is tested by every other test")
def test_an_ordinary_users_daemon_works_and_is_not_dumpable(own):
    """With the default limit on locked memory; /proc of a process that is not dumpable belongs to root."""
    nobody = pwd.getpwnam("nobody")
    server = own.daemons[0]
    server.stop()
    moved = [own.folder / name for name in ("ca.pem", "wardd.pem", "wardd.key", "policy.yaml")] + [own.token.folder, *own.token.folder.rglob("*")]
    for path in moved:
        shutil.chown(path, nobody.pw_uid, nobody.pw_gid)
    server.configure()
    server.config.chmod(0o644)
    limit = ["prlimit", f"--memlock={8 << 20}:{8 << 20}", "setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups", "--"]
    with open(server.log, "ab") as log:
        server.process = subprocess.Popen([*limit, own.binary("wardd"), "--config", server.config], stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, env=own.token.environment(), cwd="/")
    try:
        server.wait_ready()
        own.client("app").generate()
        for pid in (server.pid, *server.helpers()):
            assert "nobody" not in pathlib.Path(f"/proc/{pid}/fd").owner(), "dumpable"
            assert status(pid)["Uid"].split()[0] == str(nobody.pw_uid)
    finally:
        server.stop()
        for path in moved:
            shutil.chown(path, 0, 0)
        server.start()
