# SPDX-License-Identifier: Apache-2.0
"""grpc.reflection.v1: off by default, for whom policy allows it, and enough for a client that knows nothing of Ward."""
import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from harness import wire
from harness.deployment import POLICY, Deployment
from harness.stubs import reflection_pb2, reflection_pb2_grpc

ALLOWED = POLICY.replace("""  - name: writers
    kind: application
""", """  - name: explorers
    kind: application
    members: ["spiffe://test.ward/app", "key:sha256:%s"]
    rules:
      - name: reflect
        actions: [server.reflect]
  - name: writers
    kind: application
""" % ("0" * 64))
REFLECT = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, UNIMPLEMENTED = 0, 3, 5, 7, 12
SERVICES = {"ward.v1.DataKeys", "ward.v1.Keys", "ward.v1.Records", "ward.v1.Approvals", "ward.v1.Audit", "ward.v1.Admin", "ward.v1.Emergencies",
            "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"}


@pytest.fixture(scope="module")
def open_ward():
    """With reflection, which only the application app may use."""
    deployment = Deployment(policy=ALLOWED)
    try:
        deployment.daemon().start(extra="reflection: true\n")
        officer = deployment.client("officer-a")
        officer.create_key("app/demo")
        yield deployment
    finally:
        deployment.close()


def question(**members) -> reflection_pb2.ServerReflectionRequest:
    return reflection_pb2.ServerReflectionRequest(**members)


def ask(client, *questions) -> list:
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    return list(stub.ServerReflectionInfo(iter(questions), timeout=10))


def test_without_the_setting_there_is_no_such_service(app, refused):
    refused("UNIMPLEMENTED", ":path: no such method", lambda: ask(app, question(list_services="")))


def test_only_those_whom_policy_names_are_answered(open_ward, refused):
    for name in ("app2", "officer-a", "auditor", "stranger"):
        refused("PERMISSION_DENIED", "policy: not allowed", lambda who=name: ask(open_ward.client(who), question(list_services="")))


def test_services_are_listed(open_ward):
    answer, = ask(open_ward.client("app"), question(list_services="", host="ward"))
    assert {service.name for service in answer.list_services_response.service} == SERVICES
    assert answer.valid_host == "ward" and answer.original_request.WhichOneof("message_request") == "list_services"


@pytest.mark.parametrize("members", [
    {"file_by_filename": "nothing.proto"}, {"file_by_filename": ""}, {"file_containing_symbol": "ward.v1.Nothing"},
    {"file_containing_symbol": ""}, {"file_containing_symbol": "google.rpc.Nothing"},
    {"all_extension_numbers_of_type": "ward.v1.Nothing"},
    {"file_containing_extension": reflection_pb2.ExtensionRequest(containing_type="ward.v1.RequestHeader", extension_number=7)}])
def test_what_is_not_known_is_not_found_and_the_stream_goes_on(open_ward, members):
    first, second = ask(open_ward.client("app"), question(**members), question(list_services=""))
    assert first.error_response.error_code == NOT_FOUND and first.error_response.error_message
    assert second.list_services_response.service


def test_a_question_without_content_is_told_so(open_ward):
    answer, = ask(open_ward.client("app"), question())
    assert answer.error_response.error_code == INVALID_ARGUMENT


def test_a_hundred_questions_are_answered_in_order(open_ward):
    names = [f"ward.v1.Nothing{i}" for i in range(100)]
    answers = ask(open_ward.client("app"), *[question(file_containing_symbol=name) for name in names])
    assert [answer.original_request.file_containing_symbol for answer in answers] == names


def pool_of(client, service: str) -> descriptor_pool.DescriptorPool:
    """What a generic client builds from the answers alone."""
    answer, = ask(client, question(file_containing_symbol=service))
    files = {}
    for data in answer.file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(data)
        files[file.name] = file
    pool = descriptor_pool.DescriptorPool()

    def add(name: str) -> None:
        file = files.pop(name, None)
        if file is not None:
            for imported in file.dependency:
                add(imported)
            pool.Add(file)
    for name in list(files):
        add(name)
    return pool


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_service_is_described_whole(open_ward, service):
    found = pool_of(open_ward.client("app"), service).FindServiceByName(service)
    assert found.methods and all(method.input_type.full_name for method in found.methods)


def test_a_client_that_knows_nothing_calls_what_it_was_told(open_ward):
    client = open_ward.client("app")
    method = pool_of(client, "ward.v1.DataKeys").FindServiceByName("ward.v1.DataKeys").methods_by_name["GenerateDataKeys"]
    request = message_factory.GetMessageClass(method.input_type)()
    request.items.add(key="app/demo")
    data = client.call_raw("/ward.v1.DataKeys/GenerateDataKeys", request.SerializeToString())
    answer = message_factory.GetMessageClass(method.output_type).FromString(data)
    assert len(answer.results[0].keys[0].plaintext) == 32


def test_the_older_name_is_the_same_service(open_ward):
    client = open_ward.client("app")
    call = client.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                        reflection_pb2.ServerReflectionRequest.SerializeToString,
                                        reflection_pb2.ServerReflectionResponse.FromString)
    answer, = list(call(iter([question(list_services="")]), timeout=10))
    assert {service.name for service in answer.list_services_response.service} == SERVICES


def test_details_of_refusals_are_described(open_ward):
    answer, = ask(open_ward.client("app"), question(file_containing_symbol="google.rpc.BadRequest"))
    names = [descriptor_pb2.FileDescriptorProto.FromString(data).name for data in answer.file_descriptor_response.file_descriptor_proto]
    assert names == ["google/rpc/error_details.proto", "google/protobuf/duration.proto"]


def test_a_stream_stays_open_between_questions(open_ward):
    with wire.Wire(open_ward, open_ward.daemons[0], open_ward.identities["app"]) as line:
        stream = line.headers(REFLECT)
        body = wire.message(question(list_services="").SerializeToString())
        seen = 0
        for _ in range(3):
            line.data(stream, body, size=3)
            while len(line.streams[stream]["data"]) == seen:
                line.receive()
            seen = len(line.streams[stream]["data"])
        line.data(stream, b"", end=True)
        assert line.answer(stream)["headers"]["grpc-status"] == "0"


def test_half_a_question_is_refused(open_ward):
    with wire.Wire(open_ward, open_ward.daemons[0], open_ward.identities["app"]) as line:
        assert line.status(REFLECT, wire.message(b"\x3a\x00", length=9)) == INVALID_ARGUMENT


def test_too_many_streams_at_once_are_refused(open_ward):
    with wire.Wire(open_ward, open_ward.daemons[0], open_ward.identities["app"]) as line:
        streams = [line.headers(REFLECT) for _ in range(17)]
        assert line.answer(streams[-1])["headers"]["grpc-status"] == "8"
        assert not line.streams[streams[0]]["ended"]


def test_reflection_leaves_no_entry(open_ward):
    auditor = open_ward.client("auditor")
    ask(open_ward.client("app"), question(list_services=""))
    with pytest.raises(grpc.RpcError):
        ask(open_ward.client("stranger"), question(list_services=""))
    assert not [leaf for leaf in auditor.leaves() if b"reflect" in leaf]


def test_a_drain_ends_an_open_stream(open_ward):
    daemon = open_ward.daemons[0]
    with wire.Wire(open_ward, daemon, open_ward.identities["app"]) as line:
        stream = line.headers(REFLECT)
        line.data(stream, wire.message(question(list_services="").SerializeToString()))
        while not line.streams[stream]["data"]:
            line.receive()
        assert daemon.stop() == 0  # within its time, although nobody closed the stream
    daemon.start(extra="reflection: true\n")
