"""No package of AWS may be among the dependencies of an example: a worker needs none.

    dependencies.py FOLDER        checks the lock files in a folder of examples, and the libraries that are built there
    dependencies.py --self-test   checks that the check reports a planted package in each kind of file
"""

import json
import re
import sys
import tempfile
from pathlib import Path

AWS = re.compile(r"(?<![a-z])(aws|amazon|amazonaws|boto\d*|botocore|smithy)(?![a-z])", re.IGNORECASE)
SKIPPED = {"node_modules", ".venv", "src", "gen"}


def of_pom(text):
    return re.findall(r"<(?:groupId|artifactId)>([^<]+)<", text)


def of_package_lock(text):
    return [name for name in json.loads(text)["packages"] if name]


# How to read the packages of a file. Its checksums are no names.
KINDS = {
    "go.mod": lambda text: re.findall(r"^(?:require )?\t?([\w.-]+\.\w+/\S+)", text, re.MULTILINE),
    "go.sum": lambda text: re.findall(r"^(\S+) ", text, re.MULTILINE),
    "Cargo.lock": lambda text: re.findall(r'^name = "([^"]+)"', text, re.MULTILINE),
    "package-lock.json": of_package_lock,
    "requirements.txt": lambda text: re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==", text, re.MULTILINE),
    "pom.xml": of_pom,
}
PLANTED = {
    "go.mod": "module example.com/m\n\nrequire (\n\texample.com/fine v1.0.0\n\tgithub.com/aws/aws-sdk-go-v2 v1.0.0\n)\n",
    "go.sum": "example.com/fine v1.0.0 h1:aws/=\ngithub.com/aws/smithy-go v1.0.0 h1:abc=\n",
    "Cargo.lock": '[[package]]\nname = "fine"\nchecksum = "aws"\n\n[[package]]\nname = "aws-sdk-s3"\n',
    "package-lock.json": '{"packages": {"": {}, "node_modules/fine": {"integrity": "/aws/"}, "node_modules/@aws-sdk/client-s3": {}}}',
    "requirements.txt": "fine==1.0.0 \\\n    --hash=sha256:aws\nboto3==1.0.0 \\\n    --hash=sha256:abc\n",
    "pom.xml": "<dependency><groupId>software.amazon.awssdk</groupId><artifactId>s3</artifactId></dependency>",
}


def packages(folder):
    """Each file of an example with the packages that it names."""
    for path in sorted(Path(folder).rglob("*")):
        inside = path.relative_to(folder).parts
        if SKIPPED.intersection(inside[:-1]):
            continue
        if path.name in KINDS:
            yield path, KINDS[path.name](path.read_text())
        elif path.suffix == ".jar" and inside[-2:-1] == ("lib",):
            yield path, [path.name]


def violations(folder):
    """Lines about packages of AWS, and the number of packages in total."""
    found, count = [], 0
    for path, names in packages(folder):
        if not names:
            found.append(f"{path}: no package is readable in it")
        count += len(names)
        found += [f"{path}: {name} is a package of AWS" for name in names if AWS.search(name)]
    return found, count


def self_test():
    for name, text in PLANTED.items():
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, name).write_text(text)
            found, _ = violations(folder)
            assert len(found) == 1, f"{name} with one package of AWS: {found}"
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "java", "target", "lib")
        library.mkdir(parents=True)
        for jar in "fine-1.0.jar", "aws-core-2.0.jar":
            (library / jar).touch()
        found, count = violations(folder)
        assert (len(found), count) == (1, 2), f"a library of AWS: {found}"
        assert len(missing_kinds(folder)) == len(KINDS), "a folder without lock files isn't reported"
    for name in "laws", "jaws-2", "saws":
        assert not AWS.search(name), f"{name} isn't of AWS"


def missing_kinds(folder):
    """A line for each kind of file that isn't there any more: its packages would go unchecked."""
    present = {path.name for path, _ in packages(folder)}
    return [f"{folder}: there is no {name}" for name in sorted(set(KINDS) - present)]


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    found, count = violations(sys.argv[1])
    found += missing_kinds(sys.argv[1])
    print("\n".join(found) or f"no package of AWS among {count} packages of the examples")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
