# SPDX-License-Identifier: Apache-2.0
"""Every method by every kind of role, allowed by a rule and not: what a role's kind may never be given it never does, and what no
rule gives is refused. Each call has exactly one entry. A method without a row here fails the first test."""
import collections
import json
import pathlib
import re

import grpc
import pytest
from harness import client as calls
from harness import stubs
from harness.deployment import TRUST, Deployment

ACTIONS = pathlib.Path(__file__).resolve().parents[2] / "policy" / "action.h"
KINDS = ("application", "officer", "auditor", "administrator")
SETS = {"APPLICATION": {"application"}, "OFFICER": {"officer"}, "AUDITOR": {"auditor"}, "OFFICER_OR_AUDITOR": {"officer", "auditor"},
        "ANY": set(KINDS), "STAFF": set(KINDS) - {"application"},
        "APPLICATION_OR_OFFICER": {"application", "officer"}, "SYSTEM": set()}


def actions() -> dict:
    """action: (object, kinds that may be given it), as policy/action.h has them."""
    table = ACTIONS.read_text().split("#define WARD_ACTIONS(X)")[1].split("enum ward_action")[0].replace("\\\n", " ")
    rows = re.findall(r'X\((\w+),\s*"([^"]+)",\s*(\w+),\s*(\w+),\s*(\w+)\)', table)
    return {name: (kind, SETS[kinds]) for _, name, kind, kinds, _ in rows}


# What each method asks policy for. Values of fields that the filler below does not guess stand with it.
METHODS = {
    "DataKeys.GenerateDataKeys": ("data-key.generate", {}),
    "DataKeys.UnwrapDataKeys": ("data-key.unwrap", {}),
    "DataKeys.RewrapDataKeys": ("data-key.rewrap", {}),
    "Keys.CreateKey": ("key.create", {"name": "app/walk"}),
    "Keys.DescribeKey": ("key.describe", {}),
    "Keys.ListKeys": ("key.list", {}),
    "Keys.RotateKey": ("key.rotate", {}),
    "Keys.ChangeKey": ("key.change", {"rotation_period_days": 90}),
    "Keys.DisableKey": ("key.disable", {}),
    "Keys.EnableKey": ("key.enable", {}),
    "Keys.SuspendKey": ("key.suspend", {}),
    "Keys.ResumeKey": ("key.resume", {}),
    "Keys.DeactivateKey": ("key.deactivate", {}),
    "Keys.CompromiseKey": ("key.compromise", {}),
    "Keys.ScheduleKeyDestruction": ("key.destroy", {}),
    "Keys.CancelKeyDestruction": ("key.cancel-destroy", {}),
    "Keys.KeyUsage": ("key.usage", {}),
    "Keys.RewrapKey": ("key.rewrap", {}),
    "Keys.RewrapProgress": ("key.describe", {}),
    "Keys.RekeyKey": ("key.rekey", {}),
    "Keys.RekeyProgress": ("key.describe", {}),
    "Records.PutRecords": ("record.put", {}),
    "Records.GetRecords": ("record.get", {"version": 0, "fields": ["id"]}),
    "Approvals.List": ("approval.list", {}),
    "Approvals.Show": ("approval.show", {}),
    "Approvals.Submit": ("approval.submit", {}),
    "Approvals.Approve": ("approval.approve", {}),
    "Approvals.Reject": ("approval.reject", {}),
    "Approvals.Withdraw": ("approval.withdraw", {}),
    "Approvals.Execute": ("approval.execute", {}),
    "Approvals.Review": ("approval.review", {}),
    "Admin.RevokeIdentity": ("identity.revoke", {"certificate_sha256": b""}),
    "Admin.UnrevokeIdentity": ("identity.unrevoke", {"certificate_sha256": b""}),
    "Admin.ListRevocations": ("identity.list", {}),
    "Admin.ShowPolicy": ("policy.show", {}),
    "Admin.ListPolicies": ("policy.show", {}),
    "Admin.Diagnose": ("doctor.run", {}),
    "Admin.ApplyPolicy": ("policy.apply", {"text": b"version: 1\n", "base_version": 1}),
    "Emergencies.Open": ("emergency.open", {}),
    "Emergencies.Close": ("emergency.close", {}),
    "Emergencies.List": ("emergency.list", {}),
    "Audit.Export": ("audit.export", {"start": 0, "end": 1}),
    "Audit.Checkpoint": ("audit.checkpoint", {}),
    "Audit.RotateLogKey": ("audit.rotate-log-key", {}),
}
GUESSES = {"id": "00000000-0000-4000-8000-000000000001", "name": "app/demo", "key": "app/demo", "to_key": "", "collection": "fhir",
           "identity": TRUST + "none", "subject": "s", "json": b"{}", "signature": b"x", "size": 32, "count": 1, "minutes": 5,
           "purpose": 1, "page_token": "", "version": 1}


CODES = {code.value[0]: code.name for code in grpc.StatusCode}


def repeated(field) -> bool:
    """protobuf has called it one way and the other."""
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED


def services() -> dict:
    """method: (descriptor, module of messages, stub)."""
    found = {}
    for name in dir(stubs):
        module = getattr(stubs, name)
        if name.endswith("_pb2") and getattr(getattr(module, "DESCRIPTOR", None), "package", "") == "ward.v1":
            for service in module.DESCRIPTOR.services_by_name.values():
                stub = getattr(getattr(stubs, name + "_grpc"), service.name + "Stub")
                found.update({f"{service.name}.{method.name}": (method, module, stub) for method in service.methods})
    return found


def fill(message, values: dict):
    """Something in every field that has to be there."""
    for field in message.DESCRIPTOR.fields:
        if field.name == "header":
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, field.name)["purpose"] = "ETREAT" if "minutes" in message.DESCRIPTOR.fields_by_name else "TREAT"
        elif field.message_type is not None and repeated(field):
            fill(getattr(message, field.name).add(), values)
        elif field.name in values and isinstance(values[field.name], list):
            getattr(message, field.name).extend(values[field.name])
        elif field.name in values:
            setattr(message, field.name, values[field.name])
    return message


def rule(name: str, names: list, scope: str = "") -> str:
    return f"      - name: {name}\n        actions: [{', '.join(names)}]\n{scope}" if names else ""


def role(kind: str) -> str:
    """All that a rule may give this kind, to <kind>-yes; and nothing but a refusal to <kind>-no."""
    mine = collections.defaultdict(list)
    for name, (on, kinds) in actions().items():
        if kind in kinds:
            mine[on].append(name)
    keys = "app/**" if kind == "application" else "**"
    members = f'"{TRUST}{kind}-yes"' + (f', "{TRUST}officer-a", "{TRUST}officer-b"' if kind == "officer" else "")
    return (f"  - name: {kind}-all\n    kind: {kind}\n    members: [{members}]\n    rules:\n" + rule("plain", mine["NONE"])
            + rule("keys", mine["KEY"], f'        keys: ["{keys}"]\n') + rule("collections", mine["COLLECTION"], "        collections: [fhir]\n")
            + f'  - name: {kind}-none\n    kind: {kind}\n    members: ["{TRUST}{kind}-no"]\n    rules:\n'
            + f"      - name: nothing\n        effect: deny\n        actions: [{mine['NONE'][0]}]\n")


POLICY = ("version: 1\ndeployment: walk.ward\nroles:\n" + "".join(map(role, KINDS))
          + "collections:\n  - name: fhir\n    key: phi/records\n    default_fields: [id]\npublic_context: [purpose]\n")


@pytest.fixture(scope="module")
def walk():
    deployment = Deployment(policy=POLICY)
    try:
        for kind in KINDS:
            for which in ("yes", "no"):
                deployment.identities[f"{kind}-{which}"] = deployment.authority.issue([f"{TRUST}{kind}-{which}"])
        deployment.callers = {}
        deployment.daemon().start()
        officer = deployment.client("officer-a")
        officer.create_key("app/demo")
        officer.create_key("phi/records", calls.keys_pb2.KEY_PURPOSE_RECORDS)
        deployment.wrapped = deployment.client("application-yes").generate("app/demo")[1]
        yield deployment
    finally:
        deployment.close()


def test_every_method_has_a_row():
    assert set(services()) - set(METHODS) == set()


def ask(walk, who: str, method: str, request_id: str) -> str:
    """The code of the answer; of a batch that of its item."""
    descriptor, module, stub = services()[method]
    values = {**GUESSES, "wrapped": walk.wrapped, **METHODS[method][1]}
    request = fill(getattr(module, descriptor.input_type.name)(), values)
    request.header.request_id, request.header.reason, request.header.on_behalf_of = request_id, "a walk through all", "user-1"
    if who not in walk.callers:
        walk.callers[who] = walk.client(who)
    try:
        answer = getattr(stub(walk.callers[who].channel), descriptor.name)(request, timeout=15)
    except grpc.RpcError as error:
        return error.code().name
    errors = [result.error.code for result in getattr(answer, "results", ()) if result.HasField("error")]
    return CODES[errors[0]] if errors else "OK"


def test_each_kind_of_role_may_what_its_rules_say_and_nothing_else(walk):
    wanted, seen = {}, {}
    for method in services():
        action = METHODS[method][0]
        for who in (f"{kind}-{which}" for kind in KINDS for which in ("yes", "no")):
            kind, which = who.split("-")
            asked = f"{method}-{who}"
            wanted[asked] = which == "yes" and kind in actions()[action][1]
            code = ask(walk, who, method, asked)
            assert code != "INVALID_ARGUMENT" or wanted[asked], (asked, "the request is not well formed")
            seen[asked] = code != "PERMISSION_DENIED"
    assert {asked: may for asked, may in seen.items() if may != wanted[asked]} == {}
    entries = collections.defaultdict(list)
    for leaf in map(json.loads, walk.client("auditor-yes").leaves()):
        entries[leaf.get("request")].append(leaf)
    assert [asked for asked in seen if len(entries[asked]) != 1] == [], "one entry each"
    for asked, may in seen.items():
        entry, action = entries[asked][0], METHODS[asked.split("-")[0]][0]
        assert may or entry["outcome"] == "refused", entry
        assert entry["action"] in (action, "data-key.batch"), entry
