"""A call cut down to what its wrong element is made of: the element alone, its row, its row and column.

Every axis of a tensor of the call has a label, as in an einsum; axes with one label run together. To cut is to fix the
labels of the wrong element's own axes, but those along which its row runs. Tensors keep all their axes.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....reference.ops import OPS, shapes
from .call import Call, Steps

Labels = tuple[Hashable, ...]


@dataclass(frozen=True)
class Labelled:
    """The labels of a call's tensors; `kept` are never cut, `batch` not where the smallest cut is too small."""

    args: Sequence[Labels]
    out: Labels
    kept: frozenset[Hashable] = frozenset()
    batch: frozenset[Hashable] = frozenset()


def cuts(call: Call | Steps) -> Iterator[Call | Steps]:
    """The call, ever less cut down: the last is the whole of it."""
    if isinstance(call, Steps):
        alone = _one_element(call)
        yield from (alone, call) if alone.size < call.size else (call,)
        return
    before = 0
    label = LABELS.get(OPS[call.op].shape)
    if label is not None:
        labels = label(call)
        for left in (labels.kept, labels.kept | labels.batch):
            cut = _cut(call, labels, left)
            if before < cut.size < call.size:
                before = cut.size
                yield cut
    yield call


def _one_element(steps: Steps) -> Steps:
    """Most optimizers move each element of a parameter by itself."""
    name, at = steps.name, tuple(slice(i, i + 1) for i in steps.where)
    return replace(
        steps,
        parameters={name: [a[at] for a in steps.parameters[name]]},
        gradients={name: [a[at] for a in steps.gradients[name]]},
        where=(0,) * len(at),
    )


def _cut(call: Call, labels: Labelled, left: frozenset[Hashable]) -> Call:
    sizes: dict[Hashable, int] = {}
    tensors = [*zip(call.args, labels.args, strict=True), *((g, labels.out) for g in call.cotangents)]
    for a, own in tensors:
        for label, size in zip(own, np.shape(a), strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
    of = labels.out if call.towards is None else labels.args[call.towards]
    shape = None if call.towards is None else np.shape(call.args[call.towards])
    fixed = {
        label: index
        for axis, (label, index) in enumerate(zip(of, call.where, strict=True))
        if label not in left and (shape is None or shape[axis] == sizes[label])
    }
    return replace(
        call,
        args=tuple(_taken(a, own, fixed) for a, own in zip(call.args, labels.args, strict=True)),
        cotangents=tuple(_taken(g, labels.out, fixed) for g in call.cotangents),
        where=tuple(0 if label in fixed else i for label, i in zip(of, call.where, strict=True)),
    )


def _taken(a: Any, labels: Labels, fixed: dict[Hashable, int]) -> Any:
    """The tensor at the fixed labels; a number is as it is."""
    if not isinstance(a, np.ndarray):
        return a
    at = [
        slice(None)
        if label not in fixed
        else slice(0, 1)
        if size == 1
        else slice(fixed[label], fixed[label] + 1)
        for label, size in zip(labels, a.shape, strict=True)
    ]
    return a[tuple(at)]


# Labels


def _aligned(call: Call) -> list[Labels]:
    """Axes counted from the last, as in broadcasting."""
    return [tuple(range(-np.ndim(a), 0)) for a in call.args]


def _elements(call: Call) -> Labelled:
    labels = _aligned(call)
    return Labelled(labels, max(labels, key=len))


def _losses(call: Call) -> Labelled:
    labels = _elements(call)
    return labels if call.kw["reduction"] == "none" else replace(labels, out=())


def _along(call: Call) -> Labelled:
    [labels], axes = _aligned(call), shapes.axes_of(call.kw["axis"], np.shape(call.args[0]))
    kept = frozenset(labels[axis] for axis in axes)
    whole = call.kw.get("keepdims", True)
    return Labelled([labels], labels if whole else tuple(a for a in labels if a not in kept), kept)


def _cross_entropy(call: Call) -> Labelled:
    z, target, *weights = call.args
    labels = tuple(range(z.ndim))
    axis = call.kw["axis"] % z.ndim
    places = tuple(a for a in labels if a != axis)
    out = places if call.kw["reduction"] == "none" else ()
    targets = labels if target.ndim == z.ndim else places
    return Labelled([labels, targets, *((axis,) for _ in weights)], out, frozenset({axis}))


def _matmul(call: Call) -> Labelled:
    x, y = map(np.ndim, call.args)
    of_x = (*range(-x + 2, 0), "row", "inner") if x > 1 else ("inner",)
    of_y = (*range(-y + 2, 0), "inner", "column") if y > 1 else ("inner",)
    batch = tuple(range(-max(x - 2, y - 2, 0), 0))
    out = (*batch, *(["row"] if x > 1 else []), *(["column"] if y > 1 else []))
    return Labelled([of_x, of_y], out, batch=frozenset(batch))


def _linear(call: Call) -> Labelled:
    x, *bias = (np.ndim(a) for a in (call.args[0], *call.args[2:]))
    out = (*range(-max(x, *bias) + 1, 0), "out") if bias else (*range(-x + 1, 0), "out")
    weight = ("out", "inner") if call.kw["weights"] == "out_in" else ("inner", "out")
    return Labelled([(*range(-x + 1, 0), "inner"), weight, *(out[len(out) - b :] for b in bias)], out)


LABELS: dict[Callable[..., Any], Callable[[Call], Labelled]] = {
    shapes.same: _elements,
    shapes.sloped: _elements,
    shapes.broadcast: _elements,
    shapes.where: _elements,
    shapes.pair_loss: _losses,
    shapes.loss: _losses,
    shapes.weighted_loss: _losses,
    shapes.reduce: _along,
    shapes.nonempty_reduce: _along,
    shapes.along: _along,
    shapes.cross_entropy: _cross_entropy,
    shapes.matmul: _matmul,
    shapes.linear: _linear,
}
"""By an op's shape rule; calls of others are not cut."""
