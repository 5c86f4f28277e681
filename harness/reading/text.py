"""Text that a user sees: bounded, on one line, and nothing in it moves the cursor or hides a part."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...reference.names import nearest

SHOWN = 200
"""Characters of a stranger's value, and names of a list, that a message repeats."""

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of writing, and halves of characters."""


def display(path: Path) -> str:
    """The path as messages show it: relative to the working directory where it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def allowed_names(name: str, allowed: Iterable[str]) -> str:
    """`allowed are a, b; did you mean "a"?`: what may stand where `name` was found, and the nearest of it."""
    names = list(allowed)
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = f"allowed are {', '.join(names[:SHOWN])}{rest}" if names else "there is none"
    return told + nearest(name, names)


def count_of(number: int, noun: str) -> str:
    """`1 cell`, `3 cells`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def shown(value: Any) -> str:
    """A stranger's value as a message quotes it, whatever its size."""
    try:
        return shortened(repr(value), SHOWN)
    except (ValueError, RecursionError):  # an integer of more digits than Python prints; lists in lists
        return f"what is too large to print, of type {type(value).__name__}"


def shortened(text: str, most: int) -> str:
    """The text, without its middle where it is longer than `most` characters."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]} [{len(text) - 2 * half} characters more] {text[-half:]}"


def visible(text: str) -> str:
    """The text on one line, each control character shown by its number, as Python writes it."""
    return CONTROL.sub(_numbered, text)


def _numbered(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
