# SPDX-License-Identifier: Apache-2.0
"""RewrapDataKeys: applications' own wrapped keys follow a rotation, change their KEK or their context."""
import base64
import json
import subprocess

import pytest
from harness.client import ItemRefused, item_refused

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION = 3, 5, 7, 9
CLOSED = "ciphertext does not open"
CONTEXT = {"tenant": "north", "purpose": "TREAT"}


@pytest.fixture(scope="module")
def rotated(own):
    """A KEK with two versions, and a data key under the first: (deployment, plaintext, wrapped)."""
    app, alice, bob = (own.client(name) for name in ("app", "officer-a", "officer-b"))
    plaintext, wrapped = app.generate(context=CONTEXT)
    bob.approve(alice.submit(alice.propose_rotation("app/demo")))
    yield own, plaintext, wrapped
    for client in (app, alice, bob):
        client.close()


@pytest.fixture(name="caller")
def _caller(rotated):
    client = rotated[0].client("app")
    yield client
    client.close()


# ---- refused ----

@pytest.mark.parametrize("context", [{}, {"tenant": "north"}, {**CONTEXT, "x": ""}, {"tenant": "south", "purpose": "TREAT"}])
def test_another_context_does_not_open(rotated, caller, context):
    item_refused(INVALID_ARGUMENT, CLOSED, lambda: caller.rewrap(rotated[2], context, new_context=CONTEXT))


def test_altered_keys_do_not_open(rotated, caller):
    wrapped = rotated[2]
    good = dict(wrapped=wrapped, context=CONTEXT)
    flips = [bytes(byte ^ (1 << bit % 8) if place == bit // 8 else byte for place, byte in enumerate(wrapped))
             for bit in range(0, len(wrapped) * 8, 3)]
    results = caller.rewrap_items([good] + [dict(wrapped=flip, context=CONTEXT) for flip in flips + [b"", wrapped[:-1], wrapped + b"\0"]])
    assert not results[0].HasField("error")
    assert {(result.error.code, result.error.message) for result in results[1:]} == {(INVALID_ARGUMENT, CLOSED)}
    assert not any(result.wrapped or result.key for result in results[1:])


@pytest.mark.parametrize("where, code, text", [
    (dict(key="app/nothing-here"), NOT_FOUND, "key"), (dict(key="phi/records"), PERMISSION_DENIED, "policy"),
    (dict(key="app/vault/top"), PERMISSION_DENIED, "policy"), (dict(key="App/demo"), INVALID_ARGUMENT, "key: not a name"),
    (dict(key="a" * 129), INVALID_ARGUMENT, "key: longer than 128 bytes"), (dict(version=3), NOT_FOUND, "version"),
    (dict(version=1), FAILED_PRECONDITION, "version"), (dict(key="app/other", version=2), NOT_FOUND, "version"),
    (dict(new_context={f"k{i}": "" for i in range(33)}), INVALID_ARGUMENT, "context: more than 32 pairs"),
    (dict(new_context={"k": "v" * 8192}), INVALID_ARGUMENT, "context: larger than 8192 bytes"),
    (dict(new_context={"": "v"}), INVALID_ARGUMENT, "context: empty key")])
def test_where_it_may_not_go(rotated, caller, where, code, text):
    item_refused(code, text, lambda: caller.rewrap(rotated[2], CONTEXT, **where))


def test_the_number_of_items_is_limited(rotated, caller, refused):
    refused("INVALID_ARGUMENT", "items", lambda: caller.rewrap_items([]))
    refused("INVALID_ARGUMENT", "items", lambda: caller.rewrap_items([dict(wrapped=b"x")] * 1001))


def test_who_may_not_unwrap_may_still_move_and_needs_the_right_at_both_ends(rotated):
    mover, app = rotated[0].client("provisioner"), rotated[0].client("app")
    _, wrapped = mover.generate(context={"purpose": "TREAT"}, without_plaintext=True)
    item_refused(PERMISSION_DENIED, "policy", lambda: mover.unwrap(wrapped, {"purpose": "TREAT"}))
    moved = mover.rewrap(wrapped, {"purpose": "TREAT"}, key="app/other", new_context={"purpose": "TREAT", "tenant": "north"})
    assert len(app.unwrap(moved.wrapped, {"purpose": "TREAT", "tenant": "north"})) == 32
    item_refused(PERMISSION_DENIED, "policy", lambda: mover.rewrap(wrapped, {"purpose": "TREAT"}, new_context={"purpose": "HPAYMT"}))
    item_refused(PERMISSION_DENIED, "policy: not allowed (action data-key.rewrap, rule default-deny)",
                 lambda: mover.rewrap(wrapped, {"purpose": "TREAT"}, new_context={}))
    results = mover.rewrap_items([dict(wrapped=wrapped, context={"purpose": "TREAT"})] * 2)
    assert {result.error.message for result in results} == {"policy: more than one key in a request is not allowed (action data-key.batch, rule default-deny)"}
    for client in (mover, app):
        client.close()


# ---- moved ----

def test_it_goes_to_the_newest_version(rotated, caller):
    _, plaintext, wrapped = rotated
    moved = caller.rewrap(wrapped, CONTEXT)
    assert (moved.key, moved.version, moved.unchanged) == ("app/demo", 2, False)
    assert moved.wrapped != wrapped and plaintext not in moved.wrapped
    assert caller.unwrap(moved.wrapped, CONTEXT) == caller.unwrap(wrapped, CONTEXT) == plaintext
    again = caller.rewrap(moved.wrapped, CONTEXT)
    assert again.unchanged and again.wrapped == moved.wrapped
    assert caller.rewrap(wrapped, CONTEXT, version=2).version == 2


@pytest.mark.parametrize("new_context", [None, {}, {"tenant": "south"}, {**CONTEXT, "more": "x"}])
def test_it_goes_to_another_kek_and_context(rotated, caller, new_context):
    _, plaintext, wrapped = rotated
    moved = caller.rewrap(wrapped, CONTEXT, key="app/other", new_context=new_context)
    after = CONTEXT if new_context is None else new_context
    assert (moved.key, moved.version) == ("app/other", 1)
    assert caller.unwrap(moved.wrapped, after) == plaintext
    if new_context is not None:
        item_refused(INVALID_ARGUMENT, CLOSED, lambda: caller.unwrap(moved.wrapped, CONTEXT))


def test_order_is_kept_and_each_item_is_answered_on_its_own(rotated, caller):
    _, _, wrapped = rotated
    made = [key for result in caller.generate_items([dict(key="app/other", count=300)]) for key in result.keys]
    items = [dict(wrapped=key.wrapped, key="app/demo") for key in made]
    items[7] = dict(wrapped=b"\x01nonsense")
    items[100] = dict(wrapped=made[100].wrapped, context={"x": "y"})
    items[200] = dict(wrapped=made[200].wrapped, key="phi/records")
    results = caller.rewrap_items(items)
    wrong = {7: INVALID_ARGUMENT, 100: INVALID_ARGUMENT, 200: PERMISSION_DENIED}
    assert {place: result.error.code for place, result in enumerate(results) if result.HasField("error")} == wrong
    opened = caller.unwrap_items([(result.wrapped or wrapped, {}) for result in results])
    assert all(opened[place].plaintext == made[place].plaintext for place in range(300) if place not in wrong)


def test_the_entry_names_both_ends(rotated, caller):
    deployment, _, wrapped = rotated
    auditor = deployment.client("auditor")
    caller.rewrap(wrapped, CONTEXT, request_id="rewrap-told", key="app/other", new_context={"tenant": "south"})
    with pytest.raises(ItemRefused):
        caller.rewrap(wrapped, CONTEXT, request_id="rewrap-refused", key="phi/records")
    entry, = auditor.entries("rewrap-told")
    item, = entry["items"]
    assert (entry["action"], entry["outcome"], entry["context"]["purpose"]) == ("data-key.rewrap", "allowed", "TREAT")
    assert item["object"] == "key:app/demo#1->key:app/other#1" and len(item["digest"]) == 64
    entry, = auditor.entries("rewrap-refused")
    assert entry["outcome"] == "refused" and entry["items"][0]["code"] == "PERMISSION_DENIED"
    auditor.close()


# ---- by hand, through libward ----

@pytest.fixture(scope="module")
def ward(rotated):
    """ward data-key ..., as the application: (exit status, document)."""
    deployment = rotated[0]
    deployment.identities["app"].write(deployment.folder, "app")
    profile = deployment.folder / "ward.yaml"
    profile.write_text(f"""profiles:
  - {{name: app, server: "localhost:{deployment.daemons[0].port}", ca: ca.pem, certificate: app.pem, key: app.key}}
""")

    def run(*arguments, text: str = ""):
        command = [deployment.binary("ward"), "--config", profile, "--profile", "app", "--output", "json", "data-key", *arguments]
        result = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
        return result.returncode, json.loads(result.stdout) if result.stdout else result.stderr
    return run


def text_of(wrapped: bytes) -> str:
    return "ward:1:" + base64.b64encode(wrapped).decode()


def test_the_command_moves_a_file_of_keys(rotated, ward, tmp_path):
    _, plaintext, wrapped = rotated
    context = ["--context", "tenant=north", "--context", "purpose=TREAT"]
    keys = tmp_path / "keys"
    keys.write_text(f"{text_of(wrapped)}\n\n{text_of(wrapped[:-1])}\n")
    status, moved = ward("rewrap", *context, "--key", "app/other", "--new-context", "tenant=south", str(keys))
    assert status == 1 and len(moved["keys"]) == 2
    good, bad = moved["keys"]
    assert (good["key"], good["version"], good["unchanged"]) == ("app/other", 1, False)
    assert (bad["code"], bad["error"]) == ("INVALID_ARGUMENT", CLOSED)
    status, opened = ward("unwrap", "--context", "tenant=south", text=good["wrapped"])
    assert status == 0 and base64.b64decode(opened["keys"][0]["plaintext"]) == plaintext
    status, moved = ward("rewrap", "--context", "tenant=south", "--no-context", text=good["wrapped"])
    assert status == 0 and moved["keys"][0]["key"] == "app/other"
    assert ward("unwrap", text=moved["keys"][0]["wrapped"])[0] == 0
    status, message = ward("rewrap", *context, "--version", "1", text=text_of(wrapped))
    assert status == 1 and "only an active one wraps" in message
