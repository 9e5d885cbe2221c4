# SPDX-License-Identifier: Apache-2.0
"""The rekey: records go to new subject keys with all their versions, what leaked opens nothing any more, and nothing is lost
or repeated beside other work and whoever dies."""
import json
import os
import pty
import subprocess
import threading

import pytest
from conftest import make_keys
from harness import log
from harness.cli import Cli
from harness.client import item_refused
from harness.deployment import POLICY, Deployment
from harness.processes import wait_until

PATIENTS, VERSIONS = 2500, 3
KEY, GUARDED = "phi/records", "phi/labs"
GUARD = """  - action: key.rekey
    keys: ["phi/labs"]
    approvals: 1
    expires_hours: 24
collections:
"""


def text_of(subject: int, version: int) -> bytes:
    return json.dumps({"resourceType": "Patient", "id": f"p{subject}", "v": version, "note": "x" * 900}).encode()


@pytest.fixture(scope="module")
def filled():
    """Many patients, each with a record of some versions, and a daemon."""
    deployment = Deployment(policy=POLICY.replace("\ncollections:\n", "\n" + GUARD))
    try:
        deployment.daemon().start()
        make_keys(deployment)
        app = deployment.client("app")
        for version in range(1, VERSIONS + 1):
            for first in range(0, PATIENTS, 100):
                items = [("fhir", f"s{subject}", "r", text_of(subject, version)) for subject in range(first, first + 100)]
                assert not any(result.HasField("error") for result in app.put_items(items))
        app.close()
        yield deployment
    finally:
        deployment.close()


def number(deployment, query: str) -> int:
    return int(deployment.postgres.sql(query))


def pages(entries, run: int) -> list:
    return [e for e in entries if e["action"] == "system.rekey" and e["outcome"] == "allowed" and e["object"] == f"key:{KEY}"
            and e["detail"].get("run") == run]


def assert_ended(deployment, run: int, server=None) -> list:
    """The pages of a run, whose last entry says that nothing is left."""
    told = pages(log.verify(deployment.client("auditor", server), deployment.genesis["log_vkey"]), run)
    last = [e["detail"] for e in told if "records_left" in e["detail"]][-1]
    assert last == {**last, "records_left": 0, "old_generations": 0, "job": "done"}
    assert number(deployment, f"SELECT count(*) FROM ward.subject_key k JOIN ward.kek ON kek.id = k.kek "
                              f"WHERE kek.name = '{KEY}' AND k.run < {run}") == 0
    assert number(deployment, "SELECT count(*) FROM ward.record r WHERE NOT EXISTS "
                              "(SELECT FROM ward.subject_key k WHERE k.id = r.subject_key)") == 0
    return told


def progress(deployment, server=None):
    client = deployment.client("officer-a", server)
    job = client.rekey_progress(KEY)
    client.close()
    return job


def assert_readable(deployment, step: int, server=None):
    app = deployment.client("app", server)
    for subject in range(0, PATIENTS, step):
        for version in range(1, VERSIONS + 1):
            assert app.get(f"s{subject}", "r", version=version).json == text_of(subject, version)
    app.close()


def test_who_may_and_what_it_says_of_bad_input(filled, refused):
    app, officer, auditor = (filled.client(name) for name in ("app", "officer-a", "auditor"))
    refused("PERMISSION_DENIED", "policy", lambda: app.rekey_key(KEY))
    refused("PERMISSION_DENIED", "policy", lambda: auditor.rekey_key(KEY))
    refused("NOT_FOUND", "key: no such key", lambda: officer.rekey_key("phi/nothing"))
    refused("FAILED_PRECONDITION", "applications", lambda: officer.rekey_key("app/demo"))
    refused("INVALID_ARGUMENT", "name: empty", lambda: officer.rekey_key(""))
    refused("INVALID_ARGUMENT", "name: longer than 128 bytes", lambda: officer.rekey_progress("x" * 129))
    assert auditor.rekey_progress(KEY).state == "none"
    cli = Cli(filled)
    cli("officer-a", "key", "rekey", exit=2)
    assert b"NOT_FOUND" not in cli("officer-a", "key", "rekey", "phi/nothing", exit=1).stdout


def test_every_version_moves_and_what_leaked_opens_nothing(filled):
    filled.postgres.sql("CREATE TABLE public.leaked AS SELECT * FROM ward.subject_key; "
                        "CREATE TABLE public.before AS SELECT id_hash, version, subject_key, sealed FROM ward.record")
    cli = Cli(filled)
    ran = cli("officer-a", "key", "rekey", KEY, "--wait", "--reason", "its KEK leaked", "--output", "json")
    last = json.loads(ran.stdout.splitlines()[-1])
    assert last == {**last, "state": "done", "run": 1, "done": PATIENTS * VERSIONS, "total": PATIENTS * VERSIONS, "failed": 0}
    print(f"\n{last['rows_per_second']} records/s")
    told = assert_ended(filled, 1)
    moved = [item for e in told for item in e.get("items", [])]
    assert len(moved) == PATIENTS * VERSIONS == len({item["object"] for item in moved})
    sealed = set(filled.postgres.sql("SELECT encode(sha256(sealed), 'hex') FROM ward.record").split("\n"))
    assert {item["digest"] for item in moved} == sealed
    assert_readable(filled, 50)
    assert number(filled, "SELECT count(*) FROM ward.record r JOIN public.before b USING (id_hash, version) "
                          "WHERE r.subject_key = b.subject_key OR r.sealed = b.sealed") == 0
    # Whoever kept the old wrapped keys, and has the KEK: they still open, and none of today's records.
    app = filled.client("app")
    filled.postgres.sql("CREATE TABLE public.today AS SELECT id_hash, version, subject_key FROM ward.record; "
                        "INSERT INTO ward.subject_key SELECT * FROM public.leaked; "
                        "UPDATE ward.record r SET subject_key = b.subject_key FROM public.before b "
                        "WHERE r.id_hash = b.id_hash AND r.version = b.version")
    for version in range(1, VERSIONS + 1):
        item_refused(3, "does not open", lambda version=version: app.get("s1", "r", version=version))
    filled.postgres.sql("UPDATE ward.record r SET subject_key = t.subject_key FROM public.today t "
                        "WHERE r.id_hash = t.id_hash AND r.version = t.version; "
                        "DELETE FROM ward.subject_key WHERE id IN (SELECT id FROM public.leaked)")
    assert app.get("s1", "r", version=1).json == text_of(1, 1)
    shown = cli.json("officer-a", "key", "usage", KEY)
    assert shown["rekey"]["state"] == cli.json("officer-a", "key", "show", KEY)["rekey"]["state"] == "done"
    assert b"Rekey run 1: done" in cli("officer-a", "key", "usage", KEY, "--output", "table").stdout
    assert f"ward_rekeyed_total {PATIENTS * VERSIONS}" in filled.daemons[0].metrics()


class Load:
    """Writes new versions and reads old ones, at one daemon, until it is told to stop."""

    def __init__(self, deployment, server):
        self.app, self.stopping, self.failures, self.written = deployment.client("app", server), False, [], {}
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        turn = 0
        while not self.stopping:
            subject = turn * 37 % PATIENTS
            turn += 1
            try:
                version = self.app.put(f"s{subject}", "r", b'{"id":"%d"}' % turn)
                self.written[subject, version] = b'{"id":"%d"}' % turn
                known = turn % VERSIONS + 1
                if self.app.get(f"s{subject}", "r", version=known).json != text_of(subject, known):
                    self.failures.append((subject, known))
            except Exception as error:  # noqa: BLE001 - any failure at all is what this looks for
                self.failures.append(repr(error))

    def stop(self):
        self.stopping = True
        self.thread.join(60)
        assert not self.failures, self.failures[:3]
        assert len(self.written) > 10
        for (subject, version), text in list(self.written.items())[::5]:
            assert self.app.get(f"s{subject}", "r", version=version).json == text
        self.app.close()


def test_beside_work_daemons_share_it_and_deaths_lose_and_repeat_nothing(filled):
    first, second = filled.daemons[0], filled.daemon("node-2").start()
    before = number(filled, "SELECT count(*) FROM ward.record")
    load = Load(filled, second)
    officer = filled.client("officer-a", second)
    assert officer.rekey_key(KEY).version == 2
    for _ in range(3):
        done = progress(filled, second).done
        wait_until(lambda: (job := progress(filled, second)).state == "done" or job.done > done + 200, 90, "it goes on")
        first.kill()
        first.start()
    load.stop()
    wait_until(lambda: progress(filled, second).state == "done", 180, "the job is done")
    job = progress(filled, second)
    told = assert_ended(filled, 2, second)
    moved = [item["object"] for e in told for item in e.get("items", [])]
    assert len(moved) == job.done == len(set(moved)) and job.failed == 0
    assert before <= job.done <= before + len(load.written)
    assert number(filled, "SELECT count(*) FROM ward.record") == before + len(load.written)
    assert_readable(filled, 97, second)
    second.stop()


def test_a_record_that_does_not_open_is_counted_and_said(filled):
    filled.postgres.sql("CREATE TABLE public.broken AS SELECT id_hash, version, sealed FROM ward.record ORDER BY id_hash LIMIT 1; "
                        "UPDATE ward.record r SET sealed = overlay(r.sealed PLACING '\\x00ff00' FROM 60) FROM public.broken b "
                        "WHERE r.id_hash = b.id_hash AND r.version = b.version")
    cli = Cli(filled)
    ran = cli("officer-a", "key", "rekey", KEY, "--wait", "--output", "json", exit=1)
    last = json.loads(ran.stdout.splitlines()[-1])
    total = number(filled, "SELECT count(*) FROM ward.record")
    assert last == {**last, "state": "stuck", "left": 1, "done": total - 1, "run": 3}
    wait_until(lambda: "ward_rekey_jobs_stuck 1" in filled.daemons[0].metrics(), 20, "the gauge says so")
    told = pages(log.verify(filled.client("auditor"), filled.genesis["log_vkey"]), 3)
    assert told[-1]["detail"] == {**told[-1]["detail"], "records_left": 1, "old_generations": 1, "job": "stuck"}
    filled.postgres.sql("UPDATE ward.record r SET sealed = b.sealed FROM public.broken b "
                        "WHERE r.id_hash = b.id_hash AND r.version = b.version")
    ours, theirs = pty.openpty()
    ran = subprocess.run(cli.command("officer-a", "key", "rekey", KEY, "--wait", "--output", "table"), stderr=theirs,
                         stdout=subprocess.PIPE, timeout=120, check=False)
    os.close(theirs)
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    assert ran.returncode == 0 and b"done" in ran.stdout and "%" in drawn and "records" in drawn, "a bar on a terminal"
    assert_ended(filled, 4)
    assert_readable(filled, 211)


def test_where_policy_asks_it_waits_for_another_officer(filled):
    writer, alice, bob = (filled.client(name) for name in ("writer", "officer-a", "officer-b"))
    writer.put("s1", "r", b'{"id":"1"}', collection="labs")
    cli = Cli(filled)
    cli("officer-a", "key", "rekey", GUARDED, "--reason", "a drill", exit=4)
    proposal = alice.submit(alice.rekey_key(GUARDED))
    assert alice.rekey_progress(GUARDED).state == "none"
    assert bob.approve(proposal).state == "executed"
    wait_until(lambda: alice.rekey_progress(GUARDED).state == "done", 60, "it is done")
    assert alice.rekey_progress(GUARDED).done == 1


def test_a_key_that_leaked_is_owed_a_rekey_until_one_is_done(filled, tmp_path):
    """Not by the one that was done before."""
    cli, alice, bob = Cli(filled), filled.client("officer-a"), filled.client("officer-b")

    def told() -> list:
        filled.client("auditor").settle()
        gaps = {(f["check"], f["advice"]) for f in json.loads(doctor().stdout)["findings"] if f["level"] == "gap"}
        late = {(row["what"], row["object"]) for row in cli.json("auditor", "report", "overdue")["rows"]}
        return [cli.json("auditor", "key", "show", GUARDED).get("rekey", {}).get("owed_for"),
                cli.json("auditor", "key", "usage", GUARDED).get("rekey", {}).get("owed_for"),
                ("rekey", f"ward key rekey {GUARDED} --wait") in gaps, ("rekey owed after a compromise", f"{GUARDED}#1") in late]

    def doctor():
        return subprocess.run(cli.command("auditor", "doctor", "--output", "json"), capture_output=True, timeout=60, check=False)

    assert told() == [None, None, False, False]
    said = cli("officer-a", "key", "compromise", GUARDED, 1, "--reason", "a drill", "--yes").stderr.decode()
    assert f"A rekey is owed: version 1 was compromised, and what it had wrapped may be known. Run `ward key rekey {GUARDED} --wait`" in said
    wait_until(lambda: len(alice.describe_key(GUARDED).versions) == 2, 30, "the daemon rotates by itself")
    assert told() == [1, 1, True, True]
    for view in ("show", "usage"):
        assert f"`ward key rekey {GUARDED} --wait`" in cli("auditor", "key", view, GUARDED, "--output", "table").stdout.decode()
    bob.approve(alice.submit(alice.rekey_key(GUARDED)))
    wait_until(lambda: alice.rekey_progress(GUARDED).state == "done" and alice.rekey_progress(GUARDED).version == 2, 60, "it is done")
    assert told() == [None, None, False, False]
