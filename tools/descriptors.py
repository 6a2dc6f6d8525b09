"""Writes the API as one descriptor set, comments and google.rpc's error details included.

For tools that can't or may not use server reflection: `grpcurl -protoset`, Envoy's grpc_json_transcoder, Kreya, buf.
"""

import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2
from grpc_tools import protoc

PROTO = Path(__file__).parent.parent / "proto"
API = "codepipeline/thirdparty/v1/third_party_job_service.proto"
# What an error of the gateway can carry.
DETAILS = ["google/rpc/status.proto", "google/rpc/error_details.proto"]


def write(path):
    """Writes the set and returns it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # googleapis-common-protos and grpcio-tools ship the files.
    google = Path(error_details_pb2.__file__).parents[2]
    own = Path(protoc.__file__).parent / "_proto"
    flags = [f"--proto_path={folder}" for folder in (PROTO, google, own)]
    flags += ["--include_imports", "--include_source_info", f"--descriptor_set_out={path}"]
    if protoc.main(["protoc", *flags, API, *DETAILS]) != 0:
        sys.exit("the proto files can't be compiled")
    return FileDescriptorSet.FromString(path.read_bytes())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    print(sys.argv[1])
