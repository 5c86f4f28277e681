"""Faults of layers and of optimizers: a wrong row in the place of the right one, in shipped cases that call it.

A fault of a layer is a formula over right rows, as `composed` has it: its values and gradients are those of the wrong
formula, evaluated in float64 and rounded to the cell's dtype, so that nothing but the fault is judged. One of an optimizer
is another row: its steps are judged from the right parameters and gradients, wherever they were until then.

The implementation without a fault is the reference itself, which says nothing of the tolerances: for that there are
random networks (`measuring`), and the frameworks.
"""

import functools
import inspect
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...reference.backprop import backprop
from ...reference.contexts import EXACT
from ...reference.formats import FORMATS
from ...reference.ops import OPS, Row
from ...reference.ops.composed import composed
from ...reference.optimizers import OPTIMIZERS, Optimizer
from ...reference.program import Program
from ..case.library import files_below
from ..case.loading import load
from ..case.variant import Variant
from ..errors import HarnessError
from ..references.row import References
from ..references.variant import Array, VariantReference
from .faults import imported
from .measuring import CERTAIN, Answer, CellResult, Judged, movement
from .rules import SCHEMES

CATALOGUES = "layers_*.py"
THEMES = "ops", "optimizers"
"""Below the case root, in the order in which a fault is looked for."""
UNSURE = re.compile(r"_boundary|_ties")
"""Cases that stand at kinks, where several gradients are right."""


@dataclass(frozen=True)
class LayerFault:
    """A wrong row of the op table, and the ops in whose place it stands; or of the optimizers."""

    name: str
    of: frozenset[str]
    says: str
    rows: Mapping[str, Row]
    optimizers: Mapping[str, Optimizer]
    dtypes: tuple[str, ...] = tuple(FORMATS)
    kind: str = "layer"


LAYERS: dict[str, LayerFault] = {}


def layer(name: str, *ops: str) -> Callable[[Any], Any]:
    """Register a formula, as `composed` takes it, that stands in the place of each of these ops; `f.right` is that op."""

    def register(formula: Any) -> Any:
        _add(LayerFault(name, frozenset(ops), formula.__doc__, {op: _row(op, formula) for op in ops}, {}))
        return formula

    return register


def optimizer(name: str, *optimizers: str) -> Callable[[Any], Any]:
    """Register a function that makes of the row of each of these optimizers a wrong one."""

    def register(change: Any) -> Any:
        wrong = {of: change(OPTIMIZERS[of]) for of in optimizers}
        _add(LayerFault(name, frozenset(optimizers), change.__doc__, {}, wrong))
        return change

    return register


def _add(fault: LayerFault) -> None:
    if fault.name in LAYERS:
        raise ValueError(f"fault {fault.name} is registered twice")
    LAYERS[fault.name] = fault


def _row(op: str, formula: Any) -> Row:
    """The wrong row; it is in no table."""
    right, name = OPS[op], f"faulty {op}"

    def of_op(f: Any, *inputs: Any, **kw: Any) -> Any:
        f.right = getattr(f, op)
        return formula(f, *inputs, **kw)

    of_op.__signature__ = inspect.signature(right.forward)  # type: ignore[attr-defined]
    composed(name, right.shape, of_op, doc=right.doc, dtypes=right.dtypes)
    return OPS.pop(name)


def load_layers(folder: Path) -> dict[str, LayerFault]:
    """Those of `layers_*.py` there, by name. Raises HarnessError."""
    for path in sorted(folder.glob(CATALOGUES)):
        if path.stem not in sys.modules:
            imported(path)
    if not LAYERS:
        raise HarnessError(
            f"{folder}: no {CATALOGUES} here; --faults names the folder tests/faults of a checkout"
        )
    return LAYERS


def layer_cases(root: Path) -> list[str]:
    """The cases below `root` into which faults of layers are put."""
    paths = (path for theme in THEMES for path in sorted(files_below(root / theme)))
    return [
        path.relative_to(root).with_suffix("").as_posix() for path in paths if not UNSURE.search(path.stem)
    ]


def measure_layers(name: str, root: Path, folder: Path) -> list[CellResult]:
    """Every cell of a case in which some fault may apply."""
    faults = load_layers(folder).values()
    results = []
    for variant in load(root / f"{name}.toml", root).variants:
        here = [fault for fault in faults if fault.of & variant.ops]
        for dtype in variant.dtypes if here and not variant.exact else ():
            with np.errstate(all="ignore"):
                results.append(_cell(variant, dtype, here))
    return results


def _cell(variant: Variant, dtype: str, faults: list[LayerFault]) -> CellResult:
    found = CellResult(f"{variant.case_name}::{variant.id}", "layers", dtype, 0, 0)
    wanted = VariantReference(variant)
    steps = _steps(wanted, dtype) if variant.training else ()
    each: Iterator[_Called | _Step] = itertools.chain([_Called(wanted, dtype)], steps)
    for judged in each:
        if not np.isfinite(judged.due.tolerance(dtype)).all():
            found.unusable = "a tolerance is not finite"
            continue
        told = Judged(judged.due, rounded(judged.right, dtype), dtype)
        found.correct_rejected = {
            s: found.correct_rejected.get(s, False) or told.any_rejected(s) for s in SCHEMES
        }
        for fault in faults:
            wrong = judged.wrong(fault)
            if wrong is None or movement(judged.right, wrong) <= max(CERTAIN, FORMATS[dtype].u):
                continue
            caught, used = told.rejected(rounded(wrong, dtype))
            before = found.caught.get(fault.name, dict.fromkeys(SCHEMES, False))
            found.caught[fault.name] = {s: before[s] or caught[s] for s in SCHEMES}
            found.fault_used[fault.name] = max(used, found.fault_used.get(fault.name, 0.0))
    return found


def rounded(answer: Answer, dtype: str) -> Answer:
    return {key: np.asarray(a).astype(dtype) for key, a in answer.items()}


class _Called:
    """The program, in which a fault's rows stand in place of the right ones."""

    def __init__(self, wanted: VariantReference, dtype: str) -> None:
        self.variant, self.wanted = wanted.variant, wanted
        self.inputs = wanted.inputs_at(0, {})
        self.due = wanted.at(self.inputs, self.variant.values, self.variant.gradients, dtype)
        self.right = self.answer(wanted.program)

    def wrong(self, fault: LayerFault) -> Answer | None:
        if not any(node.op in fault.rows for node in self.wanted.program.nodes):
            return None
        names = {op: row.name for op, row in fault.rows.items()}
        nodes = (replace(n, op=names.get(n.op, n.op)) for n in self.wanted.program.nodes)
        OPS.update({row.name: row for row in fault.rows.values()})
        try:
            return self.answer(replace(self.wanted.program, nodes=tuple(nodes)))
        finally:
            for row in fault.rows.values():
                del OPS[row.name]

    def answer(self, program: Program) -> Answer:
        v = self.variant
        env, grads = backprop(program, self.inputs, v.gradients, self.wanted.cotangents)
        return {("value", n): env[n] for n in v.values} | {("gradient", n): grads[n] for n in v.gradients}


@dataclass(frozen=True)
class _Step:
    """A step of a training, from what the right ones before it made."""

    due: References
    right: Answer
    made: Callable[[Optimizer], Answer]
    optimizer: str

    def wrong(self, fault: LayerFault) -> Answer | None:
        row = fault.optimizers.get(self.optimizer)
        return None if row is None else self.made(row)


def _steps(wanted: VariantReference, dtype: str) -> Iterator[_Step]:
    walk, training = wanted.walk(), wanted.variant.training
    assert training is not None
    for _ in range(training.steps):
        walk.took(of_dtype(wanted.gradients_at(walk.inputs(), training.parameters), dtype))
        given, history = walk.clipped(EXACT), dict(walk.parameters)
        made = functools.partial(_moved, history, given, training.options)
        right = made(OPTIMIZERS[training.optimizer])
        yield _Step(wanted.update(walk, dtype), right, made, training.optimizer)
        values = wanted.values_at(walk.inputs(), walk.becomes.values())
        walk.go_on(of_dtype({name: a for (_, name), a in right.items()}, dtype), of_dtype(values, dtype))


def _moved(
    parameters: Mapping[str, list[Array]],
    gradients: Mapping[str, Sequence[Array]],
    options: Mapping[str, Any],
    row: Optimizer,
) -> Answer:
    """The parameters after the last of these steps."""
    return {
        ("parameter", n): row.moved(EXACT, history, gradients[n], **options)
        for n, history in parameters.items()
    }


def of_dtype(arrays: Mapping[str, Array], dtype: str) -> dict[str, Array]:
    """Numbers of a dtype, in float64."""
    return {name: np.asarray(a).astype(dtype).astype(np.float64) for name, a in arrays.items()}
