"""An interrupted run goes on: which of its cells still stand, and which are to be run.

A cell stands while the case that it was run on is the case that would be run now, by the digest of program and
inputs. What was absent or crashed is run again. Everything else that finished is kept, failures too.
"""

from collections.abc import Iterable
from pathlib import Path

from ..case.library import CaseChanged, CaseGone, Library
from ..run.lines import CellLine, EmptyRun, Header, NotResumable, TruncatedRun
from ..run.reading import Unfinished, check_resumable, read_unfinished
from ..verdict import Verdict

UNANSWERED = (Verdict.ABSENT, Verdict.CRASHED)
"""Verdicts of which the framework says nothing: it is asked again."""

LISTED = 3
"""Cells that an error names; of the others it gives the number."""


def resumed(path: Path, header: Header, library: Library) -> Unfinished | None:
    """The part of the run in `path` that still stands; None where nothing of one is there yet.

    Raises NotResumable where `header` is of another kind of run, CaseError where a case can't be read now, and what
    `read_unfinished` raises.
    """
    if not path.exists():
        return None
    try:
        unfinished = read_unfinished(path)
    except (EmptyRun, TruncatedRun):
        return None
    check_resumable(path, unfinished.header, header)

    def stands(cell: CellLine) -> bool:
        if cell.verdict in UNANSWERED or cell.content is None:
            return False
        if cell.verdict is Verdict.ERRORED and cell.framework not in unfinished.abouts:
            return False  # its subject did not load, and what it imports may have changed
        try:
            library.as_run(cell.case, cell.variant, cell.content)
        except (CaseChanged, CaseGone):
            return False
        return True

    standing = tuple(cell for cell in unfinished.cells if stands(cell))
    return Unfinished(unfinished.header, unfinished.abouts, standing, len(unfinished.cells) - len(standing))


def check_selected(path: Path, done: Unfinished, nodes: Iterable[str]) -> None:
    """Raises NotResumable where a cell of the run is none of `nodes`, pytest's ids: it would be lost."""
    files: dict[str, list[str]] = {}
    for node in nodes:
        file, _, name = node.partition("::")
        files.setdefault(name, []).append(f"/{file}")
    left = [cell.cell for cell in done.cells if not _selected(cell, files)]
    if left:
        more = f" and {len(left) - LISTED} more" if len(left) > LISTED else ""
        message = f"{path}: has cells that are not selected now: {', '.join(left[:LISTED])}{more}"
        command = " ".join(done.header.command)
        raise NotResumable(f"{message}; select what the run did: {command} --resume {path}")


def _selected(cell: CellLine, files: dict[str, list[str]]) -> bool:
    name = cell.cell.rpartition("::")[2]
    # pytest names no file where a case lies outside its rootdir
    return any(file == "/" or file.endswith(f"/{cell.case}.toml") for file in files.get(name, ()))
