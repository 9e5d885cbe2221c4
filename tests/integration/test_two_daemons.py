# SPDX-License-Identifier: Apache-2.0
"""Two daemons on one database and one token: one tree, in order; what one decides holds at the other."""
import grpc
import pytest
from harness import log
from harness.load import Load
from harness.processes import wait_until


@pytest.fixture(scope="module")
def pair(own):
    own.daemon("node-2").start()
    return own


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
