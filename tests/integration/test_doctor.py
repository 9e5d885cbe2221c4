# SPDX-License-Identifier: Apache-2.0
"""`ward doctor`: what was made wrong by hand is found and named, and the exit code says so."""
import re
import secrets

import pytest
from harness.cli import Cli


@pytest.fixture(scope="module")
def ward_cli(own):
    return Cli(own)


def gaps(ward_cli, exit: int = 0) -> dict:
    told = ward_cli.json("auditor", "doctor", exit=exit)
    found = [finding for finding in told["findings"] if finding["level"] == "gap"]
    assert told["gaps"] == len(found)
    assert all(finding["advice"] for finding in found)
    return {finding["check"]: finding["text"] for finding in found}


def test_a_new_deployment_has_no_gap(ward_cli):
    assert gaps(ward_cli) == {}
    table = ward_cli("officer-a", "doctor", "--output", "table").stdout.decode()
    assert table.splitlines()[0].split()[:3] == ["LEVEL", "CHECK", "FOUND"]
    assert "SoftHSM keeps the keys in files" in table, "a warning, and no gap"
    assert re.search(r"^ok +audit-log +the audit log is signed: its newest checkpoint, of [1-9]\d* entries, is \d+ seconds old", table, re.MULTILINE)


def test_an_application_may_not_ask(ward_cli):
    assert b"PERMISSION_DENIED" in ward_cli("app", "doctor", exit=1).stderr


def test_a_key_made_by_hand_is_named_until_it_is_gone(own, ward_cli):
    identifier = secrets.token_hex(20)
    own.token.make_key(identifier, "somebody\x1b[31m's")
    found = gaps(ward_cli, exit=1)
    assert list(found) == ["token-orphans"]
    assert identifier in found["token-orphans"] and "somebody?[31m's" in found["token-orphans"]
    own.token.remove_key(identifier)
    assert gaps(ward_cli) == {}
    own.token.make_key("a1b2", "short")
    assert "CKA_ID a1b2" in gaps(ward_cli, exit=1)["token-orphans"]
    own.token.remove_key("a1b2")


def test_a_version_whose_key_was_taken_away_is_named(own, ward_cli):
    officer = own.client("officer-a")
    officer.create_key("app/lost")
    identifier, = own.postgres.sql("SELECT replace(id::text, '-', '') FROM ward.kek WHERE name = 'app/lost'").split("\n")
    own.token.remove_key(identifier + "00000001")
    found = gaps(ward_cli, exit=1)
    assert "app/lost version 1" in found["token-missing"]
