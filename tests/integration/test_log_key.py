# SPDX-License-Identifier: Apache-2.0
"""The key that signs the log changes: two officers agree to it, every daemon signs with the new one, and whoever trusts
one of the keys comes by the handovers to all that the log says."""
import concurrent.futures
import contextlib
import csv
import io
import json
import shutil

import grpc
import pytest
from harness import log
from harness.cli import Cli
from harness.daemon import genesis
from harness.kill_points import intents
from harness.processes import wait_until

ACTION = "audit.rotate-log-key"


@pytest.fixture(scope="module")
def pair(own):
    """Two daemons, and the key that both began with."""
    own.daemon("node-2").start()
    return own


@pytest.fixture(scope="module")
def cli(pair):
    return Cli(pair)


def versions(own) -> int:
    return 1 + int(own.postgres.sql("SELECT count(*) FROM ward.log_key"))


def newest_vkey(own, daemon=None) -> str:
    auditor = own.client("auditor", daemon, timeout=30)
    auditor.settle()
    vkey = auditor.checkpoint().vkey
    auditor.close()
    return vkey


def test_nobody_changes_it_alone(pair, refused):
    clients = {name: pair.client(name) for name in ("app", "auditor", "officer-a", "officer-a2", "officer-b")}
    for who in ("app", "auditor"):
        refused("PERMISSION_DENIED", "", lambda who=who: clients[who].propose_log_key())
    refused("INVALID_ARGUMENT", "reason: empty", lambda: clients["officer-a"].propose_log_key(reason=""))
    draft = clients["officer-a"].propose_log_key()
    refused("FAILED_PRECONDITION", "", lambda: clients["officer-b"].approve(draft))
    opened = clients["officer-a"].submit(draft)
    for who in ("officer-a", "officer-a2", "auditor"):  # the second is another identity of the same person
        with pytest.raises(grpc.RpcError):
            clients[who].approve(opened)
    assert clients["officer-b"].reject(opened).state == "rejected"
    assert versions(pair) == 1 and intents(pair) == 0
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def changed(pair, cli, tmp_path_factory):
    """An export of before, the change as two people type it, and an export of after."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "old.vkey").write_text(pair.genesis["log_vkey"] + "\n")
    cli("auditor", "audit", "export", folder / "before", "--vkey", folder / "old.vkey")
    said = cli("officer-a", "audit", "rotate-log-key", "--reason", "it is a year old", exit=4)
    assert b"Auditors need the new key" in said.stderr
    waiting, = cli.json("officer-b", "approval", "list")["proposals"]
    shown = cli("officer-b", "approval", "show", waiting["proposal"], "--output", "table").stdout.decode()
    assert ACTION in shown and "ward/log" in shown and pair.genesis["log_vkey"] in shown
    assert "days_of_the_present_key: 0" in shown and "entries_since_the_present_key: " in shown and "new_version: 2" in shown
    assert "need the new key; with the old one they follow the checkpoint that both sign" in shown
    cli("officer-b", "approval", "approve", waiting["proposal"], "--yes")
    (folder / "new.vkey").write_text(newest_vkey(pair) + "\n")
    cli("auditor", "audit", "export", folder / "after", "--vkey", folder / "old.vkey")
    return folder


def test_each_auditor_verifies_with_the_key_that_he_has(pair, cli, changed):
    old, new = changed / "old.vkey", changed / "new.vkey"
    assert old.read_text() != new.read_text() == (changed / "after" / "log.vkey").read_text()
    assert cli.json("auditor", "audit", "verify", changed / "before", "--vkey", old)["log_key_changes"] == []
    cli("auditor", "audit", "verify", changed / "before", "--vkey", new, exit=1)
    for vkey in (old, new):
        told = cli.json("auditor", "audit", "verify", changed / "after", "--vkey", vkey)
        change, = told["log_key_changes"]
        assert told["verified"] and told["rotations"] == 1 and told["signatures"] >= 2
        assert change["vkey"] + "\n" == new.read_text() and (change["proposer"], change["approvers"]) == (
            "spiffe://test.ward/officer-a", "spiffe://test.ward/officer-b")
        text = cli("auditor", "audit", "verify", changed / "after", "--vkey", vkey, "--output", "table").stdout.decode()
        assert f"The log's key was changed at leaf {change['leaf']}, {change['time']}" in text and change["vkey"] in text
    row, = csv.DictReader(io.StringIO((changed / "after" / "rotations.csv").read_text()))
    assert (row["key"], row["from_version"], row["to_version"], row["seq"]) == ("ward/log", "1", "2", str(change["leaf"]))
    for vkey in (old, new):
        assert log.verify(pair.client("auditor"), vkey.read_text().strip())
        rows = cli("auditor", "report", "rotation", "--folder", changed / "after", "--vkey", vkey, "--format", "csv").stdout.decode()
        assert f"ward/log,2,{change['time']},{ACTION}" in rows


def test_genesis_tells_no_key_once_it_was_changed(pair, changed):
    """Whoever writes to the database could have changed it: auditors follow the log."""
    assert "log_vkey" in pair.genesis
    assert genesis(pair) == {name: value for name, value in pair.genesis.items() if name != "log_vkey"}


def forged(changed, tmp_path, change) -> object:
    folder = tmp_path / "forged"
    shutil.copytree(changed / "after", folder)
    change(folder)
    return folder


def only(note: str, number: int) -> str:
    text, _, signatures = note.partition("\n\n")
    return text + "\n\n" + signatures.split("\n")[number] + "\n"


FORGERIES = {
    "signed_by_the_new_key_only": lambda folder: (folder / "handovers/2").write_text(only((folder / "handovers/2").read_text(), 0)),
    "signed_by_the_old_key_only": lambda folder: (folder / "handovers/2").write_text(only((folder / "handovers/2").read_text(), 1)),
    "of_before_the_change": lambda folder: shutil.copy(folder.parent / "before-checkpoint", folder / "handovers/2"),
    "the_newest_checkpoint": lambda folder: shutil.copy(folder / "checkpoint", folder / "handovers/2"),
    "not_there": lambda folder: (folder / "handovers/2").unlink(),
    "one_too_many": lambda folder: shutil.copy(folder / "handovers/2", folder / "handovers/3"),
    "the_old_key_in_its_place": lambda folder: shutil.copy(folder.parent / "old.vkey", folder / "log.vkey"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_handover_is_refused(cli, changed, tmp_path, name):
    shutil.copy(changed / "old.vkey", tmp_path / "old.vkey")
    shutil.copy(changed / "before" / "checkpoint", tmp_path / "before-checkpoint")
    folder = forged(changed, tmp_path, FORGERIES[name])
    for vkey in ("old.vkey", "new.vkey"):
        told = cli.json("auditor", "audit", "verify", folder, "--vkey", changed / vkey, exit=1)
        assert not told["verified"] and told["log_key_changes"] == []
        assert any(problem["file"].startswith(("handovers/", "log.vkey", "checkpoint")) for problem in told["problems"])


def test_every_daemon_signs_with_it_after_restarts_too(pair, changed):
    new = (changed / "new.vkey").read_text().strip()
    for daemon in pair.daemons:
        assert newest_vkey(pair, daemon) == new
    for daemon in pair.daemons:
        daemon.stop()
        daemon.start()
        assert newest_vkey(pair, daemon) == new
    auditor = pair.client("auditor")
    handover, = auditor.checkpoint().handovers
    assert len(handover.partition("\n\n")[2].strip().split("\n")) == 2
    assert len(auditor.checkpoint().note.partition("\n\n")[2].strip().split("\n")) == 1, "from then on by the new one alone"
    auditor.close()


def test_of_two_open_proposals_one_runs(pair, refused):
    first, second = pair.daemons
    officer_a, officer_b = pair.client("officer-a", first, timeout=30), pair.client("officer-b", second, timeout=30)
    opened = [officer_a.submit(officer_a.propose_log_key()) for _ in range(2)]
    before = versions(pair)

    def approve(proposal):
        with contextlib.suppress(grpc.RpcError):
            return officer_b.approve(proposal).state
        return "refused"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(approve, opened)) == ["executed", "refused"]
    left = next(proposal for proposal in map(lambda p: officer_b.show(p.id), opened) if proposal.state == "open")
    refused("FAILED_PRECONDITION", "the log's key has changed", lambda: officer_b.approve(left))
    officer_a.withdraw(left)
    assert versions(pair) == before + 1 and intents(pair) == 0
    log.verify(pair.client("auditor", second), pair.genesis["log_vkey"])
    log.verify(pair.client("auditor", first), newest_vkey(pair))


def test_doctor_explains_every_key_of_the_log(pair, cli):
    told = cli.json("auditor", "doctor")
    assert told["gaps"] == 0, told["findings"]


def stored(pair) -> dict:
    return {row[0]: bytes.fromhex(row[1]).decode(errors="replace") for row in json.loads(pair.postgres.sql(
        "SELECT json_agg(json_build_array(size, encode(note, 'hex'))) FROM ward.checkpoint"))}


def write_rows(pair, rows: dict) -> None:
    values = ", ".join(f"({size}, '\\x{note.encode().hex()}', 1)" for size, note in rows.items())
    pair.postgres.sql(f"INSERT INTO ward.checkpoint (size, note, created_us) VALUES {values}")


def test_rows_that_a_database_writer_added_hide_no_checkpoint(pair, cli, changed, tmp_path):
    """Where the handover will be, and beyond the end of the log."""
    app, auditor, officer_a = pair.client("app"), pair.client("auditor", timeout=30), pair.client("officer-a", timeout=30)
    opened = officer_a.submit(officer_a.propose_log_key())
    auditor.settle()
    true = auditor.checkpoint().note
    head = int(pair.postgres.sql("SELECT size FROM ward.head"))
    garbage = {head + i: "no note" for i in range(1, 40)}
    garbage[head + 5] = true  # a real one, of another size
    garbage[head + 6] = true.replace("\n" + true.split("\n")[1] + "\n", f"\n{head + 6}\n", 1)  # and with a wrong signature
    garbage[head + 7] = "x" * 60000
    beyond = head + 100000
    write_rows(pair, garbage)
    assert pair.client("officer-b", timeout=30).approve(opened).state == "executed"
    for _ in range(40):
        app.generate()
    auditor.settle()
    write_rows(pair, {beyond: "no note"})
    entries = log.verify(auditor, pair.genesis["log_vkey"])
    change = [entry for entry in entries if entry.get("detail", {}).get("executed") == ACTION][-1]
    rows = stored(pair)
    size, strange = log.find_handover(rows, change)
    answer = auditor.checkpoint()
    assert answer.handovers[-1] == rows[size] and set(strange) | {beyond} <= set(answer.passed_over) <= {*garbage, beyond}
    assert strange and log.open_note(answer.note, answer.vkey)[1] < beyond
    cli("auditor", "audit", "export", tmp_path / "log", "--vkey", changed / "old.vkey")
    told = cli.json("auditor", "audit", "verify", tmp_path / "log", "--vkey", changed / "old.vkey")
    assert told["verified"] and told["problem_count"] == 0
    sizes = [warning["size"] for warning in told["warnings"]]
    assert set(strange) | {beyond} <= set(sizes) and sizes == [int(line) for line in (tmp_path / "log/passed-over").read_text().split()]
    text = cli("auditor", "audit", "verify", tmp_path / "log", "--vkey", changed / "old.vkey", "--output", "table").stdout.decode()
    assert f"warning: size {beyond}: the daemon's database had a row" in text
    (tmp_path / "log/passed-over").write_text("7\n07\n")
    told = cli.json("auditor", "audit", "verify", tmp_path / "log", "--vkey", changed / "old.vkey", exit=1)
    assert ("altered", "passed-over") in [(problem["kind"], problem["file"]) for problem in told["problems"]]
    found = [finding for finding in cli.json("auditor", "doctor", exit=1)["findings"] if finding["check"] == "stored-checkpoints"]
    assert {finding["level"] for finding in found} == {"gap"} and all("delete the row" in finding["advice"] for finding in found[:20])
    assert f"the row of size {strange[0]} in ward.checkpoint is no checkpoint of this log" in " ".join(finding["text"] for finding in found)
    second = pair.daemons[1]
    assert second.stop() == 0
    write_rows(pair, {beyond + i: "no note" for i in range(1, 64)})
    second.spawn()
    second.wait_refused()
    assert "none of the newest 64 rows of ward.checkpoint is a checkpoint of this log" in second.log_tail()
    pair.postgres.sql(f"DELETE FROM ward.checkpoint WHERE size = {beyond + 63}")
    second.start()
    pair.postgres.sql(f"DELETE FROM ward.checkpoint WHERE (size > {beyond} OR size IN ({', '.join(map(str, [*strange, beyond, *garbage]))})) AND created_us = 1")
    assert cli.json("auditor", "doctor")["gaps"] == 0
    assert list(auditor.checkpoint().passed_over) == []


def test_a_row_that_stands_in_a_checkpoints_place_is_logged(pair):
    head = int(pair.postgres.sql("SELECT size FROM ward.head"))
    write_rows(pair, {head + i: "no note" for i in range(1, 30)})

    def sizes(daemon) -> list:
        return [json.loads(line)["size"] for line in daemon.log_tail(1 << 20).splitlines() if "true one could not be stored" in line]
    for daemon in pair.daemons:
        pair.client("app", daemon).generate()
        wait_until(lambda daemon=daemon: any(size > head for size in sizes(daemon)), 30, "the row that stands there is told of")
        assert len(set(sizes(daemon))) == len(sizes(daemon)), "each size once"
    pair.postgres.sql("DELETE FROM ward.checkpoint WHERE created_us = 1")


def test_a_log_key_that_the_token_lost_is_named(pair, cli):
    """The last test: what is lost is not found again."""
    def findings(exit: int) -> list:
        told = cli.json("auditor", "doctor", exit=exit)["findings"]
        return [(finding["level"], finding["text"], finding["advice"]) for finding in told if finding["check"] == "token-missing"]
    identifier = pair.postgres.sql("SELECT replace(log_key::text, '-', '') FROM ward.deployment")
    newest = versions(pair)
    pair.token.remove_key(f"{identifier}{1:08x}")
    (level, text, advice), = findings(0)
    assert level == "warning" and text == "version 1 of the log's key, which has handed over, is not in the token"
    for daemon in pair.daemons:
        daemon.stop()
    leaf = pair.postgres.sql(f"SELECT leaf FROM ward.log_key WHERE version = {newest}")
    pair.postgres.sql(f"DELETE FROM ward.checkpoint WHERE size > {leaf}")  # as if it had never come to sign
    pair.token.remove_key(f"{identifier}{newest - 1:08x}")
    pair.daemons[0].start()
    level, text, advice = next(finding for finding in findings(1) if f"version {newest - 1} " in finding[1])
    assert level == "gap" and "has not handed over to the next, and is not in the token" in text
    assert "restore the token from its backup" in advice
    said = cli("officer-a", "audit", "rotate-log-key", "--reason", "it is a year old", exit=1).stderr
    assert b"a version of before is not in the token and has not handed over yet; restore the token" in said
    pair.token.remove_key(f"{identifier}{newest:08x}")
    assert "the key that signs the audit log is not in the token" in [text for _, text, _ in findings(1)]
    said = cli("officer-a", "audit", "rotate-log-key", "--reason", "it is a year old", exit=1).stderr
    assert b"the one in use is not in the token and cannot hand over; restore the token" in said
