# SPDX-License-Identifier: Apache-2.0
"""Points at which a daemon is told to die, and what must hold when it has been started again."""
import contextlib
import os

import grpc
import pytest
from harness.daemon import has_failpoints, sanitized
from harness.processes import wait_until

ROUNDS = int(os.environ.get("WARD_KILL_ROUNDS", "1"))
COMMITS = ["administrative.before-commit", "administrative.after-commit"]
IN_FORCE = "administrative.in-force"  # the second moment behind a commit that moves the epoch
DONE = ("after-commit=kill@3", "in-force=kill@2")  # of what officers approve and is rows alone: from here on it is done


def thinned(points: list) -> list:
    """A sanitizer's daemon takes several times as long to start: one in three points there; all of them in the other build."""
    return points[::3] if sanitized("wardd") else points


def each(points: list, commits: int, epochs: int) -> list:
    """An act's own points, and those of its commits, of which so many move the epoch."""
    return thinned([*points, *(f"{point}=kill@{number}" for number in range(1, commits + 1) for point in COMMITS),
                    *(f"{IN_FORCE}=kill@{number}" for number in range(1, epochs + 1))])


def needed() -> None:
    """Skips, or in CI fails, where the build has no failpoints."""
    if not has_failpoints():
        if os.environ.get("CI") == "true":
            pytest.fail("built without -Dfailpoints=true")
        pytest.skip("built without -Dfailpoints=true")


def versions(own) -> dict:
    """CKA_ID in hex -> state of every version that the database names and that is not destroyed."""
    rows = own.postgres.sql("SELECT replace(kek::text, '-', ''), version, state FROM ward.kek_version WHERE state <> 7")
    return {key + f"{int(number):08x}": int(state) for key, number, state in (row.split("|") for row in rows.split("\n"))}


def intents(own) -> int:
    return int(own.postgres.sql("SELECT count(*) FROM ward.intent"))


def active(own, key: str) -> int:
    found = own.postgres.sql(f"SELECT v.version FROM ward.kek_version v JOIN ward.kek k ON k.id = v.kek "
                             f"WHERE k.name = '{key}' AND v.state = 2")
    return int(found) if found else 0


def reconciled(own) -> None:
    """No intent is left, and the token holds exactly the keys that the database names."""
    wait_until(lambda: intents(own) == 0, 60, "what the crash left is taken up")
    assert set(own.token.keys()) == set(versions(own))


def die_at(own, point: str, act) -> None:
    """The daemon, told to die there, does so while it acts."""
    daemon = own.daemons[0]
    daemon.stop()
    daemon.start(environment={"WARD_FAILPOINT": point if "=" in point else f"{point}=kill"})
    with contextlib.suppress(grpc.RpcError):
        act()
    wait_until(lambda: not daemon.running(), 30, f"{point} kills the daemon")
    assert daemon.process.returncode == -9
    daemon.kill()
    daemon.start()


def rotate(own, key: str) -> None:
    officer_a, officer_b = own.client("officer-a", timeout=30), own.client("officer-b", timeout=30)
    try:
        officer_b.approve(officer_a.submit(officer_a.propose_rotation(key)))
    finally:
        officer_a.close()
        officer_b.close()
