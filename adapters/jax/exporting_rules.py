"""JAX's primitives in the language of programs: a rule for each, `rule(walk, equation, *values)` -> an expression.

A rule gives an expression, which becomes a statement, or a value; or a list of such. It raises `Cannot` where programs have
no word for what is asked. Semantics: https://docs.jax.dev/en/latest/jax.lax.html.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from exporting_values import Value, number
from exports import RULES, Cannot, called, literal, rule


def shape(eqn: Any, number: int = 0) -> tuple[int, ...]:
    return tuple(int(size) for size in eqn.outvars[number].aval.shape)


def is_float(v: Any) -> bool:
    return bool(jnp.issubdtype(v.aval.dtype, jnp.floating))


def is_bool(v: Any) -> bool:
    return bool(v.aval.dtype == np.bool_)


def uniform(value: Value) -> Any:
    """The number that all elements of a constant are, or None."""
    if value.known is None or value.data or not math.prod(value.shape):
        return None
    flat = np.asarray(value.known).ravel()
    return flat[0].item() if (flat == flat[0]).all() else None


def operands(m: Any, eqn: Any, values: Sequence[Value], kinds: Sequence[str]) -> list[str]:
    """Texts that broadcast to the result's shape: what is broadcast by itself stands there as it is, wherever that is enough."""
    texts, sizes = [], []
    for value, kind in zip(values, kinds, strict=True):
        inner = value.inner or value
        same = uniform(inner) if kind == "float" else None
        texts.append(m.text(inner, kind) if same is None else literal(number(same, inner)))
        sizes.append(inner.shape if same is None else ())
    for i, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        if np.broadcast_shapes(*sizes) == shape(eqn):
            break
        texts[i], sizes[i] = m.text(value, kind), value.shape
    return texts


def elementwise(text: str, *kinds: str) -> Callable[..., Any]:
    def made(m: Any, eqn: Any, *values: Value) -> str:
        found = operands(m, eqn, values, kinds or ["float"] * len(values))
        return text.format(*found)

    return made


def of_floats(made: Callable[..., Any]) -> Callable[..., Any]:
    """Integers that are computed have rules of their own: a quotient is cut off."""

    def checked(m: Any, eqn: Any, *values: Value) -> Any:
        if not is_float(eqn.invars[0]):
            raise Cannot(f"of {eqn.invars[0].aval.dtype}")
        return made(m, eqn, *values)

    return checked


for names, text in {
    "add add_any": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "neg": "-{0}", "abs": "abs({0})", "sign": "sign({0})",
    "min": "minimum({0}, {1})", "square": "square({0})", "gt": "{0} > {1}", "ge": "{0} >= {1}",
    "le": "{0} <= {1}",
}.items():  # fmt: skip
    RULES.update(dict.fromkeys(names.split(), elementwise(text)))
for names, text in {
    "div": "{0} / {1}", "logistic": "sigmoid({0})", "cbrt": "sign({0}) * abs({0}) ** (1 / 3)", "is_finite": "abs({0}) < inf",
    "rem": "sign({0}) * mod(abs({0}), abs({1}))", "atan2": "atan2({0}, {1})",
}.items():  # fmt: skip
    RULES[names] = of_floats(elementwise(text))
for op in [
    "exp",
    "exp2",
    "log",
    "log1p",
    "expm1",
    "tanh",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "asinh",
    "acosh",
    "atanh",
    "sqrt",
    "rsqrt",
    "erf",
    "erfc",
    "lgamma",
    "floor",
    "ceil",
]:
    RULES[op] = of_floats(elementwise(op + "({0})"))


@rule("eq", "ne")
def equal(m: Any, eqn: Any, x: Value, y: Value) -> str:
    sign = "==" if eqn.primitive.name == "eq" else "!="
    return elementwise("{0} " + sign + " {1}")(m, eqn, x, y)


@rule("lt")
def less(m: Any, eqn: Any, x: Value, y: Value) -> Any:
    """Places are never below 0: JAX asks that of each."""
    if x.is_places and uniform(y) == 0:
        return Value(shape(eqn), np.zeros(shape(eqn), bool))
    return elementwise("{0} < {1}")(m, eqn, x, y)


@rule("max")
def maximum(m: Any, eqn: Any, x: Value, y: Value) -> Any:
    """Above -inf is everything: JAX begins with it."""
    for one, other in ((x, y), (y, x)):
        if uniform(one) == -np.inf and other.shape == shape(eqn):
            return other
    return elementwise("maximum({0}, {1})")(m, eqn, x, y)


@rule("pow")
def power(m: Any, eqn: Any, x: Value, y: Value) -> str:
    base, exponent = operands(m, eqn, (x, y), ("float", "float"))
    return f"({base}) ** {exponent}" if base.startswith("-") else f"{base} ** {exponent}"


@rule("integer_pow")
def integer_power(m: Any, eqn: Any, x: Value) -> str:
    n, text = eqn.params["y"], m.text(x, "float")
    if n < 0 and not is_float(eqn.invars[0]):
        raise Cannot("of integers, to less than 0")
    return called("square", text) if n == 2 else f"{text} ** {n}"


@rule("round")
def rounded(m: Any, eqn: Any, x: Value) -> str:
    """Of two that are as near the even one, or the one further from 0."""
    text = m.text(x, "float")
    if eqn.params["rounding_method"] == jax.lax.RoundingMethod.TO_NEAREST_EVEN:
        return called("round", text)
    size = m.assign(called("abs", text))
    below = m.assign(called("floor", size))
    return f"sign({text}) * ({below} + where({size} - {below} >= 0.5, 1.0, 0.0))"


@rule("and", "or", "xor", "not")
def logic(m: Any, eqn: Any, *values: Value) -> str:
    if not is_bool(eqn.invars[0]):
        raise Cannot("of the bits of integers")
    text = {
        "and": "{0} & {1}",
        "or": "{0} | {1}",
        "xor": "({0} | {1}) & ~({0} & {1})",
        "not": "~{0}",
    }[eqn.primitive.name]
    return elementwise(text, *["bool"] * len(values))(m, eqn, *values)


@rule("select_n")
def select(m: Any, eqn: Any, which: Value, *cases: Value) -> Any:
    """By a bool the first case where it is false; by a number the case of it."""
    chosen = uniform(which)
    if chosen is not None and cases[int(chosen)].shape == shape(eqn):
        return cases[int(chosen)]
    if any(case.is_places for case in cases):
        raise Cannot("between places that are computed")
    if is_bool(eqn.outvars[0]):
        if len(cases) != 2:
            raise Cannot("between more than two bools")
        condition, no, yes = operands(m, eqn, (which, *cases), ("bool",) * 3)
        return f"({condition} & {yes}) | (~{condition} & {no})"
    if len(cases) == 2:
        condition, no, yes = operands(m, eqn, (which, *cases), ("bool", "float", "float"))
        return called("where", condition, yes, no)
    index, *texts = operands(m, eqn, (which, *cases), ("float",) * (1 + len(cases)))
    found = texts[-1]
    for i, text in reversed([*enumerate(texts[:-1])]):
        found = called("where", f"{index} == {i}", text, found)
    return found


@rule("clamp")
def clamp(m: Any, eqn: Any, low: Value, x: Value, high: Value) -> str:
    ends = [uniform(a) for a in (low, high)]
    if all(a is not None and np.isfinite(a) for a in ends):
        return called("clip", m.text(x, "float"), low=float(ends[0]), high=float(ends[1]))
    least, text, most = operands(m, eqn, (low, x, high), ("float",) * 3)
    return f"minimum(maximum({text}, {least}), {most})"


@rule("stop_gradient")
def held(m: Any, eqn: Any, x: Value) -> Any:
    return called("stop_gradient", m.text(x, "float")) if is_float(eqn.invars[0]) else x


@rule(
    "copy",
    "copy_p",
    "optimization_barrier",
    "name",
    "sharding_constraint",
    "layout_constraint",
    "debug_callback",
    "debug_print",
)
def same(m: Any, eqn: Any, *values: Value) -> list[Value]:  # noqa: ARG001
    return [*values[: len(eqn.outvars)]]


@rule("convert_element_type")
def cast(m: Any, eqn: Any, x: Value) -> Any:
    before, after = eqn.invars[0].aval.dtype, eqn.outvars[0].aval.dtype
    if jnp.issubdtype(before, jnp.complexfloating) or jnp.issubdtype(after, jnp.complexfloating):
        raise Cannot("of complex numbers")
    if after == np.bool_ and before != np.bool_:
        return f"{m.text(x, 'float')} != 0"
    if is_float(eqn.invars[0]) and not is_float(eqn.outvars[0]):
        raise Cannot(f"from {before} to {after}")
    if before == np.bool_ or (x.is_places and is_float(eqn.outvars[0])):
        return Value(x.shape, said={"float": m.text(x, "float")})
    return x


# Shapes


def moved(m: Any, eqn: Any, x: Value, text: Callable[[str], str]) -> str:
    """What moves elements; bools go there as floats, and come back."""
    found = text(m.text(x, "float"))
    return f"{m.assign(found)} > 0.5" if is_bool(eqn.outvars[0]) else found


@rule("reshape", "squeeze", "expand_dims")
def reshape(m: Any, eqn: Any, x: Value, *_: Value) -> Any:
    if eqn.params.get("dimensions") is not None and eqn.primitive.name == "reshape":
        raise Cannot("in another order")
    if x.shape == shape(eqn):
        return x
    if x.is_places:
        return Value(shape(eqn), base=x.base or x, below=x.below)
    if shape(eqn) == (1,) * (len(shape(eqn)) - len(x.shape)) + x.shape:
        return Value(shape(eqn), inner=x.inner or x)
    return moved(m, eqn, x, lambda text: called("reshape", text, shape=shape(eqn)))


@rule("broadcast_in_dim")
def broadcast_in_dim(m: Any, eqn: Any, x: Value, *_: Value) -> Any:
    """Nothing is said yet: most of what reads it broadcasts by itself."""
    result = shape(eqn)
    if x.shape == result:
        return x
    if x.is_places and math.prod(x.shape) == math.prod(result):
        return Value(result, base=x.base or x, below=x.below)
    aligned = [1] * len(result)
    for size, axis in zip(x.shape, eqn.params["broadcast_dimensions"], strict=True):
        aligned[axis] = size
    lead = next((i for i, size in enumerate(aligned) if size != 1), len(aligned))
    own = tuple(aligned[len(aligned) - len(x.shape) :])
    if own != x.shape or lead < len(aligned) - len(x.shape):
        x = m.reshaped(x, tuple(aligned[lead:]))
    if x.shape == result:
        return x
    return Value(result, inner=x.inner or x)


@rule("transpose")
def transpose(m: Any, eqn: Any, x: Value) -> Any:
    order = [int(a) for a in eqn.params["permutation"]]
    return (
        x
        if order == [*range(len(order))]
        else moved(m, eqn, x, lambda text: called("transpose", text, axes=order))
    )


@rule("rev")
def reverse(m: Any, eqn: Any, x: Value) -> str:
    return moved(m, eqn, x, lambda text: called("flip", text, axis=axes(eqn.params["dimensions"])))


@rule("concatenate")
def concatenate(m: Any, eqn: Any, *xs: Value) -> Any:
    xs = tuple(x for x in xs if math.prod(x.shape))
    if len(xs) == 1:
        return xs[0]
    texts = [m.text(x, "float") for x in xs]
    return moved(m, eqn, xs[0], lambda _: called("concat", *texts, axis=eqn.params["dimension"]))


@rule("stack")
def stack(m: Any, eqn: Any, *xs: Value) -> str:
    texts = [m.text(x, "float") for x in xs]
    return moved(m, eqn, xs[0], lambda _: called("stack", *texts, axis=eqn.params["axis"]))


@rule("unstack")
def unstack(m: Any, eqn: Any, x: Value) -> list[str]:
    lead = [":"] * eqn.params["axis"]
    return [
        moved(m, eqn, x, lambda text, i=i: f"{text}[{', '.join([*lead, str(i)])}]")
        for i in range(len(eqn.outvars))
    ]


@rule("tile")
def tile(m: Any, eqn: Any, x: Value) -> str:
    return moved(m, eqn, x, lambda text: called("tile", text, repeats=eqn.params["reps"]))


@rule("split")
def split(m: Any, eqn: Any, x: Value) -> Any:
    sizes, axis = eqn.params["sizes"], eqn.params["axis"]
    if len(set(sizes)) == 1 and len(sizes) > 1 and not is_bool(eqn.outvars[0]):
        names = m.assign(called("split", m.text(x, "float"), parts=len(sizes), axis=axis), len(sizes))
        return [Value(shape(eqn, i), said={"float": name}) for i, name in enumerate(names)]
    ends = np.cumsum(sizes)
    return [
        moved(m, eqn, x, lambda text, place=f"{e - s}:{e}": f"{text}[{', '.join([':'] * axis + [place])}]")
        for s, e in zip(sizes, ends, strict=True)
    ]


def axes(value: Sequence[int]) -> Any:
    """An axis, or several."""
    found = tuple(int(a) for a in value)
    return found[0] if len(found) == 1 else found


@rule("reduce_sum", "reduce_max", "reduce_min", "reduce_prod")
def reduction(m: Any, eqn: Any, x: Value) -> Any:
    if not eqn.params["axes"]:
        return x
    chosen = None if len(eqn.params["axes"]) == len(x.shape) else axes(eqn.params["axes"])
    return called(eqn.primitive.name.removeprefix("reduce_"), m.text(x, "float"), axis=chosen)


@rule("reduce_and", "reduce_or")
def all_or_any(m: Any, eqn: Any, x: Value) -> str:
    op = {"reduce_and": "min", "reduce_or": "max"}[eqn.primitive.name]
    return moved(m, eqn, x, lambda text: called(op, text, axis=axes(eqn.params["axes"])))
