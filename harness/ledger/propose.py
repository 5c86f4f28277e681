"""Ledger entries for the disagreements of a run, for a person to finish.

A proposal says only what the run shows: these cells, this version, this range. Who is wrong it cannot know, so the
evidence is left empty, and a ledger with an empty evidence is refused: nobody can commit a proposal unread.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from packaging.version import InvalidVersion, Version

from ...reference.formats import DTYPES
from ..run.lines import CellLine, Run
from ..text import visible
from ..verdict import Verdict
from .entries import phases_of, used_of
from .propose_causes import Called, new_calls, proposals
from .writing import TODO, entry_text, outwards, phase_text, range_text, text

HEAD = """\
# Known deviations, proposed from a run: for review. First find out who is wrong; what is ours is mended.
# What is theirs goes into that framework's deviations.toml, or into a file for --deviations, with its evidence
# written down: an entry whose evidence is empty, as it is here, is refused."""

_FIELD = re.compile(rf"-(?=\w+:|{'|'.join(DTYPES)})")
"""Where a field of a cell id ends: before the next field of the variant, or before the dtype."""


@dataclass(frozen=True)
class Group:
    """Disagreeing cells of one case and framework that one pattern covers, and no other cell of the run."""

    pattern: str
    cells: Sequence[CellLine]

    def only(self, field: str) -> str | None:
        """The cells' dtype or mode, where they all have the same."""
        values = {str(getattr(cell, field)) for cell in self.cells}
        return values.pop() if len(values) == 1 else None


def propose(run: Run) -> str:
    """TOML entries for every cell of the run that disagrees, with a comment for each that no entry could excuse.

    Where op calls are wrong by themselves the entries speak of their ops, otherwise of the cells.
    """
    blocks = [HEAD]
    for framework in dict.fromkeys(cell.framework for cell in run.cells):
        own = [cell for cell in run.cells if cell.framework == framework]
        version = str(run.abouts.get(framework, {}).get("version", ""))
        disagreeing = [cell for cell in own if cell.verdict is Verdict.DISAGREE]
        fit = [cell for cell in disagreeing if not _unfit(cell, version)]
        called = [Called(cell, calls) for cell in fit if (calls := new_calls(cell.calls))]
        by_op = {one.cell.cell for one in called}
        since = run.header.started[:10]
        blocks += proposals(called, own, version, since)
        by_cell = [cell for cell in fit if cell.cell not in by_op]
        blocks += [_entry(group, version, since) for group in groups(by_cell, own)]
        told = ((cell, _unfit(cell, version)) for cell in disagreeing)
        blocks += [visible(f"# {cell.cell}: no entry can excuse it: {why}") for cell, why in told if why]
    return "\n\n".join(blocks if len(blocks) > 1 else [HEAD, "# No cell disagrees."]) + "\n"


def _unfit(cell: CellLine, version: str) -> str:
    """Why no entry can be written for a cell; empty where one can."""
    try:
        Version(version)
    except InvalidVersion:
        return f"its framework told no version that entries can name ({version!r})"
    if not cell.tensors:
        return " ".join(cell.message.split())
    if used_of(cell.tensors) < 1:
        return "at the K that ledgers are written for, it agrees"
    return ""


def groups(disagreeing: Sequence[CellLine], every: Sequence[CellLine]) -> Iterator[Group]:
    """The disagreeing cells under few patterns, the widest first; `every` are the framework's cells of the run."""
    for case in dict.fromkeys(cell.case for cell in disagreeing):
        left = {cell.cell: cell for cell in disagreeing if cell.case == case}
        others = [cell for cell in every if cell.case == case]
        while left:
            group = _widest(list(left.values()), others)
            yield group
            for cell in group.cells:
                del left[cell.cell]


def _widest(left: Sequence[CellLine], others: Sequence[CellLine]) -> Group:
    """The group of the first cell; where no pattern covers more, it is the cell under its own id."""
    first = left[0]
    for pattern in _patterns(first.cell):
        for wanted in ({}, {"dtype": first.dtype}, {"mode": first.mode}):
            covered = _covered(pattern, others, wanted)
            if len(covered) > 1 and all(cell in left for cell in covered):
                return Group(pattern, covered)
    return Group(first.cell, [first])


def _patterns(cell_id: str) -> Iterator[str]:
    """Patterns over the cells of a case and of its families of variants, the widest first."""
    case, _, name = cell_id.partition("::")
    yield f"{case}::*"
    for end in _FIELD.finditer(name):
        yield f"{case}::{name[: end.end()]}*"


def _covered(pattern: str, cells: Iterable[CellLine], wanted: dict[str, str]) -> list[CellLine]:
    return [
        cell
        for cell in cells
        if fnmatchcase(cell.cell, pattern)
        and all(getattr(cell, field) == value for field, value in wanted.items())
    ]


def _entry(group: Group, version: str, since: str) -> str:
    """A group as the ledger has it: no dtype and no mode that the run hasn't shown."""
    used = [used_of(cell.tensors) for cell in group.cells]
    dtype, mode = group.only("dtype"), group.only("mode")
    named = group.pattern in {cell.cell for cell in group.cells}
    return entry_text({
        "framework": text(group.cells[0].framework),
        "cell": text(group.pattern),
        "dtype": text(dtype) if dtype in DTYPES and not named else "",
        "mode": text(mode) if mode and not named else "",
        "version": text(f"=={version}"),
        "used": range_text(*outwards(min(used), max(used))),
        "phase": phase_text({phase for cell in group.cells for phase in phases_of(cell.tensors)}),
        "since": since,
        "reason": text(_reason(max(group.cells, key=lambda cell: used_of(cell.tensors)))),
        "evidence": text(""),
    })  # fmt: skip


def _reason(cell: CellLine) -> str:
    found = cell.first_difference or cell.message.partition("\n")[0]
    return f"{' '.join(found.split())}; {TODO}"
