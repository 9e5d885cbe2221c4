# SPDX-License-Identifier: Apache-2.0
"""Token and database of a fresh deployment, made once for each policy and daemon and copied from then on: making
them takes two seconds of a core, copying them a tenth of one. All else of a deployment is its own.

Test files that run side by side share WARD_TEMPLATES; without it every process has a folder of its own.
"""
import atexit
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tempfile


def copy(source: pathlib.Path, to: pathlib.Path) -> None:
    subprocess.run(["cp", "-a", "--reflink=auto", source, to], check=True)


def _root() -> pathlib.Path:
    shared = os.environ.get("WARD_TEMPLATES")
    if shared is None:
        shared = os.environ["WARD_TEMPLATES"] = tempfile.mkdtemp(prefix="ward-templates-", dir="/tmp")
        atexit.register(shutil.rmtree, shared, ignore_errors=True)
    root = pathlib.Path(shared)
    root.mkdir(parents=True, exist_ok=True)
    return root


@contextlib.contextmanager
def _alone(path: pathlib.Path):
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Template:
    """Folders `hsm` and `pg`, and what genesis said."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.hsm, self.pg = folder / "hsm", folder / "pg"

    @property
    def genesis(self) -> dict:
        return json.loads((self.folder / "genesis.json").read_text())

    def _fill(self, deployment) -> None:
        """Takes what a deployment that nobody needs any more has made."""
        deployment.postgres.stop()
        copy(deployment.token.folder, self.hsm)
        copy(deployment.postgres.folder, self.pg)
        # Last: who finds it finds all.
        (self.folder / "genesis.json").write_text(json.dumps(deployment.genesis))


def of(policy: str, daemon: pathlib.Path, make) -> Template:
    """The one of this policy and this daemon; make() gives a deployment of its own when it is not there yet."""
    built = daemon.stat()
    name = hashlib.sha256(f"{policy}\0{daemon}\0{built.st_mtime_ns}\0{built.st_size}".encode()).hexdigest()[:16]
    root = _root()
    template = Template(root / name)
    with _alone(root / f"{name}.lock"):
        if not (template.folder / "genesis.json").exists():
            shutil.rmtree(template.folder, ignore_errors=True)
            template.folder.mkdir()
            deployment = make()
            try:
                template._fill(deployment)
            finally:
                deployment.close()
    return template
