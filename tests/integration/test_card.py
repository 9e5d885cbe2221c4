# SPDX-License-Identifier: Apache-2.0
"""An officer whose key is on a card: the command asks for the PIN on the terminal, connects and signs with the card."""
import json
import shlex
import subprocess

import pytest
from harness.card import Card
from harness.cli import Cli


class Officer:
    """officer-b with a card, in a profile of the same file as the others."""

    def __init__(self, ward, folder):
        self.cli, self.card = Cli(ward), Card(ward, folder, name="officer-b")
        self.profiles = self.cli.profiles.with_name("card.yaml")
        self.profiles.write_text(f'profiles:\n  - name: card\n    server: {ward.daemons[0].target}\n    ca: ca.pem\n'
                                 f'    certificate: {self.card.folder}/card.pem\n    key: "{self.card.uri()}"\n')

    def command(self, *arguments) -> list:
        return [str(self.cli.program), "--config", str(self.profiles), "--profile", "card", *arguments]

    def at_terminal(self, typed: str, *arguments):
        """(exit code, what the terminal showed); script(1) lends one. Typed when asked: what was typed before is dropped."""
        with subprocess.Popen(["script", "-qec", shlex.join(self.command(*arguments)), "/dev/null"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, env=self.card.environment) as process:
            shown = b""
            while not shown.endswith(b"PIN of staff: "):
                byte = process.stdout.read(1)
                assert byte, shown
                shown += byte
            rest, _ = process.communicate(typed.encode(), timeout=60)
            return process.returncode, (shown + rest).decode()

    def proposal(self) -> str:
        ran = self.cli("officer-a", "key", "rotate", "app/demo", "--output", "json", exit=4)
        return json.loads(ran.stdout)["proposal"]


@pytest.fixture
def officer(ward, tmp_path):
    return Officer(ward, tmp_path)


def test_an_officer_approves_with_a_card_and_types_the_pin_once(officer, officer_a):
    proposal, before = officer.proposal(), len(officer_a.describe_key("app/demo").versions)
    code, shown = officer.at_terminal("1234\n", "approval", "approve", proposal, "--yes")
    assert code == 0, shown
    assert shown.count("PIN of staff") == 1
    assert len(officer_a.describe_key("app/demo").versions) == before + 1


def test_a_wrong_pin_signs_nothing(officer, officer_a):
    proposal, before = officer.proposal(), len(officer_a.describe_key("app/demo").versions)
    code, shown = officer.at_terminal("4321\n", "approval", "approve", proposal, "--yes")
    assert code == 2 and "refuses the PIN" in shown and "4321" not in shown, shown
    assert len(officer_a.describe_key("app/demo").versions) == before


def test_without_a_terminal_no_pin_is_taken_from_elsewhere(officer):
    ran = subprocess.run(["setsid", "--wait", *officer.command("key", "list")], input="1234\n", text=True, capture_output=True, timeout=60,
                         check=False, env=officer.card.environment)
    assert ran.returncode == 2 and "PIN" in ran.stderr, ran.stderr
