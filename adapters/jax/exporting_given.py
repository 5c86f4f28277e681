"""Somebody's function with its parameters and inputs, as a function of a row of arrays."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from exporting_wide import widened
from exports import given_by, loaded


@dataclass(frozen=True)
class Leaf:
    """An array that the function is given."""

    name: str
    kind: str
    """"parameter" or "input"; of what is no float and isn't differentiated "data", or "constant" beside the parameters."""
    array: Any


@dataclass(frozen=True)
class Given:
    leaves: Sequence[Leaf]
    call: Callable[..., Any]
    """Of the leaves' arrays, in their order."""


def given(file: Path, function: str, loss: str, sizes: dict[str, int]) -> Given:
    """What a function of somebody's file gives, called with sizes: trees of which the arrays are taken; what is no array stays as it is."""
    own = loaded(file)
    tree, inputs, targets, forward, signed = parts(given_by(own, function, sizes), function)
    jax.config.update("jax_enable_x64", True)  # whatever the file has said
    compare = compared(own, loss, targets)
    args = (
        () if isinstance(inputs, dict) else tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    )
    kwargs = dict(inputs) if isinstance(inputs, dict) else {}
    found, structure = jax.tree_util.tree_flatten_with_path((tree, args, kwargs, targets))
    whole = [a for _, a in found]
    places = [i for i, a in enumerate(whole) if isinstance(a, (jax.Array, np.ndarray, np.generic))]
    first, named = names_of(signed, len(args))
    leaves = [leaf(found[i][0], whole[i], first, named, is_flax=signed is not forward) for i in places]

    def call(*arrays: Any) -> Any:
        own = dict(zip(places, arrays, strict=True))
        tree, args, kwargs, targets = jax.tree_util.tree_unflatten(
            structure, [own.get(i, a) for i, a in enumerate(whole)]
        )
        return compare(forward(tree, *args, **kwargs), targets)

    return Given(leaves, call)


def parts(
    found: Any, function: str
) -> tuple[Any, Any, tuple[Any, ...], Callable[..., Any], Callable[..., Any]]:
    """Parameters, inputs, targets, the function, and what its arguments are called by: of flax the module itself."""
    if isinstance(found, tuple) and len(found) in (3, 4) and callable(found[2]):
        return found[0], found[1], found[3:], found[2], found[2]
    if (
        isinstance(found, tuple)
        and len(found) in (2, 3)
        and isinstance(found[0], tuple)
        and len(found[0]) == 2
    ):
        module, variables = found[0]
        if hasattr(module, "apply"):
            return variables, found[1], found[2:], module.apply, module.__call__
    raise SystemExit(
        f"{function}() gives {type(found).__name__}, but must give parameters, inputs and a function of both: return params, inputs, forward, "
        "which is called forward(params, *inputs); of flax return (module, variables), inputs"
    )


def compared(own: ModuleType, loss: str, targets: tuple[Any, ...]) -> Callable[..., Any]:
    """What is made of the function's output, and of the targets."""
    if not loss:
        if targets:
            raise SystemExit(
                "a target is given beside the inputs: say which --loss, a function of the file, compares the output with it"
            )
        return lambda output, _: output
    function = getattr(own, loss, None)
    told = "the output" + " and the target" * bool(targets)
    if not callable(function):
        raise SystemExit(
            f"--loss {loss}: the file has no such function, which is given {told}; or let the function itself give its loss"
        )
    try:
        inspect.signature(function).bind(*range(1 + len(targets)))
    except TypeError as error:
        raise SystemExit(
            f"--loss {loss}: it is given {told}: {error}; a target stands last in what is returned"
        ) from None
    return lambda output, targets: function(jax.tree_util.tree_leaves(output)[0], *targets)


def names_of(signed: Callable[..., Any], count: int) -> tuple[str, list[str]]:
    """What the parameters and the inputs are called: as the function's arguments; a module's own are all inputs."""
    try:
        arguments = [*inspect.signature(signed).parameters.values()]
    except (TypeError, ValueError):
        arguments = []
    plain = [p.name for p in arguments if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    first = "" if inspect.ismethod(signed) or not plain else plain.pop(0)
    return first.strip("_") or "params", [*plain[:count], *(f"input_{i}" for i in range(len(plain), count))]


def leaf(path: Sequence[Any], array: Any, first: str, named: Sequence[str], *, is_flax: bool) -> Leaf:
    """By its path, which begins with a name; what flax holds beside parameters isn't differentiated."""
    [part, *rest] = [str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", "")))) for k in path]
    if part == "1":
        rest[0] = named[int(rest[0])]
    name = "_".join(rest if part != "3" else ["target", *rest[1:]])
    wide, is_parameter = jnp.issubdtype(array.dtype, jnp.floating), part == "0"
    if is_parameter and is_flax:
        wide, name = wide and rest[0] == "params", "_".join(rest[rest[0] == "params" :])
    kind = ("parameter" if is_parameter else "input") if wide else "constant" if is_parameter else "data"
    array = array if jnp.issubdtype(array.dtype, jax.dtypes.prng_key) else jnp.asarray(array)
    return Leaf(name if name[:1].isalpha() else f"{first}_{name}".rstrip("_"), kind, widened(array))
