# SPDX-License-Identifier: Apache-2.0
"""gRPC's wire rules, seen by a client that breaks them."""
import socket
import time

import pytest
from harness import wire
from harness.client import header
from harness.stubs import data_keys_pb2, keys_pb2

OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 8, 12, 13
GENERATE = "/ward.v1.DataKeys/GenerateDataKeys"
DESCRIBE = "/ward.v1.Keys/DescribeKey"
PUT = "/ward.v1.Records/PutRecords"


def good(request_id: str = "") -> bytes:
    return data_keys_pb2.GenerateDataKeysRequest(header=header(request_id), items=[
        data_keys_pb2.GenerateDataKeysItem(key="app/demo")]).SerializeToString()


@pytest.fixture
def line(ward):
    """A connection as app; afterwards the daemon still answers on a new one."""
    with wire.Wire(ward, ward.daemons[0], ward.identities["app"]) as made:
        yield made
    with wire.Wire(ward, ward.daemons[0], ward.identities["app"]) as after:
        assert after.status(GENERATE, wire.message(good())) == OK


def text(answer: dict) -> str:
    return answer["headers"].get("grpc-message", "")


def test_a_good_call_is_answered(line):
    answer = line.call(GENERATE, wire.message(good()))
    assert answer["headers"][":status"] == "200" and answer["headers"]["grpc-status"] == "0"
    assert answer["headers"]["content-type"].startswith("application/grpc")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64])
def test_data_frames_align_with_nothing(line, size):
    assert line.status(GENERATE, wire.message(good()), size=size) == OK


def test_the_end_may_come_in_an_empty_frame(line):
    stream = line.headers(GENERATE)
    line.data(stream, wire.message(good()))
    line.data(stream, b"", end=True)
    assert line.answer(stream)["headers"]["grpc-status"] == "0"


@pytest.mark.parametrize("path", [
    "/ward.v1.DataKeys/Nothing", "/ward.v1.Nothing/GenerateDataKeys", "/ward.v1.DataKeys/generateDataKeys", "/ward.v1.datakeys/GenerateDataKeys",
    "/ward.v1.DataKeys/GenerateDataKeys/", "//ward.v1.DataKeys/GenerateDataKeys", "/ward.v1.DataKeys/GenerateDataKeys?x=1",
    "/ward.v1.DataKeys/%47enerateDataKeys", "/ward.v1.DataKeys/./GenerateDataKeys", "/", "/x"])
def test_an_unknown_method_is_unimplemented(line, path):
    assert line.status(path, wire.message(good())) == UNIMPLEMENTED


def test_a_path_without_its_slash_is_never_the_method(line):
    stream = line.headers("ward.v1.DataKeys/GenerateDataKeys")
    line.data(stream, wire.message(good()), end=True)
    answer = line.answer(stream)
    assert answer["reset"] is not None or answer["headers"].get("grpc-status") == str(UNIMPLEMENTED) or answer["headers"][":status"] == "400"


def test_too_large_is_told_from_the_length_prefix(line):
    stream = line.headers(GENERATE)
    line.data(stream, wire.message(b"", length=(1 << 20) + 1))  # no body, no end of stream
    start = time.monotonic()
    answer = line.answer(stream)
    assert int(answer["headers"]["grpc-status"]) == RESOURCE_EXHAUSTED and "larger than" in text(answer)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("length", [(4 << 20) + 1, 0x7fffffff, 0xffffffff])
def test_records_have_a_larger_limit_and_still_one(line, length):
    stream = line.headers(PUT)
    line.data(stream, wire.message(b"", length=length))
    assert int(line.answer(stream)["headers"]["grpc-status"]) == RESOURCE_EXHAUSTED


def test_many_large_promises_cost_no_memory(ward, line):
    def resident() -> int:
        with open(f"/proc/{ward.daemons[0].pid}/status", encoding="ascii") as status:
            return next(int(row.split()[1]) for row in status if row.startswith("VmRSS"))
    before = resident()
    for _ in range(90):
        line.data(line.headers(GENERATE), wire.message(b"", length=1 << 20))
    assert resident() - before < 32 * 1024


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 6, -1])
def test_a_truncated_message_is_refused(line, cut):
    body = wire.message(good())
    answer = line.call(GENERATE, body[:cut])
    assert int(answer["headers"]["grpc-status"]) in (UNIMPLEMENTED, INVALID_ARGUMENT, INTERNAL) and text(answer)


def test_two_messages_are_one_too_many(line):
    assert line.status(GENERATE, wire.message(good()) * 2) == UNIMPLEMENTED


def test_compressed_with_an_encoding_is_unimplemented_and_says_what_is_spoken(line):
    answer = line.call(GENERATE, wire.message(good(), flag=1), grpc_encoding="gzip")
    assert int(answer["headers"]["grpc-status"]) == UNIMPLEMENTED
    assert answer["headers"].get("grpc-accept-encoding") == "identity"


@pytest.mark.parametrize("encoding", [None, "identity"])
def test_compressed_without_an_encoding_is_internal(line, encoding):
    assert line.status(GENERATE, wire.message(good(), flag=1), grpc_encoding=encoding) == INTERNAL


@pytest.mark.parametrize("flag", [2, 128, 255])
def test_unknown_flags_are_refused(line, flag):
    assert line.status(GENERATE, wire.message(good(), flag=flag)) in (INTERNAL, UNIMPLEMENTED, INVALID_ARGUMENT)


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "", None])
def test_another_content_type_is_415(line, kind):
    assert line.call(GENERATE, wire.message(good()), content_type=kind)["headers"][":status"] == "415"


def test_a_content_type_with_a_suffix_is_grpc(line):
    assert line.status(GENERATE, wire.message(good()), content_type="application/grpc+proto") == OK


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "CONNECT"])
def test_another_http_method_is_never_a_call(line, method):
    answer = line.call(GENERATE, wire.message(good()), method=method)
    assert answer["reset"] is not None or answer["headers"][":status"] != "200" or answer["headers"].get("grpc-status") != "0"


@pytest.mark.parametrize("timeout", ["", "1", "S", "123456789S", "1x", "-1S", "1.5S", "S1"])
def test_a_malformed_timeout_is_refused_or_ignored_but_never_breaks(line, timeout):
    answer = line.call(GENERATE, wire.message(good()), grpc_timeout=timeout)
    assert int(answer["headers"]["grpc-status"]) in (OK, INVALID_ARGUMENT, INTERNAL)


def test_a_deadline_of_nothing_is_exceeded(line):
    answer = line.call(GENERATE, wire.message(good()), grpc_timeout="1n")
    assert answer["reset"] is not None or int(answer["headers"]["grpc-status"]) == 4


@pytest.mark.parametrize("body", [b"\x0b" * 1_000_000, b"\x0b" * 500_000 + b"\x0c" * 500_000, b"\x0a" * 1_000_000, b"\xff" * 1000, b"\x00", b"\x08",
                                  b"\x12\xff\xff\xff\xff\x0f", b"\x12\x05abc", b"\x80" * 20], ids=range(9))
def test_nested_a_million_deep_or_no_message_at_all_is_refused(line, body):
    assert line.status(GENERATE, wire.message(body)) in (INVALID_ARGUMENT, INTERNAL)


def test_unknown_fields_are_bad_input(line):
    answer = line.call(GENERATE, wire.message(good() + b"\xfa\x7f\x01x"))
    assert int(answer["headers"]["grpc-status"]) == INVALID_ARGUMENT and "unknown" in text(answer).lower()


def test_a_reset_stream_leaves_the_connection_working(line):
    for _ in range(20):
        stream = line.headers(GENERATE)
        line.data(stream, wire.message(good())[:7])
        line.http.reset_stream(stream, 8)
        line.flush()
    assert line.status(GENERATE, wire.message(good())) == OK


def test_headers_over_8_kib_are_refused(line):
    stream = line.headers(GENERATE, x_large="a" * 9000)
    line.data(stream, wire.message(good()), end=True)
    answer = line.answer(stream)
    assert answer["reset"] is not None or answer["headers"][":status"] == "431" or int(answer["headers"]["grpc-status"]) == RESOURCE_EXHAUSTED


def test_unknown_metadata_changes_nothing(line):
    assert line.status(GENERATE, wire.message(good()), x_identity="spiffe://test.ward/officer-a", authorization="Bearer x") == OK
    assert line.status(DESCRIBE, wire.message(keys_pb2.DescribeKeyRequest(name="app/demo").SerializeToString()),
                       x_forwarded_for="10.0.0.1", x_identity="spiffe://test.ward/officer-a") == 7


def test_garbage_before_tls_is_dropped(ward, line):
    with socket.create_connection(("127.0.0.1", ward.daemons[0].port), timeout=15) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        sock.settimeout(15)
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
