"""What a subject prints: it goes to the worker's log as ever, and is kept to be told with the answer."""

import io

MAX_KEPT = 10_000
"""Characters of one answer's sayings."""


class Sayings(io.TextIOWrapper):
    """Stands in place of sys.stdout while the subject's code runs."""

    def __init__(self) -> None:
        log = open(1, "wb", closefd=False)  # noqa: SIM115 - as long as the worker lives
        super().__init__(log, "utf-8", "backslashreplace", line_buffering=True)
        self._kept, self._left_out = "", 0

    def write(self, text: str) -> int:
        room = MAX_KEPT - len(self._kept)
        self._kept += text[:room]
        self._left_out += len(text[room:])
        return super().write(text)

    def taken(self) -> str:
        """What was printed since the last time."""
        more = f"\n[{self._left_out} characters more]\n" if self._left_out else ""
        told, self._kept, self._left_out = self._kept + more, "", 0
        return told


def nobody(*_: object, **__: object) -> None:
    """In place of whatever asks the user something. Raises RuntimeError."""
    raise RuntimeError(
        "a subject runs in a process without a terminal: input(), breakpoint() and pdb have nobody to ask; "
        "take them out, or print what you want to see (pytest -s shows it)"
    )
