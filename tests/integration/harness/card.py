# SPDX-License-Identifier: Apache-2.0
"""A smart card, played by SoftHSM2."""
import os
import pathlib
import shlex
import subprocess

from .cli import Cli


class Card:
    """A SoftHSM2 token with an identity's private key, as a smart card would have it."""

    def __init__(self, deployment, folder: pathlib.Path, key=None, name: str = "app", policies=()):
        self.deployment, self.folder = deployment, folder
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        identity = self.identity = deployment.authority.issue([f"spiffe://test.ward/{name}"], common=name, key=key, policies=policies)
        identity.write(folder, "card")
        self.util("--init-token", "--free", "--label", "staff", "--so-pin", "5678", "--pin", "1234")
        self.util("--import", folder / "card.key", "--token", "staff", "--label", "me", "--id", "A1", "--pin", "1234")
        (folder / "card.key").unlink()
        (folder / "pin").write_text("1234\n")

    def util(self, *words) -> None:
        subprocess.run(["softhsm2-util", *map(str, words)], env=self.environment, check=True, capture_output=True)

    def uri(self, path: str = "token=staff;id=%A1", query: str = "") -> str:
        return f"pkcs11:{path}?module-path={self.deployment.module}{query}"


class CardOfficer:
    """An officer with a card, in a profile of the same file as the others."""

    def __init__(self, deployment, folder: pathlib.Path, name: str = "officer-b", policies=()):
        self.name, self.cli, self.card = name, Cli(deployment), Card(deployment, folder, name=name, policies=policies)
        self.profiles = self.cli.profiles.with_name(f"card-{name}.yaml")
        self.profiles.write_text(f'profiles:\n  - name: {name}\n    server: {deployment.daemons[0].target}\n    ca: ca.pem\n'
                                 f'    certificate: {folder}/card.pem\n    key: "{self.card.uri()}"\n')

    def command(self, *arguments) -> list:
        return [str(self.cli.program), "--config", str(self.profiles), "--profile", self.name, *arguments]

    def at_terminal(self, typed: str, *arguments, confirm: str = ""):
        """(exit code, what the terminal showed); script(1) lends one. Typed when asked: what was typed before is dropped."""
        with subprocess.Popen(["script", "-qec", shlex.join(self.command(*arguments)), "/dev/null"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, env=self.card.environment) as process:
            shown = read_until(process, b"PIN of staff: ")
            if confirm:
                process.stdin.write(typed.encode())
                process.stdin.flush()
                typed = confirm + "\n"
                shown += read_until(process, b" to sign this: ")
            rest, _ = process.communicate(typed.encode(), timeout=60)
            return process.returncode, (shown + rest).decode()


def read_until(process, end: bytes) -> bytes:
    shown = b""
    while not shown.endswith(end):
        byte = process.stdout.read(1)
        assert byte, shown
        shown += byte
    return shown
