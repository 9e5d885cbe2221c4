# SPDX-License-Identifier: Apache-2.0
"""Canaries: known keys, PHI and the PIN are looked for everywhere they must never be."""
import base64
import mmap
import os
import pathlib
import re
import secrets
import time

import grpc
import pytest
from harness import daemon, processes
from harness.client import ItemRefused


def spellings(secret: bytes) -> list:
    """Raw, hex in both cases, and base64 at each of its three alignments."""
    found = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            text = encode(b"\0" * shift + secret)
            found.append(text[4 if shift else 0:len(text) // 4 * 4 - 4])
    return found


def find(haystack, needles: dict) -> list:
    return [name for name, words in needles.items() if any(haystack.find(word) >= 0 for word in words)]


def find_in_file(path: pathlib.Path, needles: dict) -> list:
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return find(view, needles)


@pytest.fixture(scope="module")
def used(own):
    """A deployment through which secrets have passed, in success and in failure: needles by name."""
    app, writer, officer_a, officer_b = (own.client(name) for name in ("app", "writer", "officer-a", "officer-b"))
    keys, needles = [], {"pin": spellings(own.token.pin.encode())}
    for number in range(20):
        plaintext, wrapped = app.generate(context={"subject": "canary"})
        keys.append((plaintext, wrapped))
        needles[f"data key {number}"] = spellings(plaintext)
    for plaintext, wrapped in keys:
        assert app.unwrap(wrapped, {"subject": "canary"}) == plaintext
        for call in (lambda: app.unwrap(wrapped), lambda: writer.unwrap(wrapped, {"subject": "canary"})):
            with pytest.raises((ItemRefused, grpc.RpcError)):
                call()
    for number in range(20):
        phi = "phi-" + secrets.token_hex(16)
        subject, record = "subject-" + secrets.token_hex(16), "record-" + secrets.token_hex(16)
        data = b'{"name":"%s","n":%d}' % (phi.encode(), number)
        app.put(subject, record, data)
        assert app.get(subject, record).json == data
        for bad in (data[:-1], data[:-1] + b"," + data[1:]):  # cut; members twice
            with pytest.raises((ItemRefused, grpc.RpcError)):
                app.put(subject, record, bad)
        with pytest.raises((ItemRefused, grpc.RpcError)):
            app.put(subject, record, data, context={"note": phi})  # not public: a keyed hash in the log
        needles |= {f"phi {number}": spellings(phi.encode()), f"subject {number}": spellings(subject.encode()), f"record {number}": spellings(record.encode())}
    opened = officer_a.submit(officer_a.propose_rotation("phi/records"))
    assert officer_b.approve(opened).state == "executed"
    own.needles = needles
    return own


def test_the_search_finds_what_is_there(tmp_path):
    secret = secrets.token_bytes(32)
    for number, shape in enumerate([secret, secret.hex().encode(), base64.b64encode(b"ab" + secret + b"cd"), base64.b64encode(b"a" + secret)]):
        path = tmp_path / str(number)
        path.write_bytes(b"x" * 1000 + shape + b"y" * 10)
        assert find_in_file(path, {"it": spellings(secret)}) == ["it"]


def test_no_secret_in_logs(used):
    logs = [*used.folder.glob("*.log"), *used.postgres.folder.glob("*.log")]
    assert logs and used.daemons[0].log in logs
    for path in logs:
        assert find_in_file(path, used.needles) == [], path


def test_no_secret_in_database_files_or_wal(used):
    used.postgres.sql("CHECKPOINT")
    paths = [path for path in used.postgres.data.rglob("*") if path.is_file()]
    assert any("pg_wal" in str(path) for path in paths) and len(paths) > 500
    for path in paths:
        assert find_in_file(path, used.needles) == [], path


def test_no_secret_in_metrics_or_answers_to_scrapers(used):
    for path in ("/metrics", "/ready", "/nothing"):
        assert find(used.daemons[0].http(path)[1].encode(), used.needles) == []


def test_no_secret_in_the_audit_log(used):
    log = b"\n".join(used.client("auditor").leaves())
    assert find(log, used.needles) == []


def test_no_secret_on_a_command_line_or_in_an_environment(used):
    for pid in (used.daemons[0].pid, *used.daemons[0].helpers()):
        assert find(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes(), used.needles) == []
        try:
            assert find(pathlib.Path(f"/proc/{pid}/environ").read_bytes(), used.needles) == []
        except PermissionError:
            assert not processes.is_root()


def test_no_core_file_is_left(used):
    assert not [path for path in used.folder.rglob("core*") if path.is_file() and path.name.startswith("core")]


def scan(pid: int, needles: dict) -> list:
    """The writable memory of a process, as only root may read it."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().split("\n"):
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match:
                start, end = (int(part, 16) for part in match.groups())
                try:
                    memory.seek(start)
                    found += [f"{name} in {line.split()[-1] if len(line.split()) > 5 else 'heap or stack'} at {start:x}"
                              for name in find(memory.read(end - start), needles)]
                except (OSError, OverflowError):
                    pass
    return found


@pytest.mark.skipif(not processes.is_root(), reason="only root may read the memory of a process that is not dumpable")
def test_no_key_and_no_phi_stays_in_the_daemons_memory(used):
    """Wiped on release: a second after the last request none of them is left in wardd, nor a key in ward-hsm."""
    if daemon.sanitized("wardd"):
        pytest.skip("a sanitizer keeps what was freed")
    time.sleep(1)
    assert scan(used.daemons[0].pid, {"its node": [used.daemons[0].node.encode()]}), "the scan sees nothing at all"
    kept = {name: words for name, words in used.needles.items() if name.split()[0] in ("data", "phi", "pin")}
    assert scan(used.daemons[0].pid, kept) == []
    keys = {name: words for name, words in used.needles.items() if name.startswith("data key")}
    for pid in used.daemons[0].helpers():
        assert scan(pid, keys) == []
