"""Texts for fields: boundary lengths in several alphabets, and hostile texts."""

# How many bytes a character has in UTF-8, and what only looks like one character.
# A length counts code points.
ALPHABETS = {
    "ASCII": "abcXYZ019-_",
    "2 bytes": "é",
    "3 bytes": "界",
    "4 bytes": "🦀",
    "combining": "e\u0301",
    "family emoji": "👩\u200d👩\u200d👧",
}

# Each is short enough for every field; each has to arrive as it is.
HOSTILE = {
    "NUL": "a\0b",
    "only NUL": "\0",
    "newlines": "a\nb\r\nc",
    "control characters": "".join(map(chr, range(1, 32))),
    "DEL and C1": "\x7f\x80\x85\x9f",
    "a blank": " ",
    "blanks around": "  a\t ",
    "double quotes": '"a"',
    "single quotes": "'a' or ''",
    "backslashes": "\\\\a\\",
    "a JSON fragment": '","nonce":"x","a":{"b":[',
    "an escape that is text": "\\u0041\\n\\x00",
    "a lone surrogate's escape that is text": "\\ud800",
    "a surrogate pair's escape that is text": "\\ud83e\\udd80",
    "HTML": "<script>alert(1)</script>&amp;&#x27;",
    "SQL": "'; DROP TABLE jobs; --",
    "a shell's": "$(id) `id` ${HOME} ; & |",
    "a format's": "%s %n {0} {} %00",
    "a path": "../../etc/passwd",
    "an ARN": "arn:aws:codepipeline:eu-west-1:123456789012:p",
    "right to left": "\u202eabc\u202c שלום",
    "zero width": "\u200b\ufeff",
    "noncharacters": "\uffff\U0010ffff\ufdd0",
    "line separators": "a\u2028b\u2029c",
    "the replacement character": "\ufffd",
    "what AWS says of a bad field": "at 'nonce' failed to satisfy constraint",
    "null": "null",
    "a number": "1e999",
    "a redacted secret": "[redacted]",
}


def of_length(alphabet, length):
    """This many code points of an alphabet."""
    return (alphabet * (length // len(alphabet) + 1))[:length]
