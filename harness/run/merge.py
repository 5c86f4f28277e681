"""Makes one run of several that were made apart, such as one of each framework's own CI job.

A merged run must be one that could have been made at once: by the same rules, of the same cases, with one version of
each framework, each cell once. What contradicts that is refused by name. What may differ (the machine, the start) is
told of all of them, and kept arrays are named from where the merged file lies.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ..errors import HarnessError
from ..reading.text import count_of
from ..verdict import totals
from . import arrays
from .lines import CellLine, Footer, Header, Machine, Run, grounds_apart, noted
from .writing import RunWriter

LISTED = 5
"""Cells or variants that an error names; of the others it gives the number."""

Named = tuple[Path, Run]
"""A run with the file that it was read from."""


class MergeError(HarnessError):
    """Runs that can't become one."""


class OverlappingRuns(MergeError):
    """A cell that is in two runs: at most one of its results is that of the merged run."""


class DifferentCases(MergeError):
    """A variant whose program or inputs aren't the same in two runs."""


class DifferentRules(MergeError):
    """Runs of another format, harness, rules or K: their numbers don't mean the same."""


class DifferentVersions(MergeError):
    """A framework that told different things of itself in two runs."""


class MissingShards(MergeError):
    """Shards of a run without the others: together they would look like the whole."""


def merge(runs: Sequence[Named], target: Path) -> Run:
    """One run of several, as the file `target` would hold it. Raises MergeError."""
    _check_rules(runs)
    _check_overlaps(runs)
    _check_shards(runs)
    _check_cases(runs)
    abouts = _abouts(runs)
    cells = _in_order([_moved(cell, file, target) for file, run in runs for cell in run.cells])
    footer = Footer(
        totals=totals(cell.verdict for cell in cells),
        cells=len(cells),
        seconds=round(sum(run.footer.seconds for _, run in runs), 3),
    )
    return Run(_header([run.header for _, run in runs]), abouts, tuple(cells), footer)


def write(run: Run, target: Path) -> None:
    """Write a merged run; its seconds are those that its parts took together."""
    with RunWriter(target, run.header, whole=True) as writer:
        for framework, about in run.abouts.items():
            writer.about(framework, about)
        for cell in run.cells:
            writer.cell(cell)
        writer.footer(len(run.cells), seconds=run.footer.seconds)


def _check_rules(runs: Sequence[Named]) -> None:
    (first, run), *others = runs
    for file, other in others:
        for what in ("format", "harness", "rules", "K"):
            one, two = getattr(run.header, what), getattr(other.header, what)
            if one != two:
                told = f"{what} {one} in {first}, {two} in {file}"
                how = "a run anew" if what == "format" else "`harness rejudge` or a run anew"
                raise DifferentRules(f"{told}; {how} makes them the same")
    known: dict[str, tuple[Path, str]] = {}
    for file, other in runs:
        for name, content in other.header.contents.items():
            before, was = known.setdefault(name, (file, content))
            if was != content:
                told = f"{name} {was} in {before}, {content} in {file}"
                raise DifferentRules(f"{told}; a run anew makes them the same")


def _check_overlaps(runs: Sequence[Named]) -> None:
    told = _twice(runs, lambda cell: cell.cell, lambda _cell, _other: True)
    if told:
        raise OverlappingRuns(f"{_named(told)}: a merged run holds each cell once; leave one of the runs out")


def _check_shards(runs: Sequence[Named]) -> None:
    """Every shard of a run is here, but for those that have no cells, and each holds what the others expect of it."""
    wholes: dict[tuple[str, tuple[int, ...]], dict[int, Named]] = {}
    for file, run in runs:
        if part := run.footer.part:
            wholes.setdefault((part.whole, tuple(part.sizes)), {})[part.index] = file, run
    for (_, sizes), found in wholes.items():
        count, first = len(sizes), next(iter(found.values()))[0]
        missing = [f"{i}/{count}" for i, size in enumerate(sizes, 1) if size and i not in found]
        if missing:
            told = f"{first} is a shard of a run whose shards {_named(missing)} are not among the runs"
            raise MissingShards(f"{told}; merge all of them (run by one selection, balanced by one file)")
        for index, (file, run) in found.items():
            if len(run.cells) != sizes[index - 1]:
                told = f"{file} has {count_of(len(run.cells), 'cell')}, shard {index}/{count} has {sizes[index - 1]}"
                raise MissingShards(f"{told}; run the whole shard again")


def _check_cases(runs: Sequence[Named]) -> None:
    """Cells that were never judged have no digest, and need none."""
    told = _twice(
        runs,
        lambda cell: f"{cell.case}::{cell.variant}" if cell.content is not None else None,
        lambda cell, other: cell.content != other.content,
    )
    if told:
        why = "its program or inputs aren't the same; run the cases of one commit"
        raise DifferentCases(f"{_named(told)}: {why}")


def _twice(
    runs: Sequence[Named], key: Callable[[CellLine], str | None], wrong: Callable[[CellLine, CellLine], bool]
) -> list[str]:
    """The keys that two runs have, with both files, where their cells are wrong together."""
    seen: dict[str, tuple[Path, CellLine, int]] = {}
    told: dict[str, str] = {}
    for number, (file, run) in enumerate(runs):
        for cell in run.cells:
            name = key(cell)
            if name is None:
                continue
            before, other, where = seen.setdefault(name, (file, cell, number))
            if where != number and wrong(cell, other):
                told.setdefault(name, f"{name} in {before} and in {file}")
    return list(told.values())


def _named(told: Sequence[str]) -> str:
    more = f" and {len(told) - LISTED} more" if len(told) > LISTED else ""
    return ", ".join(told[:LISTED]) + more


def _abouts(runs: Sequence[Named]) -> dict[str, dict[str, Any]]:
    """What each framework told. Raises DifferentVersions."""
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for file, run in runs:
        for framework, about in run.abouts.items():
            first, told = found.setdefault(framework, (file, about))
            if differing := grounds_apart(told, about):
                told_apart = f"{framework} told {differing}, in {first} and in {file}"
                raise DifferentVersions(f"{told_apart}; one run is of one version: run it again")
            found[framework] = first, noted(told, about)
    return {framework: about for framework, (_, about) in found.items()}


def _moved(cell: CellLine, file: Path, target: Path) -> CellLine:
    """The cell, its arrays named from the target's folder."""
    if cell.arrays is None:
        return cell
    return msgspec.structs.replace(cell, arrays=arrays.relative(arrays.place(file, cell.arrays), target))


def _in_order(cells: Sequence[CellLine]) -> list[CellLine]:
    """As one run has them: variants and dtypes as they first come, the frameworks side by side."""
    places: dict[tuple[str, str, str], int] = {}
    for cell in cells:
        places.setdefault((cell.case, cell.variant, cell.dtype), len(places))
    return sorted(cells, key=lambda cell: places[cell.case, cell.variant, cell.dtype])


def _header(headers: Sequence[Header]) -> Header:
    """The first run's header, with what the others say besides."""
    return msgspec.structs.replace(
        headers[0],
        started=min(head.started for head in headers),
        machine=_machine([head.machine for head in headers]),
        python=_joined(head.python for head in headers),
        commit=_joined(head.commit or "unknown" for head in headers)
        if any(h.commit for h in headers)
        else None,
        roots=list(dict.fromkeys(root for head in headers for root in head.roots)),
        command=_commands(headers),
        carried=list(dict.fromkeys(word for head in headers for word in head.carried)),
        frameworks=list(dict.fromkeys(name for head in headers for name in head.frameworks)),
        contents={name: content for head in headers for name, content in head.contents.items()},
    )


def _machine(machines: Sequence[Machine]) -> Machine:
    """One machine, or all that are unlike: each processor with its own cores, and the cores of all of them."""
    unlike = list(dict.fromkeys((machine.cpu, machine.cores) for machine in machines))
    alone = len(unlike) == 1
    return Machine(
        cpu=unlike[0][0] if alone else " + ".join(f"{cpu}, {cores} cores" for cpu, cores in unlike),
        cores=sum(cores for _, cores in unlike),
        os=_joined(machine.os for machine in machines),
    )


def _commands(headers: Sequence[Header]) -> list[str]:
    """The commands, a plus between them."""
    words: list[str] = []
    for command in dict.fromkeys(tuple(head.command) for head in headers):
        words += ["+", *command] if words else command
    return words


def _joined(texts: Iterable[str]) -> str:
    return " + ".join(dict.fromkeys(texts))
