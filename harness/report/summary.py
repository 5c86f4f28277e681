"""The tables at the end of a run: root causes, then a row a case, a column a framework."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..reading.text import visible
from ..run.lines import LARGEST, CellLine, apart
from ..verdict import Verdict, counted, totals
from .causes import Cause, Ledgers, affected, causes

NOTES = 20
"""So many different ones are told."""
WIDTH = 100
"""Columns that four frameworks need: a narrower terminal wraps lines, which reads better than folded words."""


CAUSES = 30
"""Root causes that the end of a run names."""


def table(cells: Sequence[CellLine], *, width: int, colour: bool) -> str:
    """Root causes, then the largest `used` of each case and framework, and how far apart the frameworks are at most."""
    columns = list(dict.fromkeys(cell.framework for cell in cells))
    dtypes = list(dict.fromkeys(cell.dtype for cell in cells))
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    made.add_column("largest error / tolerance", no_wrap=True)
    for name in columns:
        made.add_column(Text(visible(name)), justify="right", no_wrap=True)
    for dtype in dtypes:
        made.add_column(Text(f"agree to\n{visible(dtype)}"), justify="right", no_wrap=True)
    for folder, cases in _by_folder(cells):
        made.add_row(Text(f"{visible(folder)}/", "bold"))
        for stem, own in cases.items():
            boxes = [_box([cell for cell in own if cell.framework == name]) for name in columns]
            digits = [_agreement([cell for cell in own if cell.dtype == dtype]) for dtype in dtypes]
            made.add_row(Text(f"  {visible(stem)}"), *boxes, *digits)
    found = causes(cells, Ledgers())
    text = io.StringIO()
    system: Literal["standard"] | None = "standard" if colour else None
    console = Console(file=text, width=max(width, WIDTH), force_terminal=colour, color_system=system)
    if found:
        console.print(_causes(found))
    console.print(made)
    told = counted(totals(cell.verdict for cell in cells), apart(cells))
    console.print(told, highlight=False, markup=False)
    for note in _notes(cells):
        console.print(visible(note), highlight=False, markup=False)
    for row in affected(cells, found):
        console.print(visible(row.sentence), highlight=False, markup=False)
    console.print(_seconds(cells), highlight=False, markup=False)
    return text.getvalue()


def _notes(cells: Sequence[CellLine]) -> Iterator[str]:
    """What is to be said of subjects, each note once."""
    counts = Counter((cell.framework, note) for cell in cells for note in cell.notes)
    for (framework, note), count in counts.most_common(NOTES):
        yield f"{framework}: {note} ({count} cell{'s' * (count > 1)})"
    if len(counts) > NOTES:
        yield f"and {len(counts) - NOTES} notes more"


def _causes(found: Sequence[Cause]) -> Table:
    """A row a root cause, the new ones of each framework first."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("root cause", "framework", "wrong", "dtype"):
        made.add_column(name)
    for name in ("cells", "calls", "relative"):
        made.add_column(name, justify="right", no_wrap=True)
    for cause in found[:CAUSES]:
        texts = (cause.framework, cause.result, ", ".join(cause.dtypes))
        title = Text(visible(cause.name), "" if cause.deviation else "bold red")
        numbers = (str(cause.cells), str(cause.calls), cause.error)
        made.add_row(title, *(Text(visible(text)) for text in texts), *numbers)
    if len(found) > CAUSES:
        made.add_row(f"and {len(found) - CAUSES} more; harness report tells all")
    return made


def _by_folder(cells: Sequence[CellLine]) -> list[tuple[str, dict[str, list[CellLine]]]]:
    """Cells by folder and case, each in the order in which it first came."""
    folders: dict[str, dict[str, list[CellLine]]] = {}
    for cell in cells:
        folder, _, stem = cell.case.rpartition("/")
        folders.setdefault(folder or ".", {}).setdefault(stem, []).append(cell)
    return list(folders.items())


def _box(cells: Sequence[CellLine]) -> Text:
    """A framework's cells of one case: the largest `used`, and every verdict that is not agreement, counted."""
    counts = totals(cell.verdict for cell in cells)
    used = [cell.headroom for cell in cells if cell.headroom is not None and cell.verdict is Verdict.AGREE]
    parts = [Text(f"{max(used):.2f}", "green")] if used else []
    others = (v for v in Verdict if counts[v] and v is not Verdict.AGREE)
    parts += [Text(f"{counts[v]} {v.face.short}", v.face.style) for v in others]
    return Text("\n").join(parts)


def _agreement(cells: Sequence[CellLine]) -> str:
    """The largest |difference from the reference| / scale over all frameworks; only where every one was judged."""
    relative = [cell.relative for cell in cells]
    if not relative or any(r is None for r in relative):
        return "-"
    largest = max(r for r in relative if r is not None)
    return "-" if largest >= LARGEST else f"{largest:.1e}" if largest else "equal"


def _seconds(cells: Sequence[CellLine]) -> str:
    """What each framework's worker took, and how much of it was compiling."""
    parts = []
    for name in dict.fromkeys(cell.framework for cell in cells):
        own = [cell for cell in cells if cell.framework == name]
        compiling = sum(cell.compiling for cell in own)
        apart = f" ({compiling:.1f} compiling)" if compiling else ""
        parts.append(f"{visible(name)} {sum(cell.seconds for cell in own):.1f}{apart}")
    return f"seconds: {', '.join(parts)}"
