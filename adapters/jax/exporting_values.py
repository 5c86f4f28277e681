"""What a variable of a jaxpr is while it is read, and the words of programs."""

import re
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
from exporting_wide import body_of


@dataclass(eq=False)
class Value:
    """An array that is known, or what a program calls by a name."""

    shape: tuple[int, ...]
    known: Any = None
    said: dict[str, str] = field(default_factory=dict)
    """Its names by what they are in a program: "float", "bool", or "int64", of which there are places alone.

    Integers that are computed, other than places, are floats of whole numbers there.
    """
    inner: "Value | None" = None
    """What this is broadcast of, as NumPy does."""
    base: "Value | None" = None
    """Of places: what this is in another shape."""
    below: int = 0
    """Of places: they are from 0 on and below this number."""
    data: bool = False
    """Of what is known: whether it depends on what the function is given, or on what it draws."""
    hint: str = "constant"
    root: "Value | None" = None
    """Of what is known: the one input that it is worked out of, if it is one."""

    @property
    def is_places(self) -> bool:
        return bool(self.below)


def number(a: Any, value: Value) -> Any:
    """Of floats a float, also in what was narrow; of bool and integers what they count."""
    return float(a) if jnp.issubdtype(value.known.dtype, jnp.floating) or isinstance(a, bool) else a


CALLS = (
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "remat2",
    "checkpoint",
    "custom_jvp_call",
    "custom_vjp_call",
)
"""Primitives that call a function."""
NAMES = {
    "dot_general": "dot", "select_n": "where", "logistic": "sigmoid", "conv_general_dilated": "conv", "integer_pow": "pow",
    "broadcast_in_dim": "broadcast", "convert_element_type": "cast", "reduce_window": "pool",
}  # fmt: skip


def name_of(eqn: Any) -> str:
    """Of an equation that calls a function its name; empty where it calls none, or one without a name."""
    body = body_of(eqn)
    told = getattr(getattr(body, "jaxpr", body).debug_info, "func_src_info", "") if body is not None else ""
    return (told or "").split(" at ")[0]


def word(eqn: Any) -> str:
    """What the result of an equation is called."""
    name = (eqn.primitive.name in CALLS and name_of(eqn)) or eqn.primitive.name
    for long, short in NAMES.items():
        name = name.replace(long, short)
    return re.sub(r"\W", "_", name.removeprefix("reduce_")).strip("_") or "t"
