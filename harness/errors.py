"""Errors that a user sees: `str(error)` is the whole message, and says what was found, what is allowed, what to do."""

from .text import shortened, visible

MESSAGE = 4_000


class HarnessError(Exception):
    """Base of every error of ours that a user sees."""


class CaseError(HarnessError):
    """A mistake in a case file: `cases/x.toml:5:9: message`; line and column count from 1."""

    def __init__(
        self, file: object, message: str, line: int | None = None, column: int | None = None
    ) -> None:
        self.file, self.message = visible(str(file)), visible(shortened(message, MESSAGE))
        self.line, self.column = line, column
        place = ":".join(str(part) for part in (self.file, line, column) if part is not None)
        super().__init__(f"{place}: {self.message}")

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        """Errors cross process boundaries under xdist: rebuilt from their parts, not from the whole message."""
        return type(self), (self.file, self.message, self.line, self.column)
