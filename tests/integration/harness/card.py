# SPDX-License-Identifier: Apache-2.0
"""A smart card, played by SoftHSM2."""
import os
import pathlib
import subprocess


class Card:
    """A SoftHSM2 token with an identity's private key, as a smart card would have it."""

    def __init__(self, deployment, folder: pathlib.Path, key=None, name: str = "app"):
        self.deployment, self.folder = deployment, folder
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {**os.environ, "SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        identity = deployment.authority.issue([f"spiffe://test.ward/{name}"], common=name, key=key)
        identity.write(folder, "card")
        self.util("--init-token", "--free", "--label", "staff", "--so-pin", "5678", "--pin", "1234")
        self.util("--import", folder / "card.key", "--token", "staff", "--label", "me", "--id", "A1", "--pin", "1234")
        (folder / "card.key").unlink()
        (folder / "pin").write_text("1234\n")

    def util(self, *words) -> None:
        subprocess.run(["softhsm2-util", *map(str, words)], env=self.environment, check=True, capture_output=True)

    def uri(self, path: str = "token=staff;id=%A1", query: str = "") -> str:
        return f"pkcs11:{path}?module-path={self.deployment.module}{query}"
