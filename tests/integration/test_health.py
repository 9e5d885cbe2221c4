# SPDX-License-Identifier: Apache-2.0
"""Health, metrics, reload and drain: what operators and balancers rely on."""
import hashlib
import itertools
import os
import signal
import subprocess
import threading
import time

import grpc
import pytest
from harness.client import ItemRefused, item_refused
from harness.daemon import genesis
from harness.deployment import POLICY, Deployment
from harness.processes import wait_until
from harness.stubs import health_pb2

SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3
UNAVAILABLE = 14


def check(client, service: str = "") -> int:
    return client.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5).status


def test_health_of_the_whole_server(app, stranger):
    assert check(app) == SERVING and check(stranger) == SERVING


def test_health_of_an_unknown_service_is_not_found(app, refused):
    refused("NOT_FOUND", "", lambda: check(app, "ward.v1.Nothing"))


def test_watch_says_the_state_at_once(app):
    watch = app.health.Watch(health_pb2.HealthCheckRequest(), timeout=5)
    assert next(watch).status == SERVING
    watch.cancel()


@pytest.mark.parametrize("service", ["DataKeys", "Keys", "Records", "Approvals", "Audit", "Admin"])
def test_health_of_every_service(app, service):
    assert check(app, f"ward.v1.{service}") == SERVING


@pytest.mark.parametrize("service", ["ward.v1", "ward.v1.Key", "ward.v1.Keys/", "ward.v1.keys", "Keys", "/ward.v1.Keys", "ward.v1.Keys.CreateKey",
                                     "grpc.reflection.v1.ServerReflection"])
def test_health_of_names_that_are_no_service(app, refused, service):
    refused("NOT_FOUND", "service: not known", lambda: check(app, service))


def test_watch_of_an_unknown_service_goes_on_and_says_so(app):
    watch = app.health.Watch(health_pb2.HealthCheckRequest(service="ward.v1.Nothing"), timeout=2)
    assert next(watch).status == SERVICE_UNKNOWN
    with pytest.raises(grpc.RpcError) as caught:
        next(watch)  # nothing changes: only the caller's own deadline ends it
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_watchers_of_a_connection_are_few(app):
    watches = [app.health.Watch(health_pb2.HealthCheckRequest(), timeout=10) for _ in range(17)]
    seen = []
    for watch in watches:
        try:
            seen.append(next(watch).status)
        except grpc.RpcError as error:
            seen.append(error.code())
    assert sorted(map(str, seen)) == sorted(map(str, [SERVING] * 16 + [grpc.StatusCode.RESOURCE_EXHAUSTED]))
    for watch in watches:
        watch.cancel()


def test_watchers_see_the_database_go_and_come_back(own):
    client = own.client("app")
    watch = client.health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
    assert next(watch).status == SERVING
    own.postgres.stop("immediate")
    try:
        with pytest.raises(grpc.RpcError):
            client.generate()  # so that it is noticed now
        assert next(watch).status == NOT_SERVING and check(client) == NOT_SERVING
    finally:
        own.postgres.start()
    assert next(watch).status == SERVING and check(client) == SERVING
    watch.cancel()
    client.close()


def test_watchers_see_the_hsm_go_and_come_back(own):
    client = own.client("app")
    watch = client.health.Watch(health_pb2.HealthCheckRequest(), timeout=60)
    assert next(watch).status == SERVING
    helper, = own.daemons[0].helpers()
    os.kill(helper, signal.SIGSTOP)  # it will miss its deadline, be killed and started anew
    item_refused(UNAVAILABLE, "try again later", client.generate)
    assert next(watch).status == NOT_SERVING

    def works() -> bool:
        try:
            return bool(client.generate())
        except (grpc.RpcError, ItemRefused):
            return False
    wait_until(works, 15, "a new helper serves")
    assert next(watch).status == SERVING
    watch.cancel()
    client.close()


def test_metrics_and_ready_are_plain_http_on_loopback(ward):
    assert ward.daemons[0].http("/ready")[0] == 200
    assert "ward" in ward.daemons[0].metrics()
    assert ward.daemons[0].http("/nothing")[0] == 404


def test_an_uninitialised_database_is_refused_and_named(own):
    own.daemons[0].stop()
    own.postgres.sql("CREATE DATABASE empty OWNER ward_owner", database="postgres")
    daemon = own.daemon("empty")
    daemon.configure()
    config = daemon.config.read_text().replace("dbname=ward", "dbname=empty")
    daemon.config.write_text(config)
    result = subprocess.run([own.binary("wardd"), "--config", daemon.config], env=own.token.environment(), capture_output=True,
                            text=True, timeout=30, check=False)
    assert result.returncode != 0 and "genesis" in (result.stdout + result.stderr)
    own.daemons.remove(daemon)
    own.daemons[0].start()


@pytest.mark.parametrize("line,name", [("nonsense: 1\n", "nonsense"), ("tls:\n  certificat: x\n", ""), ("log_level: loud\n", "")])
def test_an_unknown_setting_is_refused_with_its_place(own, line, name):
    daemon = own.daemon("bad-config")
    daemon.configure(extra=line)
    result = subprocess.run([own.binary("wardd"), "--config", daemon.config], env=own.token.environment(), capture_output=True,
                            text=True, timeout=30, check=False)
    own.daemons.remove(daemon)
    said = result.stdout + result.stderr
    assert result.returncode != 0 and name in said and "bad-config.yaml" in said


def test_genesis_again_changes_nothing_and_says_the_same(own):
    def counts() -> list:  # but for what a running daemon writes by itself
        return [own.postgres.sql(f"SELECT count(*) FROM ward.{table}") for table in own.postgres.sql(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'ward' AND tablename NOT LIKE '%audit%' "
            "AND tablename NOT IN ('checkpoint', 'node', 'sighting') ORDER BY 1").split()]
    before = counts()
    assert genesis(own) == own.genesis
    assert counts() == before


def test_genesis_of_another_policy_is_refused(own):
    text = own.policy.read_text()
    sha256 = own.policy_sha256
    try:
        own.policy.write_text(text + "# another\n")
        own.policy_sha256 = hashlib.sha256(own.policy.read_bytes()).hexdigest()
        with pytest.raises(AssertionError, match="policy"):
            genesis(own)
        own.policy_sha256 = sha256  # and a file that is not what the configuration names
        with pytest.raises(AssertionError, match="sha256"):
            genesis(own)
    finally:
        own.policy.write_text(text)
        own.policy_sha256 = sha256


def test_genesis_of_a_policy_that_nobody_could_change_is_refused():
    with pytest.raises(AssertionError, match="nobody could ever change it"):
        Deployment(policy=POLICY.replace("policy.apply, ", "")).close()


def test_sighup_takes_new_certificates_and_keeps_connections(own):
    client = own.client("app")
    client.generate()
    own.authority.server().write(own.folder, "wardd")
    own.daemons[0].hangup()
    time.sleep(0.5)
    client.generate()
    other = own.client("app")
    other.generate()
    client.close()
    other.close()


def test_sighup_with_a_broken_certificate_keeps_the_old(own):
    good = (own.folder / "wardd.pem").read_bytes()
    (own.folder / "wardd.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    own.daemons[0].hangup()
    time.sleep(0.5)
    client = own.client("app")
    client.generate()
    client.close()
    (own.folder / "wardd.pem").write_bytes(good)
    own.daemons[0].hangup()


def test_sigterm_finishes_what_runs_and_exits_with_0(own):
    """Every call is answered, or told UNAVAILABLE before it began; none is lost half-way."""
    client, codes, stop, serial = own.client("app"), [], threading.Event(), itertools.count()

    stored = []

    def load() -> None:
        while not stop.is_set():
            try:
                record = f"r-{next(serial)}"
                client.put("drain", record, b"{}")
                codes.append("OK")
                stored.append(record)
            except grpc.RpcError as error:
                codes.append(error.code().name)
                return
    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(codes) > 50, 20, "a load runs")
        assert own.daemons[0].stop() == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    client.close()
    assert set(codes) <= {"OK", "UNAVAILABLE", "CANCELLED"}
    own.daemons[0].start()
    client = own.client("app")
    assert len(stored) == codes.count("OK")
    for record in stored:
        assert client.get("drain", record).json == b"{}"
    client.close()
