"""Conventions of ops that people mix up, by op: each gives another result than the program asks for.

An op that comes to the table is given its rows here.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ....reference.contexts import Array
from ....reference.ops.classification import distribution
from ....reference.ops.losses import reduced, unreduced
from ....reference.ops.reductions import softmax
from .supposing import DoesNotApply, Site

EPSILONS = (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
CLIPPED = (1e-15, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5)


class Convention(NamedTuple):
    """What is computed by it, and how that is told."""

    instead: Callable[[Site], Array]
    words: str


def _first(change: Callable[[Array], Array]) -> Callable[[Site], Array]:
    """The op's own row, its first argument changed."""
    return lambda site: site.with_argument(0, change(site.args[0]))


def _backwards(formula: Callable[[Site], Array]) -> Callable[[Site], Array]:
    """A formula for the vjp towards the first argument alone."""

    def instead(site: Site) -> Array:
        if site.forwards or site.argument:
            raise DoesNotApply
        return formula(site)

    return instead


def _epsilons(words: str) -> Iterator[Convention]:
    for eps in EPSILONS:
        yield Convention(_first(lambda x, eps=eps: x + eps), words.format(eps=f"{eps:g}"))  # type: ignore[misc]


def _targets(words: str, change: Callable[[Site, Array], Array]) -> Convention:
    """A cross-entropy with other targets."""

    def instead(site: Site) -> Array:
        return site.with_argument(1, change(site, site.args[1]))

    return Convention(instead, words)


def _labels(by: int) -> Callable[[Site, Array], Array]:
    def change(site: Site, t: Array) -> Array:
        if t.dtype.kind != "i":
            raise DoesNotApply
        return np.mod(t + by, np.shape(site.args[0])[site.kw["axis"]])

    return change


def _numbers_for_vectors(site: Site) -> Array:
    """The softmax less the label's number, where its one-hot vector is to be subtracted."""
    z, t = site.args
    axis = site.kw["axis"]
    if t.dtype.kind != "i":
        raise DoesNotApply
    g = unreduced(site.c, site.g, np.size(t), site.kw["reduction"])
    g = np.expand_dims(g, axis) if np.ndim(g) else g
    return site.c.r(g * site.c.r(softmax(site.c, z, axis) - np.expand_dims(t, axis)))


def _log_of_sum(eps: float) -> Callable[[Site], Array]:
    """A cross-entropy by log(softmax + eps)."""

    def instead(site: Site) -> Array:
        z, t = site.args
        axis, c = site.kw["axis"], site.c
        logs = c.fn("log", c.r(softmax(c, z, axis) + eps))
        if not site.forwards:
            if site.argument == 0:
                raise DoesNotApply
            g = unreduced(c, site.g, np.size(z) // np.shape(z)[axis], site.kw["reduction"])
            return c.r(-(np.expand_dims(g, axis) if np.ndim(g) else g) * logs)
        loss = -c.sum(c.r(distribution(z, t, axis) * logs), axis)
        return reduced(c, loss, site.kw["reduction"])

    return instead


def _bce_with(eps: float) -> Callable[[Site], Array]:
    """A binary cross-entropy with eps added inside both logarithms."""

    def instead(site: Site) -> Array:
        c, (p, t) = site.c, site.args
        one, other = c.r(p + eps), c.r(c.r(1 - p) + eps)
        if site.forwards:
            loss = c.r(-c.r(t * c.fn("log", one)) - c.r((1 - t) * c.fn("log", other)))
            return reduced(c, loss, site.kw["reduction"])
        g = unreduced(c, site.g, np.size(p), site.kw["reduction"])
        if site.argument:
            return c.r(g * c.r(c.fn("log", other) - c.fn("log", one)))
        return c.r(g * c.r(c.r((1 - t) / other) - c.r(t / one)))

    return instead


def _clipped() -> Iterator[Convention]:
    for eps in CLIPPED:
        yield Convention(
            _first(lambda p, eps=eps: np.clip(p, eps, 1 - eps)),  # type: ignore[misc]
            f"probabilities are clipped to [{eps:g}, 1 - {eps:g}]",
        )


def _capped() -> Iterator[Convention]:
    for most in (10, 15, 20, 30, 50, 100, 500):
        yield Convention(
            _first(lambda z, most=most: np.clip(z, -most, most)),  # type: ignore[misc]
            f"its argument is clipped to [-{most}, {most}]",
        )


CONVENTIONS: dict[str, tuple[Convention, ...]] = {
    "tanh": (
        Convention(_backwards(lambda s: s.c.r(s.g * s.c.r(1 - s.out))), "the square is left out of 1 - tanh²"),
        *_capped(),
    ),
    "sigmoid": (
        Convention(_backwards(lambda s: s.c.r(s.g * s.c.r(1 - s.out))), "a factor is left out of s (1 - s): 1 - s is there alone"),
        *_capped(),
    ),
    "softplus": tuple(_capped()),
    "relu": (
        Convention(_backwards(lambda s: s.g * np.where(s.x > 0, 1, 0.01)), "it has leaky_relu's slope 0.01"),
    ),
    "bce": (
        *_clipped(),
        *(Convention(_bce_with(eps), f"{eps:g} is added inside its logarithms") for eps in EPSILONS),
        Convention(
            _backwards(lambda s: s.c.r(unreduced(s.c, s.g, np.size(s.x), s.kw["reduction"]) * s.c.r(s.x - s.args[1]))),
            "p - t is its gradient towards the logits, not towards p",
        ),
    ),
    "cross_entropy": (
        *(_targets(f"its labels are taken by {by:+d} off", _labels(by)) for by in (1, -1)),
        Convention(_backwards(_numbers_for_vectors), "the label's number is subtracted from every probability, not its one-hot vector"),
        *(Convention(_log_of_sum(eps), f"{eps:g} is added inside its logarithm") for eps in EPSILONS),
    ),
    "log": (*_epsilons("{eps} is added inside the logarithm"),),
    "sqrt": (*_epsilons("{eps} is added inside the root"),),
}  # fmt: skip
