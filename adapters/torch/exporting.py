"""A torch module as op calls of a case: what `torch.export` makes of it, read in torch's own interpreter.

Whatever depends on no parameter and on no input of floats (masks, positions, labels) is worked out here and becomes a
constant. An op for which there is no rule is decomposed by torch itself, alone; what is left then is told with count
and place. A name is the module's path; behind each statement stands the line of the file that it comes from.

Everything is evaluated in float64, also what the module computes in its own dtype: so the case can be held to it.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import exporting_fourier  # noqa: F401 - they fill RULES
import exporting_indexing  # noqa: F401
import exporting_layers  # noqa: F401
import exporting_linear_algebra  # noqa: F401
import exporting_losses  # noqa: F401
import numpy as np
import torch
from exporting_cutting import smaller
from exporting_door_keras import count_anew, from_keras
from exporting_evaluation import dropped, dtype_of, evaluated, is_dropout, kept, seeded, truth, widened
from exporting_modules import add_loss, hold, is_users, loss_of, made, placeholders, submodule, target_of
from exporting_rules import has_open_shape, shape
from exports import RULES, Cannot, Names, literal, no_rule
from torch.fx import Node

NOTHING_TO_SAY = ("_assert", "sym_", "_enter_autocast", "_exit_autocast")
"""Calls that check something, or set something up, and give nothing that anybody reads."""
OF_A_SHAPE = (
    "full_like.default",
    "empty_like.default",
    "rand_like.default",
    "randn_like.default",
    "bernoulli.p",
)
"""Calls to which a tensor tells its shape and nothing else."""
WITHIN = ("exporting_door_keras.py", "/keras/src/backend/torch/layer.py")
"""The lines through which every call of a Keras model goes: torch.export keeps those of `forward` alone."""
FRAME = re.compile(r'File "([^"]+)", line (\d+), in \w+')


def main(
    file: str,
    function: str,
    at: str,
    loss: str,
    folder: str,
    sizes: dict[str, int] | None = None,
    *,
    shrink: bool = False,
) -> None:
    """Write what the module is: `case.json` and `arrays.npz` in the folder.

    `function` of the file gives the module and its inputs, and what its `loss` compares its output with, if anything;
    `at` is the path of a submodule, which is taken with the inputs that it really gets; `sizes` are the function's arguments.
    To `shrink` is to cut the inputs, as far as the module learns of them as before.
    """
    os.environ["KERAS_BACKEND"] = "torch"

    def make() -> Any:
        return prepared(file, function, at, loss, sizes or {})

    (module, args, kwargs), said = smaller(make) if shrink else (make(), None)
    exported = torch.export.export(module, args, kwargs, strict=False)
    hold(exported)
    lowered = exported.run_decompositions(table())
    walk = Walk(lowered, file).run(args, kwargs)
    gone = operators(exported) - operators(lowered)
    told = {
        "statements": walk.statements,
        "output": walk.output,
        "kinds": walk.kinds,
        "missing": [[op, count, walk.places.get(op, "")] for op, count in walk.missing.most_common()],
        "lowered": sorted(op for op in gone if op.replace("_.", ".") not in {*RULES, *operators(lowered)}),
        "training": module.training,
        "shrunk": said,
        "versions": {"torch": torch.__version__},
    }
    arrays = {f"tensor {name}": a.numpy() for name, a in walk.tensors.items()}
    if not walk.missing:
        arrays |= truth(exported, args, kwargs, walk)
    np.savez(Path(folder) / "arrays.npz", **arrays)
    Path(folder, "case.json").write_text(json.dumps(told))


def prepared(
    file: str, function: str, at: str, loss: str, sizes: dict[str, int]
) -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
    """What is exported, with its inputs: the module, or a part of it, with its loss. Raises SystemExit."""
    torch.manual_seed(0)
    count_anew()
    module, args, kwargs, target = made(Path(file), function, sizes)
    module, args, kwargs = from_keras(module, args, kwargs)
    if at:
        module, args, kwargs = submodule(module, args, kwargs, at)
    if loss:
        add_loss(module, loss_of(sys.modules[Path(file).stem], loss, targeted=target is not None), target)
        kwargs |= {"target": target} if target is not None else {}
    elif target is not None and not at:
        raise SystemExit(
            f"{function}() gives a target beside module and inputs: say which --loss compares the output with it, such as mse_loss"
        )
    return module, args, kwargs


# The walk


def table() -> dict[Any, Any]:
    """Torch's decompositions of what there is no rule for."""
    found = torch.export.default_decompositions()
    for op in list(found):
        if str(op).removeprefix("aten.") in RULES:
            del found[op]
    return dict(found)


def operators(program: Any) -> set[str]:
    return {
        str(node.target).removeprefix("aten.") for node in program.graph.nodes if node.op == "call_function"
    }


def feeding(statements: list[dict[str, Any]], output: str) -> tuple[list[dict[str, Any]], set[str]]:
    """The statements without what feeds nothing, as statistics that a layer keeps for later, and the names that are read."""
    needed, kept = {output}, []
    for statement in reversed(statements):
        if needed & set(statement["outs"]):
            needed |= set(re.findall(r"[^\W\d]\w*", statement["text"]))
            kept.append(statement)
    return kept[::-1], needed


class Walk(Names):
    """The statements of one exported program."""

    def __init__(self, program: Any, file: str) -> None:
        super().__init__()
        self.program, self.file = program, file
        self.statements: list[dict[str, Any]] = []
        self.tensors: dict[str, torch.Tensor] = {}
        self.kinds: dict[str, str] = {}
        """By name of a tensor: "parameter", "input" (of floats), "data" that is given or drawn, or "constant"."""
        self.given: dict[str, str] = {}
        """The tensors' names by those of the placeholders that are differentiated."""
        self.missing: Counter[str] = Counter()
        self.places: dict[str, str] = {}
        self.said: dict[Node, Any] = {}
        self.known: dict[Node, Any] = {}
        self.live: set[Node] = set()
        self.data: set[Node] = set()
        """What is known and depends on what the module is given, or on what it draws."""
        self.dropouts = self.drawn = 0

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> "Walk":
        signature = self.program.graph_signature
        for node, value in placeholders(self.program, args, kwargs):
            self.placeholder(node, value, signature)
        for node in self.program.graph.nodes:
            if has_open_shape(node):
                where = ", ".join(filter(None, (self.path(node), self.place(node))))
                raise SystemExit(
                    f"{node.target} in {where}: the shape of what it gives depends on numbers, as where elements are picked"
                    " by a mask; a program's shapes are fixed: multiply by the mask, or use where"
                )
            if node.op == "call_function":
                self.call(node)
            elif node.op == "output":
                self.finish(node, signature)
        return self

    def placeholder(self, node: Node, value: Any, signature: Any) -> None:
        target = target_of(signature, node.name)
        parameter = node.name in signature.inputs_to_parameters
        is_float = isinstance(value, torch.Tensor) and value.is_floating_point()
        if parameter or (not target and is_float):
            self.live.add(node)
            self.said[node] = self.given[node.name] = self.tensor(
                target or node.name, value, "parameter" if parameter else "input"
            )
        else:
            self.known[node] = widened(value)
            if not target:
                self.data.add(node)

    def call(self, node: Node) -> None:
        name = str(node.target).removeprefix("aten.")
        if name in OF_A_SHAPE or not any(i in self.live for i in node.all_input_nodes):
            if not name.startswith(NOTHING_TO_SAY):
                self.known[node] = self.evaluated(node)
            return
        if name.startswith(NOTHING_TO_SAY):
            return
        self.live.add(node)
        if getattr(node.target, "__name__", "") == "getitem":
            parts = self.said[node.args[0]]
            self.said[node] = parts[node.args[1]] if isinstance(parts, list) else parts
            return
        self.said[node] = self.translated(node, name)

    def evaluated(self, node: Node) -> Any:
        def known(a: Node) -> Any:
            return self.known[a] if a in self.known else torch.zeros(shape(a), dtype=dtype_of(a))

        args, kwargs = torch.fx.map_arg(node.args, known), torch.fx.map_arg(node.kwargs, known)
        if is_dropout(node.target, args):
            self.data.add(node)
            self.dropouts += 1
            return kept(node.target, args, self.dropouts)
        before, self.drawn = self.drawn, seeded(node.target, self.drawn)
        if self.drawn > before or not self.data.isdisjoint(node.all_input_nodes):
            self.data.add(node)
        return evaluated(node.target, args, kwargs)

    def translated(self, node: Node, name: str) -> Any:
        """The name of what a call gives, or a list of them."""
        try:
            made = RULES.get(name, no_rule)(self, node, *node.args, **node.kwargs)
        except Cannot as error:
            op = f"{name} {error}".strip()
            self.missing[op] += 1
            self.places.setdefault(op, ", ".join(filter(None, (self.path(node), self.place(node)))))
            return "missing"
        if isinstance(made, list) or (isinstance(made, str) and made.isidentifier()):
            return made
        return self.assign(node, made)

    def finish(self, node: Node, signature: Any) -> None:
        """The first result that is differentiable is the case's output."""
        kept = [spec.arg.name for spec in signature.output_specs if is_users(spec)]
        results = [a for a in node.args[0] if isinstance(a, Node)]  # type: ignore[union-attr]
        outputs = [
            a for a in results if a.name in kept and a in self.live and not isinstance(self.said[a], list)
        ]
        if not outputs:
            raise SystemExit(
                "no real number that the module returns depends on a parameter or on an input of floats"
            )
        user = [a for a in results if a.name in kept]
        self.output = self.said[outputs[0]]
        self.number = user.index(outputs[0])
        self.statements, needed = feeding(self.statements, self.output)
        for name in [n for n, kind in self.kinds.items() if kind in ("constant", "data") and n not in needed]:
            del self.kinds[name], self.tensors[name]

    # Names and places

    def path(self, node: Node) -> str:
        """The path of the innermost module."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        paths = [path for path, *_ in stack if path and not path.startswith("L[")]
        return str(paths[-1]) if paths else ""

    def place(self, node: Node) -> str:
        """The innermost line that is the user's own; of another library where none is."""
        found = FRAME.findall(node.meta.get("stack_trace") or "")
        frames = [frame for frame in found if not frame[0].startswith("<") and not frame[0].endswith(WITHIN)]
        mine = [frame for frame in frames if "site-packages" not in frame[0]] or frames
        return f"{Path(mine[-1][0]).name}:{mine[-1][1]}" if mine else ""

    def assign(self, node: Node, text: str, count: int = 0, users: Iterable[Node] | None = None) -> Any:
        """A statement; the last call of a module is called by the module's path. With a count, so many names."""
        path = self.path(node)
        last = path and all(self.path(user) != path for user in users or node.users)
        wanted = path if last else node.name.removeprefix("native_").removeprefix("_")
        names = [self.name(f"{wanted}_{i}") for i in range(count)] or [self.name(wanted)]
        self.statements.append({"outs": names, "text": text, "module": path, "place": self.place(node)})
        return names if count else names[0]

    def tensor(self, wanted: str, value: torch.Tensor, kind: str) -> str:
        self.tensors[name := self.name(wanted)] = widened(value.detach())
        self.kinds[name] = kind
        return name

    def folded(self, wanted: str, value: torch.Tensor, *of: Any) -> str:
        """What is worked out of these nodes, all of which are known."""
        return self.tensor(wanted, value, "data" if any(a in self.data for a in of) else "constant")

    def arg(self, a: Any) -> str:
        """An argument as a program has it; what is known by now becomes a constant."""
        if not isinstance(a, Node):
            return literal(a)
        value = self.said.get(a, self.known.get(a))
        if isinstance(value, list) or (isinstance(value, torch.Tensor) and value.is_complex()):
            raise Cannot("of complex numbers")
        if a in self.said:
            return str(value)
        if not isinstance(value, torch.Tensor) or (value.ndim == 0 and value.dtype != torch.bool):
            return literal(value.item() if isinstance(value, torch.Tensor) else value)
        self.said[a] = self.folded(a.name, value, a)
        return str(self.said[a])

    def mask(self, shape: tuple[int, ...], p: float) -> str:
        """The given mask of one dropout."""
        self.dropouts += 1
        return self.tensor("kept", dropped(shape, p, self.dropouts), "data")
