# SPDX-License-Identifier: Apache-2.0
"""Records come back byte by byte; what is malformed or not allowed is refused and changes nothing."""
import concurrent.futures
import json
import random
import sys
import pathlib

import grpc
import pytest
from harness.cli import Cli
from harness.client import ItemRefused, item_refused

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import fhir_generator  # noqa: E402

INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, RESOURCE_EXHAUSTED = 3, 5, 7, 8


AWKWARD = [
    b'{}', b' {\t}\r\n', b'{"a":1.10}', b'{"a":1.10,"b":-0,"c":1E+2,"d":0.0e-0}', '{"ä\\u00e4": "Zoë \\ud83d\\ude00 \\/"}'.encode(),
    b'{"\\u0061":1, "b" :\n[ ], "c":{ } }', b'{"":""}', b'{"a":[1, [2,[ 3]],{"a":{"a":null}}]}', b'  {"a" : true , "b":false}\n\n',
    b'{"big":"' + b"x" * 900_000 + b'"}', b'{"n":' + b"9" * 400 + b'}',
]


@pytest.mark.parametrize("data", AWKWARD, ids=range(len(AWKWARD)))
def test_a_record_comes_back_byte_by_byte(app, data):
    assert app.put("s-awkward", f"r-{hash(data)}", data) >= 1
    assert app.get("s-awkward", f"r-{hash(data)}").json == data


def test_synthetic_patients_come_back_byte_by_byte(app):
    rng = random.Random(7)
    resources = []
    for number in range(4):
        for resource in fhir_generator.Patient(rng).resources():
            hand = rng.choice(["compact", "pretty", "odd", "escaped"])
            resources.append((f"p-{number}", resource["id"], fhir_generator.Writer(rng, hand).write(resource).encode()))
    for start in range(0, len(resources), 20):
        part = resources[start:start + 20]
        assert not any(r.HasField("error") for r in app.put_items([("fhir", s, i, d) for s, i, d in part]))
        for (subject, record, data), result in zip(part, app.get_items([dict(collection="fhir", subject=s, id=i, fields=["*"]) for s, i, _ in part])):
            assert result.json == data, (subject, record)


def test_only_the_fields_asked_for_come_back(app):
    app.put("s-fields", "r", b'{"resourceType":"Patient","id":"r","name":[{"family":"N"}],"birthDate":"1970-01-01", "n": 1.10 }')
    assert {f.name: f.value for f in app.get("s-fields", "r", fields=()).fields} == {"resourceType": b'"Patient"', "id": b'"r"'}
    assert {f.name: f.value for f in app.get("s-fields", "r", fields=("n", "birthDate")).fields} == {"n": b"1.10", "birthDate": b'"1970-01-01"'}
    assert not app.get("s-fields", "r", fields=("absent",)).fields and not app.get("s-fields", "r", fields=("name",)).json


def test_put_makes_a_new_version_and_keeps_the_old(app):
    assert [app.put("s-version", "r", b'{"v":%d}' % v) for v in (1, 2, 3)] == [1, 2, 3]
    assert app.get("s-version", "r").json == b'{"v":3}' and app.get("s-version", "r").version == 3
    assert app.get("s-version", "r", version=1).json == b'{"v":1}'
    item_refused(NOT_FOUND, "", lambda: app.get("s-version", "r", version=4))


@pytest.mark.parametrize("data", [b"", b" ", b"null", b"[]", b'"a"', b"{", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{'a':1}", b'{"a":1}x', b'{"a":01}', b'{"a":1.}', b'{"a":+1}',
                                  b'{"a":NaN}', b'{"a":"\x01"}', b'{"a":"\\x"}', b'{"a":"\\u12"}', b'{"a":"\xff"}', b'{"a":1}{"b":2}', b'\xef\xbb\xbf{"a":1}', b'{"a":tru}',
                                  b'{"a":"\\ud800"}' * 2], ids=repr)
def test_what_is_no_json_object_is_refused(app, data):
    item_refused(INVALID_ARGUMENT, "json", lambda: app.put("s-bad", "r", data))


@pytest.mark.parametrize("data", [b'{"a":1,"a":2}', b'{"a":1,"\\u0061":2}', b'{"":1,"":1}'])
def test_a_member_twice_is_refused(app, data):
    item_refused(INVALID_ARGUMENT, "duplicate", lambda: app.put("s-bad", "r", data))


def test_json_nested_half_a_million_deep_is_refused(app):
    item_refused(INVALID_ARGUMENT, "json", lambda: app.put("s-bad", "r", b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}"))
    item_refused(INVALID_ARGUMENT, "json", lambda: app.put("s-bad", "r", b'{"a":' * 150_000 + b"1" + b"}" * 150_000))


def test_too_many_fields_and_too_large_are_refused(app):
    item_refused(INVALID_ARGUMENT, "too many members", lambda: app.put("s-bad", "r", json.dumps({f"f{i}": i for i in range(257)}).encode()))
    item_refused(INVALID_ARGUMENT, "json", lambda: app.put("s-bad", "r", b'{"a":"' + b"x" * (1 << 20) + b'"}'))


@pytest.mark.parametrize("field,bad", [(f, b) for f in (0, 1, 2) for b in ("", "x" * 129, "a\x00b")] + [(0, "FHIR"), (0, "fhir/"), (0, "../fhir")],
                         ids=range(12))
def test_a_bad_name_is_refused_by_name(app, field, bad):
    parts = ["fhir", "s", "r"]
    parts[field] = bad
    item_refused(INVALID_ARGUMENT, ("collection", "subject", "id")[field], lambda: app.put(parts[1], parts[2], b"{}", parts[0]))


def test_an_unknown_collection_is_refused(app):
    item_refused(PERMISSION_DENIED, "", lambda: app.put("s", "r", b"{}", "nothing"))


def test_what_is_not_there_is_not_found(app):
    item_refused(NOT_FOUND, "", lambda: app.get("s-nobody", "r"))
    app.put("s-somebody", "r", b"{}")
    item_refused(NOT_FOUND, "", lambda: app.get("s-somebody", "other"))
    item_refused(NOT_FOUND, "", lambda: app.get("s-nobody", "r"))


@pytest.mark.parametrize("context", [{}, {"purpose": ""}, {"purpose": "treat"}, {"purpose": "HRESCH"}, {"Purpose": "TREAT"}, {"purpose": "TREAT "}])
def test_a_purpose_that_policy_does_not_list_is_refused(app, context):
    item_refused(PERMISSION_DENIED, "", lambda: app.put("s", "r", b"{}", context=context))
    item_refused(PERMISSION_DENIED, "", lambda: app.get("s", "r", context=context))


def test_a_write_only_role_never_reads(writer, app):
    writer.put("s-writer", "r", b'{"a":1}')
    item_refused(PERMISSION_DENIED, "", lambda: writer.get("s-writer", "r"))
    assert app.get("s-writer", "r").json == b'{"a":1}'


def test_a_right_on_one_collection_is_none_on_another(writer, app):
    writer.put("s-labs", "r", b'{"a":1}', "labs")
    item_refused(PERMISSION_DENIED, "", lambda: app.get("s-labs", "r", collection="labs"))


@pytest.mark.parametrize("client", ["officer_a", "auditor", "stranger"])
def test_who_is_no_application_reads_nothing(request, client):
    other = request.getfixturevalue(client)
    with pytest.raises(Exception) as caught:
        other.get("s-writer", "r")
    code = caught.value.code if isinstance(caught.value, ItemRefused) else caught.value.code().value[0]
    assert code == PERMISSION_DENIED


def test_one_bad_item_leaves_the_others_stored(app):
    results = app.put_items([("fhir", "s-batch", "a", b'{"a":1}'), ("fhir", "s-batch", "b", b"{"), ("labs", "s-batch", "c", b"{}"), ("fhir", "", "d", b"{}"),
                             ("fhir", "s-batch", "e", b'{"e":1}')])
    assert [r.error.code for r in results] == [0, INVALID_ARGUMENT, PERMISSION_DENIED, INVALID_ARGUMENT, 0]
    answers = app.get_items([dict(collection="fhir", subject="s-batch", id=i, fields=["*"]) for i in "abe"])
    assert [(r.error.code, r.json) for r in answers] == [(0, b'{"a":1}'), (NOT_FOUND, b""), (0, b'{"e":1}')]


def test_one_record_twice_in_a_batch_is_refused(app):
    with pytest.raises(Exception) as caught:
        for result in app.put_items([("fhir", "s-twice", "a", b'{"v":1}'), ("fhir", "s-twice", "a", b'{"v":2}')]):
            if result.HasField("error"):
                raise ItemRefused(result.error)
    assert "twice" in str(caught.value)


def test_a_response_stays_under_4_mib(app):
    for number in range(6):
        app.put("s-large", f"r{number}", b'{"a":"' + bytes([97 + number]) * 950_000 + b'"}')
    results = app.get_items([dict(collection="fhir", subject="s-large", id=f"r{n}", fields=["*"]) for n in range(6)])
    codes = [r.error.code for r in results]
    assert codes[:4] == [0] * 4 and set(codes[4:]) == {RESOURCE_EXHAUSTED}


def test_twenty_clients_write_the_first_record_of_the_same_patients(ward):
    """The race of two first writes: every acknowledged record opens, under one subject key a patient."""
    clients = [ward.client("app") for _ in range(20)]
    for round_number in range(3):
        def write(number: int) -> list:
            done = []
            for patient in random.Random(number).sample(range(10), 10):
                subject, data = f"race-{round_number}-{patient}", b'{"by":%d}' % number
                clients[number].put(subject, f"r-{number}", data)
                done.append((subject, f"r-{number}", data))
            return done
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            written = [entry for done in pool.map(write, range(20)) for entry in done]
        assert len(written) == 200
        for subject, record, data in written:
            assert clients[0].get(subject, record).json == data
    for client in clients:
        client.close()


def test_one_record_written_by_many_has_every_version_once(ward):
    """Who loses the race too often is told ABORTED, and nothing of theirs is stored."""
    clients = [ward.client("app") for _ in range(10)]

    def write(number: int) -> int:
        for _ in range(20):
            try:
                return clients[number].put("s-many", "r", b'{"by":%d}' % number)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.ABORTED, error.details()
        raise AssertionError("aborted twenty times")
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        versions = list(pool.map(write, range(10)))
    assert sorted(versions) == list(range(1, 11))
    assert {clients[0].get("s-many", "r", version=v).json for v in versions} == {b'{"by":%d}' % n for n in range(10)}
    for client in clients:
        client.close()


# ---- with the command line ----

def test_a_field_that_the_record_does_not_have_is_named(ward, app):
    app.put("s-fields", "r", b'{"id":"r","name":"N"}')
    cli, get = Cli(ward), ("record", "get", "--collection", "fhir", "--subject", "s-fields", "--id", "r", "--context", "purpose=TREAT")
    assert json.loads(cli("app", *get, "--field", "name").stdout)["fields"] == {"name": "N"}
    ran = cli("app", *get, "--field", "naem", "--field", "name", "--field", "di", exit=1)
    assert json.loads(ran.stdout)["fields"] == {"name": "N"}
    assert b"the record has no field naem, di" in ran.stderr
    assert b"the record has no field" not in cli("app", *get).stderr  # a default set is what there is of it


@pytest.mark.parametrize("form, text, said", [
    ("--fhir", "no JSON", "a.json: json: not an object"),
    ("--fhir", '{"id": "x"}', "a.json: fhir: neither a Bundle nor a resource: it has no resourceType"),
    ("--fhir", '{"resourceType":"Bundle","entry":{}}', "a.json: fhir: entry is not an array"),
    ("--ndjson", '{"subject":"s","id":"1","json":{}}\n{"id":"2","json":{}}\n', "a.json: line 2: subject: none"),
    ("--ndjson", '{"subject":"s","id":"1","json":5}', "a.json: line 1: json: not an object"),
])
def test_what_cannot_be_imported_says_where_and_why(ward, tmp_path, form, text, said):
    (tmp_path / "a.json").write_text(text)
    ran = Cli(ward)("app", "record", "import", "--collection", "fhir", form, tmp_path if form == "--fhir" else tmp_path / "a.json", exit=1)
    assert ran.stderr.decode() == f"ward: {tmp_path}/{said}\n"
    assert json.loads(ran.stdout)["bad_files"] == 1 and json.loads(ran.stdout)["stored"] == 0
