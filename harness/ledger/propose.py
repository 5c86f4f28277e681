"""Ledger entries for the disagreements of a run, for a person to finish.

A proposal says only what the run shows: these cells, this version, this range. Who is wrong it cannot know, so the
evidence is left empty, and a ledger with an empty evidence is refused: nobody can commit a proposal unread.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from ...reference.formats import DTYPES
from ..reading.text import shown, visible
from ..run.lines import CellLine, Run
from ..verdict import Verdict
from .deviation import MAX_VERSION
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
    for framework, own in _apart(run.cells, "framework").items():
        version = str(run.abouts.get(framework, {}).get("version", ""))[:MAX_VERSION]
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
        return f"its framework told no version that entries can name ({shown(version)})"
    if not cell.tensors:
        return " ".join(cell.message.split())
    if used_of(cell.tensors) < 1:
        return "at the K that ledgers are written for, it agrees"
    return ""


def groups(disagreeing: Sequence[CellLine], every: Sequence[CellLine]) -> Iterator[Group]:
    """The disagreeing cells under few patterns, the widest first; `every` are the framework's cells of the run."""
    of_case = _apart(every, "case")
    for case, own in _apart(disagreeing, "case").items():
        yield from _groups(own, of_case[case])


def _apart(cells: Iterable[CellLine], field: str) -> dict[str, list[CellLine]]:
    """The cells by a field, each in its order."""
    found = defaultdict[str, list[CellLine]](list)
    for cell in cells:
        found[getattr(cell, field)].append(cell)
    return found


def _groups(disagreeing: Sequence[CellLine], every: Sequence[CellLine]) -> Iterator[Group]:
    """Those of one case. Each cell's patterns are walked once, and what they cover counted: cases may have many cells."""
    covered = defaultdict[_Cover, list[CellLine]](list)
    for cell in every:
        for cover in _covers(cell):
            covered[cover].append(cell)
    left = {cell.cell: cell for cell in disagreeing}
    others = {cover: sum(cell.cell not in left for cell in cells) for cover, cells in covered.items()}
    for first in disagreeing:
        if first.cell in left:
            group = _widest(first, covered, others)
            yield group
            for cell in group.cells:
                del left[cell.cell]
                for cover in _covers(cell):
                    others[cover] += 1


_Cover = tuple[str, str | None, str | None]
"""A pattern with the dtype and the mode that it is restricted to."""


def _widest(
    first: CellLine, covered: Mapping[_Cover, Sequence[CellLine]], others: Mapping[_Cover, int]
) -> Group:
    """The group of a cell; where no pattern covers more without `others`, it is the cell under its own id."""
    for cover in _covers(first):
        if len(covered[cover]) > 1 and not others[cover]:
            return Group(cover[0], covered[cover])
    return Group(first.cell, [first])


def _covers(cell: CellLine) -> Iterator[_Cover]:
    """Patterns over the cells of a case and of its families of variants, the widest first; each for all, its dtype, its mode."""
    case, _, name = cell.cell.partition("::")
    for end in (0, *(found.end() for found in _FIELD.finditer(name))):
        pattern = f"{case}::{name[:end]}*"
        yield from ((pattern, None, None), (pattern, cell.dtype, None), (pattern, None, cell.mode))


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
