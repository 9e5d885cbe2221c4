# SPDX-License-Identifier: Apache-2.0
"""Issue and unwrap: what opens, and everything that must not."""
import json

import pytest
from harness.client import errors_of, header, item_refused
from harness.stubs import data_keys_pb2

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED = 3, 5, 7
CLOSED = "ciphertext does not open"
CONTEXT = {"tenant": "north", "purpose": "TREAT"}


@pytest.mark.parametrize("size", [0, 16, 24, 32, 64])
def test_a_data_key_opens_again(app, size):
    plaintext, wrapped = app.generate(context=CONTEXT, size=size)
    assert len(plaintext) == (size or 32) and plaintext not in wrapped
    assert app.unwrap(wrapped, CONTEXT) == plaintext


def test_data_keys_differ(app):
    result, = app.generate_items([dict(key="app/demo", count=500)])
    assert len({key.plaintext for key in result.keys}) == len({key.wrapped for key in result.keys}) == 500


@pytest.mark.parametrize("count", [1, 1000])
def test_up_to_a_thousand_keys_in_one_call(app, count):
    result, = app.generate_items([dict(key="app/demo", size=64, count=count)])
    assert len(result.keys) == count and {len(key.plaintext) for key in result.keys} == {64}
    opened = app.unwrap_items([(key.wrapped, {}) for key in result.keys])
    assert [key.plaintext for key in result.keys] == [key.plaintext for key in opened]


def test_without_plaintext_gives_only_the_wrapped_form(app):
    plaintext, wrapped = app.generate(without_plaintext=True)
    assert plaintext == b"" and len(app.unwrap(wrapped)) == 32


def test_every_single_bit_flip_does_not_open(app):
    _, wrapped = app.generate(context=CONTEXT)
    flips = [bytes(byte ^ (1 << bit % 8) if place == bit // 8 else byte for place, byte in enumerate(wrapped))
             for bit in range(len(wrapped) * 8)]
    good = (wrapped, CONTEXT)  # with a good one among them, each is answered on its own
    for start in range(0, len(flips), 500):
        results = app.unwrap_items([good] + [(flip, CONTEXT) for flip in flips[start:start + 500]])
        assert not results[0].HasField("error")
        for number, result in enumerate(results[1:]):
            assert (result.error.code, result.error.message) == (INVALID_ARGUMENT, CLOSED), f"bit {start + number}"
            assert not result.plaintext and not result.key
    for flip in flips[::37]:
        item_refused(INVALID_ARGUMENT, CLOSED, lambda flip=flip: app.unwrap(flip, CONTEXT))


def test_a_batch_whose_items_all_fail_alike_fails_as_a_whole(app):
    assert errors_of(lambda: app.unwrap_items([(b"x", {})] * 1000), 1000) == [(INVALID_ARGUMENT, CLOSED)] * 1000


@pytest.mark.parametrize("wrapped", [b"", b"\x01", b"\x01" * 22, b"\x01" * 23, b"\x00" * 83, b"\xff" * 600, b"\x01" * 5000], ids=len)
def test_what_is_no_wrapped_key_does_not_open(app, wrapped):
    item_refused(INVALID_ARGUMENT, CLOSED, lambda: app.unwrap(wrapped))


def test_cut_and_lengthened_wrapped_keys_do_not_open(app):
    _, wrapped = app.generate()
    for bad in [wrapped[:cut] for cut in range(len(wrapped))] + [wrapped + b"\0", wrapped * 2]:
        item_refused(INVALID_ARGUMENT, CLOSED, lambda bad=bad: app.unwrap(bad))


@pytest.mark.parametrize("context", [{}, {"tenant": "north"}, {**CONTEXT, "x": ""}, {"tenant": "south", "purpose": "TREAT"},
                                     {"Tenant": "north", "purpose": "TREAT"}, {"tenant": "TREAT", "purpose": "north"}, {"tenantnorth": "", "purpose": "TREAT"}])
def test_a_wrong_context_does_not_open(app, context):
    _, wrapped = app.generate(context=CONTEXT)
    item_refused(INVALID_ARGUMENT, CLOSED, lambda: app.unwrap(wrapped, context))


def test_the_context_has_no_order(app):
    plaintext, wrapped = app.generate(context={"b": "2", "a": "1"})
    assert app.unwrap(wrapped, {"a": "1", "b": "2"}) == plaintext


def test_the_key_of_another_kek_does_not_open_in_its_place(app):
    _, one = app.generate("app/demo")
    _, other = app.generate("app/other")
    item_refused(INVALID_ARGUMENT, CLOSED, lambda: app.unwrap(one[:22] + other[22:]))
    item_refused(INVALID_ARGUMENT, CLOSED, lambda: app.unwrap(other[:22] + one[22:]))


def test_an_unknown_kek_is_not_found(app):
    item_refused(NOT_FOUND, "key", lambda: app.generate("app/nothing-here"))


@pytest.mark.parametrize("key", ["", "/", "app//demo", "/app/demo", "app/demo/", "App/demo", "app/Demo", "app/demo ", "app/../phi/records", ".app", "-app",
                                 "app/демо", "app\\demo", "app/demo\x00", "a" * 129, "app/*", "app/**"], ids=range(17))
def test_a_name_outside_the_grammar_is_refused(app, key):
    item_refused(INVALID_ARGUMENT, "key", lambda: app.generate(key))


@pytest.mark.parametrize("size", [1, 8, 15, 17, 31, 33, 48, 65, 2**32 - 1])
def test_an_odd_size_is_refused(app, size):
    item_refused(INVALID_ARGUMENT, "size", lambda: app.generate(size=size))


def test_deny_beats_allow(app):
    item_refused(PERMISSION_DENIED, "", lambda: app.generate("app/vault/top"))


def test_the_kek_of_records_is_out_of_reach(app):
    item_refused(PERMISSION_DENIED, "", lambda: app.generate("phi/records"))


def test_too_many_are_refused(app, refused):
    refused("INVALID_ARGUMENT", "items", lambda: app.generate_items([]))
    refused("INVALID_ARGUMENT", "items", lambda: app.generate_items([dict(key="app/demo")] * 1001))
    item_refused(INVALID_ARGUMENT, "1000", lambda: app.generate(count=1001))
    item_refused(INVALID_ARGUMENT, "1000", lambda: app.generate_items([dict(key="app/demo", count=600)] * 2))


def test_one_bad_item_leaves_the_others_answered(app):
    results = app.generate_items([dict(key="app/demo"), dict(key="app/nothing-here"), dict(key="BAD"), dict(key="phi/records"),
                                  dict(key="app/demo", size=5), dict(key="app/other")])
    assert [result.error.code for result in results] == [0, NOT_FOUND, INVALID_ARGUMENT, PERMISSION_DENIED, INVALID_ARGUMENT, 0]
    assert results[0].keys[0].plaintext and results[5].keys[0].plaintext and not results[3].keys
    _, good = app.generate()
    answers = app.unwrap_items([(good, {}), (good[:-1], {}), (good, {"x": "y"}), (good, {})])
    assert [answer.error.code for answer in answers] == [0, INVALID_ARGUMENT, INVALID_ARGUMENT, 0]
    assert answers[0].plaintext == answers[3].plaintext


def test_without_plaintext_still_needs_the_right_to_unwrap(app, writer):
    _, wrapped = app.generate(without_plaintext=True)
    item_refused(PERMISSION_DENIED, "", lambda: writer.unwrap(wrapped))


def test_generating_with_and_without_plaintext_are_two_rights(provisioner, app, auditor):
    context = {"purpose": "TREAT"}
    plaintext, wrapped = provisioner.generate(context=context, without_plaintext=True, request_id="blind")
    assert plaintext == b"" and len(app.unwrap(wrapped, context)) == 32
    item_refused(PERMISSION_DENIED, "policy", lambda: provisioner.generate(context=context, request_id="sighted"))
    assert [entry["action"] for entry in auditor.entries("blind")] == ["data-key.generate-without-plaintext"]
    assert [entry["action"] for entry in auditor.entries("sighted")] == ["data-key.generate"]


@pytest.mark.parametrize("context", [{}, {"purpose": "HPAYMT"}, {"purpose": "treat"}, {"Purpose": "TREAT"}, {"purpose": "TREAT "}])
def test_a_condition_on_the_context_holds_for_every_data_key_call(provisioner, context):
    item_refused(PERMISSION_DENIED, "policy", lambda: provisioner.generate(context=context, without_plaintext=True))
    _, wrapped = provisioner.generate(context={"purpose": "TREAT"}, without_plaintext=True)
    item_refused(PERMISSION_DENIED, "policy", lambda: provisioner.rewrap(wrapped, context))
    item_refused(PERMISSION_DENIED, "policy", lambda: provisioner.rewrap(wrapped, {"purpose": "TREAT"}, new_context=context))


def test_more_than_one_key_in_a_request_is_a_right_of_its_own(provisioner):
    text = "policy: more than one key in a request is not allowed (action data-key.batch, rule default-deny)"
    one = dict(key="app/demo", context={"purpose": "TREAT"}, without_plaintext=True)
    item_refused(PERMISSION_DENIED, text, lambda: provisioner.generate(context={"purpose": "TREAT"}, without_plaintext=True, count=2))
    assert errors_of(lambda: provisioner.generate_items([one, one]), 2) == [(PERMISSION_DENIED, text)] * 2


def test_a_mixed_batch_says_how_many_were_without_plaintext(app, auditor):
    results = app.generate_items([dict(key="app/demo"), dict(key="app/demo", without_plaintext=True)], "mixed")
    assert [bool(result.keys[0].plaintext) for result in results] == [True, False]
    entry, = auditor.entries("mixed")
    assert entry["action"] == "data-key.generate" and entry["detail"] == {"items_without_plaintext": 1}


# ---- the encryption context as bytes on the wire ----

def context_field(key: bytes, value: bytes) -> bytes:
    """One map entry as field 2 of an item."""
    entry = b"\x0a" + varint(len(key)) + key + b"\x12" + varint(len(value)) + value
    return b"\x12" + varint(len(entry)) + entry


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def generate_raw(client, context: bytes) -> data_keys_pb2.GenerateDataKeysResult:
    """Contexts that no protobuf library would write."""
    item = b"\x0a\x08app/demo" + context
    message = data_keys_pb2.GenerateDataKeysRequest(header=header()).SerializeToString() + b"\x12" + varint(len(item)) + item
    answer = client.call_raw("/ward.v1.DataKeys/GenerateDataKeys", message)
    return data_keys_pb2.GenerateDataKeysResponse.FromString(answer).results[0]


def context_refused(client, context: bytes, text: str) -> None:
    """As the item's error or as the request's: both are the caller's bad input."""
    try:
        error = generate_raw(client, context).error
        code, message = error.code, error.message
    except Exception as failure:  # pylint: disable=broad-except
        code, message = failure.code().value[0], failure.details()
    assert code == INVALID_ARGUMENT and "context" in message and text in message, (code, message)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3\x28", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"a\x00b"])
def test_context_that_is_not_utf8_is_refused(app, bad):
    context_refused(app, context_field(bad, b"x"), "")
    context_refused(app, context_field(b"x", bad), "")


def test_context_of_33_pairs_is_refused_and_32_are_not(app):
    assert generate_raw(app, b"".join(context_field(b"k%d" % i, b"v") for i in range(32))).keys
    context_refused(app, b"".join(context_field(b"k%d" % i, b"v") for i in range(33)), "32")


def test_context_over_8_kib_is_refused(app):
    assert generate_raw(app, context_field(b"k", b"v" * 8000)).keys
    context_refused(app, context_field(b"k", b"v" * 8192), "8192")
    context_refused(app, b"".join(context_field(b"k%d" % i, b"v" * 1024) for i in range(9)), "8192")


def test_context_with_a_key_twice_is_refused(app):
    context_refused(app, context_field(b"k", b"1") + context_field(b"k", b"2"), "duplicate")
    context_refused(app, context_field(b"k", b"1") * 2, "duplicate")


def test_context_with_an_empty_key_is_refused(app):
    context_refused(app, context_field(b"", b"1"), "empty")


# ---- the proof of wraps ----

def test_wraps_without_proof_are_warned_of_and_told_at_every_start(ward):
    daemon = ward.daemons[0]

    def starts() -> list:
        app, auditor = ward.client("app"), ward.client("auditor")
        app.patient = True
        assert app.generate()[0]
        entries = [entry for entry in map(json.loads, auditor.leaves()) if entry["action"] == "system.start"]
        return [entry["detail"].get("wrap_proof") for entry in entries]
    daemon.stop()
    try:
        daemon.start(hsm="  wrap_proof: false")
        assert starts()[-1] == "off" and "wrap_proof is off" in daemon.log_tail(100000)
    finally:
        daemon.stop()
        daemon.start()
    assert starts()[-2:] == ["off", None]


# ---- the header ----

@pytest.mark.parametrize("members", [dict(request_id="a b"), dict(request_id="a" * 65), dict(request_id="ä"), dict(request_id="a\n"),
                                     dict(on_behalf_of="x" * 129), dict(reason="x" * 257)])
def test_a_bad_header_is_refused_by_name(app, refused, members):
    request = data_keys_pb2.GenerateDataKeysRequest(header=header(**members), items=[data_keys_pb2.GenerateDataKeysItem(key="app/demo")])
    refused("INVALID_ARGUMENT", next(iter(members)), lambda: app.data_keys.GenerateDataKeys(request, timeout=5))
