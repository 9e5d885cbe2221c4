# SPDX-License-Identifier: Apache-2.0
"""A mixed load that keeps a ledger of what was acknowledged, to be held against the daemon afterwards."""
import collections
import itertools
import threading

import grpc

from .client import ItemRefused

CODE_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class Load:
    """Threads that put records and issue data keys until stopped. Errors are counted by code."""

    def __init__(self, clients, name: str = "load", subjects: int = 20):
        self.clients, self.name, self.subjects = clients, name, subjects
        self.records, self.keys = [], []  # acknowledged: (request id, subject, record, version, data), (request id, plaintext, wrapped)
        self.codes = collections.Counter()
        self.unknown_items = []
        for client in clients:
            client.patient = True
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number, client), daemon=True) for number, client in enumerate(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in self._threads), "a call never returned"

    def acknowledged(self) -> int:
        return len(self.records) + len(self.keys)

    def _run(self, number: int, client) -> None:
        for turn in itertools.count():
            if self._stop.is_set():
                return
            request_id = f"{self.name}-{number}-{turn}"
            try:
                if turn % 3 == 2:
                    self.keys.append((request_id, *client.generate(request_id=request_id)))
                else:
                    subject, record = f"{self.name}-{turn % self.subjects}", f"r-{number}-{turn // 2}"
                    data = b'{"n":%d,"turn":%d}' % (number, turn)
                    version = client.put(subject, record, data, request_id=request_id)
                    self.records.append((request_id, subject, record, version, data))
                self.codes["OK"] += 1
            except ItemRefused as error:
                self.codes[CODE_NAMES.get(error.code, str(error.code))] += 1
                if error.code != grpc.StatusCode.UNAVAILABLE.value[0]:  # which its HSM or database may be for a while
                    self.unknown_items.append(str(error))
                self._stop.wait(0.005)
            except grpc.RpcError as error:
                self.codes[error.code().name] += 1
                self._stop.wait(0.005)

    def check(self, client) -> None:
        """Everything acknowledged is there, byte by byte."""
        for start in range(0, len(self.records), 500):
            part = self.records[start:start + 500]
            results = client.get_items([dict(collection="fhir", subject=s, id=i, version=v, fields=["*"]) for _, s, i, v, _ in part])
            for (request_id, _, _, version, data), result in zip(part, results):
                assert (result.error.code, result.json, result.version) == (0, data, version), f"{request_id} is lost: {result.error.message}"
        for start in range(0, len(self.keys), 500):
            part = self.keys[start:start + 500]
            for (request_id, plaintext, _), result in zip(part, client.unwrap_items([(wrapped, {}) for _, _, wrapped in part])):
                assert result.plaintext == plaintext, f"{request_id}: {result.error.message}"

    def check_log(self, entries) -> None:
        """Every acknowledged request has exactly one entry; no request has two."""
        count = collections.Counter(entry.get("request") for entry in entries)
        for request_id, *_ in itertools.chain(self.records, self.keys):
            assert count[request_id] == 1, f"{request_id}: {count[request_id]} entries"
        assert not [r for r, n in count.items() if r and r.startswith(self.name + "-") and n > 1]
