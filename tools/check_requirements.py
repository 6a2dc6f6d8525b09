"""Says "as required" if this Python holds exactly the versions that a requirements file pins and can import these modules."""

import importlib
import importlib.metadata
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", file.read(), re.MULTILINE)
if not pins:
    sys.exit(f"{sys.argv[1]} pins nothing")
for name, version in pins:
    found = importlib.metadata.version(name)
    if found != version:
        sys.exit(f"{name} is {found}, not {version}")
for module in sys.argv[2:]:
    importlib.import_module(module)
print("as required")
