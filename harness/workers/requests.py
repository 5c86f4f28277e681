"""What is asked of a worker: the message of a cell, or of a trace of it. Expected values are no part of any.

Literals of the program and of the optimizer go out rounded to the cell's dtype, as a framework rounds a Python number;
what they mean is the real number that is written, and the reference takes that.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..plan import Cell
from ..reading.elements import Array
from ..references.training import each_step
from ..references.variant import VariantReference
from .lane import Message
from .wire import Sent, python_json, shared_line


def whole(cell: Cell, wanted: VariantReference, lines: dict[str, bytes]) -> Message:
    """A cell's request. `lines`: by dtype what requests of this variant share, the same for every framework."""
    variant = cell.variant
    arrays = _arrays(cell, wanted, wanted.inputs, each_step(variant))
    if cell.dtype not in lines:
        lines[cell.dtype] = shared_line(_shared(cell, wanted, variant.values, variant.gradients), arrays)
    return _own(cell), arrays, lines[cell.dtype]


def trace(
    cell: Cell,
    wanted: VariantReference,
    inputs: Mapping[str, Array],
    values: Sequence[str],
    gradients: Sequence[str],
) -> Message:
    """A cell's request, of one step where it trains, with these values and gradients asked for."""
    arrays = _arrays(cell, wanted, inputs)
    return _own(cell), arrays, shared_line(_shared(cell, wanted, values, gradients, steps=1), arrays)


def _own(cell: Cell) -> dict[str, Any]:
    """What a request says of this cell alone."""
    return {"type": "run", "case": cell.case, "bindings": dict(cell.variant.bindings), "mode": cell.mode}


def _arrays(
    cell: Cell, wanted: VariantReference, inputs: Mapping[str, Array], each: Iterable[str] = ()
) -> list[Sent]:
    sent = [Sent("input", n, _cast(a, cell.dtype), n in each) for n, a in inputs.items()]
    if wanted.cotangent is not None:
        sent.append(Sent("cotangent", cell.variant.output, _cast(wanted.cotangent, cell.dtype)))
    return sent


def _cast(array: Array, dtype: str) -> Array:
    return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array


def _shared(
    cell: Cell,
    wanted: VariantReference,
    values: Iterable[str],
    gradients: Iterable[str],
    steps: int | None = None,
) -> dict[str, Any]:
    """What a request says of its family. Gradients of assigned names are asked for through probes.

    `steps` is how many steps a case with training takes, by default its own number.
    """
    gradients, program, variant = list(gradients), wanted.program.rounded(cell.dtype), cell.variant
    assigned = {name for node in program.nodes for name in node.outs}
    nodes = [{"out": n.outs, "op": n.op, "args": n.args, "kw": dict(n.kw)} for n in program.nodes]
    return {
        "dtype": cell.dtype,
        "program": python_json(nodes),
        "output": variant.output,
        "values": list(values),
        "gradients": gradients,
        "probes": {n: variant.specs[n].shape for n in gradients if n in assigned},
        "training": python_json(_training(wanted, cell.dtype, steps)),
    }


def _training(wanted: VariantReference, dtype: str, steps: int | None) -> dict[str, Any] | None:
    training = wanted.variant.training
    if training is None:
        return None
    return {
        "optimizer": {training.optimizer: wanted.optimizer_options(dtype)},
        "parameters": list(training.parameters),
        "steps": steps or training.steps,
    }
