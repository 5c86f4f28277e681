"""Text from cases, workers and interpreters where it meets a terminal: nothing in it may move the cursor or hide a part."""

import re

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of writing, and halves of characters."""


def visible(text: str) -> str:
    """The text on one line, each control character shown by its number, as Python writes it."""
    return CONTROL.sub(_numbered, text)


def _numbered(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
