"""A jaxpr as JAX itself evaluates it, in float64: what a case is held to, and what is known of its numbers.

What is worked out of known numbers alone keeps the dtypes that its author gave it, as a table in float32 or random bits do.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

BODIES = ("jaxpr", "call_jaxpr", "branches", "cond_jaxpr", "body_jaxpr")
"""Under which parameters an equation holds other jaxprs."""
DRAWS = ("random_bits", "random_gamma", "threefry", "philox", "rng_")
"""How primitives begin that draw random numbers."""


def bodies(eqn: Any) -> list[Any]:
    """The jaxprs that an equation calls, without their constants."""
    found = [eqn.params[key] for key in BODIES if key in eqn.params]
    several = [body for part in found for body in (part if isinstance(part, (tuple, list)) else [part])]
    return [getattr(body, "jaxpr", body) for body in several]


def body_of(eqn: Any) -> Any:
    """The one that it calls, or None."""
    return eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))


def draws(eqn: Any) -> bool:
    """Whether it draws random numbers, itself or in what it calls."""
    return eqn.primitive.name.startswith(DRAWS) or any(draws(e) for body in bodies(eqn) for e in body.eqns)


def is_narrow(dtype: Any) -> bool:
    return jnp.issubdtype(dtype, jnp.inexact) and dtype not in (np.float64, np.complex128)


def has_narrow(eqn: Any) -> bool:
    """Whether floats of less than 64 bits go in, come out, or are between."""
    dtypes = [getattr(v.aval, "dtype", None) for v in (*eqn.invars, *eqn.outvars)]
    return any(d is not None and is_narrow(d) for d in dtypes) or any(
        has_narrow(e) for body in bodies(eqn) for e in body.eqns
    )


def widened(a: Any) -> Any:
    """Floats, and what asks for floats, as float64; complex numbers likewise."""
    if isinstance(a, (np.dtype, type)):
        wide = np.complex128 if jnp.issubdtype(a, jnp.complexfloating) else np.float64
        return np.dtype(wide) if is_narrow(a) else a
    if not is_narrow(a.dtype):
        return a
    return jnp.asarray(a, widened(np.dtype(a.dtype)))


def evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """What a jaxpr gives: as JAX evaluates it, equation by equation, but for narrow floats, which are wide."""
    env = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *args), strict=True))

    def read(v: Any) -> Any:
        return np.asarray(v.val, v.aval.dtype) if isinstance(v, jax.extend.core.Literal) else env[v]

    for eqn in jaxpr.eqns:
        env.update(zip(eqn.outvars, bind(eqn, [read(v) for v in eqn.invars]), strict=True))
    return [read(v) for v in jaxpr.outvars]


def bind(eqn: Any, args: Sequence[Any]) -> list[Any]:
    """What one equation gives of these."""
    name, is_known = eqn.primitive.name, not any(isinstance(a, jax.core.Tracer) for a in args)
    if name == "while" and not is_known:
        return loop(eqn, args)
    if is_known and all(a.dtype == v.aval.dtype for a, v in zip(args, eqn.invars, strict=True)):
        with jax.ensure_compile_time_eval():
            return bound(eqn, args, eqn.params)
    if not has_narrow(eqn):
        return bound(eqn, args, eqn.params)
    if name == "scan":
        return steps(eqn, args, evaluated)
    if name == "cond":
        index, *rest = args
        return list(
            jax.lax.switch(index, [lambda *a, b=b: evaluated(b, a) for b in eqn.params["branches"]], *rest)
        )
    if bodies(eqn):
        return evaluated(body_of(eqn), args)
    if name == "bitcast_convert_type":
        raise SystemExit("the bits of numbers in less than float64 are read: the case is in float64")
    wide = {k: widened(v) if isinstance(v, (np.dtype, type)) else v for k, v in eqn.params.items()}
    return bound(eqn, [widened(a) for a in args], wide)


def bound(eqn: Any, args: Sequence[Any], params: Any) -> list[Any]:
    with eqn.ctx.manager:
        found = eqn.primitive.bind(*args, **eqn.primitive.get_bind_params(params))
    return list(found) if eqn.primitive.multiple_results else [found]


def evaluated(body: Any, args: Sequence[Any]) -> list[Any]:
    """What a jaxpr gives that may have its constants with it."""
    return evaluate(getattr(body, "jaxpr", body), getattr(body, "consts", ()), args)


def loop(eqn: Any, args: Sequence[Any]) -> list[Any]:
    """A `while` whose condition is known: JAX itself differentiates none, but as many steps as there are."""
    p, n = eqn.params, eqn.params["cond_nconsts"]
    of_cond, of_body, state = args[:n], args[n : n + p["body_nconsts"]], args[n + p["body_nconsts"] :]
    while evaluated(p["cond_jaxpr"], [*of_cond, *state])[0]:
        state = evaluated(p["body_jaxpr"], [*of_body, *state])
    return list(state)


def steps(eqn: Any, args: Sequence[Any], body: Callable[..., Any]) -> list[Any]:
    """A `scan`, step by step: the last state, and what all steps give, stacked."""
    p = eqn.params
    n, k = p["num_consts"], p["num_consts"] + p["num_carry"]
    consts, state, xs = args[:n], list(args[n:k]), args[k:]
    rows: list[Any] = [None] * p["length"]
    for i in reversed(range(p["length"])) if p["reverse"] else range(p["length"]):
        found = body(p["jaxpr"], [*consts, *state, *(x[i] for x in xs)])
        state, rows[i] = found[: k - n], found[k - n :]
    return [*state, *(jnp.stack(column) for column in zip(*rows, strict=True))]


def truth(closed: Any, given: Sequence[Any], names: Sequence[str], number: int) -> dict[str, np.ndarray]:
    """The output, a cotangent and the gradients, by the case's names; a name is empty where nothing is differentiated."""
    places = [i for i, name in enumerate(names) if name]

    def of(*chosen: Any) -> Any:
        own = dict(enumerate(given)) | dict(zip(places, chosen, strict=True))
        return evaluate(closed.jaxpr, closed.consts, [own[i] for i in range(len(given))])[number]

    @jax.jit
    def both(cotangent: Any, *chosen: Any) -> Any:
        out, back = jax.vjp(of, *chosen)
        return out, back(cotangent)

    shape = closed.jaxpr.outvars[number].aval.shape
    cotangent = np.random.default_rng(7).uniform(-1, 1, shape) if shape else np.ones(())
    out, gradients = both(cotangent, *(given[i] for i in places))
    found = {"value": np.asarray(out), "cotangent": cotangent}
    return found | {f"gradient {names[i]}": np.asarray(g) for i, g in zip(places, gradients, strict=True)}
