# SPDX-License-Identifier: Apache-2.0
"""Two daemons on one database and one token: one tree, in order; what one decides holds at the other."""
import contextlib
import hashlib
import json
import socket

import grpc
import pytest
from harness import log, wire
from harness.client import header
from harness.deployment import TRUST
from harness.load import Load
from harness.processes import wait_until
from harness.stubs import data_keys_pb2


@pytest.fixture(scope="module")
def pair(own):
    own.daemon("node-2").start()
    return own


class From(wire.Wire):
    """A connection from an address of one's own."""

    def __init__(self, deployment, server, identity, source: str):
        self.source = source
        super().__init__(deployment, server, identity)
        self.call_once()

    def connect(self, deployment, server, identity):
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=10, source_address=(self.source, 0))
        return wire.context(deployment, identity).wrap_socket(sock, server_hostname="localhost")

    def call_once(self) -> None:
        request = data_keys_pb2.GenerateDataKeysRequest(header=header(), items=[data_keys_pb2.GenerateDataKeysItem(key="app/demo")])
        assert self.status("/ward.v1.DataKeys/GenerateDataKeys", wire.message(request.SerializeToString())) == 0


@pytest.fixture(scope="module", autouse=True)
def in_use(pair):
    """One certificate at both daemons, each from elsewhere; and another from one place. Open while other tests run: it has to be
    seen for some seconds."""
    stolen, pooled = (pair.authority.issue([TRUST + "app"]) for _ in range(2))
    with contextlib.ExitStack() as stack:
        yield stolen, [stack.enter_context(From(pair, server, identity, source)) for server, identity, source in (
            (pair.daemons[0], stolen, "127.0.0.31"), (pair.daemons[1], stolen, "127.0.0.32"),
            (pair.daemons[0], pooled, "127.0.0.33"), (pair.daemons[1], pooled, "127.0.0.33"))]


def test_one_tree_in_order_under_load(pair):
    first, second = pair.daemons[:2]
    clients = [pair.client("app", server) for server in (first, second) for _ in range(4)]
    with Load(clients, "pair") as load:
        wait_until(lambda: load.acknowledged() > 1500, 60, "enough work at both")
    assert set(load.codes) <= {"OK"}, (load.codes, load.unknown_items[:3])
    for server in (first, second):
        load.check(pair.client("app", server))
    entries = log.verify(pair.client("auditor", second), pair.genesis["log_vkey"])
    load.check_log(entries)
    assert {e["node"] for e in entries} >= {"node-1", "node-2"}
    times = [e["time"] for e in entries]
    assert sum(a > b for a, b in zip(times, times[1:])) == 0, "time runs backwards in the log"


def test_a_rotation_at_one_is_in_force_at_the_other_with_its_own_commit(pair):
    first, second = pair.daemons[:2]
    officer_a, officer_b = pair.client("officer-a", first), pair.client("officer-b", first)
    app, clients = pair.client("app", second), [pair.client("app", server) for server in (first, second) for _ in range(2)]
    with Load(clients, "rotate") as load:
        for version in range(2, 8):
            opened = officer_a.submit(officer_a.propose_rotation("app/demo"))
            assert officer_b.approve(opened).state == "executed"
            plaintext, wrapped = app.generate()  # at the other, at once
            result, = app.unwrap_items([(wrapped, {})])
            assert (result.version, result.plaintext) == (version, plaintext)
    assert set(load.codes) <= {"OK"}, (load.codes, load.unknown_items[:3])
    load.check(pair.client("app", first))


def test_a_proposal_made_at_one_is_approved_at_the_other(pair):
    first, second = pair.daemons[:2]
    officer_a, officer_b = pair.client("officer-a", first), pair.client("officer-b", second)
    before = len(officer_b.describe_key("app/other").versions)
    assert officer_b.approve(officer_a.submit(officer_a.propose_rotation("app/other"))).state == "executed"
    assert len(officer_a.describe_key("app/other").versions) == before + 1


def test_a_certificate_in_two_places_is_told_though_each_daemon_sees_one(pair, in_use):
    stolen, lines = in_use
    reader = pair.client("auditor")

    def told() -> list:
        for line in lines:
            line.call_once()
        return [entry for entry in map(json.loads, reader.leaves()) if entry.get("detail", {}).get("alarm", "").startswith("shared")]
    wait_until(told, 60, "it is told")
    found = told()
    for entry in found:
        assert entry["object"] == "sha256:" + hashlib.sha256(stolen.der).hexdigest()
        assert {entry["detail"]["first_address"], entry["detail"]["second_address"]} == {"127.0.0.31", "127.0.0.32"}
        assert (entry["detail"]["alarm"], entry["detail"]["holder"]) == ("shared_certificate", TRUST + "app")
    assert len({entry["node"] for entry in found}) == len(found)  # by each daemon once
    shared = [finding.text for server in pair.daemons[:2] for finding in pair.client("auditor", server).diagnose()
              if finding.check == "shared-certificates"]
    assert any("127.0.0.31" in text and "127.0.0.32" in text for text in shared), shared


def test_one_dies_and_the_other_goes_on(pair):
    first, second = pair.daemons[:2]
    with Load([pair.client("app", second) for _ in range(4)], "survivor") as load:
        wait_until(lambda: load.acknowledged() > 50, 20, "a load runs")
        first.kill()
        before = load.acknowledged()
        wait_until(lambda: load.acknowledged() > before + 200, 20, "the other goes on")
    assert set(load.codes) <= {"OK"}, load.codes
    first.start()
    log.verify(pair.client("auditor", first), pair.genesis["log_vkey"])


def test_both_end_when_the_database_is_migrated_under_them(pair):
    """As the migration of a later version does it. The last test: nobody starts on that any more."""
    first, second = pair.daemons[:2]
    app = pair.client("app", second)
    app.generate()
    pair.postgres.sql("DO $$ BEGIN EXECUTE (SELECT format('ALTER TABLE ward.head RENAME COLUMN %I TO schema_99', attname) "
                      "FROM pg_attribute WHERE attrelid = 'ward.head'::regclass AND attname LIKE 'schema%'); END $$; "
                      "INSERT INTO ward.migration (version) VALUES (99)")
    with pytest.raises(grpc.RpcError) as refused:
        app.generate()
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    for server in (first, second):
        wait_until(lambda: not server.running(), 60, f"it ends\n{server.log_tail()}")
        assert server.process.returncode == 1
        assert "migrated to the schema of another version" in server.log_tail(), server.log_tail()
    first.spawn()
    first.wait_refused()
    assert "start refused" in first.log_tail() and "its schema is of another version; migrate it" in first.log_tail(), first.log_tail()
