# SPDX-License-Identifier: Apache-2.0
"""A month in the life of keys, in reports: what was destroyed, what was compromised, what is late, and who let it happen.
The log is a real daemon's, which was away for a month; what is reported is held against its leaves and signatures here."""
import base64
import datetime
import json
import os

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from harness.cli import Cli
from harness.daemon import has_failpoints
from harness.processes import wait_until

DAYS_31 = str(31 * 86400)
OFFICER_A, OFFICER_A2, OFFICER_B = (f"spiffe://test.ward/officer-{name}" for name in ("a", "a2", "b"))
REPORTS = ("rotation", "access", "approvals", "overdue")


@pytest.fixture(scope="module", autouse=True)
def failpoints():
    if not has_failpoints():
        if os.environ.get("CI") == "true":
            pytest.fail("built without -Dfailpoints=true: the daemon's clock cannot be set ahead")
        pytest.skip("built without -Dfailpoints=true")


def propose(cli, *arguments, who: str = "officer-a", exit: int = 4) -> str:
    return json.loads(cli(who, "key", *arguments, "--reason", "a test", "--output", "json", exit=exit).stdout)["proposal"]


def approve(cli, proposal: str) -> str:
    assert cli.json("officer-b", "approval", "approve", proposal, "--yes")["state"] == "executed"
    return proposal


def destruction(cli, key: str, who: str = "officer-a") -> str:
    """Of version 1, which another one has followed; agreed to."""
    cli("officer-a", "key", "create", key, "--purpose", "data-keys", "--rotation-days", 3650)
    approve(cli, propose(cli, "rotate", key))
    return approve(cli, propose(cli, "schedule-destroy", key, 1, "--days", 7, who=who))


def state(own, key: str, version: int) -> int:
    return int(own.postgres.sql(f"SELECT v.state FROM ward.kek_version v JOIN ward.kek k ON k.id = v.kek "
                                f"WHERE k.name = '{key}' AND v.version = {version}"))


@pytest.fixture(scope="module")
def month(own, tmp_path_factory):
    """(deployment, cli, folder, what happened): done on one day, exported on the 31st after it."""
    cli, happened = Cli(own), {}
    own.client("app").put("report-life", "r", b"{}")
    happened["gone"], happened["kept"] = destruction(cli, "app/gone"), destruction(cli, "app/kept")
    happened["called-off"] = propose(cli, "cancel-destroy", "app/kept", 1, exit=0)
    happened["held-up"] = destruction(cli, "app/held-up", who="officer-a2")  # whose signature will not count any more
    cli("officer-a", "identity", "revoke", OFFICER_A2, "--reason", "a lost card")
    approve(cli, propose(cli, "rotate", "phi/records"))
    cli("officer-a", "key", "rewrap", "phi/records", "--wait")
    happened["burned"] = propose(cli, "compromise", "phi/records", 2, "--yes", exit=0)
    wait_until(lambda: [v["rows"] for v in cli.json("auditor", "key", "usage", "phi/records")["versions"]] == [0, 0, 1], 60,
               "its rows have moved")
    wait_until(lambda: own.postgres.sql("SELECT count(*) FROM ward.job WHERE state = 1") == "0", 60, "which its last count has said")
    happened["left"] = propose(cli, "compromise", "phi/records", 1, "--yes", exit=0)  # nothing is under it any more
    for name, days in (("app/monthly", 30), ("app/late", 30)):
        cli("officer-a", "key", "create", name, "--purpose", "data-keys", "--rotation-days", days)
    cli("officer-a", "key", "create", "app/burned", "--purpose", "data-keys")
    happened["app-burned"] = propose(cli, "compromise", "app/burned", 1, "--yes", exit=0)
    happened["stopped"] = propose(cli, "disable", "app/late", exit=0)  # so that nothing rotates it
    cli("officer-b", "approval", "review", happened["stopped"], "--yes", "--reason", "seen")
    happened["forgotten"] = propose(cli, "rotate", "app/kept")
    happened["withdrawn"] = propose(cli, "rotate", "app/kept")
    cli("officer-a", "approval", "withdraw", happened["withdrawn"], "--yes", "--reason", "not now")
    daemon = own.daemons[0]
    daemon.stop()
    daemon.start(environment={"WARD_CLOCK_OFFSET_S": DAYS_31})
    wait_until(lambda: state(own, "app/gone", 1) == 7, 60, "what officers agreed to is done")
    wait_until(lambda: len(cli.json("auditor", "key", "usage", "app/monthly")["versions"]) == 2, 60, "a month is over")
    own.client("auditor").settle()
    folder = tmp_path_factory.mktemp("month") / "export"
    cli("auditor", "audit", "export", folder)
    return own, cli, folder, happened


def rows(cli, name, folder, *arguments) -> list:
    return json.loads(cli("auditor", "report", name, "--folder", folder, "--format", "json", *arguments).stdout)["rows"]


def of_key(found: list, key: str) -> list:
    return [(row["version"], row["event"], row["how"]) for row in found if row["key"] == key]


def test_rotation_tells_the_whole_life_of_each_version(month):
    _, cli, folder, happened = month
    found = rows(cli, "rotation", folder)
    assert of_key(found, "app/gone") == [("1", "key.create", "one signature"), ("1", "key.destroy", "approved"), ("1", "destroyed", "by itself"),
                                         ("2", "key.rotate", "approved")]
    ended, = [row for row in found if row["key"] == "app/gone" and row["event"] == "destroyed"]
    assert (ended["proposer"], ended["approvers"], ended["proposal"]) == ("system", OFFICER_B, happened["gone"])
    assert of_key(found, "app/kept")[:3] == [("1", "key.create", "one signature"), ("1", "key.destroy", "approved"),
                                             ("1", "key.cancel-destroy", "one signature")]
    assert [event for _, event, _ in of_key(found, "app/held-up")] == ["key.create", "key.destroy", "key.rotate"], "not destroyed"
    assert of_key(found, "app/monthly")[-1] == ("2", "key.rotate", "by itself")
    burned = [(row["version"], row["event"], row["why"]) for row in found if row["key"] == "phi/records"]
    assert ("2", "key.compromise", "") in burned and ("3", "key.rotate", "compromised") in burned
    assert ("3", "no rows below", "") in burned and ("1", "key.compromise", "") in burned


def test_overdue_names_what_nobody_did_and_nothing_else(month):
    _, cli, folder, happened = month
    found = rows(cli, "overdue", folder)
    late = {(row["what"], row["object"]): row for row in found}
    assert {what for what, _ in late} == {"rotation past its period", "destruction past its day", "review pending",
                                          "proposal expired unexecuted", "compromised version not destroyed",
                                          "rekey owed after a compromise"}
    assert {name for what, name in late if what.startswith("rekey")} == {"phi/records#1", "phi/records#2"}, "and no key of data keys"
    assert ("compromised version not destroyed", "app/burned#1") in late, "what applications hold of it nobody here can count"
    assert ("rotation past its period", "app/late#1") in late and ("rotation past its period", "app/monthly#1") not in late
    held_up = late["destruction past its day", "app/held-up#1"]
    assert held_up["days"] == "24" and held_up["proposer"] == OFFICER_A2
    assert [name for what, name in late if what == "destruction past its day"] == ["app/held-up#1"]
    assert ("proposal expired unexecuted", happened["forgotten"]) in late
    reviews = {name for what, name in late if what == "review pending"}
    assert {happened["called-off"], happened["burned"], happened["left"]} <= reviews and happened["stopped"] not in reviews
    began = min(row["since"] for row in found if row["what"] == "review pending")
    tomorrow = (datetime.datetime.fromisoformat(began[:19]) + datetime.timedelta(hours=20)).isoformat() + "Z"
    then = {row["what"] for row in rows(cli, "overdue", folder, "--to", tomorrow)}
    assert then == {"review pending", "compromised version not destroyed", "rekey owed after a compromise"}, "on the day itself nothing else was late"
    before = rows(cli, "overdue", folder, "--to", began)
    assert not any(row["since"] >= began for row in before), "what had not happened yet was not late"


def test_approvals_tell_what_became_of_each_a_month_later(month):
    _, cli, folder, happened = month
    found = {row["proposal"]: row for row in rows(cli, "approvals", folder)}
    assert {name: found[happened[name]]["state"] for name in happened} == {
        "gone": "executed", "kept": "executed", "called-off": "executed", "held-up": "executed", "burned": "executed", "left": "executed",
        "app-burned": "executed",
        "stopped": "executed", "forgotten": "expired", "withdrawn": "withdrawn"}
    assert found[happened["gone"]]["action"] == "key.destroy" and found[happened["gone"]]["approvers"] == OFFICER_B
    assert (found[happened["stopped"]]["review"], found[happened["stopped"]]["reviewer"]) == ("reviewed", OFFICER_B)
    assert found[happened["withdrawn"]]["closed_by"] == OFFICER_A


@pytest.mark.parametrize("name", REPORTS)
def test_a_signed_report_is_what_log_and_signature_say(month, tmp_path, name):
    """By `ward report verify`, and without it: DSSE, the checkpoint, and each row against the leaf that it names."""
    own, cli, folder, _ = month
    signed = tmp_path / "report.json"
    signed.write_bytes(cli("auditor", "report", name, "--folder", folder, "--sign").stdout)
    certificate = own.folder / "cli" / "auditor.pem"
    payload = cli("stranger", "report", "verify", signed, "--certificate", certificate).stdout
    envelope = json.loads(signed.read_bytes())
    assert base64.b64decode(envelope["payload"]) == payload
    made, = envelope["signatures"]
    kind = envelope["payloadType"].encode()
    x509.load_pem_x509_certificate(certificate.read_bytes()).public_key().verify(
        base64.b64decode(made["sig"]), b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload), ec.ECDSA(hashes.SHA256()))
    report = json.loads(payload)
    _, size, root = (folder / "checkpoint").read_text().split("\n")[:3]
    assert (report["size"], report["root"]) == (int(size), base64.b64decode(root).hex())
    if name == "rotation":
        check_rows(own, report["rows"])


def check_rows(own, found: list) -> None:
    leaves = [json.loads(leaf) for leaf in own.client("auditor").leaves()]
    for row in found:
        leaf = leaves[int(row["leaf"])]
        detail = leaf["detail"]
        assert row["time"] == leaf["time"] and leaf["outcome"] == "allowed"
        assert row["approvers"] == detail.get("approvers", "") and row["proposer"] == detail.get("proposer", leaf["identity"])
        assert row["event"] in (leaf["action"], detail.get("executed"), "key.rotate", "destroyed", "no rows below")
    said = sorted(row["leaf"] for row in found if row["event"] == "destroyed")
    assert said == sorted(str(number) for number, leaf in enumerate(leaves)
                          if leaf["action"] == "system.destroy" and leaf["outcome"] == "allowed"), "none is left out"
