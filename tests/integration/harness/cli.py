# SPDX-License-Identifier: Apache-2.0
"""The command `ward`, run as a user runs it."""
import json
import subprocess

from . import daemon


class Cli:
    """`Cli(deployment)("app", "key", "list")`: as that identity, with JSON output unless told otherwise."""

    def __init__(self, deployment, server=None):
        folder = deployment.folder / "cli"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "ca.pem").write_bytes(deployment.authority.pem)
        profiles = "profiles:\n"
        for name, identity in deployment.identities.items():
            identity.write(folder, name)
            profiles += (f"  - name: {name}\n    server: {server or deployment.daemons[0].target}\n    ca: ca.pem\n"
                         f"    certificate: {name}.pem\n    key: {name}.key\n")
        self.profiles = folder / "profiles.yaml"
        self.profiles.write_text(profiles)
        self.program = daemon.find_binary("ward")

    def command(self, who: str, *arguments) -> list:
        return [self.program, "--config", self.profiles, "--profile", who, *map(str, arguments)]

    def __call__(self, who: str, *arguments, stdin=b"", exit: int = 0, **options) -> subprocess.CompletedProcess:
        """Fails the test when it does not end with this exit code. stdin: bytes, or an open file."""
        given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
        ran = subprocess.run(self.command(who, *arguments), capture_output=True, timeout=60, check=False, **given, **options)
        assert ran.returncode == exit, f"{arguments}: {ran.returncode}\n{ran.stderr.decode(errors='replace')}"
        return ran

    def json(self, who: str, *arguments, **options) -> dict:
        return json.loads(self(who, *arguments, "--output", "json", **options).stdout)
