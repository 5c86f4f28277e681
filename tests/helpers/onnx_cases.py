"""The node cases that the wheel of ONNX has, as programs of ours, or with the reason why not."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from gradient_conformance.harness.own.onnx.graph import attributes_of
from gradient_conformance.harness.own.onnx.node import Node, NotOurs
from gradient_conformance.harness.own.onnx.ops import MOVES, OPS, TEXT, WITHOUT
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

STORED = ("float16", "float32", "float64")
OPTIMIZERS = ("Adagrad", "Adam", "Momentum")
"""Steps of a training, which are rows of another table."""
EXACT = 2**53
LABELS = (
    "NegativeLogLikelihoodLoss",
    "SoftmaxCrossEntropyLoss",
    "Gather",
    "GatherElements",
    "ScatterElements",
)
PLACES = {("ArgMax", "y0"), ("ArgMin", "y0"), ("TopK", "y1"), *((op, "x1") for op in LABELS)}
"""Inputs and outputs that are integers with us too."""


@dataclass(frozen=True)
class Said:
    """A case as a program of ours: what it is given, and what it must give, by role and name."""

    text: str
    inputs: dict[str, np.ndarray]
    cotangents: dict[str, np.ndarray]
    expected: dict[tuple[str, str], np.ndarray]


@functools.cache
def models() -> dict[str, tuple[Any, Path]]:
    """Every node case: its model, and the folder with its data."""
    cases = load_model_tests(kind="node")
    return {
        case.name: (onnx.load(Path(case.model_dir) / "model.onnx"), Path(case.model_dir)) for case in cases
    }


def arrays(folder: Path, role: str) -> list[Any]:
    return [array(path) for path in sorted(folder.glob(f"test_data_set_0/{role}_*.pb"), key=_number)]


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def array(path: Path) -> Any:
    """A tensor; what is none, a sequence or an optional, is refused."""
    tensor = onnx.TensorProto()
    try:
        tensor.ParseFromString(path.read_bytes())
        return numpy_helper.to_array(tensor)
    except (DecodeError, TypeError, ValueError):  # of another kind of protobuf
        raise NotOurs(TEXT) from None


def node_of(model: Any, folder: Path) -> Node:
    """The model's one node with its data."""
    proto = model.graph.node[0]
    given = dict(zip([i.name for i in model.graph.input], arrays(folder, "input"), strict=True))
    gives = dict(zip([o.name for o in model.graph.output], arrays(folder, "output"), strict=True))
    given_back = [gives.get(name) for name in proto.output]
    return Node([given.get(name) for name in proto.input], attributes_of(proto), given_back)


def told(name: str) -> Said:
    """The case in our language. Raises NotOurs with the reason."""
    model, folder = models()[name]
    ops = [node.op_type for node in model.graph.node]
    if len(ops) > 1:
        raise NotOurs("its operator again, written out in others, with the same numbers")
    if ops[0] in OPTIMIZERS:
        raise NotOurs("a step of a training: held to the table of optimizers")
    if ops[0] in WITHOUT:
        raise NotOurs(WITHOUT[ops[0]])
    node = node_of(model, folder)
    text = OPS[ops[0]](node)
    head, _, rest = text.partition("\n")
    gradient = head.removeprefix("gradient ") if head.startswith("gradient ") else ""
    text = rest if gradient else text
    given = {f"x{i}": a for i, a in enumerate(node.inputs) if a is not None} | node.more
    inputs = {name: converted(a, ops[0], name) for name, a in given.items() if name in text}
    due = {
        f"y{i}": a
        for i, a in enumerate(node.outputs)
        if a is not None and f"y{i} " in f"{text} ".replace(",", " ")
    }
    due = {name: converted(a, ops[0], name) for name, a in due.items()}
    if not any(a.size for a in (node.outputs[0:1] if gradient else due.values())):
        raise NotOurs("it is empty")
    if gradient:
        cotangent = converted(node.array(0), ops[0], "x0").astype(np.float64)
        return Said(text, inputs, {"windows": cotangent}, {("gradient", gradient): node.outputs[0]})
    return Said(text, inputs, {}, {("value", name): a for name, a in due.items()})


def converted(a: np.ndarray, op: str, name: str) -> np.ndarray:
    """Floats and bools as they are; integers where they are places or labels, and where a float says the same."""
    if a.dtype.name in (*STORED, "bool"):
        return a
    if a.dtype.kind not in "iu":
        raise NotOurs("a dtype that the reference does not read")
    if (op, name) in PLACES:
        return a.astype(np.int64)
    if op in MOVES or (op, name) == ("Pow", "x1"):
        if a.size and int(np.abs(a.astype(object)).max()) > EXACT:
            raise NotOurs("integers that no float is")
        return a.astype(np.float64)
    raise NotOurs("it computes with integers")


def every() -> Iterator[tuple[str, Said | str]]:
    """Each case with its program, or the reason why it has none."""
    for name in models():
        try:
            yield name, told(name)
        except NotOurs as reason:
            yield name, str(reason)
