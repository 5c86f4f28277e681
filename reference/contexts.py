"""The exact arithmetic context."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .ops.elementary import FUNCTIONS

Array = Any


class Exact:
    """Plain float64 arithmetic."""

    exact = True
    numbers: range | None = None
    """Which runs are evaluated at once, by their numbers; None: there is one."""

    def at(self, place: Hashable) -> None:
        """The walk tells where it is: a node, or a node and the input whose cotangent is computed."""

    def begin(self, step: int) -> None:
        """A training is at this step, from 0: what is drawn from here on is the step's own, wherever the walk began."""

    def literal(self, place: Hashable, number: float) -> Array:
        """A number of the program's text, or of an optimizer's options, in the call at `place`: a real number.

        The reference takes the float64 nearest to it; a cell has it rounded to its own dtype.
        """
        return number

    def r(self, a: Array, c: float = 1.0) -> Array:
        """An elementwise result, rounded once (error at most c u |a|)."""
        return a

    def fn(self, name: str, *args: Array) -> Array:
        """An elementary function of the table in `reference.ops.elementary`."""
        return FUNCTIONS[name].exact(*args)

    def absolute(self, a: Array, m: Array) -> Array:
        """A result whose intermediate terms may be as large as `m` (error at most m u)."""
        return a

    def matmul(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        """X @ w, and a bias that a framework may add first or last."""
        return x @ w if bias is None else x @ w + bias

    def sum(self, a: Array, axis: Any, keepdims: bool = False) -> Array:
        """The sum over an axis, several, or all (None)."""
        return np.sum(a, axis=axis, keepdims=keepdims)

    def kink(self, z: Array) -> Array:
        """The argument of a branch."""
        return z

    def attained(self, z: Array) -> Array:
        """The same, of what lies below a largest element, where a largest one is no kink by itself: 0 there, else negative."""
        return self.kink(z)

    def step(self, function: Any, *args: Array) -> Array:
        """A function that is constant but where it jumps, such as `np.floor`: of the arguments that a branch has."""
        return function(*map(self.kink, args))

    def order(self, z: Array) -> Array:
        """The argument of what chooses elements by their order: a perturbed run chooses those of the exact one."""
        return self.kink(z)

    def shuffled(self, terms: Sequence[Array]) -> Sequence[Array]:
        """Terms that come from different calls, in the order in which they are added."""
        return terms


class AsComputed(Exact):
    """Another context, in which a row takes the formula that frameworks take also where nothing errs."""

    exact = False

    def __init__(self, c: Exact) -> None:
        self._c = c

    def __getattribute__(self, name: str) -> Any:
        own = object.__getattribute__(self, "_c")
        return False if name == "exact" else getattr(own, name)


EXACT = Exact()
