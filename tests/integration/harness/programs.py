# SPDX-License-Identifier: Apache-2.0
"""The client programs of tests/clients: what tests/run has installed of them, and a run of one."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from . import stubs

ROOT = pathlib.Path(__file__).resolve().parents[3]
NAMES = ("js", "go")


def _command(name: str) -> list:
    """How it is started; a missing one is a failure in CI and a named skip elsewhere."""
    installed = pathlib.Path(os.environ.get("WARD_CLIENTS", ROOT / "build-tests/clients"))
    if name == "js" and shutil.which("node") and (installed / "js/node_modules").is_dir():
        return ["env", f"NODE_PATH={installed}/js/node_modules", "node", str(ROOT / "tests/clients/js/client.js")]
    if name == "go" and os.access(installed / "ward-client-go", os.X_OK):
        return [str(installed / "ward-client-go")]
    missing = f"the {name} client is not in {installed}: `tests/run python` installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    return pytest.skip(missing)


class Program:
    """One of NAMES, as app, against daemons of a deployment."""

    def __init__(self, name: str, deployment, folder: pathlib.Path):
        self.name, self.command, self.deployment, self.folder, self.runs = name, _command(name), deployment, folder, 0
        self.certificate, self.key = deployment.identities["app"].write(folder, "app")
        self.descriptors = folder / "descriptors"
        files = [str(path.relative_to(stubs.PROTO)) for path in sorted(stubs.PROTO.rglob("*.proto"))]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{stubs.PROTO}", "--include_imports",
                        f"--descriptor_set_out={self.descriptors}", *files], check=True, cwd=stubs.PROTO)

    def start(self, cases, servers) -> subprocess.Popen:
        self.runs += 1
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdin.write(json.dumps({
            "targets": [f"127.0.0.1:{server.port}" for server in servers], "ca": str(self.deployment.folder / "ca.pem"),
            "certificate": str(self.certificate), "key": str(self.key), "protos": str(stubs.PROTO),
            "descriptors": str(self.descriptors), "prefix": f"{self.name}{self.runs}", "cases": list(cases)}) + "\n")
        process.stdin.flush()
        return process

    @staticmethod
    def finish(process) -> dict:
        """What it saw, by the names of the cases."""
        try:
            out, said = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"it did not end: {process.communicate()}") from None
        assert process.returncode == 0, said
        return json.loads(out.splitlines()[-1])["cases"]

    def run(self, *cases, server=None) -> dict:
        return self.finish(self.start(cases, [server or self.deployment.daemons[0]]))
