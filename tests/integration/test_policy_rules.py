# SPDX-License-Identifier: Apache-2.0
"""What rules may be bounded by, on the real daemon: fields of records, attributes, networks, hours; and the offline verbs."""
import datetime
import json
import pathlib
import subprocess

import pytest
from harness.client import ItemRefused
from harness.daemon import find_binary
from harness.deployment import POLICY, Deployment
from harness.stubs import keys_pb2

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "policy/examples"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NOT_TODAY = DAYS[(datetime.datetime.now(datetime.timezone.utc).weekday() + 3) % 7]

RULES = POLICY.replace("""  - name: writers
    kind: application
""", """  - name: readers
    kind: application
    members: ["spiffe://test.ward/stranger"]
    attributes: {tenant: north, region: eu}
    rules:
      - name: resident
        actions: [data-key.generate, data-key.unwrap]
        keys: ["app/resident"]
        context:
          - {key: region, equals: identity.region}
      - name: some
        actions: [record.get]
        collections: [fhir]
        fields: [id, "name*"]
        networks: [127.0.0.0/8]
      - name: own
        actions: [data-key.generate]
        keys: ["app/own"]
        context:
          - {key: tenant, equals: identity.tenant}
      - name: elsewhere
        actions: [data-key.generate]
        keys: ["app/elsewhere"]
        networks: [192.0.2.0/24]
      - name: another-day
        actions: [data-key.generate]
        keys: ["app/another-day"]
        when: {days: [%s]}
  - name: overseas
    kind: application
    members: ["spiffe://test.ward/provisioner"]
    attributes: {region: us}
    rules:
      - name: resident
        actions: [data-key.generate, data-key.unwrap]
        keys: ["app/resident"]
        context:
          - {key: region, equals: identity.region}
  - name: writers
    kind: application
""" % NOT_TODAY)


@pytest.fixture(scope="module")
def bounded():
    deployment = Deployment(policy=RULES)
    try:
        deployment.daemon().start()
        officer = deployment.client("officer-a")
        for key in ("phi/records", "app/own", "app/resident", "app/elsewhere", "app/another-day"):
            officer.create_key(key, keys_pb2.KEY_PURPOSE_RECORDS if key.startswith("phi/") else keys_pb2.KEY_PURPOSE_DATA_KEYS)
        yield deployment
    finally:
        deployment.close()


def test_a_field_that_no_rule_allows_is_refused_by_name(bounded):
    bounded.client("app").put("s", "r", b'{"resourceType":"Patient","id":"r","name":"N","birthDate":"1970-01-01"}')
    reader = bounded.client("stranger")
    assert {f.name for f in reader.get("s", "r", fields=("id", "name")).fields} == {"id", "name"}
    assert {f.name for f in reader.get("s", "r", fields=()).fields} == {"id"}  # of the default set, what is not hidden
    for fields in (("id", "birthDate"), ("birthDate",)):
        with pytest.raises(ItemRefused) as refused:
            reader.get("s", "r", fields=fields)
        assert refused.value.message == "policy: field not allowed: birthDate (action record.get, rule default-deny)"
    for action, call in (("get", lambda: reader.get("s", "r")), ("put", lambda: reader.put("s", "q", b'{"id":"q"}'))):
        with pytest.raises(ItemRefused) as refused:
            call()
        assert refused.value.message == f"policy: not allowed (action record.{action}, rule default-deny)"


def test_rules_hold_within_their_bounds(bounded):
    reader = bounded.client("stranger")
    assert reader.generate("app/own", context={"tenant": "north"})
    for key, context in (("app/own", {"tenant": "south"}), ("app/own", {}), ("app/elsewhere", {"tenant": "north"}),
                         ("app/another-day", {"tenant": "north"})):
        with pytest.raises(ItemRefused) as refused:
            reader.generate(key, context=context)
        assert refused.value.message == "policy: not allowed (action data-key.generate, rule default-deny)"


def test_a_key_of_one_region_is_not_opened_from_another(bounded):
    eu, us = bounded.client("stranger"), bounded.client("provisioner")
    plaintext, wrapped = eu.generate("app/resident", context={"region": "eu"})
    assert eu.unwrap(wrapped, {"region": "eu"}) == plaintext
    for context, text in (({"region": "eu"}, "policy: not allowed (action data-key.unwrap, rule default-deny)"),
                          ({}, "policy: not allowed (action data-key.unwrap, rule default-deny)"),
                          ({"region": "us"}, "ciphertext does not open")):  # its own region is not the key's: no word of a rule
        with pytest.raises(ItemRefused) as refused:
            us.unwrap(wrapped, context)
        assert refused.value.message == text
    assert us.unwrap(us.generate("app/resident", context={"region": "us"})[1], {"region": "us"})


def ward(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([find_binary("ward"), "policy", *map(str, arguments)], capture_output=True, text=True, timeout=60)


def test_a_file_is_checked_simulated_and_tested_without_a_daemon(tmp_path):
    clinic = EXAMPLES / "clinic.yaml"
    checked = ward("check", "--strict", clinic)
    assert checked.returncode == 0 and json.loads(checked.stdout)["warnings"] == 0
    tested = ward("test", clinic, EXAMPLES / "clinic.cases.yaml")
    assert tested.returncode == 0 and json.loads(tested.stdout)["failed"] == 0
    simulated = json.loads(ward("simulate", clinic, "--identity", "spiffe://clinic.example/service/practice", "--object", "charts",
                                "--context", "purpose=TREAT", "--from", "192.168.10.7").stdout)["decisions"]
    assert {d["action"]: d["decision"] for d in simulated}["record.get"] == "allow"
    wider = tmp_path / "wider.yaml"
    wider.write_text(clinic.read_text().replace('    members: ["spiffe://clinic.example/audit/accountant"]', "    members: []"))
    assert ward("check", wider).returncode == 0
    refused = ward("check", "--strict", wider, "--output", "table")
    assert refused.returncode == 1 and "warning: role accountant: nobody has it" in refused.stdout
    failed = ward("test", wider, EXAMPLES / "clinic.cases.yaml", EXAMPLES / "hospital.cases.yaml")
    assert failed.returncode == 1 and json.loads(failed.stdout)["failed"] > 5
    wider.write_text("version: 1\ndeployment: x\nroles: [{name: r, kind: king, members: [], rules: []}]\n")
    refused = ward("check", wider)
    assert refused.returncode == 1 and f"{wider}:3:25: kind" in refused.stderr
