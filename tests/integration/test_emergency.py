# SPDX-License-Identifier: Apache-2.0
"""Break-glass at a real daemon: who may see what while it is open, who hears of it, and that it outlives a restart."""
import json
import re

import grpc
import pytest
from harness.cli import Cli

ETREAT = {"purpose": "ETREAT"}


@pytest.fixture
def writer(ward):
    client = ward.client("writer")
    client.put("emergency-p1", "r", b'{"id":"r"}')
    client.put("emergency-p2", "r", b'{"id":"r"}')
    yield client
    for emergency in ward.client("officer-a").list_emergencies(open=True):
        ward.client("officer-a").close_emergency(emergency.id)


def code_of(call) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return f"{caught.value.code().name}: {caught.value.details()}"


def reads(client, subject: str, context=None) -> bool:
    try:
        return client.get(subject, "r", context=ETREAT if context is None else context) is not None
    except Exception as error:  # an item refused alone is the whole call
        assert "not allowed" in str(error), error
        return False


def test_it_opens_one_subject_for_one_identity_until_it_is_closed(ward, writer):
    assert not reads(writer, "emergency-p1")
    opened = writer.open_emergency("emergency-p1")
    assert opened.open and not opened.reviewed and opened.identity == "spiffe://test.ward/writer" and len(opened.subject_hash) == 32
    assert reads(writer, "emergency-p1")
    assert not reads(writer, "emergency-p2")
    assert not reads(writer, "emergency-p1", {"purpose": "TREAT"})
    assert opened.id in [one.id for one in ward.client("auditor").list_emergencies(open=True, unreviewed=True)]
    assert code_of(lambda: ward.client("officer-b").close_emergency(opened.id, reason="")).startswith("INVALID_ARGUMENT: reason: empty")
    closed = ward.client("officer-b").close_emergency(opened.id)
    assert closed.closed and not closed.open
    assert not reads(writer, "emergency-p1")
    assert opened.id not in [one.id for one in ward.client("auditor").list_emergencies(open=True)]
    assert opened.id in [one.id for one in ward.client("auditor").list_emergencies(unreviewed=True)]


@pytest.mark.parametrize("members, refusal", [
    ({"reason": ""}, "reason: shorter than 10 bytes"),
    ({"reason": "too short"}, "reason: shorter than 10 bytes"),
    ({"reason": "x" * 257}, "reason: longer than 256 bytes"),
    ({"on_behalf_of": ""}, "on_behalf_of: empty"),
    ({"minutes": 0}, "minutes: 0"),
    ({"minutes": 241}, "minutes: more than policy lets an emergency last"),
    ({"context": {"purpose": "TREAT"}}, "context: purpose is not ETREAT"),
    ({"context": {}}, "context: purpose is not ETREAT"),
    ({"collection": ""}, "collection: empty"),
    ({"collection": "BAD"}, "collection: not a name"),
])
def test_what_it_must_say(writer, members, refusal):
    subject = members.pop("subject", "emergency-p1")
    assert code_of(lambda: writer.open_emergency(subject, **members)).startswith(f"INVALID_ARGUMENT: {refusal}")
    assert not reads(writer, "emergency-p1")


def test_others_neither_open_nor_close_one(ward, writer):
    assert code_of(lambda: ward.client("app").open_emergency("emergency-p1")).startswith("PERMISSION_DENIED")
    assert code_of(lambda: ward.client("officer-a").open_emergency("emergency-p1")).startswith("PERMISSION_DENIED")
    opened = writer.open_emergency("emergency-p1")
    assert code_of(lambda: ward.client("auditor").close_emergency(opened.id)).startswith("PERMISSION_DENIED")
    assert writer.close_emergency(opened.id).closed


def test_the_log_says_who_for_whom_and_why_and_what_was_read(ward, writer):
    opened = writer.open_emergency("emergency-p1", request_id="break-glass-1")
    writer.get("emergency-p1", "r", context=ETREAT, request_id="break-glass-2")
    entry, = ward.client("auditor").entries("break-glass-1")
    assert entry["action"] == "emergency.open" and entry["outcome"] == "allowed" and entry["end_user"] == "clinician-7"
    assert entry["object"] == "collection:fhir" and entry["context"] == ETREAT and len(entry["reason"]) == 64
    assert entry["detail"]["proposal"] == opened.id and entry["detail"]["subject"] == opened.subject_hash.hex()
    read, = ward.client("auditor").entries("break-glass-2")
    assert read["detail"]["emergency"] == opened.id
    assert read["items"][0]["object"].startswith("record:fhir/" + opened.subject_hash.hex()[:16])
    text = "".join(map(json.dumps, (entry, read)))
    assert "emergency-p1" not in text and "unconscious" not in text


def test_the_same_request_again_opens_no_second_one(writer):
    first = writer.open_emergency("emergency-p1", request_id="break-glass-again")
    assert writer.open_emergency("emergency-p1", request_id="break-glass-again").id == first.id


def test_it_alarms(ward, writer):
    def raised() -> int:
        return int(re.search(r'^ward_alarms_total\{kind="emergency"\} (\d+)$', ward.daemons[0].metrics(), re.M).group(1))
    before = raised()
    opened = writer.open_emergency("emergency-p1")
    assert raised() == before + 1
    alarm, = [line for line in ward.daemons[0].log_tail().splitlines() if f'"of":"emergency {opened.id}"' in line]
    assert '"ALARM emergency access opened"' in alarm and "emergency-p1" not in alarm


def test_it_outlives_its_daemon_and_holds_at_another(own):
    writer = own.client("writer")
    writer.put("emergency-p1", "r", b"{}")
    opened = writer.open_emergency("emergency-p1")
    own.daemons[0].kill()
    own.daemons[0].start()
    second = own.daemon("node-2").start()
    again, other = own.client("writer"), own.client("writer", second)
    assert reads(again, "emergency-p1") and reads(other, "emergency-p1")
    own.client("officer-a", second).close_emergency(opened.id)
    assert not reads(again, "emergency-p1") and not reads(other, "emergency-p1")


def test_the_command(ward, writer):
    cli = Cli(ward)
    opened = cli.json("writer", "emergency", "open", "fhir", "emergency-p1", "--reason", "found unconscious at home",
                      "--on-behalf-of", "clinician-7", "--minutes", "7")
    assert opened["state"] == "open" and opened["reviewed"] is False
    longer = cli("writer", "emergency", "open", "fhir", "emergency-p1", "--reason", "found unconscious at home",
                 "--on-behalf-of", "clinician-7", "--minutes", "241", exit=1)
    assert b"more than policy lets an emergency last (minutes max 240)" in longer.stderr
    listed = cli.json("auditor", "emergency", "list", "--open")["emergencies"]
    assert opened["id"] in [one["id"] for one in listed]
    assert "the reason names the case" in cli("officer-a", "approval", "show", opened["id"], "--output", "table").stdout.decode()
    assert b"reason: empty" in cli("officer-a", "emergency", "close", opened["id"], exit=1).stderr
    assert cli.json("officer-a", "emergency", "close", opened["id"], "--reason", "left by mistake")["state"] == "closed"
    assert cli.json("auditor", "emergency", "list", "--open")["emergencies"] == []
