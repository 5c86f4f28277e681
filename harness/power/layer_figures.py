"""The figures of `harness power --of layers`: for a terminal, as JSON, and the page docs/power_of_layers.md."""

import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from ...reference.formats import DTYPES
from .. import __version__
from .figures import columns, mean_share, percent, share, table
from .layers import LayerFault
from .measuring import CERTAIN, CellResult
from .rules import OURS, SCHEMES


@dataclass(frozen=True)
class LayerPower:
    """All that was measured of faults of layers and optimizers."""

    cells: list[CellResult]
    faults: Mapping[str, LayerFault]

    def of(self, dtype: str) -> list[CellResult]:
        return [cell for cell in self.cells if cell.dtype == dtype]

    def catching(self, name: str) -> str:
        """The first cell that catches a fault, and how far its worst element is off, in tolerances; or nothing."""
        for cell in self.cells:
            if cell.caught.get(name, {}).get(OURS):
                return f"{cell.name.removesuffix('::')}, {cell.dtype}: {cell.fault_used[name]:.1e}"
        return ""

    def summary(self) -> dict[str, Any]:
        """The figures that the tolerances are held to, by name."""
        caught = [name for name in self.faults if self.catching(name)]
        return {
            "faults_caught": f"{len(caught)} of {len(self.faults)}",
            "faults_never_caught": [name for name in self.faults if name not in caught],
            "mean_share": {d: mean_share(self.of(d), self.faults) for d in DTYPES},
            "correct_called_wrong": {
                d: sum(c.correct_rejected.get(OURS, False) for c in self.of(d)) for d in DTYPES
            },
            "cells": {d: len(self.of(d)) for d in DTYPES},
            "cells_unusable": [f"{c.name}-{c.dtype}: {c.unusable}" for c in self.cells if c.unusable],
        }

    def as_json(self) -> dict[str, Any]:
        faults = {
            name: {d: asdict(share(self.of(d), name)) for d in DTYPES}
            | {"says": fault.says, "of": sorted(fault.of), "caught_by": self.catching(name)}
            for name, fault in self.faults.items()
        }
        return {"summary": self.summary(), "faults": faults}


def _figures(power: LayerPower) -> list[list[str]]:
    """A row a figure, a column a rule."""
    count = {s: sum(bool(share(power.cells, name).caught[s]) for name in power.faults) for s in SCHEMES}
    shares = (
        [f"mean share, {d}", *(percent(mean_share(power.of(d), power.faults, s)) for s in SCHEMES)]
        for d in DTYPES
    )
    return [["faults caught by at least one cell", *(str(count[s]) for s in SCHEMES)], *shares]


def _fault_rows(power: LayerPower) -> list[list[str]]:
    """A row a fault and dtype: where it applies, the share of each rule, and what catches it."""
    return [
        [name, dtype, str(found.applicable), *(percent(found.of(s)) for s in SCHEMES)]
        for name in power.faults
        for dtype in DTYPES
        for found in [share(power.of(dtype), name)]
    ]


MARKDOWN = """\
# What the tolerances catch of layers and optimizers

Made by `{command}` on {date}, with {versions}. Nothing here is written by hand.

Each of {faults} faults is a wrong formula in the place of a row: of a layer in the shipped cases that call it, where it moves some
compared element by more than the unit roundoff (in float64: by more than {certain:g}, which is no rounding error) times its tensor's
scale; of an optimizer in the shipped trainings, each step from the right parameters and gradients. All else is the reference, evaluated in float64 and rounded to the cell's dtype:
what correct code is called is measured elsewhere ([power.md](power.md)). {cells} cells. The rules of others stand beside ours
on the same arrays. A share is the share of the cells in which the fault applies that are called wrong.

{figures}

{unsaid} cells have elements without a tolerance, and are left out.

## Every fault

{every}

## What each fault is, and what catches it

Behind the cell is the largest error of an element as a multiple of its tolerance.

{says}
"""


def layers_markdown(power: LayerPower, command: str) -> str:
    """The page docs/power_of_layers.md."""
    says = (
        f"- `{name}` ({', '.join(sorted(fault.of))}): {fault.says} {power.catching(name) or 'Not caught'}."
        for name, fault in power.faults.items()
    )
    return MARKDOWN.format(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        versions=f"harness {__version__}, NumPy {np.__version__}, Python {platform.python_version()}",
        faults=len(power.faults),
        certain=CERTAIN,
        cells=len(power.cells),
        figures=table(["", *SCHEMES], _figures(power)),
        unsaid=len(power.summary()["cells_unusable"]),
        every=table(["fault", "dtype", "cells", *SCHEMES], _fault_rows(power)),
        says="\n".join(says),
    )


def layers_text(power: LayerPower) -> str:
    """The figures and the faults for a terminal."""
    rows = [["", *SCHEMES], *_figures(power), [], ["fault dtype cells", *SCHEMES]]
    rows += [[" ".join(row[:3]), *row[3:]] for row in _fault_rows(power)]
    never = ", ".join(power.summary()["faults_never_caught"]) or "none"
    return f"{columns(rows)}\n\nnever caught: {never}"
