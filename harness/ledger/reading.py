"""Reads ledgers: TOML from strangers, every part of it checked."""

from collections.abc import Collection, Iterable
from pathlib import Path

from ..reading import toml
from ..reading.files import read_at_most
from ..reading.locate import Locator
from ..reading.text import allowed_names
from .deviation import Deviation, LedgerError
from .entries import Ledger
from .tables import File

MAX_BYTES = 1_000_000


def load(path: Path, framework: str) -> Ledger:
    """Read a framework's ledger; a file that isn't there holds no entries.

    Raises LedgerError for everything that isn't exactly as it must be.
    """
    return Ledger(framework, read_ledger(path, framework, missing=()))


def load_given(paths: Iterable[Path], known: Collection[str] | None = None) -> list[Deviation]:
    """The entries of ledgers that a user gives, each of which names its framework.

    Raises LedgerError as `load` does, and for a file that isn't there or a framework that isn't known.
    """
    entries = [entry for path in paths for entry in read_ledger(path, None)]
    for entry in entries:
        if known is not None and entry.framework not in known:
            told = allowed_names(entry.framework, sorted(known))
            raise LedgerError(f"{entry.place}: framework = {entry.framework!r}: {told}")
    return entries


def read_ledger(
    path: Path, framework: str | None, missing: tuple[Deviation, ...] | None = None
) -> tuple[Deviation, ...]:
    """The entries of a file; `missing` where there is none, if that is no mistake."""
    try:
        text = read_at_most(path, MAX_BYTES).decode("utf-8").replace("\r\n", "\n")
        data = toml.loads(text)
    except OSError as error:
        if missing is not None and isinstance(error, FileNotFoundError | NotADirectoryError):
            return missing
        raise LedgerError(f"{path}: can't read it: {error.strerror}") from error
    except ValueError as error:
        raise LedgerError(f"{path}: not TOML: {error}") from error
    file = File(path, Locator(text), data, framework)
    return tuple(entry.read() for entry in file.entries())
