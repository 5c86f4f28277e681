"""Inputs made smaller, as far as a function of JAX runs with them and learns of them as before."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from exporting_wide import truth
from exports_cutting import cut, shrunk


def smaller(given: Any) -> tuple[Any, list[str]]:
    """What is given with its inputs and target cut, and what was made smaller; parameters and what is beside them stay."""
    places = [i for i, leaf in enumerate(given.leaves) if leaf.kind in ("input", "data")]
    names = [f"{i}" * (leaf.kind in ("parameter", "input")) for i, leaf in enumerate(given.leaves)]

    def whole(arrays: Sequence[Any]) -> list[Any]:
        own = dict(zip(places, arrays, strict=True))
        return [own.get(i, leaf.array) for i, leaf in enumerate(given.leaves)]

    def largest(arrays: Sequence[Any]) -> dict[str, float]:
        """Of the first result that depends on any of them."""
        args = whole(arrays)
        closed = jax.make_jaxpr(given.call)(*args)
        for number, v in enumerate(closed.jaxpr.outvars):
            if jnp.issubdtype(v.aval.dtype, jnp.floating):
                told = truth(closed, args, names, number)
                found = {name: _largest(told[f"gradient {name}"]) for name in names if name}
                if any(found.values()):
                    return found
        raise ValueError("no real number that it returns depends on a parameter or on an input of floats")

    named = [given.leaves[i].name for i in places]
    inputs = [given.leaves[i].array for i in places]
    shapes, said = shrunk(named, inputs, largest)
    leaves = [
        replace(leaf, array=a) for leaf, a in zip(given.leaves, whole(cut(inputs, shapes)), strict=True)
    ]
    return replace(given, leaves=leaves), said


def _largest(gradient: Any) -> float:
    return float(np.max(np.abs(gradient), initial=0))
