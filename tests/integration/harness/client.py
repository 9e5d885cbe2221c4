# SPDX-License-Identifier: Apache-2.0
"""A client with one identity: grpcio's channel, and the calls as short methods."""
import hashlib
import itertools
import json
import time

import grpc
import pytest

from . import stubs
from .processes import wait_until
from .stubs import admin_pb2, approvals_pb2, audit_pb2, common_pb2, data_keys_pb2, emergencies_pb2, keys_pb2, records_pb2

MEGABYTE = 1 << 20
_serial = itertools.count(1)
TREAT = {"purpose": "TREAT"}


def raw(data: bytes) -> bytes:
    """A serializer for bytes that are a message already, or never were."""
    return data


def header(request_id: str = "", **members) -> common_pb2.RequestHeader:
    return common_pb2.RequestHeader(request_id=request_id or f"test-{next(_serial)}", **members)


class Client:
    def __init__(self, target: str, ca_pem: bytes, identity=None, timeout: float = 15):
        credentials = grpc.ssl_channel_credentials(ca_pem, identity.key_pem if identity else None, identity.pem if identity else None)
        self.identity, self.timeout = identity, timeout
        self.patient = False  # wait for the connection to come back; a call that fails at once never polls for it
        self.channel = grpc.secure_channel(target, credentials, options=[
            ("grpc.max_receive_message_length", 4 * MEGABYTE), ("grpc.max_send_message_length", 64 * MEGABYTE),
            ("grpc.initial_reconnect_backoff_ms", 50), ("grpc.min_reconnect_backoff_ms", 5000), ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.enable_retries", 0), ("grpc.use_local_subchannel_pool", 1)])
        self.data_keys = stubs.data_keys_pb2_grpc.DataKeysStub(self.channel)
        self.keys = stubs.keys_pb2_grpc.KeysStub(self.channel)
        self.records = stubs.records_pb2_grpc.RecordsStub(self.channel)
        self.approvals = stubs.approvals_pb2_grpc.ApprovalsStub(self.channel)
        self.admin = stubs.admin_pb2_grpc.AdminStub(self.channel)
        self.emergencies = stubs.emergencies_pb2_grpc.EmergenciesStub(self.channel)
        self.audit = stubs.audit_pb2_grpc.AuditStub(self.channel)
        self.health = stubs.health_pb2_grpc.HealthStub(self.channel)

    def close(self) -> None:
        self.channel.close()

    def call_raw(self, path: str, message: bytes, **options) -> bytes:
        """Any bytes to any path."""
        return self.channel.unary_unary(path, raw, raw)(message, timeout=self.timeout, **options)

    # ---- data keys ----

    def generate(self, key: str = "app/demo", context=None, request_id: str = "", **members):
        """One new data key: (plaintext, wrapped)."""
        result = self.generate_items([dict(key=key, context=context or {}, **members)], request_id)[0]
        raise_item(result)
        return result.keys[0].plaintext, result.keys[0].wrapped

    def generate_items(self, items, request_id: str = ""):
        request = data_keys_pb2.GenerateDataKeysRequest(header=header(request_id), items=[
            data_keys_pb2.GenerateDataKeysItem(**item) for item in items])
        return self.data_keys.GenerateDataKeys(request, timeout=self.timeout, wait_for_ready=self.patient).results

    def unwrap(self, wrapped: bytes, context=None, request_id: str = "") -> bytes:
        result = self.unwrap_items([(wrapped, context or {})], request_id)[0]
        raise_item(result)
        return result.plaintext

    def unwrap_items(self, items, request_id: str = ""):
        request = data_keys_pb2.UnwrapDataKeysRequest(header=header(request_id), items=[
            data_keys_pb2.UnwrapDataKeysItem(wrapped=wrapped, context=context) for wrapped, context in items])
        return self.data_keys.UnwrapDataKeys(request, timeout=self.timeout).results

    def rewrap_items(self, items, request_id: str = ""):
        """Items: members of RewrapDataKeysItem; new_context is a dict, and None leaves it out."""
        def item(new_context=None, **members):
            if new_context is not None:
                members["new_context"] = data_keys_pb2.Context(pairs=new_context)
            return data_keys_pb2.RewrapDataKeysItem(**members)
        request = data_keys_pb2.RewrapDataKeysRequest(header=header(request_id), items=[item(**members) for members in items])
        return self.data_keys.RewrapDataKeys(request, timeout=self.timeout).results

    def rewrap(self, wrapped: bytes, context=None, request_id: str = "", **members):
        result = self.rewrap_items([dict(wrapped=wrapped, context=context or {}, **members)], request_id)[0]
        raise_item(result)
        return result

    # ---- records ----

    def put_items(self, items, context=None, request_id: str = ""):
        request = records_pb2.PutRecordsRequest(header=header(request_id), context=TREAT if context is None else context, items=[
            records_pb2.PutRecordsItem(collection=c, subject=s, id=i, json=j) for c, s, i, j in items])
        return self.records.PutRecords(request, timeout=self.timeout, wait_for_ready=self.patient).results

    def put(self, subject: str, record: str, data: bytes, collection: str = "fhir", context=None, request_id: str = "") -> int:
        result = self.put_items([(collection, subject, record, data)], context, request_id)[0]
        raise_item(result)
        return result.version

    def get_items(self, items, context=None, request_id: str = ""):
        request = records_pb2.GetRecordsRequest(header=header(request_id), context=TREAT if context is None else context, items=[
            records_pb2.GetRecordsItem(**item) for item in items])
        return self.records.GetRecords(request, timeout=self.timeout).results

    def get(self, subject: str, record: str, fields=("*",), collection: str = "fhir", version: int = 0, context=None, request_id: str = ""):
        result = self.get_items([dict(collection=collection, subject=subject, id=record, version=version, fields=fields)],
                                context, request_id)[0]
        raise_item(result)
        return result

    # ---- keys ----

    def create_key(self, key: str, purpose=keys_pb2.KEY_PURPOSE_DATA_KEYS, request_id: str = ""):
        return self.keys.CreateKey(keys_pb2.CreateKeyRequest(header=header(request_id), name=key, purpose=purpose), timeout=self.timeout)

    def describe_key(self, key: str, request_id: str = ""):
        return self.keys.DescribeKey(keys_pb2.DescribeKeyRequest(header=header(request_id), name=key), timeout=self.timeout).key

    def rewrap_key(self, key: str, request_id: str = ""):
        return self.keys.RewrapKey(keys_pb2.RewrapKeyRequest(header=header(request_id), name=key), timeout=self.timeout).job

    def rewrap_progress(self, key: str, request_id: str = ""):
        return self.keys.RewrapProgress(keys_pb2.RewrapProgressRequest(header=header(request_id), name=key), timeout=self.timeout).job

    def rekey_key(self, key: str, request_id: str = ""):
        """The job, or where policy asks for approvals the draft of a proposal."""
        answer = self.keys.RekeyKey(keys_pb2.RekeyKeyRequest(header=header(request_id), name=key), timeout=self.timeout)
        return getattr(answer, answer.WhichOneof("outcome"))

    def rekey_progress(self, key: str, request_id: str = ""):
        return self.keys.RekeyProgress(keys_pb2.RekeyProgressRequest(header=header(request_id), name=key), timeout=self.timeout).job

    def key_usage(self, key: str, request_id: str = ""):
        return self.keys.KeyUsage(keys_pb2.KeyUsageRequest(header=header(request_id), name=key), timeout=self.timeout)

    def propose_rotation(self, key: str, reason: str = "", request_id: str = ""):
        """A draft that waits for the proposer's signature."""
        request = keys_pb2.RotateKeyRequest(header=header(request_id, reason=reason), name=key)
        return self.keys.RotateKey(request, timeout=self.timeout).proposal

    def sign(self, decision: str, payload: bytes) -> bytes:
        return self.identity.sign(pae(decision, payload))

    def submit(self, proposal, request_id: str = "", signature: bytes = None):
        request = approvals_pb2.SubmitApprovalRequest(header=header(request_id), id=proposal.id,
                                                      signature=self.sign("propose", proposal.payload) if signature is None else signature)
        return self.approvals.Submit(request, timeout=self.timeout).proposal

    def approve(self, proposal, request_id: str = "", signature: bytes = None):
        request = approvals_pb2.ApproveRequest(header=header(request_id), id=proposal.id,
                                               signature=self.sign("approve", proposal.payload) if signature is None else signature)
        return self.approvals.Approve(request, timeout=self.timeout).proposal

    def decide(self, decision: str, proposal, request_id: str = "", signature: bytes = None, reason: str = ""):
        """reject, withdraw, execute or review. The reason is part of what is signed."""
        name = decision.capitalize()
        if signature is None:
            signature = self.identity.sign(pae(decision, proposal.payload, reason))
        request = getattr(approvals_pb2, name + "Request")(header=header(request_id, reason=reason), id=proposal.id, signature=signature)
        return getattr(self.approvals, name)(request, timeout=self.timeout).proposal

    def reject(self, proposal, request_id: str = "", signature: bytes = None, reason: str = "not now"):
        return self.decide("reject", proposal, request_id, signature, reason)

    def withdraw(self, proposal, request_id: str = "", signature: bytes = None, reason: str = ""):
        return self.decide("withdraw", proposal, request_id, signature, reason)

    def execute(self, proposal, request_id: str = "", signature: bytes = None):
        return self.decide("execute", proposal, request_id, signature)

    def review(self, proposal, request_id: str = "", signature: bytes = None, reason: str = ""):
        return self.decide("review", proposal, request_id, signature, reason)

    def show(self, proposal_id: str, request_id: str = ""):
        return self.approvals.Show(approvals_pb2.ShowApprovalRequest(header=header(request_id), id=proposal_id), timeout=self.timeout).proposal

    # ---- identities ----

    def propose_revocation(self, identity: str = "", certificate: bytes = b"", force: bool = False, reason: str = "a lost card",
                           request_id: str = ""):
        """A draft; certificate is the SHA-256 of its DER."""
        request = admin_pb2.RevokeIdentityRequest(header=header(request_id, reason=reason), identity=identity,
                                                  certificate_sha256=certificate, force=force)
        return self.admin.RevokeIdentity(request, timeout=self.timeout).proposal

    def revoke(self, identity: str = "", certificate: bytes = b"", request_id: str = ""):
        """At once, on this officer's signature."""
        return self.submit(self.propose_revocation(identity, certificate), request_id)

    def propose_unrevocation(self, identity: str = "", certificate: bytes = b"", request_id: str = ""):
        request = admin_pb2.UnrevokeIdentityRequest(header=header(request_id, reason="found again"), identity=identity,
                                                    certificate_sha256=certificate)
        return self.admin.UnrevokeIdentity(request, timeout=self.timeout).proposal

    def revocations(self, request_id: str = "") -> set:
        """Identities, and certificates as hex."""
        found = self.admin.ListRevocations(admin_pb2.ListRevocationsRequest(header=header(request_id)), timeout=self.timeout).revocations
        return {revocation.identity or revocation.certificate_sha256.hex() for revocation in found}

    # ---- emergencies ----

    def open_emergency(self, subject: str, collection: str = "fhir", minutes: int = 5, reason: str = "found unconscious at home",
                       on_behalf_of: str = "clinician-7", context=None, request_id: str = ""):
        request = emergencies_pb2.OpenEmergencyRequest(
            header=header(request_id, reason=reason, on_behalf_of=on_behalf_of), collection=collection, subject=subject,
            minutes=minutes, context={"purpose": "ETREAT"} if context is None else context)
        return self.emergencies.Open(request, timeout=self.timeout).emergency

    def close_emergency(self, emergency_id: str, request_id: str = "", reason: str = "it is over"):
        request = emergencies_pb2.CloseEmergencyRequest(header=header(request_id, reason=reason), id=emergency_id)
        return self.emergencies.Close(request, timeout=self.timeout).emergency

    def list_emergencies(self, request_id: str = "", **members):
        request = emergencies_pb2.ListEmergenciesRequest(header=header(request_id), **members)
        return list(self.emergencies.List(request, timeout=self.timeout).emergencies)

    # ---- diagnosis ----

    def diagnose(self, request_id: str = "") -> list:
        return self.admin.Diagnose(admin_pb2.DiagnoseRequest(header=header(request_id)), timeout=self.timeout).findings

    # ---- audit ----

    def checkpoint(self, request_id: str = ""):
        return self.audit.Checkpoint(audit_pb2.CheckpointRequest(header=header(request_id)), timeout=self.timeout)

    def propose_log_key(self, request_id: str = "", reason: str = "it is a year old"):
        """A draft: another key for the log's checkpoints."""
        return self.audit.RotateLogKey(audit_pb2.RotateLogKeyRequest(header=header(request_id, reason=reason)), timeout=self.timeout).proposal

    def first_checkpoint(self, request_id: str = ""):
        """The newest; a daemon that has just begun signs its first within a second or so."""
        def signed():
            try:
                return self.checkpoint(request_id)
            except grpc.RpcError as error:
                assert error.code() == grpc.StatusCode.UNAVAILABLE, error.details()
                return None
        return wait_until(signed, 10, "a checkpoint is signed", every=0.2)

    def export(self, start: int, end: int, request_id: str = ""):
        return self.audit.Export(audit_pb2.ExportRequest(header=header(request_id), start=start, end=end), timeout=self.timeout).leaves

    def settle(self) -> None:
        """Waits until a checkpoint covers everything that was answered before."""
        marker = f"settle-{next(_serial)}-{time.monotonic_ns()}"
        seen = int(self.first_checkpoint(marker).note.split("\n")[1])

        def covered() -> bool:
            nonlocal seen
            size = int(self.checkpoint().note.split("\n")[1])
            while seen < size:
                page = self.export(seen, size)
                seen += len(page)
                if any(json.loads(leaf).get("request") == marker for leaf in page):
                    return True
            return False
        wait_until(covered, 15, "a checkpoint covers the newest entries", every=0.2)

    def leaves(self) -> list:
        """Every leaf up to now, as bytes."""
        self.settle()
        size = int(self.checkpoint().note.split("\n")[1])
        found = []
        while len(found) < size:
            page = self.export(len(found), size)
            assert page, "an empty page before the end"
            found += page
        return found

    def entries(self, request_id: str) -> list:
        """The audit entries of one request, in order."""
        return [entry for entry in map(json.loads, self.leaves()) if entry.get("request") == request_id]


class ItemRefused(Exception):
    """One item of a batch was answered with an error."""

    def __init__(self, error):
        super().__init__(f"{error.code}: {error.message}")
        self.code, self.message = error.code, error.message


def raise_item(result) -> None:
    if result.HasField("error"):
        raise ItemRefused(result.error)


def item_refused(code: int, text: str, call) -> None:
    """The one item of the call is refused with this gRPC code, and its message holds the text."""
    with pytest.raises((ItemRefused, grpc.RpcError)) as caught:
        call()
    error = caught.value
    seen = (error.code, error.message) if isinstance(error, ItemRefused) else (error.code().value[0], error.details())
    assert (seen[0], text in seen[1]) == (code, True), seen


def errors_of(call, n: int) -> list:
    """(code, message) of each of n items. A call whose items all fail alike fails as a whole with their status."""
    try:
        return [(result.error.code, result.error.message) for result in call()]
    except grpc.RpcError as error:
        return [(error.code().value[0], error.details())] * n


def pae(decision: str, payload: bytes, reason: str = "") -> bytes:
    """DSSE's pre-authentication encoding of a proposal under a decision, and a reason for it."""
    kind = f"application/vnd.ward.proposal+json; decision={decision}".encode()
    if reason:
        kind += b"; reason=" + hashlib.sha256(reason.encode()).hexdigest().encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
