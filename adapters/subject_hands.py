"""The case's hands: what a function is given that keeps its numbers in objects, as layers in notebooks do.

    def mlp_bce_logits(case):
        hidden = Linear(4, 3)
        case.set(hidden, weight="W1.T")
        h = case.value("h", hidden.forward(case["X"]))
        ...
        case.gradient("W1", hidden.dW.T)

What it is given are copies, so that layers may change what they hold. What it tells is copied when it is told.
"""

import ast
import copy
import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np
from worker import Refused, Task

KNOWN = {
    "weight": ("weight", "weights", "kernel", "W", "_W", "w", "_w", "coef_"),
    "bias": ("bias", "biases", "b", "_b", "intercept_"),
}
"""What layers call their parameters."""
GRADIENTS = ("d{}", "_d{}", "d_{}", "grad_{}", "{}_grad", "{}grad", "grad{}", "g{}")
"""What they call a parameter's gradient."""
SHORT = {"weight": ("W", "w"), "bias": ("b",)}
TABLES = ("grads", "gradients", "grad", "_grads")
"""Dicts of gradients by the parameters' names."""
LISTED = 50
MOST_ELEMENTS = 50_000_000
"""Of all tensors of a case together: what has more is none of them, and a broadcast number takes no memory until it is copied."""


class Held:
    """A tensor of the case in an attribute of an object: where each of its elements lies."""

    def __init__(self, name: str, shape: tuple[int, ...], places: np.ndarray) -> None:
        self.name, self.shape, self.places = name, shape, places

    def back(self, gradient: Any, told: str) -> np.ndarray:
        """A gradient in the attribute's layout, in the tensor's. Raises ValueError for one of another shape."""
        array = np.asarray(gradient)
        if not alike(array.shape, self.places.shape):
            raise ValueError(
                f"{told} has shape {array.shape}, what it belongs to {self.places.shape}: it isn't clear how its "
                f'elements lie; tell it by case.gradient("{self.name}", ...) in shape {self.shape}'
            )
        laid = np.empty(int(np.prod(self.shape)), array.dtype)
        laid[self.places.ravel()] = array.ravel()
        return laid.reshape(self.shape)


class Hands:
    """One case (in a training, one step of it) in a subject's hands."""

    def __init__(self, task: Task, inputs: dict[str, Any]) -> None:
        self._tensors = {name: array.copy() for name, array in inputs.items() if name not in task.probes}
        self._made = [out for call in task.calls for out in call.outs]
        self._moving = list(task.family.parameters)
        self._told: dict[str, dict[str, Any]] = {"value": {}, "gradient": {}, "parameter": {}}
        self._held: list[tuple[Any, dict[str, Held]]] = []
        self._words = dict(task.bindings)
        self.sizes = {name: size for name, size in task.bindings.items() if type(size) is int}
        self.cotangents = {name: g.copy() for name, g in task.cotangents.items()}
        self.optimizer, self.clip = task.optimizer, task.clip

    def __getitem__(self, name: str) -> Any:
        """A tensor, a size or a swept word. Raises LookupError."""
        given = {**self._words, **self._tensors}
        self._check(name, given, "nothing that this case gives; it gives")
        return given[name]

    def value(self, name: str, array: Any) -> Any:
        """Tell the value of an assigned name; it is also returned."""
        self._check(name, self._made, "no value of this case; it works out")
        return self._tell("value", name, array)

    def gradient(self, name: str, array: Any) -> Any:
        """Tell the gradient of a tensor or of an assigned name; it is also returned."""
        floats = [own for own, tensor in self._tensors.items() if tensor.dtype.kind == "f"]
        self._check(name, [*floats, *self._made], "nothing that has a gradient in this case; there are")
        return self._tell("gradient", name, array)

    def parameter(self, name: str, array: Any) -> Any:
        """Tell a parameter after this step; it is also returned."""
        self._check(name, self._moving, "no parameter that this case trains; it trains")
        return self._tell("parameter", name, array)

    def set(self, target: Any, /, *found: str, **named: str) -> None:
        """Put tensors into an object's attributes, or a dict's entries.

        `named`: by attribute, an expression such as `W1`, `W1.T`, `b1[None]`. `found`: the weight, and then the
        bias, whose attributes are found by their common names; how the weight lies is found and printed.
        """
        if len(found) > len(KNOWN):
            raise TypeError(
                f"case.set finds a weight and a bias, not {len(found)} of them: name the others, attribute=..."
            )
        for kind, text in zip(KNOWN, found):  # noqa: B905 - a weight without a bias
            attribute, expression = self._find(target, kind, text)
            print(f"{attribute} of {type(target).__name__} is {expression}")  # noqa: T201 - told as subjects tell
            named = {**named, attribute: expression}
        for attribute, text in named.items():
            self._put(target, attribute, text)

    def gradients(self, target: Any) -> None:
        """Tell the gradients of all that `set` put into an object, found by their common names, in its layout."""
        held = next((own for known, own in self._held if known is target), None)
        if held is None:
            raise LookupError(f"case.set has put nothing into this {type(target).__name__}")
        for attribute, of in held.items():
            told, array = gradient_of(target, attribute, of.name)
            self.gradient(of.name, of.back(array, told))

    @property
    def any_told(self) -> bool:
        return any(self._told.values())

    def told(self, function: str) -> tuple[dict[str, Any], ...]:
        """Values, gradients and, where some were told, parameters. Raises Refused where nothing was."""
        parts = tuple(self._told.values())
        if not self.any_told:
            raise Refused(
                f"{function} returned nothing and told nothing: call case.value(name, array) and "
                "case.gradient(name, array)"
            )
        return parts if self._told["parameter"] else parts[:2]

    def _tell(self, role: str, name: str, array: Any) -> Any:
        if name in self._told[role]:
            raise ValueError(
                f"the {role} of {name} was told already; it is told once (in a training, once a step)"
            )
        if isinstance(array, np.ndarray) and array.size > MOST_ELEMENTS:
            raise ValueError(f"the {role} of {name} {too_large(array)}")
        self._told[role][name] = array.copy() if isinstance(array, np.ndarray) else plain_copy(array)
        return array

    def _check(self, name: str, known: Iterable[str], what: str) -> None:
        names = list(dict.fromkeys(known))
        if name not in names:
            raise LookupError(f"{name!r} is {what} {listed(names)}{nearest(name, names)}")

    def _find(self, target: Any, kind: str, text: str) -> tuple[str, str]:
        """The attribute of a parameter, and the expression that fits it. Raises LookupError or ValueError."""
        there = attributes(target)
        attribute = next((name for name in KNOWN[kind] if name in there), None)
        if attribute is None:
            raise LookupError(
                f"{type(target).__name__} has no {' or '.join(KNOWN[kind])}; it has {listed(there)}: "
                f'name the one that is the {kind}, case.set(..., NAME="{text}")'
            )
        shape, own = np.shape(self._of(text)), there[attribute]
        if own is None:
            raise ValueError(f'{attribute} is None yet: say how it lies, {attribute}="{text}" or "{text}.T"')
        straight, turned = alike(shape, np.shape(own)), alike(shape[::-1], np.shape(own))
        if straight and turned and sum(size != 1 for size in shape) > 1:
            raise ValueError(
                f'{text} is square, so its shape doesn\'t say how {attribute} lies: {attribute}="{text}" '
                f'or {attribute}="{text}.T"'
            )
        return attribute, f"{text}.T" if turned and not straight else text

    def _put(self, target: Any, attribute: str, text: str) -> None:
        """Raises LookupError for an attribute that is not there, ValueError for one of another shape."""
        there = attributes(target)
        kind = type(target).__name__
        if attribute not in there:
            hint = nearest(attribute, there)
            raise LookupError(f"{kind} has no {attribute}; it has {listed(there)}{hint}")
        array, own = self._of(text), there[attribute]
        shape = array.shape if own is None else np.shape(own)
        if not alike(array.shape, shape):
            turned = f": {text}.T has it" if alike(array.shape[::-1], shape) else ""
            raise ValueError(f"{attribute} of {kind} has shape {shape}, {text} has {array.shape}{turned}")
        name = name_in(text)
        tensor = self._tensors[name]
        places = evaluated(text, np.arange(tensor.size).reshape(tensor.shape)).reshape(shape)
        value = array.reshape(shape).copy()
        assign(target, attribute, value.tolist() if isinstance(own, (list, float, int)) else value)
        for known, held in self._held:
            if known is target:
                held[attribute] = Held(name, tensor.shape, places)
                return
        self._held.append((target, {attribute: Held(name, tensor.shape, places)}))

    def _of(self, text: str) -> np.ndarray:
        """What an expression such as `W1.T` stands for."""
        name = name_in(text)
        self._check(name, self._tensors, "no tensor of this case; it has")
        return evaluated(text, self._tensors[name])


def name_in(text: str) -> str:
    """The tensor's name in an expression. Raises ValueError where it is none of those that may be."""
    tree = parsed(text)
    while isinstance(tree, (ast.Attribute, ast.Subscript)):
        tree = tree.value
    if not isinstance(tree, ast.Name):
        raise not_allowed(text)
    return tree.id


def evaluated(text: str, array: np.ndarray) -> np.ndarray:
    """The expression with the array for its name: a name, `.T`, and `[None]` or `[:, None]` for a new axis."""

    def of(node: ast.expr) -> np.ndarray:
        if isinstance(node, ast.Name):
            return array
        if isinstance(node, ast.Attribute) and node.attr == "T":
            return of(node.value).T
        if isinstance(node, ast.Subscript):
            inside = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return of(node.value)[tuple(axis(text, part) for part in inside)]
        raise not_allowed(text)

    return of(parsed(text))


def axis(text: str, node: ast.expr) -> Any:
    """None for a new axis, a whole slice for one that stays."""
    if isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis):
        return node.value
    if isinstance(node, ast.Slice) and node.lower is node.upper is node.step is None:
        return slice(None)
    raise not_allowed(text)


def parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, TypeError):
        raise not_allowed(text) from None


def not_allowed(text: Any) -> ValueError:
    return ValueError(f"{text!r} is no tensor of a case: allowed are a name, W1.T, b1[None], b1[:, None]")


def alike(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether shapes are the same but for axes of length 1, so that a reshape moves no element."""
    return [size for size in one if size != 1] == [size for size in other if size != 1]


def attributes(target: Any) -> dict[str, Any]:
    """What an object has by name, or a dict."""
    if isinstance(target, dict):
        return target
    slots = [name for kind in type(target).__mro__ for name in getattr(kind, "__slots__", ())]
    own = {name: getattr(target, name) for name in slots if hasattr(target, name)}
    return {**own, **getattr(target, "__dict__", {})}


def assign(target: Any, attribute: str, value: Any) -> None:
    if isinstance(target, dict):
        target[attribute] = value
    else:
        setattr(target, attribute, value)


def gradient_of(target: Any, attribute: str, name: str) -> tuple[str, Any]:
    """A parameter's gradient in an object, and what it is called there. Raises LookupError where it isn't clear."""
    there = attributes(target)
    kind = next((kind for kind, names in KNOWN.items() if attribute in names), None)
    plain = attribute.strip("_")
    short = dict.fromkeys([attribute, plain, plain.lower(), plain.upper(), *SHORT.get(kind or "", ())])
    found = {form.format(own): None for own in short for form in GRADIENTS if form.format(own) in there}
    told = {own: there[own] for own in found if there[own] is not None}
    for table in TABLES:
        entries = there.get(table)
        if isinstance(entries, dict):
            told.update({f"{table}[{own!r}]": entries[own] for own in short if own in entries})
            told.update(
                {f"{table}[{own!r}]": entries[own] for own in (f"d{s}" for s in short) if own in entries}
            )
    if len(told) == 1:
        return next(iter(told.items()))
    where = f"{attribute} of {type(target).__name__}"
    how = f'tell it by case.gradient("{name}", ...)'
    if told:
        raise LookupError(f"{listed(told)} may each be the gradient of {where}: {how}")
    if found:
        raise LookupError(f"{listed(found)}, the gradient of {where}, is None: has backward been called?")
    raise LookupError(f"no gradient of {where} was found; there are {listed(there)}: {how}")


def nearest(name: Any, names: Iterable[str]) -> str:
    """`; did you mean "W"?` where a name looks like one of these, whatever the case of its letters."""
    by_letters = {str(own).lower(): own for own in names}
    near = difflib.get_close_matches(str(name).lower(), by_letters, 1)
    return f'; did you mean "{by_letters[near[0]]}"?' if near else ""


def too_large(array: np.ndarray) -> str:
    return f"has shape {array.shape}; no tensor of a case has more than {MOST_ELEMENTS} elements"


def plain_copy(array: Any) -> Any:
    return copy.deepcopy(array) if isinstance(array, (list, tuple)) else array


def listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - LISTED} more" if len(every) > LISTED else ""
    return ", ".join(every[:LISTED]) + more if every else "nothing"
