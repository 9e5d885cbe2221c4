# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL away: UNAVAILABLE within a second, no secret leaves, and it recovers by itself."""
import os
import signal
import time

import grpc
import pytest
from harness import log
from harness.load import Load
from harness.processes import wait_until
from harness.stubs import health_pb2

SECOND = 1.5  # a second, and what a busy machine adds


def unavailable_within_a_second(call) -> None:
    start = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE, caught.value.details()
    assert time.monotonic() - start < SECOND
    for word in ("postgres", "SQL", "server closed", "socket", "pg", "database system"):
        assert word not in caught.value.details(), "the database's own words"


def test_postgresql_stopped_under_load(own):
    clients = [own.client("app") for _ in range(6)]
    app, officer = own.client("app"), own.client("officer-a")
    _, wrapped = app.generate()
    app.put("before", "r", b'{"a":1}')
    with Load(clients, "stopped") as load:
        wait_until(lambda: load.acknowledged() > 50, 20, "a load runs")
        own.postgres.stop("immediate")
        time.sleep(0.3)
        unavailable_within_a_second(app.generate)
        unavailable_within_a_second(lambda: app.unwrap(wrapped))
        unavailable_within_a_second(lambda: app.put("during", "r", b"{}"))
        unavailable_within_a_second(lambda: app.get("before", "r"))
        unavailable_within_a_second(lambda: officer.describe_key("app/demo"))
        during = load.acknowledged()
        time.sleep(1)
        assert load.acknowledged() == during, "an answer without an entry"
        own.daemons[0].wait_not_ready()
        assert app.health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 2
        own.postgres.start()
        wait_until(lambda: load.acknowledged() > during + 50, 20, lambda: f"it recovers by itself: {load.codes}")
    own.daemons[0].wait_ready(10)
    assert set(load.codes) <= {"OK", "UNAVAILABLE"}, load.codes
    load.check(app)
    load.check_log(log.verify(own.client("auditor"), own.genesis["log_vkey"]))


def test_connections_cut_by_the_database_are_made_again(own):
    app = own.client("app")
    for _ in range(5):
        own.postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ward_daemon'")

        def works() -> bool:
            try:
                return bool(app.generate())
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE
                return False
        wait_until(works, 5, "a new connection")


WAITS = "does not answer yet"


def test_a_start_waits_for_the_database(own):
    daemon = own.daemons[0]
    daemon.stop()
    own.postgres.stop("immediate")  # it has something to recover when it comes
    try:
        told = daemon.log_tail(1 << 30).count(WAITS)
        daemon.spawn()
        wait_until(lambda: daemon.log_tail(1 << 30).count(WAITS) > told, 20, "it says that it waits")
        assert daemon.running() and daemon.http("/ready")[0] != 200
        assert daemon.stop() == 0, "who waits can be told to end"
        daemon.spawn()
        wait_until(lambda: daemon.log_tail(1 << 30).count(WAITS) > told + 1, 20, "it waits again")
    finally:
        own.postgres.start()
    daemon.wait_ready()
    assert daemon.log_tail(1 << 30).count(WAITS) == told + 2, "which it says once"


def test_a_start_waits_for_a_database_that_stands_still(own):
    daemon, postmaster = own.daemons[0], own.postgres.pid()
    daemon.stop()
    told = daemon.log_tail(1 << 30).count(WAITS)
    os.kill(postmaster, signal.SIGSTOP)  # connections are made, and nobody answers on them
    try:
        daemon.spawn()
        wait_until(lambda: daemon.log_tail(1 << 30).count(WAITS) > told, 20, "it says that it waits")
        assert daemon.running()
    finally:
        os.kill(postmaster, signal.SIGCONT)
    daemon.wait_ready()


@pytest.mark.parametrize("setting", ["fsync = off", "full_page_writes = off"])
def test_a_database_that_may_lose_commits_is_refused(own, setting):
    conf = own.postgres.data / "postgresql.conf"
    good = conf.read_text()
    own.daemons[0].stop()
    own.postgres.stop()
    conf.write_text(good + setting + "\n")
    own.postgres.start()
    try:
        own.daemons[0].spawn()
        own.daemons[0].wait_refused()
        assert setting.split()[0] in own.daemons[0].log_tail(20000)
    finally:
        own.daemons[0].kill()
        own.postgres.stop()
        conf.write_text(good)
        own.postgres.start()
        own.daemons[0].start()
