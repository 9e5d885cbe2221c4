# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand, frame by frame, for what no gRPC library would send."""
import socket
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions


def message(payload: bytes, flag: int = 0, length: int = None) -> bytes:
    """gRPC's prefix, truthful or not, and the payload."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


def context(deployment, identity, **versions) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(deployment.folder / "ca.pem")
    for limit, version in versions.items():
        setattr(made, limit, version)
    made.set_alpn_protocols(["h2"])
    if identity is not None:
        made.load_cert_chain(*identity.write(deployment.folder, "wire"))
    return made


def connect(server, made: ssl.SSLContext) -> ssl.SSLSocket:
    return made.wrap_socket(socket.create_connection(("127.0.0.1", server.port), timeout=10), server_hostname="localhost")


def tls(deployment, server, identity, **versions) -> ssl.SSLSocket:
    return connect(server, context(deployment, identity, **versions))


class Wire:
    """One connection. Streams are opened with headers() and read to their end with answer()."""

    def __init__(self, deployment, server, identity):
        self.socket = self.connect(deployment, server, identity)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8",
                                                                         validate_outbound_headers=False))
        self.http.initiate_connection()
        self.streams = {}
        self.closed = False
        self.flush()

    @staticmethod
    def connect(deployment, server, identity) -> ssl.SSLSocket:
        return tls(deployment, server, identity)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.http.data_to_send())

    def headers(self, path: str, end: bool = False, **override) -> int:
        """Opens a stream. override: method, scheme, content_type, te; None leaves one out; others are added."""
        fields = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": path, "te": "trailers",
                  "content-type": "application/grpc"}
        for key, value in override.items():
            key = {"method": ":method", "scheme": ":scheme"}.get(key, key.replace("_", "-"))
            fields.pop(key, None)
            if value is not None:
                fields[key] = value
        stream = self.http.get_next_available_stream_id()
        # blocks: the header blocks, as they came; headers: all of them together.
        self.streams[stream] = {"headers": {}, "blocks": [], "data": b"", "ended": False, "reset": None}
        self.http.send_headers(stream, list(fields.items()), end_stream=end)
        self.flush()
        return stream

    def data(self, stream: int, data: bytes, end: bool = False, size: int = 16384) -> None:
        """In frames of `size`; waits for window, gives up when the stream has ended."""
        pieces = [data[i:i + size] for i in range(0, len(data), size)] or [b""]
        for number, piece in enumerate(pieces):
            last = end and number == len(pieces) - 1
            while not self.streams[stream]["ended"] and self.http.local_flow_control_window(stream) < len(piece):
                self.receive()
            if self.streams[stream]["ended"]:
                return
            try:
                self.http.send_data(stream, piece, end_stream=last)
                self.flush()
            except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError, OSError):
                return

    def receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            for stream in self.streams.values():
                stream["ended"] = True
            return
        for event in self.http.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                stream["headers"].update(dict(event.headers))
                stream["blocks"].append(dict(event.headers))
            elif isinstance(event, h2.events.DataReceived):
                stream["data"] += event.data
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream["ended"] = True
            elif isinstance(event, h2.events.StreamReset) and stream is not None:
                stream["ended"], stream["reset"] = True, event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.closed = True
        try:
            self.flush()
        except OSError:
            self.closed = True

    def answer(self, stream: int, seconds: float = 10) -> dict:
        """Everything that came on the stream, when it has ended."""
        end = time.monotonic() + seconds
        while not self.streams[stream]["ended"]:
            assert time.monotonic() < end, f"no answer within {seconds} s: {self.streams[stream]}"
            self.socket.settimeout(max(0.1, end - time.monotonic()))
            self.receive()
        return self.streams[stream]

    def call(self, path: str, body: bytes, end: bool = True, size: int = 16384, **headers) -> dict:
        stream = self.headers(path, **headers)
        self.data(stream, body, end, size)
        return self.answer(stream)

    def status(self, path: str, body: bytes, **headers) -> int:
        """The gRPC status of a call."""
        return int(self.call(path, body, **headers)["headers"]["grpc-status"])
