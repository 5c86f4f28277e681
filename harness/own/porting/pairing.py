"""Which of a port's parameters is which of the original's, and how it lies: by name, else by order and shape.

Each pairing is exact: it says of every element of the port's array which of the original's it is, or which are added up in
it. What is paired by nothing stays, with its shape, for the person to say.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...reading.elements import Array
from ..errors import OwnError
from .door import Place
from .layouts import FUSED, PARTS, TOGETHER, Numbers, Parameter, Shape, fused, layouts, third_of

LEAVES = {
    "weight": ("weight", "kernel", "w", "gamma", "scale", "embedding", "embeddings", "depthwise_kernel"),
    "bias": ("bias", "beta", "b"),
    "mean": ("running_mean", "moving_mean", "mean"),
    "variance": ("running_var", "moving_variance", "var"),
}
"""What the last part of a path is called, by what it is."""
ROLE = {name: role for role, names in LEAVES.items() for name in names}
WRAPPERS = {"params", "batch_stats", "model", "module", "net", "network", "cell"}
"""Parts of a path that say nothing."""


THIRDS = ("first", "second", "last")


@dataclass(frozen=True)
class Paired:
    """One of the port's parameters: what it is made of, by the numbers of the original's elements."""

    theirs: str
    ours: tuple[str, ...]
    made: tuple[Numbers, ...]
    """Arrays of numbers that are added up, in the port's shape: of all original parameters one after the other."""
    rule: str
    how: str


@dataclass
class Pairing:
    """All pairs, and what is left on either side."""

    original: Sequence[Parameter]
    pairs: dict[str, Paired] = field(default_factory=dict)
    left: list[Parameter] = field(default_factory=list)
    """Of the original's."""
    left_of_port: dict[str, Shape] = field(default_factory=dict)

    @property
    def offsets(self) -> dict[str, int]:
        """Where a parameter's numbers begin."""
        sizes = [int(np.prod(p.shape)) for p in self.original]
        starts = itertools.accumulate(sizes, initial=0)
        return {p.name: start for p, start in zip(self.original, starts, strict=False)}

    def numbers(self, parameter: Parameter) -> Numbers:
        size = int(np.prod(parameter.shape))
        return (np.arange(size) + self.offsets[parameter.name]).reshape(parameter.shape)

    def theirs(self, arrays: Mapping[str, Array], path: str) -> Array:
        """A parameter of the port, made of the original's arrays by name."""
        flat = np.concatenate([np.ravel(arrays[p.name]) for p in self.original])
        found: Array = np.sum([flat[part] for part in self.pairs[path].made], axis=0)
        return found

    def back(self, gradients: Mapping[str, Array | None]) -> dict[str, Array]:
        """Gradients by the port's paths as the original's by name: those all of whose elements were told."""
        total = sum(int(np.prod(p.shape)) for p in self.original)
        dtype = np.result_type(*(a.dtype for a in gradients.values() if a is not None), np.float32)
        summed, told = np.zeros(total, dtype), np.zeros(total, bool)
        for path, pair in self.pairs.items():
            gradient = gradients.get(path)
            if gradient is None:
                continue
            for part in pair.made:
                np.add.at(summed, part, gradient)
                told[part] = True
        parts = {p.name: (self.numbers(p), p) for p in self.original}
        return {name: summed[at] for name, (at, _) in parts.items() if told[at].all() and at.size}

    def lines(self) -> Iterator[str]:
        """A line for each of the port's parameters that is paired."""
        shapes = {p.name: p.shape for p in self.original}
        for pair in self.pairs.values():
            ours = ", ".join(f"{name} {_text(shapes[name])}" for name in pair.ours)
            yield f"  {pair.theirs} {_text(pair.made[0].shape)} = {ours}: {pair.rule} ({pair.how})"


def _text(shape: Shape) -> str:
    return str(list(shape))


def paired(
    original: Sequence[Parameter],
    port: Mapping[str, Place],
    shapes: Mapping[str, Shape],
    given: Mapping[str, Mapping[str, str]],
) -> Pairing:
    """Pair what can be: what the person says, recurrent layers, names, thirds of a projection, then order and shape."""
    found = Pairing(original, left=list(original), left_of_port=dict(shapes))
    _given(found, port, given)
    _recurrent(found)
    _by_name(found, port)
    _thirds(found, port)
    _by_order(found, port)
    _squares(found)
    return found


def _take(
    found: Pairing, path: str, ours: Sequence[Parameter], made: Sequence[Numbers], rule: str, how: str
) -> None:
    found.pairs[path] = Paired(path, tuple(p.name for p in ours), tuple(made), rule, how)
    found.left_of_port.pop(path, None)
    found.left = [p for p in found.left if p not in ours]


def _fit(
    found: Pairing, parameter: Parameter, path: str, port: Mapping[str, Place]
) -> tuple[str, Numbers] | None:
    """The layout in which a parameter is one of theirs."""
    shape, kind = found.left_of_port[path], port[path].kind
    return next(layouts(parameter, last(path), kind, shape, found.numbers(parameter)), None)


# What the person says


def _given(found: Pairing, port: Mapping[str, Place], given: Mapping[str, Mapping[str, str]]) -> None:
    """Raises OwnError for what isn't there, or doesn't fit."""
    by_name = {p.name: p for p in found.original}
    for path, said in given.items():
        name = re.sub(r"\W", "_", said["of"])
        if path not in found.left_of_port or name not in by_name:
            what = (
                f"the port has no parameter {path}"
                if path not in found.left_of_port
                else f"the original has no parameter {said['of']}"
            )
            there = found.left_of_port if path not in found.left_of_port else by_name
            raise OwnError(f"--pairs: {what}; there are {', '.join(there)}")
        shape, parameter = found.left_of_port[path], by_name[name]
        rows = layouts(parameter, last(path), port[path].kind, shape, found.numbers(parameter))
        fitting = dict(reversed(list(rows)))
        wanted = said.get("layout") or next(reversed(fitting), "")
        if wanted not in fitting:
            told = (
                f"layouts that make one of the other are {', '.join(fitting)}"
                if fitting
                else "no layout makes one of the other"
            )
            raise OwnError(f"--pairs: {path} {_text(shape)} = {name} {_text(parameter.shape)}: {told}")
        _take(found, path, [parameter], [fitting[wanted]], wanted, "by the file of pairs")


# Recurrent layers


def _recurrent(found: Pairing) -> None:
    """Layers in their order, or by name: each has its own parameters for the gates."""
    ours: dict[tuple[str, str], list[Parameter]] = {}
    for p in found.left:
        if p.op in {row.op for row in FUSED}:
            call = (p.op, f"{p.module}.{re.sub(r'^(weight|bias)_(ih|hh)_', '', p.leaf)}")
            ours.setdefault(call, []).append(p)
    theirs: dict[str, list[str]] = {}
    for path in found.left_of_port:
        if (layer := _recurrent_layer(path)) is not None:
            theirs.setdefault(layer, []).append(path)
    for (op, _), own in ours.items():
        layer = next(
            (name for name, paths in theirs.items() if _all_fused(found, op, own, name, paths)), None
        )
        if layer is None:
            continue
        for path in theirs.pop(layer):
            made = fused(op, path.removeprefix(f"{layer}/"), found.left_of_port[path], _numbers(found, own))
            assert made is not None
            rule, arrays = made
            read = [p for p in own if any(np.isin(found.numbers(p), a).any() for a in arrays)]
            _take(found, path, read, arrays, rule, "a layer with gates, in order")


def _recurrent_layer(path: str) -> str | None:
    """The layer in whose path a parameter of gates lies."""
    parts = path.split("/")
    if len(parts) > 2 and re.fullmatch(r"[ih][ifgorzn]", parts[-2]):
        return "/".join(parts[:-2])
    if len(parts) > 1 and parts[-1] in ("kernel", "recurrent_kernel", "bias"):
        return "/".join(parts[:-1])
    return None


def _numbers(found: Pairing, own: Iterable[Parameter]) -> dict[str, Numbers]:
    return {p.argument: found.numbers(p) for p in own}


def _all_fused(found: Pairing, op: str, own: Sequence[Parameter], layer: str, paths: Sequence[str]) -> bool:
    """Whether all parameters of a layer of theirs are made of this one's, and it has gates at all."""
    numbers = _numbers(found, own)
    has_gates = any("recurrent" in path or _is_gate(path) for path in paths)
    rows = (fused(op, path.removeprefix(f"{layer}/"), found.left_of_port[path], numbers) for path in paths)
    return has_gates and all(row is not None for row in rows)


def _is_gate(path: str) -> bool:
    return bool(re.search(r"/h[ifgorzn]/kernel$", path))


# Names


def last(path: str) -> str:
    return re.split(r"[/.]", path)[-1]


def key(path: str) -> tuple[str, str]:
    """A path without what people write differently: what holds it, and what it is."""
    parts = [part for part in re.split(r"[/.]", path) if part not in WRAPPERS]
    leaf = parts.pop() if parts else ""
    return re.sub(r"[\W_]", "", "".join(parts).lower()), ROLE.get(
        leaf.lower(), re.sub(r"[\W_]", "", leaf.lower())
    )


def _by_name(found: Pairing, port: Mapping[str, Place]) -> None:
    """The same name in either, which no other has there."""
    ours: dict[tuple[str, str], list[Parameter]] = {}
    theirs: dict[tuple[str, str], list[str]] = {}
    for p in found.left:
        for name in {key(f"{p.module}.{p.leaf}"), ("", re.sub(r"[\W_]", "", p.name.lower()))}:
            ours.setdefault(name, []).append(p)
    for path in found.left_of_port:
        theirs.setdefault(key(path), []).append(path)
    for name, paths in theirs.items():
        own = ours.get(name, [])
        if (
            len(paths) == len(own) == 1
            and own[0] in found.left
            and (fit := _fit(found, own[0], paths[0], port))
        ):
            _take(found, paths[0], own, [fit[1]], fit[0], "by name")


# Projections to queries, keys and values


def _thirds(found: Pairing, port: Mapping[str, Place]) -> None:
    """A third of the original's for each of the port's three, or three of the original's in one of the port's."""
    for p in [p for p in found.left if TOGETHER.search(p.path)]:
        numbers = np.split(found.numbers(p), 3)
        fits: dict[int, tuple[str, str, Numbers]] = {}
        for path in found.left_of_port:
            third = third_of(path)
            fit = None if third is None or third in fits else _part(found, p, numbers[third], path, port)
            if third is not None and fit is not None:
                fits[third] = (path, *fit)
        for third, (path, rule, made) in fits.items() if len(fits) == len(PARTS) else ():
            _take(found, path, [p], [made], f"{THIRDS[third]} third, {rule}", "by name")
    for path in [path for path in found.left_of_port if TOGETHER.search(path)]:
        _joined(found, path, port)


def _joined(found: Pairing, path: str, port: Mapping[str, Place]) -> None:
    shape, parts = found.left_of_port[path], dict[int, Parameter]()
    for p in found.left:
        third = third_of(p.path)
        if third is not None and len(p.shape) == len(shape):
            parts.setdefault(third, p)
    if len(parts) < len(PARTS):
        return
    own = [parts[i] for i in sorted(parts)]
    numbers = np.concatenate([found.numbers(p) for p in own])
    stands = Parameter("", numbers.shape, op=own[0].op, argument=own[0].argument)
    if fit := next(layouts(stands, last(path), port[path].kind, shape, numbers), None):
        _take(found, path, own, [fit[1]], f"the three one after the other, {fit[0]}", "by name")


def _part(
    found: Pairing, p: Parameter, numbers: Numbers, path: str, port: Mapping[str, Place]
) -> tuple[str, Numbers] | None:
    if _apart(p.leaf, last(path)):
        return None
    return next(layouts(p, last(path), port[path].kind, found.left_of_port[path], numbers), None)


def _apart(one: str, other: str) -> bool:
    """Whether two last parts of names are known to be of different kinds."""
    roles = [role_of(leaf) for leaf in (one, other)]
    return None not in roles and roles[0] != roles[1]


def role_of(leaf: str) -> str | None:
    """What a parameter is by the last part of its path, with a number behind it or without: `W1`, `in_proj_bias`."""
    bare = re.sub(r"_?\d+$", "", leaf.lower())
    return ROLE.get(bare) or next((role for role in LEAVES if re.search(rf"(^|_){role}", bare)), None)


# Order and shape


def _by_order(found: Pairing, port: Mapping[str, Place]) -> None:
    """Where as many of either side fit one another and nothing else does, they are paired in order."""
    fits = {
        path: [p.name for p in found.left if not _apart(p.leaf, last(path)) and _fit(found, p, path, port)]
        for path in found.left_of_port
    }
    by_name = {p.name: p for p in found.left}
    for names in dict.fromkeys(map(tuple, fits.values())):
        paths = [path for path, own in fits.items() if tuple(own) == names]
        elsewhere = {n for own in fits.values() if tuple(own) != names for n in own}
        if len(paths) != len(names) or elsewhere & set(names):
            continue
        how = "by shape" if len(names) == 1 else "by order and shape"
        for path, name in zip(paths, names, strict=True):
            fit = _fit(found, by_name[name], path, port)
            assert fit is not None
            _take(found, path, [by_name[name]], [fit[1]], fit[0], how)
    _all_in_order(found, port)


def _all_in_order(found: Pairing, port: Mapping[str, Place]) -> None:
    """As many on either side, each of which fits the one in its place."""
    ours, paths = list(found.left), list(found.left_of_port)
    if len(ours) != len(paths) or any(
        _apart(p.leaf, last(path)) for p, path in zip(ours, paths, strict=True)
    ):
        return
    fits = [_fit(found, p, path, port) for p, path in zip(ours, paths, strict=True)]
    for p, path, fit in zip(ours, paths, fits, strict=True):
        if all(fits) and fit is not None:
            _take(found, path, [p], [fit[1]], fit[0], "by order and shape")


def _squares(found: Pairing) -> None:
    """A square matrix without a telling name lies as the others of the port do, where these all lie one way."""
    by_name = {p.name: p for p in found.original}
    rules = {
        pair.rule for pair in found.pairs.values()
        if pair.rule in ("as it is", "transposed") and len(set(pair.made[0].shape)) == 2
    }  # fmt: skip
    for path, pair in list(found.pairs.items()):
        p = by_name[pair.ours[0]]
        is_square = len(p.shape) == 2 and len(set(p.shape)) == 1
        plain = (
            pair.rule == "as it is"
            and last(path) not in ("weight", "kernel")
            and p.op in ("linear", "matmul")
        )
        if is_square and plain and rules == {"transposed"}:
            found.pairs[path] = Paired(
                path, pair.ours, (pair.made[0].T,), "transposed, as the others are", pair.how
            )
