"""A Loop over cells in a framework's own interpreter: `processes/bare_loop.py` with the cells' arrays in a file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gradient_conformance.harness.frameworks.found import shipped_adapters
from gradient_conformance.harness.frameworks.interpreters import Interpreter
from gradient_conformance.harness.plan import Cell

from .measuring import Loop, interpreter_of

SCRIPT = Path(__file__).parent / "processes" / "bare_loop.py"


def bare(cells: Sequence[Cell], file: Path, *extra: str) -> Loop:
    """The loop over these cells of one framework; `file` is for their arrays."""
    np.savez(file, **_arrays(cells))
    framework = cells[0].framework
    interpreter = interpreter_of(framework)
    assert isinstance(interpreter, Interpreter)
    worker = shipped_adapters() / "worker.py"
    return Loop([*interpreter.argv, *map(str, (SCRIPT, worker, framework.adapter, file)), *extra])


def _arrays(cells: Sequence[Cell]) -> dict[str, Any]:
    """Every cell's inputs in its dtype, and the programs, which cells of one family share."""
    found: dict[str, Any] = {}
    programs: dict[str, Any] = {}
    listed = []
    for number, cell in enumerate(cells):
        inputs = inputs_of(cell)
        shapes = [(name, array.dtype.name, array.shape) for name, array in inputs.items()]
        spec = _program(cell)
        key = json.dumps([spec, shapes])
        programs[key] = spec
        listed.append((key, list(inputs)))
        found |= {f"{number}/{name}": array for name, array in inputs.items()}
    specs = json.dumps({"programs": programs, "cells": listed}).encode()
    return {**found, "specs": np.frombuffer(specs, np.uint8)}


def inputs_of(cell: Cell) -> dict[str, Any]:
    """The arrays that a worker is sent."""
    drawn = cell.variant.draw(cell.variant.narrowest)
    return {n: a.astype(cell.dtype) if a.dtype.kind == "f" else a for n, a in drawn.items()}


def _program(cell: Cell) -> dict[str, Any]:
    variant = cell.variant
    nodes = variant.program.rounded(cell.dtype).nodes
    return {
        "program": [{"out": n.outs[0], "op": n.op, "args": n.args, "kw": dict(n.kw)} for n in nodes],
        "output": variant.outputs[0],
        "values": variant.values,
        "gradients": variant.gradients,
    }
