"""Errors that a user sees: `str(error)` is the whole message, and says what was found, what is allowed, what to do."""

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Base of every error of ours that a user sees."""


class CaseError(HarnessError):
    """A mistake in a case file: `cases/x.toml:5:9: message`; line and column count from 1."""

    def __init__(
        self, file: object, message: str, line: int | None = None, column: int | None = None
    ) -> None:
        self.file, self.message, self.line, self.column = str(file), message, line, column
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        super().__init__(f"{place}: {message}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Errors cross process boundaries under xdist: rebuilt from their parts, not from the whole message."""
        return type(self), (self.file, self.message, self.line, self.column)


def allowed_names(name: str, allowed: Iterable[str]) -> str:
    """`allowed are a, b; did you mean "a"?`: what may stand where `name` was found, and the nearest of it."""
    names = list(allowed)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    return (f"allowed are {', '.join(names)}" if names else "there is none") + hint
