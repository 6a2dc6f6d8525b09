"""The code blocks of a page: what stands between its fences, and whether what was printed is what the page shows."""

import json
import re
from dataclasses import dataclass

_BLOCK = re.compile(r"^(?:<!-- from (?P<file>\S+) -->\n)?(?P<indent> *)```(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
# New each time.
VOLATILE = {"request_id", "requestId", "awsRequestId", "retry_after", "retryDelay"}


@dataclass
class Block:
    line: int
    info: str
    text: str
    file: str | None


def blocks(page):
    text = page.read_text()
    found = [Block(text.count("\n", 0, m.start("info")) + 1, m["info"].strip(), m["text"], m["file"]) for m in _BLOCK.finditer(text)]
    assert text.count("```") == 2 * len(found), f"{page}: a fence isn't closed"
    return found


def same(shown, printed):
    """Whether all that a page shows is there; what it leaves out may be there too."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        return all(key in printed and (key in VOLATILE or same(value, printed[key])) for key, value in shown.items())
    if isinstance(shown, list) and isinstance(printed, list):
        return len(shown) == len(printed) and all(map(same, shown, printed))
    return shown == printed


def problem_with(shown, printed):
    if shown.info == "json":
        # What stands before it is what a tool says while it works.
        start = re.search(r"^\{", printed, re.MULTILINE)
        answer = json.JSONDecoder().raw_decode(printed[start.start() :])[0] if start else None
        if not same(json.loads(shown.text), answer):
            return f"line {shown.line} shows another answer than came:\n{printed}"
        return None
    missing = [line for line in shown.text.splitlines() if line.strip() not in printed]
    return f"line {shown.line} shows {missing}, but this came:\n{printed}" if missing else None
