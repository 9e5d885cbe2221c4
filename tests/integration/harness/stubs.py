# SPDX-License-Identifier: Apache-2.0
"""Generates Python messages and stubs from our .proto files, as any third party would."""
import pathlib
import subprocess
import sys
import tempfile

PROTO = pathlib.Path(__file__).resolve().parents[3] / "proto"
_folder = tempfile.TemporaryDirectory(prefix="ward-stubs-")


def _generate(include: pathlib.Path, files: list) -> None:
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{include}", f"--python_out={_folder.name}",
                    f"--grpc_python_out={_folder.name}", *files], check=True, cwd=include)


_generate(PROTO, [str(path.relative_to(PROTO)) for path in sorted(PROTO.glob("ward/v1/*.proto"))])
# Flat, since a folder named grpc would stand in the way of the library.
_generate(PROTO / "grpc/health/v1", ["health.proto"])
_generate(PROTO / "grpc/reflection/v1", ["reflection.proto"])
_generate(PROTO / "google/rpc", ["status.proto", "error_details.proto"])
sys.path.insert(0, _folder.name)

# pylint: disable=wrong-import-position,import-error,unused-import
import error_details_pb2  # noqa: E402
import health_pb2  # noqa: E402
import health_pb2_grpc  # noqa: E402
import reflection_pb2  # noqa: E402
import reflection_pb2_grpc  # noqa: E402
import status_pb2  # noqa: E402
from ward.v1 import (  # noqa: E402
    admin_pb2, admin_pb2_grpc, approvals_pb2, approvals_pb2_grpc, audit_pb2, audit_pb2_grpc, common_pb2, data_keys_pb2, data_keys_pb2_grpc,
    emergencies_pb2, emergencies_pb2_grpc,
    keys_pb2, keys_pb2_grpc, records_pb2, records_pb2_grpc)
