# SPDX-License-Identifier: Apache-2.0
"""An auditor's own check of the log, written from the documents and not from our code: RFC 6962
tree hash, C2SP signed note."""
import base64
import hashlib
import json
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "vectors"))
from check_vectors import follow_policies, tile_path  # noqa: E402


def root_hash(leaves: list) -> bytes:
    """RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]

    def tree(nodes: list) -> bytes:
        if len(nodes) == 1:
            return nodes[0]
        split = 1 << ((len(nodes) - 1).bit_length() - 1)
        return hashlib.sha256(b"\x01" + tree(nodes[:split]) + tree(nodes[split:])).digest()
    return tree(level)


def open_note(note: str, vkey: str) -> tuple:
    """(origin, size, root) of a checkpoint whose signature by this key verifies."""
    name, _, rest = vkey.partition("+")
    key_id, _, encoded = rest.partition("+")
    key = base64.b64decode(encoded)
    text, _, signatures = note.partition("\n\n")
    text += "\n"
    blobs = [base64.b64decode(line.split(" ")[2]) for line in signatures.split("\n") if line.startswith(f"\u2014 {name} ")]
    blob = next((blob for blob in blobs if blob[:4].hex() == key_id), None)
    assert blob, "it is not signed by this key"
    if key[0] == 1:
        assert hashlib.sha256(name.encode() + b"\n" + key).digest()[:4].hex() == key_id
        ed25519.Ed25519PublicKey.from_public_bytes(key[1:]).verify(blob[4:], text.encode())
    else:
        assert key[0] == 2 and hashlib.sha256(key[1:]).digest()[:4].hex() == key_id
        serialization.load_der_public_key(key[1:]).verify(blob[4:], text.encode(), ec.ECDSA(hashes.SHA256()))
    origin, size, root = text.split("\n")[:3]
    return origin, int(size), base64.b64decode(root)


def follow_keys(leaves: list, handovers: list, vkey: str, last: str) -> list:
    """The entries that change the log's key: each from the one before, the first checkpoint behind it signed by both;
    from the first to the last, and `vkey` is one of them."""
    entries = [json.loads(leaf) for leaf in leaves]
    changes = [entry for entry in entries if entry["outcome"] == "allowed" and entry.get("detail", {}).get("executed") == "audit.rotate-log-key"]
    keys = [changes[0]["detail"]["from_vkey"] if changes else last]
    assert len(handovers) == len(changes)
    for number, (change, note) in enumerate(zip(changes, handovers), 1):
        detail = change["detail"]
        assert (detail["from_vkey"], detail["from_version"], detail["to_version"]) == (keys[-1], number, number + 1)
        assert detail["proposer"] not in detail["approvers"].split(" ")
        keys.append(detail["to_vkey"])
        before, after = open_note(note, keys[-2]), open_note(note, keys[-1])
        assert before == after and change["seq"] < after[1] <= len(leaves)
        assert root_hash(leaves[:after[1]]) == after[2], "the handover is of another log"
    assert keys[-1] == last and vkey in keys
    return changes


def is_signed(note: str, size: int, vkey: str) -> bool:
    try:
        return open_note(note, vkey)[1] == size
    except (AssertionError, InvalidSignature, ValueError, IndexError):
        return False


def find_handover(rows: dict, change: dict) -> tuple:
    """Of the stored rows, size -> note: the size of the smallest behind the change that both keys signed, and those before
    it that none of them did."""
    vkeys, strange = [change["detail"]["from_vkey"], change["detail"]["to_vkey"]], []
    for size in sorted(size for size in rows if size > change["seq"]):
        signed = [is_signed(rows[size], size, vkey) for vkey in vkeys]
        if all(signed):
            return size, strange
        if not any(signed):
            strange.append(size)
    raise AssertionError("there is no handover")


def verify(auditor, vkey: str) -> list:
    """Fetches the whole log, checks it against its signed checkpoint, returns the entries."""
    auditor.settle()
    newest = auditor.checkpoint()
    _, size, root = open_note(newest.note, newest.vkey)
    leaves = []
    while len(leaves) < size:
        page = auditor.export(len(leaves), size)
        assert page, "the log ends before its checkpoint's size"
        leaves += page
    assert root_hash(leaves) == root, "the leaves are not those that were signed"
    follow_keys(leaves, list(newest.handovers), vkey, newest.vkey)
    entries = [json.loads(leaf) for leaf in leaves]
    assert [entry["seq"] for entry in entries] == list(range(size)), "leaves are not numbered in order"
    _, breaks = follow_policies(entries)
    assert breaks is None, f"the policy that decided it was not in force there: {entries[breaks]}"
    return entries
