# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again: nothing acknowledged is lost and the log still verifies."""
import time

from harness import log
from harness.load import Load
from harness.processes import wait_until

KILLS = 20


def run(own, name: str, kill_and_restore) -> Load:
    if not own.daemons[0].running():  # the test before this one has failed
        own.daemons[0].start()
    clients = [own.client("app", timeout=10) for _ in range(8)]
    with Load(clients, name) as load:
        for number in range(KILLS):
            before = load.acknowledged()
            wait_until(lambda before=before: load.acknowledged() > before + 20, 30,
                       lambda number=number: f"the load goes on before kill {number}: {load.codes}")
            time.sleep(0.01 * (number % 7))  # not always at the same place
            kill_and_restore()
        before = load.acknowledged()
        wait_until(lambda: load.acknowledged() > before + 20, 30, lambda: f"the load goes on at the end: {load.codes}")
    for client in clients:
        client.close()
    return load


def judge(own, load: Load) -> None:
    assert set(load.codes) <= {"OK", "UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}, load.codes
    assert not load.unknown_items, load.unknown_items[:3]
    assert load.codes["OK"] > KILLS * 20
    app, auditor = own.client("app", timeout=30), own.client("auditor", timeout=30)
    load.check(app)
    load.check_log(log.verify(auditor, own.genesis["log_vkey"]))


def test_the_daemon_is_killed_twenty_times(own):
    daemon = own.daemons[0]

    def kill_and_restore() -> None:
        daemon.kill()
        daemon.start()
    judge(own, run(own, "kill", kill_and_restore))


def test_postgresql_is_killed_twenty_times(own):
    def kill_and_restore() -> None:
        own.postgres.kill()
        own.postgres.start()
    load = run(own, "pgkill", kill_and_restore)
    assert own.daemons[0].running()
    judge(own, load)
    assert "INTERNAL" not in load.codes, load.codes
