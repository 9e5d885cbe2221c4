# SPDX-License-Identifier: Apache-2.0
"""gRPC over HTTP/2, rule by rule (PROTOCOL-HTTP2, statuscodes, compression, gRFC A6, A8, A9), in frames of our own making."""
import base64
import os
import signal
import struct
import time

import grpc
import pytest
from harness import wire
from harness.client import header
from harness.processes import wait_until
from harness.stubs import data_keys_pb2, error_details_pb2, health_pb2, keys_pb2, status_pb2

OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 3, 4, 8, 12, 13, 14
GENERATE = "/ward.v1.DataKeys/GenerateDataKeys"
DESCRIBE = "/ward.v1.Keys/DescribeKey"
NO_ERROR, CANCEL = 0, 8
GOAWAY_FRAME, END_STREAM = 7, 1
LAST_STREAM = 2**31 - 1


def good(request_id: str = "") -> bytes:
    return wire.message(data_keys_pb2.GenerateDataKeysRequest(header=header(request_id), items=[
        data_keys_pb2.GenerateDataKeysItem(key="app/demo")]).SerializeToString())


@pytest.fixture
def line(ward):
    with wire.Wire(ward, ward.daemons[0], ward.identities["app"]) as made:
        yield made


def code(answer: dict) -> int:
    return int(answer["headers"]["grpc-status"])


def pieces(line, *parts, **headers) -> dict:
    """One call whose data comes in just these frames; the last ends the stream."""
    stream = line.headers(GENERATE, **headers)
    for part in parts[:-1]:
        line.data(stream, part)
    line.data(stream, parts[-1], end=True)
    return line.answer(stream)


# ---- messages and frames ----

@pytest.mark.parametrize("cut", range(1, 6))
def test_the_prefix_may_be_split_anywhere(line, cut):
    body = good()
    assert code(pieces(line, body[:cut], body[cut:])) == OK
    assert code(pieces(line, body[:cut], b"", body[cut:], b"")) == OK


def test_a_byte_a_frame(line):
    assert code(pieces(line, *[bytes([byte]) for byte in good()])) == OK


def test_padded_frames(line):
    stream = line.headers(GENERATE)
    line.http.send_data(stream, good(), end_stream=True, pad_length=200)
    line.flush()
    assert code(line.answer(stream)) == OK


def test_no_message_at_all(line):
    assert code(line.answer(line.headers(GENERATE, end=True))) == UNIMPLEMENTED
    assert code(pieces(line, b"")) == UNIMPLEMENTED


@pytest.mark.parametrize("many", [2, 3, 50])
def test_many_messages_in_a_frame_or_one_each_are_not_unary(line, many):
    assert code(pieces(line, good() * many)) == UNIMPLEMENTED
    assert code(pieces(line, *[good()] * many)) == UNIMPLEMENTED


@pytest.mark.parametrize("rest", [b"\0", b"\0\0\0\0", b"\0\0\0\0\0"])
def test_what_follows_the_message_is_a_second_one(line, rest):
    assert code(pieces(line, good() + rest)) == UNIMPLEMENTED
    assert code(pieces(line, good(), rest)) == UNIMPLEMENTED


def test_a_request_may_have_trailers(line):
    stream = line.headers(GENERATE)
    line.data(stream, good())
    line.http.send_headers(stream, [("x-trailer", "1"), ("grpc-timeout", "nonsense")], end_stream=True)
    line.flush()
    assert code(line.answer(stream)) == OK


def test_the_limit_is_on_the_prefix_and_exact(line):
    """A message of the largest size is read whole; one byte more is refused unread."""
    largest = 1 << 20
    stream = line.headers(GENERATE)
    line.data(stream, wire.message(b"", length=largest + 1))
    assert code(line.answer(stream)) == RESOURCE_EXHAUSTED
    assert line.status(GENERATE, wire.message(b"\x0a" * largest)) in (INTERNAL, INVALID_ARGUMENT)


# ---- headers ----

@pytest.mark.parametrize("timeout", ["1H", "1M", "10S", "10000m", "10000000u", "99999999n", "99999999H", "00000010S"])
def test_every_unit_of_a_timeout(line, timeout):
    assert line.status(GENERATE, good(), grpc_timeout=timeout) == OK


@pytest.mark.parametrize("timeout", ["", "1", "S", "123456789S", "1x", "1h", "-1S", "+1S", "1.5S", "S1", "1 S", "1SS", "0x1S", "1e3S"])
def test_what_is_no_timeout_is_refused_and_named(line, timeout):
    answer = line.call(GENERATE, good(), grpc_timeout=timeout)
    assert code(answer) == INVALID_ARGUMENT and answer["headers"]["grpc-message"].startswith("grpc-timeout: ")


def test_no_time_at_all_is_not_without_end(line):
    answer = line.call(GENERATE, good(), grpc_timeout="0S")
    assert answer["reset"] == CANCEL or code(answer) == DEADLINE_EXCEEDED


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc+proto;x=y"])
def test_content_types_that_are_grpc(line, kind):
    assert line.status(GENERATE, good(), content_type=kind) == OK


@pytest.mark.parametrize("kind", ["application/grp", "application/grpc-web", "application/grpc-web+proto", "application/grpcx",
                                  "application/grpc+json", "xapplication/grpc", "application/json", "*/*"])
def test_content_types_that_are_not_are_415(line, kind):
    answer = line.call(GENERATE, good(), content_type=kind)
    assert answer["headers"][":status"] == "415" and answer["headers"]["grpc-status"] != "0"


@pytest.mark.parametrize("te", [None, "", "gzip", "trailers, deflate", "Trailers"])
def test_without_te_trailers_it_is_no_grpc_client(line, te):
    stream = line.headers(GENERATE, te=te)
    line.data(stream, good(), end=True)
    answer = line.answer(stream)
    assert answer["reset"] is not None or (code(answer) == INVALID_ARGUMENT and "te: " in answer["headers"]["grpc-message"])


METADATA = [
    ("x-trace-bin", base64.b64encode(b"ab").decode()), ("x-trace-bin", base64.b64encode(b"ab").decode().rstrip("=")),
    ("x-trace-bin", "YWI=,YWJj,,YQ"), ("x-trace-bin", "!not base64!"), ("x-trace-bin", "Y"), ("x-trace-bin", ""), ("x-trace-bin", "====="),
    ("grpc-status-details-bin", "Y"), ("grpc-trace-bin", "!"),
    ("grpc-nothing", "x"), ("grpc-status", "0"), ("grpc-message", "%zz"), ("grpc-previous-rpc-attempts", "x"), ("grpc-tags-bin", "%"),
    ("x-any", "".join(map(chr, range(0x20, 0x7f))).strip()), ("x-tab", "a\tb"), ("x-latin", "\u00e9\u00ff"), ("x-utf8", "\u6f22\u5b57"),
    ("user-agent", "grpc-none/0"), ("authorization", "Bearer x"), ("cookie", "a=b; c=d"), ("x-empty", "")]


@pytest.mark.parametrize("name,value", METADATA, ids=range(len(METADATA)))
def test_metadata_changes_nothing_whatever_it_holds(line, name, value):
    assert line.status(GENERATE, good(), **{name: value}) == OK


def sized(line, total: int) -> dict:
    """A call whose header list counts just so many bytes: name, value and 32 each."""
    fields = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": GENERATE, "te": "trailers",
              "content-type": "application/grpc"}
    used = sum(len(name) + len(value) + 32 for name, value in fields.items())
    return line.call(GENERATE, good(), **{"x-pad": "a" * (total - used - len("x-pad") - 32)})


def test_the_header_list_is_counted_with_32_for_each(line):
    assert code(sized(line, 8192)) == OK
    answer = sized(line, 8193)
    assert code(answer) == RESOURCE_EXHAUSTED and answer["headers"]["grpc-message"] == "headers: larger than 8192 bytes"


def test_many_small_headers_count_too(line):
    answer = line.call(GENERATE, good(), **{f"x-{i}": "" for i in range(240)})
    assert code(answer) == RESOURCE_EXHAUSTED


# ---- compression ----

@pytest.mark.parametrize("encoding", ["gzip", "deflate", "snappy", "nonsense", ""])
def test_an_encoding_that_no_message_uses_is_fine(line, encoding):
    assert line.status(GENERATE, good(), grpc_encoding=encoding) == OK


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "nonsense"])
def test_a_compressed_message_is_told_what_we_speak(line, encoding):
    body = good()
    answer = line.call(GENERATE, b"\1" + body[1:], grpc_encoding=encoding)
    assert code(answer) == UNIMPLEMENTED and answer["headers"]["grpc-accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", [None, "identity"])
def test_a_flag_without_an_encoding_is_internal(line, encoding):
    assert line.status(GENERATE, b"\1" + good()[1:], grpc_encoding=encoding) == INTERNAL


def test_answers_are_plain_whatever_the_client_takes(line):
    answer = line.call(GENERATE, good(), grpc_accept_encoding="gzip,deflate,identity")
    assert answer["headers"].get("grpc-encoding", "identity") == "identity" and answer["data"][0] == 0


# ---- answers ----

def test_an_answer_is_headers_message_trailers(line):
    answer = line.call(GENERATE, good())
    first, last = answer["blocks"]
    assert first == {":status": "200", "content-type": "application/grpc"}
    assert last == {"grpc-status": "0"}
    flag, size = struct.unpack(">BI", answer["data"][:5])
    assert flag == 0 and size == len(answer["data"]) - 5
    data_keys_pb2.GenerateDataKeysResponse.FromString(answer["data"][5:])


REFUSALS = [(GENERATE, b"", {}, UNIMPLEMENTED), (GENERATE, wire.message(b"\xff"), {}, INTERNAL), ("/x.Y/Z", good(), {}, UNIMPLEMENTED),
            (GENERATE, good(), {"grpc_timeout": "x"}, INVALID_ARGUMENT), (DESCRIBE, wire.message(b""), {}, INVALID_ARGUMENT)]


@pytest.mark.parametrize("path,body,headers,status", REFUSALS, ids=range(len(REFUSALS)))
def test_an_early_error_is_trailers_only(line, path, body, headers, status):
    answer = line.call(path, body, **headers)
    assert code(answer) == status
    assert len(answer["blocks"]) == 1 and answer["data"] == b"", "one header block that ends the stream"
    block = answer["blocks"][0]
    assert block[":status"] == "200" and block["content-type"] == "application/grpc"
    assert block["grpc-status"] == str(status), "decimal, without a leading zero"
    assert all(0x20 <= ord(character) <= 0x7e for character in block["grpc-message"])
    assert sum(len(name) + len(value) + 32 for name, value in block.items()) < 2048


def test_a_stream_that_the_client_did_not_end_is_reset_without_error(line):
    stream = line.headers(GENERATE)
    line.data(stream, good() + b"\0")
    answer = line.answer(stream)
    assert code(answer) == UNIMPLEMENTED
    while answer["reset"] is None:
        line.receive()
    assert answer["reset"] == NO_ERROR, "the rest need not be sent"


def test_a_reset_in_the_middle_of_anything_hurts_nobody(line):
    body = good()
    for cut in (0, 3, 5, len(body) - 1, len(body)):
        stream = line.headers(GENERATE)
        if cut:
            line.data(stream, body[:cut], end=cut == len(body))
        line.http.reset_stream(stream, CANCEL)
        line.flush()
    assert line.status(GENERATE, good()) == OK


# ---- details of refusals ----

def details(answer: dict) -> dict:
    text = answer["headers"]["grpc-status-details-bin"]
    assert "=" not in text, "without padding"
    status = status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4)))
    assert status.code == code(answer) and status.message == answer["headers"]["grpc-message"]
    found = {}
    for detail in status.details:
        kind = getattr(error_details_pb2, detail.type_url.rpartition(".")[2])()
        assert detail.Unpack(kind)
        found[type(kind).__name__] = kind
    return found


def test_a_bad_field_is_named_for_programs(line):
    answer = line.call(DESCRIBE, wire.message(keys_pb2.DescribeKeyRequest(header=header("no good!")).SerializeToString()))
    found = details(answer)
    assert found["ErrorInfo"].reason == "INVALID" and found["ErrorInfo"].domain == "ward"
    violation, = found["BadRequest"].field_violations
    assert f"{violation.field}: {violation.description}" == answer["headers"]["grpc-message"]
    assert violation.field == "request_id" and "RetryInfo" not in found


def test_an_item_that_fails_the_whole_call_is_named_too(line):
    items = [data_keys_pb2.GenerateDataKeysItem(key="app/demo", count=600)] * 2
    found = details(line.call(GENERATE, wire.message(data_keys_pb2.GenerateDataKeysRequest(items=items).SerializeToString())))
    assert found["BadRequest"].field_violations[0].field == "count"


@pytest.mark.parametrize("name", ["app/demo", "app/nobody-made-it"])
def test_a_refusal_by_policy_names_action_and_rule_and_nothing_more(line, name):
    found = details(line.call(DESCRIBE, wire.message(keys_pb2.DescribeKeyRequest(name=name).SerializeToString())))
    assert set(found) == {"ErrorInfo"} and found["ErrorInfo"].reason == "DENIED"
    assert dict(found["ErrorInfo"].metadata) == {"action": "key.describe", "rule": "default-deny"}


def test_success_has_no_details(line):
    assert "grpc-status-details-bin" not in line.call(GENERATE, good())["headers"]


# ---- the end of connections ----

def frames(sock, rest: bytes):
    """Frames as they come: type, flags, stream, payload; until the server closes."""
    while True:
        while len(rest) >= 9 and len(rest) >= 9 + int.from_bytes(rest[:3], "big"):
            size = int.from_bytes(rest[:3], "big")
            yield rest[3], rest[4], int.from_bytes(rest[5:9], "big"), rest[9:9 + size]
            rest = rest[9 + size:]
        try:
            data = sock.recv(65536)
        except ConnectionError:
            return
        if not data:
            return
        rest += data


def test_draining_is_told_twice_and_open_streams_end(own):
    """GOAWAY with the largest id, then with the last one; what is open is finished; the connection is closed."""
    daemon = own.daemons[0]
    with wire.Wire(own, daemon, own.identities["app"]) as line:
        watch = line.headers("/grpc.health.v1.Health/Watch")
        line.data(watch, wire.message(b""), end=True)
        while not line.streams[watch]["data"]:
            line.receive()
        late = line.http.get_next_available_stream_id()
        daemon.process.send_signal(signal.SIGTERM)
        seen = list(frames(line.socket, b""))
        goaways = [struct.unpack(">II", payload[:8]) + (payload[8:],) for kind, _, _, payload in seen if kind == GOAWAY_FRAME]
        assert goaways[0] == (LAST_STREAM, NO_ERROR, b"")
        assert goaways[-1][:2] == (watch, NO_ERROR) and goaways[-1][0] < late
        assert any(stream == watch and kind == 1 and flags & END_STREAM for kind, flags, stream, _ in seen), "the watcher has trailers"
    assert daemon.process.wait(20) == 0
    daemon.start()


def test_a_watcher_sees_the_drain(own):
    daemon = own.daemons[0]
    client = own.client("app")
    watch = client.health.Watch(health_pb2.HealthCheckRequest(), timeout=30)
    assert next(watch).status == 1
    daemon.process.send_signal(signal.SIGTERM)
    assert next(watch).status == 2
    with pytest.raises(grpc.RpcError) as caught:
        next(watch)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert daemon.process.wait(20) == 0
    daemon.start()
    client.close()


# ---- callers that go away ----

@pytest.fixture(name="held")
def _held(own):
    """A daemon whose HSM stands still while the test runs: what comes waits for it. Gives (daemon, stand still, go on)."""
    daemon = own.daemons[0]
    daemon.stop()
    daemon.start(deadline_ms=30000)
    helper, = daemon.helpers()

    def stand_still() -> None:
        os.kill(helper, signal.SIGSTOP)

    def go_on() -> None:
        os.kill(helper, signal.SIGCONT)
    stand_still()
    yield daemon, stand_still, go_on
    go_on()
    daemon.stop()
    daemon.start()


def counter(daemon, name: str) -> int:
    return next(int(float(row.split()[1])) for row in daemon.metrics().splitlines() if row.startswith(name + " "))


def ask(client, request_id: str, timeout: float = 30):
    request = data_keys_pb2.GenerateDataKeysRequest(header=header(request_id), items=[data_keys_pb2.GenerateDataKeysItem(key="app/demo")])
    return client.data_keys.GenerateDataKeys.future(request, timeout=timeout)


def busy_worker(client, held) -> tuple:
    """Calls of which the first stands in the HSM, what that one is called, and how many wait behind it. When all wait, what stands there is
    the daemon's own, a checkpoint for one: it is let through."""
    daemon, stand_still, go_on = held
    for attempt in range(20):
        calls = []
        while counter(daemon, "ward_queue_work") == 0:
            calls.append(ask(client, f"busy-{attempt}-{len(calls)}"))
            time.sleep(0.1)
        client.health.Check(health_pb2.HealthCheckRequest(), timeout=30)  # on the same connection: they have come
        waiting = counter(daemon, "ward_queue_work")
        if 0 < waiting < len(calls):
            return calls, f"busy-{attempt}-0", waiting
        go_on()
        assert all(call.result().results[0].keys for call in calls)
        stand_still()
    raise AssertionError("the HSM is never without work of the daemon's own")


def test_no_work_is_begun_for_callers_that_are_gone_or_late(own, held):
    daemon, _, go_on = held
    client, auditor = own.client("app"), own.client("auditor")
    busy, name, n = busy_worker(client, held)
    waiting, late, kept = ask(client, "gone-1"), ask(client, "gone-2", timeout=0.5), ask(client, "gone-3")
    wait_until(lambda: counter(daemon, "ward_queue_work") == n + 3, 5, "they wait behind it")
    waiting.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        late.result()
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    busy[0].cancel()  # its work has begun: it is finished, and counted
    time.sleep(0.3)  # for the client to write the resets; what is asked behind them on the same connection is answered behind them
    client.health.Check(health_pb2.HealthCheckRequest(), timeout=30)
    go_on()
    assert kept.result().results[0].keys
    wait_until(lambda: counter(daemon, "ward_requests_vanished_total") == 1, 5, "work for nobody is counted")
    assert counter(daemon, "ward_requests_cancelled_total") + counter(daemon, "ward_requests_expired_total") == 2
    assert counter(daemon, "ward_requests_expired_total") == 1
    ends = {request: [(entry["outcome"], entry.get("code")) for entry in auditor.entries(request)] for request in (name, "gone-1", "gone-2", "gone-3")}
    assert ends == {name: [("allowed", None)], "gone-1": [("failed", "CANCELLED")], "gone-2": [("failed", "DEADLINE_EXCEEDED")],
                    "gone-3": [("allowed", None)]}


def test_a_lost_connection_cancels_what_it_asked(own, held):
    daemon, _, go_on = held
    client, auditor = own.client("app"), own.client("auditor")
    busy, _, n = busy_worker(client, held)
    with wire.Wire(own, daemon, own.identities["app"]) as line:
        for number in (1, 2):
            line.data(line.headers(GENERATE), good(f"lost-{number}"), end=True)
        wait_until(lambda: counter(daemon, "ward_queue_work") == n + 2, 5, "two wait")
        open_now = counter(daemon, "ward_connections")
    wait_until(lambda: counter(daemon, "ward_connections") == open_now - 1, 5, "the connection is gone")
    go_on()
    assert busy[0].result().results[0].keys
    for number in (1, 2):
        assert [(entry["outcome"], entry["code"]) for entry in auditor.entries(f"lost-{number}")] == [("failed", "CANCELLED")]


def test_a_call_past_its_deadline_is_reset(own, held):
    daemon, _, _ = held
    with wire.Wire(own, daemon, own.identities["app"]) as line:
        stream = line.headers(GENERATE, grpc_timeout="200m")
        line.data(stream, good(), end=True)
        assert line.answer(stream)["reset"] == CANCEL
