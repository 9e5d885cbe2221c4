# SPDX-License-Identifier: Apache-2.0
"""A short mixed load over every kind of call; under the thread sanitizer its silence is the test."""
import threading

import pytest
from harness import log
from harness.load import Load
from harness.processes import wait_until

pytestmark = pytest.mark.load


def test_a_mixed_load_loses_nothing(own):
    clients = [own.client("app", timeout=60) for _ in range(6)]
    officer_a, officer_b, auditor = (own.client(name, timeout=60) for name in ("officer-a", "officer-b", "auditor"))
    auditor.settle()
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.05):
            auditor.checkpoint()
            auditor.describe_key("phi/records")
            own.daemons[0].metrics()
    looker = threading.Thread(target=look)
    looker.start()
    try:
        with Load(clients, "mixed") as load:
            wait_until(lambda: load.acknowledged() > 200, 60, "a load runs")
            for key in ("phi/records", "app/demo"):
                assert officer_b.approve(officer_a.submit(officer_a.propose_rotation(key))).state == "executed"
            own.daemons[0].hangup()
            wait_until(lambda: load.acknowledged() > 1000, 90, "enough work")
    finally:  # no thread outlives its test: channels are closed under nobody
        stop.set()
        looker.join()
    assert set(load.codes) <= {"OK"}, (load.codes, load.unknown_items[:3])
    load.check(clients[0])
    load.check_log(log.verify(auditor, own.genesis["log_vkey"]))
    assert own.daemons[0].stop() == 0, own.daemons[0].log_tail()
    own.daemons[0].start()
