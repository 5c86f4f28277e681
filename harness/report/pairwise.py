"""Frameworks compared with each other: how far apart two of them are, and which one stands apart from the rest.

Needs the answered arrays, which a run keeps on request only. No threshold is chosen: a framework stands apart in a
tensor if it is farther from every other one than any two of those are from each other.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ...reference.formats import FORMATS
from ..errors import HarnessError
from ..roles import Answered, in_words
from ..run.arrays import ArraysUnreadable, load
from ..run.lines import LARGEST, CellLine, Compared, Run
from ..verdict import Verdict

Array = np.ndarray[Any, np.dtype[Any]]
Place = tuple[str, tuple[str, str, int | None]]
"""A cell's id, and a tensor of it by role, name and step."""


class StaleArrays(HarnessError):
    """Kept arrays that aren't what the run file judged: another run was kept in the same place."""


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """A largest distance, and where it is."""

    value: float = 0.0
    cell: str = ""
    tensor: str = ""

    def or_larger(self, value: float, place: "Place") -> "Distance":
        """The larger of it and another."""
        return (
            Distance(value=value, cell=place[0], tensor=in_words(place[1][:2], step=place[1][2]))
            if value > self.value
            else self
        )


class Pair(msgspec.Struct, kw_only=True):
    """Two columns in one dtype, over all tensors that both answered."""

    dtype: str
    first: str
    second: str
    tensors: int = 0
    relative: Distance = Distance()
    """Largest |a - b| / the largest magnitude of the tensor."""
    ulp: Distance = Distance()
    """Largest |a - b| in units of the last place of the larger."""
    agreeing: Distance = Distance()
    """The largest `relative` of the tensors in which both agree with the reference."""


class Apart(msgspec.Struct, kw_only=True):
    """How often a column is the odd one out in one dtype."""

    dtype: str
    column: str
    outside: int = 0
    """Tensors in which it alone is outside its tolerance, while every other one agrees."""
    judged: int = 0
    """Tensors that at least three columns were judged in, this one among them."""
    largest: Distance = Distance()
    """Of those in which it is alone outside, the one with the largest error / tolerance."""
    farthest: int = 0
    """Tensors in which it is, in some step, farther from every other one than those are among each other."""
    compared: int = 0
    """Tensors of which the arrays of at least three columns are there, its own among them."""
    example: Distance = Distance()
    """Where its nearest neighbour is farthest, relative to the tensor's scale."""


class Pairwise(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the pairwise page."""

    columns: list[str]
    dtypes: list[str]
    pairs: list[Pair]
    apart: list[Apart]
    cells: int
    with_arrays: int
    problem: str

    def odd(self, dtype: str) -> str:
        """Who is the odd one out, in a sentence: it alone is outside while the others, two at least, agree."""
        found = sorted((row for row in self.apart if row.dtype == dtype), key=lambda row: -row.outside)
        told = [f"{row.column} in {row.outside} of {row.judged} tensors" for row in found if row.outside]
        return (
            f"Alone outside its tolerance: {', '.join(told)}."
            if told
            else "None is alone outside its tolerance."
        )


class _Tally:
    """Largest distances so far, by dtype and pair; counts by dtype and column."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str, str], Pair] = {}
        self.columns: dict[tuple[str, str], Apart] = {}

    def pair(
        self,
        dtype: str,
        names: tuple[str, str],
        found: tuple[float, float],
        place: Place,
        *,
        agree: bool,
    ) -> None:
        """One tensor of two columns: how far apart they are, relatively and in ULP, and whether both agree."""
        key = (dtype, *names)
        if key not in self.pairs:
            self.pairs[key] = Pair(dtype=dtype, first=names[0], second=names[1])
        pair = self.pairs[key]
        pair.tensors += 1
        pair.relative = pair.relative.or_larger(found[0], place)
        pair.ulp = pair.ulp.or_larger(found[1], place)
        if agree:
            pair.agreeing = pair.agreeing.or_larger(found[0], place)

    def column(self, dtype: str, name: str) -> Apart:
        """The counts of a column."""
        if (dtype, name) not in self.columns:
            self.columns[dtype, name] = Apart(dtype=dtype, column=name)
        return self.columns[dtype, name]


def pairwise(run: Run, folder: Path) -> Pairwise:
    """Compare the columns of a run. `folder`: what the cells' arrays are relative to. Raises StaleArrays."""
    names = column_names(run.cells)
    tally, kept, problem = _Tally(), 0, ""
    for (_, _, dtype), cells in groups(run.cells).items():
        own = [(names[cell.framework, cell.mode], cell) for cell in cells]
        _count_outside(tally, dtype, own)
        found = {}
        for name, cell in own:
            try:
                found[name] = read_arrays(cell, folder)
            except ArraysUnreadable as error:
                problem = problem or str(error)
        answered = {name: (cell, found[name]) for name, cell in own if found.get(name)}
        kept += len(answered)
        _compare(tally, dtype, answered)
    return Pairwise(
        columns=list(names.values()),
        dtypes=list(dict.fromkeys(cell.dtype for cell in run.cells)),
        pairs=[tally.pairs[key] for key in sorted(tally.pairs)],
        apart=[tally.columns[key] for key in sorted(tally.columns)],
        cells=len(run.cells),
        with_arrays=kept,
        problem=problem,
    )


def column_names(cells: Sequence[CellLine]) -> dict[tuple[str, str], str]:
    """A column a framework; one for each of its modes where there are several."""
    pairs = sorted({(cell.framework, cell.mode) for cell in cells})
    several = {f for f, _ in pairs if sum(f == other for other, _ in pairs) > 1}
    return {(f, m): f"{f} {m}" if f in several else f for f, m in pairs}


def groups(cells: Sequence[CellLine]) -> dict[tuple[str, str, str], list[CellLine]]:
    """The cells that compute the same: one variant in one dtype."""
    grouped: dict[tuple[str, str, str], list[CellLine]] = {}
    for cell in cells:
        grouped.setdefault((cell.case, cell.variant, cell.dtype), []).append(cell)
    return grouped


def read_arrays(cell: CellLine, folder: Path) -> Answered:
    """The arrays of a cell; none where none were kept. Raises ArraysUnreadable and StaleArrays."""
    if cell.arrays is None:
        return {}
    found = load(folder / cell.arrays, cell.kept)
    for tensor in cell.tensors:
        kept = _element(found.get((tensor.role, tensor.name, tensor.step)), tensor.where)
        if tensor.where is not None and kept != tensor.got:
            name = in_words((tensor.role, tensor.name), step=tensor.step)
            told = f"{name}{tensor.where} is {kept or 'not there'}, and {tensor.got} in the run file"
            raise StaleArrays(
                f"{folder / cell.arrays}: these arrays aren't those of {cell.cell} in this run: {told}; run again "
                "with --keep-arrays=DIR, or delete the folder, and the report is made without distances"
            )
    return found


def _element(array: Array | None, where: Sequence[int] | None) -> str:
    """An element as the run file writes it; empty where there is none."""
    if array is None or where is None or len(where) != array.ndim:
        return ""
    inside = all(at < size for at, size in zip(where, array.shape, strict=True))
    return str(array[tuple(where)]) if inside else ""


def _count_outside(tally: _Tally, dtype: str, own: Sequence[tuple[str, CellLine]]) -> None:
    """The columns that alone are outside their tolerance, from the verdicts: this needs no arrays."""
    tensors: dict[tuple[str, str], dict[str, tuple[CellLine, Compared]]] = {}
    for name, cell in own:
        for tensor in cell.tensors:
            tensors.setdefault((tensor.role, tensor.name), {})[name] = cell, tensor
    for judged in tensors.values():
        if len(judged) < 3:
            continue
        wrong = [name for name, (_, tensor) in judged.items() if tensor.verdict is not Verdict.AGREE]
        for name, (cell, tensor) in judged.items():
            column = tally.column(dtype, name)
            column.judged += 1
            if wrong == [name]:
                column.outside += 1
                place = cell.cell, (tensor.role, tensor.name, tensor.step)
                column.largest = column.largest.or_larger(tensor.used, place)


def _compare(tally: _Tally, dtype: str, answered: Mapping[str, tuple[CellLine, Answered]]) -> None:
    """Every tensor that was answered, in each of its steps; how often one stands apart is counted by tensors."""
    agree = {
        name: {(t.role, t.name) for t in cell.tensors if t.verdict is Verdict.AGREE}
        for name, (cell, _) in answered.items()
    }
    apart: set[tuple[str, tuple[str, str]]] = set()
    compared: set[tuple[str, tuple[str, str]]] = set()
    for key in dict.fromkeys(key for _, arrays in answered.values() for key in arrays):
        having = {
            name: (cell.cell, arrays[key]) for name, (cell, arrays) in answered.items() if key in arrays
        }
        tensor = key[:2]
        found = distances({name: array for name, (_, array) in having.items()}, dtype)
        for names, both in found.items():
            place = having[names[0]][0], key
            tally.pair(dtype, names, both, place, agree=all(tensor in agree[name] for name in names))
        if len(having) < 3:
            continue
        compared |= {(name, tensor) for name in having}
        for name, gap in _odd(list(having), {names: relative for names, (relative, _) in found.items()}):
            apart.add((name, tensor))
            column = tally.column(dtype, name)
            column.example = column.example.or_larger(gap, (having[name][0], key))
    for name, _ in compared:
        tally.column(dtype, name).compared += 1
    for name, _ in apart:
        tally.column(dtype, name).farthest += 1


def _odd(names: Sequence[str], near: Mapping[tuple[str, str], float]) -> Iterator[tuple[str, float]]:
    """The column of three or more that is farther from every other than those are among each other."""
    for name in names:
        own = min(gap for pair, gap in near.items() if name in pair)
        if own > max(gap for pair, gap in near.items() if name not in pair):
            yield name, own


def distances(arrays: Mapping[str, Array], dtype: str) -> dict[tuple[str, str], tuple[float, float]]:
    """The largest |a - b| of each two, relative to the largest magnitude of both, and in ULP.

    LARGEST stands for infinity: NaN against a number, or different shapes. All pairs at once, since a run has
    many thousands of small tensors.
    """
    pairs = list(itertools.combinations(sorted(arrays), 2))
    alike = [pair for pair in pairs if arrays[pair[0]].shape == arrays[pair[1]].shape]
    found = dict.fromkeys(pairs, (LARGEST, LARGEST))
    if alike and len({arrays[name].shape for pair in alike for name in pair}) == 1:
        one, other = (
            np.stack([arrays[pair[i]].ravel() for pair in alike]).astype(np.float64) for i in (0, 1)
        )
        found |= zip(alike, _distances(one, other, dtype), strict=True)
    else:
        for a, b in alike:
            found |= distances({a: arrays[a], b: arrays[b]}, dtype)
    return found


def _distances(one: Array, other: Array, dtype: str) -> Iterator[tuple[float, float]]:
    """Of each row of the two; rows of no elements are equal."""
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        gap = np.where(same, 0.0, np.abs(one - other))
        gap[np.isnan(gap)] = np.inf
        size = np.fmax(np.abs(one), np.abs(other))
        scale = np.max(size, axis=1, initial=0.0, where=np.isfinite(size))
        worst = np.max(gap, axis=1, initial=0.0)
        relative = np.where(worst == 0, 0.0, worst / scale)
        ulp = np.max(gap / FORMATS[dtype].spacings(size), axis=1, initial=0.0)
    return ((min(float(r), LARGEST), min(float(u), LARGEST)) for r, u in zip(relative, ulp, strict=True))
