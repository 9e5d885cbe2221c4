# SPDX-License-Identifier: Apache-2.0
"""Reports out of the log of a real daemon: what they say, that they say it again, and that a signature stands behind them."""
import csv
import io
import json
import os
import shutil

import pytest
from harness.cli import Cli

ETREAT = {"purpose": "ETREAT"}


@pytest.fixture(scope="module")
def told(own, tmp_path_factory):
    """A log with something of everything, exported: (deployment, cli, folder, what happened)."""
    officer_a, officer_b = own.client("officer-a"), own.client("officer-b")
    happened = {"rotated": officer_a.submit(officer_a.propose_rotation("app/demo", reason="yearly")).id}
    officer_b.approve(officer_a.show(happened["rotated"]))
    happened["rejected"] = officer_b.reject(officer_a.submit(officer_a.propose_rotation("app/other"))).id
    happened["open"] = officer_a.submit(officer_a.propose_rotation("app/other")).id
    own.client("app").put("report-1", "r", b"{}")
    with pytest.raises(Exception):
        own.client("writer").get("report-1", "r")
    happened["emergency"] = own.client("writer").open_emergency("report-1").id
    own.client("writer").get("report-1", "r", context=ETREAT)
    own.client("auditor").settle()
    folder = tmp_path_factory.mktemp("report") / "export"
    cli = Cli(own)
    cli("auditor", "audit", "export", folder)
    return own, cli, folder, happened


def rows(cli, name, folder, *arguments) -> list:
    return json.loads(cli("auditor", "report", name, "--folder", folder, "--format", "json", *arguments).stdout)["rows"]


def test_rotation_tells_of_each_version_and_by_whom(told):
    _, cli, folder, happened = told
    found = [row for row in rows(cli, "rotation", folder) if row["key"] == "app/demo"]
    assert [(row["version"], row["event"]) for row in found] == [("1", "key.create"), ("2", "key.rotate")]
    assert found[1]["how"] == "approved" and found[1]["approvers"] == "spiffe://test.ward/officer-b"
    assert found[1]["proposer"] == "spiffe://test.ward/officer-a" and found[1]["proposal"] == happened["rotated"]
    assert found[1]["reason"] == "yearly"


def test_the_folder_has_the_emergency_and_says_that_nobody_reviewed_it(told, tmp_path):
    deployment, cli, folder, happened = told
    checked = cli.json("auditor", "audit", "verify", folder, "--vkey", deployment.vkey)
    assert (checked["emergencies"], checked["emergencies_reviewed"], checked["without_review"]) == (1, 0, 1)
    signatures = "approvals/" + happened["emergency"] + ".json"
    assert not (folder / signatures).exists(), "nobody has signed it yet"
    officer = deployment.client("officer-a")
    officer.review(officer.show(happened["emergency"]))
    deployment.client("auditor").settle()
    said = cli("auditor", "audit", "export", tmp_path / "again", "--output", "table").stdout.decode()
    checked = cli.json("auditor", "audit", "verify", tmp_path / "again", "--vkey", deployment.vkey)
    assert (checked["emergencies"], checked["emergencies_reviewed"], checked["without_review"]) == (1, 1, 0)
    assert (tmp_path / "again" / signatures).exists()
    proposals = len(list((tmp_path / "again" / "approvals").iterdir()))
    assert f"{checked['size']} entries, {checked['rotations']} rotations, signatures of {proposals} proposals" in said


def test_access_counts_outcomes_and_emergencies_by_day(told):
    _, cli, folder, _ = told
    found = {(row["identity"].rsplit("/", 1)[-1], row["action"], row["outcome"]): row for row in rows(cli, "access", folder)}
    assert found["writer", "record.get", "refused"]["items"] == "1"
    read = found["writer", "record.get", "allowed"]
    assert (read["entries"], read["items"], read["emergencies"]) == ("1", "1", "1")
    assert found["writer", "emergency.open", "allowed"]["emergencies"] == "1"
    assert read["first_seen"].startswith(read["day"]) and found["app", "record.put", "allowed"]["emergencies"] == "0"


def test_approvals_tell_what_became_of_each(told):
    _, cli, folder, happened = told
    found = {row["proposal"]: row for row in rows(cli, "approvals", folder)}
    assert found[happened["rotated"]]["state"] == "executed" and found[happened["rotated"]]["action"] == "key.rotate"
    assert found[happened["rejected"]]["state"] == "rejected" and found[happened["rejected"]]["closed_by"].endswith("officer-b")
    assert found[happened["open"]]["state"] == "open"
    assert (found[happened["rotated"]]["reason"], found[happened["open"]]["reason"]) == ("yearly", "")
    emergency = found[happened["emergency"]]
    assert (emergency["state"], emergency["action"], emergency["review"]) == ("executed", "emergency.open", "pending")


def test_overdue_names_the_review_that_nobody_signed(told):
    _, cli, folder, happened = told
    found = [(row["what"], row["object"]) for row in rows(cli, "overdue", folder)]
    assert ("review pending", happened["emergency"]) in found
    assert not any(what.startswith("rotation") for what, _ in found)


@pytest.mark.parametrize("name", ["rotation", "access", "approvals", "overdue"])
def test_two_runs_print_the_same_in_every_form(told, name):
    _, cli, folder, _ = told
    for form in ("json", "csv", "table"):
        first, second = (cli("auditor", "report", name, "--folder", folder, "--format", form).stdout for _ in range(2))
        assert first == second != b""
    table = list(csv.DictReader(io.StringIO(cli("auditor", "report", name, "--folder", folder, "--format", "csv").stdout.decode())))
    assert table == rows(cli, name, folder)
    header = first.decode().split("\n", 1)[0].split("  ")
    assert [name.strip() for name in header if name] == [name.upper().replace("_", " ") for name in table[0]]


def test_a_span_leaves_out_what_was_before_and_after(told):
    _, cli, folder, _ = told
    assert rows(cli, "access", folder, "--to", "2001-01-01") == []
    assert rows(cli, "rotation", folder, "--from", "2100-01-01", "--to", "2100-01-02") == []
    whole = rows(cli, "access", folder)
    day = whole[0]["day"]
    assert rows(cli, "access", folder, "--from", day) == [row for row in whole if row["day"] >= day]


@pytest.mark.parametrize("arguments, text", [
    (["--from", "yesterday"], "--from or --to is not a time"),
    (["--from", "2026-01-02", "--to", "2026-01-02"], "--from is not before --to"),
    (["--format", "xml"], "--format is table, json or csv"),
    (["--format", "csv", "--sign"], "what is signed is the report in JSON"),
])
def test_misuse_is_said(told, arguments, text):
    _, cli, folder, _ = told
    assert text in cli("auditor", "report", "access", "--folder", folder, *arguments, exit=2).stderr.decode()


def test_of_an_altered_log_nothing_is_reported(told, tmp_path):
    _, cli, folder, _ = told
    shutil.copytree(folder, tmp_path / "export")
    entries = next((tmp_path / "export" / "tile" / "entries").rglob("*.p/*"), None) or next((tmp_path / "export/tile/entries").rglob("000"))
    entries.write_bytes(entries.read_bytes().replace(b"allowed", b"refused", 1))
    ran = cli("auditor", "report", "access", "--folder", tmp_path / "export", exit=1)
    assert b"the log does not verify" in ran.stderr and ran.stdout == b""


def test_a_signed_report_stands_without_anybody(told, tmp_path):
    own, cli, folder, _ = told
    plain = cli("auditor", "report", "approvals", "--folder", folder, "--format", "json").stdout
    signed = tmp_path / "report.json"
    signed.write_bytes(cli("auditor", "report", "approvals", "--folder", folder, "--sign").stdout)
    own_certificate = own.folder / "cli" / "auditor.pem"
    checked = cli("stranger", "report", "verify", signed, "--certificate", own_certificate)
    assert checked.stdout == plain and b"Signed by spiffe://test.ward/auditor" in checked.stderr
    other = own.folder / "cli" / "officer-a.pem"
    assert b"another certificate" in cli("stranger", "report", "verify", signed, "--certificate", other, exit=1).stderr
    envelope = json.loads(signed.read_bytes())
    envelope["payload"] = envelope["payload"][:-8] + ("AAAA" + envelope["payload"][-4:])
    signed.write_text(json.dumps(envelope, separators=(",", ":")))
    assert b"does not verify" in cli("stranger", "report", "verify", signed, exit=1).stderr
    signed.write_text("{}")
    assert b"not a signed report" in cli("stranger", "report", "verify", signed, exit=1).stderr


def test_a_log_that_was_held_against_no_key_is_told(told):
    """From a folder and from the daemon alike: the key in an export is the log's own word."""
    own, cli, folder, _ = told
    for source in (["--folder", folder], []):
        ran = cli("auditor", "report", "overdue", *source, "--format", "json")
        assert b"warning: the log was not checked against its key" in ran.stderr and json.loads(ran.stdout)["log_key"] == "not checked"
        ran = cli("auditor", "report", "overdue", *source, "--vkey", own.vkey, "--format", "json")
        name, key_id, _ = own.vkey.read_text().split("+", 2)
        assert ran.stderr == b"" and json.loads(ran.stdout)["log_key"] == f"{name}+{key_id}"
    assert b"not checked against" in cli("auditor", "report", "overdue", "--folder", folder, "--format", "csv").stderr


def test_without_a_folder_the_daemon_is_asked_and_nothing_is_left(told):
    _, cli, _, happened = told
    before = set(os.listdir("/tmp"))
    found = json.loads(cli("auditor", "report", "approvals", "--format", "json").stdout)["rows"]
    assert happened["rotated"] in [row["proposal"] for row in found]
    assert not [name for name in set(os.listdir("/tmp")) - before if name.startswith("ward-report-")]
    cli("app", "report", "approvals", exit=1)


def test_a_cell_is_no_formula(told):
    _, cli, folder, _ = told
    text = cli("auditor", "report", "access", "--folder", folder, "--format", "csv").stdout.decode()
    assert all(cell[:1] not in ("=", "+", "@", "-") for row in csv.reader(io.StringIO(text)) for cell in row)
