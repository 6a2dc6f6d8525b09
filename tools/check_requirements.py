"""Says "as required" if this Python holds exactly the versions that a requirements file pins and can import them."""

import importlib
import importlib.metadata
import re
import sys

MODULES = [
    "boto3",
    "google.rpc.error_details_pb2",
    "grpc",
    "grpc_status.rpc_status",
    "grpc_tools.protoc",
    "kubernetes_validate",
    "pytest",
    "yaml",
]

with open(sys.argv[1], encoding="utf-8") as file:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", file.read(), re.MULTILINE)
if not pins:
    sys.exit(f"{sys.argv[1]} pins nothing")
for name, version in pins:
    found = importlib.metadata.version(name)
    if found != version:
        sys.exit(f"{name} is {found}, not {version}")
for module in MODULES:
    importlib.import_module(module)
print("as required")
