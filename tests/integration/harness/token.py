# SPDX-License-Identifier: Apache-2.0
"""A SoftHSM2 token in a folder of its own."""
import json
import os
import pathlib
import secrets
import subprocess

from . import template

ROOT = pathlib.Path(__file__).resolve().parents[3]


def module() -> str:
    for path in ("/usr/lib/softhsm/libsofthsm2.so", *map(str, pathlib.Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"))):
        if os.path.exists(path):
            return path
    raise AssertionError("libsofthsm2.so is not installed")


class Token:
    def __init__(self, folder: pathlib.Path, source: pathlib.Path = None):
        """source: the folder of another token, of which this is to be a copy."""
        self.folder = folder
        self.tokens = folder / "tokens"
        if source:
            template.copy(source, folder)
        else:
            self.tokens.mkdir(parents=True)
        self.conf = folder / "softhsm2.conf"
        self.conf.write_text(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
                             "slots.removable = false\n")
        self.pin_file = folder / "pin"
        if source:
            self.pin = self.pin_file.read_text().strip()
            return
        self.pin = secrets.token_hex(8)
        self.pin_file.touch(mode=0o600)
        self.pin_file.write_text(self.pin + "\n")
        subprocess.run([ROOT / "deploy/lib/init_token.py", "ward", self.pin_file], env=self.environment(), check=True)

    def environment(self) -> dict:
        return {**os.environ, "SOFTHSM2_CONF": str(self.conf)}

    def take_away(self) -> None:
        self.tokens.rename(self.folder / "away")

    def put_back(self) -> None:
        (self.folder / "away").rename(self.tokens)

    def _look(self, *words) -> str:
        ran = subprocess.run([ROOT / "tests/support/token_objects.py", module(), self.pin_file, *words], env=self.environment(),
                             check=False, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def keys(self) -> dict:
        """CKA_ID in hex -> label, of every AES key in the token."""
        return {found: label for kind, found, label in json.loads(self._look()) if kind == 4}

    def make_key(self, identifier: str, label: str) -> None:
        self._look("make", identifier, label)

    def remove_key(self, identifier: str) -> None:
        self._look("remove", identifier)
