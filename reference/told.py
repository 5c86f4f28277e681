"""What a subject has told of a program's results: each takes the place of what is computed, once that is known.

So one walk serves three questions. With nothing told it is the reference. With everything told, every op call is
evaluated at the subject's own numbers and every vjp at its own cotangent, and what nobody told is computed through:
the calls between known names are then judged as one. With some results told, the rest is what follows from these.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from .contexts import AsComputed, Exact
from .program import Node
from .runs import Runs

Array = Any
Result = tuple[str, str]
"""("value", name); ("gradient", name), the sum of all contributions; ("use", "i.k"), what argument k of call i contributes."""


def use(call: int, argument: int) -> Result:
    """What one argument of a call contributes to the cotangent of the name that it reads."""
    return "use", f"{call}.{argument}"


class Untold:
    """Nothing is told: every result is read as it was computed."""

    def walks(self, call: int) -> bool:  # noqa: ARG002
        """Whether a call is evaluated."""
        return True

    def called(self, call: int, outs: tuple[Array, ...]) -> tuple[Array, ...]:  # noqa: ARG002
        """The outputs of a call, before anybody reads them."""
        return outs

    def read(self, result: Result, a: Array, c: Exact) -> Array:  # noqa: ARG002
        """What whoever reads a result takes for it."""
        return a

    def argument(self, call: int, k: int, a: Array) -> Array:  # noqa: ARG002
        """What a call takes for one of its arguments."""
        return a

    def has_cotangents(self, names: Iterable[str]) -> bool:  # noqa: ARG002
        """Whether the cotangent of one of the names is known, whatever contributed to it."""
        return False

    def outputs(self, call: int, node: Node, env: Mapping[str, Array]) -> tuple[Array, ...]:  # noqa: ARG002
        """The outputs that the vjps of a call are given."""
        return tuple(env[name] for name in node.outs)

    def formula(self, call: int, c: Exact) -> Exact:  # noqa: ARG002
        """The context for the vjps of a call."""
        return c


UNTOLD = Untold()


class Told(Untold):
    """Results of a subject, for one walk; `found` is what each result has to be, given what was told before it.

    A vjp is given the output that follows from the subject's inputs, not the subject's output: it is a function of
    inputs and cotangent alone. For calls in `own_output` it is given the subject's after all, in the formula that
    frameworks take: where the output is wrong, a gradient that follows from it is no second fault.

    `exact` has the exact results where a subject may have read another evaluation of a result than the one it told,
    as a compiler does that fuses two calls: a perturbed run then errs anew on top of what was told.
    """

    def __init__(
        self,
        own: Mapping[Result, Array],
        *,
        calls: Collection[int] | None = None,
        own_output: Collection[int] = (),
        exact: Mapping[Result, Array] | None = None,
    ) -> None:
        """`calls` are those that are evaluated (None: all); what the others give has to be told."""
        self.own, self._calls, self._own_output, self._exact = own, calls, own_output, exact
        self.found: dict[Result, Array] = {}
        self._outs: dict[int, tuple[Array, ...]] = {}

    def walks(self, call: int) -> bool:
        return self._calls is None or call in self._calls

    def called(self, call: int, outs: tuple[Array, ...]) -> tuple[Array, ...]:
        self._outs[call] = outs
        return outs

    def read(self, result: Result, a: Array, c: Exact) -> Array:
        self.found[result] = a
        if result not in self.own:
            return a
        own = self.own[result]
        if self._exact is None or c.exact or result not in self._exact:
            return own
        with np.errstate(all="ignore"):
            moved = own + (a - self._exact[result])
        return np.where(np.isfinite(moved), moved, own)

    def has_cotangents(self, names: Iterable[str]) -> bool:
        return any(("gradient", name) in self.own for name in names)

    def outputs(self, call: int, node: Node, env: Mapping[str, Array]) -> tuple[Array, ...]:
        return super().outputs(call, node, env) if call in self._own_output else self._outs[call]

    def formula(self, call: int, c: Exact) -> Exact:
        return AsComputed(c) if call in self._own_output and c.exact else c


class EachAnew(Told):
    """A walk in which every use of a name reads another evaluation of it, as a compiler may have it that fuses calls.

    The evaluations of a name are its perturbed runs: each use reads those of other runs, as far as so many are evaluated at
    once; uses that lie a multiple of these apart read the same.
    """

    def argument(self, call: int, k: int, a: Array) -> Array:
        return Runs(np.roll(a.a, 1 + 7 * call + k, axis=-1)) if isinstance(a, Runs) else a
