# SPDX-License-Identifier: Apache-2.0
"""An officer whose key is on a card: the command asks for the PIN on the terminal, connects and signs with the card."""
import json
import subprocess

import pytest
from harness.card import CardOfficer


def proposal_of(officer) -> str:
    ran = officer.cli("officer-a", "key", "rotate", "app/demo", "--output", "json", exit=4)
    return json.loads(ran.stdout)["proposal"]


@pytest.fixture
def officer(ward, tmp_path):
    return CardOfficer(ward, tmp_path)


def test_an_officer_approves_with_a_card_and_types_the_pin_once(officer, officer_a):
    proposal, before = proposal_of(officer), len(officer_a.describe_key("app/demo").versions)
    code, shown = officer.at_terminal("1234\n", "approval", "approve", proposal, "--yes")
    assert code == 0, shown
    assert shown.count("PIN of staff") == 1
    assert len(officer_a.describe_key("app/demo").versions) == before + 1


def test_a_wrong_pin_signs_nothing(officer, officer_a):
    proposal, before = proposal_of(officer), len(officer_a.describe_key("app/demo").versions)
    code, shown = officer.at_terminal("4321\n", "approval", "approve", proposal, "--yes")
    assert code == 2 and "refuses the PIN" in shown and "4321" not in shown, shown
    assert len(officer_a.describe_key("app/demo").versions) == before


def test_without_a_terminal_no_pin_is_taken_from_elsewhere(officer):
    ran = subprocess.run(["setsid", "--wait", *officer.command("key", "list")], input="1234\n", text=True, capture_output=True, timeout=60,
                         check=False, env=officer.card.environment)
    assert ran.returncode == 2 and "PIN" in ran.stderr, ran.stderr
