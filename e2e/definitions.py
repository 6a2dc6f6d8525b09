"""The custom resource definitions of the operators whose objects the chart makes. crds.sh brings their files."""

import pathlib

from cluster import kubectl

FILES = pathlib.Path(__file__).resolve().parent / "crds"


def names():
    """Their names, by file."""
    found = (file.stem.split("_") for file in FILES.glob("*.yaml"))
    return {f"{group}_{plural}.yaml": f"{plural}.{group}" for group, plural in found}


def install():
    """Puts those into the cluster that it doesn't have; gives their names. The operators themselves aren't there."""
    added = []
    for file, name in names().items():
        if not kubectl("get", "crd", name, "--ignore-not-found", "--output=name"):
            # They are too long for what kubectl notes down on an object that it applies by itself.
            kubectl("apply", "--server-side", "--filename", str(FILES / file))
            added.append(name)
        kubectl("wait", "--for=condition=Established", f"crd/{name}", "--timeout=60s")
    return added


def remove(added):
    """Takes them away again, with all of their objects."""
    if added:
        kubectl("delete", "crd", *added, "--wait=false")
