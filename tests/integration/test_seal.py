# SPDX-License-Identifier: Apache-2.0
"""Sealed files end to end: `ward seal` and `ward open` against a reader that shares no line with them, every way
of bending a file, pipes, and wrapping anew after a rotation."""
import os
import pathlib
import stat
import struct
import subprocess
import sys

import pytest
from harness.cli import Cli
from harness.daemon import sanitized

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "vectors"))
from check_vectors import AESGCM, InvalidTag, open_sealed, seal_cut, seal_keys, seal_nonce  # noqa: E402

CONTEXT = {"tenant": "north", "purpose": "TREAT"}
PAIRS = [argument for key, value in CONTEXT.items() for argument in ("--context", f"{key}={value}")]
CLOSED = b"ciphertext does not open"
CHUNK = 4096


@pytest.fixture(name="cli")
def fixture_cli(ward):
    return Cli(ward)


def sample(size: int) -> bytes:
    return bytes(i * 7 % 253 for i in range(size))


def seal(cli, content: bytes, *arguments, context=()) -> bytes:
    return cli("app", "seal", "--key", "app/demo", *(context or PAIRS), *arguments, stdin=content).stdout


def wrapped_of(sealed: bytes) -> bytes:
    return sealed[11:11 + struct.unpack_from(">H", sealed, 9)[0]]


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 70000])
def test_another_reader_opens_what_we_seal(cli, app, size):
    content = sample(size)
    sealed = seal(cli, content, "--chunk-size", CHUNK, "--associated-data", "scan 7")
    assert content[:64] not in sealed or size < 16
    assert open_sealed(sealed, lambda wrapped: app.unwrap(wrapped, CONTEXT), b"scan 7") == content
    assert cli("app", "open", *PAIRS, "--associated-data", "scan 7", stdin=sealed).stdout == content


def test_we_open_what_another_writer_seals(cli, app):
    data_key, wrapped = app.generate(context=CONTEXT)
    content, salt = sample(2 * CHUNK + 5), os.urandom(32)
    _, okm, aad = seal_keys(data_key, salt, CHUNK, b"")
    chunks = seal_cut(content, CHUNK)
    sealed = b"WARDSEAL\1" + struct.pack(">H", len(wrapped)) + wrapped + salt + okm[32:] + struct.pack(">I", CHUNK)
    for number, chunk in enumerate(chunks):
        sealed += AESGCM(okm[:32]).encrypt(seal_nonce(number, number == len(chunks) - 1), chunk, aad)
    assert cli("app", "open", *PAIRS, stdin=sealed).stdout == content


def mutations(sealed: bytes):
    """Every byte flipped, every length, chunks exchanged, doubled, left out; one longer."""
    for at in range(len(sealed)):
        yield sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1:]
        yield sealed[:at]
    yield sealed + b"\0"
    yield sealed + sealed[-16:]
    head = len(sealed) - (2 * (CHUNK + 16) + 10 + 16)
    one, two, last = sealed[head:head + CHUNK + 16], sealed[head + CHUNK + 16:-26], sealed[-26:]
    for chunks in ((two, one, last), (one, one, last), (one, last), (last,), (one, two), (one, two, last, last), (two, last)):
        yield sealed[:head] + b"".join(chunks)


def test_another_reader_refuses_every_mutation(cli, app):
    sealed = seal(cli, sample(2 * CHUNK + 10), "--chunk-size", CHUNK)
    data_key, right = app.unwrap(wrapped_of(sealed), CONTEXT), wrapped_of(sealed)

    def unwrap(wrapped):
        if wrapped != right:  # the daemon answers so; test_data_keys.py tries every bit
            raise ValueError("ciphertext does not open")
        return data_key
    # Flips and cuts deep inside a chunk are all alike: take each end of each, and some between.
    head = len(sealed) - (2 * (CHUNK + 16) + 26)
    interesting = [m for i, m in enumerate(mutations(sealed)) if i < 2 * (head + 40) or i % 97 == 0 or i > 2 * len(sealed) - 90]
    assert len(interesting) > 500
    assert open_sealed(sealed, unwrap) == sample(2 * CHUNK + 10)
    for bent in interesting:
        with pytest.raises((ValueError, InvalidTag)):
            open_sealed(bent, unwrap)


def test_ward_open_refuses_mutations_with_one_error(cli, tmp_path):
    sealed = seal(cli, sample(2 * CHUNK + 10), "--chunk-size", CHUNK)
    head = len(sealed) - (2 * (CHUNK + 16) + 26)
    bent = [m for i, m in enumerate(mutations(sealed)) if i in (0, 16, 20, 40, 60, 2 * head - 2, 2 * head, 2 * head + 1, 9000, 9001)]
    bent += list(mutations(sealed))[2 * len(sealed):]
    for content in bent:
        out = tmp_path / "out"
        ran = cli("app", "open", *PAIRS, "-o", out, stdin=content, exit=1)
        assert CLOSED in ran.stderr and not ran.stdout
        assert not os.listdir(tmp_path)


def test_another_context_or_identity_does_not_open(cli):
    sealed = seal(cli, b"secret")
    for context in ([], ["--context", "tenant=north"], ["--context", "tenant=south", "--context", "purpose=TREAT"]):
        assert CLOSED in cli("app", "open", *context, stdin=sealed, exit=1).stderr
    assert CLOSED in cli("app", "open", *PAIRS, "--associated-data", "x", stdin=sealed, exit=1).stderr
    assert b"PERMISSION_DENIED" in cli("stranger", "open", *PAIRS, stdin=sealed, exit=1).stderr
    assert b"PERMISSION_DENIED" in cli("app", "seal", "--key", "app/vault/top", stdin=b"x", exit=1).stderr


def test_files_are_made_whole_and_for_their_owner(cli, tmp_path):
    plain, shut, back = tmp_path / "plain", tmp_path / "shut", tmp_path / "back"
    plain.write_bytes(sample(100000))
    plain.chmod(0o644)
    made = cli.json("app", "seal", "--key", "app/demo", *PAIRS, "-o", shut, plain)
    assert made == {"output": str(shut), "bytes": 100000, "sealed_bytes": shut.stat().st_size}
    opened = cli.json("app", "open", *PAIRS, "-o", back, shut)
    assert opened["bytes"] == 100000 and back.read_bytes() == plain.read_bytes()
    assert stat.S_IMODE(back.stat().st_mode) == 0o600 and stat.S_IMODE(shut.stat().st_mode) == 0o644
    ran = cli("app", "open", *PAIRS, "-o", back, shut, exit=1)
    assert b"exists" in ran.stderr and b"--force" in ran.stderr
    cli("app", "open", *PAIRS, "-o", back, "--force", shut)
    assert sorted(os.listdir(tmp_path)) == ["back", "plain", "shut"]


def test_a_pipe_that_fails_late_says_so(cli):
    content = sample(20 * CHUNK)
    sealed = seal(cli, content, "--chunk-size", CHUNK)
    ran = cli("app", "open", *PAIRS, stdin=sealed[:-1], exit=1)
    assert b"not the whole" in ran.stderr and b"Discard it" in ran.stderr and CLOSED in ran.stderr
    assert content.startswith(ran.stdout) and len(ran.stdout) < len(content)


def test_pipes_in_a_row(cli):
    content = sample(300000)
    first = subprocess.Popen(cli.command("app", "seal", "--key", "app/demo", *PAIRS), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    second = subprocess.Popen(cli.command("app", "open", *PAIRS), stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    first.stdin.write(content)
    first.stdin.close()
    assert second.communicate(timeout=60)[0] == content
    assert first.wait(10) == 0 and second.returncode == 0


def test_memory_does_not_grow_with_the_file(cli, tmp_path):
    if sanitized("ward"):
        pytest.skip("a sanitizer's build takes memory of its own")
    large, shut = tmp_path / "large", tmp_path / "shut"
    with open(large, "wb") as file:
        file.truncate(192 << 20)
    bounded = ["prlimit", f"--as={96 << 20}"]  # all of its address space, libraries too
    arguments = ["seal", "--key", "app/demo", "-o", shut, large], ["open", "-o", "-", shut]
    for given in arguments:
        subprocess.run([*bounded, *cli.command("app", *given)], stdout=subprocess.DEVNULL, timeout=60, check=True)


def test_bad_input_is_refused_by_name(cli, tmp_path):
    for arguments, text in (
            ([], b"--key NAME is needed"), (["--key", "app/demo", "--chunk-size", "5000"], b"chunk size: not a power of two"),
            (["--key", "app/demo", "--chunk-size", "1"], b"--chunk-size is a number"), (["--key", "Bad Name"], b"key"),
            (["--key", "app/demo", "--context", "x"], b"KEY=VALUE")):
        ran = cli("app", "seal", *arguments, stdin=b"x", exit=2 if b"needed" in text or b"number" in text or b"VALUE" in text else 1)
        assert text in ran.stderr and not ran.stdout
    assert b"cannot open" in cli("app", "open", tmp_path / "nothing", exit=1).stderr
    assert b"Is a directory" in cli("app", "seal", "--key", "app/demo", tmp_path, exit=1).stderr
    assert CLOSED in cli("app", "open", stdin=b"this was never sealed", exit=1).stderr
    for content in (b"this was never sealed", b"", b"WARDSEA"):
        (tmp_path / "plain").write_bytes(content)
        for verb in (["open"], ["seal", "rewrap"]):
            assert b"plain: not a sealed file" in cli("app", *verb, tmp_path / "plain", exit=1).stderr


# ---- wrapping anew

def test_wrapping_anew_changes_the_wrapped_key_alone(own, tmp_path):
    cli, officer_a, officer_b = Cli(own), own.client("officer-a"), own.client("officer-b")
    file, content = tmp_path / "file", sample(100000)
    file.write_bytes(seal(cli, content))
    file.chmod(0o640)
    before = file.read_bytes()
    assert officer_b.approve(officer_a.submit(officer_a.propose_rotation("app/demo"))).state == "executed"
    done = cli.json("app", "seal", "rewrap", *PAIRS, file)
    assert done == {"files": [{"file": str(file), "key": "app/demo", "version": 2, "unchanged": False}]}
    after, size = file.read_bytes(), len(wrapped_of(before))
    assert after[:11] == before[:11] and after[11 + size:] == before[11 + size:] and wrapped_of(after) != wrapped_of(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert cli("app", "open", *PAIRS, file).stdout == content
    assert cli.json("app", "seal", "rewrap", *PAIRS, file)["files"][0]["unchanged"] is True
    # Another key-encryption key and another context; the old context opens no more.
    cli("app", "seal", "rewrap", *PAIRS, "--key", "app/other", "--new-context", "tenant=south", file)
    assert cli("app", "open", "--context", "tenant=south", file).stdout == content
    assert CLOSED in cli("app", "open", *PAIRS, file, exit=1).stderr


def test_a_file_that_cannot_be_wrapped_anew_stays(cli, tmp_path):
    good, altered = tmp_path / "good", tmp_path / "altered"
    sealed = seal(cli, b"content")
    good.write_bytes(sealed)
    altered.write_bytes(sealed[:40] + bytes([sealed[40] ^ 1]) + sealed[41:])
    before = altered.read_bytes()
    ran = cli("app", "seal", "rewrap", "--output", "json", *PAIRS, altered, good, exit=1)
    assert CLOSED in ran.stderr and str(good).encode() in ran.stdout and str(altered).encode() not in ran.stdout
    assert altered.read_bytes() == before
    assert CLOSED in cli("app", "seal", "rewrap", good, exit=1).stderr  # without its context
    assert cli("app", "open", *PAIRS, good).stdout == b"content"
