"""Shape rules of the op table: NumPy's, told in messages that quote both numbers."""

import math
from collections.abc import Callable
from typing import Any

from .row import OpError, Shape, Spec

REDUCTIONS = ("mean", "sum", "none")
MAX_DIMENSIONS = 16


def text(shape: Shape) -> str:
    return str(tuple(shape))


def same(x: Shape) -> Shape:
    return x


def broadcast(*shapes: Shape) -> Shape:
    """NumPy's broadcasting."""
    if shapes.count(shapes[0]) == len(shapes):
        return shapes[0]
    result: list[int] = []
    rank = max(map(len, shapes))
    for sizes in zip(*[(1,) * (rank - len(shape)) + shape for shape in shapes], strict=True):
        wide = {*sizes} - {1}
        if len(wide) > 1:
            raise OpError(
                f"shapes {' and '.join(map(text, shapes))} do not broadcast: sizes {_and(sizes)} differ"
            )
        result.append(wide.pop() if wide else 1)
    return tuple(result)


def _and(sizes: tuple[int, ...]) -> str:
    return " and ".join(map(str, sizes))


def one_axis(axis: Any, x: Shape) -> int:
    """An axis of `x`, counted from 0."""
    if not is_integer(axis):
        raise OpError(f"axis is {axis!r}, but must be an integer")
    if not -len(x) <= axis < len(x):
        raise OpError(f"axis {axis} is outside shape {text(x)}")
    return int(axis % len(x))


def axes_of(axis: Any, x: Shape) -> tuple[int, ...]:
    """The axes that a reduction runs over, counted from 0; None means all."""
    if axis is None:
        return tuple(range(len(x)))
    result = tuple(one_axis(a, x) for a in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(result)) != len(result):
        raise OpError(f"axis {axis!r} names an axis twice")
    return result


def is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def bounded(x: Shape) -> Shape:
    if len(x) > MAX_DIMENSIONS:
        raise OpError(f"{len(x)} dimensions, but at most {MAX_DIMENSIONS} are allowed")
    return x


def integers(name: str, value: Any, least: int) -> tuple[int, ...]:
    """A tuple of integers, none of them below `least`; one integer stands for itself."""
    given = value if isinstance(value, tuple) else (value,)
    if not all(is_integer(v) and v >= least for v in given):
        raise OpError(f"{name} is {value!r}, but must be a tuple of integers of at least {least}")
    return given


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise OpError(f"{name} is {value!r}, but must be True or False")
    return value


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise OpError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, allowed))}")
    return str(value)


def reduce(x: Shape, *, axis: Any, keepdims: Any) -> Shape:
    axes = axes_of(axis, x)
    if flag("keepdims", keepdims):
        return tuple(1 if i in axes else size for i, size in enumerate(x))
    return tuple(size for i, size in enumerate(x) if i not in axes)


def nonempty_reduce(x: Shape, *, axis: Any, keepdims: Any) -> Shape:
    """A reduction that has no value for an empty set (mean, max, logsumexp)."""
    if any(x[a] == 0 for a in axes_of(axis, x)):
        raise OpError(f"nothing to reduce: shape {text(x)} is empty along axis {axis!r}")
    return reduce(x, axis=axis, keepdims=keepdims)


def along(x: Shape, *, axis: Any) -> Shape:
    if x[one_axis(axis, x)] == 0:
        raise OpError(f"nothing to normalize: shape {text(x)} is empty along axis {axis!r}")
    return x


def number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OpError(f"{name} is {value!r}, but must be a finite number")
    return value


def sloped(x: Shape, *, slope: Any) -> Shape:
    number("slope", slope)
    return x


def matmul(x: Shape, y: Shape) -> Shape:
    if not x or not y:
        raise OpError(f"shapes {text(x)} and {text(y)}: both sides need at least one dimension")
    inner = y[-2] if len(y) > 1 else y[0]
    if x[-1] != inner:
        raise OpError(f"shapes {text(x)} and {text(y)} do not fit: inner sizes {x[-1]} and {inner} differ")
    rows, columns = x[-2:-1], y[-1:] if len(y) > 1 else ()
    return broadcast(x[:-2], y[:-2]) + rows + columns


def last(x: Shape, *_others: Shape, **_attributes: Any) -> int:
    """The size that a product of matrices sums over."""
    return x[-1]


def linear(x: Shape, W: Shape, b: Shape | None = None, *, weights: Any) -> Shape:
    layout = choice("weights", weights, ("out_in", "in_out"))
    if len(W) != 2 or not x:
        raise OpError(f"weights need two dimensions and the input at least one, not {text(W)} and {text(x)}")
    into, out = (W[1], W[0]) if layout == "out_in" else W
    if x[-1] != into:
        found = f"input {text(x)} and weights {text(W)} ({weights})"
        raise OpError(f"{found} do not fit: {x[-1]} features, but weights for {into}")
    result = (*x[:-1], out)
    if b is not None and b not in ((out,), (1, out)):
        raise OpError(
            f"bias {text(b)} does not fit {out} outputs; allowed are {text((out,))} and {text((1, out))}"
        )
    return broadcast(result, b) if b is not None else result


def transpose(x: Shape, *, axes: Any) -> Shape:
    order = tuple(range(len(x)))[::-1] if axes is None else axes
    if not isinstance(order, tuple) or not all(map(is_integer, order)) or sorted(order) != [*range(len(x))]:
        raise OpError(f"axes {axes!r} do not order the {len(x)} dimensions of shape {text(x)}")
    return tuple(x[a] for a in order)


def reshape(x: Shape, *, shape: Any) -> Shape:
    new = shape if isinstance(shape, tuple) else (shape,)
    if not all(is_integer(size) and size >= 0 for size in new) or len(new) > MAX_DIMENSIONS:
        raise OpError(
            f"shape is {shape!r}, but must be a tuple of at most {MAX_DIMENSIONS} integers of at least 0"
        )
    if math.prod(new) != math.prod(x):
        raise OpError(f"shape {text(x)} has {math.prod(x)} elements, shape {text(new)} has {math.prod(new)}")
    return tuple(new)


def index(x: Shape, *, index: Any) -> Shape:
    if not isinstance(index, tuple) or not all(map(_is_index, index)):
        raise OpError(f"index is {index!r}, but must be written in brackets, as in x[0, 1:, ..., None]")
    if sum(item == "..." for item in index) > 1:
        raise OpError("an index may have ... once")
    taken = sum(item is not None and item != "..." for item in index)
    if taken > len(x):
        raise OpError(f"{taken} indices for the {len(x)} dimensions of shape {text(x)}")
    result: list[int] = []
    rest = iter(x)
    for item in (*index, *(() if "..." in index else ("...",))):
        if item is None:
            result.append(1)
        elif item == "...":
            result += [next(rest) for _ in range(len(x) - taken)]
        else:
            result += _indexed(item, next(rest), x)
    return tuple(result)


def _is_index(item: Any) -> bool:
    if isinstance(item, tuple):
        return len(item) == 3 and all(part is None or is_integer(part) for part in item)
    return item is None or item == "..." or is_integer(item)


def _indexed(item: Any, size: int, x: Shape) -> list[int]:
    if isinstance(item, tuple):
        if item[2] == 0:
            raise OpError("a slice's step cannot be 0")
        return [len(range(*slice(*item).indices(size)))]
    if not -size <= item < size:
        raise OpError(f"index {item} is outside size {size} of shape {text(x)}")
    return []


def concat(*inputs: Shape, axis: Any) -> Shape:
    at = one_axis(axis, inputs[0])
    for other in inputs[1:]:
        if len(other) != len(inputs[0]) or any(
            a != b for i, (a, b) in enumerate(zip(inputs[0], other, strict=True)) if i != at
        ):
            raise OpError(f"shapes {text(inputs[0])} and {text(other)} may differ only along axis {axis}")
    return tuple(sum(s[at] for s in inputs) if i == at else size for i, size in enumerate(inputs[0]))


def split(x: Shape, *, parts: Any, axis: Any) -> list[Shape]:
    at = one_axis(axis, x)
    if not is_integer(parts) or not 1 <= parts <= 1000 or x[at] % parts:
        raise OpError(
            f"parts is {parts!r}, but must be an integer that divides size {x[at]} of shape {text(x)}"
        )
    return [(*x[:at], x[at] // parts, *x[at + 1 :])] * parts


def where(c: Spec, x: Spec, y: Spec) -> Shape:
    return broadcast(c.shape, x.shape, y.shape)


def positive(name: str, value: Any) -> None:
    if not number(name, value) > 0:
        raise OpError(f"{name} is {value!r}, but must be positive")


def pair_loss(prediction: Shape, target: Shape, *, reduction: Any, **scales: Any) -> Shape:
    for name, value in scales.items():
        positive(name, value)
    if prediction != target:
        raise OpError(f"prediction {text(prediction)} and target {text(target)} must have the same shape")
    return () if choice("reduction", reduction, REDUCTIONS) != "none" else prediction


def weighted_loss(prediction: Shape, target: Shape, *weights: Shape, reduction: Any) -> Shape:
    """With weights that broadcast to the prediction's shape."""
    for w in weights:
        if broadcast(prediction, w) != prediction:
            raise OpError(f"weights {text(w)} do not broadcast to shape {text(prediction)}")
    return pair_loss(prediction, target, reduction=reduction)


def loss(*inputs: Shape | Spec, reduction: Any, **numbers: Any) -> Shape:
    """Of several tensors, element by element."""
    for name, value in numbers.items():
        number(name, value)
    found = [x.shape if isinstance(x, Spec) else x for x in inputs]
    if found.count(found[0]) < len(found):
        raise OpError(f"shapes {' and '.join(map(text, found))} must be the same")
    return () if choice("reduction", reduction, REDUCTIONS) != "none" else found[0]


def cross_entropy(
    z: Spec,
    target: Spec,
    w: Spec | None = None,
    *,
    axis: Any,
    reduction: Any,
    ignore_index: Any,
    label_smoothing: Any,
) -> Shape:
    at = one_axis(axis, z.shape)
    positions = z.shape[:at] + z.shape[at + 1 :]
    labels = target.dtype == "int64"
    expected = positions if labels else z.shape
    if target.shape != expected:
        kind = "labels" if labels else "a distribution"
        raise OpError(
            f"logits {text(z.shape)} need {kind} of shape {text(expected)}, not {text(target.shape)}"
        )
    if w is not None and w.shape != z.shape[at : at + 1]:
        raise OpError(
            f"{z.shape[at]} classes need weights of shape {text(z.shape[at : at + 1])}, not {text(w.shape)}"
        )
    if ignore_index is not None and not (labels and is_integer(ignore_index)):
        what = "" if labels else ", and needs labels: a distribution has none that could be ignored"
        raise OpError(f"ignore_index is {ignore_index!r}, but must be an integer or None{what}")
    if not 0 <= number("label_smoothing", label_smoothing) <= 1:
        raise OpError(f"label_smoothing is {label_smoothing!r}, but must be from 0 to 1")
    return () if choice("reduction", reduction, REDUCTIONS) != "none" else positions


def scalar(rule: Callable[..., Shape]) -> Callable[..., Shape]:
    """The rule's checks, and then a single number."""

    def checked(*inputs: Shape, **kw: Any) -> Shape:
        rule(*inputs, **kw)
        return ()

    return checked


def placed(indices: Any, size: int) -> Any:
    """The indices. Raises IndexError for one that is none of so many."""
    beyond = indices[(indices < 0) | (indices >= size)]
    if beyond.size:
        raise IndexError(f"index {beyond[0]} is outside 0 to {size - 1}")
    return indices
