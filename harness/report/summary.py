"""The tables at the end of a run: root causes, then a row a case, a column a framework."""

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

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
"""Columns for root causes where nobody says how many there are: their words are folded."""

CAUSES = 30
"""Root causes that the end of a run names."""

GAP = 2
"""Between two columns, and at both edges of the table together."""

UNANSWERED = (Verdict.UNSUPPORTED, Verdict.ABSENT)
"""Verdicts of which a table of many rows would say nothing."""


class _Column(NamedTuple):
    """A column of the table: a box a row."""

    head: Text
    boxes: list[Text]

    @property
    def width(self) -> int:
        """With the gap before it."""
        return max(_width(text) for text in (self.head, *self.boxes)) + GAP


def table(cells: Sequence[CellLine], *, width: int | None, colour: bool) -> str:
    """Root causes, then the largest `used` of each case and framework, and how far apart the frameworks are at most.

    Columns that `width` has no room for stand in a further table; None: however wide it is. Cases that no framework
    answered, and frameworks that are absent, are counted instead.
    """
    if not cells:
        return "no cell has a result\n"
    found, text = causes(cells, Ledgers()), io.StringIO()
    if found:
        _console(text, width or WIDTH, colour=colour).print(_causes(found))
    _print_tables(cells, text, width, colour=colour)
    told = [*_left_out(cells), counted(totals(cell.verdict for cell in cells), apart(cells)), *_notes(cells)]
    told += [row.sentence for row in affected(cells, found)]
    text.writelines(f"{visible(line)}\n" for line in (*told, _seconds(cells)))
    return text.getvalue()


def _console(text: io.StringIO, width: int, *, colour: bool) -> Console:
    system: Literal["standard"] | None = "standard" if colour else None
    return Console(file=text, width=width, force_terminal=colour, color_system=system)


def _print_tables(cells: Sequence[CellLine], text: io.StringIO, width: int | None, *, colour: bool) -> None:
    """The table of cases by frameworks, or as many beside each other as the width asks for."""
    names, columns = _grid(cells)
    first = max(map(_width, names)) + GAP
    if width is not None and columns:
        first = max(min(first, width - max(column.width for column in columns)), width // 3)
    for shown in _beside(columns, None if width is None else width - first):
        made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        made.add_column(names[0], no_wrap=True, max_width=first - GAP)
        for column in shown:
            made.add_column(column.head, justify="right", no_wrap=True)
        for name, *boxes in zip(names[1:], *(column.boxes for column in shown), strict=True):
            made.add_row(name, *boxes)
        _console(text, first + sum(column.width for column in shown), colour=colour).print(made)


def _grid(cells: Sequence[CellLine]) -> tuple[list[Text], list[_Column]]:
    """What stands in the first column, with its head, and the others: a row a case that somebody answered."""
    there = {cell.framework for cell in cells if cell.verdict is not Verdict.ABSENT}
    present = [cell for cell in cells if cell.framework in there]
    answered = {cell.case for cell in present if cell.verdict not in UNANSWERED}
    frameworks = list(dict.fromkeys(cell.framework for cell in present))
    dtypes = list(dict.fromkeys(cell.dtype for cell in present))
    names = [Text("largest error / tolerance")]
    heads = [Text(visible(name)) for name in frameworks]
    heads += [Text(f"agree to\n{visible(dtype)}") for dtype in dtypes]
    columns = [_Column(head, []) for head in heads if answered]
    for folder, cases in _by_folder([cell for cell in present if cell.case in answered]):
        names.append(Text(f"{visible(folder)}/", "bold"))
        for column in columns:
            column.boxes.append(Text())
        for stem, own in cases.items():
            names.append(Text(f"  {visible(stem)}"))
            boxes = [_box([cell for cell in own if cell.framework == name]) for name in frameworks]
            boxes += [Text(_agreement([cell for cell in own if cell.dtype == dtype])) for dtype in dtypes]
            for column, one in zip(columns, boxes, strict=True):
                column.boxes.append(one)
    return names, columns


def _width(text: Text) -> int:
    return max((line.cell_len for line in text.split("\n")), default=0)


def _beside(columns: Sequence[_Column], room: int | None) -> Iterator[list[_Column]]:
    """The columns in groups that the room is enough for, each at least one."""
    shown: list[_Column] = []
    for column in columns:
        if shown and room is not None and sum(own.width for own in (*shown, column)) > room:
            yield shown
            shown = []
        shown.append(column)
    if shown:
        yield shown


def _left_out(cells: Sequence[CellLine]) -> Iterator[str]:
    """What has no column or no row in the table."""
    columns = dict.fromkeys(cell.framework for cell in cells)
    there = dict.fromkeys(cell.framework for cell in cells if cell.verdict is not Verdict.ABSENT)
    if absent := [name for name in columns if name not in there]:
        yield f"absent: {', '.join(absent)}; `harness frameworks` says how to get what is missing"
    answered = {cell.case for cell in cells if cell.verdict not in UNANSWERED}
    left = [cell for cell in cells if cell.framework in there and cell.case not in answered]
    if left:
        cases = len({cell.case for cell in left})
        named = f"{cases} case{'s' * (cases > 1)} that {', '.join(there)} has no answer to"
        yield f"without a row: {named} ({counted(totals(cell.verdict for cell in left), apart(left))})"


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
        made.add_column(name, overflow="fold")
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
