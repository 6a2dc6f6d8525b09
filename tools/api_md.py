"""docs/api.md from the proto file's own comments. `--check` says whether it is up to date, and writes nothing."""

import sys
import tempfile
from pathlib import Path

import descriptors
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

PAGE = Path(__file__).parent.parent / "docs/api.md"
HEAD = """# The API

<!-- Generated from proto/{file}; `just api` regenerates it, and `just proto` compares the two. -->

Package `{package}`, in [proto/{file}](../proto/{file}). Tools without server reflection take the
[descriptor set](callers.md#descriptor-set). [callers.md](callers.md) says what to do after each response. [errors.md](errors.md) lists all errors.
"""
# The numbers of the parts in descriptor.proto, which paths in the source information are made of.
MESSAGE, ENUM, SERVICE, METHOD, FIELD, VALUE = 4, 5, 6, 2, 2, 2


def page(api):
    comments = {
        tuple(place.path): "\n".join(line.removeprefix(" ").rstrip() for line in place.leading_comments.splitlines())
        for place in api.source_code_info.location
    }
    cell = lambda *path: " ".join(comments[path].split()).replace("|", "\\|")
    parts = [HEAD.format(file=api.name, package=api.package)]
    for s, service in enumerate(api.service):
        parts.append(f"## {service.name}\n\n{comments[SERVICE, s]}\n")
        for m, method in enumerate(service.method):
            signature = f"rpc {method.name}({short(method.input_type)}) returns ({short(method.output_type)})"
            path = f"/{api.package}.{service.name}/{method.name}"
            text = comments[SERVICE, s, METHOD, m]
            parts.append(f"### {method.name}\n\n```proto\n{signature}\n```\n\nPath: `{path}`\n\n{text}\n")
    for m, message in enumerate(api.message_type):
        rows = ["| field | number | type | |", "|---|---|---|---|"]
        for f, field in enumerate(message.field):
            text = cell(MESSAGE, m, FIELD, f)
            rows.append(f"| `{field.name}` | {field.number} | {kind(api, message, field, text)} | {text} |")
        table = "\n".join(rows) if message.field else "The message has no fields."
        parts.append(f"## {message.name}\n\n{comments[MESSAGE, m]}\n\n{table}\n")
    for e, enum in enumerate(api.enum_type):
        rows = ["| value | number | |", "|---|---|---|"]
        for v, value in enumerate(enum.value):
            rows.append(f"| `{value.name}` | {value.number} | {cell(ENUM, e, VALUE, v)} |")
        parts.append(f"## {enum.name}\n\n{comments[ENUM, e]}\n\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def short(name):
    return name.rpartition(".")[2]


def kind(api, message, field, comment):
    """The type, with a link if it is on this page, and its properties."""
    name = short(field.type_name)
    entry = next((nested for nested in message.nested_type if nested.name == name and nested.options.map_entry), None)
    if entry:
        text = "map of " + " to ".join(basic(part) for part in entry.field)
    elif name:
        own = field.type_name.startswith(f".{api.package}.")
        text = f"[{name}](#{name.lower()})" if own else f"`{field.type_name[1:]}`"
    else:
        text = basic(field)
    if field.proto3_optional:
        text += ", optional"
    if not entry and field.label == FieldDescriptorProto.LABEL_REPEATED:
        text += ", repeated"
    # As build.rs has it. The option debug_redact is unknown to protoc before version 22.
    return text + (", secret" if "Secret" in comment else "")


def basic(field):
    return FieldDescriptorProto.Type.Name(field.type)[5:].lower()


def main():
    with tempfile.TemporaryDirectory() as scratch:
        files = descriptors.write(Path(scratch, "api.binpb")).file
    text = page(next(file for file in files if file.name == descriptors.API))
    if "--check" not in sys.argv:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        sys.exit("docs/api.md is stale: run `just api`")


if __name__ == "__main__":
    main()
