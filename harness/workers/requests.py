"""What is asked of a worker: the message of a cell, or of a trace of it. Expected values are no part of any.

Literals of the program and of the optimizer go out rounded to the cell's dtype, as a framework rounds a Python number;
what they mean is the real number that is written, and the reference takes that.
"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ...reference.program import Program, traced_names, with_copies
from ..plan import Cell
from ..reading.elements import Array
from ..references.training import each_step, literals_of
from ..references.variant import VariantReference
from .asked import Asked
from .window import Message
from .wire import Sent, python_json, shared_line

Shared = tuple[bytes, Asked]
"""What requests of one variant and dtype share: the line that says it, and what it asks for."""
Whose = tuple[str, bool]
"""The dtype, and whether somebody's own code is asked, which is given no constants."""


def whole(cell: Cell, wanted: VariantReference, known: dict[Whose, Shared]) -> Message:
    """A cell's request. `known`: what requests of this variant share, the same for every framework."""
    variant = cell.variant
    arrays = _arrays(cell, wanted, wanted.inputs, each_step(variant))
    whose = cell.dtype, cell.framework.subject is not None
    if whose not in known:
        values = (*variant.values, *variant.discrete)
        line = shared_line(_shared(cell, wanted, values, variant.gradients), arrays)
        known[whose] = line, _asked(cell, values, variant.gradients)
    return _own(cell), arrays, *known[whose]


def trace(
    cell: Cell, wanted: VariantReference, copies: Collection[tuple[int, int]] = (), *, every: bool = True
) -> Message:
    """A cell's request with every value and cotangent asked for, and what each use contributes that reads a copy.

    Without `every` the cotangents are those of names that depend on a tensor whose gradient the cell itself asks for.
    """
    variant, program = cell.variant, wanted.program
    floats = [n for n, spec in variant.specs.items() if spec.dtype == "float" and n not in variant.constants]
    names = traced_names(program, floats, variant.outputs, (*variant.values, *variant.discrete))
    cotangents = traced_names(program, floats, variant.outputs)
    if not every:
        depending = program.descendants(variant.gradients)
        cotangents = tuple(n for n in cotangents if n in depending)
        copies = [(call, k) for call, k in copies if program.nodes[call].args[k] in depending]
    copied, zeros = with_copies(program, copies) if copies else (program, {})
    nothing = {zero: np.full(variant.specs[name].shape, -0.0) for zero, name in zeros.items()}
    arrays = _arrays(cell, wanted, {**wanted.inputs, **nothing}, each_step(variant))
    values = [*(name for name in names if name not in wanted.inputs), *variant.discrete]
    shared = _shared(cell, wanted, values, [*cotangents, *zeros])
    line = shared_line(shared | {"program": _nodes(copied, cell.dtype)}, arrays)
    return _own(cell), arrays, line, _asked(cell, values, cotangents, zeros)


def _own(cell: Cell) -> dict[str, Any]:
    """What a request says of this cell alone."""
    bindings = python_json(dict(cell.variant.bindings))
    return {"type": "run", "case": cell.case, "bindings": bindings, "mode": cell.mode}


def _arrays(
    cell: Cell, wanted: VariantReference, inputs: Mapping[str, Array], each: Iterable[str] = ()
) -> list[Sent]:
    own = cell.variant.constants if cell.framework.subject else ()
    sent = [Sent("input", n, _cast(a, cell.dtype), n in each) for n, a in inputs.items() if n not in own]
    drawn = cell.variant.upstream  # that of a loss goes unsaid, as people ask for its gradients
    return sent + [Sent("cotangent", n, _cast(wanted.cotangents[n], cell.dtype)) for n in drawn]


def _cast(array: Array, dtype: str) -> Array:
    return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array


def _shared(
    cell: Cell,
    wanted: VariantReference,
    values: Iterable[str],
    gradients: Iterable[str],
) -> dict[str, Any]:
    """What a request says of its family. Gradients of assigned names are asked for through probes."""
    gradients, program, variant = list(gradients), wanted.program, cell.variant
    assigned = {name for node in program.nodes for name in node.outs}
    return {
        "dtype": cell.dtype,
        "program": _nodes(program, cell.dtype),
        "outputs": variant.outputs,
        "values": list(values),
        "gradients": gradients,
        "probes": {n: variant.specs[n].shape for n in gradients if n in assigned},
        "training": python_json(_training(wanted, cell.dtype)),
    }


def _asked(
    cell: Cell,
    values: Iterable[str],
    gradients: Iterable[str],
    zeros: Mapping[str, str] = MappingProxyType({}),
) -> Asked:
    """The tensors that the answer to such a request has. `zeros`: what each use's copy is a copy of."""
    variant = cell.variant
    training, shape = variant.training, {name: spec.shape for name, spec in variant.specs.items()}
    asked = {("value", name): shape[name] for name in values}
    asked |= {("gradient", name): shape[name] for name in gradients}
    asked |= {("gradient", zero): shape[name] for zero, name in zeros.items()}
    asked |= {("parameter", name): shape[name] for name in (training.parameters if training else ())}
    return Asked(asked, cell.dtype, training.steps if training else None)


def _nodes(program: Program, dtype: str) -> Any:
    nodes = program.rounded(dtype).nodes
    return python_json([{"out": n.outs, "op": n.op, "args": n.args, "kw": dict(n.kw)} for n in nodes])


def _training(wanted: VariantReference, dtype: str) -> dict[str, Any] | None:
    training = wanted.variant.training
    if training is None:
        return None
    options, clip = literals_of(training, dtype)
    return {
        "optimizer": {training.optimizer: options},
        "clip": clip,
        "parameters": list(training.parameters),
        "state": training.state,
        "steps": training.steps,
    }
