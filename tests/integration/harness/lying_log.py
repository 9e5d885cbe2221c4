# SPDX-License-Identifier: Apache-2.0
"""What who holds a log's key could make of an export: other leaves, in a tree and under a checkpoint that are sound."""
import base64
import hashlib
import json
import pathlib
import shutil

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from .log import root_hash, tile_path


class LyingLog:
    """Of an export with fewer leaves than a tile has, and no rotation in it whose line would have to change."""

    def __init__(self, export: pathlib.Path):
        self.export, self.key = export, ed25519.Ed25519PrivateKey.generate()
        self.origin, size, _ = (export / "checkpoint").read_text().split("\n")[:3]
        self.size = int(size)
        assert 0 < self.size < 256
        data, self.leaves = (export / tile_path("entries", 0, self.size)).read_bytes(), []
        while data:
            end = 2 + int.from_bytes(data[:2], "big")
            self.leaves.append(data[2:end])
            data = data[end:]
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.key_id = hashlib.sha256(self.origin.encode() + b"\n\x01" + public).digest()[:4]
        self.vkey = f"{self.origin}+{self.key_id.hex()}+{base64.b64encode(bytes([1]) + public).decode()}"

    def entries(self) -> list:
        return list(map(json.loads, self.leaves))

    def write(self, folder: pathlib.Path, entries: list) -> None:
        """A whole export of these instead."""
        leaves = [json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() for entry in entries]
        assert len(leaves) == self.size
        shutil.copytree(self.export, folder)
        (folder / tile_path("entries", 0, self.size)).write_bytes(b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves))
        (folder / tile_path("0", 0, self.size)).write_bytes(b"".join(hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves))
        note = f"{self.origin}\n{self.size}\n{base64.b64encode(root_hash(leaves)).decode()}\n"
        signature = base64.b64encode(self.key_id + self.key.sign(note.encode())).decode()
        (folder / "checkpoint").write_text(f"{note}\n\u2014 {self.origin} {signature}\n")
        (folder / "log.vkey").write_text(self.vkey + "\n")
        self.write_manifest(folder)

    def write_manifest(self, folder: pathlib.Path) -> None:
        paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
        lines = []
        for path in paths:
            content = (folder / path).read_bytes()
            lines.append(f'\n{{"path":"{path}","size":{len(content)},"sha256":"{hashlib.sha256(content).hexdigest()}"}}')
        (folder / "manifest.json").write_text(f'{{"format":"ward audit export 1","log":"{self.origin}","size":{self.size},"files":[' +
                                              ",".join(lines) + "\n]}\n")
