"""Errors that a user sees: `str(error)` is the whole message, and says what was found, what is allowed, what to do."""

import re
from collections.abc import Iterable
from typing import Any

from reference.program import nearest

SHOWN = 200
"""Characters of a stranger's value, and names of a list, that a message repeats."""
MESSAGE = 4_000


class HarnessError(Exception):
    """Base of every error of ours that a user sees."""


class CaseError(HarnessError):
    """A mistake in a case file: `cases/x.toml:5:9: message`; line and column count from 1."""

    def __init__(
        self, file: object, message: str, line: int | None = None, column: int | None = None
    ) -> None:
        self.file, self.message = printable(str(file)), printable(shortened(message, MESSAGE))
        self.line, self.column = line, column
        place = ":".join(str(part) for part in (self.file, line, column) if part is not None)
        super().__init__(f"{place}: {self.message}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Errors cross process boundaries under xdist: rebuilt from their parts, not from the whole message."""
        return type(self), (self.file, self.message, self.line, self.column)


def allowed_names(name: str, allowed: Iterable[str]) -> str:
    """`allowed are a, b; did you mean "a"?`: what may stand where `name` was found, and the nearest of it."""
    names = list(allowed)
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    told = f"allowed are {', '.join(names[:SHOWN])}{rest}" if names else "there is none"
    return told + nearest(name, names)


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


def printable(text: str) -> str:
    """One line that a terminal only shows: what would steer it, or turn its direction, is written as an escape."""
    return re.sub(
        r"[^ -~]", lambda m: m[0] if m[0].isprintable() else m[0].encode("unicode_escape").decode(), text
    )
