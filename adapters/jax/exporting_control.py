"""Rules for what calls other functions: they are entered, loops step by step; a few of JAX's own are rows of the table."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from exporting_rules import is_bool, is_float, shape, uniform
from exporting_values import CALLS, Value, name_of
from exporting_wide import bind, body_of, evaluated, has_narrow
from exports import Cannot, called, literal, rule

JAX = f"{Path(jax.__file__).parent}{os.sep}"
"""Where its functions are."""
CUSTOM = ("custom_jvp_call", "custom_vjp_call")
ROWS = {
    "relu": ("relu({0})",), "relu6": ("relu6({0})",), "silu": ("silu({0})",), "softplus": ("softplus({0})",),
    "log_sigmoid": ("log_sigmoid({0})",), "selu": ("selu({0})",), "mish": ("mish({0})",), "hard_tanh": ("hard_tanh({0})",),
    "hard_sigmoid": ("hard_sigmoid({0})",), "hard_silu": ("hard_swish({0})",), "soft_sign": ("softsign({0})",),
    "elu": ("elu({0}, alpha=1.0)", "elu({0}, alpha={1})"), "celu": ("celu({0}, alpha=1.0)", "celu({0}, alpha={1})"),
    "leaky_relu": ("leaky_relu({0}, slope=0.01)", "leaky_relu({0}, slope={1})"), "logaddexp": ("", "logaddexp({0}, {1})"),
    "xlogy": ("", "xlogy({0}, {1})"), "inv": ("inv({0})",), "det": ("det({0})",), "slogdet": ("slogdet({0})",),
}  # fmt: skip
"""JAX's own functions by name, and by the number of their arrays the row that each is."""
TRIES = ((1, 1.0), (2, 1.0), (3, 1e3))
"""Seeds, and how large cotangents are, with which a function's own derivative is held to its body's."""


def origin(body: Any) -> str:
    """The file that a function is of; empty where that isn't known."""
    told = getattr(getattr(body, "jaxpr", body).debug_info, "func_src_info", None) or ""
    found = re.search(r" at (.*):\d+$", told)
    return found[1] if found else ""


def is_users(body: Any) -> bool:
    """Whether a function is of no library."""
    file = origin(body)
    return bool(file) and not file.startswith(JAX) and "site-packages" not in file


def entered(m: Any, eqn: Any, body: Any, values: Sequence[Value]) -> list[Value]:
    """What is in a library's function stands at the line that calls it."""
    return list(m.entered(body, values, "" if is_users(body) else m.place(eqn)))


def row(m: Any, eqn: Any, *values: Value) -> Any:
    """A row of the table, or None. A second argument is a number where all of its elements are one, as a slope must be."""
    text = "".join(ROWS.get(name_of(eqn), ())[len(values) - 1 : len(values)])
    same = [uniform(value.inner or value) for value in values[1:]]
    if not text or ("={1}" in text and None in same):
        return None
    told = [
        m.text(v, "float") if a is None else literal(float(a)) for v, a in zip(values[1:], same, strict=True)
    ]
    found = text.format(m.text(values[0], "float"), *told)
    return list(m.assign(found, len(eqn.outvars))) if len(eqn.outvars) > 1 else [found]


def solve(m: Any, eqn: Any, a: Value, b: Value) -> list[str]:
    """Right sides stand side by side, also a single one."""
    if len(b.shape) > 1:
        return [called("solve", m.text(a, "float"), m.text(b, "float"))]
    column = m.text(m.reshaped(b, (*b.shape, 1)), "float")
    return [called("reshape", m.assign(called("solve", m.text(a, "float"), column)), shape=shape(eqn))]


def one_hot(m: Any, eqn: Any, labels: Value) -> Any:
    """Of places, all of which are among the classes; or None."""
    base, [*lead, classes] = labels.base or labels, shape(eqn)
    if not labels.is_places or tuple(lead) != labels.shape or classes < labels.below:
        return None
    name = m.assign(called("one_hot", m.text(base, "int64"), classes=classes))
    return [name if base is labels else called("reshape", name, shape=shape(eqn))]


OWN: dict[str, Callable[..., Any]] = {"solve": solve, "_one_hot": one_hot}
"""JAX's own functions that are no row alone."""


@rule(*CALLS)
def call(m: Any, eqn: Any, *values: Value) -> Any:
    body = body_of(eqn)
    if origin(body).startswith(JAX) and eqn.outvars and is_float(eqn.outvars[0]):
        found = OWN.get(name_of(eqn), row)(m, eqn, *values)
        if found is not None:
            return found
    if eqn.primitive.name in CUSTOM:
        hold(m, eqn, values)
    return entered(m, eqn, body, values)


# Derivatives of one's own


def hold(m: Any, eqn: Any, values: Sequence[Value]) -> None:
    """The case differentiates the body: a derivative of its own that is another is refused. Once for each body, at drawn numbers."""
    key = id(body_of(eqn))
    if key not in m.held:
        m.held[key] = (eqn, differs(eqn, values))  # kept with its equation, so that no other has its id
    if m.held[key][1]:
        raise Cannot(f"of {name_of(eqn)}, {m.held[key][1]}")


def differs(eqn: Any, values: Sequence[Value]) -> str:
    """In what way the derivative that a function brings with it is not its body's; empty where it is."""
    if has_narrow(eqn):
        return "whose derivative is its own, and whose floats are less than float64" * is_users(body_of(eqn))
    if any(value.known is None and not is_float(v) for value, v in zip(values, eqn.invars, strict=True)):
        return "whose derivative is its own, and which is given what is computed and no float"
    if not all(map(is_float, eqn.outvars)):
        return "whose derivative is its own, and which gives what is no float"
    floats = [i for i, value in enumerate(values) if value.known is None]
    for seed, size in TRIES:
        random = np.random.default_rng(seed)
        drawn = [jnp.asarray(random.uniform(-1, 1, values[i].shape) + seed - 1.5) for i in floats]
        cotangents = [
            jnp.asarray(size * random.uniform(-1, 1, shape(eqn, i))) for i in range(len(eqn.outvars))
        ]

        def given(chosen: Sequence[Any]) -> list[Any]:
            own = dict(zip(floats, chosen, strict=True))
            return [own.get(i, value.known) for i, value in enumerate(values)]

        _, its = jax.vjp(lambda *a: bind(eqn, given(a)), *drawn)
        _, bodies_ = jax.vjp(lambda *a: evaluated(body_of(eqn), given(a)), *drawn)
        pairs = zip(its(cotangents), bodies_(cotangents), strict=True)
        if not all(np.allclose(a, b, rtol=1e-9, atol=1e-9 * size, equal_nan=True) for a, b in pairs):
            return "whose own derivative is not its body's"
    return ""


# Loops and branches


@rule("scan")
def scan(m: Any, eqn: Any, *values: Value) -> Any:
    """Step by step."""
    p = eqn.params
    n, k = p["num_consts"], p["num_consts"] + p["num_carry"]
    consts, state, xs = values[:n], list(values[n:k]), values[k:]
    rows: list[list[Value]] = [[]] * p["length"]
    for i in reversed(range(p["length"])) if p["reverse"] else range(p["length"]):
        found = entered(m, eqn, p["jaxpr"], [*consts, *state, *(step_of(m, x, i) for x in xs)])
        state, rows[i] = found[: k - n], found[k - n :]
    return [*state, *(stacked(m, eqn, k - n + j, column) for j, column in enumerate(zip(*rows, strict=True)))]


def step_of(m: Any, x: Value, i: int) -> Value:
    if x.known is not None:
        return Value(x.shape[1:], known=x.known[i], data=x.data, hint=x.hint)
    if x.is_places:
        raise Cannot("over places that are computed")
    return Value(x.shape[1:], said={"float": m.assign(f"{m.text(x, 'float')}[{i}]", base="step")})


def stacked(m: Any, eqn: Any, number: int, parts: Sequence[Value]) -> Value:
    """What all steps give of one result."""
    if all(part.known is not None for part in parts):
        known = jnp.stack([part.known for part in parts])
        return Value(shape(eqn, number), known=known, data=any(p.data for p in parts), hint=parts[0].hint)
    if any(part.is_places for part in parts):
        raise Cannot("of places that are computed")
    text = called("stack", *(m.text(part, "float") for part in parts), axis=0)
    found = Value(shape(eqn, number), said={"float": m.assign(text, base="steps")})
    return Value(found.shape, said={"bool": m.text(found, "bool")}) if is_bool(eqn.outvars[number]) else found


@rule("while")
def loop(m: Any, eqn: Any, *values: Value) -> Any:
    """As many steps as there are, where that depends on nothing that is differentiated."""
    p, n = eqn.params, eqn.params["cond_nconsts"]
    of_cond, of_body, state = values[:n], values[n : n + p["body_nconsts"]], values[n + p["body_nconsts"] :]
    while True:
        [more] = entered(m, eqn, p["cond_jaxpr"], [*of_cond, *state])
        if more.known is None:
            raise Cannot("whose condition is computed from what is differentiated")
        if not more.known:
            return list(state)
        state = tuple(entered(m, eqn, p["body_jaxpr"], [*of_body, *state]))


@rule("cond")
def branch(m: Any, eqn: Any, index: Value, *values: Value) -> Any:
    if index.known is None:
        raise Cannot("whose predicate is computed from what is differentiated")
    chosen = min(max(int(index.known), 0), len(eqn.params["branches"]) - 1)
    return entered(m, eqn, eqn.params["branches"][chosen], values)
