# SPDX-License-Identifier: Apache-2.0
"""Small things about processes, ports and time. Only processes that we started are ever signalled."""
import contextlib
import os
import pathlib
import random
import socket
import time


# Below the ports that the kernel gives to clients, so that nobody gets one while its server is away.
_ports = iter(random.sample(range(10000, 32000, 2), 11000))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Never the same twice in a process; the next higher one is free too."""
    return next(port for port in _ports if _is_free(port) and _is_free(port + 1))


def wait_until(condition, seconds: float, what, every: float = 0.05):
    """The first true value of condition(); fails the test after `seconds`, with `what`: a text, or what makes one then."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(every)


def children(pid: int) -> list:
    """Pids of the direct children of a process of ours."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def command_line(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def is_root() -> bool:
    return os.geteuid() == 0


def cpu_ticks(pid: int) -> int:
    """What a process has spent so far, of its own and the kernel's time."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
