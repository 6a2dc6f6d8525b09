"""Checks text for banned words and for lines that are too wide: the part of tools/rules.sh that needs more than a grep.

    check_text.py words    the words of banned-words.txt
    check_text.py widths   the columns of Rust lines and of their comments

Reads file names from standard input. Prints FILE:LINE:text for each violation.
"""

import re
import sys
from pathlib import Path

WORDS = Path(__file__).parent / "banned-words.txt"
# A space within a pattern: blanks, or a line break with the comment marker of the next line.
GAP = r"(?:[ \t_]+|[ \t]*\\?\n[ \t]*(?:///?|//!|#+|\*|--|<!--)?[ \t]*)"
MAX_CODE = 110
MAX_COMMENT = 100


def banned():
    """The patterns with their replacements, and the texts that are kept."""
    patterns, kept = [], []
    for line in WORDS.read_text(encoding="utf-8").splitlines():
        if line.startswith("keep: "):
            kept.append(line.removeprefix("keep: "))
        elif line and not line.startswith("#"):
            patterns.append(line.split(" => "))
    return patterns, kept


def expression(pattern):
    """A pattern without groups of its own, whose spaces match line breaks too."""
    return re.sub(r"\((?!\?)", "(?:", pattern).replace(" ", GAP)


def words(files):
    patterns, kept = banned()
    one = "|".join(f"(?P<p{number}>{expression(pattern)})" for number, (pattern, _) in enumerate(patterns))
    one = re.compile(f"(?<![a-z])(?:{one})(?![a-z])")
    fine = re.compile("|".join(expression(re.escape(text.lower()).replace(r"\ ", " ")) for text in kept))
    for name, text in read(files):
        # Blanks of the same length, so that positions stay.
        lower = fine.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), text.lower())
        for found in one.finditer(lower):
            line = text.count("\n", 0, found.start()) + 1
            word = " ".join(text[found.start() : found.end()].split())
            print(f"{name}:{line}:{word} => {patterns[int(found.lastgroup[1:])][1]}")


def widths(files):
    for name, text in read(files):
        for number, line in enumerate(text.splitlines(), 1):
            comment = line.lstrip().startswith("//")
            # A URL can't be broken, nor can a table's row.
            free = comment and ("://" in line or re.match(r"\s*//[/!]?\s*\|", line))
            if len(line) > (MAX_COMMENT if comment else MAX_CODE) and not free:
                print(f"{name}:{number}:{len(line)} columns: {line.strip()}")


def read(files):
    for name in files:
        try:
            yield name, Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


if __name__ == "__main__":
    {"words": words, "widths": widths}[sys.argv[1]](sys.stdin.read().splitlines())
