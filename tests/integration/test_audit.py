# SPDX-License-Identifier: Apache-2.0
"""The log: every method with every outcome writes exactly one entry, and the whole verifies by a check
that shares no code with ours."""
import itertools
import json

import grpc
import pytest
from harness import log, stubs
from harness.client import ItemRefused, header
from harness.deployment import TRUST
from harness.stubs import admin_pb2, approvals_pb2, audit_pb2, keys_pb2

_serial = itertools.count(1000)
NOBODY = "00000000-0000-4000-8000-000000000001"
DRAFT = "00000000-0000-4000-8000-00000000000g"


def open_proposal(c, key="app/other"):
    return c["officer-a"].submit(c["officer-a"].propose_rotation(key))


def fresh_draft(c):
    return c["officer-a"].propose_rotation("app/other")


class Missing:
    """A proposal that does not exist, and a payload to sign."""
    id, payload = NOBODY, b"{}"


def list_keys(client, request_id, **page):
    return client.keys.ListKeys(keys_pb2.ListKeysRequest(header=header(request_id), **page), timeout=10)


WRITER = TRUST + "writer"


def list_revocations(client, request_id, **page):
    return client.admin.ListRevocations(admin_pb2.ListRevocationsRequest(header=header(request_id), **page), timeout=10)


def approved_by_hand(c):
    """Agreed to, and waiting for somebody to execute it."""
    key = f"by-hand/table-{next(_serial)}"
    c["officer-a"].create_key(key)
    return c["officer-b"].approve(open_proposal(c, key))


def revoked(clients):
    """A revocation, of nobody's certificate, that ran at once and waits for a review."""
    return clients["officer-a"].revoke(certificate=next(_serial).to_bytes(32, "big"))


def lost(clients) -> bytes:
    """The digest of a certificate that is revoked: nobody's."""
    digest = bytes(31) + b"\1"
    clients["officer-a"].revoke(certificate=digest)
    return digest


def move(client, method, key, request_id="", **members):
    """A draft of one of the commands of a key's life."""
    request = getattr(keys_pb2, method + "Request")(header=header(request_id, reason="as the table has it"), name=key, **members)
    return getattr(client.keys, method)(request, timeout=10).proposal


def agreed(c, draft) -> None:
    submitted = c["officer-a"].submit(draft)
    if submitted.state == "open":
        c["officer-b"].approve(submitted)


def a_key(c, *moves) -> str:
    """A key of its own, after these commands."""
    key = f"app/life-{next(_serial)}"
    c["officer-a"].create_key(key)
    for method, members in moves:
        agreed(c, c["officer-a"].propose_rotation(key) if method == "RotateKey" else move(c["officer-a"], method, key, **members))
    return key


ROTATE, DESTROY = ("RotateKey", {}), ("ScheduleKeyDestruction", {"version": 1})


def life(method, action, before=(), **members):
    """The four rows of a command: what allows it is done to a key of the row's own."""
    name = f"Keys.{method}"
    return [
        (name, action, "allowed", None, lambda c, r: move(c["officer-a"], method, a_key(c, *before), r, **members)),
        (name, action, "refused", "PERMISSION_DENIED", lambda c, r: move(c["auditor"], method, "app/demo", r, **members)),
        (name, action, "failed", "NOT_FOUND", lambda c, r: move(c["officer-a"], method, "app/no-such", r, **members)),
        (name, action, "bad", "INVALID_ARGUMENT", lambda c, r: move(c["officer-a"], method, "BAD", r, **members)),
    ]


def show_policy(client, request_id, **members):
    return client.admin.ShowPolicy(admin_pb2.ShowPolicyRequest(header=header(request_id), **members), timeout=10).policy


def list_policies(client, request_id, **page):
    return client.admin.ListPolicies(admin_pb2.ListPoliciesRequest(header=header(request_id), **page), timeout=10).policies


def apply_policy(client, request_id, text, base=1):
    request = admin_pb2.ApplyPolicyRequest(header=header(request_id, reason="as the table has it"), text=text, base_version=base)
    return client.admin.ApplyPolicy(request, timeout=10).proposal


def list_approvals(client, request_id, **page):
    return client.approvals.List(approvals_pb2.ListApprovalsRequest(header=header(request_id), **page), timeout=10)


# (method, action, outcome, code, call). Codes of batch calls stand with their item.
TABLE = [
    ("DataKeys.GenerateDataKeys", "data-key.generate", "allowed", None, lambda c, r: c["app"].generate(request_id=r)),
    ("DataKeys.GenerateDataKeys", "data-key.generate", "refused", "PERMISSION_DENIED", lambda c, r: c["officer-a"].generate(request_id=r)),
    ("DataKeys.GenerateDataKeys", "data-key.generate", "failed", "NOT_FOUND", lambda c, r: c["app"].generate("app/no-such", request_id=r)),
    ("DataKeys.GenerateDataKeys", "data-key.generate", "bad", "INVALID_ARGUMENT", lambda c, r: c["app"].generate_items([], r)),
    ("DataKeys.UnwrapDataKeys", "data-key.unwrap", "allowed", None, lambda c, r: c["app"].unwrap(c["wrapped"], request_id=r)),
    ("DataKeys.UnwrapDataKeys", "data-key.unwrap", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].unwrap(c["wrapped"], request_id=r)),
    ("DataKeys.UnwrapDataKeys", "data-key.unwrap", "failed", "INVALID_ARGUMENT", lambda c, r: c["app"].unwrap(c["wrapped"], {"x": "y"}, request_id=r)),
    ("DataKeys.UnwrapDataKeys", "data-key.unwrap", "bad", "INVALID_ARGUMENT", lambda c, r: c["app"].unwrap_items([], r)),
    ("DataKeys.RewrapDataKeys", "data-key.rewrap", "allowed", None, lambda c, r: c["app"].rewrap(c["wrapped"], request_id=r)),
    ("DataKeys.RewrapDataKeys", "data-key.rewrap", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].rewrap(c["wrapped"], request_id=r)),
    ("DataKeys.RewrapDataKeys", "data-key.rewrap", "failed", "NOT_FOUND", lambda c, r: c["app"].rewrap(c["wrapped"], request_id=r, key="app/no-such")),
    ("DataKeys.RewrapDataKeys", "data-key.rewrap", "bad", "INVALID_ARGUMENT", lambda c, r: c["app"].rewrap_items([], r)),
    ("Keys.CreateKey", "key.create", "allowed", None, lambda c, r: c["officer-a"].create_key(f"app/table-{r}", request_id=r)),
    ("Keys.CreateKey", "key.create", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].create_key("app/table", request_id=r)),
    ("Keys.CreateKey", "key.create", "failed", "ALREADY_EXISTS", lambda c, r: c["officer-a"].create_key("app/demo", request_id=r)),
    ("Keys.CreateKey", "key.create", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].create_key("BAD", request_id=r)),
    ("Keys.DescribeKey", "key.describe", "allowed", None, lambda c, r: c["auditor"].describe_key("app/demo", request_id=r)),
    ("Keys.DescribeKey", "key.describe", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].describe_key("app/demo", request_id=r)),
    ("Keys.DescribeKey", "key.describe", "failed", "NOT_FOUND", lambda c, r: c["auditor"].describe_key("app/no-such", request_id=r)),
    ("Keys.DescribeKey", "key.describe", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].describe_key("BAD", request_id=r)),
    ("Keys.ListKeys", "key.list", "allowed", None, lambda c, r: list_keys(c["officer-a"], r)),
    ("Keys.ListKeys", "key.list", "refused", "PERMISSION_DENIED", lambda c, r: list_keys(c["stranger"], r)),
    ("Keys.ListKeys", "key.list", "bad", "INVALID_ARGUMENT", lambda c, r: list_keys(c["officer-a"], r, page_size=5000)),
    ("Keys.RotateKey", "key.rotate", "allowed", None, lambda c, r: c["officer-a"].propose_rotation("app/other", request_id=r)),
    ("Keys.RotateKey", "key.rotate", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].propose_rotation("app/other", request_id=r)),
    ("Keys.RotateKey", "key.rotate", "failed", "NOT_FOUND", lambda c, r: c["officer-a"].propose_rotation("app/no-such", request_id=r)),
    ("Keys.RotateKey", "key.rotate", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].propose_rotation("", request_id=r)),
    ("Keys.RewrapKey", "key.rewrap", "allowed", None, lambda c, r: c["officer-a"].rewrap_key("phi/labs", request_id=r)),
    ("Keys.RewrapKey", "key.rewrap", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].rewrap_key("phi/labs", request_id=r)),
    ("Keys.RewrapKey", "key.rewrap", "failed", "NOT_FOUND", lambda c, r: c["officer-a"].rewrap_key("phi/no-such", request_id=r)),
    ("Keys.RewrapKey", "key.rewrap", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].rewrap_key("BAD", request_id=r)),
    ("Keys.RewrapProgress", "key.describe", "allowed", None, lambda c, r: c["auditor"].rewrap_progress("phi/labs", request_id=r)),
    ("Keys.RewrapProgress", "key.describe", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].rewrap_progress("phi/labs", request_id=r)),
    ("Keys.RewrapProgress", "key.describe", "failed", "NOT_FOUND", lambda c, r: c["auditor"].rewrap_progress("phi/no-such", request_id=r)),
    ("Keys.RewrapProgress", "key.describe", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].rewrap_progress("BAD", request_id=r)),
    ("Keys.RekeyKey", "key.rekey", "allowed", None, lambda c, r: c["officer-a"].rekey_key("phi/labs", request_id=r)),
    ("Keys.RekeyKey", "key.rekey", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].rekey_key("phi/labs", request_id=r)),
    ("Keys.RekeyKey", "key.rekey", "failed", "NOT_FOUND", lambda c, r: c["officer-a"].rekey_key("phi/no-such", request_id=r)),
    ("Keys.RekeyKey", "key.rekey", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].rekey_key("BAD", request_id=r)),
    ("Keys.RekeyProgress", "key.describe", "allowed", None, lambda c, r: c["auditor"].rekey_progress("phi/labs", request_id=r)),
    ("Keys.RekeyProgress", "key.describe", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].rekey_progress("phi/labs", request_id=r)),
    ("Keys.RekeyProgress", "key.describe", "failed", "NOT_FOUND", lambda c, r: c["auditor"].rekey_progress("phi/no-such", request_id=r)),
    ("Keys.RekeyProgress", "key.describe", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].rekey_progress("BAD", request_id=r)),
    ("Keys.KeyUsage", "key.usage", "allowed", None, lambda c, r: c["auditor"].key_usage("phi/labs", request_id=r)),
    ("Keys.KeyUsage", "key.usage", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].key_usage("phi/labs", request_id=r)),
    ("Keys.KeyUsage", "key.usage", "failed", "NOT_FOUND", lambda c, r: c["auditor"].key_usage("phi/no-such", request_id=r)),
    ("Keys.KeyUsage", "key.usage", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].key_usage("BAD", request_id=r)),
    *life("ChangeKey", "key.change", rotation_period_days=90),
    *life("DisableKey", "key.disable"),
    *life("EnableKey", "key.enable", [("DisableKey", {})]),
    *life("SuspendKey", "key.suspend"),
    *life("ResumeKey", "key.resume", [("SuspendKey", {})]),
    *life("DeactivateKey", "key.deactivate"),
    *life("CompromiseKey", "key.compromise", version=1),
    *life("ScheduleKeyDestruction", "key.destroy", [ROTATE], version=1),
    *life("CancelKeyDestruction", "key.cancel-destroy", [ROTATE, DESTROY], version=1),
    ("Records.PutRecords", "record.put", "allowed", None, lambda c, r: c["app"].put("table", "r", b"{}", request_id=r)),
    ("Records.PutRecords", "record.put", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].put("table", "r", b"{}", context={}, request_id=r)),
    ("Records.PutRecords", "record.put", "failed", "INVALID_ARGUMENT", lambda c, r: c["app"].put("table", "r", b"{", request_id=r)),
    ("Records.PutRecords", "record.put", "bad", "INVALID_ARGUMENT", lambda c, r: c["app"].put_items([], request_id=r)),
    ("Records.GetRecords", "record.get", "allowed", None, lambda c, r: c["app"].get("table-get", "r", request_id=r)),
    ("Records.GetRecords", "record.get", "refused", "PERMISSION_DENIED", lambda c, r: c["writer"].get("table-get", "r", request_id=r)),
    ("Records.GetRecords", "record.get", "failed", "NOT_FOUND", lambda c, r: c["app"].get("table-none", "r", request_id=r)),
    ("Records.GetRecords", "record.get", "bad", "INVALID_ARGUMENT", lambda c, r: c["app"].get_items([], request_id=r)),
    ("Approvals.List", "approval.list", "allowed", None, lambda c, r: list_approvals(c["auditor"], r)),
    ("Approvals.List", "approval.list", "refused", "PERMISSION_DENIED", lambda c, r: list_approvals(c["app"], r)),
    ("Approvals.List", "approval.list", "bad", "INVALID_ARGUMENT", lambda c, r: list_approvals(c["auditor"], r, page_size=5000)),
    ("Approvals.Show", "approval.show", "allowed", None, lambda c, r: c["auditor"].show(open_proposal(c).id, r)),
    ("Approvals.Show", "approval.show", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].show(NOBODY, r)),
    ("Approvals.Show", "approval.show", "failed", "NOT_FOUND", lambda c, r: c["auditor"].show(NOBODY, r)),
    ("Approvals.Show", "approval.show", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].show(DRAFT, r)),
    ("Approvals.Submit", "approval.submit", "allowed", None, lambda c, r: c["officer-a"].submit(fresh_draft(c), r)),
    ("Approvals.Submit", "approval.submit", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].submit(fresh_draft(c), r)),
    ("Approvals.Submit", "approval.submit", "failed", "NOT_FOUND", lambda c, r: c["officer-a"].submit(Missing, r)),
    ("Approvals.Submit", "approval.submit", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].submit(fresh_draft(c), r, signature=b"")),
    ("Approvals.Approve", "approval.approve", "allowed", None, lambda c, r: c["officer-b"].approve(open_proposal(c), r)),
    ("Approvals.Approve", "approval.approve", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].approve(open_proposal(c), r)),
    ("Approvals.Approve", "approval.approve", "failed", "PERMISSION_DENIED", lambda c, r: c["officer-a"].approve(open_proposal(c), r)),
    ("Approvals.Approve", "approval.approve", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-b"].approve(open_proposal(c), r, signature=b"x")),
    ("Approvals.Reject", "approval.reject", "allowed", None, lambda c, r: c["officer-b"].reject(open_proposal(c), r)),
    ("Approvals.Reject", "approval.reject", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].reject(open_proposal(c), r)),
    ("Approvals.Reject", "approval.reject", "failed", "NOT_FOUND", lambda c, r: c["officer-b"].reject(Missing, r)),
    ("Approvals.Reject", "approval.reject", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-b"].reject(open_proposal(c), r, signature=b"x")),
    ("Approvals.Withdraw", "approval.withdraw", "allowed", None, lambda c, r: c["officer-a"].withdraw(open_proposal(c), r)),
    ("Approvals.Withdraw", "approval.withdraw", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].withdraw(open_proposal(c), r)),
    ("Approvals.Withdraw", "approval.withdraw", "failed", "NOT_FOUND", lambda c, r: c["officer-b"].withdraw(Missing, r)),
    ("Approvals.Withdraw", "approval.withdraw", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-b"].withdraw(open_proposal(c), r, signature=b"")),
    ("Approvals.Execute", "approval.execute", "allowed", None, lambda c, r: c["officer-b"].execute(approved_by_hand(c), r)),
    ("Approvals.Execute", "approval.execute", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].execute(open_proposal(c), r)),
    ("Approvals.Execute", "approval.execute", "failed", "NOT_FOUND", lambda c, r: c["officer-b"].execute(Missing, r)),
    ("Approvals.Execute", "approval.execute", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-b"].execute(open_proposal(c), r, signature=b"")),
    ("Approvals.Review", "approval.review", "allowed", None, lambda c, r: c["officer-b"].review(revoked(c), r)),
    ("Approvals.Review", "approval.review", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].review(open_proposal(c), r)),
    ("Approvals.Review", "approval.review", "failed", "NOT_FOUND", lambda c, r: c["officer-b"].review(Missing, r)),
    ("Approvals.Review", "approval.review", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-b"].review(open_proposal(c), r, signature=b"")),
    ("Admin.RevokeIdentity", "identity.revoke", "allowed", None, lambda c, r: c["officer-a"].propose_revocation(WRITER, request_id=r)),
    ("Admin.RevokeIdentity", "identity.revoke", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].propose_revocation(WRITER, request_id=r)),
    ("Admin.RevokeIdentity", "identity.revoke", "failed", "NOT_FOUND", lambda c, r: c["officer-a"].propose_revocation("spiffe://no/body", request_id=r)),
    ("Admin.RevokeIdentity", "identity.revoke", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].propose_revocation(request_id=r)),
    ("Admin.UnrevokeIdentity", "identity.unrevoke", "allowed", None, lambda c, r: c["officer-b"].propose_unrevocation(certificate=lost(c), request_id=r)),
    ("Admin.UnrevokeIdentity", "identity.unrevoke", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].propose_unrevocation(WRITER, request_id=r)),
    ("Admin.UnrevokeIdentity", "identity.unrevoke", "failed", "NOT_FOUND", lambda c, r: c["officer-a"].propose_unrevocation(WRITER, request_id=r)),
    ("Admin.UnrevokeIdentity", "identity.unrevoke", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].propose_unrevocation(request_id=r)),
    ("Admin.ListRevocations", "identity.list", "allowed", None, lambda c, r: c["auditor"].revocations(r)),
    ("Admin.ListRevocations", "identity.list", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].revocations(r)),
    ("Admin.ListRevocations", "identity.list", "bad", "INVALID_ARGUMENT", lambda c, r: list_revocations(c["auditor"], r, page_size=5000)),
    ("Admin.ShowPolicy", "policy.show", "allowed", None, lambda c, r: show_policy(c["auditor"], r)),
    ("Admin.ShowPolicy", "policy.show", "refused", "PERMISSION_DENIED", lambda c, r: show_policy(c["app"], r)),
    ("Admin.ShowPolicy", "policy.show", "failed", "NOT_FOUND", lambda c, r: show_policy(c["auditor"], r, version=999)),
    ("Admin.ShowPolicy", "policy.show", "bad", "INVALID_ARGUMENT", lambda c, r: show_policy(c["auditor"], r, proposal="x")),
    ("Admin.ListPolicies", "policy.show", "allowed", None, lambda c, r: list_policies(c["auditor"], r)),
    ("Admin.ListPolicies", "policy.show", "refused", "PERMISSION_DENIED", lambda c, r: list_policies(c["app"], r)),
    ("Admin.ListPolicies", "policy.show", "bad", "INVALID_ARGUMENT", lambda c, r: list_policies(c["auditor"], r, page_size=5000)),
    ("Admin.ApplyPolicy", "policy.apply", "allowed", None, lambda c, r: apply_policy(c["officer-a"], r, c["policy"] + b"# again\n")),
    ("Admin.ApplyPolicy", "policy.apply", "refused", "PERMISSION_DENIED", lambda c, r: apply_policy(c["auditor"], r, c["policy"] + b"# again\n")),
    ("Admin.ApplyPolicy", "policy.apply", "failed", "FAILED_PRECONDITION", lambda c, r: apply_policy(c["officer-a"], r, c["policy"], base=9)),
    ("Admin.ApplyPolicy", "policy.apply", "bad", "INVALID_ARGUMENT", lambda c, r: apply_policy(c["officer-a"], r, b"")),
    ("Emergencies.Open", "emergency.open", "allowed", None, lambda c, r: c["writer"].open_emergency("table", request_id=r)),
    ("Emergencies.Open", "emergency.open", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].open_emergency("table", request_id=r)),
    ("Emergencies.Open", "emergency.open", "failed", "INVALID_ARGUMENT", lambda c, r: c["writer"].open_emergency("table", minutes=1441, request_id=r)),
    ("Emergencies.Open", "emergency.open", "bad", "INVALID_ARGUMENT", lambda c, r: c["writer"].open_emergency("table", reason="short", request_id=r)),
    ("Emergencies.Close", "emergency.close", "allowed", None, lambda c, r: c["officer-a"].close_emergency(c["writer"].open_emergency("table").id, r)),
    ("Emergencies.Close", "emergency.close", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].close_emergency(NOBODY, r)),
    ("Emergencies.Close", "emergency.close", "failed", "NOT_FOUND", lambda c, r: c["writer"].close_emergency(NOBODY, r)),
    ("Emergencies.Close", "emergency.close", "bad", "INVALID_ARGUMENT", lambda c, r: c["writer"].close_emergency("x", r)),
    ("Emergencies.List", "emergency.list", "allowed", None, lambda c, r: c["auditor"].list_emergencies(r)),
    ("Emergencies.List", "emergency.list", "refused", "PERMISSION_DENIED", lambda c, r: c["writer"].list_emergencies(r)),
    ("Emergencies.List", "emergency.list", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].list_emergencies(r, page_size=5000)),
    ("Admin.Diagnose", "doctor.run", "allowed", None, lambda c, r: c["auditor"].diagnose(r)),
    ("Admin.Diagnose", "doctor.run", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].diagnose(r)),
    ("Audit.Export", "audit.export", "allowed", None, lambda c, r: c["auditor"].export(0, 1, r)),
    ("Audit.Export", "audit.export", "refused", "PERMISSION_DENIED", lambda c, r: c["officer-a"].export(0, 1, r)),
    ("Audit.Export", "audit.export", "bad", "INVALID_ARGUMENT", lambda c, r: c["auditor"].export(5, 1, r)),
    ("Audit.Checkpoint", "audit.checkpoint", "allowed", None, lambda c, r: c["auditor"].checkpoint(r)),
    ("Audit.Checkpoint", "audit.checkpoint", "refused", "PERMISSION_DENIED", lambda c, r: c["app"].checkpoint(r)),
    ("Audit.RotateLogKey", "audit.rotate-log-key", "allowed", None, lambda c, r: c["officer-a"].propose_log_key(r)),
    ("Audit.RotateLogKey", "audit.rotate-log-key", "refused", "PERMISSION_DENIED", lambda c, r: c["auditor"].propose_log_key(r)),
    ("Audit.RotateLogKey", "audit.rotate-log-key", "bad", "INVALID_ARGUMENT", lambda c, r: c["officer-a"].propose_log_key(r, reason="")),
]
# What cannot fail once it is allowed.
NEVER_FAILS = {"Admin.ListRevocations", "Admin.ListPolicies", "Emergencies.List", "Keys.ListKeys", "Approvals.List", "Audit.Export", "Audit.Checkpoint",
               "Admin.Diagnose", "Audit.RotateLogKey"}
NEVER_BAD = {"Audit.Checkpoint", "Admin.Diagnose"}


def test_the_table_has_every_method_with_every_outcome():
    modules = (stubs.data_keys_pb2, stubs.keys_pb2, stubs.records_pb2, stubs.approvals_pb2, stubs.admin_pb2, stubs.emergencies_pb2, stubs.audit_pb2)
    methods = {f"{service.name}.{method.name}" for module in modules for service in module.DESCRIPTOR.services_by_name.values() for method in service.methods}
    wanted = set(itertools.product(methods, ["allowed", "refused", "failed", "bad"]))
    wanted -= {(m, "failed") for m in NEVER_FAILS} | {(m, "bad") for m in NEVER_BAD}
    assert wanted == {(method, outcome) for method, _, outcome, _, _ in TABLE}


def outcome_of(call, clients, request_id):
    """The gRPC code's name that the caller saw, None for success."""
    try:
        results = call(clients, request_id)
    except ItemRefused as error:
        return next(code.name for code in grpc.StatusCode if code.value[0] == error.code)
    except grpc.RpcError as error:
        return error.code().name
    assert results is not None
    return None


@pytest.fixture(scope="module")
def table(shared):
    """Runs the whole table once and reads the log once: request id -> (row, what the caller saw, entries)."""
    clients = {name: shared.client(name) for name in shared.NAMES}
    clients["wrapped"] = clients["app"].generate()[1]
    clients["policy"] = shared.policy.read_bytes()
    clients["app"].put("table-get", "r", b"{}")
    seen = {}
    for number, row in enumerate(TABLE):
        request_id = f"table-{number}"
        seen[request_id] = (row, outcome_of(row[4], clients, request_id), [])
    for entry in map(json.loads, clients["auditor"].leaves()):
        if entry.get("request") in seen:
            seen[entry["request"]][2].append(entry)
    yield seen
    for name in shared.NAMES:
        clients[name].close()


@pytest.mark.parametrize("number", range(len(TABLE)), ids=[f"{row[0]}-{row[2]}" for row in TABLE])
def test_a_request_writes_exactly_one_entry(table, number):
    (_, action, outcome, code, _), saw, entries = table[f"table-{number}"]
    assert saw == code
    assert len(entries) == 1, entries
    entry = entries[0]
    assert entry["action"] == action
    codes = {entry.get("code")} | {item.get("code") for item in entry.get("items", [])}
    assert code in codes if code else codes == {None}, entry
    outcomes = {entry["outcome"]} | {item["outcome"] for item in entry.get("items", [])}
    assert outcomes == {"allowed"} if outcome == "allowed" else outcomes & {"refused", "failed"}, entry


def test_an_entry_says_who_what_when_and_from_where(ward, app, auditor):
    app.generate(context={"purpose": "TREAT", "tenant": "north"}, request_id="who-what-when")
    entry, = auditor.entries("who-what-when")
    assert entry["identity"] == "spiffe://test.ward/app" and len(entry["cert"]) == 64 and entry["address"].startswith("127.0.0.1:")
    assert entry["node"] == "node-1" and entry["time"].endswith("Z") and entry["policy"] == ward.policy_sha256 and "rule" in json.dumps(entry)
    assert entry["context"]["purpose"] == "TREAT" and entry["context"]["tenant"].startswith("h:")
    assert "app/demo" in json.dumps(entry) and "end_user" not in entry
    item = stubs.data_keys_pb2.GenerateDataKeysItem(key="app/demo")
    request = stubs.data_keys_pb2.GenerateDataKeysRequest(header=header("for-whom", on_behalf_of="clinician-7"), items=[item])
    app.data_keys.GenerateDataKeys(request, timeout=10)
    assert auditor.entries("for-whom")[0]["end_user"] == "clinician-7", "the person whom the application names"


def test_health_writes_no_entry(ward, app, auditor):
    before = len(auditor.leaves())
    app.health.Check(stubs.health_pb2.HealthCheckRequest(), timeout=5)
    after = auditor.leaves()
    assert not [leaf for leaf in after[before:] if b"ealth" in leaf]


def test_the_log_verifies_by_an_independent_check(ward, auditor):
    entries = log.verify(auditor, ward.genesis["log_vkey"])
    assert entries[0]["identity"] == "system" and len(entries) > 2
    assert auditor.checkpoint().vkey == ward.genesis["log_vkey"]


def test_leaves_are_canonical(auditor):
    for leaf in auditor.leaves():
        assert leaf == json.dumps(json.loads(leaf), ensure_ascii=False, separators=(",", ":")).encode(), "spacing or escapes"
        assert len(leaf) <= 60 * 1024 and list(json.loads(leaf))[:3] == ["seq", "time", "node"]


@pytest.mark.parametrize("start,end", [(1, 0), (0, 1 << 62), ((1 << 64) - 1, (1 << 64) - 1)])
def test_a_range_outside_the_log_is_refused(auditor, start, end):
    with pytest.raises(grpc.RpcError) as caught:
        auditor.export(start, end)
    assert caught.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)


def test_an_empty_range_is_empty(auditor):
    assert not auditor.audit.Export(audit_pb2.ExportRequest(header=header(), start=0, end=0), timeout=5).leaves


def test_the_daemons_role_can_neither_change_nor_delete_entries(ward):
    tables = ward.postgres.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'ward' AND tablename LIKE '%audit%'").split()
    assert tables
    for name in tables:
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            assert ward.postgres.sql(f"SELECT has_table_privilege('ward_daemon', 'ward.{name}', '{right}')") == "f"
