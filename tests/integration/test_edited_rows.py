# SPDX-License-Identifier: Apache-2.0
"""Somebody who owns the database edits a row by hand: a running daemon stops with one clear word, and does not start on it again."""
import json
import re

import grpc
import pytest
from harness import log
from harness.processes import wait_until

TRUST = "spiffe://test.ward/"
WHAT_TO_DO = "restore the database from a backup, or call the officers"
BOUND_S = 12  # it looks every 5 s, and stops at its leisure
NIL = "00000000-0000-4000-8000-00000000000f"

# What is edited, how, and which table the daemon must name.
WHILE_IT_RUNS = {
    "policy text": ("UPDATE ward.policy SET text = convert_to(replace(convert_from(text, 'UTF8'), 'app/**', '**'), 'UTF8')", "ward.policy"),
    "policy row added": ("INSERT INTO ward.policy (version, hash, text, created_us) SELECT 2, hash, text, created_us FROM ward.policy", "ward.policy"),
    "revocation deleted": ("DELETE FROM ward.revocation", "ward.revocation"),
    "revocation added": (f"INSERT INTO ward.revocation VALUES (1, '{TRUST}officer-b', '{NIL}', 1)", "ward.revocation"),
    "kek_version.state": ("UPDATE ward.kek_version SET state = 2 WHERE state = 4", "ward.kek_version"),
    "kek.enabled": ("UPDATE ward.kek SET enabled = false WHERE name = 'app/demo'", "ward.kek"),
    "kek_version row added": ("INSERT INTO ward.kek_version (kek, version, state, created_us) SELECT kek, 9, 2, 1 FROM ward.kek_version LIMIT 1", "ward.kek_version"),
    "rotation period": ("UPDATE ward.kek SET rotation_period_days = 36500 WHERE name = 'app/demo'", "ward.kek"),
    "intent added": (f"INSERT INTO ward.intent VALUES ('{NIL}', 1, '{NIL}', 1, '{NIL}', 'node-9', 1)", "ward.intent"),
    "head.epoch": ("UPDATE ward.head SET epoch = epoch + 1", "ward.head"),
    "head.size": ("UPDATE ward.head SET size = size + 1", "ward.head"),
    "head.frontier": ("UPDATE ward.head SET frontier = set_byte(frontier, 3, get_byte(frontier, 3) # 1)", "ward.head"),
    "head.tag": ("UPDATE ward.head SET tag = set_byte(tag, 0, get_byte(tag, 0) # 1)", "ward.head"),
}
WHILE_IT_RESTS = {
    "policy text and hash": ("UPDATE ward.policy SET text = text || '\\x0a'::bytea, hash = sha256(text || '\\x0a'::bytea)", "ward.policy"),
    "policy ceased": ("UPDATE ward.policy SET ceased_us = 5", "ward.policy"),
    "revocation changed": (f"UPDATE ward.revocation SET value = '{TRUST}nobody'", "ward.revocation"),
    "kek_version.due_us": ("UPDATE ward.kek_version SET due_us = 1", "ward.kek_version"),
    "kek_version row deleted": ("DELETE FROM ward.kek_version WHERE state = 4", "ward.kek_version"),
    "kek names swapped": ("UPDATE ward.kek SET name = 'x' WHERE name = 'app/demo'; UPDATE ward.kek SET name = 'app/demo' WHERE name = 'phi/records';"
                          "UPDATE ward.kek SET name = 'phi/records' WHERE name = 'x'", "ward.kek"),
    "deployment": ("UPDATE ward.deployment SET origin = 'elsewhere'", "ward.deployment"),
    "head.frontier cut": ("UPDATE ward.head SET frontier = substr(frontier, 1, 31)", "ward.head"),
    "head.sums": ("UPDATE ward.head SET sums = set_byte(sums, 40, get_byte(sums, 40) # 1)", "ward.head"),
    "head.tag emptied": ("UPDATE ward.head SET tag = ''", "ward.head"),
}
TABLES = ("ward.policy", "ward.revocation", "ward.kek", "ward.kek_version", "ward.intent", "ward.head", "ward.deployment")


@pytest.fixture(scope="module")
def kept(own):
    """One deployment for all: a key with two versions, a revocation, and a copy of every table to go back to."""
    server = own.daemons[0]
    officer_a, officer_b = own.client("officer-a"), own.client("officer-b")
    assert officer_b.approve(officer_a.submit(officer_a.propose_rotation("app/demo"))).state == "executed"
    officer_a.revoke(TRUST + "app2")
    own.client("app").generate()
    assert server.stop() == 0
    for table in TABLES:
        own.postgres.sql(f"CREATE TABLE public.kept_{table.split('.')[1]} AS SELECT * FROM {table}")
    return own


def go_back(deployment) -> None:
    """The rows as they were, put back by somebody who bypasses every constraint: what a restore does."""
    steps = ["SET session_replication_role = replica"]
    for table in TABLES:
        steps += [f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM public.kept_{table.split('.')[1]}"]
    steps += ["DELETE FROM ward.audit_batch WHERE first >= (SELECT size FROM ward.head)",
              "DELETE FROM ward.checkpoint WHERE size > (SELECT size FROM ward.head)"]
    deployment.postgres.sql("; ".join(steps))


def said(server, before: int) -> list:
    return [line for line in server.log.read_text(errors="replace")[before:].splitlines() if "somebody else than Ward" in line or "adopt-database" in line]


def ended(server) -> bool:
    return server.process.poll() is not None


def says(server, before: int, table: str) -> None:
    """One line tells which table it is and what to do."""
    lines = said(server, before)
    assert len(lines) == 1, lines
    assert re.search(rf"{re.escape(table)}\b", lines[0]) and '"level":"error"' in lines[0], lines
    assert WHAT_TO_DO in lines[0], lines


def refuses(server, table: str) -> None:
    before = len(server.log.read_text(errors="replace"))
    server.spawn()
    wait_until(lambda: ended(server), 20, "it refuses to start")
    assert server.process.returncode == 1
    says(server, before, table)
    assert "start refused" in server.log_tail()


@pytest.mark.parametrize("edit", WHILE_IT_RUNS)
def test_a_running_daemon_stops_and_does_not_start_again(kept, edit):
    statement, table = WHILE_IT_RUNS[edit]
    server = kept.daemons[0]
    server.start()
    before = len(server.log.read_text(errors="replace"))
    try:
        kept.client("app").generate()
        kept.postgres.sql(statement)
        wait_until(lambda: ended(server), BOUND_S, f"the daemon stops: {edit}\n{server.log_tail()}")
        assert server.process.returncode == 1
        says(server, before, table)
        refuses(server, table)
    finally:
        server.kill()
        go_back(kept)


@pytest.mark.parametrize("edit", WHILE_IT_RESTS)
def test_a_daemon_does_not_start_on_an_edited_row(kept, edit):
    statement, table = WHILE_IT_RESTS[edit]
    try:
        kept.postgres.sql(statement)
        refuses(kept.daemons[0], table)
    finally:
        kept.daemons[0].kill()
        go_back(kept)


def test_an_edit_with_the_epoch_stops_the_next_request(kept):
    """Who moves the epoch along makes the daemons read anew: not one request is answered on it."""
    server = kept.daemons[0].start()
    app = kept.client("app", timeout=5)
    try:
        app.generate()
        kept.postgres.sql("UPDATE ward.kek_version SET state = 2 WHERE state = 4; UPDATE ward.head SET epoch = epoch + 1")
        with pytest.raises(grpc.RpcError) as refused:
            app.generate()
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        wait_until(lambda: ended(server), BOUND_S, "the daemon stops")
        assert server.process.returncode == 1
    finally:
        server.kill()
        go_back(kept)


def test_what_was_put_back_is_served(kept):
    server = kept.daemons[0].start()
    kept.client("app").generate()
    assert server.stop() == 0
    go_back(kept)


def test_a_database_without_a_seal_is_adopted_once_and_by_name(kept):
    """As a migration from an older schema leaves it."""
    server = kept.daemons[0]
    kept.postgres.sql("UPDATE ward.head SET sums = '', tag = ''")
    before = len(server.log.read_text(errors="replace"))
    server.spawn()
    wait_until(lambda: ended(server), 20, "it refuses to start")
    assert server.process.returncode == 1
    lines = said(server, before)
    assert len(lines) == 1 and "--adopt-database" in lines[0] and "start refused" in lines[0], lines
    server.start(arguments=["--adopt-database"])
    assert "adopting the database as it is" in server.log_tail(20000)
    auditor = kept.client("auditor")
    starts = [entry for entry in map(json.loads, auditor.leaves()) if entry["action"] == "system.start"]
    assert ["adopted_keys" in entry["detail"] for entry in starts][-2:] == [False, True], starts
    assert starts[-1]["detail"]["adopted_keys"] >= 3
    kept.client("app").generate()
    assert server.stop() == 0
    server.start()
    kept.client("app").generate()
    assert server.stop() == 0
    # It is no way around what was edited: there is a seal now.
    kept.postgres.sql("UPDATE ward.kek SET enabled = false WHERE name = 'app/demo'")
    server.spawn(arguments=["--adopt-database"])
    wait_until(lambda: ended(server), 20, "it refuses to start")
    assert server.process.returncode == 1
    kept.postgres.sql("UPDATE ward.kek SET enabled = true WHERE name = 'app/demo'")
    server.start()
    log.verify(kept.client("auditor"), kept.genesis["log_vkey"])
    assert server.stop() == 0
    go_back(kept)


def test_two_daemons_keep_one_sum_and_both_stop(kept):
    """What one changes the other goes on from, at once and in turns; and an edit stops both."""
    first, second = kept.daemons[0], kept.daemon("node-2")
    try:
        first.start()
        second.start()
        officers = [(kept.client("officer-a", server), kept.client("officer-b", server)) for server in (first, second)]
        for turn in range(6):
            a, b = officers[turn % 2]
            assert b.approve(a.submit(a.propose_rotation("app/demo"))).state == "executed"
            kept.client("app", (second, first)[turn % 2]).generate()
        assert first.running() and second.running()
        assert not said(first, 0)[-1:] or "refused" in said(first, 0)[-1]
        kept.postgres.sql("UPDATE ward.kek_version SET state = 5 WHERE state = 4")
        for server in (first, second):
            wait_until(lambda server=server: ended(server), BOUND_S, "the daemon stops")
            assert server.process.returncode == 1
    finally:
        first.kill()
        second.kill()
        go_back(kept)
