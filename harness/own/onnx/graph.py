"""A model in a file of ONNX as a case: its nodes by the table, held to what ONNX's own evaluator gives in float64.

Such a file is a model as it infers: a batch normalization has its running statistics, or is gone into the convolution
before it, and dropout is gone. Nothing of the file is executed, and nothing is read but it and the data beside it.
"""

import ast
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...reading.elements import Array
from ..errors import OwnError
from ..exported import Exported
from .node import Node, NotOurs, Same
from .ops import OPS, WITHOUT

FLOATS = (1, 10, 11, 16)
"""FLOAT, FLOAT16, DOUBLE and BFLOAT16 of its TensorProto."""
DOUBLE = 11

OF_SHAPES = ("Shape", "Size", "EyeLike")
"""What reads no number of its input."""
NAMES = {"inf", "nan", "pi"}


def read(file: Path, arrays: Mapping[str, Array]) -> Exported:
    """The model, of the `arrays` by its inputs' names; floats that are not given are drawn. Raises OwnError."""
    try:
        import onnx  # noqa: PLC0415 (it is optional)
        from onnx import inliner, reference, version_converter  # noqa: PLC0415
    except ImportError as error:
        if error.name != "onnx":
            raise
        raise OwnError(f"{file}: onnx is missing: pip install onnx") from None
    try:
        model = inliner.inline_local_functions(loaded(file))
        newest = onnx.defs.onnx_opset_version()
        own = {o.domain: o.version for o in model.opset_import}.get("", newest)
        if own < newest:
            model = version_converter.convert_version(model, newest)
        widen(model.graph)
        given = inputs_of(model.graph, arrays)
        # a value for every name: what the table asks of shapes, and what the case is held to
        values = reference.ReferenceEvaluator(model).run(None, given, intermediate=True)
    except OwnError as error:
        raise OwnError(f"{file}: {error}") from None
    except Exception as error:  # noqa: BLE001 - of protobuf, the converter or the evaluator: whatever is wrong with a file
        raise OwnError(f"{file}: onnx {onnx.__version__} can't evaluate it: {error}") from None
    return Graph(model.graph, given, values).exported({"onnx": onnx.__version__})


def loaded(file: Path) -> Any:
    """The model with its data, which may lie in files beside it and nowhere else."""
    import onnx  # noqa: PLC0415
    from onnx.external_data_helper import uses_external_data  # noqa: PLC0415

    model = onnx.load(file, load_external_data=False)
    for tensor in model.graph.initializer:
        if uses_external_data(tensor):
            [place] = [entry.value for entry in tensor.external_data if entry.key == "location"]
            if Path(place).name != place or (file.parent / place).is_symlink():
                raise OwnError(f"{tensor.name} lies in {place}; data may lie beside the model alone")
    onnx.load_external_data_for_model(model, str(file.parent))
    return model


def attributes_of(proto: Any) -> dict[str, Any]:
    """A node's attributes by name, texts as such."""
    from onnx import helper  # noqa: PLC0415

    found = {a.name: helper.get_attribute_value(a) for a in proto.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in found.items()}


def widen(graph: Any) -> None:
    """Every float is a float64, and so is what asks for another."""
    for tensor in graph.initializer:
        _widen(tensor)
    for node in graph.node:
        for a in node.attribute:
            if a.HasField("t"):
                _widen(a.t)
            if (node.op_type, a.name) == ("Cast", "to") and a.i in FLOATS:
                a.i = DOUBLE
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in FLOATS:
            value.type.tensor_type.elem_type = DOUBLE


def _widen(tensor: Any) -> None:
    from onnx import numpy_helper  # noqa: PLC0415

    if tensor.data_type in FLOATS:
        tensor.CopyFrom(
            numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name)
        )


def inputs_of(graph: Any, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """What the model is given: floats from a normal distribution where no array says otherwise."""
    weights, found = {tensor.name for tensor in graph.initializer}, {}
    asked = [value for value in graph.input if value.name not in weights]
    if unknown := sorted(arrays.keys() - {value.name for value in asked}):
        raise OwnError(
            f"there is no input {', '.join(unknown)}; there are: {', '.join(v.name for v in asked)}"
        )
    for number, value in enumerate(asked):
        kind, dims = value.type.tensor_type.elem_type, value.type.tensor_type.shape.dim
        if value.name in arrays:
            a = np.asarray(arrays[value.name])
            found[value.name] = a.astype(np.float64) if kind == DOUBLE else a
        elif kind != DOUBLE:
            raise OwnError(f"input {value.name} is no float: give it in an archive with --inputs FILE.npz")
        elif any(not d.HasField("dim_value") for d in dims):
            free = ", ".join(d.dim_param or "one" for d in dims if not d.HasField("dim_value"))
            raise OwnError(
                f"input {value.name} has sizes without a number ({free}): give it in an archive with --inputs FILE.npz"
            )
        else:
            found[value.name] = np.random.default_rng([7, number]).normal(size=[d.dim_value for d in dims])
    return found


class Graph:
    """The statements of one graph, whose values are known."""

    def __init__(self, graph: Any, given: Mapping[str, Array], values: Mapping[str, Any]) -> None:
        from onnx import numpy_helper  # noqa: PLC0415

        self.graph, self.given = graph, given
        self.weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.values: dict[str, Any] = {**self.weights, **given, **values}
        statistics = {name for n in graph.node if n.op_type == "BatchNormalization" for name in n.input[3:]}
        self.live = {
            name for name, a in {**self.weights, **given}.items() if a.dtype.kind == "f"
        } - statistics
        self.said: dict[str, str] = {}
        self.statements: list[dict[str, Any]] = []
        self.tensors: dict[str, Array] = {}
        self.kinds: dict[str, str] = {}
        self.missing: Counter[str] = Counter()
        self.places: dict[str, str] = {}
        self.taken = {*NAMES}

    def exported(self, versions: Mapping[str, str]) -> Exported:
        for proto in self.graph.node:
            if proto.op_type not in OF_SHAPES and any(name in self.live for name in proto.input):
                self.live.update(filter(None, proto.output))
                self.call(proto)
        outputs = [o.name for o in self.graph.output if o.name in self.live and self.is_float(o.name)]
        if not outputs:
            raise OwnError("nothing that the model gives depends on a weight or on an input of floats")
        value = np.asarray(self.values[outputs[0]])
        cotangent = np.random.default_rng(7).uniform(-1, 1, value.shape) if value.ndim else np.ones(())
        arrays = {f"tensor {name}": a for name, a in self.tensors.items()}
        missing = [(op, count, self.places[op]) for op, count in self.missing.most_common()]
        output = self.said.get(outputs[0], "missing")
        return Exported(
            self.statements, output, self.kinds, arrays | {"value": value, "cotangent": np.asarray(cotangent)},
            missing, [], False, versions,
        )  # fmt: skip

    def is_float(self, name: str) -> bool:
        return np.asarray(self.values[name]).dtype.kind == "f"

    def call(self, proto: Any) -> None:
        """A node's statements, or why there are none."""
        node = Node(
            [self.array(name) for name in proto.input],
            attributes_of(proto),
            [self.array(name) for name in proto.output],
        )
        try:
            text = self.text(proto, node)
        except Same:
            self.said[proto.output[0]] = self.named(proto.input[0])
        except NotOurs as reason:
            kind = f"{proto.domain}.{proto.op_type}".lstrip(".")
            op = f"{kind} ({reason})"
            self.missing[op] += 1
            self.places.setdefault(op, proto.name)
        else:
            self.assign(proto, node, text)

    def array(self, name: str) -> Array | None:
        return np.asarray(self.values[name]) if name in self.values else None

    def text(self, proto: Any, node: Node) -> str:
        if proto.op_type == "Identity" or (proto.op_type == "Cast" and self.is_float(proto.output[0])):
            raise Same("always")
        if proto.domain not in ("", "ai.onnx") or proto.op_type not in OPS:
            raise NotOurs(WITHOUT.get(proto.op_type, "no operator of ONNX's own"))
        text = OPS[proto.op_type](node)
        if text.startswith("gradient "):
            raise NotOurs("a gradient of ours, which a program can't call")
        told = self.array(proto.output[0])
        if told is not None and node.output(0).shape != told.shape:
            raise NotOurs("with the axis that it goes over kept")
        return text

    def assign(self, proto: Any, node: Node, text: str) -> None:
        """The table's text with the graph's names in place of its own."""
        names = {f"y{i}": name for i, name in enumerate(proto.output) if name}
        inputs = {f"x{i}": name for i, name in enumerate(proto.input) if name}
        own: dict[str, str] = {}

        def renamed(name: str) -> str:
            if name in inputs:
                return self.changed(inputs[name], node, int(name[1:]))
            if name in node.more and name not in own:
                a = node.more[name]
                own[name] = self.tensor(name, a.astype(np.float64) if a.dtype.kind == "f" else a, "constant")
            return own.get(name, name)

        for line in text.splitlines():
            statement = ast.parse(line).body[0]
            assert isinstance(statement, ast.Assign)
            functions = {call.func for call in ast.walk(statement.value) if isinstance(call, ast.Call)}
            for part in [*ast.walk(statement.value)]:
                if isinstance(part, ast.Name) and part not in functions:
                    part.id = renamed(part.id)
            value = ast.unparse(statement.value)
            outs = [t.id for t in ast.walk(statement.targets[0]) if isinstance(t, ast.Name)]
            for out in outs:
                own[out] = self.name(names.get(out, out))
                if out in names:
                    self.said[names[out]] = own[out]
            self.statements.append(
                {
                    "outs": [own[out] for out in outs],
                    "text": value.replace("'", '"'),
                    "module": "",
                    "place": proto.name,
                }
            )

    def changed(self, name: str, node: Node, position: int) -> str:
        """An input's name; the table may have counted indices from the beginning, which are then others."""
        a = node.array(position)
        if name not in self.live and not np.array_equal(
            a, np.asarray(self.values[name]), equal_nan=a.dtype.kind == "f"
        ):
            return self.tensor(name, a, "constant")
        return self.named(name)

    def named(self, name: str) -> str:
        """What a value is called in the case; what is a number is written as one."""
        if name not in self.said:
            if name in self.live and name not in self.weights and name not in self.given:
                return "missing"
            a = np.asarray(self.values[name])
            if name not in self.live and not a.ndim and a.dtype.kind != "b":
                text = repr(a.item())
                return f"({text})" if text.startswith("-") else text
            kind = "parameter" if name in self.weights else "input"
            known = "data" if name in self.given else "constant"
            self.said[name] = self.tensor(name, a, kind if name in self.live else known)
        return self.said[name]

    def tensor(self, wanted: str, a: Array, kind: str) -> str:
        self.tensors[name := self.name(wanted)] = a
        self.kinds[name] = kind
        return name

    def name(self, wanted: str) -> str:
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII).strip("_") or "t"
        base = f"t{base}" if base[0].isdigit() else base
        found, n = base, 1
        while found in self.taken:
            n += 1
            found = f"{base}_{n}"
        self.taken.add(found)
        return found
