"""What is given at a place in place of the right result, by the rows of `causes`, and with which options each is tried."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ....reference.contexts import Array, AsComputed
from ....reference.ops.arithmetic import unbroadcast
from .supposing import EVERY, DoesNotApply, Site, as_dtype

LONGEST_STEP = 1.0
"""Of a step that is supposed to have been made: no learning rate is larger."""


def once(_: Site) -> Iterable[Any]:
    return (None,)


def unary(site: Site) -> Iterable[Any]:
    """Where it is backwards through an elementwise function of one tensor."""
    alike = np.shape(site.right) == np.shape(site.g) == np.shape(site.out)
    return (None,) if alike and len(site.node.args) == 1 else ()


def of_inputs(site: Site) -> Iterator[int]:
    """The arguments that are tensors of floats."""
    for k, a in enumerate(site.args):
        if isinstance(site.node.args[k], str) and np.asarray(a).dtype.kind == "f":
            yield k


def square(site: Site) -> Iterator[int]:
    return (k for k in of_inputs(site) if is_square(site.args[k]))


def is_square(a: Array) -> bool:
    return np.ndim(a) == 2 and len(set(np.shape(a))) == 1 and np.size(a) > 1


def axes(a: Array) -> list[int]:
    return [axis for axis, size in enumerate(np.shape(a)) if size > 1]


def of(site: Site, k: int) -> str:
    return str(site.node.args[k])


def ones(site: Site, _: Any) -> Array:
    return site.again(g=np.ones_like(site.g))


def at_output(site: Site, _: Any) -> Array:
    return site.again((site.out,))


def formula_fed_input(site: Site, _: Any) -> Array:
    """The formula that frameworks have in the output, sigma' = y (1 - y), with the input in its place."""
    return site.again(out=site.x, c=AsComputed(site.c))


def masked_by_cotangent(site: Site, _: Any) -> Array:
    return site.again((site.g,))


def lacking(site: Site, at: tuple[int, int]) -> Array:
    """The cotangent without one slice, as where a loop ends too early."""
    return site.again(g=without(site.g, at))


def without(a: Array, at: tuple[int, int]) -> Array:
    axis, i = at
    left = np.ones(np.shape(a), bool)
    np.moveaxis(left, axis, 0)[i] = False
    return something(np.where(left, a, 0.0))


def something(a: Array) -> Array:
    """The array, if it isn't 0 everywhere: that is another cause."""
    if not np.any(a):
        raise DoesNotApply
    return a


def slices(a: Array) -> list[tuple[int, int]]:
    return [(axis, i) for axis in axes(a) for i in (-1, 0)]


def repeated(site: Site) -> Array:
    """What each repetition of a broadcast input is given. Raises DoesNotApply where it isn't repeated."""
    shape, linear = np.shape(site.g), site.node.op == "linear"
    if np.ndim(site.x) > len(shape) or np.shape(site.x) == shape or site.node.op not in BROADCAST:
        raise DoesNotApply
    if linear and site.argument != 2:
        raise DoesNotApply
    return (
        site.g if linear else site.with_argument(site.argument, np.broadcast_to(site.x, shape), out=site.out)
    )


BROADCAST = frozenset({"add", "sub", "mul", "div", "linear"})


def other_axis(site: Site, axis: int) -> Array:
    """The sum over one axis, in the input's shape."""
    return np.reshape(fitting(site, site.c.sum(repeated(site), axis)), np.shape(site.right))


def not_summed(site: Site, at: tuple[int, int]) -> Array:
    axis, i = at
    return np.reshape(fitting(site, np.take(repeated(site), i, axis)), np.shape(site.right))


def fitting(site: Site, a: Array) -> Array:
    if np.size(a) != np.size(site.right):
        raise DoesNotApply
    return a


def repeated_axes(site: Site) -> list[int]:
    return axes(repeated(site))


def narrowed(site: Site, a: Array, name: str) -> Array:
    """Rounded to a format that is narrower than the cell's."""
    if name == "float32" and site.trace.dtype != "float64":
        raise DoesNotApply
    return FORMATS[name](a)


def to_bits(a: Array, digits: int) -> Array:
    """Rounded to so many binary digits of the significand, to nearest even."""
    significand, exponent = np.frexp(a)
    return np.ldexp(np.rint(np.ldexp(significand, digits)), exponent - digits)


FORMATS: dict[str, Callable[[Array], Array]] = {
    "float32": lambda a: as_dtype(as_dtype(a, "float32"), "float64"),
    "11 binary digits (float16, TF32)": partial(to_bits, digits=11),
    "8 binary digits (bfloat16)": partial(to_bits, digits=8),
}
"""What numbers are rounded to on the way, by intent or by a device's default."""


def all_narrowed(site: Site, name: str) -> Array:
    """The call with all factors rounded: as a device multiplies matrices."""
    if site.row.terms is None:
        raise DoesNotApply
    args = (*(narrowed(site, a, name) for a in site.args[:2]), *site.args[2:])
    return site.again(args) if site.forwards else site.again(args, g=narrowed(site, site.g, name))


def with_exponentials(site: Site) -> Iterable[str]:
    """How the exponential may stand in a call's formula; in float64 alone can it be of fewer digits."""
    return EXPONENTIALS.get(site.node.op, {}) if site.trace.dtype == "float64" else ()


def exponential_in_float32(site: Site, form: str) -> Array:
    return site.c.r(EXPONENTIALS[site.node.op][form](site.c, site.x, **site.kw))


def _exp(a: Array) -> Array:
    """As NumPy has it in float32, and in float64 again."""
    return as_dtype(np.exp(as_dtype(a, "float32")), "float64")


def _softmax(c: Any, x: Array, axis: int) -> Array:
    e = _exp(x - np.max(x, axis=axis, keepdims=True))
    return e / c.sum(e, axis, keepdims=True)


EXPONENTIALS: dict[str, dict[str, Callable[..., Array]]] = {
    "sigmoid": {
        "exp(-x)": lambda _, x: 1 / (1 + _exp(-x)),
        "exp(-|x|)": lambda _, x: np.where(x >= 0, 1.0, _exp(-np.abs(x))) / (1 + _exp(-np.abs(x))),
    },
    "softmax": {"exp(x - max)": _softmax},
}
"""Ops by how people write them, with an exponential of float32 in the formula."""


def clips(site: Site) -> Iterable[float]:
    """The limits to which a gradient may be clipped."""
    largest = max(float(np.max(np.abs(a), initial=0)) for a in together(site))
    return (limit for limit in CLIPS if limit < largest)


def clipped(site: Site, limit: float) -> Array:
    return np.minimum(np.maximum(site.right, -limit), limit)


def together(site: Site) -> list[Array]:
    """What is right of a gradient, or of those of all inputs that were told."""
    here = site.trace.here
    if site.suspect.phase != EVERY:
        return [here.get(site.result, site.right)]
    return [here[key] for key in site.trace.own if key[0] == "gradient" and key[1] in site.trace.inputs]


def to_norm(site: Site, limit: float) -> Array:
    """Scaled to a norm, alone, or with the gradients of all inputs that were told."""
    length = math.sqrt(sum(float(np.sum(np.square(a))) for a in together(site)))
    if not length > limit:
        raise DoesNotApply
    return site.c.r(site.right * (limit / length))


CLIPS = (1.0, 5.0, 0.5, 10.0, 0.1, 2.0, 0.25, 3.0, 0.01, 100.0)
"""What people clip gradients to."""


def decimals(site: Site, a: Array, k: int) -> Array:
    """Rounded in the subject's dtype, as it rounds."""
    return something(as_dtype(np.round(as_dtype(a, site.trace.dtype), k), "float64"))


def before(site: Site, name: str) -> Array:
    """A name's value in the step before. Raises DoesNotApply where there is none."""
    if site.trace.earlier is None:
        raise DoesNotApply
    return site.trace.earlier.value(name)


def gradient_before(site: Site, _: Any) -> Array:
    """The gradient of the step before is added to it."""
    key = ("gradient", site.name)
    if site.trace.earlier is None or key not in site.trace.earlier.own:
        raise DoesNotApply
    return site.c.r(site.right + site.trace.earlier.own[key])


def of_other(site: Site, _: Any) -> Array:
    if len(site.node.args) != 2 or site.forwards:
        raise DoesNotApply
    other = 1 - site.argument
    return unbroadcast(site.c, site.again(argument=other), site.x)


def swapped(site: Site, _: Any) -> Array:
    if len(site.args) != 2 or not site.forwards:
        raise DoesNotApply
    return site.again(site.args[::-1])


def term(site: Site, how: tuple[int, float]) -> Array:
    """A sum in which one term is there so many times more."""
    k, times = how
    return site.c.r(site.right + times * site.args[k])


def with_a_number(site: Site) -> Iterator[int]:
    """The arguments that are sums with a number: `p + 1e-12` in a logarithm."""
    return (k for k in of_inputs(site) if summands(site, k))


def summands(site: Site, k: int) -> tuple[str, float] | None:
    """The tensor and the number that an argument is the sum of."""
    program, producer = site.trace.program, site.trace.producer
    name = str(site.node.args[k])
    node = program.nodes[producer[name]] if name in producer else None
    if node is None or node.op != "add":
        return None
    names, numbers = ([a for a in node.args if isinstance(a, str) == named] for named in (True, False))
    return (str(names[0]), float(numbers[0])) if len(names) == len(numbers) == 1 else None


def without_number(site: Site, k: int) -> Array:
    """Raises DoesNotApply where the argument of this place, one of several, is no such sum."""
    pair = summands(site, k)
    if pair is None:
        raise DoesNotApply
    return site.with_argument(k, site.walk.value(pair[0]))


def sum_terms(site: Site) -> Iterator[tuple[int, float]]:
    places = {"add": (0, 1), "linear": (2,)}.get(site.node.op, ())
    return ((k, times) for k in places if k < len(site.args) for times in (-1.0, 1.0))


def without_term(site: Site, name: str) -> Array:
    return site.c.r(site.right - site.terms[name])


def only_term(site: Site, name: str) -> Array:
    return site.terms[name]


def other_attribute_axis(site: Site) -> list[int]:
    axis, ndim = site.kw.get("axis"), np.ndim(site.x)
    return [a for a in range(ndim) if a != axis % ndim] if isinstance(axis, int) and ndim else []


def others(site: Site) -> Iterator[int]:
    """The arguments of a call that are the case's own and have a gradient, but for the one whose cotangent is given."""
    names, trace = site.node.args, site.trace
    return (
        k
        for k in of_inputs(site)
        if k != site.argument and names[k] in trace.inputs and names[k] in trace.floats
    )


def after_step(site: Site, k: int, f: float) -> Array:
    """The vjp through an argument as it is after a step of gradient descent."""
    if abs(f) > LONGEST_STEP:
        raise DoesNotApply
    key = ("gradient", of(site, k))
    gradient = site.trace.own.get(key, site.trace.here[key])
    return site.with_argument(k, site.c.r(site.args[k] - f * gradient))


def own(site: Site) -> Iterable[Any]:
    """Where the name itself may be added to its gradient: a number's worth says nothing."""
    return (None,) if site.name in site.trace.inputs and np.size(site.right) > 1 else ()


def scaled_self(site: Site, _: Any, f: float) -> Array:
    return site.c.r(site.right + f * site.walk.value(site.name))


def moved(site: Site, how: tuple[int, float]) -> Array:
    axis, by = how
    return np.flip(site.right, axis) if not by else np.roll(site.right, int(by), axis)
