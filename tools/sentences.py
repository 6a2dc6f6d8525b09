"""Checks that each line of a Markdown page has one whole sentence: a part of tools/rules.sh.

    printf '%s\\n' README.md docs/errors.md | python3 tools/sentences.py         FILE:LINE:text of each violation
    printf '%s\\n' README.md docs/errors.md | python3 tools/sentences.py --fix   break and join the lines of these pages

Reads file names from standard input. Code, tables, headings, HTML, templates, and the definitions of links are free.
A quoted text, a code span, and a bold label belong to the sentence around them.
"""

import re
import sys
from pathlib import Path

# A period behind one of these ends no sentence.
ABBREVIATIONS = {"e.g", "i.e", "vs", "cf", "approx", "incl", "a.m", "p.m"}
# Behind one of these, a capital letter shows whether the sentence ends.
UNCLEAR = re.compile(r"\betc\.$|\.\.\.|…|[.!?][\"”]")
END = re.compile(r"(?P<word>[^\s(\"]*)[.!?…][\"”’')\]*_]*(?=\s|$)")
FENCE = re.compile(r"^[\s>]*(```|~~~)")
QUOTE = re.compile(r"^(?:\s*>\s?)*")
ITEM = re.compile(r"^\s*(?P<mark>(?:[-*+]|\d+[.)])\s+(?:\[[ x]\]\s+)?)?")
FREE = re.compile(r"^\s*(?:#|\{\{|\||<|\[[^\]]+\]:|\[![A-Z]+\]|(?:[-*_]\s*){3,}$|$)")


def paragraphs(text):
    """Lists of (line number, marker, text). The marker is that of a list or a quotation."""
    block, fence, comment = [], False, False
    for number, line in enumerate(text.splitlines(), 1):
        was_comment = comment
        if not fence:
            comment = (comment or line.lstrip().startswith("<!--")) and "-->" not in line
        mark = not was_comment and FENCE.match(line)
        marker = QUOTE.match(line)[0]
        line = line[len(marker) :]
        free = fence or mark or was_comment or comment or FREE.match(line)
        fence ^= bool(mark)
        if (free or ITEM.match(line)["mark"]) and block:
            yield block
            block = []
        if not free:
            marker += ITEM.match(line)[0]
            block.append((number, marker, ITEM.sub("", line).rstrip()))
    if block:
        yield block


def plain(text):
    """The same number of lines, without periods that end no sentence of the text."""
    blank = lambda found: re.sub(r"[^\n]", "x", found[0])
    text = re.sub(r"(`+)(?!`).*?\1", blank, text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", blank, text)
    text = re.sub(r"^\*\*[^*]*\*\*(?=.)", blank, text)
    # The last character of a quoted text can end the sentence around it.
    return re.sub(r"[\"“][^\"”]*?(?=[.!?]?[\"”])", blank, text)


def ends(text):
    """The positions behind the sentences of a plain text."""
    for found in END.finditer(text):
        after = text[found.end() :].lstrip()[:1]
        unclear = after.islower() and UNCLEAR.search(found[0])
        if found["word"].lower() not in ABBREVIATIONS and not unclear:
            yield found.end()


def per_line(text):
    """A paragraph with each sentence on a line of its own."""
    text = " ".join(text.split())
    cuts = [0, *ends(plain(text)), len(text)]
    return "\n".join(part for a, b in zip(cuts, cuts[1:]) if (part := text[a:b].strip()))


def wrong(block):
    """The number and the text of each line of a paragraph that has several sentences or a part of one."""
    lines = plain("\n".join(text for _, _, text in block)).split("\n")
    for place, ((number, _, shown), line) in enumerate(zip(block, lines), 1):
        line = line.rstrip("\\ ")
        stops = list(ends(line))
        # Behind a colon, the next line can start with anything.
        whole = place == len(lines) or line.endswith(":") or stops and stops[-1] == len(line)
        if not whole or any(stop < len(line) for stop in stops):
            yield number, shown


def fixed(page):
    """The page with another line break wherever one is wrong."""
    lines = page.split("\n")
    for block in reversed(list(paragraphs(page))):
        if any(wrong(block)):
            marker = block[0][1]
            more = QUOTE.match(marker)[0].ljust(len(marker))
            text = per_line("\n".join(text for _, _, text in block))
            lines[block[0][0] - 1 : block[-1][0]] = (marker + text.replace("\n", f"\n{more}")).split("\n")
    return "\n".join(lines)


def main():
    for path in map(Path, sys.stdin.read().splitlines()):
        page = path.read_text(encoding="utf-8")
        if "--fix" in sys.argv:
            path.write_text(fixed(page), encoding="utf-8")
            continue
        for block in paragraphs(page):
            for number, shown in wrong(block):
                print(f"{path}:{number}:{shown}")


if __name__ == "__main__":
    main()
