"""Finds Rust source files that import each other, directly or in a circle.

Reads FILE:LINE:text lines from standard input: code without comments and tests, as tools/rules.sh lists it. Prints each
import that is part of a circle as FILE:LINE:circle.

An import is a `use` of an item, or a path such as `crate::a::b` or `super::a`. It leads to the file that defines the
item: re-exports are followed. A re-export alone is no import.
"""

import re
import sys
from collections import defaultdict

USE = re.compile(r"(?<!\w)(pub(?:\([^)]*\))?\s+)?use\s([^;]+);")
PATH = re.compile(r"(?<![\w:$])(\$?\w+)((?:::\w+)+)")
STRING = re.compile(r'r(#+)".*?"\1|"(?:[^"\\]|\\.)*"', re.DOTALL)
# A module's file, and its path within its crate.
FILE = re.compile(r"(?:(.*)/)?src/(.*?)(?:/mod)?\.rs$")


class Source:
    """One file: its module, the names that it imports, and the paths in its code."""

    def __init__(self, name, lines):
        self.name = name
        self.crate, path = FILE.match(name).groups()
        self.module = () if path in ("lib", "main") else tuple(path.split("/"))
        self.text = STRING.sub(lambda found: '""' + "\n" * found[0].count("\n"), "\n".join(text for _, text in lines))
        self.numbers = [number for number, _ in lines]
        self.uses = [
            (path, name, bool(found[1]), position)
            for found in USE.finditer(self.text)
            for path, name, position in leaves(found[2], found.start(2))
        ]
        # Blanks of the same length, so that positions stay.
        self.code = USE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    def line(self, position):
        return self.numbers[self.text.count("\n", 0, position)]


def leaves(tree, start, prefix=()):
    """The paths of a `use` tree, each with the name that it gets here and its position."""
    for position, part in split(tree):
        head, brace, rest = part.partition("{")
        names = [name for name in re.split(r"\s*::\s*", head.strip()) if name]
        if brace:
            inside = start + position + len(head) + 1
            yield from leaves(rest[: rest.rindex("}")], inside, prefix + tuple(names))
        elif names:
            last, _, alias = names[-1].partition(" as ")
            path = prefix + (*names[:-1], last)
            if last == "self" and len(path) > 1:
                path = path[:-1]
            yield path, alias.strip() or path[-1], start + position


def split(tree):
    """The parts of a list that commas separate, outside of its braces, each with its position."""
    depth, begin = 0, 0
    for position, character in enumerate(tree + ","):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            part = tree[begin:position]
            if part.strip():
                yield begin + len(part) - len(part.lstrip()), part.strip()
            begin = position + 1


class Crate:
    """The files of one crate, and what the names in them mean."""

    def __init__(self, sources):
        self.sources = sources
        # `main.rs` is the root of a crate of its own; nothing imports from it.
        self.files = {source.module: source for source in sources if not source.name.endswith("main.rs")}

    def resolve(self, source, path, seen=frozenset()):
        """The file that defines the item at this path, or None for a module and for another crate's item."""
        if path[0] in ("crate", "$crate"):
            return self.descend((), path[1:], seen)
        if path[0] in ("self", "super"):
            module = source.module
            while path and path[0] in ("self", "super"):
                module = module[:-1] if path[0] == "super" else module
                path = path[1:]
            return self.descend(module, path, seen)
        if source.module + path[:1] in self.files:
            return self.descend(source.module, path, seen)
        return self.imported(source, path, seen)

    def imported(self, source, path, seen):
        """The same for a path that begins with a name which this file imports."""
        for target, name, _, position in source.uses:
            if name == path[0] and (source.name, position) not in seen and target != path[:1]:
                return self.resolve(source, target + path[1:], seen | {(source.name, position)})
        return None

    def descend(self, module, path, seen):
        while path and module + path[:1] in self.files:
            module, path = module + path[:1], path[1:]
        source = self.files.get(module)
        if source is None or not path or path[0] == "*":
            return source if path else None
        return self.imported(source, path, seen) or source

    def imports(self):
        """The files that each file imports, with the position of the first import."""
        found = defaultdict(dict)
        for source in self.sources:
            paths = []
            for path, name, exported, position in source.uses:
                # A re-exported name is an import where the code of its file uses it.
                used = exported and re.search(rf"\b{re.escape(name)}\b", source.code)
                if used or not exported:
                    paths.append((path, used.start() if used else position))
            paths += [((match[1], *match[2][2:].split("::")), match.start()) for match in PATH.finditer(source.code)]
            for path, position in paths:
                target = self.resolve(source, path)
                if target and target is not source:
                    found[source.name].setdefault(target.name, source.line(position))
        return found


def way(imports, start, end):
    """The shortest chain of imports between two files."""
    chains = [[start]]
    reached = {start}
    for chain in chains:
        if chain[-1] == end:
            return chain
        for target in sorted(imports[chain[-1]].keys() - reached):
            reached.add(target)
            chains.append([*chain, target])
    return None


def main():
    listing = defaultdict(list)
    for line in sys.stdin:
        name, number, text = line.rstrip("\n").split(":", 2)
        listing[name].append((number, text.removesuffix(" //proof")))
    crates = defaultdict(list)
    for name, lines in listing.items():
        source = Source(name, lines)
        crates[source.crate].append(source)
    for sources in crates.values():
        imports = Crate(sources).imports()
        for name in sorted(imports):
            for target, line in sorted(imports[name].items()):
                back = way(imports, target, name)
                if back:
                    print(f"{name}:{line}:{' -> '.join([name, *back])}")


if __name__ == "__main__":
    main()
