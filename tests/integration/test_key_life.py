# SPDX-License-Identifier: Apache-2.0
"""The life of a key with the command line: what each officer's command says, what it needs, and what it stops."""
import json
import re
import shlex
import subprocess

import grpc
import pytest
from harness.card import read_until
from harness.cli import Cli
from harness.client import header, item_refused
from harness.processes import wait_until
from harness.stubs import keys_pb2

WAITS, FAILED, USAGE = 4, 1, 2
PRECONDITION = 9  # as items have it


@pytest.fixture
def cli(ward):
    return Cli(ward)


@pytest.fixture
def key(officer_a, request):
    """A key of the test's own."""
    name = "app/life-" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[-90:].strip("-")
    officer_a.create_key(name)
    return name


def states(cli, key: str) -> list:
    return [(v["version"], v["state"]) for v in cli.json("officer-b", "key", "versions", key)["versions"]]


def propose(cli, *arguments, exit: int = WAITS, who: str = "officer-a") -> dict:
    """The command with a reason; what it printed for programs."""
    return json.loads(cli(who, "key", *arguments, "--reason", "a test", "--output", "json", exit=exit).stdout)


def typed(cli, word: str, *arguments) -> int:
    """The exit code where an officer types that word when he is asked; script(1) lends the terminal."""
    command = shlex.join(str(part) for part in cli.command("officer-a", *arguments))
    with subprocess.Popen(["script", "-qec", command, "/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        read_until(process, b" to sign this: ")
        process.communicate(word.encode() + b"\n", timeout=60)
        return process.returncode


def approve(cli, proposal: dict) -> None:
    assert cli.json("officer-b", "approval", "approve", proposal["proposal"], "--yes")["state"] == "executed"


def rotate(cli, key: str) -> None:
    approve(cli, propose(cli, "rotate", key))


def test_a_version_is_suspended_at_once_and_resumed_by_two(cli, key, app):
    plaintext, wrapped = app.generate(key)
    done = propose(cli, "suspend", key, exit=0)
    assert done["state"] == "executed" and states(cli, key) == [(1, "suspended")]
    item_refused(PRECONDITION, "suspended", lambda: app.generate(key))
    item_refused(PRECONDITION, "suspended", lambda: app.unwrap(wrapped))
    waits = propose(cli, "resume", key)
    assert states(cli, key) == [(1, "suspended")]
    approve(cli, waits)
    assert states(cli, key) == [(1, "active")] and app.unwrap(wrapped) == plaintext


def test_a_rotation_says_what_it_brings_about_and_whom_to_tell(cli, key, app):
    _, wrapped = app.generate(key)
    app.unwrap(wrapped)
    said = cli("officer-a", "key", "rotate", key, "--reason", "a test", exit=WAITS).stderr.decode()
    assert said.startswith("A new version will wrap from then on.") and "may approve    bob" in said
    assert "keys_issued: 1" in said and "new_version: 2" in said and "rows_that_cannot_be_read: 0" in said
    assert re.search(r"last_opened_unix: \d{10} \(20\d\d-\d\d-\d\dT[0-9:.]+Z\)", said)
    proposal = re.search(r"\n  ward --profile NAME approval approve ([0-9a-f-]{36})\n", said).group(1)
    said = cli("officer-a", "approval", "approve", proposal, "--yes", exit=FAILED).stderr.decode()
    assert "approval: the proposer cannot approve" in said and "Another officer can" in said
    cli("officer-b", "approval", "reject", proposal, "--yes", "--reason", "not now")
    said = cli("officer-b", "approval", "approve", proposal, "--yes", exit=FAILED).stderr.decode()
    assert "it has been decided already: it was rejected" in said
    listed, = [k for k in cli.json("officer-a", "key", "list")["keys"] if k["name"] == key]
    assert all("rows" not in version for version in listed["versions"]), "a list counts none"


def test_a_disabled_key_does_nothing_until_two_enable_it(cli, key, app):
    plaintext, wrapped = app.generate(key)
    propose(cli, "disable", key, exit=0)
    for call in (lambda: app.generate(key), lambda: app.unwrap(wrapped), lambda: app.rewrap(wrapped)):
        item_refused(PRECONDITION, "disabled", call)
    assert not cli.json("officer-a", "key", "show", key)["enabled"]
    cli("officer-a", "key", "disable", key, "--reason", "again", exit=FAILED)
    approve(cli, propose(cli, "enable", key))
    assert app.unwrap(wrapped) == plaintext


def test_a_period_is_changed_by_two(cli, key):
    approve(cli, propose(cli, "change", key, "--rotation-days", 30))
    assert cli.json("officer-a", "key", "show", key)["rotation_period_days"] == 30
    cli("officer-a", "key", "change", key, "--rotation-days", 0, "--reason", "x", exit=USAGE)


def test_a_deactivated_version_opens_and_wraps_no_more(cli, key, app):
    plaintext, wrapped = app.generate(key)
    said = cli("officer-a", "key", "deactivate", key, "--reason", "a test", exit=WAITS).stderr.decode()
    assert "key_can_wrap_afterwards: 0" in said and "keys_issued: 1" in said and "approval approve" in said
    proposal = re.search(r"Proposal ([0-9a-f-]{36})", said).group(1)
    approve(cli, {"proposal": proposal})
    assert app.unwrap(wrapped) == plaintext
    item_refused(PRECONDITION, "deactivated", lambda: app.generate(key))
    rotate(cli, key)
    assert states(cli, key) == [(1, "deactivated"), (2, "active")]
    assert app.unwrap(app.rewrap(wrapped).wrapped) == plaintext


def test_a_compromised_version_is_followed_by_a_new_one(ward, cli, key, app):
    plaintext, wrapped = app.generate(key)
    asked = cli("officer-a", "key", "compromise", key, 1, "--reason", "x", exit=USAGE).stderr.decode()
    assert "no terminal to ask on" in asked and states(cli, key) == [(1, "active")]
    assert typed(cli, "no", "key", "compromise", key, 1, "--reason", "x") == FAILED and states(cli, key) == [(1, "active")]
    draft, = [p["proposal"] for p in cli.json("officer-a", "approval", "list")["proposals"] if p["object"] == key]
    shown = cli("officer-a", "--output", "table", "approval", "show", draft).stdout.decode()
    command = f"ward --profile officer-a approval withdraw {draft}"
    assert f"not signed     by you: nobody can approve it; it ends by itself, or by\n                 {command}\n" in shown
    assert draft in cli("officer-a", "--output", "table", "approval", "list").stdout.decode().split("withdraw (not signed)", 1)[1]
    cli(*command.split()[2:], "--yes", "--reason", "not confirmed")
    assert typed(cli, "compromise", "key", "compromise", key, 1, "--reason", "x") == 0
    wait_until(lambda: states(cli, key) == [(1, "compromised"), (2, "active")], 20, "the daemon rotates by itself")
    assert app.unwrap(wrapped) == plaintext
    assert app.rewrap(wrapped).version == 2
    alarm, = [line for line in ward.daemons[0].log_tail(100000).splitlines() if f'"of":"{key}#1"' in line]
    assert "ALARM a key version is said to be compromised" in alarm and "officer-a" in alarm


def test_a_destruction_waits_and_can_be_cancelled(cli, key):
    rotate(cli, key)
    waits = propose(cli, "schedule-destroy", key, 1, "--days", 7)
    approve(cli, waits)
    version = cli.json("auditor", "key", "show", key)["versions"][0]
    assert version["state"] == "pending-destruction" and version["prior"] == "deactivated" and version["due"] > version["changed"]
    assert version["due"][:10] in cli("officer-a", "key", "list", "--output", "table").stdout.decode()
    propose(cli, "cancel-destroy", key, 1, exit=0)
    assert states(cli, key) == [(1, "deactivated"), (2, "active")]


def test_what_opened_something_lately_is_not_destroyed_and_the_refusal_says_when(cli, key, app, officer_a, refused):
    _, wrapped = app.generate(key)
    rotate(cli, key)
    app.unwrap(wrapped)
    said = cli("officer-a", "key", "schedule-destroy", key, 1, "--reason", "x", exit=FAILED).stderr.decode()
    assert "keys were opened with it too lately" in said and "times opened 1" in said and "days unused needed 30" in said
    request = keys_pb2.ScheduleKeyDestructionRequest(header=header(reason="x"), name=key, version=1)
    error = refused("FAILED_PRECONDITION", "too lately", lambda: officer_a.keys.ScheduleKeyDestruction(request, timeout=10))
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert all(name in details for name in (b"times_opened", b"days_since_last_opened", b"days_unused_needed"))


def test_a_version_that_rows_need_is_not_destroyed_and_the_refusal_says_how_many(cli, app):
    for subject in range(3):
        app.put(f"life-{subject}", "r", b'{"resourceType": "Patient"}')
    active = [v for v, state in states(cli, "phi/records") if state == "active"][0]
    propose(cli, "suspend", "phi/records", exit=0)  # its rows stay where they are
    rotate(cli, "phi/records")
    done = cli("officer-a", "key", "disable", "phi/records", "--reason", "x").stderr.decode()  # and nobody rewraps them
    assert re.search(r"rows: (\d+)\n.*rows_in.fhir: \1\n", done, re.DOTALL) and f"rows_of_version.{active}: " in done
    propose(cli, "compromise", "phi/records", active, "--yes", exit=0)
    said = cli("officer-a", "key", "schedule-destroy", "phi/records", active, "--reason", "x", exit=FAILED).stderr.decode()
    assert "version: stored rows still need it" in said and re.search(r"rows (\d+), collections fhir \1\)", said)
    held = cli.json("auditor", "key", "usage", "phi/records")["versions"][active - 1]
    assert held["collections"] == [{"collection": "fhir", "rows": held["rows"]}] and held["rows"] >= 3
    table = cli("auditor", "key", "usage", "phi/records", "--output", "table").stdout.decode()
    assert re.search(rf"^{active} +fhir +{held['rows']} *$", table, re.MULTILINE)
    approve(cli, propose(cli, "enable", "phi/records"))
    wait_until(lambda: cli.json("officer-a", "key", "show", "phi/records")["versions"][active - 1]["rows"] == 0, 20, "the rows have left")
    assert app.get("life-0", "r").json == b'{"resourceType": "Patient"}'


@pytest.mark.parametrize("verb,more", [("suspend", []), ("resume", []), ("deactivate", []), ("compromise", [1, "--yes"]), ("disable", []), ("enable", []),
                                       ("schedule-destroy", [1]), ("cancel-destroy", [1]), ("change", ["--rotation-days", 9])])
def test_nobody_but_an_officer_moves_keys(cli, key, verb, more):
    for who in ("app", "auditor", "stranger"):
        said = cli(who, "key", verb, key, *more, "--reason", "x", exit=FAILED).stderr.decode()
        action = "destroy" if verb == "schedule-destroy" else verb
        assert f"policy: not allowed (action key.{action}, rule default-deny)" in said
    assert states(cli, key) == [(1, "active")]


@pytest.mark.parametrize("verb,version,text", [
    ("resume", 1, "version: it is active; only a suspended one can be resumed"),
    ("schedule-destroy", 1, "version: it is active; only a pre-active, deactivated or compromised one"),
    ("cancel-destroy", 1, "version: it is active; there is no destruction to cancel"),
    ("compromise", 2, "version: no such version of this key"),
])
def test_a_refusal_names_the_state(cli, key, verb, version, text):
    yes = ["--yes"] if verb == "compromise" else []
    assert text in cli("officer-a", "key", verb, key, version, "--reason", "x", *yes, exit=FAILED).stderr.decode()


@pytest.mark.parametrize("arguments", [["compromise", "KEY"], ["compromise", "KEY", "0"], ["compromise", "KEY", "-1"], ["compromise", "KEY", "1x"],
                                       ["schedule-destroy", "KEY", "1", "--days", "6"], ["schedule-destroy", "KEY", "1", "--days", "31"],
                                       ["cancel-destroy", "KEY", "99999999999"], ["change", "KEY"]])
def test_a_command_that_is_not_whole_is_not_sent(cli, key, arguments):
    cli("officer-a", "key", *[key if a == "KEY" else a for a in arguments], "--reason", "x", exit=USAGE)
    cli("officer-a", "key", "suspend", key, exit=USAGE)  # without a reason
    assert states(cli, key) == [(1, "active")]


BAD_FIELDS = [
    ("ChangeKey", dict(rotation_period_days=0), "rotation_period_days: zero"),
    ("ChangeKey", dict(rotation_period_days=36501), "rotation_period_days: more than 36500"),
    ("CompromiseKey", dict(version=0), "version: zero"),
    ("ScheduleKeyDestruction", dict(version=0), "version: zero"),
    ("ScheduleKeyDestruction", dict(version=1, waiting_days=6), "waiting_days: not from 7 to 30"),
    ("ScheduleKeyDestruction", dict(version=1, waiting_days=31), "waiting_days: not from 7 to 30"),
    ("CancelKeyDestruction", dict(version=0), "version: zero"),
]


@pytest.mark.parametrize("method,fields,text", BAD_FIELDS)
def test_a_bad_field_is_named(officer_a, key, refused, method, fields, text):
    make = getattr(keys_pb2, method + "Request")
    refused("INVALID_ARGUMENT", text, lambda: getattr(officer_a.keys, method)(make(header=header(reason="x"), name=key, **fields), timeout=10))
    refused("INVALID_ARGUMENT", "reason: empty", lambda: getattr(officer_a.keys, method)(make(header=header(), name=key, **fields), timeout=10))
    refused("INVALID_ARGUMENT", "name: empty", lambda: getattr(officer_a.keys, method)(make(header=header(reason="x"), **fields), timeout=10))


def test_the_same_request_again_gives_the_same_draft(officer_a, key):
    request = keys_pb2.SuspendKeyRequest(header=header("life-again", reason="x"), name=key)
    first, second = (officer_a.keys.SuspendKey(request, timeout=10).proposal for _ in range(2))
    assert first.id == second.id and first.payload == second.payload
    with pytest.raises(grpc.RpcError) as caught:  # the name of another request
        officer_a.keys.DeactivateKey(keys_pb2.DeactivateKeyRequest(header=header("life-again", reason="x"), name=key), timeout=10)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_an_auditor_holds_every_move_against_what_was_signed(ward, cli, auditor, key, tmp_path):
    propose(cli, "suspend", key, exit=0)
    approve(cli, propose(cli, "resume", key))
    rotate(cli, key)
    approve(cli, propose(cli, "schedule-destroy", key, 1))
    propose(cli, "cancel-destroy", key, 1, exit=0)
    propose(cli, "compromise", key, 1, "--yes", exit=0)
    auditor.settle()
    folder = tmp_path / "exported"
    cli("auditor", "audit", "export", folder)
    report = cli.json("auditor", "audit", "verify", folder, "--vkey", ward.vkey)
    assert report["problems"] == [] and report["at_once"] >= 3
    own = [row for row in cli.json("auditor", "report", "rotation", "--folder", folder, "--vkey", ward.vkey)["rows"] if row["why"]]
    told = {"at_limit": "budget", "at_period": "period", "after_compromise": "compromised"}
    assert {name: report[name] for name in told} == {name: sum(row["why"] == why for row in own) for name, why in told.items()}
    assert report["by_daemon"] == len(own)
    assert report["without_review"] == report["at_once"] + report["emergencies"] - report["reviewed"] - report["emergencies_reviewed"]
    assert report["reviewed"] <= report["at_once"] and report["emergencies_reviewed"] <= report["emergencies"]
