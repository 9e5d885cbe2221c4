# SPDX-License-Identifier: Apache-2.0
"""A change that its caller named by a request_id is done once, and answered the same whenever it comes again."""
import hashlib
import json
import random
import threading
import time
import uuid

import grpc
import pytest
from harness.client import header, pae
from harness.deployment import POLICY, TRUST
from harness.processes import wait_until
from harness.stubs import admin_pb2, error_details_pb2, records_pb2, status_pb2

PUT = "/ward.v1.Records/PutRecords"
ANOTHER = "request_id: was used for another request; one names one request for 24 hours"
PHI = b'{"resourceType":"Patient","id":"1","name":"replayed-name-7731"}'
RECORDS = "      - name: records\n"
assert RECORDS in POLICY


@pytest.fixture(scope="module")
def pair(own):
    own.daemon("node-2").start()
    return own


@pytest.fixture
def app(pair):
    made = pair.client("app")
    yield made
    made.close()


def new_id() -> str:
    return f"replay-{uuid.uuid4()}"


def put_message(request_id: str, subject: str, data: bytes = PHI, record: str = "r1", **members) -> bytes:
    return records_pb2.PutRecordsRequest(header=header(request_id, **members), context={"purpose": "TREAT"}, items=[
        records_pb2.PutRecordsItem(collection="fhir", subject=subject, id=record, json=data)]).SerializeToString()


def version_of(client, subject: str, record: str = "r1") -> int:
    return client.get(subject, record).version


def entries_of(pair, request_id: str) -> list:
    auditor = pair.client("auditor")
    try:
        return auditor.entries(request_id)
    finally:
        auditor.close()


# ---- the same again ----

def test_the_same_request_is_answered_the_same_and_changes_nothing(pair, app):
    request_id, subject = new_id(), new_id()
    message = put_message(request_id, subject)
    answers = {app.call_raw(PUT, message) for _ in range(4)}
    assert len(answers) == 1
    assert version_of(app, subject) == 1
    entries = entries_of(pair, request_id)
    assert [entry["outcome"] for entry in entries] == ["allowed"] * 4
    assert [entry.get("detail", {}).get("replayed") for entry in entries] == [None, 1, 1, 1]


def test_at_the_other_daemon_and_after_restarts(pair, app):
    first, second = pair.daemons[:2]
    request_id, subject = new_id(), new_id()
    message = put_message(request_id, subject)
    answer = app.call_raw(PUT, message)
    other = pair.client("app", second)
    assert other.call_raw(PUT, message) == answer
    for server, stop in ((first, first.stop), (second, second.kill)):
        stop()
        server.start()
    for server in (first, second):
        fresh = pair.client("app", server)
        assert fresh.call_raw(PUT, message) == answer
        assert version_of(fresh, subject) == 1
        fresh.close()


def test_several_at_once_are_one_change(pair):
    request_id, subject = new_id(), new_id()
    message = put_message(request_id, subject)
    clients = [pair.client("app", server) for server in pair.daemons[:2] for _ in range(6)]
    outcomes, barrier = [], threading.Barrier(len(clients))

    def send(client) -> None:
        barrier.wait()
        try:
            outcomes.append(client.call_raw(PUT, message))
        except grpc.RpcError as error:
            outcomes.append((error.code().name, error.details()))
    threads = [threading.Thread(target=send, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    answers = {outcome for outcome in outcomes if isinstance(outcome, bytes)}
    errors = {outcome for outcome in outcomes if not isinstance(outcome, bytes)}
    assert len(outcomes) == len(clients) and len(answers) == 1
    assert errors <= {("ABORTED", "request: others were faster; try again")}, errors
    assert version_of(clients[0], subject) == 1
    for client in clients:
        client.close()


# ---- what the same is ----

def field(number: int, data: bytes) -> bytes:
    size = len(data)
    prefix = bytes([size]) if size < 128 else bytes([size & 0x7f | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + prefix + data


def test_the_order_on_the_wire_does_not_matter(app):
    """Entries of a map, and fields, in every order: the same request."""
    request_id, subject = new_id(), new_id()
    head = field(1, field(1, request_id.encode()) + field(3, b"why"))
    swapped = field(1, field(3, b"why") + field(1, request_id.encode()))
    pairs = [field(2, field(1, key) + field(2, value)) for key, value in ((b"purpose", b"TREAT"), (b"tenant", b"north"), (b"unit", b"7"))]
    turned = [field(2, field(2, value) + field(1, key)) for key, value in ((b"unit", b"7"), (b"purpose", b"TREAT"), (b"tenant", b"north"))]
    item = field(3, field(1, b"fhir") + field(2, subject.encode()) + field(3, b"r1") + field(4, PHI))
    item2 = field(3, field(1, b"fhir") + field(2, subject.encode()) + field(3, b"r2") + field(4, PHI))
    orders = [head + b"".join(pairs) + item + item2, b"".join(turned) + item + item2 + swapped,
              item + pairs[2] + head + pairs[0] + item2 + pairs[1]]
    assert len({app.call_raw(PUT, message) for message in orders}) == 1
    assert version_of(app, subject) == 1
    with pytest.raises(grpc.RpcError) as caught:  # the order of items does
        app.call_raw(PUT, head + b"".join(pairs) + item2 + item)
    assert caught.value.details() == ANOTHER


def test_another_request_under_the_same_name_is_refused(pair, app, refused):
    request_id, subject = new_id(), new_id()
    app.call_raw(PUT, put_message(request_id, subject, reason="why", on_behalf_of="u-1"))
    others = [put_message(request_id, subject, PHI + b" ", reason="why", on_behalf_of="u-1"),
              put_message(request_id, subject, record="r2", reason="why", on_behalf_of="u-1"),
              put_message(request_id, subject, reason="why not", on_behalf_of="u-1"),
              put_message(request_id, subject, reason="why", on_behalf_of="u-2"),
              put_message(request_id, subject, reason="why"),
              put_message(request_id, subject)]
    for message in others:
        refused("INVALID_ARGUMENT", ANOTHER, lambda message=message: app.call_raw(PUT, message))
    assert version_of(app, subject) == 1
    entries = entries_of(pair, request_id)
    assert [entry["outcome"] for entry in entries] == ["allowed"] + ["refused"] * len(others)
    assert {entry["code"] for entry in entries[1:]} == {"INVALID_ARGUMENT"}


def test_a_name_is_its_identitys_own_and_a_methods(pair, app):
    request_id, subject = new_id(), new_id()
    app.call_raw(PUT, put_message(request_id, subject))
    other = pair.client("app2")
    other.call_raw(PUT, put_message(request_id, subject))
    assert version_of(app, subject) == 2
    assert app.generate(request_id=request_id)  # what keeps nothing does not ask
    officer = pair.client("officer-a")
    officer.propose_rotation("app/demo", request_id=request_id)
    with pytest.raises(grpc.RpcError) as caught:
        officer.create_key(f"app/{request_id}", request_id=request_id)
    assert caught.value.details() == ANOTHER


def test_without_a_name_each_is_its_own(app):
    subject = new_id()
    message = records_pb2.PutRecordsRequest(context={"purpose": "TREAT"}, items=[
        records_pb2.PutRecordsItem(collection="fhir", subject=subject, id="r1", json=PHI)]).SerializeToString()
    assert len({app.call_raw(PUT, message) for _ in range(3)}) == 3
    assert version_of(app, subject) == 3


# ---- officers' changes ----

def test_officers_changes_are_done_once(pair):
    a, b = pair.client("officer-a"), pair.client("officer-b", pair.daemons[1])
    name, ids = f"app/{uuid.uuid4()}", [new_id() for _ in range(5)]
    created = [a.create_key(name, request_id=ids[0]).SerializeToString(deterministic=True) for _ in range(3)]
    assert len(set(created)) == 1
    drafts = [a.propose_rotation(name, request_id=ids[1]) for _ in range(3)]
    assert len({draft.id for draft in drafts}) == 1
    signature = a.sign("propose", drafts[0].payload)
    opened = [a.submit(drafts[0], ids[2], signature) for _ in range(2)]
    assert [proposal.state for proposal in opened] == ["open", "open"]
    vote = b.sign("approve", drafts[0].payload)
    assert [b.approve(opened[0], ids[3], vote).state for _ in range(3)] == ["executed"] * 3
    assert len(a.describe_key(name).versions) == 2
    rejected = a.propose_rotation(name)
    a.submit(rejected)
    vote = b.identity.sign(pae("reject", rejected.payload, "not now"))
    assert [b.reject(rejected, ids[4], vote).state for _ in range(2)] == ["rejected"] * 2


def test_a_revocation_is_done_once(pair):
    a, b = pair.client("officer-a"), pair.client("officer-b")
    ids = [new_id() for _ in range(2)]
    drafts = [a.propose_revocation(TRUST + "writer", request_id=ids[0]) for _ in range(2)]
    assert drafts[0].id == drafts[1].id
    signature = a.sign("propose", drafts[0].payload)
    assert [a.submit(drafts[0], ids[1], signature).state for _ in range(2)] == ["executed"] * 2
    assert a.propose_revocation(TRUST + "writer", request_id=ids[0]).id == drafts[0].id  # it is revoked now, by this very one
    assert b.approve(a.submit(a.propose_unrevocation(TRUST + "writer"))).state == "executed"


# ---- rights as they are now ----

def test_the_revoked_get_no_answer_again(pair, refused):
    a, b = pair.client("officer-a"), pair.client("officer-b")
    lost = pair.authority.issue([TRUST + "app"])
    client, spare = pair.client(lost), pair.client("app")
    request_id, subject = new_id(), new_id()
    message = put_message(request_id, subject)
    answer = client.call_raw(PUT, message)
    digest = hashlib.sha256(lost.der).digest()
    a.revoke(certificate=digest)
    with pytest.raises(grpc.RpcError):
        client.call_raw(PUT, message)
    assert spare.call_raw(PUT, message) == answer  # the same identity, by its other certificate
    a.revoke(TRUST + "app")
    with pytest.raises(grpc.RpcError):
        spare.call_raw(PUT, message)
    for whom in (dict(identity=TRUST + "app"), dict(certificate=digest)):
        assert b.approve(a.submit(a.propose_unrevocation(**whom))).state == "executed"


def test_a_replay_whose_rights_were_withdrawn_names_the_rule(pair, app):
    a, b = pair.client("officer-a"), pair.client("officer-b")

    def put_in_force(text: str) -> None:
        base = a.admin.ShowPolicy(admin_pb2.ShowPolicyRequest(header=header()), timeout=15).policy.version
        answer = a.admin.ApplyPolicy(admin_pb2.ApplyPolicyRequest(header=header(reason="it ends"), text=text.encode(), base_version=base), timeout=15)
        assert b.approve(a.submit(answer.proposal)).state == "executed"
    request_id, subject = new_id(), new_id()
    message = put_message(request_id, subject)
    answer = app.call_raw(PUT, message)
    put_in_force(POLICY.replace(RECORDS, "      - {name: withdrawn, effect: deny, actions: [record.put], collections: [fhir]}\n" + RECORDS))
    with pytest.raises(grpc.RpcError) as caught:
        app.call_raw(PUT, message)
    put_in_force(POLICY)
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert caught.value.details() == "policy: what was answered to this request_id is not allowed any more"
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert [detail.Unpack(info) for detail in status.details] == [True]
    assert dict(info.metadata) == {"action": "record.put", "rule": "apps/withdrawn"}
    assert app.call_raw(PUT, message) == answer
    first, refused, again = entries_of(pair, request_id)
    assert (refused["outcome"], refused["code"], refused["rule"]) == ("refused", "PERMISSION_DENIED", "apps/withdrawn")
    assert first["outcome"] == again["outcome"] == "allowed" and again["detail"]["replayed"] == 1


# ---- what is kept, and what is not ----

def test_what_is_kept_says_nothing_of_a_patient(pair, app):
    request_id, subject = new_id(), new_id()
    app.call_raw(PUT, put_message(request_id, subject))
    row = pair.postgres.sql(f"SELECT row_to_json(r) FROM ward.replay r WHERE request_id = '{request_id}'")
    kept = json.loads(row)
    assert kept["identity"] == TRUST + "app"
    text = row + bytes.fromhex(kept["response"].removeprefix("\\x")).decode("latin-1")
    for secret in (subject, "replayed-name-7731", "Patient"):
        assert secret not in text
    plain = hashlib.sha256(put_message(request_id, subject)).hexdigest()
    assert plain not in row
    assert pair.postgres.sql("SELECT count(*) FROM ward.replay WHERE identity = '' OR request_id = ''") == "0"


def test_what_failed_may_come_again(pair, app):
    request_id, subject = new_id(), new_id()
    first, second = pair.daemons[:2]
    pair.postgres.stop("immediate")
    with pytest.raises(grpc.RpcError):
        app.call_raw(PUT, put_message(request_id, subject))
    pair.postgres.start()
    for server in (first, second):
        server.wait_ready()
    wait_until(lambda: answered(app, put_message(request_id, subject)), 20, "the database is back")
    assert version_of(app, subject) == 1


def answered(client, message: bytes) -> bool:
    try:
        results = records_pb2.PutRecordsResponse.FromString(client.call_raw(PUT, message, wait_for_ready=True)).results
        assert {result.error.code for result in results} <= {0, 14}, results  # OK; UNAVAILABLE, which is not kept
        return all(result.error.code == 0 for result in results)
    except grpc.RpcError as error:
        assert error.code().name in ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "CANCELLED"), error
        time.sleep(0.05)
        return False


def test_after_a_day_it_is_forgotten(pair, app):
    request_id, subject = new_id(), new_id()
    message = put_message(request_id, subject)
    app.call_raw(PUT, message)
    aged = "UPDATE ward.replay SET created_us = created_us - {} * 3600000000::bigint WHERE request_id = '{}'"
    pair.postgres.sql(aged.format(23, request_id))
    app.call_raw(PUT, message)
    assert version_of(app, subject) == 1
    pair.postgres.sql(aged.format(2, request_id))
    wait_until(lambda: pair.postgres.sql(f"SELECT count(*) FROM ward.replay WHERE request_id = '{request_id}'") == "0", 20,
               "it is deleted")
    app.call_raw(PUT, message)
    assert version_of(app, subject) == 2


# ---- kill -9 ----

def test_killed_in_between_it_is_still_one_change(pair):
    """The client asks until it is answered; the daemon is killed at any moment meanwhile."""
    server = pair.daemons[0]
    rng = random.Random(7)
    for turn in range(6):
        subject = new_id()
        messages = [put_message(new_id(), subject, record=f"r{i}") for i in range(40)]
        client = pair.client("app", server, timeout=3)
        done = threading.Event()

        def send(messages=messages, client=client, done=done) -> None:
            for message in messages:
                wait_until(lambda message=message: answered(client, message), 30, "it is answered")
            done.set()
        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        time.sleep(rng.uniform(0.0, 0.12))
        server.kill()
        server.start()
        assert done.wait(60), f"turn {turn}: not all were answered"
        thread.join(5)
        fresh = pair.client("app", server)
        versions = {version_of(fresh, subject, f"r{i}") for i in range(40)}
        assert versions == {1}, f"turn {turn}"
        for made in (client, fresh):
            made.close()
