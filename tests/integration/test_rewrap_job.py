# SPDX-License-Identifier: Apache-2.0
"""The rewrap as a job that daemons share: nothing is lost or repeated, whoever dies, and what cannot be moved is said."""
import json
import os
import pty
import subprocess

import pytest
from harness import log
from harness.cli import Cli
from harness.processes import wait_until

PATIENTS = 6000
KEY = "phi/records"


def text_of(subject: int) -> str:
    return json.dumps({"resourceType": "Patient", "id": f"p{subject}", "n": subject})


@pytest.fixture(scope="module")
def filled(own):
    """A deployment with many patients, each with a key of its own."""
    app = own.client("app")
    for first in range(0, PATIENTS, 250):
        items = [("fhir", f"job-{subject}", "r", text_of(subject).encode()) for subject in range(first, first + 250)]
        # A loaded machine may make the HSM late once; a record put twice is only a version more.
        wait_until(lambda items=items: not any(result.HasField("error") for result in app.put_items(items)), 60, "they are stored")
    app.close()
    return own


def rotate(deployment, server=None) -> int:
    alice, bob = deployment.client("officer-a", server), deployment.client("officer-b", server)
    assert bob.approve(alice.submit(alice.propose_rotation(KEY))).state == "executed"
    version = max(v.version for v in bob.describe_key(KEY).versions)
    alice.close()
    bob.close()
    return version


def progress(deployment, server=None):
    client = deployment.client("officer-a", server)
    job = client.rewrap_progress(KEY)
    client.close()
    return job


def rows(deployment) -> dict:
    found = deployment.postgres.sql("SELECT kek_version, count(*) FROM ward.subject_key k JOIN ward.kek ON kek.id = k.kek "
                                    f"WHERE kek.name = '{KEY}' GROUP BY 1")
    return {int(line.split("|")[0]): int(line.split("|")[1]) for line in found.split("\n") if line}


def pages(entries, version: int) -> list:
    return [e["detail"] for e in entries if e["action"] == "system.rewrap" and e["outcome"] == "allowed"
            and e["object"] == f"key:{KEY}" and e["detail"].get("version") == version]


def wait_done(deployment, version: int, state: str = "done", server=None):
    wait_until(lambda: (job := progress(deployment, server)).version == version and job.state == state, 120, f"the job is {state}")


def test_one_daemon_moves_every_row_and_says_so(filled):
    version = rotate(filled)
    wait_done(filled, version)
    assert rows(filled) == {version: PATIENTS}
    job = progress(filled)
    assert (job.total, job.done, job.failed) == (PATIENTS, PATIENTS, 0) and job.ended
    told = pages(log.verify(filled.client("auditor"), filled.genesis["log_vkey"]), version)
    assert sum(int(page.get("rewrapped", 0)) for page in told) == PATIENTS
    assert [page for page in told if "rows_below_version" in page][-1]["rows_below_version"] == 0


def test_daemons_share_it_and_deaths_lose_and_repeat_nothing(filled):
    first, second = filled.daemons[0], filled.daemon("node-2").start()
    version = rotate(filled)
    for _ in range(4):
        before = progress(filled, second).done
        wait_until(lambda: progress(filled, second).state == "done" or progress(filled, second).done > before + 200, 60, "it goes on")
        first.kill()
        first.start()
    wait_done(filled, version, server=second)
    assert rows(filled) == {version: PATIENTS}
    entries = log.verify(filled.client("auditor", second), filled.genesis["log_vkey"])
    assert sum(int(page.get("rewrapped", 0)) for page in pages(entries, version)) == PATIENTS
    app = filled.client("app", second)
    for subject in range(0, PATIENTS, 97):
        assert app.get(f"job-{subject}", "r").json == text_of(subject).encode()


def test_a_broken_row_is_counted_and_keeps_its_version_needed(filled):
    filled.postgres.sql("CREATE TABLE public.broken AS SELECT id, wrapped FROM ward.subject_key ORDER BY id LIMIT 1")
    filled.postgres.sql("UPDATE ward.subject_key s SET wrapped = overlay(s.wrapped PLACING '\\x00' FROM octet_length(s.wrapped) - 3) "
                        "FROM public.broken b WHERE s.id = b.id")
    before = max(rows(filled))
    version = rotate(filled)
    wait_done(filled, version, "stuck")
    assert rows(filled) == {before: 1, version: PATIENTS - 1}
    job = progress(filled)
    assert (job.left, job.failed, job.done) == (1, 1, PATIENTS - 1)
    cli = Cli(filled)
    shown = cli.json("officer-a", "key", "show", KEY)
    assert shown["rewrap"]["state"] == "stuck" and shown["rewrap"]["left"] == 1
    wait_until(lambda: "ward_rewrap_jobs_stuck 1" in filled.daemons[0].metrics(), 20, "the gauge says so")
    told = pages(log.verify(filled.client("auditor"), filled.genesis["log_vkey"]), version)
    assert told[-1] == {**told[-1], "rows_below_version": 1, "job": "stuck"}
    # Repaired, and asked for by hand.
    filled.postgres.sql("UPDATE ward.subject_key s SET wrapped = b.wrapped FROM public.broken b WHERE s.id = b.id")
    ran = cli("officer-a", "key", "rewrap", KEY, "--wait", "--output", "json")
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert lines[-1]["state"] == "done" and lines[-1]["done"] == PATIENTS
    assert rows(filled) == {version: PATIENTS}
    done = cli.json("officer-a", "key", "show", KEY)["rewrap"]
    assert done["state"] == "done"
    again = cli("officer-a", "key", "rewrap", KEY, "--wait", "--output", "table").stdout.decode()
    assert "nothing to do, every row is at it" in again and f"version {version}" in again
    assert cli.json("officer-a", "key", "show", KEY)["rewrap"] == done, "what the real run took is still told"


def test_a_bar_is_drawn_on_a_terminal(filled):
    rotate(filled)
    ours, theirs = pty.openpty()
    ran = subprocess.run(Cli(filled).command("officer-a", "key", "rewrap", KEY, "--wait", "--output", "table"), stderr=theirs,
                         stdout=subprocess.PIPE, timeout=60, check=False)
    os.close(theirs)
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    assert ran.returncode == 0 and b"done" in ran.stdout and "%" in drawn and "rows" in drawn


def test_who_may_and_what_it_says_of_bad_input(filled, refused):
    app, officer, auditor = (filled.client(name) for name in ("app", "officer-a", "auditor"))
    refused("PERMISSION_DENIED", "policy", lambda: app.rewrap_key(KEY))
    refused("PERMISSION_DENIED", "policy", lambda: auditor.rewrap_key(KEY))
    refused("NOT_FOUND", "key: no such key", lambda: officer.rewrap_key("phi/nothing"))
    refused("FAILED_PRECONDITION", "applications", lambda: officer.rewrap_key("app/demo"))
    refused("INVALID_ARGUMENT", "name: empty", lambda: officer.rewrap_key(""))
    refused("INVALID_ARGUMENT", "name: longer than 128 bytes", lambda: officer.rewrap_progress("x" * 129))
    assert auditor.rewrap_progress(KEY).state in ("running", "done")
    assert officer.rewrap_key("phi/labs").state == "running"  # nothing to move: a count alone


def test_usage_says_what_each_version_was_used_for(filled):
    cli, app = Cli(filled), filled.client("app")
    _, wrapped = app.generate("app/other")
    app.unwrap(wrapped, {})
    use = cli.json("auditor", "key", "usage", "app/other")
    version = use["versions"][-1]
    assert version["issued"] >= 1 and version["opened"] >= 1 and version["last_opened"]
    assert version["wraps_left"] > 2**31 and use["rotation_period_days"] == 365 and use["next_rotation"]
    held = cli.json("officer-a", "key", "usage", KEY)["versions"]
    wait_done(filled, held[-1]["version"])
    held = cli.json("officer-a", "key", "usage", KEY)["versions"]
    assert held[-1]["rows"] == PATIENTS and held[0]["wraps_left"] == 0
    assert b"LAST OPENED" in cli("officer-a", "key", "usage", KEY, "--output", "table").stdout
    cli("app", "key", "usage", KEY, exit=1)
