# SPDX-License-Identifier: Apache-2.0
"""A PKCS#11 module between ward-hsm and SoftHSM2 that misbehaves when told to."""
import pathlib
import shlex
import subprocess

SUPPORT = pathlib.Path(__file__).resolve().parents[2] / "support"
DEADLINE_MS = 700


class Faults:
    """A module between ward-hsm and SoftHSM2 that does what a file says, and counts calls."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.control, self.count = deployment.folder / "control", deployment.folder / "count"
        self.module = deployment.folder / "faulty.so"
        flags = subprocess.run(["pkg-config", "--cflags", "p11-kit-1"], check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", *flags, "-o", self.module, SUPPORT / "faulty_module.c", "-ldl"], check=True)
        self.helper = deployment.folder / "ward-hsm-faulty"
        params = f"real={deployment.module};control={self.control};count={self.count}"
        self.helper.write_text(f'#!/bin/sh\nexec {deployment.binary("ward-hsm")} "$@" --module-params {shlex.quote(params)}\n')
        self.helper.chmod(0o755)

    def settings(self) -> dict:
        return dict(hsm_module=self.module, helper=self.helper, workers=2, deadline_ms=DEADLINE_MS)

    def do(self, line: str) -> None:
        new = self.control.with_suffix(".new")
        new.write_text(line + "\n")
        new.rename(self.control)

    def stop(self) -> None:
        self.control.unlink(missing_ok=True)

    def counted(self, call: str) -> int:
        """Of C_Initialize, C_Login, C_CopyObject and C_FindObjectsInit, by all helpers so far."""
        return self.count.read_text().split("\n").count(call) if self.count.exists() else 0

    def logins(self) -> int:
        return self.counted("C_Login")
