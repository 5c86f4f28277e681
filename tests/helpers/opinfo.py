"""A sample of torch's OpInfos, and what of it becomes text of ours."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gradient_conformance.harness.own.onnx.node import NotOurs, said, y

Array = np.ndarray


@dataclass(frozen=True)
class Tensor:
    """A tensor of a sample, and its name in the program."""

    name: str
    array: Array

    def __str__(self) -> str:
        return self.name

    @property
    def ndim(self) -> int:
        return self.array.ndim


@dataclass(frozen=True)
class Sample:
    """What torch's function was given; what it gave; the gradients, by the names of the tensors.

    `labels` are tensors that torch takes as floats, and that are integers with us.
    """

    args: list[Any]
    kwargs: dict[str, Any]
    outputs: list[Array]
    cotangents: list[Array | None]
    gradients: dict[str, Array]
    labels: set[str] = field(default_factory=set)

    @property
    def x(self) -> Tensor:
        """The first argument."""
        assert isinstance(self.args[0], Tensor)
        return self.args[0]

    def named(self, *names: str, first: int = 1, **defaults: Any) -> dict[str, Any]:
        """The further arguments by their names, with defaults; one that is not among them is refused, and told."""
        if len(self.args) - first > len(names):
            raise NotOurs(f"{len(self.args)} arguments")
        found = defaults | dict(zip(names, self.args[first:], strict=False)) | self.kwargs
        if others := {name: value for name, value in found.items() if name not in (*names, *defaults)}:
            raise NotOurs(f"it has {', '.join(sorted(others))}")
        return found

    def axis(self, value: int) -> int:
        """An axis from 0; of a single number there is none."""
        if self.x.ndim == 0:
            raise NotOurs("a single number has no axes with us")
        return value % self.x.ndim

    def copy(self) -> "Sample":
        """Another that may be changed."""
        parts = self.outputs, self.cotangents, self.gradients, self.labels
        return Sample(self.args, self.kwargs, *(part.copy() for part in parts))

    def drop_last(self) -> None:
        """The last output is none of ours."""
        self.outputs.pop()
        self.cotangents.pop()


Said = Callable[[Sample], str]


def leaves(x: Any) -> Iterator[Tensor]:
    """The tensors of an argument, in torch's order."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, Mapping | Sequence) and not isinstance(x, str):
        for part in x.values() if isinstance(x, Mapping) else x:
            yield from leaves(part)


def read(told: Mapping[str, Any], arrays: Sequence[Array]) -> Sample:
    """A sample as the script in torch's interpreter wrote it; tensors are `t0`, `t1` and so on."""
    count = 0

    def value(x: Any) -> Any:
        nonlocal count
        if isinstance(x, list):
            return [value(a) for a in x]
        if isinstance(x, dict) and "array" in x:
            count += 1
            return Tensor(f"t{count - 1}", arrays[x["array"]])
        if isinstance(x, dict) and "tuple" in x:
            return tuple(map(value, x["tuple"]))
        return slice(*x["slice"]) if isinstance(x, dict) and "slice" in x else x

    args, kwargs = value(told["args"]), {name: value(a) for name, a in told["kwargs"].items()}
    array = lambda x: x if x is None else arrays[x["array"]]
    gradients = {f"t{leaf}": array(g) for leaf, g in told["gradients"]}
    return Sample(
        args, kwargs, list(map(array, told["outputs"])), list(map(array, told["cotangents"])), gradients
    )


def operand(x: Any) -> str:
    """In the text a tensor is its name, and a number is a number."""
    if isinstance(x, Tensor):
        return x.name
    if isinstance(x, bool) or not isinstance(x, int | float):
        raise NotOurs("an operand that is neither a tensor nor a number of ours")
    return repr(x)


def call(op: str) -> Said:
    """The same inputs, and nothing else."""

    def text(sample: Sample) -> str:
        if sample.kwargs:
            raise NotOurs(f"it has {', '.join(sorted(sample.kwargs))}")
        return y(said(op, *map(operand, sample.args)))

    return text


def attributes(op: str, names: Mapping[str, str], **fixed: Any) -> Said:
    """One tensor, and arguments that ours names otherwise; `fixed` are those of torch that must have that value."""

    def text(sample: Sample) -> str:
        found = sample.named(*names, **fixed)
        for name, value in fixed.items():
            if found.pop(name) != value:
                raise NotOurs(f"it has another {name}")
        return y(said(op, str(sample.x), **{names[name]: value for name, value in found.items()}))

    return text


def along(op: str, *, keeps: bool = False) -> Said:
    """Along one axis."""

    def text(sample: Sample) -> str:
        found = sample.named("dim", "keepdim", "dtype", keepdim=False, dtype=None)
        kept = {"keepdims": found["keepdim"]} if keeps else {}
        if not keeps and found["keepdim"]:
            raise NotOurs("its axis is kept")
        return y(said(op, str(sample.x), axis=sample.axis(_one(found.get("dim"))), **kept))

    return text


def _one(dim: Any) -> int:
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise NotOurs("along no axis, or several")
    return dim


def axes(sample: Sample, dim: Any) -> tuple[int, ...] | None:
    """Several axes, of which none are all of them; () of a single number."""
    dims = [dim] if isinstance(dim, int) else dim or None
    if dims is None:
        return None
    if sample.x.ndim == 0:
        raise NotOurs("a single number has no axes with us")
    return tuple(a % sample.x.ndim for a in dims)


def reduction(op: str) -> Said:
    """Over some axes, or all."""

    def text(sample: Sample) -> str:
        found = sample.named("dim", "keepdim", dim=None, keepdim=False)
        return y(said(op, str(sample.x), axis=axes(sample, found["dim"]), keepdims=found["keepdim"]))

    return text


def spread(op: str) -> Said:
    """The variance or its root; torch says by how much the number of elements is reduced in two ways."""

    def text(sample: Sample) -> str:
        if len(sample.args) == 2 and isinstance(sample.args[1], bool):
            found = {"dim": None, "unbiased": sample.args[1], "keepdim": False, "correction": None}
        else:
            names = ("dim", "unbiased", "keepdim", "correction")
            found = sample.named(*names, dim=None, unbiased=True, keepdim=False, correction=None)
        ddof = int(found["unbiased"]) if found["correction"] is None else found["correction"]
        if not isinstance(ddof, int) or ddof < 0:
            raise NotOurs("a correction that is no whole number, or negative")
        at = axes(sample, found["dim"])
        shape = sample.x.array.shape
        if ddof >= int(np.prod([shape[a] for a in (range(len(shape)) if at is None else at)])):
            raise NotOurs("a correction by all elements")
        return y(said(op, str(sample.x), axis=at, keepdims=found["keepdim"], ddof=ddof))

    return text


def loss(op: str, *inputs: str, labels: str = "", **attributes: Any) -> Said:
    """A loss of two or more tensors of one shape; torch's way of averaging is ours by the same names."""

    def text(sample: Sample) -> str:
        found = sample.named(*inputs, reduction="mean", **attributes)
        if labels:
            if not np.all(np.abs(found[labels].array) == 1):
                raise NotOurs("targets that are not 1 or -1")
            sample.labels.add(str(found[labels]))
        tensors = [found.pop(name) for name in inputs if found.get(name) is not None]
        if len({t.array.shape for t in tensors} | {sample.x.array.shape}) > 1:
            raise NotOurs("a loss of tensors of several shapes")
        kw = {name: value for name, value in found.items() if name not in inputs}
        return y(said(op, str(sample.x), *map(str, tensors), **kw))

    return text
