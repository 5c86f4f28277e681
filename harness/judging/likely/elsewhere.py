"""What stands in an op's place elsewhere, as formulas over other rows: what a framework, a paper or another layer has there.

A formula is the call done in another way, forwards and back: of its arguments and attributes, as those of composed rows.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ....reference.contexts import Array
from ....reference.ops.composed import Calls, Term
from .supposing import DoesNotApply, Site

Formula = Callable[..., Any]
"""Of the ops as methods, the call's arguments and its attributes. Raises DoesNotApply where it has nothing to say."""


def done(formula: Formula) -> Callable[[Site], Array]:
    """A call by a formula: its output, or the cotangent towards the argument."""

    def instead(site: Site) -> Array:
        calls = Calls(site.node.op, site.c)
        terms = [a if a is None else Term(calls, a) for a in site.args]
        out = formula(calls, *terms, **site.kw)
        if isinstance(out, tuple) or out.shape != np.shape(site.out):
            raise DoesNotApply
        if site.forwards:
            return out.value
        towards = terms[site.argument]
        assert towards is not None
        return calls.cotangent(out, site.g, towards)

    return instead


# Activations

ACTIVATIONS = (
    "relu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "elu",
    "leaky_relu",
    "softplus",
    "selu",
    "mish",
    "identity",
)


def _activation(name: str) -> Formula:
    return lambda f, x, **_: x * 1.0 if name == "identity" else getattr(f, name)(x)


def _activations() -> dict[str, list[tuple[str, Formula]]]:
    every = {
        own: [
            (f"{other} stands in its place" if other != "identity" else "it is left out", _activation(other))
            for other in ACTIVATIONS
            if other != own
        ]
        for own in ACTIVATIONS[:-1]
    }
    every["gelu"].append(("it is x sigmoid(1.702 x)", lambda f, x, **_: x * f.sigmoid(x * 1.702)))
    return every


# Normalization


def _normalized(f: Any, x: Any, w: Any, b: Any, axis: Any, divisor: Callable[[Any, Any], Any]) -> Any:
    centred = x - f.mean(x, axis=axis, keepdims=True)
    y = centred / divisor(f, f.mean(f.square(centred), axis=axis, keepdims=True))
    y = y if w is None else y * w
    return y if b is None else y + b


def _unbiased(f: Any, x: Any, w: Any = None, b: Any = None, *, axis: Any, epsilon: float) -> Any:
    n = _count(x, axis)
    return _normalized(f, x, w, b, axis, lambda f, v: f.sqrt(v * (n / (n - 1)) + epsilon))


def _added_outside(f: Any, x: Any, w: Any = None, b: Any = None, *, axis: Any, epsilon: float) -> Any:
    return _normalized(f, x, w, b, axis, lambda f, v: f.sqrt(v) + epsilon)


def _unbiased_outside(f: Any, x: Any, w: Any = None, b: Any = None, *, axis: Any, epsilon: float) -> Any:
    n = _count(x, axis)
    return _normalized(f, x, w, b, axis, lambda f, v: f.sqrt(v * (n / (n - 1))) + epsilon)


def _uncentred(f: Any, x: Any, w: Any = None, b: Any = None, *, axis: Any, epsilon: float) -> Any:
    y = (
        f.rms_norm(x, axis=axis, epsilon=epsilon)
        if w is None
        else f.rms_norm(x, w, axis=axis, epsilon=epsilon)
    )
    return y if b is None else y + b


def _count(x: Any, axis: Any) -> int:
    n = int(np.prod([x.shape[a] for a in (axis if isinstance(axis, tuple) else (axis,))]))
    if n < 2:
        raise DoesNotApply
    return n


def _without_batch(f: Any, x: Any, w: Any = None, b: Any = None, *, axis: int, epsilon: float) -> Any:
    """By running statistics as they are at first: means of 0 and variances of 1."""
    size = x.shape[axis]
    return f.batch_norm_inference(x, np.zeros(size), np.ones(size), w, b, axis=axis, epsilon=epsilon)


# What is linear


def _without_bias(op: str) -> Formula:
    def formula(f: Any, x: Any, w: Any, b: Any = None, **kw: Any) -> Any:
        if b is None:
            raise DoesNotApply
        return getattr(f, op)(x, w, **kw)

    return formula


def _turned(op: str) -> Formula:
    """A square matrix the other way."""

    def formula(f: Any, x: Any, w: Any, *b: Any, **kw: Any) -> Any:
        if w.ndim != 2 or w.shape[0] != w.shape[1]:
            raise DoesNotApply
        return getattr(f, op)(x, f.transpose(w, axes=(1, 0)), *b, **kw)

    return formula


def _flipped(op: str) -> Formula:
    """A convolution as mathematics has it: its window turned round."""

    def formula(f: Any, x: Any, w: Any, *b: Any, **kw: Any) -> Any:
        return getattr(f, op)(x, f.flip(w, axis=tuple(range(2, w.ndim))), *b, **kw)

    return formula


def _padded(op: str, where: Callable[[int, int], tuple[int, int]], fill: float = 0.0) -> Formula:
    """A window with padding elsewhere: of each axis, how much before and behind it, of what it has on both sides and its stride."""

    def formula(f: Any, x: Any, *rest: Any, padding: Any = 0, **kw: Any) -> Any:
        rank, stride = x.ndim - 2, kw.get("stride") or kw.get("size")
        if kw.get("layout", "channels_first") != "channels_first" or not isinstance(padding, int | tuple):
            raise DoesNotApply
        each = padding if isinstance(padding, tuple) else (padding,) * rank
        steps = stride if isinstance(stride, tuple) else (stride,) * rank
        if not all(isinstance(p, int) for p in each):
            raise DoesNotApply
        sides = tuple(where(p, s) for p, s in zip(each, steps, strict=True))
        wide = f.pad(x, padding=((0, 0), (0, 0), *sides), value=fill)
        return getattr(f, op)(wide, *rest, padding=0, **kw)

    return formula


def _behind(padding: int, stride: int) -> tuple[int, int]:
    """As much as makes the output as large, and the odd one behind: with steps of 2, one less before."""
    if not padding or stride < 2:
        raise DoesNotApply
    return (padding - 1, padding)


def _before(padding: int, stride: int) -> tuple[int, int]:
    if not padding or stride < 2:
        raise DoesNotApply
    return (padding, padding - 1)


def _causal(padding: int, _: int) -> tuple[int, int]:
    if not padding:
        raise DoesNotApply
    return (2 * padding, 0)


def _windows() -> dict[str, list[tuple[str, Formula]]]:
    found: dict[str, list[tuple[str, Formula]]] = {}
    for rank in (1, 2, 3):
        conv, pool, mean = f"conv{rank}d", f"max_pool{rank}d", f"avg_pool{rank}d"
        for op, fill in ((conv, 0.0), (pool, -1e30), (mean, 0.0)):
            found[op] = [
                ("one row of its padding is missing before: it is all behind", _padded(op, _behind, fill)),
                ("one row of its padding is missing behind: it is all before", _padded(op, _before, fill)),
                ("all of its padding is before: it is causal", _padded(op, _causal, fill)),
            ]
        found[conv] += [
            ("its window is turned round", _flipped(conv)),
            ("its b is left out", _without_bias(conv)),
        ]
        found[pool].append((f"{mean} stands in its place", _pooled(mean, ("size", "stride", "padding"))))
        found[mean].append((f"{pool} stands in its place", _pooled(pool, ("size", "stride", "padding"))))
    return found


def _pooled(other: str, kept: tuple[str, ...]) -> Formula:
    return lambda f, x, **kw: getattr(f, other)(x, **{name: kw[name] for name in kept if name in kw})


# Sums, losses and what moves elements


def _only(k: int) -> Formula:
    """One term of a sum: the other is left out."""
    return lambda f, x, y: (x, y)[k] + (x, y)[1 - k] * 0.0  # noqa: ARG005


def _twice(k: int) -> Formula:
    return lambda f, x, y: x + y + (x, y)[k]  # noqa: ARG005


def _of_probabilities(f: Any, z: Any, *rest: Any, axis: int = -1, **kw: Any) -> Any:
    return f.cross_entropy(f.softmax(z, axis=axis), *rest, axis=axis, **kw)


def _over_queries(
    f: Any, q: Any, k: Any, v: Any, mask: Any = None, *, causal: bool, scale: Any, groups: int
) -> Any:
    if mask is not None or causal or groups != 1:
        raise DoesNotApply
    last = (*range(k.ndim - 2), k.ndim - 1, k.ndim - 2)
    scores = (q @ f.transpose(k, axes=last)) * float(scale or q.shape[-1] ** -0.5)
    return f.softmax(scores, axis=-2) @ v


def _channels_last(f: Any, x: Any, *, shape: Any) -> Any:
    """What was taken apart, or is flattened, with its channels last."""
    if x.ndim < 3 or len(shape) >= x.ndim:
        raise DoesNotApply
    return f.reshape(f.transpose(x, axes=(0, *range(2, x.ndim), 1)), shape=shape)


NORMS = [
    ("its variance is divided by n - 1", _unbiased),
    ("its epsilon is added outside of the root", _added_outside),
    ("its variance is divided by n - 1, and its epsilon is added outside of the root", _unbiased_outside),
    ("nothing is centred: it is rms_norm", _uncentred),
]
ELSEWHERE: Mapping[str, list[tuple[str, Formula]]] = {
    **_activations(),
    **_windows(),
    "layer_norm": NORMS,
    "batch_norm": [("it is normalized by running statistics as they are at first, 0 and 1", _without_batch)],
    "linear": [("its W is transposed", _turned("linear")), ("its b is left out", _without_bias("linear"))],
    "matmul": [("its y is transposed", _turned("matmul"))],
    "add": [
        ("its first term is left out", _only(1)),
        ("its second term is left out", _only(0)),
        ("its first term is added twice", _twice(0)),
        ("its second term is added twice", _twice(1)),
    ],
    "cross_entropy": [
        ("it is given probabilities in place of logits: softmax is taken twice", _of_probabilities)
    ],
    "attention": [("its softmax is taken over queries", _over_queries)],
    "reshape": [("it is flattened with the channels last", _channels_last)],
}
"""By op: in words, and the formula."""
