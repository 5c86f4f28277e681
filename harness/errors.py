"""Errors that a user sees: `str(error)` is the whole message, and says what was found, what is allowed, what to do."""

from collections.abc import Sequence

from .reading.text import shortened, visible

MESSAGE = 4_000


class HarnessError(Exception):
    """Base of every error of ours that a user sees."""


class CaseError(HarnessError):
    """Mistakes in a case file, a line each: `cases/x.toml:5:9: message`; line and column count from 1.

    Message and place are those of the first; `others` has the rest, and `more` says how many aren't told at all.
    """

    def __init__(
        self,
        file: object,
        message: str,
        line: int | None = None,
        column: int | None = None,
        others: Sequence["CaseError"] = (),
        more: str = "",
    ) -> None:
        self.file, self.message = visible(str(file)), visible(shortened(message, MESSAGE))
        self.line, self.column, self.others, self.more = line, column, tuple(others), more
        place = ":".join(str(part) for part in (self.file, line, column) if part is not None)
        self.lines: list[str] = [
            f"{place}: {self.message}",
            *(line for other in self.others for line in other.lines),
        ]
        """Every mistake with its place."""
        if more:
            self.lines.append(f"{self.file}: and {more} more mistakes")
        super().__init__("\n".join(self.lines))

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Errors cross process boundaries under xdist: rebuilt from their parts, not from the whole message."""
        return type(self), (self.file, self.message, self.line, self.column, self.others, self.more)
