"""A port as it is run in its own interpreter: what it is made of, and what it gives at parameters that are sent to it.

`make()` of somebody's file gives a model and its inputs (and a target, for a loss by name), or parameters in dicts and
lists, inputs, and a function of both. The framework's own `capturing.py` is executed once it is known whose the model is;
code by hand needs none. Arrays come and go in files without pickles; what the file prints goes to the log.
"""

import contextlib
import inspect
import json
import os
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from exports import given_by, loaded

CAPTURES = {
    "torch": "torch",
    "keras": "tensorflow",
    "tensorflow": "tensorflow",
    "jax": "jax",
    "jaxlib": "jax",
    "flax": "jax",
}
"""By the package of a model's class, or of an array's: the adapter whose capture knows it."""
LOCALS = 400
"""Values of local variables that are told, at most."""
LARGEST = 1_000_000
"""Elements of one that is."""


def main(captures: dict[str, tuple[str, str]], file: str, function: str, loss: str, dtype: str) -> None:
    """Answer requests, a line each: what the model is, then what it gives."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    port = Port(captures, Path(file), function, loss, dtype)
    for line in sys.stdin:
        request = json.loads(line)
        folder = Path(request["folder"])
        told, arrays = port.described() if request["type"] == "describe" else port.run(folder, request)
        np.savez(folder / "arrays.npz", **arrays)
        (folder / "told.json").write_text(json.dumps(told))
        replies.write("done\n")
        replies.flush()


class Port:
    """Somebody's model behind one interface, whatever it is written in."""

    def __init__(
        self, captures: dict[str, tuple[str, str]], file: Path, function: str, loss: str, dtype: str
    ) -> None:
        self.file, self.captures, self.dtype = file, captures, dtype
        self._prepare(file.read_text(encoding="utf-8"))
        own = loaded(file)
        found = given_by(own, function, {})
        if not isinstance(found, tuple) or len(found) not in (2, 3):
            raise SystemExit(
                f"{function}() gives {type(found).__name__}, but must give a model and its inputs: return model, inputs; "
                "model, inputs, target; or parameters, inputs, function"
            )
        model, inputs, third = (*found, None)[:3]
        self.inputs = leaves(inputs) + ([third] if third is not None and not callable(third) else [])
        self.targets = int(third is not None and not callable(third))
        apply = third if callable(third) else None
        self.capture = self._capture(model, apply)
        self.loss = self._loss(own, loss)
        self.taken = self.capture.Model(model, apply, self.inputs, self)

    def _prepare(self, text: str) -> None:
        """Frameworks are told of the dtype before the file is executed: those that it names."""
        named = dict.fromkeys(
            capture for root, capture in CAPTURES.items() if re.search(rf"\b{root}\b", text)
        )
        for name in named:
            self.module(name).prepare(self.dtype, self.file)

    def _capture(self, model: Any, apply: Callable[..., Any] | None) -> Any:
        """Whose the model is, or its parameters; of arrays of NumPy, what their function makes of them."""
        name = whose(cls.__module__ for cls in type(model).__mro__) or whose(types_of(model))
        if name is None and apply is not None:
            with contextlib.suppress(Exception):  # what it raises is told where it is run
                name = whose(types_of(apply(model, *self.inputs)))
        return self.module(name) if name else sys.modules[__name__]

    def module(self, name: str) -> types.ModuleType:
        """The capture of an adapter, executed when it is first asked for."""
        full = f"capturing_{name}"
        if full not in sys.modules:
            path, text = self.captures[name]
            module = sys.modules[full] = types.ModuleType(full)
            module.__file__ = path
            exec(compile(text, path, "exec"), module.__dict__)  # noqa: S102 - a text of ours
        return sys.modules[full]

    def _loss(self, own: types.ModuleType, name: str) -> Callable[..., Any] | None:
        if not name:
            return None
        found = getattr(own, name, None) or getattr(self.capture, "loss_named", lambda _: None)(name)
        if not callable(found):
            raise SystemExit(f"--loss {name}: neither the port's file nor its framework has such a function")
        return found

    def described(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Its parameters by path, with the class and the line of what holds each; and its inputs."""
        told = {"parameters": self.taken.parameters, "targets": self.targets, "inputs": input_names(self)}
        arrays = {f"parameter {i}": np.asarray(a) for i, a in enumerate(self.taken.arrays())}
        return told, arrays | {f"input {i}": np.asarray(a) for i, a in enumerate(map(plain, self.inputs))}

    def run(self, folder: Path, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What it gives at the parameters and inputs of a file: output, gradients, and inner values by their places."""
        with np.load(folder / "given.npz", allow_pickle=False) as given:
            sent = dict(given)
        count = len(self.taken.parameters)
        weights = [sent[f"parameter {i}"] for i in range(count)]
        inputs = [sent[f"input {i}"] for i in range(len(self.inputs))]
        found = self.taken.run(weights, inputs, sent.get("cotangent"), training=request["training"])
        arrays = {"output": found.output}
        arrays |= {f"gradient {i}": a for i, a in enumerate(found.gradients) if a is not None}
        arrays |= {f"input gradient {i}": a for i, a in enumerate(found.of_inputs) if a is not None}
        inner = [seen for seen in found.inner if seen.value is not None]
        arrays |= {f"value {i}": seen.value for i, seen in enumerate(inner)}
        arrays |= {
            f"value gradient {i}": seen.gradient for i, seen in enumerate(inner) if seen.gradient is not None
        }
        return {"inner": [seen.told for seen in inner]}, {name: np.asarray(a) for name, a in arrays.items()}


def types_of(tree: Any) -> Iterator[str]:
    return (type(a).__module__ for a in leaves(tree))


def whose(modules: Iterable[str]) -> str | None:
    """The adapter whose capture knows the first module that one knows."""
    roots = (module.partition(".")[0] for module in modules)
    return next((CAPTURES[root] for root in roots if root in CAPTURES), None)


def input_names(port: Port) -> list[str]:
    return [f"input {i}" for i in range(len(port.inputs))]


def plain(a: Any) -> Any:
    """An array of any framework as NumPy's."""
    return a.detach().cpu().numpy() if hasattr(a, "detach") else np.asarray(a)


class Seen:
    """An inner value: of a submodule by its path, or of a local variable of somebody's function."""

    def __init__(self, path: str, kind: str, place: str, value: Any, defined: str = "") -> None:
        self.path, self.kind, self.place, self.value, self.defined = path, kind, place, value, defined
        self.gradient: Any = None

    @property
    def told(self) -> dict[str, str]:
        return {"path": self.path, "kind": self.kind, "place": self.place, "defined": self.defined}


class Gave:
    """What one run gave."""

    def __init__(self, output: Any, gradients: list[Any], of_inputs: list[Any], inner: list[Seen]) -> None:
        self.output, self.gradients, self.of_inputs, self.inner = output, gradients, of_inputs, inner


def leaves(tree: Any) -> list[Any]:
    """The arrays in dicts, lists and tuples, in their order."""
    return [a for _, a in named_leaves(tree)]


def named_leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Arrays with their paths: `layers/0/W`."""
    if isinstance(tree, dict) or (hasattr(tree, "items") and hasattr(tree, "keys")):
        for key, part in tree.items():
            yield from named_leaves(part, (*path, str(key)))
    elif isinstance(tree, (list, tuple)):
        fields = getattr(tree, "_fields", range(len(tree)))
        for key, part in zip(fields, tree):  # noqa: B905 - as long as each other
            yield from named_leaves(part, (*path, str(key)))
    elif tree is not None:
        yield "/".join(path), tree


def rebuilt(tree: Any, arrays: Iterator[Any]) -> Any:
    """The same dicts, lists and tuples of other arrays."""
    if isinstance(tree, dict) or (hasattr(tree, "items") and hasattr(tree, "keys")):
        return type(tree)({key: rebuilt(part, arrays) for key, part in tree.items()})
    if isinstance(tree, (list, tuple)):
        parts = [rebuilt(part, arrays) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    return None if tree is None else next(arrays)


def seeded(cotangent: np.ndarray, shape: Any) -> np.ndarray:
    """The cotangent of an output as it lies here: its channels may be last."""
    shape = tuple(shape)
    if cotangent.shape != shape and cotangent.ndim > 2 and np.moveaxis(cotangent, 1, -1).shape == shape:
        return np.moveaxis(cotangent, 1, -1)
    return cotangent.reshape(shape)


def parameter(path: str, shape: Any, kind: str = "", defined: str = "") -> dict[str, Any]:
    """What is told of one: the class of what holds it, and where that is defined."""
    return {"path": path, "shape": list(shape), "kind": kind, "defined": defined}


def place_of(file: Path) -> str:
    """The innermost line of somebody's file that is running."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename != str(file):
        frame = frame.f_back
    return "" if frame is None else f"{file.name}:{frame.f_lineno}"


class Locals:
    """While it is entered: every array that a local variable of the file's functions is given, with its line."""

    def __init__(self, file: Path) -> None:
        self.file, self.seen, self._before = file, [], None
        self._known: set[int] = set()

    def __enter__(self) -> list[Seen]:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self.seen

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: Any, *_: Any) -> Any:
        if frame.f_code.co_filename != str(self.file):
            return None
        held = dict(frame.f_locals)
        self._known |= {id(a) for a in held.values()}
        line = [frame.f_lineno]

        def within(frame: Any, event: str, arg: Any) -> Any:
            for name, a in frame.f_locals.items():
                if held.get(name) is not a:
                    held[name] = a
                    self._tell(f"{frame.f_code.co_name}/{name}", line[0], a)
            if event == "return":
                self._tell(f"{frame.f_code.co_name}", line[0], arg)
            line[0] = frame.f_lineno
            return within

        return within

    def _tell(self, path: str, line: int, a: Any) -> None:
        if (
            hasattr(a, "shape")
            and hasattr(a, "dtype")
            and len(self.seen) < LOCALS
            and id(a) not in self._known
        ):
            try:
                array = np.array(plain(a))
            except Exception:  # noqa: BLE001 - what is no array yet, as while a function is traced
                return
            if array.dtype.kind == "f" and array.size <= LARGEST:
                self.seen.append(Seen(path, "local", f"{self.file.name}:{line}", array))


# Code by hand


class Model:
    """Parameters as NumPy arrays, and a function that gives what it computes, or that and the gradients by hand."""

    def __init__(self, model: Any, apply: Callable[..., Any] | None, inputs: list[Any], port: Port) -> None:  # noqa: ARG002
        if apply is None:
            raise SystemExit(
                f"{type(model).__name__} is no model that is known here: give parameters, inputs and a function: "
                "return parameters, inputs, function, which is called function(parameters, *inputs)"
            )
        self.tree, self.apply, self.port = model, apply, port
        self.parameters = [parameter(path, np.shape(a)) for path, a in named_leaves(model)]

    def arrays(self) -> list[Any]:
        return leaves(self.tree)

    def run(self, weights: list[Any], inputs: list[Any], cotangent: Any, *, training: bool) -> Gave:  # noqa: ARG002
        weights = [np.asarray(w, np.float64) for w in weights]
        tree = rebuilt(self.tree, iter(weights))
        with Locals(self.port.file) as inner:
            returned = self.apply(tree, *inputs)
        gradients: list[Any] = [None] * len(weights)
        if isinstance(returned, tuple) and len(returned) == 2:
            returned, by_hand = returned
            told = dict(named_leaves(by_hand))
            gradients = [
                None
                if p["path"] not in told or np.shape(told[p["path"]]) != tuple(p["shape"])
                else told[p["path"]]
                for p in self.parameters
            ]
        return Gave(np.asarray(returned), gradients, [None] * len(inputs), inner)
