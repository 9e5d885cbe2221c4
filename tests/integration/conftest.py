# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one deployment with one daemon for most tests, and a fresh one for tests that break things."""
import os
import pathlib
import sys

# The children that we start are programs of their own: grpcio's threads need not survive a fork.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

import grpc  # noqa: E402
import pytest  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness.deployment import Deployment  # noqa: E402
from harness.stubs import keys_pb2  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "load: a short mixed load, also run under the thread sanitizer")


@pytest.fixture(scope="session")
def shared():
    """Token, database and genesis, with the usual keys; lives as long as the session."""
    deployment = Deployment()
    try:
        deployment.daemon().start()
        make_keys(deployment)
        yield deployment
    finally:
        deployment.close()


def make_keys(deployment) -> None:
    officer = deployment.client("officer-a")
    officer.create_key("app/demo")
    officer.create_key("app/other")
    officer.create_key("app/vault/top")
    officer.create_key("phi/records", keys_pb2.KEY_PURPOSE_RECORDS)
    officer.create_key("phi/labs", keys_pb2.KEY_PURPOSE_RECORDS)
    officer.close()


@pytest.fixture
def ward(shared):
    """The shared deployment with its daemon up, whatever the test before did to it."""
    if not shared.daemons[0].running():
        shared.daemons[0].start()
    yield shared
    assert shared.daemons[0].running(), "the daemon died:\n" + shared.daemons[0].log_tail()


@pytest.fixture(scope="module")
def own():
    """A deployment of the module's own, for tests that kill, stop and fill it."""
    deployment = Deployment()
    try:
        deployment.daemon().start()
        make_keys(deployment)
        yield deployment
    finally:
        deployment.close()


def _client(name):
    @pytest.fixture(name=name.replace("-", "_"))
    def fixture(ward):
        made = ward.client(name)
        yield made
        made.close()
    return fixture


app = _client("app")
app2 = _client("app2")
writer = _client("writer")
provisioner = _client("provisioner")
officer_a = _client("officer-a")
officer_a2 = _client("officer-a2")
officer_b = _client("officer-b")
auditor = _client("auditor")
stranger = _client("stranger")


@pytest.fixture
def refused():
    """refused(code, text, call): the call fails with this gRPC code and its message holds the text."""
    def check(code: str, text: str, call) -> grpc.RpcError:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == getattr(grpc.StatusCode, code), caught.value.details()
        assert text in caught.value.details()
        return caught.value
    return check
