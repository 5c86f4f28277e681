"""The facts of a report, computed once from a run, so that no two renderers can count differently.

`Report` is what the JSON report holds, and its schema is made from these types. What a run doesn't hold, the text
of its cases and the evidence of its deviations, is read from the files that it names, as they are now. Where a file
isn't there any more, or isn't any more what was run, the report says so: it leaves no hole, and shows no program beside
results that are those of another.
"""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..case.library import Library
from ..reading.text import count_of
from ..run.diff import BACKWARDS, Difference
from ..run.lines import LARGEST, CellLine, Machine, Run, apart
from ..verdict import Apart, Verdict, tally, totals
from .cases import CaseFacts, _cases, _Facts, ops
from .causes import Affected, Cause, Deviation, Ledgers, affected, causes
from .failure import repeat

FORMAT = 2
"""Version of the report's own format."""

EDGES = (0.0, *(10 ** (e / 4) for e in range(-12, 5)), LARGEST)
"""Bins of `used`: exactly 0, below 0.001, a quarter of a decade each up to 10, and all beyond."""

NAMED = 5
"""Cases that a notice names; of the others it gives the number."""


class CellFacts(_Facts, frozen=True, kw_only=True):
    """A cell of the run file, and what a reader needs besides."""

    result: CellLine
    repeat: str
    """The command that repeats the cell."""
    deviations: list[Deviation]
    """Every ledger's entry that speaks of it or excuses a call of it."""

    @property
    def said(self) -> str:
        """The line of what is to say of it that says most."""
        if self.deviations:
            return "; ".join(f"{own.place}: {own.reason}" for own in self.deviations)
        return self.result.message.partition("\n")[0]


class Box(_Facts, frozen=True, kw_only=True):
    """Some cells counted, and the largest `used` of those that agree."""

    cells: int
    totals: dict[Verdict, int]
    """All ten verdicts, adding up to `cells`."""
    apart: Apart
    """Of those that agree the cells that do so by a convention, or in what was shown."""
    used: float | None


class Framework(_Facts, frozen=True, kw_only=True):
    """A column: its cells, and what its worker told of itself."""

    name: str
    version: str | None
    """None where no worker told one."""
    about: dict[str, Any]
    box: Box


class Folder(_Facts, frozen=True, kw_only=True):
    """The cases of one folder, by framework."""

    name: str
    cases: int
    frameworks: dict[str, Box]


class Headroom(_Facts, frozen=True, kw_only=True):
    """How much of the tolerance the cells of one framework and dtype use, as a distribution."""

    framework: str
    dtype: str
    cells: int
    """Cells that were judged."""
    median: float
    largest: float
    counts: list[int]
    """By the bins of EDGES: exactly 0, then up to each further edge."""


class Report(_Facts, frozen=True, kw_only=True):
    """All facts of a run."""

    format: int
    harness: str
    rules: str
    K: float
    started: str
    seconds: float
    machine: Machine
    python: str
    commit: str | None
    command: list[str]
    headline: str
    sentence: str
    notices: list[str]
    """What isn't as it was when the run was made, a sentence each."""
    box: Box
    failed: int
    affected: list[Affected]
    causes: list[Cause]
    frameworks: list[Framework]
    folders: list[Folder]
    headroom: list[Headroom]
    cases: list[CaseFacts]
    cells: list[CellFacts]
    since: Difference | msgspec.UnsetType = msgspec.UNSET
    """What changed since an earlier run; left out where none was named."""


def report(
    run: Run, roots: Sequence[Path] = (), since: Difference | None = None, commit: str | None = None
) -> Report:
    """The facts of a run.

    `roots`: where its cases are looked for before the roots that it names itself; `commit`: that of the harness which
    makes the report, where it is known.
    """
    head = run.header
    box, failed = box_of(run.cells), sum(c.verdict.outcome() == "failed" for c in run.cells)
    library = Library([*roots, *map(Path, head.roots)], proven=False)
    cases, ledgers = _cases(run, library), Ledgers()
    found = causes(run.cells, ledgers, ops(library, cases.values()))
    return Report(
        format=FORMAT,
        harness=head.harness,
        rules=head.rules,
        K=head.K,
        started=head.started,
        seconds=run.footer.seconds,
        machine=head.machine,
        python=head.python,
        commit=head.commit,
        command=head.command,
        headline=f"{agreeing(box)}; {failed or 'none'} failed",
        sentence=sentence(box),
        notices=_notices(run, list(cases.values()), since, commit),
        box=box,
        failed=failed,
        affected=affected(run.cells, found),
        causes=found,
        frameworks=[_framework(name, run) for name in columns(run)],
        folders=_folders(run.cells),
        headroom=_headroom(run.cells),
        cases=list(cases.values()),
        cells=_cells(run, cases, ledgers),
        since=since or msgspec.UNSET,
    )


def _notices(run: Run, cases: Sequence[CaseFacts], since: Difference | None, commit: str | None) -> list[str]:
    told = []
    if any("::" in word for word in run.header.command):
        told.append(f"This run is of cells that were named one by one: {shlex.join(run.header.command)}.")
    here, then = (text and text.removesuffix("+dirty") for text in (commit, run.header.commit))
    if then and " + " in then:
        told.append(f"The parts of this run were made at different commits: {short(then)}.")
    elif here and then and here != then:
        told.append(f"This run is of commit {short(then)}; the harness here is of commit {short(here)}.")
    if changed := [case.name for case in cases if case.changed]:
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        count = f"{len(changed)} of {len(cases)} cases"
        told.append(f"Changed since the run, and so not shown: {count}: {', '.join(changed[:NAMED])}{more}.")
    if not run.tells_calls:
        told.append(
            f"This run is of format {run.header.format}, which tells no wrong calls: causes are entries by cells alone."
        )
    return [*told, BACKWARDS] if since and since.is_backwards else told


def columns(run: Run) -> list[str]:
    """The frameworks that were planned, and any other that has cells."""
    return list(dict.fromkeys([*run.header.frameworks, *(cell.framework for cell in run.cells)]))


def box_of(cells: Iterable[CellLine]) -> Box:
    """Count some cells."""
    cells = list(cells)
    used = [cell.headroom for cell in cells if cell.verdict is Verdict.AGREE and cell.headroom is not None]
    return Box(
        cells=len(cells),
        totals=totals(cell.verdict for cell in cells),
        apart=apart(cells),
        used=max(used, default=None),
    )


def agreeing(box: Box) -> str:
    """`2977 of 3040 cells agree (6 by a convention)`"""
    told = str(box.apart)
    return f"{box.totals[Verdict.AGREE]} of {count_of(box.cells, 'cell')} agree" + f" ({told})" * bool(told)


def sentence(box: Box) -> str:
    """Every cell under the name of what became of it: the numbers add up."""
    counts = (tally(count, verdict, box.apart) for verdict, count in box.totals.items())
    return f"{count_of(box.cells, 'cell')}: {', '.join(counts)}"


def _framework(name: str, run: Run) -> Framework:
    about = run.abouts.get(name, {})
    own = (cell for cell in run.cells if cell.framework == name)
    version = str(about["version"]) if "version" in about else None
    return Framework(name=name, version=version, about=about, box=box_of(own))


def folder_of(case: str) -> str:
    """The folder that a case is in; "." where it lies in the root itself."""
    return case.rpartition("/")[0] or "."


def _folders(cells: Sequence[CellLine]) -> list[Folder]:
    grouped: dict[str, dict[str, list[CellLine]]] = {}
    for cell in cells:
        grouped.setdefault(folder_of(cell.case), {}).setdefault(cell.framework, []).append(cell)
    return [
        Folder(
            name=name,
            cases=len({cell.case for cells in own.values() for cell in cells}),
            frameworks={framework: box_of(cells) for framework, cells in own.items()},
        )
        for name, own in grouped.items()
    ]


def _headroom(cells: Sequence[CellLine]) -> list[Headroom]:
    """By framework, then dtype; only cells that were judged have a `used`."""
    grouped: dict[tuple[str, str], list[float]] = {}
    for cell in cells:
        if cell.headroom is not None:
            grouped.setdefault((cell.framework, cell.dtype), []).append(cell.headroom)
    return [
        Headroom(
            framework=framework,
            dtype=dtype,
            cells=len(used),
            median=sorted(used)[len(used) // 2],
            largest=max(used),
            counts=_histogram(used),
        )
        for (framework, dtype), used in sorted(grouped.items())
    ]


def _histogram(used: Iterable[float]) -> list[int]:
    """Counts by bin: each up to and including its edge, so that 1 is still inside the tolerance."""
    counts = Counter(next(i for i, edge in enumerate(EDGES) if u <= edge * (1 + 1e-12)) for u in used)
    return [counts[i] for i in range(len(EDGES))]


def _cells(run: Run, cases: dict[str, CaseFacts], ledgers: Ledgers) -> list[CellFacts]:
    return [
        CellFacts(
            result=cell,
            repeat=repeat(cell, cases[cell.case].file, run.header.carried),
            deviations=ledgers.of(cell),
        )
        for cell in run.cells
    ]


_COMMIT = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28}\b")


def short(text: str) -> str:
    """Text with commits cut to twelve digits, which is what people compare."""
    return _COMMIT.sub(r"\1", text)
