"""The figures of `harness power`, and its three forms: for a terminal, as JSON, and the page docs/power.md."""

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ...reference.formats import DTYPES
from .. import __version__
from .measuring import CellResult
from .rules import CALLS, OURS, SCHEMES
from .traced import PLAIN

KINDS = {
    "shipped": "variants of shipped cases",
    "random": "random networks",
    "large_logits": "with large logits",
    "penalised": "with an L2 penalty",
    "deep_wide": "deep and wide",
}


# Figures


@dataclass(frozen=True)
class Share:
    """Of the cells in which a fault applies, how many each rule calls wrong, and in how many of them only the fault.

    A rule that calls the correct implementation wrong as well has told nothing: that is no catch in `told`.
    """

    applicable: int
    caught: dict[str, int]
    told: dict[str, int]

    def of(self, scheme: str = OURS, *, told: bool = False) -> float | None:
        count = self.told if told else self.caught
        return count[scheme] / self.applicable if self.applicable else None


def share(cells: Iterable[CellResult], fault: str, schemes: Sequence[str] = SCHEMES) -> Share:
    """One fault over some cells."""
    here = [cell for cell in cells if fault in cell.caught]
    caught = {s: sum(c.caught[fault][s] for c in here) for s in schemes}
    told = {s: sum(c.caught[fault][s] and not c.correct_rejected[s] for c in here) for s in schemes}
    return Share(len(here), caught, told)


def mean_share(
    cells: list[CellResult], faults: Iterable[str], scheme: str = OURS, *, told: bool = False
) -> float | None:
    """The mean over those faults that apply somewhere of their shares of applicable cells."""
    found = (share(cells, name, [scheme]).of(scheme, told=told) for name in faults)
    shares = [s for s in found if s is not None]
    return sum(shares) / len(shares) if shares else None


@dataclass(frozen=True)
class Placed:
    """Over some cells: how many faults have an alarm, and what the alarms name."""

    faults: int
    """Pairs of a cell and a fault that some call shows, or that is plain in one and shown by none."""
    exact: int
    alarms: int
    false: int
    on_correct: int
    """Alarms in correct implementations."""
    unshown: dict[str, int]
    """Faults that the whole catches and no call shows, with the cells in which that is so."""


def placed(cells: Iterable[CellResult]) -> Placed:
    """Where judging call by call finds the faults."""
    cells = list(cells)
    found = [(cell, name, where) for cell in cells for name, where in cell.placed.items()]
    shown = [where for _, _, where in found if where.alarms or where.unnamed]
    whole = Counter(name for cell, name, where in found if cell.caught[name][OURS] and not where.alarms)
    return Placed(
        faults=len(shown),
        exact=sum(where.exact for where in shown),
        alarms=sum(where.alarms for where in shown),
        false=sum(len(where.false) for where in shown),
        on_correct=sum(cell.correct_alarms for cell in cells),
        unshown=dict(whole.most_common()),
    )


@dataclass(frozen=True)
class Power:
    """All that was measured, and the figures made of it."""

    cells: list[CellResult]
    faults: Mapping[str, Any]
    by_calls: bool = False
    """Whether every call was judged by itself too."""

    @property
    def schemes(self) -> tuple[str, ...]:
        return (OURS, CALLS, *SCHEMES[1:]) if self.by_calls else SCHEMES

    def share(self, cells: Iterable[CellResult], fault: str) -> Share:
        return share(cells, fault, self.schemes)

    def of(self, dtype: str, *kinds: str) -> list[CellResult]:
        return [c for c in self.cells if c.dtype == dtype and (not kinds or c.kind in kinds)]

    def names(self, dtype: str | None = None, *, ranges: bool = False) -> list[str]:
        """Faults of a dtype (None: of any), without or only the range faults."""
        return [
            name for name, fault in self.faults.items()
            if (dtype is None or dtype in fault.dtypes) and (fault.kind == "range") is ranges
        ]  # fmt: skip

    def caught_somewhere(self, scheme: str = OURS, *, told: bool = False) -> list[str]:
        shares = {name: self.share(self.cells, name) for name in self.faults}
        return [name for name, s in shares.items() if (s.told if told else s.caught)[scheme]]

    def mean(self, dtype: str, scheme: str = OURS, *, told: bool = False) -> float | None:
        return mean_share(self.of(dtype), self.names(dtype), scheme, told=told)

    @property
    def deep_wide_cells(self) -> list[CellResult]:
        return [c for c in self.of("float32") if c.deep_and_wide]

    def deep_wide(self, scheme: str = OURS) -> float | None:
        return mean_share(self.deep_wide_cells, self.names("float32"), scheme)

    def called_wrong(self, dtype: str, scheme: str) -> int:
        return sum(c.correct_rejected.get(scheme, False) for c in self.of(dtype))

    def summary(self) -> dict[str, Any]:
        """The figures that the tolerances are held to, by name."""
        caught = self.caught_somewhere()
        large = {d: self.of(d, "large_logits") for d in DTYPES}
        ordinary = [c for c in self.cells if c.kind != "large_logits" and not c.unusable]
        return {
            "faults_caught": f"{len(caught)} of {len(self.faults)}",
            "faults_never_caught": [name for name in self.faults if name not in caught],
            "mean_share_float32": self.mean("float32"),
            "mean_share_float64": self.mean("float64"),
            "range_faults_on_large_logits": {
                name: {d: share(cells, name).of() for d, cells in large.items()} for name in self.names(ranges=True)
            },
            "mean_share_by_calls": {d: self.mean(d, CALLS) for d in DTYPES} if self.by_calls else {},
            "deep_wide_share_float32": self.deep_wide(),
            "deep_wide_share_by_calls_float32": self.deep_wide(CALLS) if self.by_calls else None,
            "deep_wide_cells": len(self.deep_wide_cells),
            "layer_x1.00001_float32": share(self.of("float32"), "layer_x1.00001").of(),
            "layer_x1+1e-12_float64": share(self.of("float64"), "layer_x1+1e-12").of(),
            "correct_called_wrong": {
                d: {scheme: self.called_wrong(d, scheme) for scheme in self.schemes} for d in DTYPES
            },
            "placed": asdict(placed(self.cells)) if self.by_calls else {},
            "largest_used": max((c.used for c in ordinary), default=0.0),
            "cells": {d: len(self.of(d)) for d in DTYPES},
            "cells_inconclusive": [f"{c.name}-{c.dtype}" for c in self.cells if c.inconclusive],
            "cells_unusable": [f"{c.name}-{c.dtype}: {c.unusable}" for c in self.cells if c.unusable],
        }  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return {
            "summary": self.summary(),
            "faults": {
                name: {d: asdict(self.share(self.of(d), name)) for d in fault.dtypes} | {"says": fault.says}
                for name, fault in self.faults.items()
            },
            "cells": [asdict(cell) for cell in self.cells],
        }


# Reports


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def figures(power: Power) -> list[list[str]]:
    """A row a figure, a column a rule."""
    rows = [
        ["faults caught by at least one cell", *(str(len(power.caught_somewhere(s))) for s in power.schemes)],
        [
            "the same, where correct code passes",
            *(str(len(power.caught_somewhere(s, told=True))) for s in power.schemes),
        ],
        *([f"mean share, {d}", *(percent(power.mean(d, s)) for s in power.schemes)] for d in DTYPES),
        *(
            [
                f"the same, where correct code passes, {d}",
                *(percent(power.mean(d, s, told=True)) for s in power.schemes),
            ]
            for d in DTYPES
        ),
        [
            f"mean share, float32, depth >= 6, width > 200: {len(power.deep_wide_cells)} cells",
            *(percent(power.deep_wide(s)) for s in power.schemes),
        ],
    ]
    for name, dtype in (("layer_x1.00001", "float32"), ("layer_x1+1e-12", "float64"), ("sub_f32", "float64")):
        found = power.share(power.of(dtype), name)
        rows.append([f"{name}, {dtype}", *(percent(found.of(s)) for s in power.schemes)])
    for d in DTYPES:
        total = len(power.of(d))
        rows.append(
            [
                f"correct called wrong, {d}, of {total} cells",
                *(str(power.called_wrong(d, s)) for s in power.schemes),
            ]
        )
    return rows


def fault_rows(power: Power) -> list[list[str]]:
    """A row a fault and dtype: what it is, where it applies, and the share of each rule."""
    return [
        [name, dtype, str(found.applicable), *(percent(found.of(s)) for s in power.schemes)]
        for name, fault in power.faults.items()
        for dtype in fault.dtypes
        for found in [power.share(power.of(dtype), name)]
    ]


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


MARKDOWN = """\
# What the tolerances catch

Made by `{command}` on {date}, with {versions}. Nothing here is written by hand.

{about} Each of {faults} faults is put into a correct NumPy implementation, in every cell in which it applies: evaluated
exactly (in float64; for float64 cells, where that leaves doubt, in longdouble), it moves some compared element by more than the
unit roundoff times its tensor's scale. "One layer" is the middle one. The rules of others
stand beside ours on the same arrays: the defaults of `torch.testing.assert_close` and `np.allclose`, seven decimals
(`np.testing.assert_almost_equal`), and 1e-3 absolute. A share is the share of applicable cells that are called wrong; a mean is over
faults, range faults apart. A rule that calls the correct implementation wrong as well has told nothing: rows "where correct
code passes" count only cells in which the fault is called wrong and the correct implementation is not.

{figures}
{placed}
Largest used = error / tolerance of the correct implementation, large logits apart: {used:.2f}. {unsaid}

## Faults of range, on cases with large logits

{ranges}

## Every fault

{every}

## What each fault is

{says}
"""


def power_markdown(power: Power, command: str) -> str:
    """The page docs/power.md."""
    summary = power.summary()
    ranges = [
        [name, dtype, str(found.applicable), *(percent(found.of(s)) for s in power.schemes)]
        for name in power.names(ranges=True)
        for dtype in DTYPES
        for found in [power.share(power.of(dtype, "large_logits"), name)]
    ]
    kinds = {kind: len({c.name for c in power.cells if c.kind == kind}) for kind in KINDS}
    return MARKDOWN.format(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        versions=f"harness {__version__}, NumPy {np.__version__}, Python {platform.python_version()}",
        about=", ".join(f"{kinds[kind]} {text}" for kind, text in KINDS.items())
        + ", in float32 and float64.",
        faults=len(power.faults),
        figures=table(["", *power.schemes], figures(power)),
        placed=_placed_markdown(power) if power.by_calls else "",
        used=summary["largest_used"],
        unsaid=_unsaid(summary),
        ranges=table(["fault", "dtype", "cells", *power.schemes], ranges),
        every=table(["fault", "dtype", "cells", *power.schemes], fault_rows(power)),
        says="\n".join(f"- `{name}`: {fault.says}" for name, fault in power.faults.items()),
    )


def _unsaid(summary: Mapping[str, Any]) -> str:
    """Cells that are inconclusive, or have no tolerance: counted, never dropped in silence."""
    return (
        f"{len(summary['cells_inconclusive'])} cells are inconclusive; in {len(summary['cells_unusable'])} the reference "
        "leaves an op's domain, so that no tolerance exists and nothing is counted."
    )


PLACED = """
"By calls" is ours and each op call judged by itself: a fault is caught where a call of its traced implementation is wrong at that
implementation's own numbers, or where the whole is. So only what the whole lets pass needs a trace; in some small random networks
every fault is traced, and the correct implementation in every cell. An alarm names what is faulty if the correct implementation makes something else
of the same numbers there. A fault is placed exactly if every alarm names one such part, and all parts are named that are off by more
than {plain:g} u of the largest number in them.

{table}

Faults that the whole catches there and no call shows, each of their errors being within its call's tolerance: {unshown}.
"""


def placed_rows(power: Power) -> list[list[str]]:
    """A row a group of cells: how many faults are placed exactly, and how many alarms are false."""
    groups = {d: power.of(d) for d in DTYPES}
    looked_into = [c for c in power.cells if c.every_fault]
    networks = len({c.name for c in looked_into})
    groups |= {f"{networks} random networks, every fault": looked_into}
    return [
        [
            name,
            f"{found.exact} of {found.faults}, {percent(found.exact / found.faults if found.faults else None)}",
            f"{found.false} of {found.alarms}",
            f"{found.on_correct} in {len(cells)}",
        ]
        for name, cells in groups.items()
        for found in [placed(cells)]
    ]


PLACED_HEAD = ["", "placed exactly", "false alarms", "alarms in correct cells"]


def _placed_markdown(power: Power) -> str:
    return PLACED.format(
        plain=PLAIN, table=table(PLACED_HEAD, placed_rows(power)), unshown=_unshown(placed(power.cells))
    )


def _unshown(found: Placed) -> str:
    told = (f"`{name}` ({count} cells)" for name, count in found.unshown.items())
    return ", ".join(told) or "none"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows for a terminal; an empty one is an empty line."""
    wide = max(len(row[0]) for row in rows if row)
    return "\n".join(
        f"{row[0]:<{wide}}" + "".join(f"{box:>14}" for box in row[1:]) if row else "" for row in rows
    )


def power_text(power: Power) -> str:
    """The figures and the faults for a terminal."""
    rows = [["", *power.schemes], *figures(power), [], ["fault dtype cells", *power.schemes]]
    rows += [[" ".join(row[:3]), *row[3:]] for row in fault_rows(power)]
    lines = [columns(rows)]
    if power.by_calls:
        lines += ["", *(f"{name}: {exact} placed exactly; false alarms {false}; alarms in correct cells {correct}"
                        for name, exact, false, correct in placed_rows(power))]  # fmt: skip
        lines.append(f"caught by the whole, shown by no call: {_unshown(placed(power.cells))}")
    summary = power.summary()
    return "\n".join([*lines, "", f"largest used {summary['largest_used']:.2f}. {_unsaid(summary)}"])
