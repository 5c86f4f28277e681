"""Holds the reference to numbers printed elsewhere, at the inputs as written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ...reference.backprop import backprop
from ...reference.contexts import EXACT, Exact
from ...reference.rounding import expected, seed_of
from ..case.tensors import Array
from ..case.variant import Expectation, Key
from ..errors import HarnessError
from ..references.training import Walk

if TYPE_CHECKING:
    from ..case.variant import Variant


@dataclass(frozen=True, slots=True)
class ExpectFailure:
    """A number of the reference that is not the printed one; `message` says which, where and by how much."""

    message: str
    variant: str
    expectation: Expectation


class NothingExpectedError(HarnessError):
    """Nothing was compared, which must never look like agreement."""


def check_variant(variant: "Variant", expects: Sequence[Expectation]) -> list[ExpectFailure]:
    """Every printed number of a variant that the reference misses. Raises NothingExpectedError if none is of it."""
    mine = [expectation for expectation in expects if expectation.applies(variant)]
    if not mine:
        raise NothingExpectedError(f"{variant.case_name} expects nothing of variant {variant.id!r}")
    failures, compared = [], 0
    with np.errstate(all="ignore"):  # a number that is not finite is a failure with a message of its own
        found, own_error = compute(variant, mine, EXACT), own_errors(variant, mine)
    for expectation in mine:
        for place, text in expectation.elements():
            compared += 1
            allowed = (
                half_unit(text) if "/" not in text else Fraction(float(own_error[expectation.key][place]))
            )
            value = float(found[expectation.key][place])
            if not _within(value, text, allowed):
                message = _message(expectation, place, value, text, allowed, variant)
                failures.append(ExpectFailure(message, variant.id, expectation))
    if not compared:
        raise NothingExpectedError(f"{variant.case_name}: no number of variant {variant.id!r} was compared")
    return failures


# The reference


def compute(variant: "Variant", expects: Sequence[Expectation], c: Exact) -> dict[Key, Array]:
    """What the expectations speak of: values and gradients at the parameters after so many steps, and those."""
    walk = Walk(variant, variant.draw())
    cotangents = variant.cotangents()
    wanted = dict.fromkeys([*walk.parameters, *(e.name for e in expects if e.what == "gradient")])
    last = max(e.after_step for e in expects)
    found: dict[Key, Array] = {}
    for step in range(last + 1):
        now = [e for e in expects if e.after_step == step]
        given = walk.inputs()
        found.update((e.key, given[e.name]) for e in now if e.what == "parameter")
        if step == last and all(e.what == "parameter" for e in now):
            break
        env, gradients = backprop(variant.program, given, wanted, cotangents, c)
        found.update((e.key, env[e.name]) for e in now if e.what == "value")
        found.update((e.key, gradients[e.name]) for e in now if e.what == "gradient")
        if step < last:
            walk.took(gradients)
            walk.go_on(walk.moved(c), env)
    return found


def own_errors(variant: "Variant", expects: Sequence[Expectation]) -> dict[Key, Array]:
    """How far the reference may be off in float64, for expectations that print fractions.

    Where that isn't known, since a correct run need not be finite, only the number itself is right.
    """
    fractions = [expectation for expectation in expects if expectation.has_fractions]
    if not fractions:
        return {}
    size = sum(source.size for source in variant.sources.values())
    seed = seed_of(repr(variant.program.calls).encode())
    certified = expected(lambda c: compute(variant, fractions, c), size, seed, dtype="float64")
    allowed = {key: e.tolerance("float64") for key, e in certified.items()}
    return {key: np.where(np.isfinite(own), own, 0.0) for key, own in allowed.items()}


# Printed numbers


def half_unit(text: str) -> Fraction:
    """Half a unit of the last printed digit."""
    exponent = Decimal(text).as_tuple().exponent
    return Fraction(10) ** int(exponent) / 2


def _within(value: float, text: str, allowed: Fraction) -> bool:
    return math.isfinite(value) and abs(Fraction(value) - Fraction(text)) <= allowed


def _message(
    expectation: Expectation,
    place: tuple[int, ...],
    value: float,
    text: str,
    allowed: Fraction,
    variant: "Variant",
) -> str:
    where = f"[{', '.join(map(str, place))}]" if place else ""
    step = f" after step {expectation.after_step}" if expectation.after_step else ""
    shown = f"{value:.{_digits(text) + 1}g}"
    if math.isfinite(value) and _within(float(shown), text, allowed):
        shown = repr(value)
    of = f" in variant {variant.id}" if variant.id else ""
    subject = f"{expectation.what} of {expectation.name}{where}{step}"
    return (
        f"{subject} is {shown}, but the case expects {text} ± {float(allowed):.0e}{of} ({expectation.place})"
    )


def _digits(text: str) -> int:
    """Significant digits of a printed number."""
    return 16 if "/" in text else len(Decimal(text).as_tuple().digits)
